"""The car segmenter: a Mask R-CNN with one class, "car", trained on cars whose masks are known; carseg comes with one.

It is trained like any model here, with every type called "car" (`type_names.ANY_CAR`), by profile `segmenter`: on the
rendered cars, or on any data with masks, COCO's and VOC's cars among them. The one in the package is the default
teacher (`carseg_lib.engine.pseudo_labels.annotators`), and `WEIGHTS=segmenter` starts a study from it.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_safetensors
from torch import Tensor

from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.paths import builtin_segmenter, checksum_path

CAR = "car"
_MEND = "restore it from git, or make it anew: make segmenter"


def write_segmenter(path: Path, state: dict[str, Tensor], card: dict[str, Any]) -> Path:
    """Writes a segmenter: its tensors, kernels at half precision, its card in the file's header, its sha256 beside it.

    Args:
        path: ends in .safetensors.
        state: the model's.
        card: plain values: settings, data, metrics; what `read_segmenter` gives back.
    """
    # a kernel's rounding is a thousandth of it; statistics and biases are few and can be any size
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
        CarsegError: missing, damaged, or not the file whose sha256 stands beside it.
    """
    try:
        promised = checksum_path(path).read_text(encoding="ascii").split()[:1]
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise CarsegError(f"{error.filename}: the car segmenter is missing; {_MEND}") from None
    except (OSError, ValueError) as error:
        raise CarsegError(f"{path}: the car segmenter cannot be read ({error}); {_MEND}") from None
    if [hashlib.sha256(content).hexdigest()] != promised:
        raise CarsegError(
            f"{path}: damaged, its sha256 is not the one in {checksum_path(path).name}; {_MEND}"
        )
    try:
        with safe_open(path, framework="pt") as opened:
            card = json.loads(opened.metadata()["card"])
            state = {name: opened.get_tensor(name).float() for name in opened.keys()}  # noqa: SIM118
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise CarsegError(f"{path}: no car segmenter ({error}); {_MEND}") from None
    return state, card


def read_builtin() -> tuple[dict[str, Tensor], dict[str, Any]]:
    """`read_segmenter` of the one in the package."""
    return read_segmenter(builtin_segmenter())
