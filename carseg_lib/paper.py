"""What the paper claims, as data with its place in the text, and the audit of its arithmetic.

Rates are fractions (0..1), also where the paper prints percent. A printed rate stands for every value that
rounds to it: 0.814 for [0.8135, 0.8145], 91.2% for [0.9115, 0.9125]. A check calls a number impossible only
when no values inside these intervals fit, so that rounding alone can never be the reason. Intervals are
closed: nothing is assumed about the way halves are rounded.

A confusion matrix here has a row per true type and a column per answered type, in shares of all photos, and
may have one more column: photos that got no answer ("no car found"), which count as missed and as nothing
else.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import linprog

from carseg_lib.errors import CarsegError

CONSISTENT = "consistent"
IMPOSSIBLE = "impossible as printed"
UNKNOWN = "cannot be judged"

HALF_WIDTH = 0.0005  # of the interval behind a fraction of three decimals, or a percentage of one
SLACK = 1e-9  # for float error in comparisons; far below HALF_WIDTH
SOLVER_SLACK = 1e-6  # above the linear solver's own tolerance, 1e-7: it must not decide a verdict

Interval = tuple[float, float]

III, V = "III. Data", "V. Implementations and experiments"
VI, VII = "VI. Results", "VII. Discussions and conclusions"
TABLE = "VI. Results, Table 1"


@dataclass(frozen=True)
class Claim:
    """One number of the paper: its name, value, how it is printed, its section and the words around it."""

    what: str
    value: float | tuple[float, ...]
    printed: str
    section: str
    quote: str

    @property
    def place(self) -> str:
        """Section and quote, as one text."""
        return f"{self.section}: “{self.quote}”"


METRICS = ("precision", "recall", "f1", "accuracy")  # Table 1's columns, in its order
_CELLS = {  # body type: as Table 1 prints its row
    "suv": "0.814 0.781 0.890 0.825",
    "sedan": "0.750 0.717 0.672 0.876",
    "convertible": "0.961 0.527 0.897 0.954",
    "minivan": "0.992 0.899 0.871 0.927",
}
_HEADLINE = "91.2% accuracy, 89.6% F1-Score, 90.4% precision, and 88.7% recall"

CLAIMS: tuple[Claim, ...] = (
    Claim("photos", 8434, "8,434", III, "it has 8,434 images"),
    Claim("training photos", 4957, "4,957", III, "The dataset used for training consists of 4,957 images"),
    Claim("validation photos", 2887, "2,887", III, "The dataset for validation consists of 2,887"),
    Claim("test photos", 590, "590", III, "consists of 590 images"),
    Claim("body types", 4, "four", III, "four different categories of car"),
    Claim("photo size", (160, 240), "160 x 240", III, "All the images are of the size (160 x 240)"),
    Claim("input size", 224, "224", III, "An image size of 224 served as the basis for the resizing"),
    Claim(
        "flip interval", (-90, 90), "[-90, 90]", III, "The image was flipped using an interval of [-90, 90]"
    ),
    Claim("rotation interval", (-90, 90), "[-90, 90]", V, "by rotating it in a range of [-90, 90]"),
    Claim(
        "mean", (0.485, 0.456, 0.406), "[0.485, 0.456, 0.406]", V, "specified mean of [0.485, 0.456, 0.406]"
    ),
    Claim(
        "std",
        (0.229, 0.224, 0.225),
        "[0.229, 0.224, 0.225]",
        V,
        "standard deviation of [0.229, 0.224, 0.225]",
    ),
    Claim("batch size", 8, "eight", V, "a batch size of eight was used"),
    Claim("learning rate", 0.002, "0.002", V, "The Adam optimizer was defined with a 0.002 learning rate"),
    Claim("epochs", 30, "thirty", V, "during the thirty training epochs"),
    Claim("average validation accuracy", 0.912, "91.2%", VI, "the average validation accuracy was 91.2%"),
    Claim("average training accuracy", 0.876, "87.6%", VI, "the average training accuracy was 87.6%"),
    *(
        Claim(f"{body_type} {metric}", float(cell), cell, TABLE, f"{body_type.upper()} {row}")
        for body_type, row in _CELLS.items()
        for metric, cell in zip(METRICS, row.split(), strict=True)
    ),
    Claim("headline accuracy", 0.912, "91.2%", VII, _HEADLINE),
    Claim("headline precision", 0.904, "90.4%", VII, _HEADLINE),
    Claim("headline recall", 0.887, "88.7%", VII, _HEADLINE),
    Claim("headline f1", 0.896, "89.6%", VII, _HEADLINE),
)
_BY_NAME = {claim.what: claim for claim in CLAIMS}

TABLE_1 = pd.DataFrame(
    {
        metric: {body_type: _BY_NAME[f"{body_type} {metric}"].value for body_type in _CELLS}
        for metric in METRICS
    }
)
"""Table 1: index body type (suv, sedan, convertible, minivan), columns precision, recall, f1, accuracy."""

HEADLINE = {metric: _BY_NAME[f"headline {metric}"].value for metric in METRICS}
"""The conclusion's four figures, by metric."""


