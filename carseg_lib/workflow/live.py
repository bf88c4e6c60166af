"""A bar on the terminal while a stage works: what it does, how far it is, the time left.

Where a stage does not tell how far it is, the bar moves to and fro: no stretch is silent. On anything but a terminal
there is none, and the step's lines come as they are.
"""

from __future__ import annotations

import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from carseg_lib.core import progress
from carseg_lib.core.environment import environment_variables
from carseg_lib.core.formatting import duration

_EVERY = 0.25  # seconds between two looks


@contextmanager
def live_bar() -> Iterator[None]:
    """Draw the progress of what runs within the block, in this process or in its children; lines appear above it."""
    if not sys.stdout.isatty():
        yield
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    with tempfile.TemporaryDirectory(prefix="carseg-", ignore_cleanup_errors=True) as folder:
        state, over = Path(folder, "progress.json"), threading.Event()
        parts = [TextColumn(f"{{task.{name}}}") for name in ("description", "fields[count]", "fields[left]")]
        with Progress(parts[0], BarColumn(), *parts[1:], console=Console(), transient=True) as bar:
            task = bar.add_task("starting", total=None, count="", left="")

            def draw() -> None:
                now = progress.read(state)
                if now is None:
                    return
                if now.done >= now.total:  # until the next step tells of itself, a bar that only moves
                    bar.update(task, description="working", total=None, count="", left="")
                    return
                left = "" if now.left is None else f"{duration(now.left)} left"
                count = f"{now.done:,}/{now.total:,}"
                bar.update(task, description=now.what, completed=now.done, total=now.total, count=count, left=left)

            def watch() -> None:
                while not over.wait(_EVERY):
                    draw()

            thread = threading.Thread(target=watch, daemon=True)
            with environment_variables({progress.VARIABLE: str(state)}):
                thread.start()
                try:
                    yield
                finally:
                    over.set()
                    thread.join()
