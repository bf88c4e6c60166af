"""The photos of trials: nested subsets for training, and those that every trial is measured on."""

from __future__ import annotations

import functools
import hashlib
import os
from pathlib import Path

import pandas as pd

from carseg_lib.core import code_fingerprint, files
from carseg_lib.core.config import RunConfig
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.paths import project_folder
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.fingerprint import stat_fingerprint
from carseg_lib.data.loader import load_catalogue
from carseg_lib.data.locate import locate_photos
from carseg_lib.data.splits import assign_splits, linked_groups
from carseg_lib.experiments.plan import MONITOR

NOT_SAMPLED = "not sampled"
CATALOGUING = "from carseg_lib.data import loader, splits"  # the code that makes catalogues, with all that it imports


def nested_stratified_sample(photos: pd.DataFrame, n: int, seed: int) -> pd.DataFrame:
    """Draw n photos, each body type by its share; a smaller n gives a subset of what a larger one gives.

    The photos of each type are shuffled and spread evenly from 0 to 1; the first n of all types together are taken.
    The order follows from seed and photo_id alone, so that versions of a data set give the same pictures.

    Args:
        photos: with photo_id and body_type.
        n: at most as many as there are.
        seed: of the shuffle.

    Returns:
        The rows, in the order of `photos`. With T types, a type with the share s has n·s photos, give or take
        (1 + s·T) / 2.
    """
    shuffled = photos.photo_id.map(lambda name: hashlib.sha256(f"{seed}/{name}".encode()).hexdigest())
    rank = shuffled.groupby(photos.body_type).rank(method="first")
    size = photos.body_type.map(photos.body_type.value_counts())
    order = pd.DataFrame({"place": (rank - 0.5) / size, "tie": shuffled}).sort_values(["place", "tie"])
    return photos.loc[order.index[:n].sort_values()]


def trial_dataset(source: Catalogue, photos: int, seed: int, watched: int = MONITOR) -> Catalogue:
    """The data set of one training: some training photos, and validation photos to watch it by; 0 = all of them.

    Raises:
        CarsegError: so few photos that a body type has none.
    """
    there = source.split("train").photos
    chosen = nested_stratified_sample(there, photos or len(there), seed)
    if absent := [t for t in source.body_types if t not in set(chosen.body_type)]:
        raise CarsegError(f"{source.root}: among {photos} training photos is no {absent[0]}; ask for more.")
    validation = source.split("validation").photos
    seen = nested_stratified_sample(validation, watched or len(validation), seed)
    return _only(source, pd.concat([chosen.photo_id, seen.photo_id]))


def group_folds(catalogue: Catalogue, folds: int, seed: int) -> pd.Series:
    """Divide the groups of a catalogue into parts that are alike in their types.

    Args:
        catalogue: its photos of no known group, and linked groups, count as one group each; see `splits.linked_groups`.
        folds: number of parts, from 2.
        seed: of the division.

    Returns:
        The part (int, from 0) of each photo's group, by photo_id.

    Raises:
        CarsegError: a type has fewer groups than there are parts.
    """
    from sklearn.model_selection import StratifiedGroupKFold  # takes a second to import

    photos = catalogue.photos.sort_values("photo_id")
    units = linked_groups(photos)
    for body_type, number in units.groupby(photos.body_type).nunique().items():
        if number < folds:
            raise CarsegError(f"{catalogue.root}: {body_type} has {number} groups; set folds to {number} or fewer.")
    fold_of = pd.Series(0, index=photos.photo_id)
    dealer = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    for fold, (_, members) in enumerate(dealer.split(photos, photos.body_type, units)):
        fold_of.iloc[members] = fold
    return fold_of


def eval_images(catalogue: Catalogue, n: int, seed: int) -> Catalogue:
    """The validation photos that every trial is measured on: n of them, or all if n is 0."""
    validation = catalogue.split("validation")
    return _only(validation, nested_stratified_sample(validation.photos, n or len(validation.photos), seed).photo_id)


def photo_count(catalogue: Catalogue, split: str, wanted: int, setting: str, given: str) -> int:
    """The number of photos that a setting asks for; all of the split if it is 0.

    Args:
        catalogue: with splits.
        split: "train" or "validation".
        wanted: the setting's value.
        setting: its name, for the message.
        given: the photos, as the user gave them: "DATA=photos".

    Raises:
        CarsegError: there are fewer.
    """
    there = len(catalogue.split(split).photos)
    if wanted > there:
        kind = "training" if split == "train" else split
        raise CarsegError(f"{given} has {there:,} {kind} photos; {setting} asks for {wanted:,}.")
    return wanted or there


def cached_catalogue(config: RunConfig, folder: Path, seed: int) -> Catalogue:
    """A run's photos with splits, kept in a folder of `folder`.

    They are read again if they, their classes, the way they are split, or the code that reads them change. Data without
    splits are split by the seed.
    """
    place, classes, by = locate_photos(config.data.source), config.data.classes, config.data.split_by
    unlabelled, data_format = config.data.unlabelled, config.data.format
    key = os.fsencode(place) + f"{classes.text} {by} {unlabelled} {data_format}".encode()
    folder = folder / hashlib.sha256(key).hexdigest()[:12]
    made_from = {
        "data": stat_fingerprint(place),
        "classes": classes.text,
        "split_by": by,
        "unlabelled": unlabelled,
        "format": data_format,
        "seed": seed,
        "code": code_digest(CATALOGUING),
    }
    note = folder / "made_from.json"
    if not note.is_file() or files.read_json(note) != made_from:
        catalogue = load_catalogue(place, classes, unlabelled=unlabelled, data_format=data_format)
        assign_splits(catalogue, seed, by).save(folder)
        files.write_json(note, made_from)
    return Catalogue.load(folder)


@functools.cache
def code_digest(code: str) -> str:
    """A digest of all modules of the library that a piece of code reaches."""
    reached = code_fingerprint.imported_files(project_folder(), ("carseg_lib",), code, "an experiment")
    return files.sha256_text(str(reached))


def _only(catalogue: Catalogue, photo_ids: pd.Series) -> Catalogue:
    """The same catalogue with some of its photos; the others are listed as left out."""
    others = catalogue.photos.photo_id[~catalogue.photos.photo_id.isin(photo_ids)]
    return catalogue.without(others, NOT_SAMPLED, pd.Series("belongs to no part of this training", others.index))