def claim(what: str) -> Claim:
    """The claim of this name, for example ``claim("suv recall")``; KeyError if the paper makes none."""
    return _BY_NAME[what]


# --- The arithmetic. Tables have TABLE_1's columns, any number of rows, printed values of three decimals. ---


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

    The errors per photo of the type, 1 - 2R + R/P, fall with P and are linear in R, so that their extremes
    are at corners of the rounding box. Where P may be 0 (no right answer) false alarms are free, and s may be
    0.
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
    ends = [rounding_interval(value) for value in column]
    return sum(low for low, _ in ends) / len(ends), sum(high for _, high in ends) / len(ends)


def answered_interval(table: pd.DataFrame) -> Interval:
    """The share of photos that got an answer, by precision and recall; contains 1 if every photo got one.

    A type is answered R/P times as often as it occurs (TP = R·true = P·answered); the share of answered
    photos is the average of these ratios, weighted by support, and so between the smallest and the largest.
    High may be infinite (a precision that may be 0). A low end above 1 is impossible: more answers than
    photos.
    """
    lows, highs = [], []
    for precision, recall in zip(table["precision"], table["recall"], strict=True):
        (p_low, p_high), (r_low, r_high) = rounding_interval(precision), rounding_interval(recall)
        lows.append(r_low / p_high if p_low > 0 else 0.0)
        highs.append(r_high / p_low if p_low > 0 else math.inf)
    return min(lows), max(highs)


def accuracy_from_recalls(table: pd.DataFrame) -> Interval:
    """Overall accuracies that the recalls allow: it is their average weighted by support, so min R..max R."""
    ends = [rounding_interval(value) for value in table["recall"]]
    return min(low for low, _ in ends), max(high for _, high in ends)


def accuracy_from_errors(table: pd.DataFrame, *, all_answered: bool) -> Interval:
    """Overall accuracies that the one-vs-rest accuracies allow.

    A wrong answer is an error twice (the true type misses it, the answered type has a false alarm), a missing
    answer once: with E = sum of (1-A) and e wrong photos of which n have no answer, E = 2e - n and 0 <= n <=
    e. So e = E/2 if every photo has an answer, and E/2 <= e <= E otherwise.
    """
    ends = [rounding_interval(value) for value in table["accuracy"]]
    fewest, most = sum(1 - high for _, high in ends), sum(1 - low for low, _ in ends)
    return max(0.0, 1 - (most / 2 if all_answered else most)), 1 - fewest / 2


def correct_counts(rate: float, photos: int) -> range:
    """The whole numbers of right photos, of so many, that are printed as this rate. May be empty."""
    low, high = rounding_interval(rate)
    return range(math.ceil(low * photos - SLACK * photos), math.floor(high * photos + SLACK * photos) + 1)


def matrix_exists(
    table: pd.DataFrame,
    columns: tuple[str, ...] = ("precision", "recall", "accuracy"),
    half_width: float = HALF_WIDTH,
) -> bool:
    """Whether any one confusion matrix gives these columns of the table, each value to ± half_width.

    A linear programme decides it: the variables are the cells (shares of all photos, at least 0, sum 1),
    photos without an answer among them. With t the diagonal, s the row sum and c the column sum of a type,
    each printed value bounds a linear form: recall t = s·R, precision t = c·P, F1 2t = (s+c)·F, accuracy s +
    c - 2t = 1 - A. Shares need not be whole numbers of photos: False is final, True is not a proof.
    """
    k = len(table)
    cells = np.eye(k * (k + 1)).reshape(k, k + 1, -1)  # (true, answer, variable); the last answer is "none"
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
    result = linprog(
        np.zeros(variables),
        A_ub=np.array(rows),
        b_ub=np.array(bounds),
        A_eq=np.ones((1, variables)),
        b_eq=[1.0],
        method="highs",
    )
    if result.status not in (0, 2):  # solved, infeasible
        raise ArithmeticError(f"linear programme undecided: {result.message}")
    return result.status == 0


