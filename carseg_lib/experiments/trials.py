"""The trial runner: trainings on subsets of data sets, each measured on the same photos and compared with others.

An experiment is a folder, `reports/<run>/`. Each trial is a folder in it, laid out as a run's; its `trial.json`,
written last, holds what the trial was made from. A finished trial is not made again, and one that was killed resumes
after its last whole epoch. The last epoch's network is measured: a choice by the photos that measure it would flatter
it.
"""

from __future__ import annotations

import io
import logging
import multiprocessing
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch

from carseg_lib.core import cluster as cluster_of_workers
from carseg_lib.core import environment, files
from carseg_lib.core.config import RunConfig
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.formatting import duration
from carseg_lib.core.locks import folder_lock
from carseg_lib.core.log import show_log
from carseg_lib.core.paths import use_runs_root
from carseg_lib.core.processes import in_processes
from carseg_lib.core.run import Run
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.dataset import CarDataset
from carseg_lib.data.training_photos import epoch_size, training_background
from carseg_lib.engine.device import choose_device
from carseg_lib.experiments.elsewhere import Elsewhere
from carseg_lib.experiments.mixture import mixed_dataset
from carseg_lib.experiments.plan import MONITOR, Plan
from carseg_lib.experiments.subsets import cached_catalogue, code_digest, trial_dataset
from carseg_lib.experiments.trial_network import find_in, tables_of, trial_network
from carseg_lib.models.networks import learns_background
from carseg_lib.models.weights import read_checkpoint

logger = logging.getLogger(__name__)

MODEL = "model.pt"  # the last epoch's network, in the trial's folder
MAKING = "from carseg_lib.experiments import trials"  # the code of a trial, with all that it imports
PACKAGES = ("torch", "torchvision", "timm", "numpy", "pandas", "pillow")  # decide a trial's numbers
PREDICTING = "from carseg_lib.evaluation import evaluate"  # the code that decides predictions, with all that it imports


@dataclass(frozen=True)
class Trial:
    """One training, or a checkpoint that is measured as it is.

    Attributes:
        name: also that of its folder.
        group: trials of a group differ in the seed alone; their predictions are averaged.
        run: its configuration: data set, recipe, initial weights, and the seed of subset and training.
        photos: training photos; 0 = all.
        kind: "train"; "evaluate_only", the initial weights as they are; or "pretrain", a training that only gives other
            trials their initial weights.
        watched: validation photos that are predicted after each epoch, for its history; 0 = all. No epoch is chosen.
        full_start: the initial weights must give every tensor of the network.
        mixed_in: the run whose training photos are mixed in, as many as its own, or all there are; None = none.
        title: the group in words, for tables and figures.
        metadata: what else the results hold of the group.
    """

    name: str
    group: str
    run: Run
    photos: int = 0
    kind: Literal["train", "evaluate_only", "pretrain"] = "train"
    watched: int = MONITOR
    full_start: bool = False
    mixed_in: Run | None = None
    title: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def seed(self) -> int:
        """Of its subset and training."""
        return self.run.config.seed


@dataclass(frozen=True)
class Experiment:
    """The folder of an experiment, and the data sets that its trials share.

    Attributes:
        folder: `reports/<run>`.
        seed: of the splits of data that come without.
    """

    folder: Path
    seed: int
    _catalogues: dict[tuple[str, ...], Catalogue] = field(default_factory=dict, repr=False)

    def catalogue(self, config: RunConfig) -> Catalogue:
        """A run's photos with splits; read once and kept in `<folder>/data`."""
        data = config.data
        key = data.source, data.classes.text, data.split_by, data.unlabelled, data.format
        if key not in self._catalogues:
            self._catalogues[key] = cached_catalogue(config, self.folder / "data", self.seed)
        return self._catalogues[key]

    def training_set(self, trial: Trial) -> Catalogue | None:
        """What a trial is trained on; None for one that is not trained."""
        if trial.kind == "evaluate_only":
            return None
        dataset = trial_dataset(self.catalogue(trial.run.config), trial.photos, trial.seed, trial.watched)
        if trial.mixed_in is None:
            return dataset
        return mixed_dataset(dataset, self.catalogue(trial.mixed_in.config), trial.seed, self.folder / "data")

    def some_photos(self) -> list[Path]:
        """A photo of each data set that was read so far."""
        return [one.root / one.photos.photo_id.iloc[0] for one in self._catalogues.values()]

    def folder_of(self, trial: Trial) -> Path:
        """A trial's folder."""
        return self.folder / trial.name


