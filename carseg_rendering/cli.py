"""The command line of the renderer: `python -m carseg_rendering dataset`.

An option's default is an environment variable (`--num-images`: CARSEG_NUM_IMAGES), by which make passes it on.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from carseg_lib.core import cli, files
from carseg_lib.core.data_spec import BUILTIN, resolve_source
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.paths import builtin_archive
from carseg_lib.data.locate import locate_photos
from carseg_rendering.dataset.plan import MOST_PHOTOS, PHOTOS, REALISM_LEVELS, DatasetPlan

PROG = "python -m carseg_rendering"

VARIABLES = {
    "num_images": f"photos to render (default: {PHOTOS:,}, the packaged archive; another number makes a folder)",
    "out": "folder (dataset) or file (photo, sheet) to write",
    "realism": f"of the renderer: {', '.join(REALISM_LEVELS)} (default)",
    "seed": "seed of every random choice (default: 0)",
    "jobs": "processes that render (default: one a core)",
    "cluster": "dask scheduler whose workers render, tcp://host:8786 (default: this machine alone)",
    "data": "rendered (default), or the folder of a rendered data set",
}
RENAMED = {"n": "num_images", "version": "realism"}  # former names of options


def main(arguments: list[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: As on the command line, without the program's name; the process's own if not given.

    Returns:
        As of `carseg_lib.core.cli.run_command`; 1 if a check finds differences.
    """
    return cli.run_command(renderer, arguments, prog=PROG)


def _options(*names: str) -> Callable[[cli.Function], cli.Function]:
    """Some of VARIABLES as options, and a refusal of the former name of each that has one."""
    return cli.options(VARIABLES, RENAMED, *names)


@click.group(cls=cli.CarsegGroup, help="Renders photos of cars.")
def renderer() -> None:
    """The renderer's commands."""


@renderer.command("dataset", help="render the packaged data set again, or another one")
@_options("num_images", "out", "realism", "seed", "jobs", "cluster")
def _dataset(num_images: str, out: str, realism: str, seed: str, jobs: str, cluster: str) -> None:
    from carseg_rendering.dataset.build import build

    path = build(_plan(realism, seed, num_images), out, **_crew(jobs, cluster))
    written = [file for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file()]
    print(f"done: {os.path.relpath(path)}, {sum(file.stat().st_size for file in written) / 1e6:.1f} MB")


@renderer.command("background", help="render the pictures without a car alone, into the packaged data set")
@_options("jobs", "cluster")
def _background(jobs: str, cluster: str) -> None:
    from carseg_rendering.dataset.build import add_background

    path = add_background(builtin_archive(), **_crew(jobs, cluster))
    print(f"done: {os.path.relpath(path)}, {path.stat().st_size / 1e6:.1f} MB")


@renderer.command("check", help="render some photos of a data set again and compare")
@_options("data")
@click.option("--photos", type=int, default=200, metavar="K", help="how many (default: 200)")
def _check(data: str, photos: int) -> int:
    from carseg_rendering.dataset import checks

    if photos < 1:
        raise CarsegError(f"--photos {photos}: at least one")
    folder = _data_folder(data)
    line, good = checks.summary(checks.check_dataset(folder, photos))
    print(line)
    if pictures := checks.check_background(folder, -(-photos // 10)):
        line, same = checks.background_summary(pictures)
        print(line)
        good = good and same
    return 0 if good else 1


@renderer.command("sheet", help="draw ten photos of each type on one page")
@_options("data", "out")
@click.option("--first", type=int, default=0, metavar="K", help="number of the first photo of a car (default: 0)")
@click.option("--without-car", is_flag=True, help="five pictures without a car of each family instead")
def _sheet(data: str, out: str, first: int, without_car: bool) -> None:
    from carseg_rendering.dataset.sheet import background_sheet, contact_sheet

    if without_car:
        print(f"done: {background_sheet(_data_folder(data), Path(out or 'without-a-car.jpg'))}")
    else:
        print(f"done: {contact_sheet(_data_folder(data), Path(out or 'rendered-cars.jpg'), first)}")


@renderer.command("photo", help="render photo number INDEX, and print what it was made from")
@_options("out", "realism", "seed")
@click.option("--without-car", is_flag=True, help="picture INDEX of those without a car")
@click.argument("index")
def _photo(index: str, out: str, realism: str, seed: str, without_car: bool) -> None:
    from carseg_rendering.dataset.background import render_background
    from carseg_rendering.dataset.shards import render_photo

    plan = _plan(realism, seed)
    number = int(index) if index.isascii() and index.isdecimal() and len(index) <= 9 else MOST_PHOTOS
    if number >= MOST_PHOTOS:
        raise CarsegError(f"photo {index}: photos are numbered from 0 to {MOST_PHOTOS - 1:,}")
    render = render_background if without_car else render_photo
    photo = render(number, seed=plan.seed, realism=plan.realism)
    path = files.write_bytes(Path(out or f"photo-{number}.jpg"), photo.jpeg)
    print(json.dumps(photo.parameters, indent=2))
    print(f"done: {path}")


def _crew(jobs: str, cluster: str) -> dict[str, Any]:
    """The arguments of `build` that say who renders."""
    from carseg_lib.core.cluster import check_address

    if jobs and cluster:
        raise CarsegError(f"JOBS={jobs} and CLUSTER={cluster}: give one; a cluster renders a photo on each worker.")
    number = cli.whole_number(jobs or "0", "JOBS")
    if jobs and not number:
        raise CarsegError("JOBS=0: must be 1 or more.")
    return {"jobs": number, "cluster": check_address(cluster)}


def _plan(realism: str, seed: str, num_images: str = "") -> DatasetPlan:
    return DatasetPlan(
        photos=cli.whole_number(num_images or str(PHOTOS), "NUM_IMAGES"),
        seed=cli.whole_number(seed or "0", "SEED"),
        realism=realism or DatasetPlan.realism,
    )


def _data_folder(data: str) -> Path:
    """The folder of the built-in data set, which is unpacked if need be, or the folder that the user names.

    Raises:
        CarsegError: The folder does not exist, or the built-in data set cannot be unpacked.
    """
    return locate_photos(resolve_source(data or BUILTIN))


if __name__ == "__main__":
    sys.exit(main())
