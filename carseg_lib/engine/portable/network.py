"""The trained model for one photo, from its pixels to its detections, in operations that ONNX has.

The layers are the model's own. What stands between them is written for one photo and fixed numbers of regions: a place
that holds no region is marked, where the model takes it out. Only the last step, which gives the detections, depends on
how many there are. So the graph has no loop over photos and no branch, and any runtime of ONNX can run it.

Resizing is inside: bilinear with antialiasing, as training resizes, as products with two matrices (`resize_weights`).
So is the second look: each detection's region is cut out of the photo, resized, and shown to the untouched ImageNet
classifier (`carseg_lib.engine.second_look`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.ops import box_iou, clip_boxes_to_image

from carseg_lib.core.constants import IMAGENET_MEAN, IMAGENET_STD
from carseg_lib.engine.features import SIZE
from carseg_lib.engine.likeness import MARGIN
from carseg_lib.engine.second_opinion import FLOOR, SecondOpinion
from carseg_lib.models.mask_rcnn import MaskRCNN
from carseg_lib.models.roi_align import MultiScaleRoIAlign
from carseg_lib.models.roi_heads import LAST_FEATURE, MIN_SIZE, DualFeaturePool, hflip_boxes
from carseg_lib.models.rpn import MIN_SIZE as PROPOSAL_MIN_SIZE

OUTPUTS = ("boxes", "labels", "scores", "probabilities", "masks", "car_scores")


class PortableDetector(nn.Module):
    """A photo → its detections, highest score first.

    Args:
        model: the trained network, with a mask branch, in evaluation mode and float32.
        size: height and width of the network's input, pixels.
        classifier: the untouched ImageNet network, crops (B, 3, H, W) → logits (B, 1000).
        classes: of the object, for the second look; none: the detector decides alone.
        opinion: of the second look on the type, if it has one.

    Raises:
        ValueError: the model has no mask branch.
    """

    anchors: Tensor
    pixel_mean: Tensor
    pixel_std: Tensor
    opinion_weights: Tensor
    opinion_biases: Tensor

    def __init__(
        self,
        model: MaskRCNN,
        size: tuple[int, int],
        classifier: nn.Module,
        classes: Sequence[int],
        opinion: SecondOpinion | None = None,
    ):
        super().__init__()
        if not model.roi_heads.has_masks:
            raise ValueError("the model has no mask branch")
        self.model, self.size = model, size
        self.classifier, self.classes = classifier, list(classes)
        strides = model.backbone.strides
        maps = [[-(-side // stride) for side in size] for stride in strides]
        steps = [[torch.tensor(stride)] * 2 for stride in strides]
        cells = model.rpn.anchor_generator.grid_anchors(maps, steps)
        self.register_buffer("anchors", torch.cat(cells))
        self.register_buffer("pixel_mean", torch.tensor(IMAGENET_MEAN).view(3, 1, 1) * 255)
        self.register_buffer("pixel_std", torch.tensor(IMAGENET_STD).view(3, 1, 1) * 255)
        self.per_level = [len(cell) for cell in cells]
        self.power = opinion.power if opinion else 0.0
        if opinion:
            self.register_buffer("opinion_weights", torch.tensor(opinion.weights, dtype=torch.float32))
            self.register_buffer("opinion_biases", torch.tensor(opinion.biases, dtype=torch.float32))

    def forward(self, photo: Tensor) -> tuple[Tensor, ...]:
        """Find the cars of a photo.

        Args:
            photo: (h, w, 3) uint8, upright RGB. A large one should be shrunk first, to a longer side of twice that of
                the network's input, as training has its photos.

        Returns:
            As `OUTPUTS`: boxes (D, 4) in pixels of the photo, labels (D,) int64 from 1, scores (D,), probabilities
            (D, types), masks (D, M, M) of probabilities inside each box, and car_scores (D,): the probability that it
            is no background times the likeness of its region.
        """
        planes = photo.permute(2, 0, 1).float()
        height, width = planes.shape[1], planes.shape[2]
        rows, columns = (torch.stack([torch.zeros(()), length(side)])[None] for side in (height, width))
        found = self._detect(self._prepared(planes, rows, columns, self.size))
        sides = torch.stack([columns[0, 1], rows[0, 1]] * 2)
        boxes = found["boxes"] * (sides / sides.new_tensor([self.size[1], self.size[0]] * 2))
        kept = torch.nonzero(found["valid"]).flatten()
        labels, scores, likely = found["labels"][kept], found["scores"][kept], found["probabilities"][kept]
        car_scores = likely.sum(1).clamp(max=1)
        if self.classes:
            # one region more, so that the classifier is never asked about none
            looked_at = boxes[torch.cat([kept.new_zeros(1), kept])]
            said = self._said(planes, looked_at, height, width)[1:]
            car_scores = car_scores * said.sum(1).clamp(0, 1)
            if self.power:
                likely = self._together(likely, said)
                scores, labels = likely.max(1).values, likely.argmax(1) + 1
        return boxes[kept], labels, scores, likely, found["masks"][kept], car_scores

    def _prepared(self, planes: Tensor, rows: Tensor, columns: Tensor, size: tuple[int, int]) -> Tensor:
        """Parts of a photo (3, h, w), 0..255, by their edges (N, 2) in each direction → (N, 3, *size), normalised."""
        down = resize_weights(rows, planes.shape[1], size[0])
        across = resize_weights(columns, planes.shape[2], size[1])
        # whole numbers after either direction, as in training, where photos are resized as bytes
        narrow = (planes @ across.transpose(1, 2)[:, None]).round()
        return ((down[:, None] @ narrow).round() - self.pixel_mean) / self.pixel_std

    def _detect(self, image: Tensor) -> dict[str, Tensor]:
        model, config = self.model, self.model.config
        features = self._features(image)
        boxes, valid = self._proposals(features, image)
        scores, found = self._predict(features, boxes)
        mirrored = None
        if model.tta == "hflip":
            mirrored = self._features(image.flip(3))
            of_mirror = self._predict(mirrored, hflip_boxes(boxes, self.size[1]))
            scores = (scores + of_mirror[0]) / 2
            found = (found + hflip_boxes(of_mirror[1], self.size[1])) / 2
        scores = scores[:, 1:] * valid[:, None]
        types = scores.shape[1]
        found = clip_boxes_to_image(found[:, 1:].reshape(-1, 4), self.size)
        region = torch.arange(len(boxes)).repeat_interleave(types)
        label = torch.arange(1, types + 1).repeat(len(boxes))
        usable = (scores.flatten() > config.score_threshold) & is_wide(found, MIN_SIZE)
        order, kept = suppress(found, scores.flatten(), usable, label, config.per_class_nms_iou)
        # the best of each type, then of overlapping ones the best whatever their types
        first = first_places(kept, min(config.max_detections, len(order)))
        order, kept = order[first], kept[first]
        score = scores.flatten()[order]
        usable = kept & (score >= config.score_threshold)
        again, kept = suppress(found[order], score, usable, torch.zeros_like(order), config.class_agnostic_nms_iou)
        order = order[again]
        masks = self._masks(features, found[order], label[order])
        if mirrored is not None:
            masks = (masks + self._masks(mirrored, hflip_boxes(found[order], self.size[1]), label[order]).flip(2)) / 2
        return {
            "boxes": found[order],
            "labels": label[order],
            "scores": score[again],
            "probabilities": scores[region[order]],
            "masks": masks,
            "valid": kept,
        }

    def _features(self, image: Tensor) -> dict[str, Tensor]:
        pyramid, top = self.model.backbone(image)
        return dict(pyramid) if top is None else {**pyramid, LAST_FEATURE: top}

    def _proposals(self, features: Mapping[str, Tensor], image: Tensor) -> tuple[Tensor, Tensor]:
        """The places (P, 4) of the best regions, pixels, and which of them hold one (P,)."""
        rpn, top_n = self.model.rpn, self.model.config.rpn_post_nms_top_n
        maps = [of_level for name, of_level in features.items() if name != LAST_FEATURE]
        objectness, offsets = rpn.head(maps)
        scores = torch.cat([level.permute(0, 2, 3, 1).reshape(-1) for level in objectness])
        moves = torch.cat([_by_anchor(level) for level in offsets])
        best, level_of = [], []
        first = 0
        for level, anchors in enumerate(self.per_level):
            n = min(top_n, anchors)
            best.append(scores[first : first + anchors].topk(n).indices + first)
            level_of.append(torch.full((n,), level))
            first += anchors
        index = torch.cat(best)
        boxes = rpn.box_coder.decode_single(moves[index], self.anchors[index])
        boxes = clip_boxes_to_image(boxes, self.size)
        usable = is_wide(boxes, PROPOSAL_MIN_SIZE)
        order, kept = suppress(boxes, scores[index], usable, torch.cat(level_of), self.model.config.rpn_nms_iou)
        places = first_places(kept, min(top_n, len(order)))
        return boxes[order[places]] * kept[places][:, None], kept[places]

    def _predict(self, features: Mapping[str, Tensor], boxes: Tensor) -> tuple[Tensor, Tensor]:
        """(P, 4) boxes → (P, classes) probabilities and (P, classes, 4) boxes by each class's offsets."""
        heads = self.model.roi_heads
        pool: Any = heads.box_roi_pool
        pooled: Any
        if isinstance(pool, DualFeaturePool):
            top = {LAST_FEATURE: features[LAST_FEATURE]}
            pooled = align(pool.pyramid, features, boxes), align(pool.top, top, boxes)
        else:
            pooled = align(pool, features, boxes)
        logits, offsets = heads.box_predictor(heads.box_head(pooled))
        found = heads.box_coder.decode_single(offsets, boxes)
        return logits.softmax(1), found.view(len(boxes), -1, 4)

    def _masks(self, features: Mapping[str, Tensor], boxes: Tensor, labels: Tensor) -> Tensor:
        """Probabilities (D, M, M) in boxes (D, 4)."""
        heads: Any = self.model.roi_heads
        logits = heads.mask_predictor(heads.mask_head(align(heads.mask_roi_pool, features, boxes)))
        return logits[torch.arange(len(labels)), labels].sigmoid()

    def _together(self, likely: Tensor, said: Tensor) -> Tensor:
        """Both networks' probabilities of the types (D, types), see `second_opinion.SecondOpinion`."""
        logits = said.clamp(min=FLOOR).log() @ self.opinion_weights + self.opinion_biases
        both = likely * (logits.log_softmax(1) * self.power).exp()
        return both * (likely.sum(1, keepdim=True) / both.sum(1, keepdim=True).clamp(min=torch.finfo().tiny))

    def _said(self, planes: Tensor, boxes: Tensor, height: int, width: int) -> Tensor:
        """Of each region (D, 4) the probabilities of the object's classes; the crop is that of `likeness.crop_box`."""
        sides = boxes[:, 2:] - boxes[:, :2]
        low, high = (boxes[:, :2] - MARGIN * sides).trunc(), (boxes[:, 2:] + MARGIN * sides).ceil()
        edges = []
        for axis, size in ((1, height), (0, width)):
            most = length(size)
            start = low[:, axis].clamp(min=0).minimum(most - 1)
            edges.append(torch.stack([start, high[:, axis].minimum(most).maximum(start + 1)], 1))
        crops = self._prepared(planes, edges[0], edges[1], SIZE)
        return self.classifier(crops).softmax(1)[:, self.classes]


