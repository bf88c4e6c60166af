"""The masks of Pascal VOC: pictures whose palette's index, or whose colour of VOC's colour map, numbers the objects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from carseg_lib.data.formats.mask_png import MaskPng


@dataclass(frozen=True)
class VocMask(MaskPng):
    """A MaskPng that may hold colours (RGB) in place of a palette, as CVAT and Datumaro write it."""

    def read(self) -> np.ndarray:
        """The mask, bool (height, width).

        Raises:
            ImageError: "bad mask": as `MaskPng.read`, or colours that are not of VOC's colour map.
        """
        with self._open() as picture:
            if picture.mode not in ("RGB", "RGBA"):
                return super().read()
            try:
                pixels = np.asarray(picture.convert("RGB"))
            except (OSError, ValueError, SyntaxError, EOFError) as error:
                raise self._bad(f"cannot be read ({str(error) or type(error).__name__})") from None
        numbers = voc_numbers(pixels)
        if (numbers < 0).any():
            red, green, blue = pixels[numbers < 0][0].tolist()
            raise self._bad(
                f"has the colour ({red}, {green}, {blue}), which is not of VOC's colour map, so the objects have no "
                "numbers; save it with a palette"
            )
        return numbers == self.value


def voc_colours() -> np.ndarray:
    """VOC's colour map: uint8 (256, 3), the colour of every number; bit 3k + c of the number is a bit of channel c."""
    numbers = np.arange(256)
    colours = np.zeros((256, 3), dtype=np.uint8)
    for k in range(8):
        for channel in range(3):
            colours[:, channel] |= (((numbers >> channel) & 1) << (7 - k)).astype(np.uint8)
        numbers = numbers >> 3
    return colours


def voc_numbers(pixels: np.ndarray) -> np.ndarray:
    """The numbers of objects by their colours, int (height, width); -1 where a colour is not of VOC's colour map.

    Args:
        pixels: uint8 (height, width, 3).
    """
    code = np.array([1 << 16, 1 << 8, 1])
    keys = voc_colours().astype(np.int64) @ code
    found = pixels.astype(np.int64) @ code
    order = np.argsort(keys)
    places = np.searchsorted(keys, found, sorter=order).clip(max=len(keys) - 1)
    numbers = order[places]
    return np.where(keys[numbers] == found, numbers, -1)
