"""What the heads of Mask R-CNN learn from: the losses of types and masks, and the masks that regions should have."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from carseg_lib.models.roi_align import area_weights, roi_align


def class_loss(scores: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    """Cross entropy of each region; a car's label is smoothed over the types, background stays background.

    (Label smoothing: Szegedy et al. 2016, §7, arXiv:1512.00567. Whether there is a car is no matter of opinion.)

    Args:
        scores: (R, classes) before softmax.
        labels: (R,) class ids, 0 for background.
        smoothing: share of a car's label that is spread evenly over all types, its own with them.

    Returns:
        (R,).
    """
    types = scores.shape[1] - 1
    wanted = F.one_hot(labels, types + 1).to(scores.dtype)
    spread = torch.full_like(wanted, smoothing / types)
    spread[:, 0] = 0
    smoothed = (1 - smoothing) * wanted + spread
    return F.cross_entropy(scores, torch.where(labels[:, None] > 0, smoothed, wanted), reduction="none")


def mask_loss(logits: Tensor, types: Tensor, wanted: Tensor) -> Tensor:
    """Mean binary cross entropy of each region's mask of its own type (He et al. 2017, §3).

    Args:
        logits: (R, classes, M, M).
        types: (R,) class ids.
        wanted: (R, M, M), 0..1.

    Returns:
        A scalar; 0 if there is no region.
    """
    if len(logits) == 0:
        return logits.sum() * 0
    of_type = logits[torch.arange(len(types), device=types.device), types]
    return F.binary_cross_entropy_with_logits(of_type, wanted.to(of_type.dtype))


def mask_targets(masks: Sequence[Tensor], boxes: Tensor, photo: Tensor, which: Tensor, size: int) -> Tensor:
    """The share of each cell of each region that its car covers, to the fraction of a pixel.

    (torchvision samples masks as it samples features, a pixel's value at its upper left corner: its targets lie half a
    pixel off, which a mask's outline shows.)

    Args:
        masks: (N, H, W) of each photo's cars, 0 or 1.
        boxes: (R, 4) regions, pixels.
        photo: (R,) of which photo each is.
        which: (R,) of the photo's cars, the one it shows.
        size: cells a side, M.

    Returns:
        (R, M, M) float, 0..1.
    """
    most = max(1, *(len(of_photo) for of_photo in masks))
    height, width = masks[0].shape[-2:]
    maps = boxes.new_zeros(len(masks), most, height, width)
    for i, of_photo in enumerate(masks):
        maps[i, : len(of_photo)] = of_photo
    number = photo * most + which
    order = number.argsort(stable=True)
    found = roi_align(maps.view(-1, 1, height, width), boxes[order], number[order], size, area_weights)[
        ..., 0
    ]
    return torch.empty_like(found).index_copy_(0, order, found)
