"""Photos with Pascal VOC annotations: an XML file a photo, masks as PNGs, splits as lists of names.

Annotations/*.xml and JPEGImages/ (or annotations/ and images/), with or without the same subfolders in both; or XML
files beside the photos, as labelImg leaves them, in any folders. ImageSets/Main/{train,val,test,trainval}.txt, or lists
in another folder of ImageSets, give the splits, else folders named after splits. SegmentationObject/<name>.png has the
masks: its palette's index k, or its k-th colour of VOC's colour map, is the k-th object of the XML file, 255 is the
border between objects and belongs to none. An object may have its mask as a <polygon> instead, as Roboflow writes it.
Boxes are VOC's: pixels count from 1 and the last one belongs to the car. Objects of LabelMe 3.0, which have polygons or
masks in Masks/ in place of a box, are read as well.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import Element

from carseg_lib.core.classes import ClassMap
from carseg_lib.core.config import Unlabelled
from carseg_lib.core.errors import CarsegError
from carseg_lib.data.boxes import Box
from carseg_lib.data.formats.base import Annotation, ImageRecord, Listing, as_text, name_of
from carseg_lib.data.formats.folder_advice import advise, by_classes
from carseg_lib.data.formats.folder_places import type_by_folder
from carseg_lib.data.formats.named_photos import size_of
from carseg_lib.data.formats.programs import of_file
from carseg_lib.data.formats.shapes import numbers
from carseg_lib.data.formats.voc_files import VocFiles, VocSplits, is_annotation, read_xml, xml_files

_EDGES = ("xmin", "ymin", "xmax", "ymax")
_FEWEST, _FEWEST_WITH_SWAPPED = 20, 8  # boxes that tell what all of them are; with one whose edges are exchanged


def annotation_folder(data: Path) -> Path | None:
    """The folder of the XML files of a VOC data set, or None if it has none."""
    folders = (data / "Annotations", data / "annotations")
    return next((folder for folder in folders if any(of_file(path) is None for path in xml_files(folder))), None)


def first_beside(data: Path) -> Path | None:
    """The first XML file of VOC in a folder that has no folder of XML files, or None."""
    return next((path for path in xml_files(data) if is_annotation(path)), None)


def read_pascal_voc(data: Path, types: ClassMap, unlabelled: Unlabelled = "exclude") -> Listing:
    """List the photos of a VOC folder, in the order of their XML files.

    Objects of other types, photos without an object of the types, photos without an XML file, and photos that no
    list of a split names are noted in `ignored`; corners that are put in order, and names that are understood otherwise
    than they are written, there too. A photo in a folder without cars (`background/`) needs no XML file.

    Args:
        data: The folder.
        types: The body types.
        unlabelled: What photos whose XML file has no object are: left out, or background.

    Raises:
        CarsegError: An XML file cannot be read as one, holds a document type or entities, or is no annotation; two of
            them name one photo; a photo's name leads outside; no object is of the types; masks of many photos are
            missing; or the lists contradict.
    """
    annotations = annotation_folder(data)
    beside = annotations is None
    photos = next((data / name for name in ("JPEGImages", "images") if (data / name).is_dir()), None)
    if annotations is None:
        annotations, photos = data, data
        if lists := next((path for path in sorted(data.rglob("ImageSets")) if path.is_dir()), None):
            raise CarsegError(f"{data}: the lists of splits are in {lists}; give {lists.parent} as DATA")
    if photos is None:
        photos = data  # in a folder of another name
        if not VocFiles(data, photos).names:
            raise CarsegError(f"{data}: VOC annotations without a folder JPEGImages beside them; add the photos")
    listing = Listing(name=name_of(data), root=photos, types=types)
    paths = {path.relative_to(annotations).with_suffix("").as_posix(): path for path in xml_files(annotations)}
    if beside:
        strange = [key for key, path in paths.items() if not is_annotation(path)]
        if strange:
            first = paths[strange[0]].relative_to(data).as_posix()
            listing.ignore("./", "other file", f"{len(strange)} .xml files that are no annotations; the first: {first}")
        paths = {key: path for key, path in paths.items() if key not in strange}
    reader = _Reader(listing, VocFiles(data, photos))
    splits = VocSplits(data, paths)
    listed: dict[str, str] = {}
    for key, path in sorted(paths.items(), key=lambda item: item[1]):
        root = read_xml(path)
        photo_id = reader.files.photo_of(path, key, (root.findtext("filename") or "").strip().replace("\\", "/"))
        if photo_id in listed:
            raise CarsegError(f"{path}: its photo {photo_id!r} is also that of {listed[photo_id]}; keep one of them")
        listed[photo_id] = path.name
        split = splits.resolve(key, photo_id)
        cars = reader.cars(path, key, photo_id, root)
        if split is None:
            listing.ignore(photo_id, "in no split", f"no list in {splits.folder} names it")
        elif root.find("object") is None:
            listing.add_unlabelled(photo_id, split, unlabelled)
        elif not cars:
            listing.ignore(photo_id, "no labelled car", "no object of the body types", split)
        else:
            listing.photos.append(ImageRecord(photo_id, split, cars, _stated_size(root)))
    reader.check_forms(annotations)
    for name, number in sorted(reader.others.items()):
        listing.ignore(f"{annotations.name}/", types.exclusion_reason(name), f"{as_text(name)}: {number} objects")
    reader.files.add_unlisted(listing, set(listed), "an XML file")
    splits.note_unknown(listing)
    if not reader.found:
        found = ", ".join(as_text(name) for name in sorted(reader.others)[:10]) or "none"
        folders = ", or CLASSES=folders, which takes the types of the folders and no boxes" if beside else ""
        raise CarsegError(
            f"{annotations}: no object is {types.sentence} (found: {found}); "
            f"{by_classes(types, reader.others)}{folders}"
        )
    advise(listing, reader.others, "other objects are labelled", "objects")
    for note in reader.notes():
        listing.note(note)
    return listing


class _Reader:
    """Reads the cars of XML files, and counts what is left out and what is understood otherwise than it is written."""

    def __init__(self, listing: Listing, files: VocFiles):
        self.types, self.files = listing.types, files
        self.others: Counter[str] = Counter()  # names of objects that are of no type
        self.found = 0  # cars
        self.swapped = 0  # boxes
        self.boxes = 0
        self.as_sizes = 0  # boxes that fit their photo if the last two numbers are width and height
        self.by_folder: Counter[str] = Counter()  # cars whose type is that of their folder, by the name of the object

    def cars(self, path: Path, key: str, photo_id: str, root: Element) -> list[Annotation]:
        """The labelled cars of one XML file; objects of other names are counted."""
        cars = []
        for number, item in enumerate(root.findall("object"), start=1):
            if (item.findtext("deleted") or "").strip() == "1":  # LabelMe keeps what was deleted
                continue
            name = (item.findtext("name") or "").strip()
            if not name:
                raise CarsegError(f"{path}: object {number} has no name; name it, or remove it")
            body_type = self.types.resolve(name) or self._type_by_folder(name, photo_id)
            if body_type is None:
                self.others[name] += 1
                continue
            if item.find("bndbox") is None and (drawn := self.files.labelme_3(item, key)):
                cars.append(replace(drawn, body_type=body_type))
                continue
            corners, text = _corners(item)
            self.swapped += _is_swapped(item)
            self.boxes += corners is not None
            self.as_sizes += _fits_as_size(item, _stated_size(root))
            mask = self.files.mask_of(key, number) or _polygon(item)
            cars.append(Annotation(body_type, None, corners, text, mask))
        self.found += len(cars)
        return cars

    def _type_by_folder(self, name: str, photo_id: str) -> str | None:
        """The type of the folder of a photo, where the object is called no more than a car."""
        body_type = type_by_folder(name, photo_id, self.types)
        self.by_folder[name] += body_type is not None
        return body_type

    def check_forms(self, folder: Path) -> None:
        """Refuse boxes whose last two numbers are a width and a height.

        Raises:
            CarsegError: Read so, all of them fit their photos, as true corners do where each car's centre is in the
                upper left quarter of its photo.
        """
        if self.as_sizes == self.boxes >= (_FEWEST_WITH_SWAPPED if self.swapped else _FEWEST):
            raise CarsegError(
                f"{folder}: all {self.boxes} boxes fit their photos if xmax and ymax are a width and a height "
                f"({self.swapped} have xmin above xmax or ymin above ymax); they must be the right and lower edge"
            )

    def notes(self) -> list[str]:
        """Lines on what was understood otherwise than it is written."""
        notes = []
        if self.swapped:
            notes.append(
                f"{self.swapped} boxes have xmin above xmax or ymin above ymax: their corners are put in order"
            )
        notes += self.files.notes("XML files")
        for name, number in sorted(self.by_folder.items()):
            if number:
                notes.append(f"{number} objects are called {as_text(name)}: their type is that of the photo's folder")
        return notes


def _written(item: Element) -> list[str] | None:
    """The four edges of an object's box as they are written; None without a box."""
    box = item.find("bndbox")
    return None if box is None else [(box.findtext(edge) or "").strip() for edge in _EDGES]


