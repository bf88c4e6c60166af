"""Fingerprints of a data set, which tell whether it has changed: from names, sizes and times, or from contents."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from carseg_lib.data.annotated_photos import photos_of
from carseg_lib.data.photo_names import walk_files
from carseg_lib.data.remote import open_photo

_UNREADABLE = "unreadable"  # in place of a file's size or content


def stat_fingerprint(data: Path) -> str:
    """Quick fingerprint of a data set: over (relative path, size, modification time) of its files.

    It changes when a file is added, removed, renamed or written, also with the same bytes (`content_fingerprint` then
    does not). Missing paths and unreadable files have a fingerprint too: the reader of the data decides about them.

    Args:
        data: The folder, or an annotation file (then it, and the photos and masks that it names).

    Returns:
        sha256, hex.
    """
    return _fingerprint(data, lambda path: f"{(status := path.stat()).st_size}\0{status.st_mtime_ns}")


def content_fingerprint(data: Path) -> str:
    """Fingerprint of a data set, the same for a copy elsewhere: over (relative path, sha256) of its files."""
    return _fingerprint(data, content_sha256)


def content_sha256(path: Path) -> str:
    """sha256 (hex) of a data set's file, which a store may have to give first."""
    with open_photo(path) as file:
        return hashlib.file_digest(cast(Any, file), "sha256").hexdigest()


def _fingerprint(data: Path, state_of: Callable[[Path], str]) -> str:
    """sha256, hex, over the name and the state of each file."""

    def states() -> Iterator[tuple[str, str]]:
        for name, path in sorted(data_files(Path(data))):
            try:
                yield name, state_of(path)
            except (OSError, ValueError):
                yield name, _UNREADABLE

    return fingerprint_of(states())


def fingerprint_of(states: Iterable[tuple[str, str]]) -> str:
    """sha256, hex, over names and states in their order: of sorted names and contents' sha256, the content's."""
    digest = hashlib.sha256()
    for name, state in states:
        digest.update(f"{name}\0{state}\n".encode(errors="surrogatepass"))
    return digest.hexdigest()


def data_state(data: Path, known: Mapping[str, str]) -> dict[str, str]:
    """Both fingerprints of a data set, `{"quick": ..., "content": ...}`.

    Args:
        data: As for `stat_fingerprint`.
        known: An earlier result; contents are read only if names, sizes or times differ from it.
    """
    quick = stat_fingerprint(data)
    same = known.get("quick") == quick
    return {"quick": quick, "content": known["content"] if same else content_fingerprint(data)}


def data_files(data: Path) -> Iterator[tuple[str, Path]]:
    """(relative name, path) of every file but hidden ones; links to folders are not followed."""
    if data.is_file():
        yield data.name, data
        for name, path in photos_of(data).items():
            if _is_file(path):
                yield f"photos/{name}", path
        return
    for path in walk_files(data):
        if _is_file(path):
            yield path.relative_to(data).as_posix(), path


def _is_file(path: Path) -> bool:
    """Whether it is a file, for all that can be seen: reading a pipe or a device would never end."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):
        return True
