"""Two sets of answers to the same photos, right or wrong: their difference with its interval, and McNemar's test."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from scipy.stats import binomtest

from carseg_lib.evaluation.bootstrap import Estimate, Groups, Z
from carseg_lib.evaluation.clusters import design_effect


def matched_difference(before: np.ndarray, after: np.ndarray, groups: Groups | None = None) -> Estimate:
    """The difference of two accuracies on the same photos, with Agresti and Min's interval.

    Half a photo is added to each of the four cells (right or wrong before, right or wrong after), and Wald's interval
    is taken: Agresti & Min, "Simple improved confidence intervals for comparing matched proportions", Statistics in
    Medicine 24 (2005), 729-740, doi:10.1002/sim.1781. It has a width too where no answer changes.

    Args:
        before: (n,) 1 right, 0 wrong, n at least 1.
        after: (n,) the same photos in the same order.
        groups: of the photos, see `bootstrap.group_numbers`; the variance is multiplied by their design effect.

    Returns:
        `after` less `before`, -1..1; the interval contains the value.
    """
    centre, error = _centre_and_error(before, after, groups)
    half = Z * error
    value = float(np.mean(after) - np.mean(before))
    low, high = max(-1.0, min(value, centre - half)), min(1.0, max(value, centre + half))
    return {"value": value, "low": float(low), "high": float(high), "n": len(before)}


def _centre_and_error(before: np.ndarray, after: np.ndarray, groups: Groups | None) -> tuple[float, float]:
    n = len(before)
    lost, won = ((before == 1) & (after == 0)).sum() + 0.5, ((before == 0) & (after == 1)).sum() + 0.5
    centre = float(won - lost) / (n + 2)
    change = after - before
    widened = design_effect(change - change.mean(), groups)
    return centre, math.sqrt(widened * (lost + won - (won - lost) ** 2 / (n + 2))) / (n + 2)


def change_p(before: np.ndarray, after: np.ndarray, groups: Groups | None = None) -> float:
    """The two-sided p of two sets of answers (1 right, 0 wrong) to the same photos.

    Without groups McNemar's exact p, 1 if no answer differs; with groups the normal p of `matched_difference`.
    """
    if groups is not None:
        centre, error = _centre_and_error(before, after, groups)
        return 2 * NormalDist().cdf(-abs(centre) / error)
    lost, won = int(((before == 1) & (after == 0)).sum()), int(((before == 0) & (after == 1)).sum())
    return float(binomtest(lost, lost + won).pvalue) if lost + won else 1.0
