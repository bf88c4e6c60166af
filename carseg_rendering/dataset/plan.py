"""The body type and the split of every photo: from its index, the seed and the number of photos alone.

Imports nothing but Python's own library, so that every rendering process can import it cheaply.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from carseg_lib.core.errors import CarsegError

SHARES = {"suv": 30, "sedan": 35, "convertible": 20, "minivan": 15}  # percent of the photos, in the study's order
REALISM_LEVELS = ("plain", "light", "places", "full")  # of the renderer; each adds to the one before
PHOTOS = 2109  # in the packaged data set: a quarter of the paper's
FEWEST_PHOTOS = 200  # every type in every split
MOST_PHOTOS = 100_000  # five digits in a photo's name
_TURN = 2**32
_GOLDEN = 2_654_435_769  # _TURN times the golden section: its multiples spread evenly, however many there are
_SEED_STEP = 2_246_822_519  # odd: another seed begins elsewhere


@dataclass(frozen=True)
class DatasetPlan:
    """The parameters of a rendered data set; the same plan gives the same bytes.

    Attributes:
        photos: Number of photos, 200 to 100,000.
        seed: Seed of every random choice, 0 or more.
        realism: Realism of the renderer, one of REALISM_LEVELS.

    Raises:
        CarsegError: A value is out of range.
    """

    photos: int = PHOTOS
    seed: int = 0
    realism: str = "full"

    def __post_init__(self) -> None:
        if not FEWEST_PHOTOS <= self.photos <= MOST_PHOTOS:
            raise CarsegError(
                f"NUM_IMAGES={self.photos}: a rendered data set has {FEWEST_PHOTOS} to {MOST_PHOTOS:,} photos"
            )
        if self.seed < 0:
            raise CarsegError(f"SEED={self.seed}: a seed is a whole number, 0 or more")
        if self.realism not in REALISM_LEVELS:
            raise CarsegError(f"REALISM={self.realism}: must be one of {', '.join(REALISM_LEVELS)}")

    def as_json(self) -> dict[str, int | str]:
        """The plan as annotation files hold it, where the realism is called "version"."""
        return {"photos": self.photos, "seed": self.seed, "version": self.realism}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The plan that `as_json` wrote.

        Raises:
            CarsegError: A value is out of range.
            KeyError: A value is missing.
            TypeError: A value is no number.
        """
        return cls(values["photos"], values["seed"], values["version"])

    def splits(self) -> list[str]:
        """The split of every photo, by index: stratified by body type, with the sizes of `split_sizes`.

        The photos are sorted by type, and the splits are spread evenly over that order.
        """
        train, validation, test = split_sizes(self.photos)
        order = sorted(range(self.photos), key=lambda index: (body_type_of(index, self.seed), index))
        dealt = sorted(range(self.photos), key=lambda place: (place * _GOLDEN + self.seed * _SEED_STEP) % _TURN)
        names = ["test"] * test + ["validation"] * validation + ["train"] * train
        splits = [""] * self.photos
        for place, name in zip(dealt, names, strict=True):
            splits[order[place]] = name
        return splits


def body_type_of(index: int, seed: int) -> str:
    """The body type of a photo's main car: any run of indices has nearly the SHARES.

    Args:
        index: Index of the photo, from 0.
        seed: Seed of the data set, 0 or more.
    """
    place = ((index + 1) * _GOLDEN + seed * _SEED_STEP) % _TURN
    for body_type, share in SHARES.items():
        place -= share * _TURN // 100
        if place < 0:
            return body_type
    return body_type


def split_sizes(photos: int) -> tuple[int, int, int]:
    """Photos for training, validation and test: the paper's 4957 : 2887 : 590, validation and test rounded up."""
    validation, test = (-(-photos * part // 8434) for part in (2887, 590))
    return photos - validation - test, validation, test


def photo_name(index: int) -> str:
    """Name of a photo's file; it does not change when the data set grows."""
    return f"{index:05d}.jpg"
