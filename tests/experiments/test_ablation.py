"""The ablation: its list of variants, and all of it on a few drawn cars."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from carseg_lib.core.errors import CarsegError
from carseg_lib.experiments import baselines, trials
from carseg_lib.experiments.ablation import config, run
from carseg_lib.experiments.ablation.config import BASELINE, create_plan, study_of
from carseg_lib.experiments.ablation.plots import effects
from carseg_lib.experiments.ablation.run import (
    macro_f1,
    predict_classes,
    run_ablation,
    train_baseline_classifier,
)
from carseg_lib.models.weights import hash_tensors
from tests.helpers.small_run import small_run, with_dataset

SMALL = {
    "height": 64, "width": 64, "fpn_out_channels": 16, "box_head_dim": 16, "mask_head_channels": 8,
    "rpn_post_nms_top_n": 16, "rpn_batch_size_per_image": 32, "batch_size": 4, "bootstrap_samples": 100,
}  # fmt: skip
LISTED = {
    "profile": "smoke",
    "photos": 8,
    "epochs": 1,
    "seeds": 2,
    "validation_photos": 4,
    "variants": {
        BASELINE: {"question": "as it is"},
        "no_crop": {"question": "no crop", "settings": {"min_crop_scale": 1.0}},
        "classifier": {"question": "no boxes", "kind": "classifier"},
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


def test_the_list_that_comes_with_carseg_is_sound(monkeypatch, tmp_path, synthetic_cars):
    monkeypatch.setenv("CARSEG_REPORTS", str(tmp_path))
    plan = create_plan(str(synthetic_cars))
    assert len(plan.variants) > 12 and plan.variants[0].name == BASELINE
    assert {v.kind for v in plan.variants} == {"mask_rcnn", "classifier"}
    base = study_of(plan, plan.variants[0], 0)
    for variant in plan.variants[1:]:
        study = study_of(plan, variant, 1)
        differs = {name for name in variant.settings if getattr(study, name) != getattr(base, name)}
        assert differs == set(variant.settings), (
            variant.name
        )  # a setting equal to the profile's tells nothing
        assert study.config.seed == 1 and study.config.train.epochs == plan.epochs


@pytest.mark.parametrize(
    ("changed", "settings", "message"),
    [
        ({"epochs": 0}, {}, "epochs = 0 must be a whole number from 1 up"),
        ({}, {"seeds": "two"}, "seeds = 'two' must be a whole number"),
        ({}, {"epoch": "2"}, "no setting 'epoch' here; did you mean 'epochs'"),
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
            "variant x: there is no parameter 'lrr'; did you mean 'lr'",
        ),
        (
            {"variants": {BASELINE: {"question": "?"}, "x": {"question": "?", "settings": {"lr": -1.0}}}},
            {},
            "variant x: lr = -1.0|lr = -1.0",
        ),
        ({"variants": {BASELINE: {"question": "?"}, "x": {"ask": "?"}}}, {}, "variant x has 'ask'"),
        (
            {"variants": {BASELINE: {"question": "?"}, "x y": {"question": "?"}}},
            {},
            "must be named by letters",
        ),
        ({"extra": 1}, {}, "and nothing else"),
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


def test_macro_f1_by_hand():
    table = pd.DataFrame({"body_type": ["suv", "suv", "sedan"], "predicted": ["suv", "sedan", "sedan"]})
    assert macro_f1(table, ("suv", "sedan")) == pytest.approx(2 / 3)


def test_a_classifier_learns_what_it_is_shown(monkeypatch, tmp_path, synthetic_cars):
    study = small_run(
        monkeypatch, tmp_path, synthetic_cars, max_images_per_split=0, epochs=12, lr=0.005, min_crop_scale=1.0
    )
    dataset = with_dataset(study)
    model = train_baseline_classifier(study, dataset)
    again = train_baseline_classifier(study, dataset)
    answers, same = predict_classes(model, dataset, study), predict_classes(again, dataset, study)
    assert answers.equals(same)
    assert set(answers.predicted) <= set(dataset.body_types) and answers.mask_iou.isna().all()
    assert len(answers) == len(dataset.split("validation").photos)
    assert (answers.predicted == answers.body_type).mean() > 0.3


def test_the_whole_ablation_is_paired_and_goes_on(listed, monkeypatch, tmp_path):
    profile = config.study_of
    monkeypatch.setattr(config, "study_of", lambda *a: profile(*a).model_copy(update=SMALL))
    monkeypatch.setattr(run, "study_of", config.study_of)
    data, real_catalogued = listed(), run.cached_catalogue
    monkeypatch.setattr(  # drawn cars in place of the rendered ones, which are many
        run,
        "cached_catalogue",
        lambda study, folder: real_catalogued(study.updated(data={"source": data}), folder),
    )
    plan = create_plan(data)
    said: list[str] = []
    page = run_ablation(plan, said.append)
    results = json.loads((page.parent / "ablation.json").read_text())
    assert [row["name"] for row in results["variants"]] == list(LISTED["variants"])
    base, crop, classifier, rendered = results["variants"]
    started = trials.read_trial(plan.folder / "from_rendered-seed1")["weights"]
    assert started["source"] == "file" and started["fresh"] == 0
    start = torch.load(plan.folder / run.RENDERED_START / "model.pt", weights_only=True)
    counted = {name: tensor for name, tensor in start.items() if not name.endswith("num_batches_tracked")}
    assert started["sha256"] == hash_tensors(counted)
    assert base["trainings"] == 2 and base["accuracy_difference"] is None
    tables = {
        (name, seed): pd.read_csv(
            plan.folder / f"{name}-seed{seed}" / "predictions.csv", keep_default_na=False
        )
        for name in LISTED["variants"]
        for seed in (0, 1)
    }
    for row in (base, crop, classifier, rendered):
        rights = [
            (t.predicted == t.body_type).mean() for (name, _), t in tables.items() if name == row["name"]
        ]
        assert row["accuracy"]["value"] == pytest.approx(np.mean(rights)) and row["accuracy"]["n"] == 4
    gained = crop["accuracy"]["value"] - base["accuracy"]["value"]
    assert crop["accuracy_difference"]["value"] == pytest.approx(gained)
    assert classifier["mask_iou"] is None and classifier["mask_iou_difference"] is None
    seen = {
        seed: pd.read_csv(plan.folder / f"baseline-seed{seed}/dataset/photos.csv").photo_id for seed in (0, 1)
    }
    other = pd.read_csv(plan.folder / "no_crop-seed0/dataset/photos.csv").photo_id
    assert set(seen[0]) == set(other) != set(seen[1])
    text = page.read_text()
    assert "| **no_crop**: no crop |" in text and re.search(r"n = 4 validation photos", text)
    assert (page.parent / "effects.png").stat().st_size > 1000
    assert len(pd.read_csv(page.parent / "ablation.csv")) == 4
    # what is done is not made again; what is missing is
    monkeypatch.setattr(trials, "train", None)
    monkeypatch.setattr(baselines.Classifier, "forward", None)
    said.clear()
    run_ablation(plan, said.append)
    assert sum("is up to date" in line for line in said) == 8
    # another way to answer trains nothing
    said.clear()
    mirrored = {"question": "no crop, mirrored", "settings": {"min_crop_scale": 1.0, "tta": 2}}
    run_ablation(create_plan(listed(variants=LISTED["variants"] | {"no_crop": mirrored})), said.append)
    assert sum("is up to date" in line for line in said) == 6
    again = pd.read_csv(plan.folder / "no_crop-seed0" / "predictions.csv", keep_default_na=False)
    assert not again.score.equals(tables["no_crop", 0].score)


def test_a_far_difference_is_named_and_does_not_squeeze_the_others():
    def row(name, value, low, high):
        return {
            "name": name,
            "question": f"what {name} does",
            "trainings": 1,
            "accuracy": {"value": 0.8},
            "accuracy_difference": {"value": value, "low": low, "high": high},
            "mask_iou_difference": None,
        }

    base = row("baseline", 0, 0, 0) | {"accuracy_difference": None}
    results = {
        "variants": [base, row("near", -0.02, -0.05, 0.01), row("far", -0.5, -0.55, -0.45)],
        "answered": 100,
        "plan": {"photos": 60, "epochs": 2},
    }
    figure = effects(results)
    accuracy = figure.axes[0]
    assert accuracy.get_xlim()[0] == pytest.approx(-5.5)
    assert [text.get_text() for text in accuracy.texts] == ["-2.0", "-50.0"]
    assert [line.get_marker() for line in accuracy.lines].count("<") == 1
    assert not figure.axes[1].texts  # neither has masks
