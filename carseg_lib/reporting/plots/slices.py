"""Figures of the error analysis by attribute: accuracy and mask IoU of slices, odds ratios of the regression."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.patches import Rectangle

from carseg_lib.core.formatting import interval, percent
from carseg_lib.evaluation.bootstrap import wilson_interval
from carseg_lib.evaluation.multiple import ALPHA
from carseg_lib.evaluation.slices import ALL, ATTRIBUTES, MIN_PER_OUTCOME, VIEW, SliceReport
from carseg_lib.reporting.palette import class_color, class_marker
from carseg_lib.reporting.plots import style
from carseg_lib.reporting.plots.style import AccessibleFigure, add_title, empty_figure, new_figure, with_theme

LEAST = 20  # photos of a level that is drawn
FEW = 10  # photos below which a cell is not coloured
_SAME, _LOWER, _HIGHER = "#767676", "#B8470B", "#1F5C8B"  # against the mean of all photos


def slice_figures(report: SliceReport) -> dict[str, AccessibleFigure]:
    """Every figure that the predictions and the metadata allow, by name; none without metadata."""
    figures: dict[str, AccessibleFigure] = {}
    titles = set(report.metrics["attribute"])
    if titles & {attribute.title for attribute in ATTRIBUTES}:
        figures["attributes"] = accuracy_by_attribute(report.metrics)
    if VIEW.title in titles:
        figures["types_by_view"] = types_by_view(report.metrics, report.body_types)
    if len(report.error_odds):
        figures["odds"] = odds(report.error_odds, report.body_types)
    return figures


@with_theme
def accuracy_by_attribute(table: pd.DataFrame) -> AccessibleFigure:
    """Accuracy and mean mask IoU of each level of each attribute, with 95% intervals, a row per level.

    Validation and test are pooled: neither chose a setting by an attribute, and test alone has too few photos a level.

    Args:
        table: as `slices.slice_metrics` returns it.
    """
    title = "Accuracy by attribute"
    pooled = pool_splits(table[table["body_type"] == ""])
    overall = pooled[pooled["attribute"] == ALL].iloc[0]
    levels = pooled[pooled["attribute"].isin([a.title for a in ATTRIBUTES])]
    few = int((levels["n"] < LEAST).sum())
    levels = levels[levels["n"] >= LEAST].sort_values("accuracy", kind="stable")
    if levels.empty:
        return empty_figure(title, f"No level of an attribute has {LEAST} photos.")
    spread = levels.groupby("attribute")["accuracy"].agg(lambda values: values.max() - values.min())
    titles = list(spread.sort_values(ascending=False, kind="stable").index)
    levels = pd.concat([levels[levels["attribute"] == name] for name in titles], ignore_index=True)
    places = np.arange(len(levels)) + np.array([titles.index(name) for name in levels["attribute"]]) * 1.3 + 0.9
    masks = levels["mask_iou"].notna().any()
    figure = new_figure(8.4, 0.2 * (places[-1] + 1.5))
    panels = np.atleast_1d(figure.subplots(1, 1 + masks, sharey=True))
    for axes, name in zip(panels, ("accuracy", "mask_iou"), strict=False):
        low, high = ("low", "high") if name == "accuracy" else ("mask_iou_low", "mask_iou_high")
        axes.axvline(overall[name], color=style.INK, linewidth=0.9, linestyle=(0, (4, 3)), zorder=0)
        for place, row in zip(places, levels.to_dict("records"), strict=True):
            holds = row[low] <= overall[name] <= row[high]
            tone = _SAME if holds else _LOWER if row[name] < overall[name] else _HIGHER
            axes.plot([row[low], row[high]], [place, place], color=tone, alpha=0.6, linewidth=2)
            axes.plot(row[name], place, "o" if holds else "v" if row[name] < overall[name] else "^", color=tone)
            if name == "accuracy" and row["q_value"] < ALPHA:
                axes.plot(row[name], place, "o", markersize=9, markerfacecolor="none", color=style.INK)
        lowest = levels[low].min()
        axes.set_xlim(min(0.5, np.floor(10 * lowest) / 10) if lowest < 0.5 else 0.5, 1.01)
        axes.grid(True, axis="x")
        axes.tick_params(axis="y", length=0)
        axes.set_title("Accuracy" if name == "accuracy" else "Mean mask IoU")
        style.percent_axis(axes.xaxis, "")
    panels[0].set_yticks(places, [f"{row.level}  (n = {row.n:,})" for row in levels.itertuples()], size=8)
    panels[0].set_ylim(places[-1] + 0.8, -0.6)
    heads = {name: places[levels["attribute"] == name].min() for name in titles}
    for name, place in heads.items():
        where = panels[0].get_yaxis_transform()
        panels[0].text(-0.02, place - 0.95, name, transform=where, ha="right", va="center", size=8.5, weight="bold")
    note = (
        f"n = {overall['n']:,} validation and test photos. Line: 95% interval; dashed: all photos. Grey: the interval "
        "holds that mean; triangles: below or above it. Ringed: differs from the other photos of validation or of test "
        f"(Fisher's exact test, false discovery rate {percent(ALPHA, 0)}). "
        + (f"Levels of fewer than {LEAST} photos are left out: {few}. " if few else "")
        + "Attributes are correlated: see the odds."
    )
    apart = levels[(levels["low"] > overall["accuracy"]) | (levels["high"] < overall["accuracy"])]
    values = "; ".join(f"{r.attribute} {r.level}: {percent(r.accuracy)} of {r.n}" for r in levels.itertuples())
    return add_title(figure, title, note, f"{title}. {values}.", _extremes(apart, overall))


def _extremes(apart: pd.DataFrame, overall: pd.Series) -> str:
    """The least accurate levels whose intervals lie below the mean, in a sentence."""
    below = apart[apart["high"] < overall["accuracy"]].sort_values("accuracy").head(3)
    named = [f"{r.attribute}: {r.level} ({percent(r.accuracy)} of {r.n:,})" for r in below.itertuples()]
    all_photos = f"All photos: {percent(overall['accuracy'])}"
    return (
        f"{all_photos}. Clearly below: {', '.join(named)}." if named else f"{all_photos}. No level lies clearly below."
    )


def pool_splits(table: pd.DataFrame) -> pd.DataFrame:
    """The slices of all splits but train taken together: shares with Wilson's interval, means with a normal one.

    Args:
        table: as `slices.slice_metrics` returns it, or some of its rows.

    Returns:
        Its columns without `split`; `q_value` is the smallest of the splits.
    """
    keys = ["attribute", "body_type", "level"]
    rows = []
    for key, part in table[table["split"] != "train"].groupby(keys, sort=False):
        n = int(part["n"].sum())
        accuracy = float((part["accuracy"] * part["n"]).sum() / n)
        row: dict[str, Any] = dict(zip(keys, key, strict=True)) | {
            "n": n,
            "accuracy": accuracy,
            "q_value": part["q_value"].min(),
        }
        row["low"], row["high"] = wilson_interval(accuracy, n)
        weights = part["n"] / n
        mean = (part["mask_iou"] * weights).sum(skipna=False)
        half = np.sqrt((((part["mask_iou_high"] - part["mask_iou_low"]) / 2 * weights) ** 2).sum(skipna=False))
        rows.append(row | {"mask_iou": mean, "mask_iou_low": mean - half, "mask_iou_high": mean + half})
    return pd.DataFrame(rows)


@with_theme
def types_by_view(table: pd.DataFrame, body_types: Sequence[str]) -> AccessibleFigure:
    """Accuracy of each type from each view, validation and test together."""
    cells = pool_splits(table[(table["attribute"] == VIEW.title) & (table["body_type"] != "")])
    views = VIEW.ordered(cells["level"])
    types = [t for t in body_types if (cells["body_type"] == t).any()]
    figure = new_figure(6.4, 0.6 + 0.52 * len(types))
    axes = figure.subplots()
    tones = style.fade("#1F5C8B")
    for cell in cells.itertuples():
        x, y = views.index(cell.level), types.index(cell.body_type)
        shade = (cell.accuracy - 0.5) / 0.5 if cell.n >= FEW else 0.0
        axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=tones(max(0.0, shade)), edgecolor="white"))
        colour = style.QUIET if cell.n < FEW else "white" if shade > 0.6 else style.INK
        text = f"{percent(cell.accuracy, 0)}\nn = {cell.n:,}"
        axes.text(x, y, text, ha="center", va="center", size=7.5, color=colour, linespacing=1.2)
    axes.set(xlim=(-0.5, len(views) - 0.5), ylim=(len(types) - 0.5, -0.5))
    axes.set_xticks(range(len(views)), [view.replace(" ", "\n") for view in views], size=8)
    axes.set_yticks(range(len(types)), types)
    axes.tick_params(length=0)
    note = (
        f"n = {cells['n'].sum():,} validation and test photos. Share classified correctly, white at 50% or less; "
        f"cells of fewer than {FEW} photos are not coloured. 20 photos: ±20 points."
    )
    told = cells[cells["n"] >= FEW]
    finding = ""
    if len(told):
        worst = told.loc[told["accuracy"].idxmin()]
        finding = (
            f"Hardest: {worst['body_type']}, {worst['level']}: {round(worst['accuracy'] * worst['n'])} of {worst['n']} "
            f"right ({interval(worst.to_dict())})."
        )
    values = "; ".join(f"{c.body_type}, {c.level}: {percent(c.accuracy, 0)} of {c.n}" for c in cells.itertuples())
    title = "Accuracy of each type from each view"
    return add_title(figure, title, note, f"{title}. {values}.", finding)


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
        named = group in body_types
        colour = class_color(group, body_types) if named else "#4A6B8A"
        marker = class_marker(group, body_types) if named else "o"
        axes.axvline(1, color="#AEB6BF", linewidth=1)
        for row in rows.itertuples():
            y = measures.index(row.measure)
            clear = row.q_value < ALPHA
            axes.plot([row.low, row.high], [y, y], color=colour, linewidth=2, alpha=0.9 if clear else 0.4)
            axes.plot(row.odds_ratio, y, marker, color=colour, alpha=1 if clear else 0.5)
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
        "Odds of a correct prediction per standard deviation of a measure, the others being equal: 2 doubles the odds, "
        "1/2 halves them; drawn towards 1 by a ridge penalty chosen by cross-validation. Line: 95% of refits "
        f"on resampled photos; pale: no difference at a false discovery rate of {percent(ALPHA, 0)}. Validation "
        f"and test together; a type has a panel if at least {MIN_PER_OUTCOME} of its photos are classified correctly "
        f"and {MIN_PER_OUTCOME} are not."
    )
    strong = table[table["q_value"] < ALPHA]
    values = "; ".join(
        f"{r.group}, {r.measure}: {r.odds_ratio:.2f} ({r.low:.2f} to {r.high:.2f})" for r in strong.itertuples()
    )
    of_all = strong[strong["group"] == groups[0]].sort_values("odds_ratio")
    changes = [f"{r.measure} (odds × {r.odds_ratio:.2f})" for r in of_all.itertuples()]
    harder = [text for text, ratio in zip(changes, of_all["odds_ratio"], strict=True) if ratio < 1]
    easier = [text for text, ratio in zip(changes, of_all["odds_ratio"], strict=True) if ratio > 1]
    finding = f"Harder: {', '.join(harder) or 'nothing that is told apart'}. Easier: {', '.join(easier) or 'nothing'}."
    alt = f"{note} Different from 1: {values or 'none'}."
    return add_title(figure, "What makes a prediction harder or easier", note, alt, finding)


def _ticks(table: pd.DataFrame, most: int) -> tuple[list[float], list[str]]:
    """Powers of two around 1, as far as the intervals reach."""
    reach = max(1.0, np.log2(table["high"].max()), -np.log2(table["low"].min()))
    step = max(1, int(reach) // (most // 2))
    powers = np.arange(-(most // 2), most // 2 + 1) * step
    return [2.0**p for p in powers], [f"{2.0**p:g}" if p >= 0 else f"1/{2.0**-p:g}" for p in powers]
