"""The region proposal network (Ren et al. 2015, §3.1, arXiv:1506.01497).

Anchors, head and box coder are torchvision's, under its state-dict names. What follows them is computed for all photos
of a batch at once, and losses and proposals follow from the same scores.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.rpn import AnchorGenerator, RPNHead, concat_box_prediction_layers
from torchvision.ops import clip_boxes_to_image

from carseg_lib.core.config import ModelConfig
from carseg_lib.models.matching import PaddedTargets, match_boxes, sample_boxes
from carseg_lib.models.suppression import best_places, suppress
from carseg_lib.models.torchvision_parts import BoxCoder

MIN_SIZE = 1e-3  # smallest side of a proposal, pixels
SMOOTH_L1_BETA = 1 / 9  # as in torchvision


@dataclass(frozen=True)
class AnchorScores:
    """The anchors of a batch and the head's output for them.

    Attributes:
        anchors: (A, 4) pixels, the same for all photos, in order of levels.
        per_level: number of anchors on each level of the pyramid.
        objectness: (B, A) float32, before the sigmoid.
        offsets: (B, A, 4) float32, from the anchor to the box.
        image_size: height and width of the photos, pixels.
    """

    anchors: Tensor
    per_level: list[int]
    objectness: Tensor
    offsets: Tensor
    image_size: tuple[int, int]


class RegionProposalNetwork(nn.Module):
    """The region proposal network: torchvision's anchors and head, and the sampling and thresholds of a config."""

    def __init__(self, anchor_generator: AnchorGenerator, head: RPNHead, config: ModelConfig):
        super().__init__()
        self.anchor_generator = anchor_generator
        self.head = head
        self.config = config
        self.box_coder = BoxCoder(weights=(1.0, 1.0, 1.0, 1.0))

    def forward(self, pyramid: Mapping[str, Tensor], images: Tensor) -> AnchorScores:
        """Scores the anchors of all photos of a batch (B, 3, H, W)."""
        maps, size = list(pyramid.values()), (images.shape[-2], images.shape[-1])
        objectness, offsets = self.head(maps)
        per_level = [scores[0].numel() for scores in objectness]
        objectness, offsets = (x.float() for x in concat_box_prediction_layers(objectness, offsets))
        anchors = self.anchor_generator(ImageList(images[:1], [size]), maps)[0]
        return AnchorScores(
            anchors, per_level, objectness.view(len(images), -1), offsets.view(len(images), -1, 4), size
        )

    def generate_proposals(self, scored: AnchorScores, top_n: int) -> tuple[Tensor, Tensor]:
        """The best boxes of each photo, after non-maximum suppression on each level; no gradient goes through them.

        Args:
            scored: from `forward`.
            top_n: boxes a photo, and a level before suppression.

        Returns:
            (B, top_n, 4) pixels, highest score first, and (B, top_n) bool: whether the place holds a box.
        """
        objectness = scored.objectness.detach()
        best, there = self._best_of_levels(objectness, scored.per_level, top_n)
        photos, levels, places = best.shape
        flat = best.flatten(1)
        offsets = scored.offsets.detach().gather(1, flat[..., None].expand(-1, -1, 4))
        boxes = self.box_coder.decode_single(offsets.reshape(-1, 4), scored.anchors[flat].reshape(-1, 4))
        boxes = clip_boxes_to_image(boxes, scored.image_size).view(photos, -1, 4)
        scores = objectness.gather(1, flat).sigmoid()
        wide = ((boxes[..., 2:] - boxes[..., :2]) >= MIN_SIZE).all(2)
        level = torch.arange(levels, device=boxes.device).repeat_interleave(places)
        usable = wide & there.flatten()
        order, valid = best_places(suppress(boxes, scores, usable, level, levels, self.config.rpn_nms_iou), top_n)
        return torch.where(valid[..., None], boxes.gather(1, order[..., None].expand(-1, -1, 4)), 0.0), valid

    @staticmethod
    def _best_of_levels(objectness: Tensor, per_level: list[int], top_n: int) -> tuple[Tensor, Tensor]:
        """(B, L, K) indices of the anchors with the highest scores on each level, best first; (L, K): those there are.

        A level with fewer anchors than the others' best has index 0 in the places left.
        """
        numbers = [min(top_n, anchors) for anchors in per_level]
        most = max(numbers)
        found, first = [], 0
        for scores, n in zip(objectness.split(per_level, 1), numbers, strict=True):
            found.append(F.pad(scores.topk(n, dim=1).indices + first, (0, most - n)))
            first += scores.shape[1]
        place = torch.arange(most, device=objectness.device)
        return torch.stack(found, 1), torch.stack([place < n for n in numbers])

    def losses(self, scored: AnchorScores, truth: PaddedTargets) -> tuple[dict[str, Tensor], Tensor]:
        """Objectness and box losses (Ren et al. 2015, eq. 1), and the number of anchors that they are means over."""
        config = self.config
        car, state = match_boxes(truth, scored.anchors, config.rpn_fg_iou, config.rpn_bg_iou, allow_low_quality=True)
        sample = sample_boxes(state, truth.seeds, config.rpn_batch_size_per_image, config.rpn_positive_fraction)
        valid = sample.valid.float()
        count = valid.sum().clamp(min=1)
        logits = sample.gather(scored.objectness)
        objectness = F.binary_cross_entropy_with_logits(logits, sample.positive.to(logits.dtype), reduction="none")
        boxes = truth.boxes.gather(1, sample.gather(car)[..., None].expand(-1, -1, 4))
        anchors = scored.anchors[sample.index]
        # a place without a car has a box of no size: its anchor takes its place, and its loss is not counted
        boxes = torch.where(sample.positive[..., None], boxes, anchors)
        targets = self.box_coder.encode_single(boxes.reshape(-1, 4), anchors.reshape(-1, 4)).view_as(boxes)
        offsets = F.smooth_l1_loss(sample.gather(scored.offsets), targets, beta=SMOOTH_L1_BETA, reduction="none")
        return {
            "loss_objectness": (objectness * valid).sum() / count,
            "loss_rpn_box_reg": (offsets.sum(2) * sample.positive).sum() / count,
        }, valid.sum()
