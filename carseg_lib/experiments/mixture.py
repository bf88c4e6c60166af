"""Training photos of two sources in one data set."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pandas as pd

from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError
from carseg_lib.data.catalogue import PARAMETER_COLUMNS, Catalogue, table
from carseg_lib.experiments.subsets import nested_stratified_sample

OWN, ADDED = "own", "added"  # the links to the two sources' photos, and so the start of each photo's id


def mixed_dataset(own: Catalogue, other: Catalogue, seed: int, folder: Path) -> Catalogue:
    """A data set with training photos of another source mixed in, as many as its own, or all there are.

    The validation photos, and the photos without a car, are those of the first. The metadata of rendered photos are
    left out, since not all photos have them; so are the other source's masks where the first has none, since a network
    has masks of all cars or of none.

    Args:
        own: What a training would have without the others; with splits.
        other: With splits and the same body types.
        seed: Of the sample of the other source's photos.
        folder: Where a folder is made that holds a link to either source's photos.

    Raises:
        CarsegError: The body types differ, or the cars of the first have masks and those of the other have none.
    """
    if own.body_types != other.body_types:
        found = f"{', '.join(other.body_types)}, and {own.root} {', '.join(own.body_types)}"
        raise CarsegError(f"{other.root} has the body types {found}: name the same by CLASSES.")
    if own.has_masks and not other.has_masks:
        raise CarsegError(f"{other.root} has no masks, and {own.root} has: they can't be mixed in one training.")
    there = other.split("train").photos
    n = min(len(own.split("train").photos), len(there))
    photos = nested_stratified_sample(there, n, seed)
    instances = other.instances[other.instances["photo_id"].isin(photos["photo_id"])]
    if not own.has_masks:
        instances = instances.assign(mask="", mask_origin="none", mask_quality=float("nan"))
    return replace(
        own,
        name=f"{own.name} with {other.name}",
        root=_linked(own.root, other.root, folder),
        photos=_joined(own.photos, photos),
        instances=_joined(own.instances, instances),
        background=_under(OWN, own.background),
        parameters=table([], PARAMETER_COLUMNS),
    )


def _joined(own: pd.DataFrame, added: pd.DataFrame) -> pd.DataFrame:
    rows = pd.concat([_under(OWN, own), _under(ADDED, added)]).sort_values("photo_id", kind="stable", ignore_index=True)
    return rows.astype(dict(own.dtypes))


def _under(link: str, rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(photo_id=f"{link}/" + rows["photo_id"])


def _linked(own: Path, added: Path, folder: Path) -> Path:
    """A folder with a link to each source's photos, named by where these are."""
    places = [path.resolve() for path in (own, added)]
    root = folder / hashlib.sha256(b"\0".join(map(os.fsencode, places))).hexdigest()[:12]
    files.make_folder(root)
    for name, place in zip((OWN, ADDED), places, strict=True):
        if not (root / name).exists():
            (root / name).symlink_to(place, target_is_directory=True)
    return root
