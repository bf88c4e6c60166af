"""The pictures without a car: how many a data set has, and the family and the split of each, from its index and seed.

Imports nothing but Python's own library, as `plan`.
"""

from __future__ import annotations

from carseg_rendering.dataset.plan import DatasetPlan, photo_name, split_sizes

EMPTY = "empty scene"
# Percent of the pictures: scenes with nothing in their middle, and families of things.
FAMILY_SHARES = {
    EMPTY: 12,
    "furniture": 7,
    "machines": 8,
    "cycles and carts": 7,
    "large vehicles": 9,
    "plants": 8,
    "creatures": 9,
    "boards": 5,
    "solids": 4,
    "surfaces": 8,
    "piles": 4,
    "tools": 5,
    "vessels": 4,
    "structures": 4,
    "car parts": 6,
}
# By split, in a data set's order; the inverse is the share of its photos: a tenth, but a fifth of the few test photos,
# among whose pictures false alarms are counted.
PARTS = {"train": 10, "validation": 10, "test": 5}
_TURN = 2**32
_GOLDEN = 2_654_435_769  # as in `plan`: multiples of the golden section spread evenly, however many there are
_SEED_STEP = 2_246_822_519


def background_sizes(photos: int) -> tuple[int, int, int]:
    """Numbers of pictures without a car for training, validation and test, from the number of photos of cars."""
    sizes = zip(split_sizes(photos), PARTS.values(), strict=True)
    train, validation, test = (round(size / part) for size, part in sizes)
    return train, validation, test


def background_count(plan: DatasetPlan) -> int:
    """Number of pictures without a car in a data set."""
    return sum(background_sizes(plan.photos))


def place_of(index: int, seed: int) -> tuple[str, float]:
    """The family of a picture, and its place within the family, 0 to 1, by which its kind is chosen.

    Any run of indices has nearly the FAMILY_SHARES, and each family's places are spread evenly.

    Args:
        index: Index of the picture, from 0.
        seed: Seed of the data set, 0 or more.
    """
    place = ((index + 1) * _GOLDEN + seed * _SEED_STEP) % _TURN
    for family, share in FAMILY_SHARES.items():
        room = share * _TURN // 100
        if place < room:
            return family, place / room
        place -= room
    return family, 0.0  # what the roundings leave


def background_splits(plan: DatasetPlan) -> list[str]:
    """The split of every picture, by index, with the sizes of `background_sizes`.

    The pictures are sorted by family, and each split takes its own at equal steps, the smallest split first, so that
    every family of a few pictures is in it.
    """
    sizes = dict(zip(PARTS, background_sizes(plan.photos), strict=True))
    count, families = sum(sizes.values()), list(FAMILY_SHARES)
    left = sorted(range(count), key=lambda index: (families.index(place_of(index, plan.seed)[0]), index))
    splits = [""] * count
    for split, size in reversed(sizes.items()):
        for index in [left[(2 * k + 1) * len(left) // (2 * size)] for k in range(size)]:
            splits[index] = split
        left = [index for index in left if not splits[index]]
    return splits


def background_file(index: int, split: str) -> str:
    """Where a picture stands in a data set."""
    return f"images/background/{split}/{photo_name(index)}"
