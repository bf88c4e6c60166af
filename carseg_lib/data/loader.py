"""From a folder of photos, or an annotation file, to a catalogue: every photo is opened once and checked.

Reasons for excluding a photo as bad, besides those of `carseg_lib.data.photos`: "link" (leads outside), "unreadable
name", "size mismatch", "bad box", "box outside the photo", "zero-area box", "bad mask", "zero-area mask", "no mask"
(nor a box, of one of several cars), "car in a background photo" (a photo without a car that has the pixels of one with
a car), and those of labels that cannot be true: "box against mask", "mask of the ground", "coordinates from 0 to 1",
"labels of another photo", "labels turned", "one car of two types", "same pixels under two types". If more than 5% of
the photos are bad, the data are refused. Others are not counted as bad: "other type", "left out" (a type, on purpose),
"other format", "other file", "other column", "other shape" (drawn as a line or as points), "crowd region", "no labelled
car", "no annotation", "no classes", "in no split", "in no type folder", "unknown split", "mask pictures"; and
`remarks.REASONS`, of labels and names that are read otherwise than they are written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pandas as pd

from carseg_lib.core.classes import ClassMap
from carseg_lib.core.config import DataFormat, Unlabelled
from carseg_lib.core.errors import CarsegError
from carseg_lib.data.catalogue import (
    BACKGROUND_COLUMNS,
    EXCLUDED_COLUMNS,
    INSTANCE_COLUMNS,
    PHOTO_COLUMNS,
    Catalogue,
    table,
)
from carseg_lib.data.formats.base import ImageRecord, Listing, excluded_row
from carseg_lib.data.formats.detect import detect_and_list
from carseg_lib.data.formats.instances import CheckedLabels
from carseg_lib.data.masks import box_of_mask, decode_mask
from carseg_lib.data.names import is_text
from carseg_lib.data.photos import ImageError, ImageInfo, inspect_image
from carseg_lib.data.remarks import BOXES_AS_MASKS, REASONS, SOME_MASKS, Remarks

MAX_BAD_SHARE = 0.05  # of the photos that the source names
MIN_PER_TYPE = 3  # one for each split
_FEWEST_MASKS = 10  # that tell what all of them are


def load_catalogue(
    data: Path,
    types: ClassMap | None = None,
    *,
    unlabelled: Unlabelled = "exclude",
    data_format: DataFormat = "auto",
    progress: Callable[[int, int], None] | None = None,
) -> Catalogue:
    """Read a data set: detect its format, open every photo once, and exclude, with the reason, what cannot be used.

    Photos are held one at a time; of each only numbers, hashes and the coded mask stay.

    Args:
        data: A folder, or an annotation file; see `detect_and_list`.
        types: The body types; the paper's four if not given.
        unlabelled: What photos without any annotation are, as the setting `data.unlabelled`.
        data_format: Of the data, as the setting `data.format`.
        progress: Called after each photo with (photos read, photos in all).

    Returns:
        The catalogue, sorted by photo_id. Splits of the data are kept, others are "".

    Raises:
        CarsegError: No such data, none of the types, a type with fewer than three photos, a broken annotation file, or
            more than 5% bad photos.
    """
    listing = detect_and_list(data, types, unlabelled, data_format)
    named = Counter(t for photo in listing.photos for t in {a.body_type for a in photo.annotations})
    _check_types(data, listing, named, "")  # before any photo is opened
    catalogue = read_listing(listing, progress=progress)
    validate_catalogue(data, listing, catalogue)
    return catalogue


def read_listing(listing: Listing, *, progress: Callable[[int, int], None] | None = None) -> Catalogue:
    """Open every photo of a listing. The result may be of no use: see `validate_catalogue`."""
    root = listing.root.resolve()
    bad: list[dict[str, str]] = []
    read = list(_opened(root, [*listing.photos, *listing.background], bad, progress))
    photos, background, cars = [], [], []
    labels, remarks = CheckedLabels(read), Remarks()
    for record, info in read:
        row = {"photo_id": record.photo_id, "split": record.split} | vars(info)
        if not record.annotations:
            background.append(row | {"group": record.group})
            continue
        try:
            its_cars, said = labels.of(record, info)
        except ImageError as error:
            bad.append(_bad_row(record, error))
            continue
        areas = [(car["x2"] - car["x1"]) * (car["y2"] - car["y1"]) for car in its_cars]
        largest = its_cars[areas.index(max(areas))]  # what it is about
        photos.append(row | {"body_type": largest["body_type"], "group": largest["group"]})
        cars += its_cars
        remarks.add(record.photo_id, said)
    used = listing.parameters["photo_id"].isin([row["photo_id"] for row in photos])
    catalogue = Catalogue(
        name=listing.name,
        root=root,
        photos=table(sorted(photos, key=lambda row: row["photo_id"]), PHOTO_COLUMNS),
        instances=table(sorted(cars, key=lambda row: row["photo_id"]), INSTANCE_COLUMNS),
        excluded=table(sorted(bad, key=lambda row: row["photo_id"]), EXCLUDED_COLUMNS),
        parameters=listing.parameters[used].reset_index(drop=True),
        body_types=listing.types.names,
        background=table(sorted(background, key=lambda row: row["photo_id"]), BACKGROUND_COLUMNS),
    )
    catalogue, filled = _without_filled_boxes(catalogue)
    catalogue = _without_two_types(_without_contradictions(_without_maskless(catalogue)))
    said_of_all = [*remarks.lines(), *labels.lines(), *filled, *_lines_on_masks(catalogue)]
    lines = [excluded_row(f"{root.name}/", *line, "", "") for line in said_of_all]
    excluded = pd.concat([catalogue.excluded, table([*lines, *listing.ignored], EXCLUDED_COLUMNS)], ignore_index=True)
    return replace(catalogue, excluded=excluded)


def validate_catalogue(data: Path, listing: Listing, catalogue: Catalogue) -> None:
    """Refuse data that no model can be trained on.

    Raises:
        CarsegError: More than 5% bad photos, or a type with fewer than three that can be used.
    """
    bad = catalogue.excluded.iloc[: len(catalogue.excluded) - len(listing.ignored)]
    bad = bad[~bad["reason"].isin(REASONS)]
    _check_share(data, bad, len(listing.photos) + len(listing.background), catalogue.root)
    _check_types(data, listing, Counter(catalogue.photos["body_type"]), " that can be used")


def _opened(
    root: Path, records: list[ImageRecord], bad: list[dict[str, str]], progress: Callable[[int, int], None] | None
) -> Iterator[tuple[ImageRecord, ImageInfo]]:
    """Photos with their numbers, one at a time; those that cannot be read are added to `bad`."""
    folders: dict[Path, Path] = {}  # where each folder of photos is, behind links
    for done, record in enumerate(records, start=1):
        try:
            yield record, _inspect(root, record.photo_id, folders)
        except ImageError as error:
            bad.append(_bad_row(record, error))
        if progress is not None:
            progress(done, len(records))


def _bad_row(record: ImageRecord, error: ImageError) -> dict[str, str]:
    body_type = record.annotations[0].body_type if record.annotations else ""
    return excluded_row(record.photo_id, error.reason, error.detail, record.split, body_type)


def _inspect(root: Path, photo_id: str, folders: dict[Path, Path]) -> ImageInfo:
    path = root / photo_id
    if not is_text(photo_id):
        raise ImageError("unreadable name", "not UTF-8, or with control characters; rename it")
    if _leads_outside(root, path, folders):
        raise ImageError("link", "the link leaves the folder; put a copy in its place (cp -L)")
    return inspect_image(path)


def _leads_outside(root: Path, path: Path, folders: dict[Path, Path]) -> bool:
    """Whether a photo, or a folder that it is in, is a link out of the data; `folders` are those looked at before."""
    try:
        if path.parent not in folders:
            folders[path.parent] = path.parent.resolve()
        real = path.resolve() if path.is_symlink() else folders[path.parent]
        return not real.is_relative_to(root) and path.exists()
    except OSError:  # a name that no file can have
        return False


def _without_contradictions(catalogue: Catalogue) -> Catalogue:
    """Leave out photos without a car that have the pixels of a photo of a car."""
    named = catalogue.photos.drop_duplicates("pixel_sha256").set_index("pixel_sha256")["photo_id"]
    same = catalogue.background["pixel_sha256"].map(named).dropna()
    if same.empty:
        return catalogue
    copies = catalogue.background.loc[same.index, "photo_id"]
    return catalogue.without(copies, "car in a background photo", "same pixels as " + same)


def _without_filled_boxes(catalogue: Catalogue) -> tuple[Catalogue, list[tuple[str, str]]]:
    """Take masks for none where all of them are filled rectangles, and what to say of it: programs export boxes so."""
    cars = catalogue.instances[catalogue.instances["mask"] != ""]
    sizes = catalogue.photos.set_index("photo_id")[["height", "width"]]
    if len(cars) < _FEWEST_MASKS:
        return catalogue, []
    for photo_id, mask in zip(cars["photo_id"], cars["mask"], strict=True):  # as a rule the first one tells
        pixels = decode_mask(mask, *sizes.loc[photo_id].tolist())
        x1, y1, x2, y2 = box_of_mask(pixels)
        if pixels.sum() < (x2 - x1) * (y2 - y1):
            return catalogue, []
    changed = catalogue.instances.assign(mask="", mask_origin="none")
    said = f"all {len(cars):,} masks are filled boxes: they outline no car, and are taken for none"
    return replace(catalogue, instances=changed), [(BOXES_AS_MASKS, said)]


def _without_two_types(catalogue: Catalogue) -> Catalogue:
    """Leave out photos of equal pixels that have different types: one of the two is wrong, and nothing tells which."""
    photos = catalogue.photos
    mixed = photos[photos.groupby("pixel_sha256")["body_type"].transform("nunique") > 1]
    if mixed.empty:
        return catalogue
    firsts = mixed.drop_duplicates(["pixel_sha256", "body_type"]).groupby("pixel_sha256")
    named = {pixels: list(zip(rows["photo_id"], rows["body_type"], strict=True)) for pixels, rows in firsts}
    details = []
    for pixels, body_type in zip(mixed["pixel_sha256"], mixed["body_type"], strict=True):
        photo_id, other = next(pair for pair in named[pixels] if pair[1] != body_type)
        details.append(f"same pixels as {photo_id}, which is of type {other}")
    return catalogue.without(mixed["photo_id"], "same pixels under two types", pd.Series(details, mixed.index))


def _without_maskless(catalogue: Catalogue) -> Catalogue:
    """Leave out photos of several cars, one of them without a mask and a box, if any car of the data has a mask."""
    cars = catalogue.instances
    unknown = (cars["mask"] == "") & (cars["box_origin"] == "whole frame") & cars.duplicated("photo_id", keep=False)
    if not catalogue.has_some_masks:
        return catalogue
    photo_ids = cars.loc[unknown, "photo_id"].drop_duplicates()
    return catalogue.without(photo_ids, "no mask", pd.Series("one of its cars has no box either", photo_ids.index))


def _lines_on_masks(catalogue: Catalogue) -> list[tuple[str, str]]:
    """What to say of data in which some cars have a mask, and others a box alone."""
    if not catalogue.has_some_masks:
        return []
    cars = catalogue.instances
    missing = cars["mask"] == ""
    photos = cars.loc[missing, "photo_id"].nunique()
    return [
        (
            SOME_MASKS,
            f"{(~missing).sum():,} cars have masks, {missing.sum():,} on {photos:,} photos have none; the annotator "
            "draws these, inside a box where there is one, and masks are measured against given ones alone",
        )
    ]


def _check_types(data: Path, listing: Listing, counts: Counter[str], which: str) -> None:
    body_types = listing.types.names
    if few := [body_type for body_type in body_types if counts[body_type] < MIN_PER_TYPE]:
        found = ", ".join(f"{t} {counts[t]}" for t in body_types)
        raise CarsegError(
            f"{data}: {few[0]} has {counts[few[0]]} photos{which}, {MIN_PER_TYPE} are needed, one for each split "
            f"(found: {found}); {listing.hint or 'add photos of it'}"
        )


def _check_share(data: Path, bad: pd.DataFrame, listed: int, root: Path) -> None:
    if len(bad) <= MAX_BAD_SHARE * listed:
        return
    reasons = ", ".join(f"{n} {reason}" for reason, n in bad["reason"].value_counts().items())
    first = ", ".join(f"{row.photo_id} ({row.detail})" for row in cast(Iterable[Any], bad.head(3).itertuples()))
    more = ", …" if len(bad) > 3 else ""
    where = f" (photos are looked for in {root})" if (bad["reason"] == "missing file").any() else ""
    raise CarsegError(
        f"{data}: {len(bad)} of {listed} photos ({len(bad) / listed:.1%}, more than {MAX_BAD_SHARE:.0%}) "
        f"cannot be used: {reasons}; first: {first}{more}{where}; repair or remove them"
    )
