"""How well and how fast a teacher draws, on photos whose masks are known: `make teacher DATA=photos`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from carseg_lib.core.classes import ANY_CAR
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.run import Run
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.loader import load_catalogue
from carseg_lib.data.masks import decode_mask, mask_iou
from carseg_lib.data.photos import read_photo
from carseg_lib.data.splits import assign_splits
from carseg_lib.engine.pseudo_labels.run import NONE, teacher_of
from carseg_lib.engine.pseudo_labels.selection import (
    Annotator,
    annotate,
    given_boxes,
    read_cached,
    select_instance,
)
from carseg_lib.evaluation.bootstrap import mean_estimate
from carseg_lib.evaluation.evaluate import largest_instance

TIMED = 256  # photos by which the speed is measured, at most; the first batch warms up and is not counted


def evaluate_annotator(run: Run, say: Callable[[str], None] = print) -> dict[str, Any]:
    """Measures the study's teacher on the validation photos of data with masks; trains nothing.

    Args:
        study: data with masks; `teacher`, `least_mask_quality`, `batch_size`, `bootstrap_samples`.
        say: is given each line for the terminal.

    Returns:
        What `measure` gives, and photos_per_second.

    Raises:
        CarsegError: no teacher is asked for, it cannot be had, or the photos have no masks.
    """
    if run.config.pseudo_labels.source == NONE:
        raise CarsegError(
            "teacher=none draws nothing: name one by SET=teacher=shipped, coco, grabcut or a file."
        )
    catalogue = cars_with_masks(locate_photos(run.config.data.source), run.config.seed).split("validation")
    teacher = teacher_of(run)
    rate = photos_per_second(teacher, catalogue, run.config.train.batch_size)
    scores = measure(teacher, catalogue, run) | {"photos_per_second": rate}
    say(f"{teacher.name} on {catalogue.name}: {format_scores(scores)}")
    say(f"{rate:.1f} photos a second and process, from file to masks")
    return scores


def measure(teacher: Annotator, catalogue: Catalogue, run: Run) -> dict[str, Any]:
    """How well a teacher draws the masks of photos whose masks are known.

    It is told that a photo shows a car, no more; a teacher that draws inside boxes is given these too.

    Args:
        teacher: asked.
        catalogue: photos with masks; of several cars in a photo, the largest is the one that is labelled.
        study: `least_mask_quality`, `batch_size`, `bootstrap_samples`, and where what is said is kept.

    Returns:
        photos, left_out (share of them: nothing seen, or doubtful), mask_iou (estimate over the others), and
        mask_iou_of_all (mean over all photos in which something is seen).

    Raises:
        CarsegError: it is sure of no photo.
    """
    folder = run.caches / "teacher"
    annotate(catalogue, teacher, folder, run.config.train.batch_size)
    given = given_boxes(catalogue)
    cars = dict(list(catalogue.instances.groupby("photo_id")))
    overlaps, qualities = [], []
    for photo in catalogue.photos.itertuples():
        seen = read_cached(folder, teacher, photo.file_sha256, given[photo.photo_id])
        car = largest_instance(cars[photo.photo_id], photo.body_type)._asdict()
        told = car if teacher.uses_boxes else {"box_origin": "whole frame"}
        chosen = select_instance(told, seen, (photo.width, photo.height))
        if chosen:
            truth = decode_mask(car["mask"], photo.height, photo.width)
            overlaps.append(mask_iou(decode_mask(chosen.mask, *truth.shape), truth))
            qualities.append(chosen.quality)
    overlap, sure = np.array(overlaps), np.array(qualities) >= run.config.pseudo_labels.min_quality
    if not sure.any():
        raise CarsegError(
            f"{catalogue.name}: {teacher.name} is sure of no photo; take another teacher, train it longer, or lower "
            "min_quality"
        )
    samples = {"bootstrap_samples": run.config.eval.bootstrap_samples, "seed": run.config.seed}
    return {
        "photos": len(catalogue.photos),
        "left_out": 1 - int(sure.sum()) / len(catalogue.photos),
        "mask_iou": mean_estimate(overlap[sure], **samples),
        "mask_iou_of_all": float(overlap.mean()),
    }


def photos_per_second(teacher: Annotator, catalogue: Catalogue, batch_size: int) -> float:
    """How fast one process reads and outlines photos; what it said of them before is not used.

    Args:
        teacher: asked.
        catalogue: its first photos are taken, in batches.
        batch_size: photos at a time.
    """
    given = given_boxes(catalogue)
    names = catalogue.photos.photo_id.tolist()[: TIMED + batch_size]
    batches = [names[first : first + batch_size] for first in range(0, len(names), batch_size)]
    batches = batches if len(batches) > 1 else batches * 2
    started = 0.0
    for number, batch in enumerate(batches):
        if number == 1:
            started = time.perf_counter()
        photos = [np.asarray(read_photo(catalogue.root / name)) for name in batch]
        teacher.instances(photos, [given[name] for name in batch])
    return sum(map(len, batches[1:])) / (time.perf_counter() - started)


def format_scores(scores: Mapping[str, Any]) -> str:
    """What `measure` gives, in a line."""
    iou = scores["mask_iou"]
    return (
        f"mean mask IoU {iou['value']:.3f} ({iou['low']:.3f}-{iou['high']:.3f}, n = {iou['n']:,}), "
        f"{scores['left_out']:.1%} of {scores['photos']:,} validation photos left out"
    )


def cars_with_masks(place: Path, seed: int = 0) -> Catalogue:
    """Photos with masks, every type called "car", with splits.

    Args:
        place: of the photos, as `load_catalogue` takes it.
        seed: of the split, where the data have none.

    Raises:
        CarsegError: they have no masks.
    """
    catalogue = assign_splits(load_catalogue(place, ANY_CAR), seed)
    if not catalogue.has_masks:
        raise CarsegError(f"{place}: these photos have no masks to learn cars from, or to measure on")
    return catalogue
