"""Parts of cars, alone: a bumper, a bonnet, a door, seats, an engine. None of them is a car."""

from __future__ import annotations

import numpy as np

from carseg_lib.core.classes import BODY_TYPES
from carseg_rendering.car.body import BodySurface
from carseg_rendering.car.finishes import DULL, RED
from carseg_rendering.car.fittings import door_mirror, exhaust, plate
from carseg_rendering.car.greenhouse import build_shell
from carseg_rendering.car.paints import CarLook, sample_look
from carseg_rendering.car.seats import Cabin, bench, front_seat
from carseg_rendering.car.shapes import CarShape, sample_shape
from carseg_rendering.geometry.materials import glass, lamp_glass, matte
from carseg_rendering.geometry.meshes import Array, Mesh, Part, grid, merged, tube, without_faces
from carseg_rendering.scene.plants import placed
from carseg_rendering.things.forms import (
    BLACK,
    CHROME,
    RUBBER,
    STEEL,
    Maker,
    ball,
    both_sides,
    extent,
    pipe,
    ring,
    rod,
    roller,
    solid,
    trimmed,
)


def sample_car(rng: np.random.Generator) -> tuple[CarShape, CarLook]:
    """The shape and the look of a car of any type."""
    body_type = BODY_TYPES[int(rng.integers(len(BODY_TYPES)))]
    return sample_shape(body_type, rng), sample_look(rng, body_type=body_type)


def grounded(parts: list[Part]) -> list[Part]:
    """The same parts, moved up or down onto z = 0."""
    return placed(parts, (0, 0, -float(extent(parts)[0, 2])))


def _painted(shape: CarShape) -> tuple[BodySurface, Mesh]:
    body, cabin = build_shell(shape)
    return body, body.meshes(cabin.cabin())[0]


def _bumper(rng: np.random.Generator) -> list[Part]:
    """The lower front or rear of a body, some 25 cm high, on two trestles or the ground."""
    shape, look = sample_car(rng)
    body, skin = _painted(shape)
    front = rng.random() < 0.6
    low = shape.clearance
    reach = rng.uniform(0.3, 0.42)

    def drop(centres: Array) -> Array:
        ahead = centres[:, 0] if front else -centres[:, 0]
        return (ahead < shape.length / 2 - reach) | (centres[:, 2] > low + 0.34) | (centres[:, 2] < low + 0.02)

    shell = trimmed(without_faces(skin, drop))
    parts = [Part("bumper", shell, look.body())]
    if front:
        mouth = body.patch(
            0, body.round_at(front_y=0.5 * shape.width / 2), low + 0.11, low + 0.2, lift=0.006
        ).with_mirror()
        parts.append(Part("mouth", mouth, DULL))
    parts = [
        Part(p.name, p.mesh.turned("z", 0 if front else 180).moved((-shape.length / 2, 0, 0)), p.material)
        for p in parts
    ]
    if rng.random() < 0.5:
        return grounded(parts)
    raised = placed(grounded(parts), (0, 0, 0.62))
    legs = [both_sides(rod((x, 0, 0), (-0.22, 0, 0.66), 0.025), 0.5) for x in (-0.45, 0.0)]
    return [*raised, Part("trestles", merged([*legs, rod((-0.22, -0.75, 0.66), (-0.22, 0.75, 0.66), 0.03)]), STEEL)]


def _bonnet(rng: np.random.Generator) -> list[Part]:
    """A bonnet, set up on its rear edge."""
    shape, look = sample_car(rng)
    body, skin = _painted(shape)
    edge = body.cowl_x + 0.06

    def drop(centres: Array) -> Array:
        low = body.shoulder_height(centres[:, 0]) - 0.004
        return (centres[:, 0] < edge) | (centres[:, 2] < low) | (np.abs(centres[:, 1]) > 0.72 * shape.width / 2)

    panel = trimmed(without_faces(skin, drop)).moved((-edge, 0, 0)).turned("y", -rng.uniform(60, 80))
    stays = [rod((0.0, 0, 0.9), (-0.5, 0, 0), 0.02)]
    parts = grounded([Part("bonnet", panel, look.body())])
    middle = extent(parts).mean(axis=0)
    parts = placed(parts, (-middle[0], -middle[1]))
    return [*parts, Part("stays", both_sides(merged(stays), 0.3), STEEL)]


