"""Photos with COCO instance annotations: boxes, and masks as polygons or run lengths.

Either a folder with annotations/<split>.json, or one .json file (then no split is given). `file_name` is relative to
images/ in the folder or beside the file (for a file in annotations/, beside that folder too), else to the folder.
A folder may have a parameters.csv besides (see `carseg_lib.sources.parameters`).
"""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from carseg_lib.errors import CarsegError
from carseg_lib.masks import box_of_mask, decode_segmentation, encode_mask
from carseg_lib.photos import BadPhoto, PhotoFacts
from carseg_lib.signature import photo_root
from carseg_lib.sources.listing import (
    Annotation,
    ListedPhoto,
    Listing,
    as_text,
    body_type_of,
    is_text,
    split_of,
)
from carseg_lib.sources.parameters import check_parameters, read_parameters

_SWAPPING = {5, 6, 7, 8}  # EXIF orientations that exchange width and height


def list_coco(data: Path) -> Listing:
    """List the photos of one COCO file, or of a folder's annotations/*.json.

    Annotations of categories other than the four types, crowd regions, and photos without a labelled car of
    the four types are noted in `ignored`.

    Raises:
        CarsegError: A file is not JSON or not COCO, an id or a photo stands twice, an annotation belongs to no
            photo, a file_name leaves the folder, no category is one of the four types, or parameters.csv is broken.
    """
    if data.is_file():
        listing = Listing(name=data.stem, root=photo_root(data))
        sources = {data: ""}
    else:
        listing = Listing(name=data.resolve().name, root=photo_root(data))
        sources = _annotation_files(data, listing)
    seen: dict[str, str] = {}
    categories: set[str] = set()
    for path, split in sources.items():
        categories |= _list_file(path, split, listing, seen)
    if not any(body_type_of(name) for name in categories):
        found = ", ".join(as_text(name) for name in sorted(categories)[:10]) or "none"
        raise CarsegError(
            f"{data}: no category is suv, sedan, convertible or minivan (found: {found}); "
            "rename the categories in the annotation file"
        )
    if data.is_dir():
        listing.parameters = read_parameters(data)
        check_parameters(data, listing, set(seen))
    return listing


def cars_of(listed: ListedPhoto, facts: PhotoFacts) -> list[dict[str, Any]]:
    """Check a photo's annotations against its pixels and turn them into rows of the catalogue's instances.

    A box partly outside the photo is cut at its edge. Without a box, the mask gives it; without either, the
    whole frame. If the stated size is the photo's size before its EXIF orientation is applied, and only then,
    boxes and masks are taken to be drawn on the photo as stored, and are turned with it; if the two sizes are
    the same, they belong to the photo as seen.

    Args:
        listed: The photo and its annotations.
        facts: Of the decoded photo.

    Returns:
        A dict per car with the keys of INSTANCE_COLUMNS.

    Raises:
        BadPhoto: "size mismatch", "bad box", "box outside the photo", "zero-area box", "bad mask" or
            "zero-area mask"; one bad annotation makes the photo unusable, as its car would be unlabelled.
    """
    size = (facts.width, facts.height)
    as_stored = (facts.height, facts.width) if facts.orientation in _SWAPPING else size
    frame = listed.stated_size or size
    if frame not in (size, as_stored):
        raise BadPhoto(
            "size mismatch", f"annotated as {frame[0]}×{frame[1]}, the photo has {facts.width}×{facts.height}"
        )
    turn = facts.orientation if frame != size else 1
    return [_car(listed.photo_id, annotation, frame, turn) for annotation in listed.annotations]


def _car(photo_id: str, annotation: Annotation, frame: tuple[int, int], turn: int) -> dict[str, Any]:
    width, height = frame
    mask = None
    if annotation.segmentation:  # a missing, null or empty one is no mask
        try:
            mask = decode_segmentation(annotation.segmentation, height, width)
        except ValueError as error:
            raise BadPhoto("bad mask", str(error)) from None
        if not mask.any():
            raise BadPhoto("zero-area mask", f"the mask of the {annotation.body_type} has no pixels inside")
    if annotation.bbox:
        box, origin = _checked_box(annotation.bbox, frame), "given"
    elif mask is not None:
        box, origin = box_of_mask(mask), "mask"
    else:
        box, origin = (0.0, 0.0, float(width), float(height)), "whole frame"
    if turn != 1:
        box = _turn_box(box, frame, turn)
        mask = None if mask is None else _turn_mask(mask, turn)
    return {
        "photo_id": photo_id,
        "body_type": annotation.body_type,
        **dict(zip(("x1", "y1", "x2", "y2"), box, strict=True)),
        "mask": "" if mask is None else encode_mask(mask),
        "box_origin": origin,
        "mask_origin": "none" if mask is None else "given",
        "mask_quality": float("nan"),
    }


