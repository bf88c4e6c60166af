"""Pieces: hard negatives made from the training photos themselves, each a photo of a car made carless.

The rule, for a photo with the boxes of its cars:

- A window of the photo's shape beside the box around all cars (left of it, right, above or below), as large as fits and
  at least a quarter of the photo's sides, is enlarged to the full photo. The largest of the four is taken, at a random
  place on its strip.
- Otherwise the photo is cut into a grid of 4 × 6 patches, which change places so that none stays at its own. Where a
  patch would hold more than half of a car's box, the grid is made twice as fine, and again.

Where there is such a window, window or patches are chosen at random, each half of the time. What is random follows from
the photo's seed. Cars without a box are not known to this rule.
"""

from __future__ import annotations

import numpy as np
import torch

from carseg_lib.data.dataset import CarDataset
from carseg_lib.data.transforms import Target, empty_target

GRID = (4, 6)  # rows and columns of the coarsest patches
LEAST_SIDE = 0.25  # of a window, as a share of the photo's: smaller ones would be blurred to nothing when enlarged
MOST_OF_CAR = 0.5  # of a car's box in one patch


class PieceDataset(CarDataset):
    """The photos of cars of one split made carless, as tensors: their targets have no boxes and class id 0.

    The arguments are those of `CarDataset`.
    """

    def truth(self, i: int) -> int:
        """Class id of a piece: 0, the background's."""
        return 0

    def name(self, i: int) -> str:
        """Name of piece i, other than its photo's."""
        return f"piece of {super().name(i)}"

    def _source(self, i: int, generator: torch.Generator) -> tuple[np.ndarray, Target]:
        image, target = self.load(i)
        piece = make_piece(image, target["boxes"], generator)
        return piece, empty_target((piece.shape[0], piece.shape[1]))


def make_piece(image: np.ndarray, boxes: np.ndarray, generator: torch.Generator) -> np.ndarray:
    """A photo made carless by the module's rule.

    Args:
        image: (h, w, 3) uint8.
        boxes: (N, 4) of its cars, pixels; at least one.
        generator: Of the random choices.

    Returns:
        (h', w', 3) uint8: a window of the photo's shape, or shuffled patches, which lack the last rows and columns
        where the grid does not divide the photo. The steps that follow resize it to the network's input.
    """
    height, width = image.shape[:2]
    choice, x, y = torch.rand(3, generator=generator).tolist()
    window = free_window(boxes, (height, width), x, y)
    if window is not None and choice < 0.5:
        x1, y1, x2, y2 = window
        return image[y1:y2, x1:x2]
    return shuffle_patches(image, patch_grid(boxes, (height, width)), generator)


def free_window(boxes: np.ndarray, size: tuple[int, int], x: float, y: float) -> tuple[int, int, int, int] | None:
    """The largest window of the photo's shape beside the box around all cars; None if it would be too small.

    Args:
        boxes: (N, 4) of the cars, pixels; at least one.
        size: Height and width of the photo, pixels.
        x: Place of the window on its strip, 0 (left) to 1 (right).
        y: Likewise, 0 (top) to 1 (bottom).

    Returns:
        x1, y1, x2, y2 in whole pixels, or None.
    """
    height, width = size
    left, top = np.floor(boxes[:, :2].min(axis=0)).astype(int).clip(0).tolist()
    right, bottom = np.ceil(boxes[:, 2:].max(axis=0)).astype(int).clip(None, (width, height)).tolist()
    strips = ((0, 0, left, height), (right, 0, width, height), (0, 0, width, top), (0, bottom, width, height))
    scales = [min((x2 - x1) / width, (y2 - y1) / height) for x1, y1, x2, y2 in strips]
    best = int(np.argmax(scales))
    if scales[best] < LEAST_SIDE:
        return None
    x1, y1, x2, y2 = strips[best]
    w, h = (max(int(scales[best] * side), 1) for side in (width, height))
    x1, y1 = x1 + round(x * (x2 - x1 - w)), y1 + round(y * (y2 - y1 - h))
    return x1, y1, x1 + w, y1 + h


def patch_grid(boxes: np.ndarray, size: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of the coarsest grid of which no patch holds more than half of a car's box.

    Args:
        boxes: (N, 4) of the cars, pixels.
        size: Height and width of the photo, pixels; a patch has at least one pixel.
    """
    height, width = size
    rows, columns = min(GRID[0], height), min(GRID[1], width)
    while (rows < height or columns < width) and any(
        _most_in_one(box[0], box[2], width // columns) * _most_in_one(box[1], box[3], height // rows) > MOST_OF_CAR
        for box in boxes
    ):
        rows, columns = min(2 * rows, height), min(2 * columns, width)
    return rows, columns


def _most_in_one(start: float, end: float, cell: int) -> float:
    """The largest share of an interval that lies in one cell of a line, 0..1."""
    edges = np.arange(np.floor(start / cell), np.ceil(end / cell) + 1) * cell
    return float((np.minimum(edges[1:], end) - np.maximum(edges[:-1], start)).max() / (end - start))


def shuffle_patches(image: np.ndarray, grid: tuple[int, int], generator: torch.Generator) -> np.ndarray:
    """A photo whose patches change places at random in one ring, so that none stays at its own.

    Args:
        image: (h, w, 3) uint8.
        grid: Rows and columns, at most h and w.
        generator: Of the order.

    Returns:
        (rows · (h // rows), columns · (w // columns), 3) uint8.
    """
    rows, columns = grid
    height, width = image.shape[0] // rows, image.shape[1] // columns
    cut = image[: rows * height, : columns * width].reshape(rows, height, columns, width, 3)
    patches = cut.swapaxes(1, 2).reshape(rows * columns, height, width, 3)
    ring = torch.randperm(len(patches), generator=generator).numpy()
    moved = np.empty_like(patches)
    moved[ring] = patches[np.roll(ring, 1)]
    return moved.reshape(rows, columns, height, width, 3).swapaxes(1, 2).reshape(rows * height, columns * width, 3)
