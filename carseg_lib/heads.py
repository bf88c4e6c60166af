"""The heads of Mask R-CNN: of each region its type, its box, and which of its pixels are the car's.

After He et al. 2017, §3 (arXiv:1703.06870). A pyramid's channels are made for finding and outlining things, and start
from random weights; the last layer of a backbone was trained to name them. With `TwoViews` a region is read from both:
its box from the pyramid, its type from the pyramid, which tells a car from a part of one, and from the last layer,
averaged over the region, which tells cars apart. (That the two tasks want different features: Wu et al. 2020,
"Rethinking Classification and Localization for Object Detection", arXiv:1904.06493.)
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.detection.roi_heads import RoIHeads, fastrcnn_loss, maskrcnn_inference

from carseg_lib.regions import RegionFeatures, read_regions

TOP = "top"  # the name, among the pyramid's maps, of the backbone's last layer
TYPE_BINS = 3  # a side; their mean is what a type is read from
MASK_SAMPLES = 4  # a side of each of a mask target's cells


class TwoViews(nn.Module):
    """Reads each region twice: from the pyramid, and from the backbone's last layer.

    Args:
        pyramid: how regions are read from the pyramid.
        top_stride: of the last layer, pixels.
    """

    def __init__(self, pyramid: RegionFeatures, top_stride: int):
        super().__init__()
        self.pyramid = pyramid
        self.top = RegionFeatures([top_stride], TYPE_BINS, canonical_scale=224)

    def forward(
        self, features: Mapping[str, Tensor], boxes: list[Tensor], image_shapes: list[tuple[int, int]]
    ) -> tuple[Tensor, Tensor]:
        """→ (regions, C, P, P) of the pyramid and (regions, D, 3, 3) of the last layer."""
        of_pyramid = self.pyramid(features, boxes, image_shapes)
        return of_pyramid, self.top({TOP: features[TOP]}, boxes, image_shapes)


class TwoHeads(nn.Module):
    """The box head for what the pyramid shows; a mean over the region for what the last layer shows."""

    def __init__(self, box_head: nn.Module):
        super().__init__()
        self.box_head = box_head

    def forward(self, views: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """→ (regions, width) of the pyramid and (regions, D) of the last layer."""
        of_pyramid, of_top = views
        return self.box_head(of_pyramid), of_top.mean((2, 3))


class TwoPredictors(nn.Module):
    """Boxes from the box head's features, class scores from these and the last layer's; torchvision's names.

    Args:
        box_width: features of the box head.
        top_width: channels of the backbone's last layer.
        num_classes: with the background.
    """

    def __init__(self, box_width: int, top_width: int, num_classes: int):
        super().__init__()
        self.cls_score = nn.Linear(box_width + top_width, num_classes)
        self.bbox_pred = nn.Linear(box_width, num_classes * 4)

    def forward(self, views: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """→ (regions, classes) scores before softmax, (regions, 4 · classes) box offsets."""
        of_pyramid, of_top = views
        return self.cls_score(torch.cat([of_pyramid, of_top], 1)), self.bbox_pred(of_pyramid)


class RegionHeads(RoIHeads):
    """torchvision's heads, with mask targets made for all photos of a batch at once."""

    def forward(
        self,
        features: Mapping[str, Tensor],
        proposals: list[Tensor],
        image_shapes: list[tuple[int, int]],
        targets: list[dict[str, Tensor]] | None = None,
    ) -> tuple[list[dict[str, Tensor]], dict[str, Tensor]]:
        """Losses in training mode, detections in evaluation mode; arguments and results as torchvision's."""
        if self.training:
            return [], self._losses(features, proposals, image_shapes, targets)
        return self._detections(features, proposals, image_shapes), {}

    def _losses(
        self,
        features: Mapping[str, Tensor],
        proposals: list[Tensor],
        image_shapes: list[tuple[int, int]],
        targets: list[dict[str, Tensor]],
    ) -> dict[str, Tensor]:
        proposals, matched, labels, offsets = self.select_training_samples(proposals, targets)
        regions = self.box_head(self.box_roi_pool(features, proposals, image_shapes))
        loss_classifier, loss_box_reg = fastrcnn_loss(*self.box_predictor(regions), labels, offsets)
        losses = {"loss_classifier": loss_classifier, "loss_box_reg": loss_box_reg}
        if self.has_mask():
            positive = [torch.where(of_photo > 0)[0] for of_photo in labels]
            boxes = [b[p] for b, p in zip(proposals, positive, strict=True)]
            cars = [m[p] for m, p in zip(matched, positive, strict=True)]
            logits = self._mask_logits(features, boxes, image_shapes)
            types = torch.cat([of_photo[p] for of_photo, p in zip(labels, positive, strict=True)])
            losses["loss_mask"] = mask_loss(logits, types, [t["masks"] for t in targets], boxes, cars)
        return losses

    def _detections(
        self, features: Mapping[str, Tensor], proposals: list[Tensor], image_shapes: list[tuple[int, int]]
    ) -> list[dict[str, Tensor]]:
        regions = self.box_head(self.box_roi_pool(features, proposals, image_shapes))
        found = self.postprocess_detections(*self.box_predictor(regions), proposals, image_shapes)
        detections = [
            {"boxes": boxes, "labels": labels, "scores": scores}
            for boxes, scores, labels in zip(*found, strict=True)
        ]
        if self.has_mask():
            boxes, _, labels = found
            masks = maskrcnn_inference(self._mask_logits(features, boxes, image_shapes), labels)
            for detection, mask in zip(detections, masks, strict=True):
                detection["masks"] = mask
        return detections

    def _mask_logits(
        self, features: Mapping[str, Tensor], boxes: list[Tensor], image_shapes: list[tuple[int, int]]
    ) -> Tensor:
        return self.mask_predictor(self.mask_head(self.mask_roi_pool(features, boxes, image_shapes)))


