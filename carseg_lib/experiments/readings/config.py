"""The readings of the paper's text: `notebooks/readings.yaml`, checked, as a plan of trainings in the stated order."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from carseg_lib.core.data_spec import BUILTIN
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.paths import project_folder
from carseg_lib.core.profiles import did_you_mean, resolve_name
from carseg_lib.core.run import Run
from carseg_lib.engine.device import choose_device
from carseg_lib.experiments.plan import Plan, experiment_folder, one_of, read_settings, whole_number
from carseg_lib.experiments.trials import Trial

NUMBERS = {"seeds": 1, "photos": 0, "validation_photos": 0, "epochs": 1}  # the least that each may be
TRAIN_SAMPLE = 200  # training photos, as they are, that are predicted after each epoch
DECIDED = {
    "inputs.max_images_per_split": "photos and validation_photos",
    "train.train_eval_size": "none, it is fixed",
    "train.epochs": "epochs",
}


class _Listed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Quote(_Listed):
    """A sentence of the paper, or part of one."""

    section: str
    quote: str


class Option(_Listed):
    """One way to read a choice: its title, and the settings of the configuration that it means."""

    title: str
    settings: dict[str, Any]


class Choice(_Listed):
    """What the paper leaves open, the sentences that do, and the options."""

    question: str
    quotes: list[Quote]
    options: dict[str, Option]


class Exclusion(_Listed):
    """A combination of options that is no reading, and why."""

    combination: dict[str, str]
    why: str


class Sampled(_Listed):
    """Readings that are trained: all combinations of the choices that are left out."""

    choices: dict[str, str]
    needs: str = ""  # "gpu"


class Readings(_Listed):
    """The file: choices, combinations that are none, and what is trained in which order."""

    profile: str
    seeds: int
    photos: int
    validation_photos: int
    choices: dict[str, Choice]
    excluded: list[Exclusion]
    sample: list[Sampled]

    def combinations(self, fixed: Mapping[str, str]) -> Iterator[dict[str, str]]:
        """All readings with these options, in the order of the file."""
        listed = [[fixed[name]] if name in fixed else list(choice.options) for name, choice in self.choices.items()]
        for options in itertools.product(*listed):
            reading = dict(zip(self.choices, options, strict=True))
            if not any(e.combination.items() <= reading.items() for e in self.excluded):
                yield reading


@dataclass(frozen=True)
class Reading:
    """One reading of the paper: an option for each choice.

    Attributes:
        options: by choice, in the order of the file.
        title: the options in words.
        settings: of the configuration, by dotted name.
    """

    options: Mapping[str, str]
    title: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The options, joined; also the start of its trials' folders."""
        return "-".join(self.options.values())


@dataclass(frozen=True, kw_only=True)
class ReadingsPlan(Plan):
    """What is trained and measured.

    Attributes:
        data: the photos, as DATA is given.
        listed: the file.
        readings: those that are trained, in order.
        left: readings of the sample that this machine cannot train.
        epochs: passes over the training photos.
        seeds: trainings of each reading.
        photos: training photos of each; 0 = all.
        validation_photos: photos that are predicted after each epoch, and measure every trial; 0 = all.
        use_records: whether trainings whose records come with carseg are not made again.
    """

    data: str
    listed: Readings
    readings: tuple[Reading, ...]
    left: tuple[Reading, ...]
    epochs: int
    seeds: int
    photos: int
    validation_photos: int
    use_records: bool = True
    fixed: ClassVar[Mapping[str, Any]] = {"inputs.max_images_per_split": 0, "train.train_eval_size": TRAIN_SAMPLE}

    def run_of(self, reading: Reading, seed: int) -> Run:
        """The run of one training."""
        settings = {**reading.settings, "train.epochs": self.epochs}
        return self.run(f"{reading.name}-seed{seed}", self.data, settings, seed=seed, where=f"reading {reading.name}")

    def trials(self) -> list[Trial]:
        """Every training: all readings of seed 0, then of seed 1, ..."""
        trials = []
        for seed in range(self.seeds):
            for reading in self.readings:
                trial = Trial(
                    name=f"{reading.name}-seed{seed}",
                    group=reading.name,
                    run=self.run_of(reading, seed),
                    photos=self.photos,
                    watched=self.validation_photos,
                    title=reading.title,
                    metadata={"choices": dict(reading.options)},
                )
                trials.append(trial)
        return trials


def readings_path() -> Path:
    """The file that lists the choices."""
    return project_folder() / "notebooks" / "readings.yaml"


