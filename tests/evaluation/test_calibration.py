import json

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, log_loss
from torchmetrics.functional.classification import binary_calibration_error

from carseg_lib.core.classes import BODY_TYPES
from carseg_lib.core.errors import CarsegError
from carseg_lib.evaluation import calibration
from carseg_lib.evaluation.calibration import (
    BINS,
    FLOOR,
    NEITHER,
    OVER,
    UNDER,
    apply_temperature,
    calibrate,
    calibration_error,
    calibration_estimate,
    confidence,
    correct,
    fit_temperature,
    outcome_probabilities,
    reliability,
    true_types,
)
from tests.helpers.probabilities import make_predictions

SAMPLING = {"bootstrap_samples": 200, "seed": 0}
TYPES = ("suv", "sedan")


def table(*rows: tuple[str, float, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["body_type", "p_suv", "p_sedan"])


def test_what_is_left_of_the_probabilities_is_no_car_found():
    predictions = table(("suv", 0.75, 0.125), ("sedan", 0.0, 0.0), ("sedan", 0.6, 0.6))
    outcomes = outcome_probabilities(predictions, TYPES)
    # the third exceeds 1, as float32 sums do in their last bits
    assert outcomes.tolist() == [[0.75, 0.125, 0.125], [0, 0, 1], [0.5, 0.5, 0]]
    truth = true_types(predictions, TYPES)
    assert truth.tolist() == [0, 1, 1]
    assert confidence(outcomes).tolist() == [0.75, 0, 0.5]
    assert correct(outcomes, truth).tolist() == [True, False, False]
    # no car found is wrong for the first type too, which argmax of zeros names
    assert not correct(outcomes[1:2], np.array([0]))[0]
    with pytest.raises(CarsegError, match="'van' is no type of this run"):
        true_types(table(("van", 0.5, 0.5)), TYPES)


def test_the_calibration_error_by_hand():
    confidences = np.array([0.95, 0.95, 0.85, 0.55])
    hits = np.array([True, False, True, False])
    # bins: 0.9-1 (2 photos, accuracy 0.5), 0.8-0.9 (1, right), 0.5-0.6 (1, wrong)
    assert calibration_error(confidences, hits) == pytest.approx((2 * 0.45 + 0.15 + 0.55) / 4)
    rows = reliability(confidences, hits)
    assert rows[["start", "n", "accuracy"]].to_numpy() == pytest.approx(
        np.array([[0.5, 1, 0.0], [0.8, 1, 1.0], [0.9, 2, 0.5]])
    )
    assert rows["confidence"].tolist() == pytest.approx([0.55, 0.85, 0.95])
    assert rows["low"][2] == pytest.approx(0.0945, abs=1e-4) and rows["high"][2] == pytest.approx(0.9055, abs=1e-4)
    assert reliability(np.array([0.0, 1.0]), np.array([False, True]))["end"].tolist() == [0.1, 1.0]


@given(st.lists(st.tuples(st.floats(0, 1, width=32), st.booleans()), min_size=1, max_size=60))
@settings(max_examples=60, deadline=None)
def test_the_calibration_error_is_torchmetrics(photos):
    confidences, hits = (np.array(column) for column in zip(*photos, strict=True))
    # torchmetrics puts 1.0 into a bin of its own, and both may put an edge to either side
    confidences = np.where(np.abs(confidences * BINS - np.round(confidences * BINS)) < 1e-4, 0.123, confidences)
    theirs = binary_calibration_error(torch.tensor(confidences), torch.tensor(hits).int(), n_bins=BINS)
    assert calibration_error(confidences, hits) == pytest.approx(float(theirs), abs=1e-5)


def test_brier_and_log_loss_are_scikit_learns():
    predictions = make_predictions({"test": 200})
    outcomes, truth = outcome_probabilities(predictions, BODY_TYPES), true_types(predictions, BODY_TYPES)
    numbers = calibration.measure(outcomes, truth, **SAMPLING)
    brier = brier_score_loss(truth, outcomes, labels=range(5), scale_by_half=True)
    assert numbers["brier"]["value"] == pytest.approx(brier)
    assert numbers["log_loss"]["value"] == pytest.approx(
        log_loss(truth, outcomes.clip(FLOOR), labels=range(5)), abs=0.01
    )
    for name in ("brier", "log_loss", "ece", "accuracy", "confidence"):
        assert numbers[name]["low"] <= numbers[name]["value"] <= numbers[name]["high"] and numbers[name]["n"] == 200


def test_one_photo_without_a_car_costs_the_floor():
    outcomes = np.array([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])
    numbers = calibration.measure(outcomes, np.array([0, 1]), **SAMPLING)
    assert numbers["log_loss"]["value"] == pytest.approx((np.log(2) - np.log(FLOOR)) / 2)
    assert numbers["brier"]["value"] == pytest.approx((0.25 + 1) / 2)


@pytest.mark.parametrize(("temperature", "word"), [(2.0, UNDER), (0.5, OVER), (1.0, NEITHER)])
def test_the_temperature_that_was_put_in_is_found_and_mends(temperature, word):
    predictions = make_predictions({"validation": 1500, "test": 700}, temperature=temperature)
    found = calibrate(predictions, BODY_TYPES, **SAMPLING)
    assert json.dumps(found, allow_nan=False)
    assert found["temperature"] == pytest.approx(1 / temperature, rel=0.12)
    before, after = found["splits"]["test"]["before"], found["splits"]["test"]["after"]
    assert before["direction"] == word and after["direction"] == NEITHER
    assert after["ece"]["value"] <= after["ece"]["chance"] * 1.3
    if temperature != 1:
        assert before["ece"]["value"] > 2 * before["ece"]["chance"] and before["ece"]["low"] > 0
        assert after["log_loss"]["value"] < before["log_loss"]["value"]
    assert after["accuracy"] == before["accuracy"]  # the order of the types stays


def test_test_photos_do_not_change_the_temperature():
    predictions = make_predictions({"validation": 300, "test": 100}, temperature=2)
    validation = predictions[predictions["split"] == "validation"]
    assert calibration.validation_temperature(predictions, BODY_TYPES) == calibration.validation_temperature(
        validation, BODY_TYPES
    )


def test_photos_without_a_car_do_not_change_the_temperature_and_stay_as_they_are():
    with_none = make_predictions({"validation": 300}, temperature=2, none_found=20)
    outcomes, truth = outcome_probabilities(with_none, BODY_TYPES), true_types(with_none, BODY_TYPES)
    assert fit_temperature(outcomes, truth) == fit_temperature(outcomes[:280], truth[:280])
    scaled = apply_temperature(outcomes, 0.3)
    assert scaled[280:].tolist() == [[0, 0, 0, 0, 1]] * 20 and scaled.sum(1) == pytest.approx(1)
    with pytest.raises(CarsegError, match="no car was found in any photo"):
        fit_temperature(outcomes[280:], truth[280:])


def test_a_temperature_by_hand():
    assert apply_temperature(np.array([[0.8, 0.2, 0.0]]), 0.5)[0] == pytest.approx([16 / 17, 1 / 17, 0])
    assert apply_temperature(np.array([[0.8, 0.2, 0.0]]), 2.0)[0] == pytest.approx([2 / 3, 1 / 3, 0])


def test_what_chance_alone_gives_is_told_and_the_interval_then_begins_at_nought():
    rng = np.random.default_rng(0)
    confidences = rng.uniform(0.5, 1, 150)
    below = 0
    for _ in range(100):
        found = calibration_estimate(confidences, rng.random(150) < confidences, bootstrap_samples=100, seed=0)
        below += found["value"] <= found["chance"]
        assert (found["low"] == 0) >= (found["value"] <= found["chance"])
    assert 88 <= below <= 100
    wrong = calibration_estimate(confidences, np.zeros(150, bool), bootstrap_samples=100, seed=0)
    assert wrong["value"] == pytest.approx(confidences.mean()) and wrong["low"] > 0.7


@pytest.mark.slow
@pytest.mark.parametrize(("n", "least"), [(148, 0.75), (722, 0.86)])
def test_the_interval_covers_what_the_docstring_says(n, least):
    """Confidences that are too low by a shift of the logit, as label smoothing makes them."""
    rng = np.random.default_rng(0)

    def photos(number: int) -> tuple[np.ndarray, np.ndarray]:
        sure = rng.beta(6, 1, number).clip(0.25, 0.999)
        return sure, 1 / (1 + np.exp(-np.log(sure / (1 - sure)) - 0.7))

    true = calibration_error(*photos(400_000))
    inside = 0
    for _ in range(300):
        sure, share = photos(n)
        found = calibration_estimate(sure, rng.random(n) < share, bootstrap_samples=200, seed=1)
        inside += found["low"] <= true <= found["high"]
    assert inside / 300 >= least
