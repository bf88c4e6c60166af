"""Commands on data sets: what one holds, and a run's photos with their labels for other programs."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from carseg_lib.core import files
from carseg_lib.core.cli import CarsegCommand, option
from carseg_lib.core.profiles import parse_overrides
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


_FORMAT = (
    '"format=coco" (default; masks as polygons), "format=coco-rle" (as run lengths), "format=yolo" (photos copied, '
    'masks as polygons) or "format=yolo-boxes"'
)


@click.command("export", cls=CarsegCommand, help="write a run's photos as COCO or YOLO, to correct masks")
@variables("run", "profile", "out")
@option("set", _FORMAT)
def export(run: str, profile: str, out: str, set: str) -> None:
    """Write a run's photos with their labels."""
    study = open_run(run, profile)
    from carseg_lib.data.export import export as write
    from carseg_lib.data.export import read_format

    form = read_format(parse_overrides(set))
    folder = Path(out).expanduser() if out else study.folder / "export"
    files.remove_leftovers(folder)
    for line in write(study.dataset, study.rejected_masks, folder, form):
        print(line)
    print(f"done: {shown(folder)}")


COMMANDS = (inspect, export)
