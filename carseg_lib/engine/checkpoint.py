"""Checkpoints of a training: tensors in .pt files, everything else in one JSON that names them.

The JSON is written last and by renaming: a run that is killed at any moment leaves its last whole epoch.
"""

import io
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
    """The checkpoints of a training in a folder: the last epoch's, with the optimizer, and the best epoch's weights."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.index = folder / "state.json"

    def save(self, state: TrainingState, model: nn.Module, optimizer: torch.optim.Optimizer, average: ModelEMA) -> None:
        """Saves the last epoch of `state`, then removes the checkpoints that are no longer needed.

        The averaged weights are those of the trained model; the plain ones are those that a resumed run continues with.
        """
        files.make_folder(self.folder)
        last = self.folder / f"epoch-{state.epoch:03d}.pt"
        with average.applied():
            weights = _weights(model)
        content = {"model": weights, "trained": _weights(model), "average": average.state_dict()}
        _save(content | {"optimizer": optimizer.state_dict()}, last)
        if state.best_epoch == state.epoch:
            _save(weights, self.best(state))
        files.write_json(self.index, {"last": last.name, "best": self.best(state).name, "history": state.history})
        for path in self.folder.glob("*.pt"):
            if path not in (last, self.best(state)):
                path.unlink()

    def best(self, state: TrainingState) -> Path:
        """The file of the best epoch's weights."""
        return self.folder / f"best-{state.best_epoch:03d}.pt"

    def resume(self, model: nn.Module, optimizer: torch.optim.Optimizer, average: ModelEMA) -> TrainingState:
        """Restores model, optimizer and average as of the last whole epoch; returns an empty state if there is none."""
        if not self.index.is_file():
            return TrainingState()
        index = files.read_json(self.index)
        path = self.folder / index["last"]
        try:
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # a missing or damaged file, in any of torch's ways
            raise CarsegError(
                f"checkpoint {path} can't be read ({type(error).__name__}); remove {self.folder} to train anew"
            ) from None
        model.load_state_dict(checkpoint["trained"])
        average.load_state_dict(checkpoint["average"])
        optimizer.load_state_dict(checkpoint["optimizer"])
        return TrainingState(index["history"])


def _weights(model: nn.Module) -> dict[str, Tensor]:
    """A copy of the tensors, which training goes on changing."""
    return {name: tensor.detach().cpu().contiguous().clone() for name, tensor in model.state_dict().items()}


def _save(content: Mapping[str, Any], path: Path) -> None:
    buffer = io.BytesIO()  # `files` reports a full disk in one line, torch in many
    torch.save(dict(content), buffer)
    files.write_bytes(path, buffer.getvalue())


def last_weights(folder: Path) -> dict[str, Tensor]:
    """The weights after the last epoch of the training whose checkpoints lie in `folder`."""
    return read_checkpoint(folder / files.read_json(folder / "state.json")["last"])
