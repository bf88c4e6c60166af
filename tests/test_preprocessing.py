import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision import tv_tensors
from torchvision.transforms import v2

from carseg_lib.preprocessing import (
    CROP_TRIES,
    LEAST_CAR,
    LEAST_SIDE,
    MEAN,
    READINGS,
    STD,
    CarPhotos,
    RandomCarCrop,
    augmentation,
    boxes_of_masks,
    photo_seed,
    spread,
    tidy_boxes,
)
from tests.small import small_study, with_dataset


@pytest.fixture
def study(monkeypatch, tmp_path, synthetic_cars):
    return small_study(monkeypatch, tmp_path, synthetic_cars)


@pytest.fixture
def dataset(study):
    return with_dataset(study)


def car(height=40, width=60, box=(10, 12, 50, 30)):
    image = tv_tensors.Image(torch.full((3, height, width), 200, dtype=torch.uint8))
    mask = torch.zeros(1, height, width, dtype=torch.uint8)
    x1, y1, x2, y2 = box
    mask[:, y1:y2, x1:x2] = 1
    boxes = tv_tensors.BoundingBoxes(
        torch.tensor([box], dtype=torch.float32), format="XYXY", canvas_size=(height, width)
    )
    return image, {"boxes": boxes, "masks": tv_tensors.Mask(mask), "labels": torch.tensor([1])}


def test_validation_photos_are_resized_and_normalised_exactly_once(dataset, study):
    photos = CarPhotos(dataset, "validation", study, augment=False)
    raw, raw_target = photos.raw(0)
    image, target = photos[(1, 0)]
    assert image.shape == (3, 96, 96) and image.dtype == torch.float32
    expected = v2.functional.resize(raw, [96, 96], antialias=True).float() / 255
    mean, std = torch.tensor(MEAN)[:, None, None], torch.tensor(STD)[:, None, None]
    torch.testing.assert_close(image, (expected.as_subclass(torch.Tensor) - mean) / std)
    scale = torch.tensor([96 / 240, 96 / 160] * 2)
    torch.testing.assert_close(target["boxes"], raw_target["boxes"].as_subclass(torch.Tensor) * scale)
    assert target["masks"].shape == (1, 96, 96) and set(target["masks"].unique().tolist()) == {0, 1}
    assert photos.truth(0) == int(target["labels"][0]) in (1, 2, 3, 4)


def test_what_is_random_follows_from_seed_epoch_and_photo_alone(dataset, study):
    photos = CarPhotos(dataset, "train", study, augment=True)
    torch.manual_seed(1)
    first = photos[(3, 2)]
    torch.manual_seed(2)
    random_state = torch.get_rng_state()
    again = photos[(3, 2)]
    assert torch.equal(first[0], again[0]) and torch.equal(first[1]["boxes"], again[1]["boxes"])
    assert torch.equal(torch.get_rng_state(), random_state)
    assert any(not torch.equal(photos[(epoch, 2)][0], first[0]) for epoch in (4, 5, 6))
    assert photo_seed(0, 1, "a") != photo_seed(1, 0, "a") != photo_seed(0, 1, "b")


@pytest.mark.parametrize("reading", READINGS)
def test_each_reading_takes_the_steps_it_names(study, reading):
    study = study.model_copy(update={"augmentation": reading, "rotation_degrees": 90.0})
    names = [name for name, _ in augmentation(study)]
    expected = {"none": [], "flip_only": ["crop", "resize", "flip"]}
    assert names == expected.get(reading, ["crop", "resize", "rotate", "flip"])


def test_quarter_turns_are_quarter_turns(study):
    study = study.model_copy(
        update={"augmentation": "quarter_turns", "crop_scale": 1.0, "flip_probability": 0.0}
    )
    _, rotate, _ = (step for _, step in augmentation(study))
    image, _ = car(40, 40)
    image[:, :, :10] = 0
    turned = {tuple(rotate(image)[0, [0, -1], [0, -1]].tolist()) for _ in range(60)}
    #          as it was: dark left      turned either way: dark top or bottom
    assert turned == {(0, 200), (200, 0)}
    counts = [sum(bool((rotate(image)[0, :10] == 0).all()) for _ in range(60))]
    assert 0 < counts[0] < 60


