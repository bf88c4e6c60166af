"""One car of several shapes: parts that an annotation program keeps together as a group."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from carseg_lib.data.boxes import box_iou
from carseg_lib.data.formats.base import Annotation
from carseg_lib.data.formats.placed_masks import PlacedMask, merged, of_polygons
from carseg_lib.data.orientation import extents

_SAME = 0.5  # intersection over union of a box and what the mask of the same car spans


def joined(shapes: Iterable[tuple[Annotation, Hashable | None]]) -> list[Annotation]:
    """The shapes of one photo, with those of one group and class as one: a box, and all that is drawn of its mask.

    A group with several boxes is one of several cars, and stays as it is.

    Args:
        shapes: Each with its group; None for a shape of its own.
    """
    groups: dict[Hashable, list[Annotation]] = {}
    for number, (shape, group) in enumerate(shapes):
        groups.setdefault((number,) if group is None else (shape.body_type, group), []).append(shape)
    found: list[Annotation] = []
    for parts in groups.values():
        boxes = [part for part in parts if part.corners or part.bbox]
        drawn = [part.segmentation for part in parts if part.segmentation]
        if len(parts) == 1 or len(boxes) > 1:
            found += parts
            continue
        first = boxes[0] if boxes else parts[0]
        found.append(replace(first, segmentation=_together(drawn) if drawn else None))
    return found


def without_boxes_of_masks(labels: Sequence[Annotation]) -> tuple[list[Annotation], int]:
    """The labels of one photo less the boxes of cars whose mask has a label of its own; and how many boxes these are.

    Label Studio's import of COCO makes both of each car, and people draw both. Such a box has the class of the mask,
    and half of the two is common at least; each mask has one.
    """
    masks = [one for one in labels if one.segmentation and not (one.corners or one.bbox)]
    kept = list(labels)
    for mask in masks:
        boxes = [one for one in kept if one.corners and not one.segmentation and one.body_type == mask.body_type]
        drawn = extents(mask)
        agreeing = {k: box_iou(one.corners, drawn[0]) for k, one in enumerate(boxes) if one.corners and drawn}
        best = max(agreeing, key=lambda k: agreeing[k], default=None)
        if best is not None and agreeing[best] >= _SAME:
            kept = [one for one in kept if one is not boxes[best]]
    return kept, len(labels) - len(kept)


def _together(drawn: Sequence[Any]) -> list[list[float]] | PlacedMask:
    """All polygons of parts, or, where a part is a bitmap, one bitmap."""
    if not any(isinstance(part, PlacedMask) for part in drawn):
        return [polygon for part in drawn if isinstance(part, list) for polygon in part]
    return merged([part if isinstance(part, PlacedMask) else _bitmap(part) for part in drawn])


def _bitmap(polygons: list[list[float]]) -> PlacedMask:
    return PlacedMask.read_by(lambda: of_polygons(polygons))


def as_polygon(points: Iterable[Sequence[float]]) -> list[list[float]]:
    """The points of a polygon, (x, y) each, as a COCO segmentation of one polygon."""
    return [np.asarray([list(point) for point in points], dtype=float).ravel().tolist()]