def _checked_box(bbox: Any, frame: tuple[int, int]) -> tuple[float, float, float, float]:
    """COCO [x, y, width, height] → (x1, y1, x2, y2) cut at the frame."""
    numbers = isinstance(bbox, list) and len(bbox) == 4 and all(type(v) in (int, float) for v in bbox)
    if not numbers or not all(math.isfinite(v) for v in bbox):
        raise BadPhoto("bad box", f"{str(bbox)[:60]} is not [x, y, width, height]")
    x, y, w, h = map(float, bbox)
    if w <= 0 or h <= 0:
        raise BadPhoto("zero-area box", f"{bbox} has no width or no height")
    box = max(x, 0.0), max(y, 0.0), min(x + w, float(frame[0])), min(y + h, float(frame[1]))
    if box[0] >= box[2] or box[1] >= box[3]:
        raise BadPhoto("box outside the photo", f"{bbox} lies outside of {frame[0]}×{frame[1]}")
    if min(box[2] - box[0], box[3] - box[1]) < 1:
        raise BadPhoto("zero-area box", f"{bbox} is less than a pixel wide or high inside the photo")
    return box


def _turn_box(
    box: tuple[float, float, float, float], frame: tuple[int, int], orientation: int
) -> tuple[float, float, float, float]:
    """A box on the stored photo → on the upright photo, for the orientations that swap the sides."""
    x1, y1, x2, y2 = box
    width, height = frame
    if orientation in (6, 7):
        y1, y2 = height - y2, height - y1
    if orientation in (7, 8):
        x1, x2 = width - x2, width - x1
    return y1, x1, y2, x2


def _turn_mask(mask: np.ndarray, orientation: int) -> np.ndarray:
    if orientation in (6, 7):
        mask = mask[::-1]
    if orientation in (7, 8):
        mask = mask[:, ::-1]
    return mask.T


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


def _list_file(path: Path, split: str, listing: Listing, seen: dict[str, str]) -> set[str]:
    """Add one annotation file to the listing; returns its category names."""
    tables = _read(path)
    names = {
        key: _text_of(path, "categories", row, "name")
        for key, row in _by_id(path, tables, "categories").items()
    }
    images = _by_id(path, tables, "images")
    _by_id(path, tables, "annotations", required=False)
    labelled: dict[Any, list[Annotation]] = {}
    ignored: Counter[tuple[str, str]] = Counter()
    for row in tables["annotations"]:
        image_id = _key(row.get("image_id"))
        if image_id not in images:
            raise CarsegError(
                f"{path}: annotation {row.get('id')!r} belongs to image {row.get('image_id')!r}, which is not listed"
            )
        category = names.get(_key(row.get("category_id")), f"category_id {row.get('category_id')!r}")
        body_type = body_type_of(category)
        if body_type is None:
            ignored["other type", category] += 1
        elif row.get("iscrowd"):
            ignored["crowd region", category] += 1
        else:
            annotation = Annotation(body_type, row.get("bbox"), row.get("segmentation"))
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
        if image_id not in labelled:
            listing.ignore(photo_id, "no labelled car", "no annotation of the four types", split)
            continue
        size = row.get("width"), row.get("height")
        stated = size if all(type(v) is int and v > 0 for v in size) else None
        listing.photos.append(ListedPhoto(photo_id, split, labelled[image_id], stated))
    return set(names.values())


def _read(path: Path) -> dict[str, list[dict]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise CarsegError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise CarsegError(f"{path}: not JSON ({error}); export the annotations again") from None
    for name in ("images", "annotations", "categories"):
        rows = content.get(name) if isinstance(content, dict) else None
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise CarsegError(
                f"{path}: not COCO instances, {name!r} is not a list of objects; export them again"
            )
    return content


def _by_id(path: Path, tables: dict[str, list[dict]], name: str, required: bool = True) -> dict[Any, dict]:
    """Rows of one COCO table by id."""
    rows: dict[Any, dict] = {}
    for place, row in enumerate(tables[name]):
        if row.get("id") is None:
            if required:
                raise CarsegError(f"{path}: {name}[{place}] has no id")
            continue
        if rows.setdefault(_key(row["id"]), row) is not row:
            raise CarsegError(f"{path}: the id {row['id']!r} stands twice in {name!r}; ids must be unique")
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
    name = _text_of(path, "images", row, "file_name").replace("\\", "/")
    pure = PurePosixPath(name)
    drive = len(name) > 1 and name[1] == ":"
    if (
        pure.is_absolute()
        or drive
        or ".." in pure.parts
        or "\0" in name
        or not is_text(name)
        or not pure.parts
    ):
        raise CarsegError(
            f"{path}: the file_name {row['file_name']!r} (id {row['id']!r}) leads outside of {root}; "
            "file names must be relative to that folder"
        )
    return pure.as_posix()
