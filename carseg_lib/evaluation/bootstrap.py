"""An estimate and its 95% interval, as every headline number of the study has one.

Each kind of number has the interval that covers it (docs/statistics.md: how often, in simulated studies):

- A share of photos, such as an accuracy: Wilson's interval.
- A mean of other values, such as a mask IoU: the Bayesian bootstrap over photos (Rubin 1981,
  doi:10.1214/aos/1176345338), with one photo more, half of it at 0 and half at 1. Of zeros and ones that is Jeffreys'
  interval of a proportion; it allows for the rare photo without a detection that a small sample may lack.
- Scores of a confusion matrix: `carseg_lib.evaluation.classification`; average precision: `average_precision`.

Photos that are not independent, such as those of one car model, may form groups: whole groups are then resampled. The
interval always contains the value.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import NormalDist

import numpy as np
import pandas as pd

LEVEL = 0.95
Z = NormalDist().inv_cdf((1 + LEVEL) / 2)
_CHUNK = 100  # samples in memory at once
_NO_WIDTH = 1e-12
_ROUNDING = 1e-6  # by which an IoU of float32 boxes may exceed 1

Estimate = dict[str, float | int]  # {"value", "low", "high", "n"}
Groups = Sequence[str] | np.ndarray  # names, or numbers, of the groups of photos, see `group_numbers`


def estimate(value: float, interval: tuple[float, float], n: int) -> Estimate:
    """An estimate with its interval, cut to 0..1 and stretched to the value.

    Args:
        value: the number on the photos themselves, 0..1.
        interval: its low and high end; not finite or without width (all photos alike): Wilson's replaces it, so that a
            perfect score on four photos does not seem certain. Wilson's is conservative for other numbers between 0
            and 1: none varies more than a proportion of the same mean.
        n: photos (or instances) that the number is computed from.

    Returns:
        {"value", "low", "high", "n"}, all finite.

    Raises:
        ValueError: The value is not between 0 and 1.
    """
    if not 0 <= value <= 1 + _ROUNDING:
        raise ValueError(f"an estimate lies between 0 and 1, got {value}")
    value = min(float(value), 1.0)
    low, high = map(float, interval)
    if not high - low >= _NO_WIDTH:  # also of NaN
        low, high = wilson_interval(value, n)
    return {"value": value, "low": max(0.0, min(low, value)), "high": min(1.0, max(high, value)), "n": n}


def percentile_interval(draws: np.ndarray) -> tuple[float, float]:
    """The 2.5th and the 97.5th percentile of the draws (B,) that are not NaN; NaN without any."""
    defined = draws[np.isfinite(draws)]
    if not len(defined):
        return math.nan, math.nan
    low, high = np.percentile(defined, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return float(low), float(high)


def wilson_interval(proportion: float, n: float, z: float = Z) -> tuple[float, float]:
    """Wilson's score interval (Wilson 1927, doi:10.1080/01621459.1927.10502953).

    scipy's `binomtest(k, n).proportion_ci(method="wilson")` gives the same up to rounding, but takes whole successes
    only: here a proportion may also be a mean of other numbers between 0 and 1, and n an effective number.

    Args:
        proportion: 0..1.
        n: number of trials; with 0 the interval is (0, 1).
        z: quantile for the level, that of 95% by default.

    Returns:
        (low, high), 0 ≤ low ≤ high ≤ 1.
    """
    if n == 0:
        return 0.0, 1.0
    centre = (proportion + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(proportion * (1 - proportion) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def proportion_estimate(successes: int, n: int) -> Estimate:
    """Estimate of a share of independent photos, such as an accuracy, with Wilson's interval.

    Args:
        successes: photos that count, 0..n.
        n: photos; with 0 the share is 0 and its interval (0, 1).
    """
    share = successes / max(n, 1)
    return estimate(share, wilson_interval(share, n), n)


def mean_estimate(
    values: np.ndarray, *, bootstrap_samples: int, seed: int | list[int], groups: Groups | None = None
) -> Estimate:
    """Estimate of the mean of one value per photo, with the interval of the Bayesian bootstrap.

    Args:
        values: float array (n,), n at least 1, each 0..1.
        bootstrap_samples: draws.
        seed: the same seed gives the same interval.
        groups: of the photos, see `group_numbers`.
    """
    n = len(values)
    numbers = np.arange(n) if groups is None else group_numbers(groups)
    totals, sizes = np.bincount(numbers, values), np.bincount(numbers)  # (G,)
    rng = np.random.default_rng(seed)
    draws = []
    for start in range(0, bootstrap_samples, _CHUNK):
        rows = min(_CHUNK, bootstrap_samples - start)
        weights = rng.standard_gamma(1.0, (rows, len(sizes)))
        zeros, ones = rng.standard_gamma(0.5, (2, rows)) * n / len(sizes)  # one unit of the mean size
        draws.append((weights @ totals + ones) / (weights @ sizes + zeros + ones))
    return estimate(float(values.mean()), percentile_interval(np.concatenate(draws)), n)


def group_numbers(groups: Groups) -> np.ndarray:
    """Number the groups of photos: int array (n,), 0 to the number of groups less 1.

    Args:
        groups: the name of each photo's group, "" for a photo that is its own; or an int array (n,) of numbers, of
            which some may be missing.
    """
    if isinstance(groups, np.ndarray):
        return np.unique(groups, return_inverse=True)[1]
    names = pd.Series(list(groups), dtype="str").fillna("")
    own = names.eq("")
    numbers, known = pd.factorize(names.where(~own))  # -1 for a missing one
    numbers[own.to_numpy()] = len(known) + np.arange(int(own.sum()))
    return numbers


def photo_weights(
    n: int, bootstrap_samples: int, seed: int | list[int], groups: Groups | None = None
) -> Iterator[np.ndarray]:
    """How often each photo is sampled, in chunks so that memory does not grow with the number of samples.

    Args:
        n: photos.
        bootstrap_samples: draws in all.
        seed: the same seed gives the same weights.
        groups: of the photos, see `group_numbers`; as many groups as there are are sampled, each with all its photos.

    Yields:
        int64 arrays (b, n); without groups each row sums to n.
    """
    rng = np.random.default_rng(seed)
    numbers = None if groups is None else group_numbers(groups)
    units = n if numbers is None else int(numbers.max()) + 1
    for start in range(0, bootstrap_samples, _CHUNK):
        rows = min(_CHUNK, bootstrap_samples - start)
        picks = rng.integers(units, size=(rows, units)) + units * np.arange(rows)[:, None]
        weights = np.bincount(picks.ravel(), minlength=rows * units).reshape(rows, units)
        yield weights if numbers is None else weights[:, numbers]


def half_weights(n: int, halves: int, seed: int | list[int], groups: Groups | None = None) -> Iterator[np.ndarray]:
    """Random halves of the photos, each with its other half.

    Args:
        n: photos, at least 2.
        halves: how many, at least; an even number is drawn.
        seed: the same seed gives the same halves.
        groups: of the photos, see `group_numbers`; whole groups are in one half.

    Yields:
        int64 arrays (b, n) of 0 and 1.
    """
    rng = np.random.default_rng(seed)
    numbers = np.arange(n) if groups is None else group_numbers(groups)
    units = int(numbers.max()) + 1
    for start in range(0, halves, _CHUNK):
        pairs = (min(_CHUNK, halves - start) + 1) // 2
        ranks = rng.permuted(np.tile(np.arange(units), (pairs, 1)), axis=1)
        first = (ranks < units // 2).astype(np.int64)[:, numbers]
        yield np.concatenate([first, 1 - first])
