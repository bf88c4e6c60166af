"""How far a long step is, told by the process that works to the one that has the terminal.

A notebook runs in a kernel, which has no terminal. Where the variable CARSEG_PROGRESS names a file, `tell` keeps the
present state in it; the command line reads it and draws a bar (`carseg_lib.workflow.live`). Elsewhere nothing happens.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

VARIABLE = "CARSEG_PROGRESS"
_EVERY = 0.2  # seconds between two states: a file is written more slowly than a photo is read
_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Progress:
    """The state of a step.

    Attributes:
        what: in words, such as "epoch 3 of 11".
        done: of `total`, in the step's own units.
        total: of the step; at least 1.
        left: seconds until all of it is over, where that is known better than from done and total.
    """

    what: str
    done: int
    total: int
    left: float | None = None


_last = 0.0  # when a state was written


def tell(what: str, done: int, total: int, left: float | None = None) -> None:
    """Keep a state where the terminal's process looks for it; at most five times a second, but always a step's end."""
    global _last
    path = os.environ.get(VARIABLE)
    if not path or (done < total and time.monotonic() - _last < _EVERY):
        return
    _last = time.monotonic()
    temporary = Path(f"{path}.{os.getpid()}")
    try:
        temporary.write_text(json.dumps(asdict(Progress(what, done, max(total, 1), left))), encoding="utf-8")
        temporary.replace(path)
    except OSError:
        pass  # a bar that stands still: no reason to stop a training


def counted(items: Iterable[_Item], what: str, total: int) -> Iterator[_Item]:
    """The items, each told as it is asked for."""
    for done, item in enumerate(items):
        tell(what, done, total)
        yield item
    tell(what, total, total)


def read(path: Path) -> Progress | None:
    """The state that a file holds; None if there is none yet."""
    try:
        return Progress(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
