"""Area under the ROC curve with a 95% interval that holds near 1.

The area is the probability that a photo with a car has a higher score than one without; equal scores count half. Near
1, Wald's and the bootstrap's intervals collapse: where all pairs are in order, both say that nothing is uncertain. The
interval here is Newcombe's method 5 (2006, Statistics in Medicine 25, 559-573, doi:10.1002/sim.2324): all areas whose
standard error, in a form of Hanley and McNeil's (1982, doi:10.1148/radiology.143.1.7063747), reaches the one found, as
Wilson's interval is for a proportion.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import brentq
from scipy.stats import rankdata

from carseg_lib.evaluation.bootstrap import Estimate, Groups, Z, estimate
from carseg_lib.evaluation.clusters import design_effect

_STEP = 1e-12


def auroc_estimate(positive: np.ndarray, negative: np.ndarray, groups: Groups | None = None) -> Estimate:
    """The area under the ROC curve of scores.

    Args:
        positive: float (m,), scores of photos with a car, m at least 1.
        negative: float (n,), scores of photos without one, n at least 1.
        groups: of the photos with a car, see `bootstrap.group_numbers`; they count as fewer, by their design effect.

    Returns:
        An estimate; n: photos of both kinds.
    """
    m, n = len(positive), len(negative)
    wins = (rankdata(np.concatenate([positive, negative]))[:m] - rankdata(positive)) / n  # of each car, 0..1
    area = float(wins.mean())
    return estimate(area, newcombe_interval(area, m / design_effect(wins - area, groups), n), m + n)


def newcombe_interval(area: float, m: float, n: float) -> tuple[float, float]:
    """Newcombe's interval (method 5) for an area under the ROC curve.

    Args:
        area: 0..1.
        m: independent photos with a car.
        n: independent photos without one.
    """
    half = (m + n) / 2 - 1

    def error(true: float) -> float:
        spread = 1 + half * (1 - true) / (2 - true) + half * true / (1 + true)
        return Z * math.sqrt(true * (1 - true) * spread / (m * n))

    def end(side: int) -> float:
        limit = float(side > 0)
        if area == limit:
            return limit
        start = area + side * _STEP  # at 0 and 1 the standard error is 0 too
        return float(brentq(lambda true: side * (true - area) - error(true), start, limit))

    return end(-1), end(1)
