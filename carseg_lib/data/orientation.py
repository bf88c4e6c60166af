"""On which picture the labels of a photo that is stored on its side (EXIF) are drawn: the stored one, or the upright.

Some tools draw on the pixels as they are stored, others on the photo as it is seen, and the size that a file states is
no proof: Label Studio states the stored one and draws on the upright. The evidence is what the labels themselves fit:
a label that reaches beyond one of the two pictures is drawn on the other, and a mask has the size of its picture. Where
a photo's own labels fit both, those of the other photos whose sizes are stated alike decide, as one tool wrote them.

A photo that is upside down or mirrored (EXIF 2 to 4), or square, has one size either way, and its labels fit both. What
nine tenths of the photos on their side prove holds for it too; where there are none, upright is taken, and said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from carseg_lib.data.boxes import Box
from carseg_lib.data.formats.base import Annotation, ImageRecord
from carseg_lib.data.formats.mask_png import MaskPng
from carseg_lib.data.formats.placed_masks import PlacedMask
from carseg_lib.data.formats.segmentations import extent, tidy
from carseg_lib.data.photos import ImageError, ImageInfo
from carseg_lib.data.remarks import SAME_SIZE, TURNED, UPRIGHT, Remark

Picture = Literal["stored", "upright"]
Size = tuple[int, int]  # width, height; pixels

_SWAPPING = (5, 6, 7, 8)  # EXIF orientations that exchange width and height
_UPSIDE_DOWN, _MIRRORED = (3, 4, 6, 7), (2, 3, 7, 8)  # whose rows, and whose columns, are stored in reverse
_SLACK = 0.01  # of a side, at least two pixels: by so much labels reach beyond the photo that they are drawn on
_AGREEMENT = 0.9  # of the photos with evidence, from which on they speak for the others


@dataclass(frozen=True)
class LabelFrame:
    """The picture that a photo's labels are drawn on.

    Attributes:
        size: Its width and height, pixels.
        orientation: The EXIF orientation by which the labels are to be turned; 1: not at all.
        remark: What is to be said of it, or None for a photo that is stored upright.
    """

    size: Size
    orientation: int = 1
    remark: Remark | None = None


@dataclass
class FrameVotes:
    """What the labels of the photos on their side prove, by the picture whose size their file states."""

    votes: dict[Picture, Counter[Picture]] = field(default_factory=lambda: {"stored": Counter(), "upright": Counter()})

    @classmethod
    def of(cls, photos: Sequence[tuple[ImageRecord, ImageInfo]]) -> FrameVotes:
        """Collect the evidence of all photos of a data set."""
        found = cls()
        for record, info in photos:
            if (picture := _evidence(record, info)) is not None:
                found.votes[_stated(record, info)][picture] += 1
        return found

    def frame(self, record: ImageRecord, info: ImageInfo) -> LabelFrame:
        """The picture that a photo's labels are drawn on.

        Raises:
            ImageError: "size mismatch": the file states another size than the photo has; "labels turned": the labels
                fit one picture, and those of nearly all other photos like it the other; "bad mask": a mask file cannot
                be read.
        """
        upright, stored = (info.width, info.height), _stored_size(info)
        stated = record.stated_size or _drawn_size(record.annotations) or upright
        if stated not in (upright, stored):
            raise ImageError("size mismatch", _mismatch(stated, upright))
        if info.orientation == 1 or not any(_has_geometry(annotation) for annotation in record.annotations):
            return LabelFrame(upright)
        where = f"EXIF orientation {info.orientation}"
        if upright == stored:
            return self._frame_of_one_size(upright, info.orientation, where)
        picture, why = self._decide(record, info)
        if picture == "stored":
            words = f"{where}: its labels are drawn on the stored photo, {why}, and are turned with it"
            return LabelFrame(stored, info.orientation, Remark(TURNED, words))
        words = f"{where}: its labels are drawn on the upright photo, {why}, and are not turned"
        return LabelFrame(upright, 1, Remark(UPRIGHT, words))

    def _frame_of_one_size(self, size: Size, orientation: int, where: str) -> LabelFrame:
        """As most photos on their side are labelled, whatever size their file states; else on the upright photo."""
        both = sum(self.votes.values(), Counter[Picture]())
        common = next((picture for picture in both if both[picture] >= _AGREEMENT * both.total()), None)
        if common == "stored":
            words = (
                f"{where}: its labels are taken as drawn on the stored photo, as those of {both[common]} other photos"
            )
            return LabelFrame(size, orientation, Remark(TURNED, f"{words} are, and are turned with it"))
        why = f"as those of {both[common]} other photos are" if common else "which nothing proves"
        words = f"{where}: stored and upright it has the same size; its labels are taken as drawn on the upright one"
        return LabelFrame(size, 1, Remark(SAME_SIZE, f"{words}, {why}"))

    def _decide(self, record: ImageRecord, info: ImageInfo) -> tuple[Picture, str]:
        own, stated = _evidence(record, info), _stated(record, info)
        votes = self.votes[stated]
        common = next((picture for picture in votes if votes[picture] >= _AGREEMENT * votes.total()), None)
        if own is not None:
            if common is not None and common != own:
                raise ImageError(
                    "labels turned",
                    f"its labels fit the {own} photo alone, those of {votes[common]} other photos the {common} one; "
                    "draw them again",
                )
            return own, "which alone they fit"
        if common is not None and common != stated and votes[common] >= (1 - _AGREEMENT) * self._size(stated):
            return common, f"as those of {votes[common]} other photos are"
        if record.stated_size is None:
            return "upright", "as the file states no size"
        return stated, "whose size the file states"

    def _size(self, stated: Picture) -> int:
        return self.votes[stated].total()


def extents(annotation: Annotation) -> list[Box]:
    """What the box and the polygons of a car span, as written, (x1, y1, x2, y2) in pixels; nothing of other forms."""
    found = []
    bbox: Any = annotation.bbox
    if annotation.corners:
        found.append(annotation.corners)
    elif isinstance(bbox, list) and len(bbox) == 4 and all(type(value) in (int, float) for value in bbox):
        x, y, w, h = map(float, bbox)
        found.append((x, y, x + w, y + h))
    drawn = annotation.segmentation
    if isinstance(drawn, PlacedMask):
        box = drawn.extent
    else:
        box = None if isinstance(drawn, MaskPng) else extent(tidy(drawn)[0])
    if box:
        found.append(box)
    return [box for box in found if np.isfinite(box).all()]


def slack(side: int) -> float:
    """By how many pixels labels may reach beyond a side of so many pixels, as roundings make them."""
    return max(2.0, _SLACK * side)


def turn_box(box: Box, frame: Size, orientation: int) -> Box:
    """A box on the stored photo → on the upright photo, by the EXIF orientation of the stored one."""
    x1, y1, x2, y2 = box
    width, height = frame
    if orientation in _UPSIDE_DOWN:
        y1, y2 = height - y2, height - y1
    if orientation in _MIRRORED:
        x1, x2 = width - x2, width - x1
    return (y1, x1, y2, x2) if orientation in _SWAPPING else (x1, y1, x2, y2)


def turn_mask(mask: np.ndarray, orientation: int) -> np.ndarray:
    """A mask on the stored photo → on the upright photo, by the EXIF orientation of the stored one."""
    if orientation in _UPSIDE_DOWN:
        mask = mask[::-1]
    if orientation in _MIRRORED:
        mask = mask[:, ::-1]
    return mask.T if orientation in _SWAPPING else mask


def _stored_size(info: ImageInfo) -> Size:
    return (info.height, info.width) if info.orientation in _SWAPPING else (info.width, info.height)


def _stated(record: ImageRecord, info: ImageInfo) -> Picture:
    """Of which picture the file states the size; where it states none, the upright one is meant."""
    return "stored" if record.stated_size == _stored_size(info) != (info.width, info.height) else "upright"


def _evidence(record: ImageRecord, info: ImageInfo) -> Picture | None:
    """Which picture a photo's labels fit alone; None if both, neither, or it is stored upright."""
    upright, stored = (info.width, info.height), _stored_size(info)
    if upright == stored:
        return None
    sizes = {size for annotation in record.annotations if (size := _mask_size(annotation)) is not None}
    boxes = [box for annotation in record.annotations for box in extents(annotation)]
    fits_upright = sizes <= {upright} and all(_fits(box, upright) for box in boxes)
    fits_stored = sizes <= {stored} and all(_fits(box, stored) for box in boxes)
    if fits_upright == fits_stored:
        return None
    return "upright" if fits_upright else "stored"


