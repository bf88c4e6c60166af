"""A check of a rendered data set: a sample of its photos, and of its pictures without a car, is rendered again."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from carseg_lib.core import files
from carseg_lib.core.classes import BODY_TYPES
from carseg_lib.data.catalogue import SPLITS
from carseg_lib.data.masks import box_of_mask, decode_segmentation
from carseg_rendering.dataset.background import RenderBackground, read_background_table, render_background
from carseg_rendering.dataset.background_plan import background_file
from carseg_rendering.dataset.build import read_plan
from carseg_rendering.dataset.crew import ALL_CORES, Crew
from carseg_rendering.dataset.plan import DatasetPlan, photo_name
from carseg_rendering.dataset.shards import Render, render_photo


@dataclass(frozen=True)
class Comparison:
    """A comparison of a stored photo of cars with the same photo rendered again.

    Attributes:
        photo: File name of the photo.
        same_cars: Whether both have the same cars, by type and in the same order.
        mask_iou: The lowest IoU of a car's two masks; 0 if the cars are not the same.
        exact_boxes: Whether every stored box is its stored mask's extent, to the pixel.
        same_bytes: Whether the two JPEGs are equal.
    """

    photo: str
    same_cars: bool
    mask_iou: float
    exact_boxes: bool
    same_bytes: bool


@dataclass(frozen=True)
class PictureComparison:
    """A comparison of a stored picture without a car with the same picture rendered again.

    Attributes:
        photo: File name of the picture.
        same_kind: Whether both show the same kind of thing.
        same_bytes: Whether the two JPEGs are equal.
    """

    photo: str
    same_kind: bool
    same_bytes: bool


def check_dataset(
    data: Path,
    photos: int = 200,
    *,
    render: Render = render_photo,
    crew: Crew = ALL_CORES,
    log: Callable[[str], None] = print,
) -> list[Comparison]:
    """Render a random sample of a data set's photos again and compare.

    Args:
        data: Folder of a rendered data set.
        photos: Size of the sample; all photos if there are fewer.
        render: As for `render_shards`.
        crew: Those who render.
        log: Called with each line for the terminal.

    Returns:
        A comparison a photo, by index.

    Raises:
        CarsegError: The folder holds no rendered data set.
    """
    plan = read_plan(data)
    stored = _stored_cars(data)
    sample = sorted(random.Random(plan.seed).sample(range(plan.photos), min(photos, plan.photos)))
    tasks = [partial(_compare, render, plan, data, index, stored[photo_name(index)]) for index in sample]
    log(f"rendering {len(tasks)} of {plan.photos:,} photos again")
    return crew.do(tasks, log)


def check_background(
    data: Path,
    pictures: int = 20,
    *,
    render: RenderBackground = render_background,
    crew: Crew = ALL_CORES,
    log: Callable[[str], None] = print,
) -> list[PictureComparison]:
    """Render a random sample of a data set's pictures without a car again and compare.

    Args:
        data: Folder of a rendered data set.
        pictures: Size of the sample; all pictures if there are fewer.
        render: As for `background.render_backgrounds`.
        crew: Those who render.
        log: Called with each line for the terminal.

    Returns:
        A comparison a picture, by index; none where the data set has no such pictures.

    Raises:
        CarsegError: The folder holds no rendered data set.
    """
    plan = read_plan(data)
    rows = read_background_table(data)
    if not rows:
        return []
    sample = sorted(random.Random(plan.seed).sample(range(len(rows)), min(pictures, len(rows))))
    tasks = [partial(_compare_picture, render, plan, data, index, rows[index]) for index in sample]
    log(f"rendering {len(tasks)} of {len(rows):,} pictures without a car again")
    return crew.do(tasks, log)


def background_summary(comparisons: list[PictureComparison]) -> tuple[str, bool]:
    """As `summary`, of pictures without a car."""
    bad = [c.photo for c in comparisons if not c.same_kind]
    line = (
        f"{len(comparisons)} pictures without a car: the same kind of thing in {len(comparisons) - len(bad)}, "
        f"JPEGs equal to the byte in {sum(c.same_bytes for c in comparisons)}"
    )
    return line + (f"; look at {', '.join(bad[:5])}" if bad else ""), not bad


def _compare_picture(
    render: RenderBackground, plan: DatasetPlan, data: Path, index: int, row: dict[str, str]
) -> PictureComparison:
    fresh = render(index, seed=plan.seed, realism=plan.realism)
    name = background_file(index, row["split"])
    same = (fresh.parameters["family"], fresh.parameters["kind"]) == (row["family"], row["kind"])
    return PictureComparison(name, same, (data / name).read_bytes() == fresh.jpeg)


def summary(comparisons: list[Comparison]) -> tuple[str, bool]:
    """A check in one line, and whether it passed. The bytes of JPEGs may differ on another platform."""
    n = len(comparisons)
    good = [c for c in comparisons if c.same_cars and c.exact_boxes and c.mask_iou >= 0.99]
    line = (
        f"{n} photos: the same cars in {sum(c.same_cars for c in comparisons)}, lowest mask IoU "
        f"{min(c.mask_iou for c in comparisons):.4f}, boxes are the masks' extents in "
        f"{sum(c.exact_boxes for c in comparisons)}, "
        f"JPEGs equal to the byte in {sum(c.same_bytes for c in comparisons)}"
    )
    bad = [c.photo for c in comparisons if c not in good]
    return line + (f"; look at {', '.join(bad[:5])}" if bad else ""), not bad


def _stored_cars(data: Path) -> dict[str, list[dict[str, Any]]]:
    """The annotations of every photo, by file name, in the order of their ids."""
    cars: dict[str, list[dict[str, Any]]] = {}
    for split in SPLITS:
        coco = files.read_json(data / "annotations" / f"{split}.json")
        names = {image["id"]: image["file_name"] for image in coco["images"]}
        for annotation in sorted(coco["annotations"], key=lambda row: row["id"]):
            cars.setdefault(names[annotation["image_id"]], []).append(annotation)
    return cars


def _compare(render: Render, plan: DatasetPlan, data: Path, index: int, stored: list[dict[str, Any]]) -> Comparison:
    fresh = render(index, seed=plan.seed, realism=plan.realism)
    masks = [decode_segmentation(car["segmentation"], *car["segmentation"]["size"]) for car in stored]
    extents = [(x1, y1, x2 - x1, y2 - y1) for x1, y1, x2, y2 in map(box_of_mask, masks)]
    same_cars = [BODY_TYPES[car["category_id"] - 1] for car in stored] == [car.body_type for car in fresh.cars]
    pairs = zip(masks, (car.mask for car in fresh.cars), strict=True) if same_cars else []
    ious = [float(np.sum(ours & theirs) / np.sum(ours | theirs)) for ours, theirs in pairs]
    name = photo_name(index)
    return Comparison(
        photo=name,
        same_cars=same_cars,
        mask_iou=min(ious, default=0.0),
        exact_boxes=[tuple(car["bbox"]) for car in stored] == extents,
        same_bytes=(data / "images" / name).read_bytes() == fresh.jpeg,
    )
