"""Figures of robustness: accuracy by corruption and severity, accuracy by rotation, one photo under each corruption."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from carseg_lib.core.formatting import interval, percent
from carseg_lib.evaluation.corruptions import CORRUPTIONS, SEVERITIES
from carseg_lib.evaluation.robustness import CORNERS_ONLY, TURNED, Robustness
from carseg_lib.reporting.plots import style
from carseg_lib.reporting.plots.style import AccessibleFigure, add_title, new_figure, with_theme

_TONE, _NO_CAR, _CONTROL = "#1F5C8B", "#767676", "#D55E00"


def robustness_figures(result: Robustness) -> dict[str, AccessibleFigure]:
    """Every figure of the result, by name."""
    return {
        "examples": corruption_examples(result.examples),
        "corruptions": accuracy_by_severity(result.corruptions, result.summary),
        "rotation": accuracy_by_angle(result.rotation, result.summary),
    }


@with_theme
def accuracy_by_severity(table: pd.DataFrame, summary: Mapping[str, Any]) -> AccessibleFigure:
    """Accuracy at each severity of each corruption, a panel per corruption, and the share in which no car is found.

    Args:
        table: corruptions.csv.
        summary: of `Robustness`.
    """
    clean, mean = summary["clean"], summary["mean_corruption"]
    figure = new_figure(8.4, 4.3)
    panels = figure.subplots(2, 4, sharex=True, sharey=True).flatten()
    for axes, (name, kind) in zip(panels, CORRUPTIONS.items(), strict=True):
        rows = table[table["corruption"] == name].sort_values("severity")
        places = [0, *rows["severity"]]
        axes.axhline(clean["value"], color=style.QUIET, linewidth=0.9, linestyle=(0, (4, 3)), zorder=0)
        low, high = ([clean[end], *rows[f"accuracy_{end}"]] for end in ("low", "high"))
        axes.fill_between(places, low, high, color=_TONE, alpha=0.18, linewidth=0)
        axes.plot(places, [clean["value"], *rows["accuracy"]], "o-", color=_TONE)
        lost = [summary["clean_no_car_found"]["value"], *rows["no_car_found"]]
        axes.plot(places, lost, "s-", color=_NO_CAR, linewidth=1.2, markersize=3)
        value = summary["corruptions"][name]["accuracy"]["value"]
        axes.set_title(f"{kind.title}: mean {percent(value, 0)}", size=9)
        axes.grid(True, axis="y")
        axes.set_ylim(-0.03, 1.03)
    for axes in panels[::4]:
        style.percent_axis(axes.yaxis, "share of photos")
    for axes in panels[4:]:
        axes.set_xticks([0, *SEVERITIES], ["clean", *map(str, SEVERITIES)])
        axes.set_xlabel("severity")
    handles = [style.dot(_TONE, "accuracy, 95% interval"), style.dot(_NO_CAR, "no car found (counts as wrong)", "s")]
    style.legend_below(figure, handles, 2)
    note = (
        f"n = {summary['photos']:,} {summary['split']} photos, the same under each condition. Dashed: accuracy on the "
        f"photos as they are, {percent(clean['value'])} ({interval(clean)}). Mean over all corruptions and severities: "
        f"{percent(mean['accuracy']['value'])} ({interval(mean['accuracy'])}). Severities: those of ImageNet-C."
    )
    values = "; ".join(
        f"{kind.title}: mean {percent(summary['corruptions'][name]['accuracy']['value'])}, at severity 5 "
        f"{percent(summary['corruptions'][name]['strongest']['value'])}"
        for name, kind in CORRUPTIONS.items()
    )
    means = {CORRUPTIONS[name].title: part["accuracy"]["value"] for name, part in summary["corruptions"].items()}
    worst, mildest = min(means, key=means.__getitem__), max(means, key=means.__getitem__)
    finding = (
        f"Accuracy falls from {percent(clean['value'])} to {percent(mean['accuracy']['value'])} on average: least "
        f"under {mildest} ({percent(means[mildest])}), most under {worst} ({percent(means[worst])})."
    )
    alt = f"Accuracy on corrupted photos. {note} {values}."
    return add_title(figure, "Accuracy on corrupted photos", note, alt, finding)


@with_theme
def accuracy_by_angle(table: pd.DataFrame, summary: Mapping[str, Any]) -> AccessibleFigure:
    """Accuracy by the angle that a photo is turned by, beside what its black corners alone cost.

    Args:
        table: rotation.csv.
        summary: of `Robustness`.
    """
    clean = summary["clean"]
    zero = {"angle": 0, **{f"accuracy{end}": clean[key] for end, key in _ENDS}, "no_car_found": 0.0}
    zero["no_car_found"] = summary["clean_no_car_found"]["value"]
    turned = table[table["photo"] == TURNED]
    opposite = turned[turned["angle"] == -180].assign(angle=180)  # the same photo: the curve closes
    rows = pd.concat([turned, pd.DataFrame([zero]), opposite]).sort_values("angle")
    control = table[table["photo"] == CORNERS_ONLY]
    figure = new_figure(8.4, 3.1)
    axes = figure.subplots()
    axes.axvspan(-90, 90, color=style.FAINT, zorder=0)
    axes.fill_between(rows["angle"], rows["accuracy_low"], rows["accuracy_high"], color=_TONE, alpha=0.18, linewidth=0)
    axes.plot(rows["angle"], rows["accuracy"], "o-", color=_TONE)
    axes.plot(rows["angle"], rows["no_car_found"], "s-", color=_NO_CAR, linewidth=1.2, markersize=3)
    for sign in (-1, 1):
        errors = np.abs(control[["accuracy_low", "accuracy_high"]].to_numpy().T - control["accuracy"].to_numpy())
        axes.errorbar(sign * control["angle"], control["accuracy"], errors, fmt="D", color=_CONTROL, markersize=4)
    axes.set_xticks([-180, -90, -45, -30, -15, 0, 15, 30, 45, 90, 180])
    axes.set_xlabel("angle, degrees counter-clockwise")
    axes.set_ylim(-0.03, 1.03)
    axes.grid(True, axis="y")
    style.percent_axis(axes.yaxis, "share of photos")
    handles = [
        style.dot(_TONE, "accuracy, 95% interval"),
        style.dot(_CONTROL, "the same black corners, photo not turned", "D"),
        style.dot(_NO_CAR, "no car found", "s"),
    ]
    style.legend_below(figure, handles, 3)
    note = (
        f"n = {summary['photos']:,} {summary['split']} photos, the same at each angle; as they are: "
        f"{percent(clean['value'])} ({interval(clean)}). Shaded: the angles of the paper's augmentation, "
        "[-90°, 90°]. The orange points have the black corners of a rotation by this angle (either way) but an upright "
        "car: the difference to the blue ones is that of the turned car."
    )
    values = "; ".join(f"{row.angle}°: {percent(row.accuracy)}" for row in turned.itertuples())
    quarter = turned[turned["angle"].abs() == 90]["accuracy"].mean()
    finding = (
        f"Turned by 90° either way, {percent(quarter)} of the photos are right; as they are, {percent(clean['value'])}."
    )
    alt = f"Accuracy on rotated photos. {note} {values}."
    return add_title(figure, "Accuracy on rotated photos", note, alt, finding)


_ENDS = (("", "value"), ("_low", "low"), ("_high", "high"))


@with_theme
def corruption_examples(examples: Mapping[tuple[str, int], np.ndarray]) -> AccessibleFigure:
    """One photo under each corruption (rows) at each severity (columns).

    Args:
        examples: of `Robustness`.
    """
    clean = examples["clean", 0]
    height, width = clean.shape[:2]
    side = 8.4 / 7.2
    figure = new_figure(8.4, len(CORRUPTIONS) * side * height / width)
    panels = figure.subplots(len(CORRUPTIONS), 1 + len(SEVERITIES))
    for k, (line, (name, kind)) in enumerate(zip(panels, CORRUPTIONS.items(), strict=True)):
        for axes, severity in zip(line, (0, *SEVERITIES), strict=True):
            axes.imshow(examples[name, severity] if severity else clean)
            style.plain_image(axes)
            if k == 0:
                axes.set_title(f"severity {severity}" if severity else "clean", size=8, color=style.QUIET, loc="center")
        line[0].set_ylabel(kind.title, size=8, color=style.INK)
    note = (
        "n = 1 photo, at the size of the network's input. Severities: the numbers of ImageNet-C (Hendrycks & "
        "Dietterich 2019)."
    )
    return add_title(figure, "One photo under each corruption", note)
