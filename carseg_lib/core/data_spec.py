"""The values of DATA: the built-in data set, one of Kaggle, a store's folder, or a path. Light; reads no photo.

`carseg_lib.data.locate` unpacks, fetches and finds the files.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from carseg_lib.core.errors import CarsegError

BUILTIN = "rendered"  # the value of DATA for the built-in data set, and its name
PREFIX = "kaggle:"
STORES = ("s3", "s3a", "gs", "gcs", "az", "abfs", "adl", "oss", "oci", "hf", "sftp", "webdav", "http", "https")
_NAME = re.compile(r"kaggle:([A-Za-z0-9-]{1,80})/([A-Za-z0-9_-]{1,80})(?:@([1-9]\d{0,5}))?")


@dataclass(frozen=True)
class KaggleData:
    """A version (from 1) of a data set of Kaggle; owner and slug are in its address."""

    owner: str
    slug: str
    version: int

    @property
    def word(self) -> str:
        """The value of DATA."""
        return f"{PREFIX}{self.owner}/{self.slug}@{self.version}"

    @property
    def page(self) -> str:
        """Its address."""
        return f"https://www.kaggle.com/datasets/{self.owner}/{self.slug}"


def is_kaggle(data: str) -> bool:
    """Whether DATA names a data set of Kaggle."""
    return data.lower().startswith(PREFIX)


def is_remote(data: str) -> bool:
    """Whether DATA is an address: s3://bucket/folder."""
    return "://" in data


def remote_address(data: str) -> str:
    """The address of a store's folder, as DATA gives it, without a slash at its end.

    Raises:
        CarsegError: No store of fsspec has such addresses, or it holds more than a place: credentials, say.
    """
    store, _, place = data.strip().partition("://")
    if store not in STORES:
        raise CarsegError(f"DATA={store}://…: no store has such addresses; known are {', '.join(STORES)}.")
    if re.search(r"[@?#\s\\]|::|(^|/)\.\.?(/|$)", place) or not place.strip("/"):
        raise CarsegError(
            f"DATA={store}://…: write it as s3://bucket/folder, without user, password, '?' or '..': credentials are "
            "the environment's (AWS_PROFILE, for instance), and an address is shown in reports."
        )
    return f"{store}://{place.rstrip('/')}"


def parse_kaggle(data: str) -> KaggleData:
    """Read `kaggle:<owner>/<slug>@<version>`.

    Raises:
        CarsegError: It is written otherwise, or has no version.
    """
    match = _NAME.fullmatch(data.strip())
    if not match:
        raise CarsegError(
            f"DATA={data!r} is not kaggle:<owner>/<slug>@<version>, as in kaggle:someone/cars@3: both names are in "
            "the address of the data set's page."
        )
    owner, slug, version = match.groups()
    if version is None:
        raise CarsegError(
            f"DATA={data!r} names no version, and a data set without one may change: its page, "
            f"https://www.kaggle.com/datasets/{owner}/{slug}, lists the versions; write kaggle:{owner}/{slug}@1."
        )
    return KaggleData(owner, slug, int(version))


def resolve_source(data: str) -> str:
    """The setting data.source: the word of the built-in data set or of Kaggle's, an address, else a path.

    The built-in data set has no path here, so that a moved repository keeps its runs.

    Raises:
        CarsegError: There is no such folder or file, or it is empty or of another kind.
    """
    if data == BUILTIN:
        return data
    if is_kaggle(data):
        return parse_kaggle(data).word
    if is_remote(data):
        return remote_address(data)
    path = Path(data).expanduser().resolve()
    if path.is_file() and path.suffix.lower() in (".json", ".csv"):
        return str(path)
    if not path.is_dir():
        what = "is not a folder, a COCO .json file or a .csv table" if path.exists() else "does not exist"
        raise CarsegError(f"DATA={data!r} {what} (looked for {path}).")
    try:
        empty = next(path.iterdir(), None) is None
    except OSError as error:
        raise CarsegError(f"DATA={data!r} cannot be read ({error.strerror}).") from error
    if empty:
        raise CarsegError(f"DATA={data!r} is an empty folder ({path}).")
    return str(path)
