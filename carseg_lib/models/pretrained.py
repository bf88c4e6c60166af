"""Trained models as single files of safetensors, and the two that come with carseg.

The car segmenter is a Mask R-CNN with one class, "car". It is trained like any model here, with every body type called
"car" (`core.classes.ANY_CAR`), by profile `segmenter`: on the rendered cars, or on any data with masks, such as COCO's
and VOC's cars. The one in the package is the default annotator of pseudo-labels, and the initial weights of a run with
`WEIGHTS=segmenter`. The other model names the body types: `make predict` uses it where no run is trained yet.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
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


def write_packed(path: Path, state: dict[str, Tensor], card: dict[str, Any]) -> Path:
    """Writes a model: its tensors, kernels at half precision, its card in the file's header, its sha256 beside it.

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


def read_packed(path: Path, what: str, advice: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors, as float32, and card of a model that `write_packed` wrote.

    Args:
        path: Of the file.
        what: The model in words, for messages.
        advice: What the user can do.

    Raises:
        CarsegError: missing, damaged, or its sha256 is not the one beside it.
    """
    with _opened(path, what, advice) as opened:
        state = {name: opened.get_tensor(name).float() for name in opened.keys()}  # noqa: SIM118
        return state, _card(opened)


def read_card(path: Path, what: str, advice: str) -> dict[str, Any]:
    """The card of a model alone; as `read_packed`, which reads the tensors too."""
    with _opened(path, what, advice) as opened:
        return _card(opened)


@contextmanager
def _opened(path: Path, what: str, advice: str) -> Iterator[Any]:
    verify_checksum(path, what, advice)
    try:
        with safe_open(path, framework="pt") as opened:
            yield opened
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise CarsegError(f"{path}: it does not hold {what} ({error}); {advice}") from None


def _card(opened: Any) -> dict[str, Any]:
    return json.loads(opened.metadata()["card"])


def read_segmenter(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and card of a car segmenter; see `read_packed`."""
    return read_packed(path, "the car segmenter", _WHAT_TO_DO)


def read_builtin() -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and card of the segmenter in the package; see `read_segmenter`."""
    return read_segmenter(builtin_segmenter())
