"""The style of all figures: theme, title, alternative text, and PNG files that are reproducible byte for byte.

Figures are made without pyplot: no window, no global state, no backend is chosen or changed.
"""

from __future__ import annotations

import base64
import functools
import html
import io
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure, FigureBase
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator
from PIL import Image

from carseg_lib.core import files
from carseg_lib.reporting.palette import class_color, class_marker
from carseg_lib.reporting.webp import webp_bytes

SPLIT_COLOURS = {"train": "#4A6B8A", "validation": "#D55E00", "test": "#56B4E9"}
SPLIT_MARKERS = {"train": "o", "validation": "s", "test": "D"}
PAPER_COLOUR = "#8A1C3B"  # the numbers of the paper, in every figure
INK, QUIET, GRID, FAINT = "#1F2328", "#59636E", "#E3E6EA", "#F3F4F6"

DPI = 150
P = ParamSpec("P")
R = TypeVar("R")
_THEME: Any = {  # of settings by name, which the stubs of matplotlib want as literals
    "font.family": "DejaVu Sans",  # part of matplotlib: the same glyphs on every machine
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.titlepad": 6,
    "axes.labelsize": 9,
    "axes.labelcolor": QUIET,
    "axes.edgecolor": "#AEB6BF",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": "#AEB6BF",
    "ytick.color": "#AEB6BF",
    "xtick.labelcolor": QUIET,
    "ytick.labelcolor": QUIET,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "text.color": INK,
    "lines.linewidth": 1.8,
    "lines.markersize": 4.5,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "image.interpolation": "antialiased",
    "hatch.linewidth": 0.6,
}


class AccessibleFigure(Figure):
    """A matplotlib Figure that notebooks show under every backend, with what it shows in words."""

    alt: str = ""  # the description for readers who cannot see the figure
    finding: str = ""  # what is seen, in a sentence or two, for its caption; "" where the figure only shows

    def _repr_html_(self) -> str:
        """The figure as WebP, a fifth of the PNG, with its alternative text and, as its caption, its finding."""
        return html_figure(png_bytes(self), self.alt, self.finding)


@contextmanager
def _theme() -> Iterator[None]:
    """The theme and nothing else: what the user's matplotlibrc says (LaTeX, sizes of text) is not the study's."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_THEME)
        yield


def with_theme(draw: Callable[P, R]) -> Callable[P, R]:
    """Run a drawing function under the theme and restore matplotlib's settings."""

    @functools.wraps(draw)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        with _theme():
            return draw(*args, **kwargs)

    return run


def new_figure(width: float, height: float) -> AccessibleFigure:
    """An empty figure of `width` by `height` inches, its layout kept free of overlaps."""
    return AccessibleFigure(figsize=(width, height), dpi=100, layout="constrained")


def add_title(
    figure: AccessibleFigure, title: str, note: str = "", alt: str = "", finding: str = ""
) -> AccessibleFigure:
    """Add the title with a note below it at the top left, and the alternative text.

    Args:
        figure: the figure, its panels drawn.
        title: of the figure.
        note: n and how to read the figure; wrapped to its width.
        alt: the result in words; the title and the note if empty.
        finding: what is seen, for the caption; it begins the alternative text.
    """
    width, height = figure.get_size_inches()
    titles = textwrap.wrap(title, max(24, int(width * 10.5))) or [""]
    lines = textwrap.wrap(note, max(30, int(width * 14.6)))
    head = 0.18 + 0.22 * len(titles)  # inches
    top = head + 0.17 * len(lines) + (0.06 if lines else 0.0)
    full = height + top
    figure.set_size_inches(width, full)
    layout = cast(ConstrainedLayoutEngine, figure.get_layout_engine())
    layout.set(rect=(0.008, 0.01, 0.984, height / full - 0.01), w_pad=0.07, h_pad=0.07)
    for drawn in figure.findobj(Text):
        if "$" in drawn.get_text() and "\\math" not in drawn.get_text():  # a name, not a formula
            drawn.set_parse_math(False)
    left = 0.12 / width
    heading: dict[str, Any] = {"size": 11.5, "weight": "bold", "color": INK, "linespacing": 1.2}
    figure.text(left, 1 - 0.12 / full, "\n".join(titles), ha="left", va="top", **heading)
    if lines:
        text = "\n".join(lines)
        figure.text(left, 1 - head / full, text, ha="left", va="top", size=8.5, color=QUIET, linespacing=1.3)
    words = alt or ". ".join(part.rstrip(".") for part in (title, note) if part) + "."
    figure.alt, figure.finding = f"{finding} {words}".strip(), finding
    return figure


