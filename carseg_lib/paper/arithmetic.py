"""The arithmetic of printed scores, which holds for any data.

Rates are fractions (0..1), also where the paper prints percent. A printed rate means any value that rounds to it: 0.814
for [0.8135, 0.8145], 91.2% for [0.9115, 0.9125]. Intervals are closed: nothing is assumed about the way halves are
rounded. Tables have the columns of the paper's Table 1, any number of rows, and printed values of three decimals.

A confusion matrix here has a row per true type and a column per predicted type, in shares of all photos, and may have
one more column: photos without a detection ("no car found"), which count as missed and as nothing else.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from scipy.optimize import linprog

HALF_WIDTH = 0.0005  # of the interval behind a fraction of three decimals, or a percentage of one
SLACK = 1e-9  # for float error in comparisons; far below HALF_WIDTH
SOLVER_SLACK = 1e-6  # above the linear solver's own tolerance, 1e-7: it must not decide a verdict

Interval = tuple[float, float]


def rounding_interval(printed: float, half_width: float = HALF_WIDTH) -> Interval:
    """The values in 0..1 that are printed as this fraction: printed ± half_width."""
    return max(0.0, printed - half_width), min(1.0, printed + half_width)


def overlap(a: Interval, b: Interval) -> bool:
    """Whether two closed intervals have a value in common (up to float error)."""
    return a[0] <= b[1] + SLACK and b[0] <= a[1] + SLACK


def f1(precision: float, recall: float) -> float:
    """The harmonic mean 2PR / (P + R); 0 where both are 0."""
    return 2 * precision * recall / (precision + recall) if precision + recall > 0 else 0.0


def f1_interval(precision: float, recall: float) -> Interval:
    """The F1 that a printed precision and recall allow. F1 grows with both: the ends are at the ends."""
    (p_low, p_high), (r_low, r_high) = rounding_interval(precision), rounding_interval(recall)
    return f1(p_low, r_low), f1(p_high, r_high)


def mean_f1_interval(precision: float, recall: float) -> Interval:
    """The F1 that printed means of precision and recall over parts (epochs, folds, batches) allow as its mean.

    With equal weights, and 0 for 0/0: P + R - 1 <= F1 <= 2PR/(P+R). The right side is concave in P and R, so that a
    mean stays below it; the left one is linear, and holds for each part as 2PR - (P+R-1)(P+R) = P(1-P) + R(1-R) >= 0.
    A mean that leaves undefined parts out escapes both.
    """
    (p_low, p_high), (r_low, r_high) = rounding_interval(precision), rounding_interval(recall)
    return max(0.0, p_low + r_low - 1), f1(p_high, r_high)


def support_share(precision: float, recall: float, accuracy: float) -> float:
    """The share of all photos that a type's precision P, recall R and one-vs-rest accuracy A imply.

    With s the share: TP = R·s, FP = R·s·(1-P)/P, FN = (1-R)·s, and all errors 1-A = FP + FN, hence
    s = (1-A) / ((1-R) + R·(1-P)/P). NaN where that is undefined (P = 0, or P = R = 1).
    """
    if precision <= 0:
        return math.nan
    errors_per_photo = (1 - recall) + recall * (1 - precision) / precision
    return (1 - accuracy) / errors_per_photo if errors_per_photo > SLACK else math.nan


def support_share_interval(precision: float, recall: float, accuracy: float) -> Interval:
    """The shares that a printed precision, recall and one-vs-rest accuracy allow; a low end above 1: none.

    The errors per photo of the type, 1 - 2R + R/P, fall with P and are linear in R, so that their extremes are at
    corners of the rounding box. Where P may be 0 (no correct prediction) false alarms are free, and s may be 0.
    """
    (p_low, p_high), recalls = rounding_interval(precision), rounding_interval(recall)
    a_low, a_high = rounding_interval(accuracy)
    fewest = min(1 - 2 * r + r / p_high for r in recalls)
    most = max(1 - 2 * r + r / p_low for r in recalls) if p_low > 0 else math.inf
    low = (1 - a_high) / most
    high = (1 - a_low) / fewest if fewest > SLACK else 1.0
    return low, min(1.0, high)


def mean_interval(column: pd.Series) -> Interval:
    """The plain (macro) averages that the printed values of a column allow."""
    lows, highs = _ends(column)
    return sum(lows) / len(lows), sum(highs) / len(highs)


def _ends(column: pd.Series) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The low and the high ends of the rounding intervals of a column's values."""
    lows, highs = zip(*map(rounding_interval, column), strict=True)
    return lows, highs


