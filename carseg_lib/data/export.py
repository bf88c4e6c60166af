"""A run's photos with their labels, for other programs: to correct masks with, to look at, to train elsewhere.

Every photo of the data set is exported with its cars as training uses them, photos without a car without an annotation
(read back, they are such photos again with SET=unlabelled=background).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from carseg_lib.core.errors import CarsegError
from carseg_lib.core.profiles import did_you_mean
from carseg_lib.data.catalogue import REJECTED_COLUMNS, Catalogue, read_table
from carseg_lib.data.export_coco import write_coco
from carseg_lib.data.export_yolo import write_yolo

FORMATS = {
    "coco": "masks as polygons, which all programs read",
    "coco-rle": "masks as run lengths",
    "yolo": "masks as polygons; boxes where there are no masks",
    "yolo-boxes": "boxes alone",
}


def read_format(settings: Mapping[str, str]) -> str:
    """The format that SET names for an export, "coco" if it names none.

    Raises:
        CarsegError: Another setting, or no such format.
    """
    if other := [name for name in settings if name != "format"]:
        raise CarsegError(f"SET: an export has no setting {other[0]!r}; it has format: {', '.join(FORMATS)}")
    chosen = settings.get("format", "coco")
    if chosen not in FORMATS:
        raise CarsegError(f"SET: format={chosen} is none of {', '.join(FORMATS)}{did_you_mean(chosen, FORMATS)}")
    return chosen


def export(dataset_folder: Path, rejected_masks: Path, folder: Path, form: str) -> list[str]:
    """Write a data set into a folder in a format.

    Args:
        dataset_folder: Of a saved catalogue with splits, as `RunPaths.dataset`.
        rejected_masks: The table of the cars of photos that were left out, as `RunPaths.rejected_masks`.
        folder: The folder to write into; an earlier export of the format in it is replaced, files of others are not.
        form: One of FORMATS.

    Returns:
        Lines on what was written.

    Raises:
        CarsegError: There is no data set yet, the format cannot hold it, or the folder cannot be written or holds
            annotations of others, or an export of another format.
    """
    dataset, rejected = Catalogue.load(dataset_folder), _read_rejected(rejected_masks)
    kind, _, masks = form.partition("-")
    other = "labels" if kind == "coco" else "annotations"
    if (folder / other).exists():
        raise CarsegError(f"{folder}: holds an export of another format ({other}/); remove it, or name another OUT")
    if kind == "coco":
        said = write_coco(dataset, rejected, folder, polygons=masks != "rle")
        left = rejected["photo_id"].nunique()
        said += [f"{left:,} photos that were left out for their pseudo-masks are marked as rejected"] * bool(left)
    else:
        said = write_yolo(dataset, rejected, folder, boxes=masks == "boxes")
    cars, carless = len(dataset.photos), len(dataset.background)
    background = f", and {carless:,} without a car, without an annotation" if carless else ""
    return [f"{cars:,} photos with {len(dataset.instances):,} cars{background}", *said]


def _read_rejected(path: Path) -> pd.DataFrame:
    try:
        return read_table(path, REJECTED_COLUMNS)
    except FileNotFoundError:
        raise CarsegError(f"{path}: there is no such file; run make preprocess first") from None
    except ValueError as error:
        raise CarsegError(f"{path}: not the table that was saved ({error}); run make preprocess again") from None
