"""The paper's preprocessing (§III, §V) as a data set of tensors: resize, normalise, and random steps in training.

The paper flips "using an interval of [-90, 90]" (§III), and also by "rotating it in a range of [-90, 90] and flipping
it horizontally" (§V). `READINGS` has the readings of that; the setting `inputs.augmentation` picks one.
"""

from __future__ import annotations

import copy
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import Dataset

from carseg_lib.core.config import InputConfig
from carseg_lib.core.constants import IMAGENET_MEAN, IMAGENET_STD
from carseg_lib.data.cache import DecodedImageCache, Pixels, cache_side, decode, open_cache
from carseg_lib.data.catalogue import INSTANCE_COLUMNS, Catalogue, table
from carseg_lib.data.transforms import (
    ColorJitter,
    Normalize,
    RandomHorizontalFlip,
    RandomObjectCrop,
    RandomRotation,
    Resize,
    Target,
    Transform,
    empty_target,
    sanitize_boxes,
)

READINGS = {
    "rotate_and_flip": "every photo is turned by an angle drawn evenly from ±max_rotation, and half of them are "
    "flipped (§V taken by its words)",
    "quarter_turns": "the interval's ends are the choices: a photo is turned by -90°, 0° or +90°, and half are flipped",
    "flip_only": "the interval is a slip: photos are flipped, not turned (§III names no rotation)",
    "none": "no random change: resize and normalise only, as for validation and test",
}


def augmentation(inputs: InputConfig) -> list[tuple[str, Transform]]:
    """The random steps of training, in the paper's order, by name; empty for the reading "none"."""
    if inputs.augmentation == "none":
        return []
    steps: list[tuple[str, Transform]] = []
    if inputs.min_crop_scale < 1:
        steps.append(("crop", RandomObjectCrop(inputs.min_crop_scale, inputs.min_visible)))
    steps.append(("resize", Resize(inputs.size)))
    if inputs.augmentation == "rotate_and_flip":
        limits = (-inputs.max_rotation, inputs.max_rotation)
        steps.append(("rotate", RandomRotation(limits, between=True)))
    elif inputs.augmentation == "quarter_turns":
        steps.append(("rotate", RandomRotation((-90.0, 0.0, 90.0))))
    steps.append(("flip", RandomHorizontalFlip(inputs.hflip_prob)))
    if inputs.color_jitter:
        steps.append(("colour", ColorJitter(inputs.color_jitter)))
    return steps


def preprocess(photo: np.ndarray, size: tuple[int, int]) -> Tensor:
    """A photo without boxes as the network's input, by the same steps as in validation and test.

    Args:
        photo: (h, w, 3) uint8.
        size: height and width of the network's input, pixels.

    Returns:
        (1, 3, H, W) float32, channels last.
    """
    resized = Resize(size).resize_image(photo)
    return torch.from_numpy(Normalize(IMAGENET_MEAN, IMAGENET_STD).normalize_image(resized)).permute(2, 0, 1)[None]


def sample_seed(seed: int, epoch: int, photo_id: str) -> int:
    """The seed of the random steps of one photo in one epoch, independent of batches, workers and processes."""
    return int.from_bytes(hashlib.blake2b(f"{seed}/{epoch}/{photo_id}".encode(), digest_size=7).digest())


