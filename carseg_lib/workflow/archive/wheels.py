"""The packages of the lock as wheels: downloaded with their hashes, installed again without a network."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from carseg_lib.core.errors import CarsegError
from carseg_lib.workflow.archive.zip_files import Entry

FOLDER = "wheels"


def download_wheels(lock: bytes, folder: Path) -> list[Entry]:
    """Download every package of a lock for this system and Python, each as its hash says.

    Args:
        lock: The content of requirements.lock.
        folder: An empty folder that they are written to.

    Raises:
        CarsegError: A package cannot be had as a wheel, or pip failed otherwise.
    """
    (folder / "lock.txt").write_bytes(lock)
    wheels = folder / FOLDER
    options = ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--dest", str(wheels)]
    _pip(sys.executable, "download", *options, "--requirement", str(folder / "lock.txt"))
    return [Entry(f"{FOLDER}/{path.name}", path) for path in sorted(wheels.iterdir())]


def install_wheels(root: Path, lock: Path) -> Path:
    """Make an environment of an archive's wheels, without a network; returns its Python.

    Args:
        root: The unpacked archive; the environment is its `.venv`.
        lock: The archive's lock.

    Raises:
        CarsegError: A package of the lock is not among the wheels, for this system and Python, or pip failed otherwise.
    """
    venv = root / ".venv"
    python = venv / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    done = venv / ".installed"
    if done.is_file():
        return python
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(venv)], check=True, stdout=subprocess.DEVNULL)
    options = ["--no-index", "--find-links", str(root / FOLDER), "--no-deps", "--require-hashes"]
    _pip(str(python), "install", *options, "--requirement", str(lock))
    done.touch()
    return python


def _pip(python: str, *words: str) -> None:
    command = [python, "-m", "pip", words[0], "--quiet", "--disable-pip-version-check", *words[1:]]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.splitlines()
        raise CarsegError(f"pip {words[0]} failed: {' '.join(errors[-1:]) or f'exit code {done.returncode}'}")
