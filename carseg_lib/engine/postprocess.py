"""From the instances that the model finds in a photo to its detections and its one predicted class.

The paper scores one body type a photo; Mask R-CNN returns instances. The rule, used everywhere:

1. Instances whose score is below the threshold are dropped.
2. Class-agnostic non-maximum suppression: of two boxes whose IoU is above the threshold, the one with the lower
   score is dropped, whatever their classes. (torchvision suppresses within each class only: one car can be
   returned both as suv and as sedan.) The rest are the photo's detections.
3. The predicted class is that of the detection with the highest score. No detection ("no car found") counts
   as wrong.

Equal scores are decided by the order in which the model returned the instances: the first wins.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torchvision.ops import nms


def on_cpu(found: Sequence[dict[str, Tensor]]) -> list[dict[str, Tensor]]:
    """A batch's instances on the CPU, where the rule is applied: a GPU is waited for once a column, not once a photo.

    Args:
        found: of each photo, the same columns, a row an instance.
    """
    if not found or all(column.device.type == "cpu" for column in found[0].values()):
        return list(found)
    counts = [len(of_photo["labels"]) for of_photo in found]
    columns = {name: torch.cat([of_photo[name] for of_photo in found]).cpu().split(counts) for name in found[0]}
    return [{name: values[i] for name, values in columns.items()} for i in range(len(found))]


def filter_detections(
    boxes: Tensor, scores: Tensor, labels: Tensor, *, score_threshold: float, nms_iou: float
) -> Tensor:
    """The instances of one photo that count as its detections (steps 1 and 2).

    Args:
        boxes: float Tensor[N, 4], x1, y1, x2, y2 in pixels; N may be 0. A box that is not finite is dropped.
        scores: float Tensor[N], 0..1. A score that is not a number is dropped.
        labels: int Tensor[N], class ids 1..C; suppression ignores them. 0, the background, is dropped.
        score_threshold: smallest score kept, 0..1.
        nms_iou: largest intersection over union at which two boxes are both kept, 0..1.

    Returns:
        int64 Tensor[K] on the device of `boxes`: indices into the arguments, highest score first.

    Raises:
        ValueError: The shapes do not agree.
    """
    count = len(scores)
    if boxes.shape != (count, 4) or scores.shape != (count,) or labels.shape != (count,):
        raise ValueError(
            f"expected boxes (N, 4), scores (N,), labels (N,), got {tuple(boxes.shape)}, "
            f"{tuple(scores.shape)}, {tuple(labels.shape)}"
        )
    usable = (scores >= score_threshold) & (labels > 0) & torch.isfinite(boxes).all(dim=1)
    candidates = torch.nonzero(usable).flatten()
    # A stable sort first, so that equal scores stay in the model's order whatever nms does with them.
    candidates = candidates[scores[candidates].sort(descending=True, stable=True).indices]
    kept = nms(boxes[candidates].float(), scores[candidates].float(), nms_iou)
    return candidates[kept.sort().values]


def predict_class(
    boxes: Tensor, scores: Tensor, labels: Tensor, *, score_threshold: float, nms_iou: float
) -> int | None:
    """The instance whose class is predicted for a photo (step 3); the arguments are those of `filter_detections`.

    Returns:
        Index of the instance with the highest score, or None if there is no detection.
    """
    kept = filter_detections(boxes, scores, labels, score_threshold=score_threshold, nms_iou=nms_iou)
    return int(kept[0]) if len(kept) else None
