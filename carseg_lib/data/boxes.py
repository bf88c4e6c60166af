"""Boxes of photos as plain numbers: their overlap, and the car that a photo's class is about."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd


def box_iou(a: Sequence[float], b: Sequence[float]) -> float:
    """Intersection over union of two boxes.

    Args:
        a: x1, y1, x2, y2, pixels.
        b: the same.

    Returns:
        0..1; 0 where they share nothing.
    """
    shared = max(min(a[2], b[2]) - max(a[0], b[0]), 0) * max(min(a[3], b[3]) - max(a[1], b[1]), 0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return shared / (sum(areas) - shared) if shared else 0.0


def largest_instance(instances: pd.DataFrame, body_type: str) -> pd.Series:
    """The labelled car that a photo's body type is about: the largest box of that type; of equals, the first.

    Args:
        instances: of one photo, rows of the catalogue's instances; one of that type at least.
        body_type: of the photo.
    """
    of_type = instances[instances.body_type == body_type]
    areas = (of_type.x2 - of_type.x1) * (of_type.y2 - of_type.y1)
    return of_type.loc[areas.idxmax()]
