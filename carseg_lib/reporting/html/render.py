"""Rendering of pages: templates, inlined figures, formatted numbers, the content security policy."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image, UnidentifiedImageError

from carseg_lib.core import files, formatting
from carseg_lib.core.classes import BODY_TYPES
from carseg_lib.core.errors import CarsegError
from carseg_lib.paper import claims
from carseg_lib.reporting.palette import class_colors
from carseg_lib.reporting.webp import webp_bytes

MAX_BYTES = 5_000_000  # of a page with pictures: light enough to be mailed


@dataclass(frozen=True)
class FigureOnPage:
    """A figure of the run, inlined."""

    name: str  # of its file, without the ending
    split: str  # the evaluated split that it shows, or ""
    caption: str  # below the figure
    alt: str  # its description for readers who cannot see it
    uri: str  # its content as a data URI
    width: int  # pixels
    height: int


def render(
    template: str, context: Mapping[str, Any], *, parts: Sequence[str] = (), pictures_beside: bool = False
) -> str:
    """A page from a template of this package, with its style, script and content security policy inlined.

    Args:
        template: name of a file in `templates/`.
        context: its variables; an undefined one is an error.
        parts: names of further styles and scripts in `templates/`, each a .css and a .js file.
        pictures_beside: whether the page shows pictures that lie beside it.
    """
    folder = resources.files("carseg_lib.reporting.html") / "templates"
    style, script = (
        "".join(folder.joinpath(name + ending).read_text(encoding="utf-8") for name in (first, *parts))
        for first, ending in (("style", ".css"), ("script", ".js"))
    )
    tones = class_colors(tuple(context.get("body_types", BODY_TYPES))).values()
    style += "".join(f".dot.type-{k} {{ background: {tone}; }}\n" for k, tone in enumerate(tones, start=1))
    images = "data: 'self' file:" if pictures_beside else "data:"
    of_style, of_script = (files.integrity(text.encode()) for text in (style, script))
    policy = (
        f"default-src 'none'; img-src {images}; style-src '{of_style}'; script-src '{of_script}'; "
        "base-uri 'none'; form-action 'none'"
    )
    assets = {"style": Markup(style), "script": Markup(script), "policy": policy}
    return _environment().get_template(template).render({**context, **assets})


@cache
def _environment() -> Environment:
    """The templates, each compiled once."""
    environment = Environment(
        loader=PackageLoader("carseg_lib.reporting.html"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": formatting.percent,
        "interval": formatting.interval,
        "number": formatting.number,
        "points": formatting.points,
        "shade": shade,
        "short_claim": claims.short_claim,
        "lower_first": lambda text: text[:1].lower() + text[1:],
    }
    return environment


def data_block(value: Any) -> Markup:
    """A value as JSON for a script of the type application/json, in which no text can end the script."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c"))


def shade(fraction: float) -> int:
    """The shade of a fraction, one of eleven steps from 0 to 10."""
    return round(10 * fraction)


def figure_on_page(path: Path, caption: str, split: str = "") -> FigureOnPage:
    """A PNG file, inlined as WebP. Its alternative text is the file's `Description`, or else the caption.

    Args:
        path: of the PNG file.
        caption: below the figure, after what is seen, if the file says so in its `Title`.
        split: the evaluated split that it shows, if any.

    Raises:
        CarsegError: The file is not a readable PNG.
    """
    try:
        with Image.open(path) as picture:
            width, height = picture.size
            caption = f"{picture.info.get('Title') or ''} {caption}".strip()
            alt = str(picture.info.get("Description") or caption)
            content = webp_bytes(picture.convert("RGB"))
    except (UnidentifiedImageError, OSError) as error:
        raise CarsegError(f"{path} is not a readable PNG. Delete it and run again.") from error
    uri = "data:image/webp;base64," + base64.b64encode(content).decode("ascii")
    return FigureOnPage(path.stem, split, caption, alt, uri, width, height)
