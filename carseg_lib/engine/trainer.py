"""Fine-tuning, step by step as the paper describes it (§V): one epoch, one run, a checkpoint after each epoch.

The loop runs on Lightning Fabric: one process on a laptop, several under torchrun, the same code. What is random
follows from (seed, epoch, photo), and every loss is a mean over the whole batch wherever its photos are: several
processes learn what one would, and a run that was killed goes on as if it had not been.
"""

import hashlib
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pandas as pd
import torch
from lightning_fabric import Fabric
from torch import Tensor

from carseg_lib.core import files
from carseg_lib.core.code_fingerprint import imported_files
from carseg_lib.core.config import RunConfig
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.paths import project_folder
from carseg_lib.core.run import Run
from carseg_lib.data.cache import DecodedImageCache
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.dataset import CarDataset, cache_of
from carseg_lib.data.loading import DistributedBatchSampler, balanced_epoch_order, make_loader
from carseg_lib.engine import distributed
from carseg_lib.engine.checkpoint import Checkpoints, TrainingState
from carseg_lib.engine.ema import ModelEMA
from carseg_lib.engine.inference import choose_device
from carseg_lib.engine.optim import learning_rate, make_optimizer
from carseg_lib.engine.postprocess import predict_class
from carseg_lib.engine.progress import ProgressTimer, describe_run
from carseg_lib.models.mask_rcnn import LOSS_TERMS, MaskRCNN, build_model
from carseg_lib.models.precision import resolve_precision
from carseg_lib.models.weights import PretrainedInfo, load_weights

# What a training depends on beside its photos, its initial weights and its code.
TRAINING_SETTINGS = (
    "pseudo_labels",
    "seed",
    "inputs",
    "model",
    "train",
    "device",
    "num_processes",
)


@dataclass
class LossMeter:
    """Sums over photos, from which an epoch's means follow; they add up over batches and over processes."""

    losses: dict[str, float] = field(default_factory=lambda: dict.fromkeys(LOSS_TERMS, 0.0))
    counts: dict[str, float] = field(
        default_factory=lambda: dict.fromkeys(("anchors", "regions", "positives"), 0.0)
    )
    correct: float = 0.0
    photos: float = 0.0

    def add_losses(self, losses: dict[str, Tensor], counts: dict[str, int]) -> None:
        """Adds a batch: its mean losses, each times what it is a mean over."""
        values = torch.stack(
            [loss.detach().float() for loss in losses.values()]
        ).tolist()  # one wait for a GPU
        for name, loss in zip(losses, values, strict=True):
            self.losses[name] += loss * counts[LOSS_TERMS[name]]
        for name, count in counts.items():
            self.counts[name] += count

    def over_processes(self, fabric: Fabric) -> "LossMeter":
        """The same sums over all processes."""
        values = [*self.losses.values(), *self.counts.values(), self.correct, self.photos]
        if fabric.world_size > 1:
            values = fabric.all_reduce(torch.tensor(values, dtype=torch.float64), reduce_op="sum").tolist()
        n = len(self.losses)
        return LossMeter(
            dict(zip(self.losses, values[:n], strict=True)),
            dict(zip(self.counts, values[n : n + 3], strict=True)),
            *values[n + 3 :],
        )

    def means(self, prefix: str) -> dict[str, float]:
        """The five terms and their sum, as columns of the history."""
        terms = {name: self.losses[name] / max(self.counts[LOSS_TERMS[name]], 1) for name in LOSS_TERMS}
        return {f"{prefix}_loss": sum(terms.values())} | {
            f"{prefix}_{name}": value for name, value in terms.items()
        }


def make_fabric(run: Run) -> Fabric:
    """Fabric for the study's device and number of processes; the model sees to its precision itself."""
    fabric = Fabric(
        accelerator=choose_device(run.config.device).type,
        devices=run.config.num_processes,
        strategy="ddp" if run.config.num_processes > 1 else "auto",
    )
    fabric.launch()
    return fabric


def seed_everything(seed: int, device: torch.device) -> None:
    """Seeds torch (initial heads) and asks for deterministic kernels where all have one: on the CPU."""
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(device.type == "cpu")
    # Deterministic mode fills every new tensor with NaN, in case a kernel reads what it has not written: a tenth to a
    # quarter of a step here, and the numbers are the same without.
    torch.utils.deterministic.fill_uninitialized_memory = False


def rescale_losses(fabric: Fabric, losses: dict[str, Tensor], counts: dict[str, int]) -> dict[str, Tensor]:
    """Scales this process's mean losses so that their mean over processes is the mean over the whole batch.

    Processes sample different numbers of anchors and regions: a plain mean of means would depend on who got which
    photo.
    """
    if fabric.world_size == 1:
        return losses
    local = torch.tensor(list(counts.values()), dtype=torch.float64)
    whole = fabric.all_reduce(local.clone(), reduce_op="sum").cpu().clamp(min=1)
    scale = dict(zip(counts, (local * fabric.world_size / whole).tolist(), strict=True))
    return {name: loss * scale[LOSS_TERMS[name]] for name, loss in losses.items()}


