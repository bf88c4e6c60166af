"""Photos with Pascal VOC annotations: an XML file a photo, masks as palette PNGs, splits as lists of names.

Annotations/*.xml and JPEGImages/ (or annotations/ and images/). ImageSets/Main/{train,val,test,trainval}.txt give the
splits, SegmentationObject/<name>.png the masks: its palette's index k is the k-th object of the XML file, 255 is the
border between objects and belongs to none. Boxes are VOC's: pixels count from 1 and the last one belongs to the car.
"""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path, PurePosixPath
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from carseg_lib.core.classes import ClassMap
from carseg_lib.core.config import Unlabelled
from carseg_lib.core.errors import CarsegError
from carseg_lib.data.boxes import Box
from carseg_lib.data.formats.base import Annotation, ImageRecord, Listing, as_text, inside, is_text, name_of, reading
from carseg_lib.data.formats.image_folder import PHOTO_SUFFIXES
from carseg_lib.data.formats.mask_png import MaskPng

_MAX_BYTES = 5_000_000  # of an XML file
_EDGES = ("xmin", "ymin", "xmax", "ymax")
_LISTS = {"test": "test", "val": "validation", "train": "train", "trainval": "train"}  # trainval fills the rest


def annotation_folder(data: Path) -> Path | None:
    """The folder of the XML files of a VOC data set, or None if it has none."""
    folders = (data / "Annotations", data / "annotations")
    return next((folder for folder in folders if any(folder.glob("*.xml"))), None)


def read_pascal_voc(data: Path, types: ClassMap, unlabelled: Unlabelled = "exclude") -> Listing:
    """List the photos of a VOC folder, in the order of their XML files.

    Objects of other types, photos without an object of the types, photos without an XML file, and photos that no
    list of a split names are noted in `ignored`.

    Args:
        data: The folder.
        types: The body types.
        unlabelled: What photos whose XML file has no object are: left out, or background.

    Raises:
        CarsegError: An XML file cannot be read as one, holds a document type or entities, or is no annotation; two of
            them name one photo; a photo's name leads outside; no object is of the types; or the lists contradict.
    """
    annotations = annotation_folder(data)
    photos = next((data / name for name in ("JPEGImages", "images") if (data / name).is_dir()), None)
    if annotations is None or photos is None:
        raise CarsegError(f"{data}: VOC annotations without a folder JPEGImages beside them; add the photos")
    listing = Listing(name=name_of(data), root=photos, types=types)
    files = _Files(data, photos)
    splits = _Splits(data)
    others: Counter[str] = Counter()
    listed: dict[str, str] = {}
    found_cars = False
    for path in sorted(path for path in annotations.glob("*.xml") if not path.name.startswith(".")):
        root = _read(path)
        photo_id = files.photo_of(path, root)
        if photo_id in listed:
            raise CarsegError(f"{path}: its photo {photo_id!r} is also that of {listed[photo_id]}; keep one of them")
        listed[photo_id] = path.name
        split = splits.resolve(path.stem)
        cars = _cars(path, root, listing, others, files)
        found_cars = found_cars or bool(cars)
        if split is None:
            listing.ignore(photo_id, "in no split", "no list in ImageSets/Main names it")
        elif root.find("object") is None:
            listing.add_unlabelled(photo_id, split, unlabelled)
        elif not cars:
            listing.ignore(photo_id, "no labelled car", "no object of the body types", split)
        else:
            listing.photos.append(ImageRecord(photo_id, split, cars, _stated_size(root)))
    for name, number in sorted(others.items()):
        listing.ignore(f"{annotations.name}/", types.exclusion_reason(name), f"{as_text(name)}: {number} objects")
    files.note_unlabelled(listing, set(listed))
    splits.note_unknown(listing)
    if not found_cars:
        found = ", ".join(as_text(name) for name in sorted(others)[:10]) or "none"
        raise CarsegError(f"{annotations}: no object is {types.sentence} (found: {found}); give their names in CLASSES")
    return listing


def _cars(path: Path, root: Element, listing: Listing, others: Counter[str], files: _Files) -> list[Annotation]:
    """The labelled cars of one XML file; objects of other names are counted."""
    cars = []
    for number, item in enumerate(root.findall("object"), start=1):
        name = (item.findtext("name") or "").strip()
        if not name:
            raise CarsegError(f"{path}: object {number} has no name; name it, or remove it")
        body_type = listing.types.resolve(name)
        if body_type is None:
            others[name] += 1
            continue
        corners, text = _corners(item)
        cars.append(Annotation(body_type, None, corners, text, files.mask_of(path.stem, number)))
    return cars


