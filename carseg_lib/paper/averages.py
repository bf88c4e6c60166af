"""What averages a report allows: over its rows by any weights, over all photos, over epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.optimize import linprog

from carseg_lib.paper.arithmetic import mean_interval
from carseg_lib.paper.matrix import SOLVER_SLACK, MatrixProgramme
from carseg_lib.paper.printed import Interval
from carseg_lib.paper.report import Report


def weighting_gap(report: Report, averages: Mapping[str, Interval]) -> float:
    """By how much the best common weighting of the rows misses averages of columns, beyond their rounding.

    Weights are at least 0 and sum to 1; they are the shares of the classes where the report has supports.

    Args:
        report: Rows; a cell that is not printed may be any rate.
        averages: The average of each of some columns.

    Returns:
        The largest miss, a fraction; up to `SOLVER_SLACK` where some weighting fits.
    """
    k = len(report.names)
    rows: list[list[float]] = []
    bounds: list[float] = []
    for metric, (low, high) in averages.items():
        lows, highs = zip(*report.column(metric), strict=True)
        rows += [[*lows, -1.0], [*(-end for end in highs), -1.0]]
        bounds += [high, -low]
    shares = [count / sum(report.support) for count in report.support]
    weights = [(share, share) for share in shares] or [(0.0, 1.0)] * k
    result = linprog(
        [0.0] * k + [1.0],
        A_ub=rows,
        b_ub=bounds,
        A_eq=[[1.0] * k + [0.0]],
        b_eq=[1.0],
        bounds=[*weights, (0.0, None)],
        method="highs",
    )
    return float(result.fun)


def accuracy_intervals(report: Report, columns: Sequence[Sequence[str]]) -> dict[str, Interval]:
    """The accuracies that a report allows, by what "accuracy" may mean.

    A set of columns that contradicts itself allows nothing. Several sets, of which each is possible, allow what each
    of them does.

    Args:
        report: The printed numbers.
        columns: Sets of columns, each of which some matrix gives (`MatrixProgramme.compatible_columns`).

    Returns:
        "overall": the share of photos with the right prediction. "macro": the plain mean of the one-vs-rest accuracies.
        "weighted": their mean by support. A low end above the high end: nothing is allowed.
    """
    programme = MatrixProgramme(report)
    k = len(report.names)
    parts = [programme.parts(i) for i in range(k)]
    everything = np.sum([s for _, s, _ in parts], axis=0)
    right_or_not = [everything - (s + c - 2 * t) for t, s, c in parts]  # one-vs-rest accuracy
    found: dict[str, list[Interval]] = {"overall": [], "macro": [], "weighted": []}
    for some in columns or [()]:
        found["overall"].append(programme.extremes(programme.right, some))
        if "accuracy" in some and report.has("accuracy"):
            ends = report.column("accuracy")
        else:
            ends = [programme.extremes(form, some) for form in right_or_not]
        found["macro"].append(mean_interval(ends))
        shares = np.array([s for _, s, _ in parts])
        low, high = np.array(ends).T @ shares
        found["weighted"].append((programme.extremes(low, some)[0], programme.extremes(high, some)[1]))
    return {name: (max(low for low, _ in spans), min(high for _, high in spans)) for name, spans in found.items()}


def means_over_epochs_exist(report: Report) -> bool:
    """Whether precision, recall and accuracy can be means over several evaluations of one set of photos.

    With s the share of a class, the same each time, and FP, FN means: FN = s(1-R) and FP + FN = 1-A, exactly, as both
    are linear; FP <= 1-P, as predictions are at most all photos; and the FP of all classes are at most their FN, as
    each false alarm is a miss of another class. Linear in s and FP. Means over sets that differ are not bound by this.
    """
    k = len(report.names)
    rows: list[np.ndarray] = []
    bounds: list[float] = []
    share, alarm = np.eye(2 * k)[:k], np.eye(2 * k)[k:]
    misses_low = np.zeros(2 * k)
    for i, name in enumerate(report.names):
        (p_low, _), (r_low, r_high), (a_low, a_high) = (
            report.interval(name, metric) for metric in ("precision", "recall", "accuracy")
        )
        rows += [alarm[i], alarm[i] + (1 - r_high) * share[i], -alarm[i] - (1 - r_low) * share[i]]
        bounds += [1 - p_low, 1 - a_low, -(1 - a_high)]
        misses_low = misses_low + (1 - r_low) * share[i]
    rows.append(alarm.sum(axis=0) - misses_low)
    bounds.append(0.0)
    result = linprog(
        np.zeros(2 * k),
        A_ub=rows,
        b_ub=[bound + SOLVER_SLACK for bound in bounds],
        A_eq=[share.sum(axis=0)],
        b_eq=[1.0],
        bounds=(0.0, 1.0),
        method="highs",
    )
    return bool(result.status == 0)
