"""Trials on a dask cluster: the files that one process makes, whatever happens to a worker."""

from __future__ import annotations

import dataclasses
import os
import threading
from pathlib import Path

import pytest
import torch

from carseg_lib.experiments.subsets import eval_images
from carseg_lib.experiments.trials import Trial, open_experiment, read_trial, run_trials
from tests.experiments.test_trials import CLASSIFIER, small_plan
from tests.helpers.two_workers import kill_a_worker, two_workers

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
def workers():
    before = torch.get_num_threads()
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // 2))  # as many as a worker has: the bits depend on them
    with two_workers() as local:
        yield local
    torch.set_num_threads(before)


@pytest.mark.slow
def test_ten_trials_of_a_cluster_whose_worker_is_killed_are_those_of_one_process(workers, places, reports):
    alone, address = make_trials(reports, places["real"], "alone"), workers.scheduler_address
    killed: list[int] = []

    def begun(key: str) -> bool:
        """Whether a trial's model has a checkpoint, and the trial is not finished."""
        folder = reports / "cluster" / key.split("-")[0]
        return any(folder.glob("model/*")) and not (folder / "trial.json").exists()

    thread = threading.Thread(target=lambda: killed.append(kill_a_worker(address, begun)), daemon=True)
    thread.start()
    found = results_of(make_trials(reports, places["real"], "cluster", address))
    thread.join(10)
    assert killed and found == results_of(alone)