def _door(rng: np.random.Generator) -> list[Part]:
    """A door with its window frame, leaning on a stand, seen from outside or inside."""
    shape, look = sample_car(rng)
    body, _ = build_shell(shape)
    front = min(body.cowl_x - 0.05, shape.front_axle - shape.wheel_radius - 0.12)
    length, sill = rng.uniform(0.95, 1.25), shape.clearance + 0.09
    start, end = body.round_at(x=front), body.round_at(x=front - length)
    belt = float(body.shoulder_height(front - length / 2)) - 0.015
    panel = body.patch(start, end, sill, belt, lift=0.0, steps=(24, 12))
    handle = body.patch(
        body.round_at(x=front - length + 0.26),
        body.round_at(x=front - length + 0.08),
        belt - 0.16,
        belt - 0.13,
        lift=0.03,
        steps=(8, 3),
    )
    shift = (-front + length / 2, -shape.width / 2, -sill)
    tall = rng.uniform(0.35, 0.45)
    top = belt - sill
    frame = pipe(
        [
            (length / 2 - 0.02, -0.07, top),
            (0.18, -0.16, top + tall),
            (-length / 2 + 0.1, -0.17, top + tall),
            (-length / 2 + 0.02, -0.07, top),
        ],
        0.025,
        steps=40,
    )
    pane = Mesh(
        np.array(
            [
                (length / 2 - 0.05, -0.08, top),
                (0.17, -0.16, top + tall),
                (-length / 2 + 0.1, -0.17, top + tall),
                (-length / 2 + 0.03, -0.08, top),
            ]
        ),
        np.array([[0, 1, 2], [0, 2, 3]]),
        False,
    )
    inner = panel.moved(shift).moved((0, -0.09, 0))
    parts = [
        Part("panel", panel.moved(shift), look.body()),
        Part("handle", handle.moved(shift), CHROME),
        Part("frame", frame, BLACK),
        Part("inner", inner, matte(look.interior)),
    ]
    if rng.random() < 0.6:
        parts.append(Part("pane", pane, glass(0.5)))
    if rng.random() < 0.6:
        parts += [
            Part(p.name, p.mesh.moved((length / 2 - 0.12, -0.05, top + 0.04)), p.material)
            for p in door_mirror(look.body())
        ]
    turn = -90.0 if rng.random() < 0.7 else 90.0
    stand = [rod((x, -0.5, 0), (x, -0.12, 0.8), 0.02) for x in (-0.3, 0.3)] + [solid((0.7, 0.3, 0.04), (0, -0.05, 0))]
    return [
        Part(p.name, p.mesh.turned("z", turn), p.material)
        for p in [*grounded(parts), Part("stand", merged(stand), STEEL)]
    ]


def _screen_frame(rng: np.random.Generator) -> list[Part]:
    """A bare windscreen with its frame, on a trestle."""
    shape, look = sample_car(rng)
    width, low, tall, lean = 0.72 * shape.width, rng.uniform(0.3, 0.6), rng.uniform(0.6, 0.85), rng.uniform(0.15, 0.4)
    t = np.linspace(-1, 1, 21)
    bow = 0.16 * (1 - t**2)
    bottom = np.stack([bow, width / 2 * t, 0 * t + low], 1)
    top = np.stack([0.8 * bow - lean, 0.42 * width * t, 0 * t + low + tall], 1)
    pane = grid(np.stack([bottom * (1 - s) + top * s for s in np.linspace(0, 1, 8)], 1))
    frame = tube(np.concatenate([bottom, top[::-1]]), 0.03, closed=True)
    legs = [both_sides(rod((0.0, 0, low), (x, 0, 0), 0.025), 0.4 * width) for x in (-0.5, 0.25)]
    parts = [
        Part("frame", frame, look.body() if rng.random() < 0.5 else BLACK),
        Part("legs", merged([*legs, rod((-0.5, -0.4 * width, 0.03), (-0.5, 0.4 * width, 0.03), 0.02)]), STEEL),
    ]
    return [*parts, Part("pane", pane, glass(0.55))] if rng.random() < 0.7 else parts


def _seat(rng: np.random.Generator) -> list[Part]:
    cabin = Cabin(
        floor_z=0.0,
        belt_z=rng.uniform(0.62, 0.72),
        front_x=1.0,
        rear_x=-1.2,
        half_width=rng.uniform(0.64, 0.72),
        rows=2,
    )
    colour = np.asarray(sample_look(rng, body_type="sedan").interior) * 1.5
    cover, inlay = matte(colour), matte(colour * rng.uniform(0.4, 1.6))
    if rng.random() < 0.35:
        return bench(cabin, cabin.hips[1], cover, inlay, last=False)
    places = (0.0,) if rng.random() < 0.6 else (-0.32, 0.32)
    return [part for y in places for part in front_seat(cabin, cabin.hips[0], y, cover, inlay)]


def _exhaust(rng: np.random.Generator) -> list[Part]:
    length = rng.uniform(1.2, 2.0)
    pot = ball((0.32, 0.18, 0.12), (0, -0.5 * length + 0.4, 0.14), powers=(0.5, 0.8))
    line = pipe(
        [(0, -0.5 * length + 0.4, 0.14), (0.12, 0, 0.12), (-0.1, 0.25 * length, 0.12), (0, 0.6 * length, 0.14)], 0.035
    )
    ends = [
        Part(p.name, p.mesh.turned("z", 90).moved((0.1, -0.5 * length + 0.1, 0.14)), p.material)
        for p in exhaust(radius=0.045)
    ]
    flange = roller(0.075, 0.03, (0, 0.6 * length, 0.14))
    return [Part("pot", merged([pot, line, flange]), STEEL), *ends]


