"""Machines and containers of workshops and yards."""

from __future__ import annotations

import numpy as np

from carseg_rendering.geometry.materials import matte, plastic
from carseg_rendering.geometry.meshes import Part, merged
from carseg_rendering.scene.textures import joined, varied
from carseg_rendering.scene.walls import pick
from carseg_rendering.things.forms import (
    BLACK,
    BRIGHT,
    RUBBER,
    STEEL,
    Maker,
    ball,
    bare_metal,
    cylinder,
    enamel,
    extruded,
    lacquered,
    pipe,
    ring,
    rod,
    roller,
    solid,
    turned,
    wooden,
)


def _generator(rng: np.random.Generator) -> list[Part]:
    length, width, height = rng.uniform(0.7, 1.6), rng.uniform(0.45, 0.8), rng.uniform(0.5, 1.0)
    colour, frame = plastic(pick(rng, BRIGHT), roughness=0.25), lacquered(rng)
    x, y, z = length / 2 + 0.05, width / 2 + 0.05, height + 0.12
    bars = [rod((sx * x, sy * y, 0.02), (sx * x, sy * y, z), 0.022) for sx in (-1, 1) for sy in (-1, 1)]
    for at in (0.03, z):
        bars += [rod((-x, sy * y, at), (x, sy * y, at), 0.022) for sy in (-1, 1)]
        bars += [rod((sx * x, -y, at), (sx * x, y, at), 0.022) for sx in (-1, 1)]
    motor = roller(0.3 * height, 0.5 * width, (0.2 * length, 0, 0.42 * height))
    fins = [
        roller(0.34 * height, 0.02, (0.2 * length, dy, 0.42 * height)) for dy in np.linspace(-0.22, 0.22, 7) * width
    ]
    return [
        Part("frame", merged(bars), frame),
        Part("tank", solid((0.9 * length, 0.9 * width, 0.22 * height), (0, 0, 0.78 * height), rounding=0.06), colour),
        Part("motor", merged([motor, *fins]), STEEL),
        Part("block", solid((0.4 * length, 0.7 * width, 0.6 * height), (-0.25 * length, 0, 0.1), rounding=0.03), BLACK),
        Part("base", solid((length, width, 0.06), (0, 0, 0.04)), frame),
        Part("cap", cylinder(0.05, 0.05, (0.15, 0, height)), BLACK),
    ]


def _barrel(rng: np.random.Generator) -> list[Part]:
    radius, height = rng.uniform(0.26, 0.34), rng.uniform(0.7, 1.0)
    if rng.random() < 0.4:  # of staves
        z = np.linspace(0, height, 9)
        bulge = radius * (0.8 + 0.2 * np.sin(np.pi * z / height))
        hoops = [
            ring(float(np.interp(s * height, z, bulge)) + 0.004, 0.014).turned("x", 90).moved((0, 0, s * height))
            for s in (0.12, 0.3, 0.7, 0.88)
        ]
        body = turned(
            [
                (0, 0),
                *zip(bulge, z, strict=True),
                (bulge[-1] - 0.03, height),
                (bulge[-1] - 0.03, height - 0.04),
                (0, height - 0.04),
            ]
        )
        return [Part("staves", body, wooden(rng)), Part("hoops", merged(hoops), bare_metal(rng))]
    colour = lacquered(rng) if rng.random() < 0.8 else matte(varied(rng, (0.2, 0.09, 0.05)))
    body = turned(
        [
            (0, 0.01),
            (radius, 0),
            (radius, height),
            (radius - 0.02, height),
            (radius - 0.02, height - 0.02),
            (0, height - 0.02),
        ],
        sharp=True,
    )
    hoops = [ring(radius, 0.014).turned("x", 90).moved((0, 0, s * height)) for s in (0.01, 0.33, 0.67, 0.99)]
    return [
        Part("barrel", merged([body, *hoops]), colour),
        Part("bung", cylinder(0.035, 0.03, (0.5 * radius, 0, height - 0.03)), STEEL),
    ]


