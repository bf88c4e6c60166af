"""Walls: colours, surfaces, garden walls, fences, roller doors.

Everything here is built along x with its front at y = 0 facing -y, its foot on z = 0 and its middle at x = 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from carseg_rendering.geometry.materials import BSDF, matte
from carseg_rendering.geometry.meshes import Array, Floats, Mesh, Part
from carseg_rendering.scene.textures import (
    blended,
    boxes,
    bricks,
    dark,
    glossy,
    joined,
    mixed,
    noise,
    papered,
    ramp,
    rough,
    tinted,
    varied,
)

PLASTERS = [(0.62, 0.58, 0.50), (0.72, 0.70, 0.66), (0.55, 0.42, 0.28), (0.60, 0.50, 0.36), (0.45, 0.46, 0.46),
            (0.50, 0.34, 0.26), (0.38, 0.44, 0.48), (0.68, 0.60, 0.40)]  # fmt: skip
BRICKS = [(0.27, 0.11, 0.07), (0.33, 0.17, 0.10), (0.22, 0.13, 0.10), (0.42, 0.32, 0.20), (0.36, 0.33, 0.30)]
METALS = [(0.45, 0.47, 0.48), (0.62, 0.62, 0.60), (0.16, 0.22, 0.30), (0.30, 0.33, 0.30), (0.42, 0.38, 0.30)]
WOODS = [(0.25, 0.15, 0.08), (0.33, 0.24, 0.15), (0.20, 0.17, 0.14), (0.48, 0.45, 0.40), (0.12, 0.07, 0.04)]
TRIMS = [(0.75, 0.75, 0.72), (0.72, 0.72, 0.70), (0.10, 0.09, 0.08), (0.22, 0.13, 0.07), (0.30, 0.31, 0.32)]
ACCENTS = [(0.45, 0.04, 0.03), (0.03, 0.09, 0.32), (0.02, 0.20, 0.08), (0.60, 0.42, 0.04), (0.70, 0.70, 0.68),
           (0.05, 0.05, 0.06), (0.05, 0.28, 0.36), (0.55, 0.20, 0.03)]  # fmt: skip
SURFACES = ("plaster", "brick", "boards", "sheet", "concrete")


def pick(rng: np.random.Generator, colours: Sequence[Floats]) -> Array:
    """One of the colours, slightly changed."""
    return varied(rng, colours[int(rng.integers(len(colours)))], 0.12)


def surface(rng: np.random.Generator, kind: str) -> BSDF:
    """The material of a wall, with age and stains.

    Args:
        rng: Source of randomness.
        kind: One of SURFACES.
    """
    grain = np.exp(0.05 * noise(rng, 0.3) + 0.06 * noise(rng, 1.4))
    if kind == "brick":
        joints, each = bricks(rng, 24, 8, joint=0.16)
        colour = pick(rng, BRICKS)
        clay = tinted(colour, np.exp(0.28 * (each - 0.5) * 2) * grain**2)
        mortar = tinted(rng.choice([(0.45, 0.42, 0.38), (0.30, 0.28, 0.26), (0.6, 0.58, 0.54)]), grain)
        wall = rough(papered(mixed(joints, clay, mortar), 1.8), 1 - joints, 1.8, 0.006)
    elif kind == "boards":
        joints, each = bricks(rng, 8, 1, joint=0.10, shift=0.37)
        colour = pick(rng, [*TRIMS[:2], *PLASTERS, *WOODS])
        fibre = np.exp(0.10 * noise(rng, 0.8, stretch=0.1))
        wood = tinted(colour, np.exp(0.12 * (each - 0.5)) * fibre * (1 - 0.75 * joints))
        wall = papered(wood, 1.4)
    elif kind == "sheet":
        wave = 0.5 + 0.5 * np.cos(np.linspace(0, 2 * np.pi * 8, 256, endpoint=False))
        ribs = np.broadcast_to(ramp(wave, 0.35, 0.65), (256, 256))
        wall = rough(papered(tinted(pick(rng, METALS), grain * (0.8 + 0.2 * ribs)), 2.0, gloss=0.35), ribs, 2.0, 0.03)
    elif kind == "concrete":
        joints, each = bricks(rng, 2, 2, joint=0.02, shift=0.0)
        tone = np.exp(0.10 * (each - 0.5) + 0.10 * noise(rng, 1.2)) * grain * (1 - 0.6 * joints)
        wall = papered(tinted(varied(rng, (0.40, 0.39, 0.36)), tone), (5.0, 4.0))
    else:
        wall = papered(tinted(pick(rng, PLASTERS), grain), 3.0)
    soiled = 0.35 * ramp(noise(rng, 1.3, stretch=0.35), 0.3, 2.2) * rng.uniform(0.4, 1.6)
    return blended(np.clip(soiled, 0, 1), (11.0, 8.0), wall, matte(varied(rng, (0.10, 0.095, 0.085))))


def garden_wall(rng: np.random.Generator, *, width: float, height: float) -> list[Part]:
    """A free-standing wall with a coping and, in some, pillars."""
    kind = rng.choice(SURFACES, p=[0.3, 0.38, 0.12, 0.06, 0.14])
    parts = [Part("wall", boxes((0, 0.12, height / 2), (width, 0.24, height)), surface(rng, kind))]
    stone = matte(varied(rng, (0.35, 0.33, 0.30)))
    parts.append(Part("coping", boxes((0, 0.12, height + 0.03), (width, 0.34, 0.07)), stone))
    if rng.random() < 0.4:
        x = np.arange(-width / 2 + rng.uniform(0, 3), width / 2, rng.uniform(2.5, 4.5))
        pillars = boxes(
            np.column_stack([x, np.full(len(x), 0.1), np.full(len(x), height / 2 + 0.08)]), (0.4, 0.4, height + 0.16)
        )
        parts.append(Part("pillars", pillars, parts[0].material if rng.random() < 0.6 else stone))
    return parts


def fence(rng: np.random.Generator, *, width: float, height: float) -> list[Part]:
    """Upright wooden boards, or bars of iron between posts."""
    wooden = rng.random() < 0.65
    step, size = (rng.uniform(0.11, 0.17), rng.uniform(0.08, 0.105)) if wooden else (0.13, 0.02)
    n = int(width / step)
    x = (np.arange(n) + 0.5) * step - width / 2
    top = height + rng.normal(0, 0.012, n)
    bars = boxes(
        np.column_stack([x, rng.normal(0, 0.006, n), top / 2 + 0.03]),
        np.column_stack([np.full(n, size), np.full(n, 0.02), top]),
    )
    tone = rng.integers(0, 16, n).repeat(24) / 16 + 1 / 32
    bars = Mesh(bars.vertices, bars.faces, False, np.column_stack([_by_box(tone, n), np.full(24 * n, 0.5)]))
    colour = pick(rng, WOODS) if wooden else np.array((0.03, 0.03, 0.03))
    shades = tinted(colour, np.broadcast_to(np.exp(rng.normal(0, 0.14, 16))[None], (16, 16)))
    rails = boxes([(0, 0.04, 0.35), (0, 0.04, height - 0.25)], (width, 0.05, 0.08 if wooden else 0.04))
    posts_x = np.arange(-width / 2, width / 2, 2.4)
    posts = boxes(
        np.column_stack([posts_x, np.full(len(posts_x), 0.08), np.full(len(posts_x), height / 2)]), (0.1, 0.1, height)
    )
    return [Part("bars", bars, papered(shades, (1.0, 1.0))), Part("rails", joined([rails, posts]), matte(colour * 0.8))]


def roller_door(rng: np.random.Generator, x: float, width: float, height: float, *, raised: float = 0.0) -> list[Part]:
    """A garage's or hall's door of horizontal slats about that x, its foot at height `raised`."""
    slats = int(height / rng.choice([0.12, 0.25, 0.55]))
    colour = pick(rng, [*TRIMS[:2], *TRIMS[:2], *METALS, *WOODS, *ACCENTS[:3]])
    colour = 0.75 * colour + 0.25 * colour.mean()
    depth = np.linspace(0, height, slats, endpoint=False) + raised
    leaves = boxes(np.column_stack([np.full(slats, x), np.full(slats, -0.01), depth + height / slats / 2]),
                   (width, 0.05, height / slats - 0.02))  # fmt: skip
    gap = boxes((x, 0.0, raised + height / 2), (width, 0.04, height))
    frame = boxes([(x - width / 2, -0.03, height / 2), (x + width / 2, -0.03, height / 2), (x, -0.03, height + raised)],
                  [(0.12, 0.12, height), (0.12, 0.12, height), (width + 0.12, 0.12, 0.12)])  # fmt: skip
    return [
        Part("door", leaves, glossy(colour, roughness=0.3)),
        Part("gaps", gap, dark(colour * 0.25)),
        Part("frame", frame, matte(pick(rng, TRIMS))),
    ]


def _by_box(values: Array, n: int) -> Array:
    """Values in the order of boxes, in the order of `boxes`' vertices, which go side by side."""
    return values.reshape(n, 6, 4).transpose(1, 0, 2).ravel()
