"""Inference: a trained model, and its detections in each photo's own pixels."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from carseg_lib.core import files
from carseg_lib.core.config import ModelConfig, RunConfig
from carseg_lib.core.errors import CarsegError, exhaustion
from carseg_lib.core.paths import RunPaths
from carseg_lib.data.masks import encode_mask
from carseg_lib.engine.device import choose_device, to_device
from carseg_lib.engine.postprocess import filter_detections, on_cpu
from carseg_lib.models.mask_rcnn import MaskRCNN, build_model
from carseg_lib.models.weights import read_checkpoint


@dataclass(frozen=True)
class Detection:
    """One car found in one photo.

    Attributes:
        body_type: its name.
        score: 0..1.
        box: x1, y1, x2, y2 in pixels of the photo.
        mask: COCO run-length counts over the whole photo; "" if the model has no mask branch.
        probabilities: of each body type, in the classes' order, each 0..1; they sum to 1 less the background's share.
            Empty if the model gives its scores alone.
        likeness: 0..1, how much the region looks like the study's object to an untouched ImageNet classifier; None
            before the second look (`carseg_lib.engine.presence`).
        car_score: 0..1, the detector's probability that it is no background, times the likeness; None likewise.
    """

    body_type: str
    score: float
    box: tuple[float, float, float, float]
    mask: str
    probabilities: tuple[float, ...] = ()
    likeness: float | None = None
    car_score: float | None = None


def load_trained(config: RunConfig, paths: RunPaths) -> tuple[MaskRCNN, dict[str, Any]]:
    """The best epoch's model of a run, in evaluation mode on the run's device, and its card (model/best.json).

    Args:
        config: of the run: network, test-time augmentation and device.
        paths: of the run.

    Raises:
        CarsegError: the run has no trained model, or its file is not the one its card describes.
    """
    if not paths.best_card.is_file() or not paths.best_weights.is_file():
        raise CarsegError(f"run {config.name!r} has no trained model yet; run make train RUN={config.name} first")
    card = files.read_json(paths.best_card)
    if files.sha256(paths.best_weights) != card["sha256"]:
        raise CarsegError(f"{paths.best_weights} is not the file that best.json describes; run make train again")
    model = build_model(config.model, len(card["body_types"]) + 1, card["with_masks"], config.eval.tta)
    try:
        model.load_state_dict(read_checkpoint(paths.best_weights))
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        wrong = CarsegError(f"{paths.best_weights} does not fit the run's settings ({reason}); run make train again")
        raise exhaustion(error) or wrong from None
    return to_device(model, choose_device(config.device)).eval(), card


def photo_detections(
    found: dict[str, Tensor],
    size: tuple[int, int],
    image_size: tuple[int, int],
    body_types: Iterable[str],
    config: ModelConfig,
    class_agnostic_nms: bool = True,
) -> list[Detection]:
    """Turns the model's output for one photo into detections, highest score first; the first is the prediction.

    Args:
        found: boxes (D, 4) in pixels of the network's input, labels (D,), scores (D,), masks (D, 1, 28, 28),
            probabilities (D, types); the last two may be missing.
        size: width and height of the photo, pixels.
        image_size: height and width of the network's input, pixels.
        body_types: names of classes 1, 2, ...
        config: thresholds.
        class_agnostic_nms: whether only the best class of a car is kept.
    """
    kept = filter_detections(
        found["boxes"],
        found["scores"],
        found["labels"],
        score_threshold=config.score_threshold,
        nms_iou=config.class_agnostic_nms_iou if class_agnostic_nms else 1.0,
    )
    width, height = size
    across, down = width / image_size[1], height / image_size[0]
    scale = found["boxes"].new_tensor([across, down, across, down])
    boxes = found["boxes"][kept] * scale
    codes = [""] * len(kept)
    if "masks" in found and len(kept):  # masks are pasted for detections that are kept only
        probabilities = found["masks"][kept, 0].float().cpu().numpy()
        codes = [
            encode_mask(paste_mask(of_car, box, height, width))
            for of_car, box in zip(probabilities, boxes.tolist(), strict=True)
        ]
    names = list(body_types)
    of_types: list = found["probabilities"][kept].tolist() if "probabilities" in found else [()] * len(kept)
    rows = zip(found["labels"][kept], found["scores"][kept], boxes, codes, of_types, strict=True)
    return [
        Detection(names[int(label) - 1], float(score), tuple(box.tolist()), code, tuple(likely))
        for label, score, box, code, likely in rows
    ]


def paste_mask(probabilities: np.ndarray, box: Sequence[float], height: int, width: int) -> np.ndarray:
    """The pixels of a photo that a mask covers: those at whose centre its probability is at least 0.5.

    The arguments are those of `mask_window`; the result is a bool array (height, width), False outside the box.
    """
    mask = np.zeros((height, width), bool)
    window, soft = mask_window(probabilities, box, height, width)
    mask[window] = soft >= 0.5
    return mask


def mask_window(
    probabilities: np.ndarray, box: Sequence[float], height: int, width: int
) -> tuple[tuple[slice, slice], np.ndarray]:
    """The probabilities of a mask at the centres of the photo's pixels that lie in its box.

    Cells hold the probability at their centres, and between them it is interpolated bilinearly; beyond the outermost
    centres it stays as it is there. (torchvision rounds the box to whole pixels first, which moves small masks.)

    Args:
        probabilities: (M, M) of the box, 0..1.
        box: x1, y1, x2, y2 in pixels of the photo.
        height: of the photo, pixels.
        width: of the photo, pixels.

    Returns:
        The rows and columns of the photo that the box covers, and the probabilities there.
    """
    x1, y1, x2, y2 = box
    rows, down = _interpolation(y1, y2, probabilities.shape[0], height)
    columns, across = _interpolation(x1, x2, probabilities.shape[1], width)
    # by torch: NumPy's products have threads of their own, which wait for torch's four times as long as they work
    soft = torch.from_numpy(down) @ torch.from_numpy(probabilities) @ torch.from_numpy(across).T
    return (rows, columns), soft.numpy()


def _interpolation(start: float, end: float, cells: int, size: int) -> tuple[slice, np.ndarray]:
    """The pixels whose centres lie between two edges, and each cell's weight (pixels, cells) at each of them."""
    first, last = max(math.ceil(start - 0.5), 0), min(math.ceil(end - 0.5), size)
    centres = np.arange(first, max(last, first)) + 0.5
    at = ((centres - start) / max(end - start, 1e-6) * cells - 0.5).clip(0, cells - 1)
    weights = (1 - np.abs(at[:, None] - np.arange(cells))).clip(0).astype(np.float32)
    return slice(first, max(last, first)), weights


