"""Seats, and the plan of the cabin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from carseg_rendering.geometry.materials import BSDF, matte, metal
from carseg_rendering.geometry.meshes import Array, Floats, Mesh, Part, box, grid, merged, tube

CARPET = (0.014, 0.014, 0.015)


@dataclass(frozen=True)
class Cabin:
    """The plan of a cabin: the arguments of `interior` and positions derived from them, in metres."""

    floor_z: float
    belt_z: float
    front_x: float
    rear_x: float
    half_width: float
    rows: int

    def __post_init__(self) -> None:
        if not 1 <= self.rows <= 3:
            raise ValueError(f"a cabin has 1 to 3 rows of seats, not {self.rows}")
        if self.front_x - self.rear_x < 1.2 or self.belt_z - self.floor_z < 0.3:
            raise ValueError("the cabin is too small for its seats")

    @property
    def hips(self) -> list[float]:
        """The x of each row's seat, where its cushion meets its back; front row first."""
        length = self.front_x - self.rear_x
        first = max(min(1.15, length - 0.5 - 0.75 * (self.rows - 1)), 0.68)
        pitch = min(0.87, (length - 0.5 - first) / max(self.rows - 1, 1))
        return [self.front_x - first - pitch * row for row in range(self.rows)]

    @property
    def seat_y(self) -> float:
        """The y of the left front seat's middle."""
        return 0.5 * self.half_width

    @property
    def shoulder_z(self) -> float:
        """Height of the front seats' backs."""
        return self.belt_z + 0.12

    @property
    def cushion_z(self) -> float:
        """Height of the seats' cushions."""
        return max(self.floor_z + 0.18, self.shoulder_z - 0.62)

    @property
    def steering(self) -> Array:
        """The middle of the steering wheel."""
        return np.array([self.hips[0] + 0.40, self.seat_y, self.belt_z - 0.09])

    def grip(self, side: int) -> Array:
        """Where a hand holds the steering wheel: the left one for side 1, the right one for -1."""
        return self.steering + np.array([0.0, side * 0.17, 0.06])


def front_seat(cabin: Cabin, hip: float, y: float, cover: BSDF, inlay: BSDF) -> list[Part]:
    """A front seat with bolsters and a headrest.

    Args:
        cabin: The cabin that it stands in.
        hip: x of the line where its cushion meets its back, metres.
        y: y of its middle, metres.
        cover: Material of its cover.
        inlay: Material of the middle of its cushion and back.
    """
    z, top, half = cabin.cushion_z, cabin.shoulder_z, min(0.26, 0.42 * cabin.half_width)
    lean = 0.34 * (top - z)
    cushion = pad((hip - 0.02, z - 0.07), (hip + 0.50, z - 0.02), half_width=half, thickness=0.075, bolster=0.5)
    back = pad((hip - lean, top), (hip, z - 0.06), half_width=0.95 * half, thickness=0.07, bow=0.02, bolster=0.7)
    head_x, head_z = hip - lean - 0.03, top + 0.005
    head = pad((head_x - 0.02, head_z + 0.19), (head_x, head_z), half_width=0.13, thickness=0.05)
    rods = [
        tube(np.array([[head_x, side, top - 0.05], [head_x, side, head_z + 0.05]]), 0.008) for side in (-0.05, 0.05)
    ]
    middle = [
        pad((hip + 0.06, z + 0.005), (hip + 0.47, z + 0.045), half_width=0.58 * half, thickness=0.012),
        pad(
            (hip - 0.88 * lean + 0.075, top - 0.08),
            (hip + 0.05, z + 0.06),
            half_width=0.52 * half,
            thickness=0.012,
            bow=0.02,
        ),
    ]
    foot = box((0.42, 1.5 * half, max(z - 0.12 - cabin.floor_z, 0.02))).moved(
        (hip + 0.22, 0, (z - 0.12 + cabin.floor_z) / 2)
    )
    at = (0.0, y, 0.0)
    return [
        Part("seat", merged([cushion, back, head]).moved(at), cover),
        Part("seat inlay", merged(middle).moved(at), inlay),
        Part("headrest rods", merged(rods).moved(at), metal((0.5, 0.5, 0.5), roughness=0.35)),
        Part("seat foot", foot.moved(at), matte(CARPET)),
    ]


def bench(cabin: Cabin, hip: float, cover: BSDF, inlay: BSDF, *, last: bool) -> list[Part]:
    """A rear bench over the cabin's width.

    Args:
        cabin: The cabin that it stands in.
        hip: x of the line where its cushion meets its back, metres.
        cover: Material of its cover.
        inlay: Material of the middle of its backs.
        last: Whether it is the last row, which is lower as the rear window slopes over it.
    """
    z, top, half = cabin.cushion_z + 0.02, cabin.belt_z + (0.05 if last else 0.09), cabin.half_width - 0.07
    lean, reach = 0.36 * (top - z), min(0.46, cabin.hips[0] - hip - 0.30)
    reach = max(reach, 0.25)
    pieces = [
        pad((hip - 0.02, z - 0.08), (hip + reach, z - 0.03), half_width=half, thickness=0.08),
        pad((hip - lean, top), (hip, z - 0.06), half_width=half, thickness=0.08, bow=0.015),
    ]
    middles, places = [], (-0.56 * half, 0.56 * half)
    for y in places:
        x = hip - lean - 0.02
        pieces.append(pad((x - 0.02, top + 0.14), (x, top - 0.01), half_width=0.12, thickness=0.045).moved((0, y, 0)))
        middles.append(
            pad(
                (hip - 0.85 * lean + 0.08, top - 0.1),
                (hip + 0.07, z + 0.04),
                half_width=0.3 * half,
                thickness=0.012,
                bow=0.015,
            ).moved((0, y, 0))
        )
    foot = box((reach, 2 * half, max(z - 0.12 - cabin.floor_z, 0.02)))
    return [
        Part("bench", merged(pieces), cover),
        Part("bench inlay", merged(middles), inlay),
        Part("bench foot", foot.moved((hip + reach / 2, 0, (z - 0.12 + cabin.floor_z) / 2)), matte(CARPET)),
    ]


def pad(
    start: Floats, end: Floats, *, half_width: float, thickness: float, bow: float = 0.0, bolster: float = 0.0
) -> Mesh:
    """An upholstered pad about y = 0, its middle line from `start` to `end` (x, z); its face lies to the line's left.

    Args:
        start: The middle line's start.
        end: The middle line's end.
        half_width: Half its width along y.
        thickness: Half its thickness.
        bow: Bend of the middle line towards the face.
        bolster: Extra thickness at its sides, as a share of the middle's.
    """
    first, ahead = np.asarray(start, dtype=float), np.subtract(end, start)
    face = np.array([-ahead[1], ahead[0]]) / np.hypot(*ahead)
    s = (1 - np.cos(np.linspace(0, np.pi, 11))) / 2
    line = first + s[:, None] * ahead + (4 * bow * s * (1 - s))[:, None] * face
    ends = np.abs(2 * s - 1)
    round_ = np.linspace(0, 2 * np.pi, 21)
    c, n = (np.sign(f) * np.abs(f) ** 0.55 for f in (np.cos(round_), np.sin(round_)))
    y = half_width * np.sqrt(1 - ends**8)[:, None] * c
    out = thickness * np.sqrt(1 - ends**5)[:, None] * n * (1 + bolster * np.abs(c) ** 4 * (n > 0))
    points = np.stack([line[:, :1] + out * face[0], y, line[:, 1:] + out * face[1]], -1)
    return grid(points, flip=True)
