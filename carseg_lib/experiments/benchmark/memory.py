"""Peak memory of training, measured in a process of its own: `python -m ....memory run photos steps`."""

from __future__ import annotations

import re
import resource
import subprocess
import sys
from pathlib import Path

import torch

from carseg_lib.core.paths import project_folder
from carseg_lib.core.run import Run
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.dataset import CarDataset, cache_of
from carseg_lib.data.loading import DistributedBatchSampler, balanced_epoch_order, make_loader
from carseg_lib.engine.trainer import seed_everything
from carseg_lib.experiments.benchmark.systems import our_system, stock_system


def peak_gigabytes(run: str, system: str, photos: int, steps: int) -> float:
    """Trains some steps on some of a run's photos in a new process.

    Args:
        run: whose settings and data set are used.
        system: "ours" or "stock".
        photos: of the training split.
        steps: of training.

    Returns:
        Its largest resident memory, 1e9 bytes.

    Raises:
        RuntimeError: the process failed.
    """
    command = [
        sys.executable,
        "-m",
        "carseg_lib.experiments.benchmark.memory",
        run,
        system,
        str(photos),
        str(steps),
    ]
    done = subprocess.run(command, cwd=project_folder(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"measuring memory failed:\n{done.stderr[-2000:]}")
    return float(done.stdout.split()[-1])


def main(run: str, system: str, photos: int, steps: int) -> float:
    """The same in this process; starts from a process that has done nothing else."""
    study = Run.open(run).updated(data={"max_images_per_split": photos})
    seed_everything(study.config.seed, torch.device("cpu"))
    dataset = Catalogue.load(study.dataset)
    train = CarDataset(
        dataset,
        "train",
        study.config.inputs,
        study.config.seed,
        augment=True,
        cache=cache_of(dataset, study.config.inputs, study.caches, say=_nothing),
    )
    made = (our_system if system == "ours" else stock_system)(study, dataset.body_types, *_name(system))
    done = 0
    for epoch in range(1, steps + 1):
        order = balanced_epoch_order(
            train.photos.body_type, epoch, study.config.seed, study.config.train.class_balance
        )
        for batch in make_loader(
            train,
            DistributedBatchSampler(order, study.config.train.batch_size),
            study.config.inputs.num_workers,
        ):
            made.step(batch)
            done += 1
            if done == steps:
                return own_peak() / 1e9
    raise AssertionError("an epoch has at least one batch")


def own_peak() -> int:
    """The largest resident memory of this process, bytes.

    Linux tells it as VmHWM; its ru_maxrss begins with the peak of the process that started this one.
    """
    status = Path("/proc/self/status")
    if status.is_file() and (found := re.search(r"^VmHWM:\s+(\d+) kB", status.read_text(), re.MULTILINE)):
        return int(found[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kilobytes elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _nothing(_: str) -> None:
    pass


def _name(system: str) -> tuple[str, ...]:
    return ("ours",) if system == "ours" else ()


if __name__ == "__main__":
    print(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
