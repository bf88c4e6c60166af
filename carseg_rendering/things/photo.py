"""One picture without a car, made from its index alone: an empty scene, or a thing where the main car would stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

import numpy as np

from carseg_rendering.camera.camera import develop, encode, place_camera, without_fireflies
from carseg_rendering.camera.denoising import denoise
from carseg_rendering.camera.light import emitters
from carseg_rendering.camera.render import SAMPLES, SUBSAMPLES
from carseg_rendering.camera.tracing import HEIGHT, WIDTH, Scene, mitsuba, trace_visibility
from carseg_rendering.geometry.meshes import Array
from carseg_rendering.scene.scenes import SceneParameters, sample_scene
from carseg_rendering.scene.surroundings import surroundings
from carseg_rendering.things.catalogue import SURFACES, Thing, kind_of, make_thing

PARTS = ("thing", "scene", "place", "film")  # each draws from a stream of its own
_FIRST_STREAM = 100  # no stream of a photo of a car: those are numbered from 0
_EYE_LEVEL = 1.2  # metres; a photographer crouches before lower things
_LOWEST = 0.45  # share of the eye's height, at the least
_OVERFULL = 1.1  # of the frame's size, for the middle of a surface
_MORE_SAMPLES = 2  # for surfaces: so many times the paths, and no denoising, which would take their grain with it


@dataclass(frozen=True, eq=False)
class RenderedBackground:
    """A picture without a car.

    Attributes:
        jpeg: The encoded picture, 240 x 160.
        parameters: Family and kind of the thing, number of things, their share of the picture, metadata of the scene.
    """

    jpeg: bytes
    parameters: Mapping[str, float | int | str]


def render_background(
    index: int, *, seed: int = 0, realism: str = "full", samples: int = SAMPLES
) -> RenderedBackground:
    """Render one picture without a car.

    Args:
        index: Index of the picture, from 0. Index and seed decide everything; the thing is the same at every realism.
        seed: Seed of the data set.
        realism: Realism of the renderer, one of `plan.REALISM_LEVELS`.
        samples: Paths a pixel.

    Raises:
        CarsegError: Mitsuba is not installed.
        ValueError: The realism is unknown.
    """
    mitsuba()  # selects the variant before any module makes Mitsuba objects
    draw = {
        part: np.random.default_rng([seed, index, number]) for number, part in enumerate(PARTS, start=_FIRST_STREAM)
    }
    family, kind = kind_of(index, seed)
    scene = sample_scene(draw["scene"], realism)
    thing = make_thing(draw["thing"], family, kind, scene.view_angle)
    scene = _for_thing(scene, family, thing)
    camera = place_camera(scene, _outline(thing, family))
    place = surroundings(scene, draw["place"], keep_clear=thing.room[:4, :2], camera_position=camera.position)
    groups = [place, thing.parts] if thing.parts else [place]
    seen = trace_visibility(groups, camera.sensor(), subsamples=SUBSAMPLES)
    path_seed = (seed * 1_000_003 + index + 2**30) % 2**31
    samples = samples * _MORE_SAMPLES if family == SURFACES else samples
    light = Scene([*place, *thing.parts], emitters(scene)).render(camera.sensor(), samples=samples, seed=path_seed)
    light = without_fireflies(light)
    if family != SURFACES:
        light = denoise(light)
    picture = develop(light, scene, draw["film"])
    what: dict[str, float | int | str] = {"family": family, "kind": kind}
    return RenderedBackground(encode(picture, scene.jpeg_quality), what | _parameters(scene, thing, seen))


def _for_thing(scene: SceneParameters, family: str, thing: Thing) -> SceneParameters:
    """The scene without other cars, seen from the height that suits the thing; surfaces fill the frame."""
    scene = replace(scene, other_cars=0)
    if family == SURFACES:
        return replace(scene, fill=_OVERFULL, centre_x=0.0, centre_y=0.0, occluder="none")
    height = float(thing.room[:, 2].max())
    return replace(scene, camera_height=scene.camera_height * float(np.clip(height / _EYE_LEVEL, _LOWEST, 1.0)))


def _outline(thing: Thing, family: str) -> Array:
    """The points (V, 3) that the camera is aimed at."""
    if family == SURFACES or not thing.parts:
        return thing.room
    return np.concatenate([part.mesh.vertices for part in thing.parts])


def _parameters(scene: SceneParameters, thing: Thing, group: Array) -> dict[str, float | int | str]:
    rows, columns = np.nonzero(group == 1)
    height, width = ((np.ptp(rows) + 1, np.ptp(columns) + 1)) if len(rows) else (0, 0)
    scale = SUBSAMPLES
    return {
        "pieces": thing.pieces,
        "thing_width": float(width / (WIDTH * scale)),
        "thing_height": float(height / (HEIGHT * scale)),
        "view": scene.view,
        **{name: value for name, value in asdict(scene).items() if name not in ("sky_seed", "other_cars")},
    }
