"""Figures of the data: counts, sizes and brightness of the photos, position of the cars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from carseg_lib.core.formatting import percent
from carseg_lib.data import masks
from carseg_lib.paper.claims import claim, claimed_number
from carseg_lib.reporting.palette import class_color
from carseg_lib.reporting.plots import style
from carseg_lib.reporting.plots.style import AccessibleFigure, add_title, empty_figure, new_figure, with_theme

if TYPE_CHECKING:
    from carseg_lib.data.catalogue import Catalogue

PAPER_SPLITS = {
    "train": int(claimed_number("training photos")),
    "validation": int(claimed_number("validation photos")),
    "test": int(claimed_number("test photos")),
}
PAPER_SIZE = cast("tuple[float, float]", claim("photo size").value)[::-1]  # width, height


def photo_figures(catalogue: Catalogue) -> dict[str, AccessibleFigure]:
    """The figures of size and brightness by name; of sizes only where there are several."""
    figures = {"photo_sizes": photo_sizes(catalogue)} if len(_sizes(catalogue)) > 1 else {}
    return figures | {"brightness": brightness(catalogue)}


def car_figures(catalogue: Catalogue) -> dict[str, AccessibleFigure]:
    """The figures of boxes and masks by name, of those that the data have."""
    figures = {}
    if len(catalogue.instances) and (catalogue.instances["box_origin"] != "whole frame").any():
        figures["box_statistics"] = box_statistics(catalogue)
    if (catalogue.instances["mask"].fillna("") != "").any():
        figures["mask_statistics"] = mask_statistics(catalogue)
    return figures


def _sizes(catalogue: Catalogue) -> pd.DataFrame:
    """Width, height and n of each size of photos, the most frequent first."""
    sizes = catalogue.photos.groupby(["width", "height"]).size().reset_index(name="n")
    return sizes.sort_values("n", ascending=False)


@with_theme
def split_counts(catalogue: Catalogue) -> AccessibleFigure:
    """Photos in each split compared with the paper, and of each type in each split.

    Args:
        catalogue: photos whose splits are assigned.

    Returns:
        A figure with two panels. The paper gives no counts of types.
    """
    counts = catalogue.counts()
    splits = [split for split in PAPER_SPLITS if split in counts.columns]
    ours, paper = counts[splits].sum(), pd.Series(PAPER_SPLITS)
    figure = new_figure(8.4, 3.1)
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.35])

    at = np.arange(len(splits))
    rows = ((-0.2, ours, "these data", "#4A6B8A", "#4A6B8A"), (0.2, paper, "the paper", "white", style.PAPER_COLOUR))
    for shift, numbers, name, colour, edge in rows:
        total = int(numbers.sum())
        label = f"{name} (n = {total:,})"
        bars = left.barh(at + shift, numbers[splits], 0.36, color=colour, edgecolor=edge, label=label)
        labels = [f"{n:,} ({percent(n / max(total, 1))})" for n in numbers[splits]]
        left.bar_label(bars, labels, padding=3, size=8, color=style.QUIET)
    left.set_yticks(at, splits)
    left.invert_yaxis()
    left.set_xlim(0, 1.5 * max(ours.max(), paper.max()))
    style.thousands(left.xaxis, "photos")
    left.set_title("Splits")
    left.legend(loc="lower right", bbox_to_anchor=(1.0, 0.0))

    width = 0.8 / len(counts.index)
    for k, body_type in enumerate(counts.index):
        place = at + (k - (len(counts.index) - 1) / 2) * width
        tone = class_color(body_type, catalogue.body_types)
        bars = right.bar(place, counts.loc[body_type, splits], width * 0.92, color=tone, label=body_type)
        right.bar_label(bars, fmt="{:,.0f}", padding=2, size=8, color=style.QUIET)
    right.set_xticks(at, splits)
    style.thousands(right.yaxis, "photos")
    right.set_title("Body types")
    right.margins(y=0.12)
    right.legend(ncols=2, loc="upper right")
    alt = "; ".join(f"{split}: {ours[split]:,} photos, the paper {paper[split]:,}" for split in splits)
    return add_title(
        figure,
        "Photos in each split",
        f"n = {ours.sum():,} photos. The paper has {paper.sum():,} and gives no counts of types.",
        f"Bar charts of the photos in each split and of each type. {alt}.",
    )


@with_theme
def photo_sizes(catalogue: Catalogue) -> AccessibleFigure:
    """Width against height, and the aspect ratio, of all photos; the paper's 240 by 160 pixels marked."""
    photos = catalogue.photos
    if photos.empty:
        return empty_figure("Sizes of the photos", "There are no photos.")
    sizes = _sizes(catalogue)
    aspect = photos["width"] / photos["height"]
    figure = new_figure(8.4, 3.0)
    left, right = figure.subplots(1, 2)
    area = 30 + 370 * sizes["n"] / sizes["n"].max()
    left.scatter(sizes["width"], sizes["height"], s=area, color="#4A6B8A", alpha=0.55, linewidth=0)
    mark = {"color": style.PAPER_COLOUR, "linewidth": 1.6, "zorder": 3}
    left.scatter(*PAPER_SIZE, marker="+", s=160, label="the paper: 240 × 160", **mark)
    if len(sizes) <= 3:
        for row in sizes.itertuples():
            text = f"{row.width} × {row.height}: {row.n:,} photos"
            style.beside(left, text, (row.width, row.height), (0, 15), ha="center", size=8.5, color=style.INK)
    for limits, side, papers in zip((left.set_xlim, left.set_ylim), ("width", "height"), PAPER_SIZE, strict=True):
        low, high = min(photos[side].min(), papers), max(photos[side].max(), papers)
        room = max(0.12 * (high - low), 0.25 * high if low == high else 0)
        limits(max(0, low - room), high + room)
    left.set(xlabel="width (pixels)", ylabel="height (pixels)")
    left.set_title(f"{len(sizes):,} different sizes" if len(sizes) > 1 else "All of one size")
    left.legend(loc="lower right")
    left.grid(True)

    low, high = min(aspect.min(), 1.5), max(aspect.max(), 1.5)
    room = max(0.1 * (high - low), 0.1)
    step = (high - low + 2 * room) / 40
    bins = 1.5 + step * (np.arange(np.floor((low - 1.5) / step), np.ceil((high - 1.5) / step) + 2) - 0.5)
    right.hist(aspect, bins=bins, color="#4A6B8A", alpha=0.85)
    right.set_xlim(low - room, high + room)
    right.axvline(1.5, color=style.PAPER_COLOUR, linestyle=(0, (4, 3)), label="the paper: 1.5")
    right.set_xlabel("aspect ratio (width / height)")
    style.thousands(right.yaxis, "photos")
    right.set_title(f"Aspect ratio: median {aspect.median():.2f}")
    right.margins(y=0.18)
    right.legend(loc="upper left")
    top = sizes.iloc[0]
    note = (
        f"n = {len(photos):,} photos; the most frequent size is {top['width']} × {top['height']} "
        f"({percent(top['n'] / len(photos))} of the photos). Area of a dot: number of photos of that size."
    )
    return add_title(figure, "Sizes of the photos", note)


