"""Tasks in several processes of this machine, by joblib; `cluster` spreads them over several machines."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

import joblib

from carseg_lib.core.errors import CarsegError

_LOOK_EVERY = 0.5  # seconds, for whether the process that gave the tasks is alive
_watched: list[int] = []  # the process that this one ends with

Task = TypeVar("Task")
Outcome = TypeVar("Outcome")


def in_processes(
    call: Callable[[Task, Any, int], Outcome], tasks: Sequence[Task], shared: Any, processes: int
) -> Iterator[Outcome]:
    """Do tasks in several processes; yields what came of each, in the order in which they end.

    Args:
        call: A function of (task, shared, threads), as `cluster.outcomes` takes it: threads are a process's share of
            the cores.
        tasks: What is to be done.
        shared: What all tasks need.
        processes: How many there are, 2 or more; they end with this one, however it ends.

    Raises:
        CarsegError: A process was ended from outside.
        Exception: The first that `call` raised; what has not been done then is left.
    """
    threads = max(1, (os.cpu_count() or 1) // processes)
    parallel = joblib.Parallel(n_jobs=processes, batch_size=1, return_as="generator_unordered")
    begin = joblib.delayed(_begin)
    try:
        yield from parallel(begin(call, task, shared, threads, os.getpid()) for task in tasks)
    except BrokenProcessPool:
        raise CarsegError(
            "A process was ended, perhaps for want of memory: the same command goes on from what is finished."
        ) from None


def _begin(call: Callable[[Task, Any, int], Outcome], task: Task, shared: Any, threads: int, parent: int) -> Outcome:
    if not _watched:
        _watched.append(parent)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends this process
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    return call(task, shared, threads)


def _end_with(parent: int) -> None:
    """End this process when its parent has ended, even if that was killed."""
    while os.getppid() == parent:
        time.sleep(_LOOK_EVERY)
    os._exit(1)
