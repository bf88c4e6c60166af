"""Exporting a run's model: one ONNX file, the runner that needs no torch, and a card with what was compared."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from carseg_lib.core import environment, files
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.formatting import percent
from carseg_lib.core.run import Run
from carseg_lib.data.cache import cache_side
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.dataset import preprocess
from carseg_lib.data.masks import decode_mask, mask_iou
from carseg_lib.data.photos import read_photo
from carseg_lib.engine.features import SIZE, imagenet_network
from carseg_lib.engine.inference import Detection, detect, load_trained, paste_mask
from carseg_lib.engine.portable.network import OUTPUTS, PortableDetector
from carseg_lib.engine.presence import Presence
from carseg_lib.models.frozen_bn import bake_fused_convolutions, fuse_frozen_batchnorm
from carseg_lib.models.precision import FLOAT32

logger = logging.getLogger(__name__)

MODEL, RUNNER, CARD = "model.onnx", "run_model.py", "README.md"
OPSET = 18
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
    """

    photos: int
    same_type: int
    same_number: int
    near: int
    box: float
    mask_iou: float


def export_onnx(run: Run, folder: Path) -> Agreement:
    """Write model.onnx, run_model.py and README.md into a folder, and compare the model with torch's.

    The file's metadata, a JSON text under "carseg", has the types' names, the longer side to which a photo is shrunk
    first, and the thresholds. The network computes in float32.

    Args:
        run: evaluated: the threshold of a car is its.
        folder: may exist; the three files are replaced.

    Raises:
        CarsegError: the run has no trained model, no masks or no threshold yet, or a file cannot be written.
    """
    config = run.config.updated(model={"precision": FLOAT32}, device="cpu")
    model, card = load_trained(config, run)
    if not card["with_masks"]:
        raise CarsegError(f"run {run.name!r} has no masks; only models with masks are exported")
    presence = Presence.load(run, card["sha256"])
    logger.info("exporting the model of run %s, which takes about two minutes", run.name)
    detector = portable_detector(model, config.inputs.size, presence.classes)
    described = {
        "body_types": card["body_types"],
        "longest_side": cache_side(config.inputs.size),
        "car_threshold": presence.threshold,
        "kept_validation_cars": presence.keep,
        "run": run.name,
        "data": config.data_as_given,
        "weights_sha256": card["sha256"],
        "made": environment.now(),
    }
    files.make_folder(folder)
    with files.atomic(folder / MODEL) as path:
        write_onnx(detector, described, path)
    found = compare(run, folder / MODEL)
    with files.atomic(folder / RUNNER) as path:
        shutil.copyfile(Path(__file__).with_name("runner.py"), path)
    files.write_text(folder / CARD, _card(described, found, (folder / MODEL).stat().st_size))
    return found


def portable_detector(model: Any, size: tuple[int, int], classes: tuple[int, ...]) -> PortableDetector:
    """The detector of a trained model; the model is changed: its normalisation becomes part of its convolutions."""
    classifier = imagenet_network()
    for network, input_size in ((model.backbone, size), (classifier, SIZE)):
        example = torch.zeros(1, 3, *input_size)
        fuse_frozen_batchnorm(network, example)
        bake_fused_convolutions(network, example)
        network.to(memory_format=torch.contiguous_format)
    return PortableDetector(model, size, classifier, classes).eval()


def write_onnx(detector: nn.Module, described: dict[str, Any], path: Path) -> None:
    """Write a detector with its description."""
    side = torch.export.Dim.AUTO
    program = torch.onnx.export(
        detector,
        (torch.zeros(120, 180, 3, dtype=torch.uint8),),
        dynamo=True,
        dynamic_shapes={"photo": {0: side, 1: side}},
        input_names=["photo"],
        output_names=list(OUTPUTS),
        opset_version=OPSET,
        verbose=False,
    )
    assert program is not None
    program.model.metadata_props["carseg"] = json.dumps(described, ensure_ascii=False)
    program.save(path)


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
    names, same_type, same_number, boxes, ious = card["body_types"], 0, 0, [], []
    photos = list(_photos(run, cache_side(config.inputs.size), most))
    for photo in photos:
        size = photo.shape[1], photo.shape[0]
        ours = next(detect(model, [(preprocess(photo, config.inputs.size), [size])], names, config.model))
        found = dict(zip(OUTPUTS, session.run(None, {"photo": photo}), strict=True))
        theirs = [names[label - 1] for label in found["labels"]]
        same_number += len(ours) == len(theirs)
        same_type += [one.body_type for one in ours[:1]] == theirs[:1]
        if ours and theirs:
            scale = np.array([*config.inputs.size[::-1]] * 2) / np.array([*size] * 2)
            boxes.append(float(np.abs((found["boxes"][0] - ours[0].box) * scale).max()))
            ious.append(_mask_iou(ours[0], found["masks"][0], found["boxes"][0], photo.shape[:2]))
    near = sum(box <= 0.5 for box in boxes)
    mean = float(np.mean(ious)) if ious else float("nan")
    return Agreement(len(photos), same_type, same_number, near, max(boxes, default=0.0), mean)


def _photos(run: Run, side: int, most: int) -> Iterator[np.ndarray]:
    catalogue = Catalogue.load(run.dataset)
    rows = catalogue.split("validation").photos
    for photo_id in rows["photo_id"].iloc[np.unique(np.linspace(0, len(rows) - 1, most).round().astype(int))]:
        yield np.array(read_photo(catalogue.root / photo_id, side))


def _mask_iou(ours: Detection, probabilities: np.ndarray, box: np.ndarray, shape: tuple[int, ...]) -> float:
    height, width = shape
    pasted = paste_mask(probabilities, box.tolist(), height, width)
    return mask_iou(decode_mask(ours.mask, height, width), pasted)


def _card(described: dict[str, Any], found: Agreement, size: int) -> str:
    types, kept = ", ".join(described["body_types"]), percent(described["kept_validation_cars"])
    return f"""# {described["run"]}: a model of {types}

`{MODEL}` ({size / 1e6:.0f} MB) finds cars in a photo, outlines them and names their type. It takes a photo as it is
(height, width, 3; bytes, upright RGB) and gives boxes in its pixels, labels, scores, probabilities of the types, masks
within the boxes, and car scores. Resizing, normalisation, non-maximum suppression and the second look are inside;
types and thresholds are in its metadata under `carseg`.

```sh
pip install onnxruntime numpy pillow
python {RUNNER} photo.jpg …     # prints the type, writes photo.jpg.mask.png
```

A detection is a car from a car score of {described["car_threshold"]:.4f}, which {kept} of the validation cars reach.

Trained on {described["data"]}, run `{described["run"]}`; exported {described["made"]}; sha256 of the weights
`{described["weights_sha256"]}`. What it can do, with intervals, is in the run's report.

Compared with torch in float32 on {found.photos} validation photos: the same type in {found.same_type}, as many
detections in {found.same_number}, edges of the best box within half a pixel of the network's input in {found.near} (at
most {found.box:.2f}); mean IoU of its mask {found.mask_iou:.4f}.

Licences: the weights are yours as far as your photos are; the layers started from EfficientNet-Lite by Google
(Apache-2.0), the runner is MIT.
"""
