"""carseg_lib.workflow.reference_tolerance: what a rerun should give, and how far it may be off."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carseg_lib.workflow.reference_tolerance import HEADLINE, expected

NUMBER = {"value": 0.90, "low": 0.86, "high": 0.93}


def test_eight_numbers_are_judged():
    assert len(HEADLINE) == 8
    assert HEADLINE["splits.validation.accuracy.value"] == "accuracy, validation"


@pytest.mark.parametrize("seeds", [[], [0.9], [0.9, 0.5, 0.6, 0.99]])
def test_fewer_than_five_seeds_say_nothing(seeds):
    target = expected(NUMBER, seeds)
    assert target.value == 0.90
    assert target.tolerance == pytest.approx(1.7 * 0.04)  # the far end is the lower one


def test_close_seeds_leave_the_far_end_of_the_interval():
    target = expected(NUMBER, [0.89, 0.90, 0.91, 0.90, 0.90])
    assert target.value == pytest.approx(0.90)
    assert target.tolerance == pytest.approx(0.04)
    top = expected({"value": 1.0, "low": 0.857, "high": 1.0}, [1.0] * 5)
    assert top.tolerance == pytest.approx(0.143)  # half of a one-sided interval would refuse 0.913


def test_scattered_seeds_widen_the_tolerance():
    # sd 0.0316228 of five; t(4, 97.5%) = 2.776445 (Fisher & Yates 1963, table III); sqrt(1 + 1/5) = 1.095445
    target = expected(NUMBER, [0.86, 0.88, 0.90, 0.92, 0.94])
    assert target.value == pytest.approx(0.90)
    assert target.tolerance == pytest.approx(2.776445 * 0.0316228 * 1.095445, rel=1e-5)


def test_a_difference_below_a_point_is_none():
    assert expected({"value": 0.9, "low": 0.899, "high": 0.901}, []).tolerance == 0.01
    assert expected({"value": 0.9, "low": 0.899, "high": 0.901}, [0.9] * 5).tolerance == 0.01


@given(st.lists(st.floats(0, 1), min_size=5, max_size=5))
def test_each_of_five_committed_seeds_is_within_the_tolerance(seeds):
    # Thompson (1935): none of k values is further than s (k - 1) / sqrt(k) from their mean, here 1.79 s < 3.04 s
    target = expected({"value": seeds[0], "low": seeds[0], "high": seeds[0]}, seeds)
    assert all(abs(seed - target.value) <= target.tolerance + 1e-12 for seed in seeds)
