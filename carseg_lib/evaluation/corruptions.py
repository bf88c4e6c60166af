"""Eight corruptions of a photo at five severities each, and rotation: what a model may meet and was not shown.

After Hendrycks & Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations"
(ICLR 2019, arXiv:1903.12261). The severities are the numbers of the code that made their ImageNet-C, which were chosen
for photos of 224 × 224 pixels: this study's size too. Lengths in pixels grow with the shorter side of a photo. The
corruptions are applied to the resized photo, as there, and differ from theirs in this:

- Motion blur: ImageMagick's kernel (half a Gaussian along a line) is built here, and applied by OpenCV.
- Fog: octaves of smooth noise whose amplitudes fall as those of their diamond-square algorithm.
- The result is not saved as a JPEG of quality 85 afterwards, so each corruption stands alone.

A corruption of a photo depends on (seed, corruption, photo_id) alone, and takes the same random numbers at each
severity: of two severities the stronger shows the same noise, larger. Images are (H, W, 3) uint8, RGB.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from PIL import Image

SEVERITIES = (1, 2, 3, 4, 5)
# Columns of the tables of `evaluation.robustness`, by dtype.
_NUMBERS = {
    "n": "int64",
    **{
        f"{name}{end}": "float64"
        for name in ("accuracy", "difference", "no_car_found")
        for end in ("", "_low", "_high")
    },
    "p_value": "float64",
    "p_holm": "float64",
}
CORRUPTION_COLUMNS = {"corruption": "str", "severity": "int64", "level": "str", **_NUMBERS}  # of corruptions.csv
ROTATION_COLUMNS = {"photo": "str", "angle": "int64", **_NUMBERS}  # of rotation.csv
_SIDE = 224  # pixels, of the photos that the severities were chosen for
_OCTAVES = 8  # of the fog: clouds of 112 down to 2 pixels


@dataclass(frozen=True)
class Corruption:
    """One kind of corruption.

    Attributes:
        title: For people.
        parameter: What `levels` holds, with its unit.
        levels: The parameter at severities 1 to 5.
        apply: (image uint8, one of the levels, random numbers) → image, uint8 or float 0..255, of the same shape.
    """

    title: str
    parameter: str
    levels: tuple[Any, ...]
    apply: Callable[[np.ndarray, Any, np.random.Generator], np.ndarray]


def corrupt(image: np.ndarray, name: str, severity: int, *, seed: int, photo_id: str) -> np.ndarray:
    """A corrupted photo.

    Args:
        image: (H, W, 3) uint8.
        name: One of `CORRUPTIONS`.
        severity: 1 (weakest) to 5.
        seed: Of the random numbers.
        photo_id: Of the photo; each photo has random numbers of its own.

    Returns:
        (H, W, 3) uint8, a new array.
    """
    corruption = CORRUPTIONS[name]
    from carseg_lib.data.dataset import sample_seed  # here: with torch, which the report needs not

    rng = np.random.default_rng(sample_seed(seed, 0, f"{name} {photo_id}"))
    changed = corruption.apply(image, corruption.levels[SEVERITIES.index(severity)], rng)
    return np.rint(np.clip(changed, 0, 255)).astype(np.uint8)


def rotate(image: np.ndarray, angle: float) -> np.ndarray:
    """A photo turned about its centre, counter-clockwise, by nearest pixel, as training's rotation does it.

    Args:
        image: (H, W, 3) uint8.
        angle: Degrees.

    Returns:
        (H, W, 3) uint8; corners that the photo does not reach are black.
    """
    return np.asarray(Image.fromarray(image).rotate(angle, Image.Resampling.NEAREST))


def blacken_corners(image: np.ndarray, angle: float) -> np.ndarray:
    """A photo that is not turned, black where a rotation by `angle` degrees would be: what the corners alone cost."""
    return image * rotate(np.ones_like(image), angle)


def _gaussian_noise(image: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    return image + 255 * sigma * rng.standard_normal(image.shape, np.float32)


def _defocus_blur(image: np.ndarray, level: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    radius, softness = (part * _scale(image) for part in level)
    reach = max(8, int(np.ceil(radius)))  # room for the softened edge, as in the original
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    kernel = (x**2 + y**2 <= radius**2).astype(np.float32)
    kernel /= kernel.sum()
    side = 3 if radius <= 8 else 5
    return cv2.filter2D(image.astype(np.float32), -1, cv2.GaussianBlur(kernel, (side, side), softness))


def _motion_blur(image: np.ndarray, level: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    radius, sigma = (part * _scale(image) for part in level)
    angle = np.deg2rad(rng.uniform(-45, 45))
    steps = np.arange(2 * round(radius) + 1)
    weights = np.exp(-(steps**2) / (2 * sigma**2))
    reach = 2 * round(radius) + 1
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
    for weight, x, y in zip(weights, steps * np.cos(angle) + reach, steps * np.sin(angle) + reach, strict=True):
        left, top = int(x), int(y)  # each point of the line is shared by the four pixels around it
        for row, column in ((top, left), (top, left + 1), (top + 1, left), (top + 1, left + 1)):
            kernel[row, column] += weight * (1 - abs(y - row)) * (1 - abs(x - column))
    return cv2.filter2D(image.astype(np.float32), -1, kernel / kernel.sum())


def _fog(image: np.ndarray, level: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    strength, decay = level
    height, width = image.shape[:2]
    side = max(height, width)
    plasma = np.zeros((side, side), np.float32)
    for octave in range(1, _OCTAVES):
        cells = rng.uniform(-1, 1, (2**octave + 1, 2**octave + 1)).astype(np.float32)
        plasma += cv2.resize(cells, (side, side), interpolation=cv2.INTER_LINEAR) / decay ** (2 * octave)
    plasma = (plasma - plasma.min()) / np.ptp(plasma)
    top = float(image.max()) / 255
    return (image + 255 * strength * plasma[:height, :width, None]) * top / (top + strength)


def _brightness(image: np.ndarray, more: float, rng: np.random.Generator) -> np.ndarray:
    """The value of HSV, a pixel's largest channel, raised: hue and saturation stay."""
    value = cv2.max(cv2.max(image[..., 0], image[..., 1]), image[..., 2])[..., None].astype(np.float32)
    raised = np.minimum(value + 255 * more, 255)
    return np.where(value > 0, image * (raised / np.maximum(value, 1)), raised)


