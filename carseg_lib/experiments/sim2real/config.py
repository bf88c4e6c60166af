"""What the sim-to-real experiment trains and measures: its settings, checked, and the list of its trials."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from carseg_lib.core.config import WEIGHTS
from carseg_lib.core.data_spec import BUILTIN
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.run import Run
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.experiments.plan import Plan, existing_file, experiment_folder, read_settings, whole_number
from carseg_lib.experiments.subsets import photo_count
from carseg_lib.experiments.trials import MODEL, Trial

# Settings of the configuration that differ from trial to trial, and the setting here that says how.
DECIDED = {
    "train.epochs": "version_epochs and curve",
    "inputs.max_images_per_split": "version_photos, curve and validation_photos",
    "train.train_eval_size": "none, it is fixed",
}


def _curve(name: str, text: str) -> tuple[tuple[int, int], ...]:
    points = [re.fullmatch(r"(?:([1-9]\d{0,5})|all):([1-9]\d{0,2})", part) for part in text.split(",")]
    if not all(points):
        raise CarsegError(f"SET: {name} = {text!r}: write photos:epochs, as in curve=100:30,400:12,all:6.")
    return tuple((int(point[1] or 0), int(point[2])) for point in points if point)


READERS = {
    "version_photos": whole_number(0),
    "version_epochs": whole_number(1),
    "curve": _curve,
    "repeats": whole_number(1),
    "validation_photos": whole_number(0),
    "start": existing_file,
}


@dataclass(frozen=True, kw_only=True)
class Sim2RealPlan(Plan):
    """What is trained and measured. SET gives those of `READERS` by name, beside settings of the configuration.

    Attributes:
        real: the real photos, as DATA is given.
        rendered: the rendered photos by version of the renderer, in order; the curve starts from the last.
        version_photos: rendered training photos of each version; 0 = all.
        version_epochs: passes over them.
        curve: (real training photos, epochs) of each point; 0 photos = all.
        repeats: trainings of each point of the curve, each with a seed, and so a subset, of its own.
        validation_photos: real validation photos that every trial is measured on; 0 = all.
        start: checkpoint that the curve starts from; "" takes the last version's network.
    """

    real: str
    rendered: Mapping[str, str]
    version_photos: int = 600
    version_epochs: int = 6
    curve: tuple[tuple[int, int], ...] = ((100, 30), (400, 12), (0, 6))
    repeats: int = 1
    validation_photos: int = 0
    start: str = ""

    @property
    def versions(self) -> list[str]:
        """The versions of the renderer, in order."""
        return list(self.rendered)

    @property
    def rendered_weights(self) -> str:
        """The checkpoint that the curve's rendered start is."""
        return self.start or str(self.folder / f"version-{self.versions[-1]}" / MODEL)

    def run_on(self, version: str, name: str = "data", **settings: Any) -> Run:
        """A run on the photos of a version of the renderer, or on the real ones if it is ""."""
        data, variable = (self.rendered[version], "SYNTHETIC") if version else (self.real, "REAL")
        return self.run(name, data, variable=variable, **settings)


def create_plan(
    real: str,
    rendered: str = "",
    run: str = "",
    profile: str = "quick",
    settings: Mapping[str, str] | None = None,
    **common: Any,
) -> Sim2RealPlan:
    """Check everything a user asked for, as far as it can be without opening a photo.

    Args:
        real: folder of real photos, or a COCO JSON file.
        rendered: folders of rendered photos, "rendered-plain rendered-light rendered" or "plain=folder full=other";
            a folder without a name is called by its own, without "rendered-". Empty: the built-in data set.
        run: name of the folder under reports/; empty takes "sim2real".
        profile: set of settings.
        settings: those of the plan, by name, and settings of the configuration, as text.
        **common: seed, device, num_processes, jobs and classes, as in `Plan`.

    Raises:
        CarsegError: an unknown name, a value out of range, no such data, profile or checkpoint.
    """
    if not real:
        raise CarsegError("name a folder of real photos by REAL=folder.")
    own, overrides = read_settings(settings or {}, READERS, DECIDED)
    if overrides.get("model.weights", "none") not in WEIGHTS:
        raise CarsegError(f"SET: weights is what the rendered start is compared with: {', '.join(WEIGHTS)}.")
    plan = Sim2RealPlan(
        folder=experiment_folder(run, "sim2real"),
        profile=profile,
        overrides=overrides,
        real=real,
        rendered=_versions(rendered),
        **own,
        **common,
    )
    source = plan.run_on("").config.data.source
    for version, data in plan.rendered.items():
        if plan.run_on(version).config.data.source == source:
            raise CarsegError(f"SYNTHETIC={data} and REAL={real} are the same photos.")
    return plan


