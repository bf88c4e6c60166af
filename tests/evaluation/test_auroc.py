"""carseg_lib.evaluation.auroc: the area as scikit-learn has it, and an interval that holds near 1."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from carseg_lib.evaluation.auroc import auroc_estimate, newcombe_interval

scores = st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0]), min_size=1, max_size=30)


@given(scores, scores)
def test_the_area_is_scikit_learns_and_lies_in_its_interval(positive, negative):
    found = auroc_estimate(np.array(positive), np.array(negative))
    truth = [1] * len(positive) + [0] * len(negative)
    assert found["value"] == pytest.approx(roc_auc_score(truth, positive + negative))
    assert found["n"] == len(truth)
    assert 0 <= found["low"] <= found["value"] <= found["high"] <= 1
    turned = auroc_estimate(np.array(negative), np.array(positive))
    assert turned["low"] == pytest.approx(1 - found["high"], abs=1e-9)


def test_the_ends_are_areas_whose_standard_error_reaches_the_one_found():
    low, high = newcombe_interval(0.9, 50, 80)
    half = (50 + 80) / 2 - 1

    def error(area: float) -> float:
        spread = 1 + half * ((1 - area) / (2 - area) + area / (1 + area))
        return 1.959964 * (area * (1 - area) * spread / (50 * 80)) ** 0.5

    assert 0.9 - low == pytest.approx(error(low), abs=1e-6) and high - 0.9 == pytest.approx(error(high), abs=1e-6)
    assert 0.82 < low < 0.85 and 0.94 < high < 0.96


def test_where_all_pairs_are_in_order_the_interval_still_has_a_width():
    low, high = newcombe_interval(1.0, 234, 495)
    assert high == 1.0 and 0.985 < low < 0.9995
    assert newcombe_interval(1.0, 20, 20)[0] < low


def test_photos_of_a_group_count_as_fewer():
    positive = np.repeat([0.9, 0.2], 20)
    negative = np.linspace(0, 1, 50)
    alone = auroc_estimate(positive, negative)
    grouped = auroc_estimate(positive, negative, groups=np.repeat(np.arange(4), 10))
    assert grouped["value"] == alone["value"]
    assert grouped["low"] < alone["low"] and grouped["high"] > alone["high"]


@pytest.mark.slow
@pytest.mark.parametrize(("shift", "m", "n"), [(1.0, 40, 60), (2.5, 234, 495), (3.5, 60, 100)])
def test_the_interval_covers(shift, m, n):
    """Of 2,000 simulated pairs of normal samples 93.5 to 99% of the intervals contain the true area."""
    from scipy.stats import norm

    rng, true = np.random.default_rng(0), norm.cdf(shift / 2**0.5)
    covered = 0
    for _ in range(2000):
        found = auroc_estimate(rng.normal(shift, 1, m), rng.normal(0, 1, n))
        covered += found["low"] <= true <= found["high"]
    assert 0.935 <= covered / 2000 <= 0.99
