"""What the ablation trains: `notebooks/ablations.yaml`, checked, as a plan of variants."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from carseg_lib.core.config import did_you_mean, profile_names, project_folder
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.paths import check_run_name, runs_root, use_runs_root
from carseg_lib.core.run import MONITOR, Run

BASELINE = "baseline"
NUMBERS = {"photos": 0, "epochs": 1, "seeds": 1, "validation_photos": 0}  # the least that each may be
PLANNED = ("epochs", "max_images_per_split", "train_eval_size")  # of the settings; the plan gives them


@dataclass(frozen=True)
class Variant:
    """One row of the table.

    Attributes:
        name: also the start of its cells' folders.
        question: what it changes, in words.
        settings: of the profile, that differ.
        start: "rendered": first weights from a training on the rendered cars; "": the profile's.
        kind: "mask_rcnn" or "classifier".
    """

    name: str
    question: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    start: str = ""
    kind: str = "mask_rcnn"


@dataclass(frozen=True)
class AblationPlan:
    """What is trained and measured.

    Attributes:
        folder: `reports/<run>`, which holds the cells and the results.
        data: the photos, as DATA is given.
        device: as the setting of that name.
        profile: that the variants differ from.
        photos: training photos of each training; 0 = all.
        epochs: passes over them.
        seeds: trainings of each variant.
        validation_photos: that are answered; 0 = all.
        variants: the baseline first.
    """

    folder: Path
    data: str
    device: str
    profile: str
    photos: int
    epochs: int
    seeds: int
    validation_photos: int
    variants: tuple[Variant, ...]

    @property
    def run(self) -> str:
        """The folder's name."""
        return self.folder.name


def ablations_path() -> Path:
    """The file that lists the variants."""
    return project_folder() / "notebooks" / "ablations.yaml"


def create_plan(
    data: str = "", run: str = "", device: str = "auto", settings: Mapping[str, str] | None = None
) -> AblationPlan:
    """Read the list of variants and check all of it, as far as it can be without opening a photo.

    Args:
        data: photos, as for `Run.create`.
        run: name of the folder under reports/; empty takes "ablation".
        device: auto, cpu, cuda or mps.
        settings: photos, epochs, seeds, validation_photos and variants that differ from the file's, as text.

    Raises:
        CarsegError: the file is broken, a setting is unknown or out of range, or there is no such data.
    """
    path = ablations_path()
    try:
        listed = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise CarsegError(f"{path.name} can't be read: {' '.join(str(error).split())}") from None
    if not isinstance(listed, dict) or set(listed) != {"profile", "variants", *NUMBERS}:
        raise CarsegError(
            f"{path.name} must give profile, {', '.join(NUMBERS)} and variants, and nothing else."
        )
    given = dict(settings or {})
    chosen = given.pop("variants", "").split()
    for name, least in NUMBERS.items():
        listed[name] = _number(name, given.pop(name, listed[name]), least)
    for name in given:
        raise CarsegError(
            f"SET: there is no setting {name!r} here{did_you_mean(name, [*NUMBERS, 'variants'])}"
        )
    variants = tuple(
        _variant(name, values or {}, path.name) for name, values in listed.pop("variants").items()
    )
    if not variants or variants[0].name != BASELINE or variants[0].settings:
        raise CarsegError(f"{path.name}: the first variant must be {BASELINE}, without settings.")
    for name in chosen:
        if name not in (known := [variant.name for variant in variants]):
            raise CarsegError(f"SET: there is no variant {name!r}{did_you_mean(name, known)}")
    kept = tuple(v for v in variants if not chosen or v.name in (*chosen, BASELINE))
    folder = runs_root() / check_run_name(run or "ablation")
    if (folder / "config.json").is_file():
        raise CarsegError(f"RUN={folder.name}: this is a run of make reproduce; name another by RUN=.")
    plan = AblationPlan(folder, data, device, variants=kept, **listed)
    for variant in kept:
        study_of(plan, variant, 0)
    return replace(plan, data=study_of(plan, kept[0], 0).data_as_given)


def study_of(plan: AblationPlan, variant: Variant, seed: int) -> Run:
    """The study of one training, checked; a rendered start is not in it (see `ablation`)."""
    settings = dict(variant.settings) | {
        "epochs": plan.epochs,
        "max_images_per_split": 0,
        "train_eval_size": MONITOR,
    }
    with use_runs_root(plan.folder):
        try:
            return Run.create(
                f"{variant.name}-seed{seed}", plan.profile, plan.data, settings, seed=seed, device=plan.device
            )
        except CarsegError as error:
            raise CarsegError(str(error).replace("SET: ", f"variant {variant.name}: ")) from None


def _variant(name: str, values: Mapping[str, Any], place: str) -> Variant:
    if not re.fullmatch(r"[A-Za-z0-9_.]+", name):
        raise CarsegError(f"{place}: variant {name!r} must be named by letters, digits, '_' and '.'.")
    known = {"question", "settings", "start", "kind"}
    if strange := sorted(set(values) - known):
        raise CarsegError(f"{place}: variant {name} has {strange[0]!r}, none of {', '.join(sorted(known))}.")
    if "question" not in values:
        raise CarsegError(f"{place}: variant {name} lacks a question.")
    variant = Variant(name, **values)
    for setting in variant.settings:
        if setting in PLANNED:
            raise CarsegError(f"{place}: variant {name}: {setting} is the same for all variants.")
        if setting not in profile_names():
            near = did_you_mean(setting, profile_names())
            raise CarsegError(f"{place}: variant {name}: there is no parameter {setting!r}{near}")
    if variant.start not in ("", "rendered") or variant.kind not in ("mask_rcnn", "classifier"):
        raise CarsegError(
            f"{place}: variant {name}: start is rendered or left out, kind mask_rcnn or classifier."
        )
    return variant


def _number(name: str, value: Any, least: int) -> int:
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if type(value) is not int or value < least:
        raise CarsegError(f"{name} = {value!r} must be a whole number from {least} up.")
    return value
