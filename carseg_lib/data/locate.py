"""The files of a data set: built-in ones are unpacked, Kaggle's fetched, a store's mirrored, the user's as they are."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from carseg_lib.core.data_spec import BUILTIN, is_kaggle, is_remote, parse_kaggle
from carseg_lib.core.paths import builtin_archive, runs_root
from carseg_lib.data import builtin, kaggle, remote


def locate_photos(source: str) -> Path:
    """The folder of the photos, or the annotation file, of a value of the setting data.source.

    The built-in data set is unpacked first, and one of Kaggle fetched, unless that is done. A store's folder is listed.

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
        return remote.mirror(source, kept / remote.MIRRORS)
    return Path(source)


@contextmanager
def temporary_photos(source: str) -> Iterator[Path]:
    """As `locate_photos`, but the built-in data set is unpacked into a temporary folder."""
    if source != BUILTIN:
        yield locate_photos(source)
        return
    with tempfile.TemporaryDirectory() as folder:
        yield builtin.unpack(builtin_archive(), Path(folder) / BUILTIN)
