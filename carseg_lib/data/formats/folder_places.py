"""What the folders of a data set mean by their names: a body type, a split, photos without a car, or nothing.

Types and splits may stand in either order and below other folders: <split>/<type>/, <type>/<split>/,
<split>/<split>/<type>/ (archives repeat a folder's name), images/<type>/; or in one name, <type>_<split>/. A folder
that looks like a split is no type.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from carseg_lib.core.classes import ClassMap, normalize_name
from carseg_lib.core.errors import CarsegError
from carseg_lib.data.formats.base import Listing, is_junk
from carseg_lib.data.names import is_text, looks_like_split, split_of
from carseg_lib.data.photos import PHOTO_FORMATS, PHOTO_SUFFIXES, picture_format

_CARLESS = {"background", "none", "negative", "nocar"}  # normalized names of folders of photos without a car
_ANY_CAR = {"car", "vehicle", "auto", "automobile", "object", ""}  # names in annotations that say no type
_HOLDERS = {"image", "img", "photo", "picture", "pic", "jpg", "jpeg", "jpegimage", "png", "data", "dataset", "raw"}
_MASKS = {"mask", "segmentation", "segmentationobject", "segmentationclass", "groundtruth", "gt", "annotation", "label"}


@dataclass(frozen=True)
class Place:
    """What a folder means.

    Attributes:
        kind: The body type; "" for photos without a car; None for neither.
        split: One of SPLITS, or "".
        why: Where the photos in it are not used, the reason for the catalogue's `excluded`.
    """

    kind: str | None
    split: str = ""
    why: str = ""


def walk(data: Path, listing: Listing) -> Iterator[tuple[Path, list[str]]]:
    """Each folder, relative to the data, with its files in order; junk is skipped, links to folders are noted.

    Raises:
        CarsegError: A folder that cannot be read.
    """
    for folder, subfolders, names in os.walk(data, onerror=_refuse):
        subfolders[:] = sorted(name for name in subfolders if not is_junk(name))
        here = Path(folder).relative_to(data)
        for name in subfolders:
            if Path(folder, name).is_symlink():
                listing.ignore(f"{(here / name).as_posix()}/", "link", "links to folders are not followed")
        yield here, sorted(name for name in names if not is_junk(name))


def is_photo(path: Path) -> bool:
    """Whether a file is a photo: by its name, or, of another name than photos have, by its content."""
    return path.suffix.lower() in PHOTO_SUFFIXES or picture_format(path) in PHOTO_FORMATS


def place_of(parts: tuple[str, ...], types: ClassMap, wrapper: int = 0) -> Place:
    """What a folder means, by its parts below the data.

    Args:
        parts: Names of the folders, outermost first.
        types: The body types; a name that they have means the type, whatever else it could mean.
        wrapper: So many outermost folders hold one folder each and mean nothing (`wrapper_depth`).

    Raises:
        CarsegError: It lies in folders of two splits.
    """
    kind, split, unknown, masks = None, "", "", False
    for part in parts[wrapper:]:
        known = _kind(part, types)
        both = _type_and_split(part, types) if known is None else None
        if both and kind is None and split in ("", both[1]):
            kind, split = both
        elif kind is None and known is not None:
            kind = known
        elif named := split_of(part):
            if split and split != named:
                raise CarsegError(
                    f"{'/'.join(parts)}: the folder is in {split} and in {named}; a photo belongs to one split, so "
                    "keep one of the two folders"
                )
            split = named
        elif is_mask_folder(part):
            masks = True
        elif kind is None and not is_holder(part):
            unknown = unknown or part
    if masks:
        return Place(None, split, "mask pictures")
    if unknown:  # above the type's folder, or without one
        return Place(None, split, "unknown split" if looks_like_split(unknown) else types.exclusion_reason(unknown))
    return Place(kind, split, "" if kind is not None else "in no type folder")


def type_by_folder(name: str, photo_id: str, types: ClassMap) -> str | None:
    """The type of the folder of a photo, where an annotation calls its car no more than a car; else None.

    Args:
        name: What the annotation calls it.
        photo_id: Path of the photo.
        types: The body types.
    """
    if not is_any_car(name) or types.exclusion_reason(name) == "left out":
        return None
    return place_of(Path(photo_id).parts[:-1], types).kind or None


def is_any_car(name: str) -> bool:
    """Whether an annotation calls its object no more than a car, or nothing."""
    return normalize_name(name) in _ANY_CAR


def is_carless(name: str, types: ClassMap) -> bool:
    """Whether a folder's name says that its photos show no car, in any spelling, and CLASSES says nothing else."""
    known = types.resolve(name) or types.exclusion_reason(name) == "left out"
    return not known and normalize_name(name).removesuffix("s") in _CARLESS


