"""Near copies that perceptual hashes miss: mirror images, crops, copies saved again, shots of one scene.

In two steps. A photo's candidates are its nearest neighbours by the cosine similarity of the features of a frozen
ImageNet network (`engine.features`), which change little when a photo is mirrored, cropped or saved again. But the cars
of two photos may be alike where the photos are not copies. So a candidate counts only if one similarity transform
(shift, scale, turn; of the photo or of its mirror image) maps many local features of one photo to those of the other,
all over the photo and not on a wheel alone: SIFT (Lowe 2004, doi:10.1023/B:VISI.0000029664.99615.94), its ratio test,
and RANSAC.

Both steps are judged by copies that are planted: of a sample of the photos, copies of known kinds are made and searched
like new photos. The share that is found is the recall for copies of that kind; what perceptual hashes find of the same
copies (`data.duplicates`) stands beside it. A copy stretched in one direction is none of these kinds.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import imagehash
import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import nn

from carseg_lib.core import files
from carseg_lib.core.config import RunConfig
from carseg_lib.core.paths import RunPaths
from carseg_lib.data.catalogue import SPLITS, Catalogue
from carseg_lib.data.dataset import CarDataset, sample_seed, stratified_sample
from carseg_lib.data.duplicates import NEAR_DISTANCE
from carseg_lib.data.photos import read_photo
from carseg_lib.engine.features import feature_network, image_features
from carseg_lib.evaluation.bootstrap import wilson_interval

PLANTED = 50  # photos that copies are made of, at most
NEIGHBOURS = 5  # candidates of each photo
# Among 10,000 candidates of the rendered cars, no two of one scene, one transform maps up to 20 local features: those
# of a wheel that two cars share, or of two. Of a photo and its copy it maps 18 or more, all over the photo.
LEAST_MATCHES = 15  # local features that one transform must map
LEAST_SPREAD = 0.25  # of the area of one of the two photos, which their convex hull must cover
_SIDE = 320  # pixels, the longer side of the photos as they are compared
_KEYPOINTS = 300  # a photo, at most
_RATIO = 0.8  # Lowe's test: the nearest descriptor is nearer than this share of the second nearest's distance
_TOLERANCE = 3.0  # pixels, of a local feature mapped by the transform
_BLOCK = 256  # photos compared with all others at once
PAIR_COLUMNS = {
    "photo_a": "str",
    "photo_b": "str",
    "similarity": "float64",  # cosine, -1 to 1
    "mirrored": "bool",  # one is the mirror image of the other, or of a part of it
    "matches": "int64",  # local features that one transform maps
    "hash_distance": "int64",  # bits of 64
    "split_a": "str",
    "split_b": "str",
    "body_type_a": "str",
    "body_type_b": "str",
}


@dataclass(frozen=True)
class LocalFeatures:
    """The SIFT features of one photo.

    Attributes:
        points: (K, 2) float32, x and y in pixels.
        descriptors: (K, 128) uint8.
        size: height and width of the photo, pixels.
    """

    points: np.ndarray
    descriptors: np.ndarray
    size: tuple[int, int]

    def spread(self, chosen: np.ndarray) -> float:
        """The share of the photo's area, 0..1, that the convex hull of some points covers; `chosen`: their numbers."""
        return cv2.contourArea(cv2.convexHull(self.points[chosen])) / (self.size[0] * self.size[1])


@dataclass(frozen=True)
class NearCopies:
    """The result.

    Attributes:
        pairs: a row per pair of near copies in the data, columns as `PAIR_COLUMNS`, the most matches first.
        planted: a row per kind of planted copy: kind, n; found, by_hash (shares with _low and _high, Wilson's interval)
            and wrong: links of planted copies to other photos than their own, which `pairs` does not link to it.
        photos: how many photos were searched.
    """

    pairs: pd.DataFrame
    planted: pd.DataFrame
    photos: int

    def save(self, folder: Path) -> None:
        """Write near_copies.csv into a run's folder."""
        files.write_csv(folder / "near_copies.csv", self.pairs)

    @property
    def summary(self) -> dict[str, Any]:
        """For certainty.json: photos; pairs, those across splits, those that hashes miss, mirrored ones; recall."""
        missed = self.pairs[self.pairs["hash_distance"] > NEAR_DISTANCE]
        across = self.pairs["split_a"] != self.pairs["split_b"]
        return {
            "photos": self.photos,
            "pairs": len(self.pairs),
            "across_splits": int(across.sum()),
            "missed_by_hash": len(missed),
            "missed_by_hash_across_splits": int((missed["split_a"] != missed["split_b"]).sum()),
            "mirrored": int(self.pairs["mirrored"].sum()),
            "planted": self.planted.to_dict("records"),
        }


