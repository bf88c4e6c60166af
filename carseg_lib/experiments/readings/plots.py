"""Figures of the readings: the specification curve, and training beside validation accuracy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from carseg_lib.core.formatting import percent
from carseg_lib.experiments.readings.results import REPORTED, answer, shared_options, short_titles, specifications
from carseg_lib.reporting.plots.style import (
    GRID,
    INK,
    PAPER_COLOUR,
    QUIET,
    SPLIT_COLOURS,
    AccessibleFigure,
    add_title,
    empty_figure,
    new_figure,
    with_theme,
)

VERDICT_COLOURS = {  # of a point of the curve
    "equivalent": SPLIT_COLOURS["train"],
    "above": SPLIT_COLOURS["train"],
    "below": SPLIT_COLOURS["validation"],
    "too few photos to tell": QUIET,
}


@with_theme
def specification_curve(results: Mapping[str, Any]) -> AccessibleFigure:
    """All readings sorted by accuracy, with intervals; the choices of each below it; the paper's number across.

    Args:
        results: results.json, see `results.readings_results`.
    """
    title = f"Validation accuracy under each reading of the paper ({results['data']})"
    if not results["readings"]:
        return empty_figure(title, "No reading has been trained yet.")
    points = specifications(results)
    rows = _choice_rows(results, points)
    places = np.arange(len(points))
    figure = new_figure(10.4, 3.4 + 0.2 * len(rows))
    top, below = figure.subplots(2, 1, sharex=True, height_ratios=[3.4, 0.2 * len(rows)])
    claimed, margin = results["claimed"], results["margin"]
    top.axhspan(100 * (claimed - margin), 100 * (claimed + margin), color=PAPER_COLOUR, alpha=0.08, linewidth=0)
    top.axhline(100 * claimed, color=PAPER_COLOUR, linewidth=1.2)
    top.annotate(
        f"paper: {percent(claimed)}",
        (0, 100 * claimed),
        xytext=(2, 3),
        textcoords="offset points",
        color=PAPER_COLOUR,
        size=8.5,
    )
    for verdict, colour in VERDICT_COLOURS.items():
        at = (points.verdict == verdict).to_numpy()
        if not at.any():
            continue
        values, low, high = (100 * points.loc[at, key].to_numpy() for key in ("value", "low", "high"))
        filled = colour if verdict in ("equivalent", "above") else "white"
        top.errorbar(
            places[at],
            values,
            yerr=[np.maximum(values - low, 0), np.maximum(high - values, 0)],
            fmt="o",
            color=colour,
            markerfacecolor=filled,
            markersize=4.5,
            elinewidth=1,
            capsize=0,
            label=f"{verdict} ({at.sum()})",
        )
    top.set_ylabel("validation accuracy, %")
    top.grid(True, axis="y")
    top.legend(loc="lower right", title="beside the paper's number", title_fontsize=8.5)
    for row, (name, option, label) in enumerate(rows):
        chosen = (points[name] == option).to_numpy()
        below.scatter(places, np.full(len(points), row), s=5, color=GRID, linewidths=0)
        below.scatter(places[chosen], np.full(chosen.sum(), row), s=16, color=INK, linewidths=0)
        below.annotate(
            label, (0, row), xytext=(-8, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
            ha="right", va="center", size=8, color=INK,
        )  # fmt: skip
    for row in range(1, len(rows)):
        if rows[row][0] != rows[row - 1][0]:
            below.axhline(row - 0.5, color=GRID, linewidth=0.8)
    below.set_ylim(len(rows) - 0.4, -0.6)
    below.set_yticks([])
    below.set_xticks([])
    below.set_xlabel(
        f"{len(points)} points: {len(results['readings'])} readings × {len(REPORTED)} meanings of accuracy"
    )
    for axes in (top, below):
        axes.set_xlim(-0.7, len(points) - 0.3)
    seeds = sorted({one["seeds"] for one in results["readings"]})
    trainings = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    note = (
        f"{results['training_photos']:,} training photos, {results['epochs']} epochs, trainings a reading: "
        f"{trainings}, n = {results['photos']:,} validation photos. Bars: 95% intervals. Band: the paper's number ± "
        f"{100 * margin:.0f} points. Filled: equivalent to it (two one-sided tests) or above. {shared_options(results)}"
    ).rstrip()
    return add_title(figure, title, note, alt=" ".join([title + ".", *answer(results)]))


def _choice_rows(results: Mapping[str, Any], points: pd.DataFrame) -> list[tuple[str, str, str]]:
    """The rows below the curve: choice, option and label, of choices with more than one option in it."""
    rows = []
    for name, choice in results["choices"].items():
        used = [option for option in choice["options"] if (points[name] == option).any()]
        if len(used) > 1:
            rows += [(name, option, f"{name}: {choice['options'][option]}") for option in used]
    return rows + [("reported", measure, f"accuracy: {words}") for measure, words in REPORTED.items()]


@with_theme
def training_beside_validation(results: Mapping[str, Any]) -> AccessibleFigure:
    """Mean training and validation accuracy of each reading over the epochs, and the paper's 87.6% and 91.2%.

    Args:
        results: results.json, see `results.readings_results`.
    """
    title = "Is validation above training, as in the paper?"
    readings = sorted(results["readings"], key=lambda one: one["mean"]["value"])
    if not readings:
        return empty_figure(title, "No reading has been trained yet.")
    figure = new_figure(10.4, 0.8 + 0.3 * (len(readings) + 1))
    axes = figure.subplots()
    titles = short_titles(results)
    values = [
        (titles[one["name"]], one["training_running"], one["training_clean"], one["mean"]["value"]) for one in readings
    ] + [("the paper", results["claimed_training"], None, results["claimed"])]
    markers = (
        ("running training accuracy, augmented photos", "o", "white", SPLIT_COLOURS["train"]),
        ("training accuracy, photos as they are", "s", "white", QUIET),
        ("validation accuracy", "D", SPLIT_COLOURS["validation"], SPLIT_COLOURS["validation"]),
    )
    for place, (_, running, clean, validation) in enumerate(values):
        axes.plot([100 * running, 100 * validation], [place, place], color=GRID, linewidth=2.5, zorder=0)
        for value, (_, marker, fill, edge) in zip((running, clean, validation), markers, strict=True):
            if value is not None:
                colour = PAPER_COLOUR if place == len(readings) else edge
                face = colour if fill != "white" else "white"
                axes.plot(100 * value, place, marker, color=colour, markerfacecolor=face, markersize=5.5)
    handles = [
        axes.plot([], [], marker, color=edge, markerfacecolor=fill, label=label)[0]
        for label, marker, fill, edge in markers
    ]
    figure.legend(handles=handles, loc="outside lower left", ncols=3)
    axes.set_ylim(-0.6, len(values) - 0.4)
    axes.set_yticks(range(len(values)), [label for label, *_ in values], size=8)
    axes.set_xlabel("accuracy, mean over the epochs, %")
    axes.grid(True, axis="x")
    above = sum(one["mean"]["value"] > one["training_running"] for one in readings)
    note = (
        f"Means over {results['epochs']} epochs and all trainings; n = {results['photos']:,} validation photos. In "
        f"{above} of {len(readings)} readings validation is above the running training accuracy."
    )
    return add_title(figure, title, note)
