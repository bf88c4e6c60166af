"""An estimate and its 95% interval, as every headline number of the study has one.

The interval is the percentile bootstrap over photos: as many photos as there are, sampled with replacement, many
times; 2.5% of the values lie below `low`, 2.5% above `high`. There are two exceptions:

- If all samples give one value (every photo correct, or a single photo), the bootstrap interval has no width, and a
  perfect score on four photos would seem certain. Wilson's interval for a proportion replaces it, with the number's
  own n. For other numbers between 0 and 1 it is conservative: none varies more than a proportion of the same mean.
- The interval always contains the value: where resampling is biased (average precision can be), it is extended.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import NormalDist

import numpy as np

LEVEL = 0.95
_CHUNK = 100  # samples in memory at once
_NO_WIDTH = 1e-12
_ROUNDING = 1e-6  # by which an IoU of float32 boxes may exceed 1

Estimate = dict[str, float | int]  # {"value", "low", "high", "n"}


def estimate(value: float, draws: np.ndarray, n: int) -> Estimate:
    """An estimate with its interval.

    Args:
        value: the number on the photos themselves, 0..1.
        draws: float array (B,), the same number on each sample; NaN where it is undefined.
        n: photos (or instances) that the number is computed from.

    Returns:
        {"value", "low", "high", "n"}, all finite.

    Raises:
        ValueError: The value is not between 0 and 1.
    """
    if not 0 <= value <= 1 + _ROUNDING:
        raise ValueError(f"an estimate lies between 0 and 1, got {value}")
    value = min(float(value), 1.0)
    defined = draws[np.isfinite(draws)]
    low = high = value
    if len(defined):
        low, high = np.percentile(defined, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    if high - low < _NO_WIDTH:
        low, high = wilson_interval(value, n)
    return {"value": value, "low": max(0.0, min(float(low), value)), "high": min(1.0, max(float(high), value)), "n": n}


def wilson_interval(proportion: float, n: int) -> tuple[float, float]:
    """Wilson's score interval at 95% (Wilson 1927).

    scipy's `binomtest(k, n).proportion_ci(method="wilson")` gives the same up to rounding, but takes whole successes
    only: here a proportion may also be the mean of other numbers between 0 and 1, such as an F1 score.

    Args:
        proportion: 0..1.
        n: number of trials; with 0 the interval is (0, 1).

    Returns:
        (low, high), 0 ≤ low ≤ high ≤ 1.
    """
    if n == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + LEVEL) / 2)
    centre = (proportion + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(proportion * (1 - proportion) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def proportion_estimate(successes: int, n: int, *, bootstrap_samples: int, seed: int) -> Estimate:
    """Estimate of a share of photos, such as an accuracy.

    The number of successes among n photos sampled with replacement is binomial and is drawn as such.

    Args:
        successes: photos that count, 0..n.
        n: photos, at least 1.
        bootstrap_samples: draws.
        seed: the same seed gives the same interval.
    """
    share = successes / n
    return estimate(share, np.random.default_rng(seed).binomial(n, share, bootstrap_samples) / n, n)


def mean_estimate(values: np.ndarray, *, bootstrap_samples: int, seed: int | list[int]) -> Estimate:
    """Estimate of the mean of one value per photo.

    Args:
        values: float array (n,), n at least 1, each 0..1.
        bootstrap_samples: draws.
        seed: the same seed gives the same interval.
    """
    n = len(values)
    draws = [weights @ values / n for weights in photo_weights(n, bootstrap_samples, seed)]
    return estimate(float(values.mean()), np.concatenate(draws), n)


def photo_weights(n: int, bootstrap_samples: int, seed: int | list[int]) -> Iterator[np.ndarray]:
    """How often each photo is sampled, in chunks so that memory does not grow with the number of samples.

    Args:
        n: photos.
        bootstrap_samples: draws in all.
        seed: the same seed gives the same weights.

    Yields:
        int64 arrays (b, n), each row summing to n.
    """
    rng = np.random.default_rng(seed)
    for start in range(0, bootstrap_samples, _CHUNK):
        rows = min(_CHUNK, bootstrap_samples - start)
        picks = rng.integers(n, size=(rows, n)) + n * np.arange(rows)[:, None]
        yield np.bincount(picks.ravel(), minlength=rows * n).reshape(rows, n)
