"""A whole car from its shape and its look, as parts for a scene."""

from __future__ import annotations

from typing import Any

import numpy as np

from carseg_rendering.car.body import ROUND, BodySurface
from carseg_rendering.car.finishes import BLACK, CHROME, DULL, RED
from carseg_rendering.car.fittings import antenna, door_mirror, exhaust, plate, roof_rail, spare_wheel, wiper
from carseg_rendering.car.greenhouse import Greenhouse, build_shell
from carseg_rendering.car.interior import driver, folded_roof, interior
from carseg_rendering.car.paints import CarLook
from carseg_rendering.car.rears import plate_height
from carseg_rendering.car.shapes import CarShape
from carseg_rendering.car.trim import trim
from carseg_rendering.car.wheels import RIM_PATTERNS, wheel
from carseg_rendering.geometry.materials import matte
from carseg_rendering.geometry.meshes import Part

UNDERSIDE = matte((0.012, 0.012, 0.012))


def build_car(shape: CarShape, look: CarLook) -> list[Part]:
    """The parts of a car that stands on z = 0 at the origin, x forward, y left (metres)."""
    body, cabin = build_shell(shape)
    painted, floor = body.meshes(cabin.cabin())
    paint = look.body()
    lips = body.arch_lips().with_mirror()
    parts = [
        Part("body", painted, paint),
        Part("floor", floor, UNDERSIDE),
        Part("arch lips", lips, look.lower() if shape.cladding else paint),
        Part("wells", body.wells().with_mirror(), UNDERSIDE),
        *trim(body, look, cabin.pillars),
        *_top(body, cabin, look),
        *_inside(body, cabin, look),
        *_wheels(shape, look),
        *_fittings(body, cabin, look),
    ]
    return parts


def _top(body: BodySurface, cabin: Greenhouse, look: CarLook) -> list[Part]:
    shape, paint = body.shape, look.body()
    frame = {0: paint, 1: BLACK, 2: CHROME}[shape.trim_style]
    if not shape.has_roof:
        parts = [
            Part("windscreen", cabin.front_glass(), look.pane()),
            Part("frame", cabin.windscreen_frame(), paint if shape.trim_style == 0 else BLACK),
            Part("coaming", cabin.coaming(), BLACK),
            Part("shelf", cabin.shelf(), matte(look.interior)),
        ]
        if shape.windows_up:
            parts.append(Part("side glass", cabin.door_glass(), look.pane()))
        if shape.roll_bar:
            parts.append(Part("roll bar", cabin.roll_bar(), paint))
        return parts
    pieces = cabin.pieces()
    cloth = matte(look.cloth)
    soft = shape.variant == "soft top"
    roof = cloth if soft else BLACK if look.black_roof else paint
    materials = {
        "windscreen": look.pane(),
        "rear screen": look.pane(rear=True),
        "side glass": look.pane(),
        "rear glass": look.pane(rear=True),
        "pillar": cloth if soft else paint,
        "door pillar": BLACK,
        "sill": frame,
        "header": cloth if soft else frame,
    }
    parts = [Part(kind, mesh, materials[kind]) for kind, mesh in pieces.items()]
    parts.append(Part("roof", cabin.skin(), roof))
    if shape.roof_spoiler > 0.03:
        parts.append(Part("roof spoiler", cabin.spoiler(), paint))
    if shape.tail_lamp == "pillar":
        parts.append(Part("tail lamp", cabin.pillar_lamp(), RED))
    parts.append(Part("shelf", cabin.shelf(), UNDERSIDE))
    parts.append(Part("seal", cabin.seal(), BLACK))
    return parts