def _tank(rng: np.random.Generator) -> list[Part]:
    radius, length, z = rng.uniform(0.4, 0.9), rng.uniform(1.4, 3.2), rng.uniform(0.2, 0.5)
    half = length / 2
    dome = [
        (0, -half - 0.3 * radius),
        (0.5 * radius, -half - 0.25 * radius),
        (0.9 * radius, -half - 0.1 * radius),
        (radius, -half),
    ]
    shell = turned([*dome, *((r, -y) for r, y in reversed(dome))]).turned("x", 90).moved((0, 0, z + radius))
    feet = [solid((1.2 * radius, 0.12, z + 0.5 * radius), (0, y, 0)) for y in (-0.6 * half, 0.6 * half)]
    top = z + 2 * radius
    neck = [
        cylinder(0.18, 0.12, (0, 0, top - 0.03)),
        cylinder(0.22, 0.03, (0, 0, top + 0.09)),
        rod((0, 0.4, top - 0.05), (0, 0.4, top + 0.2), 0.03),
    ]
    outlet = pipe(
        [
            (radius * 0.6, -0.6 * half, z + 0.3),
            (radius + 0.2, -0.6 * half, z + 0.2),
            (radius + 0.25, -0.6 * half, 0.05),
        ],
        0.04,
    )
    return [
        Part("shell", shell, enamel(rng) if rng.random() < 0.6 else lacquered(rng)),
        Part("feet", joined(feet), STEEL),
        Part("neck", merged([*neck, outlet]), bare_metal(rng)),
    ]


def _pump(rng: np.random.Generator) -> list[Part]:
    radius, length = rng.uniform(0.15, 0.28), rng.uniform(0.5, 0.9)
    z, colour = radius + 0.12, lacquered(rng)
    motor = [
        roller(radius, length, (0, 0, z)),
        *(roller(radius * 1.1, 0.012, (0, y, z)) for y in np.linspace(-0.4, 0.4, 11) * length),
    ]
    snail = [
        roller(1.5 * radius, 0.7 * radius, (0, length / 2 + 0.4 * radius, z + 0.2 * radius)),
        rod(
            (-radius, length / 2 + 0.4 * radius, z + 0.8 * radius),
            (-radius, length / 2 + 0.4 * radius, z + 2.4 * radius),
            0.45 * radius,
        ),
    ]
    flange = cylinder(0.7 * radius, 0.05, (-radius, length / 2 + 0.4 * radius, z + 2.3 * radius))
    inlet = [
        roller(0.5 * radius, 0.5 * radius, (0, length / 2 + 0.9 * radius, z)),
        roller(0.75 * radius, 0.05, (0, length / 2 + 1.2 * radius, z)),
    ]
    base = solid((2.6 * radius, length + 2.2 * radius, 0.12), (0, 0.4 * radius, 0))
    return [
        Part("motor", merged(motor), colour),
        Part("casing", merged([*snail, flange, *inlet]), lacquered(rng)),
        Part("base", base, BLACK),
    ]


def _crate(rng: np.random.Generator) -> list[Part]:
    width, depth, height = rng.uniform(0.5, 1.2), rng.uniform(0.4, 1.0), rng.uniform(0.35, 1.1)
    boards, slats = int(rng.integers(3, 6)), []
    step = height / boards
    for k in range(boards):
        z = k * step + 0.01
        slats += [solid((0.02, width, step - 0.03), (side * depth / 2, 0, z)) for side in (-1, 1)]
        slats += [solid((depth, 0.02, step - 0.03), (0, side * width / 2, z)) for side in (-1, 1)]
    posts = [
        solid((0.06, 0.06, height), (x * (depth / 2 - 0.04), y * (width / 2 - 0.04), 0))
        for x in (-1, 1)
        for y in (-1, 1)
    ]
    wood = wooden(rng)
    parts = [Part("slats", joined(slats), wood), Part("posts", joined(posts), wood)]
    if rng.random() < 0.5:
        lid = [solid((0.13, width, 0.02), (x, 0, height)) for x in np.arange(-depth / 2 + 0.07, depth / 2, 0.15)]
        parts.append(Part("lid", joined(lid), wood))
    else:
        spots = rng.uniform(-0.36, 0.36, (26, 2)) * [depth, width]
        fruit = [ball(rng.uniform(0.05, 0.07), (x, y, height - 0.05 + rng.uniform(-0.04, 0.03))) for x, y in spots]
        parts += [
            Part("fruit", merged(fruit), plastic(pick(rng, BRIGHT[:3]), roughness=0.2)),
            Part("floor", solid((depth, width, height - 0.14), (0, 0, 0.01)).scaled((0.96, 0.96, 1)), wood),
        ]
    return parts


