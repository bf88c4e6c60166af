"""People, statues and snowmen."""

from __future__ import annotations

import numpy as np

from carseg_rendering.geometry.materials import matte
from carseg_rendering.geometry.meshes import Part, merged
from carseg_rendering.scene.people import person
from carseg_rendering.scene.plants import placed
from carseg_rendering.scene.walls import pick
from carseg_rendering.things.forms import BLACK, Maker, ball, ceramic, lumpy, rod, shifted, solid, turned


def _people(rng: np.random.Generator) -> list[Part]:
    count = int(rng.choice([1, 2, 3, 4], p=[0.5, 0.25, 0.15, 0.1]))
    parts = []
    for k in range(count):
        scale = rng.uniform(0.55, 0.75) if rng.random() < 0.2 else 1.0
        parts += placed(person(rng), (rng.uniform(-0.3, 0.3), 0.75 * k), turn=rng.uniform(-70, 70), scale=scale)
    return parts


def _statue(rng: np.random.Generator) -> list[Part]:
    foot, stone = rng.uniform(0.4, 1.1), matte(pick(rng, [(0.4, 0.39, 0.36), (0.08, 0.11, 0.08), (0.6, 0.58, 0.54)]))
    body = [Part(part.name, part.mesh.moved((0, 0, foot)), stone) for part in person(rng)]
    return [*body, Part("plinth", merged([solid((0.8, 0.8, 0.15)), solid((0.65, 0.65, foot))]), stone)]


def _snowman(rng: np.random.Generator) -> list[Part]:
    sizes = np.sort(rng.uniform(0.18, 0.5, int(rng.integers(2, 4))))[::-1]
    z, balls = 0.0, []
    for radius in sizes:
        balls.append(lumpy(ball(radius, (0, 0, z + 0.93 * radius)), rng, 0.01))
        z += 1.7 * radius
    top = np.array([0, 0, z - 0.7 * sizes[-1]])
    nose = rod(shifted(top, 0.9 * sizes[-1], 0, 0), shifted(top, 1.7 * sizes[-1], 0, 0), [0.2 * sizes[-1], 0.02])
    hat = turned(
        [
            (0, z + 0.02),
            (1.3 * sizes[-1], z),
            (1.3 * sizes[-1], z + 0.03),
            (0.7 * sizes[-1], z + 0.03),
            (0.7 * sizes[-1], z + sizes[-1]),
            (0, z + sizes[-1]),
        ],
        sharp=True,
    )
    white = (0.8, 0.81, 0.84) if rng.random() < 0.6 else (0.45, 0.3, 0.16)
    return [
        Part("balls", merged(balls), matte(white)),
        Part("nose", nose, matte((0.6, 0.2, 0.04))),
        Part("hat", hat.moved((0, 0, -0.25 * sizes[-1])), BLACK if rng.random() < 0.6 else ceramic(rng)),
    ]


KINDS: dict[str, Maker] = {"people": _people, "statue": _statue, "snowman": _snowman}
