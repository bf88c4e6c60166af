"""Piles and heaps of many alike things."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from carseg_rendering.geometry.materials import BSDF, matte
from carseg_rendering.geometry.meshes import Mesh, Part, box, merged
from carseg_rendering.scene.plants import AUTUMN, BARK, leaves
from carseg_rendering.scene.textures import joined, palette, varied
from carseg_rendering.scene.walls import BRICKS, pick
from carseg_rendering.things.forms import (
    STEEL,
    Maker,
    ball,
    bare_metal,
    cloth,
    draped,
    lacquered,
    lumpy,
    patterned,
    pipe,
    ring,
    rod,
    roller,
    rounded_section,
    solid,
    turned,
    wooden,
)


def _heap(
    rng: np.random.Generator, make: Callable[[], Mesh], count: int, *, radius: float, height: float
) -> list[Mesh]:
    """Copies dropped on a cone, each turned at random, the lowest on the ground."""
    found = []
    for _ in range(count):
        out, angle = radius * np.sqrt(rng.uniform(0, 1)), rng.uniform(0, 2 * np.pi)
        mesh = make()
        for axis in "xyz":
            mesh = mesh.turned(axis, rng.uniform(0, 360))
        low = -float(mesh.vertices[:, 2].min())
        z = low + rng.uniform(0.0, 0.9) * height * (1 - out / radius)
        found.append(mesh.moved((out * np.cos(angle), out * np.sin(angle), z)))
    return found


def _shared(rng: np.random.Generator, meshes: list[Mesh], materials: list[BSDF], name: str) -> list[Part]:
    """Meshes dealt out to materials at random."""
    of = rng.integers(0, len(materials), len(meshes))
    groups = [[mesh for mesh, k in zip(meshes, of, strict=True) if k == n] for n in range(len(materials))]
    return [Part(name, draped(joined(group)), bsdf) for group, bsdf in zip(groups, materials, strict=True) if group]


def _logs(rng: np.random.Generator) -> list[Part]:
    radius, length, rows = rng.uniform(0.07, 0.16), rng.uniform(0.6, 1.6), int(rng.integers(3, 6))
    logs, ends, n = [], [], int(rng.integers(5, 9))
    for row in range(rows):
        for k in range(n - row):
            r = radius * rng.uniform(0.8, 1.05)
            at = ((rng.uniform(-0.04, 0.04)), (k - (n - row - 1) / 2) * 2.05 * radius, radius + row * 1.75 * radius)
            logs.append(rod((at[0] - length / 2, at[1], at[2]), (at[0] + length / 2, at[1], at[2]), r, sides=14))
            ends.append(roller(0.92 * r, length + 0.01, (0, 0, 0)).turned("z", 90).moved(at))
    return [
        Part("bark", merged(logs), matte(varied(rng, BARK, 0.4))),
        Part("ends", merged(ends), matte(varied(rng, (0.42, 0.3, 0.17)))),
    ]


def _brick_stack(rng: np.random.Generator) -> list[Part]:
    layers, rows, columns = int(rng.integers(3, 9)), int(rng.integers(2, 5)), int(rng.integers(3, 8))
    bricks = []
    for z in range(layers):
        for i in range(rows):
            for j in range(columns):
                if z < layers - 1 or rng.random() < 0.7:
                    bricks.append(
                        solid(
                            (0.24, 0.115, 0.07),
                            (0.25 * i + rng.normal(0, 0.006), 0.125 * j + rng.normal(0, 0.004), 0.1 + 0.072 * z),
                        )
                    )
    pallet = [solid((0.09, 0.13 * columns, 0.1), (0.25 * i, 0.0625 * (columns - 1), 0)) for i in range(rows)]
    colour = pick(rng, BRICKS)
    return [
        *_shared(rng, bricks, [matte(varied(rng, colour)) for _ in range(3)], "bricks"),
        Part("pallet", joined(pallet), wooden(rng)),
    ]


def _boxes(rng: np.random.Generator) -> list[Part]:
    boxes, tapes = [], []
    heights: dict[int, float] = {}
    for _ in range(int(rng.integers(4, 12))):
        column = int(rng.integers(0, 4))
        size = rng.uniform([0.3, 0.35, 0.2], [0.5, 0.55, 0.5])
        z = heights.get(column, 0.0)
        if z > 1.4:
            continue
        at = (rng.uniform(-0.05, 0.05) + 0.52 * (column // 3), 0.58 * (column % 3), z)
        boxes.append(solid(size, at))
        tapes.append(solid((size[0] + 0.006, 0.06, size[2] + 0.003), at))
        heights[column] = z + size[2]
    card = matte(varied(rng, (0.36, 0.24, 0.13)))
    return [Part("boxes", joined(boxes), card), Part("tape", joined(tapes), matte(varied(rng, (0.45, 0.36, 0.22))))]


def _parcels(rng: np.random.Generator) -> list[Part]:
    meshes = _heap(rng, lambda: solid(rng.uniform(0.2, 0.5, 3)), 26, radius=1.0, height=0.9)
    return _shared(rng, meshes, [patterned(rng, metres=0.3) if k % 2 else lacquered(rng) for k in range(5)], "parcels")


def _sacks(rng: np.random.Generator) -> list[Part]:
    sacks = []
    for z in range(int(rng.integers(2, 6))):
        for k in range(int(rng.integers(2, 4))):
            sack = lumpy(ball((0.34, 0.24, 0.1), powers=(0.8, 0.6)), rng, 0.015)
            sacks.append(sack.turned("z", rng.normal(90 * (z % 2), 6)).moved((0.1 * (z % 2), 0.5 * k, 0.1 + 0.17 * z)))
    return [Part("sacks", draped(merged(sacks)), cloth(rng) if rng.random() < 0.7 else patterned(rng, metres=0.4))]


def _sand(rng: np.random.Generator) -> list[Part]:
    radius, height = rng.uniform(0.8, 1.4), rng.uniform(0.5, 0.9)
    cone = turned(
        [(radius * s, height * (1 - s) ** rng.uniform(0.9, 1.1) - 0.01) for s in np.linspace(1, 0, 14)], sides=60
    )
    heap = lumpy(cone, rng, 0.012, waves=12)
    bits = [
        box((2.0, 2.0, 2.0), rounding=1.0)
        .scaled(rng.uniform(0.02, 0.06))
        .moved((r * np.cos(a), r * np.sin(a), height * max(1 - r / radius, 0.02)))
        for r, a in zip(radius * rng.uniform(0.1, 1.1, 90), rng.uniform(0, 7, 90), strict=True)
    ]
    colour = pick(rng, [(0.42, 0.34, 0.22), (0.16, 0.11, 0.07), (0.3, 0.3, 0.3), (0.03, 0.03, 0.03), (0.6, 0.6, 0.62)])
    return [Part("heap", draped(heap), matte(colour)), Part("bits", merged(bits), matte(colour * 0.8))]


def _pipes(rng: np.random.Generator) -> list[Part]:
    radius, length, n = rng.uniform(0.08, 0.22), rng.uniform(1.2, 2.6), int(rng.integers(3, 6))
    tubes = []
    profile = [(0.82 * radius, 0), (radius, 0), (radius, length), (0.82 * radius, length), (0.82 * radius, 0)]
    for row in range(n):
        for k in range(n - row):
            mesh = turned(profile, sides=26, sharp=True).turned("y", 90)
            tubes.append(
                mesh.moved((-length / 2, (k - (n - row - 1) / 2) * 2.03 * radius, radius + row * 1.76 * radius))
            )
    colour = lacquered(rng) if rng.random() < 0.5 else bare_metal(rng)
    chocks = [
        solid((0.15, 0.12, 0.12), (x, side * (n * radius + 0.05), 0))
        for x in (-length / 3, length / 3)
        for side in (-1, 1)
    ]
    return [Part("pipes", merged(tubes), colour), Part("chocks", joined(chocks), wooden(rng))]


def _scrap(rng: np.random.Generator) -> list[Part]:
    def piece() -> Mesh:
        kind = int(rng.integers(5))
        if kind == 0:
            return solid((rng.uniform(0.2, 0.7), rng.uniform(0.2, 0.6), 0.02))
        if kind == 1:
            return rod((0, 0, 0), (rng.uniform(0.4, 1.1), 0, 0), rng.uniform(0.015, 0.05))
        if kind == 2:
            return ring(rng.uniform(0.1, 0.25), 0.03, steps=24)
        if kind == 3:
            return solid(rng.uniform(0.08, 0.3, 3))
        return pipe([(0, 0, 0), (0.3, 0.1, 0), (0.4, 0.4, 0.1)], 0.025, steps=8)

    meshes = _heap(rng, piece, 70, radius=1.1, height=0.9)
    return _shared(
        rng, meshes, [bare_metal(rng), bare_metal(rng), lacquered(rng), STEEL, matte((0.14, 0.06, 0.03))], "scrap"
    )


def _books(rng: np.random.Generator) -> list[Part]:
    parts, z = [], 0.0
    for _ in range(int(rng.integers(4, 14))):
        size = rng.uniform([0.5, 0.7, 0.06], [0.65, 0.95, 0.2])
        turn, at = rng.normal(0, 9), (rng.normal(0, 0.03), rng.normal(0, 0.03), z)
        cover = [solid((size[0], size[1], 0.015), (0, 0, dz)) for dz in (0, size[2] - 0.015)] + [
            solid((0.015, size[1], size[2]), (-size[0] / 2, 0, 0))
        ]
        parts += [
            Part(
                "pages",
                solid((size[0] - 0.03, size[1] - 0.03, size[2] - 0.02), (-0.01, 0, 0.01)).turned("z", turn).moved(at),
                matte((0.68, 0.64, 0.54)),
            ),
            Part("cover", joined(cover).turned("z", turn).moved(at), lacquered(rng)),
        ]
        z += size[2]
    return parts


def _leaves(rng: np.random.Generator) -> list[Part]:
    n = 3200
    out, angle = 1.2 * np.sqrt(rng.uniform(0, 1, n)), rng.uniform(0, 2 * np.pi, n)
    z = rng.uniform(0, 1, n) ** 0.4 * 0.75 * np.clip(1 - out / 1.2, 0.02, 1) ** 0.8 + 0.02
    mesh = leaves(rng, np.column_stack([out * np.cos(angle), out * np.sin(angle), z]), rng.uniform(0.3, 0.95, n), 0.09)
    core = turned([(1.1, 0.0), (0.6, 0.3), (0.2, 0.5), (0, 0.55)])
    return [Part("leaves", mesh, palette(rng, AUTUMN)), Part("core", core, matte((0.1, 0.05, 0.02)))]


def _planks(rng: np.random.Generator) -> list[Part]:
    length, meshes = rng.uniform(1.6, 3.0), []
    for z in range(int(rng.integers(3, 9))):
        for k in range(6):
            meshes.append(
                solid(
                    (0.14, length * rng.uniform(0.92, 1.0), 0.04),
                    (0.15 * (k - 2.5), rng.normal(0, 0.03), 0.1 + 0.065 * z),
                )
            )
        meshes += [solid((0.9, 0.04, 0.022), (0, y, 0.14 + 0.065 * z)) for y in (-0.35 * length, 0.35 * length)]
    feet = [solid((0.9, 0.1, 0.1), (0, y, 0)) for y in (-0.35 * length, 0.35 * length)]
    return [*_shared(rng, meshes, [wooden(rng), wooden(rng)], "planks"), Part("feet", joined(feet), wooden(rng))]


def _bales(rng: np.random.Generator) -> list[Part]:
    straw = matte(varied(rng, (0.45, 0.34, 0.14)))
    if rng.random() < 0.5:
        bales = [lumpy(roller(0.6, 1.1, (0.0, 1.25 * k, 0.6)), rng, 0.008) for k in range(int(rng.integers(1, 3)))]
        bands = [ring(0.62, 0.01).moved((0, 1.25 * k + dy, 0.6)) for k in range(len(bales)) for dy in (-0.3, 0.0, 0.3)]
        return [Part("bales", merged(bales), straw), Part("bands", merged(bands), matte((0.2, 0.16, 0.08)))]
    bales = [
        lumpy(solid((0.5, 0.95, 0.4), (0.0, 1.0 * k + 0.5 * (z % 2), 0.41 * z), rounding=0.06), rng, 0.008)
        for z in range(int(rng.integers(1, 4)))
        for k in range(2)
    ]
    return [Part("bales", merged(bales), straw)]


def _ropes(rng: np.random.Generator) -> list[Part]:
    """A coil of rope or hose, or a drum of cable."""
    thick, turns = rng.uniform(0.03, 0.06), int(rng.integers(6, 14))
    t = np.linspace(0, 1, 36 * turns)
    radius = 0.45 + 0.03 * np.sin(17 * t)
    if rng.random() < 0.5:
        path = np.stack(
            [
                radius * np.cos(2 * np.pi * turns * t),
                radius * np.sin(2 * np.pi * turns * t),
                thick + 1.9 * thick * turns * t,
            ],
            1,
        )
        return [Part("coil", pipe(path, thick, steps=36 * turns), lacquered(rng) if rng.random() < 0.5 else cloth(rng))]
    wide = 2.0 * thick * turns
    path = np.stack(
        [radius * np.cos(2 * np.pi * turns * t), wide * (t - 0.5), 0.75 + radius * np.sin(2 * np.pi * turns * t)], 1
    )
    cheeks = [roller(0.75, 0.06, (0, side * (wide / 2 + 0.05), 0.75)) for side in (-1, 1)]
    hub = rounded_section(0.2, 0.2)
    core = roller(float(hub[:, 0].max()) + 0.3, wide, (0, 0, 0.75))
    return [
        Part("cable", pipe(path, thick, steps=36 * turns), matte((0.03, 0.03, 0.035))),
        Part("cheeks", merged(cheeks), wooden(rng)),
        Part("core", core, wooden(rng)),
    ]


KINDS: dict[str, Maker] = {
    "logs": _logs,
    "bricks": _brick_stack,
    "boxes": _boxes,
    "parcels": _parcels,
    "sacks": _sacks,
    "sand": _sand,
    "pipes": _pipes,
    "scrap": _scrap,
    "books": _books,
    "leaves": _leaves,
    "planks": _planks,
    "bales": _bales,
    "rope": _ropes,
}
