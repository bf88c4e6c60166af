"""Photos with COCO instance annotations: boxes, and masks as polygons or run lengths.

Either a folder with annotations/<split>.json, or one .json file (then no split is given). `file_name` is relative to
images/ in the folder or beside the file (for a file in annotations/, beside that folder too), else to the folder.
A folder may have a parameters.csv besides (see `carseg_lib.data.metadata`).

The group of a car is the annotation's `group`, or its `model` without the year: a key of its own, or, as CVAT writes
it, one of its `attributes`.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from carseg_lib.core.classes import ClassMap
from carseg_lib.core.config import Unlabelled
from carseg_lib.core.errors import CarsegError
from carseg_lib.data.fingerprint import photo_root
from carseg_lib.data.formats.base import (
    Annotation,
    ImageRecord,
    Listing,
    as_text,
    car_model,
    inside,
    name_of,
    reading,
    split_of,
)
from carseg_lib.data.formats.image_folder import add_background_folders
from carseg_lib.data.metadata import check_parameters, read_parameters


def read_coco(data: Path, types: ClassMap, unlabelled: Unlabelled = "exclude") -> Listing:
    """List the photos of one COCO file, or of a folder's annotations/*.json.

    Annotations of categories that are none of the types, crowd regions, and photos without a labelled car of
    the types are noted in `ignored`. A folder `background/` among the photos holds photos without a car.

    Args:
        data: The file or folder.
        types: The body types.
        unlabelled: What photos without any annotation are: left out, or background. One whose annotations are all of
            other categories, or crowd regions, is left out in either case: it may show a car.

    Raises:
        CarsegError: A file is not JSON or not COCO, an id or a photo is listed twice, an annotation belongs to no
            photo, a file_name leaves the folder, no category is one of the types, or parameters.csv is broken.
    """
    listing = Listing(name=name_of(data), root=photo_root(data), types=types)
    files = {data: ""} if data.is_file() else _annotation_files(data, listing)
    seen: dict[str, str] = {}
    categories: set[str] = set()
    for path, split in files.items():
        categories |= _list_file(path, split, listing, seen, unlabelled)
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


def _annotation_files(data: Path, listing: Listing) -> dict[Path, str]:
    """annotations/*.json → the split of each; a single file of any other name gives no split."""
    paths = sorted(path for path in (data / "annotations").glob("*.json") if not path.name.startswith("."))
    splits = {path: split for path in paths if (split := split_of(path.stem))}
    if not splits and len(paths) == 1:
        return {paths[0]: ""}
    if not splits:
        raise CarsegError(
            f"{data / 'annotations'}: none of {', '.join(path.name for path in paths)} is named train, validation "
            "or test; rename them, or give one of them as DATA"
        )
    for path in paths:
        if path not in splits:
            listing.ignore(f"annotations/{path.name}", "other file", "not named train, validation or test")
    return splits


def _list_file(path: Path, split: str, listing: Listing, seen: dict[str, str], unlabelled: Unlabelled) -> set[str]:
    """Add one annotation file to the listing; returns its category names."""
    tables = _read(path)
    names = {key: _text_of(path, "categories", row, "name") for key, row in _by_id(path, tables, "categories").items()}
    images = _by_id(path, tables, "images")
    _by_id(path, tables, "annotations", required=False)
    labelled: dict[Any, list[Annotation]] = {}
    annotated: set[Any] = set()
    ignored: Counter[tuple[str, str]] = Counter()
    for row in tables["annotations"]:
        image_id = _key(row.get("image_id"))
        if image_id not in images:
            raise CarsegError(
                f"{path}: annotation {row.get('id')!r} belongs to image {row.get('image_id')!r}, which is not listed"
            )
        annotated.add(image_id)
        category = names.get(_key(row.get("category_id")), f"category_id {row.get('category_id')!r}")
        body_type = listing.types.resolve(category)
        if body_type is None:
            ignored[listing.types.exclusion_reason(category), category] += 1
        elif row.get("iscrowd"):
            ignored["crowd region", category] += 1
        else:
            group = _group_of(path, row)
            annotation = Annotation(body_type, row.get("bbox"), segmentation=row.get("segmentation"), group=group)
            labelled.setdefault(image_id, []).append(annotation)
    for (reason, category), number in sorted(ignored.items()):
        listing.ignore(path.name, reason, f"{category}: {number} annotations", split)
    for image_id, row in images.items():
        photo_id = _photo_id(path, row, listing.root)
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
    return set(names.values())


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
    width, height = image.get("width"), image.get("height")
    if type(width) is int and type(height) is int and width > 0 and height > 0:
        return width, height
    return None


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
    """An id as a dict key; what JSON cannot hash (a list, an object) by its text."""
    return value if isinstance(value, int | str | float | None) else repr(value)


def _text_of(path: Path, name: str, row: dict, column: str) -> str:
    if not isinstance(row.get(column), str) or not row[column]:
        raise CarsegError(f"{path}: the entry with id {row['id']!r} of {name!r} has no {column!r}")
    return row[column]


def _photo_id(path: Path, row: dict, root: Path) -> str:
    """The checked file_name: relative, inside the folder, with / and no dots."""
    name = inside(_text_of(path, "images", row, "file_name"))
    if name is None:
        raise CarsegError(
            f"{path}: the file_name {row['file_name']!r} (id {row['id']!r}) leads outside of {root}; "
            "file names must be relative to that folder"
        )
    return name
