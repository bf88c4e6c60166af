"""Figures of the sim-to-real experiment: the versions of the renderer, and pre-training on rendered photos."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from carseg_lib.core.formatting import percent
from carseg_lib.reporting.palette import class_color
from carseg_lib.reporting.plots.style import (
    INK,
    QUIET,
    AccessibleFigure,
    add_title,
    empty_figure,
    new_figure,
    percent_axis,
    with_theme,
)

RENDERED_COLOUR, OTHER_COLOUR = "#D55E00", "#4A6B8A"
MEASURES = {"accuracy": "accuracy", "mask_iou": "mask IoU (mean)"}
_LABEL: dict[str, Any] = {
    "textcoords": "offset points",
    "size": 8,
    "bbox": {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.6},
}
_BAR: dict[str, Any] = {"fmt": "o", "capsize": 0, "elinewidth": 2.2, "markersize": 6.5}


@with_theme
def versions(results: Mapping[str, Any]) -> AccessibleFigure:
    """Trained on rendered photos alone: accuracy, recall of each type, mask IoU on real photos, by results.json."""
    title = "Trained on rendered photos alone, measured on real ones"
    rows = [trial for trial in results["trials"] if trial["question"] == "version"]
    if not rows:
        return empty_figure(title, "No version has been trained yet.")
    with_masks = rows[0]["mask_iou"] is not None
    figure = new_figure(9.2, 0.9 + 0.42 * len(rows))
    panels = figure.subplots(1, 2 + with_masks, sharey=True, squeeze=False)[0]
    names = [row["version"] for row in rows]
    _dots(panels[0], [row["accuracy"] for row in rows], RENDERED_COLOUR)
    guess = most_frequent(results)
    panels[0].axvline(guess, color=QUIET, linewidth=1.1, linestyle=(0, (5, 3)), zorder=0)
    note = "Dot and bar: value and 95% interval. Dashed: always predicting the most frequent type"
    if real := _all_real(results):
        for axes, measure in zip(panels[:: 1 + with_masks], MEASURES, strict=False):
            if real[measure] is not None:
                axes.axvline(real[measure]["value"], color=OTHER_COLOUR, linewidth=1.4, zorder=0)
        note += f"; blue line: trained on {real['photos']:,} real photos instead, from {real['start']} weights"
    for body_type in results["evaluated"]["photos"]:
        shares = [row["recall"][body_type] for row in rows]
        places = [(share["value"], i) for i, share in enumerate(shares) if share]
        panels[1].plot(*zip(*places, strict=True), "o", color=class_color(body_type), label=body_type, alpha=0.9)
    labels = ["accuracy", "the same, of each type", "mask IoU (mean)"]
    if with_masks:
        _dots(panels[2], [row["mask_iou"] for row in rows], RENDERED_COLOUR)
    for axes, label in zip(panels, labels, strict=False):
        axes.set_xlim(0, 1)
        axes.set_yticks(range(len(rows)), names)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.grid(True, axis="x")
        axes.tick_params(axis="y", length=0)
        percent_axis(axes.xaxis, label)
    figure.legend(*panels[1].get_legend_handles_labels(), loc="outside lower left", ncols=4)
    photos = " or ".join(f"{number:,}" for number in sorted({row["photos"] for row in rows}))
    note = f"n = {rows[0]['accuracy']['n']:,} real validation photos; {photos} rendered training photos. {note}."
    found = "; ".join(f"{row['version']} {percent(row['accuracy']['value'])}" for row in rows)
    return add_title(figure, title, note, alt=f"{title}, accuracy: {found}. {note}")


@with_theme
def curve(results: Mapping[str, Any]) -> AccessibleFigure:
    """Accuracy and mask IoU by real training photos and start, under them the paired difference, by results.json."""
    title = "Does pre-training on rendered photos help?"
    points = results["curve"]
    if not points:
        return empty_figure(title, "No point of the curve has been trained yet.")
    measures = [m for m in MEASURES if points[0][m] is not None]
    pairs = [pair for pair in results["differences"] if pair["question"] == "curve"]
    numbers = sorted({point["photos"] for point in points})
    starts = sorted({point["start"] for point in points}, key=lambda start: start == "rendered")
    figure = new_figure(4.6 * len(measures), 5.2 if pairs else 3.2)
    heights = [2.2, 1] if pairs else [2.2]
    grid = figure.subplots(len(heights), len(measures), sharex=True, squeeze=False, height_ratios=heights)
    for column, measure in enumerate(measures):
        axes = grid[0][column]
        for start in starts:
            of_start = [point for point in points if point["start"] == start]
            places = [numbers.index(point["photos"]) for point in of_start]
            _bars(axes, places, [point[measure] for point in of_start], start, len(starts) > 1)
            _trainings(axes, results, numbers, start, measure)
        axes.set_title(MEASURES[measure])
        axes.grid(True, axis="y")
        percent_axis(axes.yaxis, "")
        if pairs:
            _pairs(grid[1][column], numbers, pairs, measure)
        grid[-1][column].set_xticks(range(len(numbers)), [f"{n:,}" for n in numbers])
        grid[-1][column].set_xlim(-0.4, len(numbers) - 0.6)
        grid[-1][column].set_xlabel("real training photos")
    figure.legend(*grid[0][0].get_legend_handles_labels(), loc="outside lower left", ncols=2)
    trainings = max(point["trainings"] for point in points)
    note = (
        f"n = {points[0]['accuracy']['n']:,} real validation photos; bars: 95% intervals over these photos; at each "
        "number both starts get the same photos and the same number of steps"
    )
    note += f"; means of {trainings} trainings, each a small dot" if trainings > 1 else ""
    note += "; 0: the rendered start as it is." if 0 in numbers else "."
    found = "; ".join(f"{p['start']} start, {p['photos']} photos: {percent(p['accuracy']['value'])}" for p in points)
    return add_title(figure, title, note, alt=f"{title} Accuracy: {found}. {note}")


def _dots(axes: Axes, estimates: Sequence[Mapping[str, Any]], colour: str) -> None:
    """A row an estimate: dot, interval, and the number above it."""
    values = [estimate["value"] for estimate in estimates]
    axes.errorbar(values, range(len(values)), xerr=_reach(estimates), color=colour, **_BAR)
    for place, value in enumerate(values):
        axes.annotate(percent(value), (value, place), (0, 7), ha="center", **_LABEL)


def _bars(axes: Axes, places: Sequence[int], estimates: Sequence[Mapping[str, Any]], start: str, aside: bool) -> None:
    """The points of one start, joined; two starts stand side by side."""
    rendered = start == "rendered"
    colour = RENDERED_COLOUR if rendered else OTHER_COLOUR
    x = [place + (0.05 if rendered else -0.05) * aside for place in places]
    values = [estimate["value"] for estimate in estimates]
    axes.plot(x, values, color=colour, linewidth=1.2, alpha=0.6)
    axes.errorbar(x, values, yerr=_reach(estimates), color=colour, label=f"start: {start}", **_BAR)
    side: dict[str, Any] = {"xytext": (7, -3), "ha": "left"} if rendered else {"xytext": (-7, -3), "ha": "right"}
    for place, value in zip(x, values, strict=True):
        axes.annotate(percent(value), (place, value), textcoords="offset points", size=8, color=colour, **side)


def _trainings(axes: Axes, results: Mapping[str, Any], numbers: list[int], start: str, measure: str) -> None:
    """Each training of a point that has several, as a small dot."""
    for point in results["curve"]:
        if point["start"] == start and point["trainings"] > 1:
            trials = [c for c in results["trials"] if (c["question"], c["start"]) == ("curve", start)]
            values = [c[measure]["value"] for c in trials if c["photos"] == point["photos"]]
            place = numbers.index(point["photos"]) + (0.05 if start == "rendered" else -0.05)
            axes.plot([place] * len(values), values, ".", color=INK, markersize=4, zorder=5)


def _pairs(axes: Axes, numbers: list[int], pairs: Sequence[Mapping[str, Any]], measure: str) -> None:
    """Rendered start less the other one, photo by photo."""
    axes.axhline(0, color=QUIET, linewidth=1)
    known = {numbers.index(pair["photos"]): pair[measure] for pair in pairs if pair[measure] is not None}
    x, values = list(known), [estimate["value"] for estimate in known.values()]
    axes.errorbar(x, values, yerr=_reach(known.values()), color=INK, **_BAR)
    for place, value in zip(x, values, strict=True):
        axes.annotate(f"{100 * value:+.1f}", (place, value), (7, -3), **_LABEL)
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:+.0f}" if round(100 * value) else "0")
    axes.set_ylabel("difference, points")
    axes.grid(True, axis="y")


def _reach(estimates: Collection[Mapping[str, Any]]) -> list[list[float]]:
    """The lengths of the bars on either side of each value."""
    return [[e["value"] - e["low"] for e in estimates], [e["high"] - e["value"] for e in estimates]]


def most_frequent(results: Mapping[str, Any]) -> float:
    """The accuracy of always predicting the most frequent type."""
    counts = results["evaluated"]["photos"].values()
    return max(counts) / sum(counts)


def _all_real(results: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The training on most real photos that did not start from rendered ones."""
    real = [c for c in results["trials"] if c["question"] == "curve" and c["start"] != "rendered"]
    return max(real, key=lambda trial: trial["photos"], default=None)
