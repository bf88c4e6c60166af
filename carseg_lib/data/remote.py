"""Data sets of object stores: DATA=s3://bucket/folder and other addresses of fsspec, by a bounded cache of photos.

The folder's listing becomes a local one, `reports/.data/remote-photos/<name>-<hash>/<name>/`, so that every reader of
formats finds paths. Annotations and PNG files are copied whole. A photo is at first a placeholder: a file of its size
without content, marked by the sticky bit. `open_photo` puts the content in its place when it is read, and makes the
photos that were used least recently placeholders again where they would take more than CARSEG_REMOTE_GB. A file's time
stands for the state in the listing (size and ETag), so that a changed photo is noticed as in any folder.

fsspec and what it needs for a store (s3fs) are an extra, imported when such data are used. Credentials are the store's
own affair: its client finds them where it always does, and nothing of them is kept.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError, first_line
from carseg_lib.core.locks import wait_for_lock
from carseg_lib.data.names import outside

logger = logging.getLogger(__name__)

LIMIT = "CARSEG_REMOTE_GB"  # variable of the environment: no result depends on it
DEFAULT_GB = 20.0
MIRRORS = "remote-photos"  # folder of the mirrors
ON_DEMAND = (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".webp", ".bmp")  # a PNG file may be a mask
_PLACEHOLDER, _WHOLE = 0o1644, 0o644  # modes of a file; no other file has the sticky bit
_KEPT = 0.9  # of the limit, after photos have been made placeholders
_INDEX, _USED, _LOCK = "index.json", "used.json", ".lock"
_ETAGS, _TIMES = ("ETag", "etag", "md5Hash"), ("mtime", "LastModified", "created")  # what stores call them
_NO_ETAG = "of"  # the beginning of a state that is no ETag
_SAID = 160  # characters of what a client says
BY_HAND = "or copy the folder by hand and give that as DATA"

Remote = tuple[str, int, str]  # a file's key, size in bytes, and ETag (or time) in the listing


def mirror(address: str, mirrors: Path, annotations: str = "") -> Path:
    """Make a local folder hold what a remote one lists: annotations whole, photos as placeholders; returns it.

    A file that is there in the listed state stays. Killed and called again it goes on.

    Args:
        address: As `data_spec.remote_address` returns it.
        mirrors: The folder of all mirrors.
        annotations: The one file in it that is wanted besides photos and PNG files; "" for all.

    Raises:
        CarsegError: The client is missing, the store does not give the folder, or what must be whole is above the
            limit.
    """
    place, name = place_of(address, mirrors, annotations)
    root = files.make_folder(place / name)
    with wait_for_lock(place / _LOCK):
        listed = _listed(address)
        if annotations:
            if annotations not in listed:
                raise CarsegError(f"DATA={address}/{annotations}: there is no such file; look whether it is right.")
            wanted = {one for one in listed if Path(one).suffix.lower() in (*ON_DEMAND, ".png")} | {annotations}
            listed = {inside: remote for inside, remote in listed.items() if inside in wanted}
        whole = sum(size for key, (_, size, _) in listed.items() if not _on_demand(key))
        if whole > allowed():
            raise CarsegError(
                f"DATA={address}: its annotations and PNG files are {whole / 1e9:.2f} GB, which must be here whole, "
                f"above {LIMIT}={allowed() / 1e9:g}: allow {whole / 1e9 + 1:.0f}, {BY_HAND}."
            )
        before = files.read_json(place / _INDEX)["files"] if (place / _INDEX).is_file() else {}
        for gone in before.keys() - listed.keys():
            (root / gone).unlink(missing_ok=True)
        files.write_json(place / _INDEX, {"address": address, "files": listed})
        (place / _USED).unlink(missing_ok=True)  # counted again
        _index.cache_clear()
        for inside, remote in listed.items():
            path = root / inside
            same = list(remote) == before.get(inside) and path.is_file() and path.stat().st_size == remote[1]
            if not same:
                _put_placeholder(path, remote)
            if not _on_demand(inside) and _is_placeholder(path):
                _fetch(path, remote, address)
        photos = sum(map(_on_demand, listed))
        logger.info(
            "%s: %s photos, read when they are needed; %s other files, %.1f MB, are here",
            *(address, f"{photos:,}", f"{len(listed) - photos:,}", whole / 1e6),
        )
    return root


def place_of(address: str, mirrors: Path, annotations: str = "") -> tuple[Path, str]:
    """The folder of all that is kept of an address, and the name of the data in it."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", address.rstrip("/").rpartition("/")[2]).strip("-")[:40] or "data"
    return files.make_folder(mirrors / f"{name}-{files.sha256_text(address + annotations)[:12]}"), name


