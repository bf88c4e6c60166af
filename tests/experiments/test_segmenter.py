"""Evaluation of an annotator: labelled masks, photos left out, and speed."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from carseg_lib.core.errors import CarsegError
from carseg_lib.core.paths import project_folder
from carseg_lib.core.run import Run
from carseg_lib.data.masks import decode_mask
from carseg_lib.engine.pseudo_labels.annotators import Instance
from carseg_lib.experiments.segmenter import evaluate
from carseg_lib.experiments.segmenter.evaluate import cars_with_masks, evaluate_annotator, measure, photos_per_second
from tests.helpers.small_run import small_run

REAL = project_folder().parent / "shared" / "data" / "stanford-cars-4"


@pytest.fixture
def run(monkeypatch, tmp_path, synthetic_cars):
    return small_run(monkeypatch, tmp_path, synthetic_cars, min_quality=0.5)


@pytest.fixture
def cars(synthetic_cars):
    return cars_with_masks(synthetic_cars).split("validation")


class FixedAnnotator:
    """Gives the photos in their order the masks it was made with, each with its score; then begins again."""

    name, sha256, uses_boxes = "a test", "34" * 32, False

    def __init__(self, cars, scores, cut=0.0):
        largest = cars.instances.assign(area=lambda t: (t.x2 - t.x1) * (t.y2 - t.y1)).sort_values("area")
        largest = largest.drop_duplicates("photo_id", keep="last").set_index("photo_id")
        self.instances_of_photos = []
        for photo, score in zip(cars.photos.itertuples(), scores, strict=True):
            car = largest.loc[photo.photo_id]
            mask = decode_mask(car["mask"], photo.height, photo.width)
            rows = np.where(mask.any(1))[0]
            mask[rows[: round(len(rows) * cut)]] = False
            self.instances_of_photos.append([Instance((car.x1, car.y1, car.x2, car.y2), mask, score, 1.0)])
        self.done = 0

    def instances(self, photos, boxes):
        first, self.done = self.done, self.done + len(photos)
        return self.instances_of_photos[first : self.done]


def test_true_masks_score_1_and_photos_of_low_quality_are_counted_apart(run, cars):
    n = len(cars.photos)
    scores = measure(FixedAnnotator(cars, [0.2] + [0.9] * (n - 1)), cars, run)
    assert scores["photos"] == n and scores["left_out"] == pytest.approx(1 / n)
    assert scores["mask_iou"]["n"] == n - 1 and scores["mask_iou"]["value"] == scores["mask_iou_of_all"] == 1


def test_half_a_mask_scores_about_half(run, cars):
    scores = measure(FixedAnnotator(cars, [0.9] * len(cars.photos), cut=0.5), cars, run)
    assert 0.3 < scores["mask_iou"]["value"] < 0.7


def test_an_annotator_without_a_sure_mask_is_refused(run, cars):
    with pytest.raises(CarsegError, match="a test is sure of no photo"):
        measure(FixedAnnotator(cars, [0.1] * len(cars.photos)), cars, run)


def test_speed_is_of_all_batches_but_the_first(cars, monkeypatch):
    annotator = FixedAnnotator(cars, [0.9] * len(cars.photos))
    ticks = iter([10.0, 12.0])
    monkeypatch.setattr(evaluate.time, "perf_counter", lambda: next(ticks))
    assert photos_per_second(annotator, cars, 2) == (len(cars.photos) - 2) / 2.0


def test_grabcut_is_given_the_boxes(run, log):
    run = run.updated(pseudo_labels={"source": "grabcut", "min_quality": 0.0})
    scores = evaluate_annotator(run)
    assert scores["mask_iou"]["value"] > 0.7 and scores["left_out"] == 0
    lines = [record.message for record in log.records if record.name == evaluate.__name__]
    assert lines[0].startswith("GrabCut on ") and "photos a second and process" in lines[1]


def test_no_annotator_and_no_masks_are_refused(run, synthetic_cars):
    with pytest.raises(CarsegError, match="source=none draws nothing"):
        evaluate_annotator(run.updated(pseudo_labels={"source": "none"}))
    with pytest.raises(CarsegError, match="no masks"):
        evaluate_annotator(run.updated(data={"source": str(synthetic_cars / "images")}))


@pytest.mark.skipif(not REAL.is_dir(), reason=f"needs real photos with masks in {Path('../shared/data')}")
def test_the_builtin_segmenter_outlines_real_cars(monkeypatch, tmp_path):
    monkeypatch.setenv("CARSEG_REPORTS", str(tmp_path))
    run = Run.create("teacher", data=REAL)
    cars = cars_with_masks(REAL).split("validation")
    others = cars.photos.photo_id[np.arange(len(cars.photos)) % 18 > 0]
    few = cars.without(others, "not drawn", pd.Series("", others.index))
    scores = measure(evaluate.make_annotator("builtin", "auto"), few, run)
    assert scores["mask_iou"]["value"] > 0.87 and scores["left_out"] < 0.1
