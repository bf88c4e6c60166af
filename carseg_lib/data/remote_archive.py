"""One zip of an object store as a data set: DATA=s3://bucket/cars.zip, fetched and unpacked into reports/.data.

It is fetched as a whole, in pieces, so that it and what is in it must have room under the limit of `remote`. The folder
is made anew when the store lists another size or ETag. What a zip may not do is in `core.unzip`.
"""

from __future__ import annotations

import hashlib
import logging
import zipfile
from pathlib import Path

from carseg_lib.core import files, unzip
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.locks import wait_for_lock
from carseg_lib.data.names import too_long
from carseg_lib.data.remote import BY_HAND, LIMIT, allowed, in_state, open_store, place_of, state_of

logger = logging.getLogger(__name__)

SUFFIX = ".zip"
OTHERS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst", ".gz", ".7z", ".rar")  # packed, and not read
_NOTE, _LOCK = "archive.json", ".lock"
_PIECE = 1 << 22  # bytes that are asked for at a time
_NOT_DATA = "__MACOSX"  # the folder that macOS adds to a zip


def fetch_archive(address: str, mirrors: Path) -> Path:
    """The folder of a store's zip, which is fetched and unpacked unless the same one has been.

    Args:
        address: As `data_spec.remote_address` returns it.
        mirrors: The folder of all that is kept of stores.

    Returns:
        The folder of its files, which are read-only; if all lie in one folder, that one.

    Raises:
        CarsegError: The store does not give it, it is no zip or one that may not be unpacked, or it and its files are
            above the limit.
    """
    place, name = place_of(address.removesuffix(SUFFIX), mirrors, SUFFIX)
    folder = place / name
    with wait_for_lock(place / _LOCK):
        files.remove_leftovers(place, deep=False)
        size, state = _listed(address)
        if not (folder.is_dir() and _noted(place) == {"address": address, "size": size, "state": state}):
            (place / _NOTE).unlink(missing_ok=True)
            packed = place / f"packed{SUFFIX}"
            try:
                _fetch(address, packed, size, state)
                _unpack(address, packed, folder)
            finally:
                packed.unlink(missing_ok=True)
            files.write_json(place / _NOTE, {"address": address, "size": size, "state": state})
    inside = [path for path in folder.iterdir() if not path.name.startswith(".")]
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else folder


def _noted(place: Path) -> object:
    return files.read_json(place / _NOTE) if (place / _NOTE).is_file() else None


def _listed(address: str) -> tuple[int, str]:
    """Size in bytes and state of the zip in the store."""
    with open_store(address) as (store, path):
        store.invalidate_cache()
        about = store.info(path)
        if about.get("type") != "file":
            raise FileNotFoundError("a folder, not a file")
        if about.get("size") is None:
            raise CarsegError(
                f"DATA={address}: the store does not tell its size, so that it is not fetched; {BY_HAND}."
            )
        size = int(about["size"])
    if size > allowed():
        raise _above(address, size, 0)
    return size, state_of(about)


def _above(address: str, packed: int, unpacked: int) -> CarsegError:
    needed = (packed + unpacked) / 1e9
    what = f"it has {packed / 1e9:.3f} GB" + (f" and its files {unpacked / 1e9:.3f} GB" if unpacked else "")
    return CarsegError(
        f"DATA={address}: {what}, above {LIMIT}={allowed() / 1e9:g}: allow {needed * 1.01:.3f} or more, {BY_HAND}."
    )


def _fetch(address: str, packed: Path, size: int, state: str) -> None:
    """Fetch the zip, if it is the listed one."""
    digest, fetched = hashlib.md5(usedforsecurity=False), 0
    with open_store(address) as (store, path), files.atomic(packed) as temporary:
        with store.open(path, "rb") as source, temporary.open("wb") as target:
            while (piece := source.read(_PIECE)) and fetched <= size:
                fetched += len(piece)
                digest.update(piece)
                target.write(piece)
        if not (fetched == size and in_state(store, path, digest.hexdigest(), state)):
            raise CarsegError(f"DATA={address}: it changed while it was fetched; run again.")
    logger.info("%s: fetched, %.1f MB", address, size / 1e6)


def _unpack(address: str, archive: Path, folder: Path) -> None:
    """Unpack the zip: as a whole, or nothing of it."""
    shown, size = f"DATA={address}", archive.stat().st_size
    try:
        with zipfile.ZipFile(archive) as packed:
            infos = [
                info
                for info in unzip.checked(packed, size, folder, shown)
                if not any(part.startswith((".", _NOT_DATA)) for part in info.filename.split("/"))
            ]
            unpacked = sum(info.file_size for info in infos)
            if size + unpacked > allowed():
                raise _above(address, size, unpacked)
            if not infos:
                raise CarsegError(f"{shown}: holds no file.")
            if wrong := next((info.filename for info in infos if too_long(info.filename)), ""):
                raise CarsegError(f"{shown}: no disk has a file of the name {wrong[:40]!r}…; nothing was unpacked.")
            with files.atomic_folder(folder) as temporary:
                for info in infos:
                    target = temporary / info.filename
                    files.make_folder(target.parent)
                    unzip.copied(packed.open(info), target)
                    target.chmod(0o444)
    except unzip.UNREADABLE as error:
        raise CarsegError(f"{shown}: not a readable zip ({error}): pack it anew, {BY_HAND}.") from None
    except OSError as error:
        raise files.disk_error(error, folder) from error
    logger.info("%s: %s files, %.1f MB", address, f"{len(infos):,}", unpacked / 1e6)
