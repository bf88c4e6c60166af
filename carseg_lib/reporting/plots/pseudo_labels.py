"""Figures of what a teacher drew: how sure of its masks it is, and the photos that were left out."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd

from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.masks import decode_mask
from carseg_lib.data.photos import read_photo
from carseg_lib.reporting.palette import class_color
from carseg_lib.reporting.plots import style
from carseg_lib.reporting.plots.overlay import overlay
from carseg_lib.reporting.plots.style import (
    AccessibleFigure,
    add_title,
    empty_figure,
    new_figure,
    plain_image,
    with_theme,
)

COLUMNS = 4
BINS = np.linspace(0, 1, 41)


def pseudo_label_figures(
    catalogue: Catalogue, doubtful: pd.DataFrame, least: float
) -> dict[str, AccessibleFigure]:
    """The figures of this module by file name; none where no teacher drew masks.

    Args:
        catalogue: the data set.
        doubtful: the cars left out (`engine.pseudo_labels.selection.DOUBTFUL_COLUMNS`).
        least: the quality below which a photo is left out.
    """
    if doubtful.empty and not (catalogue.instances.mask_origin == "pseudo").any():
        return {}
    return {
        "mask_qualities": mask_qualities(catalogue, doubtful, least),
        "doubtful_photos": rejected_photos(catalogue.root, doubtful, catalogue.body_types),
    }


@with_theme
def mask_qualities(catalogue: Catalogue, doubtful: pd.DataFrame, least: float) -> AccessibleFigure:
    """How many masks have which quality, by body type, those left out among them.

    Args:
        catalogue: the data set.
        doubtful: the cars left out (`engine.pseudo_labels.selection.DOUBTFUL_COLUMNS`).
        least: the quality below which a photo is left out.
    """
    title = "How sure is the teacher of its masks?"
    cars = pd.concat([catalogue.instances, doubtful[catalogue.instances.columns]]).dropna(
        subset=["mask_quality"]
    )
    if cars.empty:
        return empty_figure(title, "It drew none.")
    figure = new_figure(7.5, 2.6)
    axes = figure.add_subplot()
    of_types = [cars.mask_quality[cars.body_type == t] for t in catalogue.body_types]
    colours = [class_color(t, catalogue.body_types) for t in catalogue.body_types]
    axes.hist(of_types, BINS, stacked=True, color=colours, label=list(catalogue.body_types))
    axes.axvline(least, color=style.INK, linestyle="--", linewidth=1)
    axes.set_xlabel("quality: score times stability")
    axes.set_xlim(0, 1)
    style.thousands(axes.yaxis, "masks")
    axes.legend(loc="upper left")
    photos = len(catalogue.photos) + doubtful.photo_id.nunique()
    left_out = doubtful.photo_id.nunique()
    note = (
        f"{len(cars):,} masks; median quality {cars.mask_quality.median():.2f}. Left of the dashed line ({least:g}), "
        f"or with no car seen: {left_out:,} of {photos:,} photos left out ({left_out / photos:.1%})."
    )
    return add_title(figure, title, note)


@with_theme
def rejected_photos(
    root: Path, doubtful: pd.DataFrame, body_types: tuple[str, ...], limit: int = 12
) -> AccessibleFigure:
    """Photos that were left out, from the nearly sure to those in which nothing was seen, evenly picked.

    Args:
        root: of the photos.
        doubtful: the cars left out (`engine.pseudo_labels.selection.DOUBTFUL_COLUMNS`), the best masks first.
        body_types: the study's, which choose the colours.
        limit: photos shown, at most.
    """
    title = "Photos left out: what the teacher saw in them"
    shown = doubtful.drop_duplicates("photo_id")
    if shown.empty:
        return empty_figure(title, "None was left out.")
    picked = shown.iloc[np.unique(np.linspace(0, len(shown) - 1, min(limit, len(shown))).round().astype(int))]
    rows = math.ceil(len(picked) / COLUMNS)
    figure = new_figure(7.5, 1.55 * rows)
    panels = list(figure.subplots(rows, COLUMNS, squeeze=False).flat)
    for axes in panels:
        plain_image(axes)
    for axes, car in zip(panels, picked.itertuples(), strict=False):
        photo = read_photo(root / car.photo_id)
        mask = decode_mask(car.mask, photo.height, photo.width) if car.mask else None
        box = (car.x1, car.y1, car.x2, car.y2) if car.mask else None
        axes.imshow(overlay(photo, box, mask, "", colour=class_color(car.body_type, body_types)))
        said = f"quality {car.mask_quality:.2f}" if car.mask else "no car seen"
        axes.set_title(f"{car.body_type}: {said}", size=7.5, color=style.QUIET, pad=3)
    return add_title(figure, title, f"{len(picked)} of {len(shown):,} photos.")
