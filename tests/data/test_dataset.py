import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from carseg_lib.core.constants import IMAGENET_MEAN, IMAGENET_STD
from carseg_lib.data.dataset import (
    READINGS,
    CarDataset,
    augmentation,
    cache_of,
    preprocess,
    sample_seed,
    stratified_sample,
)
from carseg_lib.data.transforms import boxes_of_masks
from tests.helpers.small_run import small_run, with_dataset


@pytest.fixture
def run(monkeypatch, tmp_path, synthetic_cars):
    return small_run(monkeypatch, tmp_path, synthetic_cars)


@pytest.fixture
def dataset(run):
    return with_dataset(run)


def test_validation_photos_are_resized_and_normalised_exactly_once(dataset, run):
    photos = CarDataset(dataset, "validation", run.config.inputs, run.config.seed)
    raw, raw_target = photos.load(0)
    image, target = photos[(1, 0)]
    assert image.shape == (3, 96, 96) and image.dtype == torch.float32
    small = np.asarray(Image.fromarray(raw).resize((96, 96), Image.Resampling.BILINEAR))
    expected = torch.from_numpy(small / 255).permute(2, 0, 1)
    mean, std = torch.tensor(IMAGENET_MEAN)[:, None, None], torch.tensor(IMAGENET_STD)[:, None, None]
    torch.testing.assert_close(image, ((expected - mean) / std).float())
    assert torch.equal(preprocess(raw, run.config.inputs.size)[0], image)
    assert raw.shape == (128, 192, 3)  # of 160 x 240: twice what the network sees is enough
    scale = np.array([96 / 192, 96 / 128] * 2, np.float32)
    np.testing.assert_allclose(target["boxes"].numpy(), raw_target["boxes"] * scale, rtol=1e-6)
    assert target["masks"].shape == (1, 96, 96) and set(target["masks"].unique().tolist()) == {0, 1}
    assert photos.truth(0) == int(target["labels"][0]) in (1, 2, 3, 4)


def test_what_is_random_follows_from_seed_epoch_and_photo_alone(dataset, run):
    photos = CarDataset(dataset, "train", run.config.inputs, run.config.seed, augment=True)
    torch.manual_seed(1)
    first = photos[(3, 2)]
    torch.manual_seed(2)
    random_state = torch.get_rng_state()
    again = photos[(3, 2)]
    assert torch.equal(first[0], again[0]) and torch.equal(first[1]["boxes"], again[1]["boxes"])
    assert torch.equal(torch.get_rng_state(), random_state)
    assert any(not torch.equal(photos[(epoch, 2)][0], first[0]) for epoch in (4, 5, 6))
    assert sample_seed(0, 1, "a") != sample_seed(1, 0, "a") != sample_seed(0, 1, "b")


@pytest.mark.parametrize("reading", READINGS)
def test_each_reading_takes_the_steps_it_names(run, reading):
    run = run.updated(inputs={"augmentation": reading, "max_rotation": 90.0})
    names = [name for name, _ in augmentation(run.config.inputs)]
    expected = {"none": [], "flip_only": ["crop", "resize", "flip", "colour"]}
    assert names == expected.get(reading, ["crop", "resize", "rotate", "flip", "colour"])


def test_boxes_after_a_rotation_come_from_the_rotated_mask(dataset, run):
    run = run.updated(inputs={"augmentation": "rotate_and_flip", "max_rotation": 90.0, "min_crop_scale": 1.0})
    photos = CarDataset(dataset, "train", run.config.inputs, run.config.seed, augment=True)
    tighter = 0
    for i in range(len(photos)):
        _, target = photos[(1, i)]
        np.testing.assert_allclose(target["boxes"].numpy(), boxes_of_masks(target["masks"].numpy()))
        tighter += len(target["boxes"])
    assert tighter > 0


def test_cars_without_a_mask_get_their_box_in_its_place(dataset, run):
    dataset.instances["mask"] = ""
    photos = CarDataset(dataset, "train", run.config.inputs, run.config.seed)
    _, target = photos.load(0)
    assert np.abs(boxes_of_masks(target["masks"]) - target["boxes"]).max() <= 0.5


def test_large_photos_are_kept_at_twice_the_size_the_network_sees(dataset, run):
    run = run.updated(inputs={"height": 64, "width": 64})  # photos are 240 x 160
    photos = CarDataset(dataset, "train", run.config.inputs, run.config.seed)
    image, target = photos.load(0)
    assert image.shape == (85, 128, 3) and target["masks"].shape == (1, 85, 128)
    stored = photos.instances[photos.photos.photo_id[0]][["x1", "y1", "x2", "y2"]].to_numpy()
    np.testing.assert_allclose(target["boxes"], stored * np.array([128 / 240, 85 / 160] * 2), rtol=1e-5)
    assert np.abs(boxes_of_masks(target["masks"]) - target["boxes"]).max() <= 2


def test_a_photo_is_the_same_from_the_cache_and_from_its_file(dataset, run):
    cache = cache_of(dataset, run.config.inputs, run.caches)
    from_file = CarDataset(dataset, "train", run.config.inputs, run.config.seed, augment=True)
    from_cache = CarDataset(dataset, "train", run.config.inputs, run.config.seed, augment=True, cache=cache)
    for i in range(len(from_file)):
        (image, target), (kept, kept_target) = from_file[(2, i)], from_cache[(2, i)]
        assert torch.equal(image, kept)
        assert all(torch.equal(target[name], kept_target[name]) for name in ("boxes", "masks", "labels"))
        assert (target["seed"], target["index"]) == (kept_target["seed"], kept_target["index"])


@given(st.dictionaries(st.sampled_from("abcd"), st.integers(1, 40), min_size=1), st.integers(1, 60), st.integers(0, 9))
@settings(max_examples=50, deadline=None)
def test_a_sample_keeps_every_type_and_its_share(counts, n, seed):
    photos = pd.DataFrame({"body_type": np.repeat(list(counts), list(counts.values()))})
    sample = stratified_sample(photos, n, seed)
    assert set(sample.body_type) == set(counts)
    assert sample.index.is_unique and sample.equals(stratified_sample(photos, n, seed))
    for body_type, count in counts.items():
        share = n * count / len(photos)
        assert abs((sample.body_type == body_type).sum() - min(share, count)) <= 1
