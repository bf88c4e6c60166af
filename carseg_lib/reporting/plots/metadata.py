"""Figures of the metadata of rendered photos: a gallery, views, distributions of the parameters and their effects."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import pandas as pd
from matplotlib.patches import FancyBboxPatch
from matplotlib.projections.polar import PolarAxes
from matplotlib.ticker import MaxNLocator

from carseg_lib.core.formatting import percent
from carseg_lib.data.metadata import SHAPE, attribute_description, attribute_strips, linear_separability
from carseg_lib.data.photos import read_photo
from carseg_lib.reporting.palette import class_color, class_colors
from carseg_lib.reporting.plots import style
from carseg_lib.reporting.plots.style import AccessibleFigure, add_title, new_figure, percent_axis, with_theme

if TYPE_CHECKING:
    from carseg_lib.data.catalogue import Catalogue

VARIETY = ("view", "light", "ground", "background", "occluder", "colour")  # in which the samples should differ
NUMBERS = {  # parameter → label of its axis; shares are in percent
    "camera_height": "camera's height (m)",
    "focal_length": "focal length (mm)",
    "car_share": "car's box / photo",
    "occlusion": "share of the car hidden",
    "cut_off": "share beyond the frame",
    "sun_elevation": "sun's elevation (degrees)",
}
CATEGORIES = ("view", "light", "ground", "background", "occluder", "paint")
SHAPES = (("shape_length", "shape_height"), ("shape_hood_length", "shape_nose_height"))
_SHARES = ("car_share", "occlusion", "cut_off")
_COLUMNS, _SAMPLES = 3, 3  # samples: in a row, and of each type
_CANDIDATES = 300  # photos of a type that the samples are chosen from
_WIDEST = 1240  # pixels of a strip in its figure


def metadata_figures(catalogue: Catalogue, seed: int = 0) -> dict[str, AccessibleFigure]:
    """Every figure that the catalogue's metadata allow, by name; none without metadata.

    Args:
        catalogue: photos and their metadata.
        seed: of the choice of samples.
    """
    parameters = catalogue.parameters
    if parameters.empty:
        return {}
    figures: dict[str, tuple[bool, Callable[[], AccessibleFigure]]] = {
        "gallery": (True, lambda: gallery(catalogue, seed)),
        "strips": (bool(_strips(catalogue, False)), lambda: parameter_strips(catalogue, of_shape=False)),
        "shape_strips": (bool(_strips(catalogue, True)), lambda: parameter_strips(catalogue, of_shape=True)),
        "views": ("view_angle" in parameters, lambda: view_angles(catalogue)),
        "numbers": (bool(_present(parameters, NUMBERS)), lambda: number_histograms(catalogue)),
        "categories": (bool(_present(parameters, CATEGORIES, numbers=False)), lambda: category_shares(catalogue)),
        "shapes": (bool(_pairs(parameters)), lambda: shape_overlap(catalogue)),
    }
    return {name: draw() for name, (possible, draw) in figures.items() if possible}


@with_theme
def gallery(catalogue: Catalogue, seed: int = 0) -> AccessibleFigure:
    """Photos of each type, chosen to differ in view, light and surroundings, with some of their metadata."""
    parameters = catalogue.parameters.set_index("photo_id")
    shown = _present(parameters, VARIETY, numbers=False)
    rng = np.random.default_rng(seed)
    seen: set[tuple[str, str]] = set()
    chosen: list[tuple[str, str]] = []
    for body_type in catalogue.body_types:
        of_type = catalogue.photos.loc[catalogue.photos["body_type"] == body_type, "photo_id"].to_numpy()
        left = list(rng.permutation(of_type)[:_CANDIDATES])
        for _ in range(min(_SAMPLES, len(left))):
            traits = {photo: {(name, parameters.at[photo, name]) for name in shown} for photo in left}
            best = max(left, key=lambda photo: len(traits[photo] - seen))  # the first of equals
            left.remove(best)
            seen |= traits[best]
            chosen.append((body_type, best))
    lines = -(-len(chosen) // _COLUMNS)
    figure = new_figure(8.4, lines * (8.4 / _COLUMNS * 2 / 3 + 0.3))
    for k, (body_type, photo_id) in enumerate(chosen):
        axes = figure.add_subplot(lines, _COLUMNS, k + 1)
        axes.imshow(read_photo(catalogue.root / photo_id))
        style.plain_image(axes)
        axes.set_title(body_type, size=9, color=class_color(body_type, catalogue.body_types), weight="bold", pad=3)
        words = [parameters.at[photo_id, name] for name in shown[:4]]
        axes.set_xlabel(", ".join(word for word in words if word and word != "none"), size=7.5, loc="left")
    note = (
        f"{len(chosen)} of {len(catalogue.photos):,} photos, chosen (seed {seed}) to differ in {', '.join(shown)}: "
        "they show the range, not the frequencies."
    )
    return add_title(figure, "Gallery", note)


@with_theme
def parameter_strips(catalogue: Catalogue, *, of_shape: bool) -> AccessibleFigure:
    """The effect of each parameter: strips of one car with one parameter varied, from the data set's folder.

    Args:
        catalogue: of the data set.
        of_shape: whether the parameters of the car's shape are shown, or all the others.
    """
    strips = {name: read_photo(path, _WIDEST) for name, path in _strips(catalogue, of_shape).items()}
    heights = [8.2 * strip.height / strip.width for strip in strips.values()]
    figure = new_figure(8.4, sum(heights) + 0.34 * len(heights))
    panels = figure.subplots(len(strips), 1, height_ratios=heights, squeeze=False)[:, 0]
    for axes, (name, strip) in zip(panels, strips.items(), strict=True):
        axes.imshow(strip, aspect="auto")
        style.plain_image(axes)
        title = attribute_description(name)
        axes.set_title(f"{name}: {title}" if title else name, size=8.5, pad=3)
    title = "Effect of each shape parameter" if of_shape else "Effect of each parameter"
    note = f"{len(strips)} parameters, a row each: one car, the parameter varied from left to right."
    return add_title(figure, title, note)


@with_theme
def view_angles(catalogue: Catalogue) -> AccessibleFigure:
    """Directions from which the cars of each type are seen, around a car that points up."""
    table = _with_types(catalogue)
    types = list(catalogue.body_types)
    figure = new_figure(8.4, 2.5 * style.lines_of(len(types)))
    panels = style.type_panels(figure, len(types), subplot_kw={"projection": "polar"})
    for axes, body_type in zip(panels, types, strict=True):
        angles = table.loc[table["body_type"] == body_type, "view_angle"].dropna()
        counts, edges = np.histogram((angles + 7.5) % 360, bins=np.arange(0, 361, 15))
        lengths, tone = counts / max(len(angles), 1), class_color(body_type, catalogue.body_types)
        axes.bar(np.deg2rad(edges[:-1]), lengths, np.deg2rad(13.5), color=tone, alpha=0.85)
        dial(cast(PolarAxes, axes))
        axes.set_title(f"{body_type} (n = {len(angles):,})", loc="center")
    note = (
        f"n = {len(table):,} photos. The car points up, seen from above. Length of a bar: share of the type's photos "
        "from this direction, in steps of 15°."
    )
    return add_title(figure, "Viewing directions", note)


def dial(axes: PolarAxes) -> None:
    """Turn polar axes into a dial around a car that points up: 0° in front of it, 90° at its left."""
    axes.set_theta_zero_location("N")
    low, high = axes.get_ylim()
    axes.set_rorigin(low - 0.45 * (high - low))
    axes.set_xticks(np.deg2rad([0, 90, 180, 270]), ["front", "left", "rear", "right"], size=7.5)
    axes.set_yticks([])
    axes.tick_params(axis="x", pad=-3)
    axes.grid(False)
    axes.spines[["polar", "inner"]].set_visible(False)
    car = axes.inset_axes((0.44, 0.41, 0.12, 0.18), xlim=(0, 2), ylim=(0, 3))
    car.set_axis_off()
    body, glass = ("round,pad=0,rounding_size=0.55", "round,pad=0,rounding_size=0.2")
    car.add_patch(FancyBboxPatch((0.35, 0.05), 1.3, 2.9, body, color="#AEB6BF", linewidth=0))
    car.add_patch(FancyBboxPatch((0.55, 1.7), 0.9, 0.4, glass, color="white", linewidth=0))  # windscreen


@with_theme
def number_histograms(catalogue: Catalogue) -> AccessibleFigure:
    """Distributions of the main numbers by type: a difference could reveal the class to a model."""
    table, names = _with_types(catalogue), _present(catalogue.parameters, NUMBERS)
    lines = -(-len(names) // 3)
    figure = new_figure(8.4, 1.9 * lines)
    for k, name in enumerate(names):
        axes = figure.add_subplot(lines, 3, k + 1)
        values = table[name].dropna()
        low, high = np.percentile(values, [0, 99.5]) if len(values) else (0, 1)
        bins = np.linspace(low, high if high > low else low + 1, 19)
        for body_type in catalogue.body_types:
            part = values[table["body_type"] == body_type].clip(upper=bins[-1])
            if len(part):
                heights = np.histogram(part, bins)[0] / len(part)
                axes.stairs(heights, bins, color=class_color(body_type, catalogue.body_types), linewidth=1.5)
        axes.set_xlabel(NUMBERS[name])
        axes.margins(y=0.08)
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
        if name in _SHARES:
            percent_axis(axes.xaxis, NUMBERS[name])
        percent_axis(axes.yaxis, "photos of the type" if k % 3 == 0 else "")
    _legend(figure, catalogue)
    note = f"n = {len(table):,} photos; values above the 99.5th percentile are in the last bin."
    return add_title(figure, "Camera, size and occlusion by type", note)


@with_theme
def category_shares(catalogue: Catalogue) -> AccessibleFigure:
    """Share of each view, light, ground and so on among the photos of each type."""
    names = _present(catalogue.parameters, CATEGORIES, numbers=False)
    table = _with_types(catalogue).replace(dict.fromkeys(names, ""), "unknown")
    order = {name: table[name].value_counts().index for name in names}
    types = catalogue.body_types
    rows = [names[start : start + 3] for start in range(0, len(names), 3)]
    heights = [0.75 + 0.2 * max(len(order[name]) for name in row) for row in rows]
    figure = new_figure(8.4, sum(heights))
    subfigures = figure.subfigures(len(rows), 1, squeeze=False, height_ratios=heights)[:, 0]
    for subfigure, row in zip(subfigures, rows, strict=True):
        panels = subfigure.subplots(1, 3)
        for axes in panels[len(row) :]:
            axes.set_axis_off()
        for axes, name in zip(panels, row, strict=False):
            at = np.arange(len(order[name]))
            for k, body_type in enumerate(types):
                shift = 0.48 / len(types) * (k - (len(types) - 1) / 2)
                part = table.loc[table["body_type"] == body_type, name]
                shares = part.value_counts(normalize=True).reindex(order[name], fill_value=0)
                axes.plot(shares, at + shift, "o", color=class_color(body_type, types), markersize=4.5)
            axes.set_yticks(at, order[name])
            axes.set(ylim=(len(at) - 0.5, -0.5), xlim=(0, 1.08 * axes.dataLim.x1), title=name.replace("_", " "))
            axes.grid(True, axis="x")
            percent_axis(axes.xaxis, "photos of the type")
    _legend(figure, catalogue)
    note = f"n = {len(table):,} photos. Where a type's dot differs, a model could learn the background."
    return add_title(figure, "Views, lights and backgrounds by type", note)


@with_theme
def shape_overlap(catalogue: Catalogue) -> AccessibleFigure:
    """Dimensions of the cars against each other: the overlap of the types' shapes."""
    table, pairs = _with_types(catalogue), _pairs(catalogue.parameters)
    mixed = table.sample(frac=1, random_state=0)  # no type covers the others
    tones = mixed["body_type"].map(class_colors(catalogue.body_types))
    figure = new_figure(8.4, 3.4)
    separability = []
    for axes, (across, up) in zip(np.atleast_1d(figure.subplots(1, len(pairs))), pairs, strict=True):
        axes.scatter(mixed[across], mixed[up], s=9, c=tones, alpha=0.45, linewidth=0)
        names = [name.removeprefix(SHAPE).replace("_", " ") for name in (across, up)]
        axes.set(xlabel=f"{names[0]} (m)", ylabel=f"{names[1]} (m)")
        axes.grid(True)
        if table["body_type"].value_counts().min() >= 5:
            accuracy = percent(linear_separability(catalogue, (across, up)), 0)
            separability.append(f"{' and '.join(names)}, {accuracy}")
    _legend(figure, catalogue)
    note = f"n = {len(table):,} cars."
    if separability:
        note += f" Accuracy of a linear classifier on two dimensions: {'; '.join(separability)}."
    return add_title(figure, "Overlap of the types' shapes", note)


def _strips(catalogue: Catalogue, of_shape: bool) -> dict[str, Path]:
    return {name: path for name, path in attribute_strips(catalogue).items() if name.startswith(SHAPE) == of_shape}


def _with_types(catalogue: Catalogue) -> pd.DataFrame:
    return catalogue.parameters.merge(catalogue.photos[["photo_id", "body_type"]], on="photo_id")


def _present(parameters: pd.DataFrame, names: Iterable[str], *, numbers: bool = True) -> list[str]:
    """Those of the names that the table has in the expected kind, number or text."""
    return [name for name in names if name in parameters and (parameters[name].dtype == "float64") == numbers]


def _pairs(parameters: pd.DataFrame) -> list[tuple[str, str]]:
    return [pair for pair in SHAPES if len(_present(parameters, pair)) == len(pair)]


def _legend(figure: AccessibleFigure, catalogue: Catalogue) -> None:
    """The types and their colours, below the panels."""
    tones = class_colors(catalogue.body_types)
    style.legend_below(figure, [style.dot(tone, t) for t, tone in tones.items()], min(8, len(tones)))
