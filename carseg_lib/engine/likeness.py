"""How much a crop looks like the object of the study to a network that no fine-tuning has touched.

A detector that is fine-tuned on photos which all show a car has no reason to keep what ImageNet taught it of other
things, and forgets it: it then calls a nail a convertible. The ImageNet classifier tells a thousand things apart. Those
of its classes that it gives to the training photos' objects are taken as the object's (of cars: convertible, minivan,
sports car, cab ...), and the sum of their probabilities is a crop's likeness. So nothing is listed by hand, no picture
of anything else is needed, and an object that is no car has classes of its own.

(The largest probability of a classifier, or of some of its classes, as a score of what a network was not trained on:
Hendrycks and Gimpel 2017, arXiv:1610.02136.)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from timm.data.imagenet_info import ImageNetInfo
from torch import Tensor

from carseg_lib.core.constants import IMAGENET_MEAN, IMAGENET_STD
from carseg_lib.data.transforms import Normalize, Resize
from carseg_lib.engine.features import SIZE, imagenet_network
from carseg_lib.models.weights import hash_tensors

TIMES_CHANCE = 10  # a class is the object's if the training photos get it so many times as often as by chance
MARGIN = 0.1  # of a box's sides, added on each side: the outline and a little of what is around it
_BATCH = 16


class ImageNetClassifier:
    """The untouched network: crops → probabilities of the 1,000 classes.

    Args:
        device: where it runs.

    Raises:
        CarsegError: The weights cannot be had.
    """

    def __init__(self, device: torch.device):
        self._network = imagenet_network().to(device)
        self.sha256 = hash_tensors(self._network.state_dict())
        self._device = device

    def __call__(self, crops: Sequence[np.ndarray]) -> np.ndarray:
        """Classify crops.

        Args:
            crops: (h, w, 3) uint8 each, of any size; the aspect ratio is not kept.

        Returns:
            float32 (crops, 1000), rows summing to 1.
        """
        resize, normalize = Resize(SIZE), Normalize(IMAGENET_MEAN, IMAGENET_STD)
        found = [torch.empty(0, 1000)]
        with torch.inference_mode():
            for start in range(0, len(crops), _BATCH):
                batch = np.stack(
                    [normalize.normalize_image(resize.resize_image(crop)) for crop in crops[start : start + _BATCH]]
                )
                images: Tensor = torch.from_numpy(batch).permute(0, 3, 1, 2).to(self._device)
                found.append(self._network(images).float().softmax(1).cpu())
        return torch.cat(found).numpy()


def object_classes(probabilities: np.ndarray) -> np.ndarray:
    """The ImageNet classes that the object of the study is taken for.

    Args:
        probabilities: float (crops, 1000), of the training photos' objects.

    Returns:
        int64 indices, ascending: those whose mean is `TIMES_CHANCE` in 1,000 or more. Possibly none: an object that
        ImageNet does not know.
    """
    return np.flatnonzero(probabilities.mean(axis=0) >= TIMES_CHANCE / probabilities.shape[1])


def class_names(classes: Iterable[int]) -> list[str]:
    """The names of ImageNet classes, the first of each one's synonyms."""
    info: Any = ImageNetInfo("imagenet-1k")
    return [info.index_to_description(int(k)).partition(",")[0] for k in classes]


def crop_region(image: np.ndarray, box: Sequence[float], size: tuple[int, int]) -> np.ndarray:
    """`crop_box` of a photo that may be smaller than the one that its box refers to.

    Args:
        image: (h, w, 3).
        box: x1, y1, x2, y2 in pixels of the original photo.
        size: width and height of the original photo, pixels.
    """
    scale = np.array([image.shape[1] / size[0], image.shape[0] / size[1]] * 2)
    return crop_box(image, np.array(box) * scale)


def crop_box(image: np.ndarray, box: Sequence[float], margin: float = MARGIN) -> np.ndarray:
    """The part of a photo around a box.

    Args:
        image: (h, w, 3).
        box: x1, y1, x2, y2 in pixels of the image.
        margin: share of the box's sides that is added on each side, as far as the photo reaches.

    Returns:
        (rows, columns, 3), contiguous, at least 1 × 1.
    """
    height, width = image.shape[:2]
    x1, y1, x2, y2 = box
    across, down = margin * (x2 - x1), margin * (y2 - y1)
    left, top = min(max(int(x1 - across), 0), width - 1), min(max(int(y1 - down), 0), height - 1)
    right, bottom = min(int(np.ceil(x2 + across)), width), min(int(np.ceil(y2 + down)), height)
    return np.ascontiguousarray(image[top : max(bottom, top + 1), left : max(right, left + 1)])
