from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import norm

from carseg_lib.evaluation.bootstrap import mean_estimate, proportion_estimate
from carseg_lib.evaluation.paired import (
    NO_DIFFERENCE,
    compare_results,
    flatten_estimates,
    mean_results,
    paired_difference,
    per_photo,
    photo_difference,
    significance,
)

SAMPLES = {"bootstrap_samples": 100, "seed": 0}


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 4).flatmap(lambda s: arrays(bool, st.tuples(st.just(2), st.just(s), st.integers(1, 40)))))
def test_a_difference_lies_in_its_interval_and_turns_with_its_sides(pair):
    before, after = pair.astype(float)
    found, turned = paired_difference(before, after), paired_difference(after, before)
    assert found["value"] == pytest.approx(after.mean() - before.mean())
    assert -1 <= found["low"] <= found["value"] <= found["high"] <= 1 and found["n"] == before.shape[1]
    assert 0 <= found["p"] <= 1 and turned["p"] == pytest.approx(found["p"])
    assert (turned["low"], turned["high"]) == pytest.approx((-found["high"], -found["low"]))
    excluded = found["low"] > 0 or found["high"] < 0
    assert excluded == (found["p"] < 0.05) or abs(found["p"] - 0.05) < 1e-9


def test_one_training_each_by_hand():
    # 98 photos: 8 better, 2 worse. With half a photo more on either side and one that is equal: a difference of
    # 6 / 100, of variance ((10 + 1) / 100 - 0.06^2) / 100; and twice the square of 1.5 points for the two seeds.
    before, after = np.zeros((1, 98)), np.zeros((1, 98))
    after[0, :8], before[0, 8:10] = 1, 1
    error = np.sqrt((0.11 - 0.06**2) / 100 + 2 * 0.015**2)
    found = paired_difference(before, after)
    assert found["value"] == pytest.approx(6 / 98)
    assert (found["low"], found["high"]) == pytest.approx((0.06 - 1.96 * error, 0.06 + 1.96 * error), abs=1e-5)
    assert found["p"] == pytest.approx(2 * norm.sf(0.06 / error))


def test_the_spread_of_seeds_widens_an_interval():
    rng = np.random.default_rng(0)
    before = (rng.random((5, 2000)) < 0.9).astype(float)
    apart = (rng.random((5, 2000)) < np.array([0.82, 0.86, 0.90, 0.94, 0.98])[:, None]).astype(float)
    alike, spread = (paired_difference(before, after) for after in (rng.permutation(before.T).T, apart))
    # The differences are -8, -4, 0, 4, 8 points: sd 6.3, over the root of 5 seeds 2.8, times t with 4 degrees 2.78.
    assert (spread["high"] - spread["low"]) / 2 == pytest.approx(0.063 / 5**0.5 * 2.78, rel=0.15)
    assert alike["high"] - alike["low"] < 0.3 * (spread["high"] - spread["low"])


def test_equal_predictions_are_no_difference():
    same = np.ones((3, 50))
    found = paired_difference(same, same)
    assert found["value"] == 0 and found["p"] == 1 and -0.1 < found["low"] < 0 < found["high"] < 0.1
    narrow = paired_difference(same, same, "mask_iou")
    assert narrow["low"] > found["low"]


def test_the_difference_of_one_model_is_over_photos_alone():
    before = np.ones(400)
    after = before.copy()
    after[:40] = 0
    found = photo_difference(before, after, bootstrap_samples=4000, seed=0)
    # 40 of 400 lost: -0.1 ± 1.96 sqrt(0.1 * 0.9 / 400); the seeds' spread would add as much again.
    assert (found["value"], found["n"]) == (pytest.approx(-0.1), 400)
    assert (found["low"], found["high"]) == pytest.approx((-0.131, -0.072), abs=0.006)
    assert paired_difference(before[None], after[None])["low"] < found["low"]


def test_pairing_narrows_an_interval():
    rng = np.random.default_rng(0)
    before = rng.random((6, 400)) < 0.6  # six trainings: the spread between them is estimated, not assumed
    after = before | (rng.random((6, 400)) < 0.1)
    paired = paired_difference(before.astype(float), after.astype(float))
    mixed = paired_difference(before.astype(float), rng.permutation(after.T).T.astype(float))
    assert paired["high"] - paired["low"] < 0.6 * (mixed["high"] - mixed["low"])


