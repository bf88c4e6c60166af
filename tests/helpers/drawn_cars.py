"""Small drawn photos of four kinds of cars, with exact boxes and masks, for the tests.

The four are made to be told apart at a glance: a tall box (suv), three boxes (sedan), a low open body with
people in it (convertible), a long one-box van (minivan). The same seed draws the same files.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from carseg_lib.data.masks import box_of_mask, encode_mask

TYPES = ("suv", "sedan", "convertible", "minivan")
SPLITS = ("train", "validation", "test")

# Outlines: x in car lengths (front at 0), y in car lengths above the ground; painted in order.
_BODIES = {
    "suv": [[(0, 0.1), (0, 0.33), (0.2, 0.36), (0.27, 0.56), (1, 0.56), (1, 0.1)]],
    "sedan": [[(0, 0.08), (0, 0.2), (0.27, 0.23), (0.4, 0.37), (0.66, 0.37), (0.78, 0.23), (1, 0.22), (1, 0.08)]],
    "convertible": [
        [(0, 0.07), (0, 0.18), (0.3, 0.2), (1, 0.2), (1, 0.07)],
        [(0.3, 0.2), (0.38, 0.31), (0.4, 0.31), (0.34, 0.2)],
    ],
    "minivan": [[(0, 0.08), (0, 0.16), (0.24, 0.45), (1, 0.45), (1, 0.08)]],
}
_WINDOWS = {
    "suv": [
        [(0.27, 0.37), (0.33, 0.52), (0.58, 0.52), (0.58, 0.37)],
        [(0.62, 0.37), (0.62, 0.52), (0.95, 0.52), (0.95, 0.37)],
    ],
    "sedan": [[(0.33, 0.24), (0.42, 0.34), (0.64, 0.34), (0.72, 0.24)]],
    "convertible": [],
    "minivan": [
        [(0.14, 0.28), (0.25, 0.42), (0.42, 0.42), (0.42, 0.28)],
        [(0.47, 0.28), (0.47, 0.42), (0.95, 0.42), (0.95, 0.28)],
    ],
}
_HEADS = {"convertible": [(0.5, 0.25), (0.68, 0.25)]}
_WHEELS = {"suv": 0.12, "sedan": 0.09, "convertible": 0.08, "minivan": 0.09}
_LENGTH = {"suv": (0.52, 0.68), "sedan": (0.6, 0.8), "convertible": (0.6, 0.8), "minivan": (0.7, 0.9)}  # photo widths


def draw_car(body_type: str, size: tuple[int, int], rng: np.random.Generator) -> tuple[Image.Image, np.ndarray]:
    """One photo (RGB, size = width, height) and the exact mask of its car, bool (height, width)."""
    width, height = size
    photo = _background(size, rng)
    mask = Image.new("L", size)
    tallest = max(y for outline in _BODIES[body_type] for _, y in outline)
    length = min(rng.uniform(*_LENGTH[body_type]) * width, 0.85 * height / tallest)
    left = rng.uniform(0.03 * width, 0.97 * width - length)
    ground = rng.uniform(max(0.7 * height, (tallest + 0.02) * length), 0.95 * height)
    faces_right = rng.random() < 0.5

    def place(x: float, y: float) -> tuple[float, float]:
        return left + length * (1 - x if faces_right else x), ground - length * y

    def circle(x: float, y: float, radius: float) -> list[float]:
        cx, cy = place(x, y)
        return [cx - radius * length, cy - radius * length, cx + radius * length, cy + radius * length]

    paint = tuple(int(v) for v in rng.integers(20, 256, 3))
    painter, shape = ImageDraw.Draw(photo), ImageDraw.Draw(mask)
    for x, y in _HEADS.get(body_type, []):
        painter.ellipse(circle(x, y, 0.05), fill=(205, 160, 130))
        shape.ellipse(circle(x, y, 0.05), fill=255)
    for outline in _BODIES[body_type]:
        painter.polygon([place(*p) for p in outline], fill=paint)
        shape.polygon([place(*p) for p in outline], fill=255)
    for outline in _WINDOWS[body_type]:
        painter.polygon([place(*p) for p in outline], fill=(150, 190, 215))
    for x in (0.2, 0.8):
        painter.ellipse(circle(x, _WHEELS[body_type], _WHEELS[body_type]), fill=(15, 15, 15))
        shape.ellipse(circle(x, _WHEELS[body_type], _WHEELS[body_type]), fill=255)
        painter.ellipse(circle(x, _WHEELS[body_type], _WHEELS[body_type] / 2), fill=(170, 170, 170))
    return photo, np.asarray(mask) > 0


def make_background(folder: Path, number: int, size: tuple[int, int] = (240, 160), seed: int = 100) -> list[Path]:
    """Draw photos without a car, road-00.jpg ..., into a folder; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"road-{k:02d}.jpg" for k in range(number)]
    for k, path in enumerate(paths):
        _background(size, np.random.default_rng([seed, k])).save(path, quality=92)
    return paths


