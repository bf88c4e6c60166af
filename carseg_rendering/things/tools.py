"""Tools and small hardware, far larger than life so that they fill the picture as cars do."""

from __future__ import annotations

import numpy as np

from carseg_rendering.geometry.materials import BSDF, matte, plastic
from carseg_rendering.geometry.meshes import Mesh, Part, merged
from carseg_rendering.scene.plants import placed
from carseg_rendering.scene.textures import joined
from carseg_rendering.scene.walls import pick
from carseg_rendering.things.forms import (
    BLACK,
    BRIGHT,
    CHROME,
    STEEL,
    Maker,
    ball,
    bare_metal,
    both_sides,
    cylinder,
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


def _posed(rng: np.random.Generator, parts: list[Part]) -> list[Part]:
    """A tool made upright, left standing, leaning, or laid down across the view."""
    pose = rng.random()
    if pose < 0.35:
        return parts
    lean = float(rng.uniform(10, 35)) if pose < 0.55 else 90.0
    tilted = [Part(part.name, part.mesh.turned("x", lean), part.material) for part in parts]
    return placed(tilted, (0, 0), turn=float(rng.uniform(-35, 35)))


def _grip(rng: np.random.Generator) -> BSDF:
    return wooden(rng) if rng.random() < 0.5 else plastic(pick(rng, BRIGHT), roughness=0.3)


def _hammer(rng: np.random.Generator) -> list[Part]:
    head = [roller(0.09, 0.3, (0, 0.16, 1.05)), roller(0.07, 0.2, (0, -0.02, 1.05))]
    claw = extruded([(0, 0), (0.02, 0.1), (-0.35, -0.02), (-0.33, -0.06)], 0.09).turned("z", 90).moved((0, -0.05, 1.02))
    return _posed(
        rng,
        [
            Part("handle", rod((0, 0, 0), (0, 0, 1.1), [0.055, 0.035]), _grip(rng)),
            Part("head", merged([*head, claw]), bare_metal(rng)),
        ],
    )


def _spanner(rng: np.random.Generator) -> list[Part]:
    angle = np.linspace(0.5, 2 * np.pi - 0.5, 20)
    jaw = [
        *np.stack([0.16 * np.cos(angle), 0.16 * np.sin(angle)], 1),
        (0.07, -0.07),
        (-0.02, -0.06),
        (-0.02, 0.06),
        (0.07, 0.07),
    ]
    head = extruded(np.array(jaw), 0.05).turned("y", -90).moved((0, 0, 1.1))
    eye = ring(0.11, 0.04).moved((0, 0, 0.14))
    return _posed(
        rng,
        [Part("spanner", merged([head, eye, solid((0.1, 0.04, 0.75), (0, 0, 0.22))]).turned("z", 90), bare_metal(rng))],
    )


def _nail(rng: np.random.Generator) -> list[Part]:
    parts, colour = [], bare_metal(rng)
    for k in range(int(rng.choice([1, 1, 2, 4]))):
        shank = turned([(0, 0), (0.035, 0.14), (0.035, 1.1), (0.1, 1.1), (0.11, 1.13), (0, 1.15)], sharp=True)
        parts += placed(_posed(rng, [Part("nail", shank, colour)]), (0.25 * k, 0.2 * k))
    return parts


def _screw(rng: np.random.Generator) -> list[Part]:
    t = np.linspace(0, 1, 300)
    turns, taper = rng.uniform(9, 15), np.clip(3.5 * t, 0.05, 1)
    thread = pipe(
        np.stack(
            [0.09 * taper * np.cos(2 * np.pi * turns * t), 0.09 * taper * np.sin(2 * np.pi * turns * t), 0.85 * t], 1
        ),
        0.022,
        steps=300,
        sides=6,
    )
    body = turned([(0, 0), (0.07, 0.24), (0.08, 0.95), (0.19, 1.1), (0.19, 1.14), (0, 1.16)])
    slot = both_sides(solid((0.04, 0.12, 0.02), (0, 0, 1.145)), 0.06)
    colour = bare_metal(rng)
    return _posed(rng, [Part("screw", merged([thread, body]), colour), Part("slot", slot, BLACK)])


def _nut_and_bolt(rng: np.random.Generator) -> list[Part]:
    hexagon = np.linspace(0, 2 * np.pi, 7)[:-1]
    head = extruded(0.3 * np.stack([np.cos(hexagon), np.sin(hexagon)], 1), 0.2).turned("x", 90)
    colour = bare_metal(rng)
    threads = [ring(0.15, 0.014, steps=30).turned("x", 90).moved((0, 0, z)) for z in np.arange(0.45, 1.0, 0.04)]
    return _posed(
        rng,
        [
            Part("bolt", merged([head.moved((0, 0, 0.1)), cylinder(0.15, 0.85, (0, 0, 0.2)), *threads]), colour),
            Part("nut", head.moved((0, 0, rng.uniform(0.55, 0.8))), bare_metal(rng)),
        ],
    )


def _shovel(rng: np.random.Generator) -> list[Part]:
    blade = extruded([(-0.13, 0.36), (-0.14, 0.1), (0, 0), (0.14, 0.1), (0.13, 0.36)], 0.02).turned("z", 90)
    grip = [ring(0.07, 0.02).turned("z", 90).moved((0, 0, 1.35))]
    return _posed(
        rng,
        [
            Part("blade", blade, bare_metal(rng)),
            Part("handle", merged([rod((0, 0, 0.3), (0, 0, 1.3), 0.02), *grip]), _grip(rng)),
        ],
    )


def _rake(rng: np.random.Generator) -> list[Part]:
    teeth = [rod((0, y, 0.08), (0.08, y, 0), 0.008) for y in np.linspace(-0.28, 0.28, 13)]
    return _posed(
        rng,
        [
            Part("teeth", merged([*teeth, rod((0, -0.3, 0.08), (0, 0.3, 0.08), 0.015)]), lacquered(rng)),
            Part("handle", rod((0, 0, 0.08), (0, 0, 1.5), 0.016), _grip(rng)),
        ],
    )


def _screwdriver(rng: np.random.Generator) -> list[Part]:
    handle = turned([(0, 0), (0.1, 0.02), (0.13, 0.12), (0.11, 0.3), (0.12, 0.42), (0.07, 0.5), (0, 0.5)])
    ribs = [
        rod((0.12 * np.cos(a), 0.12 * np.sin(a), 0.08), (0.11 * np.cos(a), 0.11 * np.sin(a), 0.42), 0.02)
        for a in np.linspace(0, 2 * np.pi, 9)[:-1]
    ]
    tip = solid((0.02, 0.08, 0.1), (0, 0, 1.05))
    return _posed(
        rng,
        [
            Part("handle", handle, _grip(rng)),
            Part("ribs", merged(ribs), BLACK),
            Part("blade", merged([rod((0, 0, 0.5), (0, 0, 1.08), 0.032), tip]), CHROME),
        ],
    )


def _saw(rng: np.random.Generator) -> list[Part]:
    teeth = [(0.04 * k, 0.04 * (k % 2)) for k in range(1, 26)]
    blade = extruded([(0, 0.02), *teeth, (1.05, 0.12), (0, 0.34)], 0.012)
    handle = ring(0.14, 0.045).scaled((0.8, 1, 1.1)).moved((-0.1, 0, 0.18))
    made = [Part("blade", blade, STEEL), Part("handle", handle, _grip(rng))]
    return placed(made, (0, 0), turn=90 + float(rng.uniform(-30, 30)))


def _axe(rng: np.random.Generator) -> list[Part]:
    head = extruded(
        [(-0.06, 0), (0.12, -0.03), (0.26, -0.12), (0.28, 0.02), (0.26, 0.16), (0.12, 0.08), (-0.06, 0.06)], 0.06
    ).moved((0, 0, 0.95))
    handle = pipe([(0.04, 0, 0), (-0.03, 0, 0.3), (0.02, 0, 0.7), (0, 0, 1.08)], 0.03)
    return _posed(
        rng, [Part("head", head.turned("z", 90), bare_metal(rng)), Part("handle", handle.turned("z", 90), _grip(rng))]
    )


def _pliers(rng: np.random.Generator) -> list[Part]:
    spread = rng.uniform(0.1, 0.3)
    grips = pipe([(0, 0.03, 0.72), (0, spread, 0.4), (0, 0.7 * spread, 0)], [0.04, 0.045, 0.035]).with_mirror()
    jaws = rod((0, 0.02, 0.7), (0, 0.03, 1.05), [0.075, 0.03]).with_mirror()
    return _posed(
        rng,
        [
            Part("grips", grips, _grip(rng)),
            Part("jaws", merged([jaws, roller(0.09, 0.07, (0, 0, 0)).turned("z", 90).moved((0, 0, 0.72))]), STEEL),
        ],
    )


def _scissors(rng: np.random.Generator) -> list[Part]:
    open_by = rng.uniform(4, 25)
    blade = extruded([(-0.03, 0), (0.04, 0), (0.03, 0.3), (0, 0.65), (-0.03, 0.3)], 0.02)
    eye = ring(0.12, 0.028).moved((0.06, 0, -0.42))
    shank = rod((0, 0, 0), (0.05, 0, -0.32), 0.03)
    halves = [blade.turned("y", side * open_by) for side in (1, -1)]
    eyes = [
        merged([eye, shank]).turned("y", -open_by),
        merged([eye.moved((-0.12, 0, 0)), rod((0, 0, 0), (-0.05, 0, -0.32), 0.03)]).turned("y", open_by),
    ]
    made = [Part("blades", joined(halves), CHROME), Part("eyes", merged(eyes), plastic(pick(rng, BRIGHT)))]
    return _posed(rng, [Part(p.name, p.mesh.turned("z", 90).moved((0, 0, 0.6)), p.material) for p in made])


def _bucket(rng: np.random.Generator) -> list[Part]:
    radius, tall = rng.uniform(0.14, 0.2), rng.uniform(0.24, 0.36)
    body = turned(
        [
            (0, 0),
            (0.75 * radius, 0),
            (radius, tall),
            (1.06 * radius, tall),
            (1.06 * radius, tall - 0.02),
            (0.95 * radius, tall - 0.01),
            (0.7 * radius, 0.03),
            (0, 0.03),
        ],
        sharp=True,
    )
    t = np.linspace(0, np.pi, 12)
    bail = pipe(
        np.stack([0.2 * np.sin(t) * radius, radius * 1.05 * np.cos(t), tall + radius * 1.0 * np.sin(t)], 1), 0.008
    )
    return [Part("bucket", body, lacquered(rng) if rng.random() < 0.6 else STEEL), Part("bail", bail, BLACK)]


def _ladder(rng: np.random.Generator) -> list[Part]:
    tall, width, spread = rng.uniform(1.2, 2.6), rng.uniform(0.4, 0.55), rng.uniform(8, 16)
    rails = both_sides(solid((0.06, 0.03, tall)), width / 2)
    rungs = [solid((0.09, width, 0.03), (0, 0, z)) for z in np.arange(0.25, tall - 0.1, 0.27)]
    half = merged([rails, *rungs]).moved((0, 0, -tall))
    top = tall * np.cos(np.radians(spread))
    meshes = [
        half.turned("y", -spread).moved((0.02, 0, top)),
        merged([rails]).moved((0, 0, -tall)).turned("y", spread).moved((-0.02, 0, top)),
    ]
    return [
        Part("ladder", joined(meshes), wooden(rng) if rng.random() < 0.5 else lacquered(rng)),
        Part("cap", solid((0.16, width + 0.06, 0.03), (0, 0, top)), BLACK),
    ]


def _key(rng: np.random.Generator) -> list[Part]:
    bow = ring(0.16, 0.045).moved((0, 0, 0.95))
    bits = [solid((rng.uniform(0.08, 0.2), 0.05, 0.06), (0.09, 0, z)) for z in (0.05, 0.14, 0.23)]
    return _posed(
        rng, [Part("key", merged([bow, rod((0, 0, 0), (0, 0, 0.8), 0.04), *bits]).turned("z", 90), bare_metal(rng))]
    )


def _brush(rng: np.random.Generator) -> list[Part]:
    width = rng.uniform(0.08, 0.3)
    hairs = [
        rod((x, y, 0.0), (0.6 * x, y, 0.32), 0.012, sides=5)
        for x in (-0.05, 0, 0.05)
        for y in np.linspace(-width, width, 16)
    ]
    handle = turned([(0, 0.42), (0.12, 0.44), (0.05, 0.7), (0.07, 0.95), (0.03, 1.15), (0, 1.16)]).scaled((0.6, 1, 1))
    return _posed(
        rng,
        [
            Part("hairs", merged(hairs), matte(pick(rng, [(0.05, 0.04, 0.03), (0.4, 0.3, 0.18), *BRIGHT[:3]]))),
            Part("ferrule", solid((0.15, 2 * width + 0.05, 0.16), (0, 0, 0.3), rounding=0.03), CHROME),
            Part("handle", handle, _grip(rng)),
        ],
    )


def _anchor(rng: np.random.Generator) -> list[Part]:
    t = np.linspace(-0.2, np.pi + 0.2, 15)
    arms = pipe(np.stack([0 * t, 0.42 * np.cos(t), 0.45 - 0.38 * np.sin(t)], 1), 0.045)
    flukes = [ball((0.03, 0.11, 0.09), (0, s * 0.42, 0.52)) for s in (-1, 1)]
    return _posed(
        rng,
        [
            Part(
                "anchor",
                merged(
                    [
                        arms,
                        *flukes,
                        rod((0, 0, 0.08), (0, 0, 1.1), 0.05),
                        rod((0, -0.3, 0.95), (0, 0.3, 0.95), 0.035),
                        ring(0.09, 0.025).turned("z", 90).moved((0, 0, 1.2)),
                    ]
                ),
                bare_metal(rng),
            )
        ],
    )


def _chain(rng: np.random.Generator) -> list[Part]:
    links: list[Mesh] = []
    for k in range(int(rng.integers(5, 11))):
        link = ring(0.1, 0.03, steps=30).scaled((1.5, 1, 1)).turned("x", 90 * (k % 2) + 45)
        links.append(link.turned("z", 90 + 4 * k).moved((0.05 * np.sin(k), 0.23 * k, 0.11)))
    return [Part("chain", merged(links), bare_metal(rng))]


KINDS: dict[str, Maker] = {
    "hammer": _hammer,
    "spanner": _spanner,
    "nails": _nail,
    "screw": _screw,
    "bolt": _nut_and_bolt,
    "shovel": _shovel,
    "rake": _rake,
    "screwdriver": _screwdriver,
    "saw": _saw,
    "axe": _axe,
    "pliers": _pliers,
    "scissors": _scissors,
    "bucket": _bucket,
    "ladder": _ladder,
    "key": _key,
    "brush": _brush,
    "anchor": _anchor,
    "chain": _chain,
}