def length(cells: int) -> Tensor:
    """A number of pixels as a tensor; counted, as the graph would take a number for that of its example."""
    return torch.arange(cells).float()[-1] + 1


def resize_weights(edges: Tensor, cells: int, size: int) -> Tensor:
    """The weight of each pixel in each pixel of a resized photo, along one axis: bilinear with antialiasing.

    As Pillow and torch resize: a triangle about each new pixel's centre, as wide as two new pixels where the photo
    shrinks, two old ones where it grows, over the pixels of the part alone.

    Args:
        edges: (N, 2) first pixel and end of each part, whole numbers.
        cells: pixels of the photo.
        size: pixels of the resized part.

    Returns:
        (N, size, cells), rows summing to 1.
    """
    start, end = edges[:, 0, None], edges[:, 1, None]
    scale = (end - start) / size
    centre = start + (torch.arange(size).float() + 0.5) * scale
    pixel = torch.arange(cells).float()
    reach = scale.clamp(min=1)[..., None]
    weights = (1 - (pixel + 0.5 - centre[..., None]).abs() / reach).clamp(min=0)
    inside = (pixel >= start) & (pixel < end)
    weights = weights * inside[:, None]
    return weights / weights.sum(2, keepdim=True)


def is_wide(boxes: Tensor, least: float) -> Tensor:
    """Whether each box (N, 4) has sides of so many pixels at least."""
    return ((boxes[:, 2:] - boxes[:, :2]) >= least).all(1)


