from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carseg_lib.data.masks import decode_mask
from carseg_lib.engine.pseudo_labels import selection
from carseg_lib.engine.pseudo_labels.annotators import Instance
from carseg_lib.engine.pseudo_labels.selection import (
    LOW_QUALITY,
    NO_CAR,
    CachedInstance,
    annotate,
    read_cached,
    saliency_score,
    select_instance,
    with_pseudo_masks,
)
from tests.helpers.small_run import small_run, with_dataset

WHOLE = {"box_origin": "whole frame"}
SIZE = (240, 160)


def seen(x1, y1, x2, y2, score=0.9, stability=1.0):
    return CachedInstance((x1, y1, x2, y2), "", score, stability)


class FakeAnnotator:
    """Finds the same instances in each photo, and counts the photos."""

    name, sha256, uses_boxes = "a fake", "ab" * 32, False

    def __init__(self, *instances):
        self.seen = [Instance(box, box_mask(box), score, stability) for box, score, stability in instances]
        self.photos = 0

    def instances(self, photos, boxes):
        assert len(boxes) == len(photos)
        self.photos += len(photos)
        assert all(photo.shape == (160, 240, 3) and photo.dtype == np.uint8 for photo in photos)
        return [self.seen] * len(photos)


def box_mask(box, size=(160, 240)):
    mask = np.zeros(size, bool)
    x1, y1, x2, y2 = map(int, box)
    mask[y1:y2, x1:x2] = True
    return mask


@pytest.fixture
def dataset(monkeypatch, tmp_path, synthetic_cars):
    catalogue = with_dataset(small_run(monkeypatch, tmp_path / "reports", synthetic_cars))
    cars = catalogue.instances
    cars[["mask", "mask_origin", "box_origin"]] = ["", "none", "whole frame"]
    cars[["x1", "y1", "x2", "y2"]] = [0.0, 0.0, 240.0, 160.0]
    return catalogue


def part_of(dataset, rows):
    photos = dataset.photos.iloc[rows]
    instances = dataset.instances[dataset.instances.photo_id.isin(photos.photo_id)]
    return replace(dataset, photos=photos, instances=instances)


def labelled(dataset, annotator, folder, min_quality=0.5):
    annotate(dataset, annotator, folder, 8)
    return with_pseudo_masks(dataset, annotator, folder, min_quality)


def test_the_label_is_of_the_large_car_in_the_middle():
    large, corner, unsure = seen(60, 40, 180, 120), seen(0, 0, 130, 80), seen(60, 40, 180, 121, score=0.3)
    assert select_instance(WHOLE, [corner, unsure, large], SIZE) is large
    assert select_instance(WHOLE, [seen(110, 75, 130, 85, 1.0), corner], SIZE) is corner  # tiny, though in the middle
    assert select_instance(WHOLE, [], SIZE) is None


def test_with_a_box_the_car_is_the_one_that_fills_it():
    car = {"box_origin": "given", "x1": 0, "y1": 0, "x2": 100, "y2": 80}
    right, larger = seen(5, 0, 100, 78, score=0.4), seen(20, 10, 220, 150, score=1.0)
    assert select_instance(car, [larger, right], SIZE) is right
    assert select_instance(car, [larger], SIZE) is None


@given(st.floats(0, 239), st.floats(0, 159), st.floats(1, 240), st.floats(1, 160))
def test_saliency_is_a_share_and_grows_with_the_box_in_the_middle(x, y, width, height):
    box = (x, y, min(x + width, 240), min(y + height, 160))
    assert 0 <= saliency_score(box, SIZE) <= 1
    centred = (120 - width / 4, 80 - height / 4, 120 + width / 4, 80 + height / 4)
    assert saliency_score(centred, SIZE) == pytest.approx((width * height / 4 / (240 * 160)) ** 0.5)


def test_masks_boxes_origins_and_qualities_reach_the_catalogue(dataset, tmp_path):
    annotator = FakeAnnotator(((30.5, 20.0, 210.0, 140.0), 0.9, 0.8), ((0.0, 0.0, 40.0, 30.0), 0.99, 1.0))
    made, rejected = labelled(dataset, annotator, tmp_path / "kept")
    assert made.has_masks and len(rejected) == 0 and len(made.photos) == len(dataset.photos)
    car = made.instances.iloc[0]
    assert (car.x1, car.y1, car.x2, car.y2) == (30.5, 20.0, 210.0, 140.0)
    assert (car.box_origin, car.mask_origin) == ("pseudo", "pseudo")
    assert car.mask_quality == pytest.approx(0.72)
    assert np.array_equal(decode_mask(car["mask"], 160, 240), box_mask((30, 20, 210, 140)))
    assert made.instances.body_type.tolist() == dataset.instances.body_type.tolist()


