"""Commands around the study: notebooks in JupyterLab, the settings of a profile, removal of runs."""

from __future__ import annotations

import os
import sys

import click

from carseg_lib.core import profiles
from carseg_lib.core.cli import CarsegCommand
from carseg_lib.core.config import fields
from carseg_lib.core.paths import project_folder, runs_root
from carseg_lib.core.setting_values import describe_range
from carseg_lib.workflow.commands.options import STUDY, create_run, open_run, variables
from carseg_lib.workflow.notebooks import NO_WIDGET_WARNING


@click.command("lab", cls=CarsegCommand, help="open the notebooks in JupyterLab")
@variables(*STUDY)
def lab(**options: str) -> None:
    """Open the notebooks; does not return."""
    from carseg_lib.workflow import pipeline

    name = ""
    if options["data"]:
        study = create_run(**options)
        with pipeline.run_lock(study):
            study.save()
        name = study.name
    elif options["run"] or (runs_root() / (options["profile"] or "quick") / "config.json").is_file():
        name = open_run(options["run"], options["profile"]).name
    print(
        f'the notebooks open run "quick"; in their parameters cell say run_name = "{name}"'
        if name
        else 'the notebooks begin run "quick" on the built-in data set; make lab DATA=folder begins one on other photos'
    )
    notebooks = project_folder() / "notebooks"
    os.environ.update(NO_WIDGET_WARNING)
    os.execv(sys.executable, [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={notebooks}"])


@click.command("show-config", cls=CarsegCommand, help="list the settings of a profile, with their ranges")
@variables("profile")
def show_config(profile: str) -> None:
    """List the settings of a profile."""
    values, _ = profiles.read_profile(profile or "quick")
    known = profiles.setting_names()
    for name, field in fields():
        if name in known:
            value = values.get(name, field.default)
            print(f"{name:32} {value!s:18} {field.description} ({describe_range(field)})")


@click.command("clean", cls=CarsegCommand, help="remove one run, or all runs and caches")
@variables("run")
def clean(run: str) -> None:
    """Remove one run, or all runs and caches."""
    from carseg_lib.workflow.clean import clean

    clean(run)


COMMANDS = (lab, show_config, clean)
