from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from carseg_lib.core.errors import CarsegError
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.masks import decode_mask, mask_iou
from carseg_lib.engine.distributed import rank_and_size
from carseg_lib.engine.pseudo_labels import run as pseudo_labels
from carseg_lib.engine.pseudo_labels.annotators import Instance
from carseg_lib.engine.pseudo_labels.grabcut import GrabCutAnnotator
from carseg_lib.engine.pseudo_labels.run import annotate_share, cache_folder, pseudo_label
from carseg_lib.engine.pseudo_labels.selection import LOW_QUALITY, with_pseudo_masks
from tests.helpers.small_run import small_run, with_dataset


@pytest.fixture
def run(monkeypatch, tmp_path, synthetic_cars):
    return small_run(monkeypatch, tmp_path, synthetic_cars, min_quality=0.5)


def without_masks(run, boxes="whole frame"):
    """The run's data set as it would be from photos with a type alone, or with boxes; and the true masks."""
    dataset = with_dataset(run)
    truth = dataset.instances.set_index("photo_id")["mask"]
    cars = dataset.instances
    cars[["mask", "mask_origin", "box_origin"]] = ["", "none", boxes]
    if boxes == "whole frame":
        cars[["x1", "y1", "x2", "y2"]] = [0.0, 0.0, 240.0, 160.0]
    replace(dataset, instances=cars).save(run.dataset)
    return truth


class FixedAnnotator:
    """Finds the same car in every photo; in some photos with a low score."""

    name, sha256, uses_boxes = "a test", "12" * 32, False

    def __init__(self, unsure=()):
        self.unsure = unsure
        self.photos = 0

    def instances(self, photos, boxes):
        found = []
        for _photo in photos:
            mask = np.zeros((160, 240), bool)
            mask[40:120, 60:180] = True
            score = 0.2 if self.photos in self.unsure else 0.9
            self.photos += 1
            found.append([Instance((60.0, 40.0, 180.0, 120.0), mask, score, 1.0)])
        return found


def test_photos_with_masks_are_left_as_they_are(run):
    dataset = with_dataset(run)
    labelled, rejected = pseudo_label(run.config, run)
    assert labelled.fingerprint == dataset.fingerprint and rejected.empty and run.rejected_masks.is_file()


def test_without_an_annotator_photos_stay_without_masks(run):
    without_masks(run)
    run = run.updated(pseudo_labels={"source": "none"})
    labelled, _ = pseudo_label(run.config, run)
    assert not labelled.has_masks and (labelled.instances.box_origin == "whole frame").all()


def test_pseudo_masks_and_rejected_photos_are_saved(run, monkeypatch, caplog):
    caplog.set_level("INFO", logger="carseg_lib")
    without_masks(run)
    in_training = int((Catalogue.load(run.dataset).photos.split == "train").argmax())
    monkeypatch.setattr(pseudo_labels, "make_annotator", lambda *_: FixedAnnotator(unsure={in_training}))
    labelled, rejected = pseudo_label(run.config, run)
    saved = Catalogue.load(run.dataset)
    assert saved.fingerprint == labelled.fingerprint and saved.has_masks
    assert (saved.instances.mask_quality == 0.9).all() and len(rejected) == 1
    assert rejected.mask_quality.tolist() == [0.2] and saved.excluded_counts() == {LOW_QUALITY: 1}
    assert "0 s left" in caplog.messages[-1] and "photos" in caplog.messages[0]
    assert any(cache_folder(run).rglob("*.json"))


def test_of_cars_with_and_without_masks_the_missing_ones_are_drawn(run, monkeypatch):
    dataset = with_dataset(run)
    cars = dataset.instances.copy()
    missing = np.arange(len(cars)) % 3 > 0
    cars.loc[missing, ["mask", "mask_origin"]] = ["", "none"]
    cars[["x1", "y1", "x2", "y2"]] = [60.0, 40.0, 180.0, 120.0]
    replace(dataset, instances=cars).save(run.dataset)
    annotator = FixedAnnotator()
    monkeypatch.setattr(pseudo_labels, "make_annotator", lambda *_: annotator)
    labelled, rejected = pseudo_label(run.config, run)
    assert annotator.photos == missing.sum() and rejected.empty and labelled.has_masks
    assert labelled.instances.photo_id.tolist() == cars.photo_id.tolist()
    assert (labelled.instances["mask"][~missing] == cars["mask"][~missing]).all()
    assert set(labelled.instances.mask_origin[missing]) == {"pseudo"}
    assert set(labelled.instances.mask_origin[~missing]) == {"given"}
    truth = labelled.measured().instances["mask"]
    assert (truth[missing] == "").all() and (truth[~missing] == cars["mask"][~missing]).all()


