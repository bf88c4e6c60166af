"""Reports computed from confusion matrices, printed as papers print them."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from carseg_lib.paper.printed import Printed, Rounding
from carseg_lib.paper.report import METRICS, Report

KINDS = ("macro", "weighted", "micro")


def random_matrix(
    rng: np.random.Generator, photos: int, classes: int = 4, *, abstentions: bool = False, usable: bool = False
) -> np.ndarray:
    """Photos counted by (true class, predicted class or none); classes of any size, from poor models to good ones.

    `usable`: a model that is mostly right, on classes that are not rare, as papers report them.
    """
    shares = rng.dirichlet(np.full(classes, 4.0 if usable else rng.choice([0.5, 1.0, 4.0])))
    skill = rng.uniform(0.6 if usable else 0.2, 0.98, classes)
    rows = []
    for i, count in enumerate(rng.multinomial(photos, shares)):
        errors = rng.dirichlet(np.ones(classes + 1)) * (1 - skill[i])
        if not abstentions:
            errors[-1] = 0
        errors[i] += 1 - errors.sum()
        rows.append(rng.multinomial(count, errors))
    return np.array(rows)


def _ratio(part: float, whole: float) -> float:
    return float(part) / float(whole) if whole else 0.0


def scores_of(matrix: np.ndarray) -> dict[str, np.ndarray]:
    """Precision, recall, F1 and one-vs-rest accuracy of each class; 0 for 0/0."""
    k = len(matrix)
    t, s, c = np.diag(matrix[:, :k]), matrix.sum(axis=1), matrix[:, :k].sum(axis=0)
    return {
        "precision": np.array([_ratio(a, b) for a, b in zip(t, c, strict=True)]),
        "recall": np.array([_ratio(a, b) for a, b in zip(t, s, strict=True)]),
        "f1": np.array([_ratio(2 * a, b) for a, b in zip(t, s + c, strict=True)]),
        "accuracy": 1 - (s + c - 2 * t) / matrix.sum(),
    }


def averages_of(matrix: np.ndarray, kind: str) -> dict[str, float]:
    """The averages of one kind; "accuracy" is overall for micro, else the mean of the one-vs-rest accuracies."""
    k = len(matrix)
    right, predicted, photos = np.trace(matrix[:, :k]), matrix[:, :k].sum(), matrix.sum()
    if kind == "micro":
        return {
            "precision": _ratio(right, predicted),
            "recall": _ratio(right, photos),
            "f1": _ratio(2 * right, photos + predicted),
            "accuracy": _ratio(right, photos),
        }
    weights = matrix.sum(axis=1) / photos if kind == "weighted" else np.full(k, 1 / k)
    return {metric: float(weights @ values) for metric, values in scores_of(matrix).items()}


def overall_accuracy(matrix: np.ndarray) -> float:
    return _ratio(np.trace(matrix[:, : len(matrix)]), matrix.sum())


def print_rate(value: float, digits: int, rule: str) -> Printed:
    """A rate as a paper prints it: rounded, truncated or rounded up."""
    scale = 10**digits
    shown = {"nearest": value, "down": math.floor(value * scale) / scale, "up": math.ceil(value * scale) / scale}[rule]
    return Rounding(rule).read(f"{shown:.{digits}f}")


def report_of(
    matrix: np.ndarray,
    digits: int = 3,
    rule: str = "nearest",
    *,
    columns: tuple[str, ...] = METRICS,
    headline: Mapping[str, float] | None = None,
    photos: bool = False,
    support: bool = False,
    averages: bool = False,
) -> Report:
    """The printed report of a matrix, with as much as is asked for."""
    names = tuple(f"class{i}" for i in range(len(matrix)))
    scores = scores_of(matrix)
    cells = {
        (name, metric): print_rate(float(scores[metric][i]), digits, rule)
        for metric in columns
        for i, name in enumerate(names)
    }

    def printed(rates: Mapping[str, float]) -> dict[str, Printed]:
        return {metric: print_rate(rate, digits, rule) for metric, rate in rates.items()}

    return Report(
        names,
        cells,
        averages={kind: printed(averages_of(matrix, kind)) for kind in KINDS} if averages else {},
        accuracy=print_rate(overall_accuracy(matrix), digits, rule) if averages else None,
        support=tuple(int(count) for count in matrix.sum(axis=1)) if support else (),
        headline=printed(headline or {}),
        photos=int(matrix.sum()) if photos else None,
        place="a true report",
    )


def random_report(rng: np.random.Generator, number: int) -> tuple[np.ndarray, Report]:
    """The report of a random matrix of 20 to 8,434 photos; every other one with photos that have no prediction."""
    photos = int(np.exp(rng.uniform(np.log(20), np.log(8434))))
    matrix = random_matrix(rng, photos, int(rng.integers(2, 6)), abstentions=number % 2 == 1)
    headline = averages_of(matrix, KINDS[number % 3])
    if number % 4 < 2:
        headline["accuracy"] = overall_accuracy(matrix)
    columns = METRICS if number % 5 else METRICS[:3]
    report = report_of(
        matrix,
        digits=2 if number % 7 < 3 else 3,
        rule=("nearest", "nearest", "down", "up")[number % 4],
        columns=columns,
        headline=headline,
        photos=number % 3 == 0,
        support=number % 11 == 0,
        averages=number % 4 == 0,
    )
    return matrix, report
