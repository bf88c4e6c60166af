from dataclasses import replace

import numpy as np
import pytest

from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.masks import decode_mask, mask_iou
from carseg_lib.engine.pseudo_labels import run
from carseg_lib.engine.pseudo_labels.annotators import Instance, load_annotator
from carseg_lib.engine.pseudo_labels.run import pseudo_label
from carseg_lib.experiments.segmenter.evaluate import format_scores, measure
from carseg_lib.experiments.segmenter.train import NAME, make_segmenter
from carseg_lib.models.pretrained import CAR, read_segmenter
from carseg_lib.reporting.plots.pseudo_labels import pseudo_label_figures
from tests.helpers.small_run import small_run, with_dataset


@pytest.fixture
def run(monkeypatch, tmp_path, synthetic_cars):
    return small_run(monkeypatch, tmp_path, synthetic_cars, min_quality=0.5)


def without_masks(study, boxes="whole frame"):
    """The study's data set as it would be from photos with a type alone, or with boxes; and the true masks."""
    dataset = with_dataset(study)
    truth = dataset.instances.set_index("photo_id")["mask"]
    cars = dataset.instances
    cars[["mask", "mask_origin", "box_origin"]] = ["", "none", boxes]
    if boxes == "whole frame":
        cars[["x1", "y1", "x2", "y2"]] = [0.0, 0.0, 240.0, 160.0]
    replace(dataset, instances=cars).save(study.dataset)
    return truth


class Knowing:
    """Sees the cars of the drawn photos by their colours: all that is not ground or sky; one photo it doubts."""

    name, sha256, uses_boxes = "a test", "12" * 32, False

    def __init__(self, doubted=()):
        self.doubted = doubted
        self.asked = 0

    def instances(self, photos, boxes):
        found = []
        for _photo in photos:
            mask = np.zeros((160, 240), bool)
            mask[40:120, 60:180] = True
            score = 0.2 if self.asked in self.doubted else 0.9
            self.asked += 1
            found.append([Instance((60.0, 40.0, 180.0, 120.0), mask, score, 1.0)])
        return found


def test_photos_with_masks_are_left_as_they_are(study):
    dataset = with_dataset(study)
    taught, doubtful = pseudo_label(study)
    assert taught.fingerprint == dataset.fingerprint and doubtful.empty and study.rejected_masks.is_file()
    assert pseudo_label_figures(taught, doubtful, 0.5) == {}


def test_without_a_teacher_photos_stay_without_masks(study):
    without_masks(study)
    taught, _ = pseudo_label(study.updated(pseudo_labels={"source": "none"}))
    assert not taught.has_masks and (taught.instances.box_origin == "whole frame").all()


def test_a_teachers_masks_and_doubts_are_saved_and_shown(study, monkeypatch):
    without_masks(study)
    in_training = int((Catalogue.load(study.dataset).photos.split == "train").argmax())
    monkeypatch.setattr(run, "teacher_of", lambda _: Knowing(doubted={in_training}))
    said = []
    taught, doubtful = pseudo_label(study, said.append)
    saved = Catalogue.load(study.dataset)
    assert saved.fingerprint == taught.fingerprint and saved.has_masks
    assert (saved.instances.mask_quality == 0.9).all() and len(doubtful) == 1
    assert doubtful.mask_quality.tolist() == [0.2] and saved.excluded_counts() == {"doubtful mask": 1}
    assert "0 s left" in said[-1] and "photos" in said[0]
    figures = pseudo_label_figures(taught, doubtful, 0.5)
    assert set(figures) == {"pseudo_mask_quality", "rejected_pseudo_masks"}
    assert f"1 of {len(taught.photos) + 1} photos rejected" in figures["pseudo_mask_quality"].alt
    (panel, *others) = figures["rejected_pseudo_masks"].axes
    assert len(panel.images) == 1 and panel.get_title(loc="left").endswith(": quality 0.20")
    assert not any(other.images for other in others)


def test_a_teacher_that_doubts_a_whole_type_is_refused(study, monkeypatch):
    without_masks(study)
    monkeypatch.setattr(run, "teacher_of", lambda _: Knowing(doubted=set(range(1000))))
    with pytest.raises(CarsegError, match=r"sure of no .* photo of .*least_mask_quality=0\.5\); lower it"):
        pseudo_label(study)


def test_grabcut_draws_inside_given_boxes_only(study):
    study = study.updated(pseudo_labels={"source": "grabcut", "min_quality": 0.0})
    without_masks(study)
    with pytest.raises(CarsegError, match="draws inside boxes, and these photos have none"):
        pseudo_label(study)
    truth = without_masks(study, boxes="given")
    taught, _ = pseudo_label(study)
    overlaps = [
        mask_iou(decode_mask(car["mask"], 160, 240), decode_mask(truth[car.photo_id], 160, 240))
        for _, car in taught.instances.iterrows()
    ]
    assert taught.has_masks and np.mean(overlaps) > 0.7


def test_two_processes_give_what_one_gives(study):
    study = study.updated(pseudo_labels={"source": "grabcut", "min_quality": 0.0})
    study.save()
    without_masks(study, boxes="given")
    alone, _ = pseudo_label(study)
    for path in study.caches.rglob("*.json"):
        path.unlink()
    without_masks(study, boxes="given")
    together = study.updated(num_processes=2)
    together.save()
    shared, _ = pseudo_label(together)
    assert shared.fingerprint == alone.fingerprint and shared.instances.equals(alone.instances)


def test_a_segmenter_is_trained_measured_and_can_teach(study, synthetic_cars, tmp_path):
    said = []
    study = study.updated(pseudo_labels={"min_quality": 0.0}, train={"epochs": 1}, name="segmenter")
    path = make_segmenter(study, synthetic_cars, said.append)
    assert path == study.folder / NAME
    _, card = read_segmenter(path)
    assert card["body_types"] == [CAR] and Catalogue.load(study.dataset).body_types == (CAR,)
    (scores,) = card["metrics"].values()
    assert 0 <= scores["mask_iou"]["value"] <= 1 and scores["photos"] == scores["mask_iou"]["n"] > 0
    assert format_scores(scores) in said[-1]
    teacher = load_annotator(str(study.best_weights), "cpu")
    dataset = with_dataset(study).split("validation")
    again = measure(teacher, dataset, study)
    assert again["mask_iou"] == scores["mask_iou"]
    files.read_json(study.best_card)


def test_photos_without_masks_cannot_make_a_segmenter(study, synthetic_cars, tmp_path):
    import shutil

    bare = tmp_path / "bare"
    shutil.copytree(synthetic_cars / "images", bare)
    with pytest.raises(CarsegError, match="no masks"):
        make_segmenter(study.updated(data={"source": str(bare)}), None, lambda _: None)
