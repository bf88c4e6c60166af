"""Far things: the land to the horizon, hills, the line of trees and houses all round."""

from __future__ import annotations

import numpy as np

from carseg_rendering.geometry.materials import BSDF, matte
from carseg_rendering.geometry.meshes import Array, Mesh, Part, grid
from carseg_rendering.scene.grounds import material, sheet
from carseg_rendering.scene.plants import Season, foliage, leaves
from carseg_rendering.scene.textures import boxes, haze, joined, noise, palette, papered, tinted, varied
from carseg_rendering.scene.walls import PLASTERS, pick


def land(rng: np.random.Generator, season: Season, *, clearing: float, snow: bool) -> list[Part]:
    """Level land under everything to the horizon, and what stands round it, no nearer than `clearing` metres."""
    far = sheet((-2500, 2500), (-2500, 2500), -0.06)
    surface = Part("land", far, material(rng, "snow" if snow else "grass", season))
    return [surface, *_tree_line(rng, season, clearing + 16), *_houses(rng, clearing)]


def hills(rng: np.random.Generator, season: Season, distance: float, height: float, *, snow: bool) -> Part:
    """A range of hills behind (towards +y), wooded or grown with grass, paler the farther (metres)."""
    n, rows = 200, 8
    angle, along = np.linspace(0.05, 0.95, n) * np.pi, np.linspace(0, 1, n)
    ridge = np.zeros(n)
    for knots, share in ((7, 0.55), (19, 0.3), (60, 0.1), (200, 0.05)):
        ridge += share * np.interp(along, np.linspace(0, 1, knots), rng.uniform(0, 1, knots))
    t = np.linspace(0, 1, rows)
    reach = distance * (1 + 0.4 * t)[None] * np.ones((n, 1))
    rise = height * ridge[:, None] * np.sin(t * np.pi / 2) * np.exp(rng.normal(0, 0.03, (n, rows))) - 1
    points = np.stack([reach * np.cos(angle)[:, None], reach * np.sin(angle)[:, None], rise], -1)
    mesh = grid(points)
    texcoords = np.stack([np.broadcast_to(angle[:, None] * distance, (n, rows)), 3 * rise], -1).reshape(-1, 2)
    colour = (0.72, 0.74, 0.77) if snow else pick(rng, [*season.leaves, *season.grass])
    wood = tinted(haze(colour, 0.6 * distance), np.exp(0.3 * noise(rng, 0.7)))
    return Part("hills", Mesh(mesh.vertices, mesh.faces, True, texcoords), papered(wood, distance / 3))


def wood(rng: np.random.Generator, season: Season, path: Array, height: Array, *, haze_at: float) -> list[Part]:
    """The edge of a wood: crown beside crown.

    Args:
        rng: Source of randomness.
        season: Colours of the trees.
        path: (N, 2) points of the edge, less than a crown's width apart.
        height: (N,) metres.
        haze_at: Metres of air before it.
    """
    n, rows = len(path), 6
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    gaps = np.concatenate([[0], np.cumsum(rng.uniform(2.5, 10, int(along[-1] / 2.5) + 2))])
    index = np.searchsorted(gaps, along, side="right") - 1
    crown = gaps[index + 1] - gaps[index]
    place = (along - gaps[index]) / crown
    tall, dip = rng.uniform(0.55, 1.15, len(gaps))[index], rng.uniform(0.4, 0.9, len(gaps))[index]
    top = height * tall * (dip + (1 - dip) * np.sin(np.pi * place) ** 0.6) * np.exp(rng.normal(0, 0.06, n))
    levels = np.linspace(0, 1, rows)
    bulge = 0.35 * np.sin(np.pi * place)[:, None] * np.sin(np.pi * levels**0.6) * crown[:, None]
    outwards = path / np.linalg.norm(path, axis=1, keepdims=True)
    flat = (
        path[:, None] * np.ones((1, rows, 1))
        - outwards[:, None] * (bulge * rng.uniform(0.6, 1.2, (n, rows)))[..., None]
    )
    points = np.concatenate([flat, (top[:, None] * levels - 0.1)[..., None]], -1)
    mesh = grid(points, smooth=False)
    texcoords = np.stack([np.broadcast_to(along[:, None], (n, rows)), points[..., 2]], -1).reshape(-1, 2)
    colours = [haze(colour, haze_at) for colour in season.leaves]
    crowns = Part("wood", Mesh(mesh.vertices, mesh.faces, False, texcoords), foliage(rng, colours, metres=5.0))
    # sprays of leaves on it, most along the top: crowns have no sharp outline
    column, row = rng.integers(0, n, 3200), np.minimum(rng.integers(1, rows + 3, 3200), rows - 1)
    at = points[column, row] + rng.normal(0, 0.05, (3200, 3)) * top[column, None]
    light = 0.25 + 0.4 * row / rows + rng.normal(0, 0.12, 3200)
    return [crowns, Part("sprays", leaves(rng, at, light, 0.09 * float(height.mean())), palette(rng, colours))]


