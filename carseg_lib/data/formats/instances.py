"""A photo's labelled cars, checked against its pixels, as rows of the catalogue's instances.

Boxes are cut at the photo's edge, masks decoded, and both are turned with a photo that is stored on its side, where
they were drawn on the stored one (`carseg_lib.data.orientation`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from carseg_lib.data.boxes import Box
from carseg_lib.data.formats.base import Annotation, ImageRecord
from carseg_lib.data.formats.mask_png import MaskPng
from carseg_lib.data.formats.placed_masks import PlacedMask
from carseg_lib.data.formats.segmentations import are_numbers, tidy
from carseg_lib.data.label_checks import (
    check_box_against_mask,
    check_mask,
    check_shares,
    corner_remark,
    cut_remark,
    labels_of_other_photos,
    same_car,
    spans_of,
)
from carseg_lib.data.masks import box_of_mask, decode_segmentation, encode_mask
from carseg_lib.data.orientation import FrameVotes, LabelFrame, turn_box, turn_mask
from carseg_lib.data.photos import ImageError, ImageInfo
from carseg_lib.data.remarks import IN_A_CORNER, TWICE, Remark


class CheckedLabels:
    """The labels of a data set's photos: those of all photos are looked at together before any is taken."""

    def __init__(self, photos: Sequence[tuple[ImageRecord, ImageInfo]]) -> None:
        """Look at the labels of all photos that could be opened."""
        self._votes = FrameVotes.of(photos)
        framed = []
        for record, info in photos:
            with suppress(ImageError):  # raised again when it is asked for
                framed.append((record, self._votes.frame(record, info)))
        spans = spans_of(framed)
        self._others = labels_of_other_photos(framed, spans)
        self._corner = corner_remark(spans)

    def of(self, record: ImageRecord, info: ImageInfo) -> tuple[list[dict[str, Any]], list[Remark]]:
        """The labelled cars of a photo, as `validate_instances` gives them.

        Raises:
            ImageError: As there; or "size mismatch", "labels turned", "labels of another photo".
        """
        if error := self._others.get(record.photo_id):
            raise error
        return validate_instances(record, self._votes.frame(record, info))

    def lines(self) -> list[tuple[str, str]]:
        """(reason, detail) of what is to be said of all labels together."""
        return [(IN_A_CORNER, self._corner)] if self._corner else []


def validate_instances(record: ImageRecord, frame: LabelFrame) -> tuple[list[dict[str, Any]], list[Remark]]:
    """Check a photo's annotations against its pixels and convert them to rows of the catalogue's instances.

    A box partly outside the photo is cut at its edge. Without a box, the mask gives it; without either, the whole
    frame.

    Args:
        record: The photo and its annotations.
        frame: The picture that they are drawn on.

    Returns:
        A dict per car with the keys of INSTANCE_COLUMNS, of the upright photo, and its group; and what is to be said of
        them. A car that is labelled twice has one.

    Raises:
        ImageError: "bad box", "box outside the photo", "zero-area box", "bad mask", "zero-area mask", "coordinates from
            0 to 1", "mask of the ground", "box against mask" or "one car of two types"; one bad annotation makes the
            photo unusable, as its car would be unlabelled.
    """
    remarks = [frame.remark] if frame.remark else []
    rows: list[dict[str, Any]] = []
    for annotation in record.annotations:
        row, its_remarks = _car(record.photo_id, annotation, frame)
        drawn = row["box_origin"] != "whole frame"
        again = (
            same_car(row["body_type"], _box_of(row), [(r["body_type"], _box_of(r)) for r in rows]) if drawn else None
        )
        if again is None:
            rows.append(row)
            remarks += its_remarks
            continue
        remarks.append(Remark(TWICE, f"two labels of one {row['body_type']}: it counts once"))
        if row["mask"] and not rows[again]["mask"]:
            rows[again] = row
    return rows, remarks


def _box_of(row: dict[str, Any]) -> Box:
    return row["x1"], row["y1"], row["x2"], row["y2"]


