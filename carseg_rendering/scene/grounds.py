"""Grounds: asphalt, concrete, gravel, grass, tiles, snow, or a plain floor.

A ground is one large sheet at z = 0 with a fine and a coarse pattern, and flat things on it: cracks, seams, lines,
leaves, tracks, blades of grass.
"""

from __future__ import annotations

import numpy as np

from carseg_rendering.geometry.materials import BSDF, matte
from carseg_rendering.geometry.meshes import Array, Mesh, Part
from carseg_rendering.scene import markings
from carseg_rendering.scene.plants import Season, blades, gathered
from carseg_rendering.scene.textures import (
    blended,
    bricks,
    mixed,
    noise,
    palette,
    papered,
    quads,
    ramp,
    rough,
    stones,
    tinted,
    varied,
)

KINDS = ("asphalt", "concrete", "gravel", "grass", "tiles", "snow", "plain")


def material(rng: np.random.Generator, kind: str, season: Season, *, indoors: bool = False) -> BSDF:
    """A ground's surface; texture coordinates are metres.

    Args:
        rng: Source of randomness.
        kind: One of KINDS.
        season: Decides the colour of grass.
        indoors: Tiles and concrete are then even and polished.

    Raises:
        ValueError: There is no such ground.
    """
    if kind not in KINDS:
        raise ValueError(f"unknown ground {kind!r}: expected one of {', '.join(KINDS)}")
    if kind == "plain":
        return matte(np.full(3, rng.uniform(0.25, 0.45)))
    turn = float(rng.uniform(0, 360))
    if indoors and kind in ("concrete", "tiles"):
        return _polished(rng, tiled=kind == "tiles")
    return {"asphalt": _asphalt, "concrete": _concrete, "gravel": _gravel, "tiles": _paving, "snow": _snow}.get(
        kind, lambda rng, turn: _grass(rng, turn, season)
    )(rng, turn)


def ground(
    rng: np.random.Generator,
    kind: str,
    *,
    camera: Array,
    clear: Array,
    season: Season,
    yaw: float,
    indoors: bool = False,
    bays: bool = False,
) -> list[Part]:
    """The ground's sheet and the things that lie on it.

    Args:
        rng: Source of randomness.
        kind: One of KINDS.
        camera: (3,) the camera's position.
        clear: (K, 2) corners of the cars; the first four are the main car's.
        season: Decides the colour of grass.
        yaw: Direction of slabs and seams, degrees.
        indoors: Even and polished, with nothing lying about.
        bays: Whether parking bays are marked.
    """
    surface = material(rng, kind, season, indoors=indoors)
    if kind == "plain":
        return [Part("ground", sheet((-3000, 3000), (-3000, 3000), 0.0), surface)]
    sheet_part = Part(
        "ground",
        sheet((-markings.REACH, markings.REACH), (-markings.REACH, markings.REACH), 0.0).turned("z", yaw),
        surface,
    )
    parts = [sheet_part]
    if indoors:
        return parts
    if kind in ("asphalt", "concrete"):
        parts += markings.cracks(rng, 5 if kind == "asphalt" else 3)
        if bays:
            parts += markings.bay_lines(rng)
        elif kind == "asphalt" and rng.random() < 0.35:
            parts += markings.road_line(rng)
        if rng.random() < 0.4:
            parts += markings.manhole(rng)
    if kind == "concrete":
        parts += markings.joints(rng, yaw)
    if kind == "snow":
        parts += markings.tracks(rng)
    if kind == "grass":
        parts += lawn(rng, season, camera, clear, count=11000, height=rng.uniform(0.035, 0.075))
    elif kind != "snow" and rng.random() < 0.5:
        parts += markings.litter(rng, season)
    return gathered(parts)


def sheet(x: tuple[float, float], y: tuple[float, float], z: float) -> Mesh:
    """A level rectangle."""
    return quads((x[0], y[0], z), (x[1] - x[0], 0, 0), (0, y[1] - y[0], 0))


