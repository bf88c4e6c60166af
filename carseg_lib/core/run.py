"""A run: its configuration and its folder.

`reports/<run>/config.json` holds the configuration; the notebooks open a run by its name: `Run.open(name)`.
"""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from carseg_lib.core import files
from carseg_lib.core.classes import ClassMap
from carseg_lib.core.config import ANNOTATORS, WEIGHTS, RunConfig, field_of, validate
from carseg_lib.core.data_spec import BUILTIN, resolve_source
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.paths import (
    PACKAGED,
    RunPaths,
    builtin_segmenter,
    check_run_name,
    data_of_run,
    default_run_name,
    runs_root,
)
from carseg_lib.core.profiles import CLI_SETTINGS, nested, profile_path, read_profile, resolve_name
from carseg_lib.core.setting_values import parse_value


@dataclass(frozen=True)
class Run(RunPaths):
    """The checked configuration of one run, and the paths of its files."""

    config: RunConfig

    @property
    def name(self) -> str:
        """Name of the run, and of its folder under reports/."""
        return self.config.name

    @classmethod
    def create(
        cls,
        name: str = "",
        profile: str = "quick",
        data: str | Path = "",
        overrides: Mapping[str, Any] | None = None,
        *,
        seed: int | str = 0,
        device: str = "auto",
        num_processes: int | str = 1,
        weights: str = "",
        classes: str = "",
        format: str = "",
        negatives: str = "",
    ) -> Run:
        """A run from a user's values, all checked; writes nothing.

        Args:
            name: of the run; empty takes `paths.default_run_name`.
            profile: name of a file in `notebooks/profiles`, without `.yaml`.
            data: `rendered` or empty for the built-in data set; `kaggle:<owner>/<slug>@<version>`; else a path of a
                folder of photos, a COCO .json file or a .csv table.
            overrides: values that differ from the profile's, by dotted or short name; text is read as their type.
            seed: a whole number, 0 or more.
            device: auto, cpu, cuda or mps.
            num_processes: training processes.
            weights: as the setting model.weights; empty keeps the profile's.
            classes: the body types, as `ClassMap.parse` takes them; empty for the paper's four.
            format: of the data, as the setting data.format; empty to find it by the files.
            negatives: a folder of photos without a car, to measure false alarms on; empty for none.

        Raises:
            CarsegError: an unknown name, a wrong type, a value out of range, no such profile, data or weights, classes
                that contradict each other, or a run that holds the results of other data.
        """
        values, rows = read_profile(profile)
        where = {setting: f"{profile_path(profile).name} row {row}" for setting, row in rows.items()}
        resolved = {resolve_name(setting, "SET"): value for setting, value in (overrides or {}).items()}
        if len(resolved) < len(overrides or {}):
            raise CarsegError("SET: a setting is given twice, by its short and by its dotted name.")
        if weights:
            if "model.weights" in resolved:
                raise CarsegError("model.weights is given twice, by WEIGHTS and by SET: keep one of them.")
            resolved["model.weights"] = weights
        if format:
            if "data.format" in resolved:
                raise CarsegError("data.format is given twice, by FORMAT and by SET: keep one of them.")
            resolved["data.format"] = format
        resolved["eval.negatives"] = _existing_folder("NEGATIVES", negatives) if negatives else ""
        where |= dict.fromkeys(resolved, "SET") | ({"model.weights": "WEIGHTS"} if weights else {}) | CLI_SETTINGS
        where |= {"data.format": "FORMAT"} if format else {}
        resolved |= {"seed": seed, "device": device, "num_processes": num_processes}
        values |= {setting: parse_value(field_of(setting), value) for setting, value in resolved.items()}
        data = str(data) or BUILTIN
        source = resolve_source(data)
        values |= {"data.source": source, "data_as_given": data, "profile": profile}
        values |= {"negatives_as_given": negatives}
        values |= {"data.classes": ClassMap.parse(classes), "classes_as_given": classes}
        if name.lower() == PACKAGED:
            raise CarsegError(f"RUN={name}: this name is kept for the model that comes with carseg; choose another.")
        values["name"] = check_run_name(name) if name else default_run_name(check_run_name(profile), source)
        if (held := data_of_run(values["name"])) not in ("", source):
            raise CarsegError(
                f"RUN={name}: this run holds the results of DATA={held}; those of DATA={data} need a name of "
                "their own: RUN=another."
            )
        config = validate(RunConfig, nested(values), where)
        checkpoints = {
            setting: _existing_file(setting, config.select(setting)[setting], words, where.get(setting, "default"))
            for setting, words in (("model.weights", WEIGHTS), ("pseudo_labels.source", ANNOTATORS))
        }
        return cls(config.updated(**nested(checkpoints)))

    @classmethod
    def open(cls, name: str = "quick", *, device: str = "") -> Run:
        """Read a run from its folder, on another device than it was made on if one is given.

        Raises:
            CarsegError: there is no such run, its `config.json` is not readable, or no such device.
        """
        path = runs_root() / check_run_name(name) / "config.json"
        if not path.is_file():
            runs = sorted(found.parent.name for found in runs_root().glob("*/config.json"))
            known = f"; the runs are: {', '.join(runs)}" if runs else ""
            raise CarsegError(f"There is no run {name!r} ({path} is missing){known}.")
        try:
            config = RunConfig.model_validate_json(path.read_bytes())
        except ValidationError:
            config = None
        if config is None or config.name != name:
            raise CarsegError(f"{path} is of another version of carseg: run make reproduce RUN={name} again.")
        if device:
            values = {field: getattr(config, field) for field in RunConfig.model_fields} | {"device": device}
            config = validate(RunConfig, values, {"device": CLI_SETTINGS["device"]})
        return cls(config)

    def save(self) -> Path:
        """Write `config.json` into the run's folder, unless it holds the same already; returns its path."""
        path = self.folder / "config.json"
        text = self.config.model_dump_json(indent=2) + "\n"
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            files.write_text(path, text)
        return path

    def updated(self, **changes: Any) -> Run:
        """The same run with other values, checked; see `RunConfig.updated`."""
        return Run(self.config.updated(**changes))

    def changes(self) -> dict[str, Any]:
        """The settings, by dotted name, that differ from the profile's present values."""
        values, _ = read_profile(self.config.profile)
        own = self.config.select("pseudo_labels", "inputs", "model", "train", "eval")
        return {name: value for name, value in own.items() if value != values.get(name, field_of(name).default)}

    def command(self) -> str:
        """The shell command that makes this run."""
        config = self.config
        variables: dict[str, Any] = {} if config.data.source == BUILTIN else {"DATA": config.data_as_given}
        if config.data.classes != ClassMap():
            variables["CLASSES"] = config.classes_as_given
        if config.data.format != "auto":
            variables["FORMAT"] = config.data.format
        if config.profile != "quick":
            variables["PROFILE"] = config.profile
        if config.name != config.profile:
            variables["RUN"] = config.name
        for setting, default in (("seed", 0), ("device", "auto"), ("num_processes", 1)):
            if getattr(config, setting) != default:
                variables[CLI_SETTINGS[setting]] = getattr(config, setting)
        changes = self.changes()
        if "model.weights" in changes:
            variables["WEIGHTS"] = changes.pop("model.weights")
        if changes.pop("eval.negatives", ""):
            variables["NEGATIVES"] = config.negatives_as_given
        if changes:
            variables["SET"] = _assignments(changes)
        return f"make reproduce {_assignments(variables)}".rstrip()

    @property
    def weights_file(self) -> Path | None:
        """The file that the initial weights come from, if it is one of this project's or the user's."""
        weights = self.config.model.weights
        if weights == "segmenter":
            return builtin_segmenter()
        return None if weights in WEIGHTS else Path(weights)

    @property
    def annotator_file(self) -> Path | None:
        """The file of the annotator, if it is one of this project's or the user's."""
        source = self.config.pseudo_labels.source
        if source == "builtin":
            return builtin_segmenter()
        return None if source in ANNOTATORS else Path(source)


def _assignments(values: Mapping[str, Any]) -> str:
    """NAME=value pairs, quoted for a shell."""
    return " ".join(f"{name}={shlex.quote(str(value))}" for name, value in values.items())


def _existing_folder(variable: str, value: str) -> str:
    """The absolute path of a folder that a user gave."""
    path = Path(value).expanduser().resolve()
    if not path.is_dir():
        raise CarsegError(f"{variable}={value}: there is no such folder; give one of photos without a car.")
    return str(path)


def _existing_file(setting: str, value: str, words: tuple[str, ...], where: str) -> str:
    """A setting that is one of some words, or the path of a checkpoint, which is made absolute."""
    if value in words:
        return value
    if (path := Path(value).expanduser().resolve()).is_file():
        return str(path)
    near = difflib.get_close_matches(value.lower(), words, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"use {', '.join(words)} or a checkpoint's path."
    raise CarsegError(f"{setting} = {value!r} ({where}): there is no such file; {hint}")
