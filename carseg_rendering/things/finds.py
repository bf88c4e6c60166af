"""What is found in woods and gardens: mushrooms, fruit, logs, stones, starfish."""

from __future__ import annotations

import numpy as np

from carseg_rendering.geometry.materials import matte, plastic
from carseg_rendering.geometry.meshes import Part, merged
from carseg_rendering.scene.plants import BARK, SUMMER, leaves
from carseg_rendering.scene.textures import palette, varied
from carseg_rendering.scene.walls import pick
from carseg_rendering.things.forms import (
    Maker,
    ball,
    ceramic,
    draped,
    extruded,
    lumpy,
    patterned,
    pipe,
    ring,
    rod,
    solid,
    turned,
)


def _mushroom(rng: np.random.Generator) -> list[Part]:
    parts, colour = (
        [],
        pick(rng, [(0.5, 0.04, 0.03), (0.35, 0.2, 0.09), (0.68, 0.62, 0.5), (0.16, 0.09, 0.05), (0.65, 0.3, 0.05)]),
    )
    spots = rng.random() < 0.4
    for k in range(int(rng.integers(1, 5))):
        size, steep = rng.uniform(0.5, 1.0) if k else 1.0, rng.uniform(0.3, 0.9)
        stem, width = rng.uniform(0.35, 0.6) * size, rng.uniform(0.3, 0.45) * size
        angle = np.linspace(0, np.pi / 2, 12)
        cap = [
            (0, stem - 0.02),
            (0.4 * width, stem - 0.01),
            (0.95 * width, stem - 0.06 * size),
            *zip(width * np.cos(angle), stem - 0.04 * size + steep * width * np.sin(angle), strict=True),
        ]
        at = (rng.uniform(-0.25, 0.25) * k, 0.5 * k - 0.3, 0)
        foot = turned([(0, 0), (0.13 * size, 0), (0.09 * size, 0.4 * stem), (0.08 * size, stem), (0, stem)])
        parts += [
            Part("cap", turned(cap).moved(at), plastic(colour, roughness=0.3)),
            Part("stem", lumpy(foot, rng, 0.01).moved(at), matte(varied(rng, (0.6, 0.55, 0.45)))),
        ]
        if spots:
            dots = []
            for _ in range(14):
                a, s = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 1.4)
                dots.append(
                    ball(
                        0.05 * size * rng.uniform(0.5, 1),
                        (
                            width * np.cos(s) * np.cos(a),
                            width * np.cos(s) * np.sin(a),
                            stem - 0.04 * size + steep * width * np.sin(s),
                        ),
                    )
                )
            parts.append(Part("spots", merged(dots).moved(at), matte((0.75, 0.72, 0.65))))
    return parts


def _log(rng: np.random.Generator) -> list[Part]:
    length, radius = rng.uniform(1.0, 2.6), rng.uniform(0.15, 0.4)
    y = np.linspace(-length / 2, length / 2, 9)
    body = pipe(np.stack([np.zeros(9), y, np.full(9, radius)], 1), radius * rng.uniform(0.9, 1.1, 9), sides=20)
    cuts = [
        ring(radius * s, 0.01).moved((0, side * (length / 2 + 0.002), radius))
        for s in (0.2, 0.45, 0.7)
        for side in (-1, 1)
    ]
    faces = [
        turned([(0, 0.01), (0.93 * radius, 0.01), (0.93 * radius, 0)], sides=24)
        .turned("x", -90 * side)
        .moved((0, side * length / 2, radius))
        for side in (-1, 1)
    ]
    stump = (
        [rod((0, y[3], radius), (rng.uniform(-0.4, 0.4), y[3] + 0.1, 2.4 * radius), [0.09, 0.05])]
        if rng.random() < 0.5
        else []
    )
    return [
        Part("bark", merged([body, *stump]), matte(varied(rng, BARK, 0.4))),
        Part("cut", merged(faces), matte(varied(rng, (0.4, 0.28, 0.16)))),
        Part("rings", merged(cuts), matte((0.25, 0.16, 0.09))),
    ]


def _stone(rng: np.random.Generator) -> list[Part]:
    parts = []
    for k in range(int(rng.integers(1, 5))):
        radii = rng.uniform(0.25, 0.7, 3) * (1.0 if k == 0 else 0.6)
        stone = lumpy(lumpy(ball(radii, powers=(0.8, 0.8)), rng, 0.03), rng, 0.008, waves=14)
        at = (rng.uniform(-0.4, 0.4) * (k > 0), 0.75 * k, radii[2] * 0.8)
        colour = varied(rng, [(0.3, 0.29, 0.27), (0.42, 0.36, 0.28), (0.14, 0.14, 0.14)][int(rng.integers(3))])
        parts.append(Part("stone", draped(stone.moved(at)), matte(colour)))
    return parts


