"""Mask R-CNN for body types, with the paper's four parts visible (§IV): features, proposals, boxes and classes, masks.

The parts are torchvision's, under torchvision's state-dict names, so that its COCO weights load. Differences from
`torchvision.models.detection.MaskRCNN`: photos are resized and normalised beforehand, random sampling is seeded per
photo, all photos of a batch are computed together, and one forward pass can give both losses and detections.
"""

from collections import OrderedDict
from collections.abc import Mapping

import pandas as pd
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.rpn import AnchorGenerator, RPNHead

from carseg_lib.core.config import ModelConfig
from carseg_lib.models.backbones import PyramidBackbone, freeze_depthwise, freeze_stages
from carseg_lib.models.matching import PaddedTargets
from carseg_lib.models.precision import autocast
from carseg_lib.models.roi_align import MultiScaleRoIAlign
from carseg_lib.models.roi_heads import (
    LAST_FEATURE,
    ClassAgnosticMaskPredictor,
    DualBoxHead,
    DualFeaturePool,
    ObjectnessClassPredictor,
    RoIHeads,
)
from carseg_lib.models.rpn import AnchorScores, RegionProposalNetwork

# The five terms of Mask R-CNN's loss (He et al. 2017, §3; Ren et al. 2015, eq. 1), by what each is a mean over.
LOSS_TERMS = {
    "loss_objectness": "anchors",
    "loss_rpn_box_reg": "anchors",
    "loss_classifier": "regions",
    "loss_box_reg": "regions",
    "loss_mask": "positives",
}


class MaskRCNN(nn.Module):
    """Mask R-CNN on any backbone; the module's docstring lists the differences from torchvision's.

    Args:
        backbone: the feature extractor with its pyramid.
        num_classes: body types + 1 for the background, which is class 0.
        config: sampling, proposals, heads, thresholds and number format.
        with_masks: whether there is a mask branch and a mask loss.
        tta: test-time augmentation, "none" or "hflip" (a photo and its mirror image, averaged, at twice the cost).
    """

    def __init__(
        self, backbone: PyramidBackbone, num_classes: int, config: ModelConfig, with_masks: bool, tta: str = "none"
    ):
        super().__init__()
        self.config, self.tta = config, tta
        self.backbone = backbone
        channels, strides = backbone.out_channels, backbone.strides
        # torchvision has one anchor size a level, 8 x stride. With three levels, two sizes a level cover 32 to 181 px.
        five_levels = strides[0] == 4
        anchor_sizes = tuple((8 * s,) if five_levels else (4 * s, int(4 * s * 2**0.5)) for s in strides)
        anchors = AnchorGenerator(anchor_sizes, ((0.5, 1.0, 2.0),) * len(strides))
        self.rpn = RegionProposalNetwork(anchors, RPNHead(channels, anchors.num_anchors_per_location()[0]), config)
        # torchvision pools a region of 224 px from stride 16. With three levels, one of 96 px is: a car that fills half
        # the photo is classified by features of stride 16 or 32, the more abstract ones. Masks need the finer level.
        levels = [stride for stride in strides if stride <= 32]
        pyramid_pool = MultiScaleRoIAlign(levels, output_size=7, canonical_scale=224 if five_levels else 96)
        box_pool: nn.Module = pyramid_pool
        box_head: nn.Module = TwoMLPHead(channels * 7 * 7, config.box_head_dim)
        box_predictor: nn.Module = FastRCNNPredictor(config.box_head_dim, num_classes)
        if backbone.top is not None:
            box_pool, box_head = DualFeaturePool(pyramid_pool, levels[-1]), DualBoxHead(box_head)
            box_predictor = ObjectnessClassPredictor(config.box_head_dim, backbone.top_channels, num_classes)
        mask_parts: dict[str, nn.Module] = {}
        if with_masks:
            mask_head = (config.mask_head_channels,) * config.mask_head_layers
            mask_parts = {
                "mask_roi_pool": MultiScaleRoIAlign(levels, output_size=14, canonical_scale=224),
                "mask_head": MaskRCNNHeads(channels, mask_head, dilation=1),
                "mask_predictor": MaskRCNNPredictor(mask_head[-1], mask_head[-1], num_classes),
            }
            if backbone.top is not None:
                mask_parts["mask_predictor"] = ClassAgnosticMaskPredictor(mask_head[-1], num_classes)
        self.roi_heads = RoIHeads(config, box_pool, box_head, box_predictor, **mask_parts)
        self._counts: dict[str, Tensor] = {}
        self._correct = torch.zeros(())
        self.new_tensors: frozenset[str] = frozenset()  # of `pretrained_modules`: ImageNet's weights fit all of them

    def forward(
        self, images: Tensor, targets: list[dict[str, Tensor]] | None = None, with_masks: bool = True
    ) -> tuple[dict[str, Tensor], list[dict[str, Tensor]]]:
        """Losses, detections, or both, from one pass through the backbone.

        Args:
            images: (B, 3, H, W) float, normalised.
            targets: a dict for each photo: boxes (N, 4) float pixels of the network's input, labels (N,) int64 1..C,
                masks (N, H, W) uint8, seed: an int for the photo's random sampling. Needed for losses. They may stay on
                the CPU: a batch's go to the photos' device together.
            with_masks: whether the detections' masks are computed; a predicted class does not need them.

        Returns:
            In training mode (losses, []); in evaluation mode (losses if there are targets, else {}, detections): for
            each photo a dict of boxes (D, 4), labels (D,), scores (D,), probabilities (D, types) of the body types,
            masks (D, 1, 28, 28) of probabilities inside each box.
        """
        with autocast(self.config.precision, images.device):
            pyramid, features = self._features(images)
            scored = self.rpn(pyramid, images)
            losses = {} if targets is None else self._losses(features, scored, targets)
            if self.training:
                return losses, []
            boxes, valid = self.rpn.generate_proposals(scored, self.config.rpn_post_nms_top_n)
            mirrored = self._features(images.flip(3))[1] if self.tta == "hflip" else None
            found = self.roi_heads.detect(features, boxes, valid, scored.image_size, with_masks, mirrored)
        return losses, found

    def _features(self, images: Tensor) -> tuple[Mapping[str, Tensor], Mapping[str, Tensor]]:
        """The pyramid's maps, and those that regions are pooled from: the backbone's last layer may be one of them."""
        pyramid, top = self.backbone(images)
        return pyramid, pyramid if top is None else OrderedDict(pyramid, **{LAST_FEATURE: top})

    def _losses(
        self, features: Mapping[str, Tensor], scored: AnchorScores, targets: list[dict[str, Tensor]]
    ) -> dict[str, Tensor]:
        truth = PaddedTargets.of(targets, scored.objectness.device)
        of_proposals, anchors = self.rpn.losses(scored, truth)
        # twice as many as in evaluation, as in torchvision
        boxes, valid = self.rpn.generate_proposals(scored, 2 * self.config.rpn_post_nms_top_n)
        masks = [target["masks"] for target in targets]
        of_heads, regions, positives, self._correct = self.roi_heads.losses(features, boxes, valid, truth, masks)
        self._counts = {"anchors": anchors, "regions": regions, "positives": positives}
        return of_proposals | of_heads

    def loss_counts(self) -> dict[str, Tensor]:
        """The numbers that the losses of the last pass were means over (see `LOSS_TERMS`), on the model's device."""
        return self._counts

    def class_counts(self) -> tuple[Tensor, Tensor]:
        """Regions with a car, of the last pass with targets, whose class was right, and all of them.

        (Detectron2 logs their share as `fast_rcnn/fg_cls_accuracy`.)
        """
        return self._correct, self._counts["positives"]

    def pretrained_modules(self) -> list[nn.Module]:
        """The modules that ImageNet weights exist for."""
        return self.backbone.backbone_modules()

    def body_parameters(self) -> list[nn.Parameter]:
        """The parameters of the backbone."""
        return [parameter for module in self.pretrained_modules() for parameter in module.parameters()]


