"""One photo of the data set, made from its index alone: a car, a scene, a picture, exact masks and metadata.

Masks come from rays: at 3 x 3 points of every pixel, the first car that the ray meets. A pixel belongs to a car's mask
if at least half of its points do, as an annotator would draw it; glass belongs to the car. Blur and noise are added
later and do not move masks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np

from carseg_rendering.camera.camera import Camera, develop, encode, place_camera, without_fireflies
from carseg_rendering.camera.denoising import denoise
from carseg_rendering.camera.light import emitters
from carseg_rendering.camera.tracing import HEIGHT, WIDTH, Scene, mitsuba, trace_visibility
from carseg_rendering.car.assembly import build_car
from carseg_rendering.car.paints import CarLook, sample_look
from carseg_rendering.car.shapes import CarShape, sample_shape
from carseg_rendering.dataset.plan import SHARES, body_type_of
from carseg_rendering.geometry.meshes import Array, Floats, Part
from carseg_rendering.scene.scenes import SceneParameters, sample_scene
from carseg_rendering.scene.surroundings import surroundings

SAMPLES = 12  # paths a pixel; a product of two near numbers, as the sampler likes
SUBSAMPLES = 3  # points a side of a pixel, for masks
FEWEST_PIXELS = 24  # of a labelled car; fewer cannot be told from the background
LARGEST_OTHER = 0.5  # another car's pixels, as a share of the main car's, so that a photo has one type
PARTS = ("shape", "look", "scene", "others", "place", "film")  # each draws from a stream of its own


@dataclass(frozen=True, eq=False)
class RenderedCar:
    """A visible car in a photo.

    Attributes:
        body_type: One of BODY_TYPES.
        mask: (160, 240) bool, the visible pixels.
    """

    body_type: str
    mask: Array


@dataclass(frozen=True, eq=False)
class RenderedPhoto:
    """A photo with its cars and its metadata.

    Attributes:
        jpeg: The encoded photo, 240 x 160.
        cars: The labelled cars; the first is the main car, the others follow by size.
        parameters: Metadata of the scene, of the main car's look and visibility, and of its shape (`shape_...`).
    """

    jpeg: bytes
    cars: list[RenderedCar]
    parameters: dict[str, float | int | str]


@dataclass(frozen=True, eq=False)
class _OtherCar:
    body_type: str
    parts: list[Part]
    corners: Array  # (4, 2), on the ground


def render_photo(
    index: int,
    *,
    seed: int = 0,
    realism: str = "full",
    changes: Mapping[str, Any] | None = None,
    samples: int = SAMPLES,
) -> RenderedPhoto:
    """Render one photo.

    Args:
        index: Index of the photo in the data set, from 0. Index and seed decide everything. The car is the same at
            every realism.
        seed: Seed of the data set.
        realism: Realism of the renderer, one of `plan.REALISM_LEVELS`.
        changes: Values that replace the random ones, by their names in the photo's parameters.
        samples: Paths a pixel.

    Raises:
        CarsegError: Mitsuba is not installed.
        ValueError: The realism or the name of a change is unknown.
    """
    mitsuba()  # selects the variant before any module makes Mitsuba objects
    draw = {part: np.random.default_rng([seed, index, number]) for number, part in enumerate(PARTS)}
    body_type = body_type_of(index, seed)
    plain = realism == "plain"
    shape = sample_shape(body_type, draw["shape"])
    paint = sample_look(draw["look"], body_type=body_type, plain=plain)
    scene = sample_scene(draw["scene"], realism)
    shape, paint, scene = _with_changes(dict(changes or {}), shape, paint, scene)

    main = build_car(shape, paint)
    camera = place_camera(scene, np.concatenate([part.mesh.vertices for part in main]))
    others = _other_cars(scene, shape, camera, draw["others"])
    corners = [_corners(shape.length, shape.width), *(car.corners for car in others)]
    place = surroundings(scene, draw["place"], keep_clear=np.concatenate(corners), camera_position=camera.position)

    seen, others = _drop_large_others(place, main, others, camera)
    content = [*place, *main, *(part for car in others for part in car.parts)]
    path_seed = (seed * 1_000_003 + index) % 2**31
    light = Scene(content, emitters(scene)).render(camera.sensor(), samples=samples, seed=path_seed)
    photo = develop(denoise(without_fireflies(light)), scene, draw["film"])
    cars = [RenderedCar(body_type, _mask(seen, 1))]
    found = [RenderedCar(car.body_type, _mask(seen, number)) for number, car in enumerate(others, start=2)]
    found = [car for car in found if car.mask.sum() >= FEWEST_PIXELS]
    cars += sorted(found, key=lambda car: -int(car.mask.sum()))
    parameters = _parameters(shape, paint, scene, cars, _unoccluded(main, camera))
    return RenderedPhoto(encode(photo, scene.jpeg_quality), cars, parameters)


def _with_changes(
    changes: dict[str, Any], shape: CarShape, look: CarLook, scene: SceneParameters
) -> tuple[CarShape, CarLook, SceneParameters]:
    own = {
        "shape": {f"shape_{field.name}": field.name for field in fields(CarShape)},
        "look": {"dirt": "dirt", "paint": "finish"},
        "scene": {field.name: field.name for field in fields(SceneParameters)},
    }
    if unknown := set(changes).difference(*own.values()):
        raise ValueError(f"no parameter {min(unknown)!r} that could be changed")
    picked = {
        part: {name: changes[key] for key, name in names.items() if key in changes} for part, names in own.items()
    }
    return (replace(shape, **picked["shape"]), replace(look, **picked["look"]), replace(scene, **picked["scene"]))


def _corners(length: float, width: float, turn: float = 0.0, at: Floats = (0.0, 0.0)) -> Array:
    """(4, 2): a car's rectangle on the ground."""
    square = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) / 2 * [length, width]
    c, s = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    return square @ np.array([[c, s], [-s, c]]) + np.asarray(at)


