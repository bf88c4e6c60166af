"""Zip files: written in a fixed order with fixed times, unpacked only when they are what their checksums say.

`SHA256SUMS` is an archive's last file: a line a file, as `sha256sum -c` reads it.
"""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from carseg_lib.core import files, unzip
from carseg_lib.core.errors import CarsegError
from carseg_lib.data.builtin import SUMS

_PACKED = (".zip", ".jpg", ".jpeg", ".png", ".webp", ".whl", ".gz", ".pt", ".safetensors")  # deflating gains nothing
_CHUNK = 1 << 20  # bytes
_LARGEST = 1 << 26  # bytes, of what is read as a whole


@dataclass(frozen=True)
class Entry:
    """One file of an archive.

    Attributes:
        name: Its path in the archive, with /.
        content: Its bytes, or the file that holds them.
        executable: Whether it may be run.
    """

    name: str
    content: bytes | Path
    executable: bool = False

    def open(self) -> Iterator[bytes]:
        """Yield its bytes in pieces."""
        if isinstance(self.content, bytes):
            yield self.content
            return
        with self.content.open("rb") as file:
            while piece := file.read(_CHUNK):
                yield piece


def write_zip(path: Path, entries: list[Entry]) -> dict[str, str]:
    """Write a zip atomically: files sorted by name, one fixed time, then their checksums. Nothing is held in memory.

    Returns:
        The sha256 (hex) of each file, by name.

    Raises:
        CarsegError: Two files have one name, or the zip cannot be written.
    """
    ordered = sorted(entries, key=lambda entry: entry.name)
    names = [entry.name for entry in ordered]
    for name, following in zip(names, [*names[1:], ""], strict=False):
        if name == following or not unzip.confined(name):
            raise CarsegError(f"{name!r}: not a name that a zip can hold, or there twice; nothing was written.")
    sums: dict[str, str] = {}
    with files.atomic(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as packed:
        for entry in ordered:
            digest = hashlib.sha256()
            with packed.open(_info(entry.name, entry.executable), "w", force_zip64=True) as target:
                for piece in entry.open():
                    digest.update(piece)
                    target.write(piece)
            sums[entry.name] = digest.hexdigest()
        packed.writestr(_info(SUMS), sums_text(sums))
    return sums


def sums_text(sums: dict[str, str]) -> str:
    """The lines of SHA256SUMS."""
    return "".join(f"{digest}  {name}\n" for name, digest in sums.items())


def _info(name: str, executable: bool = False) -> zipfile.ZipInfo:
    info = files.zip_member(name, executable=executable)
    info.compress_type = zipfile.ZIP_STORED if name.lower().endswith(_PACKED) else zipfile.ZIP_DEFLATED
    return info


def read_member(archive: Path, name: str) -> bytes:
    """The content of one small file of an archive, of which nothing else is unpacked.

    Raises:
        CarsegError: It is no readable zip, or has no such file.
    """
    with _opened(archive) as packed:
        return _content(archive, packed, name)


def _content(archive: Path, packed: zipfile.ZipFile, name: str) -> bytes:
    try:
        info = packed.getinfo(name)
        if info.file_size > _LARGEST:
            raise CarsegError(f"{archive}: {name} has {info.file_size:,} bytes; it is no archive of carseg.")
        return packed.read(info)
    except KeyError:
        raise CarsegError(f"{archive}: there is no {name} in it; it is no archive of carseg.") from None
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError) as error:  # packed in an unknown way, too
        raise _damaged(archive, error) from error


def unpack_zip(archive: Path, folder: Path) -> None:
    """Unpack an archive into a new folder: whole and as its checksums say, or not at all.

    Raises:
        CarsegError: A name leads out of the folder, a file is a link, encrypted or twice there, the zip unpacks to more
            than it can rightly hold or than the disk has, or a checksum is missing or wrong.
    """
    with _opened(archive) as packed:
        infos = unzip.checked(packed, archive.stat().st_size, folder, str(archive))
        sums = read_sums(_content(archive, packed, SUMS).decode("utf-8", "replace"), archive)
        names = {info.filename for info in infos} - {SUMS}
        if different := sorted(names ^ sums.keys()):
            where = f"not in {SUMS}" if different[0] in names else f"in {SUMS} and not in the archive"
            raise CarsegError(f"{archive}: {different[0]} is {where} ({len(different)} such); get the archive again.")
        with files.atomic_folder(folder) as temporary:
            for info in infos:
                target = temporary / info.filename
                files.make_folder(target.parent)
                try:
                    digest = unzip.copied(packed.open(info), target)
                except unzip.UNREADABLE as error:
                    raise _damaged(archive, error) from error
                if info.filename != SUMS and digest != sums[info.filename]:
                    raise CarsegError(f"{archive}: {info.filename} is not what {SUMS} says; get the archive again.")
                if info.external_attr >> 16 & 0o100:
                    target.chmod(0o755)


def check_folder(folder: Path) -> None:
    """Compare the files of an unpacked archive with its checksums; files that came later are not looked at.

    Raises:
        CarsegError: A file is missing or was altered.
    """
    for name, digest in read_sums((folder / SUMS).read_text(encoding="utf-8"), folder).items():
        path = folder / name
        if not path.is_file() or files.sha256(path) != digest:
            what = "was altered" if path.is_file() else "is missing"
            raise CarsegError(f"{path} {what} since it was unpacked; remove {folder} and run again.")


def read_sums(text: str, where: Path) -> dict[str, str]:
    """The sha256 (hex) by name of the lines of a SHA256SUMS.

    Raises:
        CarsegError: A line is none of a checksum.
    """
    sums: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        match = re.fullmatch(r"([0-9a-f]{64})  (.+)", line)
        if not match:
            raise CarsegError(f"{where}: line {number} of {SUMS} is no checksum; get the archive again.")
        sums[match[2]] = match[1]
    return sums


def _opened(archive: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(archive)
    except FileNotFoundError:
        raise CarsegError(f"{archive} does not exist; name an archive of a run by ARCHIVE=file.zip.") from None
    except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
        raise _damaged(archive, error) from error


def _damaged(archive: Path, error: Exception) -> CarsegError:
    return CarsegError(f"{archive}: not a readable zip ({error}); get the archive again.")
