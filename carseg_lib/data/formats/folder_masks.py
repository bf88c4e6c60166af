"""Mask pictures beside photos in folders by type: <type>/masks/x.png of <type>/images/x.jpg, or of <type>/x.jpg.

A mask is a PNG file of the photo's name in a folder whose name says masks, or beside the photo with a name that says it
(x_mask.png); of it, what is not black is the car. Splits
and types may stand on either side of that folder's name: masks/<type>/x.png and <split>/<type>/masks/x.png as well.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from carseg_lib.core.classes import normalize_name
from carseg_lib.data.formats.base import Listing, is_junk
from carseg_lib.data.formats.folder_places import is_holder, is_mask_folder
from carseg_lib.data.formats.mask_png import MaskPng
from carseg_lib.data.photos import picture_format

# The name of a mask, with that of its photo in it: "car_mask", "car (1)_mask_1", "carmask", "mask-car".
_MASK_WORD = "(?:masks?|segmentations?|segmented|seg|annotations?|groundtruth|gt|matte)"
_MASK_OF = re.compile(
    rf"(?P<before>.+?)(?:[ _.-]+{_MASK_WORD}|masks?)(?:[ _.-]?\d+)?|{_MASK_WORD}[ _.-]+(?P<after>.+)", re.IGNORECASE
)
_OTHER_PICTURES = {"annotation", "label"}  # folders that may hold drawings of boxes as well

Key = tuple[tuple[str, ...], str]


def mask_pictures(names: Sequence[str]) -> set[str]:
    """Which of the files in a folder are masks of photos beside them, by their names: "car_mask.png" of "car.jpg".

    Args:
        names: Of files in one folder.
    """
    stems = {name: Path(name).stem.casefold() for name in names}
    known = set(stems.values())
    return {name for name, stem in stems.items() if (photo := _photo_of(stem)) != stem and photo in known}


def _photo_of(stem: str) -> str:
    """The name of a mask's photo, by the mask's own; that name itself where it does not say that it is a mask."""
    found = _MASK_OF.fullmatch(stem)
    return found["before"] or found["after"] if found else stem


def add_masks(listing: Listing, elsewhere: Counter[str]) -> None:
    """Give listed photos without a mask the masks of their names.

    Args:
        listing: Photos in folders by type; changed in place.
        elsewhere: Numbers of pictures that are no photos, by folder; those that are taken as masks are subtracted.
    """
    pictures: dict[Key, list[str]] = defaultdict(list)
    for folder in list(elsewhere):
        parts = PurePosixPath(folder).parts
        words = {normalize_name(part).removesuffix("s") for part in parts if is_mask_folder(part)}
        if words & _OTHER_PICTURES:
            continue
        names = sorted(path.name for path in (listing.root / folder).iterdir() if not is_junk(path.name))
        beside = set() if words else mask_pictures(names)
        for file in names:
            if (words or file in beside) and picture_format(listing.root / folder / file) == "PNG":
                name = PurePosixPath(folder, file)
                pictures[_key(name, _photo_of(name.stem))].append(name.as_posix())
    photos = Counter(_key(name, name.stem) for name in map(PurePosixPath, (p.photo_id for p in listing.photos)))
    for k, photo in enumerate(listing.photos):
        name = PurePosixPath(photo.photo_id)
        found = pictures.get(key := _key(name, name.stem), [])
        if len(found) == 1 and photos[key] == 1 and len(photo.annotations) == 1:
            mask = MaskPng(listing.root, found[0])
            listing.photos[k] = replace(photo, annotations=[replace(photo.annotations[0], segmentation=mask)])
            folder = PurePosixPath(found[0]).parent.as_posix()
            elsewhere[folder] -= 1
            if not elsewhere[folder]:
                del elsewhere[folder]


def _key(name: PurePosixPath, stem: str) -> Key:
    """What a photo and its mask have in common: the folders that say more than what is in them, and the name."""
    return tuple(part for part in name.parts[:-1] if not (is_holder(part) or is_mask_folder(part))), stem