def planned_trials(plan: Sim2RealPlan, catalogues: Mapping[str, Catalogue]) -> list[Trial]:
    """The trials in the order in which they are made: the versions, then the curve from its left.

    Each has the metadata question ("version" or "curve"), version (of the renderer; "" for real photos) and start
    ("rendered", or the name of the profile's weights).

    Args:
        plan: from `create_plan`.
        catalogues: with splits, by version; the real photos under "".

    Raises:
        CarsegError: a trial asks for more photos than there are, or the curve's points do not rise.
    """
    config = plan.run_on("").config
    usual, seed = config.model.weights, config.seed
    trials: list[Trial] = []

    def add(run: Run, group: str, photos: int, start: str, version: str = "", **more: Any) -> None:
        metadata = {"question": "version" if version else "curve", "version": version, "start": start}
        full = start == "rendered"
        trials.append(Trial(run.name, group, run, photos, full_start=full, metadata=metadata, **more))

    for version, data in plan.rendered.items():
        given = f"SYNTHETIC={data}"
        photos = photo_count(catalogues[version], "train", plan.version_photos, "version_photos", given)
        run = plan.run_on(version, f"version-{version}", settings={"train.epochs": plan.version_epochs})
        add(run, run.name, photos, usual, version)
    if plan.start:
        run = plan.run_on("", "start", settings={"model.weights": plan.start})
        add(run, "start", 0, "rendered", kind="evaluate_only")
    given = f"REAL={plan.real}"
    numbers = [photo_count(catalogues[""], "train", photos, "curve", given) for photos, _ in plan.curve]
    if sorted(set(numbers)) != numbers:
        raise CarsegError(f"SET: curve must name rising numbers of photos, not {', '.join(map(str, numbers))}.")
    for photos, (_, epochs) in zip(numbers, plan.curve, strict=True):
        for own_seed in range(seed, seed + plan.repeats):
            for start in (usual, "rendered"):
                group = f"curve-{photos}-{start}"
                settings = {"train.epochs": epochs}
                run = plan.run_on("", f"{group}-seed{own_seed}", settings=settings, seed=own_seed)
                if start == "rendered":
                    run = run.updated(model={"weights": plan.rendered_weights})
                add(run, group, photos, start)
    return trials


def _versions(text: str) -> dict[str, str]:
    """Read SYNTHETIC: folders with or without a name of their own."""
    try:
        parts = shlex.split(text) or [BUILTIN]
    except ValueError as error:
        raise CarsegError(f"SYNTHETIC={text!r} cannot be read: {str(error).lower()}.") from error
    versions: dict[str, str] = {}
    for part in parts:
        name, equals, data = part.partition("=")
        if not equals:
            data, name = part, Path(part).expanduser().resolve().name.removeprefix("rendered-")
        if not re.fullmatch(r"[A-Za-z0-9_.-]{1,40}", name) or not data:
            raise CarsegError(f"SYNTHETIC: {part!r} needs a plain name: write name=folder.")
        if name in versions:
            raise CarsegError(f"SYNTHETIC: {name} is given twice: write name=folder for one of them.")
        versions[name] = data
    return versions
