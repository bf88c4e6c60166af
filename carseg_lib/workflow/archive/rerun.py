"""Runs an archived study again: with its code, its settings and its seed, in a new folder, and compares.

Nothing is asked of the network: the photos are in the archive or the user's, the packages are this environment's or the
archive's wheels. The unpacked folder holds `code/`, `run/` (the archived results) and `reports/` (the new ones).
"""

from __future__ import annotations

import importlib.metadata
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.paths import check_run_name, project_folder, runs_root
from carseg_lib.data.builtin import SUMS
from carseg_lib.data.fingerprint import content_fingerprint
from carseg_lib.workflow.archive import zip_files
from carseg_lib.workflow.archive.make import LOCK, MANIFEST
from carseg_lib.workflow.archive.wheels import install_wheels
from carseg_lib.workflow.reference import Comparison, compare_run, write_reference
from carseg_lib.workflow.reference_text import comparison_text

_FIELDS = {"schema", "run", "command", "sources", "weights", "threads", "model_sha256", "patched", "wheels"}
_VARIABLES = {"DATA", "CLASSES", "FORMAT", "PROFILE", "RUN", "SEED", "DEVICE", "WEIGHTS", "NPROC", "NEGATIVES", "SET"}
_OFFLINE = {"HF_HUB_OFFLINE": "1", "PIP_NO_INDEX": "1", "UV_OFFLINE": "1"}


@dataclass(frozen=True)
class Outcome:
    """A rerun beside the archived run.

    Attributes:
        folder: The new run's.
        same_weights: Whether the trained weights are the same file.
        comparison: Of the numbers.
        verdict: "same bits", "within tolerance" or "differs".
        text: All of it, for the terminal.
    """

    folder: Path
    same_weights: bool
    comparison: Comparison
    verdict: str
    text: str


def rerun(archive: Path, folder: Path | None, data: str = "", negatives: str = "") -> Outcome:
    """Unpack an archive, run its study again and compare.

    Args:
        archive: The zip.
        folder: Where it is unpacked; None for `reports/.reruns/<name of the archive>`. A folder that holds this archive
            already is gone on with.
        data: The photos, where the archive has their digests alone.
        negatives: The photos without a car, likewise.

    Raises:
        CarsegError: The archive is damaged or no archive, photos are missing or others, the environment is not the
            archive's, or the run failed.
    """
    folder = (folder or runs_root() / ".reruns" / archive.stem).absolute()
    _unpack(archive, folder)
    manifest = read_manifest(folder)
    variables = run_variables(manifest, {"DATA": data, "NEGATIVES": negatives})
    python = choose_python(folder, manifest)
    print(f"unpacked: {folder}\nrunning: {manifest['command']}", flush=True)
    _run(python, folder, variables, manifest)
    return compare(folder, manifest)


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read archive.json of an unpacked archive.

    Raises:
        CarsegError: It lacks a field, or is of another version.
    """
    manifest = files.read_json(folder / MANIFEST)
    if not isinstance(manifest, dict) or not manifest.keys() >= _FIELDS or manifest["schema"] != 1:
        raise CarsegError(f"{folder / MANIFEST} is of another version of carseg, or of none; take the code in code/.")
    check_run_name(str(manifest["run"]))
    return manifest


def run_variables(manifest: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, str]:
    """The variables of the archived command, each with the value that the rerun takes.

    Args:
        manifest: archive.json.
        given: DATA and NEGATIVES of the user, "" if not given.

    Raises:
        CarsegError: The command is none of make reproduce; photos are needed and not given, not needed and given, or
            are others.
    """
    words = shlex.split(str(manifest["command"]))
    pairs = {name: value for name, _, value in (word.partition("=") for word in words[2:])}
    if words[:2] != ["make", "reproduce"] or not pairs.keys() <= _VARIABLES:
        raise CarsegError(f"{MANIFEST}: {manifest['command']!r} is no command that makes a run; get the archive again.")
    for source in manifest["sources"]:
        variable, value = source["variable"], given.get(source["variable"], "")
        if source["carried"]:
            if value:
                raise CarsegError(f"{variable}: the archive has these photos itself; leave {variable} out.")
            continue
        if not value:
            raise CarsegError(
                f"the archive has digests alone of {source['name']} ({source['files']:,} files): give the photos by "
                f"{variable}=path."
            )
        path = Path(value).expanduser().resolve()
        if not path.exists():
            raise CarsegError(f"{variable}={value} does not exist.")
        if content_fingerprint(path) != source["sha256"]:
            raise CarsegError(f"{variable}={value}: not the photos of the archived run; data-files.csv lists those.")
        pairs[variable] = str(path)
    return {f"CARSEG_{name}": value for name, value in (pairs | {"RUN": str(manifest["run"])}).items()}


def choose_python(folder: Path, manifest: Mapping[str, Any]) -> str:
    """The Python whose packages are the archive's: this one, or one made of its wheels.

    Raises:
        CarsegError: This environment is another one, and the archive has no wheels.
    """
    if manifest["wheels"] and not _same_environment(folder):
        print("installing the archive's wheels", flush=True)
        return str(install_wheels(folder, folder / LOCK))
    if not _same_lock(folder):
        code = folder / "code"
        raise CarsegError(
            f"the archive's requirements.lock is not this environment's: cd {shlex.quote(str(code))} && make setup "
            "makes the right one, with a network; then make rerun there."
        )
    if others := _other_packages(folder):
        raise CarsegError(f"the environment is not what its lock says ({others[0]}): make setup, then again.")
    return sys.executable


def _same_environment(folder: Path) -> bool:
    return _same_lock(folder) and not _other_packages(folder)


def _same_lock(folder: Path) -> bool:
    own = project_folder() / "requirements.lock"
    return own.is_file() and own.read_bytes() == (folder / LOCK).read_bytes()


def _other_packages(folder: Path) -> list[str]:
    """The packages of the archived run's provenance that have another version here, a text each."""
    found = []
    for name, version in files.read_json(folder / "run" / "provenance.json")["packages"].items():
        try:
            here = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            here = "missing"
        if here.partition("+")[0] != version.partition("+")[0]:
            found.append(f"{name} {here}, {version} in the archive")
    return found