@with_theme
def brightness(catalogue: Catalogue) -> AccessibleFigure:
    """Mean brightness of the photos, a histogram per type on one scale, the median marked."""
    photos, types = catalogue.photos, list(catalogue.body_types)
    figure = new_figure(8.4, 2.2 * style.lines_of(len(types)))
    panels = style.type_panels(figure, len(types), sharex=True, sharey=True)
    for axes, body_type in zip(panels, types, strict=True):
        values = photos.loc[photos["body_type"] == body_type, "brightness"].astype(float)
        axes.set_title(f"{body_type} (n = {len(values):,})")
        if values.empty:
            axes.set_xlabel("mean luma (0–1)")
            continue
        bins, colour = np.linspace(0, 1, 26), class_color(body_type, catalogue.body_types)
        sns.histplot(values, bins=bins, stat="proportion", color=colour, alpha=0.85, linewidth=0, ax=axes)
        axes.set(xlabel="mean luma (0–1)", ylabel="")
        axes.axvline(values.median(), color=style.INK, linewidth=1.1)
        text = f"median {values.median():.2f}"
        style.beside(axes, text, (values.median(), 1), (4, -2), xycoords=("data", "axes fraction"), va="top")
    panels[0].set(xlim=(0, 1), xticks=[0, 0.5, 1])
    panels[0].margins(y=0.2)
    style.percent_axis(panels[0].yaxis, "photos of the type")
    note = f"n = {len(photos):,} photos; 0 is black, 1 is white. A difference could reveal the class to a model."
    medians = photos.groupby("body_type")["brightness"].median().astype(float).sort_values()
    finding = ""
    if len(medians):
        finding = (
            f"The median brightness lies between {medians.iloc[0]:.2f} ({medians.index[0]}) and {medians.iloc[-1]:.2f} "
            f"({medians.index[-1]})."
        )
    title = "Brightness of the photos"
    return add_title(figure, title, note, f"{title}. {note}", finding)


def _placed(catalogue: Catalogue) -> pd.DataFrame:
    """Instances with the size of their photo, and the quantities derived from both."""
    sizes = catalogue.photos[["photo_id", "width", "height"]]
    table = catalogue.instances.merge(sizes, on="photo_id", how="inner")
    wide, high = table["x2"] - table["x1"], table["y2"] - table["y1"]
    return table.assign(
        share=wide * high / (table["width"] * table["height"]),
        aspect=wide / high,
        centre_x=(table["x1"] + table["x2"]) / 2 / table["width"],
        centre_y=(table["y1"] + table["y2"]) / 2 / table["height"],
    )


