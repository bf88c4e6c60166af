"""The folder of a run, `reports/<run>/`: its name, and the paths of its files."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from carseg_lib.core import files
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
_RUN_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,79}")


def runs_root() -> Path:
    """The folder of all runs: the environment variable CARSEG_REPORTS, else `reports` in the repository."""
    named = os.environ.get("CARSEG_REPORTS")
    return Path(named).resolve() if named else project_folder() / "reports"


@contextmanager
def use_runs_root(folder: Path) -> Iterator[None]:
    """Make this the folder of runs within the block, for this process and its children: for trials of an experiment."""
    before = os.environ.get("CARSEG_REPORTS")
    os.environ["CARSEG_REPORTS"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["CARSEG_REPORTS"]
        else:
            os.environ["CARSEG_REPORTS"] = before


class RunPaths:
    """The paths of a run's files."""

    @property
    def name(self) -> str:
        """Name of the run."""
        raise NotImplementedError

    @property
    def folder(self) -> Path:
        """`reports/<run>`, which holds all files of the run."""
        return runs_root() / self.name

    @property
    def caches(self) -> Path:
        """Folder of decoded photos, shared by runs on the same data."""
        return runs_root() / ".cache"

    @property
    def catalogue(self) -> Path:
        """Folder of the catalogue of all photos, as the data set gives them (written by notebook 01)."""
        return self.folder / "catalogue"

    @property
    def dataset(self) -> Path:
        """Folder of the catalogue of the photos that are used, each with its split (written by notebook 02)."""
        return self.folder / "dataset"

    @property
    def rejected_masks(self) -> Path:
        """The table of cars whose photos are left out because of the low quality of their pseudo-masks."""
        return self.folder / "rejected_masks.csv"

    @property
    def checkpoints(self) -> Path:
        """Folder of the trained model: `best.pt`, `best.json` and the state to resume from."""
        return self.folder / "model"

    @property
    def best_weights(self) -> Path:
        """The tensors of the best epoch's model."""
        return self.checkpoints / "best.pt"

    @property
    def best_card(self) -> Path:
        """The card of that model: classes, settings, initial weights and data, as JSON."""
        return self.checkpoints / "best.json"

    @property
    def history(self) -> Path:
        """The table of the training, a row an epoch."""
        return self.folder / "history.csv"

    @property
    def predictions(self) -> Path:
        """The table of predictions, a row a photo."""
        return self.folder / "predictions.csv"

    @property
    def detections(self) -> Path:
        """The table of all detections, including those of a car's less likely classes."""
        return self.folder / "detections.csv"

    @property
    def metrics(self) -> Path:
        """Every number of the run, as JSON."""
        return self.folder / "metrics.json"

    @property
    def figures(self) -> Path:
        """Folder of the figures."""
        return self.folder / "figures"

    @property
    def notebooks(self) -> Path:
        """Folder of the executed notebooks."""
        return self.folder / "notebooks"

    @property
    def page(self) -> Path:
        """The HTML report."""
        return self.folder / "index.html"

    @property
    def provenance(self) -> Path:
        """Commands, machine, versions and durations of the run, as JSON."""
        return self.folder / "provenance.json"


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
