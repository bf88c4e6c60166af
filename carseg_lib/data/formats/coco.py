"""Photos with COCO instance annotations: boxes, and masks as polygons or run lengths.

Either a folder in a layout of `coco_layout`, or one .json file (then no split is given). `carseg_lib.data.photo_names`
says where photos are looked for, and by which names. A folder may have a parameters.csv besides (see
`carseg_lib.data.metadata`).

The group of a car is the annotation's `group`, or its `model` without the year: a key of its own, or, as CVAT writes
it, one of its `attributes`.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

from carseg_lib.core.classes import ClassMap
from carseg_lib.core.config import Unlabelled
from carseg_lib.core.errors import CarsegError
from carseg_lib.data.formats.base import Annotation, ImageRecord, Listing, as_text, car_model, inside, name_of, reading
from carseg_lib.data.formats.coco_layout import annotation_files
from carseg_lib.data.formats.crowds import USUAL, is_crowd, is_marked
from carseg_lib.data.formats.image_folder import add_background_folders
from carseg_lib.data.metadata import check_parameters, read_parameters
from carseg_lib.data.photo_names import PhotoFinder, common_root, photo_folder
from carseg_lib.data.remarks import NAME_BY_BASE, NAME_SPELLED, ONE_OBJECT, SIZE_NOT_READ


def read_coco(data: Path, types: ClassMap, unlabelled: Unlabelled = "exclude") -> Listing:
    """List the photos of one COCO file, or of a folder's.

    Annotations of categories that are none of the types, crowd regions, and photos without a labelled car of the types
    are noted in `ignored`, as are photos found by another name than the file writes. A folder `background/` among the
    photos holds photos without a car.

    Args:
        data: The file or folder.
        types: The body types.
        unlabelled: What photos without any annotation are: left out, or background. One whose annotations are all of
            other categories, or crowd regions, is left out in either case: it may show a car.

    Raises:
        CarsegError: A file is not JSON or not COCO, an id or a photo is listed twice, an annotation belongs to no
            photo, a file_name leaves the folder, no category is one of the types, or parameters.csv is broken.
    """
    listing = Listing(name=name_of(data), root=photo_folder(data), types=types)
    splits = {data: ""} if data.is_file() else annotation_files(data, listing)
    files = [_File(data, path, split) for path, split in splits.items()]
    listing.root = common_root((file.finder for file in files), (p for file in files for p in file.paths()))
    seen: dict[str, str] = {}
    for file in files:
        _list_file(file, listing, seen, unlabelled)
    categories = {name for file in files for name in file.categories.values()}
    if not any(types.resolve(name) for name in categories):
        found = ", ".join(as_text(name) for name in sorted(categories)[:10]) or "none"
        raise CarsegError(
            f"{data}: no category is {types.sentence} (found: {found}); "
            "rename the categories in the annotation file, or give their names in CLASSES"
        )
    add_background_folders(listing, seen)
    if data.is_dir():
        listing.parameters = read_parameters(data)
        check_parameters(data, listing, set(seen))
    return listing


class _File:
    """One annotation file, and where the photos are that it names.

    Attributes:
        path: The file.
        split: Of its photos, or "".
        images: Its images by id.
        categories: The names of its categories by id.
        annotations: Its annotations.
        finder: Finds its photos.
        photos: Where the photo of each image is, by id.
    """

    def __init__(self, data: Path, path: Path, split: str) -> None:
        self.path, self.split = path, split
        tables = _read(path)
        rows = _by_id(path, tables, "categories")
        self.categories = {key: _text_of(path, "categories", row, "name") for key, row in rows.items()}
        self.images = _by_id(path, tables, "images")
        _by_id(path, tables, "annotations", required=False)
        self.annotations = tables["annotations"]
        self.finder = PhotoFinder(data, path, split)
        self.photos = {
            key: self.finder.find(_text_of(path, "images", row, "file_name")) for key, row in self.images.items()
        }

    def paths(self) -> list[Path]:
        """The photos that were found."""
        return [photo.path for photo in self.photos.values() if photo.path]

    def photo_id(self, key: Any, root: Path) -> str:
        """The photo of an image, relative to the root; the checked name as it is written if there is no such photo."""
        if path := self.photos[key].path:
            return path.relative_to(root).as_posix()
        row = self.images[key]
        name = inside(row["file_name"])
        if name is None:
            alike = len(self.photos[key].alike)
            hint = f" (the last part of it is that of {alike} files there)" if alike else ""
            raise CarsegError(
                f"{self.path}: the file_name {row['file_name']!r} (id {row['id']!r}) leads outside of {root}{hint}; "
                "file names must be relative to that folder"
            )
        return name


def _list_file(file: _File, listing: Listing, seen: dict[str, str], unlabelled: Unlabelled) -> None:
    """Add the photos of one annotation file to the listing."""
    path, split = file.path, file.split
    labelled, annotated = _cars(file, listing)
    for image_id, row in file.images.items():
        photo_id = file.photo_id(image_id, listing.root)
        if photo_id in seen:
            raise CarsegError(
                f"{path}: the photo {photo_id!r} (id {row['id']!r}) is already listed in {seen[photo_id]}; "
                "list every photo once"
            )
        seen[photo_id] = f"{path.name} with id {row['id']!r}"
        if image_id in labelled:
            listing.photos.append(ImageRecord(photo_id, split, labelled[image_id], _stated_size(row)))
        elif image_id in annotated:
            listing.ignore(photo_id, "no labelled car", "no annotation of the body types", split)
        else:
            listing.add_unlabelled(photo_id, split, unlabelled)
    _note_names(file, listing)
    unread = [row["file_name"] for row in file.images.values() if _states_no_size(row)]
    if unread:
        detail = f"width and height of {len(unread)} images are no numbers above 0; the first: {as_text(unread[0])}"
        listing.ignore(path.name, SIZE_NOT_READ, detail, split)


def _cars(file: _File, listing: Listing) -> tuple[dict[Any, list[Annotation]], set[Any]]:
    """The labelled cars of each image, by id, and the images with any annotation; others are counted."""
    path, types = file.path, listing.types
    of_image: dict[Any, list[dict[str, Any]]] = {}
    annotated: set[Any] = set()
    counts: Counter[tuple[str, str, str]] = Counter()
    for row in file.annotations:
        image_id = _key(row.get("image_id"))
        if image_id not in file.images:
            raise CarsegError(
                f"{path}: annotation {row.get('id')!r} belongs to image {row.get('image_id')!r}, which is not listed"
            )
        annotated.add(image_id)
        category = file.categories.get(_key(row.get("category_id")), f"category_id {row.get('category_id')!r}")
        if types.resolve(category) is None:
            counts[types.exclusion_reason(category), category, ""] += 1
        else:
            of_image.setdefault(image_id, []).append(row)
    labelled: dict[Any, list[Annotation]] = {}
    marked = [is_marked(row.get("iscrowd")) for rows in of_image.values() for row in rows]
    usual = sum(marked) >= USUAL * len(marked)
    for image_id, rows in of_image.items():
        single = [row for row in rows if not is_marked(row.get("iscrowd"))]
        for row in rows:
            category = file.categories[_key(row.get("category_id"))]
            if is_marked(row.get("iscrowd")):
                if is_crowd(row, single, _stated_size(file.images[image_id]), usual):
                    counts["crowd region", category, ""] += 1
                    continue
                counts[ONE_OBJECT, category, ", taken as cars"] += 1
            body_type = types.resolve(category) or ""
            group = _group_of(path, row)
            annotation = Annotation(body_type, row.get("bbox"), segmentation=row.get("segmentation"), group=group)
            labelled.setdefault(image_id, []).append(annotation)
    for (reason, category, what), number in sorted(counts.items()):
        listing.ignore(path.name, reason, f"{category}: {number} annotations{what}", file.split)
    return labelled, annotated


def _note_names(file: _File, listing: Listing) -> None:
    """Say how many photos were found by other names than the file writes."""
    for how, reason, words in (
        ("spelling", NAME_SPELLED, "in another spelling"),
        ("base name", NAME_BY_BASE, "by the last part of their names"),
    ):
        keys = [key for key, photo in file.photos.items() if photo.how == how]
        if keys:
            written = as_text(file.images[keys[0]]["file_name"])
            first = f"{written!r} is {file.photo_id(keys[0], listing.root)}"
            listing.ignore(file.path.name, reason, f"{len(keys)} photos found {words}; the first: {first}", file.split)


def _group_of(path: Path, annotation: dict[str, Any]) -> str:
    """What an annotation says of the car's group; "" if nothing."""
    attributes = annotation.get("attributes")
    known = (attributes if isinstance(attributes, dict) else {}) | annotation
    for name in ("group", "model"):
        value = known.get(name)
        if value is None or value == "":
            continue
        if type(value) not in (str, int):
            raise CarsegError(
                f"{path}: the {name} of the annotation with id {annotation.get('id')!r} is {as_text(str(value))[:60]}, "
                "not a text; name one group, or remove it"
            )
        return as_text(str(value).strip() if name == "group" else car_model(str(value)))
    return ""