def empty_figure(title: str, text: str) -> AccessibleFigure:
    """A figure with a text in place of a plot that has no data."""
    figure = new_figure(7.5, 0.9)
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, ha="center", va="center", color=QUIET, wrap=True)
    return add_title(figure, title, alt=f"{title}. {text}")


def type_panels(figure: FigureBase, number: int, **shared: Any) -> list[Axes]:
    """A panel for each type, four in a row (see `lines_of`).

    Args:
        figure: or a part of one.
        number: of panels.
        **shared: arguments of `subplots`.
    """
    lines = lines_of(number)
    panels = figure.subplots(lines, -(-number // lines), squeeze=False, **shared).flatten()
    for axes in panels[number:]:
        axes.set_axis_off()
    return list(panels[:number])


def dot(colour: str, label: str, marker: str = "o") -> Line2D:
    """An entry of a legend."""
    return Line2D([], [], marker=marker, linestyle="none", color=colour, label=label)


def type_dots(body_types: Sequence[str]) -> list[Line2D]:
    """The entries of a legend of types, each with its colour and its marker."""
    types = tuple(body_types)
    return [dot(class_color(t, types), t, class_marker(t, types)) for t in types]


def legend_below(figure: Figure, handles: Sequence[Artist], columns: int, room: float = 0.3) -> None:
    """A legend below the panels, for which the figure grows by `room` inches."""
    figure.legend(handles=handles, loc="outside lower left", ncols=columns)
    width, height = figure.get_size_inches()
    figure.set_size_inches(width, height + room)


def beside(axes: Axes, text: str, place: tuple[float, float], offset: tuple[float, float], **look: Any) -> None:
    """A small text, `offset` points away from a place given in the coordinates `xycoords`."""
    look = {"size": 8, "color": QUIET, **look}
    axes.annotate(text, place, offset, textcoords="offset points", **look)


def fade(colour: str) -> LinearSegmentedColormap:
    """White to a colour."""
    return LinearSegmentedColormap.from_list("fade", ["#FFFFFF", colour])


def lines_of(number: int) -> int:
    """Rows of panels, four in a row."""
    return -(-number // 4)


def percent_axis(axis: Any, label: str) -> None:
    """Label an axis of fractions in percent."""
    axis.set_major_formatter(lambda value, _: f"{100 * value:.0f}%")
    axis.set_label_text(label)


def thousands(axis: Any, label: str) -> None:
    """Label an axis of counts, with separators and no more ticks than fit."""
    axis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]))
    axis.set_major_formatter("{x:,.0f}")
    axis.set_label_text(label)


def plain_image(axes: Axes) -> None:
    """Remove ticks and frame from a panel that shows a photo."""
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def png_bytes(figure: Figure, dpi: int = DPI) -> bytes:
    """A figure as PNG; the same figure gives the same bytes (no date, no software version).

    Its alternative text is stored as `Description`, its finding as `Title`.
    """
    buffer = io.BytesIO()
    metadata: dict[str, Any] = {"Software": None}
    for name, text in (("Description", getattr(figure, "alt", "")), ("Title", getattr(figure, "finding", ""))):
        if text:
            metadata[name] = text
    with _theme():
        figure.savefig(buffer, format="png", dpi=dpi, metadata=metadata)
    return buffer.getvalue()


def save_figure(figure: Figure, path: Path | str, *, dpi: int = DPI) -> Path:
    """Write a figure as PNG, completely or not at all, as `png_bytes` makes it.

    Args:
        figure: any matplotlib figure.
        path: the file, ending in .png; its folder is created.
        dpi: pixels an inch.

    Returns:
        The path.

    Raises:
        CarsegError: the disk is full or the folder cannot be written.
    """
    return files.write_bytes(path, png_bytes(figure, dpi))


def html_figure(png: bytes, alt: str, finding: str) -> str:
    """A figure as HTML that a notebook shows: WebP, alternative text, and its finding as the caption."""
    with Image.open(io.BytesIO(png)) as picture:
        width = picture.width
        content = base64.b64encode(webp_bytes(picture.convert("RGB"))).decode("ascii")
    shown = f"max-width:min(100%,{width}px);height:auto"
    caption = f"<figcaption>{html.escape(finding)}</figcaption>" if finding else ""
    image = f'<img src="data:image/webp;base64,{content}" alt="{html.escape(alt)}" style="{shown}">'
    return f'<figure style="margin:0.5em 0">{image}{caption}</figure>'
