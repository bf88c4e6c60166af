"""Plants: trees, bushes, hedges, flowers, cacti, reeds."""

from __future__ import annotations

import numpy as np

from carseg_rendering.geometry.materials import matte, plastic
from carseg_rendering.geometry.meshes import Mesh, Part, merged
from carseg_rendering.scene.plants import AUTUMN, SUMMER, Season, blades, bush, hedge, leaves, tree
from carseg_rendering.scene.textures import palette, varied
from carseg_rendering.scene.walls import pick
from carseg_rendering.things.forms import BRIGHT, Maker, ball, ceramic, pipe, rod, turned


def _season(rng: np.random.Generator) -> Season:
    return Season(AUTUMN if rng.random() < 0.25 else SUMMER, SUMMER)


def _tree(rng: np.random.Generator) -> list[Part]:
    return tree(rng, _season(rng), rng.uniform(2.5, 6.0), count=4200)


def _bare_tree(rng: np.random.Generator) -> list[Part]:
    return tree(rng, Season(SUMMER, SUMMER, bare=1.0), rng.uniform(2.5, 6.0))


def _bush(rng: np.random.Generator) -> list[Part]:
    return bush(rng, _season(rng), rng.uniform(0.8, 1.8), count=2200)


def _hedge(rng: np.random.Generator) -> list[Part]:
    length, height = rng.uniform(1.2, 3.5), rng.uniform(0.7, 1.7)
    depth, season = rng.uniform(0.5, 0.9), _season(rng)
    parts = hedge(rng, season, length, height, depth, 2600, 0.07)
    n = 700  # leaves on both ends, which a hedge that leaves the picture has no need of
    side = rng.choice([-0.5, 0.5], n) * (length + rng.normal(0.05, 0.05, n))
    spots = np.column_stack([side, rng.uniform(-0.5, 0.5, n) * depth, rng.uniform(0, 1, n) * height])
    parts.append(Part("ends", leaves(rng, spots, rng.uniform(0.25, 0.8, n), 0.08), parts[0].material))
    return [Part(part.name, part.mesh.turned("z", 90), part.material) for part in parts]


def _pot_plant(rng: np.random.Generator) -> list[Part]:
    radius, foot = rng.uniform(0.15, 0.3), rng.uniform(0.2, 0.45)
    pot = turned(
        [
            (0, 0),
            (0.7 * radius, 0),
            (radius, foot),
            (1.08 * radius, foot),
            (1.08 * radius, foot - 0.05),
            (0.9 * radius, foot - 0.03),
            (0, foot - 0.03),
        ],
        sharp=True,
    )
    stems, fans = [], []
    for _ in range(int(rng.integers(8, 20))):
        angle, reach, tall = rng.uniform(0, 2 * np.pi), rng.uniform(0.15, 0.5), rng.uniform(0.3, 0.9)
        end = np.array([reach * np.cos(angle), reach * np.sin(angle), foot + tall])
        stems.append(
            pipe(
                [(0, 0, foot - 0.05), (0.4 * end[0], 0.4 * end[1], foot + 0.7 * tall), (*end,)],
                [0.012, 0.008, 0.004],
                sides=5,
                steps=8,
            )
        )
        blade = (
            ball((0.2, 0.07, 0.008))
            .moved((0.16, 0, 0))
            .scaled(rng.uniform(0.7, 1.4))
            .turned("y", rng.uniform(0, 50))
            .turned("z", np.degrees(angle))
        )
        fans.append(blade.moved(end))
    green = plastic(pick(rng, [(0.06, 0.14, 0.03), (0.03, 0.09, 0.03), (0.14, 0.22, 0.05)]), roughness=0.3)
    return [Part("pot", pot, ceramic(rng)), Part("stems", merged(stems), green), Part("leaves", merged(fans), green)]


