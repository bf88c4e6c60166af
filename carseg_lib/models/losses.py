"""Losses of the heads of Mask R-CNN: of classes and of masks, and the targets of the latter."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from carseg_lib.models.roi_align import area_weights, roi_align


def class_loss(scores: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    """Cross entropy (R,) of each region, with label smoothing among the body types; background is not smoothed.

    (Label smoothing: Szegedy et al. 2016, §7, arXiv:1512.00567.)

    Args:
        scores: (R, classes) before softmax.
        labels: (R,) class ids, 0 for background.
        smoothing: share of a car's label that is spread evenly over all body types, its own included.
    """
    types = scores.shape[1] - 1
    # `one_hot` reads the least and the largest label first
    targets = (labels[:, None] == torch.arange(types + 1, device=labels.device)).to(scores.dtype)
    spread = torch.full_like(targets, smoothing / types)
    spread[:, 0] = 0
    smoothed = (1 - smoothing) * targets + spread
    return F.cross_entropy(scores, torch.where(labels[:, None] > 0, smoothed, targets), reduction="none")


def mask_loss(logits: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
    """Mean binary cross entropy of each region's mask of its own class (He et al. 2017, §3); 0 if there is no region.

    Args:
        logits: (R, classes, M, M).
        labels: (R,) class ids.
        targets: (R, M, M), 0..1.
    """
    if len(logits) == 0:
        return logits.sum() * 0
    of_label = logits[torch.arange(len(labels), device=labels.device), labels]
    return F.binary_cross_entropy_with_logits(of_label, targets.to(of_label.dtype))


def mask_targets(masks: Sequence[Tensor], boxes: Tensor, photo: Tensor, car: Tensor, size: int) -> Tensor:
    """The share (R, M, M) of each cell of each region that its car covers, 0..1, to the fraction of a pixel.

    (torchvision samples masks as it samples features, a pixel's value at its upper left corner: its targets are shifted
    by half a pixel, which is visible in a mask's outline.)

    Args:
        masks: (N, H, W) uint8 of each photo's cars, 0 or 1. Padded where they are, then moved to the regions.
        boxes: (R, 4) regions, pixels.
        photo: (R,) index of each region's photo.
        car: (R,) index of each region's car among those of its photo.
        size: cells a side, M.
    """
    most = max(1, *(len(of_photo) for of_photo in masks))
    height, width = masks[0].shape[-2:]
    padded = masks[0].new_zeros(len(masks), most, height, width)
    for i, of_photo in enumerate(masks):
        padded[i, : len(of_photo)] = of_photo
    maps = padded.to(boxes.device, non_blocking=True).to(boxes.dtype)
    number = photo * most + car
    order = number.argsort(stable=True)
    found = roi_align(maps.view(-1, 1, height, width), boxes[order], number[order], size, area_weights)[..., 0]
    return torch.empty_like(found).index_copy_(0, order, found)
