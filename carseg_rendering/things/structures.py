"""Small buildings and what stands in parks and yards: sheds, tents, kiosks, fountains, playgrounds."""

from __future__ import annotations

import itertools

import numpy as np

from carseg_rendering.geometry.materials import lamp_glass, matte, plastic
from carseg_rendering.geometry.meshes import Mesh, Part, grid, merged
from carseg_rendering.scene.textures import boxes, joined
from carseg_rendering.scene.walls import SURFACES, pick, surface
from carseg_rendering.things.boards import strokes
from carseg_rendering.things.forms import (
    BLACK,
    BRIGHT,
    STEEL,
    Maker,
    both_sides,
    cloth,
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


def _gable(width: float, depth: float, rise: float, z: float, eaves: float) -> Mesh:
    """Two slopes over a rectangle, their ridge along y."""
    half = depth / 2 + eaves
    points = np.array([(-half, z - eaves), (0, z + rise), (half, z - eaves), (0, z + rise - 0.08)])
    return extruded(points, width + 2 * eaves)


def _shed(rng: np.random.Generator) -> list[Part]:
    width, depth, height = rng.uniform(1.4, 3.0), rng.uniform(1.2, 2.2), rng.uniform(1.7, 2.1)
    wall = surface(rng, str(rng.choice(SURFACES)))
    gable = extruded([(-depth / 2, height), (depth / 2, height), (0, height + 0.55)], width)
    parts = [
        Part("walls", boxes((0, 0, height / 2), (depth, width, height)), wall),
        Part("gable", draped(gable), wall),
        Part(
            "roof",
            _gable(width, depth, 0.6, height, 0.15),
            wooden(rng) if rng.random() < 0.5 else matte(pick(rng, [(0.2, 0.08, 0.05), (0.06, 0.06, 0.06)])),
        ),
        Part("door", solid((0.04, 0.7, 1.6), (depth / 2, -0.2 * width, 0)), lacquered(rng)),
        Part(
            "pane", solid((0.05, 0.5, 0.5), (depth / 2, 0.25 * width, 0.9)), plastic((0.04, 0.05, 0.06), roughness=0.03)
        ),
    ]
    return parts


def _doghouse(rng: np.random.Generator) -> list[Part]:
    width, depth, height = rng.uniform(0.6, 0.9), rng.uniform(0.8, 1.1), rng.uniform(0.5, 0.7)
    front = [(-width / 2, 0), (-width / 2, height), (0, height + 0.35), (width / 2, height), (width / 2, 0)]
    body = extruded(front, depth).turned("z", 90)
    t = np.linspace(0, np.pi, 12)
    hole = (
        extruded([(-0.17, 0.05), *np.stack([-0.17 * np.cos(t), 0.35 + 0.17 * np.sin(t)], 1), (0.17, 0.05)], 0.02)
        .turned("z", 90)
        .moved((depth / 2 + 0.005, 0, 0))
    )
    return [
        Part("body", body, wooden(rng)),
        Part("roof", _gable(depth, width, 0.42, height + 0.02, 0.1).turned("z", 90), lacquered(rng)),
        Part("hole", hole, BLACK),
    ]


def _tent(rng: np.random.Generator) -> list[Part]:
    if rng.random() < 0.5:
        width, depth, height = rng.uniform(1.6, 2.6), rng.uniform(1.6, 2.4), rng.uniform(1.1, 1.7)
        body = extruded([(-width / 2, 0), (0, height), (width / 2, 0)], depth).turned("z", 90)
        door = (
            extruded([(-0.22 * width, 0.02), (0, 0.72 * height), (0.22 * width, 0.02)], 0.02)
            .turned("z", 90)
            .moved((depth / 2 + 0.01, 0, 0))
        )
        lines = [rod((x * depth / 2, 0, height), (x * (depth / 2 + 0.9), 0, 0), 0.01) for x in (-1, 1)]
        return [
            Part("tent", draped(body), cloth(rng) if rng.random() < 0.7 else patterned(rng)),
            Part("door", door, BLACK),
            Part("lines", merged(lines), STEEL),
        ]
    radius, height = rng.uniform(0.9, 1.4), rng.uniform(1.0, 1.5)
    s = np.linspace(0, np.pi / 2, 12)
    dome = turned(np.stack([radius * np.cos(s), height * np.sin(s)], 1), sides=8)
    t = np.linspace(0, np.pi, 20)
    poles = [
        pipe(np.stack([1.01 * radius * np.cos(t), 0 * t, 1.01 * height * np.sin(t)], 1), 0.02).turned("z", turn)
        for turn in (45, 135)
    ]
    door = ring(0.35, 0.03).turned("z", 90).moved((0.9 * radius, 0, 0.42))
    return [
        Part("dome", draped(dome), cloth(rng) if rng.random() < 0.6 else patterned(rng)),
        Part("poles", merged(poles), lacquered(rng)),
        Part("door", door, BLACK),
    ]


def _kiosk(rng: np.random.Generator) -> list[Part]:
    width, depth, height = rng.uniform(1.6, 2.6), rng.uniform(1.4, 2.0), rng.uniform(2.2, 2.6)
    stripes = [
        solid((0.9, width / 8, 0.03), (0, (k - 3.5) * width / 8, 0))
        .turned("y", 20)
        .moved((depth / 2 + 0.4, 0, height - 0.25))
        for k in range(8)
    ]
    first, second = cloth(rng), cloth(rng)
    posts = both_sides(rod((depth / 2 + 0.8, 0, 0), (depth / 2 + 0.8, 0, height - 0.45), 0.025), width / 2 - 0.05)
    return [
        Part("body", solid((depth, width, height)), lacquered(rng)),
        Part("opening", solid((0.04, 0.8 * width, 0.9), (depth / 2, 0, 1.05)), BLACK),
        Part("counter", solid((0.4, 0.9 * width, 0.06), (depth / 2 + 0.15, 0, 1.0)), wooden(rng)),
        Part("awning", joined(stripes[::2]), first),
        Part("awning", joined(stripes[1::2]), second),
        Part(
            "text",
            strokes(rng, 0.8 * width, 0.3, 1, x=depth / 2 + 0.02).moved((0, 0, height - 0.3)),
            matte((0.7, 0.7, 0.68)),
        ),
        Part("posts", posts, STEEL),
    ]


def _phone_box(rng: np.random.Generator) -> list[Part]:
    height, colour = rng.uniform(2.1, 2.4), plastic(pick(rng, BRIGHT), roughness=0.12)
    bars: list[Mesh] = [solid((0.08, 0.08, height), (x, y, 0)) for x in (-0.42, 0.42) for y in (-0.42, 0.42)]
    for z in np.linspace(0.3, height - 0.3, 7):
        bars += [solid((0.9, 0.03, 0.03), (0, y, z)) for y in (-0.42, 0.42)] + [
            solid((0.03, 0.9, 0.03), (x, 0, z)) for x in (-0.42, 0.42)
        ]
    inside = [solid((0.1, 0.4, 0.6), (-0.35, 0, 1.1)), solid((0.7, 0.7, 0.05))]
    return [
        Part("bars", joined(bars), colour),
        Part("roof", solid((1.0, 1.0, 0.25), (0, 0, height - 0.05), rounding=0.1), colour),
        Part("inside", joined(inside), BLACK),
        Part("foot", solid((0.95, 0.95, 0.25)), colour),
    ]


def _fountain(rng: np.random.Generator) -> list[Part]:
    radius = rng.uniform(0.8, 1.4)
    stone = matte(pick(rng, [(0.4, 0.38, 0.34), (0.55, 0.52, 0.46), (0.25, 0.25, 0.25)]))
    basin = turned(
        [(0, 0), (radius, 0), (radius * 1.05, 0.45), (radius * 0.92, 0.45), (radius * 0.9, 0.12), (0, 0.12)],
        sharp=True,
        sides=int(rng.choice([8, 40])),
    )
    column = turned(
        [
            (0.25, 0.1),
            (0.14, 0.3),
            (0.12, 0.8),
            (0.5, 1.0),
            (0.52, 1.06),
            (0.45, 1.05),
            (0.1, 0.95),
            (0.09, 1.35),
            (0.22, 1.5),
            (0, 1.45),
        ]
    )
    jets = [
        pipe(
            [
                (0.4 * np.cos(a), 0.4 * np.sin(a), 1.04),
                (0.62 * np.cos(a), 0.62 * np.sin(a), 0.95),
                (0.7 * np.cos(a), 0.7 * np.sin(a), 0.35),
            ],
            0.015,
        )
        for a in np.linspace(0, 2 * np.pi, 9)[:-1]
    ]
    water = plastic((0.03, 0.07, 0.08), roughness=0.02)
    return [
        Part("stone", merged([basin, column]), stone),
        Part("water", cylinder(0.91 * radius, 0.02, (0, 0, 0.34)), water),
        Part("jets", merged(jets), lamp_glass((0.6, 0.65, 0.68))),
    ]


def _well(rng: np.random.Generator) -> list[Part]:
    drum = turned([(0.6, 0), (0.65, 0), (0.65, 0.75), (0.5, 0.75), (0.5, 0.1), (0, 0.1)], sharp=True)
    posts = both_sides(rod((0, 0, 0.6), (0, 0, 1.9), 0.05), 0.62)
    axle = [
        rod((0, -0.7, 1.5), (0, 0.85, 1.5), 0.06),
        rod((0, 0.85, 1.5), (0.2, 0.85, 1.3), 0.02),
        rod((0, 0, 1.5), (0, 0, 1.0), 0.012),
    ]
    pail = cylinder(0.12, 0.25, (0, 0, 0.78), top=0.15)
    return [
        Part("drum", drum, matte(pick(rng, [(0.35, 0.33, 0.3), (0.3, 0.13, 0.08)]))),
        Part("posts", merged([posts, *axle]), wooden(rng)),
        Part("pail", pail, wooden(rng)),
        Part("roof", _gable(1.4, 1.0, 0.5, 1.95, 0.1), wooden(rng)),
    ]


def _slide(rng: np.random.Generator) -> list[Part]:
    tall, reach, colour = rng.uniform(1.2, 1.9), rng.uniform(1.8, 2.6), plastic(pick(rng, BRIGHT), roughness=0.15)
    s = np.linspace(0, 1, 20)
    drop = tall * (1 - (3 * s**2 - 2 * s**3)) + 0.12
    profile = np.array([(-0.26, 0.18), (-0.24, 0.0), (0.24, 0.0), (0.26, 0.18)])
    chute = grid(np.stack([np.stack([np.full(20, x), reach * s, drop + z], 1) for x, z in profile], 1), smooth=False)
    rungs = [
        rod((-0.24, -0.2 - 0.5 * (1 - u), u * tall), (0.24, -0.2 - 0.5 * (1 - u), u * tall), 0.02)
        for u in np.linspace(0.1, 0.95, 6)
    ]
    rails = [rod((x, -0.72, 0), (x, -0.15, tall + 0.6), 0.025) for x in (-0.26, 0.26)]
    deck = solid((0.52, 0.35, 0.04), (0, -0.1, tall + 0.1))
    leg = [rod((x, 0.1, 0), (x, 0.1, tall), 0.03) for x in (-0.24, 0.24)]
    return [Part("chute", chute, colour), Part("ladder", merged([*rungs, *rails, deck, *leg]), lacquered(rng))]


def _swing(rng: np.random.Generator) -> list[Part]:
    width, tall, seats = rng.uniform(1.4, 2.4), rng.uniform(1.8, 2.3), int(rng.integers(1, 3))
    frame = [both_sides(rod((x, 0.1, 0), (0, -0.1, tall), 0.035), width / 2) for x in (-0.8, 0.8)] + [
        rod((0, -width / 2, tall), (0, width / 2, tall), 0.04)
    ]
    ropes, boards = [], []
    for k in range(seats):
        y, sway = (k - (seats - 1) / 2) * 0.8, rng.uniform(-0.4, 0.4)
        ropes += [rod((0, y + dy, tall), (sway, y + dy, 0.5), 0.01) for dy in (-0.2, 0.2)]
        boards.append(solid((0.2, 0.46, 0.04), (sway, y, 0.47)))
    return [
        Part("frame", merged(frame), lacquered(rng)),
        Part("ropes", merged(ropes), BLACK),
        Part("boards", joined(boards), wooden(rng)),
    ]


def _gate(rng: np.random.Generator) -> list[Part]:
    width, height, step = rng.uniform(1.6, 3.2), rng.uniform(0.9, 1.8), rng.uniform(0.1, 0.2)
    y = np.arange(-width / 2 + step, width / 2, step)
    top = height * (1 - 0.15 * (2 * y / width) ** 2 * rng.choice([-1, 1]))
    bars = [rod((0, a, 0.08), (0, a, b), 0.012) for a, b in zip(y, top, strict=True)]
    rails = [rod((0, -width / 2, z), (0, width / 2, z), 0.018) for z in (0.14, 0.75 * height)]
    pillars = both_sides(solid((0.35, 0.35, height + 0.2)), width / 2 + 0.15)
    caps = both_sides(solid((0.45, 0.45, 0.08), (0, 0, height + 0.2)), width / 2 + 0.15)
    return [
        Part("bars", merged([*bars, *rails]), BLACK if rng.random() < 0.6 else wooden(rng)),
        Part("pillars", merged([pillars, caps]), matte(pick(rng, [(0.3, 0.13, 0.08), (0.5, 0.48, 0.44)]))),
    ]


def _stairs(rng: np.random.Generator) -> list[Part]:
    steps, width = int(rng.integers(4, 9)), rng.uniform(0.9, 1.8)
    treads = [solid((0.28, width, 0.17 * (k + 1)), (-0.28 * k, 0, 0)) for k in range(steps)]
    rail = both_sides(
        merged(
            [
                rod((0.1, 0, 0), (0.1, 0, 0.9), 0.02),
                rod((0.1, 0, 0.9), (-0.28 * (steps - 1), 0, 0.9 + 0.17 * steps), 0.02),
                rod((-0.28 * (steps - 1), 0, 0.17 * steps), (-0.28 * (steps - 1), 0, 0.9 + 0.17 * steps), 0.02),
            ]
        ),
        width / 2 - 0.04,
    )
    return [
        Part("treads", joined(treads), surface(rng, str(rng.choice(["concrete", "brick", "boards"])))),
        Part("rail", rail, lacquered(rng)),
    ]


def _greenhouse(rng: np.random.Generator) -> list[Part]:
    width, depth, height = rng.uniform(1.6, 3.0), rng.uniform(1.2, 2.0), rng.uniform(1.3, 1.7)
    bars: list[Mesh] = []
    for y in np.linspace(-width / 2, width / 2, 6):
        path = [
            (-depth / 2, y, 0),
            (-depth / 2, y, height),
            (0, y, height + 0.5),
            (depth / 2, y, height),
            (depth / 2, y, 0),
        ]
        bars += [rod(a, b, 0.02, sides=6) for a, b in itertools.pairwise(path)]
    for x, z in ((-depth / 2, 0.02), (-depth / 2, height), (0, height + 0.5), (depth / 2, height), (depth / 2, 0.02)):
        bars.append(rod((x, -width / 2, z), (x, width / 2, z), 0.025, sides=6))
    plants = [
        turned([(0.12, 0), (0.16, 0.25), (0.0, 0.2)]).moved((x, y, 0))
        for x in (-0.4, 0.3)
        for y in np.linspace(-0.4, 0.4, 4) * width
    ]
    tops = [
        draped(cylinder(0.18, 0.4, (x, y, 0.25), top=0.02))
        for x in (-0.4, 0.3)
        for y in np.linspace(-0.4, 0.4, 4) * width
    ]
    return [
        Part("bars", merged(bars), STEEL if rng.random() < 0.5 else wooden(rng)),
        Part("pots", merged(plants), matte((0.33, 0.13, 0.07))),
        Part("plants", merged(tops), matte((0.06, 0.13, 0.04))),
    ]


KINDS: dict[str, Maker] = {
    "shed": _shed,
    "doghouse": _doghouse,
    "tent": _tent,
    "kiosk": _kiosk,
    "phone box": _phone_box,
    "fountain": _fountain,
    "well": _well,
    "slide": _slide,
    "swing": _swing,
    "gate": _gate,
    "stairs": _stairs,
    "greenhouse": _greenhouse,
}
