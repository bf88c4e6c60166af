"""Large vehicles that are none of the four body types: buses, lorries, machines for work, boats, aeroplanes.

Forward is +x. All are far longer, taller or otherwise built than cars, and none has a car's outline.
"""

from __future__ import annotations

import itertools

import numpy as np

from carseg_rendering.geometry.materials import glass, lamp_glass, plastic
from carseg_rendering.geometry.meshes import Array, Mesh, Part, merged
from carseg_rendering.scene.textures import joined
from carseg_rendering.scene.walls import WOODS, pick
from carseg_rendering.things.forms import (
    BLACK,
    BRIGHT,
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
    ring,
    rod,
    roller,
    rounded_section,
    shifted,
    solid,
    turned,
    wooden,
)

_PANE = plastic((0.03, 0.035, 0.04), roughness=0.02)


def _wheels(axles: list[float], half: float, radius: float, width: float) -> list[Part]:
    """Plain wheels of heavy vehicles on both sides."""
    tyres, hubs = [], []
    for x in axles:
        tyres.append(
            both_sides(
                merged(
                    [
                        ring(radius - 0.45 * width, 0.45 * width).moved((x, 0, radius)),
                        roller(radius - 0.1, width, (x, 0, radius)),
                    ]
                ),
                half,
            )
        )
        hubs.append(
            both_sides(
                merged(
                    [
                        roller(0.6 * radius, 0.4 * width, (x, 0.32 * width, radius)),
                        roller(0.2 * radius, 0.3, (x, 0.3 * width, radius)),
                    ]
                ),
                half,
            )
        )
    return [Part("tyres", merged(tyres), RUBBER), Part("hubs", merged(hubs), STEEL)]


def _bus(rng: np.random.Generator) -> list[Part]:
    double = rng.random() < 0.25
    length, height, width, foot = rng.uniform(9, 12.5), rng.uniform(2.9, 3.3) + 1.2 * double, 2.5, 0.35
    colour, band = lacquered(rng), lacquered(rng)
    half, tall = width / 2, height - foot
    parts = [
        Part("body", solid((length, width, tall), (0, 0, foot), rounding=0.14), colour),
        Part("band", solid((length - 0.5, width + 0.03, 0.3), (0, 0, foot + 0.25)), band),
        Part("front pane", solid((0.06, width - 0.3, 1.25), (length / 2, 0, 1.25)), _PANE),
        Part("destination", solid((0.07, 1.5, 0.28), (length / 2, 0, 2.6)), BLACK),
        Part("rear pane", solid((0.06, width - 0.7, 0.7), (-length / 2, 0, 1.9)), _PANE),
        Part("lamps", both_sides(solid((0.05, 0.3, 0.18), (length / 2, 0, 0.7)), 0.9), lamp_glass()),
        *_wheels([length / 2 - 2.6, -length / 2 + 3.0], half - 0.16, 0.5, 0.3),
    ]
    count = int(length / rng.uniform(1.2, 1.7))
    step = (length - 1.0) / count
    levels = [1.35, 2.75] if double else [1.35]
    panes = [
        solid((step - 0.12, width + 0.04, 0.95), (-length / 2 + 0.5 + (k + 0.5) * step, 0, z))
        for k in range(count)
        for z in levels
    ]
    doors = [solid((1.1, 0.05, 2.1), (x, half, 0.45)) for x in (length / 2 - 1.1, -0.4)]
    return [*parts, Part("panes", joined(panes), _PANE), Part("doors", joined(doors), BLACK)]


