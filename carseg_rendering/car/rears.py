"""The rear of a car: tail lamps in one of several outlines, lid or gate, the bumper."""

from __future__ import annotations

from carseg_rendering.car.body import ROUND, BodySurface
from carseg_rendering.car.finishes import BLACK, CHROME, CLEAR, DARK_RED, DULL, RED
from carseg_rendering.car.fronts import disc_on
from carseg_rendering.geometry.meshes import Part

TAIL_LAMPS = ("corner", "wedge", "strip", "tall", "round", "pillar")  # "pillar" is tall and goes on beside the glass


def rear(body: BodySurface) -> list[Part]:
    """All that lies on the rear of the painted body, both sides."""
    shape = body.shape
    half = shape.width / 2
    tail = float(body.shoulder_height(-shape.length / 2))
    parts = _tail_lamps(body, tail)
    # lid or gate: gaps, the plate's recess, a bumper's rubber
    edge = body.round_at(rear_y=0.78 * half)
    bumper = shape.clearance + 0.36
    parts.append(Part("lid gap", body.patch(edge, ROUND - 1, bumper, bumper + 0.010, lift=0.004).with_mirror(), BLACK))
    plate_z = plate_height(body)[1]
    recess = body.patch(body.round_at(rear_y=0.34), ROUND - 1, plate_z - 0.09, plate_z + 0.09, lift=0.004)
    parts.append(Part("plate recess", recess.with_mirror(), DULL))
    if plate_z > bumper:
        bar = body.patch(body.round_at(rear_y=0.42), ROUND - 1, plate_z + 0.10, plate_z + 0.135, lift=0.012)
        parts.append(Part("lid bar", bar.with_mirror(), CHROME if shape.trim_style == 2 else BLACK))
    if shape.bumper_strip:
        z = shape.clearance + 0.42 * (float(body.shoulder_height(0.0)) - shape.clearance)
        strip = body.patch(body.round_at(x=shape.rear_axle - 0.45), ROUND - 1, z - 0.035, z + 0.035, lift=0.012)
        parts.append(Part("bumper strip", strip.with_mirror(), CHROME if shape.trim_style == 2 else DULL))
    low = shape.clearance + 0.10
    lip = body.patch(body.round_at(rear_y=0.80 * half), ROUND - 1, low, low + 0.09, lift=0.004)
    return [*parts, Part("rear lip", lip.with_mirror(), DULL)]


def plate_height(body: BodySurface) -> tuple[float, float]:
    """Heights of the front and the rear number plate's middle."""
    shape = body.shape
    tail = float(body.shoulder_height(-shape.length / 2))
    low = shape.clearance + 0.24
    return low, (0.5 * (low + 0.12 + tail - 0.12) if shape.upright or shape.rim % 2 else low + 0.05)


def _tail_lamps(body: BodySurface, tail: float) -> list[Part]:
    shape, kind = body.shape, body.shape.tail_lamp
    half = shape.width / 2
    top = tail - 0.05
    room = top - shape.clearance - 0.40
    # across corners and wedges, up tall ones
    wide = 0.20 if kind in ("tall", "pillar") else 0.8 * shape.lamp_width
    height = min(shape.tail_lamp_height, room)
    if kind not in ("tall", "pillar"):
        height = min(height, 0.26)
    red = DARK_RED if shape.rim % 4 == 3 else RED
    if kind == "round":
        radius = min(0.075, height / 2)
        middle = body.round_at(rear_y=0.72 * half)
        places = (
            [middle] if shape.rim % 2 else [middle - 0.8 * radius / body.spacing, middle + 1.7 * radius / body.spacing]
        )
        parts = [Part("lamp frame", disc_on(body, at, top - radius, radius + 0.01, 0.004), CHROME) for at in places]
        return parts + [Part("tail lamp", disc_on(body, at, top - radius, radius, 0.010), red) for at in places]
    outer = body.round_at(rear_y=0.97 * half)
    outer = max(outer - (1.5 if kind == "tall" else 5.0), body.round_at(x=-shape.length / 2 + 0.38))
    inner = body.round_at(rear_y=max(0.96 * half - wide, 0.30))
    low = top - height
    lower, upper = [(0.0, low), (1.0, low)], [(0.0, top), (1.0, top)]
    if kind == "wedge":
        lower, upper = [(0.0, low + 0.5 * height), (0.45, low), (1.0, low + 0.3 * height)], [(0.0, top), (1.0, top)]
    parts = [Part("tail lamp", body.patch(outer, inner, lower, upper, lift=0.008).with_mirror(), red)]
    third = low + 0.3 * height
    clear = body.patch(inner - 0.55 * (inner - outer), inner - 0.4, third, third + 0.045, lift=0.012)
    parts.append(Part("reverse lamp", clear.with_mirror(), CLEAR))
    if kind == "strip":
        strip = body.patch(inner, ROUND - 1, low + 0.25 * height, top - 0.15 * height, lift=0.008)
        parts.append(Part("tail strip", strip.with_mirror(), red if shape.rim % 2 else BLACK))
    return parts
