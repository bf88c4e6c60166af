"""The heads of Mask R-CNN: of each region its type, its box, and which of its pixels are the car's.

After He et al. 2017, §3 (arXiv:1703.06870), with torchvision's layers under torchvision's state-dict names. What is
sampled stands in a rectangle (photos, places): the heads, their losses and targets work on all photos at once.

A pyramid's channels are made for finding and outlining things, and start from random weights; the last layer of a
backbone was trained to name them. With `DualFeaturePool` a region is read from both: whether it is a car, and its box,
from the pyramid, which tells a car from a part of one; its type from the last layer, averaged over the region, which
tells cars apart. (That the two tasks want different features: Wu et al. 2020, "Rethinking Classification and
Localization for Object Detection", arXiv:1904.06493; the product of objectness and conditional class: Redmon et al.
2016, "You Only Look Once", §2, arXiv:1506.02640.)
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.detection._utils import BoxCoder
from torchvision.models.detection.mask_rcnn import MaskRCNNPredictor
from torchvision.ops import batched_nms, clip_boxes_to_image

from carseg_lib.core.config import ModelConfig
from carseg_lib.models.losses import class_loss, mask_loss, mask_targets
from carseg_lib.models.matching import PaddedTargets, jitter_boxes, match_boxes, sample_boxes
from carseg_lib.models.roi_align import MultiScaleRoIAlign
from carseg_lib.models.rpn import SMOOTH, rank_within_image

LAST_FEATURE = "top"  # the name, among the pyramid's maps, of the backbone's last layer
TYPE_SAMPLES = 6  # a side of a region; their mean is what a type is read from
MIN_SIZE = 1e-2  # pixels, of a detection
BOX_WEIGHTS = (10.0, 10.0, 5.0, 5.0)  # of the offsets, torchvision's


class DualFeaturePool(nn.Module):
    """Reads each region twice: from the pyramid, and from the backbone's last layer.

    Args:
        pyramid: how regions are read from the pyramid.
        top_stride: of the last layer, pixels.
    """

    def __init__(self, pyramid: MultiScaleRoIAlign, top_stride: int):
        super().__init__()
        self.pyramid = pyramid
        self.top = MultiScaleRoIAlign([top_stride], 1, canonical_scale=224, samples=TYPE_SAMPLES)

    def forward(self, features: Mapping[str, Tensor], boxes: Tensor, photo: Tensor) -> tuple[Tensor, Tensor]:
        """→ (regions, C, P, P) of the pyramid and (regions, D, 1, 1) of the last layer."""
        return self.pyramid(features, boxes, photo), self.top(
            {LAST_FEATURE: features[LAST_FEATURE]}, boxes, photo
        )


class DualBoxHead(nn.Module):
    """The box head for what the pyramid shows; what the last layer shows is a mean over the region already."""

    def __init__(self, box_head: nn.Module):
        super().__init__()
        self.box_head = box_head

    def forward(self, views: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """→ (regions, width) of the pyramid and (regions, D) of the last layer."""
        of_pyramid, of_top = views
        return self.box_head(of_pyramid), of_top.flatten(1)


class ObjectnessClassPredictor(nn.Module):
    """Car or background, and its box, from the box head's features; of a car its type from the last layer's.

    The class scores are log probabilities, P(background) and P(car) · P(type | car): cross entropy of them trains
    either part by what it has to tell, and a softmax over them gives the probabilities back.

    Args:
        box_width: features of the box head.
        top_width: channels of the backbone's last layer.
        num_classes: with the background.
    """

    def __init__(self, box_width: int, top_width: int, num_classes: int):
        super().__init__()
        self.car_score = nn.Linear(box_width, 2)
        self.type_score = nn.Linear(top_width, num_classes - 1)
        self.bbox_pred = nn.Linear(box_width, 4)
        self.num_classes = num_classes

    def forward(self, views: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """→ (regions, classes) scores before softmax, (regions, 4 · classes) box offsets, the same for all classes."""
        of_pyramid, of_top = views
        car = self.car_score(of_pyramid).float().log_softmax(1)
        types = self.type_score(of_top).float().log_softmax(1)
        scores = torch.cat([car[:, :1], car[:, 1:] + types], 1)
        return scores, self.bbox_pred(of_pyramid).repeat(1, self.num_classes)


class ClassAgnosticMaskPredictor(MaskRCNNPredictor):
    """torchvision's mask predictor with one mask for all types: a car's outline is the same whatever it is called.

    (He et al. 2017, Table 2b and §4.1: a class-agnostic mask is nearly as good on 80 classes as one for each.)

    Args:
        channels: of the mask head.
        num_classes: with the background.
    """

    def __init__(self, channels: int, num_classes: int):
        super().__init__(channels, channels, 1)
        self.num_classes = num_classes

    def forward(self, regions: Tensor) -> Tensor:
        """(R, channels, M, M) → (R, classes, 2M, 2M) before the sigmoid."""
        return super().forward(regions).expand(-1, self.num_classes, -1, -1)


class RoIHeads(nn.Module):
    """The box and class head and, if there are masks to learn, the mask head.

    Args:
        config: sampling and thresholds.
        box_roi_pool: reads regions for the box head, `MultiScaleRoIAlign` or `DualFeaturePool`.
        box_head: of what is read, features.
        box_predictor: of features, class scores and box offsets.
        mask_roi_pool: the same for masks; None without a mask head.
        mask_head: convolutions.
        mask_predictor: of their result, a mask for each class, before the sigmoid.
    """

    def __init__(
        self,
        config: ModelConfig,
        box_roi_pool: nn.Module,
        box_head: nn.Module,
        box_predictor: nn.Module,
        mask_roi_pool: nn.Module | None = None,
        mask_head: nn.Module | None = None,
        mask_predictor: nn.Module | None = None,
    ):
        super().__init__()
        self.config = config
        self.box_roi_pool, self.box_head, self.box_predictor = box_roi_pool, box_head, box_predictor
        self.mask_roi_pool, self.mask_head, self.mask_predictor = mask_roi_pool, mask_head, mask_predictor
        self.box_coder = BoxCoder(BOX_WEIGHTS)

    @property
    def has_masks(self) -> bool:
        """Whether there is a mask head."""
        return self.mask_head is not None

    def losses(
        self,
        features: Mapping[str, Tensor],
        boxes: Tensor,
        there: Tensor,
        truth: PaddedTargets,
        masks: Sequence[Tensor],
    ) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """Class, box and mask losses of proposals.

        Args:
            features: the maps that regions are read from.
            boxes: (B, P, 4) proposals, pixels.
            there: (B, P) bool; whether there is a proposal in this place.
            truth: the labelled cars.
            masks: (N, H, W) of each photo's cars, 0 or 1.

        Returns:
            The losses, over how many regions and over how many regions with a car they are means.
        """
        cars = [truth.boxes]  # the cars' own boxes are proposals too
        if self.config.gt_box_jitter:
            cars += [jitter_boxes(truth, self.config.gt_box_jitter)]
        boxes = torch.cat([boxes, *cars], 1)
        iou = self.config.box_fg_iou
        which, state = match_boxes(truth, boxes, iou, iou, best_always=False)
        state = torch.where(torch.cat([there, *[truth.present] * len(cars)], 1), state, -1)
        drawn = sample_boxes(
            state, truth.seeds, self.config.box_batch_size_per_image, self.config.box_positive_fraction
        )
        boxes, which = drawn.gather(boxes), drawn.gather(which)
        scores, offsets = self._classify(features, boxes)
        labels = torch.where(drawn.positive, truth.labels.gather(1, which), 0).flatten()
        count, positives = drawn.taken.sum(), drawn.positive.sum()
        losses = {
            "loss_classifier": (
                class_loss(scores, labels, self.config.label_smoothing) * drawn.taken.flatten()
            ).sum()
            / count.clamp(min=1),
            "loss_box_reg": self._box_loss(offsets, boxes, truth, which, labels) / count.clamp(min=1),
        }
        if self.has_masks:
            place = torch.where(labels > 0)[0]
            of_cars, photo = boxes.reshape(-1, 4)[place], image_index(boxes)[place]
            logits = self._mask_logits(features, of_cars, photo)
            wanted = mask_targets(masks, of_cars, photo, which.flatten()[place], logits.shape[-1])
            losses["loss_mask"] = mask_loss(logits, labels[place], wanted)
        return losses, count, positives

    def detect(
        self,
        features: Mapping[str, Tensor],
        boxes: Tensor,
        there: Tensor,
        image_size: tuple[int, int],
        with_masks: bool = True,
        mirrored: Mapping[str, Tensor] | None = None,
    ) -> list[dict[str, Tensor]]:
        """What is found in each photo.

        Args:
            features: the maps that regions are read from.
            boxes: (B, P, 4) proposals, pixels.
            there: (B, P) bool; whether there is a proposal in this place.
            image_size: height and width of the photos, pixels.
            with_masks: draw them too.
            mirrored: the maps of the photos' mirror images; regions are read from both, and what they say is averaged.

        Returns:
            A dict a photo, best first: boxes (D, 4), labels (D,), scores (D,), and masks (D, 1, M, M) of probabilities
            inside each box if there is a mask head.
        """
        photos, places, _ = boxes.shape
        scores, found = self._read(features, boxes)
        if mirrored is not None:
            width = image_size[1]
            others = self._read(mirrored, hflip_boxes(boxes, width))
            scores, found = (scores + others[0]) / 2, (found + hflip_boxes(others[1], width)) / 2
        scores = scores[:, 1:] * there.view(-1, 1)
        types = scores.shape[1]
        found = clip_boxes_to_image(found[:, 1:].reshape(-1, 4), image_size)
        wide = ((found[:, 2:] - found[:, :2]) >= MIN_SIZE).all(1)
        usable = torch.where((scores.flatten() > self.config.score_threshold) & wide)[0]
        photo, label = usable // (places * types), usable % types + 1
        found, score = found[usable], scores.flatten()[usable]
        kept = batched_nms(found, score, photo * (types + 1) + label, self.config.per_class_nms_iou)
        kept = kept[rank_within_image(photo[kept], photos) < self.config.max_detections]
        kept = kept[photo[kept].argsort(stable=True)]
        columns = {"boxes": found[kept], "labels": label[kept], "scores": score[kept]}
        photo = photo[kept]
        if self.has_masks and with_masks:
            region = usable[kept] // types
            masks = self._masks(features, columns, photo, region)
            if mirrored is not None:
                others = columns | {"boxes": hflip_boxes(columns["boxes"], image_size[1])}
                masks = (masks + self._masks(mirrored, others, photo, region).flip(3)) / 2
            columns["masks"] = masks
        counts = torch.bincount(photo, minlength=photos).tolist()
        split = {name: values.split(counts) for name, values in columns.items()}
        return [{name: values[i] for name, values in split.items()} for i in range(photos)]

    def _masks(
        self, features: Mapping[str, Tensor], found: Mapping[str, Tensor], photo: Tensor, region: Tensor
    ) -> Tensor:
        """Probabilities (D, 1, M, M) in the boxes of detections; of which photo (ascending) and region each is."""
        place = torch.arange(len(region), device=region.device)
        if isinstance(
            self.mask_predictor, ClassAgnosticMaskPredictor
        ):  # the types of a region have one box and one mask
            regions, place = region.unique(return_inverse=True)
            first = torch.full_like(regions, len(region)).scatter_reduce(
                0, place, torch.arange(len(region), device=region.device), "amin"
            )
            logits = self._mask_logits(features, found["boxes"][first], photo[first])
        else:
            logits = self._mask_logits(features, found["boxes"], photo)
        return logits[place, found["labels"]][:, None].sigmoid()

    def _classify(self, features: Mapping[str, Tensor], boxes: Tensor) -> tuple[Tensor, Tensor]:
        """(B, P, 4) boxes → (B · P, classes) scores before softmax, (B · P, 4 · classes) offsets, both float32."""
        pooled = self.box_roi_pool(features, boxes.reshape(-1, 4), image_index(boxes))
        scores, offsets = self.box_predictor(self.box_head(pooled))
        return scores.float(), offsets.float()

    def _read(self, features: Mapping[str, Tensor], boxes: Tensor) -> tuple[Tensor, Tensor]:
        """(B, P, 4) boxes → (B · P, classes) probabilities, (B · P, classes, 4) boxes as each class would have them."""
        logits, offsets = self._classify(features, boxes)
        found = self.box_coder.decode_single(offsets, boxes.reshape(-1, 4))
        return logits.softmax(1), found.view(*logits.shape, 4)

    def _box_loss(
        self, offsets: Tensor, boxes: Tensor, truth: PaddedTargets, which: Tensor, labels: Tensor
    ) -> Tensor:
        positive = labels > 0
        boxes = boxes.reshape(-1, 4)
        cars = truth.boxes.gather(1, which[..., None].expand(-1, -1, 4)).reshape(-1, 4)
        # background has no box to learn: one of some size stands in, and its loss is not counted
        unit = boxes.new_tensor([0.0, 0.0, 1.0, 1.0])
        cars, boxes = (torch.where(positive[:, None], x, unit) for x in (cars, boxes))
        wanted = self.box_coder.encode_single(cars, boxes)
        of_label = offsets.view(len(labels), -1, 4)[torch.arange(len(labels), device=labels.device), labels]
        loss = F.smooth_l1_loss(of_label, wanted, beta=SMOOTH, reduction="none")
        return (loss.sum(1) * positive).sum()

    def _mask_logits(self, features: Mapping[str, Tensor], boxes: Tensor, photo: Tensor) -> Tensor:
        return self.mask_predictor(self.mask_head(self.mask_roi_pool(features, boxes, photo))).float()


def image_index(boxes: Tensor) -> Tensor:
    """(B, P, 4) → (B · P,), of which photo each box is."""
    return torch.arange(len(boxes), device=boxes.device).repeat_interleave(boxes.shape[1])


def hflip_boxes(boxes: Tensor, width: int) -> Tensor:
    """Boxes (..., 4) of photos of a width in pixels → where they are in the photos' mirror images."""
    x1, y1, x2, y2 = boxes.unbind(-1)
    return torch.stack([width - x2, y1, width - x1, y2], -1)
