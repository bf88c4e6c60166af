"""The readings of the paper: the file, the plan in its order, the numbers of the curve, and all of it on drawn cars."""

from __future__ import annotations

import json
import math
import re
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import yaml

from carseg_lib.core.errors import CarsegError
from carseg_lib.core.paths import project_folder
from carseg_lib.data.catalogue import BACKGROUND_COLUMNS, table
from carseg_lib.experiments import trial_network
from carseg_lib.experiments.readings import config
from carseg_lib.experiments.readings.config import create_plan, read_readings, readings_path
from carseg_lib.experiments.readings.plots import specification_curve, training_beside_validation
from carseg_lib.experiments.readings.records import known_records, recipe_digest, write_records
from carseg_lib.experiments.readings.results import (
    answer,
    choice_effects,
    choices_table,
    effective_photos,
    epochs_table,
    readings_results,
    readings_table,
    results_text,
    seeds_estimate,
    specifications,
    verdict_of,
)
from carseg_lib.experiments.readings.run import open_results, run_readings
from carseg_lib.models.networks import build_network
from tests.paper.quotes import is_of_the_paper

SMALL = {
    "height": "64", "width": "64", "fpn_out_channels": "16", "box_head_dim": "16", "mask_head_channels": "8",
    "rpn_post_nms_top_n": "16", "rpn_batch_size_per_image": "32", "batch_size": "4", "bootstrap_samples": "100",
    "num_workers": "0",
}  # fmt: skip
CLASSIFIER = {"architecture": "classifier", "frozen_stages": 0, "freeze_depthwise": False}
LISTED = {
    "profile": "smoke",
    "seeds": 2,
    "photos": 8,
    "validation_photos": 4,
    "choices": {
        "model": {
            "question": "Which network?",
            "quotes": [{"section": "V", "quote": "surrogate soft max classifier"}],
            "options": {
                "mask_rcnn": {"title": "Mask R-CNN", "settings": {"architecture": "mask_rcnn"}},
                "classifier": {"title": "a classifier", "settings": CLASSIFIER},
            },
        },
        "trained": {
            "question": "Which layers?",
            "quotes": [{"section": "V", "quote": "in a newly added layer"}],
            "options": {
                "new_layers": {"title": "the new", "settings": {"trainable": "new_layers"}},
                "all": {"title": "all", "settings": {"trainable": "all"}},
            },
        },
    },
    "excluded": [{"combination": {"model": "mask_rcnn", "trained": "new_layers"}, "why": "a test"}],
    "sample": [
        {"choices": {"model": "classifier", "trained": "all"}},
        {"choices": {"model": "classifier"}},
        {"choices": {"model": "mask_rcnn"}, "needs": "gpu"},
    ],
}


@pytest.fixture
def listed(monkeypatch, tmp_path):
    """Writes a list of readings and makes it the one that is read."""
    monkeypatch.setenv("CARSEG_REPORTS", str(tmp_path / "reports"))
    path = tmp_path / "readings.yaml"
    monkeypatch.setattr(config, "readings_path", lambda: path)

    def write(**changed):
        path.write_text(yaml.safe_dump(LISTED | changed, sort_keys=False))
        return path

    write()
    return write


# The file and the plan