def open_photo(path: Path) -> BinaryIO:
    """Open any photo for reading; one of a mirror is fetched first, if it is not there.

    Raises:
        OSError: As opening a file does.
        CarsegError: The store does not give it any more, or gives another.
    """
    file = path.open("rb")
    if not os.fstat(file.fileno()).st_mode & stat.S_ISVTX:
        if MIRRORS in path.parts:
            _touch(path)
        return file
    file.close()
    path = path.resolve()
    place = next((one for one in path.parents if (one / _INDEX).is_file()), None)
    if place is None:
        return path.open("rb")  # a sticky bit of somebody else
    index = _index(place)
    inside = path.relative_to(place / path.relative_to(place).parts[0]).as_posix()
    with wait_for_lock(place / _LOCK):
        if _is_placeholder(path):
            remote = index["files"][inside]
            _make_room(place, remote[1])
            _fetch(path, remote, index["address"])
        return path.open("rb")  # whoever makes it a placeholder again puts another file in its place


def is_mirror(folder: Path) -> bool:
    """Whether a folder's photos may be placeholders, which no other program can read."""
    return (folder.resolve().parent / _INDEX).is_file()


def _listed(address: str) -> dict[str, Remote]:
    """The files of a remote folder by their names in it, in order."""
    with open_store(address) as (store, folder):
        store.invalidate_cache()
        found: dict[str, dict[str, Any]] = store.find(folder, detail=True)
    start = folder.rstrip("/") + "/"
    listed: dict[str, Remote] = {}
    left_out = []
    for key, about in sorted(found.items()):
        inside = key.removeprefix(start)
        if not inside or key.endswith("/"):  # the folder itself, as some programs write it
            continue
        if inside == key or outside(inside) or "\\" in inside or "//" in inside or not inside.isprintable():
            left_out.append(inside)
        elif not any(part.startswith(".") for part in inside.split("/")):
            listed[inside] = (key, int(about["size"]), state_of(about))
    if left_out:
        logger.warning(
            "%s: %s names cannot be files and are left out; first: %r", address, f"{len(left_out):,}", left_out[0]
        )
    if not listed:
        raise CarsegError(f"DATA={address}: holds no file; look whether bucket and folder are written right.")
    return listed


def state_of(about: dict[str, Any]) -> str:
    """What changes with a file's content, as the store lists it: its ETag, or where it has none, its time."""
    etag = next((str(about[name]).strip('"') for name in _ETAGS if about.get(name)), "")
    return etag or next((f"{_NO_ETAG} {about[name]}" for name in _TIMES if about.get(name)), _NO_ETAG)


def in_state(store: Any, key: str, md5: str, state: str) -> bool:
    """Whether a content of this MD5 (hex), just fetched by its key, is the one that was listed in a state."""
    if state.startswith(_NO_ETAG) or md5 == state:
        return True
    store.invalidate_cache()
    return state_of(store.info(key)) == state  # an ETag is no MD5 of what was sent in parts, or encrypted there


@contextmanager
def open_store(address: str) -> Iterator[tuple[Any, str]]:
    """The client of a store, and the path in it; what it raises within the block becomes one line."""
    try:
        import fsspec

        store, path = fsspec.core.url_to_fs(address)
    except (ImportError, ValueError) as error:
        raise CarsegError(
            f"DATA={address} needs fsspec and its client for this store: .venv/bin/python scripts/setup_environment.py "
            f"remote has that of S3 ({first_line(error, _SAID)}); {BY_HAND}."
        ) from None
    try:
        yield store, path
    except CarsegError:
        raise
    except Exception as error:  # of the network, of the store, of the client: all are the user's to solve
        raise _said(address, error) from None


def _said(address: str, error: Exception) -> CarsegError:
    said = first_line(error, _SAID)
    if type(error).__name__ in ("NoCredentialsError", "PermissionError") or isinstance(error, PermissionError):
        return CarsegError(
            f"DATA={address}: the store does not give it ({said}): give its client credentials in the usual "
            "way (AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY), or FSSPEC_S3_ANON=true for a public "
            f"one; {BY_HAND}."
        )
    if isinstance(error, FileNotFoundError):
        return CarsegError(f"DATA={address}: there is no such bucket, folder or file any more ({said}).")
    return CarsegError(f"DATA={address} could not be read ({said}): run again, {BY_HAND}.")