def is_mask_folder(name: str) -> bool:
    """Whether a folder's name says that its pictures are masks, not photos."""
    return normalize_name(name).removesuffix("s") in _MASKS


def wrapper_depth(data: Path, types: ClassMap) -> int:
    """How many folders, each in the one before, hold one folder and no photo, and mean nothing, as in archives."""
    depth, folder = 0, data
    while True:
        try:
            entries = [entry for entry in os.scandir(folder) if not is_junk(entry.name)]
        except OSError:
            return depth
        inner = [entry for entry in entries if entry.is_dir(follow_symlinks=False)]
        photos = any(Path(entry.name).suffix.lower() in PHOTO_SUFFIXES for entry in entries)
        if len(inner) != 1 or photos or _means(inner[0].name, types):
            return depth
        depth, folder = depth + 1, Path(inner[0].path)


def type_folders(data: Path, types: ClassMap) -> set[str]:
    """Names of the folders that are types where the folders name the types: CLASSES=folders.

    A type is the first folder with photos in or below it that means nothing else. Where splits are given, one that is
    in no training split is none: a model could not learn it ("test/unknown").
    """
    wrapper = wrapper_depth(data, types)
    splits_of: dict[str, set[str]] = {}
    for here, names in walk(data, Listing("", data)):
        parts = here.parts[wrapper:]
        if any(is_mask_folder(part) for part in parts) or not any(is_photo(data / here / name) for name in names):
            continue
        name = next((part for part in parts if not looks_like_split(part) and not is_holder(part)), "")
        if name and is_text(name) and not is_carless(name, types):
            split = next((split for part in parts if (split := split_of(part))), "")
            unknown = any(looks_like_split(part) for part in parts)
            splits_of.setdefault(name, set()).add(split or ("?" if unknown else "train"))
    trained = {name for name, splits in splits_of.items() if "train" in splits}
    return trained or {name for name, splits in splits_of.items() if splits != {"?"}}


def has_type_folders(data: Path, types: ClassMap) -> bool:
    """Whether photos lie in folders of the types.

    Raises:
        CarsegError: A folder of them lies in folders of two splits, or cannot be read.
    """
    wrapper = wrapper_depth(data, types)
    return any(
        place_of(here.parts, types, wrapper).kind and any(is_photo(data / here / name) for name in names)
        for here, names in walk(data, Listing("", data))
    )


def _kind(name: str, types: ClassMap) -> str | None:
    """The body type that a folder's name means, "" for photos without a car, None for neither."""
    return types.resolve(name) or ("" if is_carless(name, types) else None)


def _type_and_split(name: str, types: ClassMap) -> tuple[str, str] | None:
    """The body type and the split of a folder that is named after both: "suv_train", "test-sedan"."""
    words = re.findall(r"[^\W_]+", name)
    for rest, word in ((words[:-1], words[-1:]), (words[1:], words[:1])):
        kind = types.resolve(" ".join(rest)) if rest else None
        if kind and (split := split_of(word[0])):
            return kind, split
    return None


def is_holder(name: str) -> bool:
    """Whether a folder's name says no more than that photos are in it."""
    return normalize_name(name).removesuffix("s") in _HOLDERS


def _means(name: str, types: ClassMap) -> bool:
    return _kind(name, types) is not None or looks_like_split(name) or is_holder(name) or is_mask_folder(name)


def _refuse(error: OSError) -> None:
    raise CarsegError(f"{error.filename}: the folder cannot be read ({error.strerror}); make it readable")
