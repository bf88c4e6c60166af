"""Runs the stages of the study (`carseg_lib.workflow.stages`), each only when it must be."""

from __future__ import annotations

import logging
import multiprocessing
import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.formatting import duration
from carseg_lib.core.locks import folder_lock
from carseg_lib.core.paths import RunPaths, runs_root
from carseg_lib.core.profiles import did_you_mean
from carseg_lib.core.run import Run
from carseg_lib.workflow import provenance
from carseg_lib.workflow.live import live_bar
from carseg_lib.workflow.stage_run import StageRun
from carseg_lib.workflow.stages import CERTAINTY, Project
from carseg_lib.workflow.stamps import read_as_left, read_stamp, stamp_path

logger = logging.getLogger(__name__)


def make_run(run: Run, until: str = "report", project: Project | None = None) -> list[str]:
    """Bring a run up to date, from its first stage to `until`; its configuration is written into its folder.

    Returns:
        The names of the stages that ran; empty if nothing was to be done.

    Raises:
        CarsegError: The run is being made by another process, or a stage met a user's mistake.
        NotebookFailedError: A cell failed otherwise.
    """
    project = project or Project()
    names = [stage.name for stage in project.stages]
    if until not in names:
        raise CarsegError(f"There is no stage {until!r}{did_you_mean(until, names)}")
    stages = [s for s in project.stages[: names.index(until) + 1] if s.applies is None or s.applies(run)]
    ran = []
    with run_lock(run):
        remove_leftovers(run)
        for stage in stages:
            if stage.check and StageRun(run, project, stage).reason():
                logger.info("trying the model with these settings")
                with live_bar():
                    _check(stage.check, run)
        run.save()
        for number, stage in enumerate(stages, start=1):
            if stage.function:
                _update_provenance(run, project)  # a run killed after its last notebook lacks it
            stage_run = StageRun(run, project, stage)
            if not (reason := stage_run.reason()):
                stage_run.refresh_state()
                continue
            logger.info("[%d/%d] %s (%s)", number, len(stages), stage.name, reason)
            seconds = stage_run.run(reason)
            logger.info("[%d/%d] %s: done in %s", number, len(stages), stage.name, duration(seconds))
            ran.append(stage.name)
            if not stage.function:
                _update_provenance(run, project)
    return ran


def make_certainty(run: Run, project: Project | None = None) -> bool:
    """Run notebook 06 on a finished run, unless its results are up to date, and write the run's page again.

    Returns:
        Whether it ran.

    Raises:
        CarsegError: The run is not finished, is being made by another process, or the notebook met a user's mistake.
        NotebookFailedError: A cell failed otherwise.
    """
    project = project or Project()
    with run_lock(run):
        remove_leftovers(run)
        if not run.metrics.is_file():
            raise CarsegError(f"run {run.name!r} is not finished: make it first, by make reproduce RUN={run.name}.")
        stage_run = StageRun(run, project, CERTAINTY)
        reason = stage_run.reason()
        if reason:
            logger.info("%s (%s)", CERTAINTY.name, reason)
            seconds = stage_run.run(reason)
            logger.info("%s: done in %s", CERTAINTY.name, duration(seconds))
            StageRun(run, project, project.stages[-1]).run("certainty was measured")
        return bool(reason)


def make_report(run: Run, project: Project | None = None) -> Path:
    """Write a run's page again from the files in its folder, whether or not they are up to date; returns its path."""
    project = project or Project()
    with run_lock(run):
        remove_leftovers(run)
        with read_as_left(run):
            _update_provenance(run, project)
            StageRun(run, project, project.stages[-1]).run("requested")
    return run.page


def run_lock(run: RunPaths) -> AbstractContextManager[None]:
    """Hold a run's folder for this process.

    Raises:
        CarsegError: Another process holds it, or the folder cannot be written.
    """
    return folder_lock(run.folder, f"Run {run.folder.name!r}", advice="wait for it, or choose another name by RUN=")


def remove_leftovers(run: RunPaths) -> None:
    """Remove what killed processes left half written: in a run's folder, in the caches, beside the runs."""
    for folder in (run.folder, run.caches):
        files.remove_leftovers(folder)
    for folder in (runs_root(), runs_root() / ".data"):
        files.remove_leftovers(folder, deep=False)


def _check(check: Callable[[Run], Any], run: Run) -> None:
    """Call a stage's check in a process of its own: the memory that it takes is free again when the run begins."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context, initializer=_ignore_interrupts) as process:
        try:
            process.submit(check, run).result()
        except BrokenProcessPool as error:
            raise CarsegError(
                "The model could not be tried: its process was ended, perhaps for want of memory."
            ) from error


def _ignore_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches both processes; one of them reports it


def _update_provenance(run: Run, project: Project) -> None:
    """Write `provenance.json` from the stamps, unless it says what they say."""
    stamps = [read_stamp(stamp_path(run, stage.name)) for stage in project.stages if not stage.function]
    made = [stamp for stamp in stamps if stamp]
    data = next((stamp["data"]["content"] for stamp in made if stamp.get("data")), None)
    records = [stamp["record"] for stamp in made]
    if made and not provenance.is_current(run, records, data):
        files.write_json(run.provenance, provenance.record(run, project.root, records, data))
