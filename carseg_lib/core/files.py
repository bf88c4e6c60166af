"""Atomic writing and hashing of files."""

from __future__ import annotations

import base64
import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import stat
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from carseg_lib.core.errors import CarsegError

try:
    import fcntl
except ImportError:  # Windows, where what a killed process left stays
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    import pandas as pd

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_EXHAUSTED = {errno.EMFILE, errno.ENFILE}
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}
_TEMPORARY = re.compile(r"\..*\.[0-9a-f]{8}\.(?:tmp|old)", re.S)
_SEAL = "content_sha256"  # of a sealed JSON
# What code raises that takes apart a value of another kind than it expects.
_WRONG_CONTENT = (KeyError, TypeError, ValueError, AttributeError, IndexError, ArithmeticError, RecursionError)


def disk_error(error: OSError, path: Path) -> CarsegError:
    """The one-line message for a write to `path` that the operating system refused."""
    if error.errno in _FULL:
        return CarsegError(f"The disk is full: {path} was not written. Free some space and run again.")
    if error.errno in _REFUSED:
        return CarsegError(f"{path} cannot be written ({error.strerror}). Make its folder writable.")
    if error.errno in _EXHAUSTED:
        return CarsegError(f"{path} was not written: too many files are open. Allow more, by ulimit -n, and run again.")
    return CarsegError(f"{path} was not written: {error.strerror or error}.")


