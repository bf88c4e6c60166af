"""Quality and speed of an annotator, on photos with labelled masks: `make eval-annotator DATA=photos`."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from carseg_lib.core.classes import ANY_CAR
from carseg_lib.core.config import DataFormat, Unlabelled
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.run import Run
from carseg_lib.data.boxes import largest_instance
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.loader import load_catalogue
from carseg_lib.data.locate import locate_photos
from carseg_lib.data.masks import decode_mask, mask_iou
from carseg_lib.data.photos import read_photo
from carseg_lib.data.splits import assign_splits
from carseg_lib.engine.pseudo_labels.run import NONE, cache_folder, make_annotator
from carseg_lib.engine.pseudo_labels.selection import Annotator, annotate, given_boxes, read_cached, select_instance
from carseg_lib.evaluation.bootstrap import mean_estimate

logger = logging.getLogger(__name__)

TIMED = 256  # photos by which the speed is measured, at most; the first batch warms up and is not counted


def evaluate_annotator(run: Run) -> dict[str, Any]:
    """Measure a run's annotator on the validation photos of data with masks; trains nothing.

    Args:
        run: data with masks; the annotator and its settings are those of `pseudo_labels`.

    Returns:
        What `measure` gives, and photos_per_second.

    Raises:
        CarsegError: there is no annotator, it cannot be had, or the photos have no masks.
    """
    if run.config.pseudo_labels.source == NONE:
        raise CarsegError(
            "pseudo_labels.source=none draws nothing: name an annotator by SET=pseudo_labels.source=builtin, coco, "
            "grabcut or a file."
        )
    data = run.config.data
    photos = locate_photos(data.source)
    catalogue = cars_with_masks(photos, run.config.seed, data.unlabelled, data.format).split("validation")
    annotator = make_annotator(run.config.pseudo_labels.source, run.config.device)
    rate = photos_per_second(annotator, catalogue, run.config.train.batch_size)
    scores = measure(annotator, catalogue, run) | {"photos_per_second": rate}
    logger.info("%s on %s: %s", annotator.name, catalogue.name, format_scores(scores))
    logger.info("%.1f photos a second and process, from file to masks", rate)
    return scores


def measure(annotator: Annotator, catalogue: Catalogue, run: Run) -> dict[str, Any]:
    """Compare an annotator's masks with the labelled ones.

    It is given that a photo shows a car, no more; an annotator that draws inside boxes is given these too.

    Args:
        annotator: that is measured.
        catalogue: photos with masks; of several cars in a photo, the largest is compared.
        run: `min_quality`, `batch_size`, `bootstrap_samples`, and the cache of the annotator's instances.

    Returns:
        photos, left_out (share of them: no instance, or of low quality), mask_iou (estimate over the others), and
        mask_iou_of_all (mean over all photos with an instance).

    Raises:
        CarsegError: no mask reaches the quality.
    """
    folder = cache_folder(run)
    annotate(catalogue, annotator, folder, run.config.train.batch_size)
    given = given_boxes(catalogue)
    cars = dict(list(catalogue.instances.groupby("photo_id")))
    overlaps, qualities = [], []
    for photo in catalogue.photos.itertuples():
        instances = read_cached(folder, annotator, photo.file_sha256, given[photo.photo_id])
        largest = largest_instance(cars[photo.photo_id], photo.body_type)
        car = {column: getattr(largest, column) for column in catalogue.instances.columns}
        known = car if annotator.uses_boxes else {"box_origin": "whole frame"}
        chosen = select_instance(known, instances, (photo.width, photo.height))
        if chosen:
            truth = decode_mask(car["mask"], photo.height, photo.width)
            overlaps.append(mask_iou(decode_mask(chosen.mask, *truth.shape), truth))
            qualities.append(chosen.quality)
    overlap, sure = np.array(overlaps), np.array(qualities) >= run.config.pseudo_labels.min_quality
    if not sure.any():
        raise CarsegError(
            f"{catalogue.name}: {annotator.name} is sure of no photo; take another annotator, train it longer, or "
            "lower min_quality"
        )
    samples: dict[str, Any] = {"bootstrap_samples": run.config.eval.bootstrap_samples, "seed": run.config.seed}
    return {
        "photos": len(catalogue.photos),
        "left_out": 1 - int(sure.sum()) / len(catalogue.photos),
        "mask_iou": mean_estimate(overlap[sure], **samples),
        "mask_iou_of_all": float(overlap.mean()),
    }


def photos_per_second(annotator: Annotator, catalogue: Catalogue, batch_size: int) -> float:
    """The speed of one process on the first photos, in batches, from file to masks; nothing cached is used."""
    given = given_boxes(catalogue)
    names = catalogue.photos.photo_id.tolist()[: TIMED + batch_size]
    batches = [names[first : first + batch_size] for first in range(0, len(names), batch_size)]
    batches = batches if len(batches) > 1 else batches * 2
    started = 0.0
    for number, batch in enumerate(batches):
        if number == 1:
            started = time.perf_counter()
        photos = [np.asarray(read_photo(catalogue.root / name)) for name in batch]
        annotator.instances(photos, [given[name] for name in batch])
    return sum(map(len, batches[1:])) / (time.perf_counter() - started)


def format_scores(scores: Mapping[str, Any]) -> str:
    """The result of `measure`, in a line."""
    iou = scores["mask_iou"]
    return (
        f"mean mask IoU {iou['value']:.3f} ({iou['low']:.3f}-{iou['high']:.3f}, n = {iou['n']:,}), "
        f"{scores['left_out']:.1%} of {scores['photos']:,} validation photos left out"
    )


def cars_with_masks(
    place: Path, seed: int = 0, unlabelled: Unlabelled = "exclude", data_format: DataFormat = "auto"
) -> Catalogue:
    """Photos whose cars all have masks, every type called "car", with splits: by the seed, where the data have none.

    Args:
        place: The folder or annotation file.
        seed: Of the splits.
        unlabelled: What photos without any annotation are, as the setting `data.unlabelled`.
        data_format: Of the data, as the setting `data.format`.

    Raises:
        CarsegError: they have no masks.
    """
    catalogue = load_catalogue(place, ANY_CAR, unlabelled=unlabelled, data_format=data_format)
    if catalogue.has_some_masks:
        maskless = catalogue.instances.loc[catalogue.instances["mask"] == "", "photo_id"].drop_duplicates()
        catalogue = catalogue.without(maskless, "no mask", "other photos have masks: " + maskless)
    catalogue = assign_splits(catalogue, seed)
    if not catalogue.has_masks:
        raise CarsegError(f"{place}: these photos have no masks to learn cars from, or to measure on")
    return catalogue
