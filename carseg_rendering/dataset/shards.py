"""Shards: the photos of a plan, rendered in parallel, each kept when it is finished, so that a killed build resumes.

A shard is two files of a work folder, `00012.jpg` and `00012.json` (cars, parameters, the JPEG's sha256). The JSON file
is written last. The folder's name holds the realism, the seed and a fingerprint of the code, so that shards of other
code are never reused. It does not hold the number of photos: a larger data set begins with the photos of a smaller one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from carseg_lib.core import files
from carseg_lib.core.code_fingerprint import imported_files
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.locks import folder_lock
from carseg_lib.core.paths import project_folder
from carseg_lib.data.masks import box_of_mask, encode_mask
from carseg_rendering.dataset.crew import ALL_CORES, PACKAGES, Crew
from carseg_rendering.dataset.plan import DatasetPlan, body_type_of, photo_name

if TYPE_CHECKING:
    from carseg_rendering.camera.render import RenderedPhoto

# (index, *, seed, realism, changes); a function that other processes can import.
Render = Callable[..., "RenderedPhoto"]
# Keys: photo, sha256, cars (body_type, bbox, area, segmentation), parameters.
Shard = dict[str, Any]


def render_photo(index: int, *, seed: int, realism: str, changes: Mapping[str, Any] | None = None) -> RenderedPhoto:
    """Render one photo; the renderer is imported when this is called.

    Args:
        index: Index of the photo.
        seed: Seed of the data set.
        realism: Realism of the renderer.
        changes: Values that replace the random ones, by the parameter's name in parameters.csv.
    """
    from carseg_rendering.camera import render

    return render.render_photo(index, seed=seed, realism=realism, changes=changes or {})


def renderer_versions() -> dict[str, str]:
    """The versions of the packages that decide a photo's bytes.

    Raises:
        CarsegError: Mitsuba is not installed.
    """
    try:
        return {name: metadata.version(name) for name in PACKAGES}
    except metadata.PackageNotFoundError as error:
        raise CarsegError(
            f"rendering needs {error.name}, which is not installed: run make render-dataset, it installs it"
        ) from None


def renderer_fingerprint(source: str = "from carseg_rendering.camera.render import render_photo") -> str:
    """sha256 (hex) of the code of this repository that a photo depends on, and of the versions of its packages.

    Args:
        source: The import statement of the function that renders the photo.
    """
    code = imported_files(project_folder(), ("carseg_rendering", "carseg_lib"), source, "a photo")
    return files.sha256_text(json.dumps([code, renderer_versions()]))


def work_folder(plan: DatasetPlan) -> Path:
    """The folder of a plan's shards, in `.rendering/`, which `make clean` removes."""
    return project_folder() / ".rendering" / f"{plan.realism}-{plan.seed}-{renderer_fingerprint()[:12]}"


@contextmanager
def work_lock(work: Path) -> Iterator[Path]:
    """Hold a work folder (made if it is missing) for this process, and remove what killed processes left in it.

    Raises:
        CarsegError: Another process holds it, or it cannot be written.
    """
    with folder_lock(work, f"{work}: the data set"):
        files.remove_leftovers(work)
        yield work


def render_shards(
    plan: DatasetPlan,
    work: Path,
    *,
    render: Render = render_photo,
    crew: Crew = ALL_CORES,
    log: Callable[[str], None] = print,
) -> None:
    """Render the photos of a plan that the work folder does not hold yet.

    Args:
        plan: The photos to render.
        work: The work folder.
        render: Renders a photo from its index; a function that other processes can import.
        crew: Those who render.
        log: Called with each line for the terminal.

    Raises:
        CarsegError: A process was ended from outside, or the folder cannot be written.
        RuntimeError: A photo failed. The message has its index; `__cause__` is the error.
    """
    render_missing(partial(_render_shard, render, plan, work), plan.photos, work, crew=crew, log=log)


def render_missing(
    render_one: Callable[[int], None],
    count: int,
    work: Path,
    *,
    what: str = "photos",
    crew: Crew = ALL_CORES,
    log: Callable[[str], None] = print,
) -> None:
    """Render those of a number of photos that the work folder does not hold yet.

    Args:
        render_one: Renders the photo of an index and writes its shard; a function that other processes can import.
        count: Number of photos, which are numbered from 0.
        work: The work folder.
        what: The photos, in messages.
        crew: Those who render.
        log: Called with each line for the terminal.

    Raises:
        CarsegError: A process was ended from outside, or the folder cannot be written.
        RuntimeError: A photo failed.
    """
    missing = [index for index in range(count) if not read_shard(work, index)]
    finished = count - len(missing)
    if not missing:
        log(f"all {count:,} {what} are rendered already")
        return
    kept = f", {finished:,} are there already" if finished else ""
    log(f"rendering {len(missing):,} {what}{kept}")
    crew.do([partial(render_one, index) for index in missing], log)


def read_shard(work: Path, index: int) -> Shard:
    """The record of a photo in the work folder; empty if it is missing or damaged."""
    name = photo_name(index)
    try:
        shard = json.loads((work / name).with_suffix(".json").read_text(encoding="utf-8"))
        intact = shard["photo"] == name and shard["sha256"] == files.sha256(work / name)
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return shard if intact else {}


def make_shard(plan: DatasetPlan, index: int, photo: RenderedPhoto) -> Shard:
    """The record of a rendered photo: its cars as COCO has them, its parameters, its checksum.

    Raises:
        ValueError: The main car is not of the type of the plan, another car has a larger box, or a car has no
            visible pixel.
    """
    cars: list[dict[str, Any]] = []
    for car in photo.cars:
        height, width = car.mask.shape
        x1, y1, x2, y2 = box_of_mask(car.mask)
        cars.append(
            {
                "body_type": car.body_type,
                "bbox": [x1, y1, x2 - x1, y2 - y1],
                "area": int(car.mask.sum()),
                "segmentation": {"size": [height, width], "counts": encode_mask(car.mask)},
            }
        )
    areas = [car["bbox"][2] * car["bbox"][3] for car in cars]
    if not cars or cars[0]["body_type"] != body_type_of(index, plan.seed):
        raise ValueError(f"the main car is no {body_type_of(index, plan.seed)}")
    if areas[0] < max(areas):
        raise ValueError("another car has a larger box than the main car")
    return {
        "photo": photo_name(index),
        "sha256": hashlib.sha256(photo.jpeg).hexdigest(),
        "cars": cars,
        "parameters": photo.parameters,
    }


def _render_shard(render: Render, plan: DatasetPlan, work: Path, index: int) -> None:
    """Render a photo and write its shard."""
    try:
        photo = render(index, seed=plan.seed, realism=plan.realism)
        shard = make_shard(plan, index, photo)
    except CarsegError:
        raise
    except Exception as error:
        raise RuntimeError(f"photo {index} (seed {plan.seed}, realism {plan.realism}) failed: {error}") from error
    files.write_bytes(work / shard["photo"], photo.jpeg)
    files.write_json((work / shard["photo"]).with_suffix(".json"), shard)
