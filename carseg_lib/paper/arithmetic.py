"""The arithmetic of printed scores, which holds for any data: an interval in, an interval out.

Rates are fractions (0..1). An interval is what a printed rate stands for (`carseg_lib.paper.printed`). A photo is of
one class, and has one prediction or none ("no car found": missed, and nothing else).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from carseg_lib.paper.printed import Interval

SLACK = 1e-9  # for float error in comparisons; far below the last digit of anything printed


def overlap(a: Interval, b: Interval) -> bool:
    """Whether two closed intervals have a value in common (up to float error)."""
    return a[0] <= b[1] + SLACK and b[0] <= a[1] + SLACK


def f1(precision: float, recall: float) -> float:
    """The harmonic mean 2PR / (P + R); 0 where both are 0."""
    return 2 * precision * recall / (precision + recall) if precision + recall > 0 else 0.0


def f1_interval(precision: Interval, recall: Interval) -> Interval:
    """The F1 that precision and recall allow. F1 grows with both: the ends are at the ends."""
    return f1(precision[0], recall[0]), f1(precision[1], recall[1])


def mean_f1_interval(precision: Interval, recall: Interval) -> Interval:
    """The mean F1 over parts (epochs, folds, batches) that means of precision and recall over them allow.

    With equal weights, and 0 for 0/0: P + R - 1 <= F1 <= 2PR/(P+R). The right side is concave in P and R, so that a
    mean stays below it; the left one is linear, and holds for each part as 2PR - (P+R-1)(P+R) = P(1-P) + R(1-R) >= 0.
    A mean that leaves undefined parts out escapes both.
    """
    return max(0.0, precision[0] + recall[0] - 1), f1(precision[1], recall[1])


def jaccard_interval(precision: Interval, recall: Interval) -> Interval:
    """The TP/(TP+FP+FN) = F1/(2 - F1) that precision and recall allow."""
    low, high = f1_interval(precision, recall)
    return low / (2 - low), high / (2 - high)


def support_share(precision: float, recall: float, accuracy: float) -> float:
    """The share of all photos that a class's precision P, recall R and one-vs-rest accuracy A imply.

    With s the share: TP = R·s, FP = R·s·(1-P)/P, FN = (1-R)·s, and all errors 1-A = FP + FN, hence
    s = (1-A) / ((1-R) + R·(1-P)/P). NaN where that is undefined (P = 0, or P = R = 1).
    """
    if precision <= 0:
        return math.nan
    errors_per_photo = (1 - recall) + recall * (1 - precision) / precision
    return (1 - accuracy) / errors_per_photo if errors_per_photo > SLACK else math.nan


def support_share_interval(precision: Interval, recall: Interval, accuracy: Interval) -> Interval:
    """The shares that precision, recall and one-vs-rest accuracy allow; a low end above 1: none.

    The errors per photo of the class, 1 - 2R + R/P, fall with P and are linear in R, so that their extremes are at
    corners of the box. Where P may be 0 (no correct prediction) false alarms are free, and s may be 0.
    """
    fewest = min(1 - 2 * r + r / precision[1] for r in recall) if precision[1] > 0 else 1.0
    most = max(1 - 2 * r + r / precision[0] for r in recall) if precision[0] > 0 else math.inf
    least_errors = 1 - accuracy[1]
    low = 0.0 if least_errors <= SLACK else least_errors / most if most > SLACK else math.inf
    high = (1 - accuracy[0]) / fewest if fewest > SLACK else 1.0
    return low, min(1.0, high)


def mean_interval(column: Sequence[Interval]) -> Interval:
    """The plain (macro) averages that a column allows."""
    lows, highs = zip(*column, strict=True)
    return sum(lows) / len(lows), sum(highs) / len(highs)


def span_of(column: Sequence[Interval]) -> Interval:
    """The averages that a column allows, whatever the weights: from its lowest value to its highest."""
    lows, highs = zip(*column, strict=True)
    return min(lows), max(highs)


def predicted_interval(precisions: Sequence[Interval], recalls: Sequence[Interval]) -> Interval:
    """The share of photos with a prediction, by precision and recall; contains 1 if every photo may have one.

    A class is predicted R/P times as often as it occurs (TP = R·true = P·predicted); the share of photos with a
    prediction is the average of these ratios, weighted by support, and so between the smallest and the largest. The
    high end may be infinite (a precision that may be 0). A low end above 1 is impossible: more predictions than photos.
    """
    ratios = [
        (r[0] / p[1], r[1] / p[0]) if p[0] > 0 else (0.0, math.inf) for p, r in zip(precisions, recalls, strict=True)
    ]
    return span_of(ratios)


def accuracy_from_errors(accuracies: Sequence[Interval], *, all_predicted: bool) -> Interval:
    """Overall accuracies that the one-vs-rest accuracies allow.

    A wrong prediction is an error twice (a miss of the true class, a false alarm of the predicted one), a missing
    one once: with E = sum of (1-A) and e wrong photos of which n have no prediction, E = 2e - n and 0 <= n <= e.
    So e = E/2 if every photo has a prediction, and E/2 <= e <= E otherwise.
    """
    fewest, most = sum(1 - high for _, high in accuracies), sum(1 - low for low, _ in accuracies)
    return max(0.0, 1 - (most / 2 if all_predicted else most)), 1 - fewest / 2


def whole_counts(rate: Interval, photos: int) -> range:
    """The whole numbers of photos, out of so many, whose share lies in an interval. May be empty (GRIM).

    The test is that of Brown and Heathers 2017, doi:10.1177/1948550616673876.
    """
    slack = SLACK * photos
    return range(math.ceil(rate[0] * photos - slack), math.floor(rate[1] * photos + slack) + 1)