@pytest.mark.parametrize(
    ("low", "value", "high", "word"),
    [(0.01, 0.1, 0.2, "more"), (-0.2, -0.1, -0.01, "less"), (-0.1, 0.1, 0.2, NO_DIFFERENCE), (0, 0, 0, NO_DIFFERENCE)],
)
def test_a_difference_is_significant_if_its_interval_is_clear_of_zero(low, value, high, word):
    assert significance({"value": value, "low": low, "high": high, "n": 9}) == word


def test_a_p_value_of_a_table_outranks_the_interval():
    clear = {"value": 0.1, "low": 0.01, "high": 0.2, "n": 9, "p": 0.03}
    assert significance(clear) == significance(clear | {"p_table": 0.04}) == "more"
    assert significance(clear | {"p_table": 0.06}) == NO_DIFFERENCE


def test_without_a_difference_there_is_none():
    assert significance(None) == "no significant difference"


def predictions(predicted: list[str], mask_iou: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"body_type": ["suv", "suv", "sedan"], "predicted": predicted, "mask_iou": mask_iou})


FIRST = predictions(["suv", "", "sedan"], [0.9, 0.0, 0.6])
SECOND = predictions(["suv", "sedan", "sedan"], [0.5, 0.4, 0.8])


def test_a_photo_has_a_value_in_each_training():
    np.testing.assert_array_equal(per_photo([FIRST, SECOND], "accuracy"), [[1, 0, 1], [1, 0, 1]])
    np.testing.assert_allclose(per_photo([FIRST, SECOND], "mask_iou"), [[0.9, 0, 0.6], [0.5, 0.4, 0.8]])
    assert per_photo([FIRST, predictions(["", "", ""], [0, 0, np.nan])], "mask_iou") is None


def test_one_training_has_the_intervals_of_its_photos():
    found = mean_results([FIRST], **SAMPLES)
    assert found["accuracy"] == proportion_estimate(2, 3)
    assert found["mask_iou"] == mean_estimate(np.array([0.9, 0, 0.6]), **SAMPLES)


def test_several_trainings_have_intervals_over_photos_and_seeds():
    found = mean_results([FIRST, SECOND], **SAMPLES)
    assert found["accuracy"]["value"] == pytest.approx(2 / 3) and found["accuracy"]["n"] == 3
    assert found["mask_iou"]["value"] == pytest.approx(1.6 / 3)
    # 400 photos, five trainings of 80, 85, 90, 95 and 100% that agree but for the share: the variance of the mean is
    # that of the seeds, 0.00625 / 5, less what the photos explain, and that of the photos' means.
    right = np.array([np.arange(400) < 4 * share for share in (80, 85, 90, 95, 100)], dtype=float)
    tables = [pd.DataFrame({"body_type": "suv", "predicted": np.where(row == 1, "suv", "")}) for row in right]
    tables = [table.assign(mask_iou=np.nan) for table in tables]
    accuracy = mean_results(tables, **SAMPLES)["accuracy"]
    assert accuracy["value"] == pytest.approx(0.9)
    assert accuracy["low"] < 0.83 and accuracy["high"] > 0.94  # one of these alone is 0.867 to 0.926


def test_without_masks_there_are_no_mask_results():
    unmasked = predictions(["suv", "suv", "suv"], [np.nan] * 3)
    assert mean_results([unmasked], **SAMPLES)["mask_iou"] is None
    assert compare_results([unmasked], [unmasked])["mask_iou"] is None


def test_estimates_become_columns():
    number = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 8}
    row = {"name": "a", "accuracy": number, "recall": {"suv": number}, "mask_iou": None}
    assert flatten_estimates(row) == {
        "name": "a",
        "accuracy": 0.5, "accuracy_low": 0.4, "accuracy_high": 0.6,
        "recall_suv": 0.5, "recall_suv_low": 0.4, "recall_suv_high": 0.6,
        "mask_iou": None,
    }  # fmt: skip
    tested = number | {"p": 0.01, "p_table": 0.03}
    columns = {"gain": 0.5, "gain_low": 0.4, "gain_high": 0.6, "gain_p_table": 0.03}
    assert flatten_estimates({"gain": tested}) == columns
