"""The checks of averages against the report that they should summarise: of those of a known kind, and of a headline.

The texts are in `checks.yaml`. A headline's averages are of a kind that is not said: each check is a reading.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

import pandas as pd

from carseg_lib.core.formatting import signed
from carseg_lib.paper import arithmetic
from carseg_lib.paper.arithmetic import SLACK, mean_interval, overlap, whole_counts
from carseg_lib.paper.averages import accuracy_intervals, weighting_gap
from carseg_lib.paper.matrix import POOLED, SOLVER_SLACK, MatrixProgramme
from carseg_lib.paper.printed import Interval, Printed, texts_of
from carseg_lib.paper.report import METRICS, Report
from carseg_lib.paper.verdicts import ONE_EVALUATION, THIS_READING, Checks, span

SCORES = ("precision", "recall", "f1")


def audit_averages(report: Report) -> pd.DataFrame:
    """Check the averages whose kind is printed with them, and the overall accuracy, against the rows.

    Returns:
        The checks, as `verdicts.COLUMNS`; none where the report has no such averages.
    """
    checks = Checks(report.place, "averages")
    columns = MatrixProgramme(report).compatible_columns()[0] if report.averages or report.accuracy else []
    for kind, averages in report.averages.items():
        for metric, printed in averages.items():
            if not report.has(metric):
                checks.add("incomplete", [f"{kind} {metric}"], printed.text, possible=None)
            elif kind == "macro":
                _macro(checks, report, metric, averages)
            elif kind == "weighted":
                _weighted(checks, report, metric, printed)
            elif metric in POOLED:
                _micro(checks, report, metric, printed, columns)
    if report.accuracy:
        allowed = accuracy_intervals(report, columns)["overall"]
        counts = _right_photos(report, report.accuracy)
        possible = _fits(allowed, report.accuracy) and counts != range(0)
        whole = "" if counts is None else checks.text("accuracy", "whole", photos=report.total, counts=_shown(counts))
        checks.add(
            "accuracy",
            ["accuracy"],
            report.accuracy.text,
            possible=possible,
            columns=_sets(columns),
            span=span(allowed),
            whole=whole,
        )
    return checks.frame()


def _macro(checks: Checks, report: Report, metric: str, averages: Mapping[str, Printed]) -> None:
    printed, allowed = averages[metric], mean_interval(report.column(metric))
    claims, terms = [f"macro {metric}"], _terms(report, metric)
    fits = overlap(allowed, printed.interval)
    if metric == "f1" and {"precision", "recall"} <= set(averages):
        harmonic = arithmetic.f1_interval(averages["precision"].interval, averages["recall"].interval)
        possible = fits or overlap(harmonic, printed.interval)
        shown = {"terms": terms, "harmonic": span(harmonic), "span": span(allowed)}
        checks.add("macro_f1", claims, printed.text, possible=possible, **shown)
        return
    checks.add("macro", claims, printed.text, possible=fits, terms=terms, span=span(allowed))


def _weighted(checks: Checks, report: Report, metric: str, printed: Printed) -> None:
    gap = weighting_gap(report, {metric: printed.interval})
    known = ", ".join(f"{count:,}" for count in report.support)
    weights = checks.text("weighted", "known_weights" if known else "free_weights", supports=known)
    fits = gap <= SOLVER_SLACK
    implied = checks.text("weighted", "fits" if fits else "missed", gap=gap)
    checks.add("weighted", [f"weighted {metric}"], printed.text, possible=fits, weights=weights, implied=implied)


def _micro(checks: Checks, report: Report, metric: str, printed: Printed, columns: Sequence[Sequence[str]]) -> None:
    fits = _pooled_exists(report, {metric: printed}, columns)
    checks.add(
        "micro",
        [f"micro {metric}"],
        printed.text,
        possible=fits,
        columns=_sets(columns),
        implied=checks.text("micro", "fits" if fits else "missed"),
    )


def _pooled_exists(report: Report, averages: Mapping[str, Printed], columns: Sequence[Sequence[str]]) -> bool:
    """Whether matrices that give each set of columns give these averages over all photos together."""
    pooled = {POOLED[metric]: printed.interval for metric, printed in averages.items()}
    programme = MatrixProgramme(report, pooled=pooled)
    return all(programme.exists([*programme.cells_of(some), *pooled]) for some in columns or [()])


def audit_headline(report: Report) -> pd.DataFrame:
    """Check headline figures against the table that they should summarise, reading by reading.

    Returns:
        The checks, as `verdicts.COLUMNS`; none without a headline. The column "check" names the reading: a figure made
        by another one may well not fit.
    """
    checks = Checks(report.place, "headline")
    headline = report.headline
    if headline:
        columns = MatrixProgramme(report).compatible_columns()[0]
        for metric in headline:
            _plain_mean(checks, report, metric)
        _weightings(checks, report)
        scores = {metric: headline[metric] for metric in SCORES if metric in headline}
        if scores:
            _pooled(checks, report, scores, columns)
        _harmonic(checks, headline)
        if "accuracy" in headline:
            _accuracy(checks, report, columns)
    return checks.frame()


def _plain_mean(checks: Checks, report: Report, metric: str) -> None:
    """The plain mean of the figure's column; where that fails, of another column."""
    printed = report.headline[metric]
    fits = report.has(metric) and overlap(mean_interval(report.column(metric)), printed.interval)
    others = [column for column in report.columns if column != metric and report.has(column)]
    for column in ([metric] if report.has(metric) else []) + ([] if fits else others):
        allowed = mean_interval(report.column(column))
        values = [cell.value for cell in report.printed(column)]
        mean = sum(values) / len(values)
        own = column == metric
        if not own and not overlap(allowed, printed.interval):
            continue
        checks.add(
            "macro" if own else "other_column",
            [f"headline {metric}"],
            printed.text,
            possible=overlap(allowed, printed.interval),
            column=column,
            terms=_terms(report, column),
            mean=mean,
            span=span(allowed),
            error=signed(100 * (printed.value - mean), 1),
            tries=len(others),
        )


