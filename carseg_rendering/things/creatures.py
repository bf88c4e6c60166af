"""Animals: bodies of rounded parts."""

from __future__ import annotations

import numpy as np

from carseg_rendering.geometry.materials import BSDF, matte, plastic
from carseg_rendering.geometry.meshes import Mesh, Part, merged
from carseg_rendering.scene.walls import pick
from carseg_rendering.things.forms import (
    BLACK,
    BRIGHT,
    FURS,
    Maker,
    ball,
    draped,
    extruded,
    lofted,
    lumpy,
    patterned,
    pipe,
    rod,
    shifted,
    solid,
    turned,
    wooden,
)

_EYE = plastic((0.01, 0.01, 0.01), roughness=0.05)


def _fur(rng: np.random.Generator) -> BSDF:
    return patterned(rng, metres=float(rng.uniform(0.3, 1.0))) if rng.random() < 0.15 else matte(pick(rng, FURS))


def _quadruped(rng: np.random.Generator) -> list[Part]:
    """A four-legged animal: proportions from a dog's to a horse's, a sheep's, a giraffe's."""
    length, girth, legs = rng.uniform(0.7, 1.6), rng.uniform(0.16, 0.42), rng.uniform(0.3, 1.0)
    neck, rise, head = rng.uniform(0.15, 1.1), rng.uniform(30, 80), rng.uniform(0.1, 0.2)
    z, half = legs + girth, length / 2
    fur, dark = _fur(rng), matte(pick(rng, FURS[:3]))
    body = pipe(
        [(-half, 0, z), (-0.6 * half, 0, z + 0.02), (0, 0, z - 0.04), (0.6 * half, 0, z + 0.03), (half, 0, z + 0.06)],
        girth * np.array([0.55, 1.0, 0.9, 1.0, 0.6]),
        sides=18,
    )
    up = np.array([np.cos(np.radians(rise)), 0, np.sin(np.radians(rise))])
    chest = np.array([0.85 * half, 0, z + 0.1 * girth])
    top = chest + up * (neck + 0.4 * girth)
    meshes: list[Mesh] = [
        body,
        pipe(
            [chest - 0.1 * up, (chest + top) / 2 - [0.02, 0, 0], top],
            [0.75 * girth, 0.5 * girth, 0.75 * head],
            sides=14,
        ),
    ]
    snout = rng.uniform(0.7, 2.0) * head
    meshes += [
        ball((1.1 * head, 0.85 * head, head), shifted(top, 0.3 * head, 0, 0.3 * head)),
        rod(
            shifted(top, 0.5 * head, 0, 0.2 * head),
            shifted(top, head + snout, 0, -0.25 * snout),
            [0.65 * head, 0.42 * head],
        ),
    ]
    feet: list[Mesh] = []
    for x in (-0.72 * half, 0.72 * half):
        for y in (-1, 1):
            step = rng.uniform(-0.14, 0.14) * legs
            at = (x, 0.55 * y * girth)
            meshes.append(
                pipe(
                    [
                        (at[0], at[1], z - 0.1 * girth),
                        (at[0] + 0.5 * step - 0.03, at[1], 0.5 * legs),
                        (at[0] + step, at[1], 0.03),
                    ],
                    girth * np.array([0.45, 0.26, 0.2]),
                    sides=10,
                )
            )
            feet.append(ball((0.3 * girth, 0.22 * girth, 0.05 + 0.08 * girth), (at[0] + step + 0.04, at[1], 0.05)))
    tail = rng.uniform(0.1, 0.7)
    meshes.append(
        pipe(
            [
                (-half, 0, z + 0.2 * girth),
                (-half - 0.4 * tail, 0, z + rng.uniform(-0.2, 0.4) * tail),
                (-half - 0.6 * tail, 0, z - rng.uniform(-0.4, 0.7) * tail),
            ],
            [0.2 * girth, 0.12 * girth, 0.1 * girth],
        )
    )
    ears = (
        ball((0.3 * head, 0.15 * head, rng.uniform(0.4, 0.9) * head), (-0.2 * head, 0.6 * head, 1.2 * head))
        .with_mirror()
        .moved(top)
    )
    if rng.random() < 0.3:  # wool
        fleece = lumpy(
            ball((1.05 * half, 1.25 * girth, 1.2 * girth), (0, 0, z), powers=(0.8, 0.8)), rng, 0.03, waves=12
        )
        meshes.append(fleece)
    parts = [
        Part("body", draped(merged([*meshes, ears])), fur),
        Part("feet", merged(feet), dark),
        Part("eyes", ball(0.12 * head, (0.8 * head, 0.72 * head, 0.5 * head)).with_mirror().moved(top), _EYE),
        Part("nose", ball(0.22 * head, shifted(top, head + snout, 0, -0.22 * snout)), BLACK),
    ]
    if rng.random() < 0.25:
        tall = rng.uniform(0.15, 0.5)
        horn = pipe(
            [
                (0, 0.4 * head, head),
                (-0.3 * tall, 0.4 * head + 0.5 * tall, head + 0.6 * tall),
                (0.1 * tall, 0.4 * head + 0.6 * tall, head + tall),
            ],
            [0.2 * head, 0.14 * head, 0.03 * head],
        )
        parts.append(Part("horns", horn.with_mirror().moved(top), matte((0.3, 0.24, 0.16))))
    return parts