def _inside(body: BodySurface, cabin: Greenhouse, look: CarLook) -> list[Part]:
    shape = body.shape
    belt = float(body.shoulder_height(0.0)) - 0.02
    front_x = body.cowl_x - 0.12
    half_width = min(float(cabin.base[:, 1].max()) - 0.05, float(body.reach(front_x)) - 0.04)
    # a straight tub must end where the body begins to narrow
    along = np.linspace(cabin.base[:, 0].min(), 0.0, 60)
    rear = float(along[np.argmax(body.reach(along) - 0.04 >= half_width)]) + 0.03
    cabin_size: dict[str, Any] = {
        "floor_z": shape.clearance + 0.12,
        "belt_z": belt,
        "front_x": front_x,
        "rear_x": rear,
        "half_width": half_width,
    }
    parts = interior(**cabin_size, rows=shape.rows, colour=look.interior, has_roof=shape.has_roof)
    if look.driver:
        parts += driver(**cabin_size, rows=shape.rows)
    if not shape.has_roof:
        z = float(body.top_height(np.array([rear]), np.array([0.0]))[0])
        parts += folded_roof(x=rear + 0.10, z=z, half_width=half_width - 0.06, length=0.42, colour=look.cloth)
    return parts


def _wheels(shape: CarShape, look: CarLook) -> list[Part]:
    rim = shape.rim_share * shape.wheel_radius
    one = wheel(shape.wheel_radius, shape.tyre_width, rim, RIM_PATTERNS[shape.rim % len(RIM_PATTERNS)], look.rims())
    track = shape.width / 2 - shape.tyre_width / 2 - 0.035
    parts = []
    for x in (shape.front_axle, shape.rear_axle):
        for part in one:
            left = part.mesh.moved([x, track, shape.wheel_radius])
            parts.append(Part(part.name, left.with_mirror(), part.material))
    return parts


def _fittings(body: BodySurface, cabin: Greenhouse, look: CarLook) -> list[Part]:
    shape = body.shape
    parts = []
    base = cabin.base[np.argmin(np.abs(cabin.base[:, 0] - (body.cowl_x - 0.42)))]
    for part in door_mirror(look.body()):
        parts.append(Part(part.name, part.mesh.moved(base + np.array([0.0, -0.02, 0.05])).with_mirror(), part.material))
    front_z, rear_z = plate_height(body)
    for x_index, z, turn in ((0, front_z, 0.0), (ROUND - 1, rear_z, 180.0)):
        at = body.at(np.array([float(x_index)]), np.array([z]))[0] + np.array(
            [0.025 if turn == 0 else -0.025, 0.0, 0.0]
        )
        for part in plate("short" if look.plate % 2 else "long", pattern=look.plate):
            parts.append(Part(part.name, part.mesh.turned("z", turn).moved(at), part.material))
    parts += _small_things(body, cabin)
    if shape.roof_rails:
        for part in roof_rail(cabin.rail(), BLACK if shape.trim_style != 2 else CHROME):
            parts.append(Part(part.name, part.mesh.with_mirror(), part.material))
    if shape.spare_wheel:
        at = [float(body.points[-1, :, 0].min()) - 0.04, 0.0, 0.5 * (body.shape.cowl_height + shape.clearance) + 0.18]
        for part in spare_wheel(shape.wheel_radius * 0.95, 0.2, DULL):
            parts.append(Part(part.name, part.mesh.moved(at), part.material))
    return parts


def _small_things(body: BodySurface, cabin: Greenhouse) -> list[Part]:
    """Wipers, exhaust and aerial."""
    shape = body.shape
    placed = []
    for y in (0.10, -0.48):
        glass = cabin.base[0] + np.array([-0.06, y, 0.05])
        tilt = 90.0 - shape.windscreen_rake
        placed += [(part, part.mesh.turned("y", -tilt).moved(glass)) for part in wiper(0.42)]
    low = [float(body.points[-1, :, 0].min()) + 0.04, 0.28 * shape.width, shape.clearance + 0.06]
    placed += [(part, part.mesh.moved(low)) for part in exhaust()]
    if shape.has_roof and shape.variant != "soft top" and shape.rim % 3 == 0:
        top = [float(cabin.roof[:, 0].min()) + 0.25, 0.0, shape.height - shape.roof_drop - 0.01]
        placed += [(part, part.mesh.moved(top)) for part in antenna()]
    return [Part(part.name, mesh, part.material) for part, mesh in placed]
