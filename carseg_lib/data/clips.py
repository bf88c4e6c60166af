"""Photos that are frames of one clip, or copies of one photo that a program changed, by their names.

Frames of a clip are nearly the same photo, and perceptual hashes find only the next ones. Names tell them where a
program wrote them: "clip0_frame_0012.jpg", "video3/000012.jpg", "street.mp4-12.jpg", and Roboflow's changed copies of
a photo, "car_jpg.rf.<digits>.jpg". Names as cameras give them, "IMG_0012.jpg", say nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from carseg_lib.data.duplicates import NEAR_DISTANCE, duplicate_groups
from carseg_lib.data.names import split_of

_CHANGED = re.compile(r"_(?:jpe?g|png|webp|bmp)\.rf\.[0-9A-Za-z]{8,}$", re.IGNORECASE)
_WORD = r"(?:clip|video|vid|movie|mov|seq|sequence|scene)"
_VIDEO = r"(?:mp4|avi|mov|mkv|webm|m4v)"
# The number of the frame at the end of a name; what stands before it names the clip.
_FRAMES = (
    re.compile(rf"[\W_]{_VIDEO}(?P<frame>[\W_]+(?:frame[\W_]*)?\d+)$", re.IGNORECASE),
    re.compile(r"(?P<frame>[\W_]*(?:frame|frm)[\W_]*\d+)$", re.IGNORECASE),
    re.compile(rf"(?:^|[\W_]){_WORD}[\W_]*\d+(?P<frame>[\W_]+\d+)$", re.IGNORECASE),
)
_FOLDER = re.compile(rf"(?:.*[\W_])?{_WORD}[\W_]*\w*|.+[._]{_VIDEO}", re.IGNORECASE)


def clips_of(photo_ids: Sequence[str]) -> list[str]:
    """The clip of each photo, "" where its name tells none, or no other photo is of the same.

    A clip that has photos in folders of different splits is one clip.

    Args:
        photo_ids: Paths of all photos, with "/".
    """
    named = [_clip(PurePosixPath(photo_id)) for photo_id in photo_ids]
    counts = Counter(named)
    return [name if counts[name] > 1 else "" for name in named]


def describe_clips(clips: Sequence[str]) -> str:
    """A line on the photos that are frames of clips; "" if none is.

    Args:
        clips: As `clips_of` gives them.
    """
    of_clips = [clip for clip in clips if clip]
    if not of_clips:
        return ""
    return (
        f"{len(of_clips):,} photos are frames of {len(set(of_clips)):,} clips by their names, as those of "
        f"{min(of_clips)}: where splits are divided here, a clip goes to one of them"
    )


def alike_groups(photos: pd.DataFrame) -> pd.Series:
    """Numbers of the photos that must not be in two splits: duplicates, and frames of one clip, also through others.

    Args:
        photos: Rows of a catalogue, of cars or without.

    Returns:
        Number (int, from 0) of each row, with the index of `photos`.
    """
    return joined(duplicate_groups(photos, NEAR_DISTANCE), clips_of(photos["photo_id"].tolist()))


def joined(numbers: pd.Series, names: Sequence[str]) -> pd.Series:
    """Numbers of the photos that belong together: those of one number, or of one name, also through others.

    Args:
        numbers: Of each photo, int from 0.
        names: Of each photo, in the same order; "" where it has none.

    Returns:
        Number (int, from 0) of each photo, with the index of `numbers`.
    """
    if not any(names):
        return numbers
    first = numbers.to_numpy()
    second = np.unique([name or f"\0{k}" for k, name in enumerate(names)], return_inverse=True)[1]
    size = int(first.max()) + 1
    links = coo_array(
        (np.ones(len(first), dtype=bool), (first, size + second)), shape=(size + int(second.max()) + 1,) * 2
    )
    return pd.Series(connected_components(links, directed=False)[1][first], numbers.index, dtype="int64")


def _clip(photo: PurePosixPath) -> str:
    """The name of a photo's clip, with its folders but those of splits; "" if its name tells none."""
    folders = [part for part in photo.parts[:-1] if not split_of(part)]
    changed = _CHANGED.search(photo.stem)
    stem = photo.stem[: changed.start()] if changed else photo.stem
    for pattern in _FRAMES:
        found = pattern.search(stem)
        if found and re.search(r"[^\W_]", stem[: found.start("frame")]):
            return "/".join([*folders, stem[: found.start("frame")]])
    if changed:
        return "/".join([*folders, stem])
    if folders and _FOLDER.fullmatch(folders[-1]) and re.fullmatch(r"\D*\d+", stem):
        return "/".join(folders)
    return ""
