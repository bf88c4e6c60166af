"""The pictures without a car: rendered in shards of their own, and as files of a data set.

Their work folder has a fingerprint of its own: another chair makes no photo of a car stale.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.paths import project_folder
from carseg_rendering.dataset.background_plan import background_count, background_file, background_splits
from carseg_rendering.dataset.crew import ALL_CORES, Crew
from carseg_rendering.dataset.plan import DatasetPlan, photo_name
from carseg_rendering.dataset.shards import Shard, read_shard, render_missing, renderer_fingerprint
from carseg_rendering.dataset.tables import table_csv

if TYPE_CHECKING:
    from carseg_rendering.things.photo import RenderedBackground

# (index, *, seed, realism); a function that other processes can import.
RenderBackground = Callable[..., "RenderedBackground"]


def render_background(index: int, *, seed: int, realism: str) -> RenderedBackground:
    """Render one picture without a car; the renderer is imported when this is called.

    Args:
        index: Index of the picture.
        seed: Seed of the data set.
        realism: Realism of the renderer.
    """
    from carseg_rendering.things import photo

    return photo.render_background(index, seed=seed, realism=realism)


def background_folder(plan: DatasetPlan) -> Path:
    """The folder of the shards of a plan's pictures without a car, in `.rendering/`."""
    fingerprint = renderer_fingerprint("from carseg_rendering.things.photo import render_background")
    return project_folder() / ".rendering" / f"background-{plan.realism}-{plan.seed}-{fingerprint[:12]}"


def render_backgrounds(
    plan: DatasetPlan,
    work: Path,
    *,
    render: RenderBackground = render_background,
    crew: Crew = ALL_CORES,
    log: Callable[[str], None] = print,
) -> None:
    """Render the pictures without a car of a plan that the work folder does not hold yet.

    Args:
        plan: The plan of the data set.
        work: The work folder, as of `background_folder`.
        render: Renders a picture from its index; a function that other processes can import.
        crew: Those who render.
        log: Called with each line for the terminal.

    Raises:
        CarsegError: A process was ended from outside, or the folder cannot be written.
        RuntimeError: A picture failed. The message has its index; `__cause__` is the error.
    """
    one = partial(_render_shard, render, plan, work)
    render_missing(one, background_count(plan), work, what="pictures without a car", crew=crew, log=log)


def read_backgrounds(plan: DatasetPlan, work: Path) -> list[Shard]:
    """The records of a plan's pictures without a car, by index.

    Args:
        plan: The plan of the data set.
        work: The work folder.

    Returns:
        Records with the keys photo, sha256 and parameters, which begin with family and kind.

    Raises:
        CarsegError: A picture is missing in the work folder, or damaged.
    """
    shards = [read_shard(work, index) for index in range(background_count(plan))]
    if not all(shards):
        raise CarsegError(
            f"{work}: picture {shards.index({})} is missing or damaged; run the same command again, it resumes"
        )
    return shards


def read_background_table(data: Path) -> list[dict[str, str]]:
    """The rows of a data set's `background.csv`, by index; none where it has no pictures without a car."""
    path = data / "background.csv"
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def background_contents(plan: DatasetPlan, work: Path, shards: list[Shard]) -> dict[str, bytes | Path]:
    """The files of a data set's pictures without a car, by name: `background.csv` and the pictures.

    Args:
        plan: The plan of the data set.
        work: The work folder.
        shards: The records of the pictures, by index.
    """
    splits = background_splits(plan)
    table = table_csv(
        {"photo_id": shard["photo"], "split": split, **shard["parameters"]}
        for shard, split in zip(shards, splits, strict=True)
    )
    pictures = {background_file(index, split): work / photo_name(index) for index, split in enumerate(splits)}
    return {"background.csv": table.encode(), **pictures}


def make_background_shard(index: int, picture: RenderedBackground) -> Shard:
    """The record of a rendered picture: its parameters and its checksum."""
    return {
        "photo": photo_name(index),
        "sha256": hashlib.sha256(picture.jpeg).hexdigest(),
        "parameters": dict(picture.parameters),
    }


def _render_shard(render: RenderBackground, plan: DatasetPlan, work: Path, index: int) -> None:
    """Render a picture and write its shard."""
    try:
        picture = render(index, seed=plan.seed, realism=plan.realism)
    except CarsegError:
        raise
    except Exception as error:
        raise RuntimeError(
            f"picture {index} without a car (seed {plan.seed}, realism {plan.realism}) failed: {error}"
        ) from error
    files.write_bytes(work / photo_name(index), picture.jpeg)
    files.write_json((work / photo_name(index)).with_suffix(".json"), make_background_shard(index, picture))
