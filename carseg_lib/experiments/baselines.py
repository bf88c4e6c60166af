"""A baseline: torchvision's Mask R-CNN with its reference recipe.

It takes the batches that carseg's models take: the same photos, resized and augmented in the same way. The other
baseline, an image classifier, is `carseg_lib.models.classifier`.
"""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision.models import detection, resnet50
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.models.detection.transform import resize_boxes
from torchvision.ops import FrozenBatchNorm2d

from carseg_lib.core.config import RunConfig
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.dataset import CarDataset, cache_of
from carseg_lib.data.loading import DistributedBatchSampler, balanced_epoch_order, make_loader
from carseg_lib.models.weights import imagenet_state


class TorchvisionMaskRCNN(nn.Module):
    """`torchvision.models.detection.maskrcnn_resnet50_fpn`, called as our model is.

    Args:
        num_classes: body types + 1.
        image_size: height and width of the input, pixels, which is not resized then. None: torchvision's default, 800
            pixels on the shorter side, or 1,333 on the longer one if that is less. The input is normalised already.
        weights: "imagenet" (downloaded), "none" (from scratch, all layers trained), or "shape": an untrained one with
            the layers frozen as they are with ImageNet weights and activations of usual sizes, for measuring speed.
    """

    def __init__(self, num_classes: int, image_size: tuple[int, int] | None, weights: str):
        super().__init__()
        scratch = weights == "none"
        backbone = resnet_fpn_backbone(
            backbone_name="resnet50",
            weights=None,
            norm_layer=nn.BatchNorm2d if scratch else FrozenBatchNorm2d,
            trainable_layers=5 if scratch else 3,
        )
        if weights == "imagenet":
            backbone.body.load_state_dict(_without_classifier(imagenet_state("resnet50")[0]))
        elif weights == "shape":
            backbone.body.load_state_dict(calibrated_random_resnet50())
        sides = {"min_size": min(image_size), "max_size": max(image_size)} if image_size else {}
        self.network = detection.MaskRCNN(backbone, num_classes, image_mean=[0.0] * 3, image_std=[1.0] * 3, **sides)

    def forward(
        self, images: Tensor, targets: list[dict[str, Tensor]] | None = None
    ) -> tuple[dict[str, Tensor], list[dict[str, Tensor]]]:
        """Losses in training mode, detections in evaluation mode; as `carseg_lib.models.mask_rcnn.MaskRCNN.forward`."""
        net = self.network
        if self.training:
            labelled = [{name: t[name] for name in ("boxes", "labels", "masks")} for t in targets or []]
            return net(list(images), labelled), []
        # torchvision's own forward pass, but for the masks, which stay 28 x 28 as carseg's are
        batch, _ = net.transform(list(images))
        features = net.backbone(batch.tensors)
        proposals, _ = net.rpn(batch, features)
        found = net.roi_heads(features, proposals, batch.image_sizes)[0]
        for one, size in zip(found, batch.image_sizes, strict=True):
            one["boxes"] = resize_boxes(one["boxes"], size, tuple(images.shape[-2:]))
        return {}, found

    def predict(self, images: Tensor) -> list[dict[str, Tensor]]:
        """Torchvision's own output: detections with masks of the photo's size."""
        return self.network(list(images))

    def make_optimizer(self, batch_size: int) -> torch.optim.Optimizer:
        """The optimizer of torchvision's reference recipe, its rate scaled to the batch."""
        trained = [p for p in self.parameters() if p.requires_grad]
        # references/detection/train.py: a rate of 0.02 for batches of 16
        return torch.optim.SGD(trained, lr=0.02 / 16 * batch_size, momentum=0.9, weight_decay=1e-4)


def calibrated_random_resnet50() -> dict[str, Tensor]:
    """A random ResNet-50 whose batch statistics fit its activations, as a trained one's do; without its classifier.

    With frozen statistics of mean 0 and variance 1, random activations grow from layer to layer until they overflow:
    no region is proposed then, and a step takes a fraction of its time.
    """
    network = resnet50(weights=None).train()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the mean over what it has seen, not a moving average
    with torch.no_grad():
        network(torch.randn(4, 3, 224, 224, generator=torch.Generator().manual_seed(0)))
    return _without_classifier(network.state_dict())


def _without_classifier(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in state.items() if not name.startswith("fc.")}


def training_photos(config: RunConfig, dataset: Catalogue, caches: Path) -> CarDataset:
    """The training photos as a recipe augments them, each decoded once into the folder `caches`."""
    cache = cache_of(dataset, config.inputs, caches)
    return CarDataset(dataset, "train", config.inputs, config.seed, augment=True, cache=cache)


def epoch_batches(photos: CarDataset, epoch: int, config: RunConfig, class_balance: float) -> DataLoader:
    """The batches of one epoch of training."""
    order = balanced_epoch_order(photos.photos.body_type, epoch, config.seed, class_balance)
    return make_loader(photos, DistributedBatchSampler(order, config.train.batch_size), config.inputs.num_workers)