def test_the_file_that_comes_with_carseg_is_sound(monkeypatch, tmp_path, synthetic_cars):
    monkeypatch.setenv("CARSEG_REPORTS", str(tmp_path))
    listed = read_readings(readings_path())
    every = list(listed.combinations({}))
    assert len(every) == len({tuple(reading.values()) for reading in every}) > 100
    assert not any(reading["start"] == "none" and reading["trained"] == "new_layers" for reading in every)
    plan = create_plan(str(synthetic_cars), device="cpu")
    assert plan.epochs == 30 and len(plan.readings) + len(plan.left) < len(every)
    first = plan.run_of(plan.readings[0], 3).config
    assert first.model.architecture == "classifier" and first.model.trainable == "new_layers" and first.seed == 3
    for reading in plan.readings:
        run = plan.run_of(reading, 0).config
        recipe = (run.train.optimizer, run.train.lr, run.train.lr_schedule, run.train.batch_size, run.train.epochs)
        assert recipe == ("adam", 0.002, "constant", 8, 30) and run.inputs.size == (224, 224)
        assert run.inputs.max_rotation == 90 or reading.options["rotation"] != "any_angle"
        build_network(run.model, 5, with_masks=True)  # its settings make a network
    names = [trial.name for trial in plan.trials()]
    assert len(names) == len(set(names)) == plan.seeds * len(plan.readings)
    assert {trial.watched for trial in plan.trials()} == {0}
    quotes = [quote.quote for choice in listed.choices.values() for quote in choice.quotes]
    assert [quote for quote in quotes if not is_of_the_paper(quote)] == []
    for exclusion in listed.excluded:
        assert all(not exclusion.combination.items() <= reading.items() for reading in every)


def test_the_sample_is_trained_in_its_order_seed_by_seed(listed, synthetic_cars):
    plan = create_plan(str(synthetic_cars), device="cpu")
    assert [reading.name for reading in plan.readings] == ["classifier-all", "classifier-new_layers"]
    assert [reading.name for reading in plan.left] == ["mask_rcnn-all"]  # needs a GPU
    assert [trial.name for trial in plan.trials()] == [
        "classifier-all-seed0", "classifier-new_layers-seed0", "classifier-all-seed1", "classifier-new_layers-seed1",
    ]  # fmt: skip
    assert plan.readings[0].title == "a classifier; all" and plan.folder.name == f"readings-{synthetic_cars.name}"
    assert create_plan(device="cpu").folder.name == "readings"  # the built-in data set
    some = create_plan(str(synthetic_cars), device="cpu", settings={"trained": "new_layers", "seeds": "1"})
    assert [trial.name for trial in some.trials()] == ["classifier-new_layers-seed0"]


@pytest.mark.parametrize(
    ("changed", "settings", "said"),
    [
        ({}, {"trained": "some"}, "SET: trained has no option 'some'; it has new_layers, all"),
        ({}, {"model": "mask_rcnn"}, "no reading with .* that this machine can train; 1 need a GPU"),
        ({}, {"lr_": "1"}, "SET: there is no setting 'lr_'"),
        ({}, {"seeds": "0"}, "seeds = '0' must be a whole number from 1 up"),
        ({"sample": [{"choices": {"modle": "classifier"}}]}, {}, "there is no choice 'modle'; did you mean 'model'"),
        ({"sample": [{"choices": {}, "needs": "tpu"}]}, {}, "needs: tpu must be gpu"),
        ({"seeds": "many"}, {}, "readings.yaml: seeds: "),
        ({"more": 1}, {}, "readings.yaml: more: "),
    ],
)
def test_a_mistake_is_refused_in_one_line(changed, settings, said, listed, synthetic_cars):
    listed(**changed)
    with pytest.raises(CarsegError, match=said) as error:
        create_plan(str(synthetic_cars), device="cpu", settings=settings)
    assert "\n" not in str(error.value)


def test_a_setting_that_all_readings_share_is_no_option(listed, synthetic_cars):
    choices = json.loads(json.dumps(LISTED["choices"]))
    choices["model"]["options"]["classifier"]["settings"]["epochs"] = 3
    listed(choices=choices)
    with pytest.raises(CarsegError, match="model: classifier: epochs is the same for all readings"):
        create_plan(str(synthetic_cars), device="cpu")


# Records


class _Photos:
    """Photos with the fingerprint of those that the records are of."""

    name, fingerprint = "stanford-cars-4", "a5027378ff064f67c6ebde0eb4c94f4b9f06dd4341231171d3ca862bc0af623c"
    background = table([], BACKGROUND_COLUMNS)


