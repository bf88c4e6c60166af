"""Cycles: what is ridden on two wheels. Forward is +x."""

from __future__ import annotations

import numpy as np

from carseg_rendering.geometry.materials import BSDF, metal, plastic
from carseg_rendering.geometry.meshes import Part, merged
from carseg_rendering.scene.walls import pick
from carseg_rendering.things.forms import (
    BLACK,
    BRIGHT,
    CHROME,
    RUBBER,
    STEEL,
    Maker,
    ball,
    both_sides,
    lacquered,
    lofted,
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


KINDS: dict[str, Maker] = {"bicycle": _bicycle, "motorcycle": _motorcycle, "kick scooter": _kick_scooter}
