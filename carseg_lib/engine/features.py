"""Features of photos from a frozen ImageNet network: what two photos of one scene have in common, and other cars not.

The network is EfficientNet-Lite0, whose weights are a pinned package: nothing is downloaded, and nothing was learned
from the photos of the study.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, cast

import numpy as np
import timm
import torch
from torch import Tensor, nn

from carseg_lib.core.constants import IMAGENET_MEAN, IMAGENET_STD
from carseg_lib.data.transforms import Normalize, Resize
from carseg_lib.models.backbones import resolve_backbone
from carseg_lib.models.weights import imagenet_state

BACKBONE = "efficientnet_lite0"
SIZE = (224, 224)  # pixels, height and width, of the network's training
_BATCH = 16


def imagenet_network(backbone: str = BACKBONE) -> nn.Module:
    """A classifier with ImageNet weights, in evaluation mode: photos (B, 3, H, W) → logits of 1,000 classes (B, 1000).

    Args:
        backbone: of timm's, with weights in a package.

    Raises:
        CarsegError: The weights cannot be had.
    """
    network = cast(Any, timm.create_model(resolve_backbone(backbone).name, pretrained=False))
    network.load_state_dict(imagenet_state(backbone)[0])
    return network.eval().to(memory_format=torch.channels_last)


def feature_network(backbone: str = BACKBONE) -> nn.Module:
    """The same without its last layer: photos (B, 3, H, W) → the mean of its features (B, D)."""
    network = cast(Any, imagenet_network(backbone))
    network.reset_classifier(0)
    return network


def image_features(network: nn.Module, images: Iterable[np.ndarray]) -> np.ndarray:
    """The features of photos, each of length 1, so that a product of two is their cosine similarity.

    Args:
        network: from `feature_network`.
        images: (h, w, 3) uint8 each, of any size; the aspect ratio is not kept.

    Returns:
        float32 (photos, D).
    """
    found = [torch.empty(0)]
    resize, normalize = Resize(SIZE), Normalize(IMAGENET_MEAN, IMAGENET_STD)
    ready = (torch.from_numpy(normalize.normalize_image(resize.resize_image(image))) for image in images)
    with torch.inference_mode():
        for batch in _batches(ready):
            found.append(nn.functional.normalize(network(batch)))
    return torch.cat(found[1:] or found).numpy()


def _batches(images: Iterator[Tensor]) -> Iterator[Tensor]:
    while batch := list(islice(images, _BATCH)):
        yield torch.stack(batch).permute(0, 3, 1, 2)