def lawn(
    rng: np.random.Generator, season: Season, camera: Array, clear: Array, *, count: int, height: float
) -> list[Part]:
    """Blades of grass where the camera sees them one by one: more of them near, larger ones farther off."""
    towards = np.arctan2(-camera[1], -camera[0])
    reach = float(np.linalg.norm(camera[:2]))
    near, far = max(1.0, reach - 12), reach + 20
    distance = near * (far / near) ** rng.uniform(0, 1, count)
    angle = towards + min(0.62, 7 / reach) * rng.uniform(-1, 1, count)
    feet = camera[:2] + distance[:, None] * np.stack([np.cos(angle), np.sin(angle)], -1)
    free = distance_to_cars(feet, clear) > 0.15
    feet, distance = feet[free], distance[free]
    tall = height * np.exp(rng.normal(0, 0.35, len(feet))) * np.clip(distance / 8, 1, 1.6)
    return [Part("grass", blades(rng, feet, tall, width=0.004 + 0.0016 * distance), palette(rng, season.grass))]


def distance_to_cars(points: Array, clear: Array) -> Array:
    """Metres from points (N, 2) to the cars, whose corners (K, 2) come in fours, in any order; 0 or little inside."""
    nearest = np.full(len(points), np.inf)
    for corners in np.asarray(clear, dtype=float).reshape(-1, 4, 2):
        for i in range(4):
            for j in range(i):
                nearest = np.minimum(nearest, _to_segment(points, corners[i], corners[j]))
        nearest[_inside(points, corners)] = 0.0
    return nearest


def _inside(points: Array, corners: Array) -> Array:
    middle = corners.mean(axis=0)
    order = np.argsort(np.arctan2(*(corners - middle).T[::-1]))
    ring = corners[order]
    ahead = np.roll(ring, -1, axis=0) - ring
    offset = points[:, None] - ring
    return (ahead[:, 0] * offset[..., 1] - ahead[:, 1] * offset[..., 0] >= 0).all(axis=1)


def _to_segment(points: Array, start: Array, end: Array) -> Array:
    ahead = end - start
    t = np.clip((points - start) @ ahead / max(ahead @ ahead, 1e-12), 0, 1)
    return np.linalg.norm(points - start - t[:, None] * ahead, axis=1)


def _asphalt(rng: np.random.Generator, turn: float) -> BSDF:
    base = varied(rng, (0.115, 0.112, 0.108), 0.3)
    grain = np.exp(0.26 * noise(rng, 0.15) + 0.13 * noise(rng, 0.8))
    fresh = tinted(base * rng.uniform(0.6, 0.8), grain)
    old = tinted(base * rng.uniform(1.1, 1.45) * [1.03, 1.0, 0.95], grain)
    stains = ramp(noise(rng, 1.25), -1.2, 1.4)
    for _ in range(rng.integers(0, 4)):  # mended patches: rectangles of another age
        row, column = rng.integers(0, 200, 2)
        tall, wide = rng.integers(8, 60, 2)
        stains[row : row + tall, column : column + wide] *= rng.uniform(0.1, 0.6)
    return blended(stains, 22.0, papered(fresh, 2.1), papered(old, 2.1), turn)


def _concrete(rng: np.random.Generator, turn: float) -> BSDF:
    base = varied(rng, (0.36, 0.345, 0.31), 0.15)
    grain = np.exp(0.07 * noise(rng, 0.3) + 0.06 * noise(rng, 1.2))
    clean, soiled = (papered(tinted(base, grain), 2.6), papered(tinted(base * [0.55, 0.54, 0.52], grain**1.5), 2.6))
    stains = 0.8 * ramp(noise(rng, 1.3), -0.6, 2.4) + 0.15 * ramp(noise(rng, 0.7), 0.5, 2.5)
    return blended(np.clip(stains, 0, 1), 19.0, clean, soiled, turn)