def _flower(rng: np.random.Generator) -> list[Part]:
    parts = []
    petal_colour = pick(rng, BRIGHT)
    for k in range(int(rng.integers(1, 6))):
        tall, at = rng.uniform(0.7, 1.3), np.array([rng.uniform(-0.2, 0.2), 0.28 * k, 0])
        radius, petals, tilt = rng.uniform(0.12, 0.24), int(rng.integers(5, 16)), rng.uniform(20, 80)
        fan = [
            ball((radius, 0.9 * radius / petals**0.5, 0.012))
            .moved((1.1 * radius, 0, 0))
            .turned("y", rng.uniform(-15, 10))
            .turned("z", 360 / petals * i)
            for i in range(petals)
        ]
        head = np.array([0.05, 0, tall])
        stem = pipe([(0, 0, 0), (rng.uniform(-0.05, 0.05), 0, 0.5 * tall), (*head,)], 0.015)
        leaf = ball((0.18, 0.05, 0.01)).moved((0.17, 0, 0)).turned("y", -35)
        green = matte(varied(rng, (0.07, 0.15, 0.04)))
        parts += [
            Part("petals", merged(fan).turned("y", tilt).moved(head + at), plastic(petal_colour, roughness=0.4)),
            Part(
                "middle",
                ball((0.4 * radius, 0.4 * radius, 0.15 * radius)).turned("y", tilt).moved(head + at),
                matte(varied(rng, (0.4, 0.25, 0.03))),
            ),
            Part(
                "stem",
                merged([stem, leaf.moved((0, 0, 0.3 * tall)), leaf.turned("z", 160).moved((0, 0, 0.2 * tall))]).moved(
                    at
                ),
                green,
            ),
        ]
    return parts


def _cactus(rng: np.random.Generator) -> list[Part]:
    tall, radius, ribs = rng.uniform(0.8, 2.4), rng.uniform(0.12, 0.25), int(rng.integers(8, 14))
    green = matte(varied(rng, (0.06, 0.13, 0.05)))

    def column(height: float, width: float) -> list[Mesh]:
        bars = []
        for a in np.linspace(0, 2 * np.pi, ribs + 1)[:-1]:
            c, s = 0.8 * width * np.cos(a), 0.8 * width * np.sin(a)
            bars.append(
                pipe(
                    [
                        (c, s, 0),
                        (1.1 * c, 1.1 * s, 0.5 * height),
                        (0.9 * c, 0.9 * s, 0.92 * height),
                        (0.1 * c, 0.1 * s, height),
                    ],
                    0.34 * width,
                    sides=7,
                    steps=10,
                )
            )
        return [*bars, rod((0, 0, 0), (0, 0, 0.93 * height), 0.8 * width)]

    meshes = column(tall, radius)
    for _ in range(int(rng.integers(0, 4))):
        z, turn, up = rng.uniform(0.3, 0.6) * tall, rng.uniform(0, 360), rng.uniform(0.3, 0.5) * tall
        arm = merged(
            [
                pipe([(0, 0, z), (2 * radius, 0, z), (2.4 * radius, 0, z + 0.15)], 0.6 * radius),
                merged(column(up, 0.6 * radius)).moved((2.4 * radius, 0, z + 0.1)),
            ]
        )
        meshes.append(arm.turned("z", turn))
    parts = [Part("cactus", merged(meshes), green)]
    if rng.random() < 0.5:
        parts.append(Part("bloom", ball((0.09, 0.09, 0.07), (0, 0, tall)), plastic(pick(rng, BRIGHT[:3]))))
    return parts


def _reeds(rng: np.random.Generator) -> list[Part]:
    n = 420
    feet, tall = rng.normal(0, 0.25, (n, 2)), rng.uniform(0.6, 1.6, n)
    heads = [
        pipe([(x, y, 1.1 * h), (x + 0.02, y, 1.18 * h), (x + 0.03, y, 1.26 * h)], [0.02, 0.028, 0.01], steps=6)
        for (x, y), h in zip(feet[:14], tall[:14], strict=True)
    ]
    stems = [rod((x, y, 0), (x, y, 1.12 * h), 0.006, sides=5) for (x, y), h in zip(feet[:14], tall[:14], strict=True)]
    return [
        Part("blades", blades(rng, feet, tall, width=0.02), palette(rng, SUMMER)),
        Part("heads", merged(heads), matte((0.12, 0.06, 0.03))),
        Part("stems", merged(stems), matte((0.15, 0.18, 0.06))),
    ]


KINDS: dict[str, Maker] = {
    "tree": _tree,
    "bare tree": _bare_tree,
    "bush": _bush,
    "hedge": _hedge,
    "pot plant": _pot_plant,
    "flowers": _flower,
    "cactus": _cactus,
    "reeds": _reeds,
}
