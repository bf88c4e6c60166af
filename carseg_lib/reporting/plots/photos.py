"""Figures that show photos: samples, duplicates, preprocessing step by step, predictions, masks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.patheffects import withStroke
from PIL import Image

from carseg_lib.core.classes import BODY_TYPES
from carseg_lib.core.formatting import percent
from carseg_lib.data import masks
from carseg_lib.data.boxes import Instance, box_areas, largest_instance
from carseg_lib.data.catalogue import Catalogue, measured_instances
from carseg_lib.data.photos import read_photo
from carseg_lib.reporting.palette import class_color
from carseg_lib.reporting.plots import style
from carseg_lib.reporting.plots.overlay import Box
from carseg_lib.reporting.plots.style import AccessibleFigure, add_title, empty_figure, new_figure, with_theme

Photos = Path | Mapping[str, Image.Image]
Annotated = tuple[Image.Image | np.ndarray, Box | None, np.ndarray | None]
Step = tuple[str, Image.Image | np.ndarray, Box | None, np.ndarray | None]
_PREDICTED, _LABELLED = "#D55E00", "#56B4E9"  # masks that are compared; no body type has these colours
_EXAMPLE = "#00B8CC"  # no body type has it
_LARGEST = 640  # pixels; photos are read no larger than a panel can show
_CORRECT, _MISCLASSIFIED = "#0B7A55", "#B3261E"


@with_theme
def sample_photos(catalogue: Catalogue, body_type: str, n: int = 8, seed: int = 0) -> AccessibleFigure:
    """A random sample of one body type with boxes and masks (Figures 1 to 4 of the paper).

    Args:
        catalogue: of the photos.
        body_type: one of its types.
        n: photos shown, at most.
        seed: of the choice; the same seed shows the same photos.
    """
    photos = catalogue.photos[catalogue.photos["body_type"] == body_type].sort_values("photo_id")
    if photos.empty:
        return empty_figure(f"Photos of the type {body_type}", "There are none.")
    chosen = np.random.default_rng(seed).choice(len(photos), size=min(n, len(photos)), replace=False)
    figure, panels = _grid(len(chosen), columns=4)
    several = False
    for axes, row in zip(panels, photos.iloc[sorted(chosen)].itertuples(), strict=True):
        _show(axes, read_photo(catalogue.root / row.photo_id, _LARGEST), (row.width, row.height))
        cars = catalogue.instances[catalogue.instances["photo_id"] == row.photo_id]
        main = int(box_areas(cars[cars["body_type"] == body_type]).idxmax())
        several |= len(cars) > 1
        for car in cars.itertuples():
            mask = masks.decode_mask(car.mask, int(row.height), int(row.width)) if _given(car.mask) else None
            box = None if car.box_origin == "whole frame" else (car.x1, car.y1, car.x2, car.y2)
            dashed = car.Index != main
            _draw(axes, box, mask, class_color(car.body_type, catalogue.body_types), dashed=dashed)
        axes.set_title(_short(row.photo_id), size=7, color=style.QUIET, pad=3)
    note = f"{len(chosen)} of {len(photos):,} photos, drawn at random (seed {seed}). "
    some = catalogue.has_masks or catalogue.has_some_masks
    note += "Frame: labelled box; outline: mask." if some else "These data have no masks."
    note += " Dashed: other cars than the one that the photo's type is of." if several else ""
    return add_title(figure, f"Photos of the type {body_type}", note)


@with_theme
def duplicate_pairs(catalogue: Catalogue, pairs: pd.DataFrame, limit: int = 6) -> AccessibleFigure:
    """Pairs of near duplicates side by side, the closest first.

    Args:
        catalogue: of the photos.
        pairs: columns photo_a, photo_b, distance (bits of the perceptual hash that differ), split_a, split_b.
        limit: pairs shown, at most; those across splits come first.
    """
    if pairs.empty:
        return empty_figure("Near duplicates", "There are no near duplicates.")
    crossing = pairs["split_a"] != pairs["split_b"]
    order = pairs.assign(within=~crossing).sort_values(["within", "distance", "photo_a", "photo_b"])
    shown = order.head(limit)
    figure, panels = _grid(2 * len(shown), columns=4)
    for k, pair in enumerate(shown.itertuples()):
        left, right = panels[2 * k : 2 * k + 2]
        for axes, photo_id, split in ((left, pair.photo_a, pair.split_a), (right, pair.photo_b, pair.split_b)):
            photo = read_photo(catalogue.root / photo_id, _LARGEST)
            _show(axes, photo, photo.size)
            axes.set_title(f"{split or 'no split'}: {_short(photo_id, 24)}", size=7, color=style.QUIET, pad=3)
        left.set_xlabel(f"pair {k + 1}: {pair.distance} of 64 bits differ", size=7.5, loc="left")
    note = f"n = {len(pairs):,} pairs, {int(crossing.sum()):,} of them across splits; {len(shown)} shown, side by side."
    finding = f"{len(pairs):,} pairs are near duplicates, {int(crossing.sum()):,} of them across splits."
    return add_title(figure, "Near duplicates", note, f"Near duplicates. {note}", finding)


@with_theme
def transform_steps(steps: Sequence[Step], title: str = "Preprocessing, step by step") -> AccessibleFigure:
    """Preprocessing of one photo, a panel per step, with box and mask.

    Args:
        steps: (title, PIL image or uint8 array (height, width, 3), box or None, bool mask (height, width) or
                None); box in pixels of that image.
        title: of the figure.

    After a step named "rotate" the note explains how the box is computed.
    """
    if not steps:
        raise ValueError("transform_steps needs at least one step")
    figure, panels = _grid(len(steps), columns=6, shape=(1, 1))
    for axes, (name, image, box, mask) in zip(panels, steps, strict=True):
        width, height = _size(image)
        _show(axes, image, (width, height))
        _draw(axes, box, mask, _EXAMPLE)
        axes.set_title(name, size=8.5)
        axes.set_xlabel(f"{width} × {height} pixels", size=7.5, loc="left")
    masked = any(mask is not None for *_, mask in steps)
    parts = "Photo, box (frame) and mask (outline)" if masked else "Photo and box (frame)"
    note = f"{parts} are transformed together"
    if any(name == "rotate" for name, *_ in steps):
        note += f"; after the rotation the box is computed from the rotated {'mask' if masked else 'box'}"
    return add_title(figure, title, note + ".")


@with_theme
def augmentation_grid(
    original: Annotated, augmented: Sequence[Annotated], title: str = "Augmentation"
) -> AccessibleFigure:
    """A photo and random augmentations of it, as in training.

    Args:
        original: (image, box or None, bool mask or None), the image PIL or uint8 array (height, width, 3).
        augmented: the same triple for each version.
        title: of the figure; name the augmentation in it.
    """
    figure, panels = _grid(1 + len(augmented), columns=6, shape=(1, 1))
    for k, (axes, (image, box, mask)) in enumerate(zip(panels, [original, *augmented], strict=True)):
        _show(axes, image, _size(image))
        _draw(axes, box, mask, _EXAMPLE)
        axes.set_title("original" if k == 0 else f"version {k}", size=8, color=style.QUIET, pad=3)
    masked = any(mask is not None for *_, mask in (original, *augmented))
    note = f"{len(augmented)} random augmentations of one photo; frame: box" + ("; outline: mask." if masked else ".")
    return add_title(figure, title, note)


@with_theme
def prediction_grid(
    rows: pd.DataFrame,
    photos: Photos,
    *,
    instances: pd.DataFrame | None = None,
    title: str = "Predictions",
    columns: int = 4,
    limit: int = 16,
    body_types: Sequence[str] = BODY_TYPES,
) -> AccessibleFigure:
    """Photos with their names and predictions: box, outline, type and score; dashed, the labelled car.

    Args:
        rows: rows of predictions.csv, shown in their order.
        photos: the folder that photo_id is relative to, or photos by photo_id.
        instances: the catalogue's instances: the mask of the labelled car, or its box, is drawn too.
        title: of the figure.
        columns: photos in a row of the grid.
        limit: photos shown, at most.
        body_types: of the study, which determine the colours.
    """
    if rows.empty:
        return empty_figure(title, "There are none.")
    shown = rows.head(limit)
    figure, panels = _grid(len(shown), columns, below=0.15)
    words = []
    for axes, row in zip(panels, shown.itertuples(), strict=True):
        width, height = int(row.width), int(row.height)
        _show(axes, _photo(photos, row.photo_id), (width, height))
        if instances is not None:
            car = largest_instance(instances[instances["photo_id"] == row.photo_id], row.body_type)
            _draw_label(axes, car, (height, width), class_color(row.body_type, body_types))
        predicted = row.predicted if _given(row.predicted) else ""
        if predicted:
            mask = masks.decode_mask(row.mask, height, width) if _given(row.mask) else None
            _draw(axes, (row.x1, row.y1, row.x2, row.y2), mask, class_color(predicted, body_types))
        correct = predicted == row.body_type
        label = f"{predicted} {row.score:.2f}" if predicted else "no car found"
        text = f"✓ {label}" if correct else f"✗ {label}, true: {row.body_type}"
        axes.set_title(text, size=8, color=_CORRECT if correct else _MISCLASSIFIED, pad=3)
        axes.set_xlabel(_short(row.photo_id, 36), size=6.5, loc="left", labelpad=2)
        words.append(f"{row.photo_id}: {text}")
    handles = [
        Patch(facecolor="none", edgecolor=class_color(t, body_types), linewidth=1.6, label=t) for t in body_types
    ]
    style.legend_below(figure, handles, min(8, len(handles)))
    n_correct = (shown["predicted"].fillna("") == shown["body_type"]).sum()
    note = (
        f"{len(shown)} of {len(rows):,} photos: {n_correct} correct (✓), {len(shown) - n_correct} misclassified (✗). "
        "Frame and outline: the prediction, in the colour of its type, with the model's score (0 to 1)"
        + ("; dashed: the labelled car." if instances is not None else ".")
    )
    return add_title(figure, title, note, f"{title}. {note} {'; '.join(words)}.", _mistakes(rows))


def _mistakes(rows: pd.DataFrame) -> str:
    """How many of the misclassified photos name the type of another car, in a sentence; "" without any."""
    wrong = rows[rows["predicted"].fillna("") != rows["body_type"]]
    if wrong.empty or "box_iou" not in wrong:
        return ""
    missed = int((wrong["predicted"].fillna("") == "").sum())
    elsewhere = int((wrong["box_iou"] < 0.5).sum()) - missed
    return (
        f"Of {len(wrong):,} misclassified photos, {missed:,} have no detection, in {elsewhere:,} the prediction is of "
        f"another car (box IoU below 50%), and in {len(wrong) - missed - elsewhere:,} it is of the right one."
    )


@with_theme
def mask_comparison_grid(
    rows: pd.DataFrame,
    photos: Photos,
    instances: pd.DataFrame,
    *,
    title: str = "Predicted and labelled masks",
    each: int = 4,
) -> AccessibleFigure:
    """The outlines of predicted and labelled masks: the worst, the median and the best photos by overlap.

    Args:
        rows: rows of predictions.csv, including those without a predicted mask.
        photos: the folder that photo_id is relative to, or photos by photo_id.
        instances: the catalogue's instances (photo_id, x1 ... y2, mask); the largest of a photo is compared.
        title: of the figure.
        each: photos of each of the three kinds, at most.
    """
    given = measured_instances(instances) if "mask_origin" in instances else instances
    given = given[given["mask"].fillna("") != ""]
    truth = given.assign(size=box_areas(given)).sort_values("size").groupby("photo_id")["mask"].last()
    rows = rows[rows["photo_id"].isin(truth.index)]
    rows = rows.assign(mask_iou=rows["mask_iou"].fillna(0.0)).sort_values(["mask_iou", "photo_id"])
    if rows.empty:
        return empty_figure(title, "These data have no masks to compare.")
    n, middle = len(rows), max(0, (len(rows) - each) // 2)
    places = dict.fromkeys([*range(min(each, n)), *range(middle, min(n, middle + each)), *range(max(0, n - each), n)])
    shown = rows.iloc[list(places)]
    figure, panels = _grid(len(shown), columns=each, below=0.15)
    for axes, row in zip(panels, shown.itertuples(), strict=True):
        width, height = int(row.width), int(row.height)
        _show(axes, _photo(photos, row.photo_id), (width, height))
        _outline(axes, masks.decode_mask(truth[row.photo_id], height, width), _LABELLED, dashed=True)
        if _given(row.mask):
            _outline(axes, masks.decode_mask(row.mask, height, width), _PREDICTED)
        iou = f"IoU {row.mask_iou:.2f}" if _given(row.mask) else "no car found"
        axes.set_title(f"{row.body_type}: {iou}", size=8, pad=3)
        axes.set_xlabel(_short(row.photo_id, 36), size=6.5, loc="left", labelpad=2)
    handles = [
        Line2D([], [], color=_PREDICTED, label="predicted"),
        Line2D([], [], color=_LABELLED, linestyle=(0, (3, 2)), label="labelled"),
    ]
    style.legend_below(figure, handles, 2)
    kinds = "the worst, the median and the best by overlap" if n > 3 * each else "by overlap, the worst first"
    note = f"{len(shown)} of {n:,} photos with a labelled mask: {kinds}."
    low, median, high = (percent(rows["mask_iou"].quantile(q), 0) for q in (0.1, 0.5, 0.9))
    finding = (
        f"Mean IoU of predicted and labelled masks: {percent(rows['mask_iou'].mean())} of {n:,} photos; a tenth lies "
        f"below {low}, half below {median}, a tenth above {high}."
    )
    return add_title(figure, title, note, f"{title}. {note}", finding)


def _grid(
    cells: int, columns: int, shape: tuple[float, float] = (3, 2), below: float = 0.0
) -> tuple[AccessibleFigure, list[Axes]]:
    """Empty panels for `cells` photos of about `shape` (width, height), with `below` inches for a text under each."""
    columns = min(columns, cells)
    lines, places = math.ceil(cells / columns), max(columns, 3)  # a single photo does not fill the width
    figure = new_figure(8.4, lines * ((8.4 / places - 0.17) * shape[1] / shape[0] + 0.3 + below))
    panels = [figure.add_subplot(lines, places, k // columns * places + k % columns + 1) for k in range(cells)]
    for axes in panels:
        style.plain_image(axes)
        axes.set_anchor("NW")
    return figure, panels


def _size(image: Image.Image | np.ndarray) -> tuple[int, int]:
    """Width and height of an image."""
    return image.size if isinstance(image, Image.Image) else image.shape[1::-1]


def _show(axes: Axes, image: Image.Image | np.ndarray, size: tuple[float, float]) -> None:
    """An image, however far reduced, on a panel whose units are the pixels of the photo's full `size`."""
    axes.imshow(image, extent=(0, size[0], size[1], 0))


