"""Masks that files hold inside of their annotations: bitmaps of a part of the photo, and polygons with holes.

CVAT, Label Studio, Supervisely and labelme store what a brush painted as a small bitmap and its place. It is decoded
when its file is read, and kept as run lengths.
"""

from __future__ import annotations

import base64
import binascii
import io
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from carseg_lib.data.boxes import Box
from carseg_lib.data.masks import box_of_mask, decode_mask, encode_mask, polygons_to_mask
from carseg_lib.data.photos import MAX_MEGAPIXELS, ImageError

_MAX_BYTES = 100_000_000  # of a bitmap that is not compressed
_FARTHEST = 100_000  # pixels from the photo's corner


@dataclass(frozen=True)
class PlacedMask:
    """A bitmap at a place of a photo, of any size.

    Attributes:
        left: Of its first column, pixels of the photo.
        top: Of its first row.
        width: Of the bitmap.
        height: Of the bitmap.
        counts: The bitmap as COCO's compressed run lengths.
        wrong: Why the bitmap cannot be read; "" if it can.
    """

    left: int = 0
    top: int = 0
    width: int = 0
    height: int = 0
    counts: str = ""
    wrong: str = ""

    @classmethod
    def of(cls, bitmap: np.ndarray, left: int = 0, top: int = 0) -> PlacedMask:
        """Keep a bitmap, bool (height, width), without its empty edges."""
        if not bitmap.any():
            return cls(left, top)
        x1, y1, x2, y2 = map(int, box_of_mask(bitmap))
        return cls(left + x1, top + y1, x2 - x1, y2 - y1, encode_mask(bitmap[y1:y2, x1:x2]))

    @classmethod
    def read_by(cls, decode: Callable[[], PlacedMask]) -> PlacedMask:
        """What a decoder makes; where it fails (ValueError), a mask that says why when its photo is read."""
        try:
            found = decode()
        except ValueError as error:
            return cls(wrong=str(error))
        far = max(map(abs, (found.left, found.top, found.left + found.width, found.top + found.height)))
        return found if far <= _FARTHEST else cls(wrong=f"its place {found.left}, {found.top} is far outside the photo")

    @property
    def extent(self) -> Box | None:
        """(x1, y1, x2, y2) of its pixels, x2 and y2 outside; None without any."""
        if not self.counts:
            return None
        return (float(self.left), float(self.top), float(self.left + self.width), float(self.top + self.height))

    def bitmap(self) -> np.ndarray:
        """Its pixels, bool (`height`, `width`)."""
        return decode_mask(self.counts, self.height, self.width) if self.counts else np.zeros((0, 0), dtype=bool)

    def read(self, height: int, width: int) -> np.ndarray:
        """The mask, bool (height, width), of a photo of that size; pixels outside of it are cut off.

        Raises:
            ImageError: "bad mask": the file's bitmap could not be read.
        """
        if self.wrong:
            raise ImageError("bad mask", self.wrong)
        mask = np.zeros((height, width), dtype=bool)
        _paste(mask, self)
        return mask


def merged(masks: Sequence[PlacedMask]) -> PlacedMask:
    """One mask of all pixels of several."""
    if wrong := next((mask for mask in masks if mask.wrong), None):
        return wrong
    extents = [mask.extent for mask in masks if mask.extent]
    if not extents:
        return PlacedMask()
    edges = np.asarray(extents, dtype=int)
    (left, top), (right, bottom) = edges[:, :2].min(axis=0).tolist(), edges[:, 2:].max(axis=0).tolist()
    if (right - left) * (bottom - top) > MAX_MEGAPIXELS * 1e6:
        return PlacedMask(wrong=f"its parts span {right - left}×{bottom - top} pixels, which no photo has")
    together = np.zeros((bottom - top, right - left), dtype=bool)
    for mask in masks:
        _paste(together, mask, left, top)
    return PlacedMask.of(together, left, top)


def of_polygons(
    outlines: Sequence[Sequence[float]], holes: Sequence[Sequence[float]] = (), whole_pixels: bool = False
) -> PlacedMask:
    """The mask of polygons, each [x1, y1, x2, y2, ...] in pixels of the photo, less that of holes in them.

    Args:
        outlines: Of its parts.
        holes: In these.
        whole_pixels: Whether points are the numbers of pixels that belong to the polygon, and not places.

    Raises:
        ValueError: A polygon with fewer than three points, or one of a size that no photo has.
    """
    numbers = [np.asarray(polygon, dtype=float).reshape(-1, 2) for polygon in outlines]
    points = np.concatenate(numbers)
    if not np.isfinite(points).all() or np.abs(points).max() > _FARTHEST:
        raise ValueError("a polygon point is not a number or lies far outside the photo")
    left, top = np.floor(points.min(axis=0)).astype(int).tolist()
    width, height = (np.ceil(points.max(axis=0)).astype(int) - (left, top) + 1).tolist()
    if width * height > MAX_MEGAPIXELS * 1e6:
        raise ValueError(f"a polygon spans {width}×{height} pixels, which no photo has")

    def drawn(polygons: Sequence[Sequence[float]]) -> np.ndarray:
        moved = [(np.asarray(one, dtype=float).reshape(-1, 2) - (left, top)).ravel().tolist() for one in polygons]
        if not whole_pixels:
            return polygons_to_mask(moved, height, width)
        picture = Image.new("L", (width, height))
        for polygon in moved:
            if len(polygon) < 6:
                raise ValueError(f"a polygon has three points at least, got {len(polygon) // 2}")
            ImageDraw.Draw(picture).polygon(polygon, fill=1, outline=1)
        return np.asarray(picture) != 0

    bitmap = drawn(outlines)
    if holes:
        bitmap &= ~drawn(holes)
    return PlacedMask.of(bitmap, left, top)


def png_bitmap(text: Any, compressed: bool = False) -> np.ndarray:
    """The bitmap of a PNG written as text: what is not 0, or not transparent where it has colours and transparency.

    Args:
        text: Base64, with or without the head of a data URL.
        compressed: Whether the PNG is inside a zlib stream, as Supervisely writes it.

    Raises:
        ValueError: It is no such text, no PNG, or too large.
    """
    try:
        content = base64.b64decode(str(text).rpartition("base64,")[2], validate=True)
        if compressed:
            stream = zlib.decompressobj()
            content = stream.decompress(content, _MAX_BYTES)
            if stream.unconsumed_tail:
                raise ValueError("the bitmap is larger than 100 MB")
        with Image.open(io.BytesIO(content), formats=("PNG",)) as picture:
            if picture.width * picture.height > MAX_MEGAPIXELS * 1e6:
                raise ValueError(f"the bitmap has {picture.width}×{picture.height} pixels, which no photo has")
            levels = np.asarray(picture.getchannel("A") if "A" in picture.getbands() else picture)
    except (binascii.Error, zlib.error, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"the bitmap is no PNG written as base64 ({type(error).__name__})") from None
    found = levels != 0
    return found.any(axis=2) if found.ndim == 3 else found


def _paste(mask: np.ndarray, part: PlacedMask, left: int = 0, top: int = 0) -> None:
    """Set the pixels of a part in a mask whose own first pixel is at (left, top)."""
    bitmap, x, y = part.bitmap(), part.left - left, part.top - top
    height, width = mask.shape
    x1, y1, x2, y2 = max(x, 0), max(y, 0), min(x + part.width, width), min(y + part.height, height)
    if x1 < x2 and y1 < y2:
        mask[y1:y2, x1:x2] |= bitmap[y1 - y : y2 - y, x1 - x : x2 - x]
