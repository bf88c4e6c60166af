"""A run's photos as COCO files, for people to correct masks with (CVAT, Label Studio) and to read back as DATA.

Every photo of the data set is in it with the cars as they are used, and the doubtful photos too, marked as such. In the
folder, `images` leads to the photos, so that the corrected folder, or one corrected file in it, is a data set as it is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.run import Run
from carseg_lib.data.catalogue import SPLITS, Catalogue, read_table
from carseg_lib.data.masks import mask_area
from carseg_lib.data.photos import read_photo
from carseg_lib.engine.pseudo_labels.selection import REJECTED_COLUMNS

LINK = "images"


def export_coco(run: Run, folder: Path) -> Path:
    """Writes annotations/<split>.json and a link to the photos.

    Args:
        study: of a run whose data set is there (make preprocess).
        folder: to write into; what was exported there before is replaced, other files stay.

    Returns:
        The folder.

    Raises:
        CarsegError: there is no data set yet, or the folder cannot be written.
    """
    dataset = Catalogue.load(run.dataset)
    doubtful = _read_doubtful(run)
    for split in SPLITS:
        content = coco_of(dataset, doubtful, split)
        files.write_json(folder / "annotations" / f"{split}.json", content)
    link = folder / LINK
    if link.is_symlink():
        link.unlink()
    elif link.exists():
        raise CarsegError(f"{link}: not a link of an export; remove it, or export into another folder")
    link.symlink_to(dataset.root, target_is_directory=True)
    return folder


def coco_of(dataset: Catalogue, doubtful: pd.DataFrame, split: str) -> dict[str, Any]:
    """One split as a COCO file's content.

    An annotation has the attributes `doubtful`, `mask_origin` and `mask_quality` (None if nobody doubted it). Ids count
    photos and cars from 1 in the order of the photos' names.

    Args:
        dataset: with splits.
        doubtful: the cars of the photos left out (`carseg_lib.engine.pseudo_labels.selection.REJECTED_COLUMNS`).
        split: its name.
    """
    part = dataset.split(split)
    out = doubtful[doubtful.split == split]
    sizes = {row.photo_id: (row.width, row.height) for row in part.photos.itertuples()}
    for photo_id in out.photo_id.unique():
        sizes[photo_id] = read_photo(dataset.root / photo_id).size
    ids = {photo_id: i for i, photo_id in enumerate(sorted(sizes), start=1)}
    cars = pd.concat([part.instances.assign(doubtful=False), out.assign(doubtful=True)])
    cars = cars.sort_values("photo_id", kind="stable")
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
    width, height = (int(side) for side in size)
    box = [car["x1"], car["y1"], car["x2"] - car["x1"], car["y2"] - car["y1"]]
    quality = car["mask_quality"]
    annotation = {
        "id": number,
        "image_id": image_id,
        "category_id": category_id,
        "bbox": [round(float(value), 2) for value in box],
        "area": round(float(box[2] * box[3]), 2),
        "iscrowd": 0,
        "attributes": {
            "doubtful": bool(car["doubtful"]),
            "mask_origin": car["mask_origin"],
            "mask_quality": None if pd.isna(quality) else round(float(quality), 4),
        },
    }
    if car["mask"]:
        annotation["segmentation"] = {"size": [height, width], "counts": car["mask"]}
        annotation["area"] = mask_area(car["mask"], height, width)
    return annotation


def _read_doubtful(run: Run) -> pd.DataFrame:
    try:
        return read_table(run.rejected_masks, REJECTED_COLUMNS)
    except FileNotFoundError:
        raise CarsegError(
            f"{run.rejected_masks}: there is no such file; run make preprocess RUN={run.name} first"
        ) from None
    except ValueError as error:
        raise CarsegError(
            f"{run.rejected_masks}: not the table that was saved ({error}); run again"
        ) from None
