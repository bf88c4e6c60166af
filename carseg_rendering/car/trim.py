"""Trim on the surface of a car's body: its front and rear, gaps between doors, mouldings, cladding."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from carseg_rendering.car.body import ROUND, BodySurface
from carseg_rendering.car.finishes import BLACK, CHROME, DULL
from carseg_rendering.car.fronts import front
from carseg_rendering.car.paints import CarLook
from carseg_rendering.car.rears import rear
from carseg_rendering.geometry.materials import plastic
from carseg_rendering.geometry.meshes import Array, Part


def trim(body: BodySurface, look: CarLook, pillars: Sequence[float]) -> list[Part]:
    """All that lies on the painted body, both sides.

    Args:
        body: The body.
        look: The car's look.
        pillars: x of the pillars between the panes, from the front.
    """
    return [*front(body, look), *rear(body), *_sides(body, look, pillars)]


def _sides(body: BodySurface, look: CarLook, pillars: Sequence[float]) -> list[Part]:
    shape = body.shape
    sill = shape.clearance + 0.09
    front_gap = min(body.cowl_x - 0.05, shape.front_axle - shape.wheel_radius - 0.12)
    arch = body.arches[1][2] + 0.025
    ends = _door_ends(body, front_gap, pillars)
    lines = []
    for k, x in enumerate([front_gap, *ends]):
        points = np.column_stack([np.full(24, x), np.linspace(sill, float(body.shoulder_height(x)) - 0.015, 24)])
        if k == 2:  # the rear door ends in the wheel arch
            points = _round_the_arch(points, shape.rear_axle, shape.wheel_radius, arch)
        lines.append(body.line([(float(a), float(b)) for a, b in points]))
    low_end = max(ends[-1], shape.rear_axle + np.sqrt(max(arch**2 - (sill - shape.wheel_radius) ** 2, 0.0)))
    lines.append(body.line([(x, sill) for x in np.linspace(front_gap, low_end, 8)]))
    parts = [Part("door gap", line.with_mirror(), BLACK) for line in lines]
    parts += _handles(body, look, ends)
    if shape.side_moulding:
        z = shape.clearance + 0.46 * (float(body.shoulder_height(0.0)) - shape.clearance)
        a, b = (
            body.round_at(x=x)
            for x in (shape.front_axle - shape.wheel_radius - 0.1, shape.rear_axle + shape.wheel_radius + 0.1)
        )
        moulding = body.patch(a, b, z - 0.025, z + 0.025, lift=0.012, steps=(40, 3))
        parts.append(Part("moulding", moulding.with_mirror(), DULL if shape.trim_style != 2 else CHROME))
    if shape.cladding:
        parts.extend(_cladding(body, look))
    if shape.sliding_door:
        z = float(body.shoulder_height(body.deck_x)) - 0.14
        a, b = body.round_at(x=ends[-1] - 0.02), body.round_at(x=-shape.length / 2 + 0.28)
        parts.append(Part("door rail", body.patch(a, b, z, z + 0.022, lift=0.004, steps=(30, 2)).with_mirror(), BLACK))
    return parts


def _door_ends(body: BodySurface, front_gap: float, pillars: Sequence[float]) -> list[float]:
    """X of the rear edge of each door on a side: below the pillars, where there are some."""
    shape = body.shape
    behind = max(shape.rear_axle + 0.12, body.deck_x + 0.15)
    if shape.doors == 1:
        return [max(front_gap - 1.35, pillars[0] if pillars else front_gap + 0.82 * (behind - front_gap))]
    middle = pillars[0] if pillars else 0.5 * (front_gap + behind) + 0.02 * shape.length
    last = pillars[1] if len(pillars) > 1 else behind
    return [middle, min(max(last, shape.rear_axle - 0.05), middle - 0.55)]


def _round_the_arch(points: Array, x: float, z: float, radius: float) -> Array:
    """Points (x, z) of a line, those within a wheel arch moved forward to its edge."""
    inside = np.hypot(points[:, 0] - x, points[:, 1] - z) < radius
    moved = points.copy()
    moved[inside, 0] = x + np.sqrt(np.maximum(radius**2 - (points[inside, 1] - z) ** 2, 0.0))
    moved[points[:, 1] < z, 0] = np.maximum(moved[points[:, 1] < z, 0], x + radius)
    return moved


def _handles(body: BodySurface, look: CarLook, ends: Sequence[float]) -> list[Part]:
    shape = body.shape
    belt = 0.78 * float(body.shoulder_height(0.0)) + 0.03
    material = plastic(look.base, roughness=0.1) if shape.trim_style != 2 else CHROME
    parts = []
    for x in ends:
        a, b = body.round_at(x=x + 0.24), body.round_at(x=x + 0.06)
        shadow = body.patch(a - 0.3, b + 0.3, belt - 0.030, belt + 0.016, lift=0.003)
        handle = body.patch(a, b, belt - 0.012, belt + 0.016, lift=0.028, steps=(8, 3))
        parts.append(Part("handle shadow", shadow.with_mirror(), BLACK))
        parts.append(Part("handle", handle.with_mirror(), material))
    return parts


def _cladding(body: BodySurface, look: CarLook) -> list[Part]:
    """Plastic or a second paint along sills and bumpers and round the arches."""
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
        parts.append(Part("cladding", mesh.with_mirror(), look.lower()))
    return parts