def build_model(config: ModelConfig, num_classes: int, with_masks: bool, tta: str = "none") -> MaskRCNN:
    """Builds Mask R-CNN of body types + 1 classes, without weights (see `carseg_lib.models.weights.load_weights`).

    The arguments are those of `MaskRCNN`.
    """
    # Frozen statistics need statistics to freeze: from scratch, batch normalisation is trained.
    pretrained = config.weights != "none"
    backbone = PyramidBackbone(
        config.backbone,
        config.fpn_out_channels,
        config.fpn_min_stride,
        freeze_norm=pretrained,
        with_top=config.class_features == "backbone",
    )
    if pretrained:  # frozen random layers would be useless
        freeze_stages(backbone.body, config.backbone, config.frozen_stages)
    if pretrained and config.freeze_depthwise:
        for part in backbone.backbone_modules():
            freeze_depthwise(part)
    return MaskRCNN(backbone, num_classes, config, with_masks, tta)


def summarize(model: MaskRCNN, image_size: tuple[int, int]) -> pd.DataFrame:
    """Parameters and FLOPs of each part, for one photo in evaluation mode, of that height and width.

    Returns:
        A row for each part and one for the sum: parameters, trainable (counts), gflop (10^9 floating-point operations;
        a multiply-add counts as two, as in `torch.utils.flop_counter`).
    """
    parts = {
        "feature extraction: backbone": model.backbone.backbone_modules(),
        "feature extraction: pyramid": [model.backbone.fpn],
        "region proposals": [model.rpn],
        "box and class head": [model.roi_heads.box_head, model.roi_heads.box_predictor],
    }
    if model.roi_heads.has_masks:
        parts["mask head"] = [model.roi_heads.mask_head, model.roi_heads.mask_predictor]
    names = {module: name for name, module in model.named_modules()}
    was_training = model.training
    device = next(model.parameters()).device
    model.eval()
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 3, *image_size, device=device))
    model.train(was_training)
    by_module = {name: sum(ops.values()) for name, ops in counter.get_flop_counts().items()}
    rows = {}
    for part, modules in parts.items():
        parameters = [p for module in modules for p in module.parameters()]
        rows[part] = {
            "parameters": sum(p.numel() for p in parameters),
            "trainable": sum(p.numel() for p in parameters if p.requires_grad),
            "gflop": sum(by_module.get(f"MaskRCNN.{names[m]}", 0) for m in modules) / 1e9,
        }
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("part")
    table.loc["all"] = table.sum()
    return table.astype({"parameters": int, "trainable": int})