def _weightings(checks: Checks, report: Report) -> None:
    """One weighting for precision, recall and F1 together, and for each pair of figures."""
    ends = {metric: report.headline[metric].interval for metric in METRICS if metric in report.headline}
    ends = {metric: interval for metric, interval in ends.items() if report.has(metric)}
    averages = {metric: interval for metric, interval in ends.items() if metric != "accuracy"}
    if not averages:
        return
    gap = weighting_gap(report, averages)
    fits = gap <= SOLVER_SLACK
    fit: list[str] = []
    miss: list[str] = []
    for pair in combinations(ends, 2):
        good = weighting_gap(report, {metric: ends[metric] for metric in pair}) <= SOLVER_SLACK
        (fit if good else miss).append(" + ".join(pair))
    shown = {"fit": ", ".join(fit) or "none", "miss": ", ".join(miss) or "none"}
    checks.add(
        "weighting",
        [f"headline {metric}" for metric in averages],
        texts_of(report.headline[metric] for metric in averages),
        possible=fits,
        columns=", ".join(averages),
        pairs="" if len(ends) < 2 else checks.text("weighting", "pairs", **shown),
        implied=checks.text("weighting", "fits" if fits else "missed", gap=100 * gap),
    )


def _pooled(checks: Checks, report: Report, scores: Mapping[str, Printed], columns: Sequence[Sequence[str]]) -> None:
    fits = _pooled_exists(report, scores, columns)
    counts = _right_photos(report, scores["recall"]) if "recall" in scores else None
    whole = "" if counts is None else checks.text("pooled", "whole", photos=report.total, count=_shown(counts))
    fits = fits and counts != range(0)
    checks.add(
        "pooled",
        [f"headline {metric}" for metric in scores],
        texts_of(scores.values()),
        possible=fits,
        columns=_sets(columns),
        whole=whole,
        implied=checks.text("pooled", "fits" if fits else "missed"),
    )


