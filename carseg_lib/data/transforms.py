"""The steps of the paper's preprocessing (§III, §V), each on a photo with its boxes and masks together.

A step takes and returns (image, target). Its random numbers come from a generator argument: torch's global state is
neither read nor changed. The libraries are chosen for speed on small photos: a training step waits for eight of them.

Shapes: image (H, W, 3) uint8, float32 after `Normalize`; target: boxes (N, 4) float32 pixels, masks (N, H, W) uint8 of
0 and 1, labels (N,) int64.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Generator
from torch.nn import functional as F

from carseg_lib.data.masks import box_of_mask

CROP_TRIES = 10
LUMA = np.array([0.299, 0.587, 0.114])  # a colour's brightness, ITU-R BT.601, as Pillow has it
MIN_SIDE = 2.0  # pixels; a narrower box after a transform is dropped

Target = dict[str, np.ndarray]


@dataclass(frozen=True)
class RandomObjectCrop:
    """Crop to a random part of the photo that still shows its largest car; of a photo without a car, to any part.

    The crop's aspect ratio is the photo's within a factor of 0.8 to 1.25. After `CROP_TRIES` draws that keep less than
    `min_visible` of the largest car, the photo is not cropped: a car is never lost.

    Attributes:
        scale: smallest share of the photo's area that is kept, in (0, 1]; 1 keeps the whole photo.
        min_visible: smallest share of the car's pixels that is kept, 0..1.
    """

    scale: float
    min_visible: float

    def __call__(self, image: np.ndarray, target: Target, generator: Generator) -> tuple[np.ndarray, Target]:
        """Crop at random until the car is in the crop, at most `CROP_TRIES` times."""
        masks = target["masks"]
        height, width = masks.shape[-2:]
        areas = [np.count_nonzero(mask) for mask in masks]
        car = masks[int(np.argmax(areas))] if areas else np.zeros((height, width), bool)  # no pixel to keep
        least = self.min_visible * max(areas, default=0)
        for _ in range(CROP_TRIES):
            share, stretch, y, x = torch.rand(4, generator=generator).tolist()
            area = self.scale + (1 - self.scale) * share
            aspect = 0.8 * (1.25 / 0.8) ** stretch
            h = min(height, max(1, round(height * (area / aspect) ** 0.5)))
            w = min(width, max(1, round(width * (area * aspect) ** 0.5)))
            top, left = round(y * (height - h)), round(x * (width - w))
            if np.count_nonzero(car[top : top + h, left : left + w]) >= least:
                return _crop(image, target, top, left, h, w)
        return image, target


def _crop(image: np.ndarray, target: Target, top: int, left: int, height: int, width: int) -> tuple[np.ndarray, Target]:
    rows, columns = slice(top, top + height), slice(left, left + width)
    shift = np.array([left, top, left, top], np.float32)
    boxes = (target["boxes"] - shift).clip(0, np.array([width, height, width, height], np.float32))
    return image[rows, columns], target | {"boxes": boxes, "masks": target["masks"][:, rows, columns]}


@dataclass(frozen=True)
class Resize:
    """Resize photo, boxes and masks to one height and width, pixels; the aspect ratio is not kept."""

    size: tuple[int, int]

    def __call__(self, image: np.ndarray, target: Target, generator: Generator) -> tuple[np.ndarray, Target]:
        """Resize: bilinear with antialiasing for the photo, nearest pixel for masks; not random."""
        height, width = image.shape[:2]
        scale = np.array([self.size[1] / width, self.size[0] / height] * 2, np.float32)
        return self.resize_image(image), target | {
            "boxes": target["boxes"] * scale,
            "masks": resize_masks(target["masks"], self.size),
        }

    def resize_image(self, image: np.ndarray) -> np.ndarray:
        """The resized photo, (H, W, 3) uint8: as Pillow resizes, within 1 of 255, in a third of the time."""
        planes = torch.from_numpy(np.require(image, requirements=["C", "W"])).permute(2, 0, 1)[None]
        return cv2.merge(list(F.interpolate(planes, self.size, mode="bilinear", antialias=True)[0].numpy()))


def resize_masks(masks: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Masks resized from (N, h, w) to (N, H, W): each pixel is the one of the old mask that contains its centre."""
    rows, columns = (
        ((np.arange(new) + 0.5) * (old / new)).astype(int) for new, old in zip(size, masks.shape[-2:], strict=True)
    )
    return masks.take(rows, axis=1).take(columns, axis=2)


