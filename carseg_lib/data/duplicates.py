"""Photos that are equal, or nearly equal, in one split or across splits.

Exact: the decoded pixels are equal (`pixel_sha256`). Near: the perceptual hashes differ in few of their 64 bits.
A perceptual hash describes a photo's coarse light and dark: it finds copies that were resized or saved again,
misses crops and mirror images, and can be the same for studio photos of two cars, lit and framed alike.
So near duplicates are shown, and kept in one split when splits are made here, but never removed.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

# Copies of photos of 240 × 160 saved again at quality 50, or at half the size, differed in 0 or 2 bits; among 3,323
# photos of cars, the only pair within 2 was a copy, and every one at 4 to 8 showed two different cars, most of them
# in a studio. A crop by 2% differs in 2 to 6 bits and is mostly missed.
NEAR_DISTANCE = 2
_BITS = 64  # of a hash
_NEAR_COLUMNS = {"photo_a": "str", "photo_b": "str", "distance": "int64", "split_a": "str", "split_b": "str"}


def exact_duplicates(photos: pd.DataFrame) -> pd.DataFrame:
    """Photos, of a catalogue's, whose decoded pixels are those of another one.

    Returns:
        photo_id, split, body_type, pixel_sha256, a row per photo of a set of equal ones, the sets together.
    """
    same = photos[photos.duplicated("pixel_sha256", keep=False)]
    columns = ["photo_id", "split", "body_type", "pixel_sha256"]
    return same.sort_values(["pixel_sha256", "photo_id"], ignore_index=True)[columns]


def near_duplicates(photos: pd.DataFrame, max_distance: int = NEAR_DISTANCE) -> pd.DataFrame:
    """Pairs of photos whose perceptual hashes are close, but whose pixels differ.

    Args:
        photos: A catalogue's photos. Time and memory grow with n and the pairs found, not with n².
        max_distance: Largest number of differing bits, 0..64.

    Returns:
        photo_a, photo_b, distance (bits), split_a, split_b; closest first, then by name, photo_a < photo_b.
    """
    photos = photos.sort_values("photo_id", ignore_index=True)
    a, b, distance = _close_pairs(photos, max_distance)
    names, splits = photos["photo_id"].to_numpy(), photos["split"].to_numpy()
    columns = (names[a], names[b], distance, splits[a], splits[b])
    pairs = pd.DataFrame(dict(zip(_NEAR_COLUMNS, columns, strict=True))).astype(_NEAR_COLUMNS)
    return pairs.sort_values(["distance", "photo_a", "photo_b"], ignore_index=True)


def duplicate_groups(photos: pd.DataFrame, max_distance: int = NEAR_DISTANCE) -> pd.Series:
    """Groups of a catalogue's photos that are linked, also through others, by equal pixels or close hashes.

    Args:
        photos: A catalogue's photos.
        max_distance: As for `near_duplicates`.

    Returns:
        Group number (int, from 0) of each row, with the index of `photos`.
    """
    a, b, _ = _close_pairs(photos, max_distance)
    pixels = photos["pixel_sha256"].to_numpy()
    _, first, content = np.unique(pixels, return_index=True, return_inverse=True)
    a, b = np.append(a, np.arange(len(photos))), np.append(b, first[content])
    links = coo_array((np.ones(len(a), dtype=bool), (a, b)), shape=(len(photos), len(photos)))
    return pd.Series(connected_components(links, directed=False)[1], index=photos.index, dtype="int64")


def _close_pairs(photos: pd.DataFrame, max_distance: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row numbers a < b and distance of the pairs with close hashes and different pixels, sorted by a and b.

    Of d + 1 bands of a hash's bits, two hashes that differ in at most d bits have one in common. So only photos with a
    band in common are compared.
    """
    hashes = np.array([int(h, 16) for h in photos["phash"]], dtype=np.uint64)
    content = np.unique(photos["pixel_sha256"].to_numpy(), return_inverse=True)[1]
    edges = np.linspace(0, _BITS, min(max_distance + 1, _BITS + 1) + 1).astype(int)
    bands: list[np.ndarray] = []
    found = [(np.empty(0, dtype=np.int64),) * 3]
    for low, high in pairwise(edges):
        band = (hashes >> np.uint64(low)) & np.uint64((1 << int(high - low)) - 1)
        for a, b in _equal_pairs(band):
            distance = np.bitwise_count(hashes[a] ^ hashes[b])
            keep = (distance <= max_distance) & (content[a] != content[b])
            for earlier in bands:  # in which the pair was found
                keep &= earlier[a] != earlier[b]
            found.append((a[keep], b[keep], distance[keep].astype(np.int64)))
        bands.append(band)
    a, b, distance = (np.concatenate(parts) for parts in zip(*found, strict=True))
    a, b = np.minimum(a, b), np.maximum(a, b)
    order = np.lexsort((b, a))
    return a[order], b[order], distance[order]


def _equal_pairs(values: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The places of all pairs of equal values, at most as many at once as there are values."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    firsts = np.arange(len(values))
    for step in range(1, len(values)):
        firsts = firsts[firsts + step < len(values)]
        firsts = firsts[ordered[firsts] == ordered[firsts + step]]
        if not len(firsts):
            return
        yield order[firsts], order[firsts + step]
