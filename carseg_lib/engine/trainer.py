"""Fine-tuning as the paper describes it (§V): a run's epochs, a checkpoint after each, and the best epoch's model.

The loop (`carseg_lib.engine.loop`) runs on Lightning Fabric: one process on a laptop, several under torchrun, the same
code. All that is random follows from (seed, epoch, photo): several processes learn what one would, and a run that was
killed resumes after its last whole epoch, with the same numbers.
"""

import hashlib
import logging
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment

from carseg_lib.core import files
from carseg_lib.core.code_fingerprint import imported_files
from carseg_lib.core.config import RunConfig
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.paths import RunPaths, project_folder
from carseg_lib.core.run import Run
from carseg_lib.data.cache import DecodedImageCache
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.dataset import CarDataset, cache_of
from carseg_lib.data.loading import DistributedBatchSampler
from carseg_lib.data.training_photos import TrainingPhotos, training_background
from carseg_lib.engine import distributed
from carseg_lib.engine.checkpoint import Checkpoints, TrainingState
from carseg_lib.engine.device import choose_device, seed_everything, to_device
from carseg_lib.engine.device_check import require_agreement
from carseg_lib.engine.ema import ModelEMA
from carseg_lib.engine.loop import train_one_epoch, validate
from carseg_lib.engine.optim import make_optimizer
from carseg_lib.engine.progress import ProgressTimer, describe_run
from carseg_lib.models.networks import build_network, learns_background
from carseg_lib.models.precision import resolve_precision
from carseg_lib.models.weights import PretrainedInfo, load_weights

MODULE = __spec__.name  # `__name__` is another where torchrun runs this module
logger = logging.getLogger(MODULE)

# What a training depends on beside its photos, its initial weights and its code.
TRAINING_SETTINGS = ("pseudo_labels", "seed", "inputs", "model", "train", "device", "num_processes")


def train(config: RunConfig, paths: RunPaths) -> pd.DataFrame:
    """Trains a run's model on its data set, in one process or in `num_processes` of them.

    A run that was killed resumes after its last whole epoch; one that is finished is not trained again.
    Leaves history.csv, model/best.pt and model/best.json in the run's folder.

    Args:
        config: of the run. Several processes read it from the run's folder: it must be saved there.
        paths: of the run, whose data set is there.

    Returns:
        The history, a row an epoch: epoch, lr, seconds, photos_per_second, train_loss, train_<term> for each term of
        the loss, train_running_accuracy (of augmented photos, while the weights change: of a classifier's photos, of
        Mask R-CNN's regions with a car), validation_loss, validation_<term>, train_accuracy (of photos as they are,
        by the epoch's weights), train_sample (photos it is measured on),
        validation_correct, validation_photos, validation_accuracy (0..1), best (one epoch is).
    """
    if config.num_processes > 1 and not distributed.inside():
        distributed.run_module(MODULE, config.name, config.num_processes)
    else:
        fit(config, paths)
    return pd.read_csv(paths.history)


def fit(config: RunConfig, paths: RunPaths) -> None:
    """Trains in this process, which may be one of several; see `train`."""
    dataset = Catalogue.load(paths.dataset)
    with_masks = dataset.has_masks
    fabric = make_fabric(config)
    seed_everything(config.seed, fabric.device)
    # An epoch is validated without test-time augmentation: validation would cost half as much as training.
    network = build_network(config.model, len(dataset.body_types) + 1, with_masks)
    pretrained = load_weights(network, config.model.backbone, config.model.weights)
    if fabric.device.type == "mps":
        require_agreement(network, config.inputs.size, fabric.device)
    network = to_device(network, fabric.device)
    optimizer = make_optimizer(network, config.train)
    checkpoints = Checkpoints(paths.checkpoints / training_fingerprint(config, dataset, pretrained))
    average = ModelEMA(network, config.train.ema_decay)
    state = checkpoints.resume(network, optimizer, average)
    wrapped: Any = fabric.setup(network, optimizer)
    model, optimizer = wrapped

    cache = _shared_cache(fabric, dataset, config, paths)
    train_photos = TrainingPhotos(
        dataset, config.inputs, config.train, config.seed, carless=learns_background(config.model), cache=cache
    )
    plain_photos = CarDataset(dataset, "train", config.inputs, config.seed, cache=cache)
    train_sample = plain_photos.sample(config.train.train_eval_size)
    validation_photos = CarDataset(dataset, "validation", config.inputs, config.seed, cache=cache)
    cars = train_photos.size.cars
    logger.info(describe_run(config, pretrained, cars, len(validation_photos), with_masks, state.epoch))
    logger.info(train_photos.describe())
    timer = ProgressTimer(config.train.epochs, state.epoch)
    for epoch in range(state.epoch + 1, config.train.epochs + 1):
        order = train_photos.epoch_order(epoch)
        batches = DistributedBatchSampler(order, config.train.batch_size, fabric.global_rank, fabric.world_size)
        if batches.smallest < config.num_processes:
            raise CarsegError(
                f"batches of {batches.smallest} photos ({len(order)} in training, "
                f"batch_size={config.train.batch_size}) can't be shared by NPROC={config.num_processes}; "
                "take fewer processes"
            )
        started = time.monotonic()
        trained = train_one_epoch(
            fabric,
            model,
            optimizer,
            train_photos,
            batches,
            config.train,
            num_workers=config.inputs.num_workers,
            first_step=(epoch - 1) * len(batches),
            steps=config.train.epochs * len(batches),
            average=average,
            progress=timer.within(epoch, started),
        )
        seconds = time.monotonic() - started
        with average.applied():
            evaluation = partial(
                validate, fabric, model, batch_size=config.train.batch_size, num_workers=config.inputs.num_workers
            )
            validated = evaluation(validation_photos)
            sampled = evaluation(train_sample, with_losses=False)
        row = {
            "epoch": epoch,
            "lr": optimizer.param_groups[-1]["lr"],
            "seconds": round(time.monotonic() - started, 3),
            "photos_per_second": round(trained.photos / seconds, 3),
            **trained.means("train"),
            **validated.means("validation"),
            "train_running_accuracy": trained.correct / max(trained.classified, 1),
            "train_accuracy": sampled.correct / sampled.photos,
            "train_sample": int(sampled.photos),
            "validation_correct": int(validated.correct),
            "validation_photos": int(validated.photos),
            "validation_accuracy": validated.correct / validated.photos,
        }
        state.history.append(row)
        if fabric.is_global_zero:
            checkpoints.save(state, model.module, optimizer, average)
        fabric.barrier()
        logger.info(timer.line(row))
    if fabric.is_global_zero:
        card = {
            "body_types": list(dataset.body_types),
            "with_masks": with_masks,
            "device": fabric.device.type,
            "precision": resolve_precision(config.model.precision, fabric.device),
            "weights": pretrained.as_dict(),
            "epoch": state.best_epoch,
            "epochs": config.train.epochs,
            "validation_accuracy": state.history[state.best_epoch - 1]["validation_accuracy"],
            "config": config.model_dump(mode="json"),
            "data": {"name": dataset.name, "fingerprint": dataset.fingerprint},
        }
        _export_best(paths, state, checkpoints.best(state), card)