def predicted_interval(table: pd.DataFrame) -> Interval:
    """The share of photos with a prediction, by precision and recall; contains 1 if every photo may have one.

    A type is predicted R/P times as often as it occurs (TP = R·true = P·predicted); the share of photos with a
    prediction is the average of these ratios, weighted by support, and so between the smallest and the largest. The
    high end may be infinite (a precision that may be 0). A low end above 1 is impossible: more predictions than photos.
    """
    ratios = []
    for precision, recall in zip(table["precision"], table["recall"], strict=True):
        (p_low, p_high), (r_low, r_high) = rounding_interval(precision), rounding_interval(recall)
        ratios.append((r_low / p_high, r_high / p_low) if p_low > 0 else (0.0, math.inf))
    return min(low for low, _ in ratios), max(high for _, high in ratios)


def accuracy_from_recalls(table: pd.DataFrame) -> Interval:
    """Overall accuracies that the recalls allow: it is their average weighted by support, so min R..max R."""
    lows, highs = _ends(table["recall"])
    return min(lows), max(highs)


def accuracy_from_errors(table: pd.DataFrame, *, all_predicted: bool) -> Interval:
    """Overall accuracies that the one-vs-rest accuracies allow.

    A wrong prediction is an error twice (a miss of the true type, a false alarm of the predicted one), a missing
    one once: with E = sum of (1-A) and e wrong photos of which n have no prediction, E = 2e - n and 0 <= n <= e.
    So e = E/2 if every photo has a prediction, and E/2 <= e <= E otherwise.
    """
    lows, highs = _ends(table["accuracy"])
    fewest, most = sum(1 - high for high in highs), sum(1 - low for low in lows)
    return max(0.0, 1 - (most / 2 if all_predicted else most)), 1 - fewest / 2


def correct_counts(rate: float, photos: int) -> range:
    """The numbers of correct photos, out of so many, that are printed as this rate. May be empty."""
    low, high = rounding_interval(rate)
    return range(math.ceil(low * photos - SLACK * photos), math.floor(high * photos + SLACK * photos) + 1)


def matrix_exists(
    table: pd.DataFrame, columns: tuple[str, ...] = ("precision", "recall", "accuracy"), half_width: float = HALF_WIDTH
) -> bool:
    """Whether any one confusion matrix gives these columns of the table, each value to ± half_width.

    A linear programme decides it: the variables are the cells (shares of all photos, at least 0, sum 1), photos without
    a prediction among them. With t the diagonal, s the row sum and c the column sum of a type, each printed value
    bounds a linear form: recall t = s·R, precision t = c·P, F1 2t = (s+c)·F, accuracy s + c - 2t = 1 - A. Shares need
    not be whole numbers of photos: False is final, True is not a proof.
    """
    k = len(table)
    cells = np.eye(k * (k + 1)).reshape(k, k + 1, -1)  # (true, predicted, variable); the last prediction is "none"
    variables = cells.shape[-1]
    rows, bounds = [], []
    for i in range(k):
        t, s, c = cells[i, i], cells[i].sum(axis=0), cells[:, i].sum(axis=0)
        for column in columns:
            low, high = rounding_interval(table[column].iloc[i], half_width + SOLVER_SLACK)
            if column == "accuracy":
                rows += [s + c - 2 * t, 2 * t - s - c]
                bounds += [1 - low, high - 1]
            else:
                total, hits = {"recall": (s, t), "precision": (c, t), "f1": (s + c, 2 * t)}[column]
                rows += [low * total - hits, hits - high * total]
                bounds += [0.0, 0.0]
    everything = np.ones((1, variables))
    result = linprog(np.zeros(variables), A_ub=rows, b_ub=bounds, A_eq=everything, b_eq=[1.0], method="highs")
    if result.status not in (0, 2):  # solved, infeasible
        raise ArithmeticError(f"linear programme undecided: {result.message}")
    return result.status == 0


def smallest_half_width(table: pd.DataFrame, columns: tuple[str, ...] = ("precision", "recall", "accuracy")) -> float:
    """The least common error of the printed values with which one matrix gives them all, to 0.0001."""
    low, high = 0.0, 1.0  # ± 1 allows everything
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (low, middle) if matrix_exists(table, columns, middle) else (middle, high)
    return high


def weighting_gap(table: pd.DataFrame, averages: dict[str, float]) -> float:
    """The largest miss of the best common weighting of the rows that aims at these averages of columns.

    Weights are at least 0 and sum to 1 (support weights are among them). Rounding explains a gap of up to
    2·HALF_WIDTH: half from the table, half from the averages.
    """
    k = len(table)
    rows, bounds = [], []
    for column, average in averages.items():
        values = table[column].to_numpy(dtype=float)
        rows += [[*values, -1.0], [*-values, -1.0]]
        bounds += [average, -average]
    result = linprog([0.0] * k + [1.0], A_ub=rows, b_ub=bounds, A_eq=[[1.0] * k + [0.0]], b_eq=[1.0], method="highs")
    return float(result.fun)
