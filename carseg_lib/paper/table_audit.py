"""The audit of the paper's Table 1 and headline: a row per check, with its working in words and a verdict.

A check calls a number impossible only when no values inside the intervals that rounding allows fit, so that
rounding alone can never be the reason (see `carseg_lib.paper.arithmetic`).
"""

import math
from collections.abc import Iterable
from typing import Any

import pandas as pd

from carseg_lib.paper.arithmetic import (
    HALF_WIDTH,
    SLACK,
    SOLVER_SLACK,
    Interval,
    accuracy_from_errors,
    accuracy_from_recalls,
    answered_interval,
    f1,
    f1_interval,
    matrix_exists,
    mean_interval,
    overlap,
    rounding_interval,
    smallest_half_width,
    support_share,
    support_share_interval,
    weighting_gap,
)
from carseg_lib.paper.claims import METRICS, TABLE, VII

CONSISTENT = "consistent"
IMPOSSIBLE = "impossible as printed"
UNKNOWN = "cannot be judged"

COLUMNS = ("claim", "printed", "place", "check", "working", "implied", "verdict", "why")


def _span(interval: Interval, digits: int = 4) -> str:
    low, high = (f"{end:.{digits}f}" if math.isfinite(end) else "∞" for end in interval)
    return f"{low}…{high}"


def _signed(value: float, digits: int) -> str:
    return f"{value:+.{digits}f}".replace("-", "−")


def _list(values: Iterable[float], separator: str = ", ") -> str:
    return separator.join(f"{value:.3f}" for value in values)


class _Rows:
    """Rows of the audit at one place of the paper."""

    def __init__(self, place: str) -> None:
        self.place = place
        self.rows: list[tuple[str, ...]] = []

    def add(
        self, claim: str, printed: str, check: str, working: str, implied: str, verdict: str, why: str
    ) -> None:
        self.rows.append((claim, printed, self.place, check, working, implied, verdict, why))

    def decide(self, *texts: str, possible: bool, yes: str, no: str) -> None:
        """A row from claim, printed, check, working, implied, and the verdict with its reason either way."""
        self.add(*texts, *((CONSISTENT, yes) if possible else (IMPOSSIBLE, no)))

    def frame(self) -> pd.DataFrame:
        return pd.DataFrame(self.rows, columns=list(COLUMNS))


