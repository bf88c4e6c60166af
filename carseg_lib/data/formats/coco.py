"""Photos with COCO instance annotations: boxes, and masks as polygons or run lengths.

Either a folder in a layout of `annotation_files`, or one .json file (then no split is given).
`carseg_lib.data.photo_names` says where photos are looked for, and by which names. A folder may have a parameters.csv
besides (see `carseg_lib.data.metadata`).

The group of a car is the annotation's `group`, or its `model` without the year: a key of its own, or, as CVAT writes
it, one of its `attributes`.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

from carseg_lib.core.classes import ClassMap
from carseg_lib.core.config import Unlabelled
from carseg_lib.core.errors import CarsegError
from carseg_lib.data.formats.annotation_files import AnnotationFiles
from carseg_lib.data.formats.base import Annotation, Listing, as_text, name_of, objects_of, read_annotations
from carseg_lib.data.formats.crowds import USUAL, is_crowd, is_marked
from carseg_lib.data.formats.folder_places import is_any_car
from carseg_lib.data.formats.named_photos import NamedPhoto, Source, group_of, list_named, size_of
from carseg_lib.data.formats.programs import COCO, held_instead
from carseg_lib.data.metadata import check_parameters, read_parameters
from carseg_lib.data.photo_names import photo_folder
from carseg_lib.data.remarks import ONE_OBJECT, SIZE_NOT_READ

FILES = AnnotationFiles(COCO, any_in_annotations=True)


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
    splits = {data: ""} if data.is_file() else FILES.of(data, listing)
    sources = [_source(path, split, types, listing) for path, split in splits.items()]
    seen = list_named(data, listing, sources, unlabelled)
    if data.is_dir():
        listing.parameters = read_parameters(data)
        check_parameters(data, listing, set(seen))
    return listing


def _source(path: Path, split: str, types: ClassMap, listing: Listing) -> Source:
    """What one annotation file says."""
    tables = _read(path)
    rows = _by_id(path, tables, "categories")
    categories = {key: _text_of(path, "categories", row, "name") for key, row in rows.items()}
    images = _by_id(path, tables, "images")
    _by_id(path, tables, "annotations", required=False)
    source = Source(path, split=split, names=set(categories.values()), pairs=False)
    of_image: dict[Any, list[tuple[str, dict[str, Any]]]] = {}
    for row in tables["annotations"]:
        image_id = _key(row.get("image_id"))
        if image_id not in images:
            raise CarsegError(
                f"{path}: annotation {row.get('id')!r} belongs to image {row.get('image_id')!r}, which is not listed"
            )
        category = categories.get(_key(row.get("category_id")), f"category_id {row.get('category_id')!r}")
        of_image.setdefault(image_id, []).append((category, row))
    marked = [
        is_marked(row.get("iscrowd")) for rows in of_image.values() for category, row in rows if types.resolve(category)
    ]
    usual = sum(marked) >= USUAL * len(marked)
    for image_id, image in images.items():
        labels = _labels(path, of_image.get(image_id, []), image, types, usual, source.counts)
        source.photos.append(
            NamedPhoto(
                _text_of(path, "images", image, "file_name"),
                f"id {image['id']!r}",
                labels,
                _stated_size(image),
                more=image_id in of_image,
            )
        )
    unread = [image["file_name"] for image in images.values() if _states_no_size(image)]
    if unread:
        detail = f"width and height of {len(unread)} images are no numbers above 0; the first: {as_text(unread[0])}"
        listing.ignore(path.name, SIZE_NOT_READ, detail, split)
    return source


def _labels(
    path: Path,
    rows: list[tuple[str, dict[str, Any]]],
    image: dict[str, Any],
    types: ClassMap,
    usual: bool,
    counts: Counter[tuple[str, str, str]],
) -> list[Annotation]:
    """The labels of one image; cars that are marked as a crowd are counted, and left out where they are one."""
    single = [row for category, row in rows if types.resolve(category) and not is_marked(row.get("iscrowd"))]
    labels = []
    for category, row in rows:
        if types.resolve(category) and is_marked(row.get("iscrowd")):
            if is_crowd(row, single, _stated_size(image), usual):
                counts["crowd region", category, ""] += 1
                continue
            counts[ONE_OBJECT, category, ", taken as cars"] += 1
        attributes = row.get("attributes")
        known = (attributes if isinstance(attributes, dict) else {}) | row
        is_car = types.resolve(category) or is_any_car(category)
        group = group_of(known, f"{path}: the {{name}} of the annotation with id {row.get('id')!r}") if is_car else ""
        labels.append(Annotation(category, row.get("bbox"), segmentation=row.get("segmentation"), group=group))
    return labels


def _stated_size(image: dict[str, Any]) -> tuple[int, int] | None:
    """Width and height of an image's entry, pixels; None where they are not whole numbers above 0."""
    return size_of(image.get("width"), image.get("height"))


def _states_no_size(image: dict[str, Any]) -> bool:
    """Whether an image's entry has a size that cannot be read; 0 and null are how tools say that they know none."""
    stated = [image.get(side) for side in ("width", "height")]
    return any(side not in (None, 0, "") for side in stated) and _stated_size(image) is None


def _read(path: Path) -> dict[str, list[dict]]:
    content = read_annotations(path)
    for name in ("images", "annotations", "categories"):
        if objects_of(content, name) is None:
            held = held_instead(content)
            what = f" (it holds {held}); give the file of the instances" if held else "; export them again"
            raise CarsegError(f"{path}: not COCO instances, {name!r} is not a list of objects{what}")
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
