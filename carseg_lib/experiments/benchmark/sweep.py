"""A device measured in minutes: carseg and torchvision's Mask R-CNN, by batch size and number format, on made photos.

Each row is written when it is measured and has a share of the time that is left: a run that is cut short keeps its
rows, and one on a slow device takes fewer steps, not more time. No photos, no weights and no network are needed.
"""

from __future__ import annotations

import functools
import json
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torchvision.ops import MultiScaleRoIAlign as TorchvisionRoIAlign

from carseg_lib.core import environment, files
from carseg_lib.core.classes import BODY_TYPES
from carseg_lib.core.config import RunConfig
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.formatting import markdown_table
from carseg_lib.engine.device import choose_device, set_deterministic
from carseg_lib.engine.device_check import made_batch
from carseg_lib.experiments.benchmark import timeline
from carseg_lib.experiments.benchmark.hardware import count_flops, peak_gflops
from carseg_lib.experiments.benchmark.speed import CARSEG, CARSEG_RESNET50, TORCHVISION, TORCHVISION_SAME_SIZE
from carseg_lib.experiments.benchmark.systems import Batch, System, carseg_system, torchvision_system
from carseg_lib.experiments.benchmark.timing import wait_for_gpu
from carseg_lib.experiments.benchmark.waits import count_waits
from carseg_lib.models.precision import BFLOAT16, FLOAT32
from carseg_lib.models.roi_align import MultiScaleRoIAlign
from carseg_lib.models.weights import hash_tensors

logger = logging.getLogger(__name__)

TORCHVISION_LAST = "torchvision, same size, channels last"
SYSTEMS = (CARSEG, TORCHVISION_SAME_SIZE, CARSEG_RESNET50, TORCHVISION_LAST, TORCHVISION)
FORMATS = {BFLOAT16: "bfloat16", FLOAT32: "float32 (TF32)"}
TRAINING, INFERENCE, LATENCY, TIMELINE = "training", "inference", "one photo", "timeline"
SAME_BITS, REGIONS = "same bits", "features of regions"
LEAST = 3  # steps of a row, however slow they are
PROFILED = 3  # steps of a timeline
REPEATED = 50  # steps of two trainings whose weights are compared, if the time allows
POOLS = {"products of matrices": MultiScaleRoIAlign, "torchvision's kernel": TorchvisionRoIAlign}
REGIONS_A_PHOTO = 16


@dataclass(frozen=True)
class SweepPlan:
    """How much of a device is measured.

    Attributes:
        batches: photos a step, the most telling first.
        steps: of a row, after as many warm-ups.
        warmups: before them.
        seconds: of all rows together.
        start: initial weights of carseg's own backbone; they decide what it detects, and so its speed of inference.
    """

    batches: tuple[int, ...] = (8, 64, 16)
    steps: int = 30
    warmups: int = 10
    seconds: int = 270
    start: str = "segmenter"


@dataclass(frozen=True)
class Case:
    """One row to be measured.

    Attributes:
        work: training, inference, one photo (its latency), timeline, same bits (two trainings compared), or features of
            regions.
        system: of `SYSTEMS`, or of `POOLS`.
        precision: of `FORMATS`.
        batch: photos a step.
        deterministic: whether the same bits are computed again.
    """

    work: str
    system: str
    precision: str
    batch: int
    deterministic: bool = False


