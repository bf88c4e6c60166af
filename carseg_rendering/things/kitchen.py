"""Cutlery, tins, candles and baskets."""

from __future__ import annotations

import numpy as np

from carseg_rendering.geometry.materials import lamp_glass, plastic
from carseg_rendering.geometry.meshes import Part, merged
from carseg_rendering.scene.plants import placed
from carseg_rendering.scene.walls import pick
from carseg_rendering.things.forms import (
    BRIGHT,
    CHROME,
    Maker,
    ball,
    bare_metal,
    cylinder,
    draped,
    extruded,
    lacquered,
    patterned,
    pipe,
    ring,
    rod,
    solid,
    turned,
    wooden,
)
from carseg_rendering.things.vessels import rounded_off


def _cutlery(rng: np.random.Generator) -> list[Part]:
    """Fork, spoon and knife, set upright in a block or laid beside each other."""
    fork = merged(
        [
            solid((0.02, 0.06, 0.5)),
            solid((0.02, 0.16, 0.08), (0, 0, 0.5)),
            *(solid((0.02, 0.022, 0.2), (0, y, 0.57)) for y in (-0.065, -0.022, 0.022, 0.065)),
        ]
    )
    spoon = merged([solid((0.02, 0.05, 0.55)), ball((0.025, 0.1, 0.15), (0, 0, 0.66))])
    knife = merged(
        [
            solid((0.03, 0.07, 0.35)),
            extruded([(-0.05, 0.35), (0.06, 0.35), (0.06, 0.7), (0.0, 0.82), (-0.05, 0.8)], 0.015).turned("z", 90),
        ]
    )
    colour = CHROME if rng.random() < 0.7 else bare_metal(rng)
    chosen = [(fork, spoon, knife)[k] for k in rng.permutation(3)[: int(rng.integers(1, 4))]]
    parts = [Part("cutlery", mesh.moved((0, 0.3 * k, 0.05)), colour) for k, mesh in enumerate(chosen)]
    if rng.random() < 0.5:
        return [Part(p.name, p.mesh.turned("y", 86).turned("z", 90), p.material) for p in parts]
    return [
        *parts,
        Part("block", solid((0.25, 0.3 * len(chosen), 0.12), (0, 0.15 * (len(chosen) - 1), 0)), wooden(rng)),
    ]


def _can(rng: np.random.Generator) -> list[Part]:
    parts: list[Part] = []
    for k in range(int(rng.integers(1, 5))):
        radius, tall = rng.uniform(0.13, 0.2), rng.uniform(0.25, 0.5)
        body = turned([(0.97 * radius, 0.0), (0.97 * radius, tall)])
        ends = turned(
            [
                (0, 0),
                (radius, 0),
                (radius, 0.02),
                (0.97 * radius, 0.03),
                (0.97 * radius, tall - 0.03),
                (radius, tall - 0.02),
                (radius, tall),
                (0.9 * radius, tall - 0.02),
                (0, tall - 0.02),
            ],
            sharp=True,
        )
        paper = draped(turned([(0.985 * radius, 0.05), (0.985 * radius, tall - 0.05)]))
        made = [
            Part("can", merged([body, ends]), CHROME),
            Part("label", paper, patterned(rng, metres=0.35) if rng.random() < 0.5 else lacquered(rng)),
        ]
        parts += placed(made, (rng.uniform(-0.08, 0.08), 0.42 * k))
    return parts


def _candles(rng: np.random.Generator) -> list[Part]:
    wax, brass = plastic(pick(rng, [(0.7, 0.66, 0.55), *BRIGHT]), roughness=0.3), bare_metal(rng)
    arms = int(rng.choice([1, 3, 5]))
    spots = (np.arange(arms) - (arms - 1) / 2) * 0.3
    sticks = [cylinder(0.05, rng.uniform(0.3, 0.5), (0, y, 0.75)) for y in spots]
    flames = [ball((0.02, 0.02, 0.05), (0, y, 1.3)) for y in spots]
    cups = [cylinder(0.05, 0.08, (0, y, 0.68), top=0.09) for y in spots]
    bars = [pipe([(0, 0, 0.4), (0, 0.8 * y, 0.5), (0, y, 0.7)], 0.025) for y in spots]
    foot = turned(rounded_off([(0, 0), (0.25, 0), (0.2, 0.05), (0.05, 0.12), (0.06, 0.3), (0.03, 0.4), (0, 0.42)]))
    return [
        Part("candles", merged(sticks), wax),
        Part("holder", merged([*cups, *bars, foot]), brass),
        Part("flames", merged(flames), lamp_glass((0.9, 0.6, 0.2))),
    ]


def _basket(rng: np.random.Generator) -> list[Part]:
    radius, tall = rng.uniform(0.3, 0.5), rng.uniform(0.3, 0.5)
    hoops = [
        ring(radius * (0.8 + 0.2 * s), 0.028, steps=44).turned("x", 90).moved((0, 0, 0.03 + tall * s))
        for s in np.linspace(0, 1, 9)
    ]
    staves = [
        rod(
            (0.8 * radius * np.cos(a), 0.8 * radius * np.sin(a), 0),
            (radius * np.cos(a), radius * np.sin(a), tall + 0.03),
            0.02,
            sides=6,
        )
        for a in np.linspace(0, 2 * np.pi, 25)[:-1]
    ]
    t = np.linspace(0, np.pi, 15)
    handle = pipe(np.stack([0 * t, radius * np.cos(t), tall + 0.6 * radius * np.sin(t)], 1), 0.03)
    fill = ball((0.85 * radius, 0.85 * radius, 0.15), (0, 0, tall - 0.05))
    return [
        Part("basket", merged([*hoops, *staves, handle, cylinder(0.8 * radius, 0.03)]), wooden(rng)),
        Part("fill", draped(fill), patterned(rng, metres=0.3)),
    ]


KINDS: dict[str, Maker] = {"cutlery": _cutlery, "cans": _can, "candles": _candles, "basket": _basket}
