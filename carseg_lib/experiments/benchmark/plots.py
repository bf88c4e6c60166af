"""Figures of the benchmark: how many times better, where a step's time goes, and accuracy over training time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from carseg_lib.reporting.plots.style import (
    INK,
    PAPER_COLOUR,
    QUIET,
    SPLIT_COLOURS,
    AccessibleFigure,
    add_title,
    empty_figure,
    new_figure,
    percent_axis,
    save_figure,
    with_theme,
)

CARSEG_COLOUR, TORCHVISION_COLOUR = SPLIT_COLOURS["train"], PAPER_COLOUR
# Kinds of work in a step, from the most useful to the least; others follow.
SHADES = ("#0072B2", "#56B4E9", "#009E73", "#E69F00", "#CC79A7", "#D55E00", "#999999", "#C8CCD1", "#E3E6EA")


def draw_bench(results: Mapping[str, Any], folder: Path) -> None:
    """Draws all figures of bench.json into its folder."""
    for name, draw in (("ratios", ratios), ("step", step_times), ("quality", learning)):
        save_figure(draw(results), folder / f"{name}.png")


@with_theme
def ratios(results: Mapping[str, Any]) -> AccessibleFigure:
    """How many times better each measurement of bench.json is than torchvision's."""
    title = "How many times better than torchvision's Mask R-CNN"
    rows = [row for row in results["rows"] if row["ratio"]]
    if not rows:
        return empty_figure(title, "Nothing was compared.")
    figure = new_figure(8.4, 0.5 + 0.36 * len(rows))
    axes = figure.add_subplot()
    values = [row["ratio"] for row in rows]
    axes.barh(range(len(rows)), [v - 1 for v in values], left=1, color=CARSEG_COLOUR, height=0.6)
    axes.axvline(1, color=INK, linewidth=1)
    axes.set_xscale("log")
    axes.set_yticks(range(len(rows)), [row["what"] for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(min(*values, 1) / 1.6, max(*values, 1) * 3)
    for place, (row, value) in enumerate(zip(rows, values, strict=True)):
        text = f" {value:.3g}×  ({row['torchvision']:.3g} → {row['carseg']:.3g} {row['unit']})"
        axes.text(max(value, 1), place, text, va="center", size=8, color=QUIET)
    axes.set_xlabel("ratio, larger is better; 1: as good")
    hardware = results["hardware"]
    note = (
        f"{', '.join([hardware['processor'], str(hardware['cores']) + ' cores', *hardware['gpus']])}; "
        f"profile {results['profile']}, photos of {results['data']}; medians of {results['plan']['repeats']} "
        "interleaved repeats."
    )
    return add_title(figure, title, note)


@with_theme
def step_times(results: Mapping[str, Any]) -> AccessibleFigure:
    """Where the time of a training step goes by bench.json, carseg and torchvision's."""
    where = results["where_time_goes"]
    kinds = sorted({k for kinds in where.values() for k in kinds}, key=lambda k: -where["carseg"].get(k, 0.0))
    figure = new_figure(8.4, 2.6)
    axes = figure.add_subplot()
    names, left = ["carseg", "torchvision"], [0.0, 0.0]
    for kind, colour in zip(kinds, SHADES * 2, strict=False):
        shares = [where[name].get(kind, 0.0) / sum(where[name].values()) for name in names]
        axes.barh(names, shares, left=left, color=colour, label=kind, height=0.6)
        for place, share in enumerate(shares):
            if share > 0.05:
                axes.text(left[place] + share / 2, place, f"{100 * share:.0f}%", ha="center", va="center", size=8)
            left[place] += share
    percent_axis(axes.xaxis, "share of a training step")
    axes.set_xlim(0, 1)
    axes.set_yticks(range(2), [f"{name}, {sum(where[name].values()):.2f} s" for name in names])
    axes.invert_yaxis()
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower left", ncols=3)
    note = f"Profiled; profile {results['profile']}, mean of 3 steps."
    return add_title(figure, "Where the time of a training step goes", note)


@with_theme
def learning(results: Mapping[str, Any]) -> AccessibleFigure:
    """Validation accuracy over training time by bench.json, carseg and torchvision's."""
    title = "Validation accuracy over training time"
    if "quality" not in results:
        return empty_figure(title, "The quality part was left out (photos=0).")
    figure = new_figure(8.4, 3.8)
    axes = figure.add_subplot()
    looks = {
        "torchvision": ("torchvision's Mask R-CNN", TORCHVISION_COLOUR, "o-"),
        "equal epochs": ("carseg, as many epochs", CARSEG_COLOUR, "o--"),
        "equal time": ("carseg, as much time", CARSEG_COLOUR, "-"),
        "classifier": ("a classifier, as much time", INK, "s"),
        "yolo": ("YOLO, as much time", QUIET, "D"),
    }
    for name, quality in results["quality"].items():
        label, colour, line = looks[name]
        seconds, accuracy = zip(*quality["curve"], strict=True)
        label = f"{label} ({quality['epochs']} epochs)"
        axes.plot([s / 60 for s in seconds], accuracy, line, color=colour, label=label)
    axes.set_xlabel("training time, minutes (validation not counted)")
    percent_axis(axes.yaxis, "validation accuracy")
    axes.set_ylim(0, 1)
    axes.grid(True, axis="y")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower left", ncols=3)
    plan = results["plan"]
    start = "from scratch" if plan["weights"] == "none" else "from ImageNet"
    note = f"{plan['photos']} training and {plan['photos']} validation photos of {results['data']}, both {start}."
    return add_title(figure, title, note)
