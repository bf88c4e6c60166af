"""How near an exported model comes to torch's, photo by photo."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from carseg_lib.core.run import Run
from carseg_lib.data.cache import cache_side
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.dataset import preprocess
from carseg_lib.data.masks import decode_mask, mask_iou
from carseg_lib.data.photos import read_photo
from carseg_lib.engine.inference import Detection, detect, load_trained, paste_mask
from carseg_lib.engine.likeness import ImageNetClassifier
from carseg_lib.engine.portable.network import OUTPUTS
from carseg_lib.engine.presence import Presence
from carseg_lib.engine.second_look import SecondLook
from carseg_lib.models.precision import FLOAT32

COMPARED = 100  # validation photos that both are run on, at most


@dataclass(frozen=True)
class Agreement:
    """How the exported model agrees with torch on photos.

    Attributes:
        photos: compared.
        same_type: photos whose best detection has the same type, or in which neither finds a car.
        same_number: photos with as many detections.
        near: photos whose best boxes have all edges within half a pixel of the network's input.
        box: largest difference of an edge of a best detection, pixels of the network's input.
        mask_iou: mean IoU of the masks of best detections; NaN if there is none.
        milliseconds: a photo, median, with torch and with ONNX Runtime.
    """

    photos: int
    same_type: int
    same_number: int
    near: int
    box: float
    mask_iou: float
    milliseconds: tuple[float, float]

    def text(self) -> str:
        """What was compared, in sentences."""
        torchs, onnxs = self.milliseconds
        return (
            f"In float32, on {self.photos} validation photos: the same type in {self.same_type}, as many detections in "
            f"{self.same_number}, edges of the best box within half a pixel of the network's input in {self.near} (at "
            f"most {self.box:.2f}); mean IoU of its mask {self.mask_iou:.4f}. A photo takes torch {torchs:.0f} ms and "
            f"ONNX Runtime {onnxs:.0f} ms (medians, one photo at a time, on the machine that exported the file)."
        )


def compare(run: Run, path: Path, most: int = COMPARED) -> Agreement:
    """Run the exported model and torch's, both in float32, on validation photos of the run.

    Args:
        run: that the model is of.
        path: of the exported model.
        most: photos, spread evenly over the split's.
    """
    import onnxruntime  # half a second

    config = run.config.updated(model={"precision": FLOAT32}, device="cpu")
    model, card = load_trained(config, run)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    # threads that wait in a loop would take the processor from torch's
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    presence = Presence.load(run, card["sha256"])
    second_look = SecondLook(ImageNetClassifier(torch.device("cpu")), presence.classes, presence.opinion)
    names, same_type, same_number, boxes, ious = card["body_types"], 0, 0, [], []
    times: list[tuple[float, float]] = []
    photos = list(_photos(run, cache_side(config.inputs.size), most))
    for photo in photos:
        size = photo.shape[1], photo.shape[0]
        start = time.perf_counter()
        detected = next(detect(model, [(preprocess(photo, config.inputs.size), [size])], names, config.model))
        ours = second_look([(photo, detected, size)], limit=config.model.max_detections)[0]
        between = time.perf_counter()
        found = dict(zip(OUTPUTS, session.run(None, {"photo": photo}), strict=True))
        times.append((between - start, time.perf_counter() - between))
        theirs = [names[label - 1] for label in found["labels"]]
        same_number += len(ours) == len(theirs)
        same_type += [one.body_type for one in ours[:1]] == theirs[:1]
        if ours and theirs:
            scale = np.array([*config.inputs.size[::-1]] * 2) / np.array([*size] * 2)
            boxes.append(float(np.abs((found["boxes"][0] - ours[0].box) * scale).max()))
            ious.append(_mask_iou(ours[0], found["masks"][0], found["boxes"][0], photo.shape[:2]))
    near = sum(box <= 0.5 for box in boxes)
    mean = float(np.mean(ious)) if ious else float("nan")
    torchs, onnxs = (1000 * float(np.median(column)) for column in zip(*times, strict=True))
    return Agreement(len(photos), same_type, same_number, near, max(boxes, default=0.0), mean, (torchs, onnxs))


def _photos(run: Run, side: int, most: int) -> Iterator[np.ndarray]:
    catalogue = Catalogue.load(run.dataset)
    rows = catalogue.split("validation").photos
    for photo_id in rows["photo_id"].iloc[np.unique(np.linspace(0, len(rows) - 1, most).round().astype(int))]:
        yield np.array(read_photo(catalogue.root / photo_id, side))


def _mask_iou(ours: Detection, probabilities: np.ndarray, box: np.ndarray, shape: tuple[int, ...]) -> float:
    height, width = shape
    pasted = paste_mask(probabilities, box.tolist(), height, width)
    return mask_iou(decode_mask(ours.mask, height, width), pasted)