def train_one_epoch(
    fabric: Fabric,
    model: MaskRCNN,
    optimizer: torch.optim.Optimizer,
    dataset: CarDataset,
    batches: DistributedBatchSampler,
    config: RunConfig,
    first_step: int,
    steps: int,
    average: ModelEMA,
    progress: Callable[[int, int], None],
) -> LossMeter:
    """One pass over the training photos: losses, gradients, step, for each batch.

    Raises:
        CarsegError: a loss is not finite; the message names the photos of the batch, and no weight was changed by it.
    """
    bare = model.module
    model.train()
    sums = LossMeter()
    for i, (images, targets) in enumerate(make_loader(dataset, batches, config.inputs.num_workers)):
        for group in optimizer.param_groups:
            group["lr"] = group["share"] * learning_rate(config.train, first_step + i, steps)
        images, targets = fabric.to_device((images, targets))
        losses, _ = model(images, targets)
        counts = bare.loss_counts()
        total = sum(rescale_losses(fabric, losses, counts).values())
        if not torch.isfinite(total):
            ids = [dataset.photos.photo_id[int(t["index"])] for t in targets]
            terms = ", ".join(f"{name[5:]} {loss.item():g}" for name, loss in losses.items())
            raise CarsegError(
                f"the loss is not finite ({terms}) in the batch of {', '.join(ids)}; lower lr, or look at these photos"
            )
        fabric.backward(total)
        if config.train.max_grad_norm:
            fabric.clip_gradients(model, optimizer, max_norm=config.train.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()
        average.update()
        sums.add_losses(losses, counts)
        sums.photos += len(images)
        progress(i + 1, len(batches))
    return sums.over_processes(fabric)


@torch.no_grad()
def validate(
    fabric: Fabric, model: MaskRCNN, dataset: CarDataset, config: RunConfig, with_losses: bool = True
) -> LossMeter:
    """Evaluation mode, no gradients: losses, and the number of photos whose one answer is right (§V)."""
    bare = model.module
    model.eval()
    sums = LossMeter()
    batches = DistributedBatchSampler(
        dataset.in_order(), config.train.batch_size, fabric.global_rank, fabric.world_size
    )
    for images, targets in make_loader(dataset, batches, config.inputs.num_workers):
        if not targets:
            continue
        images, targets = fabric.to_device((images, targets))
        losses, detections = bare(images, targets if with_losses else None, with_masks=False)
        if with_losses:
            sums.add_losses(losses, bare.loss_counts())
        for target, found in zip(targets, detections, strict=True):
            answer = predict_class(
                found["boxes"],
                found["scores"],
                found["labels"],
                score_threshold=config.model.score_threshold,
                nms_threshold=config.model.class_agnostic_nms_iou,
            )
            truth = dataset.truth(int(target["index"]))
            sums.correct += answer is not None and int(found["labels"][answer]) == truth
            sums.photos += 1
    return sums.over_processes(fabric)


def training_fingerprint(run: Run, dataset: Catalogue, weights: PretrainedInfo) -> str:
    """What a training run computes follows from this: settings, data, first weights, code, lock.

    Checkpoints lie in a folder of this name.
    """
    settings = run.config.select(*TRAINING_SETTINGS)
    settings["model.precision"] = resolve_precision(
        run.config.model.precision, choose_device(run.config.device)
    )
    lock = project_folder() / "requirements.lock"
    code = (training_code(), files.sha256(lock) if lock.is_file() else "")
    recipe = f"{sorted(settings.items())} {dataset.fingerprint} {weights.sha256} {code} {torch.__version__}"
    return hashlib.sha256(recipe.encode()).hexdigest()[:16]


def training_code() -> dict[str, str]:
    """Digest of every module of the library that training reaches, by path.

    A checkpoint that was made by other code is not resumed.
    """
    return imported_files(project_folder(), ("carseg_lib",), f"import {__spec__.name}", "training")


def train(run: Run) -> pd.DataFrame:
    """Trains the study's model on its data set, in one process or in `workers` of them.

    A run that was killed goes on after its last whole epoch; one that is finished is not trained again.
    Leaves history.csv, model/best.pt and model/best.json in the run's folder.

    Returns:
        The history: a row an epoch.
    """
    if run.config.num_processes > 1 and not distributed.inside():
        distributed.run_module("carseg_lib.engine.trainer", run.name, run.config.num_processes)
    else:
        _train_here(run)
    return pd.read_csv(run.history)


def _train_here(run: Run) -> None:
    config = run.config
    dataset = Catalogue.load(run.dataset)
    with_masks = dataset.has_masks
    fabric = make_fabric(run)
    seed_everything(config.seed, fabric.device)
    say = print if fabric.is_global_zero else _nothing
    # Each epoch is judged by one look at a photo: two would make its validation cost half as much as its training.
    model = build_model(config.model, len(dataset.body_types) + 1, with_masks)
    record = load_weights(model, config.model.backbone, config.model.weights)
    model = model.to(fabric.device, memory_format=torch.channels_last)
    optimizer = make_optimizer(model, config.train)
    checkpoints = Checkpoints(run.checkpoints / training_fingerprint(run, dataset, record))
    average = ModelEMA(model, config.train.ema_decay)
    state = checkpoints.resume(model, optimizer, average)
    model, optimizer = fabric.setup(model, optimizer)

    cache = _shared_cache(fabric, dataset, run, say)
    train_photos = CarDataset(dataset, "train", config.inputs, config.seed, augment=True, cache=cache)
    train_sample = CarDataset(dataset, "train", config.inputs, config.seed, cache=cache).sample(
        config.train.train_eval_size
    )
    validation_photos = CarDataset(dataset, "validation", config.inputs, config.seed, cache=cache)
    say(describe_run(config, record, len(train_photos), len(validation_photos), with_masks, state.epoch))
    clock = ProgressTimer(config.train.epochs, state.epoch, say)
    for epoch in range(state.epoch + 1, config.train.epochs + 1):
        order = balanced_epoch_order(
            train_photos.photos.body_type, epoch, config.seed, config.train.class_balance
        )
        batches = DistributedBatchSampler(
            order, config.train.batch_size, fabric.global_rank, fabric.world_size
        )
        steps = len(batches)
        if batches.smallest < config.num_processes:
            raise CarsegError(
                f"batches of {batches.smallest} photos ({len(train_photos)} in training, "
                f"batch_size={config.train.batch_size}) can't be shared by NPROC={config.num_processes}; take fewer processes"
            )
        started = time.monotonic()
        progress = clock.within(epoch, started)
        trained = train_one_epoch(
            fabric,
            model,
            optimizer,
            train_photos,
            batches,
            config,
            (epoch - 1) * steps,
            config.train.epochs * steps,
            average,
            progress,
        )
        seconds = time.monotonic() - started
        with average.applied():
            validated = validate(fabric, model, validation_photos, config)
            sampled = validate(fabric, model, train_sample, config, with_losses=False)
        row = {
            "epoch": epoch,
            "lr": optimizer.param_groups[-1]["lr"],
            "seconds": round(time.monotonic() - started, 3),
            "photos_per_second": round(trained.photos / seconds, 3),
            **trained.means("train"),
            **validated.means("validation"),
            "train_accuracy": sampled.correct / sampled.photos,
            "train_sample": int(sampled.photos),
            "validation_correct": int(validated.correct),
            "validation_photos": int(validated.photos),
            "validation_accuracy": validated.correct / validated.photos,
        }
        state.add(row)
        if fabric.is_global_zero:
            checkpoints.save(state, model.module, optimizer, average)
        fabric.barrier()
        say(clock.line(row))
    if fabric.is_global_zero:
        card = {
            "body_types": list(dataset.body_types),
            "with_masks": with_masks,
            "device": fabric.device.type,
            "precision": resolve_precision(config.model.precision, fabric.device),
        }
        _export_best(run, state, checkpoints, dataset, card | {"weights": record.as_dict()})


def _shared_cache(
    fabric: Fabric, dataset: Catalogue, run: Run, say: Callable[[str], None]
) -> DecodedImageCache:
    """One process decodes the photos, the others wait and read."""
    if not fabric.is_global_zero:
        fabric.barrier()
        return cache_of(dataset, run.config.inputs, run.caches)
    cache = cache_of(dataset, run.config.inputs, run.caches)
    fabric.barrier()
    return cache


def _export_best(
    run: Run, state: TrainingState, checkpoints: Checkpoints, dataset: Catalogue, card: dict
) -> None:
    best = checkpoints.best(state)
    history = pd.DataFrame(state.history)
    history["best"] = history.epoch == state.best_epoch
    files.write_bytes(run.best_weights, best.read_bytes())
    card |= {
        "epoch": state.best_epoch,
        "epochs": run.config.train.epochs,
        "validation_accuracy": state.history[state.best_epoch - 1]["validation_accuracy"],
        "config": run.config.model_dump(mode="json"),
        "data": {"name": dataset.name, "fingerprint": dataset.fingerprint},
        "sha256": files.sha256(run.best_weights),
    }
    files.write_json(run.best_card, card)
    files.write_csv(run.history, history)


def _nothing(_: str) -> None:
    pass


if __name__ == "__main__":
    try:
        _train_here(Run.open(sys.argv[1]))
    except CarsegError as error:
        print(f"carseg: {error}", file=sys.stderr)
        sys.exit(2)