def add_unlabelled(folder: Path, split: str, number: int, seed: int = 100) -> None:
    """Add drawn photos without an annotation to a split of a COCO folder that `make_car_photos` made."""
    path = folder / "annotations" / f"{split}.json"
    content = json.loads(path.read_text())
    photos = make_background(folder / "images" / split / "roads", number, seed=seed)
    content["images"] += [
        {"id": 10_000 + k, "file_name": photo.relative_to(folder / "images").as_posix()}
        for k, photo in enumerate(photos)
    ]
    path.write_text(json.dumps(content))


def _background(size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """A soft random scene over a plain road, with grain."""
    width, height = size
    coarse = rng.integers(90, 256, (4, 6, 3), dtype=np.uint8)
    scene = np.asarray(Image.fromarray(coarse).resize(size, Image.Resampling.BILINEAR), dtype=np.int16).copy()
    scene[int(rng.uniform(0.5, 0.65) * height) :] = rng.integers(60, 130)
    scene += rng.integers(-8, 9, (height, width, 1), dtype=np.int16)
    return Image.fromarray(scene.clip(0, 255).astype(np.uint8))


def make_car_photos(
    folder: Path,
    per_type: int | Mapping[str, int] = 6,
    size: tuple[int, int] = (240, 160),
    seed: int = 0,
    layout: str = "coco",
    with_masks: bool = True,
) -> Path:
    """Draw a small data set of cars.

    Args:
        folder: Where to; made if missing.
        per_type: Photos of each type over all splits (at least 3 for the layouts with splits, divided about
            59 : 34 : 7), or a number a body type {"suv": 9, ...} (all splits), or a number a split
            {"train": 6, "validation": 3, "test": 2} (of each type).
        size: Width and height, pixels.
        seed: Any integer from 0.
        layout: "coco" (annotations/<split>.json, images/<split>/<type>/NNNNN.jpg), "folder-splits"
            (<split>/<type>/NNNNN.jpg) or "folder" (<type>/NNNNN.jpg).
        with_masks: Whether the COCO annotations have segmentations (compressed run lengths).

    Returns:
        The folder.
    """
    rng = np.random.default_rng(seed)
    photo_root = folder / "images" if layout == "coco" else folder
    annotations: dict[str, list[dict]] = {split: [] for split in SPLITS}
    images: dict[str, list[dict]] = {split: [] for split in SPLITS}
    for number, (split, body_type) in enumerate(_plan(per_type), start=1):
        photo, mask = draw_car(body_type, size, rng)
        parts = (body_type,) if layout == "folder" else (split, body_type)
        path = photo_root.joinpath(*parts, f"{number:05d}.jpg")
        path.parent.mkdir(parents=True, exist_ok=True)
        photo.save(path, quality=92)
        x1, y1, x2, y2 = box_of_mask(mask)
        name = path.relative_to(photo_root).as_posix()
        images[split].append({"id": number, "file_name": name, "width": size[0], "height": size[1]})
        annotation = {
            "id": number,
            "image_id": number,
            "category_id": TYPES.index(body_type) + 1,
            "bbox": [x1, y1, x2 - x1, y2 - y1],
            "area": int(mask.sum()),
            "iscrowd": 0,
        }
        if with_masks:
            annotation["segmentation"] = {"size": [size[1], size[0]], "counts": encode_mask(mask)}
        annotations[split].append(annotation)
    if layout == "coco":
        (folder / "annotations").mkdir(exist_ok=True)
        categories = [{"id": i + 1, "name": name} for i, name in enumerate(TYPES)]
        for split in SPLITS:
            table = {"categories": categories, "images": images[split], "annotations": annotations[split]}
            (folder / "annotations" / f"{split}.json").write_text(json.dumps(table))
    return folder


def _plan(per_type: int | Mapping[str, int]) -> list[tuple[str, str]]:
    """(split, type) of every photo to draw, types taking turns."""
    if isinstance(per_type, Mapping) and set(per_type) <= set(SPLITS):
        numbers = {(split, t): n for split, n in per_type.items() for t in TYPES}
    else:
        totals = per_type if isinstance(per_type, Mapping) else dict.fromkeys(TYPES, per_type)
        numbers = {}
        for body_type, total in totals.items():
            test = max(1, round(total * 0.07))
            validation = max(1, math.floor(total * 0.342))
            shares = zip(SPLITS, (total - validation - test, validation, test), strict=True)
            numbers |= {(split, body_type): n for split, n in shares}
    return [
        (split, t)
        for split in SPLITS
        for turn in range(max(numbers.values(), default=0))
        for t in TYPES
        if turn < numbers.get((split, t), 0)
    ]