def _fruit(rng: np.random.Generator) -> list[Part]:
    kind = rng.choice(["apple", "pumpkin", "banana", "pear", "pineapple", "melon"])
    green, brown = matte(varied(rng, (0.08, 0.16, 0.04))), matte((0.1, 0.06, 0.03))
    if kind == "banana":
        made = []
        for k in range(int(rng.integers(2, 6))):
            t = np.linspace(-1.1, 1.1, 9)
            curve = np.stack([0.1 * k + 0 * t, 0.55 * np.sin(t), 0.62 - 0.55 * np.cos(t) + 0.03 * k], 1)
            made.append(pipe(curve, 0.1 * np.array([0.3, 0.7, 0.95, 1, 1, 1, 0.95, 0.6, 0.25])))
        return [
            Part("bananas", merged(made), plastic(pick(rng, [(0.72, 0.52, 0.06), (0.45, 0.5, 0.08)]), roughness=0.3))
        ]
    if kind == "pumpkin":
        lobes = [
            ball((0.26, 0.17, 0.36), (0.27 * np.cos(a), 0.27 * np.sin(a), 0.36))
            for a in np.linspace(0, 2 * np.pi, 11)[:-1]
        ]
        return [
            Part("pumpkin", merged(lobes), plastic(varied(rng, (0.65, 0.24, 0.03)), roughness=0.3)),
            Part("stalk", pipe([(0, 0, 0.6), (0, 0, 0.75), (0.12, 0, 0.82)], [0.07, 0.05, 0.06]), green),
        ]
    if kind == "pineapple":
        scales = [
            ball(
                0.07,
                (
                    0.26 * np.sin(np.pi * (0.12 + 0.76 * s)) ** 0.5 * np.cos(a),
                    0.26 * np.sin(np.pi * (0.12 + 0.76 * s)) ** 0.5 * np.sin(a),
                    0.06 + 0.7 * s,
                ),
            )
            for i, s in enumerate(np.linspace(0, 1, 11))
            for a in np.linspace(0, 2 * np.pi, 13)[:-1] + 0.26 * (i % 2)
        ]
        crown = leaves(
            rng,
            np.column_stack([rng.normal(0, 0.05, (50, 2)), rng.uniform(0.8, 1.15, 50)]),
            np.full(50, 0.6),
            0.3,
            pointed=4,
        )
        return [
            Part("scales", merged(scales), matte(varied(rng, (0.45, 0.26, 0.06)))),
            Part("crown", crown, palette(rng, SUMMER)),
        ]
    if kind == "melon":
        return [
            Part("melon", draped(ball((0.42, 0.5, 0.4), (0, 0, 0.4))), patterned(rng, metres=0.4)),
            Part("stalk", rod((0, 0.5, 0.4), (0, 0.58, 0.44), 0.02), brown),
        ]
    neck = [(0, 0), (0.2, 0.01), (0.36, 0.2), (0.37, 0.36), (0.28, 0.58), (0.1, 0.62), (0, 0.56)]
    if kind == "pear":
        neck = [(0, 0), (0.2, 0.01), (0.34, 0.2), (0.3, 0.42), (0.16, 0.62), (0.13, 0.8), (0.06, 0.88), (0, 0.86)]
    colour = pick(rng, [(0.45, 0.05, 0.03), (0.35, 0.42, 0.06), (0.62, 0.5, 0.1)])
    smooth = np.array(
        [np.interp(np.linspace(0, 1, 33), np.linspace(0, 1, len(neck)), np.array(neck)[:, i]) for i in (0, 1)]
    ).T
    leaf = ball((0.16, 0.07, 0.01)).turned("y", -20).moved((0.14, 0, neck[-1][1] + 0.14))
    return [
        Part("fruit", turned(smooth), plastic(colour, roughness=0.15)),
        Part("stalk", merged([rod((0, 0, neck[-1][1]), (0.03, 0, neck[-1][1] + 0.22), 0.016)]), brown),
        Part("leaf", leaf, green),
    ]


def _star(rng: np.random.Generator) -> list[Part]:
    """A starfish, a leaf or a shell, set up on edge."""
    points = int(rng.integers(5, 9))
    angle = np.linspace(0, 2 * np.pi, 12 * points + 1)[:-1]
    reach = 0.25 + 0.28 * np.abs(np.cos(points * angle / 2)) ** rng.uniform(1, 4)
    flat = extruded(np.stack([reach * np.cos(angle), reach * np.sin(angle) + 0.53], 1), 0.1)
    knobs = [
        ball(0.035, (0.04, 0.5 * r * np.cos(a), 0.53 + r * np.sin(a))) for a in angle[::12] for r in (0.12, 0.25, 0.38)
    ]
    return [
        Part(
            "star",
            draped(flat.turned("z", 90)),
            matte(pick(rng, [(0.5, 0.2, 0.08), (0.55, 0.42, 0.28), (0.4, 0.06, 0.07)])),
        ),
        Part("knobs", merged(knobs), matte((0.6, 0.5, 0.38))),
        Part("base", solid((0.2, 0.5, 0.06)), ceramic(rng)),
    ]


KINDS: dict[str, Maker] = {"mushrooms": _mushroom, "log": _log, "stones": _stone, "fruit": _fruit, "starfish": _star}
