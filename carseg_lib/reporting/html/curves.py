"""Curves over the epochs as lines of SVG, with the value of each point; the page draws them without a script."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from carseg_lib.core.formatting import percent

WIDTH, HEIGHT = 100.0, 100.0  # of the drawing, units


@dataclass(frozen=True)
class Curve:
    """One line of a chart."""

    name: str
    kind: str  # its class in the style sheet: "train" or "validation"
    line: str  # `points` of an SVG polyline
    points: list[tuple[float, float, str]]  # x, y in units of the drawing, and the value in words


@dataclass(frozen=True)
class Chart:
    """Curves on common axes."""

    title: str
    curves: list[Curve]
    levels: list[tuple[float, str]]  # horizontal lines: y in units of the drawing, and label
    epochs: list[tuple[float, int]]  # labels of the axis: x in units of the drawing, and epoch


def training_charts(history: Sequence[Mapping[str, Any]]) -> list[Chart]:
    """Accuracy and loss over the epochs; none for fewer than two epochs.

    Args:
        history: rows of history.csv.
    """
    if len(history) < 2:
        return []
    accuracy = {"training": "train_accuracy", "validation": "validation_accuracy"}
    loss = {"training": "train_loss", "validation": "validation_loss"}
    charts = [
        _chart("Accuracy (in training: of a fixed sample)", history, accuracy, percent, _share_levels),
        _chart("Loss, logarithmic", history, loss, lambda value: f"{value:.3f}", _log_levels, math.log10),
    ]
    return [chart for chart in charts if chart]


def _chart(
    title: str,
    history: Sequence[Mapping[str, Any]],
    columns: Mapping[str, str],
    words: Callable[[float], str],
    levels: Callable[[float, float], Iterable[float]],
    scale: Callable[[float], float] = lambda value: value,
) -> Chart | None:
    """A chart of some columns; None where one is missing or has a value that cannot be drawn."""
    known = [row.get(column) for row in history for column in columns.values()]
    if any(value is None or (scale is math.log10 and value <= 0) for value in known):
        return None
    values = {name: [float(row[column]) for row in history] for name, column in columns.items()}
    drawn = [value for column in values.values() for value in column]
    epochs = [int(row["epoch"]) for row in history]
    marks = sorted(levels(min(drawn), max(drawn)))
    low, high = scale(min([*drawn, *marks])), scale(max([*drawn, *marks]))

    def x(k: int) -> float:
        return round(WIDTH * k / (len(epochs) - 1), 2)

    def y(value: float) -> float:
        return round(HEIGHT * (1 - (scale(value) - low) / ((high - low) or 1)), 2)

    curves = []
    for name, column in values.items():
        points = [(x(k), y(v), f"epoch {epochs[k]}, {name}: {words(v)}") for k, v in enumerate(column)]
        kind = "train" if name == "training" else "validation"
        curves.append(Curve(name, kind, " ".join(f"{a},{b}" for a, b, _ in points), points))
    every = max(1, math.ceil(len(epochs) / 8))
    labels = [(x(k), epoch) for k, epoch in enumerate(epochs) if k % every == 0]
    told = [(y(mark), f"{mark:g}" if scale is math.log10 else percent(mark, 0)) for mark in marks]
    return Chart(title, curves, told, labels)


def _share_levels(low: float, _: float) -> list[float]:
    """Four or five round shares up to 100%, the lowest not above the lowest value."""
    step = next((step for step in (0.02, 0.05, 0.1, 0.2) if 1 - 4 * step <= low), 0.25)
    return [round(1 - k * step, 2) for k in range(5) if 1 - (k - 1) * step > low]


def _log_levels(low: float, high: float) -> list[float]:
    """1, 2 and 5 times the powers of ten around the values, at least two of them.

    Three such numbers in a row span a factor of 4 or 5, so that any range of a factor of 5 holds two.
    """
    powers = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)
    steps = [times * 10.0**power for power in powers for times in (1, 2, 5)]
    return [step for step in steps if 0.446 * low <= step <= 2.242 * high]
