"""Large vehicles on wheels or tracks that are none of the four body types. Forward is +x.

All are far longer, taller or otherwise built than cars, and none has a car's outline.
"""

from __future__ import annotations

import numpy as np

from carseg_rendering.geometry.materials import lamp_glass, plastic
from carseg_rendering.geometry.meshes import Part, merged
from carseg_rendering.scene.textures import joined
from carseg_rendering.scene.walls import pick
from carseg_rendering.things.forms import (
    BLACK,
    BRIGHT,
    RUBBER,
    STEEL,
    Maker,
    both_sides,
    cloth,
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
    boom = pipe([(0.5, -0.25, 1.15), (1.2, -0.25, 2.3), (*knee,)], [0.2, 0.24, 0.14], sides=4)
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


KINDS: dict[str, Maker] = {
    "bus": _bus,
    "lorry": _lorry,
    "tractor": _tractor,
    "forklift": _forklift,
    "excavator": _excavator,
}