def test_records_that_come_with_carseg_are_found(synthetic_cars, monkeypatch, tmp_path):
    """A setting that changes no number of a training must not change its digest: the records took hours to make."""
    monkeypatch.setenv("CARSEG_REPORTS", str(tmp_path))
    folder = tmp_path / "reference" / "readings"
    shutil.copytree(project_folder() / "reports" / "reference" / "readings", folder)
    recorded = json.loads((folder / "stanford-cars-4.json").read_text())["records"]
    plan = create_plan(str(synthetic_cars), device="cpu")
    found = known_records(plan.trials(), _Photos())
    assert {name: record["recipe"] for name, record in found.items()} == {
        f"{record['reading']}-seed{record['seed']}": record["recipe"] for record in recorded
    }
    first = "classifier-efficientnet_lite0-imagenet-new_layers-any_angle-uncropped-seed0"
    assert found[first]["recipe"] == "0783570334c0a74d" and len(found) >= 3


def test_the_digest_of_a_recipe_knows_the_shares_where_they_are_used(listed, synthetic_cars):
    def digest(background, **settings):
        plan = create_plan(str(synthetic_cars), device="cpu", settings={k: str(v) for k, v in settings.items()})
        source = type("Source", (_Photos,), {"background": background, "body_types": ("poodle", "pug")})()
        trial = plan.trials()[0]
        run = trial.run.updated(model={"architecture": "mask_rcnn"})
        return recipe_digest(replace(trial, run=run), source)

    none, some = _Photos.background, pd.DataFrame({"split": ["train"]})
    assert digest(none) == digest(none, background_share=0.3) != digest(none, pieces_share=0.1)
    assert digest(some) != digest(some, background_share=0.3)


# Numbers


def test_an_interval_of_one_training_is_wilsons_and_that_of_several_knows_their_spread():
    assert seeds_estimate([0.9], 100) == {"value": 0.9, "low": pytest.approx(0.8256, abs=1e-4),
                                          "high": pytest.approx(0.9448, abs=1e-4), "n": 100}  # fmt: skip
    # p(1-p)/n = 0.0009, s²/S = 0.0008/2 = 0.0004: 0.09/0.0013 photos
    assert effective_photos([0.88, 0.92], 100) == pytest.approx(0.09 / 0.0013)
    assert effective_photos([0.9, 0.9], 100) == pytest.approx(100)
    assert effective_photos([1.0, 1.0], 100) == 100
    wide, narrow = seeds_estimate([0.88, 0.92], 100), seeds_estimate([0.9, 0.9], 100)
    assert wide["low"] < narrow["low"] < 0.9 < narrow["high"] < wide["high"]


def test_intervals_over_seeds_and_photos_cover():
    """The mean accuracy of a recipe over seeds and photos: 95% of intervals hold it, give or take."""
    rng = np.random.default_rng(0)
    n, seeds, mean, spread, held = 400, 5, 0.85, 0.015, 0
    for _ in range(1000):
        hard = rng.beta(8.5, 1.5, n)  # of each photo, how often it is answered; shared by the trainings
        rates = [(rng.random(n) < np.clip(hard + rng.normal(0, spread), 0, 1)).mean() for _ in range(seeds)]
        estimate = seeds_estimate(rates, n)
        held += estimate["low"] <= mean <= estimate["high"]
    assert held >= 930


def test_a_verdict_is_of_as_many_photos_as_the_interval_is_worth():
    assert verdict_of(seeds_estimate([0.912], 2887), 0.912) == "equivalent"
    assert verdict_of(seeds_estimate([0.912], 148), 0.912) == "too few photos to tell"
    assert verdict_of(seeds_estimate([0.70], 1138), 0.912) == "below"
    assert verdict_of(seeds_estimate([0.97], 1138), 0.912) == "above"
    assert verdict_of(seeds_estimate([0.88, 0.944], 2887), 0.912) == "too few photos to tell"  # trainings disagree