def _corners(item: Element) -> tuple[Box | None, str]:
    """An object's box as (x1, y1, x2, y2), x2 and y2 outside of it, and as it is written; NaN where it is no number."""
    box = item.find("bndbox")
    if box is None:
        return None, ""
    written = [(box.findtext(edge) or "").strip() for edge in _EDGES]
    text = ", ".join(f"{edge} {as_text(value)[:20] or 'missing'}" for edge, value in zip(_EDGES, written, strict=True))
    try:
        x1, y1, x2, y2 = map(float, written)
    except ValueError:
        x1 = y1 = x2 = y2 = math.nan
    return (x1 - 1, y1 - 1, x2, y2), text


def _stated_size(root: Element) -> tuple[int, int] | None:
    """(width, height) in pixels, where the file states them: some programs write 0."""
    sizes = [(root.findtext(f"size/{side}") or "").strip() for side in ("width", "height")]
    if not all(size.isascii() and size.isdigit() and 0 < int(size) < 10**6 for size in sizes):
        return None
    return int(sizes[0]), int(sizes[1])


def _read(path: Path) -> Element:
    """Parse an XML file that declares no document type and no entities."""
    unneeded = "holds a document type or entities, which annotations do not need; remove them"
    not_xml = "not XML ({}); export the annotations again"
    with reading(path, not_xml, ParseError, ValueError, LookupError), reading(path, unneeded, DefusedXmlException):
        if path.stat().st_size > _MAX_BYTES:
            raise CarsegError(f"{path}: larger than {_MAX_BYTES:,} bytes, not the annotation of a photo")
        root = fromstring(path.read_bytes(), forbid_dtd=True)
    if root.tag != "annotation":
        raise CarsegError(f"{path}: not a VOC annotation (it holds <{as_text(root.tag)[:40]}>); remove it")
    return root


class _Files:
    """The photos and masks of a VOC folder."""

    def __init__(self, data: Path, photos: Path):
        self.data, self.folder = data, photos
        self.names = sorted(
            path.name
            for path in photos.iterdir()
            if path.suffix.lower() in PHOTO_SUFFIXES and not path.name.startswith(".")
        )
        self.by_stem = {PurePosixPath(name).stem: name for name in reversed(self.names)}
        masks = data / "SegmentationObject"
        self.masks = {path.stem: f"{masks.name}/{path.name}" for path in sorted(masks.glob("*.png"))}

    def photo_of(self, path: Path, root: Element) -> str:
        """The photo of an XML file: the one that it names, if there is one; else the one with the XML file's name."""
        named = (root.findtext("filename") or "").strip()
        name = inside(named) if named else f"{path.stem}.jpg"
        if name is None:
            raise CarsegError(f"{path}: the filename {named!r} leads outside of {self.folder}; name a file in it")
        if (self.folder / name).is_file():
            return name
        return self.by_stem.get(path.stem, name)

    def mask_of(self, stem: str, number: int) -> MaskPng | None:
        return MaskPng(self.data, self.masks[stem], number) if stem in self.masks else None

    def note_unlabelled(self, listing: Listing, labelled: set[str]) -> None:
        if missing := [name for name in self.names if name not in labelled]:
            first = f"{len(missing)} photos without an XML file, the first: {missing[0]}"
            listing.ignore(f"{self.folder.name}/", "no annotation", first)


class _Splits:
    """The splits in the lists of ImageSets/Main; without a list no photo has a split."""

    def __init__(self, data: Path):
        self.split_of: dict[str, str] = {}
        self.used: set[str] = set()
        list_of: dict[str, str] = {}
        for name, split in _LISTS.items():
            path = data / "ImageSets" / "Main" / f"{name}.txt"
            for stem in _lines(path) if path.is_file() else []:
                if name == "trainval" and stem in self.split_of:
                    continue
                if self.split_of.setdefault(stem, split) != split:
                    raise CarsegError(f"{path}: {stem!r} is in {list_of[stem]} too; a photo belongs to one split")
                list_of[stem] = path.name
        self.given = bool(list_of)

    def resolve(self, stem: str) -> str | None:
        """The split of a photo, "" without any lists; None if there are lists and none names it."""
        self.used.add(stem)
        return self.split_of.get(stem) if self.given else ""

    def note_unknown(self, listing: Listing) -> None:
        for split in dict.fromkeys(_LISTS.values()):
            names = sorted(stem for stem, of in self.split_of.items() if of == split and stem not in self.used)
            if names:
                first = f"{len(names)} names without an XML file, the first: {names[0]}"
                listing.ignore("ImageSets/Main/", "no annotation", first, split)


def _lines(path: Path) -> list[str]:
    """The names in a list: the first word of each line."""
    with reading(path, "not UTF-8 text; save it as UTF-8", ValueError):
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    names = [line.split()[0] for line in lines if line.strip()]
    for number, name in enumerate(names, start=1):
        if not is_text(name):
            raise CarsegError(f"{path}: name {number} has control characters; write the list again")
    return names
