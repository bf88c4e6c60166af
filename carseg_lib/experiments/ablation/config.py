"""What the ablation trains: `notebooks/ablations.yaml`, checked, as a plan of variants and its trials."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import yaml

from carseg_lib.core.data_spec import BUILTIN
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.paths import project_folder
from carseg_lib.core.profiles import did_you_mean, resolve_name
from carseg_lib.core.run import Run
from carseg_lib.experiments.plan import Plan, experiment_folder, names, read_settings, whole_number
from carseg_lib.experiments.trials import MODEL, Trial

logger = logging.getLogger(__name__)

BASELINE = "baseline"
RENDERED = "rendered"  # the built-in cars, as a start or mixed in
RENDERED_START = "rendered-start"  # the trial that trains the start of the variants with `start: rendered`
NUMBERS = {"photos": 0, "epochs": 1, "seeds": 1, "validation_photos": 0}  # the least that each may be
DECIDED = {
    "train.epochs": "epochs",
    "train.train_eval_size": "none, it is fixed",
    "inputs.max_images_per_split": "photos and validation_photos",
}


@dataclass(frozen=True)
class Variant:
    """One row of the table.

    Attributes:
        name: also the start of its trials' folders.
        question: what it changes, in words.
        settings: of the profile, that differ.
        start: "rendered": initial weights from a training on the rendered cars; "": the profile's.
        mixed_in: "rendered": rendered cars are mixed in, as many as training photos, or all there are; "": none.
        passes: over the photos, as a share of the plan's epochs: half of them over twice the photos are as many steps.
    """

    name: str
    question: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    start: str = ""
    mixed_in: str = ""
    passes: float = 1.0


@dataclass(frozen=True, kw_only=True)
class AblationPlan(Plan):
    """What is trained and measured.

    Attributes:
        data: the photos, as DATA is given.
        photos: training photos of each training; 0 = all.
        epochs: passes over them.
        seeds: trainings of each variant.
        validation_photos: photos that every trial is measured on; 0 = all.
        variants: the baseline first.
        real: photos of another source that every trial is measured on too, as REAL is given; empty = none.
        negatives: folder of photos without a car, likewise.
    """

    data: str
    photos: int
    epochs: int
    seeds: int
    validation_photos: int
    variants: tuple[Variant, ...]
    real: str = ""
    negatives: str = ""

    def run_elsewhere(self) -> Run:
        """The run whose photos are those of the other source."""
        return self.run("elsewhere", self.real, variable="REAL")

    def run_of(self, variant: Variant, seed: int) -> Run:
        """The run of one training; a rendered start is not in it (see `trials`)."""
        settings = {**variant.settings, "train.epochs": max(1, round(self.epochs * variant.passes))}
        name = f"{variant.name}-seed{seed}"
        return self.run(name, self.data, settings, seed=seed, where=f"variant {variant.name}")

    def trials(self, photos: int) -> list[Trial]:
        """Every training on so many photos, by seed, so that a table of all variants is there after the first."""
        start = self.run(RENDERED_START, BUILTIN, {"train.epochs": self.epochs}, classes="")
        pretrain = Trial(RENDERED_START, RENDERED_START, start, kind="pretrain")
        trials: list[Trial] = []
        for seed in range(self.seeds):
            for variant in self.variants:
                run = self.run_of(variant, seed)
                if variant.start == RENDERED:
                    if pretrain not in trials:
                        trials.append(pretrain)
                    run = run.updated(model={"weights": str(self.folder / RENDERED_START / MODEL)})
                mixed_in = self.run(RENDERED, BUILTIN, seed=seed, classes="") if variant.mixed_in else None
                metadata = {"settings": dict(variant.settings)}
                trial = Trial(run.name, variant.name, run, photos, title=variant.question, metadata=metadata)
                trials.append(replace(trial, mixed_in=mixed_in))
        return trials


def ablations_path() -> Path:
    """The file that lists the variants."""
    return project_folder() / "notebooks" / "ablations.yaml"


def create_plan(
    data: str = "",
    run: str = "",
    device: str = "auto",
    settings: Mapping[str, str] | None = None,
    *,
    classes: str = "",
    jobs: int = 1,
    real: str = "",
    negatives: str = "",
) -> AblationPlan:
    """Read the list of variants and check all of it, as far as it can be without opening a photo.

    Args:
        data: photos, as for `Run.create`.
        run: name of the folder under reports/; empty takes "ablation".
        device: auto, cpu, cuda or mps.
        settings: photos, epochs, seeds, validation_photos and variants that differ from the file's, and settings of
            the profile for all variants, as text.
        classes: the body types, as for `Run.create`.
        jobs: trainings side by side.
        real: photos of another source, which every training is measured on too; empty = none.
        negatives: a folder of photos without a car, likewise.

    Raises:
        CarsegError: the file is broken, a setting is unknown or out of range, or there is no such data.
    """
    path = ablations_path()
    try:
        listed = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise CarsegError(f"{path.name} can't be read: {' '.join(str(error).split())}") from None
    if not isinstance(listed, dict) or set(listed) != {"profile", "variants", *NUMBERS}:
        raise CarsegError(f"{path.name} must give profile, {', '.join(NUMBERS)} and variants, and nothing else.")
    readers = {name: whole_number(least) for name, least in NUMBERS.items()}
    own, overrides = read_settings(settings or {}, readers | {"variants": names}, DECIDED)
    numbers: dict[str, Any] = {name: own.get(name, read(name, listed[name])) for name, read in readers.items()}
    variants = tuple(_variant(name, values or {}, path.name) for name, values in listed["variants"].items())
    if not variants or variants[0].name != BASELINE or variants[0].settings:
        raise CarsegError(f"{path.name}: the first variant must be {BASELINE}, without settings.")
    chosen = own.get("variants", ())
    for name in chosen:
        if name not in (known := [variant.name for variant in variants]):
            raise CarsegError(f"SET: there is no variant {name!r}{did_you_mean(name, known)}")
    plan = AblationPlan(
        folder=experiment_folder(run, "ablation"),
        profile=listed["profile"],
        overrides=overrides,
        classes=classes,
        device=device,
        data=data,
        jobs=jobs,
        real=real,
        negatives=negatives,
        variants=tuple(v for v in variants if not chosen or v.name in (*chosen, BASELINE)),
        **numbers,
    )
    checked = plan.run("data", data)  # what SET says is checked before the variants
    if real and plan.run_elsewhere().config.data.source == checked.config.data.source:
        raise CarsegError(f"REAL={real} and DATA={data} are the same photos; REAL names those of another source.")
    if checked.config.data.source == BUILTIN:
        for variant in plan.variants:
            if variant.mixed_in:
                logger.warning("variant %s is left out: DATA is the rendered cars themselves", variant.name)
        plan = replace(plan, variants=tuple(variant for variant in plan.variants if not variant.mixed_in))
    for variant in plan.variants:
        plan.run_of(variant, 0)
    return plan


def _variant(name: str, values: Mapping[str, Any], place: str) -> Variant:
    if not re.fullmatch(r"[A-Za-z0-9_.]+", name):
        raise CarsegError(f"{place}: variant {name!r} must be named by letters, digits, '_' and '.'.")
    known = {field.name for field in fields(Variant)} - {"name"}
    if strange := sorted(set(values) - known):
        raise CarsegError(f"{place}: variant {name} has {strange[0]!r}, none of {', '.join(sorted(known))}.")
    if "question" not in values:
        raise CarsegError(f"{place}: variant {name} lacks a question.")
    variant = Variant(name, **values)
    for setting in variant.settings:
        # another split would measure a variant on photos that it was trained on
        if resolve_name(setting, f"{place}: variant {name}") in (*DECIDED, "data.split_by"):
            raise CarsegError(f"{place}: variant {name}: {setting} is the same for all variants.")
    for key in ("start", "mixed_in"):
        if getattr(variant, key) not in ("", RENDERED):
            raise CarsegError(f"{place}: variant {name}: {key} is {RENDERED} or left out.")
    if not (isinstance(variant.passes, float) and 0 < variant.passes <= 1):
        raise CarsegError(f"{place}: variant {name}: passes = {variant.passes!r} must be above 0.0 and at most 1.0.")
    return variant
