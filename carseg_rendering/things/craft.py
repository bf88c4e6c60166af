"""Boats, an aeroplane, wagons on rails, containers and a cable car: forward is +x."""

from __future__ import annotations

import itertools

import numpy as np

from carseg_rendering.geometry.materials import glass, plastic
from carseg_rendering.geometry.meshes import Array, Mesh, Part, grid, merged
from carseg_rendering.scene.textures import joined
from carseg_rendering.scene.walls import WOODS, pick
from carseg_rendering.things.forms import (
    BLACK,
    RUBBER,
    STEEL,
    Maker,
    both_sides,
    cloth,
    cylinder,
    extruded,
    lacquered,
    lofted,
    pipe,
    rod,
    roller,
    rounded_section,
    solid,
    turned,
    wooden,
)

_PANE = plastic((0.03, 0.035, 0.04), roughness=0.02)


def _hull(length: float, beam: float, depth: float) -> Array:
    """Sections (18, 24, 3) of a boat's hull, its keel at z = 0, its stem at +x."""
    s = np.linspace(0, 1, 18)
    half = beam / 2 * np.where(s < 0.5, 0.8 + 0.4 * s, 1 - (np.maximum(s - 0.5, 0) / 0.5) ** 2.2)
    half = np.maximum(half, 0.01)
    keel = depth * 0.75 * np.clip((s - 0.6) / 0.4, 0, 1) ** 2
    top = depth * (1 + 0.25 * s**2)
    t = np.linspace(0, np.pi, 24)
    y = half[:, None] * np.sign(np.cos(t)) * np.abs(np.cos(t)) ** 0.7
    z = top[:, None] - (top - keel)[:, None] * np.sin(t) ** 0.8
    return np.stack([np.broadcast_to((s * length - length / 2)[:, None], y.shape), y, z], -1)


def _boat(rng: np.random.Generator) -> list[Part]:
    length, z = rng.uniform(4.5, 8.0), rng.uniform(0.5, 0.9)
    beam, depth = length * rng.uniform(0.26, 0.34), length * rng.uniform(0.14, 0.2)
    sections = _hull(length, beam, depth) + np.array([0, 0, z])
    wales = np.concatenate([sections[:, 0], sections[::-1, -1]])
    deck = sections[:, [0, -1]] - [0, 0, 0.06]
    flat = np.stack([deck[:, 0], deck[:, 1]], 1)
    parts = [
        Part("hull", lofted(sections), lacquered(rng)),
        Part("deck", grid(flat, smooth=False).moved((0, 0, 0.07)), wooden(rng)),
        Part("wale", merged([rod(a, b, 0.05, sides=6) for a, b in itertools.pairwise(wales)]), wooden(rng)),
        Part("keel", solid((0.6 * length, 0.12, z + 0.05), (-0.1 * length, 0, 0)), wooden(rng)),
    ]
    props = [
        both_sides(rod((x * length, 0.2 * beam, 0), (x * length, -0.1 * beam, z + 0.55 * depth), 0.06), 0.42 * beam)
        for x in (-0.3, 0.15)
    ]
    parts.append(Part("props", merged(props), wooden(rng)))
    top = z + depth
    if rng.random() < 0.5:  # a mast
        tall = length * rng.uniform(1.0, 1.4)
        stays = [rod((x * length, 0, top), (0.1 * length, 0, top + 0.95 * tall), 0.012, sides=5) for x in (-0.48, 0.48)]
        parts.append(
            Part(
                "mast",
                merged(
                    [
                        rod((0.1 * length, 0, top), (0.1 * length, 0, top + tall), 0.06),
                        rod((0.1 * length, 0, top + 0.6), (-0.4 * length, 0, top + 0.7), 0.05),
                        *stays,
                    ]
                ),
                STEEL,
            )
        )
        if rng.random() < 0.5:
            sail = extruded(
                [(0.08 * length, top + 0.8), (-0.38 * length, top + 0.85), (0.07 * length, top + 0.9 * tall)], 0.03
            )
            parts.append(Part("sail", sail, cloth(rng)))
    if rng.random() < 0.6:
        cabin = solid((0.28 * length, 0.55 * beam, 0.2 * length), (0.02 * length, 0, top - 0.02), rounding=0.12)
        ports = [roller(0.13, 0.57 * beam, (x * length, 0, top + 0.11 * length)) for x in (-0.06, 0.02, 0.1)]
        parts += [Part("cabin", cabin, lacquered(rng)), Part("ports", merged(ports), _PANE)]
    return parts


