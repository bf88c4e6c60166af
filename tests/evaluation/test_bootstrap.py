import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from carseg_lib.evaluation.bootstrap import estimate, mean_estimate, photo_weights, proportion_estimate, wilson_interval


@settings(deadline=None)
@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_is_scipys(case):
    successes, n = case
    low, high = wilson_interval(successes / n, n)
    expected = binomtest(successes, n).proportion_ci(method="wilson")
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_wilson_of_nothing_is_everything():
    assert wilson_interval(0.0, 0) == (0.0, 1.0)


def test_percentiles_of_the_draws():
    draws = np.arange(101) / 100
    assert estimate(0.5, draws, 7) == {"value": 0.5, "low": pytest.approx(0.025), "high": pytest.approx(0.975), "n": 7}
    assert estimate(0.5, np.append(draws, np.nan), 7)["high"] == pytest.approx(0.975)


def test_interval_is_stretched_to_the_value():
    assert estimate(0.9, np.array([0.1, 0.2]), 5)["high"] == 0.9
    assert estimate(0.05, np.array([0.1, 0.2]), 5)["low"] == 0.05


@pytest.mark.parametrize("draws", [np.ones(50), np.full(50, np.nan), np.zeros(0)])
def test_no_width_becomes_wilson(draws):
    # Four of four: Wilson's low is n / (n + z²) = 4 / 7.8415.
    assert estimate(1.0, draws, 4) == {"value": 1.0, "low": pytest.approx(0.51011, abs=1e-5), "high": 1.0, "n": 4}


def test_value_outside_0_to_1_is_refused():
    for value in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="between 0 and 1"):
            estimate(value, np.ones(3), 3)


def test_weights_are_draws_of_n_photos():
    chunks = list(photo_weights(30, 250, seed=3))
    assert [len(chunk) for chunk in chunks] == [100, 100, 50]
    weights = np.concatenate(chunks)
    assert (weights.sum(axis=1) == 30).all()
    assert weights.mean(axis=0) == pytest.approx(np.ones(30), abs=0.35)
    assert weights.var() == pytest.approx(29 / 30, abs=0.1)  # of a multinomial count with n = 30, p = 1/30
    assert np.array_equal(weights, np.concatenate(list(photo_weights(30, 250, seed=3))))
    assert not np.array_equal(weights, np.concatenate(list(photo_weights(30, 250, seed=0))))


def test_proportion_and_mean_agree():
    settings = {"bootstrap_samples": 4000, "seed": 0}
    share = proportion_estimate(45, 60, **settings)
    mean = mean_estimate(np.repeat([1.0, 0.0], [45, 15]), **settings)
    assert share["value"] == mean["value"] == 0.75
    # Normal theory: 0.75 ± 1.96 · sqrt(0.75 · 0.25 / 60) = 0.640, 0.860; one photo is 0.017.
    for interval in (share, mean):
        assert (interval["low"], interval["high"]) == pytest.approx((0.640, 0.860), abs=0.02)


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.integers(1, 20), st.integers(0, 2**32 - 1))
def test_a_mean_lies_in_its_interval(values, samples, seed):
    result = mean_estimate(np.array(values), bootstrap_samples=samples, seed=seed)
    assert 0 <= result["low"] <= result["value"] <= result["high"] <= 1
    assert result == mean_estimate(np.array(values), bootstrap_samples=samples, seed=seed)
    json.dumps(result, allow_nan=False)


@pytest.mark.parametrize(("truth", "n", "least"), [(0.9, 200, 0.90), (0.7, 60, 0.90), (0.97, 12, 0.90)])
def test_coverage(truth, n, least):
    # At 0.97 of 12 most samples have no mistake: without Wilson's interval the coverage would be about 0.3.
    rng = np.random.default_rng(0)
    results = [
        proportion_estimate(int(k), n, bootstrap_samples=400, seed=i) for i, k in enumerate(rng.binomial(n, truth, 400))
    ]
    assert np.mean([r["low"] <= truth <= r["high"] for r in results]) >= least
