"""Matching of boxes with labelled cars, and sampling of the boxes that a loss uses, for a whole batch at once.

The rules are those of Ren et al. 2015, §3.1.2-3.1.3 (arXiv:1506.01497), as torchvision has them. Photos have different
numbers of cars: a batch's cars are padded to a rectangle (photos, most cars of a photo) with a mask of valid places,
and a sample has the same number of places in every photo. There is a loop over photos only where their cars are padded
and random numbers are drawn, both where the labels are, on the CPU; nothing waits for a GPU.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.ops import box_iou

POSITIVE, BACKGROUND, IGNORE = 1, 0, -1  # states of a box: it matches a car, it matches none, no loss uses it


@dataclass(frozen=True)
class PaddedTargets:
    """The labelled cars of a batch.

    Attributes:
        boxes: (B, M, 4) pixels; zeros where there is no car.
        labels: (B, M) class ids, 0 where there is no car.
        valid: (B, M) bool: whether there is a car.
        seeds: of each photo's random sampling.
    """

    boxes: Tensor
    labels: Tensor
    valid: Tensor
    seeds: tuple[int, ...]

    @classmethod
    def of(cls, targets: Sequence[dict[str, Tensor]], device: torch.device | None = None) -> "PaddedTargets":
        """The cars of a batch on a device; None: on that of the targets.

        Args:
            targets: for each photo a dict of boxes (N, 4), labels (N,) and seed. Padded where they are, then moved.
            device: of the result.
        """
        here = targets[0]["boxes"].device
        most = max(1, *(len(target["labels"]) for target in targets))
        boxes = torch.zeros(len(targets), most, 4, device=here)
        labels = torch.zeros(len(targets), most, dtype=torch.int64, device=here)
        for i, target in enumerate(targets):
            boxes[i, : len(target["boxes"])] = target["boxes"]
            labels[i, : len(target["labels"])] = target["labels"]
        boxes, labels = (x.to(device or here, non_blocking=True) for x in (boxes, labels))
        return cls(boxes, labels, labels > 0, tuple(int(target["seed"]) for target in targets))


@dataclass(frozen=True)
class SampledBoxes:
    """The boxes of each photo that a loss uses: those that match a car first, then background.

    Attributes:
        index: (B, S) int64, index of the photo's box.
        valid: (B, S) bool; a photo with too few boxes leaves places free.
        positive: (B, S) bool: whether the box matches a car.
    """

    index: Tensor
    valid: Tensor
    positive: Tensor

    def gather(self, values: Tensor) -> Tensor:
        """(B, N, ...) of all boxes → (B, S, ...) of those sampled."""
        index = self.index.reshape(*self.index.shape, *(1,) * (values.ndim - 2))
        return values.gather(1, index.expand(*self.index.shape, *values.shape[2:]))


def match_boxes(
    truth: PaddedTargets, boxes: Tensor, fg_iou: float, bg_iou: float, allow_low_quality: bool
) -> tuple[Tensor, Tensor]:
    """Matches each box with the car that it has the largest IoU with.

    Args:
        truth: the cars.
        boxes: (N, 4), the same for all photos, or (B, N, 4); pixels.
        fg_iou: IoU from which a box matches a car.
        bg_iou: IoU below which a box is background; between the two it is ignored.
        allow_low_quality: whether the boxes with the largest IoU with a car match a car whatever that IoU is.

    Returns:
        (B, N) index of the photo's car, and (B, N) the state: `POSITIVE`, `BACKGROUND` or `IGNORE`.
    """
    photos, cars, _ = truth.boxes.shape
    if boxes.ndim == 2:
        iou = box_iou(truth.boxes.reshape(-1, 4), boxes).view(photos, cars, -1)
    else:
        iou = batched_box_iou(truth.boxes, boxes)
    iou = torch.where(truth.valid[..., None], iou, -1.0)
    best, car = iou.max(1)
    state = torch.where(best >= fg_iou, POSITIVE, torch.where(best < bg_iou, BACKGROUND, IGNORE))
    if allow_low_quality:
        is_best = (iou == iou.amax(2, keepdim=True)) & (iou > 0)
        state = torch.where(is_best.any(1), POSITIVE, state)
    return car, state


def jitter_boxes(truth: PaddedTargets, share: float) -> Tensor:
    """The labelled boxes, each edge moved at random, by the photo's seed alone, by at most a share of the box's side.

    Args:
        truth: the cars.
        share: 0..0.5; at 0.5 a box may shrink to nothing, never further.

    Returns:
        (B, M, 4) pixels, zeros where there is no car; parts of a box may lie outside the photo.
    """
    most = truth.boxes.shape[1]
    draws = [torch.rand(most, 4, generator=torch.Generator().manual_seed(s ^ 1)) for s in truth.seeds]
    moves = (2 * torch.stack(draws).to(truth.boxes.device, non_blocking=True) - 1) * share
    sides = (truth.boxes[..., 2:] - truth.boxes[..., :2]).repeat(1, 1, 2)
    return truth.boxes + moves * sides


def batched_box_iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """IoU of the boxes of each photo, (B, M, 4) and (B, N, 4) → (B, M, N); torchvision's is of one photo."""
    a, b = boxes1[:, :, None], boxes2[:, None]
    sides = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0)
    intersection = sides.prod(-1)
    areas = [(x[..., 2:] - x[..., :2]).prod(-1) for x in (a, b)]
    return intersection / (areas[0] + areas[1] - intersection).clamp(min=1e-9)


def sample_boxes(state: Tensor, seeds: Sequence[int], size: int, positive_fraction: float) -> SampledBoxes:
    """Samples boxes for a loss, each photo's by a seed of its own.

    A photo's sample then depends on the photo and the epoch alone: not on the other photos of its batch, the number of
    processes, or the epoch from which a run was resumed.

    Args:
        state: (B, N), see `match_boxes`.
        seeds: of each photo.
        size: places a photo, S.
        positive_fraction: largest share of them that match a car.
    """
    photos, boxes = state.shape
    keys = torch.stack([torch.rand(boxes, generator=torch.Generator().manual_seed(seed)) for seed in seeds])
    keys = keys.to(state.device, non_blocking=True)
    positive, negative = state == POSITIVE, state == BACKGROUND
    most = int(size * positive_fraction)
    n_positive = positive.sum(1, keepdim=True).clamp(max=most)
    n_negative = torch.minimum(negative.sum(1, keepdim=True), size - n_positive)
    order = [
        torch.where(candidates, keys, -1.0).topk(min(n, boxes), dim=1).indices
        for candidates, n in ((positive, max(most, 1)), (negative, size))
    ]
    place = torch.arange(size, device=state.device).expand(photos, -1)
    index = torch.where(
        place < n_positive,
        order[0].gather(1, place.clamp(max=order[0].shape[1] - 1)),
        order[1].gather(1, (place - n_positive).clamp(0, order[1].shape[1] - 1)),
    )
    return SampledBoxes(index, place < n_positive + n_negative, place < n_positive)