def access_error(error: OSError, path: Path) -> CarsegError | None:
    """The one-line message for a read or write that the operating system refused; None if it did not refuse."""
    if error.errno in _FULL | _EXHAUSTED:
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
    that chooses its format by the suffix needs the format by name. There is an empty file of that name already, which
    this process holds locked until the block ends: so `remove_leftovers` knows that of a killed process.

    Raises:
        CarsegError: the disk is full, or the folder cannot be written. The former file is kept as it was.
    """
    path = Path(path)
    make_folder(path.parent)
    temporary, descriptor = None, None
    try:
        temporary, descriptor = _held(path, lambda name: os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666))
        yield temporary
        # Flushed to the disk before the name changes, so that a power cut leaves the old file or the new one.
        written = os.open(temporary, os.O_RDWR)  # some writers replace the file
        try:
            os.fsync(written)
        finally:
            os.close(written)
        temporary.replace(path)
    except OSError as error:
        ours = error.filename is None or Path(os.fsdecode(error.filename)).parent == path.parent
        if error.errno in _FULL | _EXHAUSTED or (ours and error.errno in _REFUSED):
            raise disk_error(error, path) from error
        raise
    finally:
        if temporary:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
        _release(descriptor)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """A temporary folder beside `path`, which takes its place when the block ends without an error.

    What is at `path` already is removed; nobody else may be writing it. Killed between the two renamings, it is gone.

    Raises:
        CarsegError: the disk is full, or the parent folder cannot be written. The former folder is kept as it was.
    """
    make_folder(path.parent)
    temporary, descriptor = None, None
    try:
        temporary, descriptor = _held(path, _new_folder)
        yield temporary
        if path.exists():
            path.rename(temporary.with_suffix(".old"))
        temporary.rename(path)
    except OSError as error:
        raise access_error(error, path) or error from error
    finally:
        if temporary:
            for leftover in (temporary, temporary.with_suffix(".old")):
                shutil.rmtree(leftover, ignore_errors=True)
        _release(descriptor)


def remove_leftovers(folder: Path, *, deep: bool = True) -> None:
    """Remove what killed processes left of files and folders being written in a folder.

    What a living process is writing stays: it holds its temporary file locked, on this machine or another.

    Args:
        folder: may be missing.
        deep: whether its subfolders are searched, too.
    """
    for path in (*folder.glob(".*.tmp"), *folder.glob(".*.old")) if not deep else _walk_temporary(folder):
        if not _TEMPORARY.fullmatch(path.name):
            continue
        with suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY)
            try:
                if _lock(descriptor):
                    shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink()
            finally:
                os.close(descriptor)


def _walk_temporary(folder: Path) -> Iterator[Path]:
    """Files and folders with a temporary name, in a folder and below it; links are not followed."""
    for place, folders, names in os.walk(folder):
        yield from (Path(place, name) for name in (*folders, *names) if name.startswith("."))


def _held(path: Path, create: Callable[[Path], int]) -> tuple[Path, int]:
    """A new temporary name beside a path, created and locked by this process, and its descriptor."""
    while True:
        temporary = path.parent / f".{path.name[:50]}.{secrets.token_hex(4)}.tmp"
        descriptor = create(temporary)
        # Between its creation and its lock it looks like one of a killed process, and may be removed as such.
        if _lock(descriptor) and (stat.S_ISDIR(os.fstat(descriptor).st_mode) or os.fstat(descriptor).st_nlink):
            return temporary, descriptor
        os.close(descriptor)


def _new_folder(path: Path) -> int:
    path.mkdir()
    return os.open(path, os.O_RDONLY)


def _lock(descriptor: int) -> bool:
    """Lock a file until it is closed or the process ends; False if another process has it."""
    try:
        if fcntl:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a disk without locks
        return True
    return True


def _release(descriptor: int | None) -> None:
    if descriptor is not None:
        os.close(descriptor)


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
    except (ValueError, RecursionError) as error:
        raise CarsegError(f"{path} does not hold valid JSON ({error}). Delete it and run again.") from error


def write_sealed_json(path: Path | str, content: Mapping[str, Any]) -> Path:
    """Write a JSON object with a hash of what it says, for `read_sealed_json`."""
    return write_json(path, {**content, _SEAL: _seal(content)})


def read_sealed_json(path: Path | str) -> dict[str, Any] | None:
    """What `write_sealed_json` wrote; None if there is no such file, or it does not say what was written."""
    try:
        content = json.loads(Path(path).read_bytes())
        stated = content.pop(_SEAL)
    except (OSError, ValueError, RecursionError, AttributeError, KeyError, TypeError):
        return None
    return content if stated == _seal(content) else None


def _seal(content: Mapping[str, Any]) -> str:
    return sha256_text(json.dumps(content, sort_keys=True))


@contextmanager
def written_by_carseg(path: Path | str, advice: str = "delete it and run again") -> Iterator[None]:
    """Turn what a damaged file of carseg's own makes its reader raise into one line.

    For the block that takes a file's content apart: such files are written by carseg alone, so that each value need not
    be looked at; they are damaged, of another version, or were changed by hand.

    Args:
        path: The file, or the folder of several.
        advice: The end of the message.

    Raises:
        CarsegError: The block met a value that is missing, or of another kind.
    """
    try:
        yield
    except _WRONG_CONTENT as error:
        detail = " ".join(f"{type(error).__name__}: {error}".split())[:100]
        raise CarsegError(f"{path} is damaged, or of another version of carseg ({detail}): {advice}.") from error


def zip_member(name: str, *, executable: bool = False) -> zipfile.ZipInfo:
    """A file of a zip with one date and the attributes of Unix on every machine: the same files make the same zip."""
    member = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))  # the earliest that a zip can tell
    member.create_system = 3  # Unix
    member.external_attr = (stat.S_IFREG | (0o755 if executable else 0o644)) << 16
    return member


def integrity(content: bytes, algorithm: str = "sha256") -> str:
    """A hash as content security policies and npm write it: `sha256-` and base64."""
    return f"{algorithm}-{base64.b64encode(hashlib.new(algorithm, content).digest()).decode('ascii')}"


def sha256(path: Path | str) -> str:
    """The SHA-256 of a file's content, in hex."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_text(text: str) -> str:
    """The SHA-256 of a text's UTF-8 bytes, in hex."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
