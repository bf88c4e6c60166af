"""Outlines of masks as paths of SVG, small enough that a page can hold those of a thousand photos."""

from __future__ import annotations

import cv2
import numpy as np

from carseg_lib.data.masks import decode_mask

_TOLERANCE = 0.8  # units of the drawing: no point of an outline is further from the mask's edge
_FINE = 4  # steps of a unit in which edges are followed
_SMALLEST = 6.0  # area in units: specks below it are not drawn


def drawing_size(width: int, height: int, longest: int) -> tuple[int, int]:
    """The size of the drawing over a photo: the photo's own, or smaller so that no side exceeds `longest`.

    Args:
        width: of the photo, pixels.
        height: of the photo, pixels.
        longest: units.
    """
    scale = min(1.0, longest / max(width, height))
    return max(1, round(scale * width)), max(1, round(scale * height))


def mask_outline(counts: str, width: int, height: int, size: tuple[int, int]) -> str:
    """The outline of a mask as the `d` of an SVG path: whole numbers, relative to the point before; "" of no mask.

    Every part of the mask and every hole in it is a closed line of its own.

    Args:
        counts: COCO run lengths of the mask.
        width: of the photo, pixels.
        height: of the photo, pixels.
        size: of the drawing, from `drawing_size`.

    Raises:
        ValueError: The counts do not make a mask of the photo's size.
    """
    if not counts:
        return ""
    mask = 255 * decode_mask(counts, height, width).astype(np.uint8)
    # Blurred by a unit and interpolated, the steps between pixels become slopes, which need fewer points.
    coarse = cv2.resize(mask, size, interpolation=cv2.INTER_AREA)
    coarse = cv2.GaussianBlur(coarse, (0, 0), 1, borderType=cv2.BORDER_REPLICATE)
    fine = cv2.resize(coarse, (_FINE * size[0], _FINE * size[1]), interpolation=cv2.INTER_LINEAR)
    lines, _ = cv2.findContours((fine > 127).astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    parts = []
    for line in lines:
        if cv2.contourArea(line) < _FINE**2 * _SMALLEST:
            continue
        points = np.rint(cv2.approxPolyDP(line, _FINE * _TOLERANCE, True).reshape(-1, 2) / _FINE).astype(int)
        parts.append(_path(points))
    return "".join(parts)


def _path(points: np.ndarray) -> str:
    """A closed line through points (n, 2)."""
    steps = np.diff(points, axis=0)
    steps = steps[(steps != 0).any(axis=1)]
    moves = "".join(f"{_signed(x)}{_signed(y)}" for x, y in steps.tolist())
    return f"M{points[0][0]} {points[0][1]}l{moves.removeprefix(' ')}z" if moves else ""


def _signed(value: int) -> str:
    """A number of a path: a minus sign parts it from the number before, else a space does."""
    return str(value) if value < 0 else f" {value}"