def _contrast(image: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    mean = np.array(cv2.mean(image)[:3], np.float32)
    return image * np.float32(share) + (1 - np.float32(share)) * mean


def _jpeg(image: np.ndarray, quality: int, rng: np.random.Generator) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def _pixelate(image: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    photo = Image.fromarray(image)
    small = photo.resize((max(1, int(photo.width * share)), max(1, int(photo.height * share))), Image.Resampling.BOX)
    return np.asarray(small.resize(photo.size, Image.Resampling.BOX))


def _scale(image: np.ndarray) -> float:
    return min(image.shape[:2]) / _SIDE


CORRUPTIONS: dict[str, Corruption] = {
    "gaussian_noise": Corruption(
        "Gaussian noise", "standard deviation, share of full scale", (0.08, 0.12, 0.18, 0.26, 0.38), _gaussian_noise
    ),
    "defocus_blur": Corruption(
        "Defocus blur",
        "radius of the disk and softness of its edge, pixels",
        ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
        _defocus_blur,
    ),
    "motion_blur": Corruption(
        "Motion blur",
        "radius and standard deviation of the trail, pixels",
        ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
        _motion_blur,
    ),
    "fog": Corruption(
        "Fog",
        "strength, and decay of the amplitude by octave",
        ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)),
        _fog,
    ),
    "brightness": Corruption("Brightness", "added to the value of HSV, 0 to 1", (0.1, 0.2, 0.3, 0.4, 0.5), _brightness),
    "contrast": Corruption("Low contrast", "share of the contrast that is kept", (0.4, 0.3, 0.2, 0.1, 0.05), _contrast),
    "jpeg": Corruption("JPEG", "quality, 1 to 95", (25, 18, 15, 10, 7), _jpeg),
    "pixelate": Corruption(
        "Pixelation", "share of the pixels' rows that is kept", (0.6, 0.5, 0.4, 0.3, 0.25), _pixelate
    ),
}
