"""The trial runner: what is done is kept, what was killed resumes, what depends on a change is made again."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from carseg_lib.core.errors import CarsegError
from carseg_lib.core.locks import folder_lock
from carseg_lib.core.profiles import resolve_name
from carseg_lib.engine import trainer
from carseg_lib.experiments import subsets, trial_network, trials
from carseg_lib.experiments.plan import Plan
from carseg_lib.experiments.sim2real.config import READERS, Sim2RealPlan
from carseg_lib.experiments.sim2real.run import run_sim2real
from carseg_lib.experiments.subsets import eval_images
from carseg_lib.experiments.trials import Trial, open_experiment, read_trial, run_trials
from tests.experiments.conftest import SMALL, plan_of

pytestmark = pytest.mark.xdist_group("sim2real")  # one worker makes the experiment, and tests change it in place

RESULTS = ("results.json", "results.csv", "results.md", "trials.csv", "index.html")


class Killed(BaseException):
    pass


@pytest.fixture
def part(mine, places) -> Sim2RealPlan:
    """The half of it that the last trial depends on: quicker to go through."""
    return part_of(places)


def part_of(places: dict[str, Path], **changed: str) -> Sim2RealPlan:
    return plan_of(places, rendered=str(places["rendered-full"]), **{"curve": "all:2"} | changed)


LAST = "curve-16-rendered-seed0"


@pytest.mark.parametrize(("moment", "again"), [("in epoch 2", [LAST]), ("while it predicts", [])])
def test_a_killed_trial_resumes_with_the_same_numbers(moment, again, part, trained, monkeypatch):
    whole = (part.folder / LAST / "predictions.csv").read_bytes()
    shutil.rmtree(part.folder / LAST)
    real_epoch = trainer.train_one_epoch

    def stop(*arguments, **named):
        if LAST not in trained:  # the epoch before
            return real_epoch(*arguments, **named)
        raise Killed

    with monkeypatch.context() as patch:
        place = (trainer, "train_one_epoch") if moment == "in epoch 2" else (trials, "find_in")
        patch.setattr(*place, stop)
        with pytest.raises(Killed):
            run_sim2real(part)
    assert len(json.loads((part.folder / "results.json").read_text())["trials"]) == 2
    trained.clear()
    run_sim2real(part)
    assert trained == again
    assert (part.folder / LAST / "predictions.csv").read_bytes() == whole


def test_what_depends_on_a_change_is_made_again_and_nothing_else(part, places, trained):
    run_sim2real(part_of(places, version_photos="12"))
    assert trained == ["version-full", LAST, LAST]


def test_other_photos_to_predict_need_no_training(part, places, trained):
    run_sim2real(part_of(places, validation_photos="4"))
    assert trained == []
    results = json.loads((part.folder / "results.json").read_text())
    assert {trial["accuracy"]["n"] for trial in results["trials"]} == {4}


def test_a_damaged_network_is_made_again_with_the_same_bits(part, trained):
    (part.folder / "version-full" / "model.pt").write_bytes(b"damaged")
    run_sim2real(part)
    assert trained == ["version-full"]  # the same bits: what starts from them stays


def test_what_is_done_is_not_made_again(made, monkeypatch, log):
    monkeypatch.setenv("CARSEG_REPORTS", str(made.folder.parent))
    monkeypatch.setattr(trial_network, "train", None)
    monkeypatch.setattr(trials, "find_in", None)
    monkeypatch.setattr(subsets, "load_catalogue", None)  # the photos are not read again either
    before = {name: (made.folder / name).read_bytes() for name in RESULTS}
    run_sim2real(made)
    assert sum("is up to date" in line for line in log.messages) == 6
    assert {name: (made.folder / name).read_bytes() for name in RESULTS} == before


def test_another_process_that_makes_it_is_named(places, reports):
    plan = plan_of(places)
    with (
        folder_lock(plan.folder, "Run 'sim2real'"),
        pytest.raises(CarsegError, match=r"Run 'sim2real' is being made already .* another name by RUN="),
    ):
        run_sim2real(plan)


# Trials of any body types


CLASSIFIER = {"model.architecture": "classifier", "model.frozen_stages": 0, "model.freeze_depthwise": False}
TALL_AND_LOW = "tall=suv low=sedan"
OVERRIDES = {resolve_name(name, "SET"): value for name, value in SMALL.items() if name not in READERS}


def small_plan(reports: Path, classes: str = "") -> Plan:
    return Plan(folder=reports / "some", profile="smoke", overrides=OVERRIDES, classes=classes, device="cpu")


def test_trials_have_the_body_types_of_their_plan(places, reports, log):
    plan = small_plan(reports, TALL_AND_LOW)
    settings = {"train.epochs": 1}
    with open_experiment(plan) as experiment:
        runs = {name: plan.run(name, str(places["real"]), settings) for name in ("network", "start")}
        runs["classifier"] = plan.run("classifier", str(places["real"]), settings | CLASSIFIER)
        eval_dataset = eval_images(experiment.catalogue(runs["network"].config), 0, 0)
        assert eval_dataset.body_types == ("tall", "low")
        done = []
        start = runs["start"].updated(model={"weights": str(plan.folder / "network" / "model.pt")})
        made = [
            Trial("network", "network", runs["network"], 4),
            Trial("classifier", "classifier", runs["classifier"], 4),
            Trial("start", "start", start, kind="evaluate_only", full_start=True),
        ]
        run_trials(made, experiment, eval_dataset, lambda trials: done.append([t.name for t in trials]))
    assert done == [["network"], ["network", "classifier"], ["network", "classifier", "start"]]
    tables = {
        trial.name: pd.read_csv(plan.folder / trial.name / "predictions.csv", keep_default_na=False) for trial in made
    }
    for table in tables.values():
        assert set(table.body_type) == {"tall", "low"} and set(table.predicted) <= {"tall", "low", ""}
        assert len(table) == 4
    assert tables["start"].equals(tables["network"])  # the same network
    found_nothing = tables["classifier"][["x1", "y2", "box_iou", "mask_iou"]]
    assert (
        found_nothing.replace("", float("nan")).isna().all(axis=None)
        and tables["classifier"].score.between(0.2, 1).all()
    )
    assert [read_trial(plan.folder / trial.name)["steps"] for trial in made] == [1, 1, 0]
    assert any("about" in line and "left" in line for line in log.messages if line.startswith("[1/3]"))


def test_a_trial_whose_photos_have_other_body_types_is_refused_before_training(places, reports, monkeypatch):
    monkeypatch.setattr(trial_network, "train", None)
    plan, other = small_plan(reports), small_plan(reports, TALL_AND_LOW)
    with open_experiment(plan) as experiment:
        four = plan.run("four", str(places["real"]))
        two = other.run("two", str(places["real"]))
        eval_dataset = eval_images(experiment.catalogue(four.config), 0, 0)
        both = [Trial("four", "four", four, 8), Trial("two", "two", two, 4)]
        with pytest.raises(CarsegError, match="has the body types tall, low, and the photos that measure have suv, "):
            run_trials(both, experiment, eval_dataset, len)
    assert not (plan.folder / "four").exists()


def test_a_trial_that_only_gives_weights_is_trained_and_not_measured(places, reports):
    plan = small_plan(reports)
    with open_experiment(plan) as experiment:
        run = plan.run("start", str(places["real"]), {"train.epochs": 1})
        eval_dataset = eval_images(experiment.catalogue(run.config), 0, 0)
        measured: list[Trial] = []
        pretrain = [Trial("start", "start", run, 4, "pretrain")]
        run_trials(pretrain, experiment, eval_dataset, measured.extend)
    assert measured == [] and (plan.folder / "start" / "model.pt").is_file()
    assert not (plan.folder / "start" / "predictions.csv").exists()
    assert set(read_trial(plan.folder / "start")["needs"]) == {"training"}


@pytest.mark.slow
def test_trials_side_by_side_give_the_numbers_of_trials_one_by_one(places, reports, log):
    settings = {"train.epochs": 1}
    tables, orders = {}, {}
    for jobs in (1, 2):
        plan = dataclasses.replace(small_plan(reports), folder=reports / f"jobs{jobs}", jobs=jobs)
        with open_experiment(plan) as experiment:
            runs = [plan.run(f"seed{s}", str(places["real"]), settings | CLASSIFIER, seed=s) for s in (0, 1)]
            eval_dataset = eval_images(experiment.catalogue(runs[0].config), 0, 0)
            made = [Trial(run.name, "classifier", run, 4, watched=0) for run in runs]
            orders[jobs] = []
            run_trials(made, experiment, eval_dataset, lambda done, seen=orders[jobs]: seen.append(len(done)), jobs)
        tables[jobs] = [(plan.folder / name / "predictions.csv").read_bytes() for name in ("seed0", "seed1")]
        history = pd.read_csv(plan.folder / "seed0" / "history.csv")
        assert history.validation_photos.eq(len(eval_dataset.photos)).all()  # all of them are watched
        assert history.train_running_accuracy.between(0, 1).all()
    assert tables[1] == tables[2] and tables[1][0] != tables[1][1] and orders == {1: [1, 2], 2: [1, 2]}