def _car(photo_id: str, annotation: Annotation, frame: LabelFrame) -> tuple[dict[str, Any], list[Remark]]:
    width, height = frame.size
    mask: np.ndarray | None = None
    remarks: list[Remark] = []
    if annotation.segmentation:  # a missing, null or empty one is no mask
        mask, remarks = _mask_of(annotation.segmentation, height, width)
        check_mask(mask, annotation.body_type)
    if annotation.corners:
        box, origin = _cut_box(annotation.corners, frame.size, annotation.box_text), "given"
    elif annotation.bbox:
        box, origin = _checked_box(annotation.bbox, frame.size), "given"
    elif mask is not None:
        box, origin = box_of_mask(mask), "mask"
    else:
        box, origin = (0.0, 0.0, float(width), float(height)), "whole frame"
    if mask is not None and origin == "given":
        check_box_against_mask(box, mask, annotation)
    if cut := cut_remark(annotation, frame.size):
        remarks.append(cut)
    if frame.orientation != 1:
        box = turn_box(box, frame.size, frame.orientation)
        mask = None if mask is None else turn_mask(mask, frame.orientation)
    row = {
        "photo_id": photo_id,
        "body_type": annotation.body_type,
        **dict(zip(("x1", "y1", "x2", "y2"), box, strict=True)),
        "mask": "" if mask is None else encode_mask(mask),
        "box_origin": origin,
        "mask_origin": "none" if mask is None else "given",
        "mask_quality": float("nan"),
        "group": annotation.group,
    }
    return row, remarks


def _mask_of(segmentation: Any, height: int, width: int) -> tuple[np.ndarray, list[Remark]]:
    if isinstance(segmentation, MaskPng):
        mask = segmentation.read()
        if mask.shape != (height, width):
            size = f"{mask.shape[1]}×{mask.shape[0]}"
            raise ImageError("bad mask", f"{segmentation.name}: has {size} pixels, the photo {width}×{height}")
        return mask, []
    if isinstance(segmentation, PlacedMask):
        return segmentation.read(height, width), []
    segmentation, remarks = tidy(segmentation)
    if isinstance(segmentation, list) and segmentation and all(part and are_numbers(part) for part in segmentation):
        check_shares([number for part in segmentation for number in part], "mask")
    try:
        return decode_segmentation(segmentation, height, width), remarks
    except ValueError as error:
        raise ImageError("bad mask", str(error)) from None


def _checked_box(bbox: Any, frame: tuple[int, int]) -> Box:
    """COCO [x, y, width, height] → (x1, y1, x2, y2) cut at the frame."""
    numbers = isinstance(bbox, list) and len(bbox) == 4 and all(type(v) in (int, float) for v in bbox)
    if not numbers or not all(math.isfinite(v) for v in bbox):
        raise ImageError("bad box", f"{str(bbox)[:60]} is not [x, y, width, height]")
    x, y, w, h = map(float, bbox)
    return _cut_box((x, y, x + w, y + h), frame, str(bbox))


def _cut_box(corners: Box, frame: tuple[int, int], written: str) -> Box:
    """A box cut at the frame; `written` is its text in the data set."""
    if not all(map(math.isfinite, corners)):
        raise ImageError("bad box", f"{written} is not four numbers")
    x1, y1, x2, y2 = corners
    if x1 < x2 and y1 < y2:
        check_shares(corners, f"box {written}")
    if x2 <= x1 or y2 <= y1:
        raise ImageError("zero-area box", f"{written} has no width or no height")
    box = max(x1, 0.0), max(y1, 0.0), min(x2, float(frame[0])), min(y2, float(frame[1]))
    if box[0] >= box[2] or box[1] >= box[3]:
        raise ImageError("box outside the photo", f"{written} lies outside of {frame[0]}×{frame[1]}")
    if min(box[2] - box[0], box[3] - box[1]) < 1:
        raise ImageError("zero-area box", f"{written} is less than a pixel wide or high inside the photo")
    return box
