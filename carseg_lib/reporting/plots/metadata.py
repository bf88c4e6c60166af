"""Figures of the metadata of rendered photos: a gallery, views, distributions of the parameters and their effects."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import pandas as pd
from matplotlib.patches import FancyBboxPatch
from matplotlib.projections.polar import PolarAxes
from PIL import Image

from carseg_lib.core.formatting import percent, significant
from carseg_lib.data.metadata import SHAPE, attribute_description, attribute_strips, linear_separability
from carseg_lib.data.photos import read_photo
from carseg_lib.reporting.palette import class_color, class_marker
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
_STRIPS = 5  # parameters whose effect is shown
_TELLING = ("light", "background", "occluder", "focal_length", "fill", "shape_length", "shape_height")  # shown first
_WIDEST = 2480  # pixels of a strip, of which three pictures are shown


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
        "shapes": (bool(_pairs(parameters)), lambda: shape_overlap(catalogue)),
        "gallery": (True, lambda: gallery(catalogue, seed)),
        "strips": (bool(_strips(catalogue, False)), lambda: parameter_strips(catalogue, of_shape=False)),
        "shape_strips": (bool(_strips(catalogue, True)), lambda: parameter_strips(catalogue, of_shape=True)),
        "views": ("view_angle" in parameters, lambda: view_angles(catalogue)),
        "numbers": (bool(_present(parameters, NUMBERS)), lambda: number_quartiles(catalogue)),
        "categories": (bool(_present(parameters, CATEGORIES, numbers=False)), lambda: category_shares(catalogue)),
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
    """The effect of some parameters: one car with one parameter at the first, a middle and the last of its values.

    Args:
        catalogue: of the data set, whose folder has the strips.
        of_shape: whether the parameters of the car's shape are shown, or all the others.
    """
    strips = {name: read_photo(path, _WIDEST) for name, path in _strips(catalogue, of_shape).items()}
    shown = list(strips)[:_STRIPS]
    cells = {name: _three_of(strips[name]) for name in shown}
    heights = [2.66 * parts[0].height / parts[0].width for parts in cells.values()]
    figure = new_figure(8.4, sum(heights) + 0.3 * len(heights))
    panels = figure.subplots(len(cells), 3, height_ratios=heights, squeeze=False)
    for row, (name, parts) in zip(panels, cells.items(), strict=True):
        for axes, part in zip(row, parts, strict=True):
            axes.imshow(part)
            style.plain_image(axes)
        row[0].set_title(attribute_description(name) or name, size=8.5, pad=3)
    title = "Effect of the shape's parameters" if of_shape else "Effect of the parameters"
    note = f"{len(cells)} of {len(strips)} parameters: one car, and the first, a middle and the last of the values."
    return add_title(figure, title, note)


def _three_of(strip: Image.Image) -> list[Image.Image]:
    """The first, the middle and the last picture of a strip of pictures 3 : 2."""
    number = max(1, round(strip.width / (1.5 * strip.height)))
    edges = np.linspace(0, strip.width, number + 1).round().astype(int)
    chosen = (0, (number - 1) // 2, number - 1)
    return [strip.crop((int(edges[k]), 0, int(edges[k + 1]), strip.height)) for k in chosen]


@with_theme
def view_angles(catalogue: Catalogue) -> AccessibleFigure:
    """Directions from which the cars of each type are seen, around a car that points up."""
    table = _with_types(catalogue)
    types = list(catalogue.body_types)
    figure = new_figure(8.4, 2.6 * style.lines_of(len(types)))
    panels = style.type_panels(figure, len(types), subplot_kw={"projection": "polar"})
    shares = {}
    for body_type in types:
        angles = table.loc[table["body_type"] == body_type, "view_angle"].dropna()
        counts, edges = np.histogram((angles + 7.5) % 360, bins=np.arange(0, 361, 15))
        shares[body_type] = (len(angles), counts / max(len(angles), 1), np.deg2rad(edges[:-1]))
    longest = max(lengths.max() for _, lengths, _ in shares.values())
    ring = max(0.01, np.floor(100 * longest / 2) / 100)
    for axes, (body_type, (number, lengths, angles)) in zip(panels, shares.items(), strict=True):
        tone = class_color(body_type, catalogue.body_types)
        axes.bar(angles, lengths, np.deg2rad(13.5), color=tone, alpha=0.85)
        for radius in (ring, 2 * ring):
            axes.plot(np.linspace(0, 2 * np.pi, 181), np.full(181, radius), color="#AEB6BF", linewidth=0.7, zorder=0)
        axes.text(np.deg2rad(225), 2 * ring, percent(2 * ring, 0), ha="center", va="center", size=7, color=style.QUIET)
        axes.set_ylim(0, 1.05 * max(longest, 2 * ring))
        dial(cast(PolarAxes, axes))
        axes.set_title(f"{body_type} (n = {number:,})", loc="center")
    note = (
        f"n = {len(table):,} photos. The car points up, seen from above. Length of a bar: share of the type's photos "
        f"from this direction, in steps of 15°; rings at {percent(ring, 0)} and {percent(2 * ring, 0)}."
    )
    ahead = (table["view_angle"].abs() < 90).mean()
    finding = f"{percent(ahead, 0)} of the cars are seen from in front of their middle, the others from behind."
    return add_title(figure, "Viewing directions", note, f"Viewing directions. {note}", finding)


def dial(axes: PolarAxes) -> None:
    """Turn polar axes into a dial around a car that points up: 0° in front of it, 90° at its left."""
    axes.set_theta_zero_location("N")
    low, high = axes.get_ylim()
    axes.set_rorigin(low - 0.35 * (high - low))
    axes.set_xticks(np.deg2rad([0, 90, 180, 270]), ["front", "left", "rear", "right"], size=8)
    axes.set_yticks([])
    axes.tick_params(axis="x", pad=-4)
    axes.grid(False)
    axes.spines[["polar", "inner"]].set_visible(False)
    car = axes.inset_axes((0.44, 0.41, 0.12, 0.18), xlim=(0, 2), ylim=(0, 3))
    car.set_axis_off()
    body, glass = ("round,pad=0,rounding_size=0.55", "round,pad=0,rounding_size=0.2")
    car.add_patch(FancyBboxPatch((0.35, 0.05), 1.3, 2.9, body, color="#AEB6BF", linewidth=0))
    car.add_patch(FancyBboxPatch((0.55, 1.7), 0.9, 0.4, glass, color="white", linewidth=0))  # windscreen


@with_theme
def number_quartiles(catalogue: Catalogue) -> AccessibleFigure:
    """Median and quartiles of the main numbers by type: a difference could reveal the class to a model."""
    table, names = _with_types(catalogue), _present(catalogue.parameters, NUMBERS)
    types = catalogue.body_types
    lines = -(-len(names) // 3)
    figure = new_figure(8.4, (0.85 + 0.2 * len(types)) * lines)
    panels = np.atleast_2d(figure.subplots(lines, 3, sharey=True, squeeze=False))
    words, apart = [], []
    for axes, name in zip(panels.flat, names, strict=False):
        values = table[["body_type", name]].dropna()
        zeros = (values[name] == 0).mean()
        if zeros > 0.5:  # most are 0: how many are not, and how far those are
            values = values[values[name] > 0]
        ranges = []
        for k, body_type in enumerate(types):
            part = values.loc[values["body_type"] == body_type, name]
            if part.empty:
                continue
            low, middle, high = part.quantile([0.25, 0.5, 0.75])
            tone = class_color(body_type, types)
            axes.plot([low, high], [k, k], color=tone, linewidth=2.4, alpha=0.5)
            axes.plot(middle, k, class_marker(body_type, types), color=tone)
            ranges.append((low, middle, high))
            its, least, most = (significant(value) for value in (middle, low, high))
            words.append(f"{NUMBERS[name]}, {body_type}: {its} ({least} to {most})")
        if ranges and max(r[1] for r in ranges) > min(r[2] for r in ranges):
            apart.append(NUMBERS[name])
        axes.set_xlabel(NUMBERS[name])
        if name in _SHARES:
            percent_axis(axes.xaxis, NUMBERS[name])
        axes.set_title(f"{percent(zeros, 0)} are 0; of the others:" if zeros > 0.5 else "", size=8)
        axes.grid(True, axis="x")
        axes.tick_params(axis="y", length=0)
        axes.margins(x=0.1)
    for axes in panels.flat[len(names) :]:
        axes.set_axis_off()
    panels[0, 0].set_yticks(range(len(types)), types)
    panels[0, 0].set_ylim(len(types) - 0.5, -0.5)
    note = f"n = {len(table):,} photos. Marker: median; line: the middle half of the photos."
    told = f"A type's median lies beyond another's middle half in {', '.join(apart)}" if apart else "In none of them"
    finding = f"{told}." if apart else f"{told} does a type's median lie beyond another's middle half."
    title = "Camera, size and occlusion by type"
    return add_title(figure, title, note, f"{title}. {'; '.join(words)}.", finding)


@with_theme
def category_shares(catalogue: Catalogue) -> AccessibleFigure:
    """Share of each view, light, ground and so on among the photos of each type, beside what chance explains."""
    names = _present(catalogue.parameters, CATEGORIES, numbers=False)
    table = _with_types(catalogue).replace(dict.fromkeys(names, ""), "unknown")
    order = {name: table[name].value_counts().index for name in names}
    types = catalogue.body_types
    rows = [names[start : start + 3] for start in range(0, len(names), 3)]
    heights = [0.75 + 0.2 * max(len(order[name]) for name in row) for row in rows]
    figure = new_figure(8.4, sum(heights))
    subfigures = figure.subfigures(len(rows), 1, squeeze=False, height_ratios=heights)[:, 0]
    least = table["body_type"].value_counts().min()
    outside, drawn = [], 0
    for subfigure, row in zip(subfigures, rows, strict=True):
        panels = subfigure.subplots(1, 3)
        for axes in panels[len(row) :]:
            axes.set_axis_off()
        for axes, name in zip(panels, row, strict=False):
            overall = table[name].value_counts(normalize=True).reindex(order[name])
            for y, share in enumerate(overall):
                half = 1.96 * np.sqrt(share * (1 - share) / max(least, 1))
                axes.barh(y, 2 * half, 0.8, share - half, color=style.GRID, zorder=0)
            for k, body_type in enumerate(types):
                shift = 0.48 / len(types) * (k - (len(types) - 1) / 2)
                part = table.loc[table["body_type"] == body_type, name]
                shares = part.value_counts(normalize=True).reindex(order[name], fill_value=0)
                look = {"color": class_color(body_type, types), "markersize": 4}
                axes.plot(shares, np.arange(len(shares)) + shift, class_marker(body_type, types), **look)
                beyond = (shares - overall).abs() > 1.96 * np.sqrt(overall * (1 - overall) / max(len(part), 1))
                drawn += len(shares)
                outside += [f"{body_type}, {name} {level}" for level in shares.index[beyond]]
            axes.set_yticks(range(len(order[name])), order[name])
            axes.set(ylim=(len(order[name]) - 0.5, -0.5), title=name.replace("_", " "))
            axes.set_xlim(0, 1.08 * axes.dataLim.x1)
            percent_axis(axes.xaxis, "photos of the type")
    _legend(figure, catalogue)
    note = (
        f"n = {len(table):,} photos. Grey: where 95% of the dots would lie if the types did not differ (for the type "
        f"with the fewest photos, {least:,}); a model could learn what a dot beyond it shows."
    )
    finding = (
        f"{len(outside)} of {drawn} dots lie beyond what chance explains at 95%; {round(0.05 * drawn)} would if no "
        "type differed."
    )
    title = "Views, lights and backgrounds by type"
    return add_title(figure, title, note, f"{title}. Beyond: {'; '.join(outside) or 'none'}.", finding)


@with_theme
def shape_overlap(catalogue: Catalogue) -> AccessibleFigure:
    """Dimensions of the cars against each other: the overlap of the types' shapes."""
    table, pairs = _with_types(catalogue), _pairs(catalogue.parameters)
    types = catalogue.body_types
    figure = new_figure(8.4, 3.4)
    separability = []
    for axes, (across, up) in zip(np.atleast_1d(figure.subplots(1, len(pairs))), pairs, strict=True):
        for body_type in types:
            of_type = table[table["body_type"] == body_type]
            look = {"marker": class_marker(body_type, types), "color": class_color(body_type, types)}
            axes.scatter(of_type[across], of_type[up], s=10, alpha=0.4, linewidth=0, **look)
        names = [name.removeprefix(SHAPE).replace("_", " ") for name in (across, up)]
        axes.set(xlabel=f"{names[0]} (m)", ylabel=f"{names[1]} (m)")
        axes.grid(True)
        if table["body_type"].value_counts().min() >= 5:
            accuracy = percent(linear_separability(catalogue, (across, up)), 0)
            separability.append(f"{' and '.join(names)} ({accuracy} right)")
    _legend(figure, catalogue)
    finding = ""
    if separability:
        finding = (
            f"A linear rule of two dimensions of the car alone tells the types apart: {'; '.join(separability)}. So "
            "far the task is solved by how the cars are made."
        )
    note = f"n = {len(table):,} cars, a marker each."
    return add_title(figure, "Overlap of the types' shapes", note, f"Overlap of the types' shapes. {note}", finding)


def _strips(catalogue: Catalogue, of_shape: bool) -> dict[str, Path]:
    """The strips by parameter, those that show most first."""
    found = {name: path for name, path in attribute_strips(catalogue).items() if name.startswith(SHAPE) == of_shape}
    return {name: found[name] for name in sorted(found, key=lambda name: (name not in _TELLING, name))}


def _with_types(catalogue: Catalogue) -> pd.DataFrame:
    return catalogue.parameters.merge(catalogue.photos[["photo_id", "body_type"]], on="photo_id")


def _present(parameters: pd.DataFrame, names: Iterable[str], *, numbers: bool = True) -> list[str]:
    """Those of the names that the table has in the expected kind, number or text."""
    return [name for name in names if name in parameters and (parameters[name].dtype == "float64") == numbers]


def _pairs(parameters: pd.DataFrame) -> list[tuple[str, str]]:
    return [pair for pair in SHAPES if len(_present(parameters, pair)) == len(pair)]


def _legend(figure: AccessibleFigure, catalogue: Catalogue) -> None:
    """The types, their colours and markers, below the panels."""
    style.legend_below(figure, style.type_dots(catalogue.body_types), min(8, len(catalogue.body_types)))