def test_a_given_box_stays_and_its_mask_is_cut_to_it(dataset, tmp_path):
    dataset.instances[["x1", "y1", "x2", "y2"]] = [40.0, 30.0, 200.0, 130.0]
    dataset.instances["box_origin"] = "given"
    made, _ = labelled(dataset, FakeAnnotator(((30.0, 20.0, 210.0, 140.0), 0.9, 1.0)), tmp_path / "kept")
    car = made.instances.iloc[0]
    assert (car.x1, car.x2, car.box_origin, car.mask_origin) == (40.0, 200.0, "given", "pseudo")
    assert np.array_equal(decode_mask(car["mask"], 160, 240), box_mask((40, 30, 200, 130)))


def test_rejected_photos_are_left_out_by_reason_and_kept_for_review(dataset, tmp_path):
    made, rejected = labelled(dataset, FakeAnnotator(((30.0, 20.0, 210.0, 140.0), 0.6, 0.8)), tmp_path / "a", 0.5)
    assert len(made.photos) == 0 and len(rejected) == len(dataset.photos)
    assert set(rejected.reason) == {LOW_QUALITY} and rejected.mask_quality.iloc[0] == pytest.approx(0.48)
    assert made.excluded_counts() == {LOW_QUALITY: len(dataset.photos)}
    assert set(made.excluded.detail) == {"quality 0.48, at least 0.50 needed"}
    nobody, rejected = labelled(dataset, FakeAnnotator(), tmp_path / "b")
    assert nobody.excluded_counts() == {NO_CAR: len(dataset.photos)}
    assert set(rejected["mask"]) == {""} and sorted(rejected.split.unique()) == sorted(dataset.photos.split.unique())


def test_no_photo_is_annotated_twice_and_a_killed_run_resumes(dataset, tmp_path, monkeypatch):
    first = FakeAnnotator(((30.0, 20.0, 210.0, 140.0), 0.9, 1.0))
    done_at = []

    def stop_after_two(done, photos):
        done_at.append((done, photos))
        if len(done_at) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        annotate(dataset, first, tmp_path / "kept", 4, stop_after_two)
    assert first.photos == 8 and done_at == [(4, len(dataset.photos)), (8, len(dataset.photos))]
    second = FakeAnnotator(((30.0, 20.0, 210.0, 140.0), 0.9, 1.0))
    made, _ = labelled(dataset, second, tmp_path / "kept")
    assert second.photos == len(dataset.photos) - 8 and made.has_masks
    third = FakeAnnotator()
    assert labelled(dataset, third, tmp_path / "kept")[0].fingerprint == made.fingerprint and third.photos == 0
    other = FakeAnnotator()
    other.sha256 = "cd" * 32
    annotate(dataset, other, tmp_path / "kept", 4)
    assert other.photos == len(dataset.photos)


def test_shares_of_several_processes_give_what_one_gives(dataset, tmp_path):
    annotator = FakeAnnotator(((30.0, 20.0, 210.0, 140.0), 0.9, 1.0))
    for rank in range(3):
        annotate(part_of(dataset, slice(rank, None, 3)), annotator, tmp_path / "shared", 4)
    shared, _ = with_pseudo_masks(dataset, annotator, tmp_path / "shared", 0.5)
    alone, _ = labelled(dataset, annotator, tmp_path / "alone")
    assert shared.fingerprint == alone.fingerprint
    assert shared.instances.equals(alone.instances)
    assert annotator.photos == 2 * len(dataset.photos)


def test_an_instance_without_a_pixel_is_not_kept(dataset, tmp_path):
    annotator = FakeAnnotator(((10.0, 10.0, 10.2, 10.2), 0.9, 1.0))
    annotate(part_of(dataset, slice(1)), annotator, tmp_path, 4)
    assert read_cached(tmp_path, annotator, dataset.photos.file_sha256[0], []) == []


def test_a_new_version_of_the_files_is_annotated_anew(dataset, tmp_path, monkeypatch):
    annotator = FakeAnnotator()
    annotate(part_of(dataset, slice(2)), annotator, tmp_path, 4)
    monkeypatch.setattr(selection, "VERSION", 99)
    annotate(part_of(dataset, slice(2)), annotator, tmp_path, 4)
    assert annotator.photos == 4


def test_a_annotator_that_uses_boxes_annotates_again_with_others(dataset, tmp_path):
    annotator = FakeAnnotator(((30.0, 20.0, 210.0, 140.0), 0.9, 1.0))
    annotator.uses_boxes = True
    dataset.instances["box_origin"] = "given"
    annotate(part_of(dataset, slice(2)), annotator, tmp_path, 4)
    annotate(part_of(dataset, slice(2)), annotator, tmp_path, 4)
    assert annotator.photos == 2
    dataset.instances["x1"] += 1
    annotate(part_of(dataset, slice(2)), annotator, tmp_path, 4)
    assert annotator.photos == 4


def test_a_batch_that_is_cached_in_part_is_annotated_whole(dataset, tmp_path):
    first = FakeAnnotator(((30.0, 20.0, 210.0, 140.0), 0.9, 1.0))
    annotate(part_of(dataset, slice(0, 2)), first, tmp_path, 4)
    annotate(dataset, first, tmp_path, 4)
    assert first.photos == 2 + len(dataset.photos)
