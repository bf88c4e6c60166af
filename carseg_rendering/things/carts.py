"""Carts: what is pushed or drawn on small wheels. Forward is +x."""

from __future__ import annotations

import itertools

import numpy as np

from carseg_rendering.geometry.meshes import Mesh, Part, grid, merged
from carseg_rendering.scene.textures import joined
from carseg_rendering.things.cycles import spoked_wheel
from carseg_rendering.things.forms import (
    BLACK,
    CHROME,
    RUBBER,
    STEEL,
    Maker,
    ball,
    bare_metal,
    both_sides,
    cloth,
    extruded,
    lacquered,
    lofted,
    patterned,
    pipe,
    ring,
    rod,
    roller,
    solid,
    wooden,
)


def _pushchair(rng: np.random.Generator) -> list[Part]:
    radius, hood = rng.uniform(0.1, 0.2), rng.random() < 0.75
    cover = patterned(rng, metres=0.4) if rng.random() < 0.4 else cloth(rng)
    sections = []
    for x, low, high in ((-0.38, 0.62, 0.78), (-0.3, 0.5, 0.8), (0.1, 0.48, 0.76), (0.4, 0.58, 0.78)):
        t = np.linspace(0, 2 * np.pi, 21)[:-1]
        c, s = (np.sign(f) * np.abs(f) ** 0.6 for f in (np.cos(t), np.sin(t)))
        sections.append(np.stack([np.full(20, x), 0.22 * c, (low + high) / 2 + (high - low) / 2 * s], 1))
    parts = [Part("body", lofted(sections), cover)]
    if hood:
        angle = np.linspace(0.45 * np.pi, np.pi, 8)
        ribs = np.linspace(-np.pi / 2, np.pi / 2, 15)
        points = np.stack(
            [
                np.stack(
                    [
                        -0.1 + 0.34 * np.cos(a) * np.cos(ribs),
                        0.23 * np.sin(ribs),
                        0.76 + 0.36 * np.sin(a) * np.cos(ribs),
                    ],
                    1,
                )
                for a in angle
            ]
        )
        parts.append(Part("hood", grid(points), cover))
    frame = [
        rod((0.35, 0, radius), (-0.3, 0, 0.55), 0.014),
        rod((-0.4, 0, radius), (0.2, 0, 0.52), 0.014),
        rod((-0.2, 0, 0.5), (-0.68, 0, 1.02), 0.014),
    ]
    wheels: list[Part] = []
    for x in (-0.4, 0.35):
        for y in (-0.26, 0.26):
            wheels += spoked_wheel(radius, 0.03, 8, (x, y, radius), CHROME)
    handle = rod((-0.68, -0.25, 1.02), (-0.68, 0.25, 1.02), 0.018)
    return [
        *parts,
        Part("frame", merged([both_sides(merged(frame), 0.25), handle]), CHROME if rng.random() < 0.5 else BLACK),
        *wheels,
    ]


def _wheelbarrow(rng: np.random.Generator) -> list[Part]:
    colour, depth = lacquered(rng), rng.uniform(0.2, 0.32)
    low, high = (
        np.array([[-0.25, -0.2], [0.25, -0.15], [0.25, 0.15], [-0.25, 0.2]]),
        np.array([[-0.45, -0.32], [0.5, -0.28], [0.5, 0.28], [-0.45, 0.32]]),
    )
    floor, rim = (
        np.column_stack([low, np.full(4, 0.4)]),
        np.column_stack([high, [0.4 + depth, 0.5 + depth, 0.5 + depth, 0.4 + depth]]),
    )
    sides = [
        Mesh(
            np.array([floor[k], floor[(k + 1) % 4], rim[(k + 1) % 4], rim[k]]), np.array([[0, 1, 2], [0, 2, 3]]), False
        )
        for k in range(4)
    ]
    bottom = Mesh(floor, np.array([[0, 1, 2], [0, 2, 3]]), False)
    poles = [
        pipe([(-0.95, s * 0.3, 0.62), (-0.5, s * 0.27, 0.45), (0.2, s * 0.16, 0.38), (0.62, s * 0.06, 0.2)], 0.018)
        for s in (-1, 1)
    ]
    legs = [pipe([(-0.1, s * 0.22, 0.42), (-0.25, s * 0.25, 0.02), (-0.4, s * 0.25, 0.42)], 0.016) for s in (-1, 1)]
    parts = [
        Part("tray", joined([*sides, bottom]), colour),
        Part("poles", merged([*poles, *legs]), wooden(rng) if rng.random() < 0.4 else STEEL),
        *spoked_wheel(0.2, 0.08, 6, (0.6, 0, 0.2), STEEL),
    ]
    if rng.random() < 0.5:
        lumps = [
            ball(rng.uniform(0.08, 0.16), (rng.uniform(-0.2, 0.25), rng.uniform(-0.14, 0.14), 0.42 + depth))
            for _ in range(12)
        ]
        parts.append(Part("load", merged(lumps), cloth(rng)))
    return parts