def _cab(rng: np.random.Generator, x: float, width: float, height: float) -> list[Part]:
    """A lorry's upright cab whose front is at x."""
    colour, half = lacquered(rng), width / 2
    outline = np.array([(0, 0), (0, 0.5), (-0.14, 1.0), (-0.25, 1.0), (-1.9, 1.0), (-1.9, 0)]) * [1, height]
    slant = float(np.degrees(np.arctan(0.14 / (0.5 * height))))  # of the cab's upper half
    return [
        Part("cab", extruded(outline, width).moved((x, 0, 0.55)), colour),
        Part(
            "windscreen",
            solid((0.04, width - 0.24, 0.38 * height)).turned("y", -slant).moved((x, 0, 0.55 + 0.54 * height)),
            _PANE,
        ),
        Part("windows", solid((0.75, width + 0.03, 0.36 * height), (x - 0.72, 0, 0.55 + 0.55 * height)), _PANE),
        Part("grille", solid((0.05, 0.7 * width, 0.3 * height), (x + 0.01, 0, 0.7)), BLACK),
        Part("bumper", solid((0.3, width, 0.35), (x - 0.05, 0, 0.35), rounding=0.08), STEEL),
        Part("lamps", both_sides(solid((0.05, 0.26, 0.16), (x + 0.02, 0, 0.78)), 0.8 * half), lamp_glass()),
        Part("mirrors", both_sides(solid((0.06, 0.2, 0.5), (x - 0.1, 0, 0.55 + 0.6 * height)), half + 0.18), BLACK),
    ]


def _lorry(rng: np.random.Generator) -> list[Part]:
    length, width, load = rng.uniform(6.5, 10.5), 2.4, rng.choice(["box", "planks", "tank", "tipper", "container"])
    front, cab = length / 2, rng.uniform(1.9, 2.4)
    bed = length - 2.3
    x, z = -length / 2 + bed / 2, 1.05
    parts = [*_cab(rng, front, width, cab), Part("chassis", solid((length - 0.4, 0.9, 0.25), (-0.1, 0, 0.62)), BLACK)]
    if load == "box":
        parts.append(
            Part("box", solid((bed, width + 0.1, rng.uniform(2.2, 2.8)), (x, 0, z), rounding=0.03), lacquered(rng))
        )
    elif load == "container":
        ribs = [solid((0.12, 2.5, 2.4), (at, 0, z)) for at in np.arange(x - bed / 2 + 0.2, x + bed / 2, 0.28)]
        parts.append(Part("container", joined([solid((bed, 2.42, 2.5), (x, 0, z)), *ribs]), lacquered(rng)))
    elif load == "tank":
        shell = turned(
            [
                (0, -bed / 2),
                (0.8, -bed / 2 + 0.03),
                (1.05, -bed / 2 + 0.25),
                (1.05, bed / 2 - 0.25),
                (0.8, bed / 2 - 0.03),
                (0, bed / 2),
            ]
        )
        parts.append(
            Part("tank", shell.turned("y", 90).moved((x, 0, z + 1.0)), STEEL if rng.random() < 0.5 else lacquered(rng))
        )
        parts.append(Part("walk", solid((bed - 0.6, 0.6, 0.06), (x, 0, z + 2.06)), BLACK))
    elif load == "tipper":
        tray = np.array([(-bed / 2, 0.0), (bed / 2, 0.0), (bed / 2 + 0.1, 1.2), (-bed / 2 - 0.4, 1.2)])
        parts.append(
            Part("tray", extruded(tray, width).turned("y", rng.choice([0, 0, 12])).moved((x, 0, z)), lacquered(rng))
        )
    else:
        stakes = [
            both_sides(solid((0.08, 0.08, 1.0), (at, 0, z)), width / 2)
            for at in np.linspace(x - 0.45 * bed, x + 0.45 * bed, 5)
        ]
        logs = [
            rod((x - 0.48 * bed, y, z + 0.22 + 0.32 * k), (x + 0.48 * bed, y, z + 0.22 + 0.32 * k), 0.17)
            for k in range(4)
            for y in np.linspace(-0.95, 0.95, 6)
        ]
        parts += [Part("stakes", merged(stakes), BLACK), Part("logs", merged(logs), wooden(rng))]
        parts.append(Part("bed", solid((bed, width, 0.12), (x, 0, z - 0.1)), wooden(rng)))
    axles = [front - 1.0, -length / 2 + 1.3] + ([-length / 2 + 2.4] if length > 8 else [])
    return [*parts, *_wheels(axles, width / 2 - 0.16, 0.48, 0.3)]


