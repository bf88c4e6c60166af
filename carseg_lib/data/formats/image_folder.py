"""Photos in folders named after their body type, a common layout on Kaggle.

<type>/*.jpg, <split>/<type>/*.jpg or <type>/<split>/*.jpg; `folder_places` says what the names of folders mean. Such
photos have no boxes, and no masks but those of `folder_masks`: the box is the whole frame. A folder background, none,
negative or no_car in the place of a type folder holds photos without a car.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container
from pathlib import Path

from carseg_lib.core.classes import ClassMap
from carseg_lib.core.errors import CarsegError
from carseg_lib.data.formats.base import Annotation, ImageRecord, Listing, as_text, is_junk, name_of
from carseg_lib.data.formats.folder_advice import advise, class_names, names_of_parts, suggestion
from carseg_lib.data.formats.folder_masks import add_masks, mask_pictures
from carseg_lib.data.formats.folder_places import is_carless, is_photo, place_of, type_folders, walk, wrapper_depth
from carseg_lib.data.formats.programs import named_format, remedy
from carseg_lib.data.names import OTHER_PICTURES, split_of
from carseg_lib.data.photos import picture_format
from carseg_lib.data.strange_files import first_strange


def read_image_folder(data: Path, types: ClassMap) -> Listing:
    """List the photos of the body types under a folder, in the order of their names.

    Spelling is tolerated (`ClassMap.resolve`, `split_of`); other folders inside a type folder belong to it. Photos in
    other folders, masks beside their photos (a row a folder), pictures in other formats, other files among photos (a
    row a suffix) and links to folders (not followed) are noted in `ignored`. Hidden files and folders, and those that
    systems make, are skipped. A file of another suffix than photos have is a photo if its content is one's. Folders of
    photos without a car (`is_carless`) may have splits where the type folders have none, and none where these have
    them.

    Raises:
        CarsegError: No folder of the types, type folders both with and without a split, or in two splits, a folder that
            cannot be read, or, where the folders name the types, one whose name cannot.
    """
    if types.named_by_folders:
        types = types.from_folders(type_folders(data, types))
    listing = Listing(name=name_of(data), root=data, types=types)
    elsewhere: Counter[str] = Counter()
    reasons: dict[str, str] = {}
    others: dict[str, list[str]] = {}
    wrapper = wrapper_depth(data, types)
    for here, names in walk(data, listing):
        place = place_of(here.parts, types, wrapper)
        masks = mask_pictures(names)
        for name in names:
            photo_id = (here / name).as_posix()
            if name in masks:
                elsewhere[here.as_posix()] += 1
                reasons[here.as_posix()] = "mask pictures"
            elif not is_photo(data / here / name):
                if place.kind is not None:
                    _note_other(data, photo_id, place.split, place.kind, listing, others)
            elif place.kind is None:
                elsewhere[here.as_posix()] += 1
                reasons[here.as_posix()] = place.why
            elif place.kind:
                listing.photos.append(ImageRecord(photo_id, place.split, [Annotation(place.kind)]))
            else:
                listing.background.append(ImageRecord(photo_id, place.split, []))
    add_masks(listing, elsewhere)
    for name, photos in sorted(elsewhere.items()):
        listing.ignore(f"{name}/", reasons[name], f"{photos} photos" + _how_to_use(reasons[name]))
    for suffix, files in sorted(others.items()):
        what = f"{len(files)} {suffix} files" if suffix else f"{len(files)} files without a suffix"
        told = remedy(data / files[0])
        listing.ignore(
            "./", "other file", f"{what} among the photos, not read; the first: {files[0]}{'; ' * bool(told)}{told}"
        )
    if listing.photos:
        for table in sorted(path for path in data.glob("*.csv") if not is_junk(path.name)):
            listing.ignore(table.name, "other file", "1 table beside the type folders, not read; DATA may name it")
    _check(data, listing, Counter({name: n for name, n in elsewhere.items() if reasons[name] != "mask pictures"}))
    return listing


def list_background(folder: Path, split: str) -> Listing:
    """List all photos under a folder as photos without a car, in the order of their names.

    Pictures in other formats and links to folders (not followed) are noted in `ignored`; hidden files and folders, and
    those that systems make, are skipped.

    Args:
        folder: Any folder of photos, searched with its subfolders.
        split: That all of them get.

    Raises:
        CarsegError: A folder that cannot be read.
    """
    listing = Listing(name=name_of(folder), root=folder, source="background photos")
    for here, names in walk(folder, listing):
        for name in names:
            photo_id = (here / name).as_posix()
            if is_photo(folder / here / name):
                listing.background.append(ImageRecord(photo_id, split, []))
            else:
                _note_other(folder, photo_id, split, "", listing, {})
    return listing


def add_background_folders(listing: Listing, listed: Container[str]) -> None:
    """Add the photos in folders of photos without a car that lie beside annotated photos.

    `background/*.jpg`, or `background/<split>/*.jpg`, in the folder of the photos.

    Args:
        listing: Of a format whose photos are listed in annotation files.
        listed: Names of the photos that those list: they are what the files say.

    Raises:
        CarsegError: A folder that cannot be read.
    """
    if not listing.root.is_dir():
        return
    for folder in sorted(listing.root.iterdir()):
        if not (folder.is_dir() and is_carless(folder.name, listing.types)):
            continue
        found = list_background(folder, "")
        listing.ignored += [row | {"photo_id": f"{folder.name}/{row['photo_id']}"} for row in found.ignored]
        for photo in found.background:
            name = f"{folder.name}/{photo.photo_id}"
            first, _, rest = photo.photo_id.partition("/")
            if name not in listed:
                listing.background.append(ImageRecord(name, (split_of(first) if rest else None) or "", []))


def _note_other(root: Path, name: str, split: str, kind: str, listing: Listing, others: dict[str, list[str]]) -> None:
    """Note a file among photos that is none: a picture in another format by its name, others by their suffix."""
    suffix = Path(name).suffix.lower()
    if found := picture_format(root / name) or (suffix if suffix in OTHER_PICTURES else ""):
        said = suffix if suffix in OTHER_PICTURES else found
        listing.ignore(name, "other format", f"{said} is not read", split, kind)
    else:
        others.setdefault(suffix, []).append(name)


def _tables(data: Path) -> str:
    """The tables in a folder that has several, to choose from."""
    names = [as_text(path.name) for path in sorted(data.glob("*.csv"))[:5]]
    return f" or a table ({', '.join(names)}) as DATA" if names else ""


def _how_to_use(reason: str) -> str:
    if reason == "mask pictures":
        return ", not read; a table photos.csv with a column mask gives photos their masks"
    if reason == "unknown split":
        return "; a split's folder is named train, validation or test"
    return ""


def _named_after_types(data: Path, types: ClassMap) -> str:
    """What to do where photos are named after their types, suv_0001.jpg; "" where most are not."""
    photos = [
        name
        for here, names in walk(data, Listing(name="", root=data))
        for name in names
        if is_photo(data / here / name)
    ]
    named = [name for name in photos if types.resolve(re.split(r"[\W\d_]", name, maxsplit=1)[0])]
    if not named or 2 * len(named) < len(photos):
        return ""
    return (
        f"{len(named):,} of {len(photos):,} photos have a type in their names ({as_text(min(named))}): move them into "
        "folders of the types, or list them in a table photos.csv with the columns photo,type"
    )


def _check(data: Path, listing: Listing, elsewhere: Counter[str]) -> None:
    with_split = {bool(photo.split): photo.photo_id for photo in listing.photos}
    if len(with_split) == 2:
        raise CarsegError(
            f"{data}: type folders are both inside a split ({with_split[True]}) and outside ({with_split[False]}); "
            "keep one layout, <split>/<type>/ or <type>/"
        )
    others = names_of_parts({n: k for n, k in elsewhere.items() if not split_of(Path(n).name) and n != "."})
    others = Counter({n: k for n, k in others.items() if listing.types.exclusion_reason(n) != "left out"})
    if not listing.photos:
        if told := named_format(data):
            raise CarsegError(told)
        strange = first_strange(data)
        told = f"{strange[0]} is {strange[1]}" if strange else _named_after_types(data, listing.types)
        if told and not elsewhere:
            raise CarsegError(f"{data}: no photos and no annotations that can be read; {told}")
        advice = suggestion(listing.types, others, class_names(data))
        found = ", ".join(as_text(name) for name in sorted(elsewhere)[:5]) or "none"
        typed = f'CLASSES="{advice}" would take these' if advice else "give other types as CLASSES"
        raise CarsegError(
            f"{data}: no photos in folders named {listing.types.sentence} (folders with photos: {found}); arrange "
            f"them as <split>/<type>/*.jpg or <type>/*.jpg, {typed}, or give a COCO annotation file{_tables(data)}"
            f"{'; ' * bool(told)}{told}"
        )
    advise(listing, others, "other folders hold photos", "photos")
