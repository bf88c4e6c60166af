"""The colour and the marker of each body type, the same in every figure and on the page. Standard library only."""

from __future__ import annotations

import colorsys
import functools
from collections.abc import Iterator, Sequence

from carseg_lib.core.classes import BODY_TYPES

# Okabe and Ito's palette: distinguishable with the common forms of colour blindness. In grey two pairs look alike, so a
# figure gives each type a marker or its name as well.
CLASS_COLORS = {"suv": "#0072B2", "sedan": "#E69F00", "convertible": "#009E73", "minivan": "#CC79A7"}
NO_DETECTION_COLOR = "#767676"
CLASS_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p", "h", "*", "<", ">")  # matplotlib's, in order of the types
# For further types: as different from those, and from each other, as possible; many types need their names.
_FURTHER = ("#56B4E9", "#D55E00", "#6A4FB3", "#8C6D1F", "#00A6A6", "#B8336A", "#7FB800", "#3B4A9E")


@functools.lru_cache(maxsize=64)
def class_colors(body_types: tuple[str, ...]) -> dict[str, str]:
    """The colour of each type of a study, as "#RRGGBB".

    The paper's types have fixed colours; other types take the remaining ones in order.
    """
    known = {t: CLASS_COLORS[t] for t in body_types if t in CLASS_COLORS}
    free = (colour for colour in _all_colours() if colour not in known.values())
    return {t: known.get(t) or next(free) for t in body_types}


def class_color(body_type: str, body_types: Sequence[str] = BODY_TYPES) -> str:
    """The colour of a type of the study; grey for "no car found" and for unknown types."""
    return class_colors(tuple(body_types)).get(body_type, NO_DETECTION_COLOR)


def class_marker(body_type: str, body_types: Sequence[str] = BODY_TYPES) -> str:
    """The marker of a type of the study, one of matplotlib's; many types share them."""
    return CLASS_MARKERS[list(body_types).index(body_type) % len(CLASS_MARKERS)]


def _all_colours() -> Iterator[str]:
    yield from CLASS_COLORS.values()
    yield from _FURTHER
    hue = 0.0
    while True:  # steps of the golden ratio spread the hues evenly
        hue = (hue + 0.618034) % 1
        yield "#" + "".join(f"{round(255 * part):02X}" for part in colorsys.hls_to_rgb(hue, 0.42, 0.55))
