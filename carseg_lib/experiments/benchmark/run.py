"""The benchmark: carseg beside torchvision's Mask R-CNN, in reports/bench/: bench.json, bench.md and figures.

Every part measures carseg and torchvision's Mask R-CNN in turn, on the same photos, resized and augmented alike.
torchvision's is measured twice: as it comes, which enlarges small photos to 800 pixels, and without resizing. Only the
first is what its users get; only the second has as many pixels as carseg. Quality is that of the second, which learns
sooner. Speed is measured with the layers that a start from ImageNet trains on either side; quality with the same kind
of start on both, by default from scratch, as torchvision's ImageNet weights need a download (SET="weights=imagenet").

On a GPU the device is measured instead, on made photos: see `carseg_lib.experiments.benchmark.sweep`.
"""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from carseg_lib.core import environment, files
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.formatting import duration
from carseg_lib.core.locks import folder_lock
from carseg_lib.core.paths import runs_root, use_runs_root
from carseg_lib.core.run import Run
from carseg_lib.data.loader import load_catalogue
from carseg_lib.data.locate import locate_photos
from carseg_lib.data.splits import assign_splits
from carseg_lib.engine.device import choose_device, seed_everything
from carseg_lib.experiments.benchmark.hardware import count_flops, peak_gflops, where_time_goes
from carseg_lib.experiments.benchmark.memory import memory_rows
from carseg_lib.experiments.benchmark.quality_rows import measure_quality
from carseg_lib.experiments.benchmark.rows import Row, write_rows
from carseg_lib.experiments.benchmark.speed import (
    CARSEG,
    CARSEG_RESNET50,
    CLASSIFIER,
    SIDES,
    TORCHVISION,
    TORCHVISION_SAME_SIZE,
    TORCHVISION_UNTRAINED,
    inference_speed,
    read_batches,
    training_speed,
)
from carseg_lib.experiments.benchmark.sweep import SweepPlan, run_sweep
from carseg_lib.experiments.benchmark.systems import Batch, System, carseg_system, classifier_system, torchvision_system
from carseg_lib.experiments.plan import MONITOR, one_of, read_settings, whole_number
from carseg_lib.models.precision import BFLOAT16, FLOAT32, resolve_precision

logger = logging.getLogger(__name__)

NUMBERS = {FLOAT32: "float32", BFLOAT16: "bfloat16"}  # what convolutions multiply
READERS = {
    "repeats": whole_number(1),
    "photos": whole_number(0),
    "torchvision_epochs": whole_number(1),
    "weights": one_of("none", "imagenet"),
    "memory_photos": whole_number(1),
    "memory_steps": whole_number(1),
    "sweep": one_of("auto", "yes", "no"),
}
OF_SWEEP = {
    "batches": lambda name, text: tuple(whole_number(1)(name, number) for number in text.split()),
    "steps": whole_number(1),
    "warmups": whole_number(0),
    "seconds": whole_number(1),
    "start": one_of("segmenter", "imagenet", "none"),
}
# Settings of the configuration that the benchmark decides, and what to set instead.
DECIDED = {
    "train.epochs": "torchvision_epochs",
    "train.train_eval_size": "none, it is fixed",
    "inputs.max_images_per_split": "photos and memory_photos",
    "model.weights": "weights",
    "train.background_share": "none, the networks compared train on photos of cars",
    "train.pieces_share": "none, the networks compared train on photos of cars",
}


@dataclass(frozen=True)
class BenchmarkPlan:
    """How much is measured; SET gives these by name.

    Attributes:
        repeats: of each timed step.
        photos: training and validation photos of the quality part; 0 leaves that part out.
        torchvision_epochs: passes that torchvision's model is trained for.
        weights: the start of the quality part, on both sides: none or imagenet.
        memory_photos: training photos at 1x of the memory part.
        memory_steps: of training at each size.
        sweep: whether batch sizes and number formats of a device are measured, instead of all else: auto: on a GPU.
        of_sweep: how much of that.
        overrides: settings that differ from the profile's, by dotted name.
    """

    repeats: int = 5
    photos: int = 200
    torchvision_epochs: int = 2
    weights: str = "none"
    memory_photos: int = 100
    memory_steps: int = 30
    sweep: str = "auto"
    of_sweep: SweepPlan = field(default_factory=SweepPlan)
    overrides: Mapping[str, Any] = field(default_factory=dict)


def create_plan(given: Mapping[str, str]) -> BenchmarkPlan:
    """Read SET.

    Raises:
        CarsegError: an unknown name, or a value that cannot be.
    """
    own, overrides = read_settings(given, READERS | OF_SWEEP, DECIDED)
    of_sweep = SweepPlan(**{name: own.pop(name) for name in OF_SWEEP if name in own})
    return BenchmarkPlan(**own, of_sweep=of_sweep, overrides=overrides)


