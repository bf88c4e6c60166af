"""What a run was made from besides its code: photos, photos without a car, checkpoints, a file of classes.

Photos of a user's own stay at home unless they are asked for; the archive then holds their names, sizes and digests, by
which a rerun tells whether it was given the same ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from carseg_lib.core import files
from carseg_lib.core.config import ANNOTATORS, WEIGHTS
from carseg_lib.core.data_spec import BUILTIN, is_kaggle, is_remote
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.paths import builtin_archive, project_folder
from carseg_lib.core.run import Run
from carseg_lib.data.fingerprint import content_sha256, data_files, fingerprint_of
from carseg_lib.data.locate import locate_photos
from carseg_lib.workflow.archive.source_code import FOLDER as CODE
from carseg_lib.workflow.archive.zip_files import Entry

LIST = "data-files.csv"  # a row a file of the photos
BUILTIN_FILE = f"{CODE}/{builtin_archive().relative_to(project_folder()).as_posix()}"  # in the archive of a run


@dataclass(frozen=True)
class Source:
    """One input of a run.

    Attributes:
        variable: The variable of make that names it.
        place: Where it lies in the archive, or would if it were carried; "" for the built-in data set.
        name: As people call it.
        sha256: Over names and contents of its files, as provenance.json has it.
        files: How many it has.
        size: Their bytes.
        carried: Whether the archive holds it.
    """

    variable: str
    place: str
    name: str
    sha256: str
    files: int
    size: int
    carried: bool

    def record(self) -> dict[str, Any]:
        """As archive.json has it."""
        return dict(vars(self))


@dataclass
class Inputs:
    """The inputs of a run, the files that the archive gets of them, and what their paths become in it."""

    sources: list[Source] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    places: dict[str, str] = field(default_factory=dict)  # an absolute path of this machine: its place in the archive

    @property
    def data(self) -> Source:
        """The photos."""
        return self.sources[0]


def collect(run: Run, provenance: Mapping[str, Any], carry: bool) -> Inputs:
    """Find the inputs of a run.

    Args:
        run: The run.
        provenance: Its provenance.
        carry: Whether photos of the user's own go along.

    Raises:
        CarsegError: Photos have changed since the run, are missing, or cannot go along as they lie.
    """
    found = Inputs()
    _add_photos(found, "DATA", run.config.data.source, carry, provenance.get("data", {}).get("sha256"))
    if run.config.eval.negatives:
        _add_photos(found, "NEGATIVES", run.config.eval.negatives, carry, None)
    checkpoints = (
        ("WEIGHTS", run.config.model.weights, WEIGHTS),
        ("SET", run.config.pseudo_labels.source, ANNOTATORS),
        ("CLASSES", run.config.classes_as_given, ()),
    )
    for variable, value, words in checkpoints:
        path = Path(value).expanduser() if value and value not in words else None
        if path and path.suffix and path.is_file():
            _add_file(found, variable, path.resolve(), value)
    return found


def _add_photos(found: Inputs, variable: str, source: str, carry: bool, expected: str | None) -> None:
    if source == BUILTIN:
        content = builtin_archive()
        found.sources.append(
            Source(variable, "", "rendered cars, built in", expected or "", 1, content.stat().st_size, True)
        )
        return
    try:
        path = locate_photos(source)
        listed = sorted(data_files(path))
        digests = {name: content_sha256(file) for name, file in listed}
    except OSError as error:
        raise CarsegError(f"{variable}: {error.filename} cannot be read ({error.strerror}).") from error
    whole = fingerprint_of(digests.items())
    if not listed or (expected and whole != expected):
        state = "are not the ones that the run was made with" if listed else "are not there any more"
        raise CarsegError(f"{variable}: the photos of {path.name} {state}; make the run again, or restore them.")
    kind = "data" if variable == "DATA" else "negatives"
    place = f"{kind}/{path.name}"
    table = [(name, file.stat().st_size, digests[name]) for name, file in listed]
    found.sources.append(Source(variable, place, path.name, whole, len(table), sum(row[1] for row in table), carry))
    listing = pd.DataFrame(table, columns=["file", "bytes", "sha256"]).to_csv(index=False, lineterminator="\n")
    found.entries.append(Entry(LIST if kind == "data" else f"{kind}-files.csv", listing.encode()))
    found.places |= {str(path): place} | ({str(path.parent): kind} if path.is_file() else {})
    if is_kaggle(source) or is_remote(source):
        return  # the command names it by the word or the address, which is no path
    if carry:
        root = path if path.is_dir() else path.parent
        for _, file in listed:
            if not file.resolve().is_relative_to(root.resolve()):
                raise CarsegError(
                    f"{variable}: {file.name} lies outside the folder of {path.name}, so the photos cannot go along as "
                    "they lie; copy them into one folder, or archive their digests alone."
                )
            inside = file.relative_to(root).as_posix()
            found.entries.append(Entry(f"{place}/{inside}" if path.is_dir() else f"{kind}/{inside}", file))


def _add_file(found: Inputs, variable: str, path: Path, as_given: str) -> None:
    """A checkpoint or a file of classes: nothing can be made again without it, so it always goes along."""
    place = f"inputs/{path.name}"
    if place not in {entry.name for entry in found.entries}:
        found.entries.append(Entry(place, path))
    found.sources.append(Source(variable, place, path.name, files.sha256(path), 1, path.stat().st_size, True))
    found.places |= {str(path): place, as_given: place}
