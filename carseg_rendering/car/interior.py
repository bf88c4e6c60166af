"""A car's inside: tub, dashboard, steering wheel, seats, door cards; a driver; a convertible's folded roof.

Everything is in the car's own coordinates (x forward, y to the left, z up) and stays between the windscreen's
base, the rear end of the cabin and its side walls. Nothing rises more than 0.4 m above the belt line.
"""

from __future__ import annotations

import numpy as np

from carseg_rendering.car.seats import CARPET, Cabin, bench, front_seat, pad
from carseg_rendering.geometry.materials import Colour, matte, metal, plastic
from carseg_rendering.geometry.meshes import Floats, Mesh, Part, box, grid, lathe, merged, tube

_TRIM = (0.018, 0.018, 0.019)
_WHEEL_RADIUS, _WHEEL_TILT = 0.185, 24.0  # of the steering wheel, metres and degrees


def interior(
    *,
    floor_z: float,
    belt_z: float,
    front_x: float,
    rear_x: float,
    half_width: float,
    rows: int,
    colour: Colour,
    has_roof: bool,
) -> list[Part]:
    """A cabin's inside, closed below the belt line and open above.

    Args:
        floor_z: Height of the floor, metres.
        belt_z: Height of the windows' lower edge.
        front_x: x of the windscreen's base, where the dashboard begins.
        rear_x: x of the cabin's rear end, less than front_x by 1.2 m or more.
        half_width: Half the width between the doors, at the belt line.
        rows: Rows of seats, 1 to 3.
        colour: Colour of the seats, linear RGB.
        has_roof: Whether there is a roof: with one there is a mirror under it; without one, hoops behind the
            front seats.

    Raises:
        ValueError: The rows are not 1 to 3, or the cabin is too small.
    """
    cabin = Cabin(floor_z, belt_z, front_x, rear_x, half_width, rows)
    cover = plastic(colour, roughness=0.45)
    inlay = plastic(0.72 * np.asarray(colour, dtype=float) + 0.004, roughness=0.6)
    parts = [*_tub(cabin, colour), *_dashboard(cabin), *_steering_wheel(cabin)]
    for side in (1, -1):
        parts += front_seat(cabin, cabin.hips[0], side * cabin.seat_y, cover, inlay)
    for row, hip in enumerate(cabin.hips[1:], start=1):
        parts += bench(cabin, hip, cover, inlay, last=row == rows - 1)
    if has_roof:
        glass = box((0.025, 0.22, 0.06), rounding=0.012).moved((front_x - 0.72, 0, belt_z + 0.34))
        return [*parts, Part("inner mirror", glass, plastic(_TRIM, roughness=0.3))]
    return [*parts, *_hoops(cabin)]


def driver(
    *,
    floor_z: float,
    belt_z: float,
    front_x: float,
    rear_x: float,
    half_width: float,
    rows: int,
    clothes: Colour = (0.05, 0.07, 0.12),
    skin: Colour = (0.45, 0.27, 0.18),
    hair: Colour = (0.03, 0.02, 0.015),
) -> list[Part]:
    """Somebody at the wheel in the cabin that `interior` builds from the same measures."""
    cabin = Cabin(floor_z, belt_z, front_x, rear_x, half_width, rows)
    x, y, top = cabin.hips[0] - 0.06, cabin.seat_y, cabin.belt_z + 0.37
    head = _ball((0.092, 0.075, 0.115)).moved((x - 0.02, y, top - 0.135))
    # the hair lies over the crown and the back of the head, and leaves the face free
    hair_mesh = _ball((0.105, 0.086, 0.098)).moved((x - 0.045, y, top - 0.098))
    neck = tube(np.array([[x - 0.03, y, top - 0.32], [x - 0.02, y, top - 0.18]]), 0.055)
    torso = pad((x - 0.04, top - 0.27), (x + 0.08, cabin.cushion_z + 0.06), half_width=0.21, thickness=0.11)
    limbs = []
    for side in (1, -1):
        shoulder = np.array([x, y + side * 0.20, top - 0.34])
        hand = cabin.grip(side)
        elbow = (shoulder + hand) / 2 + [-0.06, side * 0.05, -0.12]
        knee = np.array([x + 0.55, y + side * 0.11, cabin.cushion_z + 0.16])
        hip = np.array([x + 0.08, y + side * 0.09, cabin.cushion_z + 0.10])
        limbs += [
            tube(np.stack([shoulder, elbow, hand]), np.array([0.06, 0.048, 0.04])),
            tube(np.stack([hip, knee]), 0.08),
        ]
    hands = merged([_ball((0.05, 0.045, 0.05)).moved(cabin.grip(side)) for side in (1, -1)])
    return [
        Part("driver's head", merged([head, neck, hands]), matte(skin)),
        Part("driver's hair", hair_mesh, matte(hair)),
        Part("driver's clothes", merged([torso.moved((0, y, 0)), *limbs]), matte(clothes)),
    ]


