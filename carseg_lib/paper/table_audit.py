"""The audit of the paper's Table 1 and headline: a row per check, with its working and a verdict.

A number is impossible only if no values within the rounding intervals fit, so that rounding is never the reason (see
`carseg_lib.paper.arithmetic`). The texts are data: `checks.yaml`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import pandas as pd

from carseg_lib.core.formatting import signed
from carseg_lib.paper.arithmetic import (
    HALF_WIDTH,
    SLACK,
    SOLVER_SLACK,
    Interval,
    accuracy_from_errors,
    accuracy_from_recalls,
    f1,
    f1_interval,
    matrix_exists,
    mean_f1_interval,
    mean_interval,
    overlap,
    predicted_interval,
    rounding_interval,
    smallest_half_width,
    support_share,
    support_share_interval,
    weighting_gap,
)
from carseg_lib.paper.claims import METRICS, TABLE, VII, read_texts

CONSISTENT = "consistent"
IMPOSSIBLE = "impossible as printed"
NOT_THIS_READING = "not by this reading"
UNKNOWN = "cannot be judged"
# What a check assumes, from nothing to most; only the first two can show that a number is impossible.
WHATEVER = "whatever the reading"
ONE_EVALUATION = "one evaluation"
THIS_READING = "this reading"
SCOPES = (WHATEVER, ONE_EVALUATION, THIS_READING)

COLUMNS = ("claim", "printed", "place", "check", "scope", "working", "implied", "verdict", "why")
CHECKS = read_texts("checks.yaml")


def verdict_of(scope: str, *, possible: bool | None) -> str:
    """The verdict of a check: a reading that does not fit is not yet an error of the paper."""
    if possible is None:
        return UNKNOWN
    return CONSISTENT if possible else NOT_THIS_READING if scope == THIS_READING else IMPOSSIBLE


def _span(interval: Interval, digits: int = 4) -> str:
    low, high = (f"{end:.{digits}f}" if math.isfinite(end) else "∞" for end in interval)
    return f"{low}…{high}"


def _listed(values: Iterable[float], separator: str = ", ") -> str:
    return separator.join(f"{value:.3f}" for value in values)


class _Rows:
    """Rows of the audit at one place of the paper, with the texts of one part of `checks.yaml`."""

    def __init__(self, place: str, part: str) -> None:
        self.place, self.texts = place, CHECKS[part]
        self.rows: list[tuple[str, ...]] = []

    def add(self, name: str, claims: Iterable[str], printed: str = "", *, possible: bool | None, **values: Any) -> None:
        """Add a check of claims, whose texts are filled in with `values`; `possible`: None if it cannot be judged."""
        text = self.texts[name]
        scope = values.pop("scope", text["scope"])
        key = {True: "possible", False: "impossible", None: "unknown"}[possible]
        check, working, implied, why = (text[part].format(**values) for part in ("check", "working", "implied", key))
        verdict = verdict_of(scope, possible=possible)
        self.rows.append((", ".join(claims), printed, self.place, check, scope, working, implied, verdict, why))

    def frame(self) -> pd.DataFrame:
        return pd.DataFrame(self.rows, columns=list(COLUMNS))


def _reports(table: pd.DataFrame) -> Iterable[tuple[str, float, float, float, float]]:
    """Name, precision, recall, F1 and accuracy of each row."""
    return zip(table.index, *(table[metric].tolist() for metric in METRICS), strict=True)


def audit_table(table: pd.DataFrame, place: str = TABLE) -> pd.DataFrame:
    """Check a classification report against itself.

    Args:
        table: Index body type; columns precision, recall, f1 and accuracy (one-vs-rest), three decimals.
        place: Place in the paper, for the column of that name.

    Returns:
        The audit, columns as in `carseg_lib.paper.audit.audit`. A table computed from any confusion matrix and
        rounded to three decimals has no row "impossible as printed".
    """
    audit = _Rows(place, "table")
    for name, p, r, printed, _ in _reports(table):
        span, ends = f1_interval(p, r), rounding_interval(printed)
        audit.add(
            "f1" if min(p, r) <= printed <= max(p, r) else "f1_outside",
            [f"{name} f1"],
            f"{printed:.3f}",
            possible=overlap(span, ends),
            scope=ONE_EVALUATION if overlap(mean_f1_interval(p, r), ends) else WHATEVER,
            p=p,
            r=r,
            f1=f1(p, r),
            p_span=_span(rounding_interval(p)),
            r_span=_span(rounding_interval(r)),
            span=_span(span),
            error=signed(printed - f1(p, r), 3),
        )

    shares = {name: support_share(p, r, a) for name, p, r, _, a in _reports(table)}
    spans = {name: support_share_interval(p, r, a) for name, p, r, _, a in _reports(table)}
    for name, p, r, _, a in _reports(table):
        audit.add(
            "share" if math.isfinite(shares[name]) else "share_undefined",
            [f"{name} precision", f"{name} recall", f"{name} accuracy"],
            _listed((p, r, a)),
            possible=spans[name][0] <= 1 + SLACK,
            body_type=name,
            p=p,
            r=r,
            all_errors=1 - a,
            missed=1 - r,
            wrong=1 - p,
            share=shares[name],
            span=_span(spans[name]),
            short_span=_span(spans[name], 3),
        )

    total = sum(low for low, _ in spans.values()), sum(high for _, high in spans.values())
    together = [f"{name} {metric}" for name in table.index for metric in ("precision", "recall", "accuracy")]
    audit.add(
        "shares",
        together,
        possible=overlap(total, (1.0, 1.0)),
        terms=_listed(shares.values(), " + "),
        sum=sum(shares.values()),
        span=_span(total),
        short_span=_span(total, 3),
    )

    k, exists = len(table), matrix_exists(table)
    implied = "one exists" if exists else f"none; the first if each is off by {smallest_half_width(table):.3f}"
    audit.add("matrix", together, possible=exists, rows=k, columns=k + 1, implied=implied)

    predicted = predicted_interval(table)
    possible: bool | None = predicted[0] <= 1 + SLACK
    if possible and predicted[1] < 1 - SLACK:
        possible = None
    audit.add(
        "predictions",
        [f"{name} {metric}" for name in table.index for metric in ("precision", "recall")],
        possible=possible,
        ratios="; ".join(f"{r:.3f}/{p:.3f}" for _, p, r, _, _ in _reports(table)),
        span=_span(predicted),
        unpredicted=1 - predicted[1],
    )
    return audit.frame()


def audit_accuracy_column(table: pd.DataFrame, place: str) -> pd.DataFrame:
    """Check whether the column "Accuracy" could be recall, or TP/(TP+FP+FN), instead of one-vs-rest accuracy."""
    accuracies, recalls = (list(map(rounding_interval, table[metric])) for metric in ("accuracy", "recall"))
    pairs = [f1_interval(p, r) for _, p, r, _, _ in _reports(table)]
    jaccards = [(low / (2 - low), high / (2 - high)) for low, high in pairs]  # TP/(TP+FP+FN) = F1/(2-F1)
    fits = [sum(map(overlap, accuracies, reading)) for reading in (recalls, jaccards)]
    audit = _Rows(place, "table")
    audit.add(
        "other_readings",
        [f"{name} accuracy" for name in table.index],
        _listed(table["accuracy"]),
        possible=len(table) in fits,
        recalls=_listed(table["recall"]),
        jaccards=", ".join(_span(span, 3) for span in jaccards),
        fit_recall=fits[0],
        fit_jaccard=fits[1],
        types=len(table),
    )
    return audit.frame()


def audit_headline(table: pd.DataFrame, headline: dict[str, float], place: str = VII) -> pd.DataFrame:
    """Check headline figures against the table they should summarise, reading by reading.

    Args:
        table: As for `audit_table`.
        headline: accuracy, precision, recall and f1, fractions of three decimals.
        place: Place in the paper.

    Returns:
        The audit, columns as in `carseg_lib.paper.audit.audit`. The column "check" names the reading: a figure made
        by another one may well be impossible under it.
    """
    audit = _Rows(place, "headline")
    ends = {metric: rounding_interval(value) for metric, value in headline.items()}

    def add(name: str, metrics: Iterable[str], *, possible: bool, **values: Any) -> None:
        metrics = tuple(metrics)
        printed = ", ".join(f"{headline[metric]:.1%}" for metric in metrics)
        audit.add(name, [f"headline {metric}" for metric in metrics], printed, possible=possible, **values)

    for metric in METRICS:
        column, span = table[metric], mean_interval(table[metric])
        add(
            "macro",
            [metric],
            possible=overlap(span, ends[metric]),
            terms=_listed(column, " + "),
            n=len(column),
            mean=column.mean(),
            half_width=HALF_WIDTH,
            span=_span(span),
            error=signed(100 * (headline[metric] - column.mean()), 1),
        )

    averages = {metric: headline[metric] for metric in ("precision", "recall", "f1")}
    gap = weighting_gap(table, averages)
    add("weighting", averages, possible=gap <= 2 * HALF_WIDTH + SOLVER_SLACK, gap=100 * gap)

    smallest, largest = min(table["accuracy"]), max(table["accuracy"])
    fits = weighting_gap(table, {"accuracy": headline["accuracy"]}) <= 2 * HALF_WIDTH + SOLVER_SLACK
    ends_shown = _span((smallest, largest), 3)
    add("weighted_accuracy", ["accuracy"], possible=fits, span=ends_shown, smallest=smallest, largest=largest)

    most = f1_interval(headline["precision"], headline["recall"])[1]
    add(
        "f1",
        ["f1"],
        possible=ends["f1"][0] <= most + SLACK,
        f1=f1(headline["precision"], headline["recall"]),
        most=most,
        span=_span(ends["f1"]),
        by_rounding="" if headline["f1"] <= most else ", by its rounding only",
    )

    same = overlap(ends["recall"], ends["accuracy"])
    add("pooled_recall", ["recall", "accuracy"], possible=same, span=_span(ends["accuracy"]))

    recalls = accuracy_from_recalls(table)
    smallest, largest, fits = min(table["recall"]), max(table["recall"]), overlap(recalls, ends["accuracy"])
    add("accuracy_by_recall", ["accuracy"], possible=fits, smallest=smallest, largest=largest, span=_span(recalls))

    errors = 1 - table["accuracy"]
    for name, all_predicted in (("errors_all_predicted", True), ("errors_some_without", False)):
        span = accuracy_from_errors(table, all_predicted=all_predicted)
        add(
            name,
            ["accuracy"],
            possible=overlap(span, ends["accuracy"]),
            terms=_listed(errors, " + "),
            sum=errors.sum(),
            accuracy=1 - errors.sum() / 2,
            span=_span(span),
        )
    return audit.frame()
