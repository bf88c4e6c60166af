"""Checkpoints of a training: tensors in .pt files, everything else in one JSON that names them with their hashes.

The JSON is written last and by renaming: a run that is killed at any moment leaves its last whole epoch. The epoch
before it is kept too: where the disk has damaged the newest files, training goes on from there, with the same numbers.
"""

import hashlib
import io
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError
from carseg_lib.engine.ema import ModelEMA
from carseg_lib.models.weights import read_checkpoint

logger = logging.getLogger(__name__)


@dataclass
class TrainingState:
    """The state of a training: its history, a row for each epoch (see `trainer.train`)."""

    history: list[dict[str, Any]] = field(default_factory=list)

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return len(self.history)

    @property
    def best_epoch(self) -> int:
        """The epoch with the highest validation accuracy; of equals, that with the lowest validation loss."""
        return max(self.history, key=lambda row: (row["validation_accuracy"], -row["validation_loss"]))["epoch"]


class Checkpoints:
    """The checkpoints of a training in a folder: of its last two epochs, with the optimizer, and their best epochs'."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.index = folder / "state.json"

    def save(self, state: TrainingState, model: nn.Module, optimizer: torch.optim.Optimizer, average: ModelEMA) -> None:
        """Saves the last epoch of `state`, then removes the checkpoints that are no longer needed.

        The averaged weights are those of the trained model; the plain ones are those that a resumed run continues with.
        """
        files.make_folder(self.folder)
        before = files.read_sealed_json(self.index)
        hashes = before["sha256"] if before else {}
        with average.applied():
            weights = _weights(model)
        content = {"model": weights, "trained": _weights(model), "average": average.state_dict()}
        last = _file("epoch", state.epoch)
        hashes[last] = write_tensors(content | {"optimizer": optimizer.state_dict()}, self.folder / last)
        if state.best_epoch == state.epoch:
            hashes[self.best(state).name] = write_tensors(weights, self.best(state))
        wanted = {name for epochs in (state.epoch, state.epoch - 1) for name in _files(state.history[:epochs])}
        hashes = {name: digest for name, digest in hashes.items() if name in wanted}
        files.write_sealed_json(self.index, {"last": last, "sha256": hashes, "history": state.history})
        for path in self.folder.glob("*.pt"):
            if path.name not in hashes:
                path.unlink()

    def best(self, state: TrainingState) -> Path:
        """The file of the best epoch's weights."""
        return self.folder / _file("best", state.best_epoch)

    def resume(self, model: nn.Module, optimizer: torch.optim.Optimizer, average: ModelEMA) -> TrainingState:
        """Restores model, optimizer and average as of the last whole epoch; returns an empty state if there is none.

        Where a file of it is missing or damaged, as of the epoch before; where that is as well, training begins anew.
        What is damaged is logged.
        """
        if not self.index.is_file():
            return TrainingState()
        index = files.read_sealed_json(self.index)
        if index is None:
            logger.warning("%s is damaged: training begins anew", self.index)
            return TrainingState()
        whole = len(index["history"])
        for epochs in range(whole, max(whole - 2, 0), -1):
            history = index["history"][:epochs]
            damaged = [name for name in _files(history) if not self._is_whole(name, index["sha256"])]
            if not damaged:
                self._restore(self.folder / _file("epoch", epochs), model, optimizer, average)
                return TrainingState(history)
            after = "training begins anew" if epochs == max(whole - 1, 1) else "the epoch before it is tried"
            logger.warning("%s is missing or damaged: %s", self.folder / damaged[0], after)
        return TrainingState()

    def _is_whole(self, name: str, hashes: Mapping[str, str]) -> bool:
        path = self.folder / name
        return path.is_file() and files.sha256(path) == hashes.get(name)

    @staticmethod
    def _restore(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, average: ModelEMA) -> None:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        model.load_state_dict(checkpoint["trained"])
        average.load_state_dict(checkpoint["average"])
        optimizer.load_state_dict(checkpoint["optimizer"])


def _file(kind: str, epoch: int) -> str:
    return f"{kind}-{epoch:03d}.pt"


def _files(history: list[dict[str, Any]]) -> list[str]:
    """The files of the last epoch of a history: its state, and the weights of the best epoch until then."""
    return [_file("epoch", len(history)), _file("best", TrainingState(history).best_epoch)] if history else []


def _weights(model: nn.Module) -> dict[str, Tensor]:
    """A copy of the tensors, which training goes on changing."""
    return {name: tensor.detach().cpu().contiguous().clone() for name, tensor in model.state_dict().items()}


def write_tensors(content: Mapping[str, Any], path: Path) -> str:
    """Writes tensors and plain values; returns the file's sha256."""
    buffer = io.BytesIO()  # `files` reports a full disk in one line, torch in many
    torch.save(dict(content), buffer)
    files.write_bytes(path, buffer.getvalue())
    return hashlib.sha256(buffer.getbuffer()).hexdigest()


def last_weights(folder: Path) -> dict[str, Tensor]:
    """The weights after the last epoch of the training whose checkpoints lie in `folder`.

    Raises:
        CarsegError: they are missing or damaged.
    """
    index = files.read_sealed_json(folder / "state.json")
    path = folder / (index["last"] if index else "state.json")
    if index is None or not path.is_file() or files.sha256(path) != index["sha256"].get(path.name):
        raise CarsegError(f"{path} is missing or damaged; remove {folder} to train anew")
    return read_checkpoint(path)