def _hand_cart(rng: np.random.Generator) -> list[Part]:
    length, width, radius = rng.uniform(1.0, 1.8), rng.uniform(0.7, 1.0), rng.uniform(0.25, 0.5)
    wood, rail = wooden(rng), rng.uniform(0.15, 0.5)
    z = radius + 0.1
    body = [solid((length, width, 0.05), (0, 0, z))]
    body += [
        solid((length, 0.03, 0.1), (0, side * width / 2, z + 0.06 + k * 0.16))
        for side in (-1, 1)
        for k in range(1 + int(rail / 0.17))
    ]
    body += [
        solid((0.05, 0.05, rail + 0.1), (x * length / 2 * 0.94, side * width / 2, z))
        for side in (-1, 1)
        for x in (-1, 1)
    ]
    axles = (0.0,) if rng.random() < 0.5 else (-0.32 * length, 0.32 * length)
    wheels: list[Part] = []
    for x in axles:
        for side in (-1, 1):
            wheels += spoked_wheel(radius, 0.05, 10, (x, side * (width / 2 + 0.1), radius), wood)
    poles = [
        rod(
            (length / 2, side * width * 0.35, z),
            (length / 2 + 0.9, side * width * 0.3, z + (0.15 if len(axles) == 1 else 0.4)),
            0.025,
        )
        for side in (-1, 1)
    ]
    poles += [roller(0.03, width + 0.2, (x, 0, radius)) for x in axles]
    if len(axles) == 1:
        poles.append(rod((-0.4 * length, 0, z), (-0.4 * length, 0, 0), 0.03))
    parts = [Part("body", joined(body), wood), Part("poles", merged(poles), wood), *wheels]
    if rng.random() < 0.6:
        sacks = [
            ball(
                (0.26, 0.2, 0.16),
                (rng.uniform(-0.3, 0.3) * length, rng.uniform(-0.2, 0.2), z + 0.2 + 0.1 * k),
                powers=(0.7, 0.7),
            )
            for k in range(5)
        ]
        parts.append(Part("load", merged(sacks), cloth(rng)))
    return parts


def _trailer(rng: np.random.Generator) -> list[Part]:
    """A low flat trailer with one axle and a drawbar, nothing above its boards."""
    length, width, radius = rng.uniform(1.8, 3.2), rng.uniform(1.1, 1.6), rng.uniform(0.26, 0.34)
    z, board = radius + 0.16, rng.uniform(0.25, 0.4)
    walls = [solid((length, 0.03, board), (0, side * width / 2, z)) for side in (-1, 1)] + [
        solid((0.03, width, board), (side * length / 2, 0, z)) for side in (-1, 1)
    ]
    bar = [rod((length / 2, y, z), (length / 2 + 1.0, 0, 0.45), 0.035) for y in (-0.35, 0.35)]
    stand = [
        rod((length / 2 + 0.8, 0, 0.5), (length / 2 + 0.8, 0, 0.0), 0.03),
        ball(0.06, (length / 2 + 1.02, 0, 0.45)),
    ]
    wheels: list[Part] = []
    for side in (-1, 1):
        at = (0.0, side * (width / 2 + 0.14), radius)
        wheels += [
            Part("tyre", ring(radius - 0.08, 0.08).moved(at), RUBBER),
            Part("rim", roller(0.6 * radius, 0.1, at), STEEL),
        ]
    guards = [solid((0.8, 0.2, 0.03), (0, side * (width / 2 + 0.12), 2 * radius + 0.04)) for side in (-1, 1)]
    return [
        Part("walls", joined(walls), bare_metal(rng) if rng.random() < 0.5 else wooden(rng)),
        Part("floor", solid((length, width, 0.05), (0, 0, z - 0.03)), wooden(rng)),
        Part("drawbar", merged([*bar, *stand, roller(0.03, width, (0, 0, radius))]), STEEL),
        Part("guards", joined(guards), BLACK),
        *wheels,
    ]


