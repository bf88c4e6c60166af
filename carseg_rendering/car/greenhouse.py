"""The greenhouse: glass, pillars and the roof, or a convertible's windscreen frame and soft top.

Like the body it is a band round the cabin, here between a ring on the body (the glass's lower edge) and a ring at the
roof, closed on top by the roof's skin. Rings are cut at the pillars, so that a pillar is a strip of the band.
"""

from __future__ import annotations

import numpy as np
from scipy.interpolate import PchipInterpolator

from carseg_rendering.car.body import BodySurface
from carseg_rendering.car.outlines import inward, outline
from carseg_rendering.car.shapes import CarShape
from carseg_rendering.geometry.meshes import Array, Mesh, grid, merged, tube

UP, ACROSS = 15, 13
PILLAR = 0.055  # width of a pillar, m
# Points of the half ring between its cuts: screen, A pillar, front door's glass, B pillar, rear glass, C pillar, ...
STEPS = {"screen": 20, "pillar": 5, "glass": 22}


class Greenhouse:
    """The part of a car above its body."""

    def __init__(self, body: BodySurface) -> None:
        self.body, self.shape = body, body.shape
        shape = self.shape
        front, rear = body.cowl_x, max(body.deck_x, float(body.points[:, -1, 0].min()) + 0.03)
        base_half = shape.width / 2 - 0.045 - shape.shoulder
        edge_height = shape.height - shape.roof_crown
        belt = float(body.top_height(np.array([0.0]), np.array([base_half]))[0])
        rise = edge_height - belt
        roof_front = front - (edge_height - shape.cowl_height) * np.tan(np.radians(shape.windscreen_rake))
        roof_rear = rear + (rise - shape.roof_drop) * np.tan(np.radians(shape.rear_rake))
        roof_rear = min(roof_rear, roof_front - 0.7)
        upright = shape.upright and shape.rear_rake < 44
        base_exponents = (4.2, 7.0 if upright else 4.6)
        roof_exponents = (4.6, 7.0 if upright else 4.6)
        base = outline(front, rear, base_half, base_exponents, 1201)
        # nowhere beyond the shoulders, whose corners may be rounder
        base[:, 1] = np.minimum(base[:, 1], np.maximum(body.reach(base[:, 0]) - 0.02, 0.0))
        roof = outline(roof_front, roof_rear, base_half - shape.tumblehome, roof_exponents, 1201)
        # The roof sags towards its rear end and, less, towards the front.
        self._roof_edge = PchipInterpolator(
            [roof_rear - 0.3, roof_rear, 0.45 * roof_rear + 0.55 * roof_front, roof_front, roof_front + 0.3],
            edge_height - np.array([shape.roof_drop, shape.roof_drop, 0.0, 0.035, 0.035]),
        )
        self.cuts = self._cuts(base, roof)
        self.base, self.roof = self._ring(base, "base"), self._ring(roof, "roof")
        self.band = self._band()

    def _cuts(self, base: Array, roof: Array) -> list[tuple[str, float, float, float, float]]:
        """Pieces of the half ring from front to rear: kind, start and end index in the base ring and the roof's."""
        shape = self.shape
        corner = {}
        for name, ring in (("base", base), ("roof", roof)):
            tangent = np.abs(np.gradient(ring, axis=0))
            sideways = tangent[:, 0] > tangent[:, 1]
            half = len(ring) // 2
            corner[name] = (int(np.argmax(sideways)), len(ring) - 1 - int(np.argmax(sideways[::-1])), half)

        def side(name: str, ring: Array, x: float) -> float:
            return float(np.interp(-x, -ring[:, 0], np.arange(len(ring))))

        def width(ring: Array, metres: float) -> float:
            length = np.hypot(*np.diff(ring, axis=0).T).sum()
            return metres / length * (len(ring) - 1)

        a_base, a_roof = corner["base"][0], corner["roof"][0]
        c_base, c_roof = corner["base"][1], corner["roof"][1]
        thick = {"base": width(base, PILLAR), "roof": width(roof, PILLAR)}
        cuts = [
            ("windscreen", 0, a_base - thick["base"] / 2, 0, a_roof - thick["roof"] / 2),
            (
                "pillar",
                a_base - thick["base"] / 2,
                a_base + thick["base"] / 2,
                a_roof - thick["roof"] / 2,
                a_roof + thick["roof"] / 2,
            ),
        ]
        self.pillars = self._door_pillars(roof[a_roof, 0], roof[c_roof, 0])
        last_base, last_roof = a_base + thick["base"] / 2, a_roof + thick["roof"] / 2
        kind = "side glass"
        for x in self.pillars:
            at = {"base": side("base", base, x), "roof": side("roof", roof, x)}
            cuts.append((kind, last_base, at["base"] - thick["base"] / 2, last_roof, at["roof"] - thick["roof"] / 2))
            kind = "rear glass"
            cuts.append(
                (
                    "door pillar",
                    at["base"] - thick["base"] / 2,
                    at["base"] + thick["base"] / 2,
                    at["roof"] - thick["roof"] / 2,
                    at["roof"] + thick["roof"] / 2,
                )
            )
            last_base, last_roof = at["base"] + thick["base"] / 2, at["roof"] + thick["roof"] / 2
        # cloth leaves less glass than steel
        wide = shape.rear_pillar * (1.5 if shape.variant == "soft top" else 1.0)
        c_start = {name: at - width(ring, wide) for name, at, ring in (("base", c_base, base), ("roof", c_roof, roof))}
        # some glass stays before the last pillar
        c_start["base"] = max(c_start["base"], last_base + width(base, 0.14))
        c_start["roof"] = max(c_start["roof"], last_roof + width(roof, 0.08))
        cuts.append((kind, last_base, c_start["base"], last_roof, c_start["roof"]))
        cuts.append(("pillar", c_start["base"], c_base + thick["base"], c_start["roof"], c_roof + thick["roof"]))
        cuts.append(("rear screen", c_base + thick["base"], len(base) - 1, c_roof + thick["roof"], len(roof) - 1))
        return cuts

    def _door_pillars(self, front: float, rear: float) -> list[float]:
        """X of the pillars between the panes: at the same x on base and roof, as they are upright.

        Args:
            front: x of the roof's front corner.
            rear: x of its rear corner.
        """
        shape = self.shape
        if shape.panes == 1 or not shape.has_roof:
            return []
        shares = {1: [0.62], 2: [0.40, 0.76] if shape.upright else [0.47, 0.86]}[shape.doors][: shape.panes - 1]
        return [front - share * (front - rear) for share in shares]

    def _ring(self, ring: Array, name: str) -> Array:
        """(N, 3): the ring's points, the same number in each piece, so that base and roof correspond."""
        index: list[Array] = []
        for cut in self.cuts:
            steps = _steps(cut[0])
            start, end = cut[1:3] if name == "base" else cut[3:5]
            index.append(np.linspace(start, end, steps + 1)[:-1])
        index.append(np.array([len(ring) - 1.0]))
        at = np.concatenate(index)
        x, y = (np.interp(at, np.arange(len(ring)), ring[:, i]) for i in (0, 1))
        z = self._roof_edge(x) if name == "roof" else self.body.top_height(x, y) - 0.01
        return np.stack([x, y, z], -1)

    def _band(self) -> Array:
        """(N, UP, 3): from base ring to roof ring, bulging a little outwards."""
        share = np.linspace(0, 1, UP)[:, None]
        band = self.base[:, None] * (1 - share) + self.roof[:, None] * share
        across = np.gradient(self.base[:, :2], axis=0)
        outwards = np.stack([-across[:, 1], across[:, 0]], -1)
        outwards /= np.linalg.norm(outwards, axis=1, keepdims=True)
        outwards[[0, -1]] = [[1.0, 0.0], [-1.0, 0.0]]
        outwards *= np.sign((outwards * (self.base[:, :2] - [self.base[:, 0].mean(), 0])).sum(1, keepdims=True))
        bulge = 0.030 * np.sin(np.pi * share)
        band[..., :2] += outwards[:, None] * bulge
        band[[0, -1], :, 1] = 0
        return band

    def pieces(self) -> dict[str, Mesh]:
        """The band's meshes by kind: screens, glass of the front doors and behind them, pillars, the frame."""
        found: dict[str, list[Mesh]] = {}
        start = 0
        # of the band's height: the sill below the glass and the header over it
        low, high = 1, UP - 2
        for cut in self.cuts:
            steps = _steps(cut[0])
            piece = self.band[start : start + steps + 1]
            start += steps
            if "pillar" in cut[0]:
                found.setdefault(cut[0], []).append(grid(piece))
                continue
            found.setdefault(cut[0], []).append(grid(piece[:, low : high + 1]))
            found.setdefault("sill", []).append(grid(piece[:, : low + 1]))
            found.setdefault("header", []).append(grid(piece[:, high:]))
        return {kind: merged(meshes).with_mirror() for kind, meshes in found.items()}

    def skin(self) -> Mesh:
        """The roof."""
        share = np.linspace(1, 0, ACROSS)
        ring = self.roof
        reach = ring[:, 1] / ring[:, 1].max()
        z = ring[:, 2:3] + self.shape.roof_crown * reach[:, None] ** 0.6 * (1 - share**2.6)
        points = np.stack([np.broadcast_to(ring[:, :1], z.shape), ring[:, 1:2] * share, z], -1)
        return grid(points).with_mirror()

    def spoiler(self) -> Mesh:
        """The lip that carries the roof on over the rear screen."""
        edge = self.roof[-_steps("rear screen") - 4 :]  # a little beyond the screen's corners
        reach = self.shape.roof_spoiler
        section = np.array([[0.10, 0, 0.008], [-reach, 0, 0.004], [-reach, 0, -0.02], [0, 0, -0.05]])
        section[1:3, 2] -= 0.15 * reach
        return grid(edge[:, None] + section).with_mirror()

    def pillar_lamp(self) -> Mesh:
        """A tail lamp on the lower part of the last pillar, beside the rear screen."""
        start = len(self.base) - 1 - _steps("rear screen") - _steps("pillar")
        piece = self.band[start + 1 : start + _steps("pillar") + 1, 1 : UP // 2 + 2]
        middle = np.array([self.base[:, 0].mean(), 0.0, 0.0])
        outwards = (piece - middle) * [1.0, 1.0, 0.0]
        return grid(piece + 0.012 * outwards / np.linalg.norm(outwards, axis=-1, keepdims=True)).with_mirror()

    def roll_bar(self) -> Mesh:
        """A convertible's bar of steel, from shoulder to shoulder behind the doors."""
        x = 0.40 * self.roof[:, 0].max() + 0.60 * self.roof[:, 0].min()
        low, high = (
            np.array([np.interp(-x, -ring[:, 0], ring[:, i]) for i in range(3)]) for ring in (self.base, self.roof)
        )
        across = np.linspace(1, 0, 9)[:, None]
        top = high * np.concatenate([np.ones_like(across), across, np.ones_like(across)], 1)
        top[:, 2] += self.shape.roof_crown * (1 - across[:, 0] ** 2.6) - 0.01
        left = np.concatenate([low + (high - low) * np.linspace(0, 0.9, 6)[:, None], top])
        return tube(np.concatenate([left, left[-2::-1] * [1, -1, 1]]), 0.045, sides=8, flatness=0.55)

    def cabin(self, inset: float = 0.045) -> Array:
        """(N, 2): the closed outline of the opening in the body, so far inside the glass's lower edge (m)."""
        half = self.base[:, :2] + inward(self.base[:, :2]) * inset
        half[:, 1] = np.maximum(half[:, 1], 0.0)
        return np.concatenate([half, half[-2:0:-1] * [1, -1]])

    def shelf(self) -> Mesh:
        """The dark rim inside the glass, which covers the opening's edge: dashboard top, sills, parcel shelf."""
        height = self.base[:, 2:3] + 0.016
        share = np.array([0.004, 0.05, 0.10])
        ring = self.base[:, None, :2] + inward(self.base[:, :2])[:, None] * share[:, None]
        ring[..., 1] = np.maximum(ring[..., 1], 0.0)
        z = np.broadcast_to(height, ring.shape[:2])[..., None] + np.array([0.004, 0.0, -0.03])[:, None]
        return grid(np.concatenate([ring, z], -1)).with_mirror()

    def seal(self) -> Mesh:
        """The black rubber between glass and body."""
        half = self.base + np.array([0.0, 0.0, 0.012])
        return tube(np.concatenate([half, half[-2:0:-1] * [1, -1, 1]]), 0.013, sides=5, closed=True)

    def windscreen_frame(self) -> Mesh:
        """A convertible's bar round its windscreen."""
        corner = STEPS["screen"] + (STEPS["pillar"] + 1) // 2
        left = np.concatenate([self.band[corner, :, :], self.roof[corner::-1]])
        path = np.concatenate([left, left[-2::-1] * [1, -1, 1]])
        return tube(path, 0.024, sides=8)

    def front_glass(self) -> Mesh:
        """The windscreen down to the body."""
        corner = STEPS["screen"] + STEPS["pillar"] // 2
        return grid(self.band[: corner + 1]).with_mirror()

    def door_glass(self) -> Mesh:
        """A convertible's side windows, wound up: from the A pillar to the next pillar."""
        start = STEPS["screen"] + STEPS["pillar"]
        return grid(self.band[start : start + STEPS["glass"], : UP - 1]).with_mirror()

    def rail(self, lift: float = 0.035) -> Array:
        """(N, 3): where the left roof rail runs."""
        x = np.linspace(self.roof[:, 0].max() - 0.35, self.roof[:, 0].min() + 0.25, 24)
        order = np.argsort(self.roof[:, 0])
        y = np.interp(x, self.roof[order, 0], self.roof[order, 1]) - 0.07
        rise = np.concatenate([[-lift], np.zeros(22), [-lift]])
        return np.stack([x, y, self._roof_edge(x) + lift + 0.02 + rise], -1)

    def coaming(self) -> Mesh:
        """The soft edge round a convertible's open cabin."""
        ring = self.cabin(0.02)
        z = self.body.top_height(ring[:, 0], ring[:, 1]) + 0.004
        return tube(np.column_stack([ring, z])[::2], 0.022, sides=6, closed=True)


def _steps(kind: str) -> int:
    """Number of points that a piece of the half ring has."""
    return STEPS["pillar" if "pillar" in kind else "screen" if "screen" in kind else "glass"]


def build_shell(shape: CarShape) -> tuple[BodySurface, Greenhouse]:
    """Build body and greenhouse of a car."""
    body = BodySurface(shape)
    return body, Greenhouse(body)
