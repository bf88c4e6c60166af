"""The division of photos of one kind into splits by weights, duplicates together."""

from __future__ import annotations

import numpy as np
import pandas as pd

from carseg_lib.data.rounding import largest_remainders


def split_sizes(number: int, weights: list[int]) -> list[int]:
    """Divide a number of photos by weights: largest remainders, and at least one each.

    The ones that few photos leave without any get one from the part that has most above its share: of four photos by
    the paper's proportions two are for training, not one.

    Args:
        number: Number of photos, at least that of the weights.
        weights: Positive numbers.
    """
    shares = np.array(weights) * number / sum(weights)
    sizes = largest_remainders(shares)
    while sizes.min() == 0:
        sizes[np.argmax(np.where(sizes > 1, sizes - shares, -np.inf))] -= 1
        sizes[np.argmin(sizes)] += 1
    return sizes.tolist()


def divide_units(units: pd.Series, weights: list[int], seed: list[int]) -> pd.Series:
    """Divide photos into parts, those of one unit together, as near to the weights as whole units allow.

    Args:
        units: Number of each photo's unit (duplicates, or a group); at least as many different ones as weights.
        weights: Of the parts, positive numbers.
        seed: Of the order in which units of one size are dealt.

    Returns:
        The part (int, from 0) of each photo, with the index of `units`; no part is empty.
    """
    sizes = units.value_counts().sort_index()
    order = np.random.default_rng(seed).permutation(len(sizes))
    shuffled = sizes.iloc[order].sort_values(ascending=False, kind="stable")
    return units.map(_fill(shuffled, np.array(split_sizes(len(units), weights))))


def _fill(sizes: pd.Series, wanted: np.ndarray) -> dict[int, int]:
    """Assign groups, largest first, each to the split that lacks most photos; no split stays empty."""
    left = wanted.copy()
    assigned: dict[int, int] = {}
    used: set[int] = set()
    for done, (group, size) in enumerate(sizes.items()):
        empty = [k for k in range(len(wanted)) if k not in used]
        choice = empty if len(sizes) - done <= len(empty) else range(len(wanted))
        best = max(choice, key=lambda k: left[k])
        left[best] -= size
        used.add(best)
        assigned[group] = best
    return assigned
