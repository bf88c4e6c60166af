"""Furniture: seats, tables, shelves, lamps and beds."""

from __future__ import annotations

import itertools

import numpy as np

from carseg_rendering.geometry.materials import BSDF, lamp_glass
from carseg_rendering.geometry.meshes import Mesh, Part, merged
from carseg_rendering.scene.textures import joined
from carseg_rendering.things.forms import (
    BLACK,
    CHROME,
    Maker,
    both_sides,
    cloth,
    cylinder,
    draped,
    lacquered,
    patterned,
    rod,
    rounded_section,
    solid,
    turned,
    wooden,
)


def _legs(rng: np.random.Generator, width: float, depth: float, height: float) -> Mesh:
    """Four legs at the corners of a rectangle, round or square, upright or splayed."""
    thick, splay, square = rng.uniform(0.015, 0.035), rng.uniform(0.0, 0.09), rng.random() < 0.4
    legs = []
    for x in (-1, 1):
        for y in (-1, 1):
            top = (x * (depth / 2 - thick), y * (width / 2 - thick), height)
            if square:
                legs.append(solid((2 * thick, 2 * thick, height), (top[0], top[1], 0)))
            else:
                legs.append(rod((top[0] * (1 + splay), top[1] * (1 + splay), 0), top, [0.7 * thick, thick]))
    return merged(legs)


def _frame(rng: np.random.Generator) -> BSDF:
    return wooden(rng) if rng.random() < 0.6 else (CHROME, BLACK, lacquered(rng))[int(rng.integers(3))]


def _chair(rng: np.random.Generator) -> list[Part]:
    width, depth, seat = rng.uniform(0.38, 0.52), rng.uniform(0.38, 0.5), rng.uniform(0.42, 0.5)
    back, lean = seat + rng.uniform(0.35, 0.6), rng.uniform(0.0, 0.12)
    frame, cover = _frame(rng), lacquered(rng) if rng.random() < 0.5 else cloth(rng)
    rear = -depth / 2 + 0.02
    posts = both_sides(rod((rear, 0, seat), (rear - lean, 0, back), 0.016), width / 2 - 0.03)
    slats = []
    if rng.random() < 0.5:
        for share in np.linspace(0.35, 0.92, int(rng.integers(2, 5))):
            slats.append(
                solid((0.02, width - 0.03, 0.06), (rear - lean * share, 0, seat + share * (back - seat) - 0.03))
            )
    else:
        tall = 0.7 * (back - seat)
        slats.append(
            solid((0.03, width - 0.04, tall), (0, 0, 0), rounding=0.012)
            .turned("y", -np.degrees(lean / 0.5))
            .moved((rear - 0.25 * lean, 0, back - tall))
        )
    parts = [
        Part("legs", merged([_legs(rng, width, depth, seat), posts]), frame),
        Part("seat", solid((depth, width, 0.04), (0, 0, seat - 0.02), rounding=0.015), cover),
        Part("back", joined(slats), cover),
    ]
    if rng.random() < 0.3:
        arm = rod((rear, 0, seat + 0.22), (depth / 2 - 0.08, 0, seat + 0.22), 0.02)
        post = rod((depth / 2 - 0.08, 0, seat), (depth / 2 - 0.08, 0, seat + 0.22), 0.014)
        parts.append(Part("arms", both_sides(merged([arm, post]), width / 2), frame))
    return parts


def _stool(rng: np.random.Generator) -> list[Part]:
    height, radius = rng.uniform(0.4, 0.8), rng.uniform(0.15, 0.2)
    top = cylinder(radius, rng.uniform(0.03, 0.1), (0, 0, height))
    if rng.random() < 0.4:
        stand = merged([cylinder(0.22, 0.03), rod((0, 0, 0), (0, 0, height), 0.025)])
    else:
        ring = rod((-radius, 0, 0.25), (radius, 0, 0.25), 0.01)
        stand = merged([_legs(rng, 1.7 * radius, 1.7 * radius, height), ring])
    return [Part("top", top, cloth(rng) if rng.random() < 0.5 else wooden(rng)), Part("stand", stand, _frame(rng))]


