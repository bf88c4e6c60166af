from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carseg_lib.evaluation.bootstrap import mean_estimate
from carseg_lib.evaluation.paired import (
    NO_DIFFERENCE,
    compare_results,
    flatten_estimates,
    mean_results,
    paired_difference,
    per_photo,
    significance,
)

SAMPLES = {"bootstrap_samples": 100, "seed": 0}


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_a_difference_lies_in_its_interval_and_turns_with_its_sides(pairs):
    before, after = np.array(pairs, dtype=float).T
    found = paired_difference(before, after, **SAMPLES)
    assert found["value"] == pytest.approx(after.mean() - before.mean())
    assert -1 <= found["low"] <= found["value"] <= found["high"] <= 1 and found["n"] == len(pairs)
    turned = paired_difference(after, before, **SAMPLES)
    assert turned["value"] == pytest.approx(-found["value"])


def test_pairing_narrows_an_interval():
    rng = np.random.default_rng(0)
    before = rng.random(400) < 0.6
    after = before | (rng.random(400) < 0.1)
    paired = paired_difference(before.astype(float), after.astype(float), bootstrap_samples=400, seed=0)
    mixed = paired_difference(before.astype(float), rng.permutation(after).astype(float), bootstrap_samples=400, seed=0)
    assert paired["high"] - paired["low"] < 0.6 * (mixed["high"] - mixed["low"])


@pytest.mark.parametrize(
    ("low", "value", "high", "word"),
    [(0.01, 0.1, 0.2, "more"), (-0.2, -0.1, -0.01, "less"), (-0.1, 0.1, 0.2, NO_DIFFERENCE), (0, 0, 0, NO_DIFFERENCE)],
)
def test_a_difference_is_significant_if_its_interval_is_clear_of_zero(low, value, high, word):
    assert significance({"value": value, "low": low, "high": high, "n": 9}) == word


def test_without_a_difference_there_is_none():
    assert significance(None) == "no significant difference"


def predictions(predicted: list[str], mask_iou: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"body_type": ["suv", "suv", "sedan"], "predicted": predicted, "mask_iou": mask_iou})


FIRST = predictions(["suv", "", "sedan"], [0.9, 0.0, 0.6])
SECOND = predictions(["suv", "sedan", "sedan"], [0.5, 0.4, 0.8])


def test_a_photo_has_the_mean_over_the_trainings():
    np.testing.assert_array_equal(per_photo([FIRST, SECOND], "accuracy"), [1, 0, 1])
    np.testing.assert_allclose(per_photo([FIRST, SECOND], "mask_iou"), [0.7, 0.2, 0.7])
    assert per_photo([FIRST, predictions(["", "", ""], [0, 0, np.nan])], "mask_iou") is None


def test_results_are_means_over_the_photos():
    found = mean_results([FIRST, SECOND], **SAMPLES)
    assert found["accuracy"] == mean_estimate(np.array([1.0, 0, 1]), **SAMPLES)
    assert found["mask_iou"]["value"] == pytest.approx(1.6 / 3) and found["mask_iou"]["n"] == 3


def test_two_sets_of_trainings_are_compared_measure_by_measure():
    found = compare_results([FIRST], [SECOND], **SAMPLES)
    assert found["accuracy"]["value"] == 0 and found["accuracy"]["n"] == 3
    assert found["mask_iou"]["value"] == pytest.approx((1.7 - 1.5) / 3)
    assert found["mask_iou"] == paired_difference(np.array([0.9, 0, 0.6]), np.array([0.5, 0.4, 0.8]), **SAMPLES)


def test_without_masks_there_are_no_mask_results():
    unmasked = predictions(["suv", "suv", "suv"], [np.nan] * 3)
    assert mean_results([unmasked], **SAMPLES)["mask_iou"] is None
    assert compare_results([unmasked], [unmasked], **SAMPLES)["mask_iou"] is None


def test_estimates_become_columns():
    number = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 8}
    row = {"name": "a", "accuracy": number, "recall": {"suv": number}, "mask_iou": None}
    assert flatten_estimates(row) == {
        "name": "a",
        "accuracy": 0.5, "accuracy_low": 0.4, "accuracy_high": 0.6,
        "recall_suv": 0.5, "recall_suv_low": 0.4, "recall_suv_high": 0.6,
        "mask_iou": None,
    }  # fmt: skip
