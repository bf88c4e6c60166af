"""Trees, bushes, hedges and grass: many small leaves about a few branches.

Every plant stands on z = 0 at the origin. One random generator gives one plant; a background turns, scales and
repeats the few it grows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from carseg_rendering.geometry.materials import BSDF, matte
from carseg_rendering.geometry.meshes import Array, Floats, Mesh, Part, grid, tube
from carseg_rendering.scene.textures import joined, mixed, noise, palette, papered, ramp

SUMMER = [(0.105, 0.155, 0.045), (0.075, 0.12, 0.035), (0.15, 0.185, 0.06), (0.055, 0.09, 0.035)]
AUTUMN = [(0.30, 0.16, 0.03), (0.22, 0.09, 0.02), (0.20, 0.18, 0.05), (0.33, 0.22, 0.05)]
DRY = [(0.21, 0.19, 0.08), (0.16, 0.17, 0.07), (0.26, 0.22, 0.11)]
NEEDLES = [(0.03, 0.065, 0.03), (0.045, 0.08, 0.035)]
BARK = (0.09, 0.07, 0.055)


@dataclass(frozen=True)
class Season:
    """The season of a scene: the colours of leaves, and whether trees have any."""

    leaves: Sequence[Floats]
    grass: Sequence[Floats]
    bare: float = 0.0

    @classmethod
    def sample(cls, rng: np.random.Generator, *, snow: bool = False) -> Season:
        """Mostly summer, sometimes autumn, dry or early spring; winter where snow lies."""
        if snow:
            return cls(NEEDLES, DRY, bare=0.7)
        kind = rng.choice(["summer", "autumn", "dry", "spring"], p=[0.66, 0.12, 0.12, 0.10])
        if kind == "summer":
            return cls(SUMMER, [*SUMMER, DRY[1]])
        if kind == "autumn":
            return cls([*AUTUMN, SUMMER[0]], [SUMMER[0], DRY[1]], bare=0.15)
        return cls(DRY if kind == "dry" else SUMMER, DRY, bare=0.05 if kind == "dry" else 0.5)


def leaves(rng: np.random.Generator, places: Array, light: Array, size: float, *, pointed: float = 1.0) -> Mesh:
    """A triangle for each leaf (or spray of leaves), turned at random.

    Args:
        rng: Source of randomness.
        places: (N, 3), positions.
        light: (N,), lightness of each, 0..1.
        size: Length of a leaf, metres.
        pointed: Length over width.
    """
    n = len(places)
    along = rng.normal(size=(n, 3)) * [1, 1, 0.7]
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    across = np.cross(along, rng.normal(size=(n, 3)))
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    length = size * rng.uniform(0.6, 1.4, (n, 1))
    corners = [
        places + along * length * 0.6,
        places - along * length * 0.4 + across * length / pointed / 2,
        places - along * length * 0.4 - across * length / pointed / 2,
    ]
    texcoords = np.stack([rng.uniform(0, 1, n), np.clip(light, 0.02, 0.96)], -1)
    return Mesh(
        np.stack(corners, 1).reshape(-1, 3), np.arange(3 * n).reshape(n, 3), False, np.repeat(texcoords, 3, axis=0)
    )


def cloud(
    rng: np.random.Generator, centres: Array, radii: Array, count: int, size: float, *, pointed: float = 1.0
) -> Mesh:
    """Leaves on and inside a heap of ellipsoids, darker inside and below.

    Args:
        rng: Source of randomness.
        centres: (B, 3), centres of the ellipsoids.
        radii: (B, 3), their radii.
        count: Number of leaves.
        size: Length of a leaf, metres.
        pointed: A leaf's length over its width.
    """
    share = (radii[:, 0] * radii[:, 2]) / (radii[:, 0] * radii[:, 2]).sum()
    of = rng.choice(len(centres), count, p=share)
    direction = rng.normal(size=(count, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    reach = 1.12 * rng.uniform(0, 1, (count, 1)) ** 0.3
    places = centres[of] + direction * reach * radii[of]
    low, high = places[:, 2].min(), places[:, 2].max()
    depth = 0.25 + 0.5 * reach[:, 0] ** 3 * (0.55 + 0.45 * direction[:, 2])
    light = depth + 0.2 * (places[:, 2] - low) / (high - low + 1e-6) + rng.normal(0, 0.06, count)
    return leaves(rng, places, light, size, pointed=pointed)


def foliage(rng: np.random.Generator, colours: Sequence[Floats], *, metres: float = 1.6) -> BSDF:
    """What is seen between the leaves of a crown: leaves farther in, and dark gaps."""
    shade = np.exp(0.75 * noise(rng, 0.9, size=128) - 0.55)
    hue = ramp(noise(rng, 0.4, size=128), -1, 1)
    first, second = np.asarray(colours)[rng.integers(0, len(colours), 2)]
    return papered(np.clip(mixed(hue, first, second) * shade[..., None], 0.003, 0.6), metres)


def branches(rng: np.random.Generator, height: float, *, spread: float, levels: int, sides: int = 5) -> Mesh:
    """A trunk that forks: a bare tree, or the skeleton of a crown."""
    parts: list[Mesh] = []

    def grow(start: Array, direction: Array, length: float, radius: float, level: int) -> None:
        t = np.linspace(0, 1, 4)[:, None]
        bend = rng.normal(0, 0.1, 3) * length
        path = start + direction * length * t + bend * t**2
        parts.append(tube(path, radius * np.linspace(1, 0.6, 4), sides=sides if level else 7))
        if level == levels:
            return
        for _ in range(3 if level < 2 else 2):
            turn = direction + rng.normal(0, spread, 3) + [0, 0, 0.15]
            turn /= np.linalg.norm(turn)
            from_point = path[rng.integers(2, 4)] if level else path[-1]
            grow(from_point, turn, length * rng.uniform(0.55, 0.85), radius * 0.58, level + 1)

    lean = np.array([*rng.normal(0, 0.05, 2), 1.0])
    grow(np.array([0, 0, -0.05]), lean, height * 0.33, height * rng.uniform(0.014, 0.022), 0)
    return joined(parts)


def tree(rng: np.random.Generator, season: Season, height: float, *, count: int = 2600) -> list[Part]:
    """A tree of that height in metres: broad, slim, a conifer, or bare; `count` leaves."""
    if rng.random() < season.bare and season.leaves is not NEEDLES:
        return [Part("branches", branches(rng, height, spread=0.45, levels=4, sides=3), _bark(rng))]
    kind = rng.choice(["broad", "slim", "conifer"], p=[0.7, 0.14, 0.16])
    if season.leaves is NEEDLES:
        if rng.random() < season.bare:
            return [Part("branches", branches(rng, height, spread=0.45, levels=4, sides=3), _bark(rng))]
        kind = "conifer"
    if kind == "conifer":
        level = np.sort(rng.uniform(0, 1, 22))[:, None]
        centres = np.concatenate([rng.normal(0, 0.1, (22, 2)), height * (0.1 + 0.87 * level)], 1)
        radii = height * np.concatenate([np.repeat(0.2 * (1.06 - level), 2, 1), 0.03 + 0.04 * (1 - level)], 1)
        crown = cloud(rng, centres, radii, count, _leaf(height, count), pointed=2.0)
        inner = _core(rng, centres, radii * [0.6, 0.6, 0.9])
        return [
            _trunk(rng, height * 0.8),
            Part("crown", crown, palette(rng, NEEDLES)),
            Part("core", inner, foliage(rng, NEEDLES)),
        ]
    width = rng.uniform(0.24, 0.42) if kind == "broad" else rng.uniform(0.10, 0.15)
    foot = rng.uniform(0.14, 0.28) if kind == "broad" else 0.08
    blobs = int(rng.integers(15, 24))
    level = (np.arange(blobs) + rng.uniform(0, 1, blobs)) / blobs
    angle, out = (rng.uniform(0, 2 * np.pi, blobs), rng.uniform(0.2, 1, blobs) * np.sin(np.pi * (0.15 + 0.75 * level)))
    centres = np.stack(
        [width * 0.7 * out * np.cos(angle), width * 0.7 * out * np.sin(angle), foot + 0.1 + (0.78 - foot) * level], -1
    )
    radii = width * rng.uniform(0.28, 0.5, (blobs, 1)) * rng.uniform(0.8, 1.15, (blobs, 3))
    if kind == "slim":
        radii[:, 2] *= 1.8
    centres, radii = height * centres, height * radii
    crown = cloud(rng, centres, radii, count, _leaf(height, count) * (width / 0.33) ** 0.5)
    inner = _core(rng, centres, radii * 0.6)
    stem = _trunk(rng, height * 0.75)
    if kind == "broad" and foot > 0.2:
        stem = Part("trunk", branches(rng, height * 0.85, spread=0.3, levels=2), stem.material)
    return [stem, Part("crown", crown, palette(rng, season.leaves)), Part("core", inner, foliage(rng, season.leaves))]


def bush(rng: np.random.Generator, season: Season, height: float, *, count: int = 700) -> list[Part]:
    """A bush of that height in metres, wider than high."""
    blobs = rng.integers(5, 9)
    centres = height * np.stack(
        [rng.normal(0, 0.35, blobs), rng.normal(0, 0.3, blobs), rng.uniform(0.15, 0.65, blobs)], -1
    )
    radii = height * rng.uniform(0.25, 0.42, (blobs, 3))
    mesh = cloud(rng, centres, radii, count, height * 2.0 / np.sqrt(count), pointed=1.4)
    inner = _core(rng, centres, radii * 0.62)
    return [Part("bush", mesh, palette(rng, season.leaves)), Part("core", inner, foliage(rng, season.leaves))]


def hedge(
    rng: np.random.Generator, season: Season, length: float, height: float, depth: float, count: int, leaf: float
) -> list[Part]:
    """A hedge along x about the origin, clipped more or less; a dark core keeps light from shining through."""
    places = rng.uniform([-length / 2, -depth / 2, 0], [length / 2, depth / 2, height], (count, 3))
    # most leaves on the front, back and top: each is pushed to one of them
    face = rng.choice(3, count, p=[0.55, 0.15, 0.30])
    shaky = rng.normal(0, 0.06, count) + 0.05 * np.sin(places[:, 0] * 2.1) + 0.06 * np.sin(places[:, 0] * 0.7)
    places[face == 0, 1], places[face == 1, 1] = -depth / 2, depth / 2
    places[face == 2, 2] = height
    places[:, 1] += shaky
    places[:, 2] = np.abs(places[:, 2] + shaky * 1.5)
    light = 0.35 + 0.3 * places[:, 2] / height + 0.1 * (face == 2) + rng.normal(0, 0.13, count)
    core_x = np.linspace(-length / 2, length / 2, max(int(length / 3), 2))
    core = tube(np.stack([core_x, 0 * core_x, 0 * core_x + height * 0.42], -1), height * 0.5, flatness=depth / height)
    green = palette(rng, season.leaves)
    return [Part("hedge", leaves(rng, places, light, leaf), green), Part("core", core, matte((0.015, 0.02, 0.01)))]


def blades(rng: np.random.Generator, feet: Array, height: Array, *, width: float | Array = 0.008) -> Mesh:
    """Blades of grass, one triangle each.

    Args:
        rng: Source of randomness.
        feet: (N, 2) or (N, 3), positions.
        height: (N,), metres.
        width: Width of a blade at its foot, metres; or (N,).
    """
    n = len(feet)
    feet = np.asarray(feet) if np.shape(feet)[1] == 3 else np.column_stack([feet, np.full(n, -0.005)])
    angle = rng.uniform(0, 2 * np.pi, n)
    across = np.stack([np.cos(angle), np.sin(angle), np.zeros(n)], -1) * np.reshape(width, (-1, 1)) / 2
    tips = feet + np.column_stack([rng.normal(0, 0.45, (n, 2)), rng.uniform(0.5, 1.1, n)]) * height[:, None]
    corners = np.stack([feet - across, feet + across, tips], 1).reshape(-1, 3)
    hue, foot = rng.uniform(0, 1, n), np.full(n, 0.35)
    light = np.clip(rng.normal(0.8, 0.12, n), 0.4, 0.96)
    texcoords = np.stack([np.repeat(hue, 3), np.stack([foot, foot, light], 1).ravel()], -1)
    return Mesh(corners, np.arange(3 * n).reshape(n, 3), False, texcoords)


def placed(parts: Sequence[Part], position: Floats, *, turn: float = 0.0, scale: float = 1.0) -> list[Part]:
    """Copies of parts, scaled, turned about z (degrees) and set down at (x, y) or (x, y, z)."""
    spot = (*position, 0.0)[:3]
    return [Part(part.name, part.mesh.scaled(scale).turned("z", turn).moved(spot), part.material) for part in parts]


def gathered(parts: Sequence[Part]) -> list[Part]:
    """The same things in fewer parts: meshes of one material joined."""
    groups: dict[tuple[int, bool, bool], list[Part]] = {}
    for part in parts:
        groups.setdefault((id(part.material), part.mesh.smooth, part.mesh.texcoords is None), []).append(part)
    return [Part(group[0].name, joined([p.mesh for p in group]), group[0].material) for group in groups.values()]


def _leaf(height: float, count: int) -> float:
    return height * 1.45 / np.sqrt(count)


def _core(rng: np.random.Generator, centres: Array, radii: Array) -> Mesh:
    """Lumps with texture coordinates of about a metre's scale."""
    polar, azimuth = np.linspace(0, np.pi, 6), np.linspace(0, 2 * np.pi, 9)
    ball = np.stack(
        [
            np.cos(azimuth)[:, None] * np.sin(polar),
            np.sin(azimuth)[:, None] * np.sin(polar),
            np.broadcast_to(np.cos(polar), (9, 6)),
        ],
        -1,
    )
    ways = np.stack(np.meshgrid(azimuth, polar, indexing="ij"), -1).reshape(-1, 2)
    lumpy = ball * np.clip(rng.normal(1, 0.16, (9, 6, 1)), 0.6, 1.3)
    lumpy[-1] = lumpy[0]
    return joined(
        [
            replace(grid(lumpy * radius + centre, flip=True), texcoords=ways * radius[[0, 2]] + centre[[0, 2]])
            for centre, radius in zip(centres, radii, strict=True)
        ]
    )


def _bark(rng: np.random.Generator) -> BSDF:
    return matte(np.asarray(BARK) * rng.uniform(0.6, 1.7))


def _trunk(rng: np.random.Generator, height: float) -> Part:
    lean = rng.normal(0, 0.03, 2) * height
    path = np.stack(
        [lean[0] * np.linspace(0, 1, 5) ** 2, lean[1] * np.linspace(0, 1, 5) ** 2, np.linspace(-0.05, height, 5)], -1
    )
    thickness = height * rng.uniform(0.02, 0.032)
    return Part("trunk", tube(path, thickness * np.linspace(1.15, 0.4, 5), sides=8), _bark(rng))
