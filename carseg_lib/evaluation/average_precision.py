"""COCO average precision (AP) of boxes and masks, with bootstrap intervals.

The values are those of torchmetrics with faster-coco-eval: 10 IoU thresholds (0.50 to 0.95), precision interpolated at
101 recalls, at most 100 detections per photo and type; a type without labelled instances is excluded (null).

A thousand such evaluations of resampled photos would take hours. But whether a detection is true does not depend on
the other photos, so matching is done once (`coco_matching.match_detections`), and a bootstrap sample only changes how
often each photo counts (`resampled_ap`). Tests compare the two.
The functions take the tables that `coco_matching` describes.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from torchmetrics.detection import MeanAveragePrecision

from carseg_lib.data.masks import decode_mask
from carseg_lib.evaluation.bootstrap import estimate, photo_weights
from carseg_lib.evaluation.coco_matching import (
    IOU_THRESHOLDS,
    EvaluationData,
    Instances,
    Kind,
    TypeMatches,
    match,
    prepare,
)

RECALLS = np.linspace(0, 1, 101)


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
        truth: see `coco_matching`.
        detections: see `coco_matching`.
        sizes: see `coco_matching`.
        kind: whether boxes or masks are compared.
        body_types: the types, in order.
        bootstrap_samples: draws for the intervals.
        seed: the same seed gives the same intervals.

    Returns:
        {"AP", "AP50", "AP75": estimate with n = photos, "per_type": {type: {"AP": estimate with n = labelled
        instances, or None without instances}}}; None if there is nothing to evaluate (kind "segm": no labelled masks).
    """
    data = prepare(truth, detections, sizes, kind, body_types)
    if not data.truth.count:
        return None
    values = _coco_ap(data)
    matches = match(data)
    n = len(data.sizes)
    chunks = photo_weights(n, bootstrap_samples, seed)
    draws = np.concatenate([resampled_ap(matches, weights) for weights in chunks])  # (B, 10, C)
    with np.errstate(invalid="ignore"):
        present = np.isfinite(draws[:, 0]).sum(axis=1)
        mean = np.nansum(draws, axis=2) / present[:, None]  # (B, 10) over the types in each draw
    per_type: dict[str, dict] = {}
    for c, (body_type, value) in enumerate(values["per_type"].items()):
        of_type, instances = draws[:, :, c].mean(axis=1), int(matches[c].truths.sum())
        per_type[body_type] = {"AP": None if value is None else estimate(value, of_type, instances)}
    return {
        "AP": estimate(values["AP"], mean.mean(axis=1), n),
        "AP50": estimate(values["AP50"], mean[:, 0], n),
        "AP75": estimate(values["AP75"], mean[:, 5], n),
        "per_type": per_type,
    }


def coco_ap(
    truth: pd.DataFrame, detections: pd.DataFrame, sizes: pd.DataFrame, kind: Kind, body_types: tuple[str, ...]
) -> dict:
    """AP by torchmetrics and faster-coco-eval; masks are decoded one photo at a time.

    Args:
        truth: see `coco_matching`.
        detections: see `coco_matching`.
        sizes: see `coco_matching`.
        kind: whether boxes or masks are compared.
        body_types: the types, in order.

    Returns:
        {"AP", "AP50", "AP75": float 0..1, "per_type": {type: float}}; None without labelled instances.

    Raises:
        CarsegError: A table names a photo that `sizes` lacks, or a type that `body_types` lacks.
    """
    return _coco_ap(prepare(truth, detections, sizes, kind, body_types))


def resampled_ap(matches: list[TypeMatches], weights: np.ndarray) -> np.ndarray:
    """AP with photos counted several times, as in a bootstrap sample.

    Args:
        matches: from `coco_matching.match_detections`.
        weights: int array (B, photos), how often each photo counts; all ones is the plain AP.

    Returns:
        float array (B, 10, C): AP of each draw, overlap threshold and type; NaN for a type without labelled instances.
    """
    result = np.full((len(weights), len(IOU_THRESHOLDS), len(matches)), np.nan)
    for c, of_type in enumerate(matches):
        truths = weights @ of_type.truths  # (B,)
        counted = weights[:, of_type.photo]  # (B, D)
        seen = counted.cumsum(axis=1)
        for t in range(len(IOU_THRESHOLDS)):
            # Only true detections matter: between two of them precision falls and recall is constant.
            hits = np.flatnonzero(of_type.true[:, t])
            found = counted[:, hits].cumsum(axis=1)  # (B, H)
            precision = found / np.maximum(seen[:, hits], 1)
            best = np.zeros((len(weights), len(hits) + 1))  # best precision at this recall or a higher one
            best[:, :-1] = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
            for b in np.flatnonzero(truths):
                result[b, t, c] = best[b, np.searchsorted(found[b] / truths[b], RECALLS)].mean()
    return result


def _coco_ap(data: EvaluationData) -> dict:
    labels = np.unique(data.truth.labels)
    per_type = dict.fromkeys(data.body_types)
    if not len(labels):
        return {"AP": None, "AP50": None, "AP75": None, "per_type": per_type}
    nothing = np.zeros((len(IOU_THRESHOLDS), len(RECALLS), len(labels)))
    precision = _coco_precision(data, labels) if data.detections.count else nothing
    per_type |= {data.body_types[label - 1]: float(precision[:, :, k].mean()) for k, label in enumerate(labels)}
    return {
        "AP": float(precision.mean()),
        "AP50": float(precision[0].mean()),
        "AP75": float(precision[5].mean()),
        "per_type": per_type,
    }


def _coco_precision(data: EvaluationData, labels: np.ndarray) -> np.ndarray:
    """Interpolated precision (10, 101, len(labels)) of the types with labelled instances."""
    # Given masks alone, torchmetrics drops photos without instances, and with them their false detections.
    metric = MeanAveragePrecision(
        iou_type=("bbox",) if data.kind == "bbox" else ("bbox", "segm"),
        iou_thresholds=IOU_THRESHOLDS.tolist(),
        rec_thresholds=RECALLS.tolist(),
        extended_summary=True,
        backend="faster_coco_eval",
    )
    metric.warn_on_many_detections = False
    for p, size in enumerate(data.sizes):
        metric.update(*([_torchmetrics_item(part, p, size, data.kind)] for part in (data.detections, data.truth)))
    result = metric.compute()
    precision = result["precision" if data.kind == "bbox" else "segm_precision"].numpy()  # (10, 101, K, area, max)
    return precision[:, :, np.isin(result["classes"].numpy().ravel(), labels), 0, -1]


def _torchmetrics_item(instances: Instances, photo: int, size: tuple[int, int], kind: Kind) -> dict:
    rows = slice(instances.starts[photo], instances.starts[photo + 1])
    item = {name: torch.tensor(getattr(instances, name)[rows]) for name in ("boxes", "scores", "labels")}
    if kind == "segm":
        masks = np.zeros((len(item["labels"]), *size), dtype=bool)
        for mask, counts in zip(masks, instances.masks[rows], strict=True):
            if counts:
                mask[:] = decode_mask(counts, *size)
        item["masks"] = torch.from_numpy(masks)
    return item
