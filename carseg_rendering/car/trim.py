"""Trim on the surface of a car's body: lamps, grille, bumpers' openings, gaps between doors, mouldings."""

from __future__ import annotations

import numpy as np

from carseg_rendering.car.body import ROUND, BodySurface
from carseg_rendering.car.paints import CarLook
from carseg_rendering.geometry.materials import lamp_glass, metal, plastic
from carseg_rendering.geometry.meshes import Part

BLACK = plastic((0.012, 0.012, 0.013), roughness=0.25)
DULL = plastic((0.03, 0.03, 0.032), roughness=0.4)
CHROME = metal((0.88, 0.89, 0.90), roughness=0.04)
CLEAR = lamp_glass((0.40, 0.42, 0.44))
REFLECTOR = metal((0.92, 0.93, 0.95), roughness=0.12)
RED = lamp_glass((0.34, 0.008, 0.010))
AMBER = lamp_glass((0.75, 0.22, 0.02))


def trim(body: BodySurface, look: CarLook) -> list[Part]:
    """All that lies on the painted body, both sides."""
    return [*_front(body), *_rear(body), *_sides(body, look)]


def _front(body: BodySurface) -> list[Part]:
    shape = body.shape
    nose = shape.nose_height
    bottom = shape.clearance
    top = nose - 0.075
    outer = min(shape.width / 2 - 0.05, 0.94 * shape.width / 2)
    lamp_in = max(outer - shape.lamp_width, 0.36)
    start, end = body.round_at(front_y=lamp_in), body.round_at(front_y=outer)
    # lamps reach round the corner and back along the side
    end = min(end + 1.0, body.round_at(x=shape.length / 2 - 0.42))
    low = top - shape.lamp_height
    slant = 0.35 * shape.lamp_height
    lower = [(0.0, low + 0.3 * slant), (0.35, low), (1.0, low + slant)]
    upper = [(0.0, top - 0.6 * slant), (0.5, top - 0.01), (1.0, top + 0.02)]
    frame_low = [(s, z - 0.012) for s, z in lower]
    frame_high = [(s, z + 0.012) for s, z in upper]
    inner_low = [(s, z + 0.22 * shape.lamp_height) for s, z in lower]
    inner_high = [
        (s, max(z - 0.2 * shape.lamp_height, zl + 0.03)) for (s, z), (_, zl) in zip(upper, inner_low, strict=True)
    ]
    parts = [
        Part("lamp frame", body.patch(start - 0.4, end + 0.4, frame_low, frame_high, lift=0.003).with_mirror(), BLACK),
        Part("headlamp", body.patch(start, end, lower, upper, lift=0.008).with_mirror(), CLEAR),
    ]
    middle = start + 0.52 * (end - start)
    parts.append(
        Part("beam", body.patch(start + 0.5, middle, inner_low, inner_high, lift=0.014).with_mirror(), REFLECTOR)
    )
    parts.append(Part("turn lamp", body.patch(end - 2.0, end, lower, upper, lift=0.011).with_mirror(), AMBER))

    half = min(shape.grille_width / 2, lamp_in - 0.03)
    grille_top = top - 0.02
    grille_low = max(grille_top - shape.grille_height, bottom + 0.30)
    reach = body.round_at(front_y=half)
    curve_low = [(0.0, grille_low), (0.7, grille_low + 0.01), (1.0, grille_low + 0.05)]
    curve_high = [(0.0, grille_top), (0.7, grille_top), (1.0, grille_top - 0.03)]
    rim_low = [(s, z - 0.022) for s, z in curve_low]
    rim_high = [(s, z + 0.022) for s, z in curve_high]
    surround = CHROME if shape.trim_style == 2 or shape.rim % 2 else DULL
    parts.append(
        Part("grille frame", body.patch(0, reach + 0.7, rim_low, rim_high, lift=0.006).with_mirror(), surround)
    )
    parts.append(Part("grille", body.patch(0, reach, curve_low, curve_high, lift=0.012).with_mirror(), BLACK))
    for share in np.linspace(0.25, 0.75, 2 + shape.rim % 2):
        z = grille_low + share * (grille_top - grille_low)
        bar = body.patch(0, reach - 0.6, z - 0.008, z + 0.008, lift=0.018, steps=(16, 2)).with_mirror()
        parts.append(Part("grille bar", bar, surround))

    # the lower opening of the bumper and its lip
    mouth = body.round_at(front_y=0.62 * shape.width / 2)
    low_z, high_z = bottom + 0.12, min(bottom + 0.12 + 0.11 + 0.3 * shape.grille_height, grille_low - 0.09)
    ends = [(0.0, low_z), (0.8, low_z), (1.0, low_z + 0.035)]
    tops = [(0.0, high_z), (0.8, high_z), (1.0, high_z - 0.03)]
    parts.append(Part("mouth", body.patch(0, mouth, ends, tops, lift=0.005).with_mirror(), DULL))
    if shape.fog_lamps:
        a, b = body.round_at(front_y=0.72 * shape.width / 2), body.round_at(front_y=0.79 * shape.width / 2)
        z = bottom + 0.19
        parts.append(
            Part("fog recess", body.patch(a - 0.5, b + 0.7, z - 0.05, z + 0.05, lift=0.004).with_mirror(), DULL)
        )
        parts.append(Part("fog lamp", body.patch(a, b, z - 0.028, z + 0.028, lift=0.010).with_mirror(), CLEAR))
    # the shut line of the hood
    seam = body.patch(0, start, top + 0.018, top + 0.026, lift=0.004, steps=(20, 2)).with_mirror()
    parts.append(Part("hood line", seam, BLACK))
    return parts


