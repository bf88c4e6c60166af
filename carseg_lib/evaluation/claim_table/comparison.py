"""A number of ours beside a printed one: equivalent, above, below, or too few photos to tell.

A share of photos (an accuracy, a recall, a precision) is judged by `carseg_lib.evaluation.equivalence`. Other scores
(F1, macro averages) are no shares of photos: they are equivalent if their 90% interval lies within the margin, which is
the same rule (two one-sided tests at 5%; Schuirmann 1987, doi:10.1007/BF01068419).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

from statsmodels.stats.proportion import proportion_confint

from carseg_lib.evaluation.equivalence import ABOVE, BELOW, EQUIVALENT, MARGIN, POWER, UNDECIDED, equivalence

_Z95, _Z90, _Z_POWER = (NormalDist().inv_cdf(p) for p in (0.975, 0.95, POWER))
_ROUNDING = 1e-12
THIS_RUN = "this run"


@dataclass(frozen=True)
class Comparison:
    """One number of ours beside a printed one."""

    run: str  # THIS_RUN, or another as a reader is told
    photos: str  # its split, or what else was measured
    estimate: Mapping[str, Any]  # {"value", "low", "high", "n"}
    verdict: str  # EQUIVALENT, ABOVE or BELOW (the printed one), UNDECIDED
    smallest: float | None  # least true shortfall that so many photos tell with 80% power; None: none

    @property
    def source(self) -> str:
        """Where ours is from, as a reader is told."""
        return f"{self.run}, {self.photos}"


def compare(run: str, photos: str, estimate: Mapping[str, Any], claimed: float, *, is_share: bool) -> Comparison:
    """Judge an estimate against a printed number, which is taken as exact.

    Args:
        run: The run that the estimate is of, in words.
        photos: Its split, or what else was measured.
        estimate: {"value", "low", "high", "n"}; without an interval nothing can be told.
        claimed: The printed number, above 0, at most 1.
        is_share: Whether the estimate is a share of its n photos.
    """
    value, low, high, n = (estimate.get(key) for key in ("value", "low", "high", "n"))
    if value is None or low is None or high is None or not n:
        return Comparison(run, photos, estimate, UNDECIDED, None)
    if is_share:
        independent = independent_photos(value, low, high, n)
        result = equivalence(round(value * independent), independent, claimed)
        return Comparison(run, photos, estimate, result.verdict, result.smallest)
    # The 90% interval of a score: its 95% interval, shortened on each side as a normal one is.
    shorter = _Z90 / _Z95
    within = claimed - MARGIN < value - shorter * (value - low) and value + shorter * (high - value) < claimed + MARGIN
    verdict = EQUIVALENT if within else UNDECIDED
    if not within and not low - _ROUNDING <= claimed <= high + _ROUNDING:
        verdict = ABOVE if claimed < low else BELOW
    smallest = (_Z95 + _Z_POWER) * (high - low) / (2 * _Z95)
    return Comparison(run, photos, estimate, verdict, smallest if smallest < claimed else None)


def independent_photos(share: float, low: float, high: float, n: int) -> int:
    """How many independent photos have Wilson's interval of this width.

    Photos of one car model tell less than as many independent ones: their interval is wider (see
    `carseg_lib.evaluation.clusters`), and an equivalence test by all of them would be too sure of itself.

    Args:
        share: Of the photos, 0..1.
        low: End of its 95% interval.
        high: The other end.
        n: Photos, at least 1.

    Returns:
        1..n. With h half the width and k = z²/m, Wilson's formula for m photos is
        (1 + k)²·h² = k·p·(1 − p) + k²/4, a quadratic equation in k.
    """
    square = ((high - low) / 2) ** 2
    a, b = square - 0.25, 2 * square - share * (1 - share)
    if square == 0 or a >= 0:
        return n if square == 0 else 1
    k = (-b - math.sqrt(b * b - 4 * a * square)) / (2 * a)
    return max(1, min(n, round(_Z95**2 / k)))


def mean_over_epochs(values: list[float], photos: int) -> dict[str, float | int]:
    """The average of the accuracies of several epochs, with a 95% interval over photos.

    The interval is Wilson's for one answer a photo. It is conservative: a photo's share of epochs with a right answer
    lies between 0 and 1, and no such number varies more than a single answer of the same mean.

    Args:
        values: Accuracy in each epoch, on the same photos.
        photos: Their number, at least 1.
    """
    mean = math.fsum(values) / len(values)
    low, high = proportion_confint(mean * photos, photos, method="wilson")
    return {"value": mean, "low": float(low), "high": float(high), "n": photos}