@dataclass(frozen=True)
class RandomRotation:
    """Rotate the photo about its centre; uncovered corners are black.

    Boxes are those of the rotated masks: a rotated box would be larger than the car.

    Attributes:
        angles: degrees, one of which is chosen at random; or, with `between`, the two ends of an interval.
        between: sample uniformly from the interval.
    """

    angles: tuple[float, ...]
    between: bool = False

    def __call__(self, image: np.ndarray, target: Target, generator: Generator) -> tuple[np.ndarray, Target]:
        """Rotate with nearest-pixel sampling, torchvision's default."""
        draw = float(torch.rand(1, generator=generator))
        if self.between:
            angle = self.angles[0] + (self.angles[1] - self.angles[0]) * draw
        else:
            angle = self.angles[int(draw * len(self.angles))]
        if angle == 0:
            return image, target
        masks = np.array([_rotate(mask, angle) for mask in target["masks"]], np.uint8).reshape(-1, *image.shape[:2])
        return _rotate(image, angle), target | {"boxes": boxes_of_masks(masks), "masks": masks}


def _rotate(pixels: np.ndarray, angle: float) -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).rotate(angle, Image.Resampling.NEAREST))


@dataclass(frozen=True)
class RandomHorizontalFlip:
    """Flip left and right, with a probability."""

    probability: float

    def __call__(self, image: np.ndarray, target: Target, generator: Generator) -> tuple[np.ndarray, Target]:
        """Flip photo, boxes and masks together."""
        if float(torch.rand(1, generator=generator)) >= self.probability:
            return image, target
        boxes = target["boxes"].copy()
        boxes[:, [0, 2]] = image.shape[1] - boxes[:, [2, 0]]
        return cv2.flip(image, 1), target | {"boxes": boxes, "masks": target["masks"][..., ::-1]}


@dataclass(frozen=True)
class ColorJitter:
    """Change brightness, contrast and saturation, each by its own factor, uniform from 1 - strength to 1 + strength."""

    strength: float

    def __call__(self, image: np.ndarray, target: Target, generator: Generator) -> tuple[np.ndarray, Target]:
        """Change the photo; the target stays.

        The three changes are those of Pillow's `ImageEnhance`, each linear in a pixel's colours: together they are one
        matrix, within 1 of 255 of Pillow's result, in a quarter of the time. Values are cut to 0..255 once, at the end.
        """
        draws = torch.rand(3, generator=generator).tolist()
        brightness, contrast, saturation = (1 + self.strength * (2 * draw - 1) for draw in draws)
        grey = brightness * (LUMA @ cv2.mean(image)[:3])
        matrix = np.empty((3, 4))
        matrix[:, :3] = brightness * contrast * (saturation * np.eye(3) + (1 - saturation) * LUMA)
        matrix[:, 3] = (1 - contrast) * grey
        return cv2.transform(image, matrix), target


@dataclass(frozen=True)
class Normalize:
    """Scale 8-bit values to 0..1, subtract each channel's mean (of values in 0..1) and divide by its deviation."""

    mean: Sequence[float]
    std: Sequence[float]

    def __call__(self, image: np.ndarray, target: Target, generator: Generator) -> tuple[np.ndarray, Target]:
        """Normalize the photo; the target stays; not random."""
        return self.normalize_image(image), target

    def normalize_image(self, image: np.ndarray) -> np.ndarray:
        """The normalized photo: (H, W, 3) uint8 → float32."""
        height, width, _ = image.shape
        std = np.array(self.std, np.float32)
        scale, shift = 1 / (255 * std), np.array(self.mean, np.float32) / std
        # full rows: NumPy is ten times slower on rows of three channels
        rows = np.multiply(image.reshape(height, -1), np.tile(scale, width), dtype=np.float32)
        return np.subtract(rows, np.tile(shift, width), out=rows).reshape(height, width, 3)


Transform = RandomObjectCrop | Resize | RandomRotation | RandomHorizontalFlip | ColorJitter | Normalize


def sanitize_boxes(target: Target) -> Target:
    """A target (boxes (N, 4), masks (N, H, W), labels (N,)) with boxes cut to the photo, without cars outside it."""
    masks = target["masks"]
    height, width = masks.shape[-2:]
    boxes = target["boxes"].clip(0, np.array([width, height, width, height], np.float32))
    wide = ((boxes[:, 2:] - boxes[:, :2]) >= MIN_SIDE).all(1)
    keep = wide & np.array([mask.any() for mask in masks], bool)
    return {"boxes": boxes[keep], "masks": masks[keep], "labels": target["labels"][keep]}


def empty_target(size: tuple[int, int]) -> Target:
    """The target of a photo without a car: boxes (0, 4), masks (0, H, W), labels (0,).

    Args:
        size: Height and width of the photo, pixels.
    """
    return {
        "boxes": np.zeros((0, 4), np.float32),
        "masks": np.zeros((0, *size), np.uint8),
        "labels": np.zeros(0, np.int64),
    }


def boxes_of_masks(masks: np.ndarray) -> np.ndarray:
    """The boxes of masks (N, H, W): (N, 4) float32, far edges exclusive; zeros for an empty mask."""
    empty = (0.0, 0.0, 0.0, 0.0)
    return np.array([box_of_mask(mask) if mask.any() else empty for mask in masks], np.float32).reshape(-1, 4)
