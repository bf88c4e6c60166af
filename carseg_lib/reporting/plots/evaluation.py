"""Figures of the evaluation: confusion matrix, precision and recall, Table 1, average precision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import precision_recall_curve

from carseg_lib.core.classes import BODY_TYPES
from carseg_lib.core.formatting import DASH, interval, percent
from carseg_lib.reporting.palette import class_color
from carseg_lib.reporting.plots import style
from carseg_lib.reporting.plots.style import AccessibleFigure, add_title, empty_figure, new_figure, with_theme

MEASURES = ("precision", "recall", "f1", "accuracy")
FULL_MISTAKE = 0.1  # share of a row at which a mistake has the full colour
_HIT, _MISTAKE = "#1F5C8B", "#D55E00"
_KINDS = {"box": ("#1F5C8B", "o"), "mask": ("#A8500A", "s")}  # colour and marker


@with_theme
def confusion_matrix(
    confusion: Mapping[str, Any], split: str = "test", title: str = "Confusion matrix"
) -> AccessibleFigure:
    """True against predicted types, in photos, with the recall of each row and the precision of each column.

    Args:
        confusion: {"labels": types and "no car found", "matrix": rows = true types, columns = predicted}, from
            metrics.json; or, with photos without a car, "no car" as a row and a column.
        split: its name, for the title.
        title: without the split.
    """
    labels = list(confusion["labels"])
    matrix = np.asarray(confusion["matrix"], dtype=int)  # (types, types + 1)
    types, total = labels[: len(matrix)], int(matrix.sum())
    sums, found = matrix.sum(axis=1), matrix.sum(axis=0)
    shares = np.divide(matrix, sums[:, None], out=np.zeros(matrix.shape), where=sums[:, None] > 0)
    room = max(0, len(types) - 4)
    figure = new_figure(7.0 + 0.7 * room, 3.9 + 0.55 * room)
    axes = figure.subplots()
    hit = np.eye(*matrix.shape) > 0
    mistake = (shares / FULL_MISTAKE).clip(0, 1)
    tones = np.where(hit[..., None], style.fade(_HIT)(0.95 * shares), style.fade(_MISTAKE)(0.8 * mistake))
    axes.imshow(tones, aspect="auto")
    for (i, j), n in np.ndenumerate(matrix):
        if not n:
            axes.text(j, i, "·", ha="center", va="center", size=11, color=style.QUIET)
            continue
        ink = "white" if hit[i, j] and shares[i, j] > 0.7 else style.INK
        axes.text(j, i, f"{n:,}", ha="center", va="center", size=11, color=ink)
    margin: dict[str, Any] = {"va": "center", "size": 9, "color": style.INK}
    for i, name in enumerate(types):
        recall = percent(matrix[i, i] / sums[i], 0) if sums[i] else DASH
        axes.text(len(labels) - 0.4, i, f"{recall}", ha="left", **margin)
        precision = percent(matrix[i, i] / found[i], 0) if found[i] else DASH
        axes.text(labels.index(name), len(types) - 0.25, precision, ha="center", **margin)
    head: dict[str, Any] = {"size": 8.5, "color": style.QUIET, "va": "center"}
    axes.text(len(labels) - 0.4, -0.72, "recall", ha="left", **head)
    axes.text(-0.6, len(types) - 0.25, "precision", ha="right", **head)
    axes.set(xlim=(-0.5, len(labels) + 0.05), ylim=(len(types) - 0.02, -0.5))
    axes.set_xticks(range(len(labels)), [label.replace("no car ", "no car\n") for label in labels])
    axes.set_yticks(range(len(types)), [f"{t}\nn = {n:,}" for t, n in zip(types, sums, strict=True)])
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.set(xlabel="predicted type", ylabel="true type")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    for edge in np.arange(len(labels) + 1) - 0.5:
        axes.plot([edge, edge], [-0.5, len(types) - 0.5], color="white", linewidth=2)
    for edge in np.arange(len(types) + 1) - 0.5:
        axes.plot([-0.5, len(labels) - 0.5], [edge, edge], color="white", linewidth=2)
    correct = int(matrix[hit].sum())
    note = (
        f"n = {total:,} {split} photos. Blue: right, by the share of the row; orange: mistaken, full colour at "
        f"{percent(FULL_MISTAKE, 0)} of the row; a dot: none."
    )
    finding = f"{correct:,} of {total:,} {split} photos are on the diagonal ({percent(correct / max(total, 1))})"
    if (matrix[~hit] > 0).any():
        i, j = np.unravel_index(np.where(hit, -1, matrix).argmax(), matrix.shape)
        finding += f"; the most frequent mistake: {matrix[i, j]:,} of {sums[i]:,} {types[i]} predicted as {labels[j]}"
    rows = "; ".join(
        f"of {sums[i]} {t}, " + ", ".join(f"{n} {label}" for n, label in zip(matrix[i], labels, strict=True) if n)
        for i, t in enumerate(types)
    )
    title = f"{title}, {split}"
    return add_title(figure, title, note, f"{title}. Predictions: {rows}.", f"{finding}.")


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
    areas: dict[str, float] = {}
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
            areas[body_type] = area = -float(np.sum(np.diff(recall) * precision[:-1]))
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
    note = f"n = {len(predictions):,} {split} photos, one-vs-rest. Dotted: chance level."
    if table1 and set(table1) & set(body_types):
        note += " Cross: the paper's Table 1."
    finding = ""
    if areas:
        least, most = min(areas, key=areas.__getitem__), max(areas, key=areas.__getitem__)
        finding = (
            f"The area under the curve of {split} photos is largest for {most} ({areas[most]:.2f}) and smallest for "
            f"{least} ({areas[least]:.2f})."
        )
    words = ", ".join(f"{name} {area:.2f}" for name, area in areas.items())
    title = f"Precision and recall of each type, {split}"
    return add_title(figure, title, note, f"{title}. Areas: {words}. {note}" if areas else "", finding)


@with_theme
def table_dots(
    comparison: pd.DataFrame, body_types: Sequence[str] = BODY_TYPES, split: str = "test"
) -> AccessibleFigure:
    """Precision, recall, F1 and accuracy of each type with intervals, and the numbers of Table 1.

    Args:
        comparison: columns what, paper, ours, low, high, n (fractions); rows whose `what` names a body type
            and a measure are drawn, others left out.
        body_types: the types, in order.
        split: of the numbers, for the title.
    """
    figure = new_figure(8.4, 2.4 + 0.4 * max(0, len(body_types) - 4))
    panels = figure.subplots(1, len(MEASURES), sharey=True, sharex=True)
    drawn: list[str] = []
    places: list[int] = []  # of the printed numbers: -1 below the interval, 0 in it, 1 above
    lowest = 1.0
    for axes, measure in zip(panels, MEASURES, strict=True):
        for k, body_type in enumerate(body_types):
            row = _find(comparison, body_type, measure)
            if row is None:
                continue
            lowest = min(lowest, *(row[c] for c in ("ours", "low", "paper") if pd.notna(row[c])), 1.0)
            if pd.notna(row["ours"]):
                if pd.notna(row["low"]) and pd.notna(row["high"]):
                    axes.plot([row["low"], row["high"]], [k, k], color=_HIT, linewidth=2, alpha=0.5)
                    if pd.notna(row["paper"]):
                        places.append(int(row["paper"] > row["high"]) - int(row["paper"] < row["low"]))
                axes.plot(row["ours"], k, "o", color=_HIT)
            if pd.notna(row["paper"]):
                axes.plot([row["paper"]] * 2, [k - 0.28, k + 0.28], color=style.PAPER_COLOUR, linewidth=2.2)
            drawn.append(f"{body_type} {measure} {_in_words(row)}")
        axes.set_title("F1" if measure == "f1" else measure)
        axes.tick_params(axis="y", length=0)
        axes.grid(True, axis="x")
        style.percent_axis(axes.xaxis, "")
    floor = min(0.5, max(0.0, np.floor(10 * (lowest - 0.02)) / 10))
    panels[0].set(xlim=(floor - 0.02, 1.02), xticks=np.linspace(floor, 1, 3))
    support = {t: _support(comparison, t) for t in body_types}
    labels = [f"{t}\nn = {support[t]:,}" if support[t] else t for t in body_types]
    panels[0].set_yticks(range(len(body_types)), labels)
    panels[0].set_ylim(len(body_types) - 0.5, -0.5)
    rows = [row for t in body_types if (row := _find(comparison, t, "recall")) is not None]
    compared = any(pd.notna(row["paper"]) for row in rows)
    title = f"Each type and Table 1, {split}" if compared else f"Each type, {split}"
    marked = "; red line across: the paper's Table 1" if compared else ""
    note = (
        f"n = {sum(support.values()):,} {split} photos. Dot: this run; line: 95% interval{marked}. The axis begins at "
        f"{percent(floor, 0)}. Accuracy: one-vs-rest."
    )
    finding = (
        f"On {split}, {places.count(0)} of the {len(places)} printed numbers lie inside our 95% intervals, "
        f"{places.count(1)} above and {places.count(-1)} below."
        if places
        else ""
    )
    return add_title(figure, title, note, f"{title}. {'; '.join(drawn)}.", finding)


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
    types = list(scores[kinds[0]].get("per_type", {}))
    figure = new_figure(8.4, 0.5 + 0.5 * max(3, len(types)))
    panels = figure.subplots(1, 2, sharex=True)
    n, words = 0, []
    for k, kind in enumerate(kinds):
        part = scores[kind]
        colour, marker = _KINDS[kind]
        all_types = {name: part.get(name) for name in ("AP", "AP50", "AP75")}
        each_type = {t: part.get("per_type", {}).get(t, {}).get("AP") for t in types}
        for axes, values in zip(panels, (all_types, each_type), strict=True):
            for y, (name, estimate) in enumerate(values.items()):
                if not estimate:
                    continue
                n = max(n, estimate["n"])
                place = y + (k - (len(kinds) - 1) / 2) * 0.36
                axes.plot([estimate["low"], estimate["high"]], [place] * 2, color=colour, linewidth=2, alpha=0.5)
                axes.plot(estimate["value"], place, marker, color=colour)
                text = f"{kind} {percent(estimate['value'], 0)}"
                style.beside(axes, text, (estimate["high"], place), (4, 0), xycoords="data", va="center", color=colour)
                words.append(f"{kind} {name} {percent(estimate['value'])} ({interval(estimate)})")
            axes.set_yticks(range(len(values)), list(values))
            axes.set_ylim(len(values) - 0.45, -0.55)
            axes.tick_params(axis="y", length=0)
            axes.grid(True, axis="x")
            style.percent_axis(axes.xaxis, "")
    panels[0].set(xlim=(0, 1.14), xticks=[0, 0.25, 0.5, 0.75, 1], title="All types")
    panels[1].set_title("AP of each type")
    note = f"n = {n:,} {split} photos. Line: 95% interval, which allows for the excess of AP on few photos."
    if len(kinds) == 1:
        note += f" Only {kinds[0]} AP: the other has no labels."
    of_all = [f"{kind} {percent(scores[kind]['AP']['value'])} ({interval(scores[kind]['AP'])})" for kind in kinds]
    finding = f"Average precision on {split}: {', '.join(of_all)}."
    title = f"COCO average precision, {split}"
    return add_title(figure, title, note, f"{title}. {'; '.join(words)}. {note}", finding)
