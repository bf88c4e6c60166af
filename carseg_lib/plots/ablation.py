"""The figure of the ablation: what each change does to accuracy and masks, beside the baseline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from carseg_lib.plots.style import (
    INK,
    QUIET,
    SPLIT_COLOURS,
    Picture,
    finish,
    message,
    new_figure,
    percent,
    themed,
)

MEASURES = {"accuracy_difference": "accuracy", "mask_iou_difference": "mask IoU"}


@themed
def effects(results: Mapping[str, Any]) -> Picture:
    """The difference of each variant to the baseline, with its interval.

    Args:
        results: ablation.json.
    """
    title = "What each change does, beside the baseline"
    rows = [row for row in results["variants"] if row["accuracy_difference"]]
    if not rows:
        return message(title, "No variant has been trained yet.")
    base = results["variants"][0]
    figure = new_figure(9.2, 0.9 + 0.3 * len(rows))
    panels = figure.subplots(1, 2, sharey=True)
    for axes, (measure, name) in zip(panels, MEASURES.items(), strict=True):
        axes.axvline(0, color=INK, linewidth=1)
        for place, row in enumerate(rows):
            if found := row[measure]:
                told_apart = not found["low"] <= 0 <= found["high"]
                value, low, high = (100 * found[key] for key in ("value", "low", "high"))
                axes.errorbar(
                    value,
                    place,
                    xerr=[[value - low], [high - value]],
                    fmt="o",
                    color=SPLIT_COLOURS["train"] if told_apart else QUIET,
                    capsize=2,
                )
                axes.annotate(
                    f"{value:+.1f}", (value, place), (0, 5), textcoords="offset points", ha="center", size=7.5
                )
        axes.set_xlabel(f"{name}, difference in points")
        axes.grid(True, axis="x")
        axes.set_ylim(len(rows) - 0.4, -0.6)
    panels[0].set_yticks(range(len(rows)), [row["question"] for row in rows])
    plan = results["plan"]
    seeds = f"{base['trainings']} {'seed' if base['trainings'] == 1 else 'seeds'}"
    note = (
        f"Baseline: {percent(base['accuracy']['value'])} of n = {results['answered']:,} validation photos right. "
        f"{plan['photos']:,} training photos × {plan['epochs']} epochs, {seeds}; bars: 95% intervals over photos, "
        "paired; grey: not told apart."
    )
    said = "; ".join(f"{row['name']} {100 * row['accuracy_difference']['value']:+.1f}" for row in rows)
    return finish(figure, title, note, alt=f"{title}, accuracy in points: {said}. {note}")
