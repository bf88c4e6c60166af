"""Predictions and detections of a run as tables: their columns, and the one reader of each file.

predictions.csv has a row per evaluated photo, detections.csv a row per detection. Boxes are in pixels of the photo,
masks COCO run-length counts ("" for none), scores, probabilities and overlaps 0..1.

After the columns of `PREDICTIONS`, predictions.csv has one per body type, `p_<type>`: its probability in the photo's
prediction. The softmax is over the types and the background, so that they sum to 1 or less (a classifier has no
background: to 1), and the largest is the score. All are 0 where no car was found, and empty if the model gives none.

A body type may have any name, "none" or "null" included, so that only an empty cell of a number is a missing value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from carseg_lib.core.errors import CarsegError

_PROBABILITY = "p_"  # before a body type's name
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
        Columns and dtypes as `PREDICTIONS`, and after them the types' probabilities as float64, which tables of older
        versions lack; texts are never NaN.

    Raises:
        CarsegError: The file is missing, is no such table, or lacks a column.
    """
    likely = [name for name in read_table(path, PREDICTIONS, rows=0) if str(name).startswith(_PROBABILITY)]
    return read_table(path, PREDICTIONS | dict.fromkeys(likely, "float64"))


def probability_columns(body_types: Iterable[str]) -> list[str]:
    """The columns of predictions.csv that hold the probabilities of body types."""
    return [f"{_PROBABILITY}{body_type}" for body_type in body_types]


def probabilities(predictions: pd.DataFrame, body_types: Sequence[str]) -> np.ndarray:
    """The probability of each body type in each photo's prediction.

    Args:
        predictions: a row a photo, with the columns of `probability_columns`.
        body_types: of the study, in the classes' order.

    Returns:
        float64 array (photos, types), 0..1; a row sums to 1 less the background's share, and to 0 where no car was
        found.

    Raises:
        CarsegError: The predictions have no probabilities.
    """
    columns = probability_columns(body_types)
    if missing := [name for name in columns if name not in predictions]:
        raise CarsegError(
            f"predictions.csv has no column {missing[0]!r}: it was made before probabilities were kept: make evaluate "
            "again"
        )
    found = predictions[columns].to_numpy(float)
    if np.isnan(found).any():
        raise CarsegError(
            "predictions.csv has empty probabilities: its model gives the scores of its detections alone."
        )
    return found


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


def read_table(path: Path | str, columns: Mapping[str, str] | None = None, *, rows: int | None = None) -> pd.DataFrame:
    """A table of a run.

    Args:
        path: of the CSV file.
        columns: dtype ("str", "float64", "int64") by name, where texts may be any, so that only an empty cell of a
            number is a missing value; else pandas infers them.
        rows: how many to read; None for all.

    Raises:
        CarsegError: The file is missing, is no such table, or lacks a column.
    """
    options: dict[str, Any] = {"nrows": rows}
    if columns is not None:
        numbers = {name: [""] for name, dtype in columns.items() if dtype == "float64"}
        options |= {"dtype": dict(columns), "keep_default_na": False, "na_values": numbers}
    try:
        table = pd.read_csv(path, **options)
    except (OSError, ValueError) as error:
        raise CarsegError(f"{path} is not a readable table ({error}). Delete it and run again.") from error
    if missing := [name for name in columns or () if name not in table]:
        raise CarsegError(f"{path} has no column {missing[0]!r}. Delete it and run again.")
    return table
