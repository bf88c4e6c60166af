"""Accuracy on groups never seen, and the learning curve: what is trained, on what, and what is made of it."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from carseg_lib.core.errors import CarsegError
from carseg_lib.data.catalogue import BACKGROUND_COLUMNS, table
from carseg_lib.data.loader import load_catalogue
from carseg_lib.data.splits import assign_splits, linked_groups
from carseg_lib.evaluation.paired import photo_difference
from carseg_lib.experiments import trial_network
from carseg_lib.experiments.generalisation.config import create_plan, planned_trials
from carseg_lib.experiments.generalisation.plots import curve_figure, groups_figure
from carseg_lib.experiments.generalisation.results import _unseen_row, grouped_share
from carseg_lib.experiments.generalisation.run import GroupExperiment, run_generalisation, without_fold
from carseg_lib.experiments.subsets import group_folds
from tests.experiments.conftest import SMALL
from tests.helpers.drawn_cars import make_car_photos

SAMPLING = {"bootstrap_samples": 1000, "seed": 0}
SETTINGS = {
    name: value for name, value in SMALL.items() if name not in ("version_photos", "version_epochs", "curve")
} | {"epochs": "1", "shares": "1/2 1"}


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    """Drawn cars of four models of each type, each model in training, validation and test."""
    folder = make_car_photos(tmp_path_factory.mktemp("models") / "cars", {"train": 8, "validation": 4, "test": 4})
    for path in (folder / "annotations").glob("*.json"):
        table = json.loads(path.read_text())
        number: dict[int, int] = {}
        for annotation in table["annotations"]:
            k = number[annotation["category_id"]] = number.get(annotation["category_id"], -1) + 1
            annotation["model"] = f"Make {annotation['category_id']}{'abcd'[k % 4]} {2000 + k}"
        path.write_text(json.dumps(table))
    return folder


@pytest.fixture(scope="module")
def source(models):
    return assign_splits(load_catalogue(models), 0)


def test_dependent_photos_widen_the_interval():
    """10 photos of each of 40 groups, all right or all wrong: as uncertain as 40 photos, not as 400."""
    of_group = (np.arange(40) % 4 > 0).astype(float)
    values, groups = of_group.repeat(10), [f"model {k}" for k in np.arange(40).repeat(10)]
    whole, single = (grouped_share(values, names, **SAMPLING) for names in (groups, [""] * 400))
    assert whole["value"] == single["value"] == 0.75 and whole["n"] == 400
    ratio = (whole["high"] - whole["low"]) / (single["high"] - single["low"])
    assert ratio == pytest.approx(np.sqrt(10), rel=0.1)
    # of two trainings, one of which is always right, the values are 1/2 and 1
    mean = grouped_share((values + 1) / 2, groups, **SAMPLING)
    assert mean["value"] == pytest.approx(0.875)
    assert mean["high"] - mean["low"] == pytest.approx((whole["high"] - whole["low"]) / 2, rel=0.15)


def test_a_difference_is_paired_and_over_whole_groups():
    before, after = np.array([1.0, 1.0, 0.0, 0.0] * 100), np.array([1.0, 0.0, 0.0, 0.0] * 100)
    same_in_each = photo_difference(before, after, groups=[str(k // 4) for k in range(400)], **SAMPLING)
    assert same_in_each["value"] == pytest.approx(-0.25) and same_in_each["n"] == 400
    assert -0.3 < same_in_each["low"] < -0.25 < same_in_each["high"] < -0.2  # each group lost one photo of four
    bad_groups = np.where(np.arange(400) % 100 < 20, 0.0, before)  # 8 of 40 groups are lost
    loss = photo_difference(before, bad_groups, groups=[str(k // 10) for k in range(400)], **SAMPLING)
    apart = photo_difference(before, bad_groups, groups=[""] * 400, **SAMPLING)
    assert loss["value"] == apart["value"] == pytest.approx(-0.1)
    assert loss["high"] - loss["low"] > 1.7 * (apart["high"] - apart["low"])


def test_a_group_is_in_one_part_and_a_part_has_every_type(source):
    parts = group_folds(source, 2, 0)
    photos = source.photos.set_index("photo_id")
    assert sorted(parts.index) == sorted(photos.index) and set(parts) == {0, 1}
    assert (parts.groupby(photos.group).nunique() == 1).all()
    assert (parts.groupby(photos.body_type).nunique() == 2).all()
    with pytest.raises(CarsegError, match=r"convertible has 4 groups; set folds to 4 or fewer\."):
        group_folds(source, 5, 0)


def test_a_training_without_a_part_has_no_photo_of_its_groups(source, models, reports):
    plan = create_plan(str(models), settings=SETTINGS, profile="smoke", device="cpu")
    parts = group_folds(source, 2, 0)
    left = [len(without_fold(source, parts, k).split("train").photos) for k in (0, 1)]
    assert sum(left) == 32 and min(left) >= 14
    experiment = GroupExperiment(plan.folder, 0, fold_of=parts)
    validation = source.split("validation").photos
    sets = {}
    for trial in planned_trials(plan, 32, left):
        dataset = experiment.training_set(trial)
        train = sets[trial.name] = dataset.split("train").photos
        assert len(train) == trial.photos
        if (part := trial.metadata["without_fold"]) is not None:
            held = set(source.photos.group[source.photos.photo_id.map(parts) == part])
            assert not held & set(train.group) and held <= set(validation.group)
            assert set(dataset.excluded.reason) >= {"group held out"}
    assert list(sets) == [
        "without_part_1-seed0", "without_part_2-seed0", "usual-seed0", "share_1_of_2-seed0", "share_1_of_1-seed0",
    ]  # fmt: skip
    assert len(sets["usual-seed0"]) == len(sets["without_part_1-seed0"]) == min(left)
    assert set(sets["share_1_of_2-seed0"].photo_id) < set(sets["share_1_of_1-seed0"].photo_id)


def test_photos_without_a_car_of_a_part_s_groups_are_left_out_with_it(source):
    parts = group_folds(source, 2, 0)
    train = source.split("train").photos
    held = train.group[train.photo_id.map(parts) == 0].iloc[0]
    row = {"width": 8, "height": 8, "brightness": 0.5, "file_sha256": "f", "pixel_sha256": "p", "phash": "0" * 16}
    rows = [
        {"photo_id": f"road-{k}.jpg", "split": split, "group": group} | row
        for k, (split, group) in enumerate((("train", held), ("train", ""), ("test", held)))
    ]
    left = without_fold(replace(source, background=table(rows, BACKGROUND_COLUMNS)), parts, 0)
    assert left.background.photo_id.tolist() == ["road-1.jpg", "road-2.jpg"]
    assert left.excluded.iloc[-1].tolist() == ["road-0.jpg", "train", "", "group held out", f"part 1: {held}"]
    assert left.photos.equals(without_fold(source, parts, 0).photos)


def test_seeds_follow_the_plan_s_and_no_part_is_left_out_without_groups(models, reports):
    plan = create_plan(str(models), settings={"seeds": "2", "shares": "1/4"}, seed=3)
    assert plan.shares == (Fraction(1, 4),)
    assert [(trial.name, trial.photos, trial.seed) for trial in planned_trials(plan, 101, [])] == [
        ("share_1_of_4-seed3", 25, 3),
        ("share_1_of_4-seed4", 25, 4),
    ]


@pytest.mark.parametrize(
    ("given_settings", "message"),
    [
        ({"shares": "1/2 1/4"}, "shares = '1/2 1/4': write rising shares"),
        ({"shares": "0.5"}, "write rising shares"),
        ({"folds": "1"}, "folds = 1 would leave out all groups"),
        ({"folds": "0", "shares": "none"}, "without shares and folds there is nothing to train"),
        ({"split_by": "group"}, "split_by differs from training to training; set instead: folds"),
        ({"fold": "2"}, "no setting 'fold'; did you mean 'folds'"),
    ],
)
def test_a_wrong_plan_is_refused(models, reports, given_settings, message):
    with pytest.raises(CarsegError, match=message):
        create_plan(str(models), settings=given_settings)


def test_each_photo_is_predicted_by_a_network_that_has_not_seen_its_group():
    # photos 0 and 1 are of part 0, photo 2 of part 1; part 0's network is right on photo 0 alone
    row = _unseen_row(
        "all",
        np.array([True, True, True, False]),
        np.array(["a", "a", "b", "c"]),
        np.array([0, 0, 1, 1]),
        {0: np.array([1.0, 0.0, 0.0, 0.0]), 1: np.array([1.0, 1.0, 1.0, 0.0])},
        np.array([1.0, 1.0, 0.0, 0.0]),
        SAMPLING,
    )
    assert (row["photos"], row["groups"]) == (3, 2)
    # not seen: right, wrong, right; seen, by the other network: right, right, wrong
    expected = {"unseen": 2 / 3, "seen": 2 / 3, "usual": 2 / 3, "unseen_less_seen": 0, "unseen_less_usual": 0}
    for name, value in expected.items():
        assert row[name]["value"] == pytest.approx(value, abs=1e-12)
    # the differences are -1/2 in the first group and 1 in the second
    assert row["unseen_less_seen"]["low"] < -0.25 and row["unseen_less_seen"]["high"] > 0.5


def results_of(trainings: int = 1) -> dict:
    def share(value: float, n: int) -> dict:
        return {"value": value, "low": value - 0.04, "high": value + 0.03, "n": n}

    types = {"all": (1138, 109), "suv": (368, 33), "sedan": (469, 45), "convertible": (239, 26), "minivan": (62, 5)}
    unseen = [
        {"body_type": t, "photos": n, "groups": g, "unseen": share(0.8, n), "seen": share(0.9, n)}
        | {"usual": share(0.87, n), "unseen_less_seen": share(-0.1, n), "unseen_less_usual": share(-0.07, n)}
        for t, (n, g) in types.items()
    ]
    curve = [
        {"photos": n, "share": n / 1951, "trainings": trainings, "accuracy": share(a, 1138), "gain": gain}
        for n, a, gain in ((244, 0.7, None), (488, 0.8, share(0.1, 1138)), (1951, 0.93, share(0.13, 1138)))
    ]
    return {"unseen": unseen, "curve": curve, "groups_known": {"groups": 109, "photos_without": 0}}


def test_figures_say_their_numbers():
    figure = groups_figure(results_of())
    texts = {text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))}
    assert {"80.0%", "90.0%", "87.0%", "minivan\n62 photos, 5 groups"} <= texts
    assert "n = 1,138 validation photos of 109 groups; never seen less seen: −10.0 (−14.0 to −7.0) points" in figure.alt
    assert "minivan: seen 90.0%, usual 87.0%, unseen 80.0%" in figure.alt
    curve = curve_figure(results_of(3))
    assert "244 photos 70.0%; 488 photos 80.0%; 1,951 photos 93.0%" in curve.alt
    assert "3 trainings a point" in curve.alt and "From 488 to 1,951 photos: +13.0 (+9.0 to +16.0) points" in curve.alt
    assert [label.get_text() for label in curve.axes[0].get_xticklabels()] == ["244", "488", "1,951"]


@pytest.mark.slow
def test_the_whole_experiment_and_what_is_done_is_not_made_again(models, source, reports, monkeypatch, log):
    plan = create_plan(str(models), settings=SETTINGS, profile="smoke", device="cpu")
    page = run_generalisation(plan)
    results = json.loads((plan.folder / "results.json").read_text())
    assert [(row["photos"], row["trainings"]) for row in results["curve"]] == [(16, 1), (32, 1)]
    tables = {
        name: pd.read_csv(plan.folder / name / "predictions.csv", keep_default_na=False).set_index("photo_id")
        for name in ("without_part_1-seed0", "without_part_2-seed0", "usual-seed0", "share_1_of_1-seed0")
    }
    right = {name: table.predicted == table.body_type for name, table in tables.items()}
    parts = group_folds(source, 2, 0)[tables["usual-seed0"].index]
    first, second = right["without_part_1-seed0"], right["without_part_2-seed0"]
    every = results["unseen"][0]
    assert every["unseen"]["value"] == pytest.approx(first.where(parts == 0, second).mean())
    assert every["seen"]["value"] == pytest.approx(first.where(parts == 1, second).mean())
    assert every["usual"]["value"] == pytest.approx(right["usual-seed0"].mean())
    assert every["groups"] == linked_groups(source.split("validation").photos).nunique() == 16
    assert results["curve"][1]["accuracy"]["value"] == pytest.approx(right["share_1_of_1-seed0"].mean())
    text = page.read_text()
    assert "## Groups never seen" in text and "## Learning curve" in text and "| **usual**" in text
    assert all((plan.folder / name).stat().st_size > 1000 for name in ("curve.png", "unseen.png"))
    monkeypatch.setattr(trial_network, "train", None)
    log.clear()
    run_generalisation(plan)
    assert sum("is up to date" in line for line in log.messages) == 5


@pytest.mark.slow
def test_data_without_groups_have_a_curve_alone(places, reports, log):
    given_settings = SETTINGS | {"shares": "1"}
    plan = create_plan(str(places["real"]), settings=given_settings, profile="smoke", device="cpu")
    run_generalisation(plan)
    results = json.loads((plan.folder / "results.json").read_text())
    assert results["unseen"] == [] and len(results["curve"]) == 1
    assert results["groups_known"] == {"groups": 0, "photos_without": 8}
    assert any("knows no groups: only the learning curve is made" in line for line in log.messages)
    bare = create_plan(str(places["real"]), run="b", settings={"shares": "none"}, profile="smoke", device="cpu")
    with pytest.raises(CarsegError, match="knows no groups, so that none can be left out"):
        run_generalisation(bare)