def cases(plan: SweepPlan) -> list[Case]:
    """All rows, the most telling first: carseg trains as it does for its users, deterministically."""
    found = []
    for batch in plan.batches:
        for precision in FORMATS:
            for work in (TRAINING, INFERENCE):
                found += [Case(work, name, precision, batch, name.startswith(CARSEG)) for name in SYSTEMS]
            if batch == plan.batches[0]:
                found += [Case(LATENCY, name, precision, 1, name.startswith(CARSEG)) for name in SYSTEMS]
        found.append(Case(TRAINING, CARSEG, BFLOAT16, batch))  # what determinism costs
        found += [Case(TIMELINE, name, BFLOAT16, batch, name == CARSEG) for name in (CARSEG, TORCHVISION_SAME_SIZE)]
        found += [Case(REGIONS, name, FLOAT32, batch) for name in POOLS]
    found += [Case(SAME_BITS, CARSEG, BFLOAT16, plan.batches[0], deterministic) for deterministic in (True, False)]
    order = (TRAINING, TIMELINE, LATENCY, INFERENCE, SAME_BITS, REGIONS)
    return sorted(
        found, key=lambda case: (plan.batches.index(case.batch) if case.batch > 1 else 0, order.index(case.work))
    )


def run_sweep(config: RunConfig, plan: SweepPlan, folder: Path) -> Path:
    """Measures all rows; returns the path of sweep.md, beside which are sweep.jsonl and traces/.

    Args:
        config: carseg's recipe and the device.
        plan: how much.
        folder: is made.
    """
    device = choose_device(config.device)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "sweep.jsonl"
    rows: list[dict[str, Any]] = []
    with path.open("w", encoding="utf-8") as written:
        for row in measured(config, plan, device, folder):
            rows.append(row)
            written.write(json.dumps(row) + "\n")
            written.flush()
            files.write_text(folder / "sweep.md", markdown(rows))
            logger.info("%s", " ".join(f"{name}={value}" for name, value in row.items() if not isinstance(value, list)))
    return folder / "sweep.md"


def measured(config: RunConfig, plan: SweepPlan, device: torch.device, folder: Path) -> Iterator[dict[str, Any]]:
    """The rows, one after the other; the first says what the machine is, the second what it can do at most."""
    end = time.monotonic() + plan.seconds
    if device.type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
    driver = environment.command_output(["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"])
    machine = {"device": name, "driver": driver, "torch": torch.__version__, "made": environment.now()}
    size = {"height": config.inputs.height, "width": config.inputs.width}
    yield {"work": "machine"} | machine | {"profile": config.profile} | size
    set_deterministic(False)
    numbers = {BFLOAT16: torch.bfloat16, FLOAT32: torch.float32}
    peaks = {precision: peak_gflops(device, dtype, repeats=3) for precision, dtype in numbers.items()}
    yield {"work": "peak"} | {FORMATS[p]: {kind: round(n) for kind, n in peak.items()} for p, peak in peaks.items()}
    bench = _Bench(config, plan, device, folder, {p: max(peak.values()) for p, peak in peaks.items()})
    todo = cases(plan)
    for done, case in enumerate(todo):
        left = end - time.monotonic()
        row = {"work": case.work, "system": case.system, "format": FORMATS[case.precision], "batch": case.batch}
        row |= {"deterministic": case.deterministic}
        if left <= 0:
            yield row | {"note": "not measured: no time was left"}
            continue
        try:
            set_deterministic(case.deterministic)
            yield row | bench.measure(case, left / (len(todo) - done))
        except torch.OutOfMemoryError:
            yield row | {"note": "out of memory"}
        except (RuntimeError, CarsegError) as error:  # of this row alone: a kernel that raises must not cost the others
            yield row | {"note": f"failed: {str(error).splitlines()[0][:200]}"}
        finally:
            set_deterministic(False)
            if device.type == "cuda":
                torch.cuda.empty_cache()


