"""Comparison of recipes whose trained models predicted the same photos: paired differences with 95% intervals.

Two things vary: the photos that were drawn, and the trainings, which the seed decides. The interval of a difference
has both variances (photos and seeds crossed; Searle et al. 1992, chapter 4), and Student's t for as few seeds as there
are (Satterthwaite's degrees of freedom). Resampling five seeds with replacement would understate their variance by a
fifth and take no account of how few they are.

- Photo by photo: the difference in each photo, the mean over the seeds, which is narrower than that of two independent
  samples. Two photos more, of which half a photo is better and half a photo worse by `DOUBT`, keep the interval from
  vanishing where all predictions agree (Agresti and Min 2005, doi:10.1002/sim.1781).
- Seed by seed: with five seeds or more their spread is estimated; with fewer it is taken to be `SEED_SPREAD` at least,
  because three, say, often happen to lie close together: an interval of 95% then covers 91%.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t as student_t

from carseg_lib.evaluation.bootstrap import LEVEL, Estimate, Groups, Z, estimate, mean_estimate, wilson_interval
from carseg_lib.evaluation.clusters import share_estimate
from carseg_lib.evaluation.multiple import ALPHA

MEASURES = ("accuracy", "mask_iou")  # the measures by which trainings are compared
SEED_SPREAD = {"accuracy": 0.015, "mask_iou": 0.005}  # assumed standard deviation between seeds of one recipe
DOUBT = {"accuracy": 1.0, "mask_iou": 0.1}  # by how much a photo typically differs if it does
LEAST_SEEDS = 5  # from which the spread is estimated
NO_DIFFERENCE = "no significant difference"


def paired_difference(before: np.ndarray, after: np.ndarray, measure: str = "accuracy") -> Estimate:
    """The mean of `after` less `before`, photo by photo and seed by seed.

    Args:
        before: float array (seeds, photos), each 0..1.
        after: float array (seeds, photos), the same photos in the same order.
        measure: one of `MEASURES`.

    Returns:
        An estimate {"value", "low", "high", "n"}, -1..1, with "p", the p-value of no difference; n: photos.
    """
    differences = after - before
    n, value = differences.shape[1], float(differences.mean())
    of_photos = differences.mean(axis=0)
    centre = float(of_photos.sum()) / (n + 2)
    photo_variance = ((of_photos @ of_photos + DOUBT[measure] ** 2) / (n + 2) - centre**2) / (n + 2)
    variance, freedom = _with_seeds(differences, float(photo_variance), 2 * SEED_SPREAD[measure] ** 2)
    reach = _quantile(freedom) * math.sqrt(variance)
    p_value = 2 * student_t.sf(abs(centre) / math.sqrt(variance), freedom)
    low, high = min(centre - reach, value), max(centre + reach, value)
    return {"value": value, "low": max(-1.0, low), "high": min(1.0, high), "n": n, "p": float(p_value)}


def photo_difference(
    before: np.ndarray,
    after: np.ndarray,
    *,
    bootstrap_samples: int,
    seed: int | list[int],
    groups: Groups | None = None,
) -> Estimate:
    """The mean of `after` less `before` of one trained model, photo by photo: no seed has a part in it.

    Args:
        before: float array (n,), each 0..1.
        after: float array (n,), the same photos in the same order, such as their answers when they are blurred.
        bootstrap_samples: draws.
        seed: the same seed gives the same interval.
        groups: of the photos, see `bootstrap.group_numbers`.

    Returns:
        An estimate {"value", "low", "high", "n"}, -1..1.
    """
    # An estimate lies between 0 and 1, a difference between -1 and 1.
    halved = mean_estimate((1 + after - before) / 2, bootstrap_samples=bootstrap_samples, seed=seed, groups=groups)
    return {key: value if key == "n" else 2 * value - 1 for key, value in halved.items()}


def _with_seeds(values: np.ndarray, photo_variance: float, assumed: float) -> tuple[float, float]:
    """The variance of a mean over seeds and photos, and its degrees of freedom.

    Args:
        values: float array (seeds, photos).
        photo_variance: of the mean, from the photos.
        assumed: least variance between seeds with fewer than `LEAST_SEEDS`.
    """
    seeds, n = values.shape
    of_seeds = values.mean(axis=1)
    if seeds < LEAST_SEEDS and (seeds == 1 or of_seeds.var(ddof=1) <= assumed):
        return photo_variance + assumed / seeds, math.inf
    rest = values - of_seeds[:, None] - values.mean(axis=0) + values.mean()
    within = float((rest**2).sum()) / ((seeds - 1) * max(n - 1, 1))  # variance of a photo in a training
    spread = float(of_seeds.var(ddof=1)) / seeds
    variance = photo_variance + max(0.0, spread - within / (n * seeds))
    # by the mean squares that were observed: what is left of `spread` may be near 0 by chance
    freedom = variance**2 / (photo_variance**2 / max(n - 1, 1) + spread**2 / (seeds - 1)) if variance else math.inf
    return variance, freedom


def _quantile(freedom: float) -> float:
    return float(student_t.ppf((1 + LEVEL) / 2, freedom)) if math.isfinite(freedom) else Z


def significance(difference: Estimate | None) -> str:
    """The direction of a difference: "more", "less", or `NO_DIFFERENCE`.

    Args:
        difference: significant if its p-value, corrected for its table ("p_table"), is below 5%; without one, if its
            interval excludes 0. None: there is none.
    """
    if difference is None:
        return NO_DIFFERENCE
    clear = (
        difference["p_table"] < ALPHA if "p_table" in difference else difference["low"] > 0 or difference["high"] < 0
    )
    return ("more" if difference["value"] > 0 else "less") if clear else NO_DIFFERENCE


def per_photo(tables: Sequence[pd.DataFrame], measure: str) -> np.ndarray | None:
    """A measure of each photo in several trainings.

    Args:
        tables: predictions of each training (see `carseg_lib.evaluation.tables`): the same photos in the same order.
        measure: "accuracy", or a column of predictions.csv such as "mask_iou".

    Returns:
        float array (trainings, photos), 0..1; None if a photo has no value (no labelled mask).
    """
    if measure == "accuracy":
        return np.array([table["predicted"] == table["body_type"] for table in tables], dtype=float)
    values = np.array([table[measure].to_numpy(float) for table in tables])
    return None if np.isnan(values).any() else values


def mean_results(tables: Sequence[pd.DataFrame], *, bootstrap_samples: int, seed: int) -> dict[str, Estimate | None]:
    """The measures of `MEASURES`, as the mean over several trainings and the photos.

    Args:
        tables: as for `per_photo`.
        bootstrap_samples: draws for the interval of the IoU of one training.
        seed: the same seed gives the same intervals.

    Returns:
        An estimate by measure; None where the photos have no labelled masks. The interval is over the photos if there
        is one training, else over photos and seeds.
    """
    found: dict[str, Estimate | None] = {}
    for measure in MEASURES:
        values = per_photo(tables, measure)
        if values is None:
            found[measure] = None
        elif len(values) > 1:
            found[measure] = _mean_over_seeds(values, SEED_SPREAD[measure])
        elif measure == "accuracy":
            found[measure] = share_estimate(values[0] == 1)
        else:
            found[measure] = mean_estimate(values[0], bootstrap_samples=bootstrap_samples, seed=seed)
    return found


def _mean_over_seeds(values: np.ndarray, seed_spread: float) -> Estimate:
    """The mean of an array (seeds, photos) of values 0..1: Wilson's interval with as many photos as tell as much."""
    n, value = values.shape[1], float(values.mean())
    of_photos = values.mean(axis=0)
    variance, freedom = _with_seeds(values, float(of_photos.var()) / max(n - 1, 1), seed_spread**2)
    effective = value * (1 - value) / variance if variance else 0.0
    return estimate(value, wilson_interval(value, effective or n, _quantile(freedom)), n)