def _bird(rng: np.random.Generator) -> list[Part]:
    tall, plump, beak = rng.uniform(0.05, 0.6), rng.uniform(0.16, 0.26), rng.uniform(0.06, 0.3)
    colours = [matte(pick(rng, [*BRIGHT, *FURS])) for _ in range(3)]
    z = tall + plump
    neck, tilt = rng.uniform(0.0, 0.4), rng.uniform(5, 50)
    body = ball((0.42, plump, 0.95 * plump)).turned("y", -tilt).moved((0, 0, z + 0.1))
    head = np.array([0.34, 0, z + 0.3 + neck])
    throat = pipe([(0.22, 0, z + 0.15), (0.3, 0, z + 0.22 + 0.5 * neck), (*head,)], [0.6 * plump, 0.1, 0.09])
    wing = draped(ball((0.42, 0.04, 0.15)).turned("y", -tilt + 8).moved((-0.08, plump, z + 0.12)).with_mirror())
    if rng.random() < 0.25:  # spread
        feathers = (
            extruded([(0.25, 0), (0.2, 0.5), (-0.1, 1.0), (-0.25, 0.6), (-0.3, 0.0)], 0.03)
            .turned("x", rng.uniform(-75, -20))
            .moved((0, 0.5 * plump, z + 0.2))
        )
        wing = draped(feathers.with_mirror())
    tail = (
        solid((rng.uniform(0.3, 0.8), 0.14, 0.03))
        .moved((-0.6, 0, 0))
        .turned("y", -rng.uniform(-30, 40))
        .moved((-0.05, 0, z + 0.02))
    )
    bill = pipe(
        [
            shifted(head, 0.1, 0, 0),
            shifted(head, 0.1 + 0.6 * beak, 0, 0.02),
            shifted(head, 0.1 + beak, 0, -0.3 * beak * rng.integers(0, 2)),
        ],
        [0.06, 0.045, 0.006],
    )
    legs = rod((0.0, 0.08, 0), (0.0, 0.07, z), 0.016).with_mirror()
    toes = merged([rod((0, 0.08, 0.015), (0.14, 0.08 + s, 0.015), 0.014) for s in (-0.07, 0, 0.07)]).with_mirror()
    parts = [
        Part("body", draped(merged([body, throat, ball(0.13, head)])), colours[0]),
        Part("wings", wing, patterned(rng, metres=0.3) if rng.random() < 0.3 else colours[1]),
        Part("tail", tail, colours[2]),
        Part("bill", bill, plastic(pick(rng, [(0.65, 0.35, 0.04), (0.03, 0.03, 0.03), (0.5, 0.1, 0.04)]))),
        Part("legs", merged([legs, toes]), matte((0.3, 0.18, 0.05))),
        Part("eyes", ball(0.025, shifted(head, 0.07, 0.105, 0.03)).with_mirror(), _EYE),
    ]
    if rng.random() < 0.35:
        parts.append(
            Part(
                "crest",
                merged(
                    [
                        rod(shifted(head, 0, 0, 0.1), shifted(head, -0.16, s, 0.3), [0.03, 0.008])
                        for s in (-0.05, 0, 0.05)
                    ]
                ),
                colours[2],
            )
        )
    return parts


