"""Pseudo-labels: masks and boxes of photos that have none, chosen by a rule from what an annotator finds.

The rule, for each labelled car:

1. With a given box, the car is the annotator's instance with the largest IoU with it, if that is at least
   `SAME_BOX_IOU`. The mask is cut to the box; the box stays.
2. Without a box the label is the photo's, and the car is the instance with the largest score x size x centrality: size
   is the square root of its box's share of the photo, centrality falls from 1 in the middle of the photo to 0 in its
   corners. People photograph the car they mean: large, and in the middle.
3. The quality of the mask is score x stability (`annotators.Instance`). A photo with a mask below the minimum quality
   is rejected and shown; so is one in which the annotator finds no such car.

A car with a given mask keeps it; of its photo, only the other cars are looked for.

What an annotator finds in a photo is cached in a file that is named by the hashes of both: a run that was killed
resumes, several processes share the work, and another run annotates no photo again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError
from carseg_lib.data.boxes import Box, box_iou
from carseg_lib.data.catalogue import INSTANCE_COLUMNS, REJECTED_COLUMNS, Catalogue, table
from carseg_lib.data.masks import decode_mask, encode_mask
from carseg_lib.data.photos import read_photo
from carseg_lib.engine.pseudo_labels.annotators import Instance

SAME_BOX_IOU = 0.5  # IoU
VERSION = 3  # of the cached files
NO_CAR, LOW_QUALITY = "no car found by the annotator", "low-quality pseudo-mask"  # why photos are left out
PSEUDO = "pseudo"  # origin of a mask or a box, in the catalogue's tables

CachedInstance = Instance[str]


class Annotator(Protocol):
    """What finds cars in photos: `annotators.NetworkAnnotator`, or `grabcut.GrabCutAnnotator`."""

    @property
    def name(self) -> str:
        """For messages and tables."""

    @property
    def sha256(self) -> str:
        """Of all that its instances follow from; they are cached under it."""

    @property
    def uses_boxes(self) -> bool:
        """Whether its instances depend on the given boxes."""

    def instances(self, photos: Sequence[np.ndarray], boxes: Sequence[Sequence[Box]]) -> list[list[Instance]]:
        """The cars in each photo (h, w, 3) uint8, whose given boxes are `boxes`."""


def annotate(
    catalogue: Catalogue,
    annotator: Annotator,
    folder: Path,
    batch_size: int,
    progress: Callable[[int, int], None] = lambda done, photos: None,
) -> None:
    """Annotates every photo that is not in the cache yet.

    Args:
        catalogue: its photos; one process of several is given its share.
        annotator: finds the cars.
        folder: of the cache.
        batch_size: photos at a time.
        progress: called after each batch with (photos done, photos in all).

    Raises:
        ImageError: a photo can no longer be read.
        CarsegError: the folder cannot be written.
    """
    given = given_boxes(catalogue)
    paths = {
        photo_id: _path(folder, annotator, sha, given[photo_id])
        for photo_id, sha in zip(catalogue.photos.photo_id, catalogue.photos.file_sha256, strict=True)
    }
    names = list(paths)
    for first in range(0, len(names), batch_size):
        batch = names[first : first + batch_size]
        if all(files.read_sealed_json(paths[photo_id]) for photo_id in batch):
            continue
        # the whole batch, though some of it be cached: a network's last digits depend on what else is in a batch
        photos = [np.asarray(read_photo(catalogue.root / photo_id)) for photo_id in batch]
        found = annotator.instances(photos, [given[photo_id] for photo_id in batch])
        for photo_id, instances in zip(batch, found, strict=True):
            cached = [_as_cached(instance) for instance in instances if instance.mask.any()]
            files.write_sealed_json(paths[photo_id], {"found": cached})
        progress(first + len(batch), len(names))


def without_masks(catalogue: Catalogue) -> Catalogue:
    """The part of a catalogue that an annotator is asked for: photos with a car without a mask, and all their cars."""
    cars = catalogue.instances
    missing = cars.loc[cars["mask"] == "", "photo_id"]
    photos = catalogue.photos[catalogue.photos.photo_id.isin(missing)]
    return replace(catalogue, photos=photos, instances=cars[cars.photo_id.isin(missing)])


def with_pseudo_masks(
    catalogue: Catalogue, annotator: Annotator, folder: Path, min_quality: float
) -> tuple[Catalogue, pd.DataFrame]:
    """The catalogue with pseudo-masks, and pseudo-boxes where none are given; rejected photos are left out.

    Args:
        catalogue: some or all of whose cars have no masks.
        annotator: that has annotated the photos of these (`annotate`, `without_masks`).
        folder: of the cache.
        min_quality: below which a mask is rejected, 0..1.

    Returns:
        The catalogue, and the cars of the photos left out (`REJECTED_COLUMNS`), the best masks first, for review.
    """
    sizes = catalogue.photos.set_index("photo_id")[["width", "height", "file_sha256"]]
    rows: list[dict[str, Any]] = []
    out: list[tuple[str, str, str]] = []
    given = given_boxes(catalogue)
    for photo_id, of_photo in catalogue.instances.groupby("photo_id", sort=False):
        if (of_photo["mask"] != "").all():
            rows += of_photo.to_dict("records")
            continue
        cars = of_photo.to_dict("records")
        width, height, sha = sizes.loc[photo_id]
        found = read_cached(folder, annotator, sha, given[photo_id])
        chosen = [None if car["mask"] else select_instance(car, found, (width, height)) for car in cars]
        drawn = [one for car, one in zip(cars, chosen, strict=True) if not car["mask"]]
        quality = min(one.quality if one else -1.0 for one in drawn)
        if quality < 0:
            out.append((photo_id, NO_CAR, f"{len(found)} others found" if found else "nothing found"))
        elif quality < min_quality:
            out.append((photo_id, LOW_QUALITY, f"quality {quality:.2f}, at least {min_quality:.2f} needed"))
        rows += [_row(car, one, (height, width)) if one else car for car, one in zip(cars, chosen, strict=True)]
    instances = table(rows, INSTANCE_COLUMNS)
    left_out = pd.DataFrame(out, columns=["photo_id", "reason", "detail"])
    rejected = instances.merge(left_out, on="photo_id").merge(catalogue.photos[["photo_id", "split"]], on="photo_id")
    labelled = replace(catalogue, instances=instances)
    for reason, of_reason in left_out.groupby("reason"):
        labelled = labelled.without(of_reason.photo_id, str(reason), of_reason.detail)
    rejected = rejected.sort_values("mask_quality", ascending=False, kind="stable")
    return labelled, rejected[list(REJECTED_COLUMNS)].astype(REJECTED_COLUMNS)


def select_instance(
    car: Mapping[str, Any], found: Sequence[CachedInstance], size: tuple[int, int]
) -> CachedInstance | None:
    """The instance that is a labelled car, by the module's rule; None if none is.

    Args:
        car: a row of the catalogue's instances.
        found: the annotator's instances.
        size: width and height of the photo, pixels.
    """
    if not found:
        return None
    if car["box_origin"] != "whole frame":
        box = tuple(car[name] for name in ("x1", "y1", "x2", "y2"))
        best = max(found, key=lambda one: box_iou(one.box, box))
        return best if box_iou(best.box, box) >= SAME_BOX_IOU else None
    return max(found, key=lambda one: one.score * saliency_score(one.box, size))


def saliency_score(box: Sequence[float], size: tuple[int, int]) -> float:
    """Size times centrality of a box (x1, y1, x2, y2) in a photo of a width and height, pixels.

    Returns:
        0..1: the square root of the box's share of the photo, times 1 in the photo's middle and 0 in its corners.
    """
    width, height = size
    x1, y1, x2, y2 = box
    share = max(x2 - x1, 0) * max(y2 - y1, 0) / (width * height)
    away = np.hypot((x1 + x2) / width - 1, (y1 + y2) / height - 1) / 2**0.5
    return float(share**0.5 * (1 - min(away, 1.0)))


def given_boxes(catalogue: Catalogue) -> dict[str, list[Box]]:
    """The given boxes of each photo's cars; none for cars that have the whole frame for a box."""
    given: dict[str, list[Box]] = {photo_id: [] for photo_id in catalogue.photos.photo_id}
    cars = catalogue.instances[catalogue.instances.box_origin != "whole frame"]
    for photo_id, *box in cars[["photo_id", "x1", "y1", "x2", "y2"]].itertuples(index=False, name=None):
        given[photo_id].append((box[0], box[1], box[2], box[3]))
    return given