def compare_results(before: Sequence[pd.DataFrame], after: Sequence[pd.DataFrame]) -> dict[str, Estimate | None]:
    """The paired difference of two sets of trainings in each measure of `MEASURES`.

    Args:
        before: as for `per_photo`.
        after: as many trainings, of the same photos in the same order.

    Returns:
        As `paired_difference`, by measure; None where the photos have no labelled masks.
    """
    differences: dict[str, Estimate | None] = dict.fromkeys(MEASURES)
    for measure in MEASURES:
        first, second = per_photo(before, measure), per_photo(after, measure)
        if first is not None and second is not None:
            differences[measure] = paired_difference(first, second, measure)
    return differences


def flatten_estimates(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of results as columns of a CSV file.

    An estimate `accuracy` becomes accuracy, accuracy_low and accuracy_high (and accuracy_p_table, if it has one); a
    table of estimates by type, `recall`, becomes recall_suv, recall_suv_low and so on. Other values stay as they are.
    """
    columns: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, dict) and "low" in value:
            columns |= {name: value["value"], f"{name}_low": value["low"], f"{name}_high": value["high"]}
            columns |= {f"{name}_p_table": value["p_table"]} if "p_table" in value else {}
        elif isinstance(value, dict):
            columns |= flatten_estimates({f"{name}_{key}": part for key, part in value.items()})
        else:
            columns[name] = value
    return columns