class _Data:
    name, fingerprint = "drawn", "abc"

    @staticmethod
    def split(name):
        return type("Split", (), {"photos": range(8)})


@pytest.fixture
def results(listed, synthetic_cars):
    """Results by hand: the classifier with its new layer reaches the claim, that of all layers does not."""
    plan = create_plan(str(synthetic_cars), device="cpu", settings={"epochs": "3"})
    history = {
        "classifier-all": ([0.5, 0.6, 0.7], [0.6, 0.7, 0.9]),  # validation, running
        "classifier-new_layers": ([0.90, 0.92, 0.91], [0.85, 0.87, 0.88]),
    }
    records = [
        {"reading": name, "seed": seed, "seconds": 60.0, "made": "today", "hardware": {}, "weights": {},
         "history": {"train_loss": [1.0] * 3, "train_running_accuracy": running, "train_accuracy": [0.95] * 3,
                     "validation_loss": [1.0] * 3, "validation_accuracy": validation}}
        for name, (validation, running) in history.items() for seed in (0, 1)
    ]  # fmt: skip
    return readings_results(plan, _Data(), 2887, records)


def test_what_is_reported_may_be_the_last_the_best_or_the_mean_epoch(results):
    whole, new = results["readings"]
    assert (whole["last"]["value"], whole["best"]["value"]) == (0.7, 0.7)
    assert whole["mean"]["value"] == pytest.approx(0.6) and whole["seeds"] == 2
    assert (new["last"]["value"], new["best"]["value"]) == (0.91, 0.92)
    assert new["verdicts"] == {"last": "equivalent", "best": "equivalent", "mean": "equivalent"}
    assert set(whole["verdicts"].values()) == {"below"}
    assert new["training_running"] == pytest.approx(np.mean([0.85, 0.87, 0.88])) and new["above_training"] == 1
    assert whole["above_training"] == 0
    assert (results["planned"], results["defensible"], results["left"]) == (4, 3, ["mask_rcnn-all"])


def test_the_curve_is_sorted_and_the_choice_that_decides_is_found(results):
    points = specifications(results)
    assert points.value.is_monotonic_increasing and len(points) == 6
    assert points.reading.tolist() == ["classifier-all"] * 3 + ["classifier-new_layers"] * 3
    effects = choice_effects(points, ["model", "trained", "reported"])
    assert set(effects.choice) == {"trained", "reported"}  # every point is a classifier's
    values = np.array([0.6, 0.7, 0.7, 0.91, 0.91, 0.92])
    between = 3 * (values[:3].mean() - values.mean()) ** 2 + 3 * (values[3:].mean() - values.mean()) ** 2
    expected = between / ((values - values.mean()) ** 2).sum()
    assert effects.explained[0] == pytest.approx(expected) and effects.choice[0] == "trained"
    means = effects[effects.choice == "trained"].set_index("option")["mean"]
    assert means["new_layers"] == pytest.approx(0.9133, abs=1e-4) and means["all"] == pytest.approx(2 / 3)


def test_the_answer_says_how_many_reach_the_number_and_what_decides(results):
    first, second, third = answer(results)
    assert "fits 3 experiments" in first and "of the 2 trained here (3 epochs, n = 2,887" in first
    assert "1 reaches 91.2%" in first
    assert first.endswith("All of them: a classifier.")
    assert "from 60.0% (all; mean over the epochs) to 92.0% (the new; of the best epoch)" in second
    assert "“Which layers?” (9" in third and "the new 91.3%, all 66.7%" in third
    text = results_text(results)
    assert "| a classifier; the new | 2 | 91.0% (" in text and "4 of 4 trainings" in text
    table = readings_table(results)
    assert table.reading.tolist() == ["a classifier; the new", "a classifier; all"]
    listed = choices_table(results)
    assert len(listed) == 4 and listed["the paper"][0] == "V: “surrogate soft max classifier”"
    assert epochs_table(results["records"]).epoch.tolist() == [1, 2, 3] * 4


