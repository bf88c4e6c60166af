"""The figure that experiments share: differences between groups of trials, with their intervals."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

from carseg_lib.evaluation.paired import NO_DIFFERENCE, significance
from carseg_lib.reporting.plots.style import (
    INK,
    QUIET,
    SPLIT_COLOURS,
    AccessibleFigure,
    add_title,
    empty_figure,
    new_figure,
    with_theme,
)

FAR = 0.15  # a difference below minus this is named, not drawn to scale: the others would be dots on a line
MEASURES = {"accuracy": "accuracy", "mask_iou": "mask IoU"}


@with_theme
def effects_figure(results: Mapping[str, Any], title: str, note: str) -> AccessibleFigure:
    """The difference of each group of trials to its baseline.

    Args:
        results: results.json, see `experiments.results.write_results`.
        title: of the figure.
        note: what was trained and measured.
    """
    rows = [row for row in results["differences"] if row["accuracy"]]
    if not rows:
        return empty_figure(title, "Nothing has been compared yet.")
    titles = {row["group"]: row["title"] or row["group"] for row in results["groups"]}
    figure = new_figure(10.4, 1.1 + 0.34 * len(rows))
    panels = figure.subplots(1, 2, sharey=True)
    for axes, (measure, name) in zip(panels, MEASURES.items(), strict=True):
        axes.axvline(0, color=INK, linewidth=1)
        found = {place: row[measure] for place, row in enumerate(rows) if row[measure]}
        # all intervals fit, but for those of differences that are `FAR` away
        least = 100 * min([d["low"] for d in found.values() if d["value"] > -FAR] + [-0.01]) - 0.5
        for place, difference in found.items():
            value, low, high = (100 * difference[key] for key in ("value", "low", "high"))
            colour = QUIET if significance(difference) == NO_DIFFERENCE else SPLIT_COLOURS["train"]
            if value < least:
                axes.plot(least, place, "<", color=colour, clip_on=False)
            else:
                reach = [[value - low], [high - value]]
                axes.errorbar(value, place, xerr=reach, fmt="o", color=colour, capsize=2)
            at = {"xy": (1.0, place), "xycoords": ("axes fraction", "data"), "va": "center", "size": 8}
            axes.annotate(f"{value:+.1f}", xytext=(5, 0), textcoords="offset points", color=colour, **at)
        axes.set_xlim(left=least)
        axes.set_xlabel(f"{name}, points")
        axes.grid(True, axis="x")
        axes.set_ylim(len(rows) - 0.4, -0.6)
    labels = [textwrap.fill(titles[row["group"]], 58) for row in rows]
    panels[0].set_yticks(range(len(rows)), labels, size=8)
    note = (
        f"{note} Bars: 95% intervals over photos and seeds, paired; grey: no significant difference after Holm's "
        "correction for the number of comparisons; ◂: further to the left."
    )
    listed = "; ".join(f"{row['group']} {100 * row['accuracy']['value']:+.1f}" for row in rows)
    return add_title(figure, title, note, alt=f"{title}, accuracy in points: {listed}. {note}")