def _table(rng: np.random.Generator) -> list[Part]:
    width, depth, height = rng.uniform(0.7, 1.9), rng.uniform(0.6, 1.0), rng.uniform(0.45, 0.78)
    frame = _frame(rng)
    if rng.random() < 0.3:
        radius = depth / 2 + 0.1
        stand = turned([(0, 0), (0.3, 0), (0.3, 0.03), (0.06, 0.08), (0.05, height), (0, height)])
        return [Part("top", cylinder(radius, 0.035, (0, 0, height)), wooden(rng)), Part("stand", stand, frame)]
    parts = [
        Part("top", solid((depth, width, 0.04), (0, 0, height), rounding=0.01), wooden(rng)),
        Part("legs", _legs(rng, width - 0.06, depth - 0.06, height), frame),
        Part("apron", solid((depth - 0.1, width - 0.1, 0.09), (0, 0, height - 0.09)), frame),
    ]
    if rng.random() < 0.3:
        parts.append(
            Part("cloth", draped(solid((depth + 0.02, width * 0.5, 0.16), (0, 0, height - 0.1))), patterned(rng))
        )
    return parts


def _desk(rng: np.random.Generator) -> list[Part]:
    width, height, wood = rng.uniform(1.1, 1.6), 0.74, wooden(rng)
    drawers = [solid((0.56, 0.4, height), (0, -width / 2 + 0.22, 0))]
    fronts = [solid((0.02, 0.36, 0.2), (0.29, -width / 2 + 0.22, 0.05 + 0.23 * k)) for k in range(3)]
    knobs = [solid((0.03, 0.12, 0.015), (0.31, -width / 2 + 0.22, 0.15 + 0.23 * k)) for k in range(3)]
    return [
        Part("top", solid((0.65, width, 0.035), (0, 0, height)), wood),
        Part("drawers", joined(drawers), wood),
        Part("fronts", joined(fronts), wooden(rng)),
        Part("knobs", joined(knobs), CHROME),
        Part("side", solid((0.55, 0.04, height), (0, width / 2 - 0.04, 0)), wood),
    ]


def _sofa(rng: np.random.Generator) -> list[Part]:
    seats = int(rng.integers(1, 4))
    each, depth, seat, back = (
        rng.uniform(0.55, 0.75),
        rng.uniform(0.75, 0.95),
        rng.uniform(0.36, 0.46),
        rng.uniform(0.7, 1.0),
    )
    width, arm, cover = each * seats, rng.uniform(0.1, 0.25), cloth(rng)
    if rng.random() < 0.25:
        cover = patterned(rng, metres=0.5)
    cushions = [
        solid((depth - 0.2, each - 0.015, 0.18), (0.1, (k - (seats - 1) / 2) * each, seat - 0.14), rounding=0.05)
        for k in range(seats)
    ]
    backs = [
        solid(
            (0.2, each - 0.015, back - seat + 0.02),
            (-depth / 2 + 0.22, (k - (seats - 1) / 2) * each, seat - 0.02),
            rounding=0.07,
        )
        for k in range(seats)
    ]
    body = [
        solid((depth, width + 2 * arm, seat - 0.18), (0, 0, 0.06)),
        solid((0.16, width + 2 * arm, back - 0.1), (-depth / 2 + 0.08, 0, 0.06), rounding=0.04),
        *(
            solid((depth, arm, rng.uniform(0.55, 0.65)), (0, side * (width + arm) / 2, 0.06), rounding=0.05)
            for side in (-1, 1)
        ),
    ]
    parts = [
        Part("body", draped(merged(body)), cover),
        Part("cushions", draped(merged(cushions + backs)), cover if rng.random() < 0.6 else cloth(rng)),
        Part("feet", _legs(rng, width, depth - 0.1, 0.08), wooden(rng)),
    ]
    for _ in range(int(rng.integers(0, 3))):
        pillow = solid((0.14, 0.42, 0.4), rounding=0.07).turned("y", -20)
        at = (0.0, rng.uniform(-0.4, 0.4) * width, seat + 0.02)
        parts.append(Part("pillow", draped(pillow.moved(at)), patterned(rng, metres=0.3)))
    return parts


