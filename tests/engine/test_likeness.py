"""carseg_lib.engine.likeness: crops, the object's classes, and what the untouched network says of real shapes."""

import zipfile

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from carseg_lib.core.paths import builtin_archive
from carseg_lib.engine.likeness import ImageNetClassifier, class_names, crop_box, object_classes


@given(st.integers(1, 40), st.integers(1, 40), st.tuples(*[st.floats(-10, 60)] * 4), st.floats(0, 1))
def test_a_crop_is_never_empty_and_never_leaves_the_photo(height, width, corners, margin):
    image = np.arange(height * width * 3, dtype=np.uint32).reshape(height, width, 3)
    x1, x2 = sorted(corners[::2])
    y1, y2 = sorted(corners[1::2])
    crop = crop_box(image, (x1, y1, x2, y2), margin)
    assert crop.shape[2] == 3 and 1 <= crop.shape[0] <= height and 1 <= crop.shape[1] <= width
    assert np.isin(crop, image).all() and crop.flags.c_contiguous


def test_the_margin_is_a_share_of_the_boxs_sides():
    image = np.zeros((100, 200, 3), np.uint8)
    image[20:60, 50:150] = 1
    assert crop_box(image, (50, 20, 150, 60), 0).shape == (40, 100, 3) and crop_box(image, (50, 20, 150, 60), 0).all()
    assert crop_box(image, (50, 20, 150, 60), 0.1).shape == (48, 120, 3)
    assert crop_box(image, (0, 0, 200, 100), 0.1).shape == (100, 200, 3)


def test_the_objects_classes_are_those_ten_times_as_frequent_as_by_chance():
    probabilities = np.full((4, 1000), 0.9 / 998)
    probabilities[:, 817] = [0.1, 0.0, 0.0, 0.0]  # mean 0.025
    probabilities[:, 436] = 0.0099
    assert object_classes(probabilities).tolist() == [817]
    assert object_classes(np.full((3, 1000), 0.001)).tolist() == []
    assert class_names([817, 436, 656]) == ["sports car", "beach wagon", "minivan"]


@pytest.fixture(scope="module")
def classifier():
    return ImageNetClassifier(torch.device("cpu"))


def test_the_network_is_the_package_s_and_gives_probabilities(classifier):
    rng = np.random.default_rng(0)
    crops = [rng.integers(0, 256, (h, w, 3), dtype=np.uint8) for h, w in ((30, 50), (224, 224), (1, 1))]
    found = classifier(crops)
    assert found.shape == (3, 1000) and found.dtype == np.float32
    assert found.sum(axis=1) == pytest.approx(np.ones(3), abs=1e-4)
    assert classifier([]).shape == (0, 1000)
    assert classifier(crops[1:2])[0] == pytest.approx(found[1], abs=1e-5)  # whatever the batch
    assert len(classifier.sha256) == 64


def test_rendered_cars_are_taken_for_cars_and_noise_is_not(classifier):
    """The built-in photos: their cars' likeness is far above that of the same pixels shuffled."""
    with zipfile.ZipFile(builtin_archive()) as archive:
        photos = [np.array(Image.open(archive.open(f"images/{i:05d}.jpg"))) for i in range(12)]
    probabilities = classifier(photos)
    cars = object_classes(probabilities)
    assert {"minivan", "convertible", "sports car"} & set(class_names(cars))
    rng = np.random.default_rng(0)
    shuffled = [rng.permutation(photo.reshape(-1, 3)).reshape(photo.shape) for photo in photos]
    likeness = probabilities[:, cars].sum(axis=1)
    assert np.median(likeness) > 0.5 and np.median(classifier(shuffled)[:, cars].sum(axis=1)) < 0.05
