"""Opening a run in a notebook: the default run, or another one by its settings, made ready for the notebook.

A notebook that a stage runs gets that stage's run. One that a user opens, in JupyterLab or by papermill, begins the run
if there is none, and makes what it needs of earlier stages.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from typing import Any

from carseg_lib.core.config import field_of
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.log import show_log
from carseg_lib.core.paths import check_run_name, runs_root
from carseg_lib.core.profiles import nested, profiles_folder, resolve_name
from carseg_lib.core.run import Run
from carseg_lib.core.setting_values import parse_value
from carseg_lib.workflow import pipeline
from carseg_lib.workflow.notebooks import BY_STAGE
from carseg_lib.workflow.stage_run import StageRun
from carseg_lib.workflow.stages import CERTAINTY, Project

logger = logging.getLogger(__name__)
_OF_RUN = ("seed", "device")  # settings that are of no part of the configuration


def open_run(run_name: str = "quick", settings: Mapping[str, Any] | None = None, *, stage: str = "") -> Run:
    """Open the run that a notebook works on, or begin it.

    Args:
        run_name: Of a run under reports/; the name of a profile begins a run with that profile on the built-in data
            set if there is none.
        settings: Settings that differ from that run's, by dotted name or by a short name that is unique, and `seed`
            and `device`. They make a run of its own, `quick-epochs-1` for `{"epochs": 1}`; the run without them stays
            as it is.
        stage: Of the notebook. What it reads is made by the stages before it, if it is missing.

    Returns:
        The run; its config.json is in its folder.

    Raises:
        CarsegError: There is no such run and no such profile, a setting is unknown or refused, another process makes
            the run, or the run is finished and the notebook would change it.
    """
    if os.environ.get(BY_STAGE):
        return Run.open(run_name)
    run = _begun_or_new(run_name)
    if settings:
        run = _with_settings(run, settings)
    with pipeline.run_lock(run):
        run.save()
    if stage:
        _make_ready(run, Project(), stage)
    return run


def _begun_or_new(run_name: str) -> Run:
    """The run of this name, or a new one of the profile of this name."""
    profiles = sorted(path.stem for path in profiles_folder().glob("*.yaml"))
    if (runs_root() / check_run_name(run_name) / "config.json").is_file():
        return Run.open(run_name)
    if run_name in profiles:
        return Run.create(run_name, profile=run_name)
    runs = sorted(found.parent.name for found in runs_root().glob("*/config.json"))
    raise CarsegError(
        f"There is no run {run_name!r}; the runs are: {', '.join(runs) or 'none yet'}. make lab RUN={run_name} "
        f"DATA=folder begins it; the name of a profile ({', '.join(profiles)}) begins a run on the built-in data set."
    )


def _with_settings(base: Run, settings: Mapping[str, Any]) -> Run:
    """The run of a run's settings with some changed, under a name that says which."""
    names = {name: name if name in _OF_RUN else resolve_name(name, "settings") for name in settings}
    if len(set(names.values())) < len(names):
        raise CarsegError("settings: a setting is given twice, by its short and by its dotted name.")
    values = {names[given]: parse_value(field_of(names[given]), value) for given, value in settings.items()}
    words = [f"{name.rpartition('.')[2]}-{value}" for name, value in sorted(values.items())]
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", "-".join([base.name, *words]))[:80].rstrip("-")
    changed = base.updated(**nested(values), name=name)
    if (runs_root() / name / "config.json").is_file() and Run.open(name) != changed:
        raise CarsegError(
            f"run {name!r} exists and has other settings than these: make clean RUN={name} removes it, another value "
            "makes another run."
        )
    return changed


def _make_ready(run: Run, project: Project, name: str) -> None:
    """Make what a stage's notebook reads; refuse a notebook that would change a finished run."""
    notebooks = [stage for stage in project.stages if not stage.function]
    stage = next(stage for stage in (*notebooks, CERTAINTY) if stage.name == name)
    earlier = notebooks[: notebooks.index(stage)] if stage in notebooks else notebooks
    if any(not any(run.folder.glob(pattern)) for pattern in stage.reads):
        show_log()
        logger.info("run %s: notebook %s needs the stages before it", run.name, name)
        pipeline.make_run(run, until=earlier[-1].name, project=project)
    elif run.page.is_file() and (why := StageRun(run, project, stage).outdated()):
        raise CarsegError(
            f"run {run.name!r} is finished, and this notebook would change it ({why}): make reproduce "
            f'RUN={run.name} brings it up to date; settings = {{"seed": 1}}, or another setting, makes another run.'
        )
