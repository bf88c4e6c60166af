"""COCO average precision (AP) of boxes and masks, with bootstrap intervals.

The values are those of torchmetrics with faster-coco-eval: 10 overlap thresholds (0.50 to 0.95), precision
interpolated at 101 recalls, at most 100 detections a photo and type, a type without truth left out (null).

A thousand such evaluations of resampled photos would take hours. But which detections are true does not
depend on the other photos, so it is settled once (`match_detections`), and a draw only changes how often
each photo counts (`resampled_ap`). Tests hold the two ways together.

Every function here takes the same tables:
    truth: a row per labelled instance: photo_id, body_type, x1, y1, x2, y2, mask.
    detections: a row per detection: photo_id, body_type, score, x1, y1, x2, y2, mask.
    sizes: a row per photo to be judged: photo_id, width, height. A photo may have no detections.
Boxes are in pixels, masks COCO run-length counts. With kind "segm", photos with an instance that has no truth
mask are left out, and a detection without a mask has the empty one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import torch
from faster_coco_eval.core import mask as coco_mask
from torchmetrics.detection import MeanAveragePrecision

from carseg_lib.core.errors import CarsegError
from carseg_lib.data.masks import decode_mask, encode_mask
from carseg_lib.evaluation.bootstrap import estimate, photo_weights

Kind = Literal["bbox", "segm"]

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)
MAX_DETECTIONS = 100  # of a photo and type


@dataclass(frozen=True)
class TypeMatches:
    """The detections of one body type, highest score first, judged.

    Attributes:
        photo: int array (D,), index of each detection's photo.
        score: float array (D,).
        true: bool array (D, 10), whether it is matched with a truth at each of the overlap thresholds.
        truths: int array (photos,), labelled instances of the type in each photo.
    """

    photo: np.ndarray
    score: np.ndarray
    true: np.ndarray
    truths: np.ndarray


def average_precision(
    truth: pd.DataFrame,
    detections: pd.DataFrame,
    sizes: pd.DataFrame,
    kind: Kind,
    body_types: tuple[str, ...],
    *,
    bootstrap_samples: int,
    seed: int | list[int],
) -> dict | None:
    """AP with intervals, as metrics.json holds it.

    Args:
        truth: see the module.
        detections: see the module.
        sizes: see the module.
        kind: whether boxes or masks are compared.
        body_types: the types, in order.
        bootstrap_samples: draws for the intervals.
        seed: the same seed gives the same intervals.

    Returns:
        {"AP", "AP50", "AP75": estimate with n = photos, "per_type": {type: {"AP": estimate with n = labelled
        instances, or None without truth}}}; None if there is no photo to judge (kind "segm": no truth masks).
    """
    data = _prepare(truth, detections, sizes, kind, body_types)
    if not data.truth.count:
        return None
    values = _coco_ap(data)
    matches = _match(data)
    n = len(data.sizes)
    draws = np.concatenate(
        [resampled_ap(matches, weights) for weights in photo_weights(n, bootstrap_samples, seed)]
    )  # (B, 10, C)
    with np.errstate(invalid="ignore"):
        present = np.isfinite(draws[:, 0]).sum(axis=1)
        mean = np.nansum(draws, axis=2) / present[:, None]  # (B, 10) over the types in each draw
    return {
        "AP": estimate(values["AP"], mean.mean(axis=1), n),
        "AP50": estimate(values["AP50"], mean[:, 0], n),
        "AP75": estimate(values["AP75"], mean[:, 5], n),
        "per_type": {
            body_type: {
                "AP": None
                if values["per_type"][body_type] is None
                else estimate(
                    values["per_type"][body_type], draws[:, :, c].mean(axis=1), int(matches[c].truths.sum())
                )
            }
            for c, body_type in enumerate(body_types)
        },
    }


def coco_ap(
    truth: pd.DataFrame,
    detections: pd.DataFrame,
    sizes: pd.DataFrame,
    kind: Kind,
    body_types: tuple[str, ...],
) -> dict:
    """AP by torchmetrics and faster-coco-eval; the masks of one photo are decoded at a time.

    Args:
        truth: see the module.
        detections: see the module.
        sizes: see the module.
        kind: whether boxes or masks are compared.
        body_types: the types, in order.

    Returns:
        {"AP", "AP50", "AP75": float 0..1, "per_type": {type: float}}; None where there is no truth.

    Raises:
        CarsegError: A table names a photo that `sizes` lacks, or a type that `body_types` lacks.
    """
    return _coco_ap(_prepare(truth, detections, sizes, kind, body_types))


def match_detections(
    truth: pd.DataFrame,
    detections: pd.DataFrame,
    sizes: pd.DataFrame,
    kind: Kind,
    body_types: tuple[str, ...],
) -> list[TypeMatches]:
    """Judge every detection by COCO's rule: by falling score, each takes the best truth still free.

    Args:
        truth: see the module.
        detections: see the module.
        sizes: see the module.
        kind: whether boxes or masks are compared.
        body_types: the types, in order.

    Returns:
        One `TypeMatches` a type; photos are numbered in the order of their sorted ids.
    """
    return _match(_prepare(truth, detections, sizes, kind, body_types))


def resampled_ap(matches: list[TypeMatches], weights: np.ndarray) -> np.ndarray:
    """AP with photos counted several times, as after drawing them with replacement.

    Args:
        matches: from `match_detections`.
        weights: int array (B, photos), how often each photo counts; all ones is the plain AP.

    Returns:
        float array (B, 10, C): AP of each draw, overlap threshold and type; NaN for a type without truth.
    """
    result = np.full((len(weights), len(IOU_THRESHOLDS), len(matches)), np.nan)
    for c, of_type in enumerate(matches):
        truths = weights @ of_type.truths  # (B,)
        counted = weights[:, of_type.photo]  # (B, D)
        seen = counted.cumsum(axis=1)
        for t in range(len(IOU_THRESHOLDS)):
            # Only true detections matter: between two of them precision falls and recall stands still.
            hits = np.flatnonzero(of_type.true[:, t])
            found = counted[:, hits].cumsum(axis=1)  # (B, H)
            precision = found / np.maximum(seen[:, hits], 1)
            best = np.zeros((len(weights), len(hits) + 1))  # best precision at this recall or a higher one
            best[:, :-1] = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
            for b in np.flatnonzero(truths):
                result[b, t, c] = best[b, np.searchsorted(found[b] / truths[b], RECALLS)].mean()
    return result


@dataclass(frozen=True)
class _Instances:
    """A table of instances as arrays, sorted by photo, then by falling score."""

    boxes: np.ndarray  # (N, 4) float64
    labels: np.ndarray  # (N,) int, 1..C
    scores: np.ndarray  # (N,) float64; 1 for truth
    masks: list[str]  # (N,)
    starts: np.ndarray  # (photos + 1,): rows starts[p] to starts[p + 1] are those of photo p

    @property
    def count(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class _Data:
    truth: _Instances
    detections: _Instances
    sizes: list[tuple[int, int]]  # (height, width) of each photo
    kind: Kind
    body_types: tuple[str, ...]


def _prepare(
    truth: pd.DataFrame,
    detections: pd.DataFrame,
    sizes: pd.DataFrame,
    kind: Kind,
    body_types: tuple[str, ...],
) -> _Data:
    for name, table in (("truth", truth), ("detections", detections)):
        if len(strange := table.loc[~table["photo_id"].isin(sizes["photo_id"]), "photo_id"]):
            raise CarsegError(
                f"The {name} name the photo {strange.iloc[0]!r}, which is not among those judged."
            )
        if len(strange := table.loc[~table["body_type"].isin(body_types)]):
            photo, body_type = strange.iloc[0][["photo_id", "body_type"]]
            raise CarsegError(
                f"The {name} give photo {photo!r} the body type {body_type!r}, not one of {body_types}."
            )
    if kind == "segm":
        unmasked = truth.loc[truth["mask"].fillna("").eq(""), "photo_id"]
        truth, detections, sizes = (
            table[~table["photo_id"].isin(unmasked)] for table in (truth, detections, sizes)
        )
    sizes = sizes.sort_values("photo_id")
    return _Data(
        truth=_instances(truth.assign(score=1.0), sizes["photo_id"], body_types),
        detections=_instances(detections, sizes["photo_id"], body_types),
        sizes=list(zip(sizes["height"].astype(int), sizes["width"].astype(int), strict=True)),
        kind=kind,
        body_types=tuple(body_types),
    )


def _instances(table: pd.DataFrame, photo_ids: pd.Series, body_types: tuple[str, ...]) -> _Instances:
    photo = pd.Index(photo_ids).get_indexer(table["photo_id"])
    order = np.lexsort(
        (-table["score"].to_numpy(float), photo)
    )  # stable: equal scores stay in the table's order
    table = table.iloc[order]
    return _Instances(
        boxes=table[["x1", "y1", "x2", "y2"]].to_numpy(float),
        labels=pd.Index(body_types).get_indexer(table["body_type"]) + 1,
        scores=table["score"].to_numpy(float),
        masks=table["mask"].fillna("").tolist(),
        starts=np.searchsorted(photo[order], np.arange(len(photo_ids) + 1)),
    )


def _coco_ap(data: _Data) -> dict:
    labels = np.unique(data.truth.labels)
    per_type = dict.fromkeys(data.body_types)
    if not len(labels):
        return {"AP": None, "AP50": None, "AP75": None, "per_type": per_type}
    if not data.detections.count:
        precision = np.zeros((len(IOU_THRESHOLDS), len(RECALLS), len(labels)))
    else:
        precision = _coco_precision(data, labels)
    per_type |= {
        data.body_types[label - 1]: float(precision[:, :, k].mean()) for k, label in enumerate(labels)
    }
    return {
        "AP": float(precision.mean()),
        "AP50": float(precision[0].mean()),
        "AP75": float(precision[5].mean()),
        "per_type": per_type,
    }


def _coco_precision(data: _Data, labels: np.ndarray) -> np.ndarray:
    """Interpolated precision (10, 101, len(labels)) of the types that have truth."""
    # Given masks alone, torchmetrics forgets photos without truth, and with them their false detections.
    metric = MeanAveragePrecision(
        iou_type=("bbox",) if data.kind == "bbox" else ("bbox", "segm"),
        iou_thresholds=IOU_THRESHOLDS.tolist(),
        rec_thresholds=RECALLS.tolist(),
        extended_summary=True,
        backend="faster_coco_eval",
    )
    metric.warn_on_many_detections = False
    for p, size in enumerate(data.sizes):
        metric.update(
            [_torchmetrics_item(data.detections, p, size, data.kind)],
            [_torchmetrics_item(data.truth, p, size, data.kind)],
        )
    result = metric.compute()
    precision = result[
        "precision" if data.kind == "bbox" else "segm_precision"
    ].numpy()  # (10, 101, K, area, max)
    return precision[:, :, np.isin(result["classes"].numpy().ravel(), labels), 0, -1]


def _torchmetrics_item(instances: _Instances, photo: int, size: tuple[int, int], kind: Kind) -> dict:
    rows = slice(instances.starts[photo], instances.starts[photo + 1])
    item = {
        "boxes": torch.tensor(instances.boxes[rows]),
        "scores": torch.tensor(instances.scores[rows]),
        "labels": torch.tensor(instances.labels[rows]),
    }
    if kind == "segm":
        masks = np.zeros((len(item["labels"]), *size), dtype=bool)
        for mask, counts in zip(masks, instances.masks[rows], strict=True):
            if counts:
                mask[:] = decode_mask(counts, *size)
        item["masks"] = torch.from_numpy(masks)
    return item


def _match(data: _Data) -> list[TypeMatches]:
    photos = len(data.sizes)
    found: list[list[tuple[np.ndarray, np.ndarray, np.ndarray]]] = [[] for _ in data.body_types]
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


def _overlaps(data: _Data, given: np.ndarray, wanted: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Intersection over union (given, wanted) of boxes or masks."""
    if not len(wanted):
        return np.zeros((len(given), 0))
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
    """COCO's greedy match in one photo: overlaps (D, G), detections by falling score → true (D, 10)."""
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
    if not parts:
        none = np.zeros(0)
        return TypeMatches(
            none.astype(np.int64), none, np.zeros((0, len(IOU_THRESHOLDS)), dtype=bool), truths
        )
    photo, score, true = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(-score, kind="stable")
    return TypeMatches(photo[order], score[order], true[order], truths)
