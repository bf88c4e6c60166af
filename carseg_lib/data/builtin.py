"""The embedded data set: rendered cars, one archive in the package, unpacked for whoever asks for them.

It is unpacked once, into `reports/.data/`: reports/ is the one folder that carseg writes in, the name with a dot is no
run's, and `make clean` removes it with the runs. There it is read only, and an ordinary folder with COCO annotations.

Not among the sources: `Run` asks it before anything is read, and the sources bring pandas with them.
"""

from __future__ import annotations

import fcntl
import hashlib
import stat
import zipfile
from pathlib import Path, PurePosixPath

from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.paths import checksum_path

SUMS = "SHA256SUMS"  # in the data set: a line a file, as sha256sum -c reads it
_MOST_FILES = 20_000
_MOST_BYTES = 200_000_000  # unpacked
_MEND = "restore it from git, or make it anew: make dataset"


def check_archive(archive: Path) -> None:
    """Hold an archive against its checksum.

    Raises:
        CarsegError: one of the two is missing, or the archive is not the one that was packed.
    """
    try:
        expected = checksum_path(archive).read_text(encoding="ascii").split()[:1]
        found = files.sha256(archive)
    except FileNotFoundError as error:
        raise CarsegError(f"{error.filename}: the embedded data set is missing; {_MEND}") from None
    except (OSError, ValueError) as error:
        raise CarsegError(f"{archive}: the embedded data set cannot be read ({error}); {_MEND}") from None
    if [found] != expected:
        raise CarsegError(
            f"{archive}: damaged, its sha256 is not the one in {checksum_path(archive).name}; {_MEND}"
        )


def unpack(archive: Path, folder: Path) -> Path:
    """Make a folder hold what an archive holds; does nothing if it does already.

    Args:
        archive: with its checksum beside it.
        folder: written as a whole or not at all. Several processes may ask for it at once.

    Returns:
        `folder`.

    Raises:
        CarsegError: the archive is missing, damaged or not a data set, or the folder cannot be written.
    """
    check_archive(archive)
    files.make_folder(folder.parent)
    try:
        with (folder.parent / f".{folder.name}.lock").open("w") as lock, zipfile.ZipFile(archive) as packed:
            fcntl.flock(lock, fcntl.LOCK_EX)
            sums = packed.read(SUMS)
            if not _holds(folder, sums):
                with files.atomic_folder(folder) as temporary:
                    _write(_checked(packed, sums.decode()), temporary)
    except (zipfile.BadZipFile, KeyError, RuntimeError, ValueError) as error:
        raise CarsegError(f"{archive}: not a data set of carseg ({error}); {_MEND}") from None
    except OSError as error:
        raise files.disk_error(error, folder) from error
    return folder


def _holds(folder: Path, sums: bytes) -> bool:
    try:
        return (folder / SUMS).read_bytes() == sums
    except OSError:
        return False


def _checked(packed: zipfile.ZipFile, sums: str) -> dict[str, bytes]:
    """Contents by name: only plain files below the folder, each with its checksum.

    Raises:
        ValueError: a name leads elsewhere, there is more than a data set may hold, or contents and checksums differ.
    """
    members = packed.infolist()
    if len(members) > _MOST_FILES or sum(member.file_size for member in members) > _MOST_BYTES:
        raise ValueError("too large")
    expected = {name: digest for digest, _, name in (line.partition("  ") for line in sums.splitlines())}
    contents: dict[str, bytes] = {}
    for member in members:
        name, mode = member.filename, member.external_attr >> 16
        pure = PurePosixPath(name)
        plain = stat.S_ISREG(mode) or not stat.S_IFMT(mode)
        inside = name == pure.as_posix() and not pure.is_absolute() and ".." not in pure.parts
        if not plain or not inside or "\\" in name or ":" in name or name in contents:
            raise ValueError(f"{name!r} is no file of it")
        contents[name] = packed.read(member)
        if name != SUMS and hashlib.sha256(contents[name]).hexdigest() != expected.pop(name, None):
            raise ValueError(f"{name!r} is not what {SUMS} says")
    if expected:
        raise ValueError(f"{next(iter(expected))!r} is missing")
    return contents


def _write(contents: dict[str, bytes], folder: Path) -> None:
    for name, content in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o444)
