"""Unpacking zips that others have made: nothing before every name and size is looked at, nothing outside a folder."""

from __future__ import annotations

import hashlib
import lzma
import re
import shutil
import stat
import struct
import zipfile
import zlib
from pathlib import Path
from typing import IO

from carseg_lib.core.errors import CarsegError

MAX_FILES = 1_000_000
MAX_RATIO = 100  # unpacked bytes for each byte of the zip: text gains a factor of ten, a bomb one of a thousand
FREE_RATIO = 1 << 26  # bytes that a zip may unpack to whatever its ratio
# What zipfile raises where a zip is damaged, or packed in a way that it does not know.
UNREADABLE = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
    *(NotImplementedError, RuntimeError, EOFError, UnicodeDecodeError),
)
_CHUNK = 1 << 20  # bytes
_CONTROL = re.compile(r"[\x00-\x1f\x7f\\]")


def checked(packed: zipfile.ZipFile, size: int, folder: Path, shown: str) -> list[zipfile.ZipInfo]:
    """The files of a zip, once nothing is wrong with any name or size; entries of folders are left out.

    Args:
        packed: the zip.
        size: its bytes.
        folder: that it is to be unpacked to, and need not exist yet.
        shown: what it is called in messages.

    Raises:
        CarsegError: a name leads out of the folder, a file is a link, encrypted or twice there, or the zip unpacks to
            more than it can rightly hold or than the disk has.
    """

    def refuse(what: str) -> CarsegError:
        return CarsegError(f"{shown}: {what}; nothing was unpacked.")

    infos = packed.infolist()
    if len(infos) > MAX_FILES:
        raise refuse(f"{len(infos):,} files are too many")
    seen: set[str] = set()
    for info in infos:
        name, kind = info.filename, info.external_attr >> 16
        if not confined(name.removesuffix("/")):
            raise refuse(f"{name!r} leads out of the folder")
        if stat.S_IFMT(kind) not in (0, stat.S_IFDIR if info.is_dir() else stat.S_IFREG):
            raise refuse(f"{name!r} is a link or no file")
        if info.flag_bits & 1:
            raise refuse(f"{name!r} is encrypted")
        if name in seen:
            raise refuse(f"{name!r} is there twice")
        seen.add(name)
    unpacked = sum(info.file_size for info in infos)
    if sum(info.compress_size for info in infos) > size or unpacked > max(FREE_RATIO, size * MAX_RATIO):
        raise refuse(f"{size:,} bytes that unpack to {unpacked:,} are no honest archive")
    free = shutil.disk_usage(next(parent for parent in folder.resolve().parents if parent.is_dir())).free
    if unpacked > free:
        raise refuse(f"it unpacks to {unpacked / 1e9:.1f} GB and {free / 1e9:.1f} GB are free")
    return [info for info in infos if not info.is_dir()]


def confined(name: str) -> bool:
    """Whether the name of a file stays in the folder that it is unpacked to, on every system."""
    parts = name.split("/")
    return bool(name) and not _CONTROL.search(name) and ":" not in parts[0] and not {"", ".", ".."} & {*parts}


def copied(source: IO[bytes], target: Path) -> str:
    """Copy to a new file; the sha256 (hex) of the content. zipfile ends a file at the size that its header tells.

    Raises:
        OSError: The file cannot be written.
        zipfile.BadZipFile: The content cannot be read; or another error of UNREADABLE.
    """
    digest = hashlib.sha256()
    with source, target.open("xb") as file:
        while piece := _read(source):
            digest.update(piece)
            file.write(piece)
    return digest.hexdigest()


def _read(source: IO[bytes]) -> bytes:
    try:
        return source.read(_CHUNK)
    except OSError as error:  # bzip2's word for damage, too
        raise zipfile.BadZipFile(str(error)) from error
