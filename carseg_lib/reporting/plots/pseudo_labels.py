"""Figures of the pseudo-masks: their quality, and the photos that were rejected."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd

from carseg_lib.core.formatting import percent
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.masks import decode_mask
from carseg_lib.data.photos import read_photo
from carseg_lib.reporting.palette import class_color, class_colors
from carseg_lib.reporting.plots import style
from carseg_lib.reporting.plots.overlay import overlay
from carseg_lib.reporting.plots.style import AccessibleFigure, add_title, empty_figure, new_figure, with_theme

COLUMNS = 4
BINS = np.linspace(0, 1, 41).tolist()


def pseudo_label_figures(
    catalogue: Catalogue, rejected: pd.DataFrame, min_quality: float
) -> dict[str, AccessibleFigure]:
    """The figures of this module by file name; none without pseudo-masks.

    Args:
        catalogue: the data set.
        rejected: the cars of the rejected photos, columns of `catalogue.instances` and others.
        min_quality: the quality below which a photo is rejected, 0..1.
    """
    if rejected.empty and not (catalogue.instances.mask_origin == "pseudo").any():
        return {}
    return {
        "pseudo_mask_quality": mask_quality(catalogue, rejected, min_quality),
        "rejected_pseudo_masks": rejected_photos(catalogue.root, rejected, catalogue.body_types),
    }


@with_theme
def mask_quality(catalogue: Catalogue, rejected: pd.DataFrame, min_quality: float) -> AccessibleFigure:
    """Histogram of the quality of the pseudo-masks by body type, the rejected ones included.

    Args:
        catalogue: the data set.
        rejected: as for `pseudo_label_figures`.
        min_quality: the quality below which a photo is rejected, 0..1.
    """
    title = "Quality of the pseudo-masks"
    cars = pd.concat([catalogue.instances, rejected[catalogue.instances.columns]]).dropna(subset=["mask_quality"])
    if cars.empty:
        return empty_figure(title, "There are no pseudo-masks.")
    figure = new_figure(7.5, 2.6)
    axes = figure.add_subplot()
    of_types = [cars.mask_quality[cars.body_type == t] for t in catalogue.body_types]
    tones = class_colors(catalogue.body_types)
    axes.hist(of_types, BINS, stacked=True, color=list(tones.values()), label=list(tones))
    axes.axvline(min_quality, color=style.INK, linestyle="--", linewidth=1)
    axes.set(xlabel="quality: score times stability", xlim=(0, 1))
    style.thousands(axes.yaxis, "masks")
    axes.legend(loc="upper left")
    number_rejected = rejected.photo_id.nunique()
    photos = len(catalogue.photos) + number_rejected
    share = percent(number_rejected / photos)
    note = (
        f"{len(cars):,} masks; median quality {cars.mask_quality.median():.2f}. Left of the dashed line ("
        f"{min_quality:g}), or without a detection: {number_rejected:,} of {photos:,} photos rejected ({share})."
    )
    below = f"{number_rejected:,} of {photos:,} photos are left out for their pseudo-masks ({share})."
    return add_title(figure, title, note, f"{title}. {note}", below)


@with_theme
def rejected_photos(
    root: Path, rejected: pd.DataFrame, body_types: tuple[str, ...], limit: int = 12
) -> AccessibleFigure:
    """Rejected photos with their pseudo-masks, from the highest quality to those without a detection, evenly picked.

    Args:
        root: of the photos.
        rejected: as for `pseudo_label_figures`, the best masks first.
        body_types: of the study, which determine the colours.
        limit: photos shown, at most.
    """
    title = "Rejected photos and their pseudo-masks"
    shown = rejected.drop_duplicates("photo_id")
    if shown.empty:
        return empty_figure(title, "No photo was rejected.")
    picked = shown.iloc[np.unique(np.linspace(0, len(shown) - 1, min(limit, len(shown))).round().astype(int))]
    rows = math.ceil(len(picked) / COLUMNS)
    figure = new_figure(7.5, 1.55 * rows)
    panels = list(figure.subplots(rows, COLUMNS, squeeze=False).flat)
    for axes in panels:
        style.plain_image(axes)
    for axes, car in zip(panels, picked.itertuples(), strict=False):
        photo = read_photo(root / car.photo_id)
        mask = decode_mask(car.mask, photo.height, photo.width) if car.mask else None
        box = (car.x1, car.y1, car.x2, car.y2) if car.mask else None
        axes.imshow(overlay(photo, box, mask, "", colour=class_color(car.body_type, body_types)))
        label = f"quality {car.mask_quality:.2f}" if car.mask else "no car found"
        axes.set_title(f"{car.body_type}: {label}", size=7.5, color=style.QUIET, pad=3)
    return add_title(figure, title, f"{len(picked)} of {len(shown):,} photos.")
