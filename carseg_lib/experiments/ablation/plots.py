"""The figure of the ablation: what each change does to accuracy and masks, beside the baseline."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

from carseg_lib.core.formatting import percent
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
MEASURES = {"accuracy_difference": "accuracy", "mask_iou_difference": "mask IoU"}


@with_theme
def effects(results: Mapping[str, Any]) -> AccessibleFigure:
    """The difference of each variant to the baseline, with its interval.

    Args:
        results: ablation.json.
    """
    title = "What each change does, beside the baseline"
    rows = [row for row in results["variants"] if row["accuracy_difference"]]
    if not rows:
        return empty_figure(title, "No variant has been trained yet.")
    base = results["variants"][0]
    figure = new_figure(10.4, 1.1 + 0.34 * len(rows))
    panels = figure.subplots(1, 2, sharey=True)
    for axes, (measure, name) in zip(panels, MEASURES.items(), strict=True):
        axes.axvline(0, color=INK, linewidth=1)
        found = {place: row[measure] for place, row in enumerate(rows) if row[measure]}
        least = _left_end(found.values())
        for place, difference in found.items():
            value, low, high = (100 * difference[key] for key in ("value", "low", "high"))
            colour = QUIET if low <= 0 <= high else SPLIT_COLOURS["train"]
            if value < least:
                axes.plot(least, place, "<", color=colour, clip_on=False)
            else:
                axes.errorbar(
                    value, place, xerr=[[value - low], [high - value]], fmt="o", color=colour, capsize=2
                )
            at = {"xy": (1.0, place), "xycoords": ("axes fraction", "data"), "va": "center", "size": 8}
            axes.annotate(f"{value:+.1f}", xytext=(5, 0), textcoords="offset points", color=colour, **at)
        axes.set_xlim(left=least)
        axes.set_xlabel(f"{name}, points")
        axes.grid(True, axis="x")
        axes.set_ylim(len(rows) - 0.4, -0.6)
    panels[0].set_yticks(range(len(rows)), [textwrap.fill(row["question"], 58) for row in rows], size=8)
    plan = results["plan"]
    seeds = f"{base['trainings']} {'seed' if base['trainings'] == 1 else 'seeds'}"
    note = (
        f"Baseline: {percent(base['accuracy']['value'])} of n = {results['answered']:,} validation photos right. "
        f"{plan['photos']:,} training photos × {plan['epochs']} epochs, {seeds}; bars: 95% intervals over photos, "
        "paired; grey: not told apart; ◂: further to the left."
    )
    said = "; ".join(f"{row['name']} {100 * row['accuracy_difference']['value']:+.1f}" for row in rows)
    return add_title(figure, title, note, alt=f"{title}, accuracy in points: {said}. {note}")


def _left_end(differences: Iterable[Mapping[str, float]]) -> float:
    """Where the axis begins, points: all intervals fit, but for those of differences that are `FAR` away."""
    return 100 * min([d["low"] for d in differences if d["value"] > -FAR] + [-0.01]) - 0.5
