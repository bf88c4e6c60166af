"""The headline numbers by which a rerun is judged, and how far each may be from the reference.

Eight numbers, four of validation and four of test: accuracy (the paper's claim), macro F1 (which a rare type moves),
box AP (detection and scores), mask IoU (masks alone, whatever the type). A run has some 150 numbers; with a tolerance
of 95% each, most healthy reruns would leave one of them. The others are therefore information.

A rerun is evaluated on the photos of the reference, so that chance is in the training alone: another seed, another
order of sums. With five seeds or more that chance is measured. A new run of seed sd s is then expected about the mean
of the k seeds, within t · s · sqrt(1 + 1/k), t the 97.5% quantile of Student's t with k − 1 degrees of freedom (the
prediction interval of one further observation: Hahn & Meeker 1991, Statistical Intervals, section 4.7); this is "two
standard deviations" for small k. Five seeds may by chance lie close together, so that a number may always differ by as
much as its photos leave open: the distance from the value to the far end of its 95% interval.

With fewer seeds the interval stands alone, and the one run is what is expected. Two runs differ by more than a run from
a mean, and one number in eight leaves its tolerance more often than a given one: the distance is multiplied by 1.7, by
which at most one in twenty simulated healthy reruns fails.

docs/reproducibility.md says how often a healthy rerun fails by this rule and which drop is caught;
docs/results/simulate_reruns.py measures both.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

LEAST_SEEDS = 5  # from which on their spread is used
ONE_RUN = 1.7  # times the far end of the interval, where the spread between seeds is not known
LEAST_TOLERANCE = 0.01  # of a fraction: a difference below one percentage point is none
SPLITS = ("validation", "test")
NUMBERS = {"accuracy": "accuracy", "macro_f1": "F1, macro", "box_ap": "box AP", "mask_iou": "mask IoU"}
HEADLINE = {
    f"splits.{split}.{number}.value": f"{name}, {split}" for split in SPLITS for number, name in NUMBERS.items()
}
"""Path in metrics.json of each number that is judged: its name in a table."""


@dataclass(frozen=True)
class Expected:
    """What a rerun should give for one number, as a fraction 0..1."""

    value: float
    tolerance: float  # either way


def expected(estimate: Mapping[str, Any], seeds: Sequence[float]) -> Expected:
    """What is expected of a rerun, and its tolerance, by the rule at the top of this module.

    Args:
        estimate: The reference's number: value, low, high, each 0..1, low <= value <= high.
        seeds: The number in each committed run, of one seed each, the reference's included.
    """
    far = max(estimate["value"] - estimate["low"], estimate["high"] - estimate["value"])
    k = len(seeds)
    if k < LEAST_SEEDS:
        return Expected(estimate["value"], max(LEAST_TOLERANCE, ONE_RUN * far))
    spread = stats.t.ppf(0.975, k - 1) * np.std(seeds, ddof=1) * math.sqrt(1 + 1 / k)
    return Expected(float(np.mean(seeds)), max(LEAST_TOLERANCE, far, float(spread)))
