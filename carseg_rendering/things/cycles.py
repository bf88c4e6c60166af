"""Cycles and carts: what has one to four small wheels and is ridden, pushed or drawn. Forward is +x."""

from __future__ import annotations

import itertools

import numpy as np

from carseg_rendering.geometry.materials import BSDF, metal, plastic
from carseg_rendering.geometry.meshes import Mesh, Part, merged
from carseg_rendering.scene.textures import joined
from carseg_rendering.scene.walls import pick
from carseg_rendering.things.forms import (
    BLACK,
    BRIGHT,
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
    shifted,
    solid,
    wooden,
)


def spoked_wheel(radius: float, thick: float, spokes: int, at: tuple[float, float, float], rim: BSDF) -> list[Part]:
    """A wheel of spokes about `at`, its axis along y.

    Args:
        radius: Outer radius, metres.
        thick: Thickness of the tyre, metres.
        spokes: Number of spokes.
        at: Its middle.
        rim: Material of rim and spokes.
    """
    turn = np.linspace(0, 2 * np.pi, spokes + 1)[:-1]
    bars = [
        rod(
            (0, 0.03 * (-1) ** k, 0),
            (0.93 * radius * np.cos(a), 0, 0.93 * radius * np.sin(a)),
            0.004 + 0.1 * thick,
            sides=5,
        )
        for k, a in enumerate(turn)
    ]
    hub = roller(0.035 + 0.2 * thick, 0.09, (0, 0, 0))
    edge = ring(radius - 1.3 * thick, 0.5 * thick)
    return [
        Part("tyre", ring(radius - thick / 2, thick / 2).moved(at), RUBBER),
        Part("spokes", merged([*bars, hub, edge]).moved(at), rim),
    ]


def _bicycle(rng: np.random.Generator) -> list[Part]:
    radius, base, tall = rng.uniform(0.24, 0.35), rng.uniform(0.95, 1.1), rng.uniform(0.75, 1.0)
    rear, front = np.array([-base / 2, 0, radius]), np.array([base / 2, 0, radius])
    crank = np.array([-0.06, 0, radius - 0.05])
    seat_top, head = np.array([-0.24, 0, tall]), np.array([0.30, 0, tall + 0.02])
    low_head = shifted(head, 0.04, 0, -0.14)
    colour, thick = lacquered(rng), 0.017
    stepped = rng.random() < 0.4
    bars = [rod(crank, seat_top, thick), rod(crank, low_head, 1.2 * thick), rod(head, low_head, 1.3 * thick)]
    bars.append(
        rod(low_head, crank + 0.5 * (seat_top - crank), thick) if stepped else rod(seat_top - [0, 0, 0.03], head, thick)
    )
    stays = [
        rod(shifted(rear, 0, y, 0), end + np.array([0, 0.3 * y, 0]), 0.009)
        for y in (-0.06, 0.06)
        for end in (crank, seat_top - [0, 0, 0.05])
    ]
    fork = [rod(shifted(front, 0, y, 0), shifted(low_head, 0, 0.5 * y, -0.02), 0.011) for y in (-0.06, 0.06)]
    drop, wide = rng.uniform(-0.1, 0.08), rng.uniform(0.22, 0.3)
    grip = shifted(head, 0.05, 0, 0.1)
    bar = pipe(
        [
            shifted(grip, -0.08, -wide, drop),
            shifted(grip, 0, -0.6 * wide, 0.02),
            grip,
            shifted(grip, 0, 0.6 * wide, 0.02),
            shifted(grip, -0.08, wide, drop),
        ],
        0.012,
    )
    saddle = lofted(
        [
            np.stack([np.full(16, x), w * np.cos(t), 0.03 * np.sin(t)], 1)
            for t in [np.linspace(0, 2 * np.pi, 17)[:-1]]
            for x, w in ((-0.13, 0.07), (-0.08, 0.085), (0.03, 0.035), (0.14, 0.018))
        ]
    )
    pedals = [
        rod(shifted(crank, 0, y, 0), shifted(crank, s * 0.16, y, s * 0.05), 0.009) for y, s in ((-0.08, 1), (0.08, -1))
    ]
    pedals += [
        solid((0.09, 0.09, 0.02), shifted(crank, s * 0.16, y * 1.5, s * 0.05 - 0.01))
        for y, s in ((-0.08, 1), (0.08, -1))
    ]
    chain = [
        ring(0.09, 0.008).moved(shifted(crank, 0, -0.06, 0)),
        rod(shifted(crank, 0, -0.06, 0.09), shifted(rear, 0, -0.06, 0.035), 0.006),
        rod(shifted(crank, 0, -0.06, -0.09), shifted(rear, 0, -0.06, -0.035), 0.006),
    ]
    thick_tyre, rim = rng.uniform(0.025, 0.055), CHROME if rng.random() < 0.6 else BLACK
    parts = [
        *spoked_wheel(radius, thick_tyre, 20, tuple(rear), rim),
        *spoked_wheel(radius, thick_tyre, 20, tuple(front), rim),
        Part("frame", merged([*bars, *stays, *fork]), colour),
        Part("handlebar", merged([bar, rod(head, grip, 0.013)]), CHROME),
        Part(
            "saddle",
            merged(
                [saddle.moved(shifted(seat_top, -0.03, 0, 0.1)), rod(seat_top, shifted(seat_top, -0.03, 0, 0.1), 0.012)]
            ),
            BLACK,
        ),
        Part("pedals", merged([*pedals, *chain]), BLACK),
    ]
    if rng.random() < 0.4:
        angle = np.linspace(0.35, 2.6, 9)
        guards = [
            pipe(
                np.stack(
                    [c[0] + (radius + 0.03) * np.cos(angle), 0 * angle, c[2] + (radius + 0.03) * np.sin(angle)], 1
                ),
                0.022,
            )
            for c in (rear, front)
        ]
        parts.append(Part("guards", merged(guards), colour))
    if rng.random() < 0.4:
        basket = solid((0.24, 0.32, 0.24), shifted(front, 0.02, 0, radius + 0.1))
        parts.append(Part("basket", basket, wooden(rng)))
    return parts