def audit_table(table: pd.DataFrame, place: str = TABLE) -> pd.DataFrame:
    """Check a classification report against itself.

    Args:
        table: Index body type; columns precision, recall, f1 and accuracy (one-vs-rest), three decimals.
        place: Where it stands, for the column of that name.

    Returns:
        The audit, columns as in :func:`carseg_lib.paper.audit.audit`. A table computed from any confusion
        matrix and rounded to three decimals has no row "impossible as printed".
    """
    audit = _Rows(place)
    for name, (p, r, printed, _) in table[list(METRICS)].iterrows():
        span, middle = f1_interval(p, r), f1(p, r)
        off = "It lies between the two, but is not their harmonic mean."
        if not min(p, r) <= printed <= max(p, r):
            off = "A mean of two numbers lies between them; this one does not."
        audit.decide(
            f"{name} f1",
            f"{printed:.3f}",
            "F1 from precision and recall",
            f"F1 = 2PR/(P+R) = 2·{p:.3f}·{r:.3f}/({p:.3f}+{r:.3f}) = {middle:.4f}; P in "
            f"{_span(rounding_interval(p))}, R in {_span(rounding_interval(r))}",
            _span(span),
            possible=overlap(span, rounding_interval(printed)),
            yes="The printed F1 is among those that precision and recall allow.",
            no=f"Off by {_signed(printed - middle, 3)}. {off}",
        )

    shares = {name: support_share(p, r, a) for name, (p, r, _, a) in table[list(METRICS)].iterrows()}
    spans = {name: support_share_interval(p, r, a) for name, (p, r, _, a) in table[list(METRICS)].iterrows()}
    for name, (p, r, _, a) in table[list(METRICS)].iterrows():
        working = "TP = R·s, FP = R·s·(1-P)/P, FN = (1-R)·s, 1-A = FP+FN; s = (1-A)/((1-R) + R(1-P)/P)"
        if math.isfinite(shares[name]):
            working += f" = {1 - a:.3f}/({1 - r:.3f} + {r:.3f}·{1 - p:.3f}/{p:.3f}) = {shares[name]:.4f}"
        audit.decide(
            f"{name} precision, {name} recall, {name} accuracy",
            _list((p, r, a)),
            "the share of all photos that they imply",
            working,
            _span(spans[name]),
            possible=spans[name][0] <= 1 + SLACK,
            yes=f"Possible by itself: {_span(spans[name], 3)} of the photos are {name}.",
            no="More photos of the type than photos.",
        )

    total = sum(low for low, _ in spans.values()), sum(high for _, high in spans.values())
    together = ", ".join(
        f"{name} {metric}" for name in table.index for metric in ("precision", "recall", "accuracy")
    )
    audit.decide(
        together,
        "",
        "the implied shares make 1",
        f"{_list(shares.values(), ' + ')} = {sum(shares.values()):.3f}",
        _span(total),
        possible=overlap(total, (1.0, 1.0)),
        yes="Each photo is of one type: the shares must make 1, and can.",
        no=(
            f"Each photo is of one type, so that the shares make 1, not {_span(total, 3)}: the rows are "
            "not of one set of photos."
        ),
    )

    possible = matrix_exists(table)
    audit.decide(
        together,
        "",
        "one confusion matrix for precision, recall and accuracy",
        "cells ≥ 0, sum 1; t = R·(row sum), t = P·(column sum), row + column - 2t = 1 - A, each within its "
        f"rounding: linear programme of {len(table)} x {len(table) + 1} cells",
        "one exists" if possible else f"none; the first if each is off by {smallest_half_width(table):.3f}",
        possible=possible,
        yes="Some matrix gives all three columns.",
        no="No matrix does, with or without photos left without an answer, however many photos a type has.",
    )

    answered = answered_interval(table)
    working = "; ".join(f"{r:.3f}/{p:.3f}" for p, r in zip(table["precision"], table["recall"], strict=True))
    if answered[0] > 1 + SLACK:
        verdict, why = IMPOSSIBLE, "Each type is answered more often than it occurs: too many answers."
    elif answered[1] < 1 - SLACK:
        verdict = UNKNOWN
        why = (
            "Precision is above recall for every type, so that each is answered less often than it occurs: "
            f"at least {1 - answered[1]:.1%} of the photos got no answer. A detector may give none; not said."
        )
    else:
        verdict, why = CONSISTENT, "Every photo may have got one answer."
    claims = ", ".join(f"{name} {metric}" for name in table.index for metric in ("precision", "recall"))
    working = f"answers/photos of a type = R/P: {working}"
    audit.add(claims, "", "as many answers as photos", working, _span(answered), verdict, why)
    return audit.frame()


def audit_accuracy_column(table: pd.DataFrame, place: str) -> pd.DataFrame:
    """Whether the column "Accuracy" could be recall, or TP/(TP+FP+FN), instead of one-vs-rest accuracy."""
    accuracies = [rounding_interval(value) for value in table["accuracy"]]
    recalls = [rounding_interval(value) for value in table["recall"]]
    pairs = [f1_interval(p, r) for p, r in table[["precision", "recall"]].to_numpy()]
    jaccards = [(low / (2 - low), high / (2 - high)) for low, high in pairs]  # TP/(TP+FP+FN) = F1/(2-F1)
    fits = [sum(map(overlap, accuracies, reading)) for reading in (recalls, jaccards)]
    audit = _Rows(place)
    audit.decide(
        ", ".join(f"{name} accuracy" for name in table.index),
        _list(table["accuracy"]),
        "the column read as recall, or as TP/(TP+FP+FN)",
        f"recall {_list(table['recall'])}; 1/(1/P + 1/R - 1) in "
        f"{', '.join(_span(span, 3) for span in jaccards)}",
        f"fit: {fits[0]} and {fits[1]} of {len(table)} types",
        possible=len(table) in fits,
        yes="Another reading of the column fits as well.",
        no="Neither reading fits; one-vs-rest accuracy is the one left.",
    )
    return audit.frame()