def folded_roof(*, x: float, z: float, half_width: float, length: float, colour: Colour) -> list[Part]:
    """A convertible's cloth roof, folded down: a low stack of folds across the car.

    Args:
        x: x of its front edge, behind the seats.
        z: Height of the surface under it.
        half_width: Half its width, metres.
        length: Length backwards from x, metres.
        colour: Colour of the cloth, linear RGB.
    """
    across, along = np.linspace(-1, 1, 25), np.linspace(0, 1, 33)
    # round at both ends and at the sides; two folds show as shallow furrows across the stack
    height = 0.10 * np.sqrt(1 - np.abs(2 * along - 1) ** 4)[:, None] * (1 - np.abs(across) ** 6)[None] ** 0.5
    furrows = 0.04 * np.exp(-(((along[:, None] - np.array([0.36, 0.70])) / 0.045) ** 2)).sum(axis=1)
    height = np.maximum(height - furrows[:, None], 0) + 0.004 * np.sin(9 * across + 5 * along[:, None]) * (
        height > 0.02
    )
    # the stack bends round the car's tail: its ends lie further forward
    at = x - length * along[:, None] * (1 - 0.22 * np.abs(across) ** 4)
    points = np.stack([at, np.broadcast_to(half_width * across, at.shape), z + height], -1)
    return [Part("folded roof", grid(points), matte(colour))]


def _ball(radii: Floats) -> Mesh:
    """An ellipsoid about the origin."""
    polar = np.linspace(0, np.pi, 11)
    return lathe(np.stack([np.sin(polar), np.cos(polar)], 1), sides=14).scaled(radii)


def _tub(cabin: Cabin, colour: Colour) -> list[Part]:
    """Floor, bulkheads, door cards, the tunnel between the front seats and the shelf behind the last row."""
    length, middle = cabin.front_x - cabin.rear_x, (cabin.front_x + cabin.rear_x) / 2
    depth, half = cabin.belt_z - cabin.floor_z, cabin.half_width
    z = cabin.floor_z + depth / 2
    shell = [
        box((length, 2 * half, 0.02)).moved((middle, 0, cabin.floor_z)),
        box((0.02, 2 * half, depth)).moved((cabin.rear_x + 0.01, 0, z)),
        box((0.02, 2 * half, depth - 0.05)).moved((cabin.front_x - 0.01, 0, z - 0.025)),
        *(box((length, 0.02, depth)).moved((middle, side * (half - 0.01), z)) for side in (1, -1)),
    ]
    last = cabin.hips[-1] - 0.36 * (cabin.belt_z - cabin.cushion_z)
    shelf = box((max(last - cabin.rear_x, 0.02), 2 * half, 0.03)).moved(
        ((last + cabin.rear_x) / 2, 0, cabin.belt_z - 0.05)
    )
    door = cabin.front_x - 0.30 - max(cabin.rear_x, cabin.hips[-1] - 0.2)
    at = cabin.front_x - 0.30 - door / 2
    sill = box((length - 0.1, 0.05, 0.035), rounding=0.015).moved((middle, half - 0.025, cabin.belt_z - 0.01))
    arm = box((0.5 * door, 0.06, 0.05), rounding=0.02).moved((at - 0.05, half - 0.045, cabin.belt_z - 0.24))
    card = box((door, 0.02, 0.20), rounding=0.01).moved((at, half - 0.025, cabin.belt_z - 0.15))
    tunnel = box((length - 0.6, 0.20, 0.20), rounding=0.04).moved((middle - 0.1, 0, cabin.floor_z + 0.1))
    armrest = box((0.32, 0.15, 0.14), rounding=0.04).moved((cabin.hips[0] + 0.12, 0, cabin.cushion_z + 0.02))
    trim = plastic(_TRIM, roughness=0.4)
    return [
        Part("tub", merged(shell), matte(CARPET)),
        Part("shelf", shelf, matte((0.022, 0.022, 0.023))),
        Part("door trim", merged([sill, arm]).with_mirror(), trim),
        Part("door cards", card.with_mirror(), plastic(0.8 * np.asarray(colour, dtype=float) + 0.003, roughness=0.5)),
        Part("tunnel", merged([tunnel, armrest]), trim),
    ]


