import numpy as np
import pytest
from scipy.stats import t as student_t

from carseg_lib.evaluation.bootstrap import Z, proportion_estimate, wilson_interval
from carseg_lib.evaluation.clusters import design_effect, share_estimate


def names(groups: int, size: int) -> list[str]:
    return [f"model {k // size}" for k in range(groups * size)]


def test_photos_that_are_their_own_groups_have_the_plain_interval():
    right = np.arange(30) < 24
    plain = proportion_estimate(24, 30)
    assert share_estimate(right) == share_estimate(right, [""] * 30) == share_estimate(right, names(30, 1)) == plain


def test_equal_photos_of_a_group_tell_as_much_as_one():
    # Twenty groups of five, 16 right and 4 wrong: by hand, the variance between groups is 20 / 19 * 5 times the plain
    # one, and t with 19 degrees of freedom is wider than the normal distribution.
    right = np.repeat(np.arange(20) < 16, 5)
    effect = 20 / 19 * 5 * (student_t.ppf(0.975, 19) / Z) ** 2
    assert design_effect(right - 0.8, names(20, 5)) == pytest.approx(effect)
    found = share_estimate(right, names(20, 5))
    assert (found["low"], found["high"]) == pytest.approx(wilson_interval(0.8, 100 / effect)) and found["n"] == 100


def test_groups_that_differ_less_than_chance_narrow_nothing():
    right = np.tile([True, True, True, False], 25)  # three of four in every group
    assert design_effect(right - 0.75, names(25, 4)) == pytest.approx((student_t.ppf(0.975, 24) / Z) ** 2)


def test_all_right_counts_groups_and_one_group_counts_once():
    assert share_estimate(np.ones(40, bool), names(8, 5))["low"] == pytest.approx(8 / (8 + Z**2))
    assert share_estimate(np.arange(10) < 5, names(1, 10))["low"] == pytest.approx(wilson_interval(0.5, 1)[0])
    assert share_estimate(np.zeros(0, bool), []) == {"value": 0.0, "low": 0.0, "high": 1.0, "n": 0}


@pytest.mark.parametrize(("groups", "size"), [(20, 7), (100, 7)])
def test_coverage_of_groups_that_are_alike(groups, size):
    # A model's photos share its chance of a right answer, of beta distribution with the mean 0.9: correlation 0.2.
    rng = np.random.default_rng(groups)
    held = {"grouped": 0, "plain": 0}
    for _ in range(400):
        chance = np.repeat(rng.beta(0.9 * 4, 0.1 * 4, groups), size)
        right = rng.random(groups * size) < chance
        for name, known in (("grouped", names(groups, size)), ("plain", None)):
            found = share_estimate(right, known)
            held[name] += found["low"] <= 0.9 <= found["high"]
    assert 0.92 <= held["grouped"] / 400 <= 0.98
    assert held["plain"] / 400 < 0.88