def _rear(body: BodySurface) -> list[Part]:
    shape = body.shape
    tail = float(body.shoulder_height(-shape.length / 2))
    upright = shape.deck_length < 0.3
    outer = body.round_at(rear_y=0.97 * shape.width / 2)
    outer = max(outer - (1.5 if upright else 3.0), body.round_at(x=-shape.length / 2 + 0.35))
    top = tail - 0.05
    low = max(top - shape.tail_lamp_height, shape.clearance + 0.42)
    wide = 0.20 if upright else shape.lamp_width * 0.8
    inner = body.round_at(rear_y=max(0.96 * shape.width / 2 - wide, 0.35))
    parts = [Part("tail lamp", body.patch(outer, inner, low, top, lift=0.008).with_mirror(), RED)]
    third = low + 0.3 * (top - low)
    parts.append(
        Part(
            "reverse lamp", body.patch(outer + 1.0, inner - 0.4, third, third + 0.045, lift=0.012).with_mirror(), CLEAR
        )
    )
    # lid or gate: gaps, the plate's recess, a bumper's rubber
    edge = body.round_at(rear_y=0.78 * shape.width / 2)
    bumper = shape.clearance + 0.36
    parts.append(Part("lid gap", body.patch(edge, ROUND - 1, bumper, bumper + 0.010, lift=0.004).with_mirror(), BLACK))
    recess = body.round_at(rear_y=0.34)
    plate_z = plate_height(body)[1]
    parts.append(
        Part(
            "plate recess",
            body.patch(recess, ROUND - 1, plate_z - 0.09, plate_z + 0.09, lift=0.004).with_mirror(),
            DULL,
        )
    )
    bar = body.patch(body.round_at(rear_y=0.42), ROUND - 1, plate_z + 0.10, plate_z + 0.135, lift=0.012).with_mirror()
    parts.append(Part("lid bar", bar, CHROME if shape.trim_style == 2 else BLACK))
    lip = body.patch(
        body.round_at(rear_y=0.80 * shape.width / 2),
        ROUND - 1,
        shape.clearance + 0.10,
        shape.clearance + 0.19,
        lift=0.004,
    )
    parts.append(Part("rear lip", lip.with_mirror(), DULL))
    return parts


def plate_height(body: BodySurface) -> tuple[float, float]:
    """Heights of the front and the rear number plate's middle."""
    shape = body.shape
    tail = float(body.shoulder_height(-shape.length / 2))
    low = shape.clearance + 0.24
    return low, (0.5 * (low + 0.12 + tail - 0.12) if shape.deck_length < 0.3 or shape.rim % 2 else low + 0.05)


