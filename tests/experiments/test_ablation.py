"""The ablation: its list of variants, and all of it on a few drawn cars."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from carseg_lib.core.config import RunConfig
from carseg_lib.core.data_spec import BUILTIN
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.profiles import resolve_name
from carseg_lib.experiments import trial_network, trials
from carseg_lib.experiments.ablation import config
from carseg_lib.experiments.ablation.config import BASELINE, RENDERED_START, create_plan
from carseg_lib.experiments.ablation.run import run_ablation
from carseg_lib.models.weights import hash_tensors

SMALL = {
    "height": "64", "width": "64", "fpn_out_channels": "16", "box_head_dim": "16", "mask_head_channels": "8",
    "rpn_post_nms_top_n": "16", "rpn_batch_size_per_image": "32", "batch_size": "4", "bootstrap_samples": "100",
}  # fmt: skip
CLASSIFIER = {"architecture": "classifier", "frozen_stages": 0, "freeze_depthwise": False}
LISTED = {
    "profile": "smoke",
    "photos": 8,
    "epochs": 1,
    "seeds": 2,
    "validation_photos": 4,
    "variants": {
        BASELINE: {"question": "as it is"},
        "no_crop": {"question": "no crop", "settings": {"min_crop_scale": 1.0}},
        "classifier": {"question": "no boxes", "settings": CLASSIFIER},
        "from_rendered": {"question": "another start", "start": "rendered"},
    },
}


@pytest.fixture
def listed(monkeypatch, tmp_path, synthetic_cars):
    """Writes a list of variants and makes it the one that is read."""
    monkeypatch.setenv("CARSEG_REPORTS", str(tmp_path / "reports"))
    path = tmp_path / "ablations.yaml"
    monkeypatch.setattr(config, "ablations_path", lambda: path)

    def write(**changed):
        path.write_text(yaml.safe_dump(LISTED | changed, sort_keys=False))
        return str(synthetic_cars)

    write()
    return write


def value_of(run: RunConfig, setting: str) -> object:
    part, _, name = resolve_name(setting, "a test").partition(".")
    return getattr(getattr(run, part), name)


def test_the_list_that_comes_with_carseg_is_sound(monkeypatch, tmp_path, synthetic_cars):
    monkeypatch.setenv("CARSEG_REPORTS", str(tmp_path))
    plan = create_plan(str(synthetic_cars))
    assert len(plan.variants) > 12 and plan.variants[0].name == BASELINE
    assert {plan.run_of(v, 0).config.model.architecture for v in plan.variants} == {"mask_rcnn", "classifier"}
    base = plan.run_of(plan.variants[0], 0).config
    for variant in plan.variants[1:]:
        run = plan.run_of(variant, 1).config
        differs = {name for name in variant.settings if value_of(run, name) != value_of(base, name)}
        assert differs == set(variant.settings), variant.name  # a setting equal to the profile's changes nothing
        assert run.seed == 1 and run.train.epochs == plan.epochs * variant.passes


@pytest.mark.parametrize(
    ("changed", "settings", "message"),
    [
        ({"epochs": 0}, {}, "epochs = 0 must be a whole number from 1 up"),
        ({}, {"seeds": "two"}, "seeds = 'two' must be a whole number"),
        ({}, {"epoch": "2"}, "no setting 'epoch'; did you mean 'epochs'"),
        ({}, {"variants": "no_corp"}, "no variant 'no_corp'; did you mean 'no_crop'"),
        ({"variants": {"x": {"question": "?"}}}, {}, "the first variant must be baseline"),
        ({"variants": {BASELINE: {}}}, {}, "variant baseline lacks a question"),
        (
            {"variants": {BASELINE: {"question": "?"}, "x": {"question": "?", "settings": {"epochs": 3}}}},
            {},
            "variant x: epochs is the same for all variants",
        ),
        (
            {"variants": {BASELINE: {"question": "?"}, "x": {"question": "?", "settings": {"lrr": 3}}}},
            {},
            "variant x: there is no setting 'lrr'; did you mean 'train.lr'",
        ),
        (
            {"variants": {BASELINE: {"question": "?"}, "x": {"question": "?", "settings": {"lr": -1.0}}}},
            {},
            r"train.lr = -1.0 \(variant x\): must be a number above 0",
        ),
        ({"variants": {BASELINE: {"question": "?"}, "x": {"ask": "?"}}}, {}, "variant x has 'ask'"),
        (
            {"variants": {BASELINE: {"question": "?"}, "x": {"question": "?", "mixed_in": "real"}}},
            {},
            "variant x: mixed_in is rendered or left out",
        ),
        (
            {"variants": {BASELINE: {"question": "?"}, "x": {"question": "?", "passes": 2.0}}},
            {},
            r"variant x: passes = 2.0 must be above 0.0 and at most 1.0",
        ),
        ({"variants": {BASELINE: {"question": "?"}, "x y": {"question": "?"}}}, {}, "must be named by letters"),
        ({"extra": 1}, {}, "and nothing else"),
        ({}, {"lr": "fast"}, r"train.lr = 'fast' \(SET\): must be a number above 0"),
        ({}, {"train.epochs": "2"}, "train.epochs differs from training to training; set instead: epochs"),
    ],
)
def test_a_wrong_list_or_setting_is_refused(listed, changed, settings, message):
    data = listed(**changed)
    with pytest.raises(CarsegError, match=message) as caught:
        create_plan(data, settings=settings)
    assert "\n" not in str(caught.value)


def test_variants_can_be_picked_and_the_baseline_stays(listed):
    plan = create_plan(listed(), settings={"variants": "classifier", "seeds": "1"})
    assert [variant.name for variant in plan.variants] == [BASELINE, "classifier"] and plan.seeds == 1


def test_a_setting_of_set_is_of_all_variants_and_gives_way_to_their_own(listed):
    plan = create_plan(listed(), settings={"lr": "0.003", "min_crop_scale": "0.5"})
    runs = [plan.run_of(variant, 0).config for variant in plan.variants[:2]]
    assert [config.train.lr for config in runs] == [0.003, 0.003]
    assert [config.inputs.min_crop_scale for config in runs] == [0.5, 1.0]


def test_a_rendered_start_is_trained_before_the_first_variant_that_needs_it(listed):
    plan = create_plan(listed(), settings={"seeds": "2"})
    names = [trial.name for trial in plan.trials(8)]
    assert names == [
        "baseline-seed0", "no_crop-seed0", "classifier-seed0", RENDERED_START, "from_rendered-seed0",
        "baseline-seed1", "no_crop-seed1", "classifier-seed1", "from_rendered-seed1",
    ]  # fmt: skip


def test_mixed_in_cars_are_as_many_steps_and_left_out_where_they_are_the_data(listed, caplog):
    mixed = {"question": "more cars", "mixed_in": "rendered", "passes": 0.5}
    data = listed(variants={BASELINE: {"question": "as it is"}, "mixed": mixed}, epochs=6)
    plain, with_others = create_plan(data, settings={"seeds": "1"}).trials(8)
    assert plain.mixed_in is None and plain.run.config.train.epochs == 6
    assert with_others.mixed_in.config.data.source == BUILTIN and with_others.run.config.train.epochs == 3
    assert [variant.name for variant in create_plan("").variants] == [BASELINE]
    assert "variant mixed is left out: DATA is the rendered cars themselves" in caplog.text


@pytest.mark.slow
def test_the_whole_ablation_is_paired_and_resumes(listed, monkeypatch, log):
    data = listed()
    monkeypatch.setattr(config, "BUILTIN", data)  # drawn cars in place of the rendered ones, which are many
    plan = create_plan(data, device="cpu", settings=SMALL)
    page = run_ablation(plan)
    results = json.loads((page.parent / "results.json").read_text())
    assert [row["group"] for row in results["groups"]] == list(LISTED["variants"])
    base, crop, classifier, rendered = results["groups"]
    differences = {row["group"]: row for row in results["differences"]}
    started = trials.read_trial(plan.folder / "from_rendered-seed1")["weights"]
    assert started["source"] == "file" and started["fresh"] == 0
    start = torch.load(plan.folder / RENDERED_START / "model.pt", weights_only=True)
    counted = {name: tensor for name, tensor in start.items() if not name.endswith("num_batches_tracked")}
    assert started["sha256"] == hash_tensors(counted)
    assert base["trainings"] == 2 and set(differences) == {"no_crop", "classifier", "from_rendered"}
    tables = {
        (name, seed): pd.read_csv(plan.folder / f"{name}-seed{seed}" / "predictions.csv", keep_default_na=False)
        for name in LISTED["variants"]
        for seed in (0, 1)
    }
    for row in (base, crop, classifier, rendered):
        correct = [(t.predicted == t.body_type).mean() for (name, _), t in tables.items() if name == row["group"]]
        assert row["accuracy"]["value"] == pytest.approx(np.mean(correct)) and row["accuracy"]["n"] == 4
    gained = crop["accuracy"]["value"] - base["accuracy"]["value"]
    assert differences["no_crop"]["accuracy"]["value"] == pytest.approx(gained)
    assert classifier["mask_iou"] is None and differences["classifier"]["mask_iou"] is None
    seen = {seed: pd.read_csv(plan.folder / f"baseline-seed{seed}/dataset/photos.csv").photo_id for seed in (0, 1)}
    other = pd.read_csv(plan.folder / "no_crop-seed0/dataset/photos.csv").photo_id
    assert set(seen[0]) == set(other) != set(seen[1])
    text = page.read_text()
    assert "| **no_crop**: no crop |" in text and re.search(r"n = 4 validation photos", text)
    assert (page.parent / "effects.png").stat().st_size > 1000
    table = pd.read_csv(page.parent / "results.csv")
    assert len(table) == 4 and table.accuracy_difference[1] == pytest.approx(gained)
    assert len(pd.read_csv(page.parent / "trials.csv")) == 8
    # what is done is not made again; what is missing is
    monkeypatch.setattr(trial_network, "train", None)
    log.clear()
    run_ablation(plan)
    assert sum("is up to date" in line for line in log.messages) == 9
    # another way to predict trains nothing
    log.clear()
    mirrored = {"question": "no crop, mirrored", "settings": {"min_crop_scale": 1.0, "tta": "hflip"}}
    again = listed(variants=LISTED["variants"] | {"no_crop": mirrored})
    run_ablation(create_plan(again, device="cpu", settings=SMALL))
    assert sum("is up to date" in line for line in log.messages) == 7
    changed = pd.read_csv(plan.folder / "no_crop-seed0" / "predictions.csv", keep_default_na=False)
    assert not changed.score.equals(tables["no_crop", 0].score)
