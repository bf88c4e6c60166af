"""The rendered photos as a data set: COCO annotations, table of parameters, card and checksums, folder or archive.

The same plan, code and packages give the same bytes: no dates, no times, everything in a fixed order.

images/NNNNN.jpg          the photos; NNNNN is the index
annotations/<split>.json  COCO instances: a box and a mask (compressed run lengths) for every car
parameters.csv            metadata of the photos, a row a photo
strips/<parameter>.jpg    one car, with one parameter varied
images/background/<split>/NNNNN.jpg  pictures without a car, numbered apart
background.csv            what they show and their metadata, a row a picture
README.md                 the card
SHA256SUMS                checksums of all of these
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from carseg_lib.core import files
from carseg_lib.core.classes import BODY_TYPES
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.paths import builtin_archive, checksum_path, project_folder, verify_checksum
from carseg_lib.data.builtin import SUMS
from carseg_lib.data.catalogue import SPLITS
from carseg_rendering.dataset.background import (
    RenderBackground,
    background_contents,
    background_folder,
    read_backgrounds,
    render_background,
    render_backgrounds,
)
from carseg_rendering.dataset.card import background_section, dataset_card, with_background_section
from carseg_rendering.dataset.crew import crew_of
from carseg_rendering.dataset.parameter_strips import render_strips
from carseg_rendering.dataset.plan import DatasetPlan
from carseg_rendering.dataset.shards import (
    Render,
    Shard,
    read_shard,
    render_photo,
    render_shards,
    work_folder,
    work_lock,
)
from carseg_rendering.dataset.tables import table_csv

LICENCE = {"id": 1, "name": "CC0 1.0", "url": "https://creativecommons.org/publicdomain/zero/1.0/"}
_WITHOUT_CAR = ("background.csv", "images/background/")  # the names of its pictures begin so
_PLAN_FILE = "annotations/test.json"  # which holds the plan of a data set

Contents = dict[str, bytes | Path]  # of a data set, by the file's name in it; a Path names a file with the content


def build(
    plan: DatasetPlan,
    out: str = "",
    *,
    jobs: int = 0,
    cluster: str = "",
    render: Render = render_photo,
    render_without_car: RenderBackground = render_background,
    log: Callable[[str], None] = print,
) -> Path:
    """Render a data set and write it as a folder, or as the packaged archive.

    Args:
        plan: The photos to render. Without `out`, the default plan makes the packaged archive; any other plan makes a
            folder in the repository that is named after it (`rendered-8434`, `rendered-2109-plain`).
        out: The folder to write.
        jobs: Number of processes that render; 0 takes one a core.
        cluster: Address of a dask scheduler whose workers render; "" for this machine.
        render: As for `render_shards`.
        render_without_car: As for `render_backgrounds`.
        log: Called with each line for the terminal.

    Returns:
        The archive or the folder.

    Raises:
        CarsegError: Mitsuba is not installed, the cluster cannot be used, or the folder cannot be written or holds
            other files.
    """
    packaged = plan == DatasetPlan() and not out
    path = builtin_archive() if packaged else Path(out).expanduser() if out else project_folder() / folder_name(plan)
    if not packaged:
        check_replaceable(path)
    with (
        work_lock(work_folder(plan)) as work,
        work_lock(background_folder(plan)) as background,
        crew_of(jobs, cluster, work) as crew,
    ):
        render_shards(plan, work, render=render, crew=crew, log=log)
        render_backgrounds(plan, background, render=render_without_car, crew=crew, log=log)
        strips = render_strips(plan, work, render=render, crew=crew, log=log)
        contents = dataset_contents(plan, work, strips, background)
        (write_archive if packaged else write_folder)(contents, path)
    return path


def add_background(
    archive: Path,
    *,
    jobs: int = 0,
    cluster: str = "",
    render: RenderBackground = render_background,
    log: Callable[[str], None] = print,
) -> Path:
    """Put the pictures without a car into a packed data set, whose photos of cars are not rendered again.

    All files but the card and the checksums keep their bytes; pictures without a car that are in it are replaced.

    Args:
        archive: A packed data set, with its checksum beside it.
        jobs: As for `build`.
        cluster: As for `build`.
        render: As for `render_backgrounds`.
        log: Called with each line for the terminal.

    Returns:
        `archive`.

    Raises:
        CarsegError: The archive is missing, damaged or no rendered data set; Mitsuba is not installed; or the archive
            cannot be written.
    """
    kept = read_archive(archive)
    plan = _plan_of(archive, json.loads(kept[_PLAN_FILE]))
    with work_lock(background_folder(plan)) as background, crew_of(jobs, cluster, background) as crew:
        render_backgrounds(plan, background, render=render, crew=crew, log=log)
        shards = read_backgrounds(plan, background)
        card = with_background_section(kept["README.md"].decode(), background_section(plan, shards))
        contents: Contents = {**kept, "README.md": card.encode()}
        write_archive(_with_sums(contents | background_contents(plan, background, shards)), archive)
    return archive


def read_archive(archive: Path) -> dict[str, bytes]:
    """The files of a packed data set but for its checksums and its pictures without a car, by name, in their order.

    Raises:
        CarsegError: The archive is missing or damaged, or no data set.
    """
    verify_checksum(archive, "the data set", "make render-dataset makes it anew")
    try:
        with zipfile.ZipFile(archive) as packed:
            names = [line.partition("  ")[2] for line in packed.read(SUMS).decode().splitlines()]
            contents = {name: packed.read(name) for name in names if not name.startswith(_WITHOUT_CAR)}
        if missing := {"README.md", _PLAN_FILE} - contents.keys():
            raise KeyError(f"{min(missing)} is missing")
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise CarsegError(f"{archive}: not a packed data set ({error}); make render-dataset makes one") from None
    return contents


def folder_name(plan: DatasetPlan) -> str:
    """The name of a plan's folder: the number of photos, then the values that are not the defaults."""
    realism = "" if plan.realism == DatasetPlan.realism else f"-{plan.realism}"
    return f"rendered-{plan.photos}{realism}" + (f"-seed-{plan.seed}" if plan.seed else "")


