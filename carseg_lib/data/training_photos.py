"""The photos of a training: those of cars, photos without a car, and pieces, mixed in each epoch."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
from torch import Tensor
from torch.utils.data import Dataset

from carseg_lib.core.config import InputConfig, TrainConfig
from carseg_lib.data.builtin_background import with_background
from carseg_lib.data.cache import DecodedImageCache
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.dataset import BackgroundDataset, CarDataset, PhotoDataset
from carseg_lib.data.loading import balanced_epoch_order, mix_orders, order_in_passes
from carseg_lib.data.pieces import PieceDataset


@dataclass(frozen=True)
class EpochSize:
    """Photos of one epoch of training: of cars, without a car, and pieces."""

    cars: int
    background: int = 0
    pieces: int = 0

    @property
    def photos(self) -> int:
        """All of them."""
        return self.cars + self.background + self.pieces


def epoch_size(train: TrainConfig, cars: int, background: int, *, carless: bool) -> EpochSize:
    """The number of photos of each kind in an epoch.

    A share s of the carless photos of one kind among these and the photos of cars is s / (1 - s) of the cars, rounded.

    Args:
        train: The shares.
        cars: Training photos of cars; an epoch has as many.
        background: Training photos without a car; an epoch has at most all of them.
        carless: Whether the network learns from photos without a car.
    """
    if not carless:
        return EpochSize(cars)
    wanted, pieces = (round(share / (1 - share) * cars) for share in (train.background_share, train.pieces_share))
    return EpochSize(cars, min(wanted, background), pieces)


def training_background(catalogue: Catalogue, train: TrainConfig, *, carless: bool) -> Catalogue | None:
    """The catalogue whose training photos without a car a training uses; None if it uses none.

    Args:
        catalogue: A catalogue with splits, whose photos of cars are learned from.
        train: The share of photos without a car.
        carless: Whether the network learns from photos without a car.

    Raises:
        CarsegError: The built-in pictures are needed, and missing or damaged.
    """
    if not carless or not train.background_share:
        return None
    found = with_background(catalogue)
    return found if (found.background["split"] == "train").any() else None


def epoch_order(
    body_types: pd.Series, size: EpochSize, background: int, epoch: int, seed: int, class_balance: float
) -> list[tuple[int, int]]:
    """The photos of one epoch, mixed by the seed.

    The photos of cars come as in `balanced_epoch_order`, in the same order among themselves. Passes over all photos
    without a car, and over all pieces, fill their places: each comes as often as the others.

    Args:
        body_types: The type of each photo of a car.
        size: Photos of each kind.
        background: Training photos without a car.
        epoch: Number of the epoch, from 1.
        seed: Seed of all orders.
        class_balance: As for `balanced_epoch_order`.

    Returns:
        Pairs (pass, i): i counts through the photos of cars, those without, and the pieces, one of each photo of a car.
    """
    cars = balanced_epoch_order(body_types, epoch, seed, class_balance)
    if size.photos == size.cars:
        return cars
    n = len(body_types)
    carless = order_in_passes(background, size.background, epoch, seed, "order of photos without a car")
    pieces = order_in_passes(n, size.pieces, epoch, seed, "order of pieces")
    others = [(number, n + i) for number, i in carless] + [(number, n + background + i) for number, i in pieces]
    return mix_orders(cars, others, epoch, seed)


class TrainingPhotos(Dataset):
    """The training photos of a catalogue, augmented, as tensors.

    An index is a pair (pass, i) as `epoch_order` gives it.

    Args:
        catalogue: A catalogue with splits.
        inputs: Number of photos, size and random steps.
        train: Class balance and shares.
        seed: Seed of all that is random.
        carless: Whether the network learns from photos without a car.
        cache: Decoded photos; a photo that is not in the cache is read from its file.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        inputs: InputConfig,
        train: TrainConfig,
        seed: int,
        *,
        carless: bool,
        cache: DecodedImageCache | None = None,
    ):
        self.cars = CarDataset(catalogue, "train", inputs, seed, augment=True, cache=cache)
        background = training_background(catalogue, train, carless=carless)
        self.builtin = background is not None and background is not catalogue
        self.background = BackgroundDataset(
            background or catalogue, "train", inputs, seed, augment=True, cache=None if self.builtin else cache
        )
        self.size = epoch_size(train, len(self.cars), len(self.background), carless=carless)
        self.parts: list[PhotoDataset] = [self.cars, self.background]
        if self.size.pieces:
            self.parts.append(PieceDataset(catalogue, "train", inputs, seed, augment=True, cache=cache))
        self.seed, self.class_balance, self.carless = seed, train.class_balance, carless

    def epoch_order(self, epoch: int) -> list[tuple[int, int]]:
        """The indices of one epoch, from 1, in order."""
        types, without = self.cars.photos.body_type, len(self.background)
        return epoch_order(types, self.size, without, epoch, self.seed, self.class_balance)

    def name(self, i: int) -> str:
        """Name of photo i, for messages."""
        part, place = self._place(i)
        return part.name(place)

    def describe(self) -> str:
        """A line: how many photos of each kind an epoch has."""
        known, size = len(self.background), self.size
        kind = "built-in pictures without a car" if self.builtin else "background photos"
        without = f"{size.background:,} {kind} (of {known:,}) and {size.pieces:,} pieces"
        if not self.carless:
            without = f"none of the {known:,} background photos and no pieces: a classifier has no class for them"
        return f"each epoch: {size.cars:,} photos of cars, {without}"

    def __getitem__(self, index: tuple[int, int]) -> tuple[Tensor, dict[str, Tensor | int]]:
        """(pass, i) → image (3, H, W) float32 normalised, and target, as `PhotoDataset`; its index is i."""
        number, i = index
        part, place = self._place(i)
        image, target = part[number, place]
        return image, target | {"index": i}

    def _place(self, i: int) -> tuple[PhotoDataset, int]:
        """The data set of photo i, and its place there."""
        for part in self.parts[:-1]:
            if i < len(part):
                return part, i
            i -= len(part)
        return self.parts[-1], i