def find_near_copies(config: RunConfig, paths: RunPaths) -> NearCopies:
    """Search the photos of a run for near copies, and plant some to see how many are found.

    Args:
        config: of the run; copies are planted of `eval.robustness_photos` photos, of `PLANTED` at most.
        paths: of the run; its data set is read.

    Raises:
        ImageError: A photo can no longer be read.
    """
    catalogue = Catalogue.load(paths.dataset)
    used = [CarDataset(catalogue, split, config.inputs, config.seed).photos for split in SPLITS]
    planted = min(PLANTED, config.eval.robustness_photos or PLANTED)
    return search(catalogue, pd.concat(used), planted=planted, seed=config.seed)


def search(catalogue: Catalogue, photos: pd.DataFrame, *, planted: int, seed: int) -> NearCopies:
    """Search photos for near copies, and plant some.

    Args:
        catalogue: where the photos lie.
        photos: rows of its photos, with splits.
        planted: photos that copies are made of, each body type by its share; one copy of each kind.
        seed: of their choice, and of the crops.

    Raises:
        ImageError: A photo can no longer be read.
    """
    photos = photos.sort_values("photo_id", ignore_index=True)
    network = feature_network()
    local: list[LocalFeatures] = []
    features = image_features(network, _described(catalogue, photos["photo_id"], local))
    pairs = _pairs(photos, features, local)
    return NearCopies(
        pairs, _search_planted(catalogue, photos, network, features, local, pairs, planted, seed), len(photos)
    )


def _described(catalogue: Catalogue, names: Sequence[str], local: list[LocalFeatures]) -> Iterator[np.ndarray]:
    """The photos, one at a time; the local features of each are appended to `local`."""
    for name in names:
        image = np.asarray(read_photo(catalogue.root / name, _SIDE))
        local.append(local_features(image))
        yield image


def local_features(image: np.ndarray) -> LocalFeatures:
    """The strongest SIFT features of a photo, (h, w, 3) uint8."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    points, descriptors = cv2.SIFT.create(nfeatures=_KEYPOINTS).detectAndCompute(grey, None)
    if not points:  # a photo without a corner
        return LocalFeatures(np.empty((0, 2), np.float32), np.empty((0, 128), np.uint8), image.shape[:2])
    # whole numbers from 0 to 255, which OpenCV keeps as floats
    return LocalFeatures(np.array([p.pt for p in points], np.float32), descriptors.astype(np.uint8), image.shape[:2])


def mirror(features: LocalFeatures) -> LocalFeatures:
    """The local features of the mirror image, without computing them from it.

    A descriptor is 4 × 4 histograms of 8 directions, in a frame along its feature's own direction: mirroring reverses
    the rows across that direction, and the sense of the directions.
    """
    bins = features.descriptors.reshape(-1, 4, 4, 8)[:, ::-1][..., -np.arange(8) % 8]
    points = features.points * np.array([-1, 1], np.float32) + np.array([features.size[1] - 1, 0], np.float32)
    return LocalFeatures(points, bins.reshape(-1, 128), features.size)


def count_matches(a: LocalFeatures, b: LocalFeatures) -> int:
    """The local features of photo a that one similarity transform maps to like ones of photo b, all over a photo.

    Returns:
        Their number; 0 where they are fewer than `LEAST_MATCHES`, or lie close together in both photos.
    """
    if min(len(a.points), len(b.points)) < 2:
        return 0
    matcher = cv2.BFMatcher(cv2.NORM_L2)
    nearest = matcher.knnMatch(a.descriptors.astype(np.float32), b.descriptors.astype(np.float32), k=2)
    good = [first for first, second in nearest if first.distance < _RATIO * second.distance]
    if len(good) < LEAST_MATCHES:
        return 0
    ours, theirs = (np.array([getattr(match, name) for match in good]) for name in ("queryIdx", "trainIdx"))
    cv2.setRNGSeed(0)  # RANSAC's draws: the same pair gives the same number
    _, inliers = cv2.estimateAffinePartial2D(
        a.points[ours], b.points[theirs], method=cv2.RANSAC, ransacReprojThreshold=_TOLERANCE
    )
    kept = np.zeros(0, int) if inliers is None else np.flatnonzero(inliers)
    ours, theirs = ours[kept], theirs[kept]
    # Several features of one photo may be mapped to a single one of the other: a flat patch, no copy.
    matches = len(np.unique(b.points[theirs].round(), axis=0))
    if matches < LEAST_MATCHES or max(a.spread(ours), b.spread(theirs)) < LEAST_SPREAD:
        return 0
    return matches


def neighbours(queries: np.ndarray, gallery: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The nearest photos of a gallery by cosine similarity.

    Args:
        queries: float32 (q, D), rows of length 1.
        gallery: float32 (n, D), likewise.
        count: neighbours of each query; n at most are given.

    Returns:
        Row numbers of the gallery, int64 (q, count), the nearest first, and similarities (q, count).
    """
    found = []
    all_of_them = torch.from_numpy(gallery)
    for block in torch.from_numpy(queries).split(_BLOCK):
        found.append((block @ all_of_them.T).topk(min(count, len(gallery)), dim=1))
    return torch.cat([f.indices for f in found]).numpy(), torch.cat([f.values for f in found]).numpy()