def _harmonic(checks: Checks, headline: Mapping[str, Printed]) -> None:
    """F1 as the harmonic mean of the headline's precision and recall, and as at most that; recall as accuracy."""
    if {"precision", "recall", "f1"} <= set(headline):
        p, r, printed = (headline[metric] for metric in SCORES)
        allowed = arithmetic.f1_interval(p.interval, r.interval)
        value = arithmetic.f1(p.value, r.value)
        exact = abs(value - printed.value) <= printed.width / 2
        shown: dict[str, Any] = {
            "f1": value,
            "span": span(allowed),
            "by_rounding": "" if exact else ", by its rounding only",
        }
        possible = overlap(allowed, printed.interval)
        checks.add("harmonic", ["headline f1"], printed.text, possible=possible, **shown)
        shown = {
            "f1": value,
            "most": allowed[1],
            "span": span(printed.interval),
            "by_rounding": "" if printed.value <= allowed[1] else ", by its rounding only",
        }
        possible = printed.low <= allowed[1] + SLACK
        checks.add("f1", ["headline f1"], printed.text, possible=possible, **shown)
    if {"recall", "accuracy"} <= set(headline):
        recall, accuracy = headline["recall"], headline["accuracy"]
        checks.add(
            "pooled_recall",
            ["headline recall", "headline accuracy"],
            texts_of((recall, accuracy)),
            possible=overlap(recall.interval, accuracy.interval),
            span=span(accuracy.interval),
        )


def _accuracy(checks: Checks, report: Report, columns: Sequence[Sequence[str]]) -> None:
    """The headline's accuracy: overall, or a mean of one-vs-rest accuracies. If nothing fits, it is of other photos."""
    printed = report.headline["accuracy"]
    allowed = accuracy_intervals(report, columns)
    fits = {name: _fits(interval, printed) for name, interval in allowed.items()}
    scope = THIS_READING if fits["macro"] or fits["weighted"] else ONE_EVALUATION
    sets, counts = _sets(columns), _right_photos(report, printed)

    def add(name: str, *, possible: bool, scope: str = THIS_READING, **values: Any) -> None:
        checks.add(name, ["headline accuracy"], printed.text, possible=possible, scope=scope, **values)

    add("weighted_accuracy", possible=fits["weighted"], columns=sets, span=span(allowed["weighted"]))
    if report.has("recall"):
        recalls = arithmetic.span_of(report.column("recall"))
        possible = overlap(recalls, printed.interval)
        shown = texts_of(report.printed("recall"))
        add("accuracy_by_recall", possible=possible, scope=scope, recalls=shown, span=span(recalls))
    if report.has("accuracy"):
        errors = [1 - cell.value for cell in report.printed("accuracy")]
        sums = {"terms": " + ".join(f"{error:.3f}" for error in errors), "sum": sum(errors)}
        for name, all_predicted in (("errors_all_predicted", True), ("errors_some_without", False)):
            interval = arithmetic.accuracy_from_errors(report.column("accuracy"), all_predicted=all_predicted)
            possible = overlap(interval, printed.interval)
            assumed = THIS_READING if all_predicted else scope
            half = 1 - sum(errors) / 2
            add(name, possible=possible, scope=assumed, **sums, accuracy=half, span=span(interval))
    possible = fits["overall"] and counts != range(0)
    means = {"macro": span(allowed["macro"], 3), "weighted": span(allowed["weighted"], 3)}
    add(
        "overall",
        possible=possible,
        scope=THIS_READING if possible else scope,
        columns=sets,
        span=span(allowed["overall"]),
        whole="" if counts is None else checks.text("overall", "whole", photos=report.total, counts=_shown(counts)),
        others=checks.text("overall", "others", **means) if scope == ONE_EVALUATION else "",
    )


def _fits(allowed: Interval, printed: Printed) -> bool:
    return allowed[0] <= allowed[1] and overlap(allowed, printed.interval)


def _right_photos(report: Report, printed: Printed) -> range | None:
    """The numbers of right photos that are printed so; None if the number of photos is not known."""
    return whole_counts(printed.interval, report.total) if report.total else None


def _shown(counts: range) -> str:
    return "…".join(dict.fromkeys(f"{end:,}" for end in (counts[0], counts[-1]))) if counts else "none"


def _terms(report: Report, metric: str) -> str:
    return " + ".join(cell.text for cell in report.printed(metric))


def _sets(columns: Iterable[Iterable[str]]) -> str:
    """Sets of columns as text: "precision, recall; recall, accuracy"."""
    return "; ".join(", ".join(some) for some in columns) or "none"
