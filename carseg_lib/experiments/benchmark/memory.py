"""Peak memory of training, measured in a process of its own: `python -m ….memory run system photos steps`."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import torch

from carseg_lib.core.paths import project_folder
from carseg_lib.core.run import Run
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.engine.device import seed_everything
from carseg_lib.experiments.baselines import epoch_batches, training_photos
from carseg_lib.experiments.benchmark.rows import Row
from carseg_lib.experiments.benchmark.speed import CARSEG, SIDES, TORCHVISION, TORCHVISION_SAME_SIZE
from carseg_lib.experiments.benchmark.systems import carseg_system, torchvision_system


def memory_rows(run: Run, dataset: Catalogue, photos: int, steps: int, info: dict[str, Any]) -> list[Row]:
    """The rows of memory: training on 1, 2 and 4 times as many photos; the measurements go into `info`.

    Args:
        run: the recipe; its folder keeps configuration and data set for the processes that are measured.
        dataset: with splits.
        photos: training photos at 1x.
        steps: of training at each size.
        info: what bench.json holds.
    """
    run.save()
    dataset.save(run.dataset)
    sizes = {k: k * photos for k in (1, 2, 4)}
    carseg = {k: peak_gigabytes(run.name, CARSEG, n, steps) for k, n in sizes.items()}
    torchvision = {1: peak_gigabytes(run.name, TORCHVISION, photos, 1)}
    info["memory_gigabytes"] = {CARSEG: carseg, TORCHVISION: torchvision[1]}
    notes = dict.fromkeys(sizes, f"{steps} steps")
    notes[1] += f"; {SIDES[TORCHVISION_SAME_SIZE]}, 1 step"
    return [
        Row("memory", f"peak of training on {n} photos", "GB", torchvision.get(k), carseg[k], False, notes[k])
        for k, n in sizes.items()
    ]


def peak_gigabytes(run: str, system: str, photos: int, steps: int) -> float:
    """The largest resident memory, 1e9 bytes, of a new process that trains.

    Args:
        run: whose settings and data set are used.
        system: "carseg" or "torchvision".
        photos: of the training split.
        steps: of training.

    Raises:
        RuntimeError: the process failed.
    """
    command = [sys.executable, "-m", "carseg_lib.experiments.benchmark.memory", run, system, str(photos), str(steps)]
    done = subprocess.run(command, cwd=project_folder(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"measuring memory failed:\n{done.stderr[-2000:]}")
    return float(done.stdout.split()[-1])


def main(name: str, system: str, photos: int, steps: int) -> float:
    """The same in this process; starts from a process that has done nothing else."""
    run = Run.open(name).updated(inputs={"max_images_per_split": photos})
    config = run.config
    seed_everything(config.seed, torch.device("cpu"))
    dataset = Catalogue.load(run.dataset)
    train = training_photos(config, dataset, run.caches)
    types = dataset.body_types
    trained = carseg_system(config, types, CARSEG) if system == CARSEG else torchvision_system(config, types)
    epochs = (epoch_batches(train, epoch, config, config.train.class_balance) for epoch in itertools.count(1))
    for batch in itertools.islice(itertools.chain.from_iterable(epochs), steps):
        trained.step(batch)
    return own_peak() / 1e9


def own_peak() -> int:
    """The largest resident memory of this process, bytes.

    Linux tells it as VmHWM; its ru_maxrss begins with the peak of the process that started this one.
    """
    status = Path("/proc/self/status")
    if status.is_file() and (found := re.search(r"^VmHWM:\s+(\d+) kB", status.read_text(), re.MULTILINE)):
        return int(found[1]) * 1024
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource  # Windows has none

    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kilobytes elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


if __name__ == "__main__":
    print(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