def run_benchmark(profile: str, data: str, device: str, plan: BenchmarkPlan, *, classes: str = "") -> Path:
    """Measure everything and write the results; returns the path of bench.md, or of sweep.md.

    Args:
        profile: carseg's recipe.
        data: photos with masks, as DATA is given.
        device: auto, cpu, cuda or mps.
        plan: how much.
        classes: the body types, as for `Run.create`.

    Raises:
        CarsegError: photos without masks, or too few, or another process runs the benchmark.
    """
    from carseg_lib.experiments.benchmark.plots import draw_bench  # imports matplotlib

    folder = runs_root() / "bench"
    with folder_lock(folder, "The benchmark"), use_runs_root(folder):  # its trainings lie in it as runs do
        overrides = {**plan.overrides, "train_eval_size": MONITOR, "pieces_share": 0}
        run = Run.create(CARSEG, profile, data, overrides, device=device, classes=classes)
        if plan.sweep == "yes" or (plan.sweep == "auto" and choose_device(device).type == "cuda"):
            logger.info("the device is measured on made photos, within %d s", plan.of_sweep.seconds)
            return run_sweep(run.config, plan.of_sweep, folder)
        rows: list[Row] = []
        info: dict[str, Any] = {}
        for part in _measure(run, plan, info):
            rows += part
            write_rows(folder, rows, info)  # what is measured is kept, whatever comes after
    draw_bench(files.read_json(folder / "bench.json"), folder)
    logger.info("measured in %s", duration(info["seconds"]))
    return folder / "bench.md"


def _measure(run: Run, plan: BenchmarkPlan, info: dict[str, Any]) -> Iterator[list[Row]]:
    """The rows, part by part; the measurements behind them go into `info`."""
    started = time.monotonic()
    config, device = run.config, choose_device(run.config.device)
    logger.info("benchmark of profile %s on %s, device %s", config.profile, config.data_as_given, device)
    photos = locate_photos(config.data.source)
    catalogue = load_catalogue(
        photos, config.data.classes, unlabelled=config.data.unlabelled, data_format=config.data.format
    )
    dataset = assign_splits(catalogue, config.seed, config.data.split_by)
    if carless := len(dataset.background):  # a classifier has no class for them
        logger.info("%d photos without a car are left out: the networks compared train on photos of cars", carless)
        dataset = dataset.without_background()
    given = f"DATA={config.data_as_given}"
    if not dataset.has_masks:
        raise CarsegError(f"{given}: the benchmark trains masks, and these photos have none.")
    if (found := len(dataset.split("train").photos)) < 4 * plan.memory_photos:
        raise CarsegError(
            f"{given}: {found} training photos, {4 * plan.memory_photos} are needed; set memory_photos lower by SET."
        )
    seed_everything(config.seed, device)
    info |= {
        "made": environment.now(),
        "torch": torch.__version__,
        "hardware": environment.hardware(),
        "profile": config.profile,
        "precision": resolve_precision(config.model.precision, device),
        "data": dataset.name,
        "plan": asdict(plan),
    }
    types = dataset.body_types
    resnet = config.updated(model={"backbone": "resnet50"})
    systems = {
        TORCHVISION: torchvision_system(config, types, as_it_comes=True),
        TORCHVISION_SAME_SIZE: torchvision_system(config, types),
        CARSEG: carseg_system(config, types, CARSEG),
        CARSEG_RESNET50: carseg_system(resnet, types, CARSEG_RESNET50),
        CLASSIFIER: classifier_system(config, types),
    }
    batches, loading = read_batches(run, dataset)
    logger.info("speed of training")
    yield training_speed(systems, batches, loading, config, plan.repeats, info)
    logger.info("share of the machine's peak, and where a step's time goes")
    yield _machine(systems, batches, info)
    trained = dict(systems)
    if plan.photos:
        logger.info("quality: torchvision's model is trained first, which takes longest")
        few = run.updated(inputs={"max_images_per_split": plan.photos}, model={"weights": plan.weights})
        yield from measure_quality(few, dataset, epochs=plan.torchvision_epochs, trained=trained, info=info)
        trained[TORCHVISION_UNTRAINED] = systems[TORCHVISION_SAME_SIZE]
    logger.info("speed of inference")
    yield inference_speed(trained, batches, plan.repeats, info, bool(plan.photos))
    logger.info("memory")
    rows = memory_rows(run, dataset, plan.memory_photos, plan.memory_steps, info)
    info["seconds"] = round(time.monotonic() - started, 1)
    yield rows


def _machine(systems: Mapping[str, System], batches: list[Batch], info: dict[str, Any]) -> list[Row]:
    sides = {"carseg": systems[CARSEG], "torchvision": systems[TORCHVISION_SAME_SIZE]}
    device = next(sides["carseg"].model.parameters()).device
    where = {n: where_time_goes(functools.partial(s.step, batches[0])) for n, s in sides.items()}
    flops = {n: count_flops(functools.partial(s.step, batches[0])) for n, s in sides.items()}
    numbers = {"carseg": NUMBERS[info["precision"]], "torchvision": "float32"}
    # of the formats in use: a processor without bfloat16 takes minutes to be measured in it
    peaks = {n: peak_gflops(device, getattr(torch, n)) for n in sorted(set(numbers.values()))}
    info |= {"peak_gflops": peaks, "flops_of_a_step": flops, "where_time_goes": where}

    def share(name: str) -> float:
        peak = peaks[numbers[name]]["convolution"]
        convolving = sum(s for kind, s in where[name].items() if kind.startswith("convolutions"))
        return 100 * flops[name]["convolution"] / convolving / 1e9 / peak

    rows = [
        Row("machine", f"peak, {kind} product, {number}", "GFLOP/s", None, value)
        for number, of_number in peaks.items()
        for kind, value in of_number.items()
    ]
    side = SIDES[TORCHVISION_SAME_SIZE]
    torchvision, carseg = (flops[n]["all"] / 1e9 for n in ("torchvision", "carseg"))
    rows.append(Row("machine", "arithmetic of a training step", "GFLOP", torchvision, carseg, False, side))
    what = "convolutions, share of the measured peak"
    note = f"{side}, of {numbers['torchvision']}; carseg of {numbers['carseg']}"
    return [*rows, Row("machine", what, "%", share("torchvision"), share("carseg"), note=note)]
