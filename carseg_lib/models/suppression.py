"""Non-maximum suppression in the groups of a batch: the levels of each photo's proposals, the types of its detections.

On a CPU by torchvision's `batched_nms`. Elsewhere that waits for the device, for many boxes once a group, and so as
often as there are photos; here groups of equal size are worked on together, by the rule that decides each box: it is
kept if no better box of its group that is kept overlaps it. Repeated until nothing changes, which a box of rank n has
stopped doing after n repetitions; one wait for the device covers `REPETITIONS` of them.
"""

import torch
from torch import Tensor
from torchvision.ops import batched_nms

REPETITIONS = 8  # longer chains, of which each box overlaps the next alone, are rare
BY_TORCHVISION = "cpu"  # the kind of device on which its suppression is the faster one
PAIRS = 2**26  # pairs of boxes whose overlap is computed at a time: 256 MB a number


def suppress(boxes: Tensor, scores: Tensor, usable: Tensor, group: Tensor, groups: int, iou: float) -> Tensor:
    """Which boxes are kept, and in which order: (B, N) float, the better the larger, -1 where it is not.

    Args:
        boxes: (B, N, 4) pixels.
        scores: (B, N), 0 or more; of equal ones the first suppresses the others.
        usable: (B, N) bool: the others are not kept and suppress none.
        group: (N,) the number of each place's group in its photo; boxes of others are not suppressed.
        groups: how many there are, of equal size.
        iou: above which the box of the lower score is suppressed.
    """
    if boxes.device.type == BY_TORCHVISION:
        return _by_torchvision(boxes, scores, usable, group, iou)
    size = boxes.shape[1] // groups
    place = group.argsort(stable=True)
    boxes, score, able = (x.index_select(1, place).view(-1, size, *x.shape[2:]) for x in (boxes, scores, usable))
    parts = zip(*(x.split(max(PAIRS // size**2, 1)) for x in (boxes, score, able)), strict=True)
    kept = torch.cat([suppress_together(b, s, u, iou) for b, s, u in parts]).view(usable.shape)
    return torch.where(kept.index_select(1, place.argsort()), scores, -1.0)


def _by_torchvision(boxes: Tensor, scores: Tensor, usable: Tensor, group: Tensor, iou: float) -> Tensor:
    photo, place = torch.where(usable)
    number = photo * (group[-1] + 1) + group[place]  # the last digits of torchvision's overlaps follow from it
    kept = batched_nms(boxes[photo, place], scores[photo, place], number, iou)
    # torchvision's own order: of equal scores it does not always take the first
    found = torch.full_like(scores, -1.0)
    found[photo[kept], place[kept]] = torch.arange(len(kept)).flip(0).to(scores.dtype)
    return found


def suppress_together(boxes: Tensor, scores: Tensor, usable: Tensor, iou: float) -> Tensor:
    """Which boxes of groups (R, K, 4), (R, K), (R, K) are kept, (R, K), in as many operations for any R."""
    order = torch.where(usable, scores, -torch.inf).sort(dim=1, descending=True, stable=True).indices
    boxes, able = boxes.gather(1, order[..., None].expand_as(boxes)), usable.gather(1, order)
    clash = (_overlap(boxes) > iou).triu(1)  # the first of two may suppress the second
    kept = able
    while True:
        for _ in range(REPETITIONS):
            before = kept
            kept = able & ~(clash & before[:, :, None]).any(1)
        if torch.equal(kept, before):
            return kept.gather(1, order.argsort(dim=1))


def _overlap(boxes: Tensor) -> Tensor:
    """IoU (R, K, K) of the boxes of each group, by the operations of torchvision's kernel."""
    a, b = boxes[:, :, None], boxes[:, None]
    sides = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0)
    areas = (boxes[..., 2:] - boxes[..., :2]).prod(-1)
    both = sides.prod(-1)
    return both / (areas[:, :, None] + areas[:, None] - both)


def best_places(order: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """The best n places of each photo, by what `suppress` gives for them (B, K): indices (B, n), and which are kept.

    With fewer than n places the last index comes again, not kept.
    """
    value, place = (x[:, :n] for x in order.sort(dim=1, descending=True, stable=True))
    missing = n - place.shape[1]
    if missing > 0:
        place = torch.cat([place, place[:, -1:].expand(-1, missing)], 1)
        value = torch.cat([value, value.new_full((len(value), missing), -1.0)], 1)
    return place, value >= 0
