"""A car's lower body: a band round it from sill to shoulder, closed on top by hood and deck.

The band's half is a grid over (round, up): `round` follows the car's outline in plan from the middle of the nose
along the left side to the middle of the tail, `up` goes from the lower edge to the shoulder. Whatever sits on the body
(lamps, grille, plates, door gaps) is cut from the same surface by `BodySurface.patch`, so that it follows its curves.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from scipy.interpolate import PchipInterpolator

from carseg_rendering.car.outlines import inside, inward, outline
from carseg_rendering.car.shapes import CarShape
from carseg_rendering.geometry.meshes import Array, Mesh, grid, merged, vertex_normals

ROUND, UP, ACROSS = 221, 27, 29  # points of the grid: about 3 cm apart

# Inset (m) from the outline at a share of the height between lower edge and shoulder, in the three directions.
SIDE = [(0.0, 0.075), (0.06, 0.035), (0.16, 0.020), (0.45, 0.0), (0.75, 0.012), (0.92, 0.035), (1.0, 0.085)]
FRONT = [(0.0, 0.14), (0.07, 0.06), (0.22, 0.0), (0.46, 0.0), (0.55, 0.025), (0.80, 0.050), (0.93, 0.085), (1.0, 0.17)]
REAR = [(0.0, 0.15), (0.08, 0.06), (0.22, 0.0), (0.46, 0.0), (0.54, 0.030), (0.85, 0.055), (0.95, 0.085), (1.0, 0.15)]


class BodySurface:
    """The lower body of a car as a surface, with points and patches on it."""

    def __init__(self, shape: CarShape) -> None:
        self.shape = shape
        half = shape.length / 2
        self.cowl_x = half - shape.hood_length
        self.deck_x = -half + shape.deck_length
        belt = shape.cowl_height - 0.035
        tail = belt + shape.belt_rise + (0.0 if shape.upright else 0.02)
        fender = belt - 0.42 * shape.nose_lean * (belt - shape.nose_height) + 0.015
        over_wheel = max(shape.front_axle + 0.1, self.cowl_x + 0.25 * shape.hood_length)
        at = [-half, self.deck_x - 0.02, self.cowl_x - 0.1, over_wheel, half]
        height = [tail - (0.0 if shape.upright else 0.035), tail, belt, fender, shape.nose_height]
        self._shoulder = PchipInterpolator(at, height)
        self.points = self._band()
        plan = self.points[:, UP // 2, :2]
        self.spacing = float(np.hypot(*np.diff(plan, axis=0).T).mean())  # metres from one `round` index to the next

    def shoulder_height(self, x: Array | float) -> Array:
        """Height of the body's upper edge at x."""
        return self._shoulder(np.clip(x, -self.shape.length / 2, self.shape.length / 2))

    def _band(self) -> Array:
        """(ROUND, UP, 3): the left half's points."""
        shape, half = self.shape, self.shape.length / 2
        exponents = (shape.nose_exponent, shape.tail_exponent)
        plan = outline(half, -half, shape.width / 2, exponents, ROUND)
        normal = inward(plan)
        ahead = np.clip(-normal[:, 0], 0, 1)[:, None] ** 1.5
        behind = np.clip(normal[:, 0], 0, 1)[:, None] ** 1.5
        beside = np.clip(1 - ahead - behind, 0, 1)
        share = np.linspace(0, 1, UP)
        side = PchipInterpolator(*zip(*SIDE, strict=True))(share)
        side = side + shape.side_bulge * 0.6 * (share > 0.45) * (share - 0.45)
        if shape.crease:  # a step that catches the light
            side = side + 0.012 / (1 + np.exp(-(share - shape.crease) * 60))
        front = PchipInterpolator(*zip(*FRONT, strict=True))(share)
        # bumpers end at half the height, below the lamps
        step = shape.bumper_step * np.clip((share - 0.48) / 0.07, 0, 1)
        front = np.where(share > 0.5, front * shape.nose_lean, front) + step
        rear = PchipInterpolator(*zip(*REAR, strict=True))(share) + step
        if shape.upright:
            rear = np.minimum(rear, 0.07 + step) * 0.7
        inset = ahead * front + beside * side + behind * rear
        # cars that stand high have bumpers that rise before the wheels
        rise = 0.6 * max(shape.clearance - 0.15, 0.0)
        bottom = shape.clearance + (0.035 + rise) * ahead[:, 0] + 0.09 * behind[:, 0]
        # the insets move points along x as well: the upper edge belongs to the outline's own x
        top = self.shoulder_height(plan[:, 0])
        flat = plan[:, None] + normal[:, None] * inset[..., None]
        flat[..., 1] = np.maximum(flat[..., 1], 0)
        flat[[0, -1], :, 1] = 0
        z = bottom[:, None] + (top - bottom)[:, None] * share
        return np.concatenate([flat, z[..., None]], -1)

    def _lid(self) -> Array:
        """(ROUND, ACROSS, 3): from the left shoulder to the middle, over hood, cabin floor and deck."""
        edge = self.points[:, -1]
        share = np.linspace(1, 0, ACROSS)
        crown = self.shape.hood_crown * edge[:, 1] / (self.shape.width / 2)
        z = edge[:, 2:3] + crown[:, None] * (1 - share**2.5)
        return np.stack([np.broadcast_to(edge[:, :1], z.shape), edge[:, 1:2] * share, z], -1)

    def reach(self, x: Array | float) -> Array:
        """Half the width between the shoulders at x; 0 before the nose and behind the tail."""
        edge = self.points[:, -1]
        order = np.argsort(edge[:, 0])
        return np.interp(x, edge[order, 0], edge[order, 1], left=0.0, right=0.0)

    def top_height(self, x: Array, y: Array) -> Array:
        """Height of hood or deck over points (x, y)."""
        edge = self.points[:, -1]
        order = np.argsort(edge[:, 0])
        reach = np.interp(x, edge[order, 0], edge[order, 1])
        shoulder = np.interp(x, edge[order, 0], edge[order, 2])
        share = np.clip(np.abs(y) / np.maximum(reach, 1e-6), 0, 1)
        return shoulder + self.shape.hood_crown * reach / (self.shape.width / 2) * (1 - share**2.5)

    def meshes(self, cabin: Array | None) -> tuple[Mesh, Mesh]:
        """The painted body and the floor that closes it.

        Args:
            cabin: (N, 2), closed outline in plan that is cut out of the top.

        Returns:
            The body, both halves, with wheel arches cut out; the floor.
        """
        points, arches = self._snapped()
        half = grid(np.concatenate([points, self._lid()[:, 1:]], axis=1))
        centres = half.vertices[half.faces].mean(axis=1)
        drop = np.zeros(len(centres), dtype=bool)
        for x, z, radius in arches:
            near = np.hypot(centres[:, 0] - x, centres[:, 2] - z) < radius
            drop |= near & (centres[:, 1] > 0.3 * self.shape.width) & (centres[:, 2] < z + radius)
        if cabin is not None:
            on_top = centres[:, 2] > self.shoulder_height(centres[:, 0]) - 0.004
            drop |= on_top & inside(cabin, centres[:, :2])
        half = Mesh(half.vertices, half.faces[~drop])
        lower = self.points[:, 1]
        share = np.linspace(1, 0, 3)
        floor = np.stack(
            [
                np.broadcast_to(lower[:, :1], (ROUND, 3)),
                lower[:, 1:2] * share,
                np.broadcast_to(lower[:, 2:], (ROUND, 3)),
            ],
            -1,
        )
        return half.with_mirror(), grid(floor).with_mirror()

    @property
    def arches(self) -> list[tuple[float, float, float]]:
        """The front and the rear wheel arch: x and z of the centre, radius."""
        shape = self.shape
        radius = shape.wheel_radius + shape.arch_gap
        return [(x, shape.wheel_radius, radius) for x in (shape.front_axle, shape.rear_axle)]

    def _snapped(self) -> tuple[Array, list[tuple[float, float, float]]]:
        """The band's points, those next to an arch moved onto its edge, so that its cut is round."""
        points = self.points.copy()
        for x, z, radius in self.arches:
            away = points[..., [0, 2]] - [x, z]
            distance = np.linalg.norm(away, axis=-1)
            near = (np.abs(distance - radius) < 0.019) & (points[..., 1] > 0.3 * self.shape.width)
            points[near, 0] = x + away[near, 0] / distance[near] * radius
            points[near, 2] = z + away[near, 1] / distance[near] * radius
        return points, self.arches

    @cached_property
    def _normals(self) -> Array:
        # in the middle of nose and tail both halves meet: there the normal has no part along y
        normals = vertex_normals(grid(self.points)).reshape(self.points.shape)
        normals[[0, -1], :, 1] = 0
        return normals / np.linalg.norm(normals, axis=-1, keepdims=True)

    def round_at(self, *, x: float | None = None, front_y: float | None = None, rear_y: float | None = None) -> float:
        """The grid's `round` index of the left side at x, or of nose or tail at a distance y from the middle."""
        edge = self.points[:, UP // 2]
        index = np.arange(ROUND, dtype=float)
        if x is not None:
            return float(np.interp(-x, -edge[:, 0], index))
        half = ROUND // 2
        if front_y is not None:
            return float(np.interp(front_y, edge[:half, 1], index[:half]))
        if rear_y is None:
            raise ValueError("one of x, front_y and rear_y must be given")
        return float(np.interp(-rear_y, -edge[half:, 1], index[half:]))

    def at(self, around: Array, height: Array, lift: float = 0.0) -> Array:
        """Points of the left half's surface.

        Args:
            around: `round` indices, any shape.
            height: z in metres, same shape; cut to the surface's range.
            lift: Distance outwards.

        Returns:
            (..., 3).
        """
        around = np.clip(np.asarray(around, dtype=float), 0, ROUND - 1)
        lower = np.minimum(np.floor(around).astype(int), ROUND - 2)
        part = (around - lower)[..., None, None]
        column = self.points[lower] * (1 - part) + self.points[lower + 1] * part
        normal = self._normals[lower] * (1 - part) + self._normals[lower + 1] * part
        z = column[..., 2]
        step = np.clip((np.asarray(height) - z[..., 0]) / (z[..., -1] - z[..., 0]), 0, 1) * (UP - 1)
        row = np.minimum(np.floor(step).astype(int), UP - 2)
        share = (step - row)[..., None]

        def pick(values: Array, index: Array) -> Array:
            return np.take_along_axis(values, index[..., None, None], axis=-2)[..., 0, :]

        point = pick(column, row) * (1 - share) + pick(column, row + 1) * share
        return point + lift * (pick(normal, row) * (1 - share) + pick(normal, row + 1) * share)

    def patch(
        self,
        start: float,
        end: float,
        low: float | Sequence[tuple[float, float]],
        high: float | Sequence[tuple[float, float]],
        *,
        lift: float = 0.006,
        steps: tuple[int, int] = (24, 7),
    ) -> Mesh:
        """A piece of the surface, lifted off it: a lamp, a grille, a gap between doors.

        Args:
            start: `round` index of the beginning.
            end: `round` index of the end.
            low: Lower edge: one height, or pairs (share of the way from start to end, height).
            high: Upper edge, likewise.
            lift: Distance from the body, metres.
            steps: Number of points along and up.
        """
        share = np.linspace(0, 1, steps[0])

        def edge(given: float | Sequence[tuple[float, float]]) -> Array:
            if isinstance(given, (int, float)):
                return np.full(steps[0], float(given))
            return PchipInterpolator(*zip(*given, strict=True))(share)

        up = np.linspace(0, 1, steps[1])
        lower, upper = edge(low), edge(high)
        height = lower[:, None] + np.maximum(upper - lower, 0.002)[:, None] * up
        around = np.broadcast_to((start + (end - start) * share)[:, None], height.shape)
        return grid(self.at(around, height, lift))

    def line(self, path: Sequence[tuple[float, float]], *, width: float = 0.012, lift: float = 0.004) -> Mesh:
        """A dark gap on the left side along points (x, z)."""
        return self._ribbon(
            np.array([self.round_at(x=x) for x, _ in path]), np.array([z for _, z in path]), width, lift
        )

    def _ribbon(self, around: Array, height: Array, width: float, lift: float) -> Mesh:
        length = np.concatenate([[0], np.cumsum(np.hypot(np.diff(around) * 0.03, np.diff(height)))])
        dense = np.linspace(0, length[-1], max(8, int(length[-1] / 0.03)))
        centre = self.at(np.interp(dense, length, around), np.interp(dense, length, height), lift)
        ahead = np.gradient(centre, axis=0)
        outward = np.array([0.0, 1.0, 0.0])
        side = np.cross(ahead, outward)
        side /= np.linalg.norm(side, axis=1, keepdims=True) + 1e-12
        return grid(np.stack([centre - side * width / 2, centre + side * width / 2], 1))

    def arch_lips(self) -> Mesh:
        """The rolled edges of the left wheel arches."""
        return merged([self._lip(*arch) for arch in self.arches])

    def _lip(self, x: float, z: float, radius: float) -> Mesh:
        angle = np.radians(np.linspace(-20, 200, 45))
        px, pz = x + radius * np.cos(angle), z + radius * np.sin(angle)
        keep = pz > self.shape.clearance + 0.02
        px, pz, angle = px[keep], pz[keep], angle[keep]
        edge = self.at(np.array([self.round_at(x=float(v)) for v in px]), pz)
        flare = self.shape.arch_flare
        outer_x, outer_z = x + (radius + 0.05) * np.cos(angle), z + (radius + 0.05) * np.sin(angle)
        outer = self.at(np.array([self.round_at(x=float(v)) for v in outer_x]), outer_z, -0.006)
        lip = np.stack([px, edge[:, 1] + 0.006 + flare, pz], -1)
        back = np.stack([px, edge[:, 1] - 0.05, pz], -1)
        middle = (outer + lip) / 2 + [0, 0.3 * flare, 0]
        return grid(np.stack([outer, middle, lip, back], 1), flip=True)

    def wells(self) -> Mesh:
        """The dark insides of the left wheel arches."""
        angle = np.radians(np.linspace(-25, 205, 24))
        meshes = []
        for x, z, radius in self.arches:
            reach = np.array([self.shape.width / 2 - 0.03, self.shape.width / 2 - 0.34, self.shape.width / 2 - 0.34])
            radii = np.array([radius, radius, 0.0])
            ring = np.stack(
                [
                    x + np.cos(angle)[:, None] * radii,
                    np.broadcast_to(reach, (24, 3)),
                    np.maximum(z + np.sin(angle)[:, None] * radii, self.shape.clearance - 0.02),
                ],
                -1,
            )
            meshes.append(grid(ring, smooth=False))
        return merged(meshes)
