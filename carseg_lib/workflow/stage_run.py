"""One stage of one run: whether it must run, running it, and its stamp.

A stage is up to date if its stamp says that all it depends on is what it was, by content (the notebook's code, the
modules that it imports, the settings that it uses, the files that it reads, the lock), and that all it left is still
there.
"""

from __future__ import annotations

import glob
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from carseg_lib.core import code_fingerprint, files
from carseg_lib.core.environment import now
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.paths import runs_root
from carseg_lib.core.run import Run
from carseg_lib.data.fingerprint import data_state
from carseg_lib.data.locate import locate_photos
from carseg_lib.workflow import notebooks, provenance, stamps
from carseg_lib.workflow.live import live_bar
from carseg_lib.workflow.stages import Project, Stage


class StageRun:
    """One stage of one run."""

    def __init__(self, run: Run, project: Project, stage: Stage):
        self._run, self._project, self._stage = run, project, stage
        self._stamp_path = stamps.stamp_path(run, stage.name)
        self._stamp = stamps.read_stamp(self._stamp_path)
        self._data: dict[str, str] | None = None

    def reason(self) -> str:
        """Return why the stage must run; "" if it is up to date."""
        if not self._stamp:
            return "not made yet"
        outputs = self._states(map(glob.escape, self._stamp["outputs"]), "outputs")
        for name, before in self._stamp["outputs"].items():
            if name not in outputs:
                return f"{name} is missing"
            if outputs[name]["sha256"] != before["sha256"]:
                return f"{name} was altered"
        if self._stage.index and not (runs_root() / "index.html").is_file():
            return "the list of runs is missing"
        return stamps.difference(self._stamp["needs"], self._needs())

    def outdated(self) -> str:
        """Return what the stage's last results depend on and has changed since, but for its notebook; "" if nothing."""
        notebook = f"notebooks/{self._stage.name}.ipynb"
        own = (notebook, f"the prose of {notebook}")
        before = {name: value for name, value in self._stamp.get("needs", {}).items() if name not in own}
        now = {name: value for name, value in self._needs().items() if name not in own}
        return stamps.difference(before, now) if self._stamp else ""

    def run(self, reason: str) -> float:
        """Run the stage and leave its stamp, with the reason why it runs.

        What the stage needs is taken down before it runs: a file that is changed meanwhile makes it run again.

        Returns:
            The seconds that it took.

        Raises:
            CarsegError: A user's mistake, or the stage left out a file that it should write.
            NotebookFailedError: A cell failed otherwise.
        """
        needs = self._needs()
        figures = stamps.file_states(self._run.folder, ("figures/**/*",), {})
        started = time.monotonic()
        memory = self._make()
        seconds = time.monotonic() - started
        pages = () if self._stage.function else (f"notebooks/{self._stage.name}.{kind}" for kind in ("ipynb", "html"))
        outputs = self._states((*self._stage.writes, *self._stage.may_write, *pages), "outputs")
        for pattern in self._stage.writes:
            if not any(Path(name).match(pattern) for name in outputs):
                raise CarsegError(f"{self._stage.name} ended without leaving {self._run.folder / pattern}.")
        drawn = stamps.file_states(self._run.folder, ("figures/**/*",), {})
        new_figures = {name: state for name, state in drawn.items() if figures.get(name) != state}
        for name in self._stamp.get("outputs", {}):
            if name.startswith("figures/") and name not in new_figures:  # drawn last time and no longer
                (self._run.folder / name).unlink(missing_ok=True)
        self._stamp = {
            "schema": stamps.SCHEMA,
            "needs": needs,
            "inputs": self._states(self._stage.reads, "inputs"),
            "data": self._data,
            "outputs": outputs | new_figures,
            "record": {
                "name": self._stage.name,
                "seconds": round(seconds, 1),
                "peak_memory_mb": memory,
                "made": now(),
                "commit": provenance.code_version(self._project.root)["commit"],
                "why": reason,
            },
        }
        files.write_json(self._stamp_path, self._stamp)
        return seconds

    def refresh_state(self) -> None:
        """Note new times of unchanged files, so that their contents are not read at each call."""
        fresh = self._stamp | {
            "inputs": self._states(self._stage.reads, "inputs"),
            "data": self._data,
            "outputs": self._states(map(glob.escape, self._stamp["outputs"]), "outputs"),
        }
        if fresh != self._stamp:
            files.write_json(self._stamp_path, fresh)

    def _make(self) -> float | None:
        """Run the stage's functions or its notebook; the notebook's peak memory, MB."""
        folder, stage = self._run.folder, self._stage
        if stage.function:
            with live_bar():
                stage.function(folder)
                if stage.index:
                    stage.index(folder.parent)
            return None
        executed, memory = notebooks.run_notebook(
            self._project.notebook(stage), {"run_name": self._run.name}, {"CARSEG_REPORTS": str(folder.parent)}
        )
        notebooks.write_executed(executed, self._run.notebooks, stage.name)
        return memory

    def _states(self, patterns: Iterable[str], kind: str) -> dict[str, dict[str, Any]]:
        return stamps.file_states(self._run.folder, patterns, self._stamp.get(kind, {}))

    def _needs(self) -> dict[str, Any]:
        """Digest or value of all that the stage depends on, by a name for people."""
        stage, config = self._stage, self._run.config
        needs = self._code()
        needs |= {f"setting {name}": value for name, value in config.select(*stage.settings).items()}
        if stage.reads_data:
            photos = locate_photos(config.data.source)
            self._data = data_state(photos, self._stamp.get("data") or {})
            needs["the data set"] = self._data["content"]
        if stage.reads_weights and (path := self._run.weights_file):
            needs["the weights file"] = files.sha256(path)
        if stage.reads_annotator and (path := self._run.annotator_file):
            needs["the annotator's file"] = files.sha256(path) if path.is_file() else "missing"
        if stage.reads_negatives and (folder := config.eval.negatives):
            self._data = data_state(Path(folder), self._stamp.get("data") or {})
            needs["the photos without a car"] = self._data["content"]
        inputs = self._states(stage.reads, "inputs")
        return needs | {name: state["sha256"] for name, state in inputs.items()}

    def _code(self) -> dict[str, Any]:
        """Digests of the notebook's or the functions' code, of all that it imports, and of the lock."""
        root, stage = self._project.root, self._stage
        shown, source, prose = stage.name, stage.function_source(), {}
        if not source:
            shown, path = f"notebooks/{stage.name}.ipynb", self._project.notebook(stage)
            source, prose = notebooks.notebook_code(path), {f"the prose of {shown}": notebooks.notebook_prose(path)}
        code = {shown: code_fingerprint.code_digest(source, shown)} | prose
        code |= code_fingerprint.imported_files(root, (self._project.package,), source, shown)
        if (lock := root / "requirements.lock").is_file():
            code["requirements.lock"] = files.sha256(lock)
        return code