def _tractor(rng: np.random.Generator) -> list[Part]:
    colour, big = plastic(pick(rng, BRIGHT[:5]), roughness=0.15), rng.uniform(0.7, 0.9)
    small = big * rng.uniform(0.55, 0.7)
    nose = lofted(
        [
            np.column_stack([np.full(32, x), rounded_section(w, h) + np.array([0, z])])
            for x, w, h, z in (
                (-0.2, 0.7, 0.75, 1.2),
                (0.9, 0.66, 0.7, 1.15),
                (1.5, 0.6, 0.62, 1.08),
                (1.56, 0.4, 0.4, 1.05),
            )
        ]
    )
    guards = [
        both_sides(
            pipe(np.stack([-0.9 + (big + 0.1) * np.cos(a), 0 * a, big + (big + 0.1) * np.sin(a)], 1), 0.16, sides=6),
            0.85,
        )
        for a in [np.linspace(0.2, 2.4, 8)]
    ]
    parts = [
        Part("nose", nose, colour),
        Part("guards", merged(guards), colour),
        Part("block", solid((2.4, 0.5, 0.5), (0.1, 0, 0.55)), BLACK),
        Part("grille", solid((0.05, 0.36, 0.4), (1.55, 0, 0.86)), BLACK),
        Part("exhaust", rod((0.6, 0.2, 1.4), (0.6, 0.2, 2.4), 0.05), STEEL),
        *_wheels([-0.9], 0.85, big, 0.46),
        *_wheels([1.1], 0.75, small, 0.3),
        Part(
            "seat",
            merged(
                [
                    solid((0.4, 0.5, 0.12), (-0.75, 0, 1.3), rounding=0.05),
                    solid((0.1, 0.5, 0.4), (-0.98, 0, 1.35), rounding=0.05),
                ]
            ),
            BLACK,
        ),
        Part(
            "steering",
            merged([ring(0.2, 0.02).turned("x", 60).moved((-0.25, 0, 1.75)), rod((-0.25, 0, 1.75), (0, 0, 1.4), 0.02)]),
            BLACK,
        ),
    ]
    if rng.random() < 0.6:
        posts = [both_sides(rod((x, 0, 1.4), (x * 0.9, 0, 2.6), 0.04), 0.6) for x in (-1.25, -0.2)]
        parts += [
            Part("posts", merged(posts), BLACK),
            Part("roof", solid((1.4, 1.4, 0.12), (-0.72, 0, 2.6), rounding=0.05), colour),
        ]
    return parts


def _forklift(rng: np.random.Generator) -> list[Part]:
    colour, tall = plastic(pick(rng, BRIGHT[:5]), roughness=0.2), rng.uniform(2.1, 3.0)
    body = [
        solid((1.3, 1.0, 0.6), (-0.2, 0, 0.25), rounding=0.06),
        solid((0.5, 1.0, 0.5), (-0.75, 0, 0.7), rounding=0.12),
    ]
    mast = [
        both_sides(solid((0.12, 0.1, tall), (0.75, 0, 0.05)), 0.32),
        *(solid((0.1, 0.7, 0.1), (0.75, 0, z)) for z in (0.4, tall - 0.2)),
    ]
    z = rng.uniform(0.05, 1.0)
    forks = [
        both_sides(joined([solid((1.1, 0.12, 0.05), (1.4, 0, z)), solid((0.06, 0.12, 0.7), (0.86, 0, z))]), 0.26),
        solid((0.05, 0.8, 0.4), (0.83, 0, z + 0.2)),
    ]
    cage = [both_sides(rod((x, 0, 0.8), (x * 0.7, 0, 2.05), 0.04), 0.46) for x in (-0.9, 0.45)]
    cage += [rod((-0.63, y, 2.05), (0.32, y, 2.05), 0.03) for y in np.linspace(-0.46, 0.46, 7)]
    parts = [
        Part("body", merged(body), colour),
        Part("mast", merged([*mast, *forks]), BLACK),
        Part("cage", merged(cage), BLACK),
        Part(
            "seat",
            merged(
                [
                    solid((0.4, 0.45, 0.1), (-0.25, 0, 0.85), rounding=0.04),
                    solid((0.1, 0.45, 0.45), (-0.45, 0, 0.9), rounding=0.04),
                ]
            ),
            BLACK,
        ),
        *_wheels([0.4], 0.45, 0.3, 0.24),
        *_wheels([-0.7], 0.42, 0.24, 0.2),
    ]
    if rng.random() < 0.6:
        parts.append(
            Part(
                "load",
                solid((0.9, 1.0, rng.uniform(0.5, 1.0)), (1.4, 0, z + 0.06)),
                wooden(rng) if rng.random() < 0.5 else cloth(rng),
            )
        )
    return parts