def _motorcycle(rng: np.random.Generator) -> list[Part]:
    radius, base = rng.uniform(0.27, 0.34), rng.uniform(1.3, 1.55)
    rear, front = np.array([-base / 2, 0, radius]), np.array([base / 2, 0, radius])
    head = shifted(front, -0.32, 0, 0.55)
    colour = plastic(pick(rng, BRIGHT), roughness=0.05) if rng.random() < 0.7 else BLACK
    fork = both_sides(rod(front, head, 0.026), 0.09)
    grip = shifted(head, -0.08, 0, 0.12)
    bar = pipe(
        [
            shifted(grip, -0.1, -0.36, 0.02),
            shifted(grip, 0, -0.15, 0.04),
            grip,
            shifted(grip, 0, 0.15, 0.04),
            shifted(grip, -0.1, 0.36, 0.02),
        ],
        0.016,
    )
    tank = ball((0.3, 0.16, 0.15), (0.12, 0, 0.78), powers=(0.8, 0.8)).turned("y", 4)
    seat = solid((0.62, 0.26, 0.12), (-0.42, 0, 0.72), rounding=0.06)
    engine = [solid((0.36, 0.34, 0.3), (0.02, 0, 0.3), rounding=0.05), roller(0.13, 0.42, (-0.08, 0, 0.38))]
    engine += [solid((0.17 - 0.01 * k, 0.22, 0.018), (0.12, 0, 0.6 + 0.03 * k)) for k in range(5)]
    exhaust = pipe(
        [(0.2, 0.16, 0.5), (0.25, 0.2, 0.28), (-0.1, 0.22, 0.24), (-0.85, 0.24, 0.34)], [0.025, 0.03, 0.035, 0.055]
    )
    frame = [
        rod(head, (-0.2, 0, 0.66), 0.03),
        rod(head, (0.25, 0, 0.26), 0.025),
        rod((0.25, 0, 0.26), rear, 0.025),
        rod((-0.2, 0, 0.66), (-0.8, 0, 0.74), 0.025),
    ]
    shocks = both_sides(rod(rear, (-0.5, 0, 0.72), 0.025), 0.12)
    tyre = rng.uniform(0.09, 0.14)
    lamp = ball((0.09, 0.1, 0.1), shifted(front, -0.2, 0, 0.52))
    angle = np.linspace(0.3, 2.5, 9)
    guards = [
        pipe(
            np.stack(
                [c[0] + (radius + 0.02) * np.cos(angle + s), 0 * angle, c[2] + (radius + 0.02) * np.sin(angle + s)], 1
            ),
            0.06,
        )
        for c, s in ((rear, 0.1), (front, 0.2))
    ]
    return [
        *spoked_wheel(radius, tyre, 14, tuple(rear), CHROME),
        *spoked_wheel(radius, tyre, 14, tuple(front), CHROME),
        Part("fork", merged([fork, bar, shocks]), CHROME),
        Part("tank", merged([tank, *guards]), colour),
        Part("seat", seat, BLACK),
        Part("engine", merged(engine), STEEL),
        Part("exhaust", exhaust, CHROME),
        Part("frame", merged(frame), BLACK),
        Part("lamp", lamp, metal((0.9, 0.9, 0.92), roughness=0.1)),
    ]


def _kick_scooter(rng: np.random.Generator) -> list[Part]:
    radius, length, tall = rng.uniform(0.06, 0.13), rng.uniform(0.5, 0.7), rng.uniform(0.75, 1.05)
    front = length / 2 + radius + 0.05
    stem = rod((front - 0.02, 0, radius), (front - 0.14, 0, tall), 0.02)
    bar = rod((front - 0.14, -0.24, tall), (front - 0.14, 0.24, tall), 0.016)
    wheels = [merged([roller(radius, 0.04, (x, 0, radius))]) for x in (front, -length / 2 - radius)]
    deck = solid((length + radius, 0.13, 0.04), (-0.02, 0, radius - 0.02), rounding=0.015)
    arm = rod((front - 0.02, 0, radius + 0.05), (length / 2 - 0.1, 0, radius), 0.025)
    colour = lacquered(rng)
    return [
        Part("deck", merged([deck, arm]), colour),
        Part("stem", stem, CHROME),
        Part("bar", bar, BLACK),
        Part("wheels", merged(wheels), RUBBER),
    ]


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
        from carseg_rendering.geometry.meshes import grid

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
    "bicycle": _bicycle,
    "motorcycle": _motorcycle,
    "kick scooter": _kick_scooter,
    "pushchair": _pushchair,
    "wheelbarrow": _wheelbarrow,
    "hand cart": _hand_cart,
    "trailer": _trailer,
    "shopping trolley": _trolley,
    "sack truck": _sack_truck,
    "wheelchair": _wheelchair,
}
