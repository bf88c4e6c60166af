"""Study: the settings of one run, checked.

A run is a folder (`carseg_lib.core.paths`). Its `study.json` holds the settings; the notebooks open it by the run's
name: `Study.open(run)`.
"""

from __future__ import annotations

import difflib
import shlex
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from carseg_lib.core import files
from carseg_lib.core.classes import ClassMap
from carseg_lib.core.config import (
    CLI_SETTINGS,
    SECTIONS,
    Settings,
    did_you_mean,
    profile_names,
    profile_path,
    read_as,
    read_profile,
    validate,
)
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.paths import RunPaths, check_run_name, data_of_run, default_run_name, runs_root
from carseg_lib.data import builtin, kaggle

TEACHERS = ("shipped", "coco", "grabcut", "none")
WEIGHTS = ("coco", "imagenet", "segmenter", "none")
MONITOR = 16  # photos by which a training whose epochs are not chosen shows that it goes well


class Study(Settings, RunPaths):
    """Everything one run was told, checked, and the paths of what it leaves."""

    @classmethod
    def create(
        cls,
        run: str = "",
        profile: str = "quick",
        data: str | Path = "",
        overrides: Mapping[str, Any] | None = None,
        *,
        seed: int | str = 0,
        device: str = "auto",
        workers: int | str = 1,
        weights: str = "",
        types: str = "",
    ) -> Study:
        """Check everything a user asked for and return it as a Study; writes nothing.

        Args:
            run: name of the run; empty takes the profile's name, or one with the data's name in it
                (`default_run_name`) if that run holds the results of other data.
            profile: name of a file in `notebooks/profiles`, without `.yaml`.
            data: `rendered` or empty for the embedded data set; `kaggle:<owner>/<slug>@<version>`; else a folder of
                photos, a COCO .json file or a .csv table, relative to the current folder.
            overrides: values that differ from the profile's, by name; text is read as the setting's type.
            seed: a whole number, 0 or more.
            device: auto, cpu, cuda or mps.
            workers: training processes.
            weights: as the setting of that name; empty keeps the profile's.
            types: the body types, as `ClassMap.read` takes them; empty for the paper's four.

        Raises:
            CarsegError: an unknown name, a wrong type, a value out of range, no such profile, data, weights, types
                that contradict each other, or the run that is named holds the results of other data.
        """
        overrides = dict(overrides or {})
        if weights:
            if "weights" in overrides:
                raise CarsegError("weights is given twice, by WEIGHTS and by SET: keep one of them.")
            overrides["weights"] = weights
        values, rows = read_profile(profile)
        where = {name: f"{profile_path(profile).name} row {row}" for name, row in rows.items()}
        for name, value in overrides.items():
            if name in CLI_SETTINGS:
                raise CarsegError(f"SET: {name} has its own variable: write {CLI_SETTINGS[name]}={value}.")
            if name not in cls.model_fields:
                raise CarsegError(f"SET: there is no parameter {name!r}{did_you_mean(name, profile_names())}")
            values[name] = read_as(cls.model_fields[name], value)
            where[name] = "WEIGHTS" if name == "weights" and weights else "SET"
        for name, value in (("seed", seed), ("device", device), ("workers", workers)):
            values[name] = read_as(cls.model_fields[name], value)
            where[name] = CLI_SETTINGS[name]
        data = str(data) or builtin.BUILTIN
        place = _existing_data(data)
        values |= {"data": place, "data_as_given": data, "profile": profile}
        values |= {"types": ClassMap.read(types).text, "types_as_given": types}
        values["run"] = check_run_name(run) if run else default_run_name(check_run_name(profile), place)
        if (held := data_of_run(values["run"])) not in ("", place):
            raise CarsegError(
                f"RUN={run}: this run holds the results of DATA={held}; those of DATA={data} need a name of their own: "
                "RUN=another."
            )
        study = validate(cls, values, where)
        named = {
            "weights": _existing_file("weights", study.weights, WEIGHTS, where["weights"]),
            "teacher": _existing_file("teacher", study.teacher, TEACHERS, where["teacher"]),
        }
        return study.model_copy(update=named)

    @classmethod
    def open(cls, run: str = "quick", *, device: str = "") -> Study:
        """Read the settings of a run from its folder.

        Args:
            run: its name.
            device: as the setting of that name, where another is wanted now than the run was made on.

        Raises:
            CarsegError: there is no such run, its `study.json` is not readable as a Study, or no such device.
        """
        path = runs_root() / check_run_name(run) / "study.json"
        if not path.is_file():
            runs = sorted(found.parent.name for found in runs_root().glob("*/study.json"))
            known = f"; the runs are: {', '.join(runs)}" if runs else ""
            raise CarsegError(f"There is no run {run!r} ({path} is missing){known}.")
        values = files.read_json(path)
        if not isinstance(values, dict) or set(values) != set(cls.model_fields) or values["run"] != run:
            raise CarsegError(f"{path} is of another version of carseg: run make reproduce RUN={run} again.")
        where = dict.fromkeys(values, str(path))
        if device:
            values["device"], where["device"] = device, CLI_SETTINGS["device"]
        return validate(cls, values, where)

    def save(self) -> Path:
        """Write `study.json` into the run's folder, unless it holds the same already; returns its path."""
        path = self.folder / "study.json"
        text = self.model_dump_json(indent=2) + "\n"
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            files.write_text(path, text)
        return path

    def settings(self, sections: Iterable[str]) -> dict[str, Any]:
        """The settings of some sections (data, preprocessing, model, training, evaluation), by name."""
        return {name: getattr(self, name) for section in sections for name in SECTIONS[section]}

    def changes(self) -> dict[str, Any]:
        """The settings that differ from the profile's present values."""
        profile, _ = read_profile(self.profile)
        return {name: getattr(self, name) for name, value in profile.items() if getattr(self, name) != value}

    def command(self) -> str:
        """The shell command that makes this run."""
        variables: dict[str, Any] = {} if self.data == builtin.BUILTIN else {"DATA": self.data_as_given}
        if self.types != ClassMap().text:
            variables["TYPES"] = self.types_as_given
        if self.profile != "quick":
            variables["PROFILE"] = self.profile
        if self.run != self.profile:
            variables["RUN"] = self.run
        for name, default in (("seed", 0), ("device", "auto"), ("workers", 1)):
            if getattr(self, name) != default:
                variables[name.upper()] = getattr(self, name)
        changes = self.changes()
        if "weights" in changes:
            variables["WEIGHTS"] = changes.pop("weights")
        if changes:
            variables["SET"] = _assignments(changes)
        return f"make reproduce {_assignments(variables)}".rstrip()

    def locate_photos(self) -> Path:
        """The folder of the photos, or their annotation file.

        The embedded ones are unpacked first, if they must be, and those of Kaggle fetched.

        Raises:
            CarsegError: the embedded data set is missing or damaged, or cannot be unpacked; those of Kaggle cannot be
                had, or are not what they were.
        """
        kept = runs_root() / ".data"
        if self.data == builtin.BUILTIN:
            return builtin.unpack(builtin.archive_path(), kept / builtin.BUILTIN)
        if kaggle.is_kaggle(self.data):
            return kaggle.fetch(kaggle.parse(self.data), kept / "kaggle")
        return Path(self.data)

    @contextmanager
    def photos_for_a_look(self) -> Iterator[Path]:
        """As `locate_photos`, but the embedded ones lie in a folder that is removed afterwards: nothing is left."""
        if self.data != builtin.BUILTIN:
            yield self.locate_photos()
            return
        with tempfile.TemporaryDirectory() as folder:
            yield builtin.unpack(builtin.archive_path(), Path(folder) / builtin.BUILTIN)

    @property
    def type_names(self) -> ClassMap:
        """The body types, and what the data may call them."""
        return ClassMap.parse(self.types)

    @property
    def weights_file(self) -> Path | None:
        """The file that the first weights come from, if it is one of this project's or the user's."""
        if self.weights == "segmenter":
            return builtin.segmenter_path()
        return None if self.weights in WEIGHTS else Path(self.weights)

    @property
    def teacher_file(self) -> Path | None:
        """The same of the teacher."""
        if self.teacher == "shipped":
            return builtin.segmenter_path()
        return None if self.teacher in TEACHERS else Path(self.teacher)


