"""Masks and boxes for photos that have none: what a teacher sees, chosen by a stated rule and kept by hash.

The rule, for each labelled car:

1. With a box given, the car is the teacher's instance that overlaps the box most, if by an IoU of `SAME_BOX_IOU`
   at least; its mask is cut to the box, and the box stays as it was given.
2. Without a box the label is the photo's, and the car is the instance with the highest score x size x centrality: size
   is the square root of its box's share of the photo, centrality falls from 1 in the middle of the photo to 0 in its
   corners. People photograph the car they mean: large, and in the middle.
3. The quality of the mask is score x stability (`annotators.Instance`). Below `least_quality` the photo is left
   out as doubtful, and shown; so is one in which the teacher sees no such car.

What a teacher says of a photo is written to a file of its own, named by the hashes of both: a run that was killed goes
on where it was, several processes share the work, and another run asks nothing twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd

from carseg_lib.core import files
from carseg_lib.data.catalogue import INSTANCE_COLUMNS, REJECTED_COLUMNS, Catalogue, table
from carseg_lib.data.masks import decode_mask, encode_mask
from carseg_lib.data.photos import read_photo
from carseg_lib.engine.pseudo_labels.annotators import Box, Instance

SAME_BOX_IOU = 0.5  # IoU
VERSION = 1  # of the files
NO_CAR, DOUBTFUL = "no car seen by the teacher", "doubtful mask"


@dataclass(frozen=True)
class CachedInstance:
    """An instance as it is kept.

    Attributes:
        box: x1, y1, x2, y2 in pixels of the photo.
        mask: COCO run-length counts.
        score: the teacher's, 0..1.
        stability: 0..1.
    """

    box: Box
    mask: str
    score: float
    stability: float

    @property
    def quality(self) -> float:
        """Score times stability, 0..1."""
        return self.score * self.stability


class Annotator(Protocol):
    """What is asked: `annotators.NetworkAnnotator`, or `grabcut.GrabCutAnnotator`.

    Attributes:
        sha256: what it says of a photo is kept under it.
        uses_boxes: whether that depends on the boxes that are given.
    """

    sha256: str
    uses_boxes: bool

    def instances(self, photos: Sequence[np.ndarray], boxes: Sequence[Sequence[Box]]) -> list[list[Instance]]:
        """The cars in each photo (h, w, 3) uint8."""


def annotate(
    catalogue: Catalogue,
    teacher: Annotator,
    folder: Path,
    batch_size: int,
    progress: Callable[[int, int], None] = lambda done, all_: None,
) -> None:
    """Has a teacher look at every photo that it has not seen yet.

    Args:
        catalogue: its photos; a process of several is given its share.
        teacher: asked.
        folder: where what it says is kept.
        batch_size: photos at a time.
        progress: called after each batch with (photos seen, photos in all).

    Raises:
        BadPhoto: a photo can no longer be read.
        CarsegError: the folder cannot be written.
    """
    given = given_boxes(catalogue)
    paths = {
        photo_id: _path(folder, teacher, sha, given[photo_id])
        for photo_id, sha in zip(catalogue.photos.photo_id, catalogue.photos.file_sha256, strict=True)
    }
    names = list(paths)
    for first in range(0, len(names), batch_size):
        asked = names[first : first + batch_size]
        if all(paths[photo_id].is_file() for photo_id in asked):
            continue
        # the whole batch, though some of it be known: a network's last digits depend on what else is in a batch
        pixels = [np.asarray(read_photo(catalogue.root / photo_id)) for photo_id in asked]
        answers = teacher.instances(pixels, [given[photo_id] for photo_id in asked])
        for photo_id, found in zip(asked, answers, strict=True):
            files.write_json(
                paths[photo_id], [_as_kept(instance) for instance in found if instance.mask.any()]
            )
        progress(first + len(asked), len(names))


def with_pseudo_masks(
    catalogue: Catalogue, teacher: Annotator, folder: Path, least_quality: float
) -> tuple[Catalogue, pd.DataFrame]:
    """The catalogue with the teacher's masks, and boxes where none are given; doubtful photos are left out.

    Args:
        catalogue: whose cars have no masks.
        teacher: that was asked (`annotate`) about all of its photos.
        folder: where what it said is kept.
        least_quality: 0..1.

    Returns:
        The catalogue, and the cars of the photos left out (`REJECTED_COLUMNS`), the best masks first: for a person.
    """
    sizes = catalogue.photos.set_index("photo_id")[["width", "height", "file_sha256"]]
    rows, out, given = [], [], given_boxes(catalogue)
    for photo_id, of_photo in catalogue.instances.groupby("photo_id", sort=False):
        cars = of_photo.to_dict("records")
        width, height, sha = sizes.loc[photo_id]
        seen = read_cached(folder, teacher, sha, given[photo_id])
        chosen = [select_instance(car, seen, (width, height)) for car in cars]
        quality = min((one.quality if one else -1.0 for one in chosen), default=-1.0)
        if quality < 0:
            out.append((photo_id, NO_CAR, f"{len(seen)} others seen" if seen else "nothing seen"))
        elif quality < least_quality:
            out.append((photo_id, DOUBTFUL, f"quality {quality:.2f}, {least_quality:.2f} is asked for"))
        rows += [
            _row(car, one, (height, width)) if one else car for car, one in zip(cars, chosen, strict=True)
        ]
    instances = table(rows, INSTANCE_COLUMNS)
    left_out = pd.DataFrame(out, columns=["photo_id", "reason", "detail"])
    doubtful = instances.merge(left_out, on="photo_id").merge(
        catalogue.photos[["photo_id", "split"]], on="photo_id"
    )
    made = replace(catalogue, instances=instances)
    for reason, of_reason in left_out.groupby("reason"):
        made = made.without(of_reason.photo_id, reason, of_reason.detail)
    doubtful = doubtful.sort_values("mask_quality", ascending=False, kind="stable")
    return made, doubtful[list(REJECTED_COLUMNS)].astype(REJECTED_COLUMNS)


def select_instance(
    car: dict, seen: Sequence[CachedInstance], size: tuple[int, int]
) -> CachedInstance | None:
    """The instance that is a labelled car, by the module's rule; None if none is.

    Args:
        car: a row of the catalogue's instances.
        seen: the teacher's instances.
        size: width and height of the photo, pixels.
    """
    if not seen:
        return None
    if car["box_origin"] != "whole frame":
        box = tuple(car[name] for name in ("x1", "y1", "x2", "y2"))
        best = max(seen, key=lambda one: _iou(one.box, box))
        return best if _iou(best.box, box) >= SAME_BOX_IOU else None
    return max(seen, key=lambda one: one.score * saliency_score(one.box, size))


def saliency_score(box: Sequence[float], size: tuple[int, int]) -> float:
    """Size times centrality of a box in a photo, 0..1: the square root of its share, and how near its middle is."""
    width, height = size
    x1, y1, x2, y2 = box
    share = max(x2 - x1, 0) * max(y2 - y1, 0) / (width * height)
    away = np.hypot((x1 + x2) / width - 1, (y1 + y2) / height - 1) / 2**0.5
    return float(share**0.5 * (1 - min(away, 1.0)))


def given_boxes(catalogue: Catalogue) -> dict[str, list[Box]]:
    """The boxes of each photo's cars that somebody has drawn; none for those for which the whole frame stands in."""
    given: dict[str, list[Box]] = {photo_id: [] for photo_id in catalogue.photos.photo_id}
    for car in catalogue.instances.itertuples():
        if car.box_origin != "whole frame":
            given[car.photo_id].append((car.x1, car.y1, car.x2, car.y2))
    return given


