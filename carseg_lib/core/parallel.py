"""Work in threads: Pillow and OpenCV decode, scale and encode without Python's lock."""

from __future__ import annotations

import os
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

THREADS = min(4, os.cpu_count() or 1)
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@contextmanager
def thread_pool() -> Iterator[ThreadPoolExecutor]:
    """A pool of `THREADS` threads; what is not yet begun when the block ends is not worked on."""
    # Reading photos silences warnings, which threads undo in any order: what was before stands again at the end.
    with warnings.catch_warnings(), ThreadPoolExecutor(THREADS) as pool:
        try:
            yield pool
        finally:
            pool.shutdown(cancel_futures=True)


@contextmanager
def in_threads(work: Callable[[_Item], _Result], items: Iterable[_Item]) -> Iterator[Iterator[_Result]]:
    """The results of work on items, in order; at most a few more are worked on than are asked for within the block."""
    with thread_pool() as pool:
        yield ahead(work, items, pool, 4 * THREADS)


def ahead(function: Callable[[_Item], _Result], items: Iterable[_Item], pool: Executor, most: int) -> Iterator[_Result]:
    """A function's results in the items' order, while a pool works on the next ones.

    Args:
        function: of an item.
        items: taken as they are needed.
        pool: that works.
        most: items that are worked on or done and not yet asked for.
    """
    waiting: deque[Future[_Result]] = deque()
    for item in items:
        waiting.append(pool.submit(function, item))
        if len(waiting) >= most:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