def _gas_bottles(rng: np.random.Generator) -> list[Part]:
    parts = []
    for k in range(int(rng.integers(1, 4))):
        radius, height = rng.uniform(0.1, 0.17), rng.uniform(0.5, 1.4)
        at = (rng.uniform(-0.04, 0.04), 0.42 * k, 0)
        body = turned(
            [
                (0, 0),
                (radius, 0),
                (radius, height),
                (0.8 * radius, height + 0.6 * radius),
                (0.25 * radius, height + radius),
                (0, height + radius),
            ]
        )
        valve = [
            cylinder(0.03, 0.1, (0, 0, height + radius)),
            roller(0.05, 0.02, (0, 0, height + radius + 0.12)).turned("x", 90).moved((0, -height, 0)),
        ]
        parts += [Part("bottle", body.moved(at), lacquered(rng)), Part("valve", valve[0].moved(at), bare_metal(rng))]
        parts.append(
            Part(
                "collar", ring(0.7 * radius, 0.012).turned("x", 90).moved((at[0], at[1], height + 1.3 * radius)), STEEL
            )
        )
    return parts


def _mixer(rng: np.random.Generator) -> list[Part]:
    """A concrete mixer on two small wheels."""
    drum = turned(
        [(0, 0), (0.2, 0.0), (0.36, 0.25), (0.38, 0.45), (0.22, 0.85), (0.2, 0.84), (0.3, 0.4), (0, 0.2)], sides=24
    )
    drum = drum.turned("y", rng.uniform(25, 60)).moved((0.0, 0, 0.65))
    legs = [rod((-0.1, y, 0.9), (0.5 * side, 1.6 * y, 0.05), 0.03) for y in (-0.25, 0.25) for side in (-1, 1)]
    legs += [rod((-0.5, -0.4, 0.16), (-0.5, 0.4, 0.16), 0.025)]
    wheels = [roller(0.16, 0.07, (-0.5, y, 0.16)) for y in (-0.45, 0.45)]
    wheel = [
        ring(0.26, 0.015).moved((0, 0.5, 1.0)),
        rod((0, 0.25, 1.0), (0, 0.5, 1.0), 0.02),
        rod((-0.25, 0.5, 1.0), (0.25, 0.5, 1.0), 0.012),
    ]
    frame = lacquered(rng)
    return [
        Part("drum", drum, lacquered(rng)),
        Part("legs", merged([*legs, *wheel]), frame),
        Part("wheels", merged(wheels), RUBBER),
        Part("motor", solid((0.3, 0.3, 0.36), (-0.1, -0.48, 0.75), rounding=0.04), frame),
    ]


def _gears(rng: np.random.Generator) -> list[Part]:
    parts, x = [], 0.0
    for _ in range(int(rng.integers(1, 4))):
        radius, teeth = rng.uniform(0.2, 0.6), int(rng.integers(10, 28))
        angle = np.linspace(0, 2 * np.pi, 4 * teeth + 1)[:-1]
        reach = radius * np.where(np.arange(4 * teeth) % 4 < 2, 1.0, 0.86)
        disc = extruded(np.stack([reach * np.cos(angle), reach * np.sin(angle)], 1), rng.uniform(0.05, 0.2))
        hub = roller(0.25 * radius, 0.3, (0, 0, 0))
        at = (x + radius, rng.uniform(-0.08, 0.08), radius)
        colour = bare_metal(rng) if rng.random() < 0.6 else lacquered(rng)
        parts += [Part("gear", disc.moved(at), colour), Part("hub", hub.moved(at), STEEL)]
        x += 1.9 * radius
    return [Part(part.name, part.mesh.turned("z", 90), part.material) for part in parts]


KINDS: dict[str, Maker] = {
    "generator": _generator,
    "barrel": _barrel,
    "tank": _tank,
    "pump": _pump,
    "crate": _crate,
    "gas bottles": _gas_bottles,
    "concrete mixer": _mixer,
    "gears": _gears,
}
