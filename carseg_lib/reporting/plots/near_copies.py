"""Figures of near copies: how many planted ones are found, and the pairs that were found in the data."""

from __future__ import annotations

import numpy as np
import pandas as pd

from carseg_lib.core.formatting import percent
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.duplicates import NEAR_DISTANCE
from carseg_lib.evaluation.near_copies import NearCopies
from carseg_lib.reporting.plots import style
from carseg_lib.reporting.plots.photos import duplicate_pairs
from carseg_lib.reporting.plots.style import AccessibleFigure, add_title, new_figure, with_theme

_SEARCHES = {"found": ("by features", "#1F5C8B", "o"), "by_hash": ("by perceptual hash", "#D55E00", "s")}


@with_theme
def planted_recall(result: NearCopies) -> AccessibleFigure:
    """The share of planted copies of each kind that is found, by features and by perceptual hashes."""
    table = result.planted
    figure = new_figure(8.4, 0.6 + 0.36 * len(table))
    axes = figure.subplots()
    for k, (name, (_, tone, marker)) in enumerate(_SEARCHES.items()):
        places = np.arange(len(table)) + 0.24 * (k - 0.5)
        axes.hlines(places, table[f"{name}_low"], table[f"{name}_high"], color=tone, alpha=0.5, linewidth=2)
        axes.plot(table[name], places, marker, color=tone)
    axes.set_yticks(range(len(table)), table["kind"])
    axes.set_ylim(len(table) - 0.5, -0.5)
    axes.set_xlim(-0.03, 1.03)
    axes.grid(True, axis="x")
    axes.tick_params(axis="y", length=0)
    style.percent_axis(axes.xaxis, "planted copies found")
    style.legend_below(figure, [style.dot(tone, label, marker) for label, tone, marker in _SEARCHES.values()], 2)
    wrong = int(table["wrong"].sum())
    note = (
        f"n = {table['n'].iloc[0]:,} copies of each kind, searched among {result.photos:,} photos; line: 95% "
        f"interval (Wilson). Of {int(table['n'].sum()):,} copies, {wrong} links lead to a photo that is not their own. "
        f"Hashes: at most {NEAR_DISTANCE} of 64 bits differ."
    )
    values = "; ".join(
        f"{row.kind}: {percent(row.found, 0)} by features, {percent(row.by_hash, 0)} by hash"
        for row in table.itertuples()
    )
    means = [percent((table[name] * table["n"]).sum() / table["n"].sum(), 0) for name in _SEARCHES]
    finding = f"Of all planted copies, {means[0]} are found by features and {means[1]} by perceptual hashes."
    alt = f"Planted copies found. {note} {values}."
    return add_title(figure, "Planted copies that are found", note, alt, finding)


def near_copy_pairs(catalogue: Catalogue, pairs: pd.DataFrame) -> AccessibleFigure:
    """The pairs of near copies that perceptual hashes miss, side by side, those across splits first.

    Args:
        catalogue: of the photos.
        pairs: of `NearCopies`.
    """
    missed = pairs[pairs["hash_distance"] > NEAR_DISTANCE]
    return duplicate_pairs(catalogue, missed.rename(columns={"hash_distance": "distance"}))
