"""Takes the renderer's place: drawn cars instead of rendered ones, at once and without Mitsuba."""

from __future__ import annotations

import io
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from carseg_rendering.dataset.background import make_background_shard
from carseg_rendering.dataset.background_plan import background_count, place_of
from carseg_rendering.dataset.build import Contents, dataset_contents
from carseg_rendering.dataset.card import COUNTED
from carseg_rendering.dataset.plan import SHARES, DatasetPlan, body_type_of, photo_name
from carseg_rendering.dataset.shards import make_shard
from tests.helpers.drawn_cars import draw_car

if TYPE_CHECKING:
    from carseg_rendering.camera.render import RenderedPhoto

SIZE = (60, 40)
PACKAGE_VERSIONS = {"mitsuba": "0", "numpy": "0"}


@dataclass(frozen=True, eq=False)
class DrawnCar:
    body_type: str
    mask: np.ndarray


@dataclass(frozen=True, eq=False)
class DrawnPhoto:
    jpeg: bytes
    cars: list[DrawnCar]
    parameters: dict[str, float | int | str]


@dataclass(frozen=True, eq=False)
class DrawnPicture:
    jpeg: bytes
    parameters: dict[str, float | int | str]


def render(index: int, *, seed: int, realism: str, changes: Mapping[str, Any] | None = None) -> DrawnPhoto:
    """One car, or with every third photo a small second one in the corner."""
    rng = np.random.default_rng([seed, index, len(realism), *json.dumps(dict(changes or {})).encode()])
    body_type = body_type_of(index, seed)
    photo, mask = draw_car(body_type, SIZE, rng)
    cars = [DrawnCar(body_type, mask)]
    if index % 3 == 0:
        corner = np.zeros_like(mask)
        corner[:3, : 2 + index % 5] = True
        cars.append(DrawnCar(list(SHARES)[index % 4], corner))
    encoded = io.BytesIO()
    photo.save(encoded, "JPEG", quality=80)
    words = {name: f"{name} {rng.integers(2)}" for name in COUNTED}
    return DrawnPhoto(encoded.getvalue(), cars, words | {"view_angle": rng.uniform(-180, 180), "other_cars": 1})


def render_without_car(index: int, *, seed: int, realism: str) -> DrawnPicture:
    """One colour, and no car."""
    rng = np.random.default_rng([seed, index, len(realism), 1])
    encoded = io.BytesIO()
    Image.new("RGB", SIZE, tuple(map(int, rng.integers(0, 256, 3)))).save(encoded, "JPEG", quality=80)
    what = {"family": place_of(index, seed)[0], "kind": f"kind {index % 5}"}
    return DrawnPicture(encoded.getvalue(), what | {"pieces": 1, "fill": rng.uniform(0, 1)})


def render_counted(
    index: int, *, log: Path, seed: int, realism: str, changes: Mapping[str, Any] | None = None
) -> DrawnPhoto:
    """The same, with a line in a file for every call; `functools.partial` gives the file, also to other processes."""
    with log.open("a") as lines:
        lines.write(f"{index}\n")
    return render(index, seed=seed, realism=realism, changes=changes)


def render_slowly(index: int, *, log: Path, seed: int, realism: str) -> DrawnPhoto:
    """The same, slow enough to be killed."""
    time.sleep(0.15)
    return render_counted(index, log=log, seed=seed, realism=realism)


def render_in_a_while(index: int, *, seed: int, realism: str) -> DrawnPhoto:
    """The same, slow enough for a worker to be killed meanwhile."""
    time.sleep(0.2)
    return render(index, seed=seed, realism=realism)


def render_coarsely(index: int, *, seed: int, realism: str) -> RenderedPhoto:
    """A photo by the renderer itself, at one path a pixel."""
    from carseg_rendering.camera.render import render_photo

    return render_photo(index, seed=seed, realism=realism, samples=1)


def render_badly(index: int, *, seed: int, realism: str) -> DrawnPhoto:
    """Photo 7 shows another type than it should."""
    return render(index + (index == 7), seed=seed, realism=realism)


def end_the_process(index: int, *, seed: int, realism: str) -> DrawnPhoto:
    """As if the system had ended the process."""
    os._exit(9)


def drawn_contents(plan: DatasetPlan, work: Path) -> Contents:
    """A whole data set without any rendering process."""
    work.mkdir(parents=True, exist_ok=True)
    for index in range(plan.photos):
        photo = render(index, seed=plan.seed, realism=plan.realism)
        part = make_shard(plan, index, photo)
        (work / photo_name(index)).write_bytes(photo.jpeg)
        (work / photo_name(index)).with_suffix(".json").write_text(json.dumps(part))
    return dataset_contents(plan, work, {"view_angle": photo.jpeg}, drawn_backgrounds(plan, work / "background"))


def drawn_backgrounds(plan: DatasetPlan, work: Path) -> Path:
    """A work folder with the pictures without a car of a plan."""
    work.mkdir(parents=True, exist_ok=True)
    for index in range(background_count(plan)):
        picture = render_without_car(index, seed=plan.seed, realism=plan.realism)
        (work / photo_name(index)).write_bytes(picture.jpeg)
        record = json.dumps(make_background_shard(index, picture))
        (work / photo_name(index)).with_suffix(".json").write_text(record)
    return work
