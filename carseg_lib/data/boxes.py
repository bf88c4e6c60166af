"""Boxes of cars, (x1, y1, x2, y2) in pixels: their areas and overlaps, and the car that a photo's class is about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, cast

import numpy as np
import pandas as pd

Box = tuple[float, float, float, float]  # x1, y1, x2, y2


class Instance(Protocol):
    """A row of a catalogue's instances."""

    photo_id: str
    body_type: str
    x1: float
    y1: float
    x2: float
    y2: float
    mask: str
    box_origin: str
    mask_origin: str
    mask_quality: float


def box_iou(a: Sequence[float], b: Sequence[float]) -> float:
    """Intersection over union of two boxes (x1, y1, x2, y2), 0..1; 0 for boxes without a common area.

    Computed in float32, as torchvision.ops.box_iou does, so that both give the same number.
    """
    one, other = np.asarray(a, np.float32), np.asarray(b, np.float32)
    sides = (np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])).clip(0)
    intersection = sides[0] * sides[1]
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    union = areas[0] + areas[1] - intersection
    return float(intersection / union) if intersection else 0.0


def box_areas(instances: pd.DataFrame) -> pd.Series:
    """Areas of the boxes in a table with columns x1, y1, x2, y2; square pixels."""
    return (instances["x2"] - instances["x1"]) * (instances["y2"] - instances["y1"])


def largest_instance(instances: pd.DataFrame, body_type: str | None = None) -> Instance:
    """The car that a photo's class is about: the one with the largest box; of equal ones the first.

    Args:
        instances: The cars of one photo, columns as a catalogue's instances.
        body_type: Of which class; of any if not given.

    Raises:
        ValueError: There is no such car.
    """
    cars = instances if body_type is None else instances[instances["body_type"] == body_type]
    if cars.empty:
        raise ValueError(f"the photo has no {body_type or 'labelled car'}")
    largest = int(box_areas(cars).to_numpy().argmax())
    return cast(Instance, next(cars.iloc[[largest]].itertuples(index=False)))
