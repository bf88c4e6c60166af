"""What the fuzzer needs to know of a reader."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults import mutate

Call = Callable[[Path], object]
PHOTOS = 4  # of an annotated data set: one of each type


@dataclass(frozen=True)
class Reader:
    """A reader under test.

    Attributes:
        build: writes valid files into an empty folder and returns the call, which reads them.
        change: breaks a file.
        files: patterns of the files to be broken.
        errors: by whose names the reader may refuse a file, besides CarsegError.
        allowed: what it may do that the others may not, as `fuzz.Watch` names it.
    """

    build: Callable[[Path], Call]
    change: mutate.Mutator
    files: tuple[str, ...]
    errors: frozenset[str] = field(default_factory=frozenset)
    allowed: frozenset[str] = field(default_factory=frozenset)
