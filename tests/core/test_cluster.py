"""Tasks on a dask cluster: an address, and what is wrong with a worker, in one line."""

from __future__ import annotations

import dataclasses
import os
import signal
import sys
from pathlib import Path

import pytest

from carseg_lib.core import cluster
from carseg_lib.core.errors import CarsegError
from tests.helpers.two_workers import two_workers

CODE, PACKAGES = "from carseg_lib.core import files", ("numpy", "torch")

pytestmark = pytest.mark.xdist_group("cluster")


@pytest.fixture(scope="module")
def workers():
    with two_workers() as local:
        yield local


@pytest.fixture
def required(tmp_path: Path):
    """What a worker must have for tasks that write into a folder."""
    with cluster.required(tmp_path, CODE, PACKAGES) as expected:
        yield expected
    assert not (tmp_path / ".cluster").exists()


def _end(task: str, shared: None, threads: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _told(task: int, shared: int, threads: int) -> tuple[int, int]:
    if task == 7 and shared:
        raise CarsegError("The disk is full.")
    return task, task**2


@pytest.mark.slow
def test_what_is_wrong_with_a_worker_is_one_line(workers, required, tmp_path):
    address, expected = workers.scheduler_address, required
    hidden = dataclasses.replace(expected, files={str(tmp_path / "elsewhere" / "photo.jpg"): 12})
    older = dataclasses.replace(expected, versions=expected.versions | {"torch": "2.0.0"})
    other = dataclasses.replace(expected, versions=expected.versions | {"carseg": "0"})
    loading = dataclasses.replace(expected, children=True)
    for needs, said in (
        (hidden, r"The worker tcp://\S+ does not see \S+photo.jpg: it must be the same on all machines, at the same"),
        (older, r"The worker tcp://\S+ has torch 2\S+, not 2.0.0: install the same commit and the same locks there"),
        (other, r"The worker tcp://\S+ has another code of carseg: install the same commit"),
        (loading, r"The worker tcp://\S+ may not start processes, which SET=num_workers and NPROC ask for"),
    ):
        with pytest.raises(CarsegError, match=said), cluster.connect(address, needs):
            pass
    workers.scheduler.allowed_failures = 0  # three as a rule: workers that take seconds to start again
    with cluster.connect(address, expected) as client, pytest.raises(CarsegError, match="bad: the workers that it was"):
        list(cluster.outcomes(client, _end, ["bad"], "", expected, str))


@pytest.mark.slow
def test_more_tasks_than_the_scheduler_is_given_at_once_are_all_done(workers, required, monkeypatch):
    monkeypatch.setattr(cluster, "_WAITING", 5)
    with cluster.connect(workers.scheduler_address, required) as client:
        done = cluster.outcomes(client, _told, range(23), 0, required, str)
        assert sorted(done) == [(task, task**2) for task in range(23)]
        with pytest.raises(CarsegError, match=r"^The disk is full\.$"):
            list(cluster.outcomes(client, _told, range(23), 1, required, str))


def test_an_address_is_one_of_a_scheduler():
    assert cluster.check_address("") == "" and cluster.check_address("tls://[::1]:8786") == "tls://[::1]:8786"
    for wrong in ("localhost:8786", "inproc://x", "tcp://host", "http://host:8787"):
        with pytest.raises(CarsegError, match="give the address of a dask scheduler, tcp://host:8786"):
            cluster.check_address(wrong)


def test_what_is_missing_is_said_in_one_line(required, tmp_path, monkeypatch):
    expected = required
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "distributed", None)
        with (
            pytest.raises(CarsegError, match=r"CLUSTER needs dask.* scripts/setup_environment.py cluster"),
            cluster.connect("tcp://127.0.0.1:1", expected),
        ):
            pass
    assert cluster._wrong(expected) == ""
    (tmp_path / ".cluster").write_text("of another folder")
    assert cluster._wrong(expected).startswith(f"sees another file as {tmp_path / '.cluster'}")
    pytest.importorskip("distributed", reason="needs scripts/setup_environment.py cluster")
    monkeypatch.setattr(cluster, "WAIT", 0.2)
    with (
        pytest.raises(CarsegError, match=r"CLUSTER=tcp://127.0.0.1:1: no scheduler answers there .*: start one"),
        cluster.connect("tcp://127.0.0.1:1", expected),
    ):
        pass