def smallest_half_width(
    table: pd.DataFrame, columns: tuple[str, ...] = ("precision", "recall", "accuracy")
) -> float:
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
    result = linprog(
        [0.0] * k + [1.0], A_ub=rows, b_ub=bounds, A_eq=[[1.0] * k + [0.0]], b_eq=[1.0], method="highs"
    )
    return float(result.fun)


# --- The audit: a row per check of a number, in words. ------------------------------------------------------

COLUMNS = ("claim", "printed", "place", "check", "working", "implied", "verdict", "why")


def _span(interval: Interval, digits: int = 4) -> str:
    low, high = (f"{end:.{digits}f}" if math.isfinite(end) else "∞" for end in interval)
    return f"{low}…{high}"


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
        The audit, columns as in :func:`audit`. A table computed from any confusion matrix and rounded to
        three decimals has no row "impossible as printed".
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
            no=f"Off by {printed - middle:+.3f}. {off}",
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


def _audit_accuracy_column(table: pd.DataFrame, place: str) -> pd.DataFrame:
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
        The audit, columns as in :func:`audit`. The column "check" names the reading: a figure made by another
        one may well be impossible under it.
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
            no=f"Off by {100 * (headline[metric] - column.mean()):+.1f} points; rounding explains 0.1.",
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


def _counts(rate: float, photos: int) -> tuple[str, str, str]:
    """Working, what is implied, and the verdict on a rate as whole photos of so many."""
    low, high = (end * photos for end in rounding_interval(rate))
    counts = correct_counts(rate, photos)
    implied = "…".join(dict.fromkeys(f"{end:,}" for end in (counts[0], counts[-1]))) if counts else "none"
    working = (
        f"{photos:,}·{rate - HALF_WIDTH:.4f} = {low:,.2f}, {photos:,}·{rate + HALF_WIDTH:.4f} = {high:,.2f}"
    )
    return working, implied, CONSISTENT if counts else IMPOSSIBLE


def _audit_setup() -> pd.DataFrame:
    """The counts and settings, and what can be said of the two accuracies without the table."""
    train, validation, test = (
        int(claim(f"{split} photos").value) for split in ("training", "validation", "test")
    )
    total, steps, last = train + validation + test, math.ceil(train / 8), train % 8
    gap, se = 0.912 - 0.876, math.sqrt(0.912 * 0.088 / validation + 0.876 * 0.124 / train)
    checks = (  # claims, check, working, implied, verdict, why
        (("photos", "training photos", "validation photos", "test photos"), "the split's sum",
         f"4,957 + 2,887 + 590 = {total:,}; {train / total:.1%}, {validation / total:.1%}, "
         f"{test / total:.1%}",
         f"{total:,}", CONSISTENT, "The three splits make the whole."),
        (("photos",), "a published set of this size",
         "Stanford Cars, class names ending in these words: 2,855 SUV + 3,787 sedan + 2,058 convertible + "
         "498 minivan = 9,198", "9,198", UNKNOWN,
         "The data set is neither named nor linked, and no public one with this count was found."),
        (("body types",), "rows of Table 1", f"{len(TABLE_1)} rows", f"{len(TABLE_1)}", CONSISTENT,
         "One row for each type."),
        (("photo size",), "the same in III and V", "(160 x 240); “from 160 X 240 to 224 X 224”", "160 x 240",
         CONSISTENT, "Which one is the height is not said; photos of cars are mostly wider than high."),
        (("input size",), "160 x 240 to 224 x 224", "224/160 = 1.400, 224/240 = 0.933; 1.400/0.933 = 1.5",
         "a stretch by 1.5, or a crop", UNKNOWN,
         "III crops and resizes, V only resizes; neither says how much is cropped or whether shape is kept."),
        (("flip interval", "rotation interval"), "III against V",
         "III flips “using an interval of [-90, 90]”; V rotates “in a range of [-90, 90]”, then flips",
         "rotation within ±90°, and a flip", UNKNOWN,
         "A flip has no interval. III may mean V's rotation by any angle, quarter turns, or a plain flip."),
        (("mean", "std"), "the same in III and V; known values", "ImageNet's channel means and deviations",
         "ImageNet's", CONSISTENT,
         "III normalises, then makes the tensor; V the other way round, which is how torchvision does it."),
        (("batch size",), "steps of an epoch", f"4,957 = {train // 8}·8 + {last}", f"{steps} steps",
         CONSISTENT, "V and VII agree."),
        (("epochs",), "steps of the training", f"30·{steps} = {30 * steps:,}", f"{30 * steps:,} steps",
         CONSISTENT, "V, VI and VII agree."),
        (("learning rate",), "the same in V and VII", "0.002; 0.002", "0.002", CONSISTENT,
         "No schedule, warm-up or weight decay is given."),
        (("average validation accuracy",), "whole photos of the validation split",
         *_counts(0.912, validation), "A weak check: of a thousand photos or more, some count always fits."),
        (("average training accuracy",), "whole photos of the training split", *_counts(0.876, train),
         "A weak check, as for validation."),
        (("headline accuracy",), "whole photos of the test split", *_counts(0.912, test),
         "It may be of the test split."),
        (("headline recall",), "whole photos of the test split, if pooled", *_counts(0.887, test),
         "No count fits: if it is pooled recall, it is not of the test split."),
        (("average validation accuracy", "headline accuracy"), "the same in VI and VII", "91.2%; 91.2%",
         "91.2%", UNKNOWN,
         "VI calls it an average (of epochs, batches or types?), VII the model's accuracy. An average over "
         "epochs is of no one model; otherwise what holds for the headline holds for it."),
        (("average training accuracy", "average validation accuracy"), "validation above training",
         f"{100 * gap:.1f} points; standard error √(0.912·0.088/2,887 + 0.876·0.124/4,957) = "
         f"{100 * se:.2f} points",
         f"{gap / se:.1f} standard errors", UNKNOWN,
         "Too much for chance, if one model met like photos. But training accuracy counted while the "
         "model learns, on augmented photos, is lower; how it was measured is not said."),
    )  # fmt: skip
    rows = []
    for names, *rest in checks:
        printed = ", ".join(dict.fromkeys(claim(name).printed for name in names))
        rows.append(
            (", ".join(names), printed, " · ".join(dict.fromkeys(claim(name).place for name in names)), *rest)
        )
    rows.append(("boxes and masks", "none", VI, "a figure for them", "no AP, no IoU", "none", UNKNOWN,
                 "The paper is about masks, but gives no figure for boxes or masks to compare."))  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))


