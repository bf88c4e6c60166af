"""The assignment of photos to training, validation and test.

By photo, splits of the data are kept, with one exception: a photo with the same pixels as one of a later split (train,
validation, test) is excluded. Splits that the data lack are taken from the training photos in the paper's proportions,
type by type, duplicates together. Photos of one group, a car model say, may then be in all splits, and the accuracy is
one on models that were seen in training.

By group, all photos are divided anew, so that a group is in one split: the accuracy is one on models never seen.

Photos without a car are divided by the same rules as one more type, of which a split may have none.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Literal

import numpy as np
import pandas as pd

from carseg_lib.core.errors import CarsegError
from carseg_lib.data.catalogue import SPLITS, Catalogue
from carseg_lib.data.clips import alike_groups, clips_of, describe_clips, joined
from carseg_lib.data.division import divide_units, split_sizes, stratified_sizes
from carseg_lib.paper.claims import PAPER_COUNTS

logger = logging.getLogger(__name__)

DUPLICATE = "duplicate in another split"
# The paper's proportions are nearly those of whole folds, 8 : 5 : 1. Fewer folds where a type has few groups.
_MOST_FOLDS, _LEAST_FOLDS = 14, 3


def assign_splits(catalogue: Catalogue, seed: int, by: Literal["photo", "group"] = "photo") -> Catalogue:
    """A catalogue with a split for every photo.

    By photo:

    1. Photos without a split count as train. If train, validation and test then all have photos, they stay.
    2. Otherwise validation, test, or both are taken from train: the paper's 4957 : 2887 : 590 for train and the missing
       ones. Each type is divided by itself, and each split gets at least one photo of it; where their roundings add up
       to a photo or more in a split, `stratified_sizes` evens them out. Exact and near duplicates,
       and frames of one clip by their names (`alike_groups`), go to one split together; so a count differs from the
       proportion by less than one photo, or at most by the largest group.
    3. A photo of train with the pixels of one in validation or test, and a photo of validation with those of one in
       test, moves to `excluded` with the reason "duplicate in another split".

    By group, all photos are divided anew, whatever splits the data give, into splits of whole groups that are near the
    paper's proportions in each type. Photos of no group count as a group each; duplicates, and the groups that they
    link, stay together. What came of it is logged.

    Photos without a car are treated likewise, except that a split may stay without any. By group, those that are linked
    with photos of cars go to the split of these.

    Args:
        catalogue: A catalogue as loaded; its photos stay in their order.
        seed: Any integer from 0. The same photos and seed give the same splits, whatever the order of the rows.
        by: "photo" or "group", as the setting `data.split_by`.

    Raises:
        CarsegError: The data give splits but no train, a type has too few different photos or groups to divide, a split
            is left without a type, or no group is known.
    """
    if by == "group":
        of_photos, of_background = _units(catalogue)
        splits = _divide_groups(catalogue, of_photos, seed)
        carless = _beside_cars(of_background, dict(zip(of_photos, splits.reindex(of_photos.index), strict=True)), seed)
        divided = replace(
            catalogue,
            photos=catalogue.photos.assign(split=splits),
            background=catalogue.background.assign(split=carless),
        )
        logger.info("%s", describe_division(catalogue, divided))
        return divided
    splits = catalogue.photos["split"].replace("", "train")
    missing = [split for split in SPLITS if not (splits == split).any()]
    if "train" in missing:
        raise CarsegError(
            f"{catalogue.root}: there are no training photos, only {' and '.join(sorted(set(splits)))}; "
            "add a train folder, or remove the split folders to have the photos divided"
        )
    photos = catalogue.photos.assign(split=splits)
    if missing and (told := describe_clips(clips_of(photos["photo_id"].tolist()))):
        logger.info("%s", told)
    if missing:
        pool = photos[photos["split"] == "train"].sort_values("photo_id")
        photos["split"] = photos["split"].where(photos["split"] != "train", _divide(catalogue, pool, missing, seed))
    background = catalogue.background.assign(split=_split_background(catalogue.background, seed))
    catalogue = _without_copies(replace(catalogue, photos=photos.astype({"split": "str"}), background=background))
    _check(catalogue)
    if shared := shared_groups(catalogue.photos):
        logger.info("%s", describe_sharing(catalogue, shared))
    return catalogue


def shared_groups(photos: pd.DataFrame) -> int:
    """How many groups have photos in more than one split.

    Args:
        photos: A catalogue's photos, with splits.
    """
    known = photos[photos["group"] != ""]
    return int((known.groupby("group")["split"].nunique() > 1).sum())


def describe_sharing(catalogue: Catalogue, shared: int) -> str:
    """A sentence on groups that are in more than one split.

    Args:
        catalogue: A catalogue with splits.
        shared: Number of such groups.
    """
    known = catalogue.photos.loc[catalogue.photos["group"] != "", "group"].nunique()
    return (
        f"{shared:,} of {known:,} groups have photos in more than one split: the accuracy is one on groups that were "
        "seen in training; SET=split_by=group keeps each in one split"
    )


def describe_division(catalogue: Catalogue, divided: Catalogue) -> str:
    """A sentence on a division by group: groups a split, distance from the paper's proportions, photos that moved.

    Args:
        catalogue: The catalogue before, with the splits that the data give.
        divided: The same photos with their new splits.
    """
    photos = divided.photos[divided.photos["group"] != ""]
    numbers = photos.groupby("split")["group"].nunique()
    given = catalogue.photos["split"]
    moved = int(((given != "") & (given != divided.photos["split"])).sum())
    parts = ", ".join(f"{split} {numbers.get(split, 0):,}" for split in SPLITS)
    kept = "the data gave no splits"
    if (given != "").any():
        kept = f"the data's own splits are not used: {moved:,} of {len(given):,} photos are in another one now"
    alone = len(divided.photos) - len(photos)
    without = f"; {alone:,} photos of no known group count as a group each" if alone else ""
    if len(divided.background):
        carless = divided.background["split"].value_counts()
        numbers_of = ", ".join(f"{split} {carless.get(split, 0):,}" for split in SPLITS)
        without += f"; {len(divided.background):,} photos without a car divided with them ({numbers_of})"
    return (
        f"divided by group ({parts}){without}; a split's share of a type differs from the paper's proportions by "
        f"{100 * split_deviation(divided.counts()):.1f} points at most; {kept}"
    )


def split_deviation(counts: pd.DataFrame) -> float:
    """How far splits are from the paper's proportions: the largest difference of a type's share in a split, 0..1.

    Args:
        counts: Photos by type (rows) and split (columns), as `Catalogue.counts`.
    """
    shares = counts[list(SPLITS)].to_numpy(float)
    return float(np.abs(shares / shares.sum(axis=1, keepdims=True) - _proportions()).max())


def _divide(catalogue: Catalogue, pool: pd.DataFrame, missing: list[str], seed: int) -> pd.Series:
    """A split for each photo of the pool: train or one of the missing ones."""
    targets = ["train", *missing]
    groups, clips = alike_groups(pool), clips_of(pool["photo_id"].tolist())
    first_type = pool.groupby(groups)["body_type"].first()  # a group of two types counts as its first photo's
    type_of_group = groups.map(first_type)
    chosen = pd.Series("", index=pool.index, dtype="str")
    of_types = [groups[type_of_group == body_type] for body_type in catalogue.body_types]
    for body_type, members in zip(catalogue.body_types, of_types, strict=True):
        if (units := members.nunique()) < len(targets):
            once = "duplicates, and frames of one clip by their names," if any(clips) else "duplicates"
            raise CarsegError(
                f"{catalogue.root}: {body_type} has {units} different photos ({once} counted once), "
                f"{len(targets)} are needed for {', '.join(targets)}; add photos of it"
            )
    sizes = stratified_sizes([len(members) for members in of_types], [PAPER_COUNTS[split] for split in targets])
    for class_id, members in enumerate(of_types, start=1):
        parts = divide_units(members, sizes[class_id - 1], [seed, class_id])
        chosen[members.index] = parts.map(dict(enumerate(targets)))
    return chosen


def _split_background(background: pd.DataFrame, seed: int) -> pd.Series:
    """A split for each photo without a car: the given one, or of those in train, one of the missing ones."""
    splits = background["split"].replace("", "train")
    missing = [split for split in SPLITS[1:] if not (splits == split).any()]
    pool = background[splits == "train"].sort_values("photo_id")
    if missing and len(pool):
        splits[pool.index] = _divide_background(alike_groups(pool), ["train", *missing], seed)
    return splits.astype("str")


def _divide_background(units: pd.Series, targets: Sequence[str], seed: int) -> pd.Series:
    """A split for each photo without a car by its unit; with fewer units than targets, the last ones get none."""
    targets = targets[: units.nunique()]
    sizes = split_sizes(len(units), [PAPER_COUNTS[split] for split in targets])
    parts = divide_units(units, sizes, [seed, 0])  # 0: the background's class id
    return parts.map(dict(enumerate(targets)))


def _beside_cars(units: pd.Series, split_of_unit: Mapping[int, str], seed: int) -> pd.Series:
    """A split for each photo without a car: that of the photos of cars that it is linked with, or of its own unit."""
    splits = units.map(split_of_unit)
    alone = units[splits.isna()]
    if len(alone):
        splits = splits.fillna(_divide_background(alone, SPLITS, seed))
    return splits.astype("str")


def _units(catalogue: Catalogue) -> tuple[pd.Series, pd.Series]:
    """Numbers of the photos that belong together (`linked_groups`), of cars and without, each sorted by name."""
    photos, background = (rows.sort_values("photo_id") for rows in (catalogue.photos, catalogue.background))
    columns = ["photo_id", "group", "pixel_sha256", "phash"]
    units = linked_groups(pd.concat([photos[columns], background[columns]], ignore_index=True)).to_numpy()
    return pd.Series(units[: len(photos)], photos.index), pd.Series(units[len(photos) :], background.index)


def _divide_groups(catalogue: Catalogue, units: pd.Series, seed: int) -> pd.Series:
    """A split for each photo of a car, whole groups together.

    Stratified folds of whole groups are dealt to the splits, in the way that comes nearest to the paper's proportions
    in each type. Of the numbers of folds the largest is taken by which each split gets each type.
    """
    from sklearn.model_selection import StratifiedGroupKFold  # takes a second to import

    if not catalogue.has_groups:
        raise CarsegError(
            f"{catalogue.root}: no photo has a group, so split_by=group can't divide them; give the car's model or the "
            "scene in a column group of a .csv table, or as group or model of a COCO annotation"
        )
    photos = catalogue.photos.loc[units.index]
    types = photos["body_type"]
    for body_type, number in units.groupby(types).nunique().reindex(catalogue.body_types, fill_value=0).items():
        if number < len(SPLITS):
            raise CarsegError(
                f"{catalogue.root}: {body_type} has {number} groups (linked ones counted once), {len(SPLITS)} are "
                f"needed for {', '.join(SPLITS)}; add photos of other groups, or take split_by=photo"
            )
    least_of_type = int(types.value_counts().min())
    for number in range(min(_MOST_FOLDS, units.nunique(), least_of_type), _LEAST_FOLDS - 1, -1):
        folds = np.empty(len(photos), dtype=int)
        dealer = StratifiedGroupKFold(number, shuffle=True, random_state=seed % 2**32)
        for fold, (_, members) in enumerate(dealer.split(photos, types, units)):
            folds[members] = fold
        counts = pd.crosstab(types.to_numpy(), folds).reindex(
            index=list(catalogue.body_types), columns=range(number), fill_value=0
        )
        if (split_of_fold := _deal(counts.to_numpy(), seed)) is not None:
            chosen = pd.Series(np.array(SPLITS)[split_of_fold][folds], photos.index)
            return chosen.reindex(catalogue.photos.index).astype("str")
    raise CarsegError(
        f"{catalogue.root}: the groups can't be divided so that each split has each type; add photos of other groups, "
        "or take split_by=photo"
    )


def linked_groups(photos: pd.DataFrame) -> pd.Series:
    """Numbers of the photos that belong together: those of one group, and duplicates, also through others.

    Args:
        photos: A catalogue's photos, of cars or without.

    Returns:
        Number (int, from 0) of each row, with the index of `photos`.
    """
    return joined(alike_groups(photos), photos["group"].tolist())


def _deal(counts: np.ndarray, seed: int) -> np.ndarray | None:
    """The split of each fold, nearest to the paper's proportions; None if a split would lack a type.

    Args:
        counts: Photos by type and fold, int array (C, K).
        seed: Decides between equally good ways.

    Returns:
        Places in SPLITS, int array (K,).
    """
    every = _ways(counts.shape[1])[:, np.random.default_rng(seed).permutation(counts.shape[1])]
    photos = np.stack([(every == split) @ counts.T for split in range(len(SPLITS))], axis=2)  # (ways, C, splits)
    shares = photos / counts.sum(axis=1)[None, :, None]
    distance = np.square(shares - _proportions()).sum(axis=(1, 2))
    distance[(photos == 0).any(axis=(1, 2))] = np.inf
    best = int(distance.argmin())
    return None if np.isinf(distance[best]) else every[best]


@functools.cache
def _ways(number: int) -> np.ndarray:
    """Every way to deal a number of folds to the splits in the paper's proportions: int array (ways, number)."""
    _, validation, test = split_sizes(number, list(PAPER_COUNTS.values()))
    ways = []
    for judged in combinations(range(number), test):
        rest = [fold for fold in range(number) if fold not in judged]
        for watched in combinations(rest, validation):
            way = np.zeros(number, dtype=np.int8)
            way[list(watched)], way[list(judged)] = 1, 2
            ways.append(way)
    return np.array(ways)


