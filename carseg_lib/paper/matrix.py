"""Whether one confusion matrix gives a report: a linear programme, and what contradicts what where none does.

A confusion matrix has a row per true class and a column per predicted class, in shares of all photos, and may have one
more column: photos without a prediction. With t the diagonal, s the row sum and c the column sum of a class, each
printed number bounds a linear form: recall t = s·R, precision t = c·P, F1 2t = (s+c)·F, accuracy s + c - 2t = 1 - A.
Shares need not be whole numbers of photos: that none exists is final, that one exists is not
(`carseg_lib.paper.whole_photos` asks for whole photos).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from itertools import combinations

import numpy as np
from scipy.optimize import linprog

from carseg_lib.paper.arithmetic import f1_interval, overlap
from carseg_lib.paper.printed import ANY, Interval
from carseg_lib.paper.report import Cell, Report

SOLVER_SLACK = 1e-6  # above the linear solver's own tolerance, 1e-7: it must not decide a verdict
OVERALL: Cell = ("", "overall accuracy")  # what can be asked for beside the cells: averages over all photos
POOLED: dict[str, Cell] = {metric: ("", f"pooled {metric}") for metric in ("precision", "recall", "f1")}
_Row = tuple[np.ndarray, float]  # coefficients · shares <= bound


class MatrixProgramme:
    """The confusion matrices of a report, as a linear programme.

    Args:
        report: Its supports, if known, hold in any case; its cells only where they are asked for.
        all_predicted: Whether each photo has a prediction.
        pooled: Averages over all photos, which can be asked for: `OVERALL`, the share of photos with the right
            prediction, and those of `POOLED`, of all photos' TP, FP and FN.
    """

    def __init__(
        self, report: Report, *, all_predicted: bool = False, pooled: Mapping[Cell, Interval] | None = None
    ) -> None:
        self._report = report
        k = len(report.names)
        width = k if all_predicted else k + 1
        self._shares = np.eye(k * width).reshape(k, width, -1)  # (true, predicted, variable); the last is "none"
        self._forms = {
            (name, metric): self._form(i, metric, cell.interval)
            for i, name in enumerate(report.names)
            for metric in report.columns
            if (cell := report.cells.get((name, metric)))
        }
        self._forms |= {key: self._pooled_form(key, span) for key, span in (pooled or {}).items()}

    @property
    def cells(self) -> tuple[Cell, ...]:
        """The printed cells of the report."""
        return tuple(cell for cell in self._forms if cell[0])

    def cells_of(self, columns: Iterable[str]) -> list[Cell]:
        """The printed cells of some columns."""
        asked = set(columns)
        return [cell for cell in self.cells if cell[1] in asked]

    @property
    def right(self) -> np.ndarray:
        """The linear form of the overall accuracy: the trace."""
        return np.trace(self._shares[:, : len(self._shares)])

    def parts(self, i: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The linear forms of a class: t (rightly predicted), s (true) and c (predicted)."""
        return self._shares[i, i], self._shares[i].sum(axis=0), self._shares[:, i].sum(axis=0)

    def _form(self, i: int, metric: str, span: Interval) -> list[_Row]:
        (low, high), (t, s, c) = span, self.parts(i)
        if metric == "accuracy":
            return [(s + c - 2 * t, 1 - low), (2 * t - s - c, high - 1)]
        total, hits = {"recall": (s, t), "precision": (c, t), "f1": (s + c, 2 * t)}[metric]
        return [(low * total - hits, 0.0), (hits - high * total, 0.0)]

    def _pooled_form(self, key: Cell, span: Interval) -> list[_Row]:
        hits, everything = self.right, np.ones(self._shares.shape[-1])
        predicted = self._shares[:, : len(self._shares)].sum(axis=(0, 1))
        total = {OVERALL: everything, POOLED["recall"]: everything, POOLED["precision"]: predicted}.get(key)
        if total is None:
            hits, total = 2 * hits, everything + predicted
        return [(span[0] * total - hits, 0.0), (hits - span[1] * total, 0.0)]

    @cached_property
    def _equalities(self) -> tuple[np.ndarray, np.ndarray]:
        """All shares make 1, and those of a class what its support says."""
        rows, bounds = [np.ones(self._shares.shape[-1])], [1.0]
        if self._report.support:
            rows += [self.parts(i)[1] for i in range(len(self._report.names))]
            bounds += [count / sum(self._report.support) for count in self._report.support]
        return np.array(rows), np.array(bounds)

    def conflict(self, cells: Iterable[Cell]) -> frozenset[Cell] | None:
        """Some of these cells that no matrix gives together; None if one gives them all.

        The programme minimises the largest violation. By Farkas' lemma the rows with a dual price above 0 contradict
        each other without the rest; at a vertex they are few.
        """
        cells = list(cells)
        if row := self._contradiction_of_a_row(cells):
            return row
        keys = [cell for cell in cells for _ in self._forms[cell]]
        rows = [row for cell in cells for row in self._forms[cell]]
        if not rows:
            return None
        equal, bounds = self._equalities
        size = self._shares.shape[-1]
        left = np.column_stack([np.array([row for row, _ in rows]), -np.ones(len(rows))])
        result = linprog(
            [0.0] * size + [1.0],
            A_ub=left,
            b_ub=[bound for _, bound in rows],
            A_eq=np.column_stack([equal, np.zeros(len(equal))]),
            b_eq=bounds,
            method="highs-ds",  # the simplex: its dual is a vertex
        )
        if result.status != 0:
            raise ArithmeticError(f"linear programme undecided: {result.message}")
        if result.fun <= SOLVER_SLACK:
            return None
        duals = result.ineqlin.marginals
        return frozenset(key for key, dual in zip(keys, duals, strict=True) if abs(dual) > SOLVER_SLACK)

    def _contradiction_of_a_row(self, cells: list[Cell]) -> frozenset[Cell] | None:
        """Precision, recall and F1 of a class that contradict each other: F1 is their harmonic mean.

        The programme could make such a class vanish. A class that is right at least once does not.
        """
        asked = set(cells)
        for name in self._report.names:
            scores = [metric for metric in ("precision", "recall", "f1") if (name, metric) in asked]
            if "f1" not in scores or not any(self._report.interval(name, m)[0] > 0 for m in scores):
                continue
            for given in (("precision",), ("recall",), ("precision", "recall")):
                if not set(given) <= set(scores):
                    continue
                p, r = (self._report.interval(name, m) if m in given else ANY for m in ("precision", "recall"))
                if not overlap(f1_interval(p, r), self._report.interval(name, "f1")):
                    return frozenset((name, metric) for metric in (*given, "f1"))
        return None

    def exists(self, cells: Iterable[Cell] | None = None) -> bool:
        """Whether one matrix gives these cells; the whole report if none are named."""
        return self.conflict(self.cells if cells is None else cells) is None

    def extremes(self, form: np.ndarray, columns: Iterable[str]) -> Interval:
        """The smallest and the largest value of a linear form of the shares, over the matrices that give some columns.

        Raises:
            ArithmeticError: No matrix gives them.
        """
        rows = [row for cell in self.cells_of(columns) for row in self._forms[cell]]
        equal, bounds = self._equalities
        ends = []
        for sign in (1.0, -1.0):
            result = linprog(
                sign * form,
                A_ub=[row for row, _ in rows] or None,
                b_ub=[bound + SOLVER_SLACK for _, bound in rows] or None,
                A_eq=equal,
                b_eq=bounds,
                method="highs",
            )
            if result.status != 0:
                raise ArithmeticError(f"no matrix gives these columns: {result.message}")
            ends.append(sign * float(result.fun))
        return ends[0] - SOLVER_SLACK, ends[1] + SOLVER_SLACK

    def compatible_columns(self) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
        """Which columns one matrix gives: the largest sets that it can, and the smallest that none can."""
        columns = self._report.columns
        if self.exists():
            return [columns], []
        possible: list[tuple[str, ...]] = []
        contradictory: list[tuple[str, ...]] = []
        for size in range(1, len(columns) + 1):
            for some in combinations(columns, size):
                if any(set(fewer) <= set(some) for fewer in contradictory):
                    continue
                (possible if self.exists(self.cells_of(some)) else contradictory).append(some)
        largest = [some for some in possible if not any(set(some) < set(more) for more in possible)]
        return largest, contradictory