def _trolley(rng: np.random.Generator) -> list[Part]:
    """A wire trolley of shops."""
    wires = []
    for s in np.linspace(0, 1, 8):
        half, front, rear, z = 0.18 + 0.08 * s, 0.3 + 0.16 * s, -0.26 - 0.1 * s, 0.45 + 0.42 * s
        loop = [(rear, -half, z), (front, -0.8 * half, z), (front, 0.8 * half, z), (rear, half, z), (rear, -half, z)]
        wires += [rod(a, b, 0.006, sides=5) for a, b in itertools.pairwise(loop)]
    for s in np.linspace(-1, 1, 9):
        wires += [
            rod((0.3, 0.144 * s, 0.45), (0.46, 0.208 * s, 0.87), 0.004, sides=5),
            rod((-0.26, 0.18 * s, 0.45), (-0.36, 0.26 * s, 0.87), 0.004, sides=5),
        ]
    for s in np.linspace(0, 1, 12):
        wires.append(both_sides(rod((-0.26 + 0.56 * s, 0, 0.45), (-0.36 + 0.82 * s, 0.07, 0.87), 0.004, sides=5), 0.17))
    frame = [
        rod((-0.36, 0, 0.12), (0.42, 0, 0.12), 0.016),
        rod((-0.36, 0, 0.12), (-0.42, 0, 1.0), 0.016),
        rod((0.3, 0, 0.12), (-0.1, 0, 0.46), 0.012),
    ]
    wheels = [both_sides(roller(0.06, 0.03, (x, 0, 0.06)), 0.24) for x in (-0.34, 0.4)]
    return [
        Part("wires", merged(wires), CHROME),
        Part("frame", both_sides(merged(frame), 0.24), STEEL),
        Part("wheels", merged(wheels), RUBBER),
        Part("grip", rod((-0.42, -0.26, 1.0), (-0.42, 0.26, 1.0), 0.022), lacquered(rng)),
    ]


def _sack_truck(rng: np.random.Generator) -> list[Part]:
    tall = rng.uniform(1.0, 1.3)
    frame = [rod((0, 0, 0.12), (-0.25, 0, tall), 0.018)]
    rungs = [
        rod((-0.25 * s, -0.2, 0.12 + (tall - 0.12) * s), (-0.25 * s, 0.2, 0.12 + (tall - 0.12) * s), 0.014)
        for s in (0.05, 0.35, 0.65, 1.0)
    ]
    plate = extruded([(-0.02, 0.0), (0.25, 0.0), (0.25, 0.02), (-0.02, 0.02)], 0.4)
    colour = lacquered(rng)
    parts = [
        Part("frame", merged([both_sides(merged(frame), 0.2), *rungs]), colour),
        Part("plate", plate.moved((0, 0, 0.03)), colour),
    ]
    for side in (-1, 1):
        parts += spoked_wheel(0.14, 0.06, 5, (-0.06, side * 0.27, 0.14), STEEL)
    for k in range(int(rng.integers(0, 4))):
        box = solid((0.3, rng.uniform(0.35, 0.5), 0.26), (0.09 - 0.06 * k, 0, 0.06 + 0.27 * k))
        parts.append(Part("box", box, wooden(rng) if rng.random() < 0.5 else cloth(rng)))
    return parts


def _wheelchair(rng: np.random.Generator) -> list[Part]:
    frame = [
        rod((-0.2, 0, 0.5), (0.25, 0, 0.5), 0.013),
        rod((-0.2, 0, 0.12), (-0.28, 0, 1.0), 0.013),
        rod((0.25, 0, 0.5), (0.36, 0, 0.14), 0.013),
        rod((-0.22, 0, 0.72), (0.2, 0, 0.72), 0.016),
        rod((0.2, 0, 0.72), (0.25, 0, 0.5), 0.013),
        rod((-0.28, 0, 1.0), (-0.42, 0, 1.0), 0.016),
    ]
    cover = cloth(rng)
    parts = [
        Part("frame", both_sides(merged(frame), 0.22), CHROME if rng.random() < 0.5 else lacquered(rng)),
        Part(
            "seat",
            merged(
                [
                    solid((0.44, 0.42, 0.06), (0.02, 0, 0.48), rounding=0.02),
                    solid((0.05, 0.42, 0.42), (-0.24, 0, 0.52), rounding=0.02),
                ]
            ),
            cover,
        ),
        Part("rests", both_sides(solid((0.16, 0.13, 0.02), (0.42, 0, 0.12)), 0.12), BLACK),
    ]
    for side in (-1, 1):
        parts += spoked_wheel(0.3, 0.03, 16, (-0.16, side * 0.29, 0.3), CHROME)
        parts += spoked_wheel(0.09, 0.03, 6, (0.28, side * 0.22, 0.09), STEEL)
    return parts


KINDS: dict[str, Maker] = {
    "pushchair": _pushchair,
    "wheelbarrow": _wheelbarrow,
    "hand cart": _hand_cart,
    "trailer": _trailer,
    "shopping trolley": _trolley,
    "sack truck": _sack_truck,
    "wheelchair": _wheelchair,
}