def _rowing_boat(rng: np.random.Generator) -> list[Part]:
    """An open boat that lies keel up."""
    length = rng.uniform(2.8, 4.5)
    sections = _hull(length, 0.36 * length, 0.17 * length)
    hull = lofted(sections).turned("x", 180)
    hull = hull.moved((0, 0, -hull.vertices[:, 2].min() + 0.12))
    colour = lacquered(rng) if rng.random() < 0.5 else plastic(pick(rng, WOODS), roughness=0.2)
    top = float(hull.vertices[:, 2].max())
    keel = solid((0.75 * length, 0.06, 0.08), (-0.08 * length, 0, top - 0.03))
    chocks = [solid((0.15, 0.4 * length, 0.12), (x * length, 0, 0)) for x in (-0.3, 0.25)]
    oar = [
        rod((-0.4 * length, 0.24 * length, 0.04), (0.35 * length, 0.25 * length, 0.04), 0.03),
        solid((0.5, 0.14, 0.03), (0.4 * length, 0.25 * length, 0.03)),
    ]
    return [
        Part("hull", hull, colour),
        Part("keel", keel, wooden(rng)),
        Part("chocks", joined(chocks), wooden(rng)),
        Part("oar", merged(oar), wooden(rng)),
    ]


def _aeroplane(rng: np.random.Generator) -> list[Part]:
    length, span, low = rng.uniform(6, 10), rng.uniform(8, 12), rng.random() < 0.5
    colour, wing = lacquered(rng), lacquered(rng)
    z = 1.25
    body = lofted(
        [
            np.column_stack([np.full(32, x * length), rounded_section(w, h, power=0.8) + np.array([0, z + dz])])
            for x, w, h, dz in (
                (-0.5, 0.12, 0.3, 0.35),
                (-0.2, 0.6, 0.8, 0.15),
                (0.05, 1.1, 1.3, 0.1),
                (0.25, 1.05, 1.15, 0),
                (0.42, 0.8, 0.85, -0.05),
                (0.47, 0.3, 0.3, -0.05),
            )
        ]
    )
    at = z - 0.45 if low else z + 0.72
    t = np.linspace(0, 2 * np.pi, 25)[:-1]

    def airfoil(chord: float, x: float, y: float, height: float) -> Array:
        return np.stack([x + chord / 2 * np.cos(t), np.full(24, y), height + 0.07 * chord * np.sin(t)], 1)

    wings = lofted(
        [
            airfoil(0.9, 0.1 * length, -span / 2, at + 0.25),
            airfoil(1.5, 0.12 * length, 0, at),
            airfoil(0.9, 0.1 * length, span / 2, at + 0.25),
        ]
    )
    tail = lofted(
        [
            airfoil(0.6, -0.47 * length, -0.18 * span, z + 0.4),
            airfoil(0.9, -0.45 * length, 0, z + 0.4),
            airfoil(0.6, -0.47 * length, 0.18 * span, z + 0.4),
        ]
    )
    fin = extruded(
        [(-0.5 * length, z + 0.3), (-0.34 * length, z + 0.4), (-0.45 * length, z + 1.6), (-0.52 * length, z + 1.6)],
        0.08,
    )
    blades = solid((0.05, 0.16, 1.9), (0.49 * length, 0, z - 1.0))
    legs = [rod((0.08 * length, 0.4, z - 0.3), (0.08 * length, 0.95, 0.22), 0.05)]
    wheels = [
        both_sides(roller(0.22, 0.14, (0.08 * length, 0, 0.22)), 0.98),
        roller(0.18, 0.12, (0.36 * length, 0, 0.18)),
    ]
    struts = [] if low else [rod((0.1 * length, 0.5, z - 0.3), (0.12 * length, 0.25 * span, at + 0.1), 0.04)]
    panes = solid((0.16 * length, 1.14, 0.42), (0.1 * length, 0, z + 0.22), rounding=0.1)
    stripe = solid((0.62 * length, 1.12, 0.08), (0.0, 0, z + 0.02)).scaled((1, 0.5, 1))
    return [
        Part("body", body, colour),
        Part("wings", merged([wings, tail, fin]), wing),
        Part("propeller", blades, BLACK),
        Part("panes", panes, _PANE),
        Part(
            "legs",
            merged(
                [m.with_mirror() for m in [*legs, *struts]]
                + [rod((0.36 * length, 0, z - 0.3), (0.36 * length, 0, 0.2), 0.04)]
            ),
            STEEL,
        ),
        Part("wheels", merged(wheels), RUBBER),
        Part("stripe", stripe, wing),
        Part("cone", cylinder(0.16, 0.3, top=0.03).turned("y", 90).moved((0.48 * length, 0, z - 0.05)), BLACK),
    ]