def _tree_line(rng: np.random.Generator, season: Season, nearest: float) -> list[Part]:
    """Trees all round, near here and far there, with lower hedges between."""
    n = 700
    angle = np.linspace(0, 2 * np.pi, n)
    distance = np.interp(angle, np.linspace(0, 2 * np.pi, 9), nearest + rng.uniform(0, 55, 9)[[*range(8), 0]])
    height = np.interp(angle, np.linspace(0, 2 * np.pi, 31), rng.uniform(1.5, 9, 31))
    path = distance[:, None] * np.stack([np.cos(angle), np.sin(angle)], -1)
    return wood(rng, season, path, height, haze_at=60)


def _houses(rng: np.random.Generator, nearest: float) -> list[Part]:
    """Far houses with gables, in two or three colours."""
    roofs, parts = [], []
    for _ in range(rng.integers(2, 4)):
        bodies = []
        for _ in range(rng.integers(1, 5)):
            width, depth, height = rng.uniform(8, 16), rng.uniform(7, 10), rng.choice([3.2, 5.8, 8.6])
            turn, around, away = (rng.uniform(0, 360), rng.uniform(0, 360), (nearest + rng.uniform(10, 35), 0, 0))
            x, y, rise = width / 2 + 0.3, depth / 2 + 0.3, rng.uniform(1.5, 3.2)
            eaves = [[-x, -y, 0], [x, -y, 0], [x, y, 0], [-x, y, 0]]
            corners = np.array([*eaves, [-x * 0.9, 0, rise], [x * 0.9, 0, rise]]) + np.array([0, 0, height])
            faces = np.array([[0, 1, 5], [0, 5, 4], [2, 3, 4], [2, 4, 5], [1, 2, 5], [3, 0, 4]])
            body = boxes((0, 0, height / 2), (width, depth, height))
            bodies.append(body.turned("z", turn).moved(away).turned("z", around))
            roofs.append(Mesh(corners, faces, False).turned("z", turn).moved(away).turned("z", around))
        parts.append(Part("far houses", joined(bodies), _far_wall(rng)))
    return [*parts, Part("far roofs", joined(roofs), matte(haze(varied(rng, (0.17, 0.10, 0.08), 0.4), 90)))]


def _far_wall(rng: np.random.Generator) -> BSDF:
    """A wall with rows of windows as they look from far: 2.9 m a storey."""
    y, x = np.mgrid[:64, :64] / 64
    wide, tall = rng.uniform(0.25, 0.5), rng.uniform(0.35, 0.55)
    opening = (np.abs(x * 2 % 1 - 0.5) < wide / 2) & (np.abs(y % 1 - 0.5) < tall / 2)
    picture = tinted(haze(pick(rng, PLASTERS), 120), np.exp(0.05 * noise(rng, 0.6, size=64)))
    picture[opening] = haze(varied(rng, (0.05, 0.055, 0.06), 0.3), 90)
    return papered(picture, (5.2, 2.9))
