"""A run's photos as COCO files, for people to correct masks with (CVAT, Label Studio) and to read back as DATA.

Every photo of the data set is exported with its cars as training uses them, photos without a car without an annotation
(read back, they are such photos again with SET=unlabelled=background); the photos that were left out because of
the low quality of their pseudo-masks are exported too, marked as rejected. A link `images` in the folder leads to the
photos, so that the corrected folder, or one corrected file in it, is a data set as it is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError
from carseg_lib.data.catalogue import REJECTED_COLUMNS, SPLITS, Catalogue, read_table
from carseg_lib.data.masks import mask_area
from carseg_lib.data.photos import read_photo

LINK = "images"


def export_coco(dataset_folder: Path, rejected_masks: Path, folder: Path) -> Path:
    """Write annotations/<split>.json and a link to the photos into a folder, and return it.

    Args:
        dataset_folder: Of a saved catalogue with splits, as `RunPaths.dataset`.
        rejected_masks: The table of the cars of photos that were left out, as `RunPaths.rejected_masks`.
        folder: The folder to write into; an earlier export in it is replaced, other files stay.

    Raises:
        CarsegError: There is no data set yet, or the folder cannot be written.
    """
    dataset = Catalogue.load(dataset_folder)
    rejected = _read_rejected(rejected_masks)
    for split in SPLITS:
        files.write_json(folder / "annotations" / f"{split}.json", coco_content(dataset, rejected, split))
    link = folder / LINK
    if link.is_symlink():
        link.unlink()
    elif link.exists():
        raise CarsegError(f"{link}: not a link of an export; remove it, or export into another folder")
    link.symlink_to(dataset.root, target_is_directory=True)
    return folder


def coco_content(dataset: Catalogue, rejected: pd.DataFrame, split: str) -> dict[str, Any]:
    """The content of the COCO file of one split.

    An annotation has the attributes `rejected`, `mask_origin` and `mask_quality` (None of a mask that was given), and
    `group` where the photo's is known. Ids count photos and cars from 1, in the order of the photos' names.

    Args:
        dataset: A catalogue with splits.
        rejected: The cars of the photos left out; columns as `REJECTED_COLUMNS`.
        split: Name of the split.
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
        "info": {"description": f"{dataset.name}, {split}"},
        "categories": [{"id": i, "name": body_type} for body_type, i in classes.items()],
        "images": [
            {"id": i, "file_name": photo_id, "width": sizes[photo_id][0], "height": sizes[photo_id][1]}
            for photo_id, i in ids.items()
        ],
        "annotations": [
            _annotation(number, car, ids[car["photo_id"]], classes[car["body_type"]], sizes[car["photo_id"]])
            for number, car in enumerate(cars.to_dict("records"), start=1)
        ],
    }


def _annotation(
    number: int, car: dict[str, Any], image_id: int, category_id: int, size: tuple[int, int]
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
        annotation["area"] = mask_area(car["mask"], height, width)
    return annotation


def _read_rejected(path: Path) -> pd.DataFrame:
    try:
        return read_table(path, REJECTED_COLUMNS)
    except FileNotFoundError:
        raise CarsegError(f"{path}: there is no such file; run make preprocess first") from None
    except ValueError as error:
        raise CarsegError(f"{path}: not the table that was saved ({error}); run make preprocess again") from None
