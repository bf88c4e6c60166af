"""What the study "rendered to real" trains and measures: its settings, checked, and the list of its cells."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, replace
from pathlib import Path
from typing import Any

from carseg_lib.core.config import did_you_mean, profile_names
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.paths import check_run_name, runs_root, use_runs_root
from carseg_lib.core.run import MONITOR, WEIGHTS, Run
from carseg_lib.data.catalogue import Catalogue

# Parameters of the profile that differ from cell to cell, and the setting here that says how.
DECIDED = {
    "epochs": "version_epochs and curve",
    "max_images_per_split": "version_photos, curve and validation_photos",
    "train_eval_size": f"none, it is {MONITOR}",
}


@dataclass(frozen=True)
class TransferPlan:
    """What is trained and measured. SET gives those with a default by name, beside parameters of the profile.

    Attributes:
        folder: `reports/<run>`, which holds the cells and the results.
        real: the real photos, as DATA is given.
        rendered: the rendered photos by version of the renderer, in order; the curve starts from the last.
        profile: set of parameters.
        overrides: parameters that differ from the profile's.
        seed: of splits, subsets and trainings.
        device: as the setting of that name.
        workers: training processes.
        version_photos: rendered training photos of each version; 0 = all.
        version_epochs: passes over them.
        curve: (real training photos, epochs) of each point; 0 photos = all.
        repeats: trainings of each point of the curve, each with a seed, and so a subset, of its own.
        validation_photos: real validation photos that are answered; 0 = all.
        start: checkpoint that the curve starts from; "" takes the last version's network.
    """

    folder: Path
    real: str
    rendered: Mapping[str, str]
    profile: str
    overrides: Mapping[str, str]
    seed: int
    device: str
    workers: int
    version_photos: int = 600
    version_epochs: int = 6
    curve: tuple[tuple[int, int], ...] = ((100, 30), (400, 12), (0, 6))
    repeats: int = 1
    validation_photos: int = 0
    start: str = ""

    @property
    def run(self) -> str:
        """The folder's name."""
        return self.folder.name


PLAN_SETTINGS = tuple(field.name for field in fields(TransferPlan) if field.default is not MISSING)


@dataclass(frozen=True)
class Cell:
    """One training, or a checkpoint that is measured as it is.

    Attributes:
        name: also that of its folder.
        question: "version" or "curve".
        version: of the renderer that made the training photos; "" for real ones.
        start: "rendered", or the name of the profile's weights.
        data: the training photos, as DATA is given.
        photos: training photos; 0 if nothing is trained.
        epochs: passes over them.
        seed: of subset and training.
    """

    name: str
    question: str
    version: str
    start: str
    data: str
    photos: int
    epochs: int
    seed: int


def create_plan(
    real: str,
    rendered: str = "",
    run: str = "",
    profile: str = "quick",
    settings: Mapping[str, str] | None = None,
    *,
    seed: int | str = 0,
    device: str = "auto",
    workers: int | str = 1,
) -> TransferPlan:
    """Check what a user asked for, as far as it can be without opening a photo.

    Args:
        real: folder of real photos, or a COCO JSON file.
        rendered: folders of rendered photos, "rendered-plain rendered-light rendered" or "plain=folder full=other";
            a folder without a name is called by its own, without "rendered-". Empty: the embedded data set.
        run: name of the folder under reports/; empty takes "transfer".
        profile: set of parameters.
        settings: those of the plan, by name, and parameters of the profile, as text.
        seed: a whole number, 0 or more.
        device: auto, cpu, cuda or mps.
        workers: training processes.

    Raises:
        CarsegError: an unknown name, a value out of range, no such data, profile or checkpoint.
    """
    if not real:
        raise CarsegError("name a folder of real photos by REAL=folder.")
    given = dict(settings or {})
    own = {name: _read(name, given.pop(name)) for name in PLAN_SETTINGS if name in given}
    for name in given:
        if name in DECIDED:
            raise CarsegError(f"SET: {name} differs from training to training; set instead: {DECIDED[name]}.")
        if name not in profile_names():
            near = did_you_mean(name, [*PLAN_SETTINGS, *profile_names()])
            raise CarsegError(f"SET: there is no setting {name!r}{near}")
    if given.get("weights", "none") not in WEIGHTS:
        raise CarsegError("SET: weights is what the rendered start is compared with: coco, imagenet or none.")
    folder = runs_root() / check_run_name(run or "transfer")
    if (folder / "config.json").is_file():
        raise CarsegError(f"RUN={folder.name}: this is a run of make reproduce; name another by RUN=.")
    plan = TransferPlan(folder, real, _versions(rendered), profile, given, seed, device, workers, **own)
    study = study_of(plan, "real", real, "REAL")
    for data in plan.rendered.values():
        if study_of(plan, "rendered", data, "RENDERED").data == study.config.data.source:
            raise CarsegError(f"RENDERED={data} and REAL={real} are the same photos.")
    return replace(plan, seed=study.config.seed, workers=study.config.num_processes)


