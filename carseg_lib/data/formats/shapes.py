"""Shapes that annotation programs draw besides boxes and polygons, as polygons; all in pixels."""

from __future__ import annotations

import math
from typing import Any

from carseg_lib.data.boxes import Box

_CORNERS = 180  # of the polygon in place of an ellipse: 0.02% less than its area


def ellipse(x: float, y: float, rx: float, ry: float, degrees: float = 0.0) -> list[float]:
    """A polygon in place of an ellipse, [x1, y1, x2, y2, ...].

    Args:
        x: Of its centre.
        y: Of its centre.
        rx: Radius along its own x.
        ry: Radius along its own y.
        degrees: By which it is turned, clockwise on the screen.
    """
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    points = []
    for k in range(_CORNERS):
        angle = 2 * math.pi * k / _CORNERS
        u, v = rx * math.cos(angle), ry * math.sin(angle)
        points += [x + u * cos - v * sin, y + u * sin + v * cos]
    return points


def turned_box(box: Box, degrees: float, about: tuple[float, float] | None = None) -> Box:
    """The upright box around a box that is turned clockwise, about its centre or another point."""
    x1, y1, x2, y2 = box
    x, y = about or ((x1 + x2) / 2, (y1 + y2) / 2)
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    corners = [(u - x, v - y) for u in (x1, x2) for v in (y1, y2)]
    xs = [x + u * cos - v * sin for u, v in corners]
    ys = [y + u * sin + v * cos for u, v in corners]
    return min(xs), min(ys), max(xs), max(ys)


def ordered(x1: float, y1: float, x2: float, y2: float) -> Box:
    """A box of two corners, whichever of its diagonals they end."""
    return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)


def numbers(*values: Any) -> tuple[float, ...]:
    """Numbers, also as text; NaN where one is none: the box or polygon is then refused with its photo."""
    found = []
    for value in values:
        try:
            found.append(math.nan if isinstance(value, bool) else float(value))
        except (TypeError, ValueError):
            found.append(math.nan)
    return tuple(found)