def _proportions() -> np.ndarray:
    numbers = np.array([PAPER_COUNTS[split] for split in SPLITS], dtype=float)
    return numbers / numbers.sum()


def _without_copies(catalogue: Catalogue) -> Catalogue:
    """Exclude photos, of cars or without, with the pixels of a photo in a later split."""
    for photos in (catalogue.photos, catalogue.background):
        copies, details = _copies(photos)
        catalogue = catalogue.without(copies, DUPLICATE, details)
    return catalogue


def _copies(photos: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Ids of the photos with the pixels of a photo in a later split, and a text for each."""
    rank = photos["split"].map({split: k for k, split in enumerate(SPLITS)})
    highest = rank.groupby(photos["pixel_sha256"]).transform("max")
    copies = photos[rank < highest]
    kept = photos[rank == highest].drop_duplicates("pixel_sha256").set_index("pixel_sha256")["photo_id"]
    return copies["photo_id"], "same pixels as " + copies["pixel_sha256"].map(kept)


def _check(catalogue: Catalogue) -> None:
    for split, counts in catalogue.counts().items():
        if missing := list(counts.index[counts == 0]):
            raise CarsegError(
                f"{catalogue.root}: the {split} split has no {missing[0]}; add photos of it there, or remove the "
                "split folders to have the photos divided"
            )
