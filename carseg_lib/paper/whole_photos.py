"""Whether whole numbers of photos give a report: row by row, and as one confusion matrix.

Rates are shares of whole photos. Of few photos, most rates cannot be: 0.887 is no share of 590. The same for two rates
of one row, or for all rows of one matrix, is stronger, and holds for any digits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from carseg_lib.paper.arithmetic import SLACK
from carseg_lib.paper.printed import Interval
from carseg_lib.paper.report import Report

MANY_CELLS = 40_000_000  # numbers of right and of wrong photos that are looked at, at most
NODES = 3_000  # of the search for a matrix; a limit in seconds would not be reproducible


def row_counts(report: Report, name: str, photos: int) -> int | None:
    """How many (TP, FP, FN) of whole photos give a row's precision, recall, F1 and accuracy, as far as printed.

    TN is the rest of the photos. All TP are tried, with all numbers of errors FP + FN, or with the one FN that the
    support says; the scores then bound FP.

    Args:
        report: With the row.
        name: of the row.
        photos: of all classes together.

    Returns:
        The number of solutions; None if the report says too little, so that there are too many to try.
    """
    precision, recall, f1, accuracy = (report.interval(name, m) for m in ("precision", "recall", "f1", "accuracy"))
    errors = _whole((1 - accuracy[1]) * photos, (1 - accuracy[0]) * photos, photos)
    if report.support:
        support = report.support[report.names.index(name)]
        tp = np.arange(support + 1, dtype=np.float64)
        misses = support - tp
        first, last = _others(tp, recall, photos)
        fits = (first <= misses) & (misses <= last)
        alarms = _others(tp, precision, photos - support), _minus(_others(2 * tp, f1, photos), misses)
        return _count(fits, *alarms, _minus(errors, misses))
    if (errors[1] - errors[0] + 1) * (photos + 1) > MANY_CELLS:
        return None
    total = 0
    hits = np.arange(photos + 1, dtype=np.float64)
    for wrong in range(errors[0], errors[1] + 1):
        tp = hits[hits <= photos - wrong]
        first, last = _others(2 * tp, f1, photos)
        fits = (first <= wrong) & (wrong <= last)
        least, most = _others(tp, recall, wrong)
        total += _count(fits, _others(tp, precision, wrong), (wrong - most, wrong - least))
    return total


_Ends = tuple[np.ndarray, np.ndarray] | tuple[int, int]


def _whole(low: float, high: float, most: int) -> tuple[int, int]:
    """The first and the last whole number in an interval, between 0 and `most`."""
    slack = SLACK * max(1, most)
    return max(0, int(np.ceil(low - slack))), min(most, int(np.floor(high + slack)))


def _others(hits: np.ndarray, score: Interval, most: int) -> tuple[np.ndarray, np.ndarray]:
    """The fewest and the most whole x in 0..most with hits/(hits + x) in an interval; none where first > last.

    0/0 counts as 0 or as 1, the two conventions.
    """
    slack = SLACK * np.maximum(hits + most, 1)
    first = np.ceil(hits * (1 / score[1] - 1) - slack) if score[1] > 0 else np.where(hits > 0, np.inf, 0.0)
    last = np.floor(hits * (1 / score[0] - 1) + slack) if score[0] > 0 else np.full(hits.shape, np.inf)
    first, last = np.maximum(first, 0.0), np.minimum(last, float(most))
    # Without a hit the score is 0, or 0/0 where there is nothing else either.
    undefined, zero = score[0] <= 0 or score[1] >= 1, score[0] <= SLACK
    first = np.where(hits == 0, 0.0 if undefined else 1.0, first)
    last = np.where(hits == 0, float(most) if zero else 0.0 if undefined else -1.0, last)
    return first, last


def _minus(ends: _Ends, less: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return ends[0] - less, ends[1] - less


def _count(fits: np.ndarray, *ends: tuple[np.ndarray, np.ndarray]) -> int:
    """The whole numbers, 0 or more, that lie between all ends, where it fits."""
    first = np.maximum.reduce([np.zeros(len(fits)), *(first for first, _ in ends)])
    last = np.minimum.reduce([last for _, last in ends])
    return int(np.where(fits, np.maximum(0, last - first + 1), 0).sum())


@dataclass(frozen=True)
class Witness:
    """The answer about a matrix of whole photos: whether one exists (None: not decided), and one if so."""

    exists: bool | None
    matrix: np.ndarray | None = None  # (true, predicted), int; the last column: photos without a prediction


def whole_matrix(report: Report, photos: int, *, all_predicted: bool = False) -> Witness:
    """A confusion matrix of whole photos that gives a report, by integer linear programming.

    Args:
        report: Its cells, supports and overall accuracy.
        photos: of all classes together.
        all_predicted: Whether each photo has a prediction.

    Returns:
        The matrix, checked in whole numbers against each printed value; or that there is none; or neither, where the
        search is too long.
    """
    k = len(report.names)
    width = k if all_predicted else k + 1
    cells = np.eye(k * width).reshape(k, width, -1)
    rows: list[np.ndarray] = [cells.sum(axis=(0, 1))]
    lows, highs = [float(photos)], [float(photos)]

    def bound(row: np.ndarray, low: float = -np.inf, high: float = np.inf) -> None:
        rows.append(row)
        lows.append(low)
        highs.append(high)

    for i, name in enumerate(report.names):
        t, s, c = cells[i, i], cells[i].sum(axis=0), cells[:, i].sum(axis=0)
        for metric, total, hits in (("precision", c, t), ("recall", s, t), ("f1", s + c, 2 * t)):
            if cell := report.cells.get((name, metric)):
                bound(hits - cell.low * total, low=-SLACK * photos)
                bound(hits - cell.high * total, high=SLACK * photos)
                if cell.low > 0 and cell.high < 1:
                    bound(total, low=1.0)  # it is no 0/0
        if cell := report.cells.get((name, "accuracy")):
            bound(s + c - 2 * t, *map(float, _whole((1 - cell.high) * photos, (1 - cell.low) * photos, photos)))
        if report.support:
            bound(s, report.support[i], report.support[i])
    if report.accuracy:
        right = np.trace(cells[:, :k])
        bound(right, *map(float, _whole(report.accuracy.low * photos, report.accuracy.high * photos, photos)))
    result = milp(
        np.zeros(k * width),
        integrality=np.ones(k * width),
        bounds=Bounds(0, photos),
        constraints=LinearConstraint(np.array(rows), lows, highs),
        options={"node_limit": NODES},
    )
    if result.status == 2:
        return Witness(False)
    if result.x is None:
        return Witness(None)
    found = np.rint(result.x)
    left = np.array(rows) @ found
    slack = SLACK * photos
    fits = bool(np.all(left >= np.array(lows) - slack) and np.all(left <= np.array(highs) + slack))
    matrix = found.reshape(k, width).astype(np.int64)
    if all_predicted:
        matrix = np.column_stack([matrix, np.zeros(k, dtype=np.int64)])
    return Witness(True, matrix) if fits else Witness(None)
