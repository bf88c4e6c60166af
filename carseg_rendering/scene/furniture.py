"""Things that stand in streets and on lots: lamp posts, flags, bunting, boards, bins."""

from __future__ import annotations

import numpy as np

from carseg_rendering.geometry.materials import matte, metal
from carseg_rendering.geometry.meshes import Array, Mesh, Part, grid, tube
from carseg_rendering.scene.textures import boxes, glossy, joined, palette, varied
from carseg_rendering.scene.walls import ACCENTS, METALS, pick


def lamp_posts(rng: np.random.Generator, y: float, *, spacing: float) -> list[Part]:
    """Lamp posts along y; their arms reach towards the camera."""
    height, x = rng.uniform(4.5, 8), np.arange(-50, 50, spacing) + rng.uniform(0, spacing)
    posts = []
    for at in x:
        path = [
            (at, y, 0),
            (at, y, height * 0.5),
            (at, y, height - 0.3),
            (at, y - 0.4, height),
            (at, y - 1.4, height + 0.05),
        ]
        posts.append(tube(path, [0.09, 0.07, 0.05, 0.045, 0.04], sides=6))
    heads = boxes(np.column_stack([x, 0 * x + y - 1.6, 0 * x + height + 0.05]), (0.22, 0.6, 0.12))
    grey = matte(varied(rng, (0.25, 0.26, 0.26), 0.4))
    return [Part("lamp posts", joined(posts), grey), Part("lamps", heads, grey)]


def flags(rng: np.random.Generator, y: float) -> list[Part]:
    """Tall flags on poles, moved by the wind."""
    parts = []
    colours = [matte(pick(rng, ACCENTS)) for _ in range(2)]
    pole = metal((0.7, 0.7, 0.72), roughness=0.3)
    for i, x in enumerate(np.arange(-16, 17, rng.uniform(4, 8)) + rng.uniform(0, 4)):
        parts.append(Part("pole", tube([(x, y, 0), (x, y, 2.5), (x, y, 5.6)], 0.04, sides=6), pole))
        u, v = np.meshgrid(np.linspace(0, 0.85, 7), np.linspace(2.6, 5.4, 5), indexing="ij")
        cloth = np.stack(
            [x + u * rng.uniform(0.7, 1), y + u * 0.25 * np.sin(u * 7 + v * 1.3 + rng.uniform(0, 6)), v - 0.2 * u], -1
        )
        parts.append(Part("flag", grid(cloth), colours[i % 2]))
    return parts


def bunting(rng: np.random.Generator, y: float) -> list[Part]:
    """Strings of small pennants over the lot."""
    x = np.arange(-24, 24, 0.42)
    sag = 3.6 + 0.9 * np.abs(np.sin(x * np.pi / 12))
    left, blown = np.column_stack([x, 0 * x + y, sag]), rng.normal(0, [0.05, 0.1, 0.02], (len(x), 3))
    corners = np.stack([left, left + np.array([0.3, 0, 0]), left + np.array([0.15, 0, -0.42]) + blown], 1)
    hue = np.repeat(rng.uniform(0, 1, len(x)), 3)
    mesh = Mesh(
        corners.reshape(-1, 3), np.arange(3 * len(x)).reshape(-1, 3), False, np.stack([hue, np.full_like(hue, 0.8)], -1)
    )
    rope = tube(np.column_stack([x, 0 * x + y, sag + 0.01]), 0.012, sides=3)
    return [Part("pennants", mesh, palette(rng, ACCENTS)), Part("rope", rope, matte((0.5, 0.5, 0.5)))]


def board(rng: np.random.Generator, x: float, y: float) -> list[Part]:
    """A dealer's board on its post, without words."""
    foot = rng.uniform(1.2, 4.5)
    face = boxes((x, y, foot + 0.8), (rng.uniform(1.5, 3.5), 0.2, 1.6))
    post = boxes((x, y + 0.05, foot / 2), (0.2, 0.12, foot))
    return [Part("board", face, glossy(pick(rng, ACCENTS), roughness=0.2)), Part("post", post, matte((0.3, 0.3, 0.3)))]


def bins(rng: np.random.Generator, places: Array) -> list[Part]:
    """Bins and boxes of the street at places (N, 2)."""
    parts = []
    for place in places:
        size = rng.uniform([0.4, 0.35, 0.8], [0.9, 0.6, 1.3])
        material = glossy(pick(rng, [*ACCENTS[4:6], *METALS, *METALS]), roughness=0.35)
        parts.append(Part("bin", boxes((*place, size[2] / 2 + 0.1), size), material))
    return parts
