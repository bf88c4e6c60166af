"""Figures of the evaluation: confusion matrix, precision and recall, Table 1, average precision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from sklearn.metrics import precision_recall_curve

from carseg_lib.core.classes import BODY_TYPES
from carseg_lib.core.formatting import percent
from carseg_lib.reporting.palette import class_color
from carseg_lib.reporting.plots import style
from carseg_lib.reporting.plots.style import AccessibleFigure, add_title, empty_figure, new_figure, with_theme

MEASURES = ("precision", "recall", "f1", "accuracy")


@with_theme
def confusion_matrix(
    confusion: Mapping[str, Any], split: str = "test", title: str = "Confusion matrix"
) -> AccessibleFigure:
    """True against predicted types: counts and the share of each row, with a column for photos without a detection.

    Args:
        confusion: {"labels": types and "no car found", "matrix": rows = true types, columns = predicted}, from
            metrics.json; or, with photos without a car, "no car" as a row and a column.
        split: its name, for the title.
        title: without the split.
    """
    labels = list(confusion["labels"])
    matrix = np.asarray(confusion["matrix"], dtype=int)  # (types, types + 1)
    types, total = labels[: len(matrix)], int(matrix.sum())
    sums = matrix.sum(axis=1, keepdims=True)
    shares = np.divide(matrix, sums, out=np.zeros(matrix.shape), where=sums > 0)
    room = max(0, len(types) - 4)
    figure = new_figure(7.0 + 0.7 * room, 4.0 + 0.55 * room)
    axes = figure.subplots()
    sns.heatmap(
        shares,
        annot=np.vectorize(lambda n, share: f"{n:,}\n{percent(share, 0)}", otypes=[object])(matrix, shares),
        fmt="",
        annot_kws={"size": 9.5, "linespacing": 1.3},
        cmap=style.fade("#1F5C8B"),
        vmin=0,
        vmax=1,
        linewidths=2,
        xticklabels=[label.replace("no car ", "no car\n") for label in labels],
        yticklabels=[f"{t}\nn = {n:,}" for t, n in zip(types, sums[:, 0], strict=True)],
        cbar_kws={"shrink": 0.8, "pad": 0.02},
        ax=axes,
    )
    axes.tick_params(which="both", length=0, labelrotation=0)
    axes.axvline(len(types), color="#AEB6BF", linewidth=1)
    axes.set(xlabel="predicted type", ylabel="true type")
    if (bar := axes.collections[0].colorbar) is not None:
        style.percent_axis(bar.ax.yaxis, "share of the row")
    correct = int(np.trace(matrix[:, : len(types)]))
    note = f"n = {total:,} {split} photos, {correct:,} on the diagonal ({percent(correct / max(total, 1))})"
    note += f"; no car found in {int(matrix[:, -1].sum()):,}." if len(labels) > len(types) else "."
    rows = "; ".join(
        f"of {sums[i, 0]} {t}, " + ", ".join(f"{n} {label}" for n, label in zip(matrix[i], labels, strict=True) if n)
        for i, t in enumerate(types)
    )
    title = f"{title}, {split}"
    return add_title(figure, title, note, f"{title}. {note} Predictions: {rows}.")


@with_theme
def pr_curves(
    predictions: pd.DataFrame,
    detections: pd.DataFrame | None = None,
    body_types: Sequence[str] = BODY_TYPES,
    table1: Mapping[str, Mapping[str, float]] | None = None,
    split: str = "test",
) -> AccessibleFigure:
    """Precision-recall curve of each type, one-vs-rest, over the score of a photo.

    A photo's score for a type is the highest score of its detections of that type (of its prediction without
    `detections`). A curve ends where no photo with such a score is left.

    Args:
        predictions: predictions.csv of one split.
        detections: detections.csv of the same split, if available.
        body_types: the types, in order.
        table1: {type: {"precision": ..., "recall": ...}} of the paper, drawn as a cross.
        split: its name, for the title.
    """
    if predictions.empty:
        return empty_figure(f"Precision and recall, {split}", "There are no predictions.")
    source = predictions[["photo_id", "predicted", "score"]].rename(columns={"predicted": "body_type"})
    if detections is not None:
        source = detections[["photo_id", "body_type", "score"]]
    figure = new_figure(8.4, 2.3 * style.lines_of(len(body_types)))
    panels = style.type_panels(figure, len(body_types), sharex=True, sharey=True)
    for axes, body_type in zip(panels, body_types, strict=True):
        best = source[source["body_type"] == body_type].groupby("photo_id")["score"].max()
        scores = predictions["photo_id"].map(best)
        truth = (predictions["body_type"] == body_type).to_numpy()
        axes.set_title(f"{body_type} (n = {truth.sum():,})")
        axes.axhline(truth.mean(), color="#AEB6BF", linewidth=1, linestyle=(0, (1, 2)))
        if truth.any() and scores.notna().any():
            precision, recall, threshold = precision_recall_curve(truth, scores.fillna(-1).to_numpy())
            keep = np.append(threshold >= 0, True)
            precision, recall = precision[keep], recall[keep]
            area = -float(np.sum(np.diff(recall) * precision[:-1]))
            tone = class_color(body_type, body_types)
            axes.step(recall, precision, where="post", color=tone)
            axes.fill_between(recall, precision, step="post", color=tone, alpha=0.1, linewidth=0)
            text = axes.text(0.06, 0.08, f"area {area:.2f}", transform=axes.transAxes, size=8.5, color=style.QUIET)
            text.set_bbox({"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1})
        if table1 and body_type in table1:
            paper = table1[body_type]
            (line,) = axes.plot(paper["recall"], paper["precision"], "x", color=style.PAPER_COLOUR)
            line.set(markersize=8, markeredgewidth=2, clip_on=False, zorder=4)
        axes.grid(True)
        axes.set(xlim=(0, 1.02), ylim=(0, 1.03), aspect="equal", xticks=[0, 0.5, 1])
        style.percent_axis(axes.xaxis, "recall")
    style.percent_axis(panels[0].yaxis, "precision")
    note = f"n = {len(predictions):,} {split} photos, one-vs-rest. Dotted: a random guess."
    if table1 and set(table1) & set(body_types):
        note += " Cross: the paper's Table 1."
    return add_title(figure, f"Precision and recall of each type, {split}", note)


@with_theme
def table_bars(
    comparison: pd.DataFrame, body_types: Sequence[str] = BODY_TYPES, split: str = "test"
) -> AccessibleFigure:
    """Precision, recall, F1 and accuracy of each type with intervals, and the numbers of Table 1.

    Args:
        comparison: columns what, paper, ours, low, high, n (fractions); rows whose `what` names a body type
            and a measure are drawn, others left out.
        body_types: the types, in order.
        split: of the numbers, for the title.
    """
    figure = new_figure(8.4, 2.7 + 0.45 * max(0, len(body_types) - 4))
    panels = figure.subplots(1, len(MEASURES), sharey=True)
    at = np.arange(len(body_types))
    drawn: list[str] = []
    for axes, measure in zip(panels, MEASURES, strict=True):
        for k, body_type in enumerate(body_types):
            row = _find(comparison, body_type, measure)
            if row is None:
                continue
            if pd.notna(row["ours"]):
                axes.barh(k, row["ours"], 0.62, color=class_color(body_type, body_types), alpha=0.85)
                if pd.notna(row["low"]) and pd.notna(row["high"]):
                    axes.plot([row["low"], row["high"]], [k, k], color=style.INK, linewidth=1.4, solid_capstyle="butt")
            if pd.notna(row["paper"]):
                axes.plot([row["paper"]] * 2, [k - 0.4, k + 0.4], color=style.PAPER_COLOUR, linewidth=2.4)
            drawn.append(f"{body_type} {measure} {_in_words(row)}")
        axes.set(title="F1" if measure == "f1" else measure, xlim=(0, 1.02), xticks=[0, 0.25, 0.5, 0.75, 1])
        axes.tick_params(axis="x", labelsize=7.5)
        axes.tick_params(axis="y", length=0)
        axes.grid(True, axis="x")
        style.percent_axis(axes.xaxis, "")
        axes.spines["left"].set_visible(False)
    support = {t: _support(comparison, t) for t in body_types}
    panels[0].set_yticks(at, [f"{t}\nn = {support[t]:,}" if support[t] else t for t in body_types])
    panels[0].set_ylim(len(body_types) - 0.45, -0.55)
    rows = [row for t in body_types if (row := _find(comparison, t, "recall")) is not None]
    compared = any(pd.notna(row["paper"]) for row in rows)
    title = f"Each type and Table 1, {split}" if compared else f"Each type, {split}"
    marked = "; red mark: the paper's Table 1" if compared else ""
    note = f"n = {sum(support.values()):,} {split} photos. Bar: this run; black line: 95% interval{marked}."
    alt = f"{title}. Bars of each type and the numbers of the paper. {'; '.join(drawn)}."
    return add_title(figure, title, f"{note} Accuracy: one-vs-rest.", alt)


def _find(comparison: pd.DataFrame, body_type: str, measure: str) -> pd.Series | None:
    """The row whose `what` is the type and the measure, or has both words."""
    exact = comparison[comparison["what"] == f"{body_type} {measure}"]
    if len(exact):
        return exact.iloc[0]
    what = comparison["what"].str.lower().str.replace("f1-score", "f1").str.findall(r"[a-z0-9]+")
    hits = comparison[what.map(lambda words: body_type in words and measure in words)]
    return hits.iloc[0] if len(hits) else None


def _support(comparison: pd.DataFrame, body_type: str) -> int:
    """Photos of a type: the n of its recall."""
    row = _find(comparison, body_type, "recall")
    return int(row["n"]) if row is not None and pd.notna(row["n"]) else 0


def _in_words(row: pd.Series) -> str:
    ours = f"{row['ours']:.3f}" if pd.notna(row["ours"]) else "none"
    return f"{ours}, paper {row['paper']:.3f}" if pd.notna(row["paper"]) else ours


@with_theme
def average_precision(scores: Mapping[str, Any], split: str = "test") -> AccessibleFigure:
    """COCO average precision of boxes and masks: AP, AP50, AP75 and AP of each type, with 95% intervals.

    Args:
        scores: {"box": {...}, "mask": {...} or None} of one split of metrics.json.
        split: its name, for the title.
    """
    kinds = [kind for kind in ("box", "mask") if scores.get(kind)]
    if not kinds:
        return empty_figure(f"Average precision, {split}", "There are no boxes and no masks to evaluate.")
    figure = new_figure(8.4, 2.5)
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=[3, 4])
    types = list(scores[kinds[0]].get("per_type", {}))
    n = 0
    for k, kind in enumerate(kinds):
        part = scores[kind]
        look = {"alpha": 0.85} if kind == "box" else {"alpha": 0.45, "hatch": "///"}
        all_types = {name: part.get(name) for name in ("AP", "AP50", "AP75")}
        each_type = {t: part.get("per_type", {}).get(t, {}).get("AP") for t in types}
        for axes, values in ((left, all_types), (right, each_type)):
            for x, (name, estimate) in enumerate(values.items()):
                if not estimate:
                    continue
                n = max(n, estimate["n"])
                place = x + (k - (len(kinds) - 1) / 2) * 0.4
                tone = class_color(name, types) if name in types else "#4A6B8A"
                axes.bar(place, estimate["value"], 0.36, color=tone, edgecolor="white", linewidth=0, **look)
                axes.plot([place] * 2, [estimate["low"], estimate["high"]], color=style.INK, linewidth=1.4)
                text = percent(estimate["value"], 0)
                axes.text(place, estimate["high"] + 0.02, text, ha="center", size=8, color=style.QUIET)
            crowded = {"rotation": 30, "ha": "right"} if len(values) > 5 else {}
            axes.set_xticks(range(len(values)), list(values), **crowded)
            axes.grid(True, axis="y")
    style.percent_axis(left.yaxis, "average precision")
    left.set(ylim=(0, 1.12), yticks=[0, 0.25, 0.5, 0.75, 1], title="All types")
    right.set_title("AP of each type")
    note = f"n = {n:,} {split} photos. Line: 95% interval, which allows for the excess of AP on few photos. " + (
        "Plain: boxes; hatched: masks." if len(kinds) == 2 else f"Only {kinds[0]} AP: the other has no labels."
    )
    return add_title(figure, f"COCO average precision, {split}", note)