def make_fabric(config: RunConfig) -> Fabric:
    """Fabric, launched, for a run's device and number of processes; the model sees to its precision itself."""
    here = distributed.processes_here() or config.num_processes
    fabric = Fabric(
        accelerator=choose_device(config.device).type,
        devices=here,
        num_nodes=config.num_processes // here,
        strategy="ddp" if config.num_processes > 1 else "auto",
        # Left to itself it takes a SLURM job's tasks for processes of this training.
        plugins=TorchElasticEnvironment() if distributed.inside() else LightningEnvironment(),
    )
    fabric.launch()
    return fabric


def training_fingerprint(config: RunConfig, dataset: Catalogue, weights: PretrainedInfo) -> str:
    """A digest of all that a training's numbers follow from: settings, data, initial weights, code, lock.

    Checkpoints lie in a folder of this name.
    """
    unused = unused_settings(config, dataset)
    settings = {name: value for name, value in config.select(*TRAINING_SETTINGS).items() if name not in unused}
    settings["model.precision"] = resolve_precision(config.model.precision, choose_device(config.device))
    lock = project_folder() / "requirements.lock"
    code = (training_code(), files.sha256(lock) if lock.is_file() else "")
    photos = dataset.fingerprint
    background = training_background(dataset, config.train, carless=learns_background(config.model))
    if background is not None and background is not dataset:
        photos += f" {background.fingerprint}"
    recipe = f"{sorted(settings.items())} {photos} {weights.sha256} {code} {torch.__version__}"
    return hashlib.sha256(recipe.encode()).hexdigest()[:16]


def unused_settings(config: RunConfig, dataset: Catalogue) -> frozenset[str]:
    """Settings of photos without a car that change no number of a training; digests of a training leave them out.

    So a training without such photos has the digest that it had before there were these settings.
    """
    carless = learns_background(config.model)
    used = {
        "train.background_share": training_background(dataset, config.train, carless=carless) is not None,
        "train.pieces_share": carless and config.train.pieces_share > 0,
    }
    return frozenset(name for name, is_used in used.items() if not is_used)


def training_code() -> dict[str, str]:
    """The digest of every module of the library that training reaches, by path: others' checkpoints are not resumed."""
    return imported_files(project_folder(), ("carseg_lib",), f"import {MODULE}", "training")


def _shared_cache(fabric: Fabric, dataset: Catalogue, config: RunConfig, paths: RunPaths) -> DecodedImageCache:
    """The decoded photos: one process decodes, the others wait and read."""
    if not fabric.is_global_zero:
        fabric.barrier()
    cache = cache_of(dataset, config.inputs, paths.caches)
    if fabric.is_global_zero:
        fabric.barrier()
    return cache


def _export_best(paths: RunPaths, state: TrainingState, best: Path, card: dict[str, Any]) -> None:
    """Writes the best epoch's weights, their card and the history into the run's folder."""
    history = pd.DataFrame(state.history)
    history["best"] = history.epoch == state.best_epoch
    files.write_bytes(paths.best_weights, best.read_bytes())
    files.write_json(paths.best_card, card | {"sha256": files.sha256(paths.best_weights)})
    files.write_csv(paths.history, history)


def _main(name: str) -> None:
    run = Run.open(name)
    fit(run.config, run)


if __name__ == "__main__":
    sys.exit(distributed.run_main(_main))
