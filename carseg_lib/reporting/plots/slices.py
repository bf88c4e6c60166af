"""Figures of the error analysis by attribute: accuracy and mask IoU of slices, odds ratios of the regression."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import pandas as pd
from matplotlib.projections.polar import PolarAxes

from carseg_lib.core.formatting import MINUS, percent
from carseg_lib.evaluation.multiple import ALPHA
from carseg_lib.evaluation.slices import ALL, ATTRIBUTES, MIN_PER_OUTCOME, SECTORS, VIEW, SliceReport
from carseg_lib.reporting.palette import class_color
from carseg_lib.reporting.plots import style
from carseg_lib.reporting.plots.metadata import dial
from carseg_lib.reporting.plots.style import AccessibleFigure, add_title, new_figure, with_theme

FEW = 10  # photos below which a level is drawn pale


def slice_figures(report: SliceReport) -> dict[str, AccessibleFigure]:
    """Every figure that the predictions and the metadata allow, by name; none without metadata."""
    figures: dict[str, AccessibleFigure] = {}
    titles = set(report.metrics["attribute"])
    if titles & {attribute.title for attribute in ATTRIBUTES}:
        figures["attributes"] = accuracy_by_attribute(report.metrics)
    if VIEW.title in titles:
        figures["types_by_view"] = types_by_view(report.metrics, report.body_types)
    if SECTORS.title in titles:
        figures["directions"] = accuracy_by_direction(report.metrics)
    if len(report.error_odds):
        figures["odds"] = odds(report.error_odds, report.body_types)
    return figures


@with_theme
def accuracy_by_attribute(table: pd.DataFrame) -> AccessibleFigure:
    """Accuracy and mean mask IoU of each level of each attribute, with 95% intervals, a row per level.

    Args:
        table: as `slices.slice_metrics` returns it.
    """
    titles = [a.title for a in ATTRIBUTES if (table["attribute"] == a.title).any()]
    levels = table[table["body_type"] == ""]
    rows = [(title, level) for title in titles for level in levels.loc[levels["attribute"] == title, "level"].unique()]
    places = np.arange(len(rows)) + np.array([titles.index(title) for title, _ in rows]) * 1.3 + 0.9
    splits = list(levels["split"].unique())
    of_split = {split: levels[levels["split"] == split].set_index(["attribute", "level"]) for split in splits}
    masks = levels["mask_iou"].notna().any()
    figure = new_figure(8.4, 0.22 * (places[-1] + 1.5))
    panels = np.atleast_1d(figure.subplots(1, 1 + masks, sharey=True))
    for axes, name in zip(panels, ("accuracy", "mask_iou"), strict=False):
        low, high = ("low", "high") if name == "accuracy" else ("mask_iou_low", "mask_iou_high")
        for k, (split, part) in enumerate(of_split.items()):
            tone = style.SPLIT_COLOURS[split]
            axes.axvline(part.loc[(ALL, ALL), name], color=tone, linewidth=0.9, linestyle=(0, (4, 3)), zorder=0)
            for place, key in zip(places, rows, strict=True):
                if key in part.index:
                    row = part.loc[key]
                    pale = 0.35 if row["n"] < FEW else 1.0
                    y = place + 0.3 * (k - (len(splits) - 1) / 2)
                    axes.plot([row[low], row[high]], [y, y], color=tone, alpha=0.5 * pale, linewidth=2)
                    axes.plot(row[name], y, "o", color=tone, alpha=pale)
                    if name == "accuracy" and row["q_value"] < ALPHA:
                        axes.plot(row[name], y, "o", markersize=8, markerfacecolor="none", color=style.INK)
        axes.grid(True, axis="x")
        axes.tick_params(axis="y", length=0)
        axes.set_title("Accuracy" if name == "accuracy" else "Mean mask IoU")
        style.percent_axis(axes.xaxis, "")
    numbers = {split: part["n"] for split, part in of_split.items()}
    labels = [
        f"{level}  (n = {', '.join(f'{numbers[s].get((title, level), 0):,}' for s in splits)})" for title, level in rows
    ]
    panels[0].set_yticks(places, labels, size=8)
    panels[0].set_ylim(places[-1] + 0.8, -0.6)
    heads = {title: min(p for p, (t, _) in zip(places, rows, strict=True) if t == title) for title in titles}
    for title, place in heads.items():
        where = panels[0].get_yaxis_transform()
        panels[0].text(-0.02, place - 0.95, title, transform=where, ha="right", va="center", size=8.5, weight="bold")
    handles = [style.dot(style.SPLIT_COLOURS[split], f"{split} (n = {numbers[split][ALL, ALL]:,})") for split in splits]
    style.legend_below(figure, handles, len(splits))
    tested = " and ".join(str(int(part["q_value"].notna().sum())) for part in of_split.values())
    note = (
        f"Line: 95% interval; dashed: all photos of the split; pale: fewer than {FEW} photos. n: {', '.join(splits)}. "
        "Ringed: differs from the other photos of the split (Fisher's exact test, false discovery rate "
        f"{percent(ALPHA, 0)} of {tested} levels). Attributes are correlated: see the odds."
    )
    found = levels[(levels["split"] == splits[0]) & (levels["attribute"] != ALL) & levels["attribute"].isin(titles)]
    values = "; ".join(f"{row.attribute} {row.level}: {percent(row.accuracy)} of {row.n}" for row in found.itertuples())
    return add_title(figure, "Accuracy by attribute", note, f"Accuracy by attribute, {splits[0]}. {values}.")


@with_theme
def types_by_view(table: pd.DataFrame, body_types: Sequence[str]) -> AccessibleFigure:
    """Accuracy of each type from each view, a panel per split."""
    part = table[(table["attribute"] == VIEW.title) & (table["body_type"] != "")]
    splits = list(part["split"].unique())
    views = VIEW.ordered(part["level"])
    types = [t for t in body_types if (part["body_type"] == t).any()]
    figure = new_figure(8.4, 0.6 + 0.52 * len(types))
    panels = np.atleast_1d(figure.subplots(1, len(splits), sharey=True))
    for axes, split in zip(panels, splits, strict=True):
        cells = part[part["split"] == split]
        for cell in cells.itertuples():
            tone = "white" if cell.accuracy > 0.55 else style.INK
            text = f"{percent(cell.accuracy, 0)}\nn = {cell.n:,}"
            place = (views.index(cell.level), types.index(cell.body_type))
            axes.text(*place, text, ha="center", va="center", size=7.5, color=tone, linespacing=1.2)
        values = cells.pivot(index="body_type", columns="level", values="accuracy").reindex(index=types, columns=views)
        axes.imshow(values, cmap=style.fade("#1F5C8B"), vmin=0, vmax=1, aspect="auto")
        axes.set_xticks(range(len(views)), [view.replace(" ", "\n") for view in views], size=8)
        axes.set_yticks(range(len(types)), types)
        axes.tick_params(length=0)
        axes.set_title(split.capitalize())
    sums = part.groupby("split")["n"].sum()
    note = (
        f"n = {' and '.join(f'{sums[split]:,} {split}' for split in splits)} photos. Share classified correctly; a "
        "cell of few photos is uncertain (20 photos: ±20 points)."
    )
    return add_title(figure, "Accuracy of each type from each view", note)


@with_theme
def accuracy_by_direction(table: pd.DataFrame) -> AccessibleFigure:
    """Accuracy by the direction from which the car is seen, around a car that points up."""
    part = table[table["attribute"] == SECTORS.title]
    splits = list(part["split"].unique())
    figure = new_figure(8.4, 3.3)
    for k, split in enumerate(splits):
        rows = part[part["split"] == split]
        axes = cast(PolarAxes, figure.add_subplot(1, max(2, len(splits)), k + 1, projection="polar"))
        angles = np.deg2rad(rows["level"].str.rstrip("°").str.replace(MINUS, "-").astype(float))
        for ring in (0.5, 1.0):
            axes.plot(np.linspace(0, 2 * np.pi, 181), np.full(181, ring), color="#AEB6BF", linewidth=0.8, zorder=0)
        pale = np.where(rows["n"] < FEW, 0.3, 0.75)
        for angle, row, alpha in zip(angles, rows.itertuples(), pale, strict=True):
            axes.bar(angle, row.accuracy, np.deg2rad(27), color=style.SPLIT_COLOURS[split], alpha=alpha)
            axes.plot([angle, angle], [row.low, row.high], color=style.INK, linewidth=1.1)
            axes.text(angle, 0.13, f"{row.n}", ha="center", va="center", size=7.5)
        axes.set_ylim(0, 1.03)
        dial(axes)
        axes.set_title(f"{split.capitalize()} (n = {rows['n'].sum():,})", loc="center")
    note = (
        "The car points up, seen from above. Length of a bar: accuracy from this direction, rings at 50% and 100%; "
        f"line: 95% interval; number: photos; pale: fewer than {FEW}."
    )
    return add_title(figure, "Accuracy by direction", note)


@with_theme
def odds(table: pd.DataFrame, body_types: Sequence[str]) -> AccessibleFigure:
    """The effect of each measure of a photo, the others being equal, on the odds of a correct prediction.

    Args:
        table: as `slices.error_odds` returns it, with rows.
        body_types: of the study, which determine the colours.
    """
    groups = list(table["group"].unique())
    measures = list(table.loc[table["group"] == groups[0], "measure"])
    measures += [m for m in table["measure"].unique() if m not in measures]
    figure = new_figure(8.4, 0.9 + 0.2 * len(measures))
    panels = np.atleast_1d(figure.subplots(1, len(groups), sharey=True, sharex=True))
    for axes, group in zip(panels, groups, strict=True):
        rows = table[table["group"] == group]
        colour = class_color(group, body_types) if group in body_types else "#4A6B8A"
        axes.axvline(1, color="#AEB6BF", linewidth=1)
        for row in rows.itertuples():
            y = measures.index(row.measure)
            clear = row.q_value < ALPHA
            axes.plot([row.low, row.high], [y, y], color=colour, linewidth=2, alpha=0.9 if clear else 0.4)
            axes.plot(row.odds_ratio, y, "o", color=colour, alpha=1 if clear else 0.5)
        axes.set_title(f"{group}\nn = {rows['n'].iloc[0]:,}\n{rows['misclassified'].iloc[0]:,} wrong")
        axes.tick_params(axis="y", length=0)
        axes.set_xscale("log")
        axes.grid(True, axis="x")
        axes.set_xlabel("odds ratio" if axes is panels[0] else "")
    axes.set_xticks(*_ticks(table, 5 if len(groups) < 3 else 3))
    axes.minorticks_off()
    panels[0].set_yticks(range(len(measures)), measures, size=8)
    panels[0].set_ylim(len(measures) - 0.4, -0.6)
    note = (
        "Odds of a correct prediction per standard deviation of a measure, the others being equal: left of 1 "
        "harder, right of 1 easier, drawn towards 1 by a ridge penalty chosen by cross-validation. Line: 95% of refits "
        f"on resampled photos; pale: no difference at a false discovery rate of {percent(ALPHA, 0)}. Validation "
        f"and test together; a type has a panel if at least {MIN_PER_OUTCOME} of its photos are classified correctly "
        f"and {MIN_PER_OUTCOME} are not."
    )
    strong = table[table["q_value"] < ALPHA]
    values = "; ".join(
        f"{r.group}, {r.measure}: {r.odds_ratio:.2f} ({r.low:.2f} to {r.high:.2f})" for r in strong.itertuples()
    )
    return add_title(figure, "Odds of a correct prediction", note, f"{note} Different from 1: {values or 'none'}.")


def _ticks(table: pd.DataFrame, most: int) -> tuple[list[float], list[str]]:
    """Powers of two around 1, as far as the intervals reach."""
    reach = max(1.0, np.log2(table["high"].max()), -np.log2(table["low"].min()))
    step = max(1, int(reach) // (most // 2))
    powers = np.arange(-(most // 2), most // 2 + 1) * step
    return [2.0**p for p in powers], [f"{2.0**p:g}" if p >= 0 else f"1/{2.0**-p:g}" for p in powers]