def _assignments(values: Mapping[str, Any]) -> str:
    """NAME=value pairs, quoted for a shell."""
    return " ".join(f"{name}={shlex.quote(str(value))}" for name, value in values.items())


def _existing_data(data: str) -> str:
    """The setting `data`: a word for the embedded data set, so that a moved repository keeps its runs; else a path.

    Data of Kaggle stay a word too: they are fetched when they are needed.
    """
    if data == builtin.BUILTIN:
        builtin.check_archive(builtin.archive_path())
        return data
    if kaggle.is_kaggle(data):
        return kaggle.parse(data).word
    path = Path(data).expanduser().resolve()
    if path.is_file() and path.suffix.lower() in (".json", ".csv"):
        return str(path)
    if not path.is_dir():
        what = "is not a folder, a COCO .json file or a .csv table" if path.exists() else "does not exist"
        raise CarsegError(f"DATA={data!r} {what} (looked for {path}).")
    try:
        empty = next(path.iterdir(), None) is None
    except OSError as error:
        raise CarsegError(f"DATA={data!r} cannot be read ({error.strerror}).") from error
    if empty:
        raise CarsegError(f"DATA={data!r} is an empty folder ({path}).")
    return str(path)


def _existing_file(setting: str, value: str, words: tuple[str, ...], where: str) -> str:
    """A setting that is one of some words, or the path of a checkpoint, which is made absolute."""
    if value in words:
        return value
    path = Path(value).expanduser().resolve()
    if path.is_file():
        return str(path)
    near = difflib.get_close_matches(value.lower(), words, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"use {', '.join(words)} or a checkpoint's path."
    raise CarsegError(f"{setting} = {value!r} ({where}): there is no such file; {hint}")
