"""Draw the README's picture: a run's prediction for the first test photo of each type.

    .venv/bin/python docs/images/make_strip.py reports/quick reports/.data/rendered

The photos are not chosen by their result: of each type, it is the test photo whose name comes first.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from carseg_lib.core.classes import BODY_TYPES
from carseg_lib.data.masks import decode_mask
from carseg_lib.reporting.palette import class_color
from carseg_lib.reporting.plots.overlay import overlay

SCALE = 2  # of a photo of 240 x 160 pixels
GAP = 8  # pixels between two photos
FONT = 32  # pixels; the strip is shown at half its size or less


def draw_strip(run: Path, data: Path) -> Image.Image:
    """Return the strip, one photo a type, side by side.

    Args:
        run: Folder of an evaluated run, which holds `predictions.csv`.
        data: Folder of the run's photos, which holds `images/`.
    """
    table = pd.read_csv(run / "predictions.csv", keep_default_na=False)
    table = table[table["split"] == "test"].sort_values("photo_id")
    pictures = []
    for body_type in BODY_TYPES:
        row = table[table["body_type"] == body_type].iloc[0]
        with Image.open(data / "images" / row["photo_id"]) as photo:
            width, height = photo.size
            large = photo.convert("RGB").resize((SCALE * width, SCALE * height), Image.Resampling.LANCZOS)
        mask = Image.fromarray(255 * decode_mask(row["mask"], height, width).astype(np.uint8))
        # enlarged, the steps between its pixels are smoothed away
        mask = mask.resize(large.size, Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(SCALE))
        mask = np.asarray(mask) >= 128
        box = [SCALE * float(row[name]) for name in ("x1", "y1", "x2", "y2")]
        tone = class_color(row["predicted"])
        picture = overlay(large, box, mask, "", colour=tone)
        _write(picture, f"{row['predicted']} {float(row['score']):.2f}", tone)
        pictures.append(picture)
    width, height = pictures[0].size
    strip = Image.new("RGB", (len(pictures) * (width + GAP) - GAP, height), "white")
    for number, picture in enumerate(pictures):
        strip.paste(picture, (number * (width + GAP), 0))
    return strip


def _write(picture: Image.Image, label: str, tone: str) -> None:
    """Write a label into the lower left corner, on a ground of the type's colour."""
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(FONT)
    left, top, right, bottom = pen.textbbox((0, 0), label, font=font)
    pad = 9
    ground = (0, picture.height - (bottom - top) - 2 * pad, right - left + 2 * pad, picture.height)
    pen.rectangle(ground, fill=tone)
    red, green, blue = (int(tone[i : i + 2], 16) for i in (1, 3, 5))
    ink = "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else "white"
    pen.text((ground[0] + pad - left, ground[1] + pad - top), label, font=font, fill=ink)


if __name__ == "__main__":
    target = Path(__file__).with_name("predictions.webp")
    draw_strip(Path(sys.argv[1]), Path(sys.argv[2])).save(target, quality=85, method=6)
    print(f"{target}: {target.stat().st_size / 1000:.0f} kB")
