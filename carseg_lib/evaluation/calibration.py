"""Calibration: whether a confidence of 90% is right nine times in ten, and the temperature that mends it.

What is judged is what the study reports: the photo's predicted type with its score. A photo has C + 1 outcomes, the
body types and "no car found"; `outcome_probabilities` is the one place that says how the model's abstention counts:

- The share that a prediction leaves to the background is the probability of "no car found", an outcome that is never
  the true one: every photo of the study shows a car.
- A photo in which no car was found has all its probability there: confidence 0, and wrong, as everywhere in the study.
  It has no distribution that a temperature could change, and is left out of the temperature's fit.
- A probability below `FLOOR` counts as `FLOOR` in the log loss, so that one photo cannot outweigh all others.

Measures: expected calibration error (ECE; Naeini et al. 2015, AAAI; Guo et al. 2017, arXiv:1706.04599, eq. 3) of the
confidence in `BINS` bins of equal width, the same of each type's probability against the rest, averaged over types
(classwise ECE; Kull et al. 2019, arXiv:1910.12656), Brier score (Brier 1950), halved to 0..1, and log loss in nats.

An ECE of few photos is too large: with perfect calibration it is 0.05 on 150 photos, by chance alone. Three things say
so: `chance`, the ECE that 95% of perfectly calibrated models stay below on these confidences (consistency resampling;
Bröcker and Smith 2007, doi:10.1175/WAF993.1); an interval that is the bootstrap's, reflected about the value, because
resampling adds the same bias once more (Davison and Hinkley 1997, §5.2), and begins at 0 where the value is below
`chance`. In simulations it covers 78–95% at 148 photos, 86–95% at 722 (the percentile interval 0–96%).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar

from carseg_lib.core.errors import CarsegError
from carseg_lib.evaluation.bootstrap import LEVEL, Estimate, mean_estimate, photo_weights, wilson_interval
from carseg_lib.evaluation.clusters import share_estimate
from carseg_lib.evaluation.paired import photo_difference
from carseg_lib.evaluation.tables import probabilities

BINS = 10  # of equal width, 0..1
FLOOR = 1e-4  # the smallest probability in a log loss; no photo loses more than 9.2 nats
TEMPERATURES = (0.05, 20.0)  # between which one is sought
UNDER, OVER, NEITHER = "under-confident", "over-confident", "not told apart from calibrated"


def outcome_probabilities(predictions: pd.DataFrame, body_types: Sequence[str]) -> np.ndarray:
    """The probabilities of each photo's outcomes: the types, and "no car found" as the module's docstring says.

    Args:
        predictions: as `tables.read_predictions` returns them.
        body_types: of the study, in the classes' order.

    Returns:
        float64 array (photos, types + 1), each row summing to 1; the last column is "no car found".

    Raises:
        CarsegError: The predictions have no probabilities.
    """
    types = probabilities(predictions, body_types)
    types = types / np.maximum(types.sum(axis=1, keepdims=True), 1)  # float32 sums exceed 1 in the last bits
    return np.column_stack([types, np.maximum(1 - types.sum(axis=1), 0)])


def true_types(predictions: pd.DataFrame, body_types: Sequence[str]) -> np.ndarray:
    """The labels as int64 array (photos,), 0..C-1.

    Raises:
        CarsegError: A label is none of the types.
    """
    places = pd.Index(body_types).get_indexer(predictions["body_type"])
    if (places < 0).any():
        raise CarsegError(f"predictions.csv: {predictions['body_type'][places < 0].iloc[0]!r} is no type of this run")
    return places.astype(np.int64)


def confidence(outcomes: np.ndarray) -> np.ndarray:
    """The probability of the most probable type, float64 array (photos,); 0 where no car was found."""
    return outcomes[:, :-1].max(axis=1)


def correct(outcomes: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Whether the most probable type is the true one, bool array (photos,); no where no car was found."""
    return (outcomes[:, :-1].argmax(axis=1) == truth) & (confidence(outcomes) > 0)


