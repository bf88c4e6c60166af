"""From a folder of photos, or a COCO file, to a catalogue: every photo is opened once and checked.

Reasons by which a photo is left out as bad, beside those of `carseg_lib.photos`: "link" (leads outside),
"unreadable name", "size mismatch", "bad box", "box outside the photo", "zero-area box", "bad mask",
"zero-area mask", "no mask" (while others have one). If more than 5% of the photos are bad, the data are
refused. What a data set has beyond the study (other types, other formats) is listed too, but is not bad.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from carseg_lib.catalogue import (
    BODY_TYPES,
    EXCLUDED_COLUMNS,
    INSTANCE_COLUMNS,
    PHOTO_COLUMNS,
    Catalogue,
    table,
)
from carseg_lib.errors import CarsegError
from carseg_lib.photos import BadPhoto, describe_photo
from carseg_lib.signature import content_signature, signature
from carseg_lib.sources.coco import cars_of, list_coco
from carseg_lib.sources.folder import list_folder
from carseg_lib.sources.listing import ListedPhoto, Listing, as_text, is_text

__all__ = ["MAX_BAD_SHARE", "MIN_PER_TYPE", "content_signature", "list_photos", "load_catalogue", "signature"]

MAX_BAD_SHARE = 0.05  # of the photos that the source names
MIN_PER_TYPE = 3  # one for each split


def load_catalogue(data: Path, *, progress: Callable[[int, int], None] | None = None) -> Catalogue:
    """Read a data set: choose its source, open every photo once, keep what is good and list what is not.

    Photos are held one at a time; of each only numbers, hashes and the coded mask stay.

    Args:
        data: A folder <split>/<type>/*.jpg or <type>/*.jpg; a folder with annotations/*.json (COCO); or one
            COCO .json file.
        progress: Called after each photo with (photos read, photos in all).

    Returns:
        The catalogue, sorted by photo_id. Splits that the data give are kept, others are "".

    Raises:
        CarsegError: No such data, none of the four types, a type with fewer than three photos, a broken
            annotation file, or more than 5% bad photos.
    """
    listing = list_photos(data)
    _check_types(data, _types_named(listing.photos), "")
    root = listing.root.resolve()
    photos, cars, bad = [], [], []
    for done, listed in enumerate(listing.photos, start=1):
        try:
            row, its_cars = _read_photo(root, listed)
        except BadPhoto as error:
            bad.append(_bad_row(listed, error))
        else:
            photos.append(row)
            cars.extend(its_cars)
        if progress is not None:
            progress(done, len(listing.photos))
    catalogue = Catalogue(
        name=listing.name,
        root=root,
        photos=table(sorted(photos, key=lambda row: row["photo_id"]), PHOTO_COLUMNS),
        instances=table(sorted(cars, key=lambda row: row["photo_id"]), INSTANCE_COLUMNS),
        excluded=table(sorted(bad, key=lambda row: row["photo_id"]), EXCLUDED_COLUMNS),
        parameters=_rows_of(listing.parameters, photos),
    )
    catalogue = _without_maskless(catalogue)
    _check_share(data, catalogue.excluded, len(listing.photos))
    _check_types(data, Counter(catalogue.photos["body_type"]), " that can be used")
    excluded = pd.concat([catalogue.excluded, table(listing.ignored, EXCLUDED_COLUMNS)], ignore_index=True)
    return replace(catalogue, excluded=excluded)


def list_photos(data: Path) -> Listing:
    """Choose the source of a data set and list its photos without opening them.

    Raises:
        CarsegError: As `load_catalogue`, for what can be seen without opening a photo.
    """
    data = Path(data)
    if not data.exists():
        raise CarsegError(f"{data}: there is no such folder or file; give the photos' place as DATA=path")
    if data.is_file():
        if data.suffix.lower() != ".json":
            raise CarsegError(f"{data}: neither a folder nor a COCO .json file")
        return list_coco(data)
    try:
        empty = not any(data.iterdir())
    except OSError as error:
        raise CarsegError(f"{data}: the folder cannot be read ({error.strerror})") from None
    if empty:
        raise CarsegError(f"{data}: the folder is empty; give the photos' place as DATA=path")
    return list_coco(data) if any((data / "annotations").glob("*.json")) else list_folder(data)


def _read_photo(root: Path, listed: ListedPhoto) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A photo's row and its cars' rows."""
    path = root / listed.photo_id
    if not is_text(listed.photo_id):
        raise BadPhoto("unreadable name", "not UTF-8, or with control characters; rename it")
    if path.exists() and not path.resolve().is_relative_to(root):
        raise BadPhoto("link", "the link leaves the folder")
    facts = describe_photo(path)
    cars = cars_of(listed, facts)
    row = {
        "photo_id": listed.photo_id,
        "split": listed.split,
        "body_type": _largest(cars),
        "width": facts.width,
        "height": facts.height,
        "brightness": facts.brightness,
        "file_sha256": facts.file_sha256,
        "pixel_sha256": facts.pixel_sha256,
        "phash": facts.phash,
    }
    return row, cars


def _rows_of(parameters: pd.DataFrame, photos: list[dict[str, Any]]) -> pd.DataFrame:
    """The rows of the photos that can be used."""
    used = parameters["photo_id"].isin([row["photo_id"] for row in photos])
    return parameters[used].reset_index(drop=True)


def _largest(cars: list[dict[str, Any]]) -> str:
    """Body type of the car with the largest box; of equals the first."""
    return max(cars, key=lambda car: (car["x2"] - car["x1"]) * (car["y2"] - car["y1"]))["body_type"]


def _types_named(photos: list[ListedPhoto]) -> Counter[str]:
    """Photos that show a car of each type: known before any is opened, so that nobody waits for this error."""
    return Counter(t for photo in photos for t in {a.body_type for a in photo.annotations})


def _bad_row(listed: ListedPhoto, error: BadPhoto) -> dict[str, str]:
    return {
        "photo_id": as_text(listed.photo_id),
        "split": listed.split,
        "body_type": listed.annotations[0].body_type,
        "reason": error.reason,
        "detail": as_text(error.detail),
    }


def _without_maskless(catalogue: Catalogue) -> Catalogue:
    """Leave out photos with a car without a mask, if any car has one."""
    maskless = catalogue.instances["mask"] == ""
    if maskless.all():
        return catalogue
    photo_ids = catalogue.instances.loc[maskless, "photo_id"].drop_duplicates()
    return catalogue.without(
        photo_ids, "no mask", pd.Series("other photos of the set have masks", photo_ids.index)
    )


def _check_types(data: Path, counts: Counter[str], which: str) -> None:
    for body_type in BODY_TYPES:
        if counts[body_type] < MIN_PER_TYPE:
            found = ", ".join(f"{t} {counts[t]}" for t in BODY_TYPES)
            raise CarsegError(
                f"{data}: {body_type} has {counts[body_type]} photos{which}, {MIN_PER_TYPE} are "
                f"needed, one for each split (found: {found}); add photos of it"
            )


def _check_share(data: Path, bad: pd.DataFrame, listed: int) -> None:
    if len(bad) <= MAX_BAD_SHARE * listed:
        return
    reasons = ", ".join(f"{n} {reason}" for reason, n in bad["reason"].value_counts().items())
    first = ", ".join(f"{row.photo_id} ({row.detail})" for row in bad.head(3).itertuples())
    more = ", …" if len(bad) > 3 else ""
    raise CarsegError(
        f"{data}: {len(bad)} of {listed} photos ({len(bad) / listed:.1%}, more than {MAX_BAD_SHARE:.0%}) "
        f"cannot be used: {reasons}; first: {first}{more}; mend or remove them"
    )