def test_a_photo_with_one_mask_of_two_is_rejected_for_the_other_alone(run, monkeypatch):
    dataset = with_dataset(run)
    in_training = dataset.photos.photo_id[dataset.photos.split == "train"].iloc[0]
    first = dataset.instances[dataset.instances.photo_id == in_training]
    other = first.assign(x1=60.0, y1=40.0, x2=180.0, y2=120.0, mask="", mask_origin="none")
    cars = pd.concat([dataset.instances, other]).sort_values("photo_id", kind="stable", ignore_index=True)
    mixed = replace(dataset, instances=cars)
    mixed.save(run.dataset)
    monkeypatch.setattr(pseudo_labels, "make_annotator", lambda *_: FixedAnnotator())
    kept = pseudo_label(run.config, run)[0].instances.query("photo_id == @in_training")
    assert kept.mask_origin.tolist() == ["given", "pseudo"] and kept["mask"].iloc[0] == first["mask"].item()
    mixed.save(run.dataset)
    monkeypatch.setattr(pseudo_labels, "make_annotator", lambda *_: FixedAnnotator(unsure={0}))
    for path in cache_folder(run).rglob("*.json"):
        path.unlink()
    labelled, rejected = pseudo_label(run.config, run)
    assert labelled.excluded_counts() == {LOW_QUALITY: 1} and len(labelled.photos) == len(dataset.photos) - 1
    assert rejected.mask_origin.tolist() == ["pseudo", "given"]


def test_a_type_whose_photos_are_all_rejected_is_refused(run, monkeypatch):
    without_masks(run)
    monkeypatch.setattr(pseudo_labels, "make_annotator", lambda *_: FixedAnnotator(unsure=set(range(1000))))
    with pytest.raises(CarsegError, match=r"every \w+ photo of .* is rejected: .* a test .*min_quality=0\.5; lower it"):
        pseudo_label(run.config, run)


def test_grabcut_draws_inside_given_boxes_only(run):
    run = run.updated(pseudo_labels={"source": "grabcut", "min_quality": 0.0})
    without_masks(run)
    with pytest.raises(CarsegError, match="draws inside boxes, and these photos have none"):
        pseudo_label(run.config, run)
    truth = without_masks(run, boxes="given")
    labelled, _ = pseudo_label(run.config, run)
    overlaps = [
        mask_iou(decode_mask(car["mask"], 160, 240), decode_mask(truth[car.photo_id], 160, 240))
        for _, car in labelled.instances.iterrows()
    ]
    assert labelled.has_masks and np.mean(overlaps) > 0.7


def test_the_shares_of_two_processes_are_all_photos(run, monkeypatch, caplog):
    without_masks(run, boxes="given")
    dataset, annotator = Catalogue.load(run.dataset), GrabCutAnnotator()
    annotate_share(dataset, annotator, run.folder / "alone", 4)
    caplog.set_level("INFO", logger="carseg_lib")
    monkeypatch.setenv("RANK", "1")  # as a scheduler sets it for any job
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert rank_and_size() == (0, 1)
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    for rank in ("0", "1"):
        monkeypatch.setenv("RANK", rank)
        annotate_share(dataset, annotator, run.folder / "shared", 4)
    assert sum("12 of 12 photos, 0 s left" in line for line in caplog.messages) == 2
    alone, shared = (with_pseudo_masks(dataset, annotator, run.folder / n, 0.0)[0] for n in ("alone", "shared"))
    assert shared.fingerprint == alone.fingerprint and shared.instances.equals(alone.instances)


@pytest.mark.slow
def test_two_processes_give_what_one_gives(run):
    run = run.updated(pseudo_labels={"source": "grabcut", "min_quality": 0.0})
    run.save()
    without_masks(run, boxes="given")
    alone, _ = pseudo_label(run.config, run)
    for path in run.caches.rglob("*.json"):
        path.unlink()
    without_masks(run, boxes="given")
    together = run.updated(num_processes=2)
    together.save()
    shared, _ = pseudo_label(together.config, together)
    assert shared.fingerprint == alone.fingerprint and shared.instances.equals(alone.instances)
