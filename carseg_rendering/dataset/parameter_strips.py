"""Parameter strips: one car in a row of frames, with one parameter varied and all others fixed."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from carseg_lib.core import files
from carseg_rendering.dataset.crew import ALL_CORES, Crew
from carseg_rendering.dataset.plan import DatasetPlan, body_type_of
from carseg_rendering.dataset.shards import Render, render_photo

_QUALITY = 92  # of the strips' JPEGs
# The parameters of every frame, but for the varied one.
BASE: dict[str, Any] = {
    "view_angle": 38.0,
    "camera_height": 1.35,
    "focal_length": 60.0,
    "fill": 0.84,
    "centre_x": 0.0,
    "centre_y": 0.06,
    "roll": 0.0,
    "light": "clear",
    "sun_elevation": 42.0,
    "ground": "asphalt",
    "background": "trees",
    "occluder": "none",
    "other_cars": 0,
    "exposure_error": 0.0,
    "motion_blur": 0.0,
    "noise": 0.5,
    "blur": 0.2,
    "jpeg_quality": 92,
    "dirt": 0.0,
}
# By parameter: the type of the car, and its values from left to right.
STRIPS: Mapping[str, tuple[str, tuple[Any, ...]]] = {
    "view_angle": ("sedan", (0.0, 38.0, 90.0, 142.0, 180.0, -90.0)),
    "camera_height": ("suv", (0.6, 0.9, 1.2, 1.5, 1.8, 2.2)),
    "focal_length": ("minivan", (24.0, 35.0, 50.0, 85.0, 135.0, 200.0)),
    "fill": ("sedan", (0.35, 0.5, 0.65, 0.8, 0.95, 1.2)),
    "light": ("convertible", ("clear", "low sun", "overcast", "dusk", "showroom")),
    "sun_elevation": ("sedan", (18.0, 27.0, 36.0, 45.0, 54.0, 62.0)),
    "ground": ("suv", ("asphalt", "concrete", "gravel", "grass", "tiles", "snow")),
    "background": ("minivan", ("open", "trees", "building", "wall", "street", "lot")),
    "occluder": ("sedan", ("none", "pole", "person", "plant", "railing")),
    "other_cars": ("convertible", (0, 0, 1, 1, 2, 3)),
    "dirt": ("suv", (0.0, 0.1, 0.2, 0.3, 0.45, 0.6)),
    "motion_blur": ("sedan", (0.0, 1.0, 2.0, 3.0, 4.5, 6.0)),
    "noise": ("sedan", (0.0, 2.0, 4.0, 6.0, 8.0, 12.0)),
    "jpeg_quality": ("minivan", (92, 75, 60, 45, 35, 20)),
    "shape_length": ("sedan", (4.4, 4.53, 4.66, 4.79, 4.92, 5.05)),
    "shape_height": ("suv", (1.62, 1.68, 1.74, 1.8, 1.86, 1.93)),
    "shape_windscreen_rake": ("minivan", (50.0, 53.0, 56.0, 59.0, 62.0, 65.0)),
    "shape_deck_length": ("sedan", (0.42, 0.5, 0.57, 0.65, 0.72, 0.8)),
}


def render_strips(
    plan: DatasetPlan,
    work: Path,
    *,
    strips: Mapping[str, tuple[str, tuple[Any, ...]]] = STRIPS,
    render: Render = render_photo,
    crew: Crew = ALL_CORES,
    log: Callable[[str], None] = print,
) -> dict[str, bytes]:
    """Render all strips; frames in the work folder are not rendered again.

    Args:
        plan: The plan of the data set; its seed and realism are used.
        work: The work folder of the data set.
        strips: Body type of the car and values of the parameter, by parameter.
        render: As for `render_shards`.
        crew: Those who render.
        log: Called with each line for the terminal.

    Returns:
        JPEGs by parameter, each with its frames side by side.
    """
    frames = {
        (name, k): work / f"strip-{name}-{k}.jpg" for name, (_, values) in strips.items() for k in range(len(values))
    }
    tasks = [
        partial(
            _render_frame, render, plan, path, _index_of(strips[name][0], plan.seed), BASE | {name: strips[name][1][k]}
        )
        for (name, k), path in frames.items()
        if not path.is_file()
    ]
    if tasks:
        log(f"rendering {len(tasks)} frames that show what each parameter does")
        crew.do(tasks, log)
    return {
        name: _side_by_side([frames[name, k] for k in range(len(values))], values)
        for name, (_, values) in strips.items()
    }


def _index_of(body_type: str, seed: int) -> int:
    """The first photo of a type."""
    return next(index for index in range(100) if body_type_of(index, seed) == body_type)


def _render_frame(render: Render, plan: DatasetPlan, path: Path, index: int, changes: Mapping[str, Any]) -> None:
    files.write_bytes(path, render(index, seed=plan.seed, realism=plan.realism, changes=changes).jpeg)


def _side_by_side(paths: list[Path], values: Sequence[Any]) -> bytes:
    frames = [Image.open(path).convert("RGB") for path in paths]
    strip = Image.new("RGB", (sum(frame.width for frame in frames), frames[0].height))
    for k, frame in enumerate(frames):
        strip.paste(frame, (k * frame.width, 0))
        corner = (k * frame.width + 6, frame.height - 18)
        ImageDraw.Draw(strip).text(
            corner, f"{values[k]}", fill="white", font=ImageFont.load_default(13), stroke_width=2, stroke_fill="black"
        )
    encoded = io.BytesIO()
    strip.save(encoded, "JPEG", quality=_QUALITY, subsampling=0)
    return encoded.getvalue()