def study_of(
    plan: TransferPlan,
    cell: str,
    data: str,
    variable: str = "DATA",
    *,
    seed: int | None = None,
    **settings: Any,
) -> Run:
    """The study of one cell, checked.

    Args:
        plan: what all cells share.
        cell: its name.
        data: its training photos.
        variable: what the user gave them by.
        seed: of subset and training; the plan's if not given.
        settings: parameters that differ from the plan's.
    """
    overrides = dict(plan.overrides) | {"max_images_per_split": 0, "train_eval_size": MONITOR} | settings
    own = {"seed": plan.seed if seed is None else seed, "device": plan.device, "workers": plan.workers}
    with use_runs_root(plan.folder):
        try:
            return Run.create(cell, plan.profile, data, overrides, **own)
        except CarsegError as error:
            raise CarsegError(str(error).replace("DATA=", f"{variable}=")) from None


def study_of_cell(plan: TransferPlan, cell: Cell) -> Run:
    """The study of a cell, with its start and its epochs."""
    settings: dict[str, Any] = {"epochs": max(cell.epochs, 1)}
    if cell.start == "rendered":
        last = plan.folder / f"version-{list(plan.rendered)[-1]}" / "model.pt"
        settings["weights"] = plan.start or str(last)
    return study_of(plan, cell.name, cell.data, seed=cell.seed, **settings)


def planned_cells(plan: TransferPlan, catalogues: Mapping[str, Catalogue]) -> list[Cell]:
    """The cells in the order in which they are made: the versions, then the curve from its left.

    Args:
        plan: from `create_plan`.
        catalogues: by the name that the plan has for the data, with splits.

    Raises:
        CarsegError: a cell asks for more photos than there are, or the curve's points do not rise.
    """
    usual = study_of(plan, "real", plan.real, "REAL").weights
    cells = []
    for version, data in plan.rendered.items():
        there = len(catalogues[data].split("train").photos)
        photos = plan.version_photos or there
        if photos > there:
            asked = f"version_photos asks for {photos:,}"
            raise CarsegError(f"RENDERED={data} has {there:,} training photos; {asked}.")
        name = f"version-{version}"
        cells.append(Cell(name, "version", version, usual, data, photos, plan.version_epochs, plan.seed))
    if plan.start:
        cells.append(Cell("start", "curve", "", "rendered", plan.real, 0, 0, plan.seed))
    there = len(catalogues[plan.real].split("train").photos)
    numbers = [photos or there for photos, _ in plan.curve]
    if max(numbers) > there:
        raise CarsegError(f"REAL={plan.real} has {there:,} training photos; curve asks for {max(numbers):,}.")
    if sorted(set(numbers)) != numbers:
        raise CarsegError(
            f"SET: curve must name rising numbers of photos, not {', '.join(map(str, numbers))}."
        )
    for photos, (_, epochs) in zip(numbers, plan.curve, strict=True):
        for seed in range(plan.seed, plan.seed + plan.repeats):
            for start in (usual, "rendered"):
                name = f"curve-{photos}-{start}-seed{seed}"
                cells.append(Cell(name, "curve", "", start, plan.real, photos, epochs, seed))
    return cells


def _versions(text: str) -> dict[str, str]:
    """Read RENDERED: folders with or without a name of their own."""
    try:
        parts = shlex.split(text) or ["rendered"]
    except ValueError as error:
        raise CarsegError(f"RENDERED={text!r} cannot be read: {str(error).lower()}.") from error
    versions: dict[str, str] = {}
    for part in parts:
        name, equals, data = part.partition("=")
        if not equals:
            data, name = part, Path(part).expanduser().resolve().name.removeprefix("rendered-")
        if not re.fullmatch(r"[A-Za-z0-9_.-]{1,40}", name) or not data:
            raise CarsegError(f"RENDERED: {part!r} needs a plain name: write name=folder.")
        if name in versions:
            raise CarsegError(f"RENDERED: {name} is given twice: write name=folder for one of them.")
        versions[name] = data
    return versions


def _read(name: str, text: str) -> Any:
    """A setting of the plan from its text."""
    if name == "start":
        path = Path(text).expanduser().resolve()
        if not path.is_file():
            raise CarsegError(f"SET: start = {text!r}: there is no such file; give the path of a checkpoint.")
        return str(path)
    if name == "curve":
        points = [re.fullmatch(r"(?:([1-9]\d{0,5})|all):([1-9]\d{0,2})", part) for part in text.split(",")]
        if not all(points):
            raise CarsegError(f"SET: curve = {text!r}: write photos:epochs, as in curve=100:30,400:12,all:6.")
        return tuple((int(point[1] or 0), int(point[2])) for point in points)
    least = 1 if name in ("version_epochs", "repeats") else 0
    if not re.fullmatch(r"\d{1,6}", text) or int(text) < least:
        raise CarsegError(f"SET: {name} = {text!r}: must be a whole number from {least}.")
    return int(text)
