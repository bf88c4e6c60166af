"""Mask R-CNN at work on one photo: what each of its parts hands to the next."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from carseg_lib.core.constants import IMAGENET_MEAN, IMAGENET_STD
from carseg_lib.data.boxes import largest_instance
from carseg_lib.data.dataset import CarDataset
from carseg_lib.engine.inference import paste_mask
from carseg_lib.engine.postprocess import predict_class
from carseg_lib.models.mask_rcnn import MaskRCNN
from carseg_lib.models.precision import autocast


@dataclass(frozen=True)
class Inside:
    """What the parts of a network made of one photo; boxes (x1, y1, x2, y2) in pixels of the network's input.

    Attributes:
        photo_id: its name.
        image: the network's input, (H, W, 3) uint8.
        feature_maps: by stride in pixels, (H / stride, W / stride): the mean over the channels of absolute values.
        proposals: (P, 4), the boxes that the region proposal network thinks most likely to hold a car, best first.
        candidates: how many proposals the heads looked at.
        box: (4,) of the prediction; None if no car was found.
        body_type: the predicted type; "" if no car was found.
        score: 0..1.
        mask: (28, 28) probabilities inside the box; None without a mask branch or a prediction.
        pasted: (H, W) bool: the mask on the photo.
        true_box: (4,) of the labelled car.
        true_type: its type.
    """

    photo_id: str
    image: np.ndarray
    feature_maps: dict[int, np.ndarray]
    proposals: np.ndarray
    candidates: int
    box: np.ndarray | None
    body_type: str
    score: float
    mask: np.ndarray | None
    pasted: np.ndarray | None
    true_box: np.ndarray
    true_type: str


@torch.inference_mode()
def look_inside(model: MaskRCNN, photos: CarDataset, i: int, proposals: int = 16) -> Inside:
    """Run the parts of a network on one photo, one after the other.

    Args:
        model: in evaluation mode.
        photos: without augmentation.
        i: index of the photo.
        proposals: proposals kept for the picture, at most.
    """
    image, _ = photos[0, i]
    images = image[None].to(next(model.parameters()).device)
    with autocast(model.config.precision, images.device):
        pyramid, _ = model.backbone(images)
        scored = model.rpn(pyramid, images)
    boxes, valid = model.rpn.generate_proposals(scored, model.config.rpn_post_nms_top_n)
    _, (found,) = model(images)
    best = predict_class(
        found["boxes"],
        found["scores"],
        found["labels"],
        score_threshold=model.config.score_threshold,
        nms_iou=model.config.class_agnostic_nms_iou,
    )
    row = photos.photos.iloc[i]
    height, width = image.shape[1:]
    car = largest_instance(photos.instances[row.photo_id], row.body_type)
    scale = np.tile([width / row.width, height / row.height], 2)
    box = mask = pasted = None
    if best is not None:
        box = found["boxes"][best].float().cpu().numpy()
        if "masks" in found:
            mask = found["masks"][best, 0].float().cpu().numpy()
            pasted = paste_mask(mask, box.tolist(), height, width)
    names = list(photos.class_ids)
    return Inside(
        photo_id=row.photo_id,
        image=_pixels(image),
        feature_maps={
            stride: features[0].float().abs().mean(0).cpu().numpy()
            for stride, features in zip(model.backbone.strides, pyramid.values(), strict=True)
        },
        proposals=boxes[0][valid[0]][:proposals].float().cpu().numpy(),
        candidates=int(valid.sum()),
        box=box,
        body_type="" if best is None else names[int(found["labels"][best]) - 1],
        score=0.0 if best is None else float(found["scores"][best]),
        mask=mask,
        pasted=pasted,
        true_box=np.array([car.x1, car.y1, car.x2, car.y2]) * scale,
        true_type=row.body_type,
    )


def _pixels(image: torch.Tensor) -> np.ndarray:
    """A normalised photo (3, H, W) as (H, W, 3) uint8."""
    mean, std = (torch.tensor(values)[:, None, None] for values in (IMAGENET_MEAN, IMAGENET_STD))
    return (255 * (image.cpu() * std + mean)).round().clamp(0, 255).byte().permute(1, 2, 0).numpy()