def _outline(axes: Axes, mask: np.ndarray, colour: str, *, dashed: bool = False) -> None:
    """The outline of a mask on a light halo, so that what lies inside stays as it is; a large mask is subsampled."""
    step = max(1, max(mask.shape) // _LARGEST)
    thinned = np.pad(mask[::step, ::step].astype(float), 1)  # a mask that touches the edge is closed there
    if min(thinned.shape) < 4 or not thinned.any():
        return
    places = [(np.arange(n + 2) - 0.5) * step for n in (len(thinned[0]) - 2, len(thinned) - 2)]
    drawn = axes.contour(*places, thinned, [0.5], colors=[colour], linewidths=1.4)
    halo = [withStroke(linewidth=2.8, foreground="white", alpha=0.7)]
    drawn.set(linestyle=(0, (3, 2)) if dashed else "-", path_effects=[] if dashed else halo)


def _draw(axes: Axes, box: Box | None, mask: np.ndarray | None, colour: str, *, dashed: bool = False) -> None:
    """Box as a frame, mask as an outline, on a panel that shows their photo."""
    if mask is not None:
        _outline(axes, mask.astype(bool), colour, dashed=dashed)
    if box is not None:
        x1, y1, x2, y2 = (float(v) for v in box)
        line = (0, (3, 2)) if dashed else "-"
        frame: dict[str, Any] = {"edgecolor": colour, "linewidth": 1.0 if mask is not None else 1.6, "linestyle": line}
        axes.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, **frame))
    left, right, bottom, top = axes.images[0].get_extent()
    axes.set(xlim=(left, right), ylim=(bottom, top))


def _draw_label(axes: Axes, car: Instance, shape: tuple[int, int], colour: str) -> None:
    """The labelled car, dashed: its mask, or its box where it has none."""
    if _given(car.mask):
        _draw(axes, None, masks.decode_mask(car.mask, *shape), colour, dashed=True)
    elif car.box_origin != "whole frame":
        _draw(axes, (car.x1, car.y1, car.x2, car.y2), None, colour, dashed=True)


def _photo(photos: Photos, photo_id: str) -> Image.Image:
    return photos[photo_id] if isinstance(photos, Mapping) else read_photo(Path(photos) / photo_id, _LARGEST)


def _given(value: object) -> bool:
    """Whether a cell of a table holds a text (an empty one comes back from CSV as NaN)."""
    return isinstance(value, str) and value != ""


def _short(photo_id: str, most: int = 30) -> str:
    """The end of a long photo id, dollar signs escaped for matplotlib."""
    text = photo_id if len(photo_id) <= most else "…" + photo_id[-(most - 1) :]
    return text.replace("$", r"\$")