def suppress(boxes: Tensor, scores: Tensor, usable: Tensor, group: Tensor, iou: float) -> tuple[Tensor, Tensor]:
    """Non-maximum suppression within groups, for a fixed number of boxes.

    Args:
        boxes: (N, 4) pixels.
        scores: (N,).
        usable: (N,) bool: the others are never kept and suppress none.
        group: (N,) int.
        iou: above which the box of the lower score is suppressed.

    Returns:
        (N,) indices of the boxes, usable ones first, highest score first; and whether each of them is kept.
    """
    order = torch.where(usable, scores, torch.full_like(scores, -torch.inf)).topk(len(scores)).indices
    boxes, group, kept = boxes[order], group[order], usable[order]
    clash = (box_iou(boxes, boxes) > iou) & (group[:, None] == group)
    place = torch.arange(len(order))
    clash = clash & (place[:, None] < place)  # the first of two may suppress the second
    alive = kept
    for i in range(len(order)):
        alive = alive & ~(clash[i] & alive[i])
    return order, alive


def first_places(kept: Tensor, n: int) -> Tensor:
    """(N,) bool → (n,) places: those that are kept come first, in order."""
    place = torch.arange(len(kept))
    return torch.where(kept, place, place + len(kept)).topk(n, largest=False).indices


