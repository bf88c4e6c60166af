import numpy as np
import pandas as pd
import pytest
from scipy.stats import betabinom

from carseg_lib.core.classes import BODY_TYPES
from carseg_lib.core.errors import CarsegError
from carseg_lib.evaluation.conformal import (
    MARGINAL,
    PER_TYPE,
    calibrate,
    conformal_quantile,
    conformal_sets,
    expected_coverage,
    prediction_sets,
)
from tests.helpers.probabilities import make_predictions

SAMPLING = {"bootstrap_samples": 100, "seed": 0}


def test_the_finite_sample_quantile_by_hand():
    scores = np.array([0.3, 0.1, 0.2, 0.4])
    assert conformal_quantile(scores, 0.8) == 0.4  # the 4th of 4: (4 + 1) * 0.8
    assert conformal_quantile(scores, 0.6) == 0.3 and conformal_quantile(scores, 0.61) == 0.4
    assert conformal_quantile(scores, 0.81) == np.inf
    nineteen = np.arange(19) / 19
    assert conformal_quantile(nineteen, 0.95) == 18 / 19 and conformal_quantile(nineteen[:18], 0.95) == np.inf


def test_sets_by_hand():
    types = np.array([[0.7, 0.2], [0.4, 0.5], [0.1, 0.2], [0.0, 0.0]])
    sets = prediction_sets(types, np.array([0.6, 0.8 + 1e-12]))
    assert sets.tolist() == [[True, True], [True, True], [False, True], [False, False]]
    assert prediction_sets(types, np.array([np.inf, 0.1])).tolist() == [[True, False]] * 3 + [[False, False]]
    quantiles = calibrate(types, np.array([0, 1, 1, 0]), 0.5, MARGINAL)
    assert quantiles.tolist() == [0.8, 0.8]  # the 3rd of 0.3, 0.5, 0.8, 1.0
    assert calibrate(types, np.array([0, 1, 1, 0]), 0.5, PER_TYPE).tolist() == [1.0, 0.8]


def test_coverage_is_as_promised_on_average_for_a_model_that_is_badly_calibrated():
    covered, of_types = [], []
    for seed in range(60):
        predictions = make_predictions({"validation": 200, "test": 300}, temperature=0.4, seed=seed)
        rows = conformal_sets(predictions, BODY_TYPES, bootstrap_samples=2, seed=0).set_index(
            ["level", "kind", "group"]
        )
        covered.append(rows.loc[(0.9, MARGINAL, "all"), "coverage"])
        of_types.append(rows.loc[(0.9, PER_TYPE), "coverage"].loc[list(BODY_TYPES)].mean())
        assert rows.loc[(0.95, MARGINAL, "all"), "size"] >= rows.loc[(0.9, MARGINAL, "all"), "size"]
    # at least the promise, and at most 1 / (photos + 1) more; four standard errors of the mean of 60
    error = 4 * np.sqrt(0.09 * (1 / 200 + 1 / 300) / 60)
    assert 0.9 - error < np.mean(covered) < 0.9 + 1 / 201 + error
    assert 0.89 < np.mean(of_types) < 0.935
    low, high = expected_coverage(200, 300, 0.9)
    assert 0.85 <= np.mean([(low <= value <= high) for value in covered]) <= 1


def test_the_expected_range_is_that_of_the_beta_binomial():
    low, high = expected_coverage(99, 100, 0.9)
    law = betabinom(100, 90, 10)
    assert law.cdf(low * 100 - 1) <= 0.025 <= law.cdf(low * 100) and law.cdf(high * 100) >= 0.975
    assert expected_coverage(10, 100, 0.95) == (1.0, 1.0)


def test_the_table_of_a_run():
    predictions = make_predictions({"train": 5, "validation": 300, "test": 150}, none_found=2)
    rows = conformal_sets(predictions, BODY_TYPES, **SAMPLING)
    assert len(rows) == 2 * 2 * 5 and rows.loc[rows["group"] == "all", "n"].eq(150).all()
    by_type = rows[(rows["kind"] == MARGINAL) & (rows["level"] == 0.9)].set_index("group")
    assert by_type.loc[list(BODY_TYPES), "n"].sum() == 150 and by_type.loc[list(BODY_TYPES), "calibration"].sum() == 300
    mean = (by_type["coverage"] * by_type["n"]).loc[list(BODY_TYPES)].sum() / 150
    assert mean == pytest.approx(by_type.loc["all", "coverage"])
    assert by_type.loc["all", "empty"] >= 2 / 150  # where no car was found
    assert by_type["expected_low"].notna().tolist() == [True, False, False, False, False]
    assert ((rows["size_low"] <= rows["size"]) & (rows["size"] <= rows["size_high"])).all()
    assert ((rows["coverage_low"] <= rows["coverage"]) & (rows["coverage"] <= rows["coverage_high"])).all()
    with pytest.raises(CarsegError, match=r"predictions\.csv has no test photos"):
        conformal_sets(predictions[predictions["split"] != "test"], BODY_TYPES, **SAMPLING)


def test_a_type_with_too_few_photos_is_always_in_the_set():
    predictions = make_predictions({"validation": 300, "test": 100})
    rare = predictions[(predictions["split"] == "test") | (predictions["body_type"] != "minivan")]
    few = predictions[(predictions["split"] == "validation") & (predictions["body_type"] == "minivan")][:5]
    rows = conformal_sets(pd.concat([rare, few]), BODY_TYPES, **SAMPLING).set_index(["level", "kind", "group"])
    of_type = rows.loc[(0.95, PER_TYPE, "minivan")]
    assert of_type["calibration"] == 5 and of_type["quantile"] == np.inf and of_type["coverage"] == 1
    assert of_type["expected_low"] == 1
