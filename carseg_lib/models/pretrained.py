"""The car segmenter: a Mask R-CNN with one class, "car", trained on cars with masks; carseg comes with one.

It is trained like any model here, with every body type called "car" (`core.classes.ANY_CAR`), by profile `segmenter`:
on the rendered cars, or on any data with masks, such as COCO's and VOC's cars. The one in the package is the default
annotator of pseudo-labels, and the initial weights of a run with `WEIGHTS=segmenter`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_safetensors
from torch import Tensor

from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.paths import builtin_segmenter, checksum_path, verify_checksum

CAR = "car"
_WHAT_TO_DO = "restore it from git, or train one: make train-segmenter"


def write_segmenter(path: Path, state: dict[str, Tensor], card: dict[str, Any]) -> Path:
    """Writes a segmenter: its tensors, kernels at half precision, its card in the file's header, its sha256 beside it.

    Args:
        path: ends in .safetensors.
        state: the model's.
        card: plain values: settings, data, metrics.
    """
    # half precision rounds a kernel by a thousandth; statistics and biases are few and can have any size
    halved = {
        name: tensor.half().contiguous() if tensor.ndim > 1 else tensor.contiguous()
        for name, tensor in state.items()
        if not name.endswith("num_batches_tracked")
    }
    files.write_bytes(path, to_safetensors(halved, metadata={"card": json.dumps(card, allow_nan=False)}))
    files.write_text(checksum_path(path), f"{files.sha256(path)}  {path.name}\n")
    return path


def read_segmenter(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors, as float32, and card of a segmenter.

    Raises:
        CarsegError: missing, damaged, or its sha256 is not the one beside it.
    """
    verify_checksum(path, "the car segmenter", _WHAT_TO_DO)
    try:
        with safe_open(path, framework="pt") as opened:
            card = json.loads(opened.metadata()["card"])
            state = {name: opened.get_tensor(name).float() for name in opened.keys()}  # noqa: SIM118
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise CarsegError(f"{path}: no car segmenter ({error}); {_WHAT_TO_DO}") from None
    return state, card


def read_builtin() -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and card of the segmenter in the package; see `read_segmenter`."""
    return read_segmenter(builtin_segmenter())