def _shelf(rng: np.random.Generator) -> list[Part]:
    width, depth, height = rng.uniform(0.6, 1.5), rng.uniform(0.25, 0.4), rng.uniform(1.2, 2.2)
    boards, wood = int(rng.integers(3, 7)), wooden(rng)
    levels = np.linspace(0.08, height, boards)
    carcass = [solid((depth, width, 0.025), (0, 0, z - 0.025)) for z in levels]
    carcass += [solid((depth, 0.025, height), (0, side * width / 2, 0)) for side in (-1, 1)]
    parts = [Part("carcass", joined(carcass), wood)]
    if rng.random() < 0.6:
        parts.append(Part("back", solid((0.012, width, height), (-depth / 2, 0, 0)), wooden(rng)))
    for low, high in itertools.pairwise(levels):
        y, books = -width / 2 + 0.03, []
        while y < width / 2 - 0.1 and rng.random() < 0.94:
            thick = rng.uniform(0.02, 0.07)
            books.append(
                solid(
                    (depth * rng.uniform(0.5, 0.8), thick, (high - low) * rng.uniform(0.5, 0.85)),
                    (0, y + thick / 2, low),
                )
            )
            y += thick + 0.003 + (0.15 if rng.random() < 0.08 else 0)
        third = max(len(books) // 3, 1)
        parts += [Part("books", joined(books[k : k + third]), lacquered(rng)) for k in range(0, len(books), third)]
    return parts


def _cabinet(rng: np.random.Generator) -> list[Part]:
    width, depth, height = rng.uniform(0.6, 1.6), rng.uniform(0.4, 0.6), rng.uniform(0.7, 2.1)
    columns, rows = int(rng.integers(1, 4)), int(rng.integers(1, 5))
    fronts, knobs = [], []
    for i in range(columns):
        for j in range(rows):
            w, h = width / columns, (height - 0.1) / rows
            y, z = -width / 2 + (i + 0.5) * w, 0.1 + j * h
            fronts.append(solid((0.025, w - 0.02, h - 0.02), (depth / 2 + 0.012, y, z + 0.01)))
            knobs.append(solid((0.03, 0.03, 0.12), (depth / 2 + 0.04, y + 0.38 * w, z + h / 2)))
    frame = wooden(rng)
    return [
        Part("carcass", solid((depth, width, height), (0, 0, 0.06)), frame),
        Part("fronts", joined(fronts), frame if rng.random() < 0.4 else lacquered(rng)),
        Part("knobs", joined(knobs), CHROME),
        Part("plinth", solid((depth - 0.08, width - 0.06, 0.07)), BLACK),
    ]


def _lamp(rng: np.random.Generator) -> list[Part]:
    height, radius = rng.uniform(0.5, 1.9), rng.uniform(0.14, 0.3)
    tall = radius * rng.uniform(0.9, 1.6)
    shade = turned([(radius * rng.uniform(0.4, 0.9), height + tall), (radius, height)], sides=40)
    foot = turned(
        [(0, 0), (0.16, 0), (0.16, 0.02), (0.04, 0.05), (0.013, 0.12), (0.013, height + 0.1), (0, height + 0.1)]
    )
    if rng.random() < 0.4:
        foot = turned([(0, 0), (0.1, 0), (0.16, 0.15 * height), (0.05, 0.5 * height), (0.03, height), (0, height)])
    return [
        Part("shade", draped(shade), patterned(rng, metres=0.3) if rng.random() < 0.3 else cloth(rng)),
        Part("bulb", cylinder(0.04, 0.1, (0, 0, height)), lamp_glass()),
        Part("foot", foot, _frame(rng)),
    ]


def _bed(rng: np.random.Generator) -> list[Part]:
    width, length, height = rng.uniform(0.9, 1.8), 2.0, rng.uniform(0.3, 0.45)
    wood, head = wooden(rng), rng.uniform(0.35, 0.7)
    pillows = [
        solid((0.4, 0.6, 0.15), (-length / 2 + 0.28, y, height + 0.14), rounding=0.07)
        for y in ([0.0] if width < 1.3 else [-0.4, 0.4])
    ]
    blanket = solid((length * rng.uniform(0.5, 0.7), width + 0.05, 0.26), (0.28, 0, height - 0.06), rounding=0.05)
    ends = [
        solid((0.06, width + 0.08, height + head), (-length / 2 - 0.03, 0, 0)),
        solid((0.06, width + 0.08, height + 0.3 * head), (length / 2 + 0.03, 0, 0)),
    ]
    return [
        Part("frame", joined([solid((length, width, 0.14), (0, 0, height - 0.15)), *ends]), wood),
        Part("mattress", solid((length - 0.04, width - 0.04, 0.18), (0, 0, height - 0.02), rounding=0.05), cloth(rng)),
        Part("pillows", merged(pillows), cloth(rng)),
        Part("blanket", draped(blanket), patterned(rng, metres=0.6) if rng.random() < 0.6 else cloth(rng)),
        Part("legs", _legs(rng, width, length, height), wood),
    ]


def _bench(rng: np.random.Generator) -> list[Part]:
    width, slats = rng.uniform(1.2, 2.2), int(rng.integers(2, 5))
    seat = [
        solid((0.38 / slats - 0.015, width, 0.035), ((k + 0.5) / slats * 0.38 - 0.19, 0, 0.43)) for k in range(slats)
    ]
    if rng.random() < 0.7:
        seat += [solid((0.03, width, 0.1), (-0.25 - 0.03 * k, 0, 0.56 + 0.15 * k)) for k in range(2)]
    ends = [
        rod((0.17, 0, 0), (0.17, 0, 0.43), 0.03),
        rod((-0.2, 0, 0), (-0.2, 0, 0.43), 0.03),
        rod((-0.2, 0, 0.43), (-0.3, 0, 0.82), 0.025),
    ]
    return [
        Part("slats", joined(seat), wooden(rng)),
        Part("ends", both_sides(merged(ends), width / 2 - 0.2), lacquered(rng)),
    ]


def _parasol(rng: np.random.Generator) -> list[Part]:
    radius, height = rng.uniform(1.0, 1.7), rng.uniform(2.0, 2.5)
    angle = np.linspace(0, 2 * np.pi, 9)
    rim = np.stack([radius * np.cos(angle), radius * np.sin(angle), 0 * angle + height - 0.35], 1)
    tip = np.array([0, 0, height])
    sectors = [Mesh(np.array([tip, rim[k], rim[k + 1]]), np.array([[0, 1, 2]]), False) for k in range(8)]
    first, second = cloth(rng), cloth(rng)
    if rng.random() < 0.5:
        second = first
    foot = merged([cylinder(0.3, 0.08), rod((0, 0, 0), (0, 0, height), 0.025)])
    return [
        Part("cloth", joined(sectors[::2]), first),
        Part("cloth", joined(sectors[1::2]), second),
        Part("foot", foot, BLACK),
    ]


def _rug(rng: np.random.Generator) -> list[Part]:
    radius, length = rng.uniform(0.14, 0.3), rng.uniform(1.4, 2.6)
    roll = cylinder(radius, length, (0, 0, 0), sides=32).turned("x", 90).moved((0, length / 2, radius))
    core = cylinder(0.5 * radius, length * 1.001, sides=32).turned("x", 90).moved((0, length / 2, radius))
    edge = rounded_section(2.02 * radius, 0.02)
    tape = [solid((0.03, 0.05, 0.03), (float(edge[0, 0]), y, radius)) for y in (-length / 3, length / 3)]
    colour = lacquered(rng) if rng.random() < 0.2 else patterned(rng, metres=0.5)
    return [Part("roll", draped(roll), colour), Part("core", core, BLACK), Part("tape", joined(tape), cloth(rng))]


KINDS: dict[str, Maker] = {
    "chair": _chair,
    "stool": _stool,
    "table": _table,
    "desk": _desk,
    "sofa": _sofa,
    "shelf": _shelf,
    "cabinet": _cabinet,
    "lamp": _lamp,
    "bed": _bed,
    "bench": _bench,
    "parasol": _parasol,
    "rolled rug": _rug,
}
