"""A box, the outline of a mask and a label drawn on a photo at its own resolution, as `make predict` writes them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import to_rgb
from PIL import Image, ImageDraw, ImageFont

from carseg_lib.reporting.palette import class_color

Box = Sequence[float]  # x1, y1, x2, y2 in pixels


def overlay(
    photo: Image.Image, box: Box | None, mask: np.ndarray | None, label: str, *, colour: str | None = None
) -> Image.Image:
    """Draw a box, the outline of a mask and a label on a copy of a photo.

    Args:
        photo: PIL image of any mode.
        box: x1, y1, x2, y2 in pixels of the photo; None draws no box and puts the label in the corner.
        mask: bool array (height, width) of the photo's size; None draws none.
        label: text on the box; "" draws none. Its first word determines the colour if it is a type of the paper.
        colour: any matplotlib colour, in place of that.

    Returns:
        An RGB image of the photo's size.

    Raises:
        ValueError: the mask has another size than the photo.
    """
    tone = tuple(round(255 * part) for part in to_rgb(colour or class_color(label.split(" ")[0].lower())))
    picture = photo.convert("RGB")
    if mask is not None:
        if mask.shape != (picture.height, picture.width):
            raise ValueError(f"mask of shape {mask.shape} on a photo of {picture.height} × {picture.width} (h × w)")
        pixels, inside = np.asarray(picture).copy(), mask.astype(bool)
        # an outline, since a filled mask hides the car; a light halo parts it from the photo
        width = max(1, round(min(picture.size) / 110))
        halo = _edge(~inside, max(1, width // 2))
        pixels[halo] = (0.4 * pixels[halo] + 0.6 * 255).astype(np.uint8)
        pixels[_edge(inside, width)] = tone
        picture = Image.fromarray(pixels)
    pen = ImageDraw.Draw(picture)
    line = max(2, round(min(picture.size) / 140))
    x1, y1 = 0.0, 0.0
    if box is not None:
        x1, y1, x2, y2 = (float(v) for v in box)
        pen.rectangle((x1, y1, max(x1, x2 - 1), max(y1, y2 - 1)), outline=tone, width=line)
    if label:
        _tag(pen, picture.size, (x1, y1), label, tone)
    return picture


def _edge(mask: np.ndarray, width: int) -> np.ndarray:
    """The pixels of a mask within `width` of its outside; beyond the photo it goes on."""
    inner = mask
    for _ in range(width):
        padded = np.pad(inner, 1, mode="edge")
        inner = inner & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return mask & ~inner


def _tag(pen: ImageDraw.ImageDraw, size: tuple[int, int], corner: tuple[float, float], label: str, tone: tuple) -> None:
    """A label on a filled background, above the corner of a box if there is space, inside the photo."""
    font = ImageFont.load_default(max(11, round(min(size) / 20)))
    left, top, right, bottom = pen.textbbox((0, 0), label, font=font)
    pad = max(2, round((bottom - top) / 4))
    wide, high = right - left + 2 * pad, bottom - top + 2 * pad
    x = min(max(0, corner[0]), max(0, size[0] - wide))
    y = corner[1] - high if corner[1] >= high else min(max(0, corner[1]), max(0, size[1] - high))
    pen.rectangle((x, y, x + wide, y + high), fill=tone)
    bright = 0.299 * tone[0] + 0.587 * tone[1] + 0.114 * tone[2] > 140
    pen.text((x + pad - left, y + pad - top), label, font=font, fill=(20, 20, 20) if bright else (255, 255, 255))
