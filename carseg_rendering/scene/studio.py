"""Indoors: a showroom's wall and a studio's backdrop, on a background's stage (x to the right, y away)."""

from __future__ import annotations

import numpy as np

from carseg_rendering.geometry.materials import BSDF, matte
from carseg_rendering.geometry.meshes import Mesh, Part, grid
from carseg_rendering.scene.plants import placed
from carseg_rendering.scene.textures import boxes, glossy, noise, papered, ramp, tinted, varied
from carseg_rendering.scene.walls import ACCENTS, METALS, PLASTERS, TRIMS, pick, surface


def inside_wall(rng: np.random.Generator, behind: float) -> list[Part]:
    """A showroom's wall: plaster, panels or glass to the outside, with a skirting and boards."""
    start, height = behind + rng.uniform(0.8, 5), rng.uniform(4, 6)
    plaster = surface(rng, rng.choice(["plaster", "concrete", "brick"], p=[0.6, 0.25, 0.15]))
    made = [Part("wall", boxes((0, 0.5, height / 2), (50, 1, height)), plaster)]
    made.append(Part("skirting", boxes((0, -0.02, 0.06), (50, 0.05, 0.12)), matte((0.06, 0.06, 0.06))))
    if rng.random() < 0.6:
        made.append(
            Part(
                "band",
                boxes((0, -0.03, height * 0.72), (50, 0.08, rng.uniform(0.2, 0.9))),
                glossy(pick(rng, ACCENTS), roughness=0.2),
            )
        )
    if rng.random() < 0.5:  # columns or the joints of panels
        x = np.arange(-24, 24, rng.uniform(1.2, 4))
        column = (0.03, 0.02, height) if rng.random() < 0.6 else (0.35, 0.3, height)
        made.append(
            Part("columns", boxes(np.column_stack([x, 0 * x, 0 * x + height / 2]), column), matte(pick(rng, TRIMS)))
        )
    for x in np.arange(-20, 20, rng.uniform(3, 9)) + rng.uniform(0, 3):
        size = np.array([rng.uniform(0.6, 1.9), 0.06, rng.uniform(0.8, 1.5)])
        spot = np.array([x, -0.22, rng.uniform(1.6, 2.2)])
        made.append(Part("poster", boxes(spot, size), poster(rng)))
        made.append(
            Part("frame", boxes(spot + np.array([0, 0.02, 0]), size + np.array([0.1, 0, 0.1])), matte(pick(rng, TRIMS)))
        )
    return placed(made, (0, start))


def poster(rng: np.random.Generator) -> BSDF:
    """A picture of nothing: a few fields of colour that run into each other."""
    fields = ramp(noise(rng, 1.6, size=64), -0.3, 0.3)[..., None] * (
        pick(rng, ACCENTS) - (picture := pick(rng, PLASTERS))
    )
    picture = (
        picture + fields + ramp(noise(rng, 1.9, size=64), 0.2, 0.5)[..., None] * 0.4 * (pick(rng, METALS) - picture)
    )
    return papered(np.clip(picture, 0.01, 0.9), 2.1, gloss=0.15)


def backdrop(rng: np.random.Generator, behind: float, *, floor: bool, white: bool = False) -> list[Part]:
    """A studio's backdrop: the wall, with a wide curve at its foot, and the floor in one with it if wanted.

    White and without shades it is as in catalogues, where cars stand before nothing.
    """
    start, bend, height = behind + rng.uniform(0.8, 3), rng.uniform(1.0, 3.0), rng.uniform(6, 9)
    turn = np.linspace(0, np.pi / 2, 13)
    y = np.concatenate([[-40, -5], start + bend * np.sin(turn), [start + bend]])
    z = np.concatenate([[0, 0], bend * (1 - np.cos(turn)), [height]])
    if not floor:
        y, z = y[2:], z[2:]
    x = np.linspace(-40, 40, 9)
    points = np.stack(
        [
            np.broadcast_to(x[:, None], (9, len(y))),
            np.broadcast_to(y, (9, len(y))),
            np.broadcast_to(z + 0.006, (9, len(y))),
        ],
        -1,
    )
    mesh = grid(points)
    along = np.concatenate([[0], np.cumsum(np.hypot(np.diff(y), np.diff(z)))]) / 60
    texcoords = np.stack([(points[..., 0] + 40) / 80.001, np.broadcast_to(along, (9, len(y)))], -1).reshape(-1, 2)
    base = varied(
        rng,
        [(0.62, 0.62, 0.62), (0.35, 0.35, 0.36), (0.12, 0.12, 0.125), (0.75, 0.75, 0.75), (0.30, 0.34, 0.40)][
            rng.integers(5)
        ],
    )
    u, v = np.meshgrid(np.linspace(-1, 1, 256), np.linspace(-1, 1, 256))
    glow = rng.uniform(0.0, 0.7)
    if white:
        base, glow = np.array([0.93, 0.93, 0.93]), 0.0
    tone = np.exp(glow * (np.exp(-3 * (u - rng.normal(0, 0.2)) ** 2 - v**2) - 0.5) + 0.012 * noise(rng, 1.4))
    return [Part("backdrop", Mesh(mesh.vertices, mesh.faces, True, texcoords), papered(tinted(base, tone), (1.0, 1.0)))]
