"""Figures as WebP, a tenth of their PNG: for the page, and for notebooks."""

from __future__ import annotations

import io

from PIL import Image

_OF_PHOTOS = 0.05  # colours a pixel above which a figure shows photos


def webp_bytes(picture: Image.Image) -> bytes:
    """A figure (RGB) as WebP: of few colours and without loss (charts), or with loss (photos)."""
    lossy = io.BytesIO()
    picture.save(lossy, "WEBP", quality=70, method=4)
    if picture.getcolors(round(_OF_PHOTOS * picture.width * picture.height)) is None:
        return lossy.getvalue()
    exact = io.BytesIO()
    few = picture.quantize(64, dither=Image.Dither.NONE).convert("RGB")
    few.save(exact, "WEBP", lossless=True, quality=60, method=3)
    return min(exact.getvalue(), lossy.getvalue(), key=len)
