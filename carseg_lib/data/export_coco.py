"""Photos as COCO files, for people to correct masks with (CVAT, Label Studio) and to read back as DATA.

The files are named as CVAT and datumaro look for them, annotations/instances_<split>.json. The photos that were left
out because of the low quality of their pseudo-masks are among them, marked as rejected. A link `images` in the folder
leads to the photos, so that the corrected folder, or one corrected file in it, is a data set as it is.

Masks are polygons, as Label Studio reads no run lengths; they make the same masks again (`outlines`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError
from carseg_lib.data.catalogue import SPLITS, Catalogue
from carseg_lib.data.formats.json_files import read_json
from carseg_lib.data.masks import decode_mask, mask_area
from carseg_lib.data.outlines import mask_outlines
from carseg_lib.data.photos import read_photo
from carseg_lib.data.remote import is_mirror

LINK = "images"
_MARK = "carseg"  # the contributor of a file, by which a later export knows it


def write_coco(dataset: Catalogue, rejected: pd.DataFrame, folder: Path, *, polygons: bool = True) -> list[str]:
    """Write annotations/instances_<split>.json and a link to the photos into a folder.

    Args:
        dataset: A catalogue with splits.
        rejected: The cars of the photos left out; columns as `REJECTED_COLUMNS`.
        folder: The folder; an earlier export in it is replaced, also one whose files had other names.
        polygons: Whether masks are polygons, or COCO's run lengths.

    Returns:
        A line on the files of an earlier export that were removed, if there were any.

    Raises:
        CarsegError: The folder cannot be written, has something else in the link's place, or annotations of others.
    """
    check_link(folder)
    written = {f"instances_{split}.json" for split in SPLITS}
    old = [path for path in sorted((folder / "annotations").glob("*.json")) if not path.name.startswith(".")]
    if others := [path for path in old if not _is_exported(path)]:
        raise CarsegError(
            f"{others[0]}: not of an export, and would be read together with it; move it away, or name another OUT"
        )
    stale = [path for path in old if path.name not in written]
    for split in SPLITS:
        content = coco_content(dataset, rejected, split, polygons=polygons)
        files.write_json(folder / "annotations" / f"instances_{split}.json", content)
    link_photos(folder, dataset.root)
    for path in stale:  # last: what replaces them is there
        path.unlink()
    names = ", ".join(path.name for path in stale)
    return [f"removed {names} of an earlier export: photos would be listed twice"] if stale else []


def check_link(folder: Path) -> None:
    """Refuse a folder that has something else in the place of the link to the photos.

    Raises:
        CarsegError: It has.
    """
    link = folder / LINK
    if link.exists() and not link.is_symlink():
        raise CarsegError(f"{link}: not a link of an export; remove it, or export into another folder")


def link_photos(folder: Path, photos: Path) -> None:
    """Make the link `images` of a folder that `check_link` has passed lead to the photos.

    Raises:
        CarsegError: The disk takes no links, or the photos are a store's.
    """
    link = folder / LINK
    if is_mirror(photos):
        raise CarsegError(f"{photos} holds photos of a store, read when they are needed: export by SET=format=yolo.")
    try:
        link.unlink(missing_ok=True)
        link.symlink_to(photos, target_is_directory=True)
    except OSError as error:
        raise CarsegError(
            f"{link}: this disk takes no links ({error.strerror}); copy or link {photos} there yourself, or "
            "export into a folder on another disk"
        ) from None


def _is_exported(path: Path) -> bool:
    """Whether a COCO file is one of an export of carseg: by its mark, or, of older ones, by its cars' attributes."""
    try:
        content = read_json(path)
    except (OSError, ValueError, RecursionError):
        return False
    if not isinstance(content, dict):
        return False
    info, rows = content.get("info"), content.get("annotations")
    if isinstance(info, dict) and info.get("contributor") == _MARK:
        return True
    if not isinstance(rows, list) or not rows:
        return False
    attributes = [row.get("attributes") if isinstance(row, dict) else None for row in rows]
    return all(isinstance(its, dict) and {"mask_origin", "mask_quality"} <= set(its) for its in attributes)


