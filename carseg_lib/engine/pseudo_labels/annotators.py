"""A teacher: a network that outlines cars in photos for which nobody has drawn masks.

Four can teach: the car segmenter that comes with carseg (`carseg_lib.models.pretrained`), which needs no download;
a model of a run of this project, by the path of its `best.pt`; torchvision's Mask R-CNN, trained on COCO, whose car,
bus and truck are cars here; and, inside boxes that are given, GrabCut (`grabcut`), which is no network. A teacher says
where cars are, never which type they are: that is the photo's label.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from pydantic import ValidationError
from torch import Tensor
from torchvision.models.detection import MaskRCNN_ResNet50_FPN_V2_Weights, maskrcnn_resnet50_fpn_v2
from torchvision.ops import nms

from carseg_lib.core import files
from carseg_lib.core.config import InputConfig, ModelConfig
from carseg_lib.core.errors import CarsegError
from carseg_lib.data.dataset import preprocess
from carseg_lib.engine.inference import mask_window
from carseg_lib.models import pretrained
from carseg_lib.models.mask_rcnn import build_model
from carseg_lib.models.weights import download, hash_tensors, read_checkpoint

BUILTIN, COCO = "builtin", "coco"
MIN_SCORE = 0.05  # of an instance that is looked at
SAME_CAR_IOU = 0.5  # IoU of boxes above which two instances are one car, whatever the teacher calls them
SURE, MAYBE = 0.6, 0.4  # probabilities between which a mask's edge moves; see `Instance.stability`


Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Instance:
    """A car that a teacher sees in a photo.

    Attributes:
        box: x1, y1, x2, y2 in pixels of the photo.
        mask: bool array (height, width) of the photo.
        score: the teacher's, 0..1.
        stability: the mask at probability 0.6 as a share of the mask at 0.4, 0..1: how far its edge moves with the
            threshold (Kirillov et al. 2023, "Segment Anything", §5, arXiv:2304.02643).
    """

    box: Box
    mask: np.ndarray
    score: float
    stability: float

    @property
    def quality(self) -> float:
        """Score times stability, 0..1."""
        return self.score * self.stability


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch works in one thread until the block ends.

    The last digits of a network's answer depend on how many threads share the sums. With one in each process, several
    processes draw the masks that one draws, to the pixel.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@dataclass(frozen=True)
class NetworkAnnotator:
    """A network ready to be asked.

    Attributes:
        name: for tables and figures.
        sha256: of its tensors; what it said of a photo is kept under it.
        look: photos (h, w, 3) uint8 → for each boxes (N, 4) in pixels of the photo, scores (N,), and masks (N, M, M) of
            probabilities inside the boxes.
    """

    name: str
    sha256: str
    look: Callable[[Sequence[np.ndarray]], list[tuple[Tensor, Tensor, Tensor]]]
    uses_boxes = False

    def instances(self, photos: Sequence[np.ndarray], boxes: Sequence[Sequence[Box]]) -> list[list[Instance]]:
        """The cars in each photo (h, w, 3) uint8, best first; the boxes that are given are not looked at."""
        found = []
        with one_thread():
            looked = self.look(photos)
        for photo, (boxes, scores, masks) in zip(photos, looked, strict=True):
            kept = nms(boxes, scores, SAME_CAR_IOU)
            kept = kept[scores[kept] >= MIN_SCORE]
            found.append([_instance(photo.shape[:2], boxes[i], scores[i], masks[i]) for i in kept.tolist()])
        return found


def _instance(size: tuple[int, int], box: Tensor, score: Tensor, probabilities: Tensor) -> Instance:
    window, soft = mask_window(probabilities.numpy(), box.tolist(), *size)
    mask = np.zeros(size, bool)
    mask[window] = soft >= 0.5
    maybe = int((soft >= MAYBE).sum())
    stability = int((soft >= SURE).sum()) / maybe if maybe else 0.0
    return Instance(tuple(box.tolist()), mask, float(score), stability)


def load_annotator(name: str, device: torch.device) -> NetworkAnnotator:
    """The teacher of a name.

    Args:
        name: "builtin", "coco", or the path of a trained model (`best.pt` of a run, with its `best.json` beside it).
        device: where it runs.

    Raises:
        CarsegError: the weights cannot be had, are damaged, or are no model with masks.
    """
    if name == COCO:
        return _coco_teacher(device)
    if name == BUILTIN:
        state, card = pretrained.read_builtin()
        return _own_teacher("carseg's car segmenter", state, card, device)
    path = Path(name)
    card_path = path.with_suffix(".json")
    if not card_path.is_file():
        raise CarsegError(
            f"pseudo_labels.source={name}: {card_path} is missing; name the best.pt of a run, or take pseudo_labels.source=builtin"
        )
    return _own_teacher(path.name, read_checkpoint(path), files.read_json(card_path), device)


def _own_teacher(name: str, state: dict[str, Tensor], card: dict, device: torch.device) -> NetworkAnnotator:
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
        raise CarsegError(
            f"pseudo_labels.source={name}: does not fit its card ({reason}); train it again"
        ) from None
    model = model.to(device, memory_format=torch.channels_last).eval()

    @torch.inference_mode()
    def look(photos: Sequence[np.ndarray]) -> list[tuple[Tensor, Tensor, Tensor]]:
        images = torch.cat([preprocess(photo, inputs.size) for photo in photos])
        images = images.contiguous(memory_format=torch.channels_last).to(device)
        _, found = model(images)
        answers = []
        for photo, one in zip(photos, found, strict=True):
            across, down = photo.shape[1] / inputs.width, photo.shape[0] / inputs.height
            boxes = one["boxes"].float().cpu() * torch.tensor([across, down, across, down])
            answers.append((boxes, one["scores"].float().cpu(), one["masks"][:, 0].float().cpu()))
        return answers

    return NetworkAnnotator(name, hash_tensors(state), look)


def _coco_teacher(device: torch.device) -> NetworkAnnotator:
    weights = MaskRCNN_ResNet50_FPN_V2_Weights.COCO_V1
    state = download(
        lambda: weights.get_state_dict(progress=False, check_hash=True), str(weights), weights.url
    )
    model = maskrcnn_resnet50_fpn_v2(weights=None, weights_backbone=None, box_score_thresh=MIN_SCORE)
    model.load_state_dict(state)
    model = model.to(device).eval()
    names = weights.meta["categories"]
    cars = torch.tensor([names.index(name) for name in ("car", "bus", "truck")])

    @torch.inference_mode()
    def look(photos: Sequence[np.ndarray]) -> list[tuple[Tensor, Tensor, Tensor]]:
        images = [torch.from_numpy(photo.copy()).permute(2, 0, 1).to(device) / 255 for photo in photos]
        batch, _ = model.transform(images)
        features = model.backbone(batch.tensors)
        proposals, _ = model.rpn(batch, features)
        found, _ = model.roi_heads(features, proposals, batch.image_sizes)
        answers = []
        for photo, one, seen in zip(photos, found, batch.image_sizes, strict=True):
            is_car = torch.isin(one["labels"].cpu(), cars)
            across, down = photo.shape[1] / seen[1], photo.shape[0] / seen[0]
            boxes = one["boxes"].cpu()[is_car] * torch.tensor([across, down, across, down])
            answers.append((boxes, one["scores"].cpu()[is_car], one["masks"][:, 0].cpu()[is_car]))
        return answers

    return NetworkAnnotator("torchvision's Mask R-CNN v2 (COCO)", hash_tensors(state), look)
