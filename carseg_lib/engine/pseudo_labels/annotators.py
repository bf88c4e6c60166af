"""Annotators: networks that segment cars in photos without masks.

There are four: the car segmenter that comes with carseg (`carseg_lib.models.pretrained`), which needs no download;
a model of a run of this project, by the path of its `best.pt`; torchvision's Mask R-CNN, trained on COCO, whose car,
bus and truck are cars here; and, inside given boxes, GrabCut (`grabcut`), which is no network. An annotator finds where
cars are, never their body type: that is the photo's label.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import torch
from pydantic import ValidationError
from torch import Tensor
from torchvision.models.detection import MaskRCNN_ResNet50_FPN_V2_Weights, maskrcnn_resnet50_fpn_v2
from torchvision.ops import nms

from carseg_lib.core import files
from carseg_lib.core.config import InputConfig, ModelConfig
from carseg_lib.core.errors import CarsegError, exhaustion
from carseg_lib.data.boxes import Box
from carseg_lib.data.dataset import preprocess
from carseg_lib.engine.device import to_device
from carseg_lib.engine.inference import mask_window
from carseg_lib.models import pretrained
from carseg_lib.models.mask_rcnn import build_model
from carseg_lib.models.weights import download, hash_tensors, read_checkpoint

BUILTIN, COCO = "builtin", "coco"
MIN_SCORE = 0.05  # of an instance
SAME_CAR_IOU = 0.5  # IoU of boxes above which two instances are one car, whatever their classes
TIGHT, LOOSE = 0.6, 0.4  # probabilities at which a mask is cut for its `Instance.stability`


Mask = TypeVar("Mask", np.ndarray, str)


@dataclass(frozen=True)
class Instance(Generic[Mask]):
    """A car that an annotator finds in a photo.

    Attributes:
        box: x1, y1, x2, y2 in pixels of the photo.
        mask: bool array (height, width) of the photo; as cached, its COCO run-length counts.
        score: of the annotator, 0..1.
        stability: the mask at probability 0.6 as a share of the mask at 0.4, 0..1: how far its edge moves with the
            threshold (Kirillov et al. 2023, "Segment Anything", §5, arXiv:2304.02643).
    """

    box: Box
    mask: Mask
    score: float
    stability: float

    @property
    def quality(self) -> float:
        """Score times stability, 0..1."""
        return self.score * self.stability


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch works in one thread until the block ends.

    The last digits of a network's output depend on how many threads share the sums. With one in each process, several
    processes give the masks that one gives, to the pixel.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@dataclass(frozen=True)
class NetworkAnnotator:
    """A network that finds cars.

    Attributes:
        name: for messages and tables.
        sha256: of its tensors.
        detect: photos (h, w, 3) uint8 → for each boxes (N, 4) in pixels of the photo, scores (N,), and masks (N, M, M)
            of probabilities inside the boxes.
    """

    name: str
    sha256: str
    detect: Callable[[Sequence[np.ndarray]], list[tuple[Tensor, Tensor, Tensor]]]
    uses_boxes = False

    def instances(self, photos: Sequence[np.ndarray], boxes: Sequence[Sequence[Box]]) -> list[list[Instance]]:
        """The cars in each photo (h, w, 3) uint8, highest score first; given boxes are ignored."""
        found = []
        with one_thread():
            detected = self.detect(photos)
        for photo, (found_boxes, scores, masks) in zip(photos, detected, strict=True):
            kept = nms(found_boxes, scores, SAME_CAR_IOU)
            kept = kept[scores[kept] >= MIN_SCORE]
            size = (photo.shape[0], photo.shape[1])
            found.append([_instance(size, found_boxes[i], scores[i], masks[i]) for i in kept.tolist()])
        return found


def _instance(size: tuple[int, int], box: Tensor, score: Tensor, probabilities: Tensor) -> Instance:
    window, soft = mask_window(probabilities.numpy(), box.tolist(), *size)
    mask = np.zeros(size, bool)
    mask[window] = soft >= 0.5
    loose = int((soft >= LOOSE).sum())
    stability = int((soft >= TIGHT).sum()) / loose if loose else 0.0
    x1, y1, x2, y2 = box.tolist()
    return Instance((x1, y1, x2, y2), mask, float(score), stability)


def load_annotator(name: str, device: torch.device) -> NetworkAnnotator:
    """The network of a name.

    Args:
        name: "builtin", "coco", or the path of a trained model (`best.pt` of a run, with its `best.json` beside it).
        device: where it runs.

    Raises:
        CarsegError: the weights cannot be had, are damaged, or are no model with masks.
    """
    if name == COCO:
        return _coco_annotator(device)
    if name == BUILTIN:
        state, card = pretrained.read_builtin()
        return _own_annotator("carseg's car segmenter", state, card, device)
    path = Path(name)
    card_path = path.with_suffix(".json")
    if not card_path.is_file():
        raise CarsegError(
            f"pseudo_labels.source={name}: {card_path} is missing; name the best.pt of a run, or take "
            "pseudo_labels.source=builtin"
        )
    return _own_annotator(path.name, read_checkpoint(path), files.read_json(card_path), device)


def _own_annotator(name: str, state: dict[str, Tensor], card: dict, device: torch.device) -> NetworkAnnotator:
    if not card["with_masks"]:
        raise CarsegError(
            f"pseudo_labels.source={name}: it was trained without masks; take another, or pseudo_labels.source=builtin"
        )
    try:
        config = ModelConfig.model_validate_json(json.dumps(card["config"]["model"]))
        inputs = InputConfig.model_validate_json(json.dumps(card["config"]["inputs"]))
    except (KeyError, TypeError, ValidationError):
        raise CarsegError(
            f"pseudo_labels.source={name}: its card is of another version of carseg; train it again"
        ) from None
    model = build_model(config, len(card["body_types"]) + 1, with_masks=True)
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        wrong = CarsegError(f"pseudo_labels.source={name}: does not fit its card ({reason}); train it again")
        raise exhaustion(error) or wrong from None
    model = to_device(model, device).eval()

    @torch.inference_mode()
    def detect(photos: Sequence[np.ndarray]) -> list[tuple[Tensor, Tensor, Tensor]]:
        images = torch.cat([preprocess(photo, inputs.size) for photo in photos])
        images = images.contiguous(memory_format=torch.channels_last).to(device)
        _, found = model(images)
        return [_in_photo(photo, one, inputs.size) for photo, one in zip(photos, found, strict=True)]

    return NetworkAnnotator(name, hash_tensors(state), detect)


def _in_photo(photo: np.ndarray, found: dict[str, Tensor], seen: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """The result of `NetworkAnnotator.detect` for a photo that the network saw at a height and width."""
    across, down = photo.shape[1] / seen[1], photo.shape[0] / seen[0]
    boxes = found["boxes"].float().cpu() * torch.tensor([across, down, across, down])
    return boxes, found["scores"].float().cpu(), found["masks"][:, 0].float().cpu()


def _coco_annotator(device: torch.device) -> NetworkAnnotator:
    weights = MaskRCNN_ResNet50_FPN_V2_Weights.COCO_V1
    state = download(lambda: weights.get_state_dict(progress=False, check_hash=True), str(weights), weights.url)
    model = maskrcnn_resnet50_fpn_v2(weights=None, weights_backbone=None, box_score_thresh=MIN_SCORE)
    model.load_state_dict(state)
    model = model.to(device).eval()
    names = weights.meta["categories"]
    cars = torch.tensor([names.index(name) for name in ("car", "bus", "truck")], device=device)

    @torch.inference_mode()
    def detect(photos: Sequence[np.ndarray]) -> list[tuple[Tensor, Tensor, Tensor]]:
        images = [torch.from_numpy(photo.copy()).permute(2, 0, 1).to(device) / 255 for photo in photos]
        batch, _ = model.transform(images)
        features = model.backbone(batch.tensors)
        proposals, _ = model.rpn(batch, features)
        found, _ = model.roi_heads(features, proposals, batch.image_sizes)
        results = []
        for photo, one, seen in zip(photos, found, batch.image_sizes, strict=True):
            is_car = torch.isin(one["labels"], cars)
            results.append(_in_photo(photo, {name: values[is_car] for name, values in one.items()}, seen))
        return results

    return NetworkAnnotator("torchvision's Mask R-CNN v2 (COCO)", hash_tensors(state), detect)
