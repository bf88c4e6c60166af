"""The figures and the section of car or no car: what they draw and say, and that nothing is cut off."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from carseg_lib.engine.presence import Presence
from carseg_lib.evaluation.presence import GIVEN, NO_CAR, OWN, PRESENCE, presence_metrics
from carseg_lib.reporting.plots import presence as figures
from carseg_lib.reporting.plots.style import png_bytes
from tests.helpers.figures import assert_texts_inside

TYPES = ("suv", "sedan")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("photos")
    for i in range(60):
        Image.fromarray(np.full((40, 60, 3), 4 * i, np.uint8)).save(root / f"{i:02d}.jpg")
    return root


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """Forty cars, ten photos without a car in test, ten given ones: the detector is as sure of all."""
    rng = np.random.default_rng(0)
    rows = []
    for i in range(60):
        car = i < 40
        source, split = (OWN, ("validation", "test")[i % 2]) if car else (OWN, "test") if i < 50 else (GIVEN, "test")
        likeness = rng.uniform(0.5, 1) if car else rng.uniform(0, 0.3)
        found = {"x1": 5.0, "y1": 5.0, "x2": 50.0, "y2": 30.0, "object_score": 0.9, "likeness": likeness}
        head = {"photo_id": f"{i:02d}.jpg", "source": source, "split": split}
        labels = {"body_type": TYPES[i % 2] if car else NO_CAR, "predicted": TYPES[0]}
        rows.append(head | labels | (found | {"score": 0.9 * likeness} if i != 45 else {"predicted": ""}))
    return pd.DataFrame(rows, columns=list(PRESENCE)).astype(PRESENCE)


@pytest.fixture(scope="module")
def metrics(table):
    scores = np.sort(table[(table["split"] == "validation")]["score"].to_numpy())
    return presence_metrics(table, Presence((1,), ("cab",), scores, len(scores), 0.9, "", ""), TYPES)


def test_the_froc_curve_has_a_panel_for_each_set_and_says_the_false_alarms(table, metrics):
    figure = figures.froc_curves(table, metrics)
    assert_texts_inside(figure, "froc")
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "test, 10 photos without a car",
        "negatives, 10 photos without a car",
    ]
    assert all(len(axes.lines) == 3 for axes in figure.axes)
    assert "test: 0.0%" in figure.alt and "negatives: 0.0%" in figure.alt
    assert png_bytes(figure) == png_bytes(figures.froc_curves(table, metrics))


def test_every_photo_is_a_point_and_the_threshold_a_line(table, metrics):
    figure = figures.score_map(table, metrics)
    assert_texts_inside(figure, "scores")
    assert "40 photos: car" in figure.alt and "20 photos: no car (1 without a region)" in figure.alt
    cars, none = figure.axes[0].collections
    assert (len(cars.get_offsets()), len(none.get_offsets())) == (40, 19)
    x, y = figure.axes[0].lines[0].get_data()
    assert np.asarray(x)[-1] * np.asarray(y)[-1] == pytest.approx(metrics["threshold"])


def test_the_worst_photos_come_first_and_mistakes_are_red(table, metrics, folder):
    roots = {OWN: folder, GIVEN: folder}
    figure = figures.extreme_photos(table, metrics, roots, misses=True)
    assert_texts_inside(figure, "misses")
    missed = int((table[table["body_type"] != NO_CAR]["score"] < metrics["threshold"]).sum())
    assert missed > 0 and f"missed, {missed} of those shown" in figure.alt
    lowest = table[table["body_type"] != NO_CAR].sort_values("score").iloc[0]
    assert figure.axes[0].get_title(loc="left").startswith(f"{lowest.body_type}, {lowest.score:.2g}")
    alarms = figures.extreme_photos(table, metrics, roots, misses=False)
    assert "called a car, 0 of those shown" in alarms.alt and "20 of 20 photos" in alarms.alt
    assert alarms.axes[19].get_title(loc="left") == "nothing found, no region"


def test_without_photos_of_something_else_the_figures_say_so(table, metrics):
    cars = table[table["body_type"] != NO_CAR]
    none = metrics | {"without_car": {}}
    assert figures.froc_curves(cars, none).axes[0].texts[0].get_text() == figures.NO_PHOTOS
    assert figures.extreme_photos(cars, none, {}, misses=False).axes[0].texts[0].get_text() == figures.NO_PHOTOS
