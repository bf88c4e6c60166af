"""Surfaces that fill the picture: a wall of bricks, tiles, grass or cloth right before the camera.

Each is a panel in the plane x = 0 that looks along +x, far wider and higher than the picture shows of it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from carseg_rendering.geometry.materials import BSDF, matte
from carseg_rendering.geometry.meshes import Mesh, Part, grid
from carseg_rendering.scene.grounds import material
from carseg_rendering.scene.plants import AUTUMN, DRY, SUMMER, Season, foliage, leaves
from carseg_rendering.scene.textures import bricks, mixed, noise, palette, papered, quads, rough, stones, tinted, varied
from carseg_rendering.scene.walls import BRICKS, PLASTERS, WOODS, pick, surface
from carseg_rendering.things.forms import BRIGHT, FURS, Maker, patterned

WIDTH, HEIGHT = 9.0, 4.5  # metres
SHOWN = (3.0, 2.0)  # metres of it that a picture shows, at least nearly


def _panel(bsdf: BSDF) -> list[Part]:
    return [Part("panel", quads((0, -WIDTH / 2, 0), (0, WIDTH, 0), (0, 0, HEIGHT)), bsdf)]


def _wall(kind: str) -> Maker:
    return lambda rng: _panel(surface(rng, kind))


def _ground(kind: str) -> Maker:
    return lambda rng: _panel(material(rng, kind, Season(SUMMER, SUMMER if rng.random() < 0.6 else DRY)))


def _tiles(rng: np.random.Generator) -> list[Part]:
    rows, columns = [(8, 8), (12, 6), (16, 16), (6, 12)][int(rng.integers(4))]
    joints, each = bricks(rng, rows, columns, joint=0.08, shift=float(rng.choice([0.0, 0.5])))
    first, second = pick(rng, [*PLASTERS, *BRIGHT]), pick(rng, BRIGHT)
    tiles = mixed((each > rng.uniform(0.4, 1.0)).astype(float), first, second) * np.exp(0.1 * (each - 0.5))[..., None]
    picture = tiles * (1 - joints[..., None]) + np.array([0.5, 0.5, 0.48]) * joints[..., None]
    return _panel(
        papered(np.clip(picture, 0.01, 0.9), float(rng.uniform(0.8, 2.0)), gloss=float(rng.uniform(0.05, 0.3)))
    )


def _weave(rng: np.random.Generator) -> list[Part]:
    """Cloth: a tartan of bands in three colours, with a grain of threads."""
    bands = rng.integers(0, 3, 32)
    colours = np.array([pick(rng, [*BRIGHT, *FURS, *PLASTERS]) for _ in range(3)])
    lines = colours[bands].repeat(8, axis=0)
    twill = ((np.arange(256)[:, None] + np.arange(256)) % 4 < 2)[..., None]
    picture = np.where(twill, lines[:, None], lines[None])
    folds = np.exp(0.06 * noise(rng, 0.6))[..., None]
    y, z = np.linspace(-WIDTH / 2, WIDTH / 2, 90), np.linspace(0, HEIGHT, 40)
    deep, wave = rng.uniform(0.0, 0.15), rng.uniform(2, 7)
    points = np.stack(
        [deep * np.sin(wave * y[:, None] + 0.5 * np.sin(z)), *np.broadcast_arrays(y[:, None], z[None])], -1
    )
    mesh = grid(points)
    texcoords = points[..., 1:].reshape(-1, 2)
    return [
        Part(
            "cloth",
            Mesh(mesh.vertices, mesh.faces, True, texcoords),
            papered(np.clip(picture * folds, 0.01, 0.9), float(rng.uniform(0.5, 1.6))),
        )
    ]


def _planks(rng: np.random.Generator) -> list[Part]:
    joints, each = bricks(rng, int(rng.choice([6, 10, 16])), 1, joint=0.06, shift=0.4)
    fibre = np.exp(0.18 * noise(rng, 0.8, stretch=0.1))
    wood = tinted(pick(rng, WOODS), np.exp(0.4 * (each - 0.5)) * fibre * (1 - 0.8 * joints))
    turn = float(rng.choice([0.0, 90.0]))
    return _panel(papered(wood, float(rng.uniform(1.2, 2.4)), turn=turn, gloss=float(rng.uniform(0.2, 0.5))))


def _rubble(rng: np.random.Generator) -> list[Part]:
    """A wall of round stones."""
    height, each = stones(rng, int(rng.choice([8, 12, 20])))
    base = varied(rng, [(0.34, 0.32, 0.28), (0.4, 0.3, 0.2), (0.2, 0.2, 0.21)][int(rng.integers(3))])
    picture = tinted(base, np.exp(0.6 * (each - 0.5)) * (0.25 + 0.75 * height))
    return _panel(rough(papered(picture, 2.4), height, 2.4, 0.03))


def _leaf_wall(rng: np.random.Generator) -> list[Part]:
    """Ivy or a heap of leaves that hides all behind it."""
    colours = AUTUMN if rng.random() < 0.35 else SUMMER
    n = 12000
    spots = np.column_stack(
        [rng.normal(0.06, 0.05, n), rng.uniform(-0.5, 0.5, n) * WIDTH, rng.uniform(0, 1, n) * HEIGHT]
    )
    sprays = leaves(rng, spots, rng.uniform(0.2, 0.95, n), float(rng.uniform(0.08, 0.2)), pointed=1.5)
    return [*_panel(foliage(rng, colours)), Part("leaves", sprays, palette(rng, colours))]


def _fur(rng: np.random.Generator) -> list[Part]:
    colour = pick(rng, FURS)
    strands = np.exp(0.5 * noise(rng, 0.5, stretch=float(rng.choice([0.15, 6.0]))) + 0.2 * noise(rng, 1.2))
    return _panel(papered(tinted(colour, strands), float(rng.uniform(1.0, 2.5))))


def _stains(rng: np.random.Generator) -> list[Part]:
    """Marble, rust or clouds of paint."""
    first, second = pick(rng, [*PLASTERS, *BRICKS]), pick(rng, [*BRIGHT, *FURS])
    veins = np.exp(-((noise(rng, float(rng.uniform(1.0, 1.8))) * rng.uniform(1, 4)) ** 2))
    gloss = float(rng.uniform(0.05, 0.3)) if rng.random() < 0.5 else None
    return _panel(papered(np.clip(mixed(veins, first, second), 0.01, 0.9), float(rng.uniform(1.5, 4.0)), gloss=gloss))


def _pattern(rng: np.random.Generator) -> list[Part]:
    return _panel(patterned(rng, metres=float(rng.uniform(0.4, 2.5))))


def _plain(rng: np.random.Generator) -> list[Part]:
    """One colour with hardly a grain."""
    grain = np.exp(0.03 * noise(rng, 1.0))
    return _panel(papered(tinted(pick(rng, [*PLASTERS, *BRIGHT, *FURS]), grain), 3.0))


def _lattice(rng: np.random.Generator) -> list[Part]:
    """A lattice of bars or a net before a plain ground."""
    step, wide = rng.uniform(0.12, 0.5), rng.uniform(0.15, 0.4)
    at = np.arange(-5.0, 5.0, step)
    bars = quads(np.column_stack([0 * at + 0.04, at, 0 * at - 3.0]), (0, step * wide, 0), (0, 0, 10.0))
    across = quads(np.column_stack([0 * at + 0.05, 0 * at - 5.0, at + 2]), (0, 10.0, 0), (0, 0, step * wide))
    turned: Callable[[Mesh], Mesh] = (
        (lambda m: m.moved((0, 0, -2)).turned("x", 45).moved((0, 0, 2))) if rng.random() < 0.5 else (lambda m: m)
    )
    paint = matte(pick(rng, [*WOODS, *BRIGHT]))
    return [
        *_panel(matte(pick(rng, [*PLASTERS, *FURS]))),
        Part("bars", turned(bars), paint),
        Part("bars", turned(across), paint),
    ]


KINDS: dict[str, Maker] = {
    "bricks": _wall("brick"),
    "boards": _wall("boards"),
    "sheet metal": _wall("sheet"),
    "concrete": _wall("concrete"),
    "plaster": _wall("plaster"),
    "asphalt": _ground("asphalt"),
    "gravel": _ground("gravel"),
    "grass": _ground("grass"),
    "paving": _ground("tiles"),
    "tiles": _tiles,
    "cloth": _weave,
    "planks": _planks,
    "rubble": _rubble,
    "leaves": _leaf_wall,
    "fur": _fur,
    "stains": _stains,
    "pattern": _pattern,
    "plain": _plain,
    "lattice": _lattice,
}
