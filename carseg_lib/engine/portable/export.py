"""Exporting a run's model: one ONNX file, the runner that needs no torch, and a card with what was compared."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import nn

from carseg_lib.core import environment, files
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.run import Run
from carseg_lib.data.cache import cache_side
from carseg_lib.engine.features import SIZE, imagenet_network
from carseg_lib.engine.inference import load_trained
from carseg_lib.engine.portable.agreement import Agreement, compare
from carseg_lib.engine.portable.card import card_text, measured, read_metrics
from carseg_lib.engine.portable.network import OUTPUTS, PortableDetector
from carseg_lib.engine.portable.storage import DESCRIPTION, description, store_halves, without_traces
from carseg_lib.engine.predictor import SURE_SCORE
from carseg_lib.engine.presence import Presence
from carseg_lib.models.frozen_bn import bake_fused_convolutions, fuse_frozen_batchnorm
from carseg_lib.models.precision import FLOAT32

logger = logging.getLogger(__name__)

MODEL, RUNNER, CARD = "model.onnx", "run_model.py", "README.md"
OPSET = 18


def export_onnx(run: Run, folder: Path) -> Agreement:
    """Write model.onnx, run_model.py and README.md into a folder, and compare the model with torch's.

    The file's metadata, a JSON text under `DESCRIPTION`, has the types' names, the longer side to which a photo is
    shrunk first, and the thresholds. Weights are stored as float16; the network computes in float32.

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
    detector = portable_detector(model, config.inputs.size, presence)
    metrics = read_metrics(run)
    described = {
        "body_types": card["body_types"],
        "longest_side": cache_side(config.inputs.size),
        "car_threshold": presence.threshold,
        "second_opinion": _opinion(presence),
        "kept_validation_cars": presence.keep,
        "score_threshold": config.model.score_threshold,
        "nms_iou": config.model.class_agnostic_nms_iou,
        "sure_score": SURE_SCORE,
        "run": run.name,
        "data": Path(config.data_as_given).name,
        "measured": measured(metrics),
        "first_weights": card["weights"]["origin"] or card["weights"]["source"],
        "weights_sha256": card["sha256"],
        "made": environment.now(),
    }
    files.make_folder(folder)
    with files.atomic(folder / MODEL) as path:
        write_onnx(detector, described, path)
    found = compare(run, folder / MODEL)
    with files.atomic(folder / RUNNER) as path:
        shutil.copyfile(Path(__file__).with_name("runner.py"), path)
    files.write_text(folder / CARD, card_text(described, metrics, found.text(), (folder / MODEL).stat().st_size))
    return found


def is_exported(run: Run, folder: Path) -> bool:
    """Whether a folder holds the present model of a run, with its present threshold and opinion on the type."""
    if not (folder / MODEL).is_file() or not run.best_card.is_file():
        return False
    sha256 = files.read_json(run.best_card)["sha256"]
    about, presence = description(folder / MODEL), Presence.load(run, sha256)
    present = (sha256, presence.threshold, _opinion(presence))
    return tuple(map(about.get, ("weights_sha256", "car_threshold", "second_opinion"))) == present


def _opinion(presence: Presence) -> dict[str, Any] | None:
    return presence.opinion.content() if presence.opinion else None


def portable_detector(model: Any, size: tuple[int, int], presence: Presence) -> PortableDetector:
    """The detector of a trained model; the model is changed: its normalisation becomes part of its convolutions."""
    classifier = imagenet_network()
    for network, input_size in ((model.backbone, size), (classifier, SIZE)):
        example = torch.zeros(1, 3, *input_size)
        fuse_frozen_batchnorm(network, example)
        bake_fused_convolutions(network, example)
        network.to(memory_format=torch.contiguous_format)
    return PortableDetector(model, size, classifier, presence.classes, presence.opinion).eval()


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
    program.model.metadata_props[DESCRIPTION] = json.dumps(described, ensure_ascii=False)
    program.save(path)
    model = onnx.load(path)
    without_traces(model)
    store_halves(model)
    onnx.save(model, path)