def _fits(box: Box, size: Size) -> bool:
    return box[2] <= size[0] + slack(size[0]) and box[3] <= size[1] + slack(size[1])


def _mask_size(annotation: Annotation) -> Size | None:
    """Width and height of a mask that has its own: a file, or run lengths."""
    segmentation = annotation.segmentation
    if isinstance(segmentation, MaskPng):
        try:
            return segmentation.size()
        except ImageError:  # told of when the mask is read
            return None
    size = segmentation.get("size") if isinstance(segmentation, dict) else None
    if isinstance(size, list) and len(size) == 2 and all(type(side) is int for side in size):
        return size[1], size[0]
    return None


def _drawn_size(annotations: Sequence[Annotation]) -> Size | None:
    """Width and height of the first mask in a file of its own; the boxes are taken to belong to the same picture."""
    masks = [one.segmentation for one in annotations if isinstance(one.segmentation, MaskPng)]
    return masks[0].size() if masks else None


def _has_geometry(annotation: Annotation) -> bool:
    return bool(annotation.corners or annotation.bbox or annotation.segmentation)


def _mismatch(stated: Size, found: Size) -> str:
    """A sentence on two sizes, with the likely reason if there is one."""
    text = f"annotated as {stated[0]}×{stated[1]}, the photo has {found[0]}×{found[1]}"
    if stated == found[::-1]:
        return f"{text}: it was turned afterwards; turn it back"
    across, down = found[0] / stated[0], found[1] / stated[1]
    if abs(across - 1) > 0.05 and abs(across - down) < 1 / min(*stated, *found):
        return f"{text}: it was scaled afterwards by {across:.3g}; use the photo that was annotated"
    return text
