"""The rendered photos as a data set: COCO annotations, table of parameters, card and checksums, folder or archive.

The same plan, code and packages give the same bytes: no dates, no times, everything in a fixed order.

images/NNNNN.jpg          the photos; NNNNN is the index
annotations/<split>.json  COCO instances: a box and a mask (compressed run lengths) for every car
parameters.csv            a row a photo: what it was made from
strips/<parameter>.jpg    one car, one parameter varied
README.md                 the card
SHA256SUMS                of all of these
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from carseg_lib.core import files
from carseg_lib.core.classes import BODY_TYPES
from carseg_lib.core.paths import project_folder
from carseg_lib.core.errors import CarsegError
from carseg_lib.data.builtin import SUMS, archive_path, checksum_path
from carseg_lib.data.catalogue import SPLITS
from carseg_rendering.dataset.card import dataset_card
from carseg_rendering.dataset.parameter_strips import render_strips
from carseg_rendering.dataset.plan import DatasetPlan
from carseg_rendering.dataset.shards import (
    Part,
    Render,
    hold,
    read_part,
    render_parts,
    render_photo,
    work_folder,
)

LICENCE = {"id": 1, "name": "CC0 1.0", "url": "https://creativecommons.org/publicdomain/zero/1.0/"}
_DAY = (1980, 1, 1, 0, 0, 0)  # of every file in an archive: the earliest that the format knows
_PLAIN_FILE = 0o100644

Contents = dict[str, bytes | Path]  # of a data set, by name in it; a Path is a file that holds them


def build(
    plan: DatasetPlan, out: str = "", *, render: Render = render_photo, say: Callable[[str], None] = print
) -> Path:
    """Render a data set and put it where it belongs.

    Args:
        plan: What to render. Without `out`, the default plan makes the packaged archive, any other one a folder that
            is named after it (`rendered-8434`, `rendered-2109-plain`) in the repository.
        out: The folder to make.
        render: As for `render_parts`.
        say: Is given each line for the terminal.

    Returns:
        The archive or the folder.

    Raises:
        CarsegError: Mitsuba is not installed, the place cannot be written, or holds something else.
    """
    packaged = plan == DatasetPlan() and not out
    place = (
        archive_path()
        if packaged
        else Path(out).expanduser()
        if out
        else project_folder() / folder_name(plan)
    )
    if not packaged:
        check_replaceable(place)
    with hold(work_folder(plan)) as work:
        render_parts(plan, work, render=render, say=say)
        contents = dataset_contents(plan, work, render_strips(plan, work, render=render, say=say))
        (write_archive if packaged else write_folder)(contents, place)
    return place


def folder_name(plan: DatasetPlan) -> str:
    """The name of a plan's folder: the number of photos, then what is not the default."""
    version = "" if plan.version == DatasetPlan.version else f"-{plan.version}"
    return f"rendered-{plan.photos}{version}" + (f"-seed-{plan.seed}" if plan.seed else "")


def dataset_contents(plan: DatasetPlan, work: Path, strips: Mapping[str, bytes]) -> Contents:
    """Everything that a data set holds, in the order in which it is written.

    Args:
        plan: Of the set.
        work: The work folder with all its photos.
        strips: JPEGs by name of the parameter that each varies.

    Raises:
        CarsegError: A photo is missing in the work folder.
        ValueError: Photos do not have the same parameters.
    """
    parts = [read_part(work, index) for index in range(plan.photos)]
    if not all(parts):
        raise CarsegError(f"{work}: photo {parts.index({})} is missing or damaged; run make dataset again")
    splits = plan.splits()
    contents: Contents = {"README.md": dataset_card(plan, parts, splits).encode()}
    for split in SPLITS:
        coco = coco_instances(plan, parts, splits, split)
        contents[f"annotations/{split}.json"] = (json.dumps(coco, separators=(",", ":")) + "\n").encode()
    contents["parameters.csv"] = parameters_csv(parts).encode()
    contents |= {f"strips/{name}.jpg": strip for name, strip in sorted(strips.items())}
    contents |= {f"images/{part['photo']}": work / part["photo"] for part in parts}
    sums = [f"{hashlib.sha256(_bytes(content)).hexdigest()}  {name}\n" for name, content in contents.items()]
    return contents | {SUMS: "".join(sums).encode()}


