"""An image classifier: one reading of the paper's text, and a baseline.

"The cross entropy loss was used as the surrogate soft max classifier in a newly added layer", and "the number of
accurate validation predictions is determined" (§V) describe a pre-trained network whose last layer is replaced, without
boxes and masks. It is called as Mask R-CNN is, so that the same engine trains it: its detection is the whole photo.
"""

from __future__ import annotations

from typing import Any

import timm
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from carseg_lib.core.config import ModelConfig
from carseg_lib.models.backbones import input_normalization, resolve_backbone
from carseg_lib.models.precision import autocast, keep_depthwise_fp32


class ImageClassifier(nn.Module):
    """A softmax classifier of whole photos on any backbone, with Mask R-CNN's interface.

    With `config.trainable = "new_layers"` its last layer alone is trained: the others, their batch normalisation with
    them, stay as the initial weights have them.

    Args:
        num_classes: body types + 1, as for Mask R-CNN; the classifier itself has no background.
        config: backbone, initial weights, what is trained, label smoothing and number format.
        tta: test-time augmentation, "none" or "hflip" (a photo and its mirror image, averaged).
    """

    input_scale: Tensor | None
    input_shift: Tensor | None

    def __init__(self, num_classes: int, config: ModelConfig, tta: str = "none"):
        super().__init__()
        self.config, self.tta = config, tta
        self.network, head = _network(config.backbone, num_classes - 1)
        new = {id(parameter) for parameter in head.parameters()}
        # by their names in `network`: ImageNet's weights have them for other classes
        self.new_tensors = frozenset(name for name, p in self.network.named_parameters() if id(p) in new)
        scale, shift = input_normalization(config.backbone) or (None, None)
        self.register_buffer("input_scale", scale, persistent=False)
        self.register_buffer("input_shift", shift, persistent=False)
        keep_depthwise_fp32(self.network)
        self.frozen = config.trainable == "new_layers"
        if self.frozen:
            for name, parameter in self.network.named_parameters():
                parameter.requires_grad_(name in self.new_tensors)
        self._counts = {"anchors": 0, "regions": 0, "positives": 0}
        self._correct = torch.zeros(())

    def train(self, mode: bool = True) -> ImageClassifier:
        """Training or evaluation mode; a frozen body stays in evaluation mode."""
        super().train(mode)
        if self.frozen:
            for module in self.network.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def forward(
        self, images: Tensor, targets: list[dict[str, Tensor]] | None = None, with_masks: bool = True
    ) -> tuple[dict[str, Tensor], list[dict[str, Tensor]]]:
        """The loss, the classes, or both; as `carseg_lib.models.mask_rcnn.MaskRCNN.forward`.

        Args:
            images: (B, 3, H, W) float, normalised.
            targets: a dict for each photo, of which class_id, 1..C, is used.
            with_masks: of no effect: there are none.

        Returns:
            In training mode (loss, []); in evaluation mode (loss if there are targets, else {}, detections): for each
            photo one box, the whole photo (1, 4), its class (1,) and the class's probability (1,).
        """
        with autocast(self.config.precision, images.device):
            logits = self._logits(images)
        losses = {} if targets is None else self._loss(logits, targets)
        if self.training:
            return losses, []
        likely = logits.softmax(1)
        if self.tta == "hflip":
            with autocast(self.config.precision, images.device):
                likely = (likely + self._logits(images.flip(3)).softmax(1)) / 2
        score, label = likely.max(1)
        frame = images.new_tensor([[0.0, 0.0, images.shape[3], images.shape[2]]])
        return losses, [
            {"boxes": frame, "labels": label[i, None] + 1, "scores": score[i, None]} for i in range(len(images))
        ]

    def loss_counts(self) -> dict[str, int]:
        """What the loss of the last pass was a mean over: photos, each one region."""
        return self._counts

    def class_counts(self) -> tuple[Tensor, Tensor]:
        """Photos of the last pass with targets whose class was right, and all of them."""
        return self._correct, torch.tensor(self._counts["regions"])

    def pretrained_modules(self) -> list[nn.Module]:
        """The modules that ImageNet weights exist for; their last layer is another."""
        return [self.network]

    def body_parameters(self) -> list[nn.Parameter]:
        """All parameters but those of the new layer."""
        return [p for name, p in self.network.named_parameters() if name not in self.new_tensors]

    def _logits(self, images: Tensor) -> Tensor:
        if self.input_scale is not None and self.input_shift is not None:
            images = images * self.input_scale + self.input_shift
        return self.network(images).float()

    def _loss(self, logits: Tensor, targets: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        labels = torch.tensor([int(target["class_id"]) for target in targets], device=logits.device) - 1
        self._counts = {"anchors": 0, "regions": len(labels), "positives": 0}
        self._correct = (logits.argmax(1) == labels).sum()
        return {"loss_classifier": F.cross_entropy(logits, labels, label_smoothing=self.config.label_smoothing)}


def _network(backbone: str, num_types: int) -> tuple[Any, nn.Module]:
    """A network of random weights with a new last layer, and that layer."""
    architecture = resolve_backbone(backbone)
    if architecture.library == "timm":
        network: Any = timm.create_model(architecture.name, pretrained=False)
        network.reset_classifier(num_types)
        return network, network.get_classifier()
    options: dict[str, Any] = {"weights": None}
    if architecture.name == "googlenet":
        options |= {"aux_logits": False, "transform_input": False, "init_weights": False}
    network = torchvision.models.get_model(architecture.name, **options)
    network.fc = nn.Linear(network.fc.in_features, num_types)
    return network, network.fc