@contextmanager
def open_experiment(plan: Plan) -> Iterator[Experiment]:
    """Hold the folder of a plan's experiment for this process within the block.

    Raises:
        CarsegError: another process holds it, or the device is not there.
    """
    choose_device(plan.device)
    name = plan.folder.name
    with folder_lock(plan.folder, f"Run {name!r}", advice="wait for it, or choose another name by RUN="):
        files.remove_leftovers(plan.folder)
        logger.info("reading the photos")
        yield Experiment(plan.folder, int(plan.seed))


def run_trials(
    trials: Sequence[Trial],
    experiment: Experiment,
    eval_dataset: Catalogue,
    write_results: Callable[[Sequence[Trial]], object],
    jobs: int = 1,
    elsewhere: Elsewhere | None = None,
    cluster: str = "",
) -> None:
    """Make what is missing or out of date, in order.

    Args:
        trials: of the experiment.
        experiment: from `open_experiment`.
        eval_dataset: the photos that every trial is measured on, of the split "validation"; see `subsets.eval_images`.
        write_results: called after each trial with those that are measured so far.
        jobs: trials that are made side by side, each in a process of its own with its share of the processor's cores.
        elsewhere: other photos that every trial is measured on too.
        cluster: the address of a dask scheduler, whose workers make the trials; "" = this machine.

    Raises:
        CarsegError: before anything is trained: a trial's data set has other body types than the photos that measure
            it, or a subset lacks a type. Later: initial weights do not fit.
    """
    steps = [_steps(trial, experiment.training_set(trial)) for trial in trials]
    for trial in trials:
        types = experiment.catalogue(trial.run.config).body_types
        if trial.kind != "pretrain" and types != eval_dataset.body_types:
            raise CarsegError(
                f"{trial.run.config.data_as_given} has the body types {', '.join(types)}, and the photos that measure "
                f"have {', '.join(eval_dataset.body_types)}: name the same by CLASSES."
            )
    progress = _Progress(trials, steps, write_results)
    shared = _Shared(experiment, eval_dataset, elsewhere)
    stages = [[trial for trial in trials if (trial.kind == "pretrain") == first] for first in (True, False)]
    with _made_by(cluster, trials, shared, jobs) as made:
        for of_stage in stages:  # what gives others their initial weights comes first
            for outcome in made(of_stage):
                progress.add(*outcome)


@dataclass(frozen=True)
class _Shared:
    """What all trials of an experiment need."""

    experiment: Experiment
    eval_dataset: Catalogue
    elsewhere: Elsewhere | None


_Outcome = tuple[Trial, str, float]  # a trial, what came of it, and the seconds that it took


@contextmanager
def _made_by(
    address: str, trials: Sequence[Trial], shared: _Shared, jobs: int
) -> Iterator[Callable[[Sequence[Trial]], Iterable[_Outcome]]]:
    """What makes trials: this process, several on this machine, or a cluster."""
    if address:
        folder = shared.experiment.folder
        children = any(one.run.config.inputs.num_workers or one.run.config.num_processes > 1 for one in trials)
        photos = shared.experiment.some_photos()
        with (
            cluster_of_workers.required(folder, MAKING, PACKAGES, seen=photos, children=children) as expected,
            cluster_of_workers.connect(address, expected) as client,
        ):
            yield lambda some: cluster_of_workers.outcomes(
                client,
                _in_process,
                some,
                shared,
                expected,
                lambda trial: trial.name,
                lambda trial: folder / trial.name / ".trial.lock",
            )
    else:
        yield (
            lambda some: (
                (_timed(trial, shared) for trial in some)
                if jobs == 1 or len(some) < 2
                else in_processes(_in_process, some, shared, jobs)
            )
        )


def _in_process(trial: Trial, shared: _Shared, threads: int) -> _Outcome:
    """`_timed` in a process of its own, beside others."""
    show_log()
    multiprocessing.set_start_method("spawn", force=True)  # joblib's own is not known to the processes that load photos
    torch.set_num_threads(threads)
    return _timed(trial, shared)


def _timed(trial: Trial, shared: _Shared) -> _Outcome:
    """Make a trial."""
    started = time.monotonic()
    with use_runs_root(shared.experiment.folder):
        return trial, _run_trial(trial, shared), time.monotonic() - started