def read_cached(folder: Path, annotator: Annotator, file_sha256: str, given: Sequence[Box]) -> list[CachedInstance]:
    """What an annotator found in a photo with that hash and those given boxes, from the cache's folder, best first.

    Raises:
        CarsegError: It is not there, or damaged.
    """
    path = _path(folder, annotator, file_sha256, given)
    content = files.read_sealed_json(path)
    if content is None:
        raise CarsegError(f"{path} is missing or damaged; run again.")
    return [CachedInstance(tuple(one["box"]), one["mask"], one["score"], one["stability"]) for one in content["found"]]


def _as_cached(instance: Instance) -> dict[str, Any]:
    return {
        "box": [round(value, 2) for value in instance.box],
        "mask": encode_mask(instance.mask),
        "score": round(instance.score, 4),
        "stability": round(instance.stability, 4),
    }


def _row(car: Mapping[str, Any], one: CachedInstance, size: tuple[int, int]) -> dict[str, Any]:
    """The row of a car with its pseudo-mask."""
    row = {**car, "mask": one.mask, "mask_origin": PSEUDO, "mask_quality": one.quality}
    if car["box_origin"] == "whole frame":
        return row | dict(zip(("x1", "y1", "x2", "y2"), one.box, strict=True)) | {"box_origin": PSEUDO}
    mask = decode_mask(one.mask, *size)
    cut = np.zeros_like(mask)
    inside = np.s_[int(car["y1"]) : int(np.ceil(car["y2"])), int(car["x1"]) : int(np.ceil(car["x2"]))]
    cut[inside] = mask[inside]
    return row | {"mask": encode_mask(cut)}


def _path(folder: Path, annotator: Annotator, file_sha256: str, given: Sequence[Box]) -> Path:
    boxes = f"-{files.sha256_text(repr(list(given)))[:8]}" if annotator.uses_boxes else ""
    return folder / f"{annotator.sha256[:16]}-{VERSION}" / file_sha256[:2] / f"{file_sha256}{boxes}.json"