@with_theme
def box_statistics(catalogue: Catalogue) -> AccessibleFigure:
    """Share of the photo that a box covers, its aspect ratio, and the position of its centre."""
    table = _placed(catalogue)
    if table.empty or (table["box_origin"] == "whole frame").all():
        return empty_figure("The boxes", "These data have no boxes: the whole frame of each photo replaces them.")
    types = [t for t in catalogue.body_types if (table["body_type"] == t).any()]
    figure = new_figure(8.4, 2.7 + 0.4 * max(0, len(types) - 4))
    panels = figure.subplots(1, 3, width_ratios=[1, 1, 1.15])
    counts = [f"{t}\nn = {(table['body_type'] == t).sum():,}" for t in types]
    for axes, column, labels in ((panels[0], "share", counts), (panels[1], "aspect", [""] * len(types))):
        values = {t: table.loc[table["body_type"] == t, column] for t in types}
        _boxes_by_type(axes, values, labels, catalogue.body_types)
    style.percent_axis(panels[0].xaxis, "share of the photo's area")
    panels[0].set_title("Size of the box")
    panels[1].set(title="Shape of the box", xlabel="width / height")
    places, _, _ = np.histogram2d(table["centre_y"], table["centre_x"], bins=(16, 24), range=[(0, 1), (0, 1)])
    shown = panels[2].imshow(places / len(table), cmap=style.fade("#4A6B8A"), extent=(0, 1, 1, 0), aspect="auto")
    bar = figure.colorbar(shown, ax=panels[2], pad=0.03)
    bar.outline.set_visible(False)
    style.percent_axis(bar.ax.yaxis, "boxes")
    style.percent_axis(panels[2].xaxis, "from the left")
    style.percent_axis(panels[2].yaxis, "from the top")
    panels[2].set_title("Centre of the box")
    origins = ", ".join(f"{n:,} {origin}" for origin, n in table["box_origin"].value_counts().items())
    note = f"n = {len(table):,} boxes ({origins}). Box: interquartile range; line: median; whiskers: 5% to 95%."
    low, middle, high = (percent(table["share"].quantile(q), 0) for q in (0.25, 0.5, 0.75))
    centred = ((table["centre_x"] - 0.5).abs() < 0.15) & ((table["centre_y"] - 0.5).abs() < 0.15)
    finding = (
        f"Half of the boxes cover {low} to {high} of their photo (median {middle}); the centres of "
        f"{percent(centred.mean(), 0)} lie within 15% of the middle."
    )
    return add_title(figure, "The boxes", note, f"The boxes. {note}", finding)


@with_theme
def mask_statistics(catalogue: Catalogue, limit: int = 400) -> AccessibleFigure:
    """The share of its box that a mask covers, by type.

    Args:
        catalogue: photos with masks; a message is drawn where there are none.
        limit: masks decoded for a type, at most, evenly over the table.
    """
    table = _placed(catalogue)
    table = table[table["mask"].fillna("") != ""]
    if table.empty:
        return empty_figure("The masks", "These data have no masks: no mask is trained.")
    types = [t for t in catalogue.body_types if (table["body_type"] == t).any()]
    fills: dict[str, np.ndarray] = {}
    for body_type in types:
        rows = table[table["body_type"] == body_type]
        rows = rows.iloc[np.unique(np.linspace(0, len(rows) - 1, min(limit, len(rows))).astype(int))]
        fills[body_type] = np.array([_fill(row) for row in rows.itertuples()])
    figure = new_figure(7.6, 1.1 + 0.25 * len(types))
    axes = figure.subplots()
    _boxes_by_type(axes, fills, [f"{t} (n = {len(fills[t]):,})" for t in types], catalogue.body_types)
    style.percent_axis(axes.xaxis, "mask's area / box's area")
    note = (
        f"n = {len(table):,} masks, up to {limit:,} per type drawn. Box: interquartile range; line: median; whiskers: "
        "5% to 95%."
    )
    medians = {t: float(np.median(values)) for t, values in fills.items()}
    least, most = min(medians, key=medians.__getitem__), max(medians, key=medians.__getitem__)
    finding = (
        f"In the median a mask covers from {percent(medians[least], 0)} ({least}) to "
        f"{percent(medians[most], 0)} ({most})."
    )
    title = "Share of its box that a mask covers"
    return add_title(figure, title, note, f"{title}. {note}", finding)


def _boxes_by_type(axes: Axes, values: Mapping[str, Any], labels: Sequence[str], body_types: tuple[str, ...]) -> None:
    """A horizontal box per type in its colour: quartiles and median, whiskers from the 5th to the 95th percentile."""
    drawn = axes.boxplot(
        list(values.values()),
        orientation="horizontal",
        widths=0.6,
        patch_artist=True,
        whis=(5, 95),
        showfliers=False,
        medianprops={"color": style.INK, "linewidth": 1.4},
        whiskerprops={"color": "#AEB6BF"},
        capprops={"color": "#AEB6BF"},
        boxprops={"linewidth": 0},
    )
    for patch, body_type in zip(drawn["boxes"], values, strict=True):
        patch.set_facecolor(class_color(body_type, body_types))
    axes.set_yticks(range(1, len(values) + 1), labels)
    axes.grid(True, axis="x")
    axes.invert_yaxis()


def _fill(row: pd.Series) -> float:
    """The share of its box that a mask covers."""
    area = (row.x2 - row.x1) * (row.y2 - row.y1)
    return float(masks.decode_mask(row.mask, int(row.height), int(row.width)).sum() / area) if area > 0 else 0.0