def test_boxes_after_a_rotation_come_from_the_rotated_mask(dataset, study):
    study = study.model_copy(
        update={"augmentation": "rotate_and_flip", "rotation_degrees": 90.0, "crop_scale": 1.0}
    )
    photos = CarPhotos(dataset, "train", study, augment=True)
    tighter = 0
    for i in range(len(photos)):
        _, target = photos[(1, i)]
        torch.testing.assert_close(target["boxes"], boxes_of_masks(target["masks"]))
        tighter += len(target["boxes"])
    assert tighter > 0


def test_flip_mirrors_image_box_and_mask_together():
    image, target = car()
    image[:, :, :5] = 0
    flipped, moved = v2.RandomHorizontalFlip(1.0)(image, target)
    assert (flipped[:, :, -5:] == 0).all() and (flipped[:, :, :5] == 200).all()
    assert moved["boxes"].tolist() == [[10.0, 12.0, 50.0, 30.0]]  # 60 - 50, 60 - 10: symmetric by choice
    assert boxes_of_masks(moved["masks"]).tolist() == [[10.0, 12.0, 50.0, 30.0]]


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
    torch.manual_seed(seed)
    cropped, moved = RandomCarCrop(scale)(image, target)
    assert cropped.shape[-2:] == moved["masks"].shape[-2:]
    assert moved["masks"].sum() >= LEAST_CAR * 16
    assert cropped.shape[-2] * cropped.shape[-1] >= 0.5 * scale * height * width or CROP_TRIES == 0


def test_crop_of_scale_1_is_the_whole_photo(study):
    assert "crop" not in [n for n, _ in augmentation(study.model_copy(update={"crop_scale": 1.0}))]


@given(st.lists(st.tuples(*[st.integers(0, 20)] * 4), max_size=4))
def test_boxes_of_masks_are_their_extent_to_the_pixel(corners):
    masks = torch.zeros(len(corners), 21, 21, dtype=torch.uint8)
    expected = []
    for mask, (a, b, c, d) in zip(masks, corners, strict=True):
        x1, x2, y1, y2 = min(a, b), max(a, b), min(c, d), max(c, d)
        mask[y1 : y2 + 1, x1 : x2 + 1] = 1
        expected.append([x1, y1, x2 + 1, y2 + 1])
    assert boxes_of_masks(masks).tolist() == expected


def test_a_car_that_left_the_photo_is_dropped_and_empty_targets_keep_their_shapes():
    _, target = car()
    gone = target | {"masks": tv_tensors.Mask(torch.zeros(1, 40, 60, dtype=torch.uint8))}
    tidied = tidy_boxes(gone, turned=True)
    assert (
        tidied["boxes"].shape == (0, 4)
        and tidied["masks"].shape == (0, 40, 60)
        and tidied["labels"].shape == (0,)
    )
    thin = target | {"boxes": torch.tensor([[5.0, 5.0, 5.0 + LEAST_SIDE - 0.5, 30.0]])}
    assert len(tidy_boxes(thin, turned=False)["boxes"]) == 0


def test_cars_without_a_mask_get_their_box_in_its_place(dataset, study):
    dataset.instances["mask"] = ""
    photos = CarPhotos(dataset, "train", study, augment=False)
    _, target = photos.raw(0)
    assert (boxes_of_masks(target["masks"]) - target["boxes"]).abs().max() <= 0.5


@given(
    st.dictionaries(st.sampled_from("abcd"), st.integers(1, 40), min_size=1),
    st.integers(1, 60),
    st.integers(0, 9),
)
@settings(max_examples=50, deadline=None)
def test_a_sample_keeps_every_type_and_its_share(counts, n, seed):
    photos = pd.DataFrame({"body_type": np.repeat(list(counts), list(counts.values()))})
    sample = spread(photos, n, seed)
    assert set(sample.body_type) == set(counts)
    assert sample.index.is_unique and sample.equals(spread(photos, n, seed))
    for body_type, count in counts.items():
        share = n * count / len(photos)
        assert abs((sample.body_type == body_type).sum() - min(share, count)) <= 1