def _lamps(rng: np.random.Generator) -> list[Part]:
    """A head lamp or tail lamp and number plates, on a table of boards."""
    shape, look = sample_car(rng)
    body, _ = build_shell(shape)
    rear = rng.random() < 0.5
    start, end = (
        (body.round_at(rear_y=0.9 * shape.width / 2), body.round_at(rear_y=0.5 * shape.width / 2))
        if rear
        else (body.round_at(front_y=0.45 * shape.width / 2), body.round_at(front_y=0.9 * shape.width / 2))
    )
    z = 0.75
    lamp = body.patch(start, end, z - 0.1, z + 0.08, lift=0.01)
    back = body.patch(start - 0.4, end + 0.4, z - 0.12, z + 0.1, lift=0.0)
    shift = -lamp.vertices.mean(axis=0) + [0, 0, 0.62]
    turn = 180.0 if rear else 0.0
    parts = [
        Part("lamp", lamp.moved(shift).turned("z", turn), RED if rear else lamp_glass((0.6, 0.62, 0.64))),
        Part("back", back.moved(shift).turned("z", turn), BLACK),
    ]
    parts += [
        Part(p.name, p.mesh.moved((0.1, 0.45, 0.56)), p.material)
        for p in plate("long" if rng.random() < 0.5 else "short", pattern=look.plate)
    ]
    table = [
        solid((0.6, 1.3, 0.05), (0, 0.2, 0.45)),
        *(solid((0.06, 0.06, 0.45), (x, 0.2 + y, 0)) for x in (-0.25, 0.25) for y in (-0.6, 0.6)),
    ]
    return [*parts, Part("table", merged(table), STEEL)]


def _engine(rng: np.random.Generator) -> list[Part]:
    cylinders = int(rng.choice([3, 4, 6]))
    length = 0.12 * cylinders + 0.15
    block = [
        solid((0.4, length, 0.4), (0, 0, 0.3), rounding=0.03),
        solid((0.3, length, 0.14), (0, 0, 0.7), rounding=0.05),
        solid((0.36, 0.9 * length, 0.2), (0, 0, 0.14), rounding=0.06),
    ]
    runners = [
        pipe([(0.18, y, 0.62), (0.36, y, 0.66), (0.38, y, 0.4)], 0.035)
        for y in (np.arange(cylinders) - (cylinders - 1) / 2) * 0.12
    ]
    wheels = [
        roller(r, 0.05, (x, length / 2 + 0.04, z))
        for r, x, z in ((0.12, 0, 0.28), (0.08, 0.2, 0.5), (0.07, -0.18, 0.55))
    ]
    plugs = [rod((-0.05, y, 0.83), (-0.02, y, 0.92), 0.02) for y in (np.arange(cylinders) - (cylinders - 1) / 2) * 0.12]
    stand = [solid((0.5, 0.08, 0.14), (0, y, 0)) for y in (-0.4 * length, 0.4 * length)]
    return [
        Part("block", merged(block), STEEL),
        Part("runners", merged(runners), CHROME),
        Part("wheels", merged(wheels), BLACK),
        Part("plugs", merged(plugs), RUBBER),
        Part("stand", merged(stand), matte((0.2, 0.13, 0.07))),
    ]


def _steering(rng: np.random.Generator) -> list[Part]:
    radius = rng.uniform(0.17, 0.21)
    spokes = [
        rod((0, 0, 0), (radius * np.cos(a), 0, radius * np.sin(a)), 0.016)
        for a in np.radians([0, 180, 270][: int(rng.integers(2, 4))])
    ]
    made = (
        merged([ring(radius, 0.016), *spokes, ball((0.08, 0.035, 0.07))])
        .turned("z", 90)
        .turned("y", -rng.uniform(0, 30))
    )
    return [
        Part("wheel", made.moved((0, 0, 0.5)), BLACK),
        Part("column", rod((0, 0, 0.5), (-0.12, 0, 0.0), 0.03), STEEL),
        Part("foot", solid((0.4, 0.3, 0.03), (-0.1, 0, 0)), STEEL),
    ]


KINDS: dict[str, Maker] = {
    "bumper": _bumper,
    "bonnet": _bonnet,
    "door": _door,
    "windscreen frame": _screen_frame,
    "seats": _seat,
    "exhaust": _exhaust,
    "lamp and plate": _lamps,
    "engine": _engine,
    "steering wheel": _steering,
}