def _verified(a: LocalFeatures, b: LocalFeatures) -> tuple[int, bool]:
    """The matches of two photos, as they are or one mirrored, whichever are more; and whether it is mirrored."""
    plain, mirrored = count_matches(a, b), count_matches(mirror(a), b)
    return max(plain, mirrored), mirrored > plain


def _pairs(photos: pd.DataFrame, features: np.ndarray, local: list[LocalFeatures]) -> pd.DataFrame:
    """The near copies among the photos of a data set."""
    indices, similarities = neighbours(features, features, NEIGHBOURS + 1)  # one of them is the photo itself
    candidates = {
        (min(i, int(j)), max(i, int(j))): float(similarity)
        for i, (row, values) in enumerate(zip(indices, similarities, strict=True))
        for j, similarity in zip(row, values, strict=True)
        if i != j
    }
    hashes = [int(text, 16) for text in photos["phash"]]
    rows = []
    for (i, j), similarity in sorted(candidates.items()):
        matches, mirrored = _verified(local[i], local[j])
        if matches >= LEAST_MATCHES:
            a, b = photos.iloc[i], photos.iloc[j]
            distance = (hashes[i] ^ hashes[j]).bit_count()
            values = (a.photo_id, b.photo_id, similarity, mirrored, matches, distance)
            rows.append((*values, a.split, b.split, a.body_type, b.body_type))
    table = pd.DataFrame(rows, columns=list(PAIR_COLUMNS)).astype(PAIR_COLUMNS)
    return table.sort_values(["matches", "photo_a", "photo_b"], ascending=[False, True, True], ignore_index=True)


def _search_planted(
    catalogue: Catalogue,
    photos: pd.DataFrame,
    network: nn.Module,
    features: np.ndarray,
    local: list[LocalFeatures],
    pairs: pd.DataFrame,
    planted: int,
    seed: int,
) -> pd.DataFrame:
    """How many planted copies of each kind are found; see `NearCopies.planted`."""
    sources = stratified_sample(photos, planted, seed)
    linked = {frozenset(pair) for pair in zip(pairs["photo_a"], pairs["photo_b"], strict=True)}
    names = photos["photo_id"].to_numpy()
    originals = [np.asarray(read_photo(catalogue.root / name, _SIDE)) for name in sources["photo_id"]]
    rows = []
    for kind, change in COPIES.items():
        rng = np.random.default_rng(sample_seed(seed, 0, kind))
        copies = [np.ascontiguousarray(change(image, rng)) for image in originals]
        indices, _ = neighbours(image_features(network, copies), features, NEIGHBOURS)
        found, wrong = 0, 0
        for copy, own, near in zip(copies, sources.index, indices, strict=True):
            described = local_features(copy)
            hits = {int(i) for i in near if _verified(described, local[i])[0] >= LEAST_MATCHES}
            found += own in hits
            wrong += sum(frozenset((names[own], names[i])) not in linked for i in hits - {own})
        hashed = [
            imagehash.phash(Image.fromarray(copy)) - imagehash.hex_to_hash(text) <= NEAR_DISTANCE
            for copy, text in zip(copies, sources["phash"], strict=True)
        ]
        shares = {"found": found, "by_hash": sum(hashed)}
        n, row = len(copies), {"kind": kind, "n": len(copies)}
        for name, k in shares.items():
            row |= dict(zip((name, f"{name}_low", f"{name}_high"), (k / n, *wilson_interval(k / n, n)), strict=True))
        rows.append(row | {"wrong": wrong})
    return pd.DataFrame(rows)


def _crop(image: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    height, width = (max(1, round(side * share**0.5)) for side in image.shape[:2])
    top, left = rng.integers(image.shape[0] - height + 1), rng.integers(image.shape[1] - width + 1)
    return image[top : top + height, left : left + width]


def _saved_again(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    half = Image.fromarray(image).resize((max(1, image.shape[1] // 2), max(1, image.shape[0] // 2)))
    buffer = io.BytesIO()
    half.save(buffer, "JPEG", quality=50)
    return np.asarray(Image.open(buffer))


def _brighter(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.clip(image * 1.3, 0, 255).astype(np.uint8)


# Kinds of planted copies, by name: (image (h, w, 3) uint8, random numbers) → the copy.
COPIES: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "half the size, saved at quality 50": _saved_again,
    "30% brighter": _brighter,
    "mirrored": lambda image, rng: image[:, ::-1],
    "cropped to 80% of the area": lambda image, rng: _crop(image, 0.8, rng),
    "cropped to 60% of the area": lambda image, rng: _crop(image, 0.6, rng),
    "mirrored and cropped to 80%": lambda image, rng: _crop(image, 0.8, rng)[:, ::-1],
}
