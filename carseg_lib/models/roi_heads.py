"""The heads of Mask R-CNN: class, box and mask of each region.

After He et al. 2017, §3 (arXiv:1703.06870), with torchvision's layers under torchvision's state-dict names. Sampled
regions are padded to a rectangle (photos, places): heads, losses and targets are computed for all photos at once.

The pyramid's channels are trained for detection and segmentation, from random weights; the last layer of a backbone was
trained for classification. With `DualFeaturePool` both are pooled for a region: objectness and box are predicted from
the pyramid, the class from the last layer, averaged over the region. (That the two tasks need different features: Wu et
al. 2020, "Rethinking Classification and Localization for Object Detection", arXiv:1904.06493; the product of objectness
and conditional class: Redmon et al. 2016, "You Only Look Once", §2, arXiv:1506.02640.)
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.detection.mask_rcnn import MaskRCNNPredictor
from torchvision.ops import clip_boxes_to_image

from carseg_lib.core.config import ModelConfig
from carseg_lib.models.losses import class_loss, mask_loss, mask_targets
from carseg_lib.models.matching import IGNORE, PaddedTargets, jitter_boxes, match_boxes, sample_boxes
from carseg_lib.models.roi_align import MultiScaleRoIAlign
from carseg_lib.models.rpn import SMOOTH_L1_BETA
from carseg_lib.models.suppression import best_places, suppress
from carseg_lib.models.torchvision_parts import BoxCoder

LAST_FEATURE = "top"  # the name, among the pyramid's maps, of the backbone's last layer
CLASS_SAMPLES = 6  # points a side of a region, of whose mean the class is predicted
MIN_SIZE = 1e-2  # smallest side of a detection, pixels
BOX_WEIGHTS = (10.0, 10.0, 5.0, 5.0)  # of the offsets, torchvision's


class DualFeaturePool(nn.Module):
    """Features of each region from the pyramid and from the backbone's last layer, of a stride in pixels."""

    def __init__(self, pyramid: MultiScaleRoIAlign, top_stride: int):
        super().__init__()
        self.pyramid = pyramid
        self.top = MultiScaleRoIAlign([top_stride], 1, canonical_scale=224, samples=CLASS_SAMPLES)

    def forward(self, features: Mapping[str, Tensor], boxes: Tensor, photo: Tensor) -> tuple[Tensor, Tensor]:
        """Returns (regions, C, P, P) of the pyramid and (regions, D, 1, 1) of the last layer."""
        top = {LAST_FEATURE: features[LAST_FEATURE]}
        return self.pyramid(features, boxes, photo), self.top(top, boxes, photo)


