import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from carseg_lib.evaluation.equivalence import ABOVE, BELOW, EQUIVALENT, MARGIN, UNDECIDED, equivalence

CLAIM = 0.912


@pytest.mark.parametrize(
    ("correct", "n", "verdict"),
    [
        (135, 148, UNDECIDED),  # 91.2%, the claim itself: 148 photos cannot show it
        (658, 722, EQUIVALENT),  # 91.1%
        (146, 148, ABOVE),
        (120, 148, BELOW),
        (700, 722, ABOVE),
        (620, 722, BELOW),
    ],
)
def test_verdicts(correct, n, verdict):
    assert equivalence(correct, n, CLAIM).verdict == verdict


def test_the_p_value_is_the_larger_of_two_binomial_tests():
    # Of 722 photos 660 are right. More than 88.2%: P(X >= 660 | 0.882); less than 94.2%: P(X <= 660 | 0.942).
    above = binomtest(660, 722, CLAIM - MARGIN, alternative="greater").pvalue
    below = binomtest(660, 722, CLAIM + MARGIN, alternative="less").pvalue
    assert equivalence(660, 722, CLAIM).p_value == pytest.approx(max(above, below))


def test_a_bound_beyond_1_holds_for_certain():
    # Of 400 photos all are right: more than 95%: 0.95^400; no accuracy is above 101%.
    found = equivalence(400, 400, 0.98)
    assert found.p_value == pytest.approx(0.95**400) and found.verdict == EQUIVALENT


def test_the_interval_is_wilsons_less_the_claim():
    ours = binomtest(135, 148).proportion_ci(method="wilson")
    found = equivalence(135, 148, CLAIM)
    assert (found.low, found.high) == pytest.approx((ours.low - CLAIM, ours.high - CLAIM))


def test_the_smallest_difference_is_told_in_four_of_five_samples():
    found = equivalence(135, 148, CLAIM)
    counts = np.arange(149)
    told = [equivalence(int(k), 148, CLAIM).verdict == BELOW for k in counts]
    assert binom.pmf(counts, 148, CLAIM - found.smallest) @ told == pytest.approx(0.8, abs=1e-6)
    assert found.smallest == pytest.approx(0.069, abs=5e-4)  # 148 photos tell seven points, not three
    assert equivalence(1, 1, 0.3).smallest is None


def test_a_claim_from_a_sample_is_less_certain():
    exact, sampled = equivalence(660, 722, CLAIM), equivalence(660, 722, CLAIM, claimed_n=590)
    assert sampled.low < exact.low and sampled.high > exact.high
    assert sampled.p_value > exact.p_value and sampled.smallest > exact.smallest
    # Newcombe's interval by hand: with the Wilson intervals (l, u) of both shares p and q, low = p - q - sqrt((p - l)^2
    # + (u' - q)^2), high = p - q + sqrt((u - p)^2 + (q - l')^2).
    (p, ours), (q, theirs) = (
        (k / n, binomtest(k, n).proportion_ci(method="wilson")) for k, n in ((660, 722), (538, 590))
    )
    assert sampled.low == pytest.approx(p - q - np.hypot(p - ours.low, theirs.high - q))
    assert sampled.high == pytest.approx(p - q + np.hypot(ours.high - p, q - theirs.low))


def test_a_claim_of_all_photos_is_told_as_an_exact_one():
    sampled, exact = (equivalence(1, 1, 1.0, claimed_n=n) for n in (590, None))
    assert sampled.smallest == exact.smallest == pytest.approx(0.8)  # one photo of one is wrong with 80%


@settings(deadline=None, max_examples=40)
@given(
    st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
    st.sampled_from([0.05, 0.5, 0.912, 0.99, 1.0]),
    st.sampled_from([None, 1, 590]),
)
def test_every_result_is_in_range(case, claimed, claimed_n):
    correct, n = case
    found = equivalence(correct, n, claimed, claimed_n=claimed_n)
    assert -1 <= found.low <= found.high <= 1 and 0 <= found.p_value <= 1
    assert found.smallest is None or 0 < found.smallest <= claimed
    assert found.verdict in (EQUIVALENT, ABOVE, BELOW, UNDECIDED) and found.margin == MARGIN


@pytest.mark.parametrize("n", [148, 722])
def test_a_wrong_equivalent_is_rare_and_a_right_one_needs_photos(n):
    # Exact: the probability of each number of right answers, summed over those that are told "equivalent".
    counts = np.arange(int(0.8 * n), n + 1)
    told = [equivalence(int(k), n, CLAIM).verdict == EQUIVALENT for k in counts]
    chance = {true: binom.pmf(counts, n, true) @ told for true in (0.85, 0.88, 0.882, CLAIM, 0.942, 0.96)}
    assert all(chance[true] <= 0.05 for true in (0.85, 0.88, 0.882, 0.942, 0.96))
    assert chance[CLAIM] == pytest.approx({148: 0, 722: 0.78}[n], abs=0.03)


@pytest.mark.parametrize("wrong", [(5, 4, 0.9, 0.03, None), (1, 0, 0.9, 0.03, None), (1, 2, 0, 0.03, None),
                                   (1, 2, 0.9, 0, None), (1, 2, 0.9, 0.03, 0)])  # fmt: skip
def test_arguments_out_of_range_are_refused(wrong):
    correct, n, claimed, margin, claimed_n = wrong
    with pytest.raises(ValueError, match="equivalence needs"):
        equivalence(correct, n, claimed, margin=margin, claimed_n=claimed_n)
