"""The one run of the whole study that many tests read: the real command, real kernels, drawn photos, profile smoke."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock

from tests.helpers.drawn_cars import make_car_photos

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class SmokeRun:
    """A finished run.

    Attributes:
        folder: The run's folder, `reports/whole`.
        data: The photos that it was given.
        out, err: What the command wrote.
    """

    folder: Path
    data: Path
    out: str
    err: str

    def copied(self, reports: Path) -> Path:
        """A copy of the run in another folder of reports, to be changed."""
        shutil.copyfile(self.folder.parent / "index.html", reports / "index.html")
        return Path(shutil.copytree(self.folder, reports / self.folder.name))


def carseg(reports: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
    """The command line in a process of its own, as make starts it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CARSEG_")}
    environment |= {"CARSEG_REPORTS": str(reports)} | variables
    command = [sys.executable, "-m", "carseg_lib.workflow.cli", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def shared_smoke_run(base: Path) -> SmokeRun:
    """The run, made by the first worker that asks for it.

    Args:
        base: The worker's folder of temporary files; the workers' folders have one parent.
    """
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "smoke-run"
    shared.mkdir(exist_ok=True)
    data, reports, said = shared / "drawn <cars> & more", shared / "reports", shared / "said.json"
    with FileLock(shared / "lock"):
        if not said.exists():
            make_car_photos(data, per_type=24)
            # 1 of 96: left out, listed, counted
            (data / "images" / "train" / "suv" / "00001.jpg").write_bytes(b"")
            result = carseg(reports, "run", "--profile", "smoke", "--data", str(data), "--run", "whole")
            said.write_text(json.dumps([result.returncode, result.stdout, result.stderr]))
        code, out, err = json.loads(said.read_text())
    if code:
        pytest.fail(out + err)
    return SmokeRun(reports / "whole", data, out, err)
