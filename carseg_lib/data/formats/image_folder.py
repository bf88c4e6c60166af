"""Photos in folders named after their body type, a common layout on Kaggle.

Either <split>/<type>/*.jpg or <type>/*.jpg. Such photos have no boxes and no masks: the box is the whole frame. A
folder background, none, negative or no_car in the place of a type folder holds photos without a car.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from carseg_lib.core.classes import ClassMap, normalize_name
from carseg_lib.core.errors import CarsegError
from carseg_lib.data.formats.base import Annotation, ImageRecord, Listing, as_text, is_text, name_of, split_of

PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
_NO_TYPES = {"__MACOSX"}  # of archives made on a Mac
_CARLESS = {"background", "none", "negative", "nocar"}  # normalized names of folders of photos without a car
_OTHER_PICTURES = (".gif", ".tif", ".tiff", ".heic", ".heif", ".avif", ".jfif", ".jp2")


def read_image_folder(data: Path, types: ClassMap) -> Listing:
    """List the photos of the body types under a folder, in the order of their names.

    Spelling is tolerated (`ClassMap.resolve`, `split_of`); folders inside a type folder belong to it. Photos in
    other folders (a row a folder), pictures in other formats and links to folders (not followed) are noted in
    `ignored`. Hidden files and folders are skipped. Folders of photos without a car (`is_carless`) may have splits
    where the type folders have none, and none where these have them.

    Raises:
        CarsegError: No folder of the types, type folders both with and without a split, a folder that
            cannot be read, or, where the folders name the types, one whose name cannot.
    """
    if types.named_by_folders:
        types = types.from_folders(_folders_with_photos(data, types))
    listing = Listing(name=name_of(data), root=data, types=types)
    elsewhere: Counter[str] = Counter()
    for here, names in _walk(data, listing):
        split_and_type = _split_and_type(here.parts, types)
        for name in names:
            photo_id = (here / name).as_posix()
            suffix = Path(name).suffix.lower()
            if suffix not in PHOTO_SUFFIXES:
                if suffix in _OTHER_PICTURES and split_and_type:
                    listing.ignore(photo_id, "other format", f"{suffix} is not read", *split_and_type)
            elif split_and_type is None:
                elsewhere[here.as_posix()] += 1
            elif split_and_type[1]:
                listing.photos.append(ImageRecord(photo_id, split_and_type[0], [Annotation(split_and_type[1])]))
            else:
                listing.background.append(ImageRecord(photo_id, split_and_type[0], []))
    for name, photos in sorted(elsewhere.items()):
        listing.ignore(f"{name}/", types.exclusion_reason(Path(name).name), f"{photos} photos")
    _check(data, listing, elsewhere)
    return listing


def list_background(folder: Path, split: str) -> Listing:
    """List all photos under a folder as photos without a car, in the order of their names.

    Pictures in other formats and links to folders (not followed) are noted in `ignored`; hidden files and folders are
    skipped.

    Args:
        folder: Any folder of photos, searched with its subfolders.
        split: That all of them get.

    Raises:
        CarsegError: A folder that cannot be read.
    """
    listing = Listing(name=name_of(folder), root=folder, source="background photos")
    for here, names in _walk(folder, listing):
        for name in names:
            photo_id, suffix = (here / name).as_posix(), Path(name).suffix.lower()
            if suffix in PHOTO_SUFFIXES:
                listing.background.append(ImageRecord(photo_id, split, []))
            elif suffix in _OTHER_PICTURES:
                listing.ignore(photo_id, "other format", f"{suffix} is not read", split)
    return listing


def is_carless(name: str, types: ClassMap) -> bool:
    """Whether a folder's name says that its photos show no car, in any spelling, and CLASSES says nothing else."""
    known = types.resolve(name) or types.exclusion_reason(name) == "left out"
    return not known and normalize_name(name).removesuffix("s") in _CARLESS


def _walk(data: Path, listing: Listing) -> Iterator[tuple[Path, list[str]]]:
    """Each folder, relative to the data, with its files in order; hidden ones are skipped, links to folders noted."""
    for folder, subfolders, names in os.walk(data, onerror=_refuse):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        here = Path(folder).relative_to(data)
        for name in subfolders:
            if Path(folder, name).is_symlink():
                listing.ignore(f"{(here / name).as_posix()}/", "link", "links to folders are not followed")
        yield here, sorted(name for name in names if not name.startswith("."))


def _split_and_type(parts: tuple[str, ...], types: ClassMap) -> tuple[str, str] | None:
    """(split, body type) of a folder given by its parts, the type "" without a car; None if it is no such folder."""
    if parts and (body_type := _kind(parts[0], types)) is not None:
        return "", body_type
    if len(parts) > 1 and (split := split_of(parts[0])) and (body_type := _kind(parts[1], types)) is not None:
        return split, body_type
    return None


def _kind(name: str, types: ClassMap) -> str | None:
    """The body type that a folder's name means, "" for photos without a car, None for neither."""
    return types.resolve(name) or ("" if is_carless(name, types) else None)


def _folders_with_photos(data: Path, types: ClassMap) -> set[str]:
    """Names of the folders, of the first level or inside those of splits, in which photos lie at any depth."""
    found = set()
    for folder, subfolders, names in os.walk(data, onerror=_refuse):
        subfolders[:] = [name for name in subfolders if not name.startswith(".") and name not in _NO_TYPES]
        parts = Path(folder).relative_to(data).parts
        if parts and split_of(parts[0]):
            parts = parts[1:]
        photos = any(Path(name).suffix.lower() in PHOTO_SUFFIXES and not name.startswith(".") for name in names)
        if parts and photos and is_text(parts[0]) and not is_carless(parts[0], types):
            found.add(parts[0])
    return found


def _refuse(error: OSError) -> None:
    raise CarsegError(f"{error.filename}: the folder cannot be read ({error.strerror}); make it readable")


def _check(data: Path, listing: Listing, elsewhere: Counter[str]) -> None:
    with_split = {bool(photo.split): photo.photo_id for photo in listing.photos}
    if len(with_split) == 2:
        raise CarsegError(
            f"{data}: type folders are both inside a split ({with_split[True]}) and outside ({with_split[False]}); "
            "keep one layout, <split>/<type>/ or <type>/"
        )
    if not listing.photos:
        found = ", ".join(as_text(name) for name in sorted(elsewhere)[:5]) or "none"
        raise CarsegError(
            f"{data}: no photos in folders named {listing.types.sentence} (folders with photos: {found}); arrange "
            "them as <split>/<type>/*.jpg or <type>/*.jpg, give other types as CLASSES, or give a COCO annotation file"
        )
