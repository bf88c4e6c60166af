"""Matching of detections with labelled instances by COCO's rule.

A detection is true or false at each IoU threshold, whatever the other photos are, so matching is done once and
`average_precision.resampled_ap` only changes how often each photo counts.

Every function here takes the same tables:
    truth: a row per labelled instance: photo_id, body_type, x1, y1, x2, y2, mask.
    detections: a row per detection: photo_id, body_type, score, x1, y1, x2, y2, mask.
    sizes: a row per evaluated photo: photo_id, width, height. A photo may have no detections.
Boxes are in pixels, masks COCO run-length counts. With kind "segm", photos with an instance that has no labelled mask
are excluded, and a detection without a mask has the empty one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from faster_coco_eval.core import mask as coco_mask

from carseg_lib.core.errors import CarsegError
from carseg_lib.data.masks import encode_mask

Kind = Literal["bbox", "segm"]

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
MAX_DETECTIONS = 100  # per photo and type


@dataclass(frozen=True)
class TypeMatches:
    """The detections of one body type, highest score first, matched with the labelled instances."""

    photo: np.ndarray  # (D,) int, index of each detection's photo
    score: np.ndarray  # (D,) float
    true: np.ndarray  # (D, 10) bool, whether the detection matches an instance at each of the IoU thresholds
    truths: np.ndarray  # (photos,) int, labelled instances of the type in each photo


@dataclass(frozen=True)
class Instances:
    """A table of instances as arrays, sorted by photo, then by falling score."""

    boxes: np.ndarray  # (N, 4) float64
    labels: np.ndarray  # (N,) int, 1..C
    scores: np.ndarray  # (N,) float64; 1 for truth
    masks: list[str]  # (N,)
    starts: np.ndarray  # (photos + 1,): rows starts[p] to starts[p + 1] are those of photo p

    @property
    def count(self) -> int:
        """Number of instances."""
        return len(self.labels)


@dataclass(frozen=True)
class EvaluationData:
    """The tables of one evaluation as arrays; photos are numbered in the order of their sorted ids."""

    truth: Instances
    detections: Instances
    sizes: list[tuple[int, int]]  # (height, width) of each photo
    photo_ids: list[str]
    kind: Kind
    body_types: tuple[str, ...]


def match_detections(
    truth: pd.DataFrame, detections: pd.DataFrame, sizes: pd.DataFrame, kind: Kind, body_types: tuple[str, ...]
) -> list[TypeMatches]:
    """Match every detection by COCO's rule: in order of score, each takes the free instance of highest IoU.

    Args:
        truth: see the module.
        detections: see the module.
        sizes: see the module.
        kind: whether boxes or masks are compared.
        body_types: the types, in order.

    Returns:
        One `TypeMatches` a type; photos are numbered in the order of their sorted ids.
    """
    return match(prepare(truth, detections, sizes, kind, body_types))


def prepare(
    truth: pd.DataFrame, detections: pd.DataFrame, sizes: pd.DataFrame, kind: Kind, body_types: tuple[str, ...]
) -> EvaluationData:
    """The tables as arrays.

    Raises:
        CarsegError: A table names a photo that `sizes` lacks, or a type that `body_types` lacks.
    """
    for name, table in (("truth", truth), ("detections", detections)):
        if len(strange := table.loc[~table["photo_id"].isin(sizes["photo_id"]), "photo_id"]):
            raise CarsegError(f"The {name} name the photo {strange.iloc[0]!r}, which is not among those evaluated.")
        if len(strange := table.loc[~table["body_type"].isin(body_types)]):
            photo, body_type = strange.iloc[0][["photo_id", "body_type"]]
            raise CarsegError(f"The {name} give photo {photo!r} the body type {body_type!r}, not one of {body_types}.")
    if kind == "segm":
        unmasked = truth.loc[truth["mask"].fillna("").eq(""), "photo_id"]
        truth, detections, sizes = (table[~table["photo_id"].isin(unmasked)] for table in (truth, detections, sizes))
    sizes = sizes.sort_values("photo_id")
    return EvaluationData(
        truth=_instances(truth.assign(score=1.0), sizes["photo_id"], body_types),
        detections=_instances(detections, sizes["photo_id"], body_types),
        sizes=list(zip(sizes["height"].astype(int), sizes["width"].astype(int), strict=True)),
        photo_ids=sizes["photo_id"].tolist(),
        kind=kind,
        body_types=tuple(body_types),
    )


def _instances(table: pd.DataFrame, photo_ids: pd.Series, body_types: tuple[str, ...]) -> Instances:
    photo = pd.Index(photo_ids).get_indexer(table["photo_id"])
    order = np.lexsort((-table["score"].to_numpy(float), photo))  # stable: equal scores keep the order of the table
    table = table.iloc[order]
    return Instances(
        boxes=table[["x1", "y1", "x2", "y2"]].to_numpy(float),
        labels=pd.Index(body_types).get_indexer(table["body_type"]) + 1,
        scores=table["score"].to_numpy(float),
        masks=table["mask"].fillna("").tolist(),
        starts=np.searchsorted(photo[order], np.arange(len(photo_ids) + 1)),
    )


def match(data: EvaluationData) -> list[TypeMatches]:
    """`match_detections` of prepared tables."""
    photos = len(data.sizes)
    none = (np.zeros(0, np.int64), np.zeros(0), np.zeros((0, len(IOU_THRESHOLDS)), bool))
    found = [[none] for _ in data.body_types]
    truths = np.zeros((photos, len(data.body_types)), dtype=np.int64)
    for p, size in enumerate(data.sizes):
        true_rows, rows = (np.arange(i.starts[p], i.starts[p + 1]) for i in (data.truth, data.detections))
        for c in range(len(data.body_types)):
            wanted = true_rows[data.truth.labels[true_rows] == c + 1]
            given = rows[data.detections.labels[rows] == c + 1][:MAX_DETECTIONS]
            truths[p, c] = len(wanted)
            if len(given):
                iou = _overlaps(data, given, wanted, size)
                found[c].append((np.full(len(given), p), data.detections.scores[given], _match_photo(iou)))
    return [_by_score(parts, truths[:, c]) for c, parts in enumerate(found)]


def _overlaps(data: EvaluationData, given: np.ndarray, wanted: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Intersection over union (given, wanted) of boxes or masks."""
    if not len(wanted):
        return np.zeros((len(given), 0))
    pair: list[Any]
    if data.kind == "bbox":
        pair = [
            np.hstack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]])
            for boxes in (data.detections.boxes[given], data.truth.boxes[wanted])
        ]
    else:
        empty = encode_mask(np.zeros(size, dtype=bool))
        pair = [
            [{"size": list(size), "counts": instances.masks[row] or empty} for row in rows]
            for instances, rows in ((data.detections, given), (data.truth, wanted))
        ]
    return np.asarray(coco_mask.iou(*pair, [0] * len(wanted)))


def _match_photo(iou: np.ndarray) -> np.ndarray:
    """COCO's greedy matching in one photo: IoU (D, G), detections in order of score → true (D, 10)."""
    thresholds = np.minimum(IOU_THRESHOLDS, 1 - 1e-10)
    free = np.ones((len(thresholds), iou.shape[1]), dtype=bool)
    true = np.zeros((len(iou), len(thresholds)), dtype=bool)
    for d in range(len(iou)) if iou.shape[1] else ():
        open_to_it = np.where(free & (iou[d] >= thresholds[:, None]), iou[d], -1.0)  # (10, G)
        best = iou.shape[1] - 1 - open_to_it[:, ::-1].argmax(axis=1)  # of equal overlaps COCO takes the last
        true[d] = open_to_it.max(axis=1) >= 0
        free[true[d], best[true[d]]] = False
    return true


def _by_score(parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]], truths: np.ndarray) -> TypeMatches:
    photo, score, true = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(-score, kind="stable")
    return TypeMatches(photo[order], score[order], true[order], truths)
