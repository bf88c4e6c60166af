"""Which labelled car each box stands for, and which boxes the losses look at, for a whole batch at once.

The rules are those of Ren et al. 2015, §3.1.2-3.1.3 (arXiv:1506.01497), as torchvision has them. Photos hold different
numbers of cars: a batch's cars stand in a rectangle (photos, most cars of a photo) with a mark for those that are
there, and what is sampled has the same number of places in every photo. Photos are looked at one by one where their
cars are put into the rectangle and random numbers are drawn, and nothing waits for a GPU.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.ops import box_iou

BACKGROUND, BETWEEN = 0, -1  # states of a box that stands for no car; that stands for one: 1


@dataclass(frozen=True)
class PaddedTargets:
    """The labelled cars of a batch.

    Attributes:
        boxes: (B, M, 4) pixels; zeros where there is no car.
        labels: (B, M) class ids, 0 where there is no car.
        present: (B, M) bool.
        seeds: of each photo's random sampling.
    """

    boxes: Tensor
    labels: Tensor
    present: Tensor
    seeds: tuple[int, ...]

    @classmethod
    def of(cls, targets: Sequence[dict[str, Tensor]]) -> "PaddedTargets":
        """The cars of `targets`: a dict a photo with boxes (N, 4), labels (N,) and seed."""
        device = targets[0]["boxes"].device
        most = max(1, *(len(target["labels"]) for target in targets))
        boxes = torch.zeros(len(targets), most, 4, device=device)
        labels = torch.zeros(len(targets), most, dtype=torch.int64, device=device)
        for i, target in enumerate(targets):
            boxes[i, : len(target["boxes"])] = target["boxes"]
            labels[i, : len(target["labels"])] = target["labels"]
        return cls(boxes, labels, labels > 0, tuple(int(target["seed"]) for target in targets))


@dataclass(frozen=True)
class SampledBoxes:
    """The boxes of each photo that a loss looks at: those that stand for a car first, then background.

    Attributes:
        index: (B, S) which of the photo's boxes.
        taken: (B, S) bool; a photo with too few boxes leaves places free.
        positive: (B, S) bool; stands for a car.
    """

    index: Tensor
    taken: Tensor
    positive: Tensor

    def gather(self, values: Tensor) -> Tensor:
        """(B, N, ...) of all boxes → (B, S, ...) of those sampled."""
        index = self.index.reshape(*self.index.shape, *(1,) * (values.ndim - 2))
        return values.gather(1, index.expand(*self.index.shape, *values.shape[2:]))


def match_boxes(
    truth: PaddedTargets, boxes: Tensor, high: float, low: float, best_always: bool
) -> tuple[Tensor, Tensor]:
    """Finds the car that each box overlaps most.

    Args:
        truth: the cars.
        boxes: (N, 4), the same for all photos, or (B, N, 4); pixels.
        high: a box stands for a car from this IoU on.
        low: a box is background below this IoU; between the two it is neither.
        best_always: the boxes that overlap a car most stand for a car, however little that is.

    Returns:
        (B, N) which car, and (B, N) the state: 1, `BACKGROUND` or `BETWEEN`.
    """
    photos, cars, _ = truth.boxes.shape
    if boxes.ndim == 2:
        iou = box_iou(truth.boxes.reshape(-1, 4), boxes).view(photos, cars, -1)
    else:
        iou = _iou(truth.boxes, boxes)
    iou = torch.where(truth.present[..., None], iou, -1.0)
    best, which = iou.max(1)
    state = torch.where(best >= high, 1, torch.where(best < low, BACKGROUND, BETWEEN))
    if best_always:
        is_best = (iou == iou.amax(2, keepdim=True)) & (iou > 0)
        state = torch.where(is_best.any(1), 1, state)
    return which, state


def jitter_boxes(truth: PaddedTargets, share: float) -> Tensor:
    """The labelled boxes, each edge moved at random by at most a share of the box's side.

    Args:
        truth: the cars; a photo's draw depends on its seed alone.
        share: 0..0.5; at 0.5 a box may shrink to nothing, never further.

    Returns:
        (B, M, 4) pixels, zeros where there is no car; parts of a box may lie outside of the photo.
    """
    most = truth.boxes.shape[1]
    draws = [torch.rand(most, 4, generator=torch.Generator().manual_seed(s ^ 1)) for s in truth.seeds]
    moves = (2 * torch.stack(draws).to(truth.boxes.device) - 1) * share
    sides = (truth.boxes[..., 2:] - truth.boxes[..., :2]).repeat(1, 1, 2)
    return truth.boxes + moves * sides


def _iou(some: Tensor, others: Tensor) -> Tensor:
    """(B, M, 4) and (B, N, 4) → (B, M, N)."""
    a, b = some[:, :, None], others[:, None]
    sides = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0)
    shared = sides.prod(-1)
    areas = [(x[..., 2:] - x[..., :2]).prod(-1) for x in (a, b)]
    return shared / (areas[0] + areas[1] - shared).clamp(min=1e-9)


def sample_boxes(state: Tensor, seeds: Sequence[int], size: int, positive_fraction: float) -> SampledBoxes:
    """Draws boxes for a loss, each photo's by a seed of its own.

    A photo's sample then depends on the photo and the epoch alone: not on the other photos of its batch, on the number
    of processes, or on where a run was resumed.

    Args:
        state: (B, N), see `match_boxes`.
        seeds: of each photo.
        size: places a photo, S.
        positive_fraction: largest share of them that stand for a car.
    """
    photos, boxes = state.shape
    keys = torch.stack([torch.rand(boxes, generator=torch.Generator().manual_seed(seed)) for seed in seeds])
    keys = keys.to(state.device)
    positive, negative = state == 1, state == BACKGROUND
    most = int(size * positive_fraction)
    n_positive = positive.sum(1, keepdim=True).clamp(max=most)
    n_negative = torch.minimum(negative.sum(1, keepdim=True), size - n_positive)
    drawn = [
        torch.where(candidates, keys, -1.0).topk(min(n, boxes), dim=1).indices
        for candidates, n in ((positive, max(most, 1)), (negative, size))
    ]
    place = torch.arange(size, device=state.device).expand(photos, -1)
    index = torch.where(
        place < n_positive,
        drawn[0].gather(1, place.clamp(max=drawn[0].shape[1] - 1)),
        drawn[1].gather(1, (place - n_positive).clamp(0, drawn[1].shape[1] - 1)),
    )
    return SampledBoxes(index, place < n_positive + n_negative, place < n_positive)
