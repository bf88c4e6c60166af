"""The files of a data set: built-in ones are unpacked, Kaggle's fetched, a store's mirrored, the user's as they are."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from carseg_lib.core.data_spec import BUILTIN, is_kaggle, is_remote, parse_kaggle
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.paths import builtin_archive, runs_root
from carseg_lib.data import builtin, kaggle, remote, remote_archive

ANNOTATION_FILES = (".json", ".csv")  # that may be named alone, as on a disk


def locate_photos(source: str) -> Path:
    """The folder of the photos, or the annotation file, of a value of the setting data.source.

    The built-in data set is unpacked first, and one of Kaggle or a store's zip fetched, unless that is done. A store's
    folder is listed.

    Raises:
        CarsegError: The built-in data set is missing or damaged, or cannot be unpacked; or a data set of Kaggle cannot
            be fetched or has changed, or a store does not give its folder.
    """
    kept = runs_root() / ".data"
    if source == BUILTIN:
        return builtin.unpack(builtin_archive(), kept / BUILTIN)
    if is_kaggle(source):
        return kaggle.fetch(parse_kaggle(source), kept / "kaggle")
    if is_remote(source):
        return _locate_remote(source, kept / remote.MIRRORS)
    return Path(source)


def _locate_remote(address: str, mirrors: Path) -> Path:
    """A store's folder, its zip, or its annotation file with the photos beside it."""
    store, _, place = address.partition("://")
    path = PurePosixPath(place)
    if path.suffix.lower() == remote_archive.SUFFIX:
        return remote_archive.fetch_archive(address, mirrors)
    if path.name.lower().endswith(remote_archive.OTHERS):
        raise CarsegError(f"DATA={address}: of archives, .zip is read: unpack it there, or pack it as .zip.")
    if path.suffix.lower() in ANNOTATION_FILES and len(path.parts) > 1:
        beside = len(path.parts) > 2 and path.parent.name.lower() == "annotations"  # photos beside that folder
        folder = path.parent.parent if beside else path.parent
        inside = path.relative_to(folder).as_posix()
        return remote.mirror(f"{store}://{folder}", mirrors, inside) / inside
    return remote.mirror(address, mirrors)


@contextmanager
def temporary_photos(source: str) -> Iterator[Path]:
    """As `locate_photos`, but the built-in data set is unpacked into a temporary folder."""
    if source != BUILTIN:
        yield locate_photos(source)
        return
    with tempfile.TemporaryDirectory() as folder:
        yield builtin.unpack(builtin_archive(), Path(folder) / BUILTIN)