def test_the_figures_name_the_claim_the_choices_and_n(results):
    curve = specification_curve(results)
    texts = [text.get_text() for text in curve.findobj(lambda artist: hasattr(artist, "get_text"))]
    assert "paper: 91.2%" in texts and "trained: the new" in texts and "accuracy: of the best epoch" in texts
    assert not any(text.startswith("model:") for text in texts)  # one option: nothing to choose
    assert any("n = 2,887 validation photos" in text.replace("\n", " ") for text in texts)
    assert "1 reaches 91.2%" in curve.alt
    other = training_beside_validation(results)
    assert "In 1 of 2 readings validation is above the running training accuracy" in other.alt
    empty = specification_curve(results | {"readings": []})
    assert any("No reading" in text.get_text() for text in empty.findobj(lambda artist: hasattr(artist, "get_text")))


# All of it


@pytest.mark.slow
def test_readings_of_a_few_drawn_cars(listed, synthetic_cars, monkeypatch, caplog):
    caplog.set_level("INFO", "carseg_lib")
    plan = create_plan(str(synthetic_cars), device="cpu", settings=SMALL | {"epochs": "2"}, jobs=2)
    folder = run_readings(plan)
    results = json.loads((folder / "results.json").read_text())
    assert [one["name"] for one in results["readings"]] == ["classifier-all", "classifier-new_layers"]
    for one in results["readings"]:
        assert one["seeds"] == 2 and one["n"] == 4
        assert all(math.isfinite(one[name]["value"]) for name in ("last", "best", "mean"))
        assert one["best"]["value"] >= max(one["last"]["value"], one["mean"]["value"]) - 1e-9
    history = pd.read_csv(folder / "classifier-all-seed0" / "history.csv")
    predictions = pd.read_csv(folder / "classifier-all-seed0" / "predictions.csv", keep_default_na=False)
    # what is measured at the end is the last epoch of the history
    assert history.validation_accuracy.iloc[-1] == (predictions.predicted == predictions.body_type).mean()
    assert results["records"][0]["history"]["validation_accuracy"] == history.validation_accuracy.round(6).tolist()
    assert len(pd.read_csv(folder / "readings.csv")) == 2 and len(pd.read_csv(folder / "epochs.csv")) == 8
    assert re.search(r"4 of 4 trainings", (folder / "results.md").read_text())
    monkeypatch.setattr(trial_network, "train", None)  # what is done is not made again
    assert run_readings(plan) == folder
    assert open_results(folder.name)[1] == results
    # what comes with carseg is not made either, and what it lacks is
    path = write_records(results | {"records": results["records"][:3]})
    assert path.parent.name == "readings" and len(json.loads(path.read_text())["records"]) == 3
    other = create_plan(str(synthetic_cars), "other", "cpu", SMALL | {"epochs": "2"})
    monkeypatch.undo()
    monkeypatch.setenv("CARSEG_REPORTS", str(folder.parent))
    caplog.clear()
    run_readings(other)
    assert any("3 of 4 trainings are recorded in reports/reference/readings/" in line for line in caplog.messages)
    assert len(list(other.folder.glob("*/trial.json"))) == 1
    again = json.loads((other.folder / "results.json").read_text())
    key = lambda record: (record["reading"], record["seed"])  # noqa: E731
    for one, two in zip(*(sorted(r["records"], key=key) for r in (results, again)), strict=True):
        assert one["history"] == two["history"] and one["recipe"] == two["recipe"]
    write_records(again)
    assert len(json.loads(path.read_text())["records"]) == 4
    with pytest.raises(CarsegError, match=f"no readings 'others'.*there are .*{folder.name}"):
        open_results("others")
