"""Frames of one clip, by their names, are kept in one split; names of cameras say nothing."""

from __future__ import annotations

import logging

import pytest

from carseg_lib.core.errors import CarsegError
from carseg_lib.data.clips import clips_of
from carseg_lib.data.loader import load_catalogue
from carseg_lib.data.names import looks_like_split, split_of
from carseg_lib.data.splits import assign_splits, shared_groups
from tests.helpers.drawn_cars import TYPES
from tests.helpers.layouts import cars


@pytest.mark.parametrize(
    ("names", "clips"),
    [
        (["suv/clip0_frame_0001.jpg", "suv/clip0_frame_0002.jpg"], ["suv/clip0"] * 2),
        (["train/suv/a-frame12.jpg", "test/suv/a-frame13.jpg"], ["suv/a"] * 2),
        (["street.mp4-12.jpg", "street.mp4-13.jpg"], ["street.mp4"] * 2),
        (["street_mp4-12_jpg.rf.0a1b2c3d4e.jpg", "street_mp4-13_jpg.rf.9a1b2c3d4e.jpg"], ["street_mp4"] * 2),
        (["car_jpg.rf.0a1b2c3d4e.jpg", "car_jpg.rf.9a1b2c3d4e.jpg"], ["car"] * 2),
        (["video_3_0001.jpg", "video_3_0002.jpg"], ["video_3"] * 2),
        (["suv/clip 3/0001.jpg", "suv/clip 3/0002.jpg"], ["suv/clip 3"] * 2),
        (["a_frame_1.jpg", "b_frame_1.jpg"], ["", ""]),  # one frame of each says nothing
        (["IMG_0001.jpg", "IMG_0002.jpg"], ["", ""]),
        (["suv_0001.jpg", "suv_0002.jpg"], ["", ""]),
        (["suv/frame_0001.jpg", "suv/frame_0002.jpg"], ["", ""]),
        (["00001.jpg", "00002.jpg"], ["", ""]),
        (["video_0001.jpg", "video_0002.jpg"], ["", ""]),
        (["2024-05-01_12-30-11.jpg", "2024-05-01_12-30-12.jpg"], ["", ""]),
    ],
)
def test_a_clip_is_known_by_evident_names_alone(names, clips):
    assert clips_of(names) == clips


def test_a_clip_goes_to_one_split_and_is_the_group_of_its_photos(tmp_path, caplog):
    for k, car in enumerate(cars(12)):
        clip, frame = divmod(k // 4, 3)
        car.save(tmp_path / car.body_type / f"clip{clip}_frame_{frame:04d}.jpg")
    catalogue = load_catalogue(tmp_path)
    assert catalogue.photos["group"].nunique() == 16
    with caplog.at_level(logging.INFO):
        divided = assign_splits(catalogue, 0)
    assert "48 photos are frames of 16 clips by their names, as those of convertible/clip0" in caplog.text
    assert shared_groups(divided.photos) == 0
    assert divided.counts().loc[list(TYPES)].to_numpy().tolist() == [[6, 3, 3]] * 4


def test_a_type_of_one_clip_cannot_be_divided(tmp_path):
    for k, car in enumerate(cars(4)):
        car.save(tmp_path / car.body_type / (f"a_frame_{k}.jpg" if car.body_type == "suv" else f"{k}.jpg"))
    message = r"suv has 1 different photos \(duplicates, and frames of one clip by their names, counted once\), 3 are"
    with pytest.raises(CarsegError, match=message):
        assign_splits(load_catalogue(tmp_path), 0)


def test_sixteen_photos_are_divided_with_most_for_training(tmp_path):
    for car in cars(4):
        car.save(tmp_path / car.body_type / f"{car.name}.jpg")
    counts = assign_splits(load_catalogue(tmp_path), 0).counts()
    assert counts.sum().to_dict() == {"train": 8, "validation": 4, "test": 4}  # each split needs each type


@pytest.mark.parametrize(
    ("name", "split", "like"),
    [
        ("seg_train", "train", True),
        ("Training Set", "train", True),
        ("train_images", "train", True),
        ("test (1)", "test", True),
        ("VALID", "validation", True),
        ("x-val2017", "validation", True),
        ("cars_test", "test", True),
        ("trainval", "train", True),
        ("test_old", None, True),
        ("seg_pred", None, True),
        ("TestDrive", None, True),
        ("contest", None, False),
        ("trains", None, False),
        ("suv", None, False),
        ("data" * 200, None, False),
    ],
)
def test_names_of_splits(name, split, like):
    assert (split_of(name), looks_like_split(name)) == (split, like)
