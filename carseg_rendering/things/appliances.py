"""Appliances of kitchens, shops and rooms."""

from __future__ import annotations

import numpy as np

from carseg_rendering.geometry.materials import BSDF, metal, plastic
from carseg_rendering.geometry.meshes import Mesh, Part, merged
from carseg_rendering.scene.textures import joined
from carseg_rendering.scene.walls import pick
from carseg_rendering.things.forms import (
    BLACK,
    BRIGHT,
    CHROME,
    Maker,
    ball,
    bare_metal,
    both_sides,
    cylinder,
    enamel,
    extruded,
    lacquered,
    ring,
    rod,
    roller,
    solid,
    turned,
)


def _vents(width: float, height: float, at: tuple[float, float, float], count: int) -> Mesh:
    """Slots across a face that looks along +x."""
    return joined(
        [solid((0.01, width, 0.4 * height / count), (at[0], at[1], at[2] + k * height / count)) for k in range(count)]
    )


def _material(rng: np.random.Generator) -> BSDF:
    return metal((0.5, 0.5, 0.52), roughness=0.35) if rng.random() < 0.5 else lacquered(rng)


def _fridge(rng: np.random.Generator) -> list[Part]:
    width, depth, height = rng.uniform(0.5, 0.9), rng.uniform(0.5, 0.7), rng.uniform(0.9, 1.95)
    split, colour = rng.uniform(0.3, 0.7) * height, enamel(rng)
    doors = [
        solid((0.05, width, split - 0.06), (depth / 2 + 0.025, 0, 0.05), rounding=0.02),
        solid((0.05, width, height - split - 0.01), (depth / 2 + 0.025, 0, split), rounding=0.02),
    ]
    side = 0.42 * width
    handles = [
        rod((depth / 2 + 0.09, side, z), (depth / 2 + 0.09, side, z + 0.25), 0.014)
        for z in (split - 0.32, split + 0.06)
    ]
    return [
        Part("case", solid((depth, width, height - 0.04), (0, 0, 0.03), rounding=0.015), colour),
        Part("doors", merged(doors), colour),
        Part("handles", merged(handles), CHROME if rng.random() < 0.5 else BLACK),
        Part("foot", solid((depth - 0.1, width - 0.06, 0.04)), BLACK),
    ]


def _washing_machine(rng: np.random.Generator) -> list[Part]:
    size, height = rng.uniform(0.55, 0.65), rng.uniform(0.8, 0.95)
    x, z = size / 2 + 0.015, 0.46 * height
    glass = ball((0.05, 0.15, 0.15), (x, 0, z))
    knobs = [
        roller(0.03, 0.03, (0, 0, 0)).turned("z", 90).moved((x, -0.15 + 0.12 * k, height - 0.07)) for k in range(2)
    ]
    return [
        Part("case", solid((size, size, height), rounding=0.02), enamel(rng)),
        Part("door", ring(0.19, 0.035).turned("z", 90).moved((x, 0, z)), CHROME if rng.random() < 0.5 else BLACK),
        Part("glass", glass, plastic((0.02, 0.022, 0.025), roughness=0.02)),
        Part("panel", solid((0.02, 0.95 * size, 0.1), (x - 0.01, 0, height - 0.12)), plastic((0.5, 0.5, 0.5))),
        Part("knobs", merged(knobs), BLACK),
        Part("drawer", solid((0.02, 0.16, 0.07), (x, 0.2, height - 0.105)), enamel(rng)),
    ]


def _cooker(rng: np.random.Generator) -> list[Part]:
    width, height = rng.uniform(0.5, 0.9), 0.86
    x = 0.31
    plates = [cylinder(rng.uniform(0.07, 0.1), 0.015, (px, py, height)) for px in (-0.14, 0.14) for py in (-0.14, 0.14)]
    knobs = [
        roller(0.022, 0.03, (0, 0, 0)).turned("z", 90).moved((x, y, height - 0.06))
        for y in np.linspace(-0.35, 0.35, 5) * width
    ]
    parts = [
        Part("case", solid((0.6, width, height), rounding=0.012), enamel(rng)),
        Part("plates", merged(plates), BLACK),
        Part("knobs", merged(knobs), BLACK),
        Part("window", solid((0.02, 0.75 * width, 0.32), (x, 0, 0.3)), plastic((0.015, 0.015, 0.016), roughness=0.03)),
        Part("handle", rod((x + 0.05, -0.38 * width, 0.68), (x + 0.05, 0.38 * width, 0.68), 0.013), CHROME),
    ]
    if rng.random() < 0.6:
        z = height + 0.015
        pot = turned(
            [(0, z), (0.11, z), (0.12, z + 0.16), (0.125, z + 0.17), (0.02, z + 0.2), (0.02, z + 0.23), (0, z + 0.23)]
        )
        parts.append(Part("pot", pot.moved((0.14, 0.14, 0)), bare_metal(rng)))
    return parts