def _other_cars(scene: SceneParameters, shape: CarShape, camera: Camera, rng: np.random.Generator) -> list[_OtherCar]:
    """Cars that stand beside the main one, as in a row of parked cars, or behind it as seen from the camera."""
    ahead = np.array([np.cos(np.radians(scene.view_angle)), np.sin(np.radians(scene.view_angle))])
    distance = float(np.linalg.norm(camera.position[:2]))
    taken = [_corners(shape.length + 0.8, shape.width + 0.8)]
    cars: list[_OtherCar] = []
    names, shares = list(SHARES), np.array(list(SHARES.values())) / sum(SHARES.values())
    for _ in range(scene.other_cars):
        body_type = names[int(rng.choice(len(names), p=shares))]
        other = sample_shape(body_type, rng)
        paint = sample_look(rng, body_type=body_type)
        for _ in range(12):
            if rng.uniform() < 0.5:  # in the row
                slot = (1 + int(rng.integers(3))) * (1 if rng.uniform() < 0.5 else -1)
                at = np.array([rng.normal(0, 0.35), slot * rng.uniform(2.5, 2.9)])
                turn = rng.normal(0, 2.5) + (180 if rng.uniform() < 0.3 else 0)
            else:  # behind
                away, aside = rng.uniform(4.5, 16), rng.uniform(-7, 7)
                at = -ahead * away + np.array([-ahead[1], ahead[0]]) * aside
                turn = rng.choice([0, 90, 180, 270]) + rng.normal(0, 8)
            nearness = float(at @ ahead)  # towards the camera
            corners = _corners(other.length + 0.3, other.width + 0.3, turn, at)
            free = not any(_overlap(corners, box) for box in taken)
            if free and nearness < min(0.25 * distance, 1.5) and np.linalg.norm(at - camera.position[:2]) > 4:
                taken.append(corners)
                parts = [
                    Part(part.name, part.mesh.turned("z", turn).moved([*at, 0.0]), part.material)
                    for part in build_car(other, paint)
                ]
                cars.append(_OtherCar(body_type, parts, corners))
                break
    return cars


def _overlap(a: Array, b: Array) -> bool:
    """Whether two convex quadrilaterals (4, 2) overlap: no edge of either separates them."""
    for corners in (a, b):
        for edge in np.roll(corners, -1, axis=0) - corners:
            normal = np.array([-edge[1], edge[0]])
            mine, theirs = a @ normal, b @ normal
            if mine.max() <= theirs.min() or theirs.max() <= mine.min():
                return False
    return True


def _drop_large_others(
    place: list[Part], main: list[Part], others: list[_OtherCar], camera: Camera
) -> tuple[Array, list[_OtherCar]]:
    """The visibility, with only those other cars that are clearly smaller than the main car."""
    while True:
        seen = trace_visibility([place, main, *(car.parts for car in others)], camera.sensor(), subsamples=SUBSAMPLES)
        main_size = _size(seen, 1)
        keep = [car for number, car in enumerate(others, start=2) if _size(seen, number) <= LARGEST_OTHER * main_size]
        if len(keep) == len(others):
            return seen, others
        others = keep


def _size(points: Array, group: int) -> float:
    """A car's size in points: the larger of its visible area and half its box, as its box must be smaller, too."""
    rows, columns = np.nonzero(points == group)
    if not len(rows):
        return 0.0
    return max(float(len(rows)), 0.5 * float((np.ptp(rows) + 1) * (np.ptp(columns) + 1)))


def _mask(points: Array, group: int) -> Array:
    """(160, 240) bool, the pixels of which at least half the points show a group."""
    count = (points == group).reshape(HEIGHT, SUBSAMPLES, WIDTH, SUBSAMPLES).sum(axis=(1, 3))
    return count * 2 >= SUBSAMPLES**2


def _unoccluded(main: list[Part], camera: Camera) -> tuple[float, float]:
    """Pixels of the main car without anything before it: within the frame, and in a frame twice as wide and high."""
    wide = replace(camera, focal_length=camera.focal_length / 2)
    alone = trace_visibility([main], wide.sensor(), subsamples=2) == 0
    inside = alone[HEIGHT // 2 : -HEIGHT // 2, WIDTH // 2 : -WIDTH // 2]
    return float(inside.sum()), float(alone.sum())


def _parameters(
    shape: CarShape, look: CarLook, scene: SceneParameters, cars: list[RenderedCar], unoccluded: tuple[float, float]
) -> dict[str, float | int | str]:
    visible = float(cars[0].mask.sum())
    rows, columns = np.nonzero(cars[0].mask)
    box_area = float((np.ptp(rows) + 1) * (np.ptp(columns) + 1)) if visible else 0.0
    inside, whole = unoccluded
    roof = {"open": "open", "soft top": "soft top"}.get(shape.variant, "closed")
    table = {
        "view": scene.view,
        **{name: value for name, value in asdict(scene).items() if name != "sky_seed"},
        "other_cars": len(cars) - 1,
        "car_share": box_area / (WIDTH * HEIGHT),
        "occlusion": max(0.0, 1 - visible / inside) if inside else 0.0,
        "cut_off": 1 - inside / whole if whole else 0.0,
        "paint": look.finish,
        "colour": look.colour,
        "dirt": look.dirt,
        "roof": roof,
        **{f"shape_{name}": value for name, value in asdict(shape).items() if name != "body_type"},
    }
    return {name: int(value) if isinstance(value, bool) else value for name, value in table.items()}
