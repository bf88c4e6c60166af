"""Runs the steps of the study (`carseg_lib.workflow.stages`), each only when it must be.

A step is up to date if its stamp says that all it depends on is what it was, by content (the notebook's code, the
modules it reaches, the settings it uses, the files it reads, the lock), and that all it left is still there.
"""

from __future__ import annotations

import fcntl
import glob
import importlib
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from carseg_lib.core import code_fingerprint, files
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.formatting import duration
from carseg_lib.core.paths import runs_root
from carseg_lib.core.profiles import did_you_mean
from carseg_lib.core.run import Run
from carseg_lib.data.fingerprint import data_state
from carseg_lib.data.locate import locate_photos
from carseg_lib.workflow import notebooks, provenance
from carseg_lib.workflow.stages import Project, Stage


def make_run(
    study: Run, until: str = "report", project: Project | None = None, say: Callable[[str], None] = print
) -> list[str]:
    """Bring a run up to date, from its first step to `until`.

    Args:
        study: the run; its settings are written into its folder.
        until: name of the last step.
        project: the code; this repository's if not given.
        say: is given each line for the terminal.

    Returns:
        The names of the steps that ran; empty if nothing was to be done.

    Raises:
        CarsegError: the run is being made by another process, or a step met a user's mistake.
        NotebookFailedError: a cell failed otherwise.
    """
    project = project or Project()
    names = [step.name for step in project.steps]
    if until not in names:
        raise CarsegError(f"There is no step {until!r}{did_you_mean(until, names)}")
    steps = project.steps[: names.index(until) + 1]
    ran = []
    with run_lock(study):
        files.remove_leftovers(
            study.folder, keep="predictions"
        )  # where `predict` may be writing, without the lock
        for step in steps:
            if step.check and StageRun(study, project, step).reason():
                _check(step.check, study)
        study.save()
        for number, step in enumerate(steps, start=1):
            if step.function:
                _update_provenance(
                    study, project
                )  # what a run killed after its last notebook did not come to
            work = StageRun(study, project, step)
            reason = work.reason()
            if reason:
                say(f"[{number}/{len(steps)}] {step.name} ({reason})")
                seconds = work.run(reason)
                say(f"[{number}/{len(steps)}] {step.name}: done in {duration(seconds)}")
                ran.append(step.name)
                if not step.function:
                    _update_provenance(study, project)
            else:
                work.keep_stamp_fresh()
    return ran


def make_report(study: Run, project: Project | None = None) -> Path:
    """Write a run's page anew from the files in its folder, whether or not they are up to date."""
    project = project or Project()
    with run_lock(study):
        _update_provenance(study, project)
        StageRun(study, project, project.steps[-1]).run("asked for")
    return study.page


@contextmanager
def run_lock(study: Run) -> Iterator[None]:
    """Hold a run's folder for this process; the system frees it when the process ends, however it ends.

    Raises:
        CarsegError: another process holds it, or the folder cannot be written.
    """
    path = files.make_folder(study.folder) / ".lock"
    try:
        lock = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise files.disk_error(error, path) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            owner = lock.read().strip() or "another process"
            raise CarsegError(
                f"Run {study.name!r} is being made already (by {owner}): wait for it, or choose another name by RUN=."
            ) from error
        lock.truncate(0)
        lock.write(f"process {os.getpid()}")
        lock.flush()
        yield


