"""The figures of robustness and of near copies: what they say in words, from hand-made numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from carseg_lib.evaluation.corruptions import CORRUPTIONS, SEVERITIES
from carseg_lib.evaluation.near_copies import NearCopies
from carseg_lib.evaluation.robustness import ANGLES, CORNERS, CORNERS_ONLY, TURNED, Robustness
from carseg_lib.reporting.html.certainty import near_copies_sentence, robustness_sentences
from carseg_lib.reporting.plots.near_copies import planted_recall
from carseg_lib.reporting.plots.robustness import accuracy_by_angle, accuracy_by_severity, robustness_figures
from carseg_lib.reporting.plots.style import png_bytes


def estimate(value: float, width: float = 0.05, n: int = 40) -> dict:
    return {"value": value, "low": max(value - width, -1), "high": value + width, "n": n}


def row(accuracy: float) -> dict:
    numbers = {"accuracy": accuracy, "difference": accuracy - 0.9, "no_car_found": 0.1}
    flat = {
        f"{name}{end}": value + shift
        for name, value in numbers.items()
        for end, shift in (("", 0), ("_low", -0.04), ("_high", 0.04))
    }
    return {"n": 40, **flat, "p_value": 0.01, "p_holm": 0.04}


@pytest.fixture(scope="module")
def result() -> Robustness:
    fall = {name: 0.02 * (k + 1) for k, name in enumerate(CORRUPTIONS)}
    corruptions = pd.DataFrame(
        [
            {"corruption": name, "severity": severity, "level": "", **row(0.9 - fall[name] * severity)}
            for name in CORRUPTIONS
            for severity in SEVERITIES
        ]
    )
    rotation = pd.DataFrame(
        [{"photo": TURNED, "angle": angle, **row(0.9 - abs(angle) / 300)} for angle in ANGLES]
        + [{"photo": CORNERS_ONLY, "angle": angle, **row(0.88)} for angle in CORNERS]
    )
    means = {name: 0.9 - 3 * drop for name, drop in fall.items()}
    part = {"accuracy": estimate(0.63), "difference": estimate(-0.27)}
    summary = {
        "photos": 40,
        "split": "validation",
        "clean": estimate(0.9),
        "clean_no_car_found": estimate(0.0, 0),
        "mean_corruption": part,
        "corruptions": {
            name: {
                "accuracy": estimate(mean),
                "difference": estimate(mean - 0.9),
                "strongest": estimate(0.9 - 5 * fall[name]),
            }
            for name, mean in means.items()
        },
        "rotation": {"15": part, "180": {"accuracy": estimate(0.3), "difference": estimate(-0.6)}},
    }
    examples = {
        (name, severity): np.full((24, 24, 3), 40 * severity, np.uint8)
        for name in CORRUPTIONS
        for severity in SEVERITIES
    }
    return Robustness(corruptions, rotation, summary, examples | {("clean", 0): np.zeros((24, 24, 3), np.uint8)})


def test_accuracy_by_severity_draws_every_number_and_names_the_means(result):
    figure = accuracy_by_severity(result.corruptions, result.summary)
    assert len(figure.axes) == 8
    for axes, name in zip(figure.axes, CORRUPTIONS, strict=True):
        rows = result.corruptions[result.corruptions.corruption == name]
        clean, accuracy, lost = axes.lines
        assert list(clean.get_ydata()) == [0.9, 0.9]
        assert list(accuracy.get_ydata()) == pytest.approx([0.9, *rows.accuracy])
        assert list(lost.get_ydata()) == pytest.approx([0, *rows.no_car_found])
    assert "n = 40 validation photos" in figure.alt and "63.0% (58.0–68.0%)" in figure.alt
    assert "Pixelation: mean 42.0%, at severity 5 10.0%" in figure.alt


def test_accuracy_by_angle_closes_the_circle_and_shows_the_corners_either_way(result):
    figure = accuracy_by_angle(result.rotation, result.summary)
    curve = figure.axes[0].lines[0]
    assert list(curve.get_xdata()) == [-180, -90, -45, -30, -15, 0, 15, 30, 45, 90, 180]
    assert curve.get_ydata()[0] == curve.get_ydata()[-1] and curve.get_ydata()[5] == 0.9
    controls = [list(c.lines[0].get_xdata()) for c in figure.axes[0].containers]
    assert controls == [[-15, -30, -45], [15, 30, 45]]
    assert "90°: 60.0%" in figure.alt


def test_all_figures_can_be_saved_and_have_an_alternative_text(result):
    figures = robustness_figures(result)
    assert list(figures) == ["examples", "corruptions", "rotation"]
    assert len(figures["examples"].axes) == 8 * 6
    for figure in figures.values():
        assert figure.alt and png_bytes(figure, 20).startswith(b"\x89PNG")


def test_the_sentences_name_the_worst_and_the_best(result):
    texts = " ".join(robustness_sentences(result.summary))
    assert "accuracy is 90.0% (85.0–95.0%)" in texts and "63.0% (58.0–68.0%) on average: −27.0" in texts
    assert "Pixelation costs most (42.0% on average, 10.0% at severity 5), gaussian noise least (84.0%" in texts
    assert "15° 63.0%; 180° 30.0%" in texts


def test_planted_copies_stand_beside_what_hashes_find():
    kinds = ["mirrored", "cropped"]
    columns = {"found": [1.0, 0.9], "found_low": [0.7, 0.6], "found_high": [1.0, 0.98], "by_hash": [0.0, 0.1]}
    planted = pd.DataFrame(
        {"kind": kinds, "n": 10, **columns, "by_hash_low": 0.0, "by_hash_high": 0.3, "wrong": [0, 2]}
    )
    pairs = pd.DataFrame({"hash_distance": [1, 20], "split_a": "train", "split_b": ["test", "test"], "mirrored": True})
    found = NearCopies(pairs, planted, 50)
    figure = planted_recall(found)
    assert list(figure.axes[0].lines[0].get_xdata()) == [1.0, 0.9] and list(figure.axes[0].lines[1].get_xdata()) == [
        0.0,
        0.1,
    ]
    assert "10 copies of each kind" in figure.alt and "Of 20 copies, 2 links" in figure.alt
    assert near_copies_sentence(found.summary) == (
        "Among 50 photos, 2 pairs are near copies: 1 of them are missed by perceptual hashes, 1 of those across splits."
    )
