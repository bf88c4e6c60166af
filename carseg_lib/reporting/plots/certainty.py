"""Figures of what a run's confidence is worth: reliability, risk and coverage, conformal sets, doubted labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from carseg_lib.core.formatting import interval, percent
from carseg_lib.data.photos import read_photo
from carseg_lib.evaluation.calibration import apply_temperature, confidence, correct, outcome_probabilities, reliability
from carseg_lib.evaluation.calibration import true_types as labels_of
from carseg_lib.evaluation.conformal import MARGINAL, PER_TYPE
from carseg_lib.evaluation.selective import answers, risk_coverage
from carseg_lib.reporting.palette import class_color
from carseg_lib.reporting.plots import style
from carseg_lib.reporting.plots.style import AccessibleFigure, add_title, empty_figure, new_figure, with_theme

if TYPE_CHECKING:
    from carseg_lib.data.catalogue import Catalogue

_AFTER = "#59636E"  # after temperature scaling, beside a split's colour
_KIND_COLOURS = {MARGINAL: "#0072B2", PER_TYPE: "#D55E00"}
_KIND_MARKERS = {MARGINAL: "o", PER_TYPE: "s"}
_LARGEST = 480  # pixels; photos are read no larger than a panel can show
_FEW = 10  # photos below which a bin is drawn pale, or a point of the curve is left out


@with_theme
def reliability_diagram(
    predictions: pd.DataFrame, body_types: Sequence[str], calibration: Mapping[str, Any]
) -> AccessibleFigure:
    """Accuracy against confidence before and after temperature scaling, a column a split; below, photos a bin.

    Args:
        predictions: as `tables.read_predictions` returns them.
        body_types: of the study, in order.
        calibration: as `calibration.calibrate` returns it for these predictions.
    """
    splits, temperature, bins = list(calibration["splits"]), calibration["temperature"], calibration["bins"]
    figure = new_figure(8.4, 4.6)
    panels = figure.subplots(2, len(splits), sharex=True, squeeze=False, height_ratios=[3, 1])
    words = []
    for (above, below), split in zip(panels.T, splits, strict=True):
        part = predictions[predictions["split"] == split]
        outcomes, truth = outcome_probabilities(part, body_types), labels_of(part, body_types)
        numbers = calibration["splits"][split]
        above.plot([0, 1], [0, 1], color="#AEB6BF", linewidth=1, zorder=0)
        versions = (
            (outcomes, style.SPLIT_COLOURS[split], style.SPLIT_MARKERS[split], -0.006),
            (apply_temperature(outcomes, temperature), _AFTER, "o", 0.006),
        )
        for probabilities, colour, marker, shift in versions:
            sure = confidence(probabilities)
            rows = reliability(sure, correct(probabilities, truth))
            for row in rows.itertuples():
                pale = 0.35 if row.n < _FEW else 1.0
                x = row.confidence + shift
                above.plot([x, x], [row.low, row.high], color=colour, linewidth=1.6, alpha=0.6 * pale)
                above.plot(x, row.accuracy, marker, color=colour, alpha=pale)
            below.hist(sure, np.linspace(0, 1, bins + 1), color=colour, histtype="step", linewidth=1.6)
        before, after = numbers["before"], numbers["after"]
        above.set_title(f"{split.capitalize()} (n = {len(part):,})\nECE {_ece(before)} → {_ece(after)}")
        above.set(xlim=(-0.02, 1.02), ylim=(-0.03, 1.03))
        style.percent_axis(above.yaxis, "accuracy" if split == splits[0] else "")
        style.percent_axis(below.xaxis, "confidence")
        style.thousands(below.yaxis, "photos" if split == splits[0] else "")
        words.append(
            f"{split}: ECE {percent(before['ece']['value'])} ({interval(before['ece'])}), {before['direction']}; after "
            f"{percent(after['ece']['value'])} ({interval(after['ece'])}), {after['direction']}"
        )
    handles = [
        style.dot(style.SPLIT_COLOURS[split], f"{split}, as the model gives it", style.SPLIT_MARKERS[split])
        for split in splits
    ]
    handles.append(style.dot(_AFTER, f"after temperature scaling (T = {temperature:.2f}, from validation)"))
    style.legend_below(figure, handles, 3)
    chance = ", ".join(f"{percent(calibration['splits'][s]['before']['ece']['chance'])} on {s}" for s in splits)
    note = (
        f"Point: the photos of one of {bins} bins, line: 95% interval (Wilson), pale: fewer than {_FEW} photos; above "
        f"the diagonal the model is under-confident. A perfectly calibrated model's ECE stays below {chance} (95%)."
    )
    found = {split: calibration["splits"][split] for split in splits}
    finding = ". ".join(
        f"On {split} confidence and accuracy differ by {_ece(part['before'])} on average "
        f"({part['before']['direction']}), after temperature scaling by {_ece(part['after'])}"
        for split, part in found.items()
    )
    alt = f"Calibration. {'. '.join(words)}. {note}"
    return add_title(figure, "Calibration of the predicted type", note, alt, f"{finding}.")


@with_theme
def risk_coverage_curve(
    predictions: pd.DataFrame, body_types: Sequence[str], selective: Mapping[str, Any]
) -> AccessibleFigure:
    """Accuracy of the photos that are answered, against their share, the surest first.

    Args:
        predictions: as `tables.read_predictions` returns them.
        body_types: of the study, in order.
        selective: as `selective.selective_accuracy` returns it for these predictions.
    """
    figure = new_figure(8.4, 3.4)
    axes = figure.subplots()
    words = []
    for split, numbers in selective["splits"].items():
        sure, hits = answers(predictions, body_types, split)
        curve = risk_coverage(sure, hits)
        drawn = curve[curve["n"] >= min(_FEW, len(hits))]
        colour = style.SPLIT_COLOURS[split]
        axes.fill_between(drawn["coverage"], drawn["low"], drawn["high"], color=colour, alpha=0.18, linewidth=0)
        auroc = "–" if numbers["auroc"] is None else f"{numbers['auroc']['value']:.2f}"
        label = f"{split} (n = {len(hits):,}): AURC {numbers['aurc']['value']:.3f}, AUROC {auroc}"
        axes.plot(drawn["coverage"], drawn["accuracy"], color=colour, label=label)
        for share, at in numbers["accuracy_at"].items():
            axes.plot(at["n"] / len(hits), at["value"], style.SPLIT_MARKERS[split], color=colour)
            words.append(f"{split}, {percent(float(share), 0)} answered: {percent(at['value'])} ({interval(at)})")
    axes.grid(True, axis="y")
    axes.set_xlim(0, 1.01)
    style.percent_axis(axes.xaxis, "coverage: photos answered, most confident first")
    style.percent_axis(axes.yaxis, "accuracy of the answered")
    axes.legend(loc="lower left")
    note = (
        "Points: the most confident 80% and 90%. Band: Wilson's 95% interval at each coverage for itself. AURC: mean "
        "share of wrong answers along the curve; AUROC: how often a right answer is surer than a wrong one. "
        + _by_validation(selective["by_validation"])
    )
    finding = f"Accuracy of the most confident photos. {'; '.join(words)}."
    return add_title(figure, "Accuracy if unsure photos are left out", note.strip(), note.strip(), finding)


@with_theme
def conformal_coverage(rows: pd.DataFrame) -> AccessibleFigure:
    """Coverage and mean size of conformal sets on test, of all photos and of each type, for each promised coverage.

    Args:
        rows: as `conformal.conformal_sets` returns them.
    """
    levels, groups = list(rows["level"].unique()), list(rows["group"].unique())
    figure = new_figure(8.4, 0.7 + 0.42 * len(groups))
    panels = figure.subplots(1, 2 * len(levels), sharey=True, width_ratios=[3, 2] * len(levels))
    for k, level in enumerate(levels):
        coverage, size = panels[2 * k : 2 * k + 2]
        coverage.axvline(level, color=style.INK, linewidth=1, linestyle=(0, (4, 3)), zorder=1.5)
        for j, kind in enumerate((MARGINAL, PER_TYPE)):
            part = rows[(rows["level"] == level) & (rows["kind"] == kind)]
            y = np.array([groups.index(group) for group in part["group"]]) + 0.26 * (j - 0.5)
            tone, marker = _KIND_COLOURS[kind], _KIND_MARKERS[kind]
            for axes, name in ((coverage, "coverage"), (size, "size")):
                axes.hlines(y, part[f"{name}_low"], part[f"{name}_high"], color=tone, linewidth=2, alpha=0.5)
                axes.plot(part[name], y, marker, color=tone)
        coverage.set_title(f"{percent(level, 0)} promised")
        coverage.set_xlim(max(0.0, rows["coverage_low"].min() - 0.02), 1.02)
        size.set_xlim(0, rows["size_high"].max() + 0.1)
        style.percent_axis(coverage.xaxis, "coverage")
        size.set_xlabel("types a set")
        for axes in (coverage, size):
            axes.grid(True, axis="x")
            axes.tick_params(axis="y", length=0)
    numbers = rows.drop_duplicates("group").set_index("group")
    labels = [f"{'all photos' if g == 'all' else g}\nn = {numbers.loc[g, 'n']:,}" for g in groups]
    panels[0].set_yticks(range(len(groups)), labels)
    panels[0].set_ylim(len(groups) - 0.4, -0.6)
    handles = [
        style.dot(_KIND_COLOURS[MARGINAL], "one threshold: promised for all photos together", _KIND_MARKERS[MARGINAL]),
        style.dot(_KIND_COLOURS[PER_TYPE], "a threshold a type: promised for each type", _KIND_MARKERS[PER_TYPE]),
    ]
    style.legend_below(figure, handles, 2)
    of_all = rows[(rows["group"] == "all") & (rows["kind"] == MARGINAL)]
    calibration = int(of_all["calibration"].iloc[0])
    note = (
        f"Thresholds from {calibration:,} validation photos, measured on {int(of_all['n'].iloc[0]):,} test photos; "
        "line: 95% interval; dashed: the promise, which holds on average if both are drawn alike. "
        + "Expected of all photos: "
        + ", ".join(
            f"{percent(row.expected_low, 0)} to {percent(row.expected_high, 0)} if {percent(row.level, 0)} is promised"
            for row in of_all.itertuples()
        )
        + "."
    )
    words = "; ".join(
        f"{row.kind}, {percent(row.level, 0)}, {row.group}: coverage {percent(row.coverage)}, {row.size:.2f} types"
        for row in rows.itertuples()
    )
    finding = "; ".join(
        f"of {percent(row.level, 0)} promised, {percent(row.coverage)} ({percent(row.coverage_low)} to "
        f"{percent(row.coverage_high)}) are covered, by {row.size:.2f} types a photo"
        for row in of_all.itertuples()
    )
    title = "Conformal sets: the types a photo may show"
    return add_title(figure, title, note, f"Conformal sets. {words}.", f"{finding[:1].upper()}{finding[1:]}.")


@with_theme
def doubted_photos(catalogue: Catalogue, doubts: pd.DataFrame, limit: int = 12) -> AccessibleFigure:
    """The photos whose labels are doubted most, with label and likely type.

    Args:
        catalogue: of the photos.
        doubts: as `label_errors.doubted_labels` returns them.
        limit: photos shown, at most.
    """
    title = "Labels that are doubted"
    if doubts.empty:
        return empty_figure(title, "No label is doubted.")
    shown = doubts.head(limit)
    columns = min(4, len(shown))
    lines = -(-len(shown) // columns)
    figure = new_figure(2.1 * columns if columns == 4 else 8.4, 1.85 * lines)
    panels: list[Axes] = list(figure.subplots(lines, columns, squeeze=False).flatten())
    for axes in panels[len(shown) :]:
        axes.set_axis_off()
    for axes, row in zip(panels, shown.itertuples(), strict=False):
        axes.imshow(read_photo(catalogue.root / row.photo_id, _LARGEST))
        style.plain_image(axes)
        axes.set_title(f"labelled {row.given}", size=8, color=class_color(row.given, catalogue.body_types), pad=3)
        axes.set_xlabel(
            f"likely {row.likely} ({row.split})\nlabel's probability {row.score:.3f}",
            size=7.5,
            color=class_color(row.likely, catalogue.body_types),
            loc="left",
        )
    counts = doubts["split"].value_counts()
    parts = " and ".join(f"{n:,} {split}" for split, n in counts.items())
    note = (
        f"n = {len(doubts):,} doubted labels ({parts}), the {len(shown)} most doubtful shown. A doubt is no proof: the "
        "model may be wrong."
    )
    words = "; ".join(f"{row.photo_id}: labelled {row.given}, likely {row.likely}" for row in shown.itertuples())
    return add_title(figure, title, note, f"{title}. {note} {words}.", f"{len(doubts):,} labels are doubted ({parts}).")


def _ece(numbers: Mapping[str, Any]) -> str:
    return f"{percent(numbers['ece']['value'])} ({interval(numbers['ece'])})"


def _by_validation(thresholds: Mapping[str, Any]) -> str:
    """What thresholds from validation give on test, in words."""
    parts = [
        f"the threshold for {percent(float(share), 0)} answers {percent(found['coverage']['value'])}, "
        f"{percent(found['accuracy']['value'])} of them correctly"
        for share, found in thresholds.items()
        if found["accuracy"]
    ]
    return f"By thresholds from validation, on test {'; '.join(parts)}." if parts else ""
