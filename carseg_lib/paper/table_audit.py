"""The checks of a classification report against itself: its rows, and all rows together.

The arithmetic is in `arithmetic`, `matrix`, `averages` and `whole_photos`, the texts in `checks.yaml`. A report that
was computed from a confusion matrix, and printed as it says, has no row "impossible as printed".
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from carseg_lib.core.formatting import signed
from carseg_lib.paper import arithmetic
from carseg_lib.paper.arithmetic import SLACK, overlap
from carseg_lib.paper.averages import means_over_epochs_exist
from carseg_lib.paper.matrix import OVERALL, MatrixProgramme, fewest_wrong, smallest_error
from carseg_lib.paper.printed import Printed, texts_of
from carseg_lib.paper.report import Cell, Report
from carseg_lib.paper.verdicts import ONE_EVALUATION, THIS_READING, WHATEVER, Checks, span
from carseg_lib.paper.whole_photos import row_counts, whole_matrix

RATES = ("precision", "recall", "accuracy")  # what gives a class's share of all photos
SHOWN_CELLS = 6  # of those that are most often among the wrong ones


def audit_table(report: Report, sizes: Mapping[str, int], overall: Printed | None) -> pd.DataFrame:
    """Check a classification report against itself.

    Args:
        report: The printed numbers.
        sizes: Numbers of photos that the report may be of, by name, where its own number is not known.
        overall: An overall accuracy that may be of the same photos.

    Returns:
        The checks that its columns allow, as `verdicts.COLUMNS`.
    """
    checks = Checks(report.place, "table")
    programme = MatrixProgramme(report)
    exists = programme.exists()
    size, sets = (0, []) if exists else fewest_wrong(programme, programme.cells)
    suspects = _suspects(report, sets)
    _rows(checks, report, suspects)
    _matrix(checks, report, suspects, exists=exists)
    if not exists:
        _contradictions(checks, report, programme, suspects)
        _fewest(checks, report, suspects, size, sets)
        if overall:
            _fewest_with_accuracy(checks, report, suspects, overall)
    if report.has("precision", "recall"):
        _predictions(checks, report)
    if report.has(*RATES) and not programme.exists(programme.cells_of(RATES)):
        _other_readings(checks, report)
        _means(checks, report)
    _whole_photos(checks, report, sizes, exists=exists)
    return checks.frame()


def audit_meaning(report: Report, meaning: str) -> pd.DataFrame:
    """The row that says how the column "accuracy" is read, where it is not one-vs-rest accuracy.

    Args:
        report: with the column.
        meaning: as of `accuracy_column.read_accuracy_column`.
    """
    checks = Checks(report.place, "table")
    claims, shown = claims_of(report, ["accuracy"]), texts_of(report.printed("accuracy"))
    checks.add("meaning", claims, shown, possible=True, meaning=meaning)
    return checks.frame()


def claims_of(report: Report, columns: Iterable[str]) -> list[str]:
    """The names of the printed cells of some columns, row by row."""
    columns = tuple(columns)
    return [f"{name} {metric}" for name in report.names for metric in columns if (name, metric) in report.cells]


def _suspects(report: Report, sets: Sequence[frozenset[Cell]]) -> list[str]:
    """The names of the cells that are in a smallest set of wrong ones; all, where none was found.

    A contradiction is of all numbers together. It is those that a smallest set accuses which cannot be trusted.
    """
    accused = {" ".join(cell) for some in sets for cell in some}
    return [name for name in claims_of(report, report.columns) if name in accused or not accused]


def _rows(checks: Checks, report: Report, suspects: Sequence[str]) -> None:
    """F1 of each row, then the share of photos that each row implies, then their sum."""
    for name in report.names:
        cells = [report.cells.get((name, metric)) for metric in ("precision", "recall", "f1")]
        if all(cells):
            _f1(checks, name, *(cell for cell in cells if cell))
    if not report.has(*RATES):
        return
    spans, shares = [], []
    for name in report.names:
        p, r, a = (report.cells[name, metric] for metric in RATES)
        spans.append(arithmetic.support_share_interval(p.interval, r.interval, a.interval))
        shares.append(share := arithmetic.support_share(p.value, r.value, a.value))
        numbers = {"all_errors": 1 - a.value, "missed": 1 - r.value, "wrong": 1 - p.value, "share": share}
        shown = checks.text("share", "numbers", r=r.text, p=p.text, **numbers) if math.isfinite(share) else ""
        checks.add(
            "share",
            [f"{name} {metric}" for metric in RATES],
            texts_of((p, r, a)),
            possible=spans[-1][0] <= 1 + SLACK,
            numbers=shown,
            name=name,
            span=span(spans[-1]),
            short_span=span(spans[-1], 3),
        )
    total = sum(low for low, _ in spans), sum(high for _, high in spans)
    possible, together = overlap(total, (1.0, 1.0)), claims_of(report, RATES)
    checks.add(
        "shares",
        together if possible else [name for name in together if name in suspects] or together,
        possible=possible,
        terms=" + ".join(f"{share:.3f}" for share in shares),
        sum=sum(shares),
        span=span(total),
        short_span=span(total, 3),
    )


def _f1(checks: Checks, name: str, precision: Printed, recall: Printed, printed: Printed) -> None:
    p, r = precision.interval, recall.interval
    allowed, means = arithmetic.f1_interval(p, r), arithmetic.mean_f1_interval(p, r)
    possible = overlap(allowed, printed.interval)
    scope = ONE_EVALUATION if overlap(means, printed.interval) else WHATEVER
    value = arithmetic.f1(precision.value, recall.value)
    inside = min(precision.value, recall.value) <= printed.value <= max(precision.value, recall.value)
    checks.add(
        "f1",
        [f"{name} f1"],
        printed.text,
        possible=possible,
        scope=scope,
        why="" if possible else "between" if inside else "outside",
        p=precision.text,
        r=recall.text,
        f1=value,
        p_span=span(p),
        r_span=span(r),
        means="" if possible else checks.text("f1", "means", mean_span=span(means)),
        span=span(allowed),
        error=signed(printed.value - value, 3),
    )


def _matrix(checks: Checks, report: Report, suspects: Sequence[str], *, exists: bool) -> None:
    """Whether one confusion matrix gives the table."""
    k = len(report.names)
    checks.add(
        "matrix",
        suspects,
        possible=exists,
        columns=_listed(report.columns),
        rows=k,
        width=k + 1,
        implied=checks.text("matrix", "exists")
        if exists
        else checks.text("matrix", "none", error=smallest_error(report)),
    )


def _contradictions(checks: Checks, report: Report, programme: MatrixProgramme, suspects: Sequence[str]) -> None:
    """Which columns contradict each other, and whether one of them alone may be the wrong one."""
    largest, smallest = programme.compatible_columns()
    repairs = [column for column in report.columns if all(column in some for some in smallest)]
    checks.add(
        "contradictions",
        suspects,
        possible=False,
        why="" if repairs else "whichever",
        repair=" or ".join(repairs),
        largest="; ".join(map(_listed, largest)) or "none",
        smallest="; ".join(map(_listed, smallest)),
    )


def _fewest(
    checks: Checks, report: Report, suspects: Sequence[str], size: int, sets: Sequence[frozenset[Cell]]
) -> None:
    """The fewest cells that must be wrong, and how many if each photo has a prediction."""
    answered = MatrixProgramme(report, all_predicted=True)
    all_size, all_sets = fewest_wrong(answered, answered.cells)
    example = ", ".join(map(" ".join, sorted(all_sets[0]))) if all_sets else "–"
    more = checks.text("fewest", "more", all_size=all_size, all_sets=len(all_sets), example=example)
    _add_fewest(checks, "fewest", report, suspects, size, sets, more=more if sets else "")


def _fewest_with_accuracy(checks: Checks, report: Report, suspects: Sequence[str], overall: Printed) -> None:
    """The same, if an overall accuracy is right and of the same photos."""
    programme = MatrixProgramme(report, pooled={OVERALL: overall.interval})
    size, sets = fewest_wrong(programme, programme.cells, [OVERALL])
    _add_fewest(checks, "fewest_with_accuracy", report, suspects, size, sets, accuracy=overall.text)


def _add_fewest(
    checks: Checks,
    name: str,
    report: Report,
    suspects: Sequence[str],
    size: int,
    sets: Sequence[frozenset[Cell]],
    **values: str,
) -> None:
    checks.add(
        name,
        suspects,
        possible=size == 0,
        working="working" if sets else "given_up",
        size=size,
        cells=len(report.cells),
        sets=len(sets),
        often=_often(sets),
        **values,
    )


def _often(sets: Sequence[frozenset[Cell]]) -> str:
    """The cells that are most often in a set, each with the number of sets: "suv f1 (107)"."""
    counts = Counter(cell for some in sets for cell in sorted(some))
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{' '.join(cell)} ({count})" for cell, count in ordered[:SHOWN_CELLS])


def _predictions(checks: Checks, report: Report) -> None:
    """Whether there are as many predictions as photos."""
    predicted = arithmetic.predicted_interval(report.column("precision"), report.column("recall"))
    possible: bool | None = predicted[0] <= 1 + SLACK
    if possible and predicted[1] < 1 - SLACK:
        possible = None
    pairs = zip(report.printed("recall"), report.printed("precision"), strict=True)
    checks.add(
        "predictions",
        claims_of(report, ("precision", "recall")),
        possible=possible,
        ratios="; ".join(f"{r.text}/{p.text}" for r, p in pairs),
        span=span(predicted),
        unpredicted=1 - predicted[1],
    )


def _other_readings(checks: Checks, report: Report) -> None:
    """Whether the column "accuracy" could be recall, or TP/(TP+FP+FN)."""
    accuracies, recalls = report.column("accuracy"), report.column("recall")
    jaccards = list(map(arithmetic.jaccard_interval, report.column("precision"), recalls))
    fits = [sum(map(overlap, accuracies, reading)) for reading in (recalls, jaccards)]
    checks.add(
        "other_readings",
        claims_of(report, ["accuracy"]),
        texts_of(report.printed("accuracy")),
        possible=len(report.names) in fits,
        recalls=texts_of(report.printed("recall")),
        jaccards=", ".join(span(one, 3) for one in jaccards),
        fit_recall=fits[0],
        fit_jaccard=fits[1],
        classes=len(report.names),
    )


def _means(checks: Checks, report: Report) -> None:
    possible = means_over_epochs_exist(report)
    checks.add("means", claims_of(report, RATES), possible=possible, implied="some" if possible else "none")


def _whole_photos(checks: Checks, report: Report, sizes: Mapping[str, int], *, exists: bool) -> None:
    """Rows, then the matrix, as whole photos of the report's number, or of each number that it may be."""
    known = {"": report.total} if report.total else {f" ({name})": size for name, size in sizes.items()}
    scope = ONE_EVALUATION if report.total else THIS_READING
    for of, photos in known.items():
        # A row whose F1 contradicts it is judged without the F1: that is another check's finding.
        apart = Report(report.names, {c: p for c, p in report.cells.items() if c[1] != "f1"}, report.support)
        with_f1 = exists or "f1" not in report.columns
        judged = report if with_f1 else apart
        rows = [name for name in report.names if any((name, metric) in report.cells for metric in report.columns)]
        counts = {name: row_counts(judged, name, photos) for name in rows}
        none = [name for name, count in counts.items() if count == 0]
        possible = False if none else True if all(count is not None for count in counts.values()) else None
        cells = [(name, metric) for name in none or rows for metric in judged.columns]
        checks.add(
            "whole_rows",
            [" ".join(cell) for cell in cells if cell in judged.cells],
            possible=possible,
            scope=scope,
            photos=photos,
            of=of,
            columns=_listed(judged.columns),
            counts=", ".join(f"{name} {'–' if n is None else format(n, ',')}" for name, n in counts.items()),
            rows=", ".join(none),
        )
        if report.total and exists and not none:
            witness, k = whole_matrix(report, photos), len(report.names)
            lines = [] if witness.matrix is None else witness.matrix.tolist()
            checks.add(
                "whole_matrix",
                claims_of(report, report.columns) + ["accuracy"] * (report.accuracy is not None),
                possible=witness.exists,
                photos=photos,
                rows=k,
                width=k + 1,
                implied=" / ".join(" ".join(map(str, line)) for line in lines) or "none found",
            )


def _listed(columns: Iterable[str]) -> str:
    return ", ".join(columns)
