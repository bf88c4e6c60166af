"""Small things on a car's outside: mirrors, plates, rails, handles, pipes, wipers, aerials.

Each is built about its own origin, in the car's directions (x forward, y to the left, z up); the right-hand one of a
pair is the left-hand one's mirror image.
"""

from __future__ import annotations

import numpy as np

from carseg_rendering.geometry.materials import BSDF, Colour, metal, plastic
from carseg_rendering.geometry.meshes import Array, Floats, Mesh, Part, box, disc, grid, lathe, merged, tube

PLATE_SIZES: dict[str, tuple[float, float]] = {"long": (0.52, 0.11), "short": (0.30, 0.15)}
_BLACK = (0.012, 0.012, 0.013)


def door_mirror(colour_material: BSDF) -> list[Part]:
    """The left door mirror: its foot at the origin, its housing out to +y (0.24 m) and up (0.15 m), its glass behind.

    Args:
        colour_material: Material of the housing: the car's paint or black plastic.
    """
    housing = _shell((0.105, 0.20, 0.135)).moved((0.0, 0.135, 0.075))
    glass = _rounded_plate(0.165, 0.10).turned("z", 180).moved((-0.048, 0.137, 0.077))
    frame = _rounded_plate(0.185, 0.12).turned("z", 180).moved((-0.046, 0.136, 0.076))
    arm = tube(
        np.array([[0.01, -0.02, 0.0], [0.008, 0.05, 0.012], [0.0, 0.11, 0.03]]),
        np.array([0.03, 0.024, 0.02]),
        flatness=1.3,
    )
    return [
        Part("mirror housing", housing, colour_material),
        Part("mirror frame", merged([frame, arm]), plastic(_BLACK, roughness=0.3)),
        Part("mirror glass", glass, metal((0.85, 0.87, 0.9), roughness=0.06)),
    ]


def plate(kind: str = "long", *, pattern: int = 0, colour: Colour = (0.72, 0.72, 0.70)) -> list[Part]:
    """A number plate about its centre, facing +x, 0.02 m deep; dark bars stand for its text.

    Args:
        kind: "long" (0.52 x 0.11 m) or "short" (0.30 x 0.15 m).
        pattern: Seed of the bars.
        colour: Colour of the plate, linear RGB.

    Raises:
        ValueError: An unknown kind.
    """
    if kind not in PLATE_SIZES:
        raise ValueError(f"unknown plate {kind!r}; there are {', '.join(PLATE_SIZES)}")
    width, height = PLATE_SIZES[kind]
    rng = np.random.default_rng(pattern)
    bars, y, size = [], -0.42 * width, 0.55 * height
    while y < 0.40 * width:
        step = 0.075 * width * rng.uniform(0.7, 1.1)
        if rng.random() < 0.86:  # the rest are gaps between groups
            bars += [mesh.moved((0.002, y + step / 2, 0)) for mesh in _sign(0.72 * step, size, rng)]
        y += step
    face = box((0.006, width, height), rounding=0.003)
    frame = box((0.012, width + 0.016, height + 0.016), rounding=0.004).moved((-0.006, 0, 0))
    return [
        Part("plate frame", frame, plastic(_BLACK, roughness=0.3)),
        Part("plate", face.moved((0.002, 0, 0)), plastic(colour, roughness=0.15)),
        Part("plate bars", merged(bars).moved((0.004, 0, 0)), plastic((0.02, 0.02, 0.025), roughness=0.4)),
    ]


def roof_rail(path: Array, material: BSDF) -> list[Part]:
    """A rail along a roof's edge, 4 cm above it, coming down to it at both ends.

    Args:
        path: (N, 3) points on the roof, N >= 2, from one end to the other.
        material: Material of the rail.
    """
    path = np.asarray(path, dtype=float)
    steps = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    at = np.linspace(0, steps[-1], 25)
    points = np.stack([np.interp(at, steps, path[:, i]) for i in range(3)], 1)
    to_end = np.minimum(at, steps[-1] - at)
    points[:, 2] += 0.042 * np.sin(np.clip(to_end / 0.16, 0, 1) * np.pi / 2) - 0.004
    feet = [
        box((0.10, 0.03, 0.045), rounding=0.012).moved(points[i] - [0, 0, 0.022]) for i in (8, 16) if steps[-1] > 0.8
    ]
    return [Part("roof rail", merged([tube(points, 0.015, flatness=1.2), *feet]), material)]