def audit_headline(table: pd.DataFrame, headline: dict[str, float], place: str = VII) -> pd.DataFrame:
    """Check headline figures against the table they should summarise, reading by reading.

    Args:
        table: As for :func:`audit_table`.
        headline: accuracy, precision, recall and f1, fractions of three decimals.
        place: Where they stand.

    Returns:
        The audit, columns as in :func:`carseg_lib.paper.audit.audit`. The column "check" names the reading: a
        figure made by another one may well be impossible under it.
    """
    audit = _Rows(place)
    ends = {metric: rounding_interval(value) for metric, value in headline.items()}

    def decide(metrics: tuple[str, ...], *texts: str, **verdict: Any) -> None:
        claims = ", ".join(f"headline {metric}" for metric in metrics)
        audit.decide(claims, ", ".join(f"{headline[metric]:.1%}" for metric in metrics), *texts, **verdict)

    for metric in ("precision", "recall", "f1", "accuracy"):
        column, span = table[metric], mean_interval(table[metric])
        decide(
            (metric,),
            "macro average of the table's column",
            f"({_list(column, ' + ')})/{len(column)} = {column.mean():.5f} ± {HALF_WIDTH}",
            _span(span),
            possible=overlap(span, ends[metric]),
            yes="The plain average of the column.",
            no=f"Off by {_signed(100 * (headline[metric] - column.mean()), 1)} points; rounding explains 0.1.",
        )

    averages = {metric: headline[metric] for metric in ("precision", "recall", "f1")}
    gap = weighting_gap(table, averages)
    decide(
        tuple(averages),
        "any one weighting of the table's rows, by support for example",
        "weights w ≥ 0, sum 1, Σ w·P, Σ w·R and Σ w·F1 nearest to the headline: linear programme",
        f"the nearest misses by {100 * gap:.1f} points",
        possible=gap <= 2 * HALF_WIDTH + SOLVER_SLACK,
        yes="Some weighting of the rows gives all three.",
        no="No weighting gives the three together; rounding explains 0.1 points.",
    )

    column = table["accuracy"]
    decide(
        ("accuracy",),
        "some weighting of the table's accuracies",
        f"between the smallest, {min(column):.3f}, and the largest, {max(column):.3f}",
        _span((min(column), max(column)), 3),
        possible=weighting_gap(table, {"accuracy": headline["accuracy"]}) <= 2 * HALF_WIDTH + SOLVER_SLACK,
        yes="Weights exist; but such an average is not the share of photos answered rightly.",
        no="No average of the column, whatever the weights.",
    )

    most = f1_interval(headline["precision"], headline["recall"])[1]
    decide(
        ("f1",),
        "F1 against headline precision and recall",
        f"2PR/(P+R) = {f1(headline['precision'], headline['recall']):.5f}; F1 is concave in P and R, so "
        "an average "
        "F1 is at most the F1 of the averages with the same weights",
        f"at most {most:.5f}",
        possible=ends["f1"][0] <= most + SLACK,
        yes=(
            f"It stands for {_span(ends['f1'])}: "
            f"allowed{'' if headline['f1'] <= most else ', by its rounding only'}."
        ),
        no="An average F1 is never above the harmonic mean of average precision and recall.",
    )

    decide(
        ("recall", "accuracy"),
        "recall averaged by support, or pooled, is overall accuracy",
        "Σ s·R = Σ TP / photos = overall accuracy",
        _span(ends["accuracy"]),
        possible=overlap(ends["recall"], ends["accuracy"]),
        yes="They are equal.",
        no="They differ: under this reading they are not of the same photos.",
    )

    recalls = accuracy_from_recalls(table)
    decide(
        ("accuracy",),
        "overall accuracy of the table's photos, by recall",
        f"Σ s·R is between the smallest R, {min(table['recall']):.3f}, and the largest, "
        f"{max(table['recall']):.3f}",
        _span(recalls),
        possible=overlap(recalls, ends["accuracy"]),
        yes="Between the smallest and the largest recall.",
        no=(
            "An average of the recalls lies among them: this is of other photos, another epoch or another "
            "measure."
        ),
    )

    errors = 1 - table["accuracy"]
    working = f"E = Σ (1-A) = {_list(errors, ' + ')} = {errors.sum():.3f}; a wrong answer counts twice"
    for all_answered, reading, ends_text in (
        (True, "each photo answered", f": 1 - E/2 = {1 - errors.sum() / 2:.4f}"),
        (False, "photos without an answer allowed", ", a missing one once: from 1 - E to 1 - E/2"),
    ):
        span = accuracy_from_errors(table, all_answered=all_answered)
        decide(
            ("accuracy",),
            f"overall accuracy of the table's photos, by one-vs-rest errors; {reading}",
            working + ends_text,
            _span(span),
            possible=overlap(span, ends["accuracy"]),
            yes="The one-vs-rest accuracies allow it.",
            no="The one-vs-rest accuracies rule it out for the same photos.",
        )
    return audit.frame()
