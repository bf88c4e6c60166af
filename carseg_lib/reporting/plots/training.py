"""Figures of the training: losses and accuracies per epoch."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from carseg_lib.core.formatting import percent
from carseg_lib.evaluation.bootstrap import wilson_interval
from carseg_lib.paper.claims import claimed_number
from carseg_lib.reporting.plots import style
from carseg_lib.reporting.plots.style import AccessibleFigure, add_title, empty_figure, new_figure, with_theme

PAPER_ACCURACY = {  # section VI
    "validation": claimed_number("average validation accuracy"),
    "train": claimed_number("average training accuracy"),
}
_LINE = 11.0  # points between the names of two curves
TERMS = {
    "objectness": "objectness (proposals)",
    "rpn_box_reg": "box (proposals)",
    "classifier": "body type",
    "box_reg": "box (head)",
    "mask": "mask",
}


@with_theme
def loss_curves(history: pd.DataFrame) -> AccessibleFigure:
    """The sum of the losses per epoch on train and validation, on a log axis, the best epoch marked.

    Args:
        history: history.csv, a row per epoch.
    """
    if history.empty:
        return empty_figure("Loss", "No epoch is complete yet.")
    figure = new_figure(7.6, 3.1)
    axes = figure.subplots()
    ends = []
    for split in ("train", "validation"):
        _curve(axes, history, f"{split}_loss", split)
        ends.append((history[f"{split}_loss"].iloc[-1], split, style.SPLIT_COLOURS[split]))
    if (best := _best(history)) is not None:
        _mark_best(axes, best, history)
    _epochs(axes, history)
    _log_axis(axes)
    axes.set_ylabel("loss (sum of the terms, log axis)")
    _label_ends(axes, history, ends)
    first, last = history.iloc[0], history.iloc[-1]
    words = [f"of {s} from {first[f'{s}_loss']:.2f} to {last[f'{s}_loss']:.2f}" for s in ("train", "validation")]
    lowest = history.loc[history["validation_loss"].idxmin()]
    finding = (
        f"From epoch {int(first['epoch'])} to epoch {int(last['epoch'])} the loss goes: {', '.join(words)}. That of "
        f"validation is lowest in epoch {int(lowest['epoch'])} ({lowest['validation_loss']:.2f})."
    )
    return add_title(figure, "Loss per epoch", "", "Loss per epoch, training and validation.", finding)


@with_theme
def loss_terms(history: pd.DataFrame) -> AccessibleFigure:
    """The five terms of the loss, a panel each, on log axes; a term without values is marked "off"."""
    if history.empty:
        return empty_figure("Terms of the loss", "No epoch is complete yet.")
    figure = new_figure(8.4, 2.1)
    panels = figure.subplots(1, len(TERMS))
    last: dict[str, float] = {}
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
                if split == "validation":
                    last[name] = float(history[column].iloc[-1])
        _log_axis(axes)
    panels[0].set_ylabel("loss (log axis)")
    handles = [style.dot(style.SPLIT_COLOURS[s], s, style.SPLIT_MARKERS[s]) for s in ("train", "validation")]
    style.legend_below(figure, handles, 2)
    finding = ""
    if last:
        most = max(last, key=last.__getitem__)
        share = percent(last[most] / max(sum(last.values()), 1e-12), 0)
        finding = f"After the last epoch the largest term of the validation loss is {most} ({last[most]:.2f}, {share})."
    values = ", ".join(f"{name} {value:.3f}" for name, value in last.items())
    alt = f"The terms of the loss; of validation, after the last epoch: {values}."
    return add_title(figure, "The five terms of the loss", "Each panel has its own scale.", alt, finding)


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
    ends = []
    for split, column in numbers.items():
        accuracy, colour = f"{split}_accuracy", style.SPLIT_COLOURS[split]
        _curve(axes, history, accuracy, split)
        if column in history and history[column].min() > 0:
            low, high = _wilson(history[accuracy], history[column])
            axes.fill_between(history["epoch"], low, high, color=colour, alpha=0.13, linewidth=0)
        axes.axhline(PAPER_ACCURACY[split], color=colour, linewidth=1.1, linestyle=(0, (5, 3)), zorder=1)
        ends.append((history[accuracy].iloc[-1], split, colour))
        ends.append((PAPER_ACCURACY[split], f"paper, {split}: {percent(PAPER_ACCURACY[split])}", colour))
    best = _best(history)
    if best is not None:
        ring: dict[str, Any] = {"markersize": 9, "markerfacecolor": "none", "color": style.INK, "markeredgewidth": 1.3}
        axes.plot(best["epoch"], best["validation_accuracy"], "o", **ring)
        _mark_best(axes, best, history, f": {percent(best['validation_accuracy'])}")
    _epochs(axes, history)
    lowest = min(history["train_accuracy"].min(), history["validation_accuracy"].min(), *PAPER_ACCURACY.values())
    axes.set_ylim(max(0, np.floor(10 * (lowest - 0.06)) / 10), 1.0)
    style.percent_axis(axes.yaxis, "accuracy")
    _label_ends(axes, history, ends)
    sample, photos = (int(history[c].iloc[-1]) if c in history else 0 for c in numbers.values())
    note = (
        f"n = {photos:,} validation photos, {sample:,} training photos (a fixed sample, without augmentation). Band: "
        "95% interval (Wilson). Dashed: the paper's averages."
    )
    of = best if best is not None else history.iloc[-1]
    gap = 100 * (of["train_accuracy"] - of["validation_accuracy"])
    finding = (
        f"{'Best' if best is not None else 'Last'} epoch: {int(of['epoch'])} of {len(history)}, validation accuracy "
        f"{percent(of['validation_accuracy'])}; that of training photos is {abs(gap):.1f} points "
        f"{'above' if gap >= 0 else 'below'} it."
    )
    return add_title(figure, "Accuracy per epoch", note, f"Accuracy per epoch. {note}", finding)


def _curve(axes: Axes, history: pd.DataFrame, column: str, split: str) -> None:
    points = style.SPLIT_MARKERS[split] if len(history) <= 40 else ""
    axes.margins(y=0.12)
    axes.plot(history["epoch"], history[column], marker=points, color=style.SPLIT_COLOURS[split], label=split)


def _log_axis(axes: Axes) -> None:
    """A log axis with two or three plain numbers; the first epoch alone would set the scale of a linear one."""
    curves = [line for line in axes.lines if line.get_label() in style.SPLIT_MARKERS]
    values = np.concatenate([np.asarray(line.get_ydata(), dtype=float) for line in curves])
    if not (values[np.isfinite(values)] > 0).all():
        return
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_minor_locator(NullLocator())
    low, high = axes.get_ylim()
    if not any(low <= tick <= high for tick in axes.get_yticks()):
        axes.set_yticks([low, high], [f"{low:.2g}", f"{high:.2g}"])


def _label_ends(axes: Axes, history: pd.DataFrame, ends: list[tuple[float, str, str]]) -> None:
    """Name curves at their right ends, in their colours; names that would overlap are moved apart.

    Args:
        axes: whose limits are set.
        history: for the last epoch.
        ends: value, name and colour of each.
    """
    height = 72 * cast(Figure, axes.figure).get_size_inches()[1] * 0.7  # of the panel, points
    ends = sorted(((float(v), name, colour) for v, name, colour in ends if np.isfinite(v)), key=lambda end: end[0])
    scale = axes.transScale.transform
    low, high = (scale((1, y))[1] for y in axes.get_ylim())
    at = [height * (scale((1, value))[1] - low) / (high - low) for value, _, _ in ends]
    moved = list(at)
    for k in range(1, len(moved)):
        moved[k] = max(moved[k], moved[k - 1] + _LINE)
    excess = max(0.0, moved[-1] - height) if moved else 0.0
    for (value, name, colour), own, place in zip(ends, at, moved, strict=True):
        offset = (6, place - own - excess)
        x = axes.get_xlim()[1]
        style.beside(axes, name, (x, value), offset, xycoords="data", va="center", color=colour, annotation_clip=False)


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
