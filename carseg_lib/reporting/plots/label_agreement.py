"""Figure of labels that agree worst with what the annotator sees."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from carseg_lib.core.formatting import percent
from carseg_lib.data.boxes import largest_instance
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.masks import decode_mask
from carseg_lib.data.photos import read_photo
from carseg_lib.reporting.palette import class_color
from carseg_lib.reporting.plots import style
from carseg_lib.reporting.plots.overlay import overlay
from carseg_lib.reporting.plots.style import AccessibleFigure, add_title, empty_figure, new_figure, with_theme

COLUMNS, SHOWN = 4, 8


@with_theme
def worst_labels(catalogue: Catalogue, scores: pd.DataFrame, sentence: str) -> AccessibleFigure:
    """The photos whose label agrees worst with what the annotator sees, with their labels.

    Args:
        catalogue: of the photos.
        scores: columns photo_id, body_type, agreement (IoU, 0..1) and by ("mask" or "box"), the worst first.
        sentence: on all photos of the sample.
    """
    title = "Labels that agree worst with what the annotator sees"
    shown = scores.dropna(subset=["agreement"]).head(SHOWN)
    if shown.empty:
        return empty_figure(title, sentence)
    rows = -(-len(shown) // COLUMNS)
    figure = new_figure(7.5, 1.55 * rows)
    panels = list(figure.subplots(rows, COLUMNS, squeeze=False).flat)
    for axes in panels:
        style.plain_image(axes)
    for axes, row in zip(panels, shown.itertuples(), strict=False):
        axes.imshow(_labelled(catalogue, Path(str(row.photo_id))))
        label = f"{row.body_type}: {percent(float(row.agreement))} by {row.by}"
        axes.set_title(label, size=7.5, color=style.QUIET, pad=3)
    note = f"{len(shown)} of {len(scores):,} photos, each with its label. {sentence[:1].upper()}{sentence[1:]}."
    return add_title(figure, title, note)


def _labelled(catalogue: Catalogue, photo: Path) -> np.ndarray:
    """A photo with the label of its largest car."""
    cars = catalogue.instances[catalogue.instances["photo_id"] == photo.as_posix()]
    car = largest_instance(cars)
    picture = read_photo(catalogue.root / photo)
    mask = decode_mask(car.mask, picture.height, picture.width) if car.mask else None
    colour = class_color(car.body_type, catalogue.body_types)
    return np.asarray(overlay(picture, (car.x1, car.y1, car.x2, car.y2), mask, "", colour=colour))
