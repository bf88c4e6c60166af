"""COCO average precision (AP) of boxes and masks, with intervals.

The values are those of torchmetrics with faster-coco-eval: 10 IoU thresholds (0.50 to 0.95), precision interpolated at
101 recalls, at most 100 detections per photo and type; a type without labelled instances is excluded (null).

A thousand such evaluations of resampled photos would take hours. But whether a detection is true does not depend on
the other photos, so matching is done once (`coco_matching.match_detections`), and a bootstrap sample only changes how
often each photo counts (`resampled_ap`). Tests compare the two.

AP takes the best precision at a recall or a higher one, which is too high on few photos: it lies above its value on
many photos, the more so the fewer there are. A percentile interval inherits that and adds its own share; it covers 74
to 95%. Here the excess is estimated from random halves of the photos, assuming that it falls with the square root of
their number, and subtracted from the interval's centre, not from the value, which stays comparable with others'. The
interval is symmetric in the log odds, and wider than the bootstrap's standard deviation by `_WIDENING`, which was set
by simulation because the correction has an error of its own. docs/statistics.md has the coverage.

The functions take the tables that `coco_matching` describes.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from carseg_lib.data.masks import decode_mask
from carseg_lib.evaluation.bootstrap import Estimate, Groups, Z, estimate, half_weights, photo_weights
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
_WIDENING = 1.1
_SAMPLES_A_HALF = 5  # bootstrap samples for each half that the excess is estimated from


def average_precision(
    truth: pd.DataFrame,
    detections: pd.DataFrame,
    sizes: pd.DataFrame,
    kind: Kind,
    body_types: tuple[str, ...],
    *,
    bootstrap_samples: int,
    seed: int | list[int],
    groups: pd.Series | None = None,
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
        groups: name of each photo's group by photo_id, see `bootstrap.group_numbers`; None: no groups.

    Returns:
        {"AP", "AP50", "AP75": estimate with n = photos, "per_type": {type: {"AP": estimate with n = labelled
        instances, or None without instances}}}; None if there is nothing to evaluate (kind "segm": no labelled masks).
    """
    data = prepare(truth, detections, sizes, kind, body_types)
    if not data.truth.count:
        return None
    of_photos = None if groups is None else groups.reindex(data.photo_ids).fillna("").tolist()
    return estimates_of_matches(match(data), _coco_ap(data), bootstrap_samples, seed, of_photos)


def estimates_of_matches(
    matches: list[TypeMatches],
    values: dict,
    bootstrap_samples: int,
    seed: int | list[int],
    groups: Groups | None = None,
) -> dict:
    """`average_precision` of matched detections.

    Args:
        matches: from `coco_matching.match_detections`.
        values: of the photos, as `coco_ap` returns them.
        bootstrap_samples: draws for the intervals.
        seed: the same seed gives the same intervals.
        groups: of the photos in the order of their ids, see `bootstrap.group_numbers`; None: no groups.
    """
    n = len(matches[0].truths)
    draws = [resampled_ap(matches, weights) for weights in photo_weights(n, bootstrap_samples, seed, groups)]
    few = half_weights(n, max(2, bootstrap_samples // _SAMPLES_A_HALF), seed, groups)
    halves = [resampled_ap(matches, weights) for weights in few]
    drawn, halved = np.concatenate(draws), np.concatenate(halves)  # (B, 10, C) and (H, 10, C)

    def of_types(name: str, thresholds: slice) -> Estimate:
        means = (_mean_over_types(part)[:, thresholds].mean(axis=1) for part in (drawn, halved))
        return _estimate(values[name], *means, n=n)

    def of_type(c: int, value: float | None) -> Estimate | None:
        parts = (part[:, :, c].mean(axis=1) for part in (drawn, halved))
        return None if value is None else _estimate(value, *parts, n=int(matches[c].truths.sum()))

    return {
        "AP": of_types("AP", slice(None)),
        "AP50": of_types("AP50", slice(0, 1)),
        "AP75": of_types("AP75", slice(5, 6)),
        "per_type": {t: {"AP": of_type(c, value)} for c, (t, value) in enumerate(values["per_type"].items())},
    }


def _mean_over_types(samples: np.ndarray) -> np.ndarray:
    """AP (B, 10, C) → (B, 10), the mean over the types in each sample; NaN without any."""
    with np.errstate(invalid="ignore"):
        return np.nansum(samples, axis=2) / np.isfinite(samples[:, :1]).sum(axis=2)


def _estimate(value: float, draws: np.ndarray, halves: np.ndarray, *, n: int) -> Estimate:
    """An AP with its interval, see the module.

    Args:
        value: the AP of the photos.
        draws: float array (B,), AP of each bootstrap sample; NaN where it is undefined.
        halves: float array (H,), AP of each half of the photos.
        n: photos, or instances.
    """
    draws, halves = (part[np.isfinite(part)] for part in (draws, halves))
    spread = float(draws.std()) if len(draws) else 0.0
    if not spread or not len(halves):
        return estimate(value, (math.nan, math.nan), n)
    excess = (halves.mean() - value) / (math.sqrt(2) - 1)
    least = 0.5 / n
    kept, centre = np.clip([value, value - excess], least, 1 - least)
    reach = _WIDENING * Z * spread / (kept * (1 - kept))
    return estimate(value, (float(expit(logit(centre) - reach)), float(expit(logit(centre) + reach))), n)


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
    from torchmetrics.detection import MeanAveragePrecision  # here: the report reads this package, and needs no torch

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
    import torch

    rows = slice(instances.starts[photo], instances.starts[photo + 1])
    item = {name: torch.tensor(getattr(instances, name)[rows]) for name in ("boxes", "scores", "labels")}
    if kind == "segm":
        masks = np.zeros((len(item["labels"]), *size), dtype=bool)
        for mask, counts in zip(masks, instances.masks[rows], strict=True):
            if counts:
                mask[:] = decode_mask(counts, *size)
        item["masks"] = torch.from_numpy(masks)
    return item
