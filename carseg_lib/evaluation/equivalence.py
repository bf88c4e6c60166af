"""Whether a measured accuracy is equivalent to a claimed one.

That a claim lies inside an interval only says that so few photos do not refute it. Equivalence is shown by two
one-sided tests (TOST; Schuirmann 1987, doi:10.1007/BF01068419): the accuracy is more than the claim less a margin, and
less than the claim plus the margin, each at 5%. The margin is stated beforehand, not chosen after the result.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.stats import binom
from statsmodels.stats.proportion import (
    binom_tost,
    confint_proportions_2indep,
    power_proportions_2indep,
    proportion_confint,
    tost_proportions_2indep,
)

MARGIN = 0.03  # in accuracy: three points
POWER = 0.8  # with which `Equivalence.smallest` is told
EQUIVALENT, ABOVE, BELOW, UNDECIDED = "equivalent", "above", "below", "too few photos to tell"
_ALPHA = 0.05
_ROUNDING = 1e-12  # by which the end of an interval may lie beyond 0 or 1


@dataclass(frozen=True)
class Equivalence:
    """A measured accuracy against a claimed one."""

    verdict: str  # EQUIVALENT, ABOVE or BELOW (the claim), UNDECIDED
    p_value: float  # of equivalence: the larger of the two one-sided tests'
    low: float  # 95% interval of the measured accuracy less the claim, -1..1
    high: float
    smallest: (
        float | None
    )  # least true shortfall that is told as "below" with 80% power; None: not even an accuracy of 0
    margin: float


def equivalence(
    correct: int, n: int, claimed: float, *, margin: float = MARGIN, claimed_n: int | None = None
) -> Equivalence:
    """Judge a measured accuracy against a claimed one.

    The verdict is "equivalent" if both one-sided tests reject at 5%; else "above" or "below" if the 95% interval of
    the difference excludes 0; else "too few photos to tell".

    Args:
        correct: photos classified correctly, 0..n.
        n: photos, at least 1; each independent of the others.
        claimed: the claimed accuracy, above 0, at most 1.
        margin: the largest difference that counts as none, above 0.
        claimed_n: photos behind the claim. With it the claim has a sampling error of its own: score tests and
            Newcombe's interval of two proportions. Without it the claim is exact: binomial tests, Wilson's interval.

    Raises:
        ValueError: An argument is out of range.
    """
    if not (0 <= correct <= n and n >= 1 and 0 < claimed <= 1 and margin > 0 and (claimed_n is None or claimed_n >= 1)):
        raise ValueError(
            "equivalence needs 0 <= correct <= n, n >= 1, 0 < claimed <= 1, margin > 0 and claimed_n >= 1; got "
            f"{correct}, {n}, {claimed}, {margin} and {claimed_n}"
        )
    if claimed_n is None:
        p_value = _exact_p_value(correct, n, claimed, margin)
        low, high = (float(end) - claimed for end in proportion_confint(correct, n, _ALPHA, method="wilson"))
        smallest = _smallest_exact(n, claimed)
    else:
        other = (round(claimed * claimed_n), claimed_n)
        with np.errstate(divide="ignore", invalid="ignore"):  # of an odds ratio that is not asked for
            p_value = float(tost_proportions_2indep(correct, n, *other, -margin, margin, method="score").pvalue)
            low, high = map(float, confint_proportions_2indep(correct, n, *other, method="newcomb"))
        smallest = _smallest_sampled(n, claimed, claimed_n)
    verdict = UNDECIDED
    if p_value < _ALPHA:
        verdict = EQUIVALENT
    elif low > _ROUNDING or high < -_ROUNDING:
        verdict = ABOVE if low > 0 else BELOW
    return Equivalence(verdict, p_value, low, high, smallest, margin)


def _exact_p_value(correct: int, n: int, claimed: float, margin: float) -> float:
    """TOST by the binomial distribution; a bound beyond 0 or 1 holds for certain."""
    low, high = max(claimed - margin, 0.0), min(claimed + margin, 1.0)
    _, above_low, below_high = binom_tost(correct, n, low, high)
    return float(max(above_low if claimed > margin else 0.0, below_high if claimed + margin <= 1 else 0.0))


def _smallest_exact(n: int, claimed: float) -> float | None:
    """The shortfall at which Wilson's interval lies below the claim with `POWER`."""
    highs = proportion_confint(np.arange(n + 1), n, _ALPHA, method="wilson")[1]
    told = int((highs < claimed - _ROUNDING).sum()) - 1  # the most correct photos with which the accuracy is "below"
    return float(claimed - brentq(lambda p: binom.cdf(told, n, p) - POWER, 0, claimed)) if told >= 0 else None


def _smallest_sampled(n: int, claimed: float, claimed_n: int) -> float | None:
    """The same with two samples, by the normal approximation."""

    def excess(shortfall: float) -> float:
        return power_proportions_2indep(-shortfall, claimed, n, claimed_n / n, return_results=False) - POWER

    least, most = 1e-6, claimed - 1e-6
    if excess(least) > 0:  # a claim of 1 has no variance, and the approximation tells any shortfall: it is then exact
        return _smallest_exact(n, claimed)
    return float(brentq(excess, least, most)) if excess(most) > 0 else None
