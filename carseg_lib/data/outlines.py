"""Masks as polygons for programs that know no run lengths: of which `polygons_to_mask` makes the same mask again.

An outline runs a quarter of a pixel inside the mask's border, so that every pixel's centre is on its own side. A hole
is joined to the outline around it by a slit of no width, as polygons have no holes.
"""

from __future__ import annotations

import cv2
import numpy as np
from scipy.spatial import cKDTree

_FINER = 2  # the mask is enlarged so many times before its border is followed
_TOLERANCE = 0.3  # pixels of the photo by which an outline may leave the border that it follows


def mask_outlines(mask: np.ndarray) -> list[list[float]]:
    """The polygons of a mask, one for each connected part, in pixels of the photo.

    Args:
        mask: Bool (height, width).

    Returns:
        Each [x1, y1, x2, y2, ...], the largest part first; none of an empty mask.
    """
    rings = [_joined(outline, holes) for outline, holes in _parts(mask)]
    return [ring.ravel().tolist() for ring in rings]


def mask_outline(mask: np.ndarray) -> list[float]:
    """One polygon of a mask: as `mask_outlines`, the parts joined by slits of no width.

    Raises:
        ValueError: The mask is empty.
    """
    if not mask.any():
        raise ValueError("the mask has no pixels inside")
    first, *others = [_joined(outline, holes) for outline, holes in _parts(mask)]
    return _joined(first, others).ravel().tolist()


def _parts(mask: np.ndarray) -> list[tuple[np.ndarray, list[np.ndarray]]]:
    """The outline (N, 2) of each connected part, and of the holes in it, the largest part first."""
    finer = np.repeat(np.repeat(mask.astype(np.uint8), _FINER, axis=0), _FINER, axis=1)
    found, tree = cv2.findContours(finer, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    rings = [(_simplified(ring[:, 0]) + 0.5) / _FINER for ring in found]
    parts: dict[int, list[np.ndarray]] = {}
    for k, (_, _, _, outer) in enumerate(tree[0] if len(found) else []):
        if outer < 0:
            parts.setdefault(k, [])
        else:
            parts.setdefault(int(outer), []).append(rings[k])
    order = sorted(parts, key=lambda k: -cv2.contourArea(found[k]))
    return [(rings[k], parts[k]) for k in order]


def _simplified(ring: np.ndarray) -> np.ndarray:
    """A closed ring (N, 2) with fewer points: no pixel's centre changes sides."""
    simple = cv2.approxPolyDP(ring[:, None], _TOLERANCE * _FINER, closed=True)[:, 0]
    return simple if len(simple) >= 3 else ring


def _joined(ring: np.ndarray, others: list[np.ndarray]) -> np.ndarray:
    """A ring that goes on to each of the others and back, where they are nearest: (N, 2)."""
    for other in others:
        distances, places = cKDTree(ring).query(other)
        there = int(distances.argmin())
        here, turned = int(places[there]), np.roll(other, -there, axis=0)
        ring = np.concatenate([ring[: here + 1], turned, turned[:1], ring[here:]])
    return ring