def _dashboard(cabin: Cabin) -> list[Part]:
    """The dashboard: a rounded beam across the car with a hood over the instruments, a screen and a lever."""
    depth = min(0.55, cabin.front_x - cabin.steering[0] - 0.12)
    top, half = cabin.belt_z, cabin.half_width - 0.02
    profile = np.array(
        [(0, -0.03), (0.3, 0.0), (0.7, 0.015), (0.92, 0.0), (1.0, -0.05), (0.97, -0.16), (0.8, -0.34), (0.5, -0.40)]
    )
    across = np.linspace(-half, half, 31)
    hood = 0.05 * np.exp(-(((across - cabin.seat_y) / 0.17) ** 4)) + 0.012 * np.exp(-((across / 0.16) ** 4))
    share = np.array([0.0, 0.1, 0.8, 1.0, 0.8, 0.2, 0.0, 0.0])
    x = cabin.front_x - depth * profile[:, 0][:, None] - 0.05 * (hood / 0.05) * (profile[:, 0] > 0.9)[:, None]
    z = top + profile[:, 1][:, None] + hood * share[:, None]
    points = np.stack([x, np.broadcast_to(across, x.shape), np.maximum(z, cabin.floor_z)], -1)
    edge = cabin.front_x - depth
    screen = box((0.015, 0.24, 0.14), rounding=0.007).turned("y", 8).moved((edge - 0.015, 0, top - 0.03))
    vents = [
        box((0.01, 0.11, 0.05), rounding=0.004).moved((edge + 0.003, y, top - 0.09)) for y in (-0.8 * half, 0.88 * half)
    ]
    stack = box((0.22, 0.26, 0.30), rounding=0.03).moved((edge + 0.06, 0, top - 0.26))
    return [
        Part("dashboard", grid(points), plastic(_TRIM, roughness=0.5)),
        Part("centre stack", merged([stack, *vents]), plastic((0.03, 0.03, 0.032), roughness=0.25)),
        Part("screen", screen, plastic((0.008, 0.009, 0.012), roughness=0.06)),
    ]


def _steering_wheel(cabin: Cabin) -> list[Part]:
    """The steering wheel: a rim, three spokes and the boss in the middle."""
    round_ = np.linspace(0, 2 * np.pi, 29)[:-1]
    rim = tube(
        np.stack([0 * round_, _WHEEL_RADIUS * np.cos(round_), _WHEEL_RADIUS * np.sin(round_)], 1), 0.016, closed=True
    )
    spokes = [
        tube(np.array([[0.03, 0.0, 0.0], [0.0, _WHEEL_RADIUS * np.cos(a), _WHEEL_RADIUS * np.sin(a)]]), 0.016)
        for a in np.radians([-5, 185, 270])
    ]
    boss = box((0.05, 0.17, 0.13), rounding=0.025).moved((0.025, 0, 0))
    column = tube(np.array([[0.03, 0.0, 0.0], [0.30, 0.0, 0.0]]), 0.035)

    def placed(mesh: Mesh) -> Mesh:
        return mesh.turned("y", _WHEEL_TILT).moved(cabin.steering)

    return [
        Part("steering wheel", placed(merged([rim, boss, column])), plastic((0.02, 0.02, 0.021), roughness=0.35)),
        Part("steering spokes", placed(merged(spokes)), metal((0.4, 0.4, 0.41), roughness=0.3)),
    ]


def _hoops(cabin: Cabin) -> list[Part]:
    """Roll hoops behind the front seats of an open car."""
    x = cabin.hips[0] - 0.40 * (cabin.shoulder_z - cabin.cushion_z) - 0.08
    turn = np.linspace(0, np.pi, 11)
    hoop = tube(
        np.stack([np.full(11, x), 0.14 * np.cos(turn), cabin.belt_z - 0.02 + 0.20 * np.sin(turn) ** 0.7], 1), 0.02
    )
    hoops = merged([hoop.moved((0, side * cabin.seat_y, 0)) for side in (1, -1)])
    return [Part("roll hoops", hoops, metal((0.55, 0.55, 0.56), roughness=0.35))]
