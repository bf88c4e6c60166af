"""A photo's labelled cars, checked against its pixels, as rows of the catalogue's instances.

Boxes are cut at the photo's edge, masks decoded, and both are rotated with a photo that is stored on its side.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from carseg_lib.data.boxes import Box
from carseg_lib.data.formats.base import Annotation, ImageRecord
from carseg_lib.data.formats.mask_png import MaskPng
from carseg_lib.data.masks import box_of_mask, decode_segmentation, encode_mask
from carseg_lib.data.photos import ImageError, ImageInfo

_SWAPPING = {5, 6, 7, 8}  # EXIF orientations that exchange width and height


def validate_instances(record: ImageRecord, info: ImageInfo) -> list[dict[str, Any]]:
    """Check a photo's annotations against its pixels and convert them to rows of the catalogue's instances.

    A box partly outside the photo is cut at its edge. Without a box, the mask gives it; without either, the whole
    frame. If the stated size is the photo's size before its EXIF orientation is applied, and only then, boxes and masks
    belong to the photo as stored, and are rotated with it; if the two sizes are the same, they belong to the upright
    photo.

    Args:
        record: The photo and its annotations.
        info: Size and orientation of the decoded photo.

    Returns:
        A dict per car with the keys of INSTANCE_COLUMNS.

    Raises:
        ImageError: "size mismatch", "bad box", "box outside the photo", "zero-area box", "bad mask" or "zero-area
            mask"; one bad annotation makes the photo unusable, as its car would be unlabelled.
    """
    size = (info.width, info.height)
    as_stored = (info.height, info.width) if info.orientation in _SWAPPING else size
    frame = record.stated_size or _drawn_size(record.annotations) or size
    if frame not in (size, as_stored):
        raise ImageError(
            "size mismatch", f"annotated as {frame[0]}×{frame[1]}, the photo has {info.width}×{info.height}"
        )
    orientation = info.orientation if frame != size else 1
    return [_car(record.photo_id, annotation, frame, orientation) for annotation in record.annotations]


def _car(photo_id: str, annotation: Annotation, frame: tuple[int, int], orientation: int) -> dict[str, Any]:
    width, height = frame
    mask = None
    if annotation.segmentation:  # a missing, null or empty one is no mask
        mask = _mask_of(annotation.segmentation, height, width)
        if not mask.any():
            raise ImageError("zero-area mask", f"the mask of the {annotation.body_type} has no pixels inside")
    if annotation.corners:
        box, origin = _cut_box(annotation.corners, frame, annotation.box_text), "given"
    elif annotation.bbox:
        box, origin = _checked_box(annotation.bbox, frame), "given"
    elif mask is not None:
        box, origin = box_of_mask(mask), "mask"
    else:
        box, origin = (0.0, 0.0, float(width), float(height)), "whole frame"
    if orientation != 1:
        box = _rotate_box(box, frame, orientation)
        mask = None if mask is None else _rotate_mask(mask, orientation)
    return {
        "photo_id": photo_id,
        "body_type": annotation.body_type,
        **dict(zip(("x1", "y1", "x2", "y2"), box, strict=True)),
        "mask": "" if mask is None else encode_mask(mask),
        "box_origin": origin,
        "mask_origin": "none" if mask is None else "given",
        "mask_quality": float("nan"),
    }


def _drawn_size(annotations: list[Annotation]) -> tuple[int, int] | None:
    """Width and height of the first mask in a file of its own; the boxes are taken to belong to the same frame."""
    masks = [one.segmentation for one in annotations if isinstance(one.segmentation, MaskPng)]
    return masks[0].size() if masks else None


def _mask_of(segmentation: Any, height: int, width: int) -> np.ndarray:
    if isinstance(segmentation, MaskPng):
        mask = segmentation.read()
        if mask.shape != (height, width):
            size = f"{mask.shape[1]}×{mask.shape[0]}"
            raise ImageError("bad mask", f"{segmentation.name}: has {size} pixels, the photo {width}×{height}")
        return mask
    try:
        return decode_segmentation(segmentation, height, width)
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
    if x2 <= x1 or y2 <= y1:
        raise ImageError("zero-area box", f"{written} has no width or no height")
    box = max(x1, 0.0), max(y1, 0.0), min(x2, float(frame[0])), min(y2, float(frame[1]))
    if box[0] >= box[2] or box[1] >= box[3]:
        raise ImageError("box outside the photo", f"{written} lies outside of {frame[0]}×{frame[1]}")
    if min(box[2] - box[0], box[3] - box[1]) < 1:
        raise ImageError("zero-area box", f"{written} is less than a pixel wide or high inside the photo")
    return box


def _rotate_box(box: Box, frame: tuple[int, int], orientation: int) -> Box:
    """A box on the stored photo → on the upright photo, for the orientations that swap the sides."""
    x1, y1, x2, y2 = box
    width, height = frame
    if orientation in (6, 7):
        y1, y2 = height - y2, height - y1
    if orientation in (7, 8):
        x1, x2 = width - x2, width - x1
    return y1, x1, y2, x2


def _rotate_mask(mask: np.ndarray, orientation: int) -> np.ndarray:
    if orientation in (6, 7):
        mask = mask[::-1]
    if orientation in (7, 8):
        mask = mask[:, ::-1]
    return mask.T
