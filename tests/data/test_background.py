"""Photos without a car: as tensors, and any folder of photos as a catalogue."""

from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from carseg_lib.core.config import InputConfig
from carseg_lib.core.errors import CarsegError
from carseg_lib.data.background import BackgroundDataset, read_background_folder
from carseg_lib.data.cache import cache_side, open_cache
from carseg_lib.data.catalogue import BACKGROUND_COLUMNS, Catalogue
from carseg_lib.data.dataset import preprocess, sample_seed
from tests.helpers.drawn_cars import make_background

INPUTS = InputConfig(height=64, width=96, num_workers=0)


@pytest.fixture(scope="module")
def roads(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    """Six photos without a car, three of each of two splits; read it, never write into its folder."""
    folder = tmp_path_factory.mktemp("background") / "roads"
    make_background(folder, 5)
    make_background(folder / "more", 1, size=(500, 400))
    catalogue = read_background_folder(folder)
    catalogue.background["split"] = ["train", "validation"] * 3
    return catalogue


def test_a_photo_without_a_car_is_resized_and_normalised_and_has_no_boxes(roads):
    photos = BackgroundDataset(roads, "train", INPUTS, 7)
    assert len(photos) == 3 and photos.photos.photo_id.tolist() == roads.split("train").background.photo_id.tolist()
    assert photos.in_order() == [(0, 0), (0, 1), (0, 2)]
    raw = photos.load(1)
    assert raw.shape == (128, 192, 3) and raw.dtype == np.uint8  # of 160 x 240: twice what the network sees is enough
    image, target = photos[(4, 1)]
    assert image.shape == (3, 64, 96) and image.dtype == torch.float32
    assert torch.equal(image, preprocess(raw, INPUTS.size)[0])
    assert (target["boxes"].shape, target["boxes"].dtype) == ((0, 4), torch.float32)
    assert (target["labels"].shape, target["labels"].dtype) == ((0,), torch.int64)
    assert (target["masks"].shape, target["masks"].dtype) == ((0, 64, 96), torch.uint8)
    assert (target["index"], target["class_id"], photos.truth(1)) == (1, 0, 0)
    assert target["seed"] == sample_seed(7, 4, photos.photos.photo_id[1])


@pytest.mark.parametrize("augmentation", ["rotate_and_flip", "quarter_turns", "flip_only", "none"])
def test_every_random_step_takes_a_photo_without_a_car(roads, augmentation):
    inputs = InputConfig(**INPUTS.model_dump() | {"augmentation": augmentation, "color_jitter": 0.3})
    plain = BackgroundDataset(roads, "train", inputs, 0)
    photos = BackgroundDataset(roads, "train", inputs, 0, augment=True)
    first, again = photos[(1, 0)], photos[(1, 0)]
    assert torch.equal(first[0], again[0]) and first[0].shape == (3, 64, 96)
    assert first[1]["boxes"].shape == (0, 4) and first[1]["masks"].shape == (0, 64, 96)
    changed = any(not torch.equal(photos[(epoch, 0)][0], plain[(0, 0)][0]) for epoch in (1, 2, 3))
    assert changed == (augmentation != "none")
    names = [name for name, _, _ in photos.steps(0, 1)]
    assert names[0] == "photo" and names[-1] == "normalise"


def test_a_photo_without_a_car_is_the_same_from_the_cache_and_from_its_file(roads, tmp_path):
    cache = open_cache(roads, ("train", "validation"), cache_side(INPUTS.size), 1.0, tmp_path)
    assert len(cache) == 6
    image, masks = cache.read(roads.background.photo_id[0])
    assert image.shape == (154, 192, 3) and masks.shape == (0, 154, 192)
    for split in ("train", "validation"):
        from_file = BackgroundDataset(roads, split, INPUTS, 0, augment=True)
        from_cache = BackgroundDataset(roads, split, INPUTS, 0, augment=True, cache=cache)
        for i in range(3):
            assert np.array_equal(from_file.load(i), from_cache.load(i))
            assert torch.equal(from_file[(2, i)][0], from_cache[(2, i)][0])


def test_as_many_photos_as_asked_for_are_kept_by_seed(roads):
    inputs = InputConfig(**INPUTS.model_dump() | {"max_images_per_split": 2})
    names = [BackgroundDataset(roads, "train", inputs, seed).photos.photo_id.tolist() for seed in range(6)]
    assert {len(of_seed) for of_seed in names} == {2} and len(set(map(tuple, names))) > 1
    assert names[0] == BackgroundDataset(roads, "train", inputs, 0).photos.photo_id.tolist() == sorted(names[0])
    assert len(BackgroundDataset(roads, "test", inputs, 0)) == 0


def test_a_folder_of_photos_is_a_catalogue_without_cars(tmp_path):
    folder = tmp_path / "streets"
    make_background(folder / "suv" / "deep", 2)  # no folder's name means anything here
    make_background(folder, 1, seed=5)
    make_background(folder / ".hidden", 1)
    shutil.copy(folder / "road-00.jpg", folder / ".road.jpg")
    Image.new("RGB", (20, 10), "white").save(folder / "white.PNG")
    (folder / "broken.jpg").write_bytes(b"")
    (folder / "notes.txt").write_text("none")
    (folder / "old.tif").write_bytes(b"x")
    (folder / "link").symlink_to(folder / "suv")
    calls = []
    catalogue = read_background_folder(folder, lambda done, total: calls.append((done, total)))
    assert catalogue.name == "streets" and catalogue.root == folder
    assert catalogue.photos.empty and catalogue.instances.empty
    assert catalogue.background.photo_id.tolist() == [
        "road-00.jpg", "suv/deep/road-00.jpg", "suv/deep/road-01.jpg", "white.PNG"
    ]  # fmt: skip
    assert set(catalogue.background.split) == {"test"} and set(catalogue.background.group) == {""}
    white = catalogue.background.iloc[-1]
    assert (white.width, white.height, white.brightness) == (20, 10, 1.0)
    assert catalogue.excluded[["photo_id", "split", "reason"]].values.tolist() == [
        ["broken.jpg", "test", "empty file"], ["link/", "", "link"], ["old.tif", "test", "other format"]
    ]  # fmt: skip
    assert calls == [(k, 5) for k in range(1, 6)]
    catalogue.save(tmp_path / "saved")
    pd.testing.assert_frame_equal(Catalogue.load(tmp_path / "saved").background, catalogue.background)
    assert list(catalogue.background.columns) == list(BACKGROUND_COLUMNS)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (None, "there is no such folder; give the path of a folder of photos without cars"),
        ({"notes.txt": b"x"}, r"there are no photos in it \(\.jpg, .*\); give another folder"),
        (
            {"a.jpg": b"", "b.jpg": b"x"},
            r"none of its 2 photos can be read; the first is a.jpg \(empty file: 0 bytes\)",
        ),
    ],
)
def test_a_folder_without_photos_is_refused_in_one_line(tmp_path, files, message):
    folder = tmp_path / "streets"
    if files is not None:
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_bytes(content)
    with pytest.raises(CarsegError, match=message) as error:
        read_background_folder(folder)
    assert str(error.value).startswith(f"{folder}: ") and "\n" not in str(error.value)