class DualBoxHead(nn.Module):
    """The box head on the pyramid's features; those of the last layer are means over the region already."""

    def __init__(self, box_head: nn.Module):
        super().__init__()
        self.box_head = box_head

    def forward(self, features: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Returns (regions, width) of the pyramid and (regions, D) of the last layer."""
        of_pyramid, of_top = features
        return self.box_head(of_pyramid), of_top.flatten(1)


class ObjectnessClassPredictor(nn.Module):
    """Objectness and box from the box head's features, the class of a car from those of the backbone's last layer.

    The class scores are log probabilities, P(background) and P(car) · P(class | car): their cross entropy is the sum of
    those of both parts, and their softmax is the probabilities again.
    """

    def __init__(self, box_width: int, top_width: int, num_classes: int):
        super().__init__()
        self.car_score = nn.Linear(box_width, 2)
        self.type_score = nn.Linear(top_width, num_classes - 1)
        self.bbox_pred = nn.Linear(box_width, 4)
        self.num_classes = num_classes

    def forward(self, features: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Returns (regions, classes) scores before softmax and (regions, 4 · classes) offsets, one for all classes."""
        of_pyramid, of_top = features
        car = self.car_score(of_pyramid).float().log_softmax(1)
        types = self.type_score(of_top).float().log_softmax(1)
        scores = torch.cat([car[:, :1], car[:, 1:] + types], 1)
        return scores, self.bbox_pred(of_pyramid).repeat(1, self.num_classes)


class ClassAgnosticMaskPredictor(MaskRCNNPredictor):
    """torchvision's mask predictor with one mask for all classes (the background is one of them).

    (He et al. 2017, Table 2b and §4.1: a class-agnostic mask is nearly as good on 80 classes as one for each.)
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
        box_roi_pool: features of regions, for the box head: `MultiScaleRoIAlign` or `DualFeaturePool`.
        box_head: hidden layers.
        box_predictor: class scores and box offsets.
        mask_roi_pool: features of regions, for the mask head; None without one.
        mask_head: convolutions.
        mask_predictor: a mask for each class, before the sigmoid.
    """

    unit_box: Tensor

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
        self.register_buffer("unit_box", torch.tensor([0.0, 0.0, 1.0, 1.0]), persistent=False)

    @property
    def has_masks(self) -> bool:
        """Whether there is a mask head."""
        return self.mask_head is not None

    def losses(
        self,
        features: Mapping[str, Tensor],
        boxes: Tensor,
        valid: Tensor,
        truth: PaddedTargets,
        masks: Sequence[Tensor],
    ) -> tuple[dict[str, Tensor], Tensor, Tensor, Tensor]:
        """Class, box and mask losses of proposals.

        Args:
            features: the maps that regions are pooled from.
            boxes: (B, P, 4) proposals, pixels.
            valid: (B, P) bool: whether the place holds a proposal.
            truth: the labelled cars.
            masks: (N, H, W) of each photo's cars, 0 or 1.

        Returns:
            The losses, the numbers of regions and of regions with a car that they are means over, and the number of
            regions with a car whose class is right.
        """
        cars = [truth.boxes]  # the cars' own boxes are proposals too
        if self.config.gt_box_jitter:
            cars += [jitter_boxes(truth, self.config.gt_box_jitter)]
        boxes = torch.cat([boxes, *cars], 1)
        iou = self.config.box_fg_iou
        car, state = match_boxes(truth, boxes, iou, iou, allow_low_quality=False)
        state = torch.where(torch.cat([valid, *[truth.valid] * len(cars)], 1), state, IGNORE)
        sample = sample_boxes(
            state, truth.seeds, self.config.box_batch_size_per_image, self.config.box_positive_fraction
        )
        boxes, car = sample.gather(boxes), sample.gather(car)
        scores, offsets = self._classify(features, boxes)
        labels = torch.where(sample.positive, truth.labels.gather(1, car), 0).flatten()
        count, positives = sample.valid.sum(), sample.positive.sum()
        losses = {
            "loss_classifier": (class_loss(scores, labels, self.config.label_smoothing) * sample.valid.flatten()).sum()
            / count.clamp(min=1),
            "loss_box_reg": self._box_loss(offsets, boxes, truth, car, labels) / count.clamp(min=1),
        }
        if self.has_masks:
            place = torch.where(labels > 0)[0]
            of_cars, photo = boxes.reshape(-1, 4)[place], image_index(boxes)[place]
            logits = self._mask_logits(features, of_cars, photo)
            targets = mask_targets(masks, of_cars, photo, car.flatten()[place], logits.shape[-1])
            losses["loss_mask"] = mask_loss(logits, labels[place], targets)
        correct = ((scores.argmax(1) == labels) & (labels > 0)).sum()
        return losses, count, positives, correct

    def detect(
        self,
        features: Mapping[str, Tensor],
        boxes: Tensor,
        valid: Tensor,
        image_size: tuple[int, int],
        with_masks: bool = True,
        mirrored: Mapping[str, Tensor] | None = None,
    ) -> list[dict[str, Tensor]]:
        """Detections of each photo.

        Args:
            features: the maps that regions are pooled from.
            boxes: (B, P, 4) proposals, pixels.
            valid: (B, P) bool: whether the place holds a proposal.
            image_size: height and width of the photos, pixels.
            with_masks: whether masks are computed.
            mirrored: the maps of the photos' mirror images: predictions from both are averaged.

        Returns:
            A dict for each photo, highest score first: boxes (D, 4), labels (D,), scores (D,), probabilities (D, types)
            of each body type in the detection's region (the softmax is over the background too, so that they sum to 1
            less its share; the score is that of the label), and, if there is a mask head, masks (D, 1, M, M) of
            probabilities inside each box.
        """
        photos, places, _ = boxes.shape
        scores, found = self._predict_boxes(features, boxes)
        if mirrored is not None:
            width = image_size[1]
            flipped_scores, flipped = self._predict_boxes(mirrored, hflip_boxes(boxes, width))
            scores, found = (scores + flipped_scores) / 2, (found + hflip_boxes(flipped, width)) / 2
        scores = scores[:, 1:] * valid.view(-1, 1)
        types = scores.shape[1]
        found = clip_boxes_to_image(found[:, 1:].reshape(-1, 4), image_size).view(photos, -1, 4)
        score = scores.view(photos, -1)
        usable = (score > self.config.score_threshold) & ((found[..., 2:] - found[..., :2]) >= MIN_SIZE).all(2)
        of_place = torch.arange(1, types + 1, device=boxes.device).repeat(places)
        order = suppress(found, score, usable, of_place, types, self.config.per_class_nms_iou)
        best, there = best_places(order, min(self.config.max_detections, places * types))
        photo, rank = torch.where(there)
        place = best[photo, rank]
        label, region = place % types + 1, photo * places + place // types
        counts = there.sum(1).tolist()
        columns = {
            "boxes": found[photo, place],
            "labels": label,
            "scores": score[photo, place],
            "probabilities": scores[region],
        }
        if self.has_masks and with_masks:
            masks = self._masks(features, columns, photo, region)
            if mirrored is not None:
                mirror_images = columns | {"boxes": hflip_boxes(columns["boxes"], image_size[1])}
                masks = (masks + self._masks(mirrored, mirror_images, photo, region).flip(3)) / 2
            columns["masks"] = masks
        split = {name: values.split(counts) for name, values in columns.items()}
        return [{name: values[i] for name, values in split.items()} for i in range(photos)]

    def _masks(
        self, features: Mapping[str, Tensor], found: Mapping[str, Tensor], photo: Tensor, region: Tensor
    ) -> Tensor:
        """Probabilities (D, 1, M, M) in the boxes of detections, each of a photo (ascending) and of a region."""
        place = torch.arange(len(region), device=region.device)
        if isinstance(self.mask_predictor, ClassAgnosticMaskPredictor):
            # the classes of a region have one box and one mask
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

    def _predict_boxes(self, features: Mapping[str, Tensor], boxes: Tensor) -> tuple[Tensor, Tensor]:
        """(B, P, 4) boxes → (B · P, classes) probabilities, (B · P, classes, 4) boxes by each class's offsets."""
        logits, offsets = self._classify(features, boxes)
        found = self.box_coder.decode_single(offsets, boxes.reshape(-1, 4))
        return logits.softmax(1), found.view(*logits.shape, 4)

    def _box_loss(self, offsets: Tensor, boxes: Tensor, truth: PaddedTargets, car: Tensor, labels: Tensor) -> Tensor:
        positive = labels > 0
        boxes = boxes.reshape(-1, 4)
        cars = truth.boxes.gather(1, car[..., None].expand(-1, -1, 4)).reshape(-1, 4)
        # background has no box to learn: a unit box takes its place, and its loss is not counted
        cars, boxes = (torch.where(positive[:, None], x, self.unit_box) for x in (cars, boxes))
        targets = self.box_coder.encode_single(cars, boxes)
        of_label = offsets.view(len(labels), -1, 4)[torch.arange(len(labels), device=labels.device), labels]
        loss = F.smooth_l1_loss(of_label, targets, beta=SMOOTH_L1_BETA, reduction="none")
        return (loss.sum(1) * positive).sum()

    def _mask_logits(self, features: Mapping[str, Tensor], boxes: Tensor, photo: Tensor) -> Tensor:
        assert self.mask_roi_pool and self.mask_head and self.mask_predictor  # `has_masks`
        return self.mask_predictor(self.mask_head(self.mask_roi_pool(features, boxes, photo))).float()


def image_index(boxes: Tensor) -> Tensor:
    """(B, P, 4) boxes → (B · P,) index of each box's photo."""
    return torch.arange(len(boxes), device=boxes.device).repeat_interleave(boxes.shape[1])


def hflip_boxes(boxes: Tensor, width: int) -> Tensor:
    """Boxes (..., 4) of photos of a width in pixels → where they are in the photos' mirror images."""
    x1, y1, x2, y2 = boxes.unbind(-1)
    return torch.stack([width - x2, y1, width - x1, y2], -1)
