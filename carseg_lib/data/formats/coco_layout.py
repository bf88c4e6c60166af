"""The annotation files of a COCO folder, and the split of each, in the layouts that tools and hosts write.

- annotations/<split>.json or instances_<split>.json, or one file of any name (COCO, CVAT)
- <split>/_annotations.coco.json, or one COCO file of any name, beside its photos or in images/<split>/ (Roboflow)
- COCO files in the folder itself: result.json, labels.json, annotations.json ..., or one a split (Label Studio,
  FiftyOne, labelme2coco)
"""

from __future__ import annotations

import json
from pathlib import Path

from carseg_lib.core.errors import CarsegError
from carseg_lib.data.formats import foreign
from carseg_lib.data.formats.base import Listing, split_of

_TABLES = ("images", "annotations", "categories")
_ROBOFLOW = "_annotations.coco.json"


def coco_mark(data: Path) -> str:
    """The file that shows a folder to be of COCO annotations, relative to it; "" if none does.

    A folder annotations/ of other programs' files shows another format, whatever else there is.
    """
    if own := _in_annotations(data):
        path = next((path for path in own if foreign.of_file(path) is None), None)
    else:
        path = next(iter(_beside_photos(data) or _coco_files(data)), None)
    return path.relative_to(data).as_posix() if path else ""


def annotation_files(data: Path, listing: Listing) -> dict[Path, str]:
    """The annotation files of a folder → the split of each, "" for a single file of any other name.

    Files that are not read are noted in the listing's `ignored`.

    Raises:
        CarsegError: Several files, and none is named after a split; or two in the folder of one split.
    """
    if paths := _in_annotations(data):
        return _by_name(data / "annotations", paths, listing)
    if files := _beside_photos(data):
        for path in _coco_files(data):
            listing.ignore(path.name, "other file", "the folders of the splits have annotation files of their own")
        return files
    return _by_name(data, _coco_files(data), listing)


def _in_annotations(data: Path) -> list[Path]:
    return sorted(path for path in (data / "annotations").glob("*.json") if not path.name.startswith("."))


def _beside_photos(data: Path) -> dict[Path, str]:
    """COCO files in the folders of the splits → the split of each."""
    found: dict[Path, str] = {}
    for parent in (data, data / "images"):
        for folder in sorted(path for path in parent.glob("*") if path.is_dir() and not path.is_symlink()):
            split = split_of(folder.name)
            if split is None:
                continue
            paths = [folder / _ROBOFLOW] if (folder / _ROBOFLOW).is_file() else _coco_files(folder)
            if len(paths) > 1:
                raise CarsegError(
                    f"{folder}: {paths[0].name} and {paths[1].name} are both COCO annotations of this split; keep one"
                )
            found |= dict.fromkeys(paths, split)
    return found


def _coco_files(folder: Path) -> list[Path]:
    """The .json files of a folder, but hidden ones, that hold COCO's three tables."""
    paths = (path for path in folder.glob("*.json") if not path.name.startswith("."))
    return sorted(path for path in paths if path.is_file() and _is_coco(path))


def _is_coco(path: Path) -> bool:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):  # a file of something else, or of nothing
        return False
    return isinstance(content, dict) and all(isinstance(content.get(name), list) for name in _TABLES)


def _by_name(folder: Path, paths: list[Path], listing: Listing) -> dict[Path, str]:
    """Files of one folder → the split that the name of each says."""
    splits = {path: split for path in paths if (split := split_of(path.stem))}
    if not splits and len(paths) == 1:
        return {paths[0]: ""}
    if not splits:
        raise CarsegError(
            f"{folder}: none of {', '.join(path.name for path in paths)} is named train, validation "
            "or test; rename them, or give one of them as DATA"
        )
    for path in paths:
        if path not in splits:
            listing.ignore(
                path.relative_to(folder.parent).as_posix() if folder.name == "annotations" else path.name,
                "other file",
                "not named train, validation or test",
            )
    return splits
