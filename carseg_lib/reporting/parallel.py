"""Work on photos and figures in threads: Pillow and OpenCV decode, scale and encode without Python's lock."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

_THREADS = min(4, os.cpu_count() or 1)
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@contextmanager
def in_threads(work: Callable[[_Item], _Result], items: Iterable[_Item]) -> Iterator[Iterator[_Result]]:
    """The results of work on items, in order; what is not asked for within the block is not worked on."""
    # Reading photos silences warnings, which threads undo in any order: what was before stands again at the end.
    with warnings.catch_warnings(), ThreadPoolExecutor(_THREADS) as pool:
        try:
            yield pool.map(work, items)
        finally:
            pool.shutdown(cancel_futures=True)
