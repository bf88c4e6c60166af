"""The figures of pseudo-masks: their qualities, and the photos that were left out."""

from dataclasses import replace

import numpy as np
import pytest

from carseg_lib.data.catalogue import Catalogue
from carseg_lib.engine.pseudo_labels import run as pseudo_labels
from carseg_lib.engine.pseudo_labels.annotators import Instance
from carseg_lib.engine.pseudo_labels.run import pseudo_label
from carseg_lib.reporting.plots.pseudo_labels import pseudo_label_figures
from tests.helpers.small_run import small_run, with_dataset


class FixedAnnotator:
    """Finds the same car in every photo; in one of them with a low score."""

    name, sha256, uses_boxes = "a test", "12" * 32, False

    def __init__(self, unsure):
        self.unsure, self.photos = unsure, 0

    def instances(self, photos, boxes):
        mask = np.zeros((160, 240), bool)
        mask[40:120, 60:180] = True
        scores = [0.2 if self.photos + i == self.unsure else 0.9 for i in range(len(photos))]
        self.photos += len(photos)
        return [[Instance((60.0, 40.0, 180.0, 120.0), mask, score, 1.0)] for score in scores]


@pytest.fixture
def run(monkeypatch, tmp_path, synthetic_cars):
    return small_run(monkeypatch, tmp_path, synthetic_cars, min_quality=0.5)


def test_photos_with_masks_have_no_such_figures(run):
    with_dataset(run)
    assert pseudo_label_figures(*pseudo_label(run.config, run), 0.5) == {}


def test_qualities_and_rejected_photos_are_shown(run, monkeypatch):
    dataset = with_dataset(run)
    cars = dataset.instances
    cars[["mask", "mask_origin", "box_origin"]] = ["", "none", "whole frame"]
    cars[["x1", "y1", "x2", "y2"]] = [0.0, 0.0, 240.0, 160.0]
    replace(dataset, instances=cars).save(run.dataset)
    in_training = int((Catalogue.load(run.dataset).photos.split == "train").argmax())
    monkeypatch.setattr(pseudo_labels, "make_annotator", lambda *_: FixedAnnotator(in_training))
    labelled, rejected = pseudo_label(run.config, run)
    figures = list(pseudo_label_figures(labelled, rejected, 0.5).values())
    qualities, left_out = figures
    assert f"1 of {len(labelled.photos) + 1} photos left out" in qualities.alt
    (panel, *others) = left_out.axes
    assert len(panel.images) == 1 and panel.get_title(loc="left").endswith(": quality 0.20")
    assert not any(other.images for other in others)