def _excavator(rng: np.random.Generator) -> list[Part]:
    colour, turn = plastic(pick(rng, BRIGHT[1:5]), roughness=0.2), rng.uniform(-60, 60)
    angle = np.linspace(0, 2 * np.pi, 41)[:-1]
    loop = np.stack([1.25 * np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** 0.4, 0.36 * np.sin(angle) + 0.38], 1)
    tracks = both_sides(extruded(loop, 0.45), 0.8)
    rollers = both_sides(merged([roller(0.2, 0.5, (x, 0, 0.3)) for x in np.linspace(-0.9, 0.9, 5)]), 0.8)
    cab = [solid((1.1, 0.8, 1.3), (0.35, 0.5, 1.1), rounding=0.06)]
    house = [
        solid((2.2, 1.8, 0.35), (-0.35, 0, 0.85), rounding=0.05),
        solid((1.1, 1.8, 0.75), (-0.9, 0, 1.1), rounding=0.12),
    ]
    knee, wrist = (
        np.array([2.2, -0.25, rng.uniform(2.6, 3.3)]),
        np.array([rng.uniform(2.9, 3.6), -0.25, rng.uniform(1.0, 1.8)]),
    )
    boom = pipe([(0.5, -0.25, 1.15), (1.2, -0.25, 2.3), knee], [0.2, 0.24, 0.14], sides=4)
    arm, rams = (
        rod(knee, wrist, [0.16, 0.1], sides=4),
        [rod((0.9, -0.25, 1.2), (1.4, -0.25, 2.4), 0.05), rod((1.3, -0.25, 2.8), shifted(knee, 0.2, 0, 0.1), 0.05)],
    )
    scoop = extruded([(0, 0), (0.35, -0.2), (0.3, -0.65), (-0.1, -0.75), (-0.25, -0.35)], 0.7).moved(wrist)
    top = [
        Part("house", merged(house), colour),
        Part("cab", merged(cab), colour),
        Part("panes", joined([solid((1.12, 0.82, 0.6), (0.37, 0.5, 1.65))]), _PANE),
        Part("boom", merged([boom, arm]), colour),
        Part("rams", merged(rams), STEEL),
        Part("scoop", scoop, BLACK),
    ]
    return [
        Part("tracks", tracks, BLACK),
        Part("rollers", rollers, STEEL),
        *(Part(p.name, p.mesh.turned("z", turn), p.material) for p in top),
    ]


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
    from carseg_rendering.geometry.meshes import grid

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
    blades = solid((0.05, 0.16, 1.9), (0.49 * length, 0, z - 1.0)).moved((0, 0, 0))
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
    "bus": _bus,
    "lorry": _lorry,
    "tractor": _tractor,
    "forklift": _forklift,
    "excavator": _excavator,
    "boat on props": _boat,
    "rowing boat": _rowing_boat,
    "aeroplane": _aeroplane,
    "railway wagon": _wagon,
    "container": _container,
    "cable car": _cockpit_pod,
}
