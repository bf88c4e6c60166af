"""Atomic writing and hashing of files."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from carseg_lib.core.errors import CarsegError

if TYPE_CHECKING:
    import pandas as pd

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}
_TEMPORARY = re.compile(r"\..*\.[0-9a-f]{8}\.tmp", re.S)


def disk_error(error: OSError, path: Path) -> CarsegError:
    """The one-line message for a write to `path` that the operating system refused."""
    if error.errno in _FULL:
        return CarsegError(f"The disk is full: {path} was not written. Free some space and run again.")
    if error.errno in _REFUSED:
        return CarsegError(f"{path} cannot be written ({error.strerror}). Make its folder writable.")
    return CarsegError(f"{path} was not written: {error.strerror or error}.")


def access_error(error: OSError, path: Path) -> CarsegError | None:
    """The one-line message for a read or write that the operating system refused; None if it did not refuse."""
    if error.errno in _FULL:
        return disk_error(error, path)
    if error.errno in _REFUSED:  # the error does not tell a read from a write
        return CarsegError(f"{path}: {error.strerror}. Check the permissions of it and of its folder.")
    return None


def make_folder(path: Path) -> Path:
    """Create a folder and its parents; returns its path.

    Raises:
        CarsegError: the folder cannot be made (no right to, disk full, a file in its place).
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise disk_error(error, path) from error
    return path


@contextmanager
def atomic(path: Path | str) -> Iterator[Path]:
    """A temporary path in the same folder, which becomes `path` when the block ends without an error.

    The folder of `path` is created. The temporary name ends with `.tmp`, which no pattern for results matches: a writer
    that chooses its format by the suffix needs the format by name. `remove_leftovers` removes that of a killed process.

    Raises:
        CarsegError: the disk is full, or the folder cannot be written. The former file is kept as it was.
    """
    path = Path(path)
    make_folder(path.parent)
    temporary = path.parent / f".{path.name[:50]}.{secrets.token_hex(4)}.tmp"
    try:
        yield temporary
        # Flushed to the disk before the name changes, so that a power cut leaves the old file or the new one.
        descriptor = os.open(temporary, os.O_RDWR)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.replace(path)
    except OSError as error:
        ours = error.filename is None or Path(os.fsdecode(error.filename)).parent == path.parent
        if error.errno in _FULL or (ours and error.errno in _REFUSED):
            raise disk_error(error, path) from error
        raise
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """A temporary folder beside `path`, which takes its place when the block ends without an error.

    What is at `path` already is removed; nobody else may be writing it.

    Raises:
        CarsegError: the disk is full, or the parent folder cannot be written. The former folder is kept as it was.
    """
    make_folder(path.parent)
    temporary = path.parent / f".{path.name[:50]}.{secrets.token_hex(4)}.tmp"
    former = temporary.with_suffix(".old")
    try:
        temporary.mkdir()
        yield temporary
        if path.exists():
            path.rename(former)
        temporary.rename(path)
    except OSError as error:
        raise access_error(error, path) or error from error
    finally:
        for leftover in (temporary, former):
            shutil.rmtree(leftover, ignore_errors=True)


def remove_leftovers(folder: Path, keep: str = "") -> None:
    """Remove what killed processes left of files being written in a folder, but for one subfolder.

    Nobody else may be writing in it.
    """
    for path in folder.rglob(".*.tmp"):
        if _TEMPORARY.fullmatch(path.name) and path.relative_to(folder).parts[0] != keep:
            with suppress(OSError):
                path.unlink()


def write_bytes(path: Path | str, content: bytes) -> Path:
    """Write bytes atomically; returns the path."""
    with atomic(path) as temporary:
        temporary.write_bytes(content)
    return Path(path)


def write_text(path: Path | str, text: str) -> Path:
    """Write text atomically, as UTF-8 with the line ends it has; returns the path."""
    return write_bytes(path, text.encode("utf-8"))


def write_json(path: Path | str, value: Any) -> Path:
    """Write JSON atomically: insertion order, indent 2, a newline at the end.

    Raises:
        ValueError: a number is NaN or infinite (JSON has no such numbers; write null).
    """
    return write_text(path, json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def write_csv(path: Path | str, table: pd.DataFrame) -> Path:
    """Write a table atomically as CSV: header, no index, numbers to the last bit, missing values empty."""
    return write_text(path, table.to_csv(index=False, lineterminator="\n"))


def read_json(path: Path | str) -> Any:
    """Read a JSON file.

    Raises:
        CarsegError: there is no such file, or it does not hold JSON.
    """
    path = Path(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CarsegError(f"{path} cannot be read ({error.strerror}).") from error
    except ValueError as error:
        raise CarsegError(f"{path} does not hold valid JSON ({error}). Delete it and run again.") from error


def sha256(path: Path | str) -> str:
    """The SHA-256 of a file's content, in hex."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_text(text: str) -> str:
    """The SHA-256 of a text's UTF-8 bytes, in hex."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
