"""The command that measures how certain the numbers of a finished run are."""

from __future__ import annotations

import sys

import click

from carseg_lib.core.cli import CarsegCommand
from carseg_lib.workflow.commands.options import open_run, shown, variables


@click.command("certainty", cls=CarsegCommand, help="measure how certain a run's numbers are: notebook 06")
@variables("run", "profile")
def certainty(run: str, profile: str) -> int:
    """Run notebook 06 on a finished run and write its page again."""
    study = open_run(run, profile)
    from carseg_lib.workflow import pipeline
    from carseg_lib.workflow.notebooks import NotebookFailedError

    try:
        ran = pipeline.make_certainty(study)
    except NotebookFailedError as error:
        print(f"{error}\ncarseg: notebook 06 failed; nothing of it was kept as a result.", file=sys.stderr)
        return 1
    print(f"done: {shown(study.page)}" if ran else f"nothing to be done: {shown(study.page)} is up to date")
    return 0


COMMANDS = (certainty,)
