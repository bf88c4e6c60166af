"""Selective accuracy: how right the model is where it is sure, if it may leave the other photos to a person.

Photos are answered in the order of their confidence (the probability of the predicted type; 0 where no car was found).
Coverage is the share that is answered, risk the share of wrong answers among them (El-Yaniv and Wiener 2010, JMLR 11;
Geifman and El-Yaniv 2017, arXiv:1705.08500). The area under the risk-coverage curve, AURC, is the mean of the risk over
the coverages 1/n, 2/n ... 1 (Geifman et al. 2019, arXiv:1805.08206); the least possible, with the same wrong answers
all at the end, is given beside it. AUROC is the probability that a right answer has more confidence than a wrong one.

"The surest 90% of the test photos" can be picked only when all of them are known. In use, a threshold is set
beforehand: it is taken from validation, and its coverage and accuracy are measured on test.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from carseg_lib.evaluation.bootstrap import Estimate, estimate, photo_weights, wilson_interval
from carseg_lib.evaluation.calibration import confidence, correct, outcome_probabilities, true_types

COVERAGES = (0.9, 0.8)  # at which accuracies are given


def risk_coverage(confidences: np.ndarray, hits: np.ndarray) -> pd.DataFrame:
    """The risk-coverage curve, a row for each threshold: photos of equal confidence are answered together.

    Args:
        confidences: float array (photos,), 0..1.
        hits: bool array (photos,), whether each is right.

    Returns:
        threshold (the least confidence answered), n (answered), coverage, accuracy (0..1), low, high (Wilson's 95%
        interval at each point for itself, not for the curve), coverage ascending.
    """
    order = np.argsort(-confidences, kind="stable")
    sorted_confidences = confidences[order]
    last = np.flatnonzero(np.append(sorted_confidences[1:] != sorted_confidences[:-1], True))
    n = last + 1
    accuracy = np.cumsum(hits[order])[last] / n
    low, high = np.array([wilson_interval(float(a), int(k)) for a, k in zip(accuracy, n, strict=True)]).T
    return pd.DataFrame(
        {"threshold": sorted_confidences[last], "n": n, "coverage": n / len(hits), "accuracy": accuracy}
        | {"low": np.minimum(low, accuracy), "high": np.maximum(high, accuracy)}
    )


def threshold_at(confidences: np.ndarray, coverage: float) -> float:
    """The largest confidence at which at least a share of the photos is answered."""
    answered = int(np.ceil(coverage * len(confidences) - 1e-9))
    return float(np.sort(confidences)[::-1][max(answered, 1) - 1])


def area_under_risk_coverage(confidences: np.ndarray, hits: np.ndarray) -> float:
    """AURC, 0..1, less is better; photos of equal confidence share their risk."""
    return float(_areas(confidences, hits, np.ones((1, len(hits))))[0])


def measure(confidences: np.ndarray, hits: np.ndarray, *, bootstrap_samples: int, seed: int) -> dict[str, Any]:
    """Every number of selective accuracy of a set of photos.

    Args:
        confidences: float array (photos,), 0..1.
        hits: bool array (photos,), whether each is right.
        bootstrap_samples: draws.
        seed: the same seed gives the same intervals.

    Returns:
        accuracy_at ({"0.9": estimate, ...} of the surest photos; n: photos answered), aurc (estimate), aurc_best (0..1,
        for the same number of wrong answers), auroc (estimate, or None if all are right or all wrong).
    """
    n, ranks = len(hits), np.arange(1, len(hits) + 1)
    weights = np.concatenate(list(photo_weights(n, bootstrap_samples, seed)))
    auroc = None
    if 0 < hits.sum() < n:
        both = [rows for rows in weights if 0 < hits @ rows < rows.sum()]
        draws = np.array([roc_auc_score(hits, confidences, sample_weight=rows) for rows in both])
        auroc = estimate(float(roc_auc_score(hits, confidences)), draws, n)
    return {
        "accuracy_at": {
            str(share): _answered(confidences, hits, threshold_at(confidences, share)) for share in COVERAGES
        },
        "aurc": estimate(area_under_risk_coverage(confidences, hits), _areas(confidences, hits, weights), n),
        "aurc_best": float((np.maximum(ranks - hits.sum(), 0) / ranks).mean()),
        "auroc": auroc,
    }


def selective_accuracy(
    predictions: pd.DataFrame, body_types: Sequence[str], *, bootstrap_samples: int, seed: int
) -> dict[str, Any]:
    """Selective accuracy of a run on validation and test, and on test by the thresholds of validation.

    Args:
        predictions: as `tables.read_predictions` returns them.
        body_types: of the study, in the classes' order.
        bootstrap_samples: draws.
        seed: the same seed gives the same intervals.

    Returns:
        {"splits": {split: as `measure` returns it}, "by_validation": {"0.9": {"threshold", "coverage", "accuracy"},
        ...}}: coverage and accuracy are estimates on test, accuracy None if the threshold leaves no photo.

    Raises:
        CarsegError: The predictions have no probabilities.
    """
    known = {split: answers(predictions, body_types, split) for split in ("validation", "test")}
    known = {split: found for split, found in known.items() if len(found[0])}
    of_splits = {
        split: measure(*found, bootstrap_samples=bootstrap_samples, seed=seed) for split, found in known.items()
    }
    by_validation = {}
    if len(known) == 2:
        for share in COVERAGES:
            threshold = threshold_at(known["validation"][0], share)
            sure, hits = known["test"]
            answered = int((sure >= threshold).sum())
            by_validation[str(share)] = {
                "threshold": threshold,
                "coverage": _share(answered, len(sure)),
                "accuracy": _answered(sure, hits, threshold) if answered else None,
            }
    return {"splits": of_splits, "by_validation": by_validation}


def answers(predictions: pd.DataFrame, body_types: Sequence[str], split: str) -> tuple[np.ndarray, np.ndarray]:
    """The confidence of each photo of a split, and whether its predicted type is the true one."""
    part = predictions[predictions["split"] == split]
    outcomes = outcome_probabilities(part, body_types)
    return confidence(outcomes), correct(outcomes, true_types(part, body_types))


def _answered(confidences: np.ndarray, hits: np.ndarray, threshold: float) -> Estimate:
    """The accuracy of the photos at or above a threshold."""
    chosen = hits[confidences >= threshold]
    return _share(int(chosen.sum()), len(chosen))


def _share(successes: int, n: int) -> Estimate:
    low, high = wilson_interval(successes / n, n)
    return {"value": successes / n, "low": min(low, successes / n), "high": max(high, successes / n), "n": n}


def _areas(confidences: np.ndarray, hits: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """AURC of samples of the photos, given how often each (B, photos) is in them: (B,)."""
    order = np.argsort(-confidences, kind="stable")
    _, group = np.unique(-confidences[order], return_inverse=True)
    last = np.flatnonzero(np.append(group[1:] != group[:-1], True))
    counts = weights[:, order]
    answered = np.cumsum(counts, axis=1)[:, last]
    wrong = np.cumsum(counts * ~hits[order], axis=1)[:, last]
    risk = wrong / np.maximum(answered, 1)
    steps = np.diff(answered, axis=1, prepend=0)
    return (risk * steps).sum(axis=1) / weights.sum(axis=1)
