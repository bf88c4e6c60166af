"""What names of files and folders say: a split, a place inside of the data or outside, text or not.

Light, so that the fingerprints of data sets can use it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from pathlib import PurePosixPath

from carseg_lib.core.classes import normalize_name
from carseg_lib.core.errors import CarsegError

SPLIT_WORDS = {  # what tools and people call the splits
    **dict.fromkeys(("train", "training", "trn", "trainval"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "validation"),
    **dict.fromkeys(("test", "testing", "tst"), "test"),
}
# Words beside a split's in the names of folders and files: "seg_train", "test_set", "instances_val2017".
_BESIDE = "(?:instances?|annotations?|labels?|seg|cars?|images?|imgs?|photos?|pictures?|data|set|split|subset|x)*"
_SPLIT_NAME = re.compile(rf"\d*{_BESIDE}({'|'.join(sorted(SPLIT_WORDS, key=len, reverse=True))}){_BESIDE}\d*")
# Words that say that a folder is a part of a division, though not which: it is never taken for a type.
_PART_WORDS = {*SPLIT_WORDS, "dev", "eval", "evaluation", "holdout", "heldout", "pred", "predict", "prediction"}
_PART_WORDS |= {"predictions", "unlabeled", "unlabelled"}
OTHER_PICTURES = (".gif", ".tif", ".tiff", ".heic", ".heif", ".avif", ".jp2")  # suffixes of pictures that are not read
PHOTO_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".bmp")
NOT_TEXT = {"Cc", "Cs", "Zl", "Zp"}  # Unicode: control, surrogate (for an undecodable byte), line ends
_LONGEST_PATH = 2000  # characters, below the data's folder; systems take 4,096 bytes in all


def split_of(name: str) -> str | None:
    """The split that a folder or annotation file name means, also "seg_train" and COCO's "instances_train2017"."""
    found = _SPLIT_NAME.fullmatch(re.sub(r"[.()\[\]]", "", normalize_name(name)))
    return SPLIT_WORDS[found[1]] if found else None


def split_of_folders(photo_id: str, folders: Iterable[str]) -> str:
    """The split that the names of a photo's folders mean, or "".

    Raises:
        CarsegError: They mean two splits.
    """
    found = {split for part in folders if (split := split_of(part))}
    if len(found) > 1:
        raise CarsegError(f"{photo_id}: its folders are of {' and '.join(sorted(found))}; a photo belongs to one split")
    return next(iter(found), "")


def looks_like_split(name: str) -> bool:
    """Whether a folder's name says that it is a part of a division: a split, or one that is not known ("test_old")."""
    words = re.findall(r"[^\W\d_]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", name))
    return split_of(name) is not None or any(word.casefold() in _PART_WORDS for word in words)


def is_text(name: str) -> bool:
    """Whether a name can be in a table: no control characters or line ends, no bytes that are not UTF-8."""
    return not any(unicodedata.category(c) in NOT_TEXT for c in name)


def outside(name: str) -> bool:
    """Whether a name, with / and no backslash, leads out of any folder: absolute, with a drive or scheme, or with .."""
    drive = len(name) > 1 and name[1] == ":"
    return name.startswith("/") or drive or "://" in name or ".." in PurePosixPath(name).parts


def too_long(name: str) -> bool:
    """Whether no disk has a file of this name, with /: asking for it would fail instead of finding none."""
    return len(name) > _LONGEST_PATH or any(len(part.encode("utf-8", "replace")) > 255 for part in name.split("/"))


def inside(name: str) -> str | None:
    """A file's name in a data set, with / and no dots; None if it leads out of the data set's folder, or is none.

    A name that is longer than any disk takes is none.
    """
    posix = name.replace("\\", "/")
    if outside(posix) or too_long(posix) or not is_text(name) or not PurePosixPath(posix).parts:
        return None
    return PurePosixPath(posix).as_posix()
