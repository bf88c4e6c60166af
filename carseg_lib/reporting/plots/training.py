"""Figures of the training: losses and accuracies per epoch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from carseg_lib.core.formatting import percent
from carseg_lib.evaluation.bootstrap import wilson_interval
from carseg_lib.paper.claims import claimed_number
from carseg_lib.reporting.plots import style
from carseg_lib.reporting.plots.style import AccessibleFigure, add_title, empty_figure, new_figure, with_theme

PAPER_ACCURACY = {  # section VI
    "validation": claimed_number("average validation accuracy"),
    "train": claimed_number("average training accuracy"),
}
TERMS = {
    "objectness": "objectness (proposals)",
    "rpn_box_reg": "box (proposals)",
    "classifier": "body type",
    "box_reg": "box (head)",
    "mask": "mask",
}


@with_theme
def loss_curves(history: pd.DataFrame) -> AccessibleFigure:
    """The sum of the losses per epoch on train and validation, the best epoch marked.

    Args:
        history: history.csv, a row per epoch.
    """
    if history.empty:
        return empty_figure("Loss", "No epoch is complete yet.")
    figure = new_figure(7.6, 3.1)
    axes = figure.subplots()
    for split in ("train", "validation"):
        _curve(axes, history, f"{split}_loss", split)
    if (best := _best(history)) is not None:
        _mark_best(axes, best, history)
    _epochs(axes, history)
    axes.set_ylabel("loss (sum of the five terms)")
    axes.set_ylim(bottom=0)
    figure.legend(loc="outside lower left", ncols=2)
    last = history.iloc[-1]
    losses = ", ".join(f"{split} {last[f'{split}_loss']:.3f}" for split in ("train", "validation"))
    return add_title(figure, "Loss per epoch", f"n = {len(history)} epochs; the last: {losses}.")


@with_theme
def loss_terms(history: pd.DataFrame) -> AccessibleFigure:
    """The five terms of the loss, a panel each; a term without values is marked "off"."""
    if history.empty:
        return empty_figure("Terms of the loss", "No epoch is complete yet.")
    figure = new_figure(8.4, 2.1)
    panels = figure.subplots(1, len(TERMS))
    for axes, (term, name) in zip(panels, TERMS.items(), strict=True):
        columns = {split: f"{split}_loss_{term}" for split in ("train", "validation")}
        present = [c for c in columns.values() if c in history and history[c].notna().any()]
        axes.set_title(name, size=8.5)
        _epochs(axes, history)
        axes.tick_params(labelsize=7.5)
        if not present or (term == "mask" and (history[present] == 0).all(axis=None)):
            axes.text(0.5, 0.5, "off", transform=axes.transAxes, ha="center", va="center", color=style.QUIET)
            axes.set_yticks([])
            continue
        for split, column in columns.items():
            if column in present:
                _curve(axes, history, column, split)
        axes.set_ylim(bottom=0)
    panels[0].set_ylabel("loss")
    lines = {line.get_label(): line for axes in panels for line in axes.lines}
    figure.legend(handles=list(lines.values()), loc="outside lower left", ncols=2)
    note = f"n = {len(history)} epochs. Each panel has its own scale, from 0."
    return add_title(figure, "The five terms of the loss", note)


@with_theme
def accuracy_curves(history: pd.DataFrame) -> AccessibleFigure:
    """Accuracy per epoch with 95% intervals, the best epoch marked, the paper's averages as dashed lines.

    Args:
        history: history.csv, a row per epoch; accuracies are fractions.
    """
    if history.empty:
        return empty_figure("Accuracy", "No epoch is complete yet.")
    figure = new_figure(7.6, 3.3)
    axes = figure.subplots()
    numbers = {"train": "train_sample", "validation": "validation_photos"}
    for split, column in numbers.items():
        _curve(axes, history, f"{split}_accuracy", split, " (fixed sample)" if split == "train" else "")
        if column in history and history[column].min() > 0:
            low, high = _wilson(history[f"{split}_accuracy"], history[column])
            axes.fill_between(history["epoch"], low, high, color=style.SPLIT_COLOURS[split], alpha=0.13, linewidth=0)
        axes.axhline(PAPER_ACCURACY[split], color=style.SPLIT_COLOURS[split], linewidth=1.1, linestyle=(0, (5, 3)))
    for split, value in PAPER_ACCURACY.items():
        above = split == "validation"
        look: dict[str, Any] = {"va": "bottom" if above else "top", "color": style.SPLIT_COLOURS[split]}
        look["bbox"] = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.8}
        text, offset = f"paper, {split}: {percent(value)}", (5, 3 if above else -3)
        style.beside(axes, text, (0, value), offset, xycoords=("axes fraction", "data"), **look)
    if (best := _best(history)) is not None:
        ring: dict[str, Any] = {"markersize": 9, "markerfacecolor": "none", "color": style.INK, "markeredgewidth": 1.3}
        axes.plot(best["epoch"], best["validation_accuracy"], "o", **ring)
        _mark_best(axes, best, history, f": {percent(best['validation_accuracy'])}")
    _epochs(axes, history)
    lowest = min(history["train_accuracy"].min(), history["validation_accuracy"].min())
    axes.set_ylim(max(0, min(0.8, np.floor(10 * (lowest - 0.06)) / 10)), 1.0)
    style.percent_axis(axes.yaxis, "accuracy")
    figure.legend(loc="outside lower left", ncols=2)
    sample, photos = (int(history[c].iloc[-1]) if c in history else 0 for c in numbers.values())
    note = (
        f"n = {photos:,} validation photos, {sample:,} training photos. Band: 95% interval (Wilson). "
        "Dashed: the paper's averages."
    )
    return add_title(figure, "Accuracy per epoch", note)


def _curve(axes: Axes, history: pd.DataFrame, column: str, split: str, more: str = "") -> None:
    points = {"train": "o", "validation": "s"}[split] if len(history) <= 40 else ""
    axes.margins(y=0.12)
    axes.plot(history["epoch"], history[column], marker=points, color=style.SPLIT_COLOURS[split], label=split + more)


def _epochs(axes: Axes, history: pd.DataFrame) -> None:
    """Integer ticks on the epoch axis, lines at those of the other."""
    first, last = int(history["epoch"].min()), int(history["epoch"].max())
    axes.set_xlim(first - 0.5, last + 0.5)
    place = axes.get_subplotspec()
    alone = place is None or place.get_geometry()[1] == 1
    step = max(1, round((last - first) / (8 if alone else 3)))
    axes.set(xticks=range(first, last + 1, step), xlabel="epoch")
    axes.grid(True, axis="y")


def _best(history: pd.DataFrame) -> pd.Series | None:
    """The epoch selected on validation; the last one marked."""
    marked = history[history["best"].astype(bool)] if "best" in history else history[:0]
    return marked.iloc[-1] if len(marked) else None


def _mark_best(axes: Axes, best: pd.Series, history: pd.DataFrame, more: str = "") -> None:
    """A line at the best epoch, labelled at its foot on the side with more space."""
    epoch = best["epoch"]
    axes.axvline(epoch, color="#AEB6BF", linewidth=1, zorder=0)
    offset, side = ((5, 6), "left") if epoch <= history["epoch"].median() else ((-5, 6), "right")
    style.beside(axes, f"best epoch {epoch}{more}", (epoch, 0), offset, xycoords=("data", "axes fraction"), ha=side)


def _wilson(shares: pd.Series, numbers: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """95% Wilson intervals of shares of `numbers`; NaN where the share is."""
    ends = [
        wilson_interval(share, int(n)) if pd.notna(share) else (np.nan, np.nan)
        for share, n in zip(shares, numbers, strict=True)
    ]
    low, high = np.array(ends, dtype=float).T
    return low, high
