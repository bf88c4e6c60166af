"""What a file is that should be an annotation file or a photo and is neither, by its first bytes, and what to do.

Downloads leave web pages, Git LFS pointers and archives in the place of files; spreadsheets are saved under the names
of tables. Light, so that photos and fingerprints can use it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

_HEAD = 512  # bytes of a file that are looked at
_UNPACK = "unpack it, and give its folder as DATA"
_AS_FILES = "save the photos as files, and their labels as a table in CSV"
_BEGINNINGS = (
    (0, b"version https://git-lfs.github.com/spec/", "a pointer of Git LFS in place of the file; run git lfs pull"),
    (0, b"/annex/objects/", "a pointer of git-annex in place of the file; run git annex get"),
    (0, b"\x1f\x8b", f"packed by gzip; {_UNPACK}"),
    (0, b"BZh", f"packed by bzip2; {_UNPACK}"),
    (0, b"\xfd7zXZ\0", f"packed by xz; {_UNPACK}"),
    (0, b"\x28\xb5\x2f\xfd", f"packed by zstd; {_UNPACK}"),
    (0, b"7z\xbc\xaf\x27\x1c", f"a 7z archive; {_UNPACK}"),
    (0, b"Rar!\x1a\x07", f"a rar archive; {_UNPACK}"),
    (257, b"ustar", f"a tar archive; {_UNPACK}"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a workbook of Excel, or encrypted; save it as CSV in UTF-8"),
    (0, b"PAR1", f"a Parquet table; {_AS_FILES}"),
    (0, b"\x89HDF\r\n\x1a\n", f"an HDF5 file; {_AS_FILES}"),
    (0, b"\x93NUMPY", f"an array of NumPy; {_AS_FILES}"),
    (0, b"SQLite format 3\0", f"a database of SQLite; {_AS_FILES}"),
    (0, b"Salted__", "encrypted; decrypt it first"),
    (0, b"age-encryption.org/", "encrypted; decrypt it first"),
    (0, b"-----BEGIN PGP MESSAGE", "encrypted; decrypt it first"),
)
_EMPTY = "an empty file; download or export it again"
_PAGES = (b"<!doctype html", b"<html")
_ANNOTATIONS = (".json", ".xml", ".csv", ".yaml", ".yml", ".txt", ".mat")
_TENSORFLOW = (".tfrecord", ".tfrecords", ".record")
_OTHERS = (".xlsx", ".xls", ".ods", ".parquet", ".h5", ".hdf5", ".npy", ".npz", ".db", ".sqlite", *_TENSORFLOW)
_PACKED = (".zip", ".gz", ".tgz", ".tar", ".bz2", ".xz", ".zst", ".7z", ".rar")
_LOOKED_AT = 2_000  # files of a folder


def strange(path: Path) -> str:
    """What a file is in place of text or of a photo, and what to do; "" if it may be one, or cannot be read."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return ""
    if not head:
        return _EMPTY
    if head.startswith(b"PK\x03\x04"):
        if head[30:].startswith(b"[Content_Types].xml") or path.suffix.lower() in (".xlsx", ".xlsm"):
            return "a workbook of Excel, or another file of Office; save it as CSV in UTF-8"
        if path.suffix.lower() == ".npz":
            return f"arrays of NumPy; {_AS_FILES}"
        if path.suffix.lower() == ".ods":
            return "a spreadsheet; save it as CSV in UTF-8"
        return f"a zip archive{' with a password' * (head[6] & 1)}; {_UNPACK}"
    if head.lstrip(b"\xef\xbb\xbf \r\n\t").lower().startswith(_PAGES):
        return "a web page in place of the file, as of a download that needs a login; download it again"
    if path.suffix.lower() in _TENSORFLOW:
        return "records of TensorFlow; export them as COCO or Pascal VOC"
    return next((what for start, mark, what in _BEGINNINGS if head[start:].startswith(mark)), "")


def first_strange(folder: Path) -> tuple[str, str] | None:
    """The first archive, or file in place of annotations, in a folder, relative to it, and what it is; None if none."""
    for path in _candidates(folder):
        if (what := strange(path)) and not (
            what is _EMPTY and path.suffix.lower() == ".txt"
        ):  # of a photo without a car
            return path.relative_to(folder).as_posix(), what
    return None


def _candidates(folder: Path) -> Iterator[Path]:
    seen = 0
    for here, subfolders, names in os.walk(folder):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        yield from (
            Path(here, name) for name in sorted(names) if name.lower().endswith((*_ANNOTATIONS, *_PACKED, *_OTHERS))
        )
        seen += len(names)
        if seen > _LOOKED_AT:
            return
