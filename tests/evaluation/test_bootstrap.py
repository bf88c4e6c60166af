import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, binom, binomtest

from carseg_lib.evaluation.bootstrap import (
    estimate,
    group_numbers,
    half_weights,
    mean_estimate,
    percentile_interval,
    photo_weights,
    proportion_estimate,
    wilson_interval,
)


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
    assert percentile_interval(draws) == pytest.approx((0.025, 0.975))
    assert percentile_interval(np.append(draws, np.nan)) == pytest.approx((0.025, 0.975))
    assert np.isnan(percentile_interval(np.full(3, np.nan))).all()


def test_interval_is_cut_to_0_and_1_and_stretched_to_the_value():
    assert estimate(0.9, (-0.1, 0.2), 5) == {"value": 0.9, "low": 0.0, "high": 0.9, "n": 5}
    assert estimate(0.05, (0.1, 1.2), 5) == {"value": 0.05, "low": 0.05, "high": 1.0, "n": 5}


@pytest.mark.parametrize("end", [1.0, float("nan")])
def test_no_width_becomes_wilson(end):
    # Four of four: Wilson's low is n / (n + z²) = 4 / 7.8415.
    found = estimate(1.0, (end, end), 4)
    assert found == {"value": 1.0, "low": pytest.approx(0.51011, abs=1e-5), "high": 1.0, "n": 4}


def test_value_outside_0_to_1_is_refused():
    for value in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="between 0 and 1"):
            estimate(value, (0, 1), 3)


def test_a_group_is_sampled_as_one():
    names = ["a", "", "a", "b", "", "b", "a"]
    numbers = group_numbers(names)
    assert numbers.tolist() == [0, 2, 0, 1, 3, 1, 0]  # the named groups first, then the photos that are their own
    weights = np.concatenate(list(photo_weights(7, 300, seed=1, groups=names)))
    assert (weights[:, 0] == weights[:, 2]).all() and (weights[:, 0] == weights[:, 6]).all()
    assert (weights[:, 3] == weights[:, 5]).all() and (weights[:, 1] != weights[:, 4]).any()
    assert (weights[:, [0, 1, 3, 4]].sum(axis=1) == 4).all()  # as many groups as there are
    own = np.concatenate(list(photo_weights(7, 300, seed=1, groups=[""] * 7)))
    assert np.array_equal(own, np.concatenate(list(photo_weights(7, 300, seed=1))))


def test_halves_come_in_pairs_and_keep_groups_together():
    halves = np.concatenate(list(half_weights(9, 250, seed=0)))
    assert len(halves) == 250 and set(halves.ravel()) == {0, 1} and set(halves.sum(axis=1)) == {4, 5}
    assert halves.sum() == 125 * 9  # each with its other half
    assert halves.mean(axis=0) == pytest.approx(np.full(9, 0.5), abs=1e-12)
    grouped = np.concatenate(list(half_weights(4, 20, seed=0, groups=["a", "a", "b", "b"])))
    assert (grouped[:, 0] == grouped[:, 1]).all() and (grouped[:, 0] != grouped[:, 2]).all()


def test_weights_are_draws_of_n_photos():
    chunks = list(photo_weights(30, 250, seed=3))
    assert [len(chunk) for chunk in chunks] == [100, 100, 50]
    weights = np.concatenate(chunks)
    assert (weights.sum(axis=1) == 30).all()
    assert weights.mean(axis=0) == pytest.approx(np.ones(30), abs=0.35)
    assert weights.var() == pytest.approx(29 / 30, abs=0.1)  # of a multinomial count with n = 30, p = 1/30
    assert np.array_equal(weights, np.concatenate(list(photo_weights(30, 250, seed=3))))
    assert not np.array_equal(weights, np.concatenate(list(photo_weights(30, 250, seed=0))))


def test_of_zeros_and_ones_the_interval_of_a_mean_is_jeffreys():
    share = proportion_estimate(45, 60)
    mean = mean_estimate(np.repeat([1.0, 0.0], [45, 15]), bootstrap_samples=20_000, seed=0)
    assert share["value"] == mean["value"] == 0.75
    assert (mean["low"], mean["high"]) == pytest.approx(beta.ppf([0.025, 0.975], 45.5, 15.5), abs=0.005)
    assert (share["low"], share["high"]) == wilson_interval(0.75, 60)


def test_a_mean_of_groups_that_are_alike_is_less_certain():
    values = np.repeat(np.random.default_rng(0).random(20), 10)
    names = [f"model {k // 10}" for k in range(200)]
    settings = {"bootstrap_samples": 2000, "seed": 0}
    plain, grouped = mean_estimate(values, **settings), mean_estimate(values, **settings, groups=names)
    assert grouped["value"] == plain["value"] and grouped["n"] == plain["n"] == 200
    # Ten equal photos tell as much as one: sqrt(10) times as wide.
    assert (grouped["high"] - grouped["low"]) / (plain["high"] - plain["low"]) == pytest.approx(10**0.5, rel=0.1)
    assert mean_estimate(values, **settings, groups=[""] * 200) == plain


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.integers(1, 20), st.integers(0, 2**32 - 1))
def test_a_mean_lies_in_its_interval(values, samples, seed):
    result = mean_estimate(np.array(values), bootstrap_samples=samples, seed=seed)
    assert 0 <= result["low"] <= result["value"] <= result["high"] <= 1
    assert result == mean_estimate(np.array(values), bootstrap_samples=samples, seed=seed)
    json.dumps(result, allow_nan=False)


@pytest.mark.parametrize(("truth", "n"), [(0.9, 200), (0.928, 148), (0.7, 60), (0.97, 12)])
def test_coverage_of_a_proportion(truth, n):
    # Exact: the probability of each number of successes, summed over those whose interval holds the truth.
    counts = np.arange(n + 1)
    found = [proportion_estimate(int(k), n) for k in counts]
    covered = [e["low"] <= truth <= e["high"] for e in found]
    assert 0.93 <= binom.pmf(counts, n, truth) @ covered <= 0.97 or (n == 12 and covered[12])


@pytest.mark.parametrize("n", [12, 148])
def test_coverage_of_a_mean_with_rare_zeros(n):
    # An IoU near 0.91, but for one photo in fifty without a detection. The percentile bootstrap covers 71% at n = 12.
    rng = np.random.default_rng(n)

    def photos(size: int) -> np.ndarray:
        return np.where(rng.random(size) < 0.02, 0.0, rng.beta(22, 2.2, size))

    truth = 0.98 * 22 / 24.2
    found = [mean_estimate(photos(n), bootstrap_samples=200, seed=k) for k in range(300)]
    assert np.mean([e["low"] <= truth <= e["high"] for e in found]) >= 0.92