def read_readings(path: Path) -> Readings:
    """Read and check the file.

    Raises:
        CarsegError: it cannot be read, or names a choice, an option or a setting that there is not.
    """
    try:
        listed = Readings.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError) as error:
        raise CarsegError(f"{path.name} can't be read: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise CarsegError(f"{path.name}: {place}: {first['msg'].lower()}") from None
    for combination in (*(e.combination for e in listed.excluded), *(s.choices for s in listed.sample)):
        check_options(listed, combination, path.name)
    for name, choice in listed.choices.items():
        for option, values in choice.options.items():
            if not re.fullmatch(r"[a-z0-9_]+", option):
                raise CarsegError(f"{path.name}: option {option!r} must be named by small letters, digits and '_'.")
            for setting in values.settings:
                if resolve_name(setting, f"{path.name}: {name}: {option}") in (*DECIDED, "data.split_by"):
                    raise CarsegError(f"{path.name}: {name}: {option}: {setting} is the same for all readings.")
    if strange := [sampled.needs for sampled in listed.sample if sampled.needs not in ("", "gpu")]:
        raise CarsegError(f"{path.name}: needs: {strange[0]} must be gpu, or left out.")
    return listed


def check_options(listed: Readings, options: Mapping[str, str], where: str) -> None:
    """Refuse a choice or an option that the file does not have.

    Raises:
        CarsegError: there is no such choice or option.
    """
    for name, option in options.items():
        if name not in listed.choices:
            raise CarsegError(f"{where}: there is no choice {name!r}{did_you_mean(name, list(listed.choices))}")
        if option not in (known := list(listed.choices[name].options)):
            raise CarsegError(f"{where}: {name} has no option {option!r}; it has {', '.join(known)}.")


def create_plan(
    data: str = "",
    run: str = "",
    device: str = "auto",
    settings: Mapping[str, str] | None = None,
    *,
    classes: str = "",
    jobs: int = 1,
) -> ReadingsPlan:
    """Read the readings and check all of them, as far as it can be without opening a photo.

    Args:
        data: photos, as for `Run.create`.
        run: name of the folder under reports/; empty takes "readings", or "readings-<data folder>" for other data.
        device: auto, cpu, cuda or mps.
        settings: seeds, photos, validation_photos and epochs that differ from the file's; records=no, to make also what
            is recorded in carseg; choices ("model=classifier"),
            to train the readings of the sample with that option alone; and settings of the profile for all readings, as
            text.
        classes: the body types, as for `Run.create`.
        jobs: trainings side by side.

    Raises:
        CarsegError: the file is broken, a setting is unknown or out of range, there is no such data, or no reading has
            these options.
    """
    path = readings_path()
    listed = read_readings(path)
    readers = {name: whole_number(least) for name, least in NUMBERS.items()} | dict.fromkeys(listed.choices, _text)
    readers["records"] = one_of("yes", "no")
    own, overrides = read_settings(settings or {}, readers, DECIDED)
    wanted = {name: own.pop(name) for name in list(own) if name in listed.choices}
    check_options(listed, wanted, "SET")
    has_gpu = choose_device(device).type != "cpu"
    readings: dict[str, Reading] = {}
    left: dict[str, Reading] = {}
    for sampled in listed.sample:
        for options in listed.combinations(sampled.choices):
            if wanted.items() <= options.items():
                reading = _reading(listed, options)
                place = readings if has_gpu or not sampled.needs else left
                place.setdefault(reading.name, reading)
    if not readings:
        raise CarsegError(
            f"SET: the sample of {path.name} has no reading with {wanted} that this machine can train"
            + (f"; {len(left)} need a GPU." if left else ".")
        )
    of_data = re.sub(r"[^A-Za-z0-9_-]+", "-", Path(data).stem).strip("-")[:40]
    folder = "readings" if data in ("", BUILTIN) else f"readings-{of_data}"
    plan = ReadingsPlan(
        folder=experiment_folder(run, folder),
        profile=listed.profile,
        overrides=overrides,
        classes=classes,
        device=device,
        jobs=jobs,
        data=data,
        listed=listed,
        readings=tuple(readings.values()),
        left=tuple(left.values()),
        epochs=own.get("epochs") or 0,
        use_records=own.get("records", "yes") == "yes",
        **{name: own.get(name, getattr(listed, name)) for name in ("seeds", "photos", "validation_photos")},
    )
    if not plan.epochs:
        config = plan.run(
            "data", data, {"architecture": "mask_rcnn"}
        ).config  # what SET says is checked before readings
        plan = replace(plan, epochs=config.train.epochs)
    for reading in plan.readings:
        plan.run_of(reading, 0)
    return plan


def _text(name: str, text: str) -> str:
    return text


def _reading(listed: Readings, options: Mapping[str, str]) -> Reading:
    chosen = {name: listed.choices[name].options[option] for name, option in options.items()}
    settings: dict[str, Any] = {}
    for option in chosen.values():
        settings |= option.settings
    return Reading(options, "; ".join(option.title for option in chosen.values()), settings)