def coco_instances(plan: DatasetPlan, parts: list[Part], splits: list[str], split: str) -> dict[str, Any]:
    """The COCO annotations of one split: ids are the index + 1 of a photo, and a number over all cars of the set."""
    images, annotations = [], []
    number = 0
    for index, part in enumerate(parts):
        height, width = part["cars"][0]["segmentation"]["size"]
        if splits[index] == split:
            size = {"width": width, "height": height}
            images.append({"id": index + 1, "file_name": part["photo"], **size, "license": LICENCE["id"]})
        for car in part["cars"]:
            number += 1
            if splits[index] == split:
                kind = {"category_id": BODY_TYPES.index(car["body_type"]) + 1}
                truth = {key: car[key] for key in ("bbox", "area", "segmentation")}
                annotations.append({"id": number, "image_id": index + 1, **kind, **truth, "iscrowd": 0})
    return {
        "info": {
            "description": f"Rendered cars of carseg, {split}",
            "plan": asdict(plan),
            "contributor": "carseg contributors",
        },
        "licenses": [LICENCE],
        "categories": [
            {"id": k, "name": name, "supercategory": "car"} for k, name in enumerate(BODY_TYPES, 1)
        ],
        "images": images,
        "annotations": annotations,
    }


def parameters_csv(parts: list[Part]) -> str:
    """The table of parameters: photo_id (as file_name in the annotations), then the renderer's columns, to six digits.

    Raises:
        ValueError: A photo has other parameters than the first.
    """
    columns = list(parts[0]["parameters"])
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["photo_id", *columns])
    for part in parts:
        if list(part["parameters"]) != columns:
            raise ValueError(f"{part['photo']} has other parameters than {parts[0]['photo']}")
        values = (f"{v:.6g}" if isinstance(v, float) else v for v in part["parameters"].values())
        table.writerow([part["photo"], *values])
    return text.getvalue()


def write_folder(contents: Contents, folder: Path) -> None:
    """Write a data set as a folder, whole or not at all; one that is there already is replaced.

    Raises:
        CarsegError: The folder holds something else, or cannot be written.
    """
    check_replaceable(folder)
    with files.atomic_folder(folder) as temporary:
        for name, content in contents.items():
            path = temporary / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(_bytes(content))


def check_replaceable(folder: Path) -> None:
    """Refuse a place that holds anything but an earlier data set of this kind.

    Raises:
        CarsegError: It does.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    try:
        read_plan(folder)
    except CarsegError:
        raise CarsegError(
            f"OUT={folder}: holds something else than a rendered data set; name another"
        ) from None


def write_archive(contents: Contents, path: Path) -> None:
    """Write a data set as one archive, and its checksum beside it. JPEGs do not shrink: they are stored.

    Raises:
        CarsegError: The files cannot be written.
    """
    with files.atomic(path) as temporary, zipfile.ZipFile(temporary, "w") as packed:
        for name, content in sorted(contents.items()):
            member = zipfile.ZipInfo(name, _DAY)
            member.create_system = 3  # Unix, wherever it is packed
            member.external_attr = _PLAIN_FILE << 16
            method = zipfile.ZIP_STORED if name.endswith(".jpg") else zipfile.ZIP_DEFLATED
            packed.writestr(member, _bytes(content), compress_type=method, compresslevel=9)
    files.write_text(checksum_path(path), f"{files.sha256(path)}  {path.name}\n")


def read_plan(folder: Path) -> DatasetPlan:
    """The plan of a rendered data set.

    Raises:
        CarsegError: The folder is none.
    """
    try:
        return DatasetPlan(**files.read_json(folder / "annotations" / "test.json")["info"]["plan"])
    except (CarsegError, KeyError, TypeError):
        raise CarsegError(f"{folder}: not a folder of rendered photos; make dataset makes one") from None


def _bytes(content: bytes | Path) -> bytes:
    return content if isinstance(content, bytes) else content.read_bytes()
