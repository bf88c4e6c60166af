"""Baselines: torchvision's Mask R-CNN with its reference recipe, and an image classifier.

Both take the batches that carseg's model takes: the same photos, resized and augmented in the same way.
"""

from pathlib import Path
from typing import Any, cast

import pandas as pd
import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torchvision.models import detection, resnet50
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.models.detection.transform import resize_boxes
from torchvision.ops import FrozenBatchNorm2d

from carseg_lib.core.config import RunConfig
from carseg_lib.core.errors import CarsegError
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.dataset import CarDataset, cache_of
from carseg_lib.data.loading import DistributedBatchSampler, balanced_epoch_order, make_loader
from carseg_lib.engine.device import choose_device, seed_everything
from carseg_lib.engine.optim import learning_rate
from carseg_lib.evaluation.tables import PREDICTIONS, probability_columns
from carseg_lib.models.backbones import resolve_backbone
from carseg_lib.models.precision import FLOAT32, autocast, keep_depthwise_fp32
from carseg_lib.models.weights import IMAGENET_PACKAGES, imagenet_state


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


class Classifier(nn.Module):
    """A softmax classifier of photos, one reading of the paper's text.

    Args:
        backbone: a name of `BACKBONES` from timm.
        num_types: body types; there is no background.
        weights: "imagenet" or "none".
        precision: as for our model.

    Raises:
        CarsegError: the backbone's ImageNet weights do not come as a package.
    """

    def __init__(self, backbone: str, num_types: int, weights: str, precision: str = FLOAT32):
        super().__init__()
        name = resolve_backbone(backbone).name
        self.network = cast(Any, timm.create_model(name, pretrained=False))
        if weights == "imagenet":
            if backbone not in IMAGENET_PACKAGES:
                known = ", ".join(IMAGENET_PACKAGES)
                raise CarsegError(f"the classifier's backbone must be one of {known}, not {backbone}")
            self.network.load_state_dict(imagenet_state(backbone)[0])
        self.network.reset_classifier(num_types)
        keep_depthwise_fp32(self.network)
        self.precision = precision

    def forward(self, images: Tensor, types: Tensor | None = None, smoothing: float = 0.0) -> Tensor:
        """The loss of a batch if its types (B,), 0..C-1, are given; else class scores (B, C) before softmax."""
        with autocast(self.precision, images.device):
            scores = self.network(images).float()
        return scores if types is None else F.cross_entropy(scores, types, label_smoothing=smoothing)


def training_photos(config: RunConfig, dataset: Catalogue, caches: Path) -> CarDataset:
    """The training photos as a recipe augments them, each decoded once into the folder `caches`."""
    cache = cache_of(dataset, config.inputs, caches)
    return CarDataset(dataset, "train", config.inputs, config.seed, augment=True, cache=cache)


def epoch_batches(photos: CarDataset, epoch: int, config: RunConfig, class_balance: float) -> DataLoader:
    """The batches of one epoch of training."""
    order = balanced_epoch_order(photos.photos.body_type, epoch, config.seed, class_balance)
    return make_loader(photos, DistributedBatchSampler(order, config.train.batch_size), config.inputs.num_workers)


def train_baseline_classifier(config: RunConfig, dataset: Catalogue, caches: Path) -> Classifier:
    """Train all layers of a classifier; returns the network after the last epoch, in evaluation mode.

    Args:
        config: backbone, initial weights and recipe.
        dataset: with splits; the training photos are used.
        caches: folder of decoded photos.
    """
    device = choose_device(config.device)
    seed_everything(config.seed, device)
    model = Classifier(config.model.backbone, len(dataset.body_types), config.model.weights, config.model.precision)
    model = model.to(memory_format=torch.channels_last).to(device).train()
    head = list(model.network.get_classifier().parameters())
    of_head = {id(p) for p in head}
    body = [p for p in model.parameters() if id(p) not in of_head]
    groups = [{"params": body, "share": config.train.backbone_lr_mult}, {"params": head, "share": 1.0}]
    optimizer = torch.optim.AdamW(groups, lr=config.train.lr, weight_decay=config.train.weight_decay, fused=True)
    photos = training_photos(config, dataset, caches)
    steps = config.train.epochs * -(-len(photos) // config.train.batch_size)
    step = 0
    for epoch in range(1, config.train.epochs + 1):
        for images, targets in epoch_batches(photos, epoch, config, config.train.class_balance):
            for group in optimizer.param_groups:
                group["lr"] = group["share"] * learning_rate(config.train, step, steps)
            types = torch.tensor([photos.truth(int(target["index"])) - 1 for target in targets])
            model(images.to(device), types.to(device), config.model.label_smoothing).backward()
            if config.train.max_grad_norm:
                torch.nn.utils.clip_grad_norm_(model.parameters(), config.train.max_grad_norm)
            optimizer.step()
            optimizer.zero_grad()
            step += 1
    return model.eval()


@torch.inference_mode()
def predict_classes(model: Classifier, catalogue: Catalogue, config: RunConfig) -> pd.DataFrame:
    """A classifier's predictions of validation photos: a row a photo, as in predictions.csv, without boxes and masks.

    Args:
        model: in evaluation mode.
        catalogue: with splits.
        config: how photos are preprocessed and batched, and `eval.tta`.
    """
    photos = CarDataset(catalogue, "validation", config.inputs, config.seed)
    names = list(photos.class_ids)
    batches = DistributedBatchSampler(photos.in_order(), config.train.batch_size)
    likely: list[Tensor] = []
    for images, _ in make_loader(photos, batches, config.inputs.num_workers):
        images = images.to(next(model.parameters()).device)
        views = [images, images.flip(3)] if config.eval.tta == "hflip" else [images]
        likely.append(torch.stack([model(view).softmax(1) for view in views]).mean(0).cpu())
    probabilities = torch.cat(likely)
    scores, found = probabilities.max(1)
    table = photos.photos[["photo_id", "body_type", "width", "height"]].copy()
    table["predicted"] = [names[i] for i in found.tolist()]
    table["score"] = scores.tolist()
    boxes = [f"{prefix}{side}" for prefix in ("", "true_") for side in ("x1", "y1", "x2", "y2")]
    missing = dict.fromkeys([*boxes, "box_iou", "mask_iou"], float("nan"))
    table = table.assign(split="validation", mask="", **missing)[list(PREDICTIONS)]
    table[probability_columns(names)] = probabilities.double().numpy()
    return table
