"""Runs the benchmark and writes reports/bench/: bench.json, bench.md and figures.

Every part measures ours and torchvision's Mask R-CNN in turn, on the same photos, resized and augmented alike.
torchvision's is measured twice: as it comes, which enlarges small photos to 800 pixels, and told to take photos as they
are given. Only the first is what its users get; only the second has as many pixels as ours. Quality is that of the
second, which learns sooner. Speed is measured with the layers that a start from ImageNet trains on either side; quality
with the same kind of start on both, by default from scratch, as torchvision's ImageNet weights need a download
(SET="weights=imagenet").
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch

from carseg_lib.core import files
from carseg_lib.core.config import did_you_mean
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.paths import runs_root, use_runs_root
from carseg_lib.core.run import Run
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.loader import load_catalogue
from carseg_lib.data.splits import assign_splits
from carseg_lib.engine.inference import choose_device
from carseg_lib.engine.progress import duration
from carseg_lib.engine.trainer import seed_everything
from carseg_lib.experiments.benchmark import yolo
from carseg_lib.experiments.benchmark.hardware import count_flops, peak_gflops, where_time_goes
from carseg_lib.experiments.benchmark.memory import peak_gigabytes
from carseg_lib.experiments.benchmark.quality import Quality, train_baseline, train_ours, train_stock
from carseg_lib.experiments.benchmark.rows import Row, write_rows
from carseg_lib.experiments.benchmark.speed import (
    CLASSIFIER,
    OURS,
    OURS_SAME_BACKBONE,
    SIDES,
    STOCK,
    STOCK_SAME_SIZE,
    STOCK_UNTRAINED,
    inference_speed,
    read_batches,
    training_speed,
)
from carseg_lib.experiments.benchmark.systems import (
    Batch,
    System,
    classifier_system,
    our_system,
    stock_system,
)
from carseg_lib.experiments.benchmark.timing import medians
from carseg_lib.models.precision import BFLOAT16, FLOAT32, resolve_precision
from carseg_lib.workflow import provenance

NUMBERS = {FLOAT32: "float32", BFLOAT16: "bfloat16"}  # what convolutions multiply


@dataclass(frozen=True)
class BenchPlan:
    """How much is measured; SET gives these by name.

    Attributes:
        repeats: of each timed step.
        photos: training and validation photos of the quality part; 0 leaves that part out.
        stock_epochs: passes that torchvision's model is trained for.
        weights: the start of the quality part, on both sides: none or imagenet.
        memory_photos: training photos at 1x of the memory part.
        memory_steps: of training at each size.
    """

    repeats: int = 5
    photos: int = 200
    stock_epochs: int = 2
    weights: str = "none"
    memory_photos: int = 100
    memory_steps: int = 30


def create_plan(given: Mapping[str, str]) -> BenchPlan:
    """Reads SET.

    Raises:
        CarsegError: an unknown name, or a value that is none.
    """
    known = {field.name: field for field in fields(BenchPlan)}
    values: dict[str, Any] = {}
    for name, text in given.items():
        if name not in known:
            raise CarsegError(
                f"SET: there is no setting {name!r} of the benchmark{did_you_mean(name, known)}"
            )
        if name == "weights":
            if text not in ("none", "imagenet"):
                raise CarsegError(f"SET: weights = {text!r} must be none or imagenet.")
            values[name] = text
        elif text.isdecimal() and (int(text) > 0 or name == "photos"):
            values[name] = int(text)
        else:
            raise CarsegError(f"SET: {name} = {text!r} must be a whole number above 0.")
    return BenchPlan(**values)


def run_bench(
    profile: str, data: str, device: str, plan: BenchPlan, say: Callable[[str], None] = print
) -> Path:
    """Measures everything and writes the results.

    Args:
        profile: whose recipe is ours.
        data: photos with masks, as DATA is given.
        device: auto, cpu, cuda or mps.
        plan: how much.
        say: is given each line for the terminal.

    Returns:
        bench.md.

    Raises:
        CarsegError: photos without masks, or too few.
    """
    from carseg_lib.experiments.benchmark.plots import draw_bench  # imports matplotlib

    folder = files.make_folder(runs_root() / "bench")
    with use_runs_root(folder):  # the trainings lie in it as runs do
        rows: list[Row] = []
        facts: dict[str, Any] = {}
        for part in _measure(profile, data, device, plan, facts, say):
            rows += part
            write_rows(folder, rows, facts)  # what is measured is kept, whatever comes after
    draw_bench(files.read_json(folder / "bench.json"), folder)
    say(f"measured in {duration(facts['seconds'])}")
    return folder / "bench.md"


def _measure(
    profile: str,
    data: str,
    device: str,
    plan: BenchPlan,
    facts: dict[str, Any],
    say: Callable[[str], None],
) -> Iterator[list[Row]]:
    """The rows, part by part; the measurements behind them go into `facts`."""
    started = time.monotonic()
    run = Run.create("ours", profile, data, {"train_eval_size": 16}, device=device)
    say(f"benchmark of profile {profile} on {run.config.data_as_given}, device {choose_device(device)}")
    dataset = assign_splits(load_catalogue(locate_photos(run.config.data.source)), run.config.seed)
    if not dataset.has_masks:
        raise CarsegError(f"DATA={data}: the benchmark trains masks, and these photos have none.")
    if (found := len(dataset.split("train").photos)) < 4 * plan.memory_photos:
        raise CarsegError(
            f"DATA={data}: {found} training photos, {4 * plan.memory_photos} are needed; "
            "set memory_photos lower by SET."
        )
    seed_everything(run.config.seed, choose_device(device))
    facts |= {
        "made": provenance.now(),
        "torch": torch.__version__,
        "hardware": provenance.hardware(),
        "profile": profile,
        "precision": resolve_precision(run.config.model.precision, choose_device(run.config.device)),
        "data": dataset.name,
        "plan": asdict(plan),
    }
    types = dataset.body_types
    resnet = run.updated(model={"backbone": "resnet50"})
    systems = {
        STOCK: stock_system(run, types, as_it_comes=True),
        STOCK_SAME_SIZE: stock_system(run, types),
        OURS: our_system(run, types, OURS),
        OURS_SAME_BACKBONE: our_system(resnet, types, OURS_SAME_BACKBONE),
        CLASSIFIER: classifier_system(run, types),
    }
    batches, loading = read_batches(run, dataset)
    say("speed of training")
    yield training_speed(systems, batches, loading, run, plan.repeats, facts)
    say("share of the machine's peak, and where a step's time goes")
    yield _machine(systems, batches, facts)
    trained = dict(systems)
    if plan.photos:
        say("quality: torchvision's model is trained first, which takes longest")
        yield from _quality(run, dataset, plan, trained, facts, say)
        trained[STOCK_UNTRAINED] = systems[STOCK_SAME_SIZE]
    say("speed of inference")
    yield inference_speed(trained, batches, plan.repeats, facts, bool(plan.photos))
    say("memory")
    rows = _memory(run, dataset, plan, facts)
    facts["seconds"] = round(time.monotonic() - started, 1)
    yield rows


def _machine(systems: Mapping[str, System], batches: list[Batch], facts: dict[str, Any]) -> list[Row]:
    sides = {"ours": systems[OURS], "stock": systems[STOCK_SAME_SIZE]}
    device = next(sides["ours"].model.parameters()).device
    where = {n: where_time_goes(lambda s=s: s.step(batches[0])) for n, s in sides.items()}
    flops = {n: count_flops(lambda s=s: s.step(batches[0])) for n, s in sides.items()}
    numbers = {"ours": NUMBERS[facts["precision"]], "stock": "float32"}
    # of the formats in use: a processor without bfloat16 takes minutes to say how slow it is in it
    peaks = {n: peak_gflops(device, getattr(torch, n)) for n in sorted(set(numbers.values()))}
    facts |= {"peak_gflops": peaks, "flops_of_a_step": flops, "where_time_goes": where}

    def share(name: str) -> float:
        peak = peaks[numbers[name]]["convolution"]
        convolving = sum(s for kind, s in where[name].items() if kind.startswith("convolutions"))
        return 100 * flops[name]["convolution"] / convolving / 1e9 / peak

    rows = [
        Row("machine", f"peak, {kind} product, {number}", "GFLOP/s", None, value)
        for number, of_number in peaks.items()
        for kind, value in of_number.items()
    ]
    gflop = {n: f["all"] / 1e9 for n, f in flops.items()}
    return [
        *rows,
        Row(
            "machine",
            "arithmetic of a training step",
            "GFLOP",
            gflop["stock"],
            gflop["ours"],
            False,
            SIDES[STOCK_SAME_SIZE],
        ),
        Row(
            "machine",
            "convolutions, share of the measured peak",
            "%",
            share("stock"),
            share("ours"),
            note=f"{SIDES[STOCK_SAME_SIZE]}, of {numbers['stock']}; ours of {numbers['ours']}",
        ),
    ]


def _quality(
    run: Run,
    dataset: Catalogue,
    plan: BenchPlan,
    trained: dict[str, System],
    facts: dict[str, Any],
    say: Callable[[str], None],
) -> Iterator[list[Row]]:
    few = run.updated(data={"max_images_per_split": plan.photos}, model={"weights": plan.weights})
    stock = stock_system(few, dataset.body_types, plan.weights)
    of_stock = train_stock(few, dataset, stock, plan.stock_epochs, say)
    trained[STOCK_SAME_SIZE] = stock
    trained[STOCK] = stock_system(few, dataset.body_types, plan.weights, as_it_comes=True)
    trained[STOCK].model.load_state_dict(stock.model.state_dict())
    equal = few.updated(name="equal-epochs", train={"epochs": plan.stock_epochs})
    _, same_epochs = train_ours(equal, dataset)
    epochs = max(round(of_stock.seconds / same_epochs.seconds * same_epochs.epochs), 1)
    long = few.updated(name="equal-time", train={"epochs": epochs})
    model, same_time = train_ours(long, dataset)
    trained[OURS] = our_system(few, dataset.body_types, OURS)
    trained[OURS].model.load_state_dict(model.state_dict())
    facts["quality"] = {
        "stock": asdict(of_stock),
        "equal epochs": asdict(same_epochs),
        "equal time": asdict(same_time),
    }
    yield quality_rows(of_stock, same_epochs, same_time, plan)
    of_step = medians(facts["step_seconds"])[CLASSIFIER]
    of_classifier = train_baseline(few, dataset, of_stock.seconds, of_step)
    facts["quality"]["classifier"] = asdict(of_classifier)
    note = f"{of_classifier.epochs} epochs, {duration(of_classifier.seconds)}"
    accuracy = "validation accuracy, equal time"
    yield [Row("quality", f"{accuracy}, classifier", "%", None, 100 * of_classifier.accuracy, note=note)]
    if yolo.is_installed():
        yield _yolo_rows(few, dataset, of_stock.seconds, facts, say)


def _yolo_rows(
    run: Run, dataset: Catalogue, seconds: float, facts: dict[str, Any], say: Callable[[str], None]
) -> list[Row]:
    """Another program may fail for reasons of its own: the rows then say so, and the benchmark goes on."""
    whats = [f"{what}, equal time, {yolo.MODEL}" for what in ("validation accuracy", "mask AP")]
    try:
        found = yolo.train_yolo(run, dataset, seconds, runs_root() / "yolo", say)
    except CarsegError as error:
        say(f"yolo is left out: {error}")
        reason = " ".join(str(error).split())[:200].replace("|", "/")
        return [Row("quality", what, "%", None, None, note=f"failed: {reason}") for what in whats]
    facts["quality"]["yolo"] = asdict(found)
    note = f"{found.epochs} epochs, {duration(found.seconds)}"
    values = (found.accuracy, found.mask_ap)
    return [
        Row("quality", what, "%", None, 100 * value, note=note)
        for what, value in zip(whats, values, strict=True)
    ]


def quality_rows(stock: Quality, same_epochs: Quality, same_time: Quality, plan: BenchPlan) -> list[Row]:
    """The rows of the quality part."""
    start = "from scratch" if plan.weights == "none" else "backbone from ImageNet"
    n = f"{plan.photos} photos, {start}; n ≤ {plan.photos} validation photos"
    reached = [s for s in (same_epochs.seconds_to(stock.accuracy), same_time.seconds_to(stock.accuracy)) if s]
    rows = []
    for ours, when in ((same_epochs, f"{stock.epochs} epochs each"), (same_time, "equal time")):
        note = f"{n}; {ours.epochs} epochs of ours, {duration(ours.seconds)}"
        rows += [
            Row(
                "quality",
                f"validation accuracy, {when}",
                "%",
                100 * stock.accuracy,
                100 * ours.accuracy,
                note=note,
            ),
            Row("quality", f"mask AP, {when}", "%", 100 * stock.mask_ap, 100 * ours.mask_ap),
        ]
    note = "; ".join(filter(None, (stock.note, "" if reached else "ours never reached it")))
    first = min(reached, default=None)
    what = f"training time to stock's last accuracy ({stock.accuracy:.1%})"
    return [*rows, Row("quality", what, "s", stock.seconds, first, False, note)]


def _memory(run: Run, dataset: Catalogue, plan: BenchPlan, facts: dict[str, Any]) -> list[Row]:
    run.save()
    dataset.save(run.dataset)
    sizes = {k: k * plan.memory_photos for k in (1, 2, 4)}
    ours = {k: peak_gigabytes(run.name, "ours", n, plan.memory_steps) for k, n in sizes.items()}
    stock = peak_gigabytes(run.name, "stock", plan.memory_photos, 1)
    facts["memory_gigabytes"] = {"ours": ours, "stock": stock}
    return [
        Row(
            "memory",
            f"peak of training on {n} photos",
            "GB",
            stock if k == 1 else None,
            ours[k],
            False,
            f"{plan.memory_steps} steps" + (f"; {SIDES[STOCK_SAME_SIZE]}, 1 step" if k == 1 else ""),
        )
        for k, n in sizes.items()
    ]
