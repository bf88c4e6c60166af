"""The folder of a run, `reports/<run>/`: its name, and the paths of its files."""

from __future__ import annotations

import hashlib
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from carseg_lib.core import files
from carseg_lib.core.environment import environment_variables
from carseg_lib.core.errors import CarsegError


def project_folder() -> Path:
    """The repository: the folder that holds `carseg_lib` and `notebooks`."""
    return Path(__file__).resolve().parents[2]


def builtin_archive() -> Path:
    """The archive of the built-in data set; `<name>.sha256` lies beside it."""
    return project_folder() / "carseg_lib" / "data" / "assets" / "rendered-cars.zip"


def builtin_segmenter() -> Path:
    """The car segmenter that comes with carseg; `<name>.sha256` lies beside it."""
    return project_folder() / "carseg_lib" / "data" / "assets" / "car-segmenter.safetensors"


def builtin_model() -> Path:
    """The model of the four body types that comes with carseg; `<name>.sha256` lies beside it."""
    return project_folder() / "carseg_lib" / "data" / "assets" / "car-types.safetensors"


def checksum_path(archive: Path) -> Path:
    """The file with an archive's sha256, beside it."""
    return archive.with_name(f"{archive.name}.sha256")


def verify_checksum(path: Path, what: str, advice: str) -> None:
    """Compare a packaged file with its checksum.

    Args:
        path: with its checksum beside it.
        what: the file in words, for messages.
        advice: what the user can do.

    Raises:
        CarsegError: one of the two is missing, or the file is not the one that was packed.
    """
    try:
        expected = checksum_path(path).read_text(encoding="ascii").split()[:1]
        found = files.sha256(path)
    except FileNotFoundError as error:
        raise CarsegError(f"{error.filename}: {what} is missing; {advice}") from None
    except (OSError, ValueError) as error:
        raise CarsegError(f"{path}: {what} cannot be read ({error}); {advice}") from None
    if [found] != expected:
        raise CarsegError(f"{path}: damaged, its sha256 is not the one in {checksum_path(path).name}; {advice}")


RESERVED_RUNS = ("reference", "bench")
PACKAGED = "packaged"  # the run of the model that comes with carseg; none that is trained has its name
_RUN_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,79}")


def runs_root() -> Path:
    """The folder of all runs: the environment variable CARSEG_REPORTS, else `reports` in the repository."""
    named = os.environ.get("CARSEG_REPORTS")
    return Path(named).resolve() if named else project_folder() / "reports"


@contextmanager
def use_runs_root(folder: Path) -> Iterator[None]:
    """Make this the folder of runs within the block, for this process and its children: for trials of an experiment."""
    with environment_variables({"CARSEG_REPORTS": str(folder)}):
        yield


class _InRun:
    """A path of a run, relative to its folder."""

    def __init__(self, path: str):
        self._path = path

    def __get__(self, run: RunPaths, kind: type[RunPaths]) -> Path:
        return run.folder / self._path


class RunPaths(ABC):
    """The paths of a run's files."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Name of the run."""

    @property
    def folder(self) -> Path:
        """`reports/<run>`, which holds all files of the run."""
        return runs_root() / self.name

    @property
    def caches(self) -> Path:
        """Folder of decoded photos, shared by runs on the same data."""
        return runs_root() / ".cache"

    catalogue = _InRun("catalogue")  # folder of the catalogue of all photos, as the data set gives them (notebook 01)
    dataset = _InRun("dataset")  # folder of the catalogue of the photos used, each with its split (notebook 02)
    rejected_masks = _InRun("rejected_masks.csv")  # cars left out because of the low quality of their pseudo-masks
    checkpoints = _InRun("model")  # folder of the trained model: `best.pt`, `best.json` and the state to resume from
    best_weights = _InRun("model/best.pt")  # the tensors of the best epoch's model
    best_card = _InRun("model/best.json")  # the card of that model: classes, settings, initial weights and data
    presence = _InRun("model/presence.json")  # from which score a region is a car: learned of training and validation
    presence_table = _InRun("presence.csv")  # a row a region that was looked at twice, of cars and of photos without
    history = _InRun("history.csv")  # the table of the training, a row an epoch
    predictions = _InRun("predictions.csv")  # a row a photo
    detections = _InRun("detections.csv")  # all detections, including those of a car's less likely classes
    metrics = _InRun("metrics.json")  # every number of the run
    certainty = _InRun("certainty.json")  # how certain those numbers are (notebook 06, by make certainty)
    figures = _InRun("figures")
    notebooks = _InRun("notebooks")  # folder of the executed notebooks
    page = _InRun("index.html")  # the report
    provenance = _InRun("provenance.json")  # commands, machine, versions and durations of the run


def check_run_name(run: str) -> str:
    """Return the name of a run if a folder under reports/ can have it.

    Raises:
        CarsegError: it cannot.
    """
    if not _RUN_NAME.fullmatch(run):
        raise CarsegError(f"RUN={run!r}: use letters, digits, '.', '_' and '-' (80 at most, no leading dot).")
    if run.lower() in RESERVED_RUNS or run.lower().endswith((".html", ".json")):
        raise CarsegError(f"RUN={run!r}: this name is kept for carseg's own files; choose another.")
    return run


def data_of_run(run: str) -> str:
    """The setting data.source of the results that a run holds; "" if no stage of it has finished."""
    folder = runs_root() / run
    if not any(folder.glob("stamps/*.json")):
        return ""
    try:
        return str(files.read_json(folder / "config.json")["data"]["source"])
    except (CarsegError, KeyError, TypeError):  # to be written anew
        return ""


def default_run_name(profile: str, data: str) -> str:
    """The name of a run that the user did not name: the first of three that is free or holds the same data.

    The profile's name, `<profile>-<name of the data>`, and that with a short hash of the data's path.
    """
    path = Path(data)
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", path.stem if path.is_file() else path.name).strip("-")[:40]
    path_hash = hashlib.sha256(os.fsencode(data)).hexdigest()[:6]
    names = [profile, *([f"{profile}-{name}"] if name else []), "-".join(filter(None, (profile, name, path_hash)))]
    return next((run for run in names if data_of_run(run) in ("", data)), names[-1])