def spare_wheel(radius: float, width: float, material: BSDF) -> list[Part]:
    """A spare wheel on a tail gate, in a hard cover: from the origin, the middle of its back, out to x = -width.

    Args:
        radius: Radius of the tyre, metres.
        width: Width of the tyre, metres.
        material: Material of the cover's face.
    """
    face = [
        (0.0, width - 0.012),
        (0.45 * radius, width - 0.012),
        (0.50 * radius, width - 0.002),
        (0.84 * radius, width),
        (0.93 * radius, width - 0.012),
        (0.96 * radius, width - 0.035),
    ]
    tyre = [
        (0.90 * radius, width - 0.01),
        (radius - 0.012, width - 0.025),
        (radius, width - 0.06),
        (radius, 0.05),
        (radius - 0.015, 0.015),
        (0.4 * radius, 0.0),
    ]
    return [
        Part("spare wheel cover", lathe(np.array(face), sides=40).turned("z", 90), material),
        Part("spare tyre", lathe(np.array(tyre), sides=40).turned("z", 90), plastic(_BLACK, roughness=0.45)),
    ]


def exhaust(*, radius: float = 0.035) -> list[Part]:
    """A tail pipe that ends at the origin and opens to -x; 0.18 m long.

    Args:
        radius: Outer radius, metres.
    """
    outside = [(radius - 0.003, -0.14), (radius - 0.003, -0.002), (radius, 0.0), (radius, -0.18)]
    profile = np.array([(r, y) for r, y in outside])
    return [
        Part("exhaust", lathe(profile, sides=20).turned("z", 90), metal((0.62, 0.61, 0.6), roughness=0.3)),
        Part("exhaust's inside", disc(radius - 0.003, sides=20).turned("z", 90).moved((0.10, 0, 0)), plastic(_BLACK)),
    ]


def wiper(length: float) -> list[Part]:
    """A wiper that lies on the plane z = 0: its pivot at the origin, its blade along +y.

    Args:
        length: Length of the blade, metres, 0.3-0.7.
    """
    arm = tube(
        np.array([[0, 0, 0.005], [0.0, 0.06, 0.022], [0.012, 0.55 * length, 0.024]]), np.array([0.013, 0.011, 0.006])
    )
    at = np.linspace(0, 1, 9)
    blade = tube(np.stack([np.full(9, 0.012), 0.05 + length * at, 0.004 + 0.014 * np.sin(np.pi * at)], 1), 0.008)
    return [Part("wiper", merged([arm, blade]), plastic(_BLACK, roughness=0.4))]


def antenna() -> list[Part]:
    """A fin on a roof, its foot at the origin: 0.16 m long, 0.06 m high."""
    up = np.linspace(0, 1, 7)
    front, rear = 0.08 - 0.125 * up**1.3, -0.08 + 0.02 * up
    turn = np.linspace(0, 2 * np.pi, 17)
    x = (front + rear)[:, None] / 2 + (front - rear)[:, None] / 2 * np.cos(turn)
    y = (0.026 * (1 - up) ** 0.8 + 0.003)[:, None] * np.sin(turn)
    points = np.stack([x, y, np.broadcast_to(0.062 * up[:, None], x.shape)], -1)
    return [Part("antenna", grid(points, flip=True), plastic(_BLACK, roughness=0.3))]


def _sign(width: float, height: float, rng: np.random.Generator) -> list[Mesh]:
    """Strokes with a letter's weight that are no letter, about the origin in the plane x = 0."""
    stroke = 0.24 * width
    upright = box((0.002, stroke, height)).moved((0, rng.uniform(-0.38, 0.38) * width, 0))
    places = rng.uniform(-0.5, 0.5, 2) * (height - stroke)
    return [upright, *(box((0.002, width, stroke)).moved((0, 0, z)) for z in places)]


def _rounded_plate(width: float, height: float) -> Mesh:
    """A flat plate with round corners about the origin, facing +x, `width` along y."""
    turn = np.linspace(0, 2 * np.pi, 33)[:-1]
    c, s = (np.sign(f) * np.abs(f) ** 0.5 for f in (np.cos(turn), np.sin(turn)))
    rim = np.stack([np.zeros(32), width / 2 * c, height / 2 * s], 1)
    following = np.roll(np.arange(1, 33), -1)
    faces = np.stack([np.zeros(32, dtype=int), np.arange(1, 33), following], 1)
    return Mesh(np.concatenate([np.zeros((1, 3)), rim]), faces, smooth=False)


def _shell(size: Floats) -> Mesh:
    """A mirror's housing about the origin: round in front, cut off flat behind, wider outside than at its foot."""
    along = np.linspace(0, 1, 9)  # from the flat rear to the round front
    grow = np.sqrt(1 - along**2.4)
    turn = np.linspace(0, 2 * np.pi, 25)
    c, s = (np.sign(f) * np.abs(f) ** 0.6 for f in (np.cos(turn), np.sin(turn)))
    y = size[1] / 2 * (0.25 + 0.75 * grow)[:, None] * c * (grow[:, None] > 1e-6)
    z = size[2] / 2 * grow[:, None] * s * (1 + 0.14 * c)
    x = np.broadcast_to((along * size[0] - size[0] / 2)[:, None], y.shape)
    return grid(np.stack([x, y, z], -1), flip=True)
