"""Photos as COCO files, for people to correct masks with (CVAT, Label Studio) and to read back as DATA.

The files are named as CVAT and datumaro look for them, annotations/instances_<split>.json. The photos that were left
out because of the low quality of their pseudo-masks are among them, marked as rejected. A link `images` in the folder
leads to the photos, so that the corrected folder, or one corrected file in it, is a data set as it is.

Masks are polygons, as Label Studio reads no run lengths; they make the same masks again (`outlines`).
"""

from __future__ import annotations

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
    link = folder / LINK
    if link.exists() and not link.is_symlink():
        raise CarsegError(f"{link}: not a link of an export; remove it, or export into another folder")
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
    try:
        link.unlink(missing_ok=True)
        link.symlink_to(dataset.root, target_is_directory=True)
    except OSError as error:
        raise CarsegError(
            f"{link}: this disk takes no links ({error.strerror}); copy or link {dataset.root} there yourself, or "
            "export into a folder on another disk"
        ) from None
    for path in stale:  # last: what replaces them is there
        path.unlink()
    names = ", ".join(path.name for path in stale)
    return [f"removed {names} of an earlier export: photos would be listed twice"] if stale else []


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
    return {
        "info": {"description": f"{dataset.name}, {split}", "contributor": _MARK},
        "licenses": [],
        "categories": [{"id": i, "name": body_type, "supercategory": ""} for body_type, i in classes.items()],
        "images": [
            {"id": i, "file_name": photo_id, "width": sizes[photo_id][0], "height": sizes[photo_id][1]}
            for photo_id, i in ids.items()
        ],
        "annotations": [
            _annotation(number, car, ids[car["photo_id"]], classes[car["body_type"]], sizes[car["photo_id"]], polygons)
            for number, car in enumerate(cars.to_dict("records"), start=1)
        ],
    }


def _annotation(
    number: int, car: dict[str, Any], image_id: int, category_id: int, size: tuple[int, int], polygons: bool
) -> dict[str, Any]:
    width, height = size
    box = [car["x1"], car["y1"], car["x2"] - car["x1"], car["y2"] - car["y1"]]
    quality = car["mask_quality"]
    annotation: dict[str, Any] = {
        "id": number,
        "image_id": image_id,
        "category_id": category_id,
        "bbox": [round(float(value), 2) for value in box],
        "area": round(float(box[2] * box[3]), 2),
        "iscrowd": 0,
        "segmentation": [],
        "attributes": {
            "rejected": bool(car["rejected"]),
            "mask_origin": car["mask_origin"],
            "mask_quality": None if pd.isna(quality) else round(float(quality), 4),
        },
    }
    if car["group"]:
        annotation["attributes"]["group"] = car["group"]
    if car["mask"]:
        annotation["segmentation"] = {"size": [height, width], "counts": car["mask"]}
        if polygons:
            annotation["segmentation"] = mask_outlines(decode_mask(car["mask"], height, width))
        annotation["area"] = mask_area(car["mask"], height, width)
    return annotation
