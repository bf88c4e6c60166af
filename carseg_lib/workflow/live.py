"""A bar on the terminal for a step that works in a kernel: what it does, how far it is, the time left.

On anything but a terminal there is none, and the step's lines come as they are.
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
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

    with tempfile.TemporaryDirectory(prefix="carseg-", ignore_cleanup_errors=True) as folder:
        state, over = Path(folder, "progress.json"), threading.Event()
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[left]}")
        with Progress(*columns, console=Console(), transient=True) as bar:
            task: TaskID | None = None

            def draw() -> None:
                nonlocal task
                now = progress.read(state)
                if now is None:
                    return
                if task is None:
                    task = bar.add_task("", left="")
                left = "" if now.left is None else f"{duration(now.left)} left"
                # a step that is over leaves no bar behind, until the next one begins
                bar.update(
                    task,
                    description=now.what,
                    completed=now.done,
                    total=now.total,
                    left=left,
                    visible=now.done < now.total,
                )

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