def _unpack(archive: Path, folder: Path) -> None:
    """Unpack, unless the folder holds this very archive."""
    sums = zip_files.read_member(archive, SUMS)
    held = folder / SUMS
    if held.is_file() and held.read_bytes() == sums:
        zip_files.check_folder(folder)
        return
    if folder.exists() and any(folder.iterdir()):
        raise CarsegError(f"{folder} holds something else; remove it, or name another folder by OUT.")
    zip_files.unpack_zip(archive, folder)


def _run(python: str, folder: Path, variables: Mapping[str, str], manifest: Mapping[str, Any]) -> None:
    """Run the study with the archive's code, from the archive's folder: its paths are relative to it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CARSEG_")}
    environment |= _OFFLINE | dict(variables)
    environment |= {"CARSEG_REPORTS": str(folder / "reports"), "PYTHONPATH": str(folder / "code")}
    if manifest["threads"]:
        environment["OMP_NUM_THREADS"] = str(manifest["threads"])  # sums are split by it
    command = [python, "-m", "carseg_lib.workflow.cli", "run"]
    try:
        done = subprocess.run(command, cwd=folder, env=environment, check=False)
    except OSError as error:
        raise CarsegError(f"{python} cannot be started ({error.strerror}).") from error
    if done.returncode:
        advice = ""
        if manifest["weights"]:
            advice = (
                " Its initial weights are torchvision's COCO weights, which no archive has: they are downloaded once."
            )
        raise CarsegError(f"the archived run failed with {done.returncode}, see above.{advice}")


def compare(folder: Path, manifest: Mapping[str, Any]) -> Outcome:
    """Compare the new run of an unpacked archive with the archived one; `rerun.csv` and `rerun.json` say it too."""
    new = folder / "reports" / str(manifest["run"])
    digest = files.sha256(new / "model" / "best.pt")
    with tempfile.TemporaryDirectory(prefix="carseg-") as reference:
        write_reference([folder / "run"], Path(reference))
        comparison = compare_run(new, Path(reference))
    same = digest == manifest["model_sha256"]
    identical = same and not comparison.unequal
    verdict = "same bits" if identical and comparison.ok else "within tolerance" if comparison.ok else "differs"
    table = files.write_csv(folder / "rerun.csv", comparison.table)
    lines: Sequence[str] = (
        comparison_text(comparison, str(manifest["run"]), str(table), f"the rerun of {manifest['run']}"),
        f"weights: {'the same bits' if same else 'others'}, sha256 {digest[:16]}…",
        f"{verdict}: {_sentence(verdict, comparison)}",
    )
    record = {"verdict": verdict, "model_sha256": digest, "same_weights": same, "unequal": comparison.unequal}
    files.write_json(folder / "rerun.json", record | {"numbers": comparison.numbers})
    return Outcome(new, same, comparison, verdict, "\n".join(lines))


def _sentence(verdict: str, comparison: Comparison) -> str:
    if verdict == "same bits":
        return f"weights and all {comparison.numbers} numbers are those of the archive"
    why = f" ({comparison.circumstances[0]})" if comparison.circumstances else ""
    if verdict == "within tolerance":
        return f"not the same bits{why}, and every judged number is as near as another training's would be"
    return f"numbers are further from the archive's than another training's would be{why}"
