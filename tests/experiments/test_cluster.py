"""Trials on a dask cluster: the files that one process makes, whatever happens to a worker; refusals of one line."""

from __future__ import annotations

import dataclasses
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

from carseg_lib.core.errors import CarsegError
from carseg_lib.experiments import cluster
from carseg_lib.experiments.subsets import eval_images
from carseg_lib.experiments.trials import Trial, open_experiment, read_trial, run_trials
from tests.experiments.test_trials import CLASSIFIER, small_plan

TRIALS = 10

pytestmark = pytest.mark.xdist_group("cluster")


def make_trials(reports: Path, photos: Path, name: str, address: str = "") -> Path:
    """The folder of an experiment of trials that differ in their seed, made by a cluster if its address is given."""
    plan = dataclasses.replace(small_plan(reports), folder=reports / name)
    with open_experiment(plan) as experiment:
        settings = CLASSIFIER | {"train.epochs": 1, "model.weights": "none"}
        runs = [plan.run(f"seed{s}", str(photos), settings, seed=s) for s in range(TRIALS)]
        measured = eval_images(experiment.catalogue(runs[0].config), 0, 0)
        made = [Trial(run.name, "classifier", run, 4) for run in runs]
        counted: list[int] = []
        run_trials(made, experiment, measured, lambda done: counted.append(len(done)), cluster=address)
    assert counted == list(range(1, TRIALS + 1))
    return plan.folder


def results_of(folder: Path) -> dict[str, object]:
    """What the trials of an experiment left, without what differs from run to run: times."""
    names = sorted(path.name for path in folder.iterdir() if path.name.startswith("seed"))
    tables = {name: (folder / name / "predictions.csv").read_bytes() for name in names}
    return tables | {f"{name} files": read_trial(folder / name)["sha256"] for name in names}


@pytest.fixture(scope="module")
def two_workers():
    distributed = pytest.importorskip("distributed", reason="needs scripts/setup_environment.py cluster")
    before = torch.get_num_threads()
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // 2))  # as many as a worker has: the bits depend on them
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None) as local:
        yield local
    torch.set_num_threads(before)


@pytest.mark.slow
def test_ten_trials_of_a_cluster_whose_worker_is_killed_are_those_of_one_process(two_workers, places, reports):
    alone, address = make_trials(reports, places["real"], "alone"), two_workers.scheduler_address
    killed: list[int] = []

    def kill() -> None:
        """End the worker that has begun a trial, which its model's checkpoint shows."""
        from distributed import Client

        folder = reports / "cluster"
        with Client(address, set_as_default=False) as client:
            while not killed:
                for worker, keys in client.processing().items():
                    names = [key.split("-")[0] for key in keys if key.startswith("seed")]
                    begun = [name for name in names if any((folder / name).glob("model/*"))]
                    if begun and not (folder / begun[0] / "trial.json").exists():
                        killed.append(client.run(os.getpid, workers=[worker])[worker])
                        os.kill(killed[0], signal.SIGKILL)
                        return
                time.sleep(0.01)

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    found = results_of(make_trials(reports, places["real"], "cluster", address))
    thread.join(10)
    assert killed and found == results_of(alone)


def _end(task: str, shared: str, threads: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture
def required(reports: Path):
    """What a worker must have for trials in the folder of reports."""
    reports.mkdir()
    with cluster.required(reports, [], children=False) as expected:
        yield expected
    assert not (reports / ".cluster").exists()


@pytest.mark.slow
def test_what_is_wrong_with_a_worker_is_one_line(two_workers, required, reports, tmp_path):
    address = two_workers.scheduler_address
    expected = required
    hidden = dataclasses.replace(expected, files={str(tmp_path / "elsewhere" / "photo.jpg"): 12})
    older = dataclasses.replace(expected, versions=expected.versions | {"torch": "2.0.0"})
    other = dataclasses.replace(expected, versions=expected.versions | {"carseg": "0"})
    loading = dataclasses.replace(expected, children=True)
    for needs, said in (
        (hidden, r"The worker tcp://\S+ does not see \S+photo.jpg: reports/ and the photos must be the same folder"),
        (older, r"The worker tcp://\S+ has torch 2\S+, not 2.0.0: install the same commit and the same locks there"),
        (other, r"The worker tcp://\S+ has another code of carseg: install the same commit"),
        (loading, r"The worker tcp://\S+ may not start processes, which SET=num_workers and NPROC ask for"),
    ):
        with pytest.raises(CarsegError, match=said), cluster.connect(address, needs):
            pass
    two_workers.scheduler.allowed_failures = 0  # three as a rule: workers that take seconds to start again
    with cluster.connect(address, expected) as client, pytest.raises(CarsegError, match="bad: the workers that it was"):
        list(cluster.outcomes(client, _end, ["bad"], "", expected, lambda task: (task, reports / "bad.lock")))


def test_an_address_is_one_of_a_scheduler():
    assert cluster.check_address("") == "" and cluster.check_address("tls://[::1]:8786") == "tls://[::1]:8786"
    for wrong in ("localhost:8786", "inproc://x", "tcp://host", "http://host:8787"):
        with pytest.raises(CarsegError, match="give the address of a dask scheduler, tcp://host:8786"):
            cluster.check_address(wrong)


def test_what_is_missing_is_said_in_one_line(required, reports, monkeypatch):
    expected = required
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "distributed", None)
        with (
            pytest.raises(CarsegError, match=r"CLUSTER needs dask.* scripts/setup_environment.py cluster"),
            cluster.connect("tcp://127.0.0.1:1", expected),
        ):
            pass
    assert cluster._wrong(expected) == ""
    (reports / ".cluster").write_text("of another folder")
    assert cluster._wrong(expected).startswith(f"sees another file as {reports / '.cluster'}")
    pytest.importorskip("distributed", reason="needs scripts/setup_environment.py cluster")
    monkeypatch.setattr(cluster, "WAIT", 0.2)
    with (
        pytest.raises(CarsegError, match=r"CLUSTER=tcp://127.0.0.1:1: no scheduler answers there .*: start one"),
        cluster.connect("tcp://127.0.0.1:1", expected),
    ):
        pass