def align(pool: MultiScaleRoIAlign, features: Mapping[str, Tensor], boxes: Tensor) -> Tensor:
    """What a pool gives for regions (R, 4) of one photo, (R, C, P, P): on every level, of which each takes its own."""
    maps = list(features.values())[: len(pool.strides)]
    found = [_on_level(pool, of_level[0], boxes / stride) for of_level, stride in zip(maps, pool.strides, strict=True)]
    if len(found) == 1:
        return found[0]
    level = pool.level_of([boxes])[:, None, None, None]
    chosen = found[0]
    for k, values in enumerate(found[1:], start=1):
        chosen = torch.where(level == k, values, chosen)
    return chosen


def _on_level(pool: MultiScaleRoIAlign, map_: Tensor, boxes: Tensor) -> Tensor:
    height, width = map_.shape[1:]
    rows = pool.weigh(boxes[:, 1], boxes[:, 3], pool.bins, height)
    columns = pool.weigh(boxes[:, 0], boxes[:, 2], pool.bins, width)
    return rows[:, None] @ map_ @ columns.transpose(1, 2)[:, None]


def _by_anchor(offsets: Tensor) -> Tensor:
    """One level's offsets (1, 4A, H, W) → (H · W · A, 4), in the order of the anchors."""
    anchors = offsets.shape[1] // 4
    _, _, height, width = offsets.shape
    return offsets.view(anchors, 4, height, width).permute(2, 3, 0, 1).reshape(-1, 4)
