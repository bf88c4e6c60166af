"""Flat things on the ground: cracks, joints, lines, manholes, tracks in snow, fallen leaves."""

from __future__ import annotations

import numpy as np

from carseg_rendering.geometry.materials import BSDF, matte
from carseg_rendering.geometry.meshes import Array, Mesh, Part
from carseg_rendering.scene.plants import Season
from carseg_rendering.scene.textures import (
    cut_out,
    glossy,
    joined,
    noise,
    palette,
    papered,
    quads,
    ramp,
    tinted,
    varied,
)

REACH = 80.0  # metres from the car to the end of what is laid out round it


def _ribbon(path: Array, width: Array, z: float) -> Mesh:
    """A flat band along a path (N, 2), with coordinates in metres."""
    ahead = np.gradient(path, axis=0)
    side = np.stack([-ahead[:, 1], ahead[:, 0]], -1)
    side *= (width / 2 / (np.linalg.norm(side, axis=1) + 1e-9))[:, None]
    edges = np.stack([path - side, path + side], 1)
    points = np.concatenate([edges, np.full((len(path), 2, 1), z)], -1).reshape(-1, 3)
    first = 2 * np.arange(len(path) - 1)[:, None]
    faces = np.concatenate([first + np.array([0, 2, 1]), first + np.array([1, 2, 3])])
    return Mesh(points, faces, False, points[:, :2].copy())


def _wander(rng: np.random.Generator, length: float, step: float, unrest: float) -> Array:
    """A path (N, 2) that sets out near the car in any direction and does not quite keep it."""
    n = int(length / step)
    heading = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, unrest, n))
    path = np.cumsum(step * np.stack([np.cos(heading), np.sin(heading)], -1), axis=0)
    return path - path.mean(axis=0) + rng.uniform(-7, 7, 2)


def cracks(rng: np.random.Generator, most: int) -> list[Part]:
    """Cracks of a finger's width at most (up to `most`), and sometimes seams of tar."""
    seams = [
        _ribbon(path, np.abs(rng.normal(0.004, 0.004, len(path))) + 0.003, 0.002)
        for path in (_wander(rng, rng.uniform(3, 16), 0.12, 0.35) for _ in range(rng.integers(0, most)))
    ]
    parts = [Part("cracks", joined(seams), matte((0.025, 0.024, 0.022)))] if seams else []
    if rng.random() < 0.3:  # cracks mended with tar
        lines = [
            _ribbon(path, np.full(len(path), 0.06), 0.003) for path in (_wander(rng, 18, 0.2, 0.12) for _ in range(3))
        ]
        parts.append(Part("tar", joined(lines), glossy((0.018, 0.018, 0.019), roughness=0.3)))
    return parts


def _worn(rng: np.random.Generator, colour: tuple[float, float, float]) -> BSDF:
    wear = rng.uniform(-2.2, -0.4)
    return cut_out(matte(varied(rng, colour, 0.1)), 0.92 * ramp(noise(rng, 0.6), wear, wear + 1.2), 1.9)


def bay_lines(rng: np.random.Generator) -> list[Part]:
    """Lines of parking bays about the car, as long as a car."""
    width, length, shift = rng.uniform(2.4, 2.8), rng.uniform(4.8, 5.4), rng.uniform(-0.3, 0.3)
    y = (np.arange(-4, 5) + 0.5) * width + rng.uniform(-0.15, 0.15)
    lines = quads(np.column_stack([np.full(9, -length / 2 + shift), y, np.full(9, 0.004)]), (length, 0, 0), (0, 0.1, 0))
    if rng.random() < 0.5:  # a line at the bays' head
        lines = joined([lines, quads((-length / 2 + shift, y[0], 0.004), (0.1, 0, 0), (0, y[-1] - y[0], 0))])
    colour = (0.62, 0.48, 0.06) if rng.random() < 0.2 else (0.68, 0.68, 0.65)
    return [Part("bays", lines, _worn(rng, colour))]


def road_line(rng: np.random.Generator) -> list[Part]:
    """One line of a road beside the car, whole or broken."""
    y = float(rng.choice([-1, 1]) * rng.uniform(1.6, 4.0))
    if rng.random() < 0.5:
        lines = quads((-REACH, y, 0.004), (2 * REACH, 0, 0), (0, 0.12, 0))
    else:
        x = np.arange(-REACH, REACH, 6) + rng.uniform(0, 6)
        lines = quads(np.column_stack([x, np.full(len(x), y), np.full(len(x), 0.004)]), (3, 0, 0), (0, 0.12, 0))
    return [Part("lane", lines, _worn(rng, (0.62, 0.50, 0.08) if rng.random() < 0.25 else (0.68, 0.68, 0.65)))]


