"""The division of photos into splits by weights, type by type, duplicates together."""

from __future__ import annotations

import itertools

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


def stratified_sizes(numbers: list[int], weights: list[int]) -> list[list[int]]:
    """Divide the photos of several types by weights, so that the sums over the types come near to the weights too.

    Each type is divided by itself (`split_sizes`). The roundings of many types, or of small ones, add up: so while a
    part has a photo too few or too many in all, a photo of one type goes from one part to another where that brings the
    sums nearer to the weights, every type keeps one in each part, and its number stays within one of its share. Of 32
    photos of four types 18 : 10 : 4 by the paper's proportions, not 16 : 12 : 4.

    Args:
        numbers: Photos of each type, at least the number of weights.
        weights: Positive numbers.

    Returns:
        A list a type, a number a part.
    """
    sizes = np.array([split_sizes(number, weights) for number in numbers])
    shares = np.outer(numbers, weights) / sum(weights)
    while np.abs(off := (sizes - shares).sum(axis=0)).max() >= 1:
        moves = []
        for source, target in itertools.permutations(range(len(weights)), 2):
            nearer = off[source] - off[target] - 1  # half of what the move takes from the sum of squares of `off`
            allowed = (sizes[:, source] > 1) & (sizes[:, source] - shares[:, source] > 0)
            allowed &= sizes[:, target] - shares[:, target] < 0
            if nearer > 1e-9 and allowed.any():
                excess = (sizes - shares)[:, source] - (sizes - shares)[:, target]
                kind = int(np.argmax(np.where(allowed, excess, -np.inf)))
                moves.append((nearer, kind, source, target))
        if not moves:
            break
        _, kind, source, target = max(moves, key=lambda move: move[0])
        sizes[kind, source] -= 1
        sizes[kind, target] += 1
    return sizes.tolist()


def divide_units(units: pd.Series, sizes: list[int], seed: list[int]) -> pd.Series:
    """Divide photos into parts, those of one unit together, as near to the sizes as whole units allow.

    Args:
        units: Number of each photo's unit (duplicates, or a group); at least as many different ones as parts.
        sizes: Photos of each part, at least one each, as many as `units` in all.
        seed: Of the order in which units of one size are dealt.

    Returns:
        The part (int, from 0) of each photo, with the index of `units`; no part is empty.
    """
    photos = units.value_counts().sort_index()
    order = np.random.default_rng(seed).permutation(len(photos))
    shuffled = photos.iloc[order].sort_values(ascending=False, kind="stable")
    return units.map(_fill(shuffled, np.array(sizes)))


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
