"""Figures of the experiment on generalisation: groups seen and not seen, and the learning curve, by results.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from carseg_lib.core.formatting import percent, points
from carseg_lib.reporting.plots.style import (
    QUIET,
    SPLIT_COLOURS,
    AccessibleFigure,
    add_title,
    beside,
    dot,
    legend_below,
    new_figure,
    percent_axis,
    with_theme,
)

_KINDS = {  # colour, and offset from the row's middle
    "seen": ("group seen in training", SPLIT_COLOURS["train"], -0.22),
    "usual": ("usual split: as many photos of all groups", QUIET, 0.0),
    "unseen": ("group never seen", SPLIT_COLOURS["validation"], 0.22),
}
_BAR: dict[str, Any] = {"fmt": "o", "capsize": 0, "elinewidth": 2.2, "markersize": 6}


@with_theme
def groups_figure(results: Mapping[str, Any]) -> AccessibleFigure:
    """Accuracy on groups seen and never seen, of all photos and by body type."""
    rows = results["unseen"]
    kinds = [kind for kind in _KINDS if rows[0][kind]]
    figure = new_figure(7.6, 0.9 + 0.62 * len(rows))
    axes = figure.subplots()
    for kind in kinds:
        _, colour, offset = _KINDS[kind]
        for place, row in enumerate(rows):
            share = row[kind]
            reach = [[share["value"] - share["low"]], [share["high"] - share["value"]]]
            axes.errorbar(share["value"], place + offset, xerr=reach, color=colour, **_BAR)
            at = {"xycoords": ("axes fraction", "data"), "va": "center", "color": colour}
            beside(axes, percent(share["value"]), (1.0, place + offset), (6, 0), **at)
    labels = [f"{row['body_type']}\n{row['photos']:,} photos, {row['groups']:,} groups" for row in rows]
    axes.set_yticks(range(len(rows)), labels)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(right=1.0)
    axes.grid(True, axis="x")
    axes.tick_params(axis="y", length=0)
    percent_axis(axes.xaxis, "accuracy")
    legend_below(figure, [dot(_KINDS[kind][1], _KINDS[kind][0]) for kind in kinds], 1, 0.2 + 0.2 * len(kinds))
    title = "Accuracy on groups (car models, scenes) that were never seen in training"
    every = rows[0]
    note = (
        f"n = {every['photos']:,} validation photos of {every['groups']:,} groups; never seen less seen: "
        f"{points(every['unseen_less_seen'])} points. Bars: 95% intervals over whole groups, not over trainings."
    )
    texts = [", ".join(f"{kind} {percent(row[kind]['value'])}" for kind in kinds) for row in rows]
    found = "; ".join(f"{row['body_type']}: {text}" for row, text in zip(rows, texts, strict=True))
    return add_title(figure, title, note, alt=f"{title}: {found}. {note}")


@with_theme
def curve_figure(results: Mapping[str, Any]) -> AccessibleFigure:
    """Accuracy by the number of training photos, which doubles from tick to tick."""
    rows: Sequence[Mapping[str, Any]] = results["curve"]
    figure = new_figure(6.6, 3.2)
    axes = figure.subplots()
    x, shares = [row["photos"] for row in rows], [row["accuracy"] for row in rows]
    values = [share["value"] for share in shares]
    reach = [[s["value"] - s["low"] for s in shares], [s["high"] - s["value"] for s in shares]]
    colour = SPLIT_COLOURS["validation"]
    axes.plot(x, values, color=colour, linewidth=1.2, alpha=0.6)
    axes.errorbar(x, values, yerr=reach, color=colour, **_BAR)
    for place, value in zip(x, values, strict=True):
        beside(axes, percent(value), (place, value), (7, -10), color=colour)
    axes.set_xscale("log", base=2)
    axes.set_xticks(x, [f"{number:,}" for number in x])
    axes.minorticks_off()
    axes.set_xlim(x[0] / 1.25, x[-1] * 1.35)
    axes.set_xlabel("training photos")
    axes.grid(True, axis="y")
    percent_axis(axes.yaxis, "accuracy")
    title = "Learning curve: accuracy by number of training photos"
    trainings, known = max(row["trainings"] for row in rows), results["groups_known"]["groups"]
    over = f"the {known:,} groups" if known else "photos"
    note = (
        f"n = {shares[0]['n']:,} validation photos; {trainings} {'training' if trainings == 1 else 'trainings'} a "
        f"point, the recipe's epochs at each. Bars: 95% intervals over {over}."
    )
    if len(rows) > 1:
        note += f" From {x[-2]:,} to {x[-1]:,} photos: {points(rows[-1]['gain'])} points."
    found = "; ".join(f"{row['photos']:,} photos {percent(row['accuracy']['value'])}" for row in rows)
    return add_title(figure, title, note, alt=f"{title}: {found}. {note}")