def make_system(config: RunConfig, start: str, name: str, precision: str) -> System:
    """A system of `SYSTEMS` with random weights, but for carseg's own backbone, which has those of `start`."""
    if name.startswith(CARSEG):
        change: dict[str, Any] = {"precision": precision, "weights": start}
        if name == CARSEG_RESNET50:
            change |= {"backbone": "resnet50", "weights": "imagenet"}  # its shape: the weights are random
        return carseg_system(config.updated(model=change), BODY_TYPES, name)
    made = torchvision_system(config, BODY_TYPES, as_it_comes=name == TORCHVISION)
    if name == TORCHVISION_LAST:
        made.model.to(memory_format=torch.channels_last)
    if precision == FLOAT32:
        return made
    kind = choose_device(config.device).type

    def under_autocast(action: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def computed(batch: Any) -> Any:
            with torch.autocast(kind, torch.bfloat16):
                return action(batch)

        return computed

    return System(made.name, made.model, made.optimizer, under_autocast(made.step), under_autocast(made.predict))


@dataclass
class _Bench:
    """What rows share.

    Attributes:
        config: carseg's recipe.
        plan: how much.
        device: to be measured.
        folder: of the results.
        peaks: the best that large products reach, 10^9 operations a second, by precision.
        systems: those made so far, by name and precision.
        flops: of training on one photo, by system.
    """

    config: RunConfig
    plan: SweepPlan
    device: torch.device
    folder: Path
    peaks: dict[str, float]
    systems: dict[tuple[str, str], System] = field(default_factory=dict)
    flops: dict[str, float] = field(default_factory=dict)

    def measure(self, case: Case, limit: float) -> dict[str, Any]:
        """What a row holds beside its case; it takes about `limit` seconds, at least those of `LEAST` steps."""
        batch = _pinned(made_batch(self.config.inputs.size, case.batch), self.device)
        if case.work == REGIONS:
            return self._speed(_pooling(case.system, case.batch, self.config, self.device), case, limit)
        if case.work == SAME_BITS:
            return self._same_bits(case, batch, limit)
        key = case.system, case.precision
        if key not in self.systems:
            self.systems[key] = make_system(self.config, self.plan.start, *key)
        system = self.systems[key]
        if case.work == TIMELINE:
            trace = self.folder / "traces" / f"{case.system.replace(', ', '-').replace(' ', '-')}-{case.batch}.json.gz"
            found = timeline.record(functools.partial(system.step, batch), self.device, PROFILED, trace)
            return found | {"trace": trace.name}
        if case.work != TRAINING:
            return self._speed(functools.partial(system.predict, batch[0]), case, limit)
        found = self._speed(functools.partial(system.step, batch), case, limit)
        # the arithmetic of a photo hardly depends on the others: it is counted once, on two
        if case.system not in self.flops:
            two = made_batch(self.config.inputs.size, 2)
            self.flops[case.system] = count_flops(functools.partial(system.step, two))["all"] / 2
        reached = self.flops[case.system] * found["photos_per_second"] / 1e9
        return found | {"share_of_peak": round(reached / self.peaks[case.precision], 4)}

    def _speed(self, action: Callable[[], object], case: Case, limit: float) -> dict[str, Any]:
        on_gpu = self.device.type == "cuda"
        if on_gpu:
            torch.cuda.reset_peak_memory_stats(self.device)
        steps, seconds = _timed(action, self.plan, limit)
        found: dict[str, Any] = {"steps": steps, "photos_per_second": round(case.batch * steps / seconds, 2)}
        found["milliseconds"] = round(1e3 * seconds / steps, 3)
        if on_gpu:
            found["peak_memory_gb"] = round(torch.cuda.max_memory_allocated(self.device) / 1e9, 3)
        return found | {"waits": count_waits(action, self.device)}

    def _same_bits(self, case: Case, batch: Batch, limit: float) -> dict[str, Any]:
        """Whether two trainings from one seed end with the same weights."""
        found, steps, started = [], 0, time.monotonic()
        for _ in range(2):
            torch.manual_seed(0)
            system = make_system(self.config, self.plan.start, case.system, case.precision)
            if not steps:
                system.step(batch)
                wait_for_gpu()
                once = (time.monotonic() - started) or 1.0
                steps = max(min(LEAST, self.plan.steps), min(REPEATED, self.plan.steps, int(limit / 2 / once)))
                torch.manual_seed(0)
                system = make_system(self.config, self.plan.start, case.system, case.precision)
            for _ in range(steps):
                system.step(batch)
            found.append(hash_tensors({name: tensor.cpu() for name, tensor in system.model.state_dict().items()}))
        return {"steps": steps, "equal": found[0] == found[1], "hashes": [digest[:16] for digest in found]}


def _pooling(name: str, photos: int, config: RunConfig, device: torch.device) -> Callable[[], object]:
    """Features of regions on a pyramid and their gradient, by carseg's pool or torchvision's, in one call."""
    strides, channels = (8, 16, 32), config.model.fpn_out_channels
    height, width = config.inputs.size
    generator = torch.Generator().manual_seed(0)
    maps = {
        str(i): torch.randn(photos, channels, height // s, width // s, generator=generator).to(device).requires_grad_()
        for i, s in enumerate(strides)
    }
    corners = torch.rand(photos, REGIONS_A_PHOTO, 2, generator=generator) * min(height, width) / 2
    boxes = torch.cat([corners, corners + 16 + corners.flip(0)], 2).to(device)
    photo = torch.arange(photos, device=device).repeat_interleave(REGIONS_A_PHOTO)
    if POOLS[name] is TorchvisionRoIAlign:
        stock = TorchvisionRoIAlign([str(i) for i in range(len(strides))], 7, sampling_ratio=2, canonical_scale=96)
        return lambda: stock(maps, list(boxes), [(height, width)] * photos).sum().backward()
    ours = MultiScaleRoIAlign(strides, 7, canonical_scale=96)
    return lambda: ours(maps, boxes.reshape(-1, 4), photo).sum().backward()


def _timed(action: Callable[[], object], plan: SweepPlan, limit: float) -> tuple[int, float]:
    """Steps, and seconds of all of them: the device is waited for before the first and after the last alone."""
    started = time.monotonic()
    for done in range(plan.warmups):
        action()
        wait_for_gpu()
        if done and time.monotonic() - started > limit / 4:
            break
    once = (time.monotonic() - started) / (done + 1) if plan.warmups else 0.0
    steps = max(min(LEAST, plan.steps), min(plan.steps, int(0.7 * limit / once) if once else plan.steps))
    begun = time.perf_counter()
    for _ in range(steps):
        action()
    wait_for_gpu()
    return steps, time.perf_counter() - begun


def _pinned(batch: Batch, device: torch.device) -> Batch:
    images, targets = batch
    return (images.pin_memory() if device.type == "cuda" else images), targets


def markdown(rows: list[dict[str, Any]]) -> str:
    """The rows as tables to read."""
    machine = rows[0]
    lines = [f"# {machine['device']}", "", ", ".join(f"{name} {value}" for name, value in machine.items()), ""]
    columns = (
        *("system", "format", "batch", "deterministic", "photos_per_second", "milliseconds", "peak_memory_gb"),
        *("waits", "share_of_peak", "note", "equal"),
    )
    for work in (TRAINING, INFERENCE, LATENCY, SAME_BITS, REGIONS):
        found = [row for row in rows if row["work"] == work]
        table = [tuple(str(row.get(name, "")) for name in columns) for row in found]
        lines += [f"## {work.capitalize()}", "", markdown_table(columns, table, "llrlrrrrrll")]
    for row in rows:
        if row["work"] == TIMELINE and "busy" in row:
            title = (
                f"## Timeline: {row['system']}, batch {row['batch']}: {row['busy']:.1%} busy, {row['kernels']} kernels"
            )
            kernels = [
                (k["name"][:80], str(k["calls"]), f"{k['milliseconds']:.3f}", f"{k['share']:.1%}")
                for k in row["longest_kernels"]
            ]
            gaps = [(f"{g['milliseconds']:.3f}", g["after"][:60], g["before"][:60]) for g in row["longest_gaps"]]
            lines += [title, "", markdown_table(("kernel", "calls", "ms", "share"), kernels, "lrrr")]
            lines += [markdown_table(("gap, ms", "after", "before"), gaps, "rll")]
    return "\n".join(lines)
