"""Figures of car or no car: the FROC curve, the two scores of every photo, the worst false alarms and misses."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, MultipleLocator, NullLocator

from carseg_lib.core.formatting import interval, percent
from carseg_lib.core.run import Run
from carseg_lib.data.builtin_background import with_background
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.photos import read_photo
from carseg_lib.evaluation.presence import BUILTIN, GIVEN, NO_CAR, OWN, PRESENCE, SCORES, describe, froc_curve
from carseg_lib.evaluation.tables import read_table
from carseg_lib.reporting.plots import style
from carseg_lib.reporting.plots.evaluation import confusion_matrix
from carseg_lib.reporting.plots.style import AccessibleFigure, add_title, empty_figure, new_figure, with_theme

_COLOURS = {"object_score": "#D55E00", "likeness": "#56B4E9", "score": "#0072B2"}
_LINES: dict[str, Any] = {"object_score": "--", "likeness": ":", "score": "-"}
_LEAST = 1e-4  # of a probability, and of what it lacks to 1, on an axis of log odds
_TICKS = (0.0001, 0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999)
_LARGEST = 480  # pixels of a photo in a panel
_MOST = 20  # photos of a grid
NO_PHOTOS = "Every photo of these data shows a car: nothing is known of false alarms."


def presence_figures(run: Run, dataset: Catalogue, metrics: Mapping[str, Any]) -> dict[str, AccessibleFigure]:
    """All figures of car or no car, by name.

    Args:
        run: whose presence.csv is read.
        dataset: of the run.
        metrics: `metrics.json`'s "presence".
    """
    table = read_table(run.presence_table, PRESENCE)
    roots = {OWN: dataset.root, GIVEN: Path(run.config.eval.negatives), BUILTIN: with_background(dataset).root}
    figures = {"froc": froc_curves(table, metrics), "scores": score_map(table, metrics)}
    for split, confusion in metrics["confusion"].items():
        if any(confusion["matrix"][-1]):
            figures[f"confusion_{split}"] = confusion_matrix(confusion, split, "Answers of car or no car")
    figures["false_alarms"] = extreme_photos(table, metrics, roots, misses=False)
    return figures | {"misses": extreme_photos(table, metrics, roots, misses=True)}


@with_theme
def froc_curves(table: pd.DataFrame, metrics: Mapping[str, Any]) -> AccessibleFigure:
    """False alarms a photo against the share of cars that are kept, a panel for each set of photos without a car.

    Args:
        table: presence.csv.
        metrics: `metrics.json`'s "presence".
    """
    title = "Cars kept against false alarms (FROC)"
    sets = list(metrics["without_car"].items())
    if not sets:
        return empty_figure(title, NO_PHOTOS)
    figure = new_figure(4.2 * len(sets), 3.6)
    panels = figure.subplots(1, len(sets), squeeze=False, sharey=True)[0]
    notes = []
    for axes, (name, part) in zip(panels, sets, strict=True):
        source, split = (name, "test") if name in (BUILTIN, GIVEN) else (OWN, name)
        for score, words in SCORES.items():
            curve = froc_curve(table, score, cars=split, source=source, split=split)
            look = {"color": _COLOURS[score], "linestyle": _LINES[score]}
            axes.step(curve["false_alarms"], curve["kept"], where="post", label=words, **look)
        alarms = part["scores"]["score"]["false_alarms"]
        notes.append(f"{name}: {percent(alarms['value'])} ({interval(alarms)}) of {part['photos']:,} photos")
        axes.set_title(f"{name}, {part['photos']:,} photos without a car", fontsize=9)
        axes.set_xlabel("false alarms a photo")
        axes.grid(True, axis="both")
        axes.set_xlim(left=0)
    style.percent_axis(panels[0].yaxis, "cars kept")
    panels[0].yaxis.set_major_locator(MultipleLocator(0.05))
    panels[0].set_ylim(0.8, 1.002)
    handles = [Line2D([], [], color=_COLOURS[score], linestyle=_LINES[score], label=SCORES[score]) for score in SCORES]
    style.legend_below(figure, handles, 3)
    note = (
        f"Called a car at the threshold that keeps {percent(metrics['keep'], 0)} of the validation cars, by both: "
        + "; ".join(notes)
        + "."
    )
    return add_title(
        figure, title, note, f"{title}. {note}", f"{describe(metrics)[:1].upper()}{describe(metrics)[1:]}."
    )


@with_theme
def score_map(table: pd.DataFrame, metrics: Mapping[str, Any]) -> AccessibleFigure:
    """Every photo by its two scores: the detector's and the likeness; the threshold is a line.

    Args:
        table: presence.csv.
        metrics: `metrics.json`'s "presence".
    """
    title = "What two networks say of each photo's most confident region"
    best = table.sort_values("score", ascending=False, kind="stable").drop_duplicates(["source", "split", "photo_id"])
    figure = new_figure(6.4, 4.2)
    axes = figure.subplots()
    none = best["body_type"] == NO_CAR
    counts = []
    for chosen, colour, words in ((~none, "#0072B2", "car"), (none, "#D55E00", NO_CAR)):
        part = best[chosen & best["score"].notna()]
        axes.scatter(
            part["object_score"].clip(_LEAST, 1 - _LEAST),
            part["likeness"].clip(_LEAST, 1 - _LEAST),
            s=7,
            alpha=0.5,
            color=colour,
            marker="o" if words == "car" else "x",
            linewidths=0.8,
        )
        missing = int((chosen & best["score"].isna()).sum())
        counts.append(
            f"{int(chosen.sum()):,} photos: {words}" + (f" ({missing:,} without a region)" if missing else "")
        )
    line = np.linspace(metrics["threshold"], 1 - _LEAST, 400)
    axes.plot(
        line, (metrics["threshold"] / line).clip(_LEAST, 1 - _LEAST), color=style.INK, linewidth=1, linestyle="--"
    )
    ends = (_LEAST / 2, 1 - _LEAST / 2)
    axes.set(xscale="logit", yscale="logit", xlim=ends, ylim=ends)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(FixedLocator(_TICKS))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(lambda value, _: f"{100 * value:g}%")
    axes.set_xlabel("the detector: probability that it is no background")
    axes.set_ylabel("ImageNet classifier: probability of the object's classes")
    style.legend_below(figure, [style.dot("#0072B2", "car"), style.dot("#D55E00", NO_CAR, "x")], 2)
    note = (
        "; ".join(counts)
        + ". Axes of log odds. Above the dashed line the product of the two reaches the threshold, "
        + f"{metrics['threshold']:.2g}."
    )
    return add_title(figure, title, note)


@with_theme
def extreme_photos(
    table: pd.DataFrame, metrics: Mapping[str, Any], roots: Mapping[str, Path], *, misses: bool
) -> AccessibleFigure:
    """The photos that are nearest to a mistake, or beyond it: the surest without a car, or the least sure cars.

    Args:
        table: presence.csv.
        metrics: `metrics.json`'s "presence".
        roots: folder of the photos by source.
        misses: the least sure cars instead.
    """
    best = table.sort_values("score", ascending=False, kind="stable", na_position="last")
    best = best.drop_duplicates(["source", "split", "photo_id"])
    chosen = best[(best["body_type"] != NO_CAR) if misses else (best["body_type"] == NO_CAR)]
    title = "The cars that look least like one" if misses else "The photos without a car that look most like one"
    if chosen.empty:
        return empty_figure(title, NO_PHOTOS)
    shown = (chosen.iloc[::-1] if misses else chosen).head(_MOST)
    beyond = (shown["score"].fillna(0.0) < metrics["threshold"]) == misses
    lines = -(-len(shown) // 5)
    figure = new_figure(8.6, 1.5 * lines)
    panels = figure.subplots(lines, min(5, len(shown)), squeeze=False).flatten()
    for axes, row, mistake in zip(panels, shown.itertuples(), beyond, strict=False):
        _draw(axes, roots[row.source] / row.photo_id, row)
        label = row.body_type if misses else row.predicted or "nothing found"
        score = "no region" if np.isnan(row.score) else f"{row.score:.2g}"
        colour = "#B3261E" if mistake else style.QUIET
        axes.set_title(f"{label}, {score}", size=7.5, color=colour, pad=3)
    for axes in panels[len(shown) :]:
        axes.set_axis_off()
    kind = "missed" if misses else "called a car"
    note = (
        f"{len(shown)} of {len(chosen):,} photos, with the most confident region and its score; red: "
        f"{kind}, {int(beyond.sum())} of those shown (threshold {metrics['threshold']:.2g})."
    )
    what = "cars are missed" if misses else "photos without a car are called one"
    number = chosen["score"].fillna(0.0) < metrics["threshold"]
    finding = f"{int((number if misses else ~number).sum()):,} of {len(chosen):,} {what}."
    return add_title(figure, title, note, f"{title}. {note}", finding)


def _draw(axes: Any, path: Path, row: Any) -> None:
    full = read_photo(path)  # upright
    width, height = full.size
    photo = full.copy()
    photo.thumbnail((_LARGEST, _LARGEST))
    axes.imshow(np.asarray(photo), extent=(0, width, height, 0))
    style.plain_image(axes)
    if not np.isnan(row.score):
        frame = np.array([[row.x1, row.y1], [row.x2, row.y1], [row.x2, row.y2], [row.x1, row.y2], [row.x1, row.y1]])
        axes.plot(*frame.T, color="#F0E442", linewidth=1.2)
        axes.set(xlim=(0, width), ylim=(height, 0))
