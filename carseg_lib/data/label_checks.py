"""Labels that cannot be true: boxes against masks, masks of the ground, coordinates of other photos or in shares.

The checks know nothing of formats: they take what any reader gives. A label that contradicts itself or its photo is an
`ImageError` (its photo is left out and counted); one that can be read, but not as it is written, gets a `Remark`.
The thresholds leave room: on the built-in data and on 3,323 photographs no honest label comes near them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from carseg_lib.data.boxes import Box
from carseg_lib.data.formats.base import Annotation, ImageRecord
from carseg_lib.data.masks import box_of_mask
from carseg_lib.data.orientation import LabelFrame, Size, extents, slack
from carseg_lib.data.photos import ImageError
from carseg_lib.data.remarks import CUT, Remark

Span = tuple[ImageRecord, Size, Box]  # of a car: its photo, the picture that it is drawn on, where its labels are
MIN_PIXELS = 4  # of a mask
MIN_INSIDE = 0.8  # share of a mask that is in its box; on photographs 0.94 at least
MIN_FILLED = 0.4  # share of a box that the extent of its mask takes; on photographs 0.80 at least
GROUND_CORNERS = 3  # corners of the photo that are in the mask of no car, and in that of the ground
# A box is written as corners where these are the mask's edges (to so many pixels, and of 240), and where, read as width
# and height, it is another box than the mask's (intersection over union). A car as wide as its photo is near to both.
_CORNERS = ((1.5, 0.85), (5.0, 0.7))
_SHARE_OUT = 0.05  # of the cars, above which labels beyond the edge are those of another photo
_FEWEST_OUT = 3
_FEWEST = 20  # cars, from which on it tells something that none is in most of the photo
_REACH = 0.75  # of a photo's sides
_SAME_CAR = 0.98  # intersection over union of two boxes, from which on they are of one car
_SAME_PLACE = 0.95  # of boxes of two types, from which on they contradict each other


def check_shares(numbers: Sequence[float], what: str) -> None:
    """Refuse coordinates that are all shares of the photo, 0 to 1: nothing of a photo is so small.

    Args:
        numbers: All coordinates of one box, or of one mask's polygons.
        what: What they are of, for the message.

    Raises:
        ImageError: "coordinates from 0 to 1".
    """
    # VOC's corners are one less than they are written
    if len(numbers) > 0 and all(-1.01 <= number <= 1.01 for number in numbers):
        raise ImageError(
            "coordinates from 0 to 1",
            f"the {what} has coordinates of at most {max(numbers):.3g}: shares of the photo, not pixels; multiply them "
            "by its width and height",
        )


def check_mask(mask: np.ndarray, body_type: str) -> None:
    """Refuse a mask that is of no car.

    Args:
        mask: Bool (height, width).
        body_type: Of the car, for the message.

    Raises:
        ImageError: "zero-area mask": fewer than four pixels; "mask of the ground": it has three of the photo's corners
            or all of it in it.
    """
    pixels = int(np.count_nonzero(mask))
    if pixels == 0:
        raise ImageError("zero-area mask", f"the mask of the {body_type} has no pixels inside")
    if pixels < min(MIN_PIXELS, mask.size):
        raise ImageError("zero-area mask", f"the mask of the {body_type} has {pixels} of {mask.size:,} pixels")
    corners = int(np.count_nonzero(mask[[0, 0, -1, -1], [0, -1, 0, -1]]))
    if corners >= GROUND_CORNERS:
        share = pixels / mask.size
        if share > 0.99:
            raise ImageError(
                "mask of the ground",
                f"the mask of the {body_type} is the whole photo; draw the car alone, or leave masks out",
            )
        raise ImageError(
            "mask of the ground",
            f"the mask of the {body_type} has {corners} of the photo's corners and {share:.0%} of it: car and ground "
            "are exchanged; the car is what is not 0",
        )


def check_box_against_mask(box: Box, mask: np.ndarray, annotation: Annotation) -> None:
    """Refuse a box and a mask that are not of one car. Stray pixels of a mask do not matter.

    Args:
        box: As given, cut at the photo's edge, in pixels.
        mask: Bool (height, width), with a pixel at least.
        annotation: Where they are from.

    Raises:
        ImageError: "box against mask".
    """
    x1, y1, x2, y2 = box
    # a pixel more on each side, as tools count from 0 or 1 and round up or down
    rows = slice(max(int(np.floor(y1)) - 1, 0), int(np.ceil(y2)) + 1)
    columns = slice(max(int(np.floor(x1)) - 1, 0), int(np.ceil(x2)) + 1)
    part = mask[rows, columns]
    inside = np.count_nonzero(part) / np.count_nonzero(mask)
    drawn = box_of_mask(mask)
    text = annotation.box_text or str(annotation.bbox)
    if _is_corners(annotation, drawn, _iou(box, drawn), max(1.0, mask.shape[1] / 240)):
        raise ImageError(
            "box against mask",
            f"the last two numbers of {text} are the right and lower edge of its mask, x {drawn[2]:g} and "
            f"y {drawn[3]:g}; they must be width and height",
        )
    if inside < MIN_INSIDE:
        raise ImageError(
            "box against mask",
            f"{1 - inside:.0%} of the mask of the {annotation.body_type} is outside of its box {text}; the mask spans "
            f"x {drawn[0]:g} to {drawn[2]:g}, y {drawn[1]:g} to {drawn[3]:g}",
        )
    px1, py1, px2, py2 = box_of_mask(part)
    filled = (px2 - px1) * (py2 - py1) / ((x2 - x1) * (y2 - y1))
    if filled < MIN_FILLED:
        raise ImageError(
            "box against mask",
            f"the mask of the {annotation.body_type} takes {filled:.0%} of its box {text}; the mask spans "
            f"x {drawn[0]:g} to {drawn[2]:g}, y {drawn[1]:g} to {drawn[3]:g}",
        )


def same_car(body_type: str, box: Box, before: Sequence[tuple[str, Box]]) -> int | None:
    """Which of a photo's labels is of the same car as another; None of the label of another car.

    Args:
        body_type: Of the label.
        box: Of the label, cut at the photo's edge, pixels.
        before: Types and boxes of the photo's other labels.

    Returns:
        Its place among these.

    Raises:
        ImageError: "one car of two types": another label has its place and another type.
    """
    for place, (other, its) in enumerate(before):
        overlap = _iou(box, its)
        if body_type != other and overlap >= _SAME_PLACE:
            raise ImageError(
                "one car of two types",
                f"it is labelled {other} and {body_type}: the boxes have an IoU of {overlap:.2f}; keep one of them",
            )
        if body_type == other and overlap >= _SAME_CAR:
            return place
    return None


def cut_remark(annotation: Annotation, frame: Size) -> Remark | None:
    """What to say of a car whose label reaches beyond its photo by more than a pixel, and is cut there."""
    beyond = max((_beyond(box, frame) for box in extents(annotation)), default=0.0)
    if beyond <= 1:
        return None
    return Remark(CUT, f"the label of the {annotation.body_type} reaches {beyond:.3g} pixels beyond it")


def spans_of(photos: Sequence[tuple[ImageRecord, LabelFrame]]) -> list[Span]:
    """What each car's box and polygons span together."""
    spans = []
    for record, frame in photos:
        for annotation in record.annotations:
            if boxes := extents(annotation):
                x1, y1, x2, y2 = zip(*boxes, strict=True)
                spans.append((record, frame.size, (min(x1), min(y1), max(x2), max(y2))))
    return spans


