"""Commands on data sets: what one holds, and a run's photos as COCO files."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from carseg_lib.core.cli import CarsegCommand
from carseg_lib.workflow.commands.options import create_run, open_run, shown, variables


@click.command("inspect", cls=CarsegCommand, help="show what a data set holds and what is left out")
@variables("data", "classes", "format", "seed", "set")
def inspect(data: str, classes: str, format: str, seed: str, set: str) -> None:
    """Show the summary of a data set; of SET, the settings of `data` count."""
    config = create_run(data=data, classes=classes, format=format, seed=seed, set=set).config
    from carseg_lib.data.locate import temporary_photos
    from carseg_lib.data.summary import print_summary

    with temporary_photos(config.data.source) as path:
        print_summary(path, config.data, config.seed, print, _show_progress)


def _show_progress(done: int, total: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{done:,} of {total:,} photos read", end="\n" if done == total else "", file=sys.stderr)


@click.command("export", cls=CarsegCommand, help="write a run's photos as COCO files, to correct masks")
@variables("run", "profile", "out")
def export(run: str, profile: str, out: str) -> None:
    """Write a run's photos as COCO files."""
    study = open_run(run, profile)
    from carseg_lib.data.export_coco import export_coco

    folder = Path(out).expanduser() if out else study.folder / "export"
    print(f"done: {shown(export_coco(study.dataset, study.rejected_masks, folder))}")


COMMANDS = (inspect, export)
