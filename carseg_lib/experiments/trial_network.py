"""The network of a trial: its initial weights, its training, and what it finds in photos."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import pandas as pd
from torch import Tensor, nn

from carseg_lib.core.config import RunConfig
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.run import Run
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.dataset import BackgroundDataset, CarDataset
from carseg_lib.engine.checkpoint import last_weights
from carseg_lib.engine.inference import Detection
from carseg_lib.engine.trainer import train, training_fingerprint
from carseg_lib.evaluation.evaluate import find_cars, prediction_tables
from carseg_lib.models.classifier import ImageClassifier
from carseg_lib.models.mask_rcnn import MaskRCNN
from carseg_lib.models.networks import Network, build_network
from carseg_lib.models.weights import PretrainedInfo, load_weights


@dataclass(frozen=True)
class TrialNetwork:
    """A trial's network with its initial weights, and how it is trained."""

    model: Network
    weights: dict[str, Any]  # what its initial weights are
    fingerprint: str  # of all that decides the trained weights
    train: Callable[[], Mapping[str, Tensor]]  # returns the last epoch's tensors


def trial_network(run: Run, source: Catalogue, dataset: Catalogue | None, *, full_start: bool = False) -> TrialNetwork:
    """The network of one trial.

    Args:
        run: its configuration.
        source: the photos that its training photos are taken from; they decide its classes and its heads.
        dataset: what it is trained on; None for one that is measured as it is.
        full_start: the initial weights must give every tensor of the network.

    Raises:
        CarsegError: as of `initial_model`.
    """
    config = run.config
    model, info = initial_model(config, source.body_types, source.has_masks, full_start)
    fingerprint = info.sha256 if dataset is None else training_fingerprint(config, dataset, info)

    def train_it() -> Mapping[str, Tensor]:
        assert dataset is not None, "only measured"
        train_run(run, dataset)
        return last_weights(run.checkpoints / fingerprint)

    return TrialNetwork(model, info.as_dict(), fingerprint, train_it)


def train_run(run: Run, dataset: Catalogue) -> pd.DataFrame:
    """Save a run's configuration and data set, and train it; returns its history."""
    run.save()
    dataset.save(run.dataset)
    return train(run.config, run)


def find_in(
    model: nn.Module, photos: CarDataset | BackgroundDataset, body_types: Sequence[str], config: RunConfig
) -> list[list[Detection]]:
    """Each photo's detections by a network of any kind, highest score first; a classifier's is the whole photo."""
    # a classifier and torchvision's model are called in the same way
    found = find_cars(
        cast(MaskRCNN, model), photos, body_types, config.model, config.train.batch_size, config.inputs.num_workers
    )
    return list(found)


def predict_validation(model: nn.Module, catalogue: Catalogue, config: RunConfig) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Predictions and detections of a catalogue's validation photos; see `evaluation.evaluate.prediction_tables`."""
    photos = CarDataset(catalogue.measured(), "validation", config.inputs, config.seed)
    return tables_of(model, photos, find_in(model, photos, catalogue.body_types, config))


def tables_of(model: nn.Module, photos: CarDataset, found: list[list[Detection]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Predictions and detections of validation photos, from what `find_in` found in them."""
    predictions, detections = prediction_tables(photos, "validation", found)
    if isinstance(model, ImageClassifier):  # its detection is the whole photo
        predictions[["x1", "y1", "x2", "y2", "box_iou", "mask_iou"]] = float("nan")
    return predictions, detections


def initial_model(
    config: RunConfig, body_types: Sequence[str], with_masks: bool, full_start: bool = False
) -> tuple[Network, PretrainedInfo]:
    """A run's network with its initial weights, as training will have it.

    Raises:
        CarsegError: the weights do not fit, or, where they must be all there, leave a part at its random start.
    """
    model = build_network(config.model, len(body_types) + 1, with_masks, config.eval.tta)
    info = load_weights(model, config.model.backbone, config.model.weights)
    if full_start and info.fresh:
        raise CarsegError(
            f"start {config.model.weights} lacks {info.fresh} of the network's tensors, or has them for other classes: "
            f"take a checkpoint trained on {', '.join(body_types)}, with masks if the real photos have them."
        )
    return model, info