def _stated_size(image: dict[str, Any]) -> tuple[int, int] | None:
    """Width and height of an image's entry, pixels; None where they are not whole numbers above 0."""
    width, height = (_whole(image.get(side)) for side in ("width", "height"))
    return (width, height) if width and height else None


def _states_no_size(image: dict[str, Any]) -> bool:
    """Whether an image's entry has a size that cannot be read; 0 and null are how tools say that they know none."""
    stated = [image.get(side) for side in ("width", "height")]
    return any(side not in (None, 0, "") for side in stated) and _stated_size(image) is None


def _whole(value: Any) -> int:
    """A whole number above 0, also written as 240.0 or "240"; 0 if it is none."""
    try:
        number = float(value) if type(value) in (int, float, str) else 0.0
    except (ValueError, OverflowError):
        return 0
    return int(number) if 0 < number < 10**6 and number.is_integer() else 0


def _read(path: Path) -> dict[str, list[dict]]:
    with reading(path, "not JSON ({}); export the annotations again", ValueError, RecursionError):
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    for name in ("images", "annotations", "categories"):
        rows = content.get(name) if isinstance(content, dict) else None
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise CarsegError(f"{path}: not COCO instances, {name!r} is not a list of objects; export them again")
    return content


def _by_id(path: Path, tables: dict[str, list[dict]], name: str, required: bool = True) -> dict[Any, dict]:
    """Rows of one COCO table by id."""
    rows: dict[Any, dict] = {}
    for index, row in enumerate(tables[name]):
        if row.get("id") is None:
            if required:
                raise CarsegError(f"{path}: {name}[{index}] has no id")
            continue
        if rows.setdefault(_key(row["id"]), row) is not row:
            raise CarsegError(f"{path}: the id {row['id']!r} is given twice in {name!r}; ids must be unique")
    return rows


def _key(value: Any) -> Any:
    """An id as a dict key: 1, 1.0, "1" and "1.0" are one; what JSON cannot hash (a list, an object) by its text."""
    if isinstance(value, str) and (match := re.fullmatch(r"(0|-?[1-9]\d{0,17})(\.0+)?", value.strip())):
        return int(match[1])
    return value if isinstance(value, int | str | float | None) and not isinstance(value, bool) else repr(value)


def _text_of(path: Path, name: str, row: dict, column: str) -> str:
    if not isinstance(row.get(column), str) or not row[column]:
        raise CarsegError(f"{path}: the entry with id {row['id']!r} of {name!r} has no {column!r}")
    return row[column]