def _vending_machine(rng: np.random.Generator) -> list[Part]:
    height, width, colour = rng.uniform(1.7, 2.0), rng.uniform(0.8, 1.1), pick(rng, BRIGHT)
    goods = []
    for z in np.linspace(0.65, height - 0.4, 5):
        goods += [(y, z) for y in np.arange(-0.36, 0.14, 0.09) * width]
    packs = [
        [solid((0.05, 0.06, 0.16), (0.42, y, z)) for k, (y, z) in enumerate(goods) if k % 3 == n] for n in range(3)
    ]
    return [
        Part("case", solid((0.8, width, height), rounding=0.02), plastic(colour, roughness=0.15)),
        Part(
            "window",
            solid((0.02, 0.62 * width, height - 0.75), (0.4, -0.12 * width, 0.55)),
            plastic((0.05, 0.05, 0.055), roughness=0.05),
        ),
        *(Part("goods", joined(pack), lacquered(rng)) for pack in packs),
        Part("keys", solid((0.03, 0.16, 0.3), (0.41, 0.35 * width, 1.0)), BLACK),
        Part("flap", solid((0.03, 0.5 * width, 0.18), (0.41, -0.12 * width, 0.2)), BLACK),
        Part("band", solid((0.03, 0.9 * width, 0.14), (0.41, 0, height - 0.18)), plastic((0.7, 0.7, 0.68))),
    ]


def _radiator(rng: np.random.Generator) -> list[Part]:
    count, height = int(rng.integers(6, 16)), rng.uniform(0.5, 0.9)
    y = (np.arange(count) - (count - 1) / 2) * 0.07
    ribs = [solid((0.16, 0.05, height), (0, at, 0.1), rounding=0.024) for at in y]
    pipes = [rod((0, y[0] - 0.15, z), (0, y[-1] + 0.1, z), 0.02) for z in (0.16, height + 0.04)]
    feet = [solid((0.14, 0.04, 0.12), (0, at, 0)) for at in (y[0], y[-1])]
    return [Part("ribs", merged(ribs), enamel(rng)), Part("pipes", merged([*pipes, *feet]), bare_metal(rng))]


def _screen(rng: np.random.Generator) -> list[Part]:
    width, old = rng.uniform(0.5, 1.2), rng.random() < 0.4
    height, depth = width * rng.uniform(0.56, 0.75), 0.4 if old else 0.05
    z = 0.06 if old else 0.14
    picture = plastic(pick(rng, [*BRIGHT, (0.012, 0.012, 0.015)]) * 0.7, roughness=0.04)
    stand = solid((0.3, 0.5 * width, 0.03)) if not old else solid((0.4, 0.8 * width, 0.06), (-0.1, 0, 0))
    return [
        Part(
            "case",
            solid((depth, width, height), (-depth / 2, 0, z), rounding=0.02),
            BLACK if rng.random() < 0.6 else enamel(rng),
        ),
        Part("screen", solid((0.012, width - 0.07, height - 0.07), (0.004, 0, z + 0.035)), picture),
        Part("stand", joined([stand, solid((0.05, 0.1, 0.2), (-0.04, 0, 0))]), BLACK),
    ]


def _fan(rng: np.random.Generator) -> list[Part]:
    radius, height = rng.uniform(0.2, 0.35), rng.uniform(0.5, 1.2)
    blades = [
        extruded(
            [
                (0.03, -0.02),
                (0.5 * radius, -0.35 * radius),
                (0.9 * radius, -0.1 * radius),
                (0.6 * radius, 0.25 * radius),
            ],
            0.01,
        ).turned("y", 360 / 4 * k)
        for k in range(4)
    ]
    cage = [ring(r, 0.006, steps=32) for r in np.linspace(0.3, 1.0, 4) * radius]
    cage += [
        rod((0, 0, 0), (radius * np.cos(a), 0, radius * np.sin(a)), 0.004) for a in np.linspace(0, 2 * np.pi, 13)[:-1]
    ]
    guard = merged([merged(cage).moved((0, 0.07, 0)), merged(cage).moved((0, -0.07, 0))])
    foot = merged([cylinder(0.2, 0.04), rod((0, 0, 0), (0, 0, height), 0.02)])
    at = (0, 0, height)
    return [
        Part("blades", joined(blades).turned("z", 90).moved(at), lacquered(rng)),
        Part("guard", guard.turned("z", 90).moved(at), CHROME),
        Part("foot", foot, BLACK),
        Part("motor", both_sides(ball((0.06, 0.06, 0.06)), 0.0).moved((-0.1, 0, height)), BLACK),
    ]


def _heat_pump(rng: np.random.Generator) -> list[Part]:
    """A cabinet with a round grille."""
    width, height = rng.uniform(0.8, 1.2), rng.uniform(0.6, 1.3)
    radius = 0.36 * min(width, height)
    grille = [
        ring(r, 0.008, steps=36).turned("z", 90).moved((0.2, -0.1 * width, height / 2))
        for r in np.linspace(0.15, 1, 6) * radius
    ]
    hole = roller(radius, 0.02, (0, 0, 0)).turned("z", 90).moved((0.185, -0.1 * width, height / 2))
    return [
        Part("case", solid((0.36, width, height), (0, 0, 0.04), rounding=0.015), enamel(rng)),
        Part("hole", hole, BLACK),
        Part("grille", merged(grille), _material(rng)),
        Part("vents", _vents(0.15 * width, 0.5 * height, (0.182, 0.4 * width, 0.25 * height), 8), BLACK),
        Part("feet", solid((0.36, 0.7 * width, 0.05)), BLACK),
    ]


KINDS: dict[str, Maker] = {
    "fridge": _fridge,
    "washing machine": _washing_machine,
    "cooker": _cooker,
    "vending machine": _vending_machine,
    "radiator": _radiator,
    "screen": _screen,
    "fan": _fan,
    "heat pump": _heat_pump,
}
