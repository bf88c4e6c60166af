"""Intervals of proportions whose photos form groups, such as photos of one car model.

Photos of a group are alike, so that n of them tell less than n independent ones: by the design effect (Kish 1965),
the variance with the groups over that without. Wilson's interval then takes n divided by the design effect, and the
quantile of Student's t with one degree of freedom less than there are groups (Dean and Pagano 2015,
doi:10.1093/jssam/smv024).
"""

from __future__ import annotations

import numpy as np
from scipy.stats import t as student_t

from carseg_lib.evaluation.bootstrap import LEVEL, Estimate, Groups, Z, estimate, group_numbers, wilson_interval


def design_effect(influence: np.ndarray, groups: Groups | None) -> float:
    """How many photos of a group tell as much as one independent photo.

    It includes the widening by Student's t for few groups.

    Args:
        influence: float array (n,), of each photo on the number; they sum to 0. Of a proportion: 0 or 1, less the mean.
        groups: of the photos, see `bootstrap.group_numbers`; None: all are independent.

    Returns:
        At least 1; n over the number of groups where no photo has an influence (all are right).
    """
    n = len(influence)
    numbers = np.arange(n) if groups is None else group_numbers(groups)
    count = int(numbers.max()) + 1 if n else 0
    if count == n:
        return 1.0
    if count == 1:
        return float(n)
    independent = influence @ influence
    if not independent:
        return n / count
    totals = np.bincount(numbers, influence)
    variance = count / (count - 1) * (totals @ totals) / independent
    return float(max(1.0, variance) * (student_t.ppf((1 + LEVEL) / 2, count - 1) / Z) ** 2)


def share_estimate(right: np.ndarray, groups: Groups | None = None) -> Estimate:
    """Estimate of the share of photos that are right, with Wilson's interval.

    Args:
        right: bool array (n,); without photos the share is 0 and its interval (0, 1).
        groups: of the photos, see `bootstrap.group_numbers`; None: all are independent.
    """
    n = len(right)
    share = float(right.mean()) if n else 0.0
    return estimate(share, wilson_interval(share, n / design_effect(right - share, groups)), n)
