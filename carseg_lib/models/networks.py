"""The networks that the engine trains, by the setting `model.architecture`."""

from __future__ import annotations

from typing import TypeAlias

from carseg_lib.core.config import ModelConfig
from carseg_lib.models.classifier import ImageClassifier
from carseg_lib.models.mask_rcnn import MaskRCNN, build_model

Network: TypeAlias = MaskRCNN | ImageClassifier


def learns_background(config: ModelConfig) -> bool:
    """Whether a network learns from photos without a car: an image classifier has no class for them."""
    return config.architecture != "classifier"


def build_network(config: ModelConfig, num_classes: int, with_masks: bool, tta: str = "none") -> Network:
    """Builds a network without weights; see `carseg_lib.models.weights.load_weights`.

    Args:
        config: architecture, backbone and the rest.
        num_classes: body types + 1 for the background.
        with_masks: whether a Mask R-CNN has a mask branch.
        tta: test-time augmentation, "none" or "hflip".
    """
    if config.architecture == "classifier":
        return ImageClassifier(num_classes, config, tta)
    return build_model(config, num_classes, with_masks, tta)