def audit() -> pd.DataFrame:
    """Every number of the paper with its verdict.

    Returns:
        A row per check, all texts: claim (names of :data:`CLAIMS`, joined by ", "), printed, place (section,
        quote), check, working, implied (what the working allows), verdict (:data:`CONSISTENT`,
        :data:`IMPOSSIBLE` or :data:`UNKNOWN`) and why. A verdict holds under the reading that "check" names.
    """
    parts = (
        _audit_setup(),
        audit_table(TABLE_1),
        _audit_accuracy_column(TABLE_1, TABLE),
        audit_headline(TABLE_1, HEADLINE, claim("headline accuracy").place),
    )
    return pd.concat(parts, ignore_index=True)


# --- Beside our own numbers. --------------------------------------------------------------------------------


def compare_with_paper(metrics: dict[str, Any], split: str) -> pd.DataFrame:
    """The paper's headline and Table 1 beside a run's numbers on one split.

    Args:
        metrics: metrics.json of a run.
        split: "validation" or "test".

    Returns:
        Columns what, paper, ours, low, high (95% interval), n, inside (whether the paper's figure lies within
        the interval; missing where there is none). Fractions. Precision, recall and F1 of the headline stand
        beside our macro averages; the two averages over epochs have no interval and are the same for any
        split.

    Raises:
        CarsegError: The run has no numbers for this split.
    """
    if split not in metrics["splits"]:
        known = ", ".join(metrics["splits"]) or "none"
        raise CarsegError(
            f"metrics.json has no split '{split}' (it has: {known}); evaluate it first or name another"
        )
    ours = metrics["splits"][split]
    training = metrics.get("training") or {}
    pairs = [
        ("average training accuracy", training.get("mean_train_accuracy")),
        ("average validation accuracy", training.get("mean_validation_accuracy")),
        ("headline accuracy", ours["accuracy"]),
        *((f"headline {metric}", ours["macro"][metric]) for metric in ("precision", "recall", "f1")),
        *(
            (f"{name} {m}", (ours["per_type"].get(name) or {}).get(m))
            for name in TABLE_1.index
            for m in METRICS
        ),
    ]
    rows = []
    for what, estimate in pairs:
        if not isinstance(estimate, dict):
            estimate = {"value": estimate}
        value, low, high = (
            math.nan if estimate.get(key) is None else float(estimate[key])
            for key in ("value", "low", "high")
        )
        paper = claim(what).value
        inside = pd.NA if math.isnan(low) or math.isnan(high) else low <= paper <= high
        rows.append((what, paper, value, low, high, estimate.get("n"), inside))
    table = pd.DataFrame(rows, columns=["what", "paper", "ours", "low", "high", "n", "inside"])
    return table.astype({"n": "Int64", "inside": "boolean"})
