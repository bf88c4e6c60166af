"""Removes the path tracer's noise from a picture, guided by the exact geometry.

A weighted mean over each pixel's neighbourhood (a cross bilateral filter: Eisemann & Durand 2004,
doi:10.1145/1015706.1015778): neighbours have a large weight if they show the same part, in the same direction, in
similar light. Guides come from exact rays and have no noise, so that edges stay sharp. The camera adds a photo's own
grain later.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from carseg_rendering.geometry.meshes import Array

REACH = 3  # pixels to each side
LIGHT = 0.55  # difference of the prefiltered light, in its logarithm, at which a neighbour counts for exp(-1/2)
LUMA = np.array([0.2126, 0.7152, 0.0722])


def denoise(light: Array, guide: Array) -> Array:
    """Remove noise from a picture.

    Args:
        light: (H, W, 3) linear, not negative.
        guide: (H, W, G) free of noise; neighbours at a distance of 1 in it count for exp(-1/2).

    Returns:
        (H, W, 3) float32.
    """
    light = np.maximum(np.asarray(light, dtype=np.float32), 0.0)
    level = max(float(np.median(light @ LUMA.astype(np.float32))), 1e-6)
    # noise is skewed: a mean of square roots is not drawn up by rare bright paths as much
    root = np.sqrt(light)
    rough = ndimage.median_filter(np.log(light @ LUMA.astype(np.float32) + 0.05 * level), size=3, mode="nearest")
    features = np.concatenate([guide.astype(np.float32), rough[..., None] / np.float32(LIGHT)], axis=-1)
    total, weights = np.zeros_like(root), np.zeros(root.shape[:2], dtype=np.float32)
    padded, there = _padded(root), _padded(features)
    height, width = root.shape[:2]
    for dy in range(2 * REACH + 1):
        for dx in range(2 * REACH + 1):
            away = ((dy - REACH) ** 2 + (dx - REACH) ** 2) / (2 * 2.0**2)
            other = there[dy : dy + height, dx : dx + width]
            weight = np.exp(-0.5 * ((features - other) ** 2).sum(-1) - away)
            total += weight[..., None] * padded[dy : dy + height, dx : dx + width]
            weights += weight
    return (total / weights[..., None]) ** 2


def _padded(values: Array) -> Array:
    return np.pad(values, ((REACH, REACH), (REACH, REACH), (0, 0)), mode="edge")
