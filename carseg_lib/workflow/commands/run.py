"""Commands of the study: run it, write its report, compare it with its reference."""

from __future__ import annotations

import sys

import click

from carseg_lib.core.cli import CarsegCommand
from carseg_lib.core.paths import runs_root
from carseg_lib.workflow.commands.options import STUDY, create_run, open_run, shown, variables


@click.command("run", cls=CarsegCommand, help="run the study; what is up to date is not run again")
@variables(*STUDY)
@click.option("--until", default="report", metavar="STAGE", help="last stage, e.g. 03_training (default: report)")
def run(until: str, **options: str) -> int:
    """Bring a run up to date."""
    from carseg_lib.workflow import pipeline
    from carseg_lib.workflow.notebooks import NotebookFailedError

    study = create_run(**options)
    config = study.config
    other = "" if options["run"] or study.name == config.profile else f" (run {config.profile} holds other photos)"
    settings = f"{config.profile} profile, {config.data_as_given}, seed {config.seed}, device {config.device}"
    print(f"run {study.name}{other}: {settings}")
    try:
        ran = pipeline.make_run(study, until)
    except NotebookFailedError as error:
        print(f"{error}\ncarseg: the run failed; nothing of this stage was kept as a result.", file=sys.stderr)
        return 1
    end = shown(study.page if until == "report" else study.folder)
    if until == "report" and study.metrics.is_file():
        from carseg_lib.workflow.outcome import outcome

        print(outcome(study))
    print(f"done: {end}" if ran else f"nothing to be done: {end} is up to date")
    return 0


@click.command("report", cls=CarsegCommand, help="write the page of a run again")
@variables("run", "profile")
def report(run: str, profile: str) -> None:
    """Write a run's page, whether or not it is up to date."""
    from carseg_lib.workflow import pipeline

    print(f"done: {shown(pipeline.make_report(open_run(run, profile)))}")


@click.command("check-reference", cls=CarsegCommand, help="compare a run with its committed reference")
@variables("run", "profile")
def check_reference(run: str, profile: str) -> int:
    """Compare a run with its reference; 1 if it differs."""
    study = open_run(run, profile)
    from carseg_lib.core import files
    from carseg_lib.workflow.reference import compare_run
    from carseg_lib.workflow.reference_text import comparison_text
    from carseg_lib.workflow.stamps import read_as_left

    with read_as_left(study):
        comparison = compare_run(study.folder, runs_root() / "reference")
    table = files.write_csv(study.folder / "reference_check.csv", comparison.table)
    print(comparison_text(comparison, study.name, shown(table)))
    return 0 if comparison.ok else 1


@click.command(
    "update-reference", cls=CarsegCommand, help="write a run as its reference; more runs tell the spread of seeds"
)
@variables("run", "profile")
def update_reference(run: str, profile: str) -> None:
    """Make a run the reference of its profile and data; with more runs named, these tell the spread between seeds.

    Of a folder of readings the records of its trainings are kept, see `experiments.readings.records`.
    """
    if (runs_root() / run / "readings.csv").is_file():
        from carseg_lib.experiments.readings.records import write_records
        from carseg_lib.experiments.readings.run import open_results

        print(f"done: {shown(write_records(open_results(run)[1]))}")
        return
    from carseg_lib.workflow.reference import read_reference, write_reference
    from carseg_lib.workflow.reference_text import seeds_text

    folders = [open_run(name, profile).folder for name in run.split() or [""]]
    path = write_reference(folders, runs_root() / "reference")
    print(f"{seeds_text(read_reference(path))}\ndone: {shown(path)}")


COMMANDS = (run, report, check_reference, update_reference)
