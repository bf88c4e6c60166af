"""A photo's labelled cars, checked against its pixels: what every source's annotations become.

Boxes are cut at the photo's edge, masks decoded, both turned with a photo that is stored on its side.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from carseg_lib.data.formats.base import Annotation, ImageRecord
from carseg_lib.data.formats.mask_png import MaskPng
from carseg_lib.data.masks import box_of_mask, decode_segmentation, encode_mask
from carseg_lib.data.photos import ImageError, ImageInfo

_SWAPPING = {5, 6, 7, 8}  # EXIF orientations that exchange width and height


def validate_instances(listed: ImageRecord, facts: ImageInfo) -> list[dict[str, Any]]:
    """Check a photo's annotations against its pixels and turn them into rows of the catalogue's instances.

    A box partly outside the photo is cut at its edge. Without a box, the mask gives it; without either, the
    whole frame. If the stated size is the photo's size before its EXIF orientation is applied, and only then,
    boxes and masks are taken to be drawn on the photo as stored, and are turned with it; if the two sizes are
    the same, they belong to the photo as seen.

    Args:
        listed: The photo and its annotations.
        facts: Of the decoded photo.

    Returns:
        A dict per car with the keys of INSTANCE_COLUMNS.

    Raises:
        BadPhoto: "size mismatch", "bad box", "box outside the photo", "zero-area box", "bad mask" or
            "zero-area mask"; one bad annotation makes the photo unusable, as its car would be unlabelled.
    """
    size = (facts.width, facts.height)
    as_stored = (facts.height, facts.width) if facts.orientation in _SWAPPING else size
    frame = listed.stated_size or _drawn_size(listed.annotations) or size
    if frame not in (size, as_stored):
        raise ImageError(
            "size mismatch", f"annotated as {frame[0]}×{frame[1]}, the photo has {facts.width}×{facts.height}"
        )
    turn = facts.orientation if frame != size else 1
    return [_car(listed.photo_id, annotation, frame, turn) for annotation in listed.annotations]


def _car(photo_id: str, annotation: Annotation, frame: tuple[int, int], turn: int) -> dict[str, Any]:
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
    if turn != 1:
        box = _turn_box(box, frame, turn)
        mask = None if mask is None else _turn_mask(mask, turn)
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
    """Width and height of the first mask that lies in a file: boxes beside it are taken to be drawn on the same."""
    masks = [one.segmentation for one in annotations if isinstance(one.segmentation, MaskPng)]
    return masks[0].size() if masks else None


def _mask_of(segmentation: Any, height: int, width: int) -> np.ndarray:
    if isinstance(segmentation, MaskPng):
        mask = segmentation.read()
        if mask.shape != (height, width):
            size = f"{mask.shape[1]}×{mask.shape[0]}"
            raise ImageError(
                "bad mask", f"{segmentation.name}: has {size} pixels, the photo {width}×{height}"
            )
        return mask
    try:
        return decode_segmentation(segmentation, height, width)
    except ValueError as error:
        raise ImageError("bad mask", str(error)) from None


def _checked_box(bbox: Any, frame: tuple[int, int]) -> tuple[float, float, float, float]:
    """COCO [x, y, width, height] → (x1, y1, x2, y2) cut at the frame."""
    numbers = isinstance(bbox, list) and len(bbox) == 4 and all(type(v) in (int, float) for v in bbox)
    if not numbers or not all(math.isfinite(v) for v in bbox):
        raise ImageError("bad box", f"{str(bbox)[:60]} is not [x, y, width, height]")
    x, y, w, h = map(float, bbox)
    return _cut_box((x, y, x + w, y + h), frame, str(bbox))


def _cut_box(
    corners: tuple[float, float, float, float], frame: tuple[int, int], written: str
) -> tuple[float, float, float, float]:
    """A box cut at the frame; `written` is how the source says it."""
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


def _turn_box(
    box: tuple[float, float, float, float], frame: tuple[int, int], orientation: int
) -> tuple[float, float, float, float]:
    """A box on the stored photo → on the upright photo, for the orientations that swap the sides."""
    x1, y1, x2, y2 = box
    width, height = frame
    if orientation in (6, 7):
        y1, y2 = height - y2, height - y1
    if orientation in (7, 8):
        x1, x2 = width - x2, width - x1
    return y1, x1, y2, x2


def _turn_mask(mask: np.ndarray, orientation: int) -> np.ndarray:
    if orientation in (6, 7):
        mask = mask[::-1]
    if orientation in (7, 8):
        mask = mask[:, ::-1]
    return mask.T
