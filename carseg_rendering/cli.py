"""The command line of the renderer: `python -m carseg_rendering dataset`; `make dataset` calls it.

As for the study, an option's default is an environment variable (`--n`: CARSEG_N), by which make hands it over.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import signal
import sys
from pathlib import Path

from carseg_lib.core import data_spec
from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.run import Run
from carseg_lib.data import builtin
from carseg_lib.workflow.cli import Parser, add_command, run_command
from carseg_lib.workflow.commands import end_like_ctrl_c
from carseg_rendering.dataset.plan import MOST_PHOTOS, PHOTOS, VERSIONS, DatasetPlan

VARIABLES = {
    "n": f"photos to render (default: {PHOTOS:,}, the packaged archive; another number makes a folder)",
    "out": "folder (dataset) or file (photo, sheet) to write",
    "version": f"of the renderer: {', '.join(VERSIONS)} (default)",
    "seed": "seed of every random choice (default: 0)",
    "data": "rendered (default), or the folder of a rendered data set",
}


def main(arguments: list[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: As on the command line, without the program's name; the process's own if not given.

    Returns:
        As of `carseg_lib.workflow.cli.main`; 1 if a check finds differences.
    """
    return run_command(_parser(), arguments)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m carseg_rendering", description="Renders photos of cars.", allow_abbrev=False
    )
    commands = parser.add_subparsers(metavar="command", required=True)

    command = functools.partial(add_command, commands, VARIABLES)
    command(
        "dataset",
        _dataset,
        "render the packaged data set again, or another one",
        ("n", "out", "version", "seed"),
    )
    check = command("check", _check, "render some photos of a data set again and compare", ("data",))
    check.add_argument("--photos", type=int, default=200, metavar="K", help="how many (default: 200)")
    sheet = command("sheet", _sheet, "draw ten photos of each type on one page", ("data", "out"))
    sheet.add_argument(
        "--first", type=int, default=0, metavar="K", help="number of the first photo (default: 0)"
    )
    photo = command(
        "photo", _photo, "render one photo, and print what it was made from", ("out", "version", "seed")
    )
    photo.add_argument("index", type=int, help="its number")
    return parser


def _plan(asked: argparse.Namespace) -> DatasetPlan:
    return DatasetPlan(
        photos=_whole(getattr(asked, "n", "") or str(PHOTOS), "N"),
        seed=_whole(asked.seed or "0", "SEED"),
        version=asked.version or DatasetPlan.version,
    )


def _whole(text: str, name: str) -> int:
    if not text.isdecimal() or len(text) > 9:
        raise CarsegError(f"{name}={text}: must be a whole number, 0 or more")
    return int(text)


def _data(asked: argparse.Namespace) -> Path:
    return Run.create(data=asked.data or data_spec.BUILTIN).locate_photos()


def _dataset(asked: argparse.Namespace) -> int:
    from carseg_rendering.dataset.build import build

    signal.signal(signal.SIGTERM, end_like_ctrl_c)
    place = build(_plan(asked), asked.out)
    size = sum(
        path.stat().st_size for path in (place.rglob("*") if place.is_dir() else [place]) if path.is_file()
    )
    print(f"done: {os.path.relpath(place)}, {size / 1e6:.1f} MB")
    return 0


def _check(asked: argparse.Namespace) -> int:
    from carseg_rendering.dataset.checks import check_dataset, summary

    if asked.photos < 1:
        raise CarsegError(f"--photos {asked.photos}: at least one")
    line, good = summary(check_dataset(_data(asked), asked.photos))
    print(line)
    return 0 if good else 1


def _sheet(asked: argparse.Namespace) -> int:
    from carseg_rendering.dataset.sheet import contact_sheet

    print(f"done: {contact_sheet(_data(asked), Path(asked.out or 'rendered-cars.jpg'), asked.first)}")
    return 0


def _photo(asked: argparse.Namespace) -> int:
    from carseg_rendering.dataset.shards import render_photo

    plan = _plan(asked)
    if not 0 <= asked.index < MOST_PHOTOS:
        raise CarsegError(f"photo {asked.index}: photos are numbered from 0 to {MOST_PHOTOS - 1:,}")
    photo = render_photo(asked.index, seed=plan.seed, version=plan.version)
    path = files.write_bytes(Path(asked.out or f"photo-{asked.index}.jpg"), photo.jpeg)
    print(json.dumps(photo.parameters, indent=2))
    print(f"done: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