class PhotoDataset(Dataset, ABC):
    """Photos as tensors: what data sets of photos with cars and without share.

    An index is a pair (epoch, i), so that random steps depend on (seed, epoch, photo) alone. Where passes over the
    photos fill the epochs, the number of the pass takes the role of the epoch.

    Args:
        root: Folder of the photos.
        photos: Their rows: photo_id, height and width.
        inputs: Size and random steps.
        seed: Seed of the random steps.
        augment: Apply the random steps.
        cache: Decoded photos; a photo that is not in the cache is read from its file.
    """

    def __init__(
        self,
        root: Path,
        photos: pd.DataFrame,
        inputs: InputConfig,
        seed: int,
        *,
        augment: bool = False,
        cache: DecodedImageCache | None = None,
    ):
        self.photos = photos.reset_index(drop=True)
        self.root, self.seed = root, seed
        self.side, self.cache = cache_side(inputs.size), cache
        self.transforms = augmentation(inputs) if augment else []
        if not any(name == "resize" for name, _ in self.transforms):
            self.transforms.append(("resize", Resize(inputs.size)))
        self.transforms.append(("normalise", Normalize(IMAGENET_MEAN, IMAGENET_STD)))

    def __len__(self) -> int:
        return len(self.photos)

    def truth(self, i: int) -> int:
        """Class id of photo i; 0, the background's, without a car."""
        return 0

    def name(self, i: int) -> str:
        """Name of photo i, from which the seed of its random steps is derived."""
        return self.photos.photo_id[i]

    def in_order(self) -> list[tuple[int, int]]:
        """The index of every photo, for a data set without random steps."""
        return [(0, i) for i in range(len(self))]

    def steps(self, i: int, epoch: int = 0) -> Iterator[tuple[str, np.ndarray, Target]]:
        """Photo i after each step: (step, image (h, w, 3), target). The last one is the network's input."""
        generator = torch.Generator().manual_seed(sample_seed(self.seed, epoch, self.name(i)))
        image, target = self._source(i, generator)
        yield "photo", image, target
        for name, step in self.transforms:
            image, target = step(image, target, generator)
            yield name, image, sanitize_boxes(target)

    def __getitem__(self, index: tuple[int, int]) -> tuple[Tensor, dict[str, Tensor | int]]:
        """(epoch, i) → image (3, H, W) float32 normalised, and target.

        The target has boxes (N, 4) float32 pixels, labels (N,) int64, masks (N, H, W) uint8, seed, index i and
        class_id of the photo; N is 0 without a car.
        """
        epoch, i = index
        seed = sample_seed(self.seed, epoch, self.name(i))
        generator = torch.Generator().manual_seed(seed)
        image, target = self._source(i, generator)
        for _, step in self.transforms:
            image, target = step(image, target, generator)
        tensors = {name: torch.from_numpy(values) for name, values in sanitize_boxes(target).items()}
        return torch.from_numpy(image).permute(2, 0, 1), tensors | {"seed": seed, "index": i, "class_id": self.truth(i)}

    @abstractmethod
    def _source(self, i: int, generator: torch.Generator) -> tuple[np.ndarray, Target]:
        """What the steps start from: image (h, w, 3) uint8 and target in its pixels."""

    def _decoded(self, i: int, instances: pd.DataFrame) -> Pixels:
        """Photo i at most of the cache's size, (h, w, 3) uint8, and the masks of its cars (N, h, w) uint8."""
        photo_id, size = self.photos.photo_id[i], (self.photos.height[i], self.photos.width[i])
        cached = self.cache.read(photo_id) if self.cache is not None else None
        return cached or decode(self.root / photo_id, instances, size, self.side)


