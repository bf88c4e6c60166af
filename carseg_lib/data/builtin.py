"""The built-in data set: rendered cars, one archive in the package, unpacked when they are used.

They are unpacked once, into `reports/.data/`: reports/ is the one folder that carseg writes in, and `make clean`
removes it with the runs. There they are read-only, an ordinary folder with COCO annotations.

Not one of `formats`, which import pandas: this module is light.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.locks import wait_for_lock
from carseg_lib.core.paths import verify_checksum

SUMS = "SHA256SUMS"  # in the data set: a line a file, as sha256sum -c reads it
_ADVICE = "restore it from git, or make it anew: make render-dataset"


def unpack(archive: Path, folder: Path, only: str = "") -> Path:
    """Make a folder hold what an archive holds, and return it; does nothing if it does already.

    Args:
        archive: with its checksum beside it.
        folder: written as a whole or not at all; several processes at once share one unpacking.
        only: the start of the names of the files to unpack, beside the checksums of all.

    Raises:
        CarsegError: the archive is missing, damaged or not a data set, or the folder cannot be written.
    """
    verify_checksum(archive, "the built-in data set", _ADVICE)
    files.make_folder(folder.parent)
    try:
        with wait_for_lock(folder.parent / f".{folder.name}.lock"), zipfile.ZipFile(archive) as packed:
            sums = packed.read(SUMS)
            if not _holds(folder, sums):
                with files.atomic_folder(folder) as temporary:
                    _extract(packed, sums.decode(), temporary, only)
    except (zipfile.BadZipFile, KeyError, RuntimeError, ValueError) as error:
        raise CarsegError(f"{archive}: not a data set of carseg ({error}); {_ADVICE}") from None
    except OSError as error:
        raise files.disk_error(error, folder) from error
    return folder


def checksums(folder: Path) -> dict[str, str]:
    """The sha256 (hex) of every file of an unpacked archive, by name, as the archive gives them."""
    return _named((folder / SUMS).read_text(encoding="utf-8"))


def _named(sums: str) -> dict[str, str]:
    lines = (line.partition("  ") for line in sums.splitlines())
    return {name: digest for digest, _, name in lines}


def _holds(folder: Path, sums: bytes) -> bool:
    try:
        return (folder / SUMS).read_bytes() == sums
    except OSError:
        return False


def _extract(packed: zipfile.ZipFile, sums: str, folder: Path, only: str) -> None:
    """Write an archive's files, read-only; their contents are those that the archive's checksum vouches for."""
    names = [SUMS, *_named(sums)]
    if different := sorted({*names} ^ {*packed.namelist()}):
        raise ValueError(f"{different[0]!r} is missing, or not named in {SUMS}")
    for name in names:
        if not name.startswith((SUMS, only)):
            continue
        path = Path(packed.extract(name, folder))  # confined: zipfile drops "..", roots and drives
        if path != folder / name:
            raise ValueError(f"{name!r} leads out of the folder")
        path.chmod(0o444)