def mask_loss(
    logits: Tensor, types: Tensor, masks: Sequence[Tensor], boxes: Sequence[Tensor], cars: Sequence[Tensor]
) -> Tensor:
    """Mean binary cross entropy of each region's mask of its own type (He et al. 2017, §3).

    Args:
        logits: (R, classes, M, M) of the regions of all photos.
        types: (R,) class ids.
        masks: (N, H, W) of each photo's cars, 0 or 1.
        boxes: (K, 4) of each photo's regions, pixels.
        cars: (K,) which of the photo's cars each region shows.

    Returns:
        A scalar; 0 if there is no region.
    """
    if len(logits) == 0:
        return logits.sum() * 0
    wanted = mask_targets(masks, boxes, cars, logits.shape[-1])
    return F.binary_cross_entropy_with_logits(logits[torch.arange(len(types)), types], wanted)


def mask_targets(
    masks: Sequence[Tensor], boxes: Sequence[Tensor], cars: Sequence[Tensor], size: int
) -> Tensor:
    """The share of each cell of each region that its car covers.

    Args:
        masks: (N, H, W) of each photo's cars, 0 or 1.
        boxes: (K, 4) of each photo's regions, pixels.
        cars: (K,) which of the photo's cars each region shows.
        size: cells a side, M.

    Returns:
        (regions of all photos, M, M) float, 0..1.
    """
    whole = torch.cat(list(boxes))
    first = [0]
    for of_photo in masks[:-1]:
        first.append(first[-1] + len(of_photo))
    number = torch.cat([c + start for c, start in zip(cars, first, strict=True)])
    order = number.argsort(stable=True)
    maps = torch.cat(list(masks))[:, None].to(whole.dtype)
    found = read_regions(maps, whole[order], number[order], size, samples=MASK_SAMPLES)[..., 0]
    return torch.empty_like(found).index_copy_(0, order, found)
