"""What a reader would use instead: torchvision's Mask R-CNN with its reference recipe, and an image classifier.

Both take the batches that our model takes, so that the same photos, resized and augmented in the same way, can be given
to all of them.
"""

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.detection import MaskRCNN as TorchvisionMaskRCNN
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.ops import FrozenBatchNorm2d

from carseg_lib.backbones import find_architecture
from carseg_lib.errors import CarsegError
from carseg_lib.weights import IMAGENET_PACKAGES, imagenet_state

# Of torchvision's reference for detection (references/detection/train.py): a rate of 0.02 for batches of 16.
REFERENCE_LR_PER_PHOTO = 0.02 / 16
REFERENCE = {"momentum": 0.9, "weight_decay": 1e-4}


class StockMaskRCNN(nn.Module):
    """`torchvision.models.detection.maskrcnn_resnet50_fpn` as it comes, called as our model is.

    Args:
        num_classes: body types + 1.
        image_size: height and width of what it is given, pixels; it is told not to resize or normalise again.
        weights: "imagenet" (downloaded), "none" (from scratch, all layers trained), or "shape": an untrained one with
            the layers frozen as they are with ImageNet weights, for measuring speed.
    """

    def __init__(self, num_classes: int, image_size: tuple[int, int], weights: str):
        super().__init__()
        scratch = weights == "none"
        backbone = resnet_fpn_backbone(
            backbone_name="resnet50",
            weights=None,
            norm_layer=nn.BatchNorm2d if scratch else FrozenBatchNorm2d,
            trainable_layers=5 if scratch else 3,
        )
        if weights == "imagenet":
            state, _ = imagenet_state("resnet50")
            state = {name: tensor for name, tensor in state.items() if not name.startswith("fc.")}
            backbone.body.load_state_dict(state)
        self.network = TorchvisionMaskRCNN(
            backbone,
            num_classes,
            min_size=min(image_size),
            max_size=max(image_size),
            image_mean=[0.0] * 3,
            image_std=[1.0] * 3,
        )

    def forward(
        self, images: Tensor, targets: list[dict[str, Tensor]] | None = None
    ) -> tuple[dict[str, Tensor], list[dict[str, Tensor]]]:
        """Losses in training mode, detections in evaluation mode; as `carseg_lib.model.MaskRCNN.forward`."""
        net = self.network
        if self.training:
            return net(list(images), [{k: t[k] for k in ("boxes", "labels", "masks")} for t in targets]), []
        # torchvision's own forward pass, but for the masks, which stay 28 x 28 as ours are
        batch, _ = net.transform(list(images))
        features = net.backbone(batch.tensors)
        proposals, _ = net.rpn(batch, features)
        return {}, net.roi_heads(features, proposals, batch.image_sizes)[0]

    def predict(self, images: Tensor) -> list[dict[str, Tensor]]:
        """What torchvision gives its users: detections with masks of the photo's size."""
        return self.network(list(images))

    def make_optimizer(self, batch_size: int) -> torch.optim.Optimizer:
        """Of torchvision's reference recipe, its rate scaled to the batch."""
        trained = [p for p in self.parameters() if p.requires_grad]
        return torch.optim.SGD(trained, lr=REFERENCE_LR_PER_PHOTO * batch_size, **REFERENCE)


class Classifier(nn.Module):
    """A plain softmax classifier of photos, which the paper's text may have meant.

    Args:
        backbone: a name of `BACKBONES` from timm.
        num_types: body types; there is no background.
        weights: "imagenet" or "none".

    Raises:
        CarsegError: the backbone's ImageNet weights do not come as a package.
    """

    def __init__(self, backbone: str, num_types: int, weights: str):
        super().__init__()
        name = find_architecture(backbone).name
        self.network = timm.create_model(name, pretrained=False)
        if weights == "imagenet":
            if backbone not in IMAGENET_PACKAGES:
                raise CarsegError(
                    f"the classifier's backbone must be one of {', '.join(IMAGENET_PACKAGES)}, not {backbone}"
                )
            self.network.load_state_dict(imagenet_state(backbone)[0])
        self.network.reset_classifier(num_types)

    def forward(self, images: Tensor, types: Tensor | None = None) -> Tensor:
        """The loss of a batch if its types (B,), 0..C-1, are given; else class scores (B, C) before softmax."""
        scores = self.network(images)
        return scores if types is None else F.cross_entropy(scores, types)
