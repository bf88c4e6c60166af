"""Killed at a moment, and the same call again: the same bytes, and no temporary file."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.faults import kill
from tests.faults.steps import STEPS
from tests.helpers.drawn_cars import make_car_photos
from tests.helpers.smoke_run import ROOT, carseg

pytestmark = pytest.mark.xdist_group("faults")


@pytest.mark.parametrize("step", ["cache", "unpacking", "fetching", "rendering", "export-yolo"])
def test_a_step_that_was_killed_ends_as_if_it_had_not_been(tmp_path, step):
    STEPS[step].load()
    outcome = kill.kill_step(step, 3, 0, tmp_path)
    assert outcome.faults == []
    assert outcome.killed == 3


@pytest.mark.slow
@pytest.mark.parametrize(("step", "points"), [("masks", 3), ("training", 3), ("report", 2), ("notebooks", 2)])
def test_a_costly_step_that_was_killed_ends_as_if_it_had_not_been(tmp_path, step, points):
    STEPS[step].load()
    outcome = kill.kill_step(step, points, 1, tmp_path)
    assert outcome.faults == []
    assert outcome.killed == points


def test_moments_are_of_all_kinds_spread_and_repeat_themselves():
    counts = {"written": 20, "renamed": 20, "backward": 12}
    chosen = kill.moments(counts, 9, 0)
    assert chosen == kill.moments(counts, 9, 0) != kill.moments(counts, 9, 1)
    assert len(set(chosen)) == 9
    kinds = {one.what for one in chosen}
    assert "backward" in kinds and len(kinds) >= 3
    assert all(1 <= one.call <= counts["written" if one.what == "half" else one.what] for one in chosen)
    assert len(kill.moments({"written": 1, "renamed": 0, "backward": 0}, 9, 0)) == 2


@pytest.mark.slow
@pytest.mark.e2e
def test_a_study_that_was_killed_ends_as_one_that_was_not(tmp_path, smoke_run):
    """The real command, killed while its kernel trains, then run again: the numbers of the study that was not."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CARSEG_")}
    environment |= {"CARSEG_REPORTS": str(tmp_path)}
    words = ["run", "--profile", "smoke", "--data", str(smoke_run.data), "--run", "whole"]
    command = [sys.executable, "-m", "carseg_lib.workflow.cli", *words]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if line.strip().startswith("1/2 "):  # the first epoch is over
                break
        process.send_signal(signal.SIGKILL)
    time.sleep(3)  # the kernel notices that it is alone
    again = carseg(tmp_path, *words)
    assert again.returncode == 0, again.stderr
    assert "goes on after epoch 1" in again.stdout or "epoch 2" in again.stdout or "2/2" in again.stdout
    folder = tmp_path / "whole"
    for name in ("model/best.pt", "predictions.csv", "detections.csv", "metrics.json"):
        assert (folder / name).read_bytes() == (smoke_run.folder / name).read_bytes(), name
    assert kill.leftovers(tmp_path) == []


@pytest.mark.slow
@pytest.mark.e2e
def test_two_runs_of_a_name_at_once_are_one_run_and_one_line(tmp_path):
    data = make_car_photos(tmp_path / "data", per_type=3)
    reports = tmp_path / "reports"
    environment = os.environ | {"CARSEG_REPORTS": str(reports)}
    words = ["run", "--profile", "smoke", "--data", str(data), "--run", "a", "--until", "01_data_exploration"]
    command = [sys.executable, "-m", "carseg_lib.workflow.cli", *words]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as first:
        while not (reports / "a" / ".lock").is_file() or not (reports / "a" / ".lock").read_text():
            time.sleep(0.05)
        second = carseg(reports, *words)
        first.communicate()
    assert second.returncode == 2
    assert second.stderr.count("\n") == 1 and f"by process {first.pid}" in second.stderr
    assert first.returncode == 0
    assert json.loads((reports / "a" / "catalogue" / "catalogue.json").read_text())["name"] == "data"