def _corners(item: Element) -> tuple[Box | None, str]:
    """An object's box as (x1, y1, x2, y2), x2 and y2 outside of it, and as it is written; NaN where it is no number.

    Corners that are given in another order, as when a box is drawn from the lower right, are put in order.
    """
    written = _written(item)
    if written is None:
        return None, ""
    text = ", ".join(f"{edge} {as_text(value)[:20] or 'missing'}" for edge, value in zip(_EDGES, written, strict=True))
    try:
        x1, y1, x2, y2 = map(float, written)
    except ValueError:
        x1 = y1 = x2 = y2 = math.nan
    if _is_swapped(item):
        x1, x2, y1, y2 = *sorted((x1, x2)), *sorted((y1, y2))
    return (x1 - 1, y1 - 1, x2, y2), text


def _fits_as_size(item: Element, size: tuple[int, int] | None) -> bool:
    """Whether an object's box, read as x, y, width and height, lies in a photo of a known size."""
    try:
        x, y, width, height = map(float, _written(item) or [])
    except ValueError:
        return False
    return size is not None and x + width <= size[0] + 1 and y + height <= size[1] + 1


def _polygon(item: Element) -> list[list[float]] | None:
    """An object's mask as a polygon in pixels, whose corners are numbered (<x1>, <y1>, <x2> ...); None without one."""
    polygon = item.find("polygon")
    if polygon is None:
        return None
    points: list[float] = []
    while polygon.find(f"x{len(points) // 2 + 1}") is not None:
        number = len(points) // 2 + 1
        points += numbers(polygon.findtext(f"x{number}"), polygon.findtext(f"y{number}"))
    return [points]


def _is_swapped(item: Element) -> bool:
    """Whether an object's box names its right edge before its left one, or its lower edge before its upper one."""
    try:
        x1, y1, x2, y2 = map(float, _written(item) or ())
    except ValueError:
        return False
    return all(map(math.isfinite, (x1, y1, x2, y2))) and (x1 > x2 or y1 > y2)


def _stated_size(root: Element) -> tuple[int, int] | None:
    """(width, height) in pixels, where the file states them: some programs write 0."""
    size = size_of(root.findtext("size/width"), root.findtext("size/height"))
    return size or size_of(root.findtext("imagesize/ncols"), root.findtext("imagesize/nrows"))
