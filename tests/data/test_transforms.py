import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

from carseg_lib.data.transforms import (
    MIN_SIDE,
    ColorJitter,
    Normalize,
    RandomHorizontalFlip,
    RandomObjectCrop,
    RandomRotation,
    Resize,
    boxes_of_masks,
    resize_masks,
    sanitize_boxes,
)


def car(height=40, width=60, box=(10, 12, 50, 30)):
    image = np.full((height, width, 3), 200, np.uint8)
    mask = np.zeros((1, height, width), np.uint8)
    x1, y1, x2, y2 = box
    mask[:, y1:y2, x1:x2] = 1
    return image, {"boxes": np.array([box], np.float32), "masks": mask, "labels": np.array([1])}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_quarter_turns_are_quarter_turns_and_all_of_them_come():
    image, target = car(40, 40, (10, 12, 35, 30))
    image[:, :10] = 0
    generator, rotate = seeded(), RandomRotation((-90.0, 0.0, 90.0))
    dark = []
    for _ in range(60):
        turned, moved = rotate(image, target, generator)
        dark.append([bool((turned[part] == 0).all()) for part in (np.s_[:10], np.s_[-10:], np.s_[:, :10])])
        assert np.array_equal(boxes_of_masks(moved["masks"]), moved["boxes"])
    # +90 degrees turn counter-clockwise: what was left is below
    assert {tuple(d) for d in dark} == {(True, False, False), (False, True, False), (False, False, True)}


def test_angles_between_two_ends_fill_the_interval():
    image, target = car(40, 40, (18, 2, 22, 38))
    generator, rotate = seeded(3), RandomRotation((-90.0, 90.0), between=True)
    widths = [np.ptp(rotate(image, target, generator)[1]["boxes"][0, [0, 2]]) for _ in range(200)]
    # a bar of 4 x 36, turned by an angle drawn evenly, is 36 sin + 4 cos wide: on average 36 * 2/pi + 4 * 2/pi
    assert np.mean(widths) == pytest.approx(40 * 2 / np.pi, abs=2.0)


def test_flip_mirrors_image_box_and_mask_together():
    image, target = car(box=(5, 12, 50, 30))
    image[:, :5] = 0
    flipped, moved = RandomHorizontalFlip(1.0)(image, target, seeded())
    assert (flipped[:, -5:] == 0).all() and (flipped[:, :5] == 200).all()
    assert moved["boxes"].tolist() == [[10.0, 12.0, 55.0, 30.0]] == boxes_of_masks(moved["masks"]).tolist()
    same, kept = RandomHorizontalFlip(0.0)(image, target, seeded())
    assert same is image and kept is target


