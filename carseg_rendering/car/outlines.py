"""Outlines of a car in plan, as seen from above: rounded rectangles, their normals, points in them."""

from __future__ import annotations

import numpy as np

from carseg_rendering.geometry.meshes import Array


def outline(front: float, rear: float, half_width: float, exponents: tuple[float, float], count: int) -> Array:
    """Half a rounded rectangle in plan, from its front middle round the left to its rear middle.

    Args:
        front: x of the front.
        rear: x of the rear, less than front.
        half_width: Half the width, reached midway.
        exponents: Exponents of the superellipse in the front and in the rear half; 2 is an ellipse.
        count: Number of points.

    Returns:
        (count, 2), points (x, y) at equal steps along the curve.
    """
    angle = np.linspace(0, np.pi, 4001)
    cos, sin = np.cos(angle), np.sin(angle)
    exponent = np.where(cos > 0, exponents[0], exponents[1])
    middle, half = (front + rear) / 2, (front - rear) / 2
    x = middle + half * np.sign(cos) * np.abs(cos) ** (2 / exponent)
    y = half_width * np.abs(sin) ** (2 / exponent)
    y[[0, -1]] = 0
    along = np.concatenate([[0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])
    steps = np.linspace(0, along[-1], count)
    return np.stack([np.interp(steps, along, x), np.interp(steps, along, y)], -1)


def inward(points: Array) -> Array:
    """Unit normals (N, 2) of an outline's points that point into it."""
    tangent = np.gradient(points, axis=0)
    normal = np.stack([tangent[:, 1], -tangent[:, 0]], -1)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    normal[[0, -1]] = [[-1.0, 0.0], [1.0, 0.0]]
    middle = points[:, 0].mean()
    away = ((points - [middle, 0.0]) * normal).sum(axis=1) > 0
    normal = np.where(away[:, None], -normal, normal)
    # smoothed, so that curves moved inwards by more than a corner's radius do not fold over
    window = np.hanning(max(3, len(points) // 16) + 2)[1:-1]
    mirrored = np.concatenate(
        [normal[1 : len(window)][::-1] * [1, -1], normal, normal[-len(window) : -1][::-1] * [1, -1]]
    )
    smoothed = np.stack([np.convolve(mirrored[:, i], window / window.sum(), mode="same") for i in (0, 1)], -1)
    normal = smoothed[len(window) - 1 : len(window) - 1 + len(points)]
    return normal / np.linalg.norm(normal, axis=1, keepdims=True)


def inside(polygon: Array, points: Array) -> Array:
    """Whether points (N, 2) lie in a closed polygon (M, 2), by the even-odd rule."""
    found = np.zeros(len(points), dtype=bool)
    x, y = points[:, 0], points[:, 1]
    for (x1, y1), (x2, y2) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        crosses = (y1 > y) != (y2 > y)
        found ^= crosses & (x < (x2 - x1) * (y - y1) / (y2 - y1 + 1e-30) + x1)
    return found
