"""An annotator without a network: GrabCut inside given boxes.

Rother, Kolmogorov and Blake 2004, "GrabCut", doi:10.1145/1015706.1015720, as OpenCV has it. It separates the colours
inside a box from those outside, in several rounds. It knows nothing of cars, and works best before plain backgrounds.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from carseg_lib.core.files import sha256_text
from carseg_lib.data.boxes import Box
from carseg_lib.data.masks import mask_iou
from carseg_lib.engine.pseudo_labels.annotators import Instance

FIRST, MORE = 2, 3  # rounds before and after the first of the two masks that `stability` compares
LARGEST = 640  # pixels of the longer side that GrabCut works on


class GrabCutAnnotator:
    """Gives every given box a mask; its stability is the IoU of the masks before and after the last rounds."""

    name = "GrabCut"
    sha256 = sha256_text(f"grabcut {cv2.__version__} {FIRST} {MORE} {LARGEST}")
    uses_boxes = True

    def instances(self, photos: Sequence[np.ndarray], boxes: Sequence[Sequence[Box]]) -> list[list[Instance]]:
        """A mask for each box (x1, y1, x2, y2, pixels) of each photo (h, w, 3) uint8."""
        return [[_cut(photo, box) for box in of_photo] for photo, of_photo in zip(photos, boxes, strict=True)]


def _cut(photo: np.ndarray, box: Box) -> Instance:
    height, width = photo.shape[:2]
    shrink = min(1.0, LARGEST / max(height, width))
    size = max(1, round(width * shrink)), max(1, round(height * shrink))
    small = cv2.resize(photo, size, interpolation=cv2.INTER_AREA) if shrink < 1 else photo.copy()
    x1, y1, x2, y2 = (value * shrink for value in box)
    marks = np.full(small.shape[:2], cv2.GC_BGD, np.uint8)
    inside = np.s_[max(int(y1), 0) : int(np.ceil(y2)), max(int(x1), 0) : int(np.ceil(x2))]
    marks[inside] = cv2.GC_PR_FGD
    if not (marks == cv2.GC_BGD).any():  # the box is the photo: its outermost pixels are not the car's
        marks[[0, -1]] = cv2.GC_BGD
        marks[:, [0, -1]] = cv2.GC_BGD
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(0)
    masks = []
    for rounds, mode in ((FIRST, cv2.GC_INIT_WITH_MASK), (MORE, cv2.GC_EVAL)):
        cv2.grabCut(small, marks, None, *models, rounds, mode)  # type: ignore[call-overload]  # a rectangle may be None
        masks.append((marks == cv2.GC_FGD) | (marks == cv2.GC_PR_FGD))
    stability = mask_iou(*masks)
    mask = cv2.resize(masks[1].astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    x1, y1, x2, y2 = map(float, box)
    return Instance((x1, y1, x2, y2), mask.astype(bool), 1.0, stability)