def labels_of_other_photos(
    photos: Sequence[tuple[ImageRecord, LabelFrame]], cars: Sequence[Span]
) -> dict[str, ImageError]:
    """The photos whose labels reach beyond them as those of larger photos do: on the right and below, none left or up.

    Honest labels of cars that are cut off by the edge reach beyond all sides. Those of photos that were made smaller
    afterwards, and boxes of corners that are read as widths and heights, reach beyond two.

    Returns:
        By photo_id, an error "labels of another photo"; none where such labels are single ones.
    """
    out = [(record, size, box) for record, size, box in cars if _beyond_lower_right(box, size)]
    upper_left = any(-box[0] > slack(size[0]) or -box[1] > slack(size[1]) for _, size, box in cars)
    if upper_left or len(out) < _FEWEST_OUT or len(out) <= _SHARE_OUT * len(cars):
        return {}
    larger = max(max(box[2] / size[0], box[3] / size[1]) for _, size, box in out)
    corners = _all_corners(photos)
    hint = (
        "read as corners all boxes fit: the last two numbers must be width and height"
        if corners
        else f"labels of photos {larger:.3g} times as large, at least; use the photos that were annotated"
    )
    return {
        record.photo_id: ImageError(
            "labels of another photo", f"a label reaches to ({box[2]:g}, {box[3]:g}) of {size[0]}×{size[1]} ({hint})"
        )
        for record, size, box in reversed(out)
    }


def corner_remark(cars: Sequence[Span]) -> str:
    """What to say of a data set in whose photos no label reaches beyond the upper left part; "" of others."""
    if len(cars) < _FEWEST:
        return ""
    right = max(box[2] / size[0] for _, size, box in cars)
    lower = max(box[3] / size[1] for _, size, box in cars)
    if right >= _REACH or lower >= _REACH:
        return ""
    percent = max(max(box) for _, _, box in cars) <= 100
    return (
        f"all {len(cars)} labels are in the upper left {right:.0%} × {lower:.0%} of their photos; check that they are "
        f"not those of smaller photos{', or in percent' * percent}"
    )


def _beyond(box: Box, size: Size) -> float:
    """By how many pixels a box reaches beyond a photo, on any side."""
    return max(-box[0], -box[1], box[2] - size[0], box[3] - size[1], 0.0)


def _beyond_lower_right(box: Box, size: Size) -> bool:
    return box[2] - size[0] > slack(size[0]) or box[3] - size[1] > slack(size[1])


def _all_corners(photos: Sequence[tuple[ImageRecord, LabelFrame]]) -> bool:
    """Whether every COCO box of a data set fits its photo if it is read as (x1, y1, x2, y2)."""
    found = False
    for record, frame in photos:
        for annotation in record.annotations:
            if annotation.corners or not annotation.bbox or not extents(annotation):
                continue
            x1, y1, x2, y2 = annotation.bbox
            width, height = frame.size
            if not (x1 < x2 <= width + slack(width) and y1 < y2 <= height + slack(height)):
                return False
            found = True
    return found


def _is_corners(annotation: Annotation, drawn: Box, agreement: float, pixel: float) -> bool:
    """Whether a COCO box, read as (x1, y1, x2, y2), is that of the mask, and read as it should be is not."""
    if annotation.corners or not annotation.bbox:
        return False
    farthest = max(abs(a - b) for a, b in zip(annotation.bbox, drawn, strict=True))
    return any(farthest <= near * pixel and agreement < least for near, least in _CORNERS)


def _iou(a: Box, b: Box) -> float:
    sides = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    common = max(sides[0], 0.0) * max(sides[1], 0.0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return common / (sum(areas) - common)
