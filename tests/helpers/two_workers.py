"""A dask cluster of two workers, processes of this machine, for the tests of several modules."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest


@contextmanager
def two_workers() -> Iterator[Any]:
    """The cluster; skips where dask is not installed."""
    distributed = pytest.importorskip("distributed", reason="needs scripts/setup_environment.py cluster")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None) as local:
        yield local


def kill_a_worker(address: str, begun: Callable[[str], bool]) -> int:
    """End the first worker that has begun a task, and return its process's number.

    Args:
        address: of the scheduler.
        begun: whether the task of a key is begun and not ended.
    """
    from distributed import Client

    with Client(address, set_as_default=False) as client:
        while True:
            for worker, keys in client.processing().items():
                if any(map(begun, keys)):
                    process = int(client.run(os.getpid, workers=[worker])[worker])
                    os.kill(process, signal.SIGKILL)
                    return process
            time.sleep(0.01)