def _fish(rng: np.random.Generator) -> list[Part]:
    length, deep, thick, z = 1.3, rng.uniform(0.14, 0.45), rng.uniform(0.06, 0.2), 0.75
    s = np.linspace(0, 1, 20)
    shape = np.sin(np.pi * s**0.75) ** 0.75
    t = np.linspace(0, 2 * np.pi, 25)[:-1]
    sections = np.stack(
        [
            np.stack(
                [np.full(24, length * (0.5 - x)), (0.02 + thick * r) * np.cos(t), z + (0.03 + deep * r) * np.sin(t)], 1
            )
            for x, r in zip(s, shape, strict=True)
        ]
    )
    fins = [
        extruded([(-0.6, z), (-0.9, z + 0.35), (-0.8, z), (-0.9, z - 0.35)], 0.02),
        extruded([(0.2, z + 0.7 * deep), (-0.05, z + deep + 0.25), (-0.4, z + 0.5 * deep)], 0.02),
        extruded([(0.0, z - 0.8 * deep), (-0.2, z - deep - 0.16), (-0.25, z - 0.6 * deep)], 0.02),
    ]
    colour = patterned(rng, metres=0.35) if rng.random() < 0.5 else plastic(pick(rng, BRIGHT), roughness=0.1)
    return [
        Part("body", draped(lofted(sections)), colour),
        Part("fins", draped(merged(fins)), matte(pick(rng, BRIGHT))),
        Part("eyes", ball(0.035, (0.48, 0.55 * thick, z + 0.05)).with_mirror(), _EYE),
        Part("stand", merged([rod((0, 0, 0), (0, 0, z - 0.5 * deep), 0.02), solid((0.4, 0.3, 0.05))]), wooden(rng)),
    ]


def _turtle(rng: np.random.Generator) -> list[Part]:
    shell = turned(
        [
            (0, 0.75),
            *zip(
                0.62 * np.sin(np.linspace(0.1, np.pi / 2, 9)),
                0.25 + 0.5 * np.cos(np.linspace(0.1, np.pi / 2, 9)),
                strict=True,
            ),
            (0.6, 0.16),
            (0, 0.14),
        ]
    )
    skin = matte(pick(rng, [(0.12, 0.14, 0.06), (0.2, 0.16, 0.08)]))
    legs = [ball((0.2, 0.11, 0.13), (x, y, 0.12)) for x in (-0.45, 0.45) for y in (-0.4, 0.4)]
    head = [
        rod((0.5, 0, 0.25), (0.82, 0, 0.42), 0.09),
        ball((0.17, 0.12, 0.12), (0.9, 0, 0.46)),
        rod((-0.6, 0, 0.2), (-0.8, 0, 0.1), [0.06, 0.01]),
    ]
    return [
        Part("shell", draped(lumpy(shell.scaled((1.15, 1, 1)), rng, 0.01)), patterned(rng, metres=0.4)),
        Part("skin", merged([*legs, *head]), skin),
        Part("eyes", ball(0.025, (1.0, 0.09, 0.5)).with_mirror(), _EYE),
    ]


