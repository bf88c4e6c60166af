"""The options that commands share: one help text and one former name each."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from carseg_lib.core import cli, profiles
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.run import Run

VARIABLES = {
    "data": "photos: a folder, a COCO .json file, a .csv table, kaggle:owner/slug@version, or s3://bucket/cars "
    "(a folder, .zip, .json or .csv there; default: rendered, the built-in data set)",
    "classes": 'body types: "hatchback wagon=estate,kombi", a .yaml file, or folders (default: the paper\'s four)',
    "format": "format of the data, where the files do not tell: coco, voc, yolo, csv, cvat, label-studio, labelme, "
    "supervisely, via, stanford-cars or folders (default: auto)",
    "profile": "set of settings: smoke, quick (default), best or paper",
    "run": "name of the run and of its folder under reports/ (default: the profile's name; with the data's name in it "
    "if that run holds other data)",
    "seed": "seed of every random choice (default: 0)",
    "device": "auto (default), cpu, cuda or mps",
    "weights": "initial weights: coco, imagenet, segmenter, none, or a checkpoint's path (default: the profile's)",
    "nproc": "processes that train, evaluate and predict (default: 1)",
    "set": 'settings that differ from the profile: "epochs=3 lr=0.001"',
    "negatives": "a folder of photos without a car, to measure false alarms on (default: those of the data alone)",
    "images": "the photo, or folder of photos, to predict",
    "save": "files of predict: page (default), overlays, json, polygons, table, masks, cutouts, coco, coco-rle",
    "out": "the folder to write (default: export/, or portable/ for a model, in the run's folder)",
    "real": "photographs to measure on: a folder or a COCO .json file",
    "synthetic": 'rendered data sets to train on, e.g. "rendered-2109-plain full=rendered" (default: the built-in)',
    "jobs": "trainings side by side (default: 1)",
    "cluster": "dask scheduler whose workers make the trainings, tcp://host:8786 (default: this machine alone)",
    "table": "a classification report to check, a .csv file (default: the paper's Table 1)",
    "n": "photos that the report is of (default: not known)",
    "archive": "the zip that make archive wrote",
    "headline": 'averages that are printed with the report: "accuracy=91.2% f1=89.6%"',
}
RENAMED = {"types": "classes", "workers": "nproc", "photo": "images", "rendered": "synthetic"}
STUDY = ("data", "classes", "format", "profile", "run", "seed", "device", "weights", "nproc", "negatives", "set")


def variables(*names: str) -> Callable[[cli.Function], cli.Function]:
    """Add some of VARIABLES as options, in this order, and a refusal of the former name of each that has one.

    Returns:
        A decorator; the function gets each value as text, "" if it is not given.
    """
    return cli.options(VARIABLES, RENAMED, *names)


def create_run(*, run: str = "", set: str = "", nproc: str = "", **options: str) -> Run:
    """Check the values of the options STUDY; empty ones take the defaults of `Run.create`. Writes nothing.

    Raises:
        CarsegError: As `Run.create`.
    """
    given = {name: value for name, value in (options | {"num_processes": nproc}).items() if value}
    return Run.create(run, overrides=profiles.parse_overrides(set), **given)


def overrides_of(set: str, format: str) -> dict[str, str]:
    """The settings that the options SET and FORMAT give, for experiments, which make runs of their own.

    Raises:
        CarsegError: SET cannot be read, or gives the format too.
    """
    given = profiles.parse_overrides(set)
    if format and given.keys() & {"format", "data.format"}:
        raise CarsegError("data.format is given twice, by FORMAT and by SET: keep one of them.")
    return given | ({"data.format": format} if format else {})


def open_run(run: str, profile: str, device: str = "") -> Run:
    """Open the run that RUN names, or the profile's.

    Raises:
        CarsegError: As `Run.open`.
    """
    return Run.open(run or profile or "quick", device=device)


def shown(path: Path) -> str:
    """Return a path relative to the current folder if it lies in it."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