class CarDataset(PhotoDataset):
    """The photos of cars of one split of a catalogue as tensors.

    Args:
        catalogue: A catalogue with splits.
        split: "train", "validation" or "test".
        inputs: Number of photos (sampled by seed), size and random steps.
        seed: Seed of the sample and of the random steps.
        augment: Apply the random steps.
        cache: Decoded photos; a photo that is not in the cache is read from its file.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        split: str,
        inputs: InputConfig,
        seed: int,
        *,
        augment: bool = False,
        cache: DecodedImageCache | None = None,
    ):
        part = catalogue.split(split)
        photos = part.photos.sort_values("photo_id", kind="stable")
        if inputs.max_images_per_split:
            photos = stratified_sample(photos, inputs.max_images_per_split, seed)
        super().__init__(catalogue.root, photos, inputs, seed, augment=augment, cache=cache)
        self.instances = dict(list(part.instances.groupby("photo_id")))
        self.class_ids = {body_type: i + 1 for i, body_type in enumerate(catalogue.body_types)}
        self._labels = self._labels_of_photos()

    def _labels_of_photos(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Boxes (N, 4) in pixels of the original photo, and labels (N,) of each photo."""
        found = []
        for photo_id in self.photos.photo_id:
            cars = self.instances[photo_id]
            boxes = cars[["x1", "y1", "x2", "y2"]].to_numpy(np.float32)
            found.append((boxes, np.array([self.class_ids[t] for t in cars.body_type])))
        return found

    def truth(self, i: int) -> int:
        """Class id (1..C) of photo i's body type."""
        return self.class_ids[self.photos.body_type[i]]

    def sample(self, n: int) -> CarDataset:
        """The same, restricted to a fixed sample of about n photos, each body type by its share."""
        part = copy.copy(self)
        part.photos = stratified_sample(self.photos, n, self.seed).reset_index(drop=True)
        part._labels = part._labels_of_photos()
        return part

    def load(self, i: int) -> tuple[np.ndarray, Target]:
        """Photo i before any step, at most of the cache's size: image (h, w, 3) uint8, and target in its pixels."""
        boxes, labels = self._labels[i]
        image, masks = self._decoded(i, self.instances[self.photos.photo_id[i]])
        size = self.photos.height[i], self.photos.width[i]
        if image.shape[:2] != size:
            height, width = image.shape[:2]
            boxes = boxes * np.array([width / size[1], height / size[0]] * 2, np.float32)
        return image, {"boxes": boxes, "masks": masks, "labels": labels}

    def _source(self, i: int, generator: torch.Generator) -> tuple[np.ndarray, Target]:
        return self.load(i)


class BackgroundDataset(PhotoDataset):
    """The photos without a car of one split of a catalogue as tensors; their targets have no boxes and class id 0.

    Args:
        catalogue: A catalogue with splits.
        split: "train", "validation" or "test".
        inputs: Number of photos (sampled by seed), size and random steps.
        seed: Seed of the sample and of the random steps.
        augment: Apply the random steps.
        cache: Decoded photos; a photo that is not in the cache is read from its file.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        split: str,
        inputs: InputConfig,
        seed: int,
        *,
        augment: bool = False,
        cache: DecodedImageCache | None = None,
    ):
        photos = catalogue.split(split).background.sort_values("photo_id", kind="stable", ignore_index=True)
        if 0 < inputs.max_images_per_split < len(photos):
            photos = photos.sample(inputs.max_images_per_split, random_state=seed).sort_index()
        super().__init__(catalogue.root, photos, inputs, seed, augment=augment, cache=cache)

    def load(self, i: int) -> np.ndarray:
        """Photo i before any step, at most of the cache's size: (h, w, 3) uint8."""
        return self._decoded(i, table([], INSTANCE_COLUMNS))[0]

    def _source(self, i: int, generator: torch.Generator) -> tuple[np.ndarray, Target]:
        image = self.load(i)
        return image, empty_target((image.shape[0], image.shape[1]))


def cache_of(catalogue: Catalogue, inputs: InputConfig, folder: Path) -> DecodedImageCache:
    """The decoded training and validation photos of a catalogue with splits, which runs on the same data share.

    Args:
        catalogue: A catalogue with splits.
        inputs: Size of the network's input, and of the cache.
        folder: Folder of the caches.

    Raises:
        ImageError: A photo can no longer be read.
        CarsegError: The folder cannot be written.
    """
    splits, side = ("train", "validation"), cache_side(inputs.size)
    return open_cache(catalogue, splits, side, inputs.cache_gb, folder)


def stratified_sample(photos: pd.DataFrame, n: int, seed: int) -> pd.DataFrame:
    """About n rows of a table of photos: the same share of each body type, at least one; sampled by seed."""
    shares = photos.body_type.value_counts() / len(photos)
    parts = [
        group.sample(min(len(group), max(1, round(n * shares[body_type]))), random_state=seed)
        for body_type, group in photos.groupby("body_type", sort=True)
    ]
    return photos.loc[sorted(index for part in parts for index in part.index)]