def _fetch(path: Path, remote: Remote, address: str) -> None:
    """Put a file's content in its place, if it is the listed one."""
    key, size, state = remote
    with open_store(address) as (store, _):
        content = store.cat_file(key)
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
        same = len(content) == size and in_state(store, key, md5, state)
    if not same:
        raise CarsegError(
            f"DATA={address}: {path.name} is not the one that was listed ({len(content):,} bytes, not {size:,}, or "
            "another ETag): the folder has changed; run again to list it anew."
        )
    with files.atomic(path) as temporary:
        temporary.write_bytes(content)
        _mark(temporary, _WHOLE, remote)


def _put_placeholder(path: Path, remote: Remote) -> None:
    """Without `files.atomic`, which waits for the disk: there may be a million of them, and each can be made again."""
    temporary = files.make_folder(path.parent) / f".{path.name[:200]}.placeholder"
    try:
        with temporary.open("wb") as file:
            file.truncate(remote[1])  # takes no room on the disk
        _mark(temporary, _PLACEHOLDER, remote)
        temporary.replace(path)
    except OSError as error:
        raise files.disk_error(error, path) from error


def _mark(path: Path, mode: int, remote: Remote) -> None:
    """Give a file its mode, and the time that stands for its state in the listing."""
    state = int(files.sha256_text(json.dumps(remote))[:8], 16)
    os.utime(path, (path.stat().st_atime, 946_684_800 + state % 2**29))
    path.chmod(mode)


def _is_placeholder(path: Path) -> bool:
    return bool(path.stat().st_mode & stat.S_ISVTX)


def _touch(path: Path) -> None:
    """Note that a photo is used: many disks are mounted so that reading does not."""
    with suppress(OSError):  # made a placeholder just now, or another user's
        times = path.stat()
        os.utime(path, ns=(max(times.st_atime_ns, time.time_ns()), times.st_mtime_ns))


def _make_room(place: Path, size: int) -> None:
    """Make photos placeholders, the least recently used first, until another one has room under the limit."""
    index, limit = _index(place), allowed()
    root = next(one for one in place.iterdir() if one.is_dir())
    used = _used(place, root, index)
    if used + size <= limit:
        files.write_json(place / _USED, {"bytes": used + size})
        return
    whole = sum(remote[1] for inside, remote in index["files"].items() if not _on_demand(inside))
    if whole + size > limit:
        raise CarsegError(
            f"{LIMIT}={limit / 1e9:g} has no room for a photo of {size / 1e6:.1f} MB beside {whole / 1e6:.1f} MB of "
            f"annotations: allow {(whole + 20 * size) / 1e9:.3f} or more."
        )
    photos = [(root / inside, remote) for inside, remote in index["files"].items() if _on_demand(inside)]
    there = sorted((path.stat().st_atime_ns, path, remote) for path, remote in photos if not _is_placeholder(path))
    used = whole + sum(remote[1] for _, _, remote in there)
    for _, path, remote in there:
        if used + size <= max(_KEPT * limit, whole + size):
            break
        _put_placeholder(path, remote)
        used -= remote[1]
    files.write_json(place / _USED, {"bytes": used + size})


def _used(place: Path, root: Path, index: dict[str, Any]) -> int:
    """Bytes of the files that are here, as noted last; counted where there is no note."""
    note = place / _USED
    if note.is_file():
        return int(files.read_json(note)["bytes"])
    return sum(remote[1] for inside, remote in index["files"].items() if not _is_placeholder(root / inside))


@lru_cache(maxsize=4)
def _index(place: Path) -> dict[str, Any]:
    return files.read_json(place / _INDEX)


def _on_demand(inside: str) -> bool:
    return Path(inside).suffix.lower() in ON_DEMAND


def allowed() -> float:
    """Bytes that the files of a mirror may take."""
    text = os.environ.get(LIMIT) or str(DEFAULT_GB)
    try:
        limit = float(text) * 1e9
    except ValueError:
        limit = 0
    if not 0 < limit < 1e18:
        raise CarsegError(f"{LIMIT}={text!r}: must be a number of GB above 0.")
    return limit