def dataset_contents(plan: DatasetPlan, work: Path, strips: Mapping[str, bytes], background: Path) -> Contents:
    """All files of a data set, in the order in which they are written.

    Args:
        plan: The plan of the data set.
        work: The work folder with all photos.
        strips: JPEG of each parameter strip, by the name of its parameter.
        background: The work folder with all pictures without a car.

    Raises:
        CarsegError: A photo is missing in the work folder.
        ValueError: Photos do not have the same parameters.
    """
    shards = [read_shard(work, index) for index in range(plan.photos)]
    if not all(shards):
        raise CarsegError(f"{work}: photo {shards.index({})} is missing or damaged; run make render-dataset again")
    splits = plan.splits()
    without_car = read_backgrounds(plan, background)
    contents: Contents = {"README.md": dataset_card(plan, shards, splits, without_car).encode()}
    for split in SPLITS:
        coco = coco_instances(plan, shards, splits, split)
        contents[f"annotations/{split}.json"] = (json.dumps(coco, separators=(",", ":")) + "\n").encode()
    contents["parameters.csv"] = parameters_csv(shards).encode()
    contents |= {f"strips/{name}.jpg": strip for name, strip in sorted(strips.items())}
    contents |= {f"images/{shard['photo']}": work / shard["photo"] for shard in shards}
    return _with_sums(contents | background_contents(plan, background, without_car))


def _with_sums(contents: Contents) -> Contents:
    """The files of a data set and the file of their checksums."""
    sums = [f"{hashlib.sha256(_bytes(content)).hexdigest()}  {name}\n" for name, content in contents.items()]
    return contents | {SUMS: "".join(sums).encode()}


def coco_instances(plan: DatasetPlan, shards: list[Shard], splits: list[str], split: str) -> dict[str, Any]:
    """The COCO annotations of one split.

    An image's id is the photo's index + 1. An annotation's id is the car's number in the whole data set.
    """
    images, annotations = [], []
    number = 0
    for index, shard in enumerate(shards):
        height, width = shard["cars"][0]["segmentation"]["size"]
        if splits[index] == split:
            size = {"width": width, "height": height}
            images.append({"id": index + 1, "file_name": shard["photo"], **size, "license": LICENCE["id"]})
        for car in shard["cars"]:
            number += 1
            if splits[index] == split:
                category = {"category_id": BODY_TYPES.index(car["body_type"]) + 1}
                target = {key: car[key] for key in ("bbox", "area", "segmentation")}
                annotations.append({"id": number, "image_id": index + 1, **category, **target, "iscrowd": 0})
    return {
        "info": {
            "description": f"Rendered cars of carseg, {split}",
            "plan": plan.as_json(),
            "contributor": "carseg contributors",
        },
        "licenses": [LICENCE],
        "categories": [{"id": k, "name": name, "supercategory": "car"} for k, name in enumerate(BODY_TYPES, 1)],
        "images": images,
        "annotations": annotations,
    }


def parameters_csv(shards: list[Shard]) -> str:
    """The table of parameters: photo_id (as file_name in the annotations), then the renderer's columns, to six digits.

    Raises:
        ValueError: A photo has other parameters than the first.
    """
    return table_csv({"photo_id": shard["photo"], **shard["parameters"]} for shard in shards)


def write_folder(contents: Contents, folder: Path) -> None:
    """Write a data set as a folder, atomically; an earlier rendered data set there is replaced.

    Raises:
        CarsegError: The folder holds other files, or cannot be written.
    """
    check_replaceable(folder)
    with files.atomic_folder(folder) as temporary:
        for name, content in contents.items():
            path = temporary / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(_bytes(content))


def check_replaceable(folder: Path) -> None:
    """Refuse to replace anything but an earlier rendered data set or an empty folder.

    Raises:
        CarsegError: The path holds something else.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    try:
        read_plan(folder)
    except CarsegError:
        raise CarsegError(f"OUT={folder}: holds something else than a rendered data set; name another") from None


def write_archive(contents: Contents, path: Path) -> None:
    """Write a data set as one archive, and its checksum beside it. JPEGs are stored uncompressed.

    Raises:
        CarsegError: The files cannot be written.
    """
    with files.atomic(path) as temporary, zipfile.ZipFile(temporary, "w") as packed:
        for name, content in sorted(contents.items()):
            method = zipfile.ZIP_STORED if name.endswith(".jpg") else zipfile.ZIP_DEFLATED
            packed.writestr(files.zip_member(name), _bytes(content), compress_type=method, compresslevel=9)
    files.write_text(checksum_path(path), f"{files.sha256(path)}  {path.name}\n")


def read_plan(folder: Path) -> DatasetPlan:
    """The plan of a rendered data set.

    Raises:
        CarsegError: The folder holds no rendered data set.
    """
    try:
        annotations = files.read_json(folder / _PLAN_FILE)
    except CarsegError:
        annotations = None
    return _plan_of(folder, annotations)


def _plan_of(place: Path, annotations: Any) -> DatasetPlan:
    try:
        return DatasetPlan.from_json(annotations["info"]["plan"])
    except (CarsegError, KeyError, TypeError):
        raise CarsegError(f"{place}: not a folder of rendered photos; make render-dataset makes one") from None


def _bytes(content: bytes | Path) -> bytes:
    return content if isinstance(content, bytes) else content.read_bytes()