class StageRun:
    """One step of one run: whether it must run, running it, and its stamp."""

    def __init__(self, study: Run, project: Project, step: Stage):
        self.study, self.project, self.step = study, project, step
        self.folder = study.folder
        self.stamp_path = self.folder / "stamps" / f"{step.name}.json"
        self.stamp = code_fingerprint.read_stamp(self.stamp_path)
        self.pages = (
            () if step.function else tuple(f"notebooks/{step.name}.{kind}" for kind in ("ipynb", "html"))
        )

    def reason(self) -> str:
        """Why the step must run; "" if it is up to date."""
        if not self.stamp:
            return "not made yet"
        outputs = self._states(map(glob.escape, self.stamp["outputs"]), "outputs")
        for name, before in self.stamp["outputs"].items():
            if name not in outputs:
                return f"{name} is missing"
            if outputs[name]["sha256"] != before["sha256"]:
                return f"{name} was altered"
        if self.step.index and not (runs_root() / "index.html").is_file():
            return "the list of runs is missing"
        return code_fingerprint.difference(self.stamp["needs"], self._needs())

    def run(self, reason: str) -> float:
        """Run the step and leave its stamp; returns the seconds it took.

        What the step needs is taken down before it runs: a file changed meanwhile makes it run again.
        """
        needs = self._needs()
        figures = code_fingerprint.file_states(self.folder, ("figures/**/*",), {})
        started = time.monotonic()
        if self.step.function:
            _function(self.step.function)(self.folder)
            if self.step.index:
                _function(self.step.index)(self.folder.parent)
            memory = None
        else:
            memory = self._run_notebook()
        seconds = time.monotonic() - started
        outputs = self._states((*self.step.writes, *self.pages), "outputs")
        for pattern in self.step.writes:
            if not any(Path(name).match(pattern) for name in outputs):
                raise CarsegError(f"{self.step.name} ended without leaving {self.folder / pattern}.")
        drawn = code_fingerprint.file_states(self.folder, ("figures/**/*",), {})
        new_figures = {name: state for name, state in drawn.items() if figures.get(name) != state}
        self._remove_figures(set(self.stamp.get("outputs", {})) - set(new_figures))
        self.stamp = {
            "schema": 1,
            "needs": needs,
            "inputs": self._states(self.step.reads, "inputs"),
            "data": self._data if self.step.reads_data else None,
            "outputs": outputs | new_figures,
            "record": {
                "name": self.step.name,
                "seconds": round(seconds, 1),
                "peak_memory_mb": memory,
                "made": provenance.now(),
                "commit": provenance.code_version(self.project.root)["commit"],
                "why": reason,
            },
        }
        files.write_json(self.stamp_path, self.stamp)
        return seconds

    def keep_stamp_fresh(self) -> None:
        """Note new times of unchanged files, so that their contents are not read at each call."""
        fresh = self.stamp | {
            "inputs": self._states(self.step.reads, "inputs"),
            "data": self._data if self.step.reads_data else None,
            "outputs": self._states(map(glob.escape, self.stamp["outputs"]), "outputs"),
        }
        if fresh != self.stamp:
            files.write_json(self.stamp_path, fresh)

    def _states(self, patterns: Iterable[str], kind: str) -> dict[str, dict[str, Any]]:
        return code_fingerprint.file_states(self.folder, patterns, self.stamp.get(kind, {}))

    def _needs(self) -> dict[str, Any]:
        """Digest or value of all that the step depends on, by a name for people."""
        root, step = self.project.root, self.step
        if step.function:
            module, _, function = step.function.rpartition(".")
            source, shown = f"from {module} import {function}", step.name
        else:
            shown = f"notebooks/{step.name}.ipynb"
            source = code_fingerprint.notebook_code(self.project.notebook(step))
        needs: dict[str, Any] = {shown: code_fingerprint.code_digest(source, shown)}
        if not step.function:
            needs[f"the prose of {shown}"] = code_fingerprint.notebook_prose(self.project.notebook(step))
        needs |= code_fingerprint.imported_files(root, (self.project.package,), source, shown)
        needs |= {
            f"setting {name}": value for name, value in self.study.config.select(*step.settings).items()
        }
        if (lock := root / "requirements.lock").is_file():
            needs["requirements.lock"] = files.sha256(lock)
        if step.reads_data:
            self._data = data_state(
                locate_photos(self.study.config.data.source), self.stamp.get("data") or {}
            )
            needs["the data set"] = self._data["content"]
        if step.reads_weights and (path := self.study.weights_file):
            needs["the weights file"] = files.sha256(path)
        if step.reads_annotator and (path := self.study.annotator_file):
            needs["the annotator's file"] = files.sha256(path) if path.is_file() else "missing"
        inputs = self._states(step.reads, "inputs")
        return needs | {name: state["sha256"] for name, state in inputs.items()}

    def _run_notebook(self) -> float:
        reports = {"CARSEG_REPORTS": str(self.folder.parent)}
        path = self.project.notebook(self.step)
        executed, memory = notebooks.run_notebook(path, {"run_name": self.study.name}, reports)
        notebooks.write_executed(executed, self.study.notebooks, self.step.name)
        return memory

    def _remove_figures(self, names: set[str]) -> None:
        """Remove the figures that the step drew last time and no longer draws."""
        for name in names:
            if name.startswith("figures/"):
                (self.folder / name).unlink(missing_ok=True)


def _function(name: str) -> Callable[[Path], Any]:
    module, _, function = name.rpartition(".")
    return getattr(importlib.import_module(module), function)


def _check(name: str, study: Run) -> None:
    """Call a step's check in a process of its own: the memory that it takes is free again when the run begins."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context, initializer=_ignore_interrupts) as process:
        try:
            process.submit(_call, name, study).result()
        except BrokenProcessPool as error:
            raise CarsegError(
                "The model could not be tried: its process was ended, perhaps for want of memory."
            ) from error


def _ignore_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches both processes; one of them tells


def _call(name: str, study: Run) -> None:
    _function(name)(study)


def _update_provenance(study: Run, project: Project) -> None:
    """Write `provenance.json` from the stamps, unless it says what they say."""
    stamps = [
        code_fingerprint.read_stamp(study.folder / "stamps" / f"{s.name}.json")
        for s in project.steps
        if not s.function
    ]
    made = [stamp for stamp in stamps if stamp]
    data = next((stamp["data"]["content"] for stamp in made if stamp.get("data")), None)
    records = [stamp["record"] for stamp in made]
    if not made or provenance.is_current(study, records, data):
        return
    files.write_json(study.provenance, provenance.record(study, project.root, records, data))