def _gravel(rng: np.random.Generator, turn: float) -> BSDF:
    height, each = stones(rng, 44)
    base = rng.choice([(0.30, 0.28, 0.25), (0.38, 0.33, 0.26), (0.26, 0.26, 0.26), (0.30, 0.22, 0.16)])
    tone = np.exp(0.75 * (each - 0.5)) * (0.35 + 0.65 * height)
    pebbles = rough(papered(tinted(varied(rng, base), tone), 1.5), height, 1.5, 0.012)
    sand = papered(tinted(varied(rng, np.asarray(base) * 0.75), np.exp(0.16 * noise(rng, 0.3))), 2.3)
    worn = 0.9 * ramp(noise(rng, 1.2), -0.3, 1.8)
    return blended(worn, 17.0, pebbles, sand, turn)


def _grass(rng: np.random.Generator, turn: float, season: Season) -> BSDF:
    first, second = np.asarray(season.grass)[rng.choice(len(season.grass), 2, replace=False)] * rng.uniform(0.7, 1.0)
    streaks = np.exp(0.45 * noise(rng, 0.35) + 0.2 * noise(rng, 0.9))
    green = tinted(first, streaks)
    other = mixed(ramp(noise(rng, 0.5), 0.3, 1.8), tinted(second, streaks), (0.15, 0.12, 0.07))
    return blended(ramp(noise(rng, 1.25), -1.0, 1.6), 14.0, papered(green, 1.7), papered(other, 2.3), turn)


def _paving(rng: np.random.Generator, turn: float) -> BSDF:
    rows, columns, metres, shift = [(16, 8, 1.7, 0.5), (8, 8, 2.4, 0.0), (10, 6, 3.0, 0.5), (12, 12, 1.3, 0.5)][
        rng.integers(4)
    ]
    joints, each = bricks(rng, rows, columns, joint=0.10, shift=shift)
    base = varied(
        rng, [(0.34, 0.32, 0.29), (0.30, 0.17, 0.12), (0.25, 0.25, 0.25), (0.38, 0.33, 0.26)][rng.integers(4)]
    )
    grain = np.exp(0.10 * noise(rng, 0.4) + 0.35 * (each - 0.5)) * (1 - 0.65 * joints)
    clean = rough(papered(tinted(base, grain), metres), 1 - joints, metres, 0.005)
    soiled = papered(tinted(base * 0.5, grain), metres)
    return blended(0.9 * ramp(noise(rng, 1.25), -0.4, 2.2), 16.0, clean, soiled, 0.0)


def _snow(rng: np.random.Generator, turn: float) -> BSDF:
    drifts = noise(rng, 1.5)
    white = rough(papered(tinted((0.80, 0.82, 0.86), np.exp(0.04 * noise(rng, 0.5))), 3.0), 0.15 * drifts, 3.0, 0.10)
    trodden = papered(tinted((0.50, 0.50, 0.51), np.exp(0.16 * noise(rng, 0.6))), 2.0)
    return blended(0.8 * ramp(noise(rng, 1.2), 0.2, 2.2), 15.0, white, trodden, turn)


def _polished(rng: np.random.Generator, *, tiled: bool) -> BSDF:
    joints, each = bricks(rng, 4, 4, joint=0.02, shift=0.0)
    base = varied(
        rng, [(0.55, 0.54, 0.51), (0.30, 0.30, 0.30), (0.10, 0.10, 0.105), (0.48, 0.42, 0.34)][rng.integers(4)]
    )
    grain = np.exp(0.05 * noise(rng, 1.1) + (0.10 * (each - 0.5) if tiled else 0))
    pattern = tinted(base, grain * (1 - 0.55 * joints) if tiled else grain)
    return papered(pattern, rng.uniform(2.0, 3.6), gloss=float(rng.uniform(0.05, 0.25)))