def _sides(body: BodySurface, look: CarLook) -> list[Part]:
    shape = body.shape
    sill = shape.clearance + 0.09
    front_gap = min(body.cowl_x - 0.05, shape.front_axle - shape.wheel_radius - 0.12)
    rear_gap = max(shape.rear_axle + 0.10, body.deck_x + 0.15)
    lines = []

    def gap(x_top: float, x_bottom: float) -> None:
        z = np.linspace(sill, float(body.shoulder_height(x_top)) - 0.015, 12)
        x = x_bottom + (x_top - x_bottom) * np.linspace(0, 1, 12) ** 1.3
        lines.append(body.line(list(zip(x, z, strict=True))))

    gap(front_gap, front_gap - 0.02)
    doors = [front_gap]
    if shape.doors == 2:
        middle = 0.5 * (front_gap + rear_gap) + 0.02 * shape.length
        gap(middle, middle)
        gap(rear_gap, rear_gap + 0.20)
        doors.append(middle)
    else:
        end = front_gap - min(1.35, 0.82 * (front_gap - rear_gap))
        gap(end, end)
        rear_gap = end
    ends = [doors[1] if len(doors) > 1 else rear_gap, rear_gap]
    low = [(x, sill) for x in np.linspace(front_gap, rear_gap, 8)]
    lines.append(body.line(low))
    parts = [Part("door gap", line.with_mirror(), BLACK) for line in lines]
    belt = 0.78 * float(body.shoulder_height(0.0)) + 0.03
    handle = plastic(look.base, roughness=0.1) if shape.trim_style != 2 else CHROME
    for x in ends[: len(doors)]:
        a, b = body.round_at(x=x + 0.24), body.round_at(x=x + 0.06)
        parts.append(
            Part(
                "handle shadow",
                body.patch(a - 0.3, b + 0.3, belt - 0.030, belt + 0.016, lift=0.003).with_mirror(),
                BLACK,
            )
        )
        parts.append(
            Part("handle", body.patch(a, b, belt - 0.012, belt + 0.016, lift=0.028, steps=(8, 3)).with_mirror(), handle)
        )
    if shape.side_moulding:
        z = shape.clearance + 0.46 * (float(body.shoulder_height(0.0)) - shape.clearance)
        a, b = (
            body.round_at(x=x)
            for x in (shape.front_axle - shape.wheel_radius - 0.1, shape.rear_axle + shape.wheel_radius + 0.1)
        )
        moulding = body.patch(a, b, z - 0.025, z + 0.025, lift=0.012, steps=(40, 3))
        parts.append(Part("moulding", moulding.with_mirror(), DULL if shape.trim_style != 2 else CHROME))
    if shape.cladding:
        parts.extend(_cladding(body))
    if shape.sliding_door:
        z = float(body.shoulder_height(body.deck_x)) - 0.10
        a, b = body.round_at(x=rear_gap + 0.05), body.round_at(x=-shape.length / 2 + 0.25)
        parts.append(Part("door rail", body.patch(a, b, z, z + 0.022, lift=0.004, steps=(30, 2)).with_mirror(), BLACK))
    return parts


def _cladding(body: BodySurface) -> list[Part]:
    """Dark plastic along sills and bumpers and round the arches."""
    shape = body.shape
    parts = []
    pieces = [
        (0.0, body.round_at(x=shape.front_axle + shape.wheel_radius + 0.10), 0.19),
        (
            body.round_at(x=shape.front_axle - shape.wheel_radius - 0.10),
            body.round_at(x=shape.rear_axle + shape.wheel_radius + 0.10),
            0.13,
        ),
        (body.round_at(x=shape.rear_axle - shape.wheel_radius - 0.10), ROUND - 1.0, 0.26),
    ]
    for start, end, height in pieces:
        mesh = body.patch(start, end, shape.clearance, shape.clearance + height, lift=0.005, steps=(60, 5))
        parts.append(Part("cladding", mesh.with_mirror(), DULL))
    return parts