def fit_temperature(outcomes: np.ndarray, truth: np.ndarray) -> float:
    """The temperature that minimises the log loss (Guo et al. 2017, §4.2), to be fitted on validation alone.

    Args:
        outcomes: float array (photos, types + 1), as `outcome_probabilities` returns it.
        truth: int array (photos,), 0..C-1.

    Returns:
        Above 1: the probabilities were too sharp, over-confident; below 1: too flat.

    Raises:
        CarsegError: No photo has a car.
    """
    found = confidence(outcomes) > 0
    if not found.any():
        raise CarsegError("no temperature can be fitted: no car was found in any photo")
    places = np.arange(found.sum()), truth[found]

    def loss(log_temperature: float) -> float:
        return float(-np.log(apply_temperature(outcomes[found], np.exp(log_temperature))[places].clip(FLOOR)).mean())

    bounds = (float(np.log(TEMPERATURES[0])), float(np.log(TEMPERATURES[1])))
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-6}).x))


def apply_temperature(outcomes: np.ndarray, temperature: float) -> np.ndarray:
    """softmax(log p / T): flatter above 1, sharper below; which type is the most probable does not change.

    Args:
        outcomes: float array (photos, types + 1), rows summing to 1; without a car a row stays as it is.
        temperature: T, above 0.
    """
    with np.errstate(divide="ignore"):
        logs = np.log(outcomes) / temperature
    powers = np.exp(logs - logs.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def reliability(confidences: np.ndarray, hits: np.ndarray) -> pd.DataFrame:
    """The reliability diagram (Murphy and Winkler 1977) as a table, a row a bin that holds photos.

    Args:
        confidences: float array (photos,), 0..1.
        hits: bool array (photos,), whether each is right.

    Returns:
        start, end (of the bin, 0..1), n (photos), confidence (their mean), accuracy, low, high (Wilson's 95% interval).
    """
    rows = []
    bins = _bin_of(confidences)
    for k in np.unique(bins):
        inside = bins == k
        n, share = int(inside.sum()), float(hits[inside].mean())
        low, high = wilson_interval(share, n)
        rows.append((k / BINS, (k + 1) / BINS, n, float(confidences[inside].mean()), share, low, high))
    return pd.DataFrame(rows, columns=["start", "end", "n", "confidence", "accuracy", "low", "high"])


def calibration_error(confidences: np.ndarray, hits: np.ndarray) -> float:
    """The expected calibration error: |accuracy − confidence| of each bin, weighted by its photos; 0..1.

    The arguments are those of `reliability`. As `torchmetrics.functional.classification.binary_calibration_error`, for
    resampling in one product of matrices (see `calibration_estimate`).
    """
    return float(_errors(confidences, hits, np.ones((1, len(hits))))[0])


def calibration_estimate(
    confidences: np.ndarray, hits: np.ndarray, *, bootstrap_samples: int, seed: int
) -> dict[str, float | int]:
    """The expected calibration error with its interval, and `chance`; see the module's docstring.

    Args:
        confidences: float array (photos,), 0..1.
        hits: bool array (photos,), whether each is right.
        bootstrap_samples: draws.
        seed: the same seed gives the same interval.

    Returns:
        {"value", "low", "high", "n", "chance"}; not told apart from perfect calibration where value ≤ chance.
    """
    n = len(hits)
    value = calibration_error(confidences, hits)
    weights = photo_weights(n, bootstrap_samples, seed)
    draws = np.concatenate([_errors(confidences, hits, rows) for rows in weights])
    of_chance = np.random.default_rng([seed, 1]).random((bootstrap_samples, n)) < confidences
    chance = np.quantile(np.abs((of_chance - confidences) @ _indicators(confidences)).sum(axis=1) / n, LEVEL)
    low, high = 2 * value - np.quantile(draws, [0.5 + LEVEL / 2, 0.5 - LEVEL / 2])
    low = 0.0 if value <= chance else max(0.0, float(low))
    return {"value": value, "low": min(low, value), "high": max(value, float(high)), "n": n, "chance": float(chance)}


def measure(outcomes: np.ndarray, truth: np.ndarray, *, bootstrap_samples: int, seed: int) -> dict[str, Any]:
    """Every number of calibration of a set of photos.

    Args:
        outcomes: float array (photos, types + 1), rows summing to 1.
        truth: int array (photos,), 0..C-1.
        bootstrap_samples: draws.
        seed: the same seed gives the same intervals.

    Returns:
        ece ({"value", "low", "high", "n", "chance"}), classwise_ece (0..1), brier, log_loss (nats), accuracy,
        confidence (estimates), gap (estimate: accuracy less confidence, -1..1), direction (a word).
    """
    sampling: dict[str, Any] = {"bootstrap_samples": bootstrap_samples, "seed": seed}
    sure, hits = confidence(outcomes), correct(outcomes, truth)
    is_true = np.eye(outcomes.shape[1])[truth]
    most = -float(np.log(FLOOR))
    losses = -np.log(outcomes[np.arange(len(truth)), truth].clip(FLOOR)) / most
    gap = photo_difference(sure, hits.astype(float), **sampling)
    of_types = [calibration_error(outcomes[:, c], is_true[:, c]) for c in range(outcomes.shape[1] - 1)]
    return {
        "ece": calibration_estimate(sure, hits, **sampling),
        "classwise_ece": float(np.mean(of_types)),
        "brier": mean_estimate(((outcomes - is_true) ** 2).sum(axis=1) / 2, **sampling),
        "log_loss": _times(mean_estimate(losses, **sampling), most),
        "accuracy": share_estimate(hits),
        "confidence": mean_estimate(sure, **sampling),
        "gap": gap,
        "direction": UNDER if gap["low"] > 0 else OVER if gap["high"] < 0 else NEITHER,
    }


def calibrate(
    predictions: pd.DataFrame, body_types: Sequence[str], *, bootstrap_samples: int, seed: int
) -> dict[str, Any]:
    """Calibration of a run before and after the temperature that its validation photos give.

    The temperature's photos are those of validation: "after" is optimistic there by one fitted number, and fair on
    test.

    Args:
        predictions: as `tables.read_predictions` returns them, validation photos among them.
        body_types: of the study, in the classes' order.
        bootstrap_samples: draws.
        seed: the same seed gives the same intervals.

    Returns:
        {"temperature", "bins", "splits": {split: {"before", "after"}}} for validation and test, as far as they have
        photos; before and after are as `measure` returns them.

    Raises:
        CarsegError: The predictions have no probabilities, or no validation photos with a car.
    """
    temperature = validation_temperature(predictions, body_types)
    splits: dict[str, Mapping[str, Any]] = {}
    for split in ("validation", "test"):
        part = predictions[predictions["split"] == split]
        if len(part):
            outcomes, truth = outcome_probabilities(part, body_types), true_types(part, body_types)
            after = apply_temperature(outcomes, temperature)
            sampling = {"bootstrap_samples": bootstrap_samples, "seed": seed}
            splits[split] = {"before": measure(outcomes, truth, **sampling), "after": measure(after, truth, **sampling)}
    return {"temperature": temperature, "bins": BINS, "splits": splits}


def validation_temperature(predictions: pd.DataFrame, body_types: Sequence[str]) -> float:
    """The temperature fitted on the validation photos of a run; see `fit_temperature` and `calibrate`."""
    part = predictions[predictions["split"] == "validation"]
    return fit_temperature(outcome_probabilities(part, body_types), true_types(part, body_types))


def _bin_of(confidences: np.ndarray) -> np.ndarray:
    """The bin of each confidence: a bin holds its lower edge, the last one both."""
    edges = np.linspace(0, 1, BINS + 1)
    return np.minimum(np.digitize(confidences, edges) - 1, BINS - 1)


def _indicators(confidences: np.ndarray) -> np.ndarray:
    return np.eye(BINS)[_bin_of(confidences)]


def _errors(confidences: np.ndarray, hits: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The calibration error of samples of the photos, given how often each (B, photos) is in them: (B,)."""
    gaps = (hits - confidences)[:, None] * _indicators(confidences)
    return np.abs(weights @ gaps).sum(axis=1) / len(hits)


def _times(of_share: Estimate, factor: float) -> Estimate:
    return {key: value if key == "n" else factor * value for key, value in of_share.items()}