def manhole(rng: np.random.Generator) -> list[Part]:
    """An iron cover somewhere near the car, perhaps under it."""
    angle = np.linspace(0, 2 * np.pi, 25)[:-1]
    spot = rng.uniform(-6, 6, 2)
    rim = np.column_stack([spot + 0.33 * np.stack([np.cos(angle), np.sin(angle)], -1), np.full(24, 0.003)])
    fan = np.stack([np.zeros(24, dtype=int), 1 + np.arange(24), 1 + (np.arange(24) + 1) % 24], -1)
    mesh = Mesh(np.concatenate([[[*spot, 0.003]], rim]), fan, False)
    return [Part("manhole", mesh, glossy((0.05, 0.048, 0.045), roughness=0.35))]


def joints(rng: np.random.Generator, yaw: float) -> list[Part]:
    """The joints between slabs of concrete."""
    a, b = rng.uniform(2.5, 5.5, 2)
    lines = []
    for step, flip in ((a, False), (b, True)):
        at = np.arange(-30, 30, step) + rng.uniform(0, step)
        ends = np.stack([np.full(len(at), -30.0), at], -1)
        origins = np.column_stack([ends[:, ::-1] if flip else ends, np.full(len(at), 0.002)])
        long, wide = np.array([60.0, 0, 0]), np.array([0, 0.022, 0])
        lines.append(quads(origins, wide[[1, 0, 2]] if flip else long, long[[1, 0, 2]] if flip else wide))
    return [Part("joints", joined(lines).turned("z", yaw), matte(varied(rng, (0.09, 0.085, 0.08))))]


def tracks(rng: np.random.Generator) -> list[Part]:
    """Tracks of tyres in snow: the car's own, and of others that passed."""
    bands = []
    for turn, shift in [(0.0, 0.0), *((rng.normal(0, 25), rng.uniform(-5, 5)) for _ in range(rng.integers(1, 4)))]:
        for side in (-0.75, 0.75):
            x = np.linspace(-25, 25, 60)
            path = np.stack(
                [x, side + shift + 0.04 * np.sin(x / 2.3 + shift) + 0.0015 * x**2 * np.sign(shift + 0.1)], -1
            )
            c, s = np.cos(np.radians(turn)), np.sin(np.radians(turn))
            bands.append(_ribbon(path @ np.array([[c, s], [-s, c]]), 0.2 + 0.03 * rng.normal(size=60), 0.003))
    tread = np.broadcast_to(0.85 + 0.15 * np.sign(np.sin(np.linspace(0, 2 * np.pi * 16, 256))), (256, 256))
    slush = papered(tinted((0.42, 0.41, 0.41), np.exp(0.22 * noise(rng, 0.7)) * tread), 1.8)
    edges = ramp(noise(rng, 0.7), -1.8, -0.4)
    return [Part("tracks", joined(bands), cut_out(slush, edges, 2.7))]


def litter(rng: np.random.Generator, season: Season) -> list[Part]:
    """Fallen leaves and scraps."""
    n = int(rng.integers(20, 260))
    spot = rng.uniform(-9, 9, (n, 2))
    angle = rng.uniform(0, 2 * np.pi, (n, 3)) + np.array([0, 2.1, 4.2])
    reach = rng.uniform(0.015, 0.04, (n, 1)) * rng.uniform(0.6, 1.3, (n, 3))
    corners = spot[:, None] + reach[..., None] * np.stack([np.cos(angle), np.sin(angle)], -1)
    lift = rng.uniform(0.004, 0.015, (n, 3, 1))
    points = np.concatenate([corners, lift], -1).reshape(-1, 3)
    hue = np.repeat(rng.uniform(0, 1, n), 3)
    mesh = Mesh(points, np.arange(3 * n).reshape(n, 3), False, np.stack([hue, np.full(3 * n, 0.7)], -1))
    return [Part("litter", mesh, palette(rng, [*season.leaves, (0.12, 0.08, 0.04), (0.2, 0.15, 0.08)]))]
