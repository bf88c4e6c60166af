"""Comparison of models that predicted the same photos: paired differences with 95% intervals.

Two models are compared photo by photo. The interval of a difference is the bootstrap over photos of the difference in
each photo, which is narrower than that of two independent samples. It covers the choice of photos, not the randomness
of a training: repeats with other seeds show that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from carseg_lib.evaluation.bootstrap import Estimate, mean_estimate

MEASURES = ("accuracy", "mask_iou")  # the measures by which trainings are compared
NO_DIFFERENCE = "no significant difference"


def paired_difference(before: np.ndarray, after: np.ndarray, *, bootstrap_samples: int, seed: int) -> Estimate:
    """The mean of `after` less `before`, photo by photo.

    Args:
        before: float array (n,), each 0..1.
        after: float array (n,), the same photos in the same order.
        bootstrap_samples: draws.
        seed: the same seed gives the same interval.

    Returns:
        An estimate {"value", "low", "high", "n"}, -1..1.
    """
    # An estimate lies between 0 and 1, a difference between -1 and 1.
    halved = mean_estimate((1 + after - before) / 2, bootstrap_samples=bootstrap_samples, seed=seed)
    return {key: value if key == "n" else 2 * value - 1 for key, value in halved.items()}


def significance(difference: Estimate | None) -> str:
    """The direction of a difference: "more", "less", or `NO_DIFFERENCE` if its interval contains 0 or it is None."""
    if difference is None or difference["low"] <= 0 <= difference["high"]:
        return NO_DIFFERENCE
    return "more" if difference["value"] > 0 else "less"


def per_photo(tables: Sequence[pd.DataFrame], measure: str) -> np.ndarray | None:
    """A measure of each photo, as its mean over several trainings.

    Args:
        tables: predictions of each training (see `carseg_lib.evaluation.tables`): the same photos in the same order.
        measure: "accuracy", or a column of predictions.csv such as "mask_iou".

    Returns:
        float array (photos,), 0..1; None if a photo has no value (no labelled mask).
    """
    if measure == "accuracy":
        return np.mean([table["predicted"] == table["body_type"] for table in tables], axis=0)
    values = np.array([table[measure].to_numpy(float) for table in tables])
    return None if np.isnan(values).any() else values.mean(axis=0)


def mean_results(tables: Sequence[pd.DataFrame], *, bootstrap_samples: int, seed: int) -> dict[str, Estimate | None]:
    """The measures of `MEASURES` over the photos, each photo's the mean over several trainings.

    Args:
        tables: as for `per_photo`.
        bootstrap_samples: draws.
        seed: the same seed gives the same intervals.

    Returns:
        An estimate by measure; None where the photos have no labelled masks.
    """
    values = {measure: per_photo(tables, measure) for measure in MEASURES}
    return {
        measure: None if of_photos is None else mean_estimate(of_photos, bootstrap_samples=bootstrap_samples, seed=seed)
        for measure, of_photos in values.items()
    }


def compare_results(
    before: Sequence[pd.DataFrame], after: Sequence[pd.DataFrame], *, bootstrap_samples: int, seed: int
) -> dict[str, Estimate | None]:
    """The paired difference of two sets of trainings in each measure of `MEASURES`.

    Args:
        before: as for `per_photo`.
        after: the same photos in the same order.
        bootstrap_samples: draws.
        seed: the same seed gives the same intervals.

    Returns:
        `after` less `before` by measure, -1..1; None where the photos have no labelled masks.
    """
    differences: dict[str, Estimate | None] = dict.fromkeys(MEASURES)
    for measure in MEASURES:
        first, second = per_photo(before, measure), per_photo(after, measure)
        if first is not None and second is not None:
            settings = {"bootstrap_samples": bootstrap_samples, "seed": seed}
            differences[measure] = paired_difference(first, second, **settings)
    return differences


def flatten_estimates(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of results as columns of a CSV file.

    An estimate `accuracy` becomes accuracy, accuracy_low and accuracy_high; a table of estimates by type, `recall`,
    becomes recall_suv, recall_suv_low and so on. Other values stay as they are.
    """
    columns: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, dict) and "low" in value:
            columns |= {name: value["value"], f"{name}_low": value["low"], f"{name}_high": value["high"]}
        elif isinstance(value, dict):
            columns |= flatten_estimates({f"{name}_{key}": part for key, part in value.items()})
        else:
            columns[name] = value
    return columns
