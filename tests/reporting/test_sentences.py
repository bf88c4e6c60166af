"""Sentences that notebooks show, computed from tables."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.loader import load_catalogue
from carseg_lib.evaluation.claim_table.evidence import Evidence
from carseg_lib.evaluation.claim_table.table import claim_rows
from carseg_lib.paper import audit
from carseg_lib.reporting.sentences import data, evaluation, training
from tests.helpers.fake_run import make_history, make_metrics, make_predictions


@pytest.fixture(scope="module")
def cars(synthetic_cars: Path) -> Catalogue:
    return load_catalogue(synthetic_cars)


def test_the_photos_in_words(cars):
    assert data.types_told(cars) == (
        "24 photos: suv 6 (25%), sedan 6 (25%), convertible 6 (25%), minivan 6 (25%). A model that always says suv is "
        "right for 25.0% of them."
    )
    assert data.types_told(replace(cars, photos=cars.photos.iloc[:0])) == "There are no photos of cars."
    assert "the paper 4,957, 59%" in data.splits_told(cars)
    unassigned = cars.photos.assign(split="unassigned")
    assert data.splits_told(replace(cars, photos=unassigned)).startswith("No photo has a split yet")
    assert data.sizes_told(cars).startswith("All 24 photos are of ")
    wide = cars.photos.assign(width=[*[999] * 6, *cars.photos.width[6:]])
    assert data.sizes_told(replace(cars, photos=wide)).endswith("pixels, is that of 75%.")


def test_what_is_left_out_in_words(cars):
    assert data.excluded_told(cars) == "No image is excluded."
    row = dict.fromkeys(cars.excluded.columns, "x") | {"reason": "empty file"}
    some = replace(cars, excluded=pd.DataFrame([row]))
    assert data.excluded_told(some) == "1 of 25 images and annotations are excluded (4.0%): empty file 1."
    assert data.masks_told(cars, cars.instances.iloc[:0]).endswith("no photo is left out.")
    assert "2 photos are left out" in data.masks_told(cars, cars.instances.drop_duplicates("photo_id").head(2))
    bare = replace(cars, instances=cars.instances.assign(mask_origin="none"))
    assert "the mask branch is not trained" in data.masks_told(bare, cars.instances.iloc[:0])


def test_duplicates_in_words():
    pairs = pd.DataFrame({"split_a": ["train", "", "test"], "split_b": ["test", "train", "test"]})
    assert data.duplicates_told(pd.DataFrame(), pairs.iloc[:0]) == (
        "No two photos have equal pixels; there are no near duplicates by perceptual hash."
    )
    assert data.near_told(pairs) == "3 pairs are near duplicates by perceptual hash, 1 of them across splits."


def test_the_training_in_words():
    summary = pd.DataFrame(
        {"parameters": [300, 700, 1000], "trainable": [300, 200, 500], "gflop": [3.0, 1.0, 4.0]},
        index=["backbone", "heads", "all"],
    )
    assert training.model_told(summary) == (
        "0.00 million parameters, 50% of them trained; 4.00 GFLOP a photo, the most of them (75%) in the part "
        "“backbone”."
    )
    history = make_history(4).assign(validation_accuracy=0.9, train_accuracy=0.8)
    assert training.averages_told(history) == (
        "Mean over 4 epochs: validation 90.0% (paper 91.2%), training 80.0% (paper 87.6%). Validation lies above "
        "training, as in the paper."
    )
    assert "below training" in training.averages_told(history.assign(train_accuracy=0.95))


def test_the_results_in_words(cars):
    predictions, detections = make_predictions(cars, accuracy=0.7)
    metrics = make_metrics(cars, predictions, detections, make_history())
    splits = metrics["splits"]
    accuracy = splits["test"]["accuracy"]
    told = evaluation.results_told(splits)
    assert f"{100 * accuracy['value']:.1f}%" in told and f"of {accuracy['n']} test photos" in told
    assert "the paper says 91.2%" in told and "overlap" in told
    f1 = {name: part["f1"]["value"] for name, part in splits["test"]["per_type"].items()}
    assert f"highest for {max(f1, key=f1.get)}" in evaluation.report_told(splits["test"], "test")
    verdicts = audit.figure_verdicts(audit.audit())
    assert evaluation.audit_told(verdicts).startswith(f"Of the paper's {len(verdicts)} figures: ")
    rows = claim_rows(Evidence(metrics, make_history()), verdicts)
    told = evaluation.claims_told(rows, metrics)
    counted = [int(word.split()[0]) for word in told.partition(": ")[2].partition(". The")[0].split(", ")]
    assert sum(counted) == len(rows)
    assert "The headline accuracy, 91.2" in told and "of this run, test is, beside 91.2" in told
    untrained = metrics | {"run": metrics["run"] | {"profile": "smoke"}}
    assert "beside" not in evaluation.claims_told(rows, untrained)
