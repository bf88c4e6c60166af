"""Conformal sets: the types that a photo may show, so that the true one is among them with a promised probability.

Split conformal prediction (Vovk, Gammerman and Shafer 2005; Angelopoulos and Bates 2021, arXiv:2107.07511, §1) with the
score 1 − probability of the true type, which gives the smallest sets on average ("LAC"; Sadinle, Lei and Wasserman
2019, doi:10.1080/01621459.2017.1395341). Validation calibrates: the quantile of its n scores at ⌈(n + 1) · level⌉ / n.
Test is measured. A photo's set holds every type whose score is at most the quantile. Two kinds:

- `MARGINAL`: one quantile. The promise is for photos as they come; a type that is hard may be covered less.
- `PER_TYPE`: a quantile from each type's own photos (class-conditional, Mondrian). The promise is for each type; with
  few photos of a type the quantile is high, and beyond its scores (all types are then always in the set) if
  n < level / (1 − level): 19 photos at 95%.

The promise holds on average over calibrations, if validation and test photos are exchangeable: of one source, and
drawn alike. It says nothing about photos of another source, of a camera or of car models never seen; and it is weaker
than it looks where the model was chosen by its validation accuracy, as the epoch is here. With one calibration, the
coverage varies by chance: `expected_low` and `expected_high` bound it for 95% of pairs of validation and test sets of
these sizes (beta-binomial; Vovk 2012, arXiv:1209.2673).

A set may be empty: where the model is right more often than promised, the least certain photos can be left without an
answer. A photo in which no car was found has no probability for any type: its set is empty.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import betabinom

from carseg_lib.core.errors import CarsegError
from carseg_lib.evaluation.bootstrap import LEVEL, mean_estimate, wilson_interval
from carseg_lib.evaluation.calibration import outcome_probabilities, true_types
from carseg_lib.evaluation.paired import flatten_estimates

LEVELS = (0.9, 0.95)  # promised coverages
MARGINAL, PER_TYPE = "marginal", "per type"


def conformal_quantile(scores: np.ndarray, level: float) -> float:
    """The largest score that a set admits: the ⌈(n + 1) · level⌉-th smallest of n calibration scores.

    Args:
        scores: float array (n,), of calibration photos.
        level: promised coverage, 0..1.

    Returns:
        Infinity if there are too few scores for this level.
    """
    rank = _rank(len(scores), level)
    return float(np.sort(scores)[rank - 1]) if rank <= len(scores) else float("inf")


def prediction_sets(types: np.ndarray, quantiles: np.ndarray) -> np.ndarray:
    """The sets of photos, bool array (photos, types).

    Args:
        types: float array (photos, types), probabilities; all 0 where no car was found.
        quantiles: float array (types,), the largest score at which each type is in a set.
    """
    return (1 - types <= quantiles) & (types.max(axis=1, keepdims=True) > 0)


def calibrate(types: np.ndarray, truth: np.ndarray, level: float, kind: str) -> np.ndarray:
    """The quantile of each type, float array (types,); one and the same for `MARGINAL`.

    Args:
        types: float array (photos, types), probabilities of calibration photos.
        truth: int array (photos,), 0..types-1.
        level: promised coverage, 0..1.
        kind: `MARGINAL` or `PER_TYPE`.
    """
    scores = 1 - types[np.arange(len(truth)), truth]
    if kind == MARGINAL:
        return np.full(types.shape[1], conformal_quantile(scores, level))
    return np.array([conformal_quantile(scores[truth == c], level) for c in range(types.shape[1])])


def conformal_sets(
    predictions: pd.DataFrame, body_types: Sequence[str], *, bootstrap_samples: int, seed: int
) -> pd.DataFrame:
    """Sets calibrated on a run's validation photos and measured on its test photos.

    Args:
        predictions: as `tables.read_predictions` returns them, with both splits.
        body_types: of the study, in the classes' order.
        bootstrap_samples: draws for the interval of the mean size.
        seed: the same seed gives the same intervals.

    Returns:
        A row a level, kind and group: level, kind, group ("all", then each type that has test photos), calibration
        and n (photos of the group in validation and test), quantile (NaN for "all" of `PER_TYPE`, where it differs),
        coverage, coverage_low, coverage_high (Wilson's 95% interval), expected_low, expected_high (NaN where nothing
        is promised: a type's coverage by `MARGINAL`), size, size_low, size_high (mean types a set), empty, single
        (shares of the photos with a set of none and of one type).

    Raises:
        CarsegError: The predictions have no probabilities, or lack a split.
    """
    known = {}
    for split in ("validation", "test"):
        part = predictions[predictions["split"] == split]
        if part.empty:
            raise CarsegError(f"conformal sets need validation and test photos; predictions.csv has no {split} photos")
        known[split] = outcome_probabilities(part, body_types)[:, :-1], true_types(part, body_types)
    (of_validation, labels), (of_test, truth) = known["validation"], known["test"]
    rows: list[dict[str, Any]] = []
    for level in LEVELS:
        for kind in (MARGINAL, PER_TYPE):
            quantiles = calibrate(of_validation, labels, level, kind)
            sets = prediction_sets(of_test, quantiles)
            groups = {"all": (truth >= 0, len(labels), quantiles[0] if kind == MARGINAL else np.nan)}
            groups |= {t: (truth == c, int((labels == c).sum()), quantiles[c]) for c, t in enumerate(body_types)}
            for group, (inside, calibration, quantile) in groups.items():
                if inside.any():
                    promised = group == "all" if kind == MARGINAL else group != "all"
                    row = {"level": level, "kind": kind, "group": group, "calibration": calibration}
                    row |= {"n": int(inside.sum()), "quantile": float(quantile)}
                    row |= _group_row(sets[inside], truth[inside], calibration if promised else None, level)
                    row["size"] = _mean_size(sets[inside], bootstrap_samples, seed)
                    rows.append(flatten_estimates(row))
    return pd.DataFrame(rows)


def expected_coverage(calibration: int, n: int, level: float) -> tuple[float, float]:
    """The range of 95% of the coverages of n test photos that calibrations of some photos give; (1, 1) if all are."""
    rank = _rank(calibration, level)
    if rank > calibration:
        return 1.0, 1.0
    low, high = betabinom(n, rank, calibration + 1 - rank).ppf([0.5 - LEVEL / 2, 0.5 + LEVEL / 2]) / n
    return float(low), float(high)


def _rank(n: int, level: float) -> int:
    return int(np.ceil((n + 1) * level - 1e-9))  # less the rounding of the product


def _group_row(sets: np.ndarray, truth: np.ndarray, calibration: int | None, level: float) -> dict[str, Any]:
    n = len(truth)
    covered = float(sets[np.arange(n), truth].mean())
    low, high = wilson_interval(covered, n)
    expected = (np.nan, np.nan) if calibration is None else expected_coverage(calibration, n, level)
    sizes = sets.sum(axis=1)
    return {
        "coverage": {"value": covered, "low": min(low, covered), "high": max(high, covered), "n": n},
        "expected_low": expected[0],
        "expected_high": expected[1],
        "empty": float((sizes == 0).mean()),
        "single": float((sizes == 1).mean()),
    }


def _mean_size(sets: np.ndarray, bootstrap_samples: int, seed: int) -> dict[str, float | int]:
    """The mean number of types a set, an estimate."""
    types = sets.shape[1]
    share = mean_estimate(sets.mean(axis=1), bootstrap_samples=bootstrap_samples, seed=seed)
    return {key: value if key == "n" else types * value for key, value in share.items()}