def read_cached(
    folder: Path, teacher: Annotator, file_sha256: str, given: Sequence[Box]
) -> list[CachedInstance]:
    """What a teacher saw in a photo, best first.

    Args:
        folder: where it is kept.
        teacher: that was asked.
        file_sha256: of the photo.
        given: the boxes that were given with it.
    """
    return [
        CachedInstance(tuple(one["box"]), one["mask"], one["score"], one["stability"])
        for one in files.read_json(_path(folder, teacher, file_sha256, given))
    ]


def _as_kept(instance: Instance) -> dict:
    return {
        "box": [round(value, 2) for value in instance.box],
        "mask": encode_mask(instance.mask),
        "score": round(instance.score, 4),
        "stability": round(instance.stability, 4),
    }


def _row(car: dict, one: CachedInstance, size: tuple[int, int]) -> dict:
    row = car | {"mask": one.mask, "mask_origin": "teacher", "mask_quality": one.quality}
    if car["box_origin"] == "whole frame":
        return row | dict(zip(("x1", "y1", "x2", "y2"), one.box, strict=True)) | {"box_origin": "teacher"}
    mask = decode_mask(one.mask, *size)
    cut = np.zeros_like(mask)
    inside = np.s_[
        int(car["y1"]) : int(np.ceil(car["y2"])),
        int(car["x1"]) : int(np.ceil(car["x2"])),
    ]
    cut[inside] = mask[inside]
    return row | {"mask": encode_mask(cut)}


def _iou(a: Sequence[float], b: Sequence[float]) -> float:
    shared = max(min(a[2], b[2]) - max(a[0], b[0]), 0) * max(min(a[3], b[3]) - max(a[1], b[1]), 0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return shared / (sum(areas) - shared) if shared else 0.0


def _path(folder: Path, teacher: Annotator, file_sha256: str, given: Sequence[Box]) -> Path:
    boxes = f"-{files.sha256_text(repr(list(given)))[:8]}" if teacher.uses_boxes else ""
    return folder / f"{teacher.sha256[:16]}-{VERSION}" / file_sha256[:2] / f"{file_sha256}{boxes}.json"