def _snail(rng: np.random.Generator) -> list[Part]:
    t = np.linspace(0, 3.2 * 2 * np.pi, 90)
    radius = 0.45 * np.exp(-0.13 * t)
    coil = pipe(
        np.stack([radius * np.cos(t) - 0.1, 0.012 * t, 0.62 + radius * np.sin(t)], 1),
        0.5 * radius + 0.01,
        steps=140,
        sides=12,
    )
    foot = pipe(
        [(-0.8, 0, 0.04), (-0.3, 0, 0.12), (0.4, 0, 0.13), (0.75, 0, 0.3), (0.8, 0, 0.5)], [0.03, 0.14, 0.15, 0.13, 0.1]
    )
    horns = rod((0.8, 0.04, 0.55), (0.95, 0.14, 0.85), [0.025, 0.015]).with_mirror()
    tips = ball(0.03, (0.95, 0.14, 0.86)).with_mirror()
    return [
        Part("shell", draped(coil), plastic(pick(rng, FURS), roughness=0.15)),
        Part("foot", merged([foot, horns]), matte(pick(rng, [(0.3, 0.24, 0.16), (0.2, 0.2, 0.19)]))),
        Part("tips", tips, _EYE),
    ]


def _insect(rng: np.random.Generator) -> list[Part]:
    """A beetle, an ant or a spider, far larger than life."""
    legs, shiny = int(rng.choice([3, 4])), plastic(pick(rng, [*BRIGHT, *FURS]), roughness=0.06)
    z, rear = 0.38, rng.uniform(0.25, 0.45)
    body = [ball((rear * 1.25, rear, 0.7 * rear), (-0.9 * rear, 0, z)), ball((0.22, 0.2, 0.18), (0.2, 0, z))]
    head = [
        ball((0.15, 0.16, 0.13), (0.48, 0, z)),
        *(m for m in [rod((0.55, 0.06, z + 0.08), (0.95, 0.25, z + 0.3), [0.018, 0.008]).with_mirror()]),
    ]
    limbs = []
    for k in range(legs):
        x, reach = 0.32 - 0.2 * k, 0.75 - 0.06 * k
        turn = 0.6 - 1.2 * k / (legs - 1)
        limbs.append(
            pipe(
                [(x, 0.12, z), (x + 0.5 * reach * turn, 0.5 * reach, z + 0.28), (x + reach * turn, reach, 0.01)],
                [0.04, 0.03, 0.012],
                sides=7,
            ).with_mirror()
        )
    return [
        Part("body", draped(merged(body)), patterned(rng, metres=0.25) if rng.random() < 0.3 else shiny),
        Part("head", merged(head), BLACK),
        Part("legs", merged(limbs), BLACK),
    ]


def _snake(rng: np.random.Generator) -> list[Part]:
    t, waves = np.linspace(0, 1, 80), rng.uniform(1.5, 3)
    if rng.random() < 0.5:
        a = 2 * np.pi * waves * t
        path = np.stack([(0.7 - 0.35 * t) * np.cos(a), (0.7 - 0.35 * t) * np.sin(a), 0.08 + 0.55 * t**1.5], 1)
    else:
        path = np.stack(
            [0.28 * np.sin(2 * np.pi * waves * t), 1.8 * (t - 0.5), 0.08 + 0.4 * np.clip(t - 0.8, 0, 1) / 0.2], 1
        )
    body = pipe(path, 0.085 * np.sin(np.pi * (0.04 + 0.9 * t)) ** 0.4, steps=150)
    head = ball((0.1, 0.13, 0.07), path[-1])
    return [
        Part("snake", draped(merged([body, head])), patterned(rng, metres=0.3)),
        Part("eyes", ball(0.02, path[-1] + [0.06, 0.05, 0.05]), _EYE),
    ]


KINDS: dict[str, Maker] = {
    "four-legged animal": _quadruped,
    "bird": _bird,
    "fish": _fish,
    "turtle": _turtle,
    "snail": _snail,
    "insect": _insect,
    "snake": _snake,
}