def _wagon(rng: np.random.Generator) -> list[Part]:
    """A railway wagon or tram on a piece of track."""
    length, width, height = rng.uniform(7, 12), 2.5, rng.uniform(2.0, 2.8)
    z = 0.95
    rails = [both_sides(solid((length + 3, 0.08, 0.15), (0, 0, 0.1)), 0.72)]
    sleepers = [solid((0.24, 2.3, 0.1), (x, 0, 0)) for x in np.arange(-length / 2 - 1.4, length / 2 + 1.5, 0.65)]
    wheels = [
        both_sides(roller(0.42, 0.12, (side * (length / 2 - 1.5) + dx, 0, 0.66)), 0.72)
        for side in (-1, 1)
        for dx in (-0.75, 0.75)
    ]
    colour = lacquered(rng)
    parts = [
        Part("rails", merged(rails), STEEL),
        Part("sleepers", joined(sleepers), wooden(rng)),
        Part("wheels", merged(wheels), BLACK),
        Part("frame", solid((length, 2.0, 0.3), (0, 0, z - 0.3)), BLACK),
    ]
    kind = rng.integers(3)
    if kind == 0:
        shell = turned(
            [
                (0, -length / 2),
                (1.1, -length / 2 + 0.1),
                (1.2, -length / 2 + 0.3),
                (1.2, length / 2 - 0.3),
                (1.1, length / 2 - 0.1),
                (0, length / 2),
            ]
        )
        parts.append(Part("tank", shell.turned("y", 90).moved((0, 0, z + 1.2)), colour))
    elif kind == 1:
        slats = [solid((0.1, width + 0.06, height), (x, 0, z)) for x in np.arange(-length / 2 + 0.3, length / 2, 0.9)]
        parts += [Part("box", solid((length, width, height), (0, 0, z)), colour), Part("slats", joined(slats), BLACK)]
    else:
        step = length / 8
        panes = [solid((step - 0.2, width + 0.04, 0.9), ((k - 3.5) * step, 0, z + 0.95)) for k in range(8)]
        parts += [
            Part("body", solid((length, width, height), (0, 0, z - 0.2), rounding=0.2), colour),
            Part("panes", joined(panes), _PANE),
            Part(
                "arm",
                merged(
                    [
                        rod((0, 0, z + height - 0.2), (0.8, 0, z + height + 0.5), 0.04),
                        rod((0.8, 0, z + height + 0.5), (0, 0, z + height + 1.1), 0.04),
                        rod((0, -0.6, z + height + 1.1), (0, 0.6, z + height + 1.1), 0.04),
                    ]
                ),
                BLACK,
            ),
        ]
    return parts


def _container(rng: np.random.Generator) -> list[Part]:
    parts: list[Part] = []
    for k in range(int(rng.integers(1, 4))):
        colour = lacquered(rng)
        ribs = [solid((0.13, 2.48, 2.3), (x, 0, 0.15)) for x in np.arange(-2.8, 2.9, 0.3)]
        doors = [rod((3.07, y, 0.15), (3.07, y, 2.4), 0.03) for y in (-0.8, -0.3, 0.3, 0.8)]
        made: list[Mesh] = [solid((6.0, 2.4, 2.55)), *ribs]
        at = (rng.uniform(-0.4, 0.4) * (k > 0), 0.0, 2.6 * k)
        parts += [Part("container", joined(made).moved(at), colour), Part("bars", merged(doors).moved(at), STEEL)]
    return parts


def _cockpit_pod(rng: np.random.Generator) -> list[Part]:
    """A cabin of a cable car or a wheel of a fair: an egg of glass under its hanger."""
    radius, colour = rng.uniform(0.8, 1.2), lacquered(rng)
    shell = turned([(0, 0.15), (0.7 * radius, 0.2), (radius, 0.9 * radius)])
    dome = turned(
        [(radius, 0.9 * radius), (0.9 * radius, 1.6 * radius), (0.4 * radius, 1.95 * radius), (0, 2 * radius)]
    )
    posts = [
        rod(
            (radius * np.cos(a), radius * np.sin(a), 0.9 * radius),
            (0.4 * radius * np.cos(a), 0.4 * radius * np.sin(a), 1.95 * radius),
            0.03,
        )
        for a in np.linspace(0, 2 * np.pi, 7)[:-1]
    ]
    hanger = pipe([(0, 0, 2 * radius), (0, 0.2, 2.6 * radius), (0, 0, 3.2 * radius)], 0.06)
    return [
        Part("shell", shell, colour),
        Part("dome", dome, glass(0.3)),
        Part("posts", merged(posts), colour),
        Part("hanger", hanger, STEEL),
        Part("foot", cylinder(0.6 * radius, 0.2), BLACK),
    ]


KINDS: dict[str, Maker] = {
    "boat on props": _boat,
    "rowing boat": _rowing_boat,
    "aeroplane": _aeroplane,
    "railway wagon": _wagon,
    "container": _container,
    "cable car": _cockpit_pod,
}
