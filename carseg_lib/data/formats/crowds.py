"""Whether a COCO annotation with iscrowd 1 is a crowd, or one car.

COCO means a region of many objects by it, beside those that are labelled singly. Tools set it by the form of the mask
instead: CVAT does for every car that was corrected with the brush.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import ndimage

from carseg_lib.data.formats.segmentations import extent, tidy
from carseg_lib.data.masks import decode_segmentation
from carseg_lib.data.photos import MAX_MEGAPIXELS

_MANY = 5  # cars labelled singly beside a crowd
_PIECE = 0.1  # of the area, below which a piece does not count
_PIECES = 3  # of one car, behind one post, there are two
USUAL = (
    0.25  # of a file's cars: in COCO itself 5% at most, so that where more are marked a tool marks by the mask's form
)
_SAME = 0.5  # of a car's area inside the region: the region has that car in it


def is_marked(value: Any) -> bool:
    """Whether an annotation's `iscrowd` says yes; text as some tools write it is read too."""
    return str(value).strip().lower() not in ("", "0", "0.0", "false", "none")


def is_crowd(
    region: dict[str, Any], single: Sequence[dict[str, Any]], size: tuple[int, int] | None, usual: bool = False
) -> bool:
    """Whether an annotation with iscrowd 1 is a region of several objects, and not one of them.

    It is one where it has no mask, or has one of the cars in it that are labelled singly in the photo; and, where such
    marks are rare in the file, where it is beside five of these or more, or in three pieces or more.

    Args:
        region: The annotation.
        single: The annotations of the same photo without iscrowd.
        size: (width, height) of the photo as the file states it, pixels, or None.
        usual: Whether a share of `USUAL` of the file's cars, or more, is marked.
    """
    if not region.get("segmentation"):
        return True
    mask = _mask_of(region, size)
    if mask is None:
        return False
    if not usual and (len(single) >= _MANY or _pieces(mask) >= _PIECES):
        return True
    return any(_share_inside(mask, _mask_of(car, size)) >= _SAME for car in single)


def _mask_of(annotation: dict[str, Any], size: tuple[int, int] | None) -> np.ndarray | None:
    """The mask, or the box as one, bool (height, width); None if there is none that can be read."""
    segmentation = tidy(annotation.get("segmentation"))[0]
    try:
        if isinstance(segmentation, dict):
            height, width = segmentation["size"]
        elif size is not None:
            width, height = size
        else:  # any that the polygons fit
            width, height = (int(edge) + 1 for edge in (extent(segmentation) or (0, 0, 0, 0))[2:])
        if not 0 < height * width <= MAX_MEGAPIXELS * 1e6:
            return None
        if segmentation:
            return decode_segmentation(segmentation, height, width)
        x, y, w, h = (round(float(value)) for value in annotation["bbox"])
        mask = np.zeros((height, width), dtype=bool)
        mask[max(y, 0) : max(y + h, 0), max(x, 0) : max(x + w, 0)] = True
        return mask
    except (ValueError, TypeError, KeyError, OverflowError, MemoryError):  # told of when the photo is read
        return None


def _pieces(mask: np.ndarray) -> int:
    pieces, _ = ndimage.label(mask, structure=np.ones((3, 3)))
    areas = np.bincount(pieces.ravel())[1:]
    return int(np.count_nonzero(areas >= _PIECE * areas.sum()))


def _share_inside(region: np.ndarray, car: np.ndarray | None) -> float:
    if car is None or not car.any():
        return 0.0
    height, width = (min(sides) for sides in zip(region.shape, car.shape, strict=True))  # those of polygons may differ
    return float(np.count_nonzero(region[:height, :width] & car[:height, :width]) / np.count_nonzero(car))