def coco_content(dataset: Catalogue, rejected: pd.DataFrame, split: str, *, polygons: bool) -> dict[str, Any]:
    """The content of the COCO file of one split.

    An annotation has the attributes `rejected`, `mask_origin` and `mask_quality` (None of a mask that was given), and
    `group` where the photo's is known. Ids count photos and cars from 1, in the order of the photos' names.

    Args:
        dataset: A catalogue with splits.
        rejected: The cars of the photos left out; columns as `REJECTED_COLUMNS`.
        split: Name of the split.
        polygons: Whether masks are polygons, or COCO's run lengths.
    """
    part = dataset.split(split)
    out = rejected[rejected["split"] == split]
    columns = ["photo_id", "width", "height"]
    photos = pd.concat([part.photos[columns], part.background[columns]]).itertuples(index=False)
    sizes: dict[str, tuple[int, int]] = {photo_id: (width, height) for photo_id, width, height in photos}
    sizes |= {photo_id: read_photo(dataset.root / photo_id).size for photo_id in out["photo_id"].unique()}
    ids = {photo_id: i for i, photo_id in enumerate(sorted(sizes), start=1)}
    cars = pd.concat([part.instances.assign(rejected=False), out.assign(rejected=True)])
    groups = dataset.photos.set_index("photo_id")["group"]
    cars = cars.assign(group=cars["photo_id"].map(groups).fillna("")).sort_values("photo_id", kind="stable")
    classes = {body_type: i for i, body_type in enumerate(dataset.body_types, start=1)}
    return coco_file(
        f"{dataset.name}, {split}",
        dataset.body_types,
        {photo_id: sizes[photo_id] for photo_id in ids},
        [
            _annotation(number, car, ids[car["photo_id"]], classes[car["body_type"]], sizes[car["photo_id"]], polygons)
            for number, car in enumerate(cars.to_dict("records"), start=1)
        ],
    )


def coco_file(
    description: str,
    body_types: Sequence[str],
    sizes: Mapping[str, tuple[int, int]],
    annotations: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """The content of a COCO file.

    Args:
        description: Of the photos.
        body_types: The categories, whose ids count from 1.
        sizes: Width and height of each photo in pixels, by its name; the photos' ids count from 1 in this order.
        annotations: As of `coco_annotation`.
    """
    return {
        "info": {"description": description, "contributor": _MARK},
        "licenses": [],
        "categories": [{"id": i, "name": name, "supercategory": ""} for i, name in enumerate(body_types, start=1)],
        "images": [
            {"id": i, "file_name": name, "width": width, "height": height}
            for i, (name, (width, height)) in enumerate(sizes.items(), start=1)
        ],
        "annotations": list(annotations),
    }


def coco_annotation(
    ids: tuple[int, int, int],
    box: Sequence[float],
    counts: str,
    size: tuple[int, int],
    attributes: Mapping[str, Any],
    *,
    polygons: bool,
) -> dict[str, Any]:
    """A car as COCO writes it; its area is the number of its mask's pixels, or the box's where it has no mask.

    Args:
        ids: Of the annotation, of its photo and of its category.
        box: x1, y1, x2, y2 in pixels of the photo.
        counts: COCO run-length counts of the mask; "" without one.
        size: Width and height of the photo, pixels.
        attributes: Of the annotation, as CVAT has them.
        polygons: Whether the mask is written as polygons, or as run lengths.
    """
    width, height = size
    x1, y1, x2, y2 = (float(edge) for edge in box)
    segmentation: Any = []
    if counts:
        segmentation = {"size": [height, width], "counts": counts}
        if polygons:
            segmentation = mask_outlines(decode_mask(counts, height, width))
    return {
        "id": ids[0],
        "image_id": ids[1],
        "category_id": ids[2],
        "bbox": [round(value, 2) for value in (x1, y1, x2 - x1, y2 - y1)],
        "area": mask_area(counts, height, width) if counts else round((x2 - x1) * (y2 - y1), 2),
        "iscrowd": 0,
        "segmentation": segmentation,
        "attributes": dict(attributes),
    }


def _annotation(
    number: int, car: dict[str, Any], image_id: int, category_id: int, size: tuple[int, int], polygons: bool
) -> dict[str, Any]:
    quality = car["mask_quality"]
    attributes = {
        "rejected": bool(car["rejected"]),
        "mask_origin": car["mask_origin"],
        "mask_quality": None if pd.isna(quality) else round(float(quality), 4),
    } | ({"group": car["group"]} if car["group"] else {})
    box = [car[edge] for edge in ("x1", "y1", "x2", "y2")]
    return coco_annotation((number, image_id, category_id), box, car["mask"] or "", size, attributes, polygons=polygons)