@settings(max_examples=60, deadline=None)
@given(
    st.integers(8, 50),
    st.integers(8, 50),
    st.floats(0.05, 1.0),
    st.integers(0, 2**31),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_a_crop_never_loses_the_car(height, width, scale, seed, x, y):
    box = (int(x * (width - 4)), int(y * (height - 4)), int(x * (width - 4)) + 4, int(y * (height - 4)) + 4)
    image, target = car(height, width, box)
    cropped, moved = RandomObjectCrop(scale, 0.6)(image, target, seeded(seed))
    assert cropped.shape[:2] == moved["masks"].shape[-2:]
    assert moved["masks"].sum() >= 0.6 * 16
    assert np.array_equal(boxes_of_masks(moved["masks"]), moved["boxes"])
    assert cropped.shape[0] * cropped.shape[1] >= 0.5 * scale * height * width


def test_a_crop_keeps_between_its_scale_and_the_whole_photo():
    image, target = car(100, 150, (70, 45, 80, 55))
    generator, crop = seeded(1), RandomObjectCrop(0.4, 0.6)
    shares = [crop(image, target, generator)[0].size / image.size for _ in range(300)]
    assert min(shares) == pytest.approx(0.4, abs=0.03) and 0.9 < max(shares) <= 1
    assert np.mean(shares) == pytest.approx(0.7, abs=0.03)


@settings(max_examples=60, deadline=None)
@given(st.integers(4, 40), st.integers(4, 40), st.integers(4, 60), st.integers(4, 60))
def test_resized_boxes_still_fit_their_masks(height, width, new_height, new_width):
    image, target = car(height, width, (1, 1, width - 1, height - 1))
    resized, moved = Resize((new_height, new_width))(image, target, seeded())
    assert resized.shape == (new_height, new_width, 3) and moved["masks"].shape == (1, new_height, new_width)
    assert np.abs(boxes_of_masks(moved["masks"]) - moved["boxes"]).max() <= 0.5 + 1e-4


@pytest.mark.parametrize("size", [(20, 80), (37, 53), (96, 12), (224, 224)])
def test_photos_are_resized_as_pillow_does_with_antialiasing(size):
    photo = np.random.default_rng(0).integers(0, 256, (300, 160, 3), np.uint8)
    for part in (photo, photo[5:42, 7:60]):  # a crop is a view
        expected = np.asarray(Image.fromarray(part).resize(size[::-1], Image.Resampling.BILINEAR))
        found = Resize(size).resize_image(part)
        assert found.dtype == np.uint8 and found.shape == (*size, 3)
        assert np.abs(found.astype(int) - expected).max() <= 1


def test_a_photo_that_cannot_be_written_to_is_resized_without_a_warning():
    photo = np.zeros((8, 8, 3), np.uint8)
    photo.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Resize((4, 4)).resize_image(photo).max() == 0


def test_masks_are_resized_as_pillow_does_by_nearest_pixel():
    mask = (np.random.default_rng(0).random((1, 37, 53)) > 0.5).astype(np.uint8)
    for size in ((20, 80), (37, 53), (96, 12)):
        expected = np.asarray(Image.fromarray(mask[0]).resize(size[::-1], Image.Resampling.NEAREST))
        assert np.array_equal(resize_masks(mask, size)[0], expected)


def test_colours_change_within_their_strength_and_nothing_else():
    image, target = car()
    image[:20] = (200, 100, 50)
    image[20:] = (90, 100, 110)
    generator, jitter = seeded(2), ColorJitter(0.3)
    seen = []
    for _ in range(100):
        changed, same = jitter(image, target, generator)
        assert same is target and changed.shape == image.shape and changed.dtype == np.uint8
        assert len(np.unique(changed[:20].reshape(-1, 3), axis=0)) == 1  # what was of one colour still is
        seen.append(changed.mean() / image.mean())
    assert 0.68 < min(seen) < 0.75 and 1.25 < max(seen) < 1.32  # of a mean brightness of 1
    unchanged, _ = ColorJitter(0.0)(image, target, generator)
    assert np.array_equal(unchanged, image)


@given(st.integers(0, 2**32 - 1))
def test_colours_change_as_by_pillows_enhancers_one_after_the_other(seed):
    noise = np.random.default_rng(seed).integers(90, 130, (8, 8, 3), np.uint8)  # nothing is cut to 0..255 on the way
    found, _ = ColorJitter(0.3)(noise, {}, seeded(seed))
    factors = 1 + 0.3 * (2 * torch.rand(3, generator=seeded(seed)) - 1)
    expected = Image.fromarray(noise)
    for enhancer, factor in zip(("Brightness", "Contrast", "Color"), factors.tolist(), strict=True):
        expected = getattr(ImageEnhance, enhancer)(expected).enhance(factor)
    assert np.abs(found.astype(int) - np.asarray(expected)).max() <= 3  # Pillow rounds after each


def test_normalised_values_are_those_of_the_definition():
    image = np.random.default_rng(0).integers(0, 256, (7, 5, 3), np.uint8)
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    found = Normalize(mean, std).normalize_image(image)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, (image / 255 - mean) / std, atol=1e-6)


@given(st.lists(st.tuples(*[st.integers(0, 20)] * 4), max_size=4))
def test_boxes_of_masks_are_their_extent_to_the_pixel(corners):
    masks = np.zeros((len(corners), 21, 21), np.uint8)
    expected = []
    for mask, (a, b, c, d) in zip(masks, corners, strict=True):
        x1, x2, y1, y2 = min(a, b), max(a, b), min(c, d), max(c, d)
        mask[y1 : y2 + 1, x1 : x2 + 1] = 1
        expected.append([x1, y1, x2 + 1, y2 + 1])
    assert boxes_of_masks(masks).tolist() == expected


def test_a_car_that_left_the_photo_is_dropped_and_empty_targets_keep_their_shapes():
    _, target = car()
    tidied = sanitize_boxes(target | {"masks": np.zeros((1, 40, 60), np.uint8)})
    assert tidied["boxes"].shape == (0, 4) and tidied["masks"].shape == (0, 40, 60)
    assert tidied["labels"].shape == (0,)
    thin = target | {"boxes": np.array([[5.0, 5.0, 5.0 + MIN_SIDE - 0.5, 30.0]], np.float32)}
    assert len(sanitize_boxes(thin)["boxes"]) == 0
    over = sanitize_boxes(target | {"boxes": np.array([[-5.0, 2.0, 70.0, 45.0]], np.float32)})
    assert over["boxes"].tolist() == [[0.0, 2.0, 60.0, 40.0]]
