"""Sentences on the photos: how many, how large, what is left out, which are alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from carseg_lib.core.formatting import percent
from carseg_lib.data.catalogue import SPLITS, Catalogue
from carseg_lib.paper.claims import PAPER_COUNTS
from carseg_lib.paper.recipe import augmentation


def types_told(catalogue: Catalogue) -> str:
    """How many photos each type has, and what always naming the most frequent one would reach."""
    if catalogue.photos.empty:
        return "There are no photos of cars."
    counts = catalogue.photos["body_type"].value_counts().reindex(catalogue.body_types, fill_value=0)
    counts = counts.sort_values(ascending=False, kind="stable")
    total = int(counts.sum())
    shares = ", ".join(f"{name} {n:,} ({percent(n / total, 0)})" for name, n in counts.items())
    none = f" {len(catalogue.background):,} more show no car." if len(catalogue.background) else ""
    return (
        f"{total:,} photos: {shares}. A model that always says {counts.index[0]} is right for "
        f"{percent(counts.iloc[0] / total)} of them.{none}"
    )


def splits_told(catalogue: Catalogue) -> str:
    """The photos of each split beside the paper's."""
    counts = catalogue.photos["split"].value_counts()
    total, paper = max(1, len(catalogue.photos)), sum(PAPER_COUNTS.values())
    if not set(counts.index) & set(SPLITS):
        return "No photo has a split yet: notebook 02 assigns them."
    words = [
        f"{split} {counts.get(split, 0):,} ({percent(counts.get(split, 0) / total, 0)}; the paper "
        f"{PAPER_COUNTS[split]:,}, {percent(PAPER_COUNTS[split] / paper, 0)})"
        for split in SPLITS
    ]
    return f"{', '.join(words)}; in all {total:,} photos, the paper {paper:,}."


def excluded_told(catalogue: Catalogue) -> str:
    """How many images are left out, and why."""
    counts = catalogue.excluded_counts()
    if not counts:
        return "No image is excluded."
    number = sum(counts.values())
    of = number + len(catalogue.photos) + len(catalogue.background)
    reasons = ", ".join(f"{reason} {n:,}" for reason, n in counts.items())
    return f"{number:,} of {of:,} images and annotations are excluded ({percent(number / of)}): {reasons}."


def sizes_told(catalogue: Catalogue) -> str:
    """The most frequent size of the photos."""
    sizes = catalogue.size_table()
    if sizes.empty:
        return ""
    width, height, n = sizes.loc[0, ["width", "height", "photos"]].astype(int)
    if len(sizes) == 1:
        return f"All {n:,} photos are of {width} × {height} pixels."
    share = percent(n / len(catalogue.photos), 0)
    return f"There are {len(sizes):,} sizes; the most frequent, {width} × {height} pixels, is that of {share}."


def duplicates_told(exact: pd.DataFrame, near: pd.DataFrame) -> str:
    """How many photos are alike.

    Args:
        exact: from `data.duplicates.exact_duplicates`.
        near: from `data.duplicates.near_duplicates`.
    """
    equal = f"{len(exact):,} photos have the pixels of another one" if len(exact) else "No two photos have equal pixels"
    return f"{equal}; {near_told(near)}"


def near_told(near: pd.DataFrame) -> str:
    """How many pairs of near duplicates there are, and how many across splits."""
    if near.empty:
        return "there are no near duplicates by perceptual hash."
    across = int(((near["split_a"] != near["split_b"]) & near["split_a"].ne("") & near["split_b"].ne("")).sum())
    return f"{len(near):,} pairs are near duplicates by perceptual hash, {across:,} of them across splits."


def masks_told(dataset: Catalogue, rejected: pd.DataFrame) -> str:
    """Where the masks are from, and how many photos their quality left out.

    Args:
        dataset: the photos used.
        rejected: the cars of rejected photos.
    """
    origins = dataset.instances["mask_origin"].value_counts()
    if set(origins.index) == {"none"}:
        return "These data have no masks, and none were predicted: the mask branch is not trained."
    words = ", ".join(f"{n:,} {origin}" for origin, n in origins.items())
    photos = rejected["photo_id"].nunique()
    left = f"{photos:,} photos are left out because their pseudo-masks are poor" if photos else "no photo is left out"
    return f"Masks: {words}; {left}."


def augmentation_told(inputs: Mapping[str, Any]) -> str:
    """The random steps of a run's training in words.

    Args:
        inputs: the part `inputs` of a configuration.
    """
    steps, papers = augmentation(inputs)
    same = "These are the paper's steps." if papers else "The paper crops, turns and flips."
    return f"Random steps of this run's training: {steps}. {same} Validation and test photos are only resized."
