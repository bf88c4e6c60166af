"""Has the data set changed? Answers from names, sizes and times, or from contents; standard library only."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path


def signature(data: Path) -> str:
    """Quick signature of a data set: over (relative path, size, modification time) of its files.

    Args:
        data: The folder, or a COCO .json file (then it, and the folder of its photos).

    Returns:
        sha256, hex. It changes when a file is added, removed, renamed or written; a file rewritten with the
        same bytes changes it too (`content_signature` tells). A path that does not exist has one as well.
    """
    digest = hashlib.sha256()
    for name, path in sorted(_files(Path(data))):
        status = path.stat()
        digest.update(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def content_signature(data: Path) -> str:
    """Signature of a data set over (relative path, sha256 of the contents) of its files.

    Args:
        data: As for `signature`.

    Returns:
        sha256, hex; the same for a copy elsewhere.
    """
    digest = hashlib.sha256()
    for name, path in sorted(_files(Path(data))):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        digest.update(f"{name}\0{content}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def photo_root(annotations: Path) -> Path:
    """Folder of the photos of a COCO file or folder: `images/` beside or inside it, else the folder itself."""
    folder = annotations if annotations.is_dir() else annotations.parent
    return folder / "images" if (folder / "images").is_dir() else folder


def _files(data: Path) -> Iterator[tuple[str, Path]]:
    """(relative name, path) of every readable file but hidden ones; links to folders are not followed."""
    if data.is_file():
        yield data.name, data
        data = photo_root(data)
    for folder, subfolders, names in os.walk(data):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        for name in names:
            path = Path(folder, name)
            if not name.startswith(".") and path.is_file():
                yield path.relative_to(data).as_posix(), path
