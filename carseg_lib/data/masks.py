"""Masks: COCO run-length codes, polygons, and the boxes that masks imply.

A mask is a boolean array (height, width). In tables it is a COCO compressed run-length string
("counts", column by column); the photo's width and height complete it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from faster_coco_eval.core import mask as coco_mask

# A polygon point may lie outside the photo, but not so far that drawing the line to it exhausts the memory.
_FARTHEST_POINT = 10.0  # photo sides


def encode_mask(mask: np.ndarray) -> str:
    """A mask (height, width), bool or 0/1, as COCO compressed run-length counts, of which `decode_mask` makes it again.

    Raises:
        ValueError: The array is not two-dimensional or has no pixels.
    """
    if mask.ndim != 2 or mask.size == 0:
        raise ValueError(f"a mask is (height, width) with at least one pixel, got shape {mask.shape}")
    return coco_mask.encode(np.asfortranarray(mask.astype(bool).view(np.uint8)))["counts"].decode("ascii")


def decode_mask(counts: str, height: int, width: int) -> np.ndarray:
    """The mask of COCO compressed run-length counts: bool array (height, width), C order.

    Raises:
        ValueError: The counts are malformed or do not cover height × width pixels.
    """
    try:
        mask = coco_mask.decode(_rle(counts, height, width))
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"run lengths do not make a mask of {width}×{height} pixels ({error})") from error
    return np.ascontiguousarray(mask).view(bool)


def mask_iou(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two bool masks of one size, 0..1; 0 if both are empty."""
    union = np.count_nonzero(a | b)
    return np.count_nonzero(a & b) / union if union else 0.0


def mask_area(counts: str, height: int, width: int) -> int:
    """Number of pixels inside a mask given by its counts (not checked against the size)."""
    return int(coco_mask.area(_rle(counts, height, width)))


def box_of_mask(mask: np.ndarray) -> tuple[float, float, float, float]:
    """The smallest box (x1, y1, x2, y2) around all pixels of a mask, bool (height, width).

    x2 and y2 are the far edges of the last pixels: a mask of one pixel has a box of 1 × 1, and x2 - x1 is a width.

    Raises:
        ValueError: The mask is empty.
    """
    columns = np.flatnonzero(mask.any(axis=0))
    rows = np.flatnonzero(mask.any(axis=1))
    if len(columns) == 0:
        raise ValueError("the mask has no pixels inside")
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


def polygons_to_mask(polygons: Sequence[Sequence[float]], height: int, width: int) -> np.ndarray:
    """The mask of COCO polygons, bool array (height, width); a pixel is inside if it is inside any of them.

    Args:
        polygons: Each [x1, y1, x2, y2, ...] in pixels, at least three points. Points may lie outside.
        height: Height of the photo, pixels.
        width: Width of the photo, pixels.

    Raises:
        ValueError: No polygon, an odd number of coordinates, fewer than three points, or a coordinate that is not a
            finite number or lies more than ten photo sides away.
    """
    if not polygons:
        raise ValueError("no polygon given")
    checked = [_checked_polygon(polygon, height, width) for polygon in polygons]
    return np.ascontiguousarray(coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(checked, height, width)))).view(
        bool
    )


def decode_segmentation(segmentation: object, height: int, width: int) -> np.ndarray:
    """The mask of a COCO `segmentation`, bool array (height, width).

    Args:
        segmentation: A list of polygons, or {"size": [height, width], "counts": str or list of int}.
        height: Height that the photo has, pixels.
        width: Width that the photo has, pixels.

    Raises:
        ValueError: It is none of these forms, or its size is not the photo's.
    """
    if isinstance(segmentation, list):
        return polygons_to_mask(segmentation, height, width)
    if not isinstance(segmentation, dict) or "counts" not in segmentation:
        raise ValueError("the segmentation is neither polygons nor run lengths")
    if segmentation.get("size") not in ([height, width], (height, width)):
        raise ValueError(f"mask size {segmentation.get('size')} is not the photo's [{height}, {width}]")
    counts = segmentation["counts"]
    if isinstance(counts, str):
        return decode_mask(counts, height, width)
    return _decode_run_lengths(counts, height, width)


def _decode_run_lengths(counts: object, height: int, width: int) -> np.ndarray:
    """Uncompressed run lengths (first run outside), column by column → bool array (height, width)."""
    if not isinstance(counts, list) or any(type(run) is not int or run < 0 for run in counts):
        raise ValueError("run lengths are whole numbers from 0 up")
    if sum(counts) != height * width:
        raise ValueError(f"run lengths sum to {sum(counts)}, the photo has {height * width} pixels")
    flat = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    return np.ascontiguousarray(flat.reshape(width, height).T)


def _checked_polygon(polygon: object, height: int, width: int) -> list[float]:
    try:
        points = np.asarray(polygon, dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError("a polygon is a list of numbers") from error
    if points.ndim != 1 or points.size < 6 or points.size % 2:
        raise ValueError(f"a polygon is x, y pairs of at least three points, got {points.size} numbers")
    if not (np.abs(points) <= _FARTHEST_POINT * max(height, width)).all():  # also false for NaN
        raise ValueError("a polygon point is not a number or lies far outside the photo")
    return points.tolist()


def _rle(counts: str, height: int, width: int) -> dict[str, object]:
    return {"size": [int(height), int(width)], "counts": counts}
