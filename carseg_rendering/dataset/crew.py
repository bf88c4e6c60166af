"""Who renders: processes of this machine, or the workers of a dask cluster, by the engines of the study's trainings.

Each task writes its own files, which are whole or not there and the same whoever writes them; so it does not matter how
many render, in which order, or whether one of them is lost.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from carseg_lib.core import cluster
from carseg_lib.core.environment import cores
from carseg_lib.core.processes import in_processes

PACKAGES = ("mitsuba", "mitsuba-oidn", "drjit", "numpy", "pillow")  # decide a photo's bytes
_CODE = "from carseg_rendering.dataset import background, parameter_strips, shards"
_LOG_EVERY = 15.0  # seconds

Work = Callable[[], Any]  # of a module's function, so that other processes find it
_Numbered = tuple[int, Work]


@dataclass(frozen=True)
class Crew:
    """Those who render.

    Attributes:
        processes: Processes of this machine; 0 takes one a core, 1 is this process.
        joined: The client of a cluster, and what its workers must have; None: this machine.
    """

    processes: int = 0
    joined: tuple[Any, cluster.Expected] | None = None

    def do(self, tasks: Sequence[Work], log: Callable[[str], None]) -> list[Any]:
        """Do tasks, and log the progress and the remaining time.

        Returns:
            The results of the tasks, in order.

        Raises:
            CarsegError: A process or the cluster was ended from outside.
            Exception: The first that a task raised; what has not been done then is left.
        """
        results: list[Any] = [None] * len(tasks)
        size = self._size(len(tasks))
        started = logged = time.monotonic()
        for done, (number, result) in enumerate(self._outcomes(list(enumerate(tasks)), size), start=1):
            results[number] = result
            now = time.monotonic()
            if now - logged >= _LOG_EVERY and done >= 2 * size:
                left = (now - started) / done * (len(tasks) - done)
                log(f"{done:,} of {len(tasks):,} rendered, about {_duration(left)} left")
                logged = now
        seconds = time.monotonic() - started
        who = "workers" if self.joined else "processes" if size > 1 else "process"
        each = f"{seconds * size / max(len(tasks), 1):.2f} s each"
        log(f"{len(tasks):,} rendered in {_duration(seconds)} by {size} {who}: {each}")
        return results

    def _size(self, tasks: int) -> int:
        if self.joined:
            return max(1, len(self.joined[0].nthreads()))
        return max(1, min(self.processes or cores(), tasks))

    def _outcomes(self, tasks: Sequence[_Numbered], size: int) -> Iterator[tuple[int, Any]]:
        if self.joined:
            client, expected = self.joined
            yield from cluster.outcomes(client, _do, tasks, None, expected, lambda task: f"rendering {task[0]}")
        elif size > 1:
            yield from in_processes(_do, tasks, None, size)
        else:
            yield from (_do(task, None, 1) for task in tasks)


ALL_CORES = Crew()


@contextmanager
def crew_of(jobs: int, address: str, work: Path) -> Iterator[Crew]:
    """A crew, within the block.

    Args:
        jobs: Number of processes; 0 takes one a core.
        address: Of a dask scheduler; "" for this machine.
        work: A folder into which the crew writes, and which every worker of a cluster must see.

    Raises:
        CarsegError: The cluster cannot be used.
    """
    if not address:
        yield Crew(jobs)
        return
    with cluster.required(work, _CODE, PACKAGES) as expected, cluster.connect(address, expected) as client:
        yield Crew(joined=(client, expected))


def _do(task: _Numbered, shared: None, threads: int) -> tuple[int, Any]:
    """A task's number, and its result."""
    number, work = task
    return number, work()


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