class _Progress:
    """What is done of an experiment's trials, and the time that the others will take."""

    def __init__(
        self, trials: Sequence[Trial], steps: Sequence[int], write_results: Callable[[Sequence[Trial]], object]
    ):
        self._trials, self._steps = list(trials), dict(zip((trial.name for trial in trials), steps, strict=True))
        self._write_results = write_results
        self._done: set[str] = set()
        self._trained = 0
        self._started = time.monotonic()

    def add(self, trial: Trial, outcome: str, seconds: float) -> None:
        """Log a trial that is done, and write the results of all that are, in the order of the plan."""
        self._done.add(trial.name)
        if outcome:
            self._trained += self._steps[trial.name]
        left = sum(steps for name, steps in self._steps.items() if name not in self._done)
        rate = (time.monotonic() - self._started) / self._trained if self._trained else 0.0
        about = f"; about {duration(left * rate)} left" if left * rate else ""
        number = f"[{len(self._done)}/{len(self._trials)}]"
        took = f" in {duration(seconds)}" if outcome else ""
        logger.info("%s %s: %s%s%s", number, trial.name, outcome or "is up to date", took, about)
        if trial.kind != "pretrain":
            self._write_results([one for one in self._trials if one.name in self._done and one.kind != "pretrain"])


def _run_trial(trial: Trial, shared: _Shared) -> str:
    """Train a trial's network and predict the photos; what came of it in words, "" if it was up to date."""
    experiment, eval_dataset, elsewhere = shared.experiment, shared.eval_dataset, shared.elsewhere
    run, folder = trial.run, experiment.folder_of(trial)
    dataset = experiment.training_set(trial)
    source = experiment.catalogue(run.config)
    network = trial_network(run, source, dataset, full_start=trial.full_start)
    needs = {"training": network.fingerprint}
    if measured := trial.kind != "pretrain":
        needs |= {"photos": eval_dataset.fingerprint, "predicting": code_digest(PREDICTING), "tta": run.config.eval.tta}
        needs |= elsewhere.needs if elsewhere is not None else {}
    before = read_trial(folder)
    if before.get("needs") == needs:
        return ""
    run.save()
    seconds = before.get("seconds", 0.0)
    if dataset is not None:
        if before.get("needs", {}).get("training") != needs["training"]:
            photos, epochs = len(dataset.split("train").photos), run.config.train.epochs
            logger.info("%s: %s photos of %s, %d epochs", trial.name, f"{photos:,}", dataset.name, epochs)
            started = time.monotonic()
            buffer = io.BytesIO()
            torch.save(dict(network.train()), buffer)
            files.write_bytes(folder / MODEL, buffer.getvalue())
            seconds = round(time.monotonic() - started, 1)
        network.model.load_state_dict(read_checkpoint(folder / MODEL))
    outcome = "trained"
    made = [folder / MODEL] if dataset is not None else []
    if measured:
        network.model.to(memory_format=torch.channels_last).to(choose_device(run.config.device)).eval()
        measured_on = CarDataset(eval_dataset, "validation", run.config.inputs, run.config.seed)
        found = find_in(network.model, measured_on, eval_dataset.body_types, run.config)
        predictions, _ = tables_of(network.model, measured_on, found)
        files.write_csv(run.predictions, predictions)
        made.append(run.predictions)
        if elsewhere is not None:
            training_photos = CarDataset(dataset or source, "train", run.config.inputs, run.config.seed)
            made += elsewhere.measure(network.model, run, folder, training_photos, measured_on, found)
        correct = int((predictions.predicted == predictions.body_type).sum())
        outcome = f"{correct:,} of {len(predictions):,} validation photos correct"
    card = {
        "trial": {"name": trial.name, "group": trial.group, "kind": trial.kind, "seed": trial.seed},
        "steps": _steps(trial, dataset),
        "seconds": seconds,
        "made": environment.now(),
        "hardware": environment.hardware(),
        "weights": network.weights,
        "needs": needs,
        "sha256": {path.name: files.sha256(path) for path in made},
    }
    files.write_json(folder / "trial.json", card)
    shutil.rmtree(run.checkpoints, ignore_errors=True)  # what is measured is in model.pt
    return outcome


def read_trial(folder: Path) -> dict[str, Any]:
    """What `trial.json` holds of a finished trial; empty if there is none, or its files are not those it left."""
    path = folder / "trial.json"
    if not path.is_file():
        return {}
    card = files.read_json(path)
    made = card["sha256"].items()
    intact = all((folder / name).is_file() and files.sha256(folder / name) == digest for name, digest in made)
    return card if intact else {}


def _steps(trial: Trial, dataset: Catalogue | None) -> int:
    if dataset is None:
        return 0
    config, part = trial.run.config, dataset.split("train")
    carless = learns_background(config.model)
    background = training_background(dataset, config.train, carless=carless)
    without_car = 0 if background is None else len(background.split("train").background)
    size = epoch_size(config.train, len(part.photos), without_car, carless=carless)
    return config.train.epochs * -(-size.photos // config.train.batch_size)
