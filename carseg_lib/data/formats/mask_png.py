"""Masks in PNG files of their own, read together with their photos, one at a time."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from carseg_lib.data.photos import MAX_MEGAPIXELS, ImageError


@dataclass(frozen=True)
class MaskPng:
    """A PNG file with the mask of a car.

    Attributes:
        folder: Folder of the data set; a link may not lead out of it.
        name: Path relative to it, with "/".
        value: The pixel value (of a palette: the index) that is this car; None: every value but 0.
    """

    folder: Path
    name: str
    value: int | None = None

    def size(self) -> tuple[int, int]:
        """Width and height in pixels, from the header alone.

        Raises:
            ImageError: "bad mask": missing, a link out of the folder, not a PNG, or too large.
        """
        with self._open() as picture:
            return picture.size

    def read(self) -> np.ndarray:
        """The mask, bool (height, width).

        Raises:
            ImageError: "bad mask": as `size`, truncated, or without numbers of objects.
        """
        with self._open() as picture:
            try:
                picture.load()
            except (OSError, ValueError, SyntaxError, EOFError) as error:
                raise self._bad(f"cannot be read ({str(error) or type(error).__name__})") from None
            if self.value is None:
                return self._any_colour(picture)
            if picture.mode not in ("P", "L"):
                raise self._bad(f"holds colours ({picture.mode}), not the numbers of objects; save it with a palette")
            return np.asarray(picture) == self.value

    def _any_colour(self, picture: Image.Image) -> np.ndarray:
        """The pixels that are not black, or whose palette index is not 0; transparency is ignored."""
        transparent = picture.mode in ("RGBA", "LA")
        if transparent:
            picture = picture.convert(picture.mode[:-1])
        levels = np.asarray(picture)
        pixels = levels != 0
        mask = pixels.any(axis=2) if pixels.ndim == 3 else pixels
        if mask.all():  # a trimap with 1 for the car and 2 for the ground; a cut-out; a white picture
            values = "" if levels.ndim == 3 else f" (its values are {_some(levels)})"
            hint = ", and its transparency is not read" if transparent else ""
            raise self._bad(f"no pixel is 0{values}{hint}, so that all of it would be the car; write 0 beside the car")
        return mask

    def _open(self) -> Image.Image:
        path = self.folder / self.name
        if not path.is_file():
            raise self._bad("there is no such file")
        if not path.resolve().is_relative_to(self.folder.resolve()):
            raise self._bad("the link leaves the folder")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Pillow's remark on large pictures; those too large raise
                picture = Image.open(path, formats=("PNG",))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            found = "too large" if isinstance(error, Image.DecompressionBombError) else "not a PNG"
            raise self._bad(found) from None
        if picture.width * picture.height > MAX_MEGAPIXELS * 1e6:
            picture.close()
            raise self._bad(f"above {MAX_MEGAPIXELS} megapixels")
        return picture

    def _bad(self, what: str) -> ImageError:
        return ImageError("bad mask", f"{self.name}: {what}")


def _some(levels: np.ndarray) -> str:
    values = np.unique(levels.astype(np.int64)).tolist()
    return ", ".join(map(str, values[:4])) + ", …" * (len(values) > 4)
