"""The plan of an experiment: what SET says of it, its folder, and the runs that are its trials."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from carseg_lib.core.errors import CarsegError
from carseg_lib.core.paths import check_run_name, runs_root, use_runs_root
from carseg_lib.core.profiles import CLI_SETTINGS, RENAMED, did_you_mean, resolve_name, setting_names
from carseg_lib.core.run import Run

MONITOR = 16  # photos by which the log of a training shows that it goes well; no epoch is chosen by them

Reader = Callable[[str, str], Any]  # a setting's name and its text -> its value; a CarsegError if it has none


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What every plan of several trainings has; a plan of a kind of experiment adds its own settings.

    Attributes:
        folder: `reports/<run>`, which holds the trials and the results.
        profile: set of settings that the trials start from.
        overrides: settings that differ from the profile's, for all trials, by dotted name.
        classes: the body types, as `Run.create` takes them; empty for the paper's four.
        seed: of splits, subsets and trainings.
        device: auto, cpu, cuda or mps.
        num_processes: training processes.
        jobs: trials that are made side by side.
        cluster: the address of a dask scheduler, whose workers make the trials; "" = this machine.
    """

    folder: Path
    profile: str
    overrides: Mapping[str, Any]
    classes: str = ""
    seed: int | str = 0
    device: str = "auto"
    num_processes: int | str = 1
    jobs: int = 1
    cluster: str = ""
    # Settings that are the same for all trials: a few photos are enough to see that a training goes well.
    fixed: ClassVar[Mapping[str, Any]] = {"inputs.max_images_per_split": 0, "train.train_eval_size": MONITOR}

    def described(self, *names: str) -> dict[str, Any]:
        """What the results hold of it: the folder's name, the profile, and attributes by name."""
        values = {name: getattr(self, name) for name in names}
        return {"run": self.folder.name, "profile": self.profile, "overrides": dict(self.overrides)} | values

    def run(
        self,
        name: str,
        data: str,
        settings: Mapping[str, Any] | None = None,
        *,
        seed: int | None = None,
        classes: str | None = None,
        where: str = "SET",
        variable: str = "DATA",
    ) -> Run:
        """The run of one trial, checked.

        Args:
            name: of the trial.
            data: its photos, as DATA is given.
            settings: those that differ from the plan's.
            seed: of the trial; the plan's if not given.
            classes: the body types, if not the plan's.
            where: what gave the settings, for a message.
            variable: what gave the photos, for a message.

        Raises:
            CarsegError: a setting is unknown or out of range, or there are no such photos, profile or classes.
        """
        changes = {resolve_name(setting, where): value for setting, value in (settings or {}).items()}
        with use_runs_root(self.folder):
            try:
                return Run.create(
                    name,
                    self.profile,
                    data,
                    {**self.overrides, **self.fixed, **changes},
                    seed=self.seed if seed is None else seed,
                    device=self.device,
                    num_processes=self.num_processes,
                    classes=self.classes if classes is None else classes,
                )
            except CarsegError as error:
                message = str(error).replace("(SET)", f"({where})").replace("DATA=", f"{variable}=")
                raise CarsegError(message) from None


def experiment_folder(run: str, default: str) -> Path:
    """The folder of an experiment.

    Raises:
        CarsegError: the name is not one, or it is that of a run of the study.
    """
    folder = runs_root() / check_run_name(run or default)
    if (folder / "config.json").is_file():
        raise CarsegError(f"RUN={folder.name}: this is a run of make reproduce; name another by RUN=.")
    return folder


def read_settings(
    given: Mapping[str, str], own: Mapping[str, Reader], decided: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Divide SET into settings of the plan and settings of the configuration.

    Args:
        given: SET, as `core.profiles.parse_overrides` reads it.
        own: the plan's settings: how each is read.
        decided: settings of the configuration, by dotted name, that the plan decides: what to set instead.

    Returns:
        The plan's settings, read; and the others by dotted name, as text for `Run.create` to check.

    Raises:
        CarsegError: an unknown name, one that the plan decides, one that is given twice, or a value that cannot be.
    """
    values = {name: own[name](name, text) for name, text in given.items() if name in own}
    overrides: dict[str, Any] = {}
    for name, text in given.items():
        if name in own:
            continue
        known = setting_names()
        short = [other.rpartition(".")[2] for other in known]
        if name not in (*known, *short, *CLI_SETTINGS, *RENAMED):
            raise CarsegError(f"SET: there is no setting {name!r}{did_you_mean(name, [*known, *own])}")
        setting = resolve_name(name, "SET")
        if setting in decided:
            raise CarsegError(f"SET: {name} differs from training to training; set instead: {decided[setting]}.")
        if setting in overrides:
            raise CarsegError(f"SET: {setting} is given twice, by its short and by its dotted name.")
        overrides[setting] = text
    return values, overrides


def whole_number(least: int) -> Reader:
    """Reads whole numbers from `least` up."""

    def read(name: str, value: Any) -> int:
        number = int(value) if isinstance(value, str) and re.fullmatch(r"\d{1,6}", value) else value
        if type(number) is not int or number < least:
            raise CarsegError(f"{name} = {value!r} must be a whole number from {least} up.")
        return number

    return read


def one_of(*words: str) -> Reader:
    """Reads one of some words."""

    def read(name: str, text: str) -> str:
        if text not in words:
            raise CarsegError(f"{name} = {text!r} must be {' or '.join(words)}.")
        return text

    return read


def names(name: str, text: str) -> tuple[str, ...]:
    """Reads names that are divided by spaces."""
    return tuple(text.split())


def existing_file(name: str, text: str) -> str:
    """Reads the path of a file that is there, and makes it absolute."""
    path = Path(text).expanduser().resolve()
    if not path.is_file():
        raise CarsegError(f"{name} = {text!r}: there is no such file; give the path of a checkpoint.")
    return str(path)
