"""The assignment of photos to training, validation and test.

Splits of the data are kept, with one exception: a photo with the same pixels as one of a later split (train,
validation, test) is excluded. Splits that the data lack are taken from the training photos in the paper's proportions,
type by type, duplicates together.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from carseg_lib.core.errors import CarsegError
from carseg_lib.data.catalogue import SPLITS, Catalogue
from carseg_lib.data.duplicates import NEAR_DISTANCE, duplicate_groups
from carseg_lib.data.rounding import largest_remainders
from carseg_lib.paper.claims import PAPER_COUNTS

DUPLICATE = "duplicate in another split"


def assign_splits(catalogue: Catalogue, seed: int) -> Catalogue:
    """A catalogue with a split for every photo.

    1. Photos without a split count as train. If train, validation and test then all have photos, they stay.
    2. Otherwise validation, test, or both are taken from train: the paper's 4957 : 2887 : 590 for train and the missing
       ones. Each type is divided separately, and each split gets at least one photo of it. Exact and near duplicates
       (`duplicate_groups`) go to one split together; so a count differs from the proportion by less than one photo, or
       at most by the largest group.
    3. A photo of train with the pixels of one in validation or test, and a photo of validation with those of one in
       test, moves to `excluded` with the reason "duplicate in another split".

    Args:
        catalogue: A catalogue as loaded; its photos stay in their order.
        seed: Any integer from 0. The same photos and seed give the same splits, whatever the order of the rows.

    Raises:
        CarsegError: The data give splits but no train, a type has too few different photos to divide, or a split is
            left without a type.
    """
    splits = catalogue.photos["split"].replace("", "train")
    missing = [split for split in SPLITS if not (splits == split).any()]
    if "train" in missing:
        raise CarsegError(
            f"{catalogue.root}: there are no training photos, only {' and '.join(sorted(set(splits)))}; "
            "add a train folder, or remove the split folders to have the photos divided"
        )
    photos = catalogue.photos.assign(split=splits)
    if missing:
        pool = photos[photos["split"] == "train"].sort_values("photo_id")
        photos["split"] = photos["split"].where(photos["split"] != "train", _divide(catalogue, pool, missing, seed))
    catalogue = _without_copies(replace(catalogue, photos=photos.astype({"split": "str"})))
    _check(catalogue)
    return catalogue


def split_sizes(number: int, weights: list[int]) -> list[int]:
    """Divide a number of photos by weights: largest remainders, and at least one each.

    Args:
        number: Number of photos, at least that of the weights.
        weights: Positive numbers.
    """
    sizes = largest_remainders(np.array(weights) * number / sum(weights))
    while sizes.min() == 0:
        sizes[np.argmax(sizes)] -= 1
        sizes[np.argmin(sizes)] += 1
    return sizes.tolist()


def _divide(catalogue: Catalogue, pool: pd.DataFrame, missing: list[str], seed: int) -> pd.Series:
    """A split for each photo of the pool: train or one of the missing ones."""
    targets = ["train", *missing]
    groups = duplicate_groups(pool, NEAR_DISTANCE)
    first_type = pool.groupby(groups)["body_type"].first()  # a group of two types counts as its first photo's
    type_of_group = groups.map(first_type)
    chosen = pd.Series("", index=pool.index, dtype="str")
    for class_id, body_type in enumerate(catalogue.body_types, start=1):
        members = groups[type_of_group == body_type]
        sizes = members.value_counts().sort_index()
        if len(sizes) < len(targets):
            raise CarsegError(
                f"{catalogue.root}: {body_type} has {len(sizes)} different photos (duplicates counted once), "
                f"{len(targets)} are needed for {', '.join(targets)}; add photos of it"
            )
        rng = np.random.default_rng([seed, class_id])
        shuffled = sizes.iloc[rng.permutation(len(sizes))].sort_values(ascending=False, kind="stable")
        weights = [PAPER_COUNTS[split] for split in targets]
        split_of_group = _fill(shuffled, np.array(split_sizes(len(members), weights)))
        chosen[members.index] = members.map(split_of_group).map(dict(enumerate(targets)))
    return chosen


def _fill(sizes: pd.Series, wanted: np.ndarray) -> dict[int, int]:
    """Assign groups, largest first, each to the split that lacks most photos; no split stays empty."""
    left = wanted.copy()
    assigned: dict[int, int] = {}
    used: set[int] = set()
    for done, (group, size) in enumerate(sizes.items()):
        empty = [k for k in range(len(wanted)) if k not in used]
        choice = empty if len(sizes) - done <= len(empty) else range(len(wanted))
        best = max(choice, key=lambda k: left[k])
        left[best] -= size
        used.add(best)
        assigned[group] = best
    return assigned


def _without_copies(catalogue: Catalogue) -> Catalogue:
    """Exclude photos with the pixels of a photo in a later split."""
    photos = catalogue.photos
    rank = photos["split"].map({split: k for k, split in enumerate(SPLITS)})
    highest = rank.groupby(photos["pixel_sha256"]).transform("max")
    copies = photos[rank < highest]
    if copies.empty:
        return catalogue
    kept = photos[rank == highest].drop_duplicates("pixel_sha256").set_index("pixel_sha256")["photo_id"]
    return catalogue.without(copies["photo_id"], DUPLICATE, "same pixels as " + copies["pixel_sha256"].map(kept))


def _check(catalogue: Catalogue) -> None:
    for split, counts in catalogue.counts().items():
        if missing := list(counts.index[counts == 0]):
            raise CarsegError(
                f"{catalogue.root}: the {split} split has no {missing[0]}; add photos of it there, or remove the "
                "split folders to have the photos divided"
            )