@torch.inference_mode()
def detect(
    model: MaskRCNN,
    batches: Iterable[tuple[Tensor, list[tuple[int, int]]]],
    body_types: Iterable[str],
    config: ModelConfig,
    class_agnostic_nms: bool = True,
) -> Iterator[list[Detection]]:
    """Runs the model over batches of photos and yields each photo's detections in turn.

    Args:
        model: in evaluation mode.
        batches: images (B, 3, H, W) float normalised, and the width and height of each photo.
        body_types: as for `photo_detections`, like the others.
        config: thresholds.
        class_agnostic_nms: whether only the best class of a car is kept.
    """
    device = next(model.parameters()).device
    for images, sizes in batches:
        _, found = model(images.to(device))
        for one, size in zip(on_cpu(found), sizes, strict=True):
            image_size = images.shape[-2], images.shape[-1]
            yield photo_detections(one, size, image_size, body_types, config, class_agnostic_nms)


def as_columns(detection: Detection | None) -> dict[str, Any]:
    """A detection as the columns that predictions.csv and detections.csv share; empty ones for no detection."""
    values = (detection.score, *detection.box, detection.mask) if detection else (*[None] * 5, "")
    return dict(zip(("score", "x1", "y1", "x2", "y2", "mask"), values, strict=True))
