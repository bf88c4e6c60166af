"""Predictions and detections of a run as tables: their columns, and the one reader of each file.

predictions.csv has a row per evaluated photo, detections.csv a row per detection. Boxes are in pixels of the photo,
masks COCO run-length counts ("" for none), scores and overlaps 0..1.

A body type may have any name, "none" or "null" included, so that only an empty cell of a number is a missing value.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from carseg_lib.core.errors import CarsegError

_BOX = dict.fromkeys(("x1", "y1", "x2", "y2"), "float64")
PREDICTIONS = {
    "photo_id": "str",
    "split": "str",
    "body_type": "str",  # of the label
    "predicted": "str",  # "" where no car was found; the columns of this detection are then empty
    "score": "float64",
    **_BOX,
    "mask": "str",
    **{f"true_{name}": dtype for name, dtype in _BOX.items()},  # the labelled box
    "box_iou": "float64",  # 0 where no car was found
    "mask_iou": "float64",  # 0 where no car was found; NaN without a labelled mask
    "width": "int64",  # of the photo
    "height": "int64",
}
DETECTIONS = {"photo_id": "str", "split": "str", "body_type": "str", "score": "float64", **_BOX, "mask": "str"}


def read_predictions(path: Path | str) -> pd.DataFrame:
    """The predictions of a run or a trial, in the order of the file.

    Args:
        path: predictions.csv.

    Returns:
        Columns and dtypes as `PREDICTIONS`; texts are never NaN.

    Raises:
        CarsegError: The file is missing, is no such table, or lacks a column.
    """
    return read_table(path, PREDICTIONS)


def read_detections(path: Path | str) -> pd.DataFrame:
    """The detections of a run, in the order of the file; possibly none.

    Args:
        path: detections.csv.

    Returns:
        Columns and dtypes as `DETECTIONS`; texts are never NaN.

    Raises:
        CarsegError: The file is missing, is no such table, or lacks a column.
    """
    return read_table(path, DETECTIONS)


def read_table(path: Path | str, columns: Mapping[str, str] | None = None) -> pd.DataFrame:
    """A table of a run.

    Args:
        path: of the CSV file.
        columns: dtype ("str", "float64", "int64") by name, where texts may be any, so that only an empty cell of a
            number is a missing value; else pandas infers them.

    Raises:
        CarsegError: The file is missing, is no such table, or lacks a column.
    """
    options: dict[str, Any] = {}
    if columns is not None:
        numbers = {name: [""] for name, dtype in columns.items() if dtype == "float64"}
        options = {"dtype": dict(columns), "keep_default_na": False, "na_values": numbers}
    try:
        table = pd.read_csv(path, **options)
    except (OSError, ValueError) as error:
        raise CarsegError(f"{path} is not a readable table ({error}). Delete it and run again.") from error
    if missing := [name for name in columns or () if name not in table]:
        raise CarsegError(f"{path} has no column {missing[0]!r}. Delete it and run again.")
    return table
