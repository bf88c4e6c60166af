"""Region proposals: where in a photo a car might be (Ren et al. 2015, §3.1, arXiv:1506.01497).

torchvision's anchors, head and box coder, under its state-dict names; what comes after them is done for all photos of
a batch at once, and losses and proposals come from the same scores.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.detection._utils import BoxCoder
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.rpn import AnchorGenerator, RPNHead, concat_box_prediction_layers
from torchvision.ops import batched_nms, clip_boxes_to_image

from carseg_lib.core.config import ModelConfig
from carseg_lib.models.matching import PaddedTargets, match_boxes, sample_boxes

MIN_SIZE = 1e-3  # pixels
SMOOTH = 1 / 9  # where smooth L1 turns from square to straight; torchvision's


@dataclass(frozen=True)
class AnchorScores:
    """Every anchor of a batch with what the head says of it.

    Attributes:
        anchors: (A, 4) pixels, the same for all photos, level after level.
        per_level: how many of them each level of the pyramid has.
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
    """The region proposal network.

    Args:
        anchor_generator: torchvision's.
        head: torchvision's.
        config: sampling and thresholds.
    """

    def __init__(self, anchor_generator: AnchorGenerator, head: RPNHead, config: ModelConfig):
        super().__init__()
        self.anchor_generator = anchor_generator
        self.head = head
        self.config = config
        self.box_coder = BoxCoder(weights=(1.0, 1.0, 1.0, 1.0))

    def forward(self, pyramid: Mapping[str, Tensor], images: Tensor) -> AnchorScores:
        """Scores the anchors of all photos of a batch (B, 3, H, W)."""
        maps, size = list(pyramid.values()), tuple(images.shape[-2:])
        objectness, offsets = self.head(maps)
        per_level = [scores[0].numel() for scores in objectness]
        objectness, offsets = (x.float() for x in concat_box_prediction_layers(objectness, offsets))
        anchors = self.anchor_generator(ImageList(images[:1], [size]), maps)[0]
        return AnchorScores(
            anchors, per_level, objectness.view(len(images), -1), offsets.view(len(images), -1, 4), size
        )

    def propose(self, scored: AnchorScores, most: int) -> tuple[Tensor, Tensor]:
        """The best boxes of each photo, after non-maximum suppression on each level; no gradient goes through them.

        Args:
            scored: from `forward`.
            most: boxes a photo, and a level before suppression.

        Returns:
            (B, most, 4) pixels, best first, and (B, most) bool: whether there is a box in this place.
        """
        objectness = scored.objectness.detach()
        photos = len(objectness)
        best, level = self._best_of_levels(objectness, scored.per_level, most)
        offsets = scored.offsets.detach().gather(1, best[..., None].expand(-1, -1, 4))
        boxes = self.box_coder.decode_single(offsets.reshape(-1, 4), scored.anchors[best].reshape(-1, 4))
        boxes = clip_boxes_to_image(boxes, scored.image_size)
        scores = objectness.gather(1, best).sigmoid().flatten()
        photo = torch.arange(photos, device=boxes.device).repeat_interleave(best.shape[1])
        wide = torch.where(((boxes[:, 2:] - boxes[:, :2]) >= MIN_SIZE).all(1))[0]
        group = photo * len(scored.per_level) + level.repeat(photos)
        kept = wide[batched_nms(boxes[wide], scores[wide], group[wide], self.config.rpn_nms_iou)]
        return pad_per_image(boxes[kept], photo[kept], photos, most)

    @staticmethod
    def _best_of_levels(objectness: Tensor, per_level: list[int], most: int) -> tuple[Tensor, Tensor]:
        """(B, K) which anchors score best on their level, at most `most` of each, and (K,) which level that is."""
        found, levels, first = [], [], 0
        for i, scores in enumerate(objectness.split(per_level, 1)):
            n = min(most, scores.shape[1])
            found.append(scores.topk(n, dim=1).indices + first)
            levels += [i] * n
            first += scores.shape[1]
        return torch.cat(found, 1), torch.tensor(levels, device=objectness.device)

    def losses(self, scored: AnchorScores, truth: PaddedTargets) -> tuple[dict[str, Tensor], Tensor]:
        """Objectness and box losses (Ren et al. 2015, eq. 1), and over how many anchors they are means."""
        high, low = self.config.rpn_fg_iou, self.config.rpn_bg_iou
        which, state = match_boxes(truth, scored.anchors, high, low, best_always=True)
        size, share = self.config.rpn_batch_size_per_image, self.config.rpn_positive_fraction
        drawn = sample_boxes(state, truth.seeds, size, share)
        taken = drawn.taken.float()
        count = taken.sum().clamp(min=1)
        logits = drawn.gather(scored.objectness)
        objectness = F.binary_cross_entropy_with_logits(
            logits, drawn.positive.to(logits.dtype), reduction="none"
        )
        cars = truth.boxes.gather(1, drawn.gather(which)[..., None].expand(-1, -1, 4))
        anchors = scored.anchors[drawn.index]
        # a place without a car has a box of no size: its own anchor stands in, and its loss is not counted
        cars = torch.where(drawn.positive[..., None], cars, anchors)
        wanted = self.box_coder.encode_single(cars.reshape(-1, 4), anchors.reshape(-1, 4)).view_as(cars)
        offsets = F.smooth_l1_loss(drawn.gather(scored.offsets), wanted, beta=SMOOTH, reduction="none")
        return {
            "loss_objectness": (objectness * taken).sum() / count,
            "loss_rpn_box_reg": (offsets.sum(2) * drawn.positive).sum() / count,
        }, taken.sum()


def pad_per_image(boxes: Tensor, photo: Tensor, photos: int, most: int) -> tuple[Tensor, Tensor]:
    """Puts boxes of all photos into a rectangle.

    Args:
        boxes: (K, 4), best first.
        photo: (K,) of which photo each is.
        photos: how many there are.
        most: places a photo; further boxes are left out.

    Returns:
        (photos, most, 4), zeros where there is no box, and (photos, most) bool.
    """
    rank = rank_within_image(photo, photos)
    kept = rank < most
    found = boxes.new_zeros(photos, most, 4)
    there = torch.zeros(photos, most, dtype=torch.bool, device=boxes.device)
    place = (photo[kept], rank[kept])
    return found.index_put_(place, boxes[kept]), there.index_put_(place, there.new_ones(()))


def rank_within_image(photo: Tensor, photos: int) -> Tensor:
    """(K,) photo numbers → (K,) how many of the same photo come before."""
    order = photo.argsort(stable=True)
    counts = torch.bincount(photo, minlength=photos)
    rank = torch.empty_like(photo)
    rank[order] = torch.arange(len(photo), device=photo.device) - (counts.cumsum(0) - counts)[photo[order]]
    return rank