def smallest_error(report: Report) -> float:
    """The least common error of the printed values with which one matrix gives them all, to 0.0001."""
    low, high = 0.0, 1.0  # ± 1 allows everything
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (low, middle) if MatrixProgramme(report.widened(middle)).exists() else (middle, high)
    return high


def fewest_wrong(
    programme: MatrixProgramme, cells: Iterable[Cell], fixed: Iterable[Cell] = (), limit: int = 20_000
) -> tuple[int, list[frozenset[Cell]]]:
    """The fewest cells that must be wrong for one matrix to give all others, and every set of so many.

    A set of wrong cells has one of every contradiction. The search grows sets by size and asks the programme only about
    those that have one of each known contradiction: either all other cells go together, or there is a new contradiction
    (hitting sets; Reiter 1987, doi:10.1016/0004-3702(87)90062-2).

    Args:
        programme: of the report.
        cells: those that may be wrong.
        fixed: what must be right, cells or averages over all photos.
        limit: sets looked at, at most.

    Returns:
        Their number, and the sets in order; no set at all if the limit was reached, or if the fixed cells contradict
        each other: then more are needed than the number says.
    """
    cells, fixed = list(cells), frozenset(fixed)
    order = {cell: i for i, cell in enumerate(cells)}
    conflicts: list[frozenset[Cell]] = []
    level: set[frozenset[Cell]] = {frozenset()}
    seen, size = 0, 0
    while level:
        found: list[frozenset[Cell]] = []
        larger: set[frozenset[Cell]] = set()
        for wrong in sorted(level, key=lambda some: sorted(order[cell] for cell in some)):
            seen += 1
            if seen > limit:
                return size, []
            missed = next((conflict for conflict in conflicts if not conflict & wrong), None)
            if missed is None:
                conflict = programme.conflict([*(cell for cell in cells if cell not in wrong), *fixed])
                if conflict is None:
                    found.append(wrong)
                    continue
                missed = conflict - fixed
                conflicts.append(missed)
            if not found:
                larger |= {wrong | {cell} for cell in missed}
        if found:
            return size, found
        level, size = larger, size + 1
    return size, []
