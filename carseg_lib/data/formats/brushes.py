"""Bitmaps as the brushes of CVAT and Label Studio write them: run lengths of a part, and bits of a whole picture."""

from __future__ import annotations

from typing import Any

import numpy as np

from carseg_lib.data.photos import MAX_MEGAPIXELS

_MAX_PIXELS = int(MAX_MEGAPIXELS * 1e6)


def run_lengths(text: str, width: int, height: int) -> np.ndarray:
    """The bitmap of CVAT's `rle`: lengths of runs, row by row, the first outside; bool (height, width).

    Raises:
        ValueError: They are no whole numbers, or not of so many pixels.
    """
    try:
        runs = [int(run) for run in text.split(",")]
    except ValueError:
        raise ValueError("the run lengths (rle) are not whole numbers") from None
    if min(runs) < 0 or min(width, height) < 1 or width * height > _MAX_PIXELS or sum(runs) != width * height:
        raise ValueError(f"the run lengths (rle) sum to {sum(runs)}, its mask has {width}×{height} pixels")
    return np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(height, width)


def painted(codes: Any, width: int, height: int) -> np.ndarray:
    """The bitmap of Label Studio's `rle`: the bytes of a picture with transparency; bool (height, width).

    Its code is that of the package rle-pack: 32 bits, how many values; 5, the bits of a value less 1; 4 × 4, the bits
    of four kinds of lengths less 1; then runs: 1 bit, whether all its values are one; 2, the kind of its length; its
    length less 1; its value, or values. Four values are a pixel; what is not transparent is painted.

    Args:
        codes: The bytes as numbers 0 to 255.
        width: Of the picture.
        height: Of the picture.

    Raises:
        ValueError: They are no such code, or not of a picture of that size.
    """
    try:
        bits = np.unpackbits(np.frombuffer(bytes(codes if isinstance(codes, list) else [-1]), dtype=np.uint8))
    except (TypeError, ValueError):
        raise ValueError("the brush's rle is not a list of numbers from 0 to 255") from None
    number, place = _number(bits, 0, 32), 53
    if not 0 < width * height <= _MAX_PIXELS or number != 4 * width * height:
        raise ValueError(
            f"the brush's rle has {number:,} values, a picture of {width}×{height} has {4 * width * height:,}"
        )
    size = _number(bits, 32, 5) + 1
    if size != 8:
        raise ValueError(f"the brush's rle has values of {size} bits; 8 are known")
    lengths = [_number(bits, 37 + 4 * k, 4) + 1 for k in range(4)]
    values = np.zeros(number, dtype=np.uint8)
    done = 0
    while done < number:
        kind = lengths[_number(bits, place + 1, 2)]
        end = done + 1 + _number(bits, place + 3, kind)
        same, place = bits[place], place + 3 + kind
        count = 1 if same else end - done
        if end > number or place + 8 * count > len(bits):
            raise ValueError(f"the brush's rle ends after {done:,} of {number:,} values")
        values[done:end] = np.packbits(bits[place : place + 8 * count])
        place, done = place + 8 * count, end
    return values[3::4].reshape(height, width) != 0


def _number(bits: np.ndarray, place: int, size: int) -> int:
    """The number that some bits write, the highest first.

    Raises:
        ValueError: There are not so many.
    """
    if place + size > len(bits):
        raise ValueError("the brush's rle ends too early")
    return int(bits[place : place + size] @ (1 << np.arange(size - 1, -1, -1, dtype=np.int64)))
