"""Boards and signs, with strokes where text would be."""

from __future__ import annotations

import numpy as np

from carseg_rendering.geometry.materials import BSDF, lamp_glass, matte, plastic
from carseg_rendering.geometry.meshes import Mesh, Part, grid, merged
from carseg_rendering.scene.studio import poster
from carseg_rendering.scene.textures import joined
from carseg_rendering.scene.walls import PLASTERS, pick
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
    ring,
    rod,
    solid,
    turned,
    wooden,
)


def strokes(rng: np.random.Generator, width: float, height: float, rows: int, *, x: float = 0.0) -> Mesh:
    """Lines of strokes with the weight of text that is none, on a face that looks along +x.

    Args:
        rng: Source of randomness.
        width: Extent along y, metres, about y = 0.
        height: Extent along z, metres, from z = 0 up.
        rows: Number of lines.
        x: The face.
    """
    pieces, line = [], height / rows
    for row in range(rows):
        size, z, y = 0.55 * line, height - (row + 0.8) * line, -0.46 * width
        end = width * rng.uniform(0.1, 0.46)
        while y < end:
            step = size * rng.uniform(0.35, 0.7)
            if rng.random() < 0.85:
                thick = max(0.2 * step, 0.004)
                for _ in range(int(rng.integers(1, 3))):
                    pieces.append(solid((0.008, thick, size), (x, y + rng.uniform(0.1, 0.8) * step, z)))
                for _ in range(int(rng.integers(0, 3))):
                    pieces.append(solid((0.008, 0.8 * step, thick), (x, y + step / 2, z + rng.uniform(0, 0.85) * size)))
            y += step * 1.2
    return joined(pieces) if pieces else solid((0.008, 0.5 * width, 0.2 * height), (x, 0, 0.4 * height))


def _ink(rng: np.random.Generator) -> BSDF:
    return matte((0.02, 0.02, 0.02)) if rng.random() < 0.6 else plastic(pick(rng, BRIGHT))


def _road_sign(rng: np.random.Generator) -> list[Part]:
    tall, size, corners = rng.uniform(1.3, 2.4), rng.uniform(0.3, 0.45), int(rng.choice([3, 4, 8, 40]))
    start = {3: np.pi / 2, 4: np.pi / 4 * rng.integers(0, 2), 8: np.pi / 8, 40: 0.0}[corners]
    angle = start + np.linspace(0, 2 * np.pi, corners + 1)[:-1]
    edge = np.stack([np.cos(angle), np.sin(angle)], 1)
    at = (0.05, 0, tall)
    rim, face = (extruded(edge * r, t).turned("z", 90).moved(at) for r, t in ((size, 0.02), (0.86 * size, 0.03)))
    mark = strokes(rng, size, 0.7 * size, int(rng.integers(1, 4)), x=0.07).moved((0, 0, tall - 0.3 * size))
    colour = pick(rng, BRIGHT[:4])
    return [
        Part("post", rod((0, 0, 0), (0, 0, tall + 0.8 * size), 0.035), STEEL),
        Part("rim", rim, plastic(colour)),
        Part("face", face, plastic((0.75, 0.75, 0.73) if rng.random() < 0.7 else colour)),
        Part("mark", mark, _ink(rng)),
    ]


def _board(rng: np.random.Generator) -> list[Part]:
    """A notice board or billboard on two posts."""
    width, height, foot = rng.uniform(1.2, 3.5), rng.uniform(0.8, 2.0), rng.uniform(0.5, 1.6)
    posts = both_sides(solid((0.1, 0.1, foot + height + 0.15), (-0.08, 0, 0)), 0.42 * width)
    paper = pick(rng, [*PLASTERS, *BRIGHT])
    parts = [
        Part("posts", posts, wooden(rng) if rng.random() < 0.5 else STEEL),
        Part(
            "face",
            solid((0.05, width, height), (0, 0, foot)),
            poster(rng) if rng.random() < 0.3 else plastic(paper, roughness=0.3),
        ),
        Part(
            "text",
            strokes(rng, 0.9 * width, 0.85 * height, int(rng.integers(2, 8)), x=0.03).moved(
                (0, 0, foot + 0.08 * height)
            ),
            _ink(rng),
        ),
    ]
    if rng.random() < 0.4:
        roof = extruded([(-0.3, 0), (0, 0.22), (0.3, 0), (0, 0.12)], width + 0.3).moved((0, 0, foot + height + 0.05))
        parts.append(Part("roof", roof, wooden(rng)))
    return parts


def _easel(rng: np.random.Generator) -> list[Part]:
    """A blackboard, whiteboard or painting on three legs."""
    width, height, z = rng.uniform(0.6, 1.4), rng.uniform(0.6, 1.1), 0.6
    legs = [rod((0.2, y, 0), (-0.05, 0.4 * y, z + height + 0.15), 0.02) for y in (-0.45 * width, 0.45 * width)] + [
        rod((-0.6, 0, 0), (-0.05, 0, z + height), 0.02)
    ]
    dark = rng.random() < 0.4
    face = solid((0.03, width, height), (0.1, 0, z)).turned("y", -6)
    picture = rng.random() < 0.3
    colour = poster(rng) if picture else matte((0.02, 0.035, 0.03) if dark else (0.78, 0.78, 0.77))
    frame = [solid((0.05, width + 0.06, 0.05), (0.1, 0, z + dz)) for dz in (-0.02, height - 0.03)] + [
        solid((0.05, 0.05, height), (0.1, s * width / 2, z)) for s in (-1, 1)
    ]
    parts = [
        Part("legs", merged(legs), wooden(rng)),
        Part("face", face, colour),
        Part("frame", joined(frame).turned("y", -6), wooden(rng)),
    ]
    if not picture:
        text = (
            strokes(rng, 0.85 * width, 0.8 * height, int(rng.integers(3, 9)), x=0.12)
            .moved((0, 0, z + 0.1 * height))
            .turned("y", -6)
        )
        parts.append(Part("text", text, matte((0.7, 0.7, 0.68)) if dark else _ink(rng)))
    return parts


def _a_board(rng: np.random.Generator) -> list[Part]:
    width, height, lean = rng.uniform(0.5, 0.8), rng.uniform(0.8, 1.2), rng.uniform(10, 18)
    panels, texts = [], []
    for side in (0, 180):
        shift = (np.sin(np.radians(lean)) * height, 0, 0)
        panels.append(solid((0.025, width, height)).turned("y", -lean).moved(shift).turned("z", side))
        texts.append(
            strokes(rng, 0.85 * width, 0.85 * height, int(rng.integers(3, 8)), x=0.018)
            .moved((0, 0, 0.08 * height))
            .turned("y", -lean)
            .moved(shift)
            .turned("z", side)
        )
    dark = rng.random() < 0.5
    return [
        Part("panels", joined(panels), matte((0.02, 0.02, 0.02)) if dark else lacquered(rng)),
        Part("texts", joined(texts), matte((0.72, 0.72, 0.7)) if dark else _ink(rng)),
    ]


def _traffic_light(rng: np.random.Generator) -> list[Part]:
    tall, lit = rng.uniform(1.6, 2.6), int(rng.integers(3))
    colours = [(0.7, 0.03, 0.02), (0.75, 0.4, 0.02), (0.03, 0.6, 0.2)]
    parts = [
        Part("post", rod((0, 0, 0), (0, 0, tall), 0.05), STEEL),
        Part("case", solid((0.2, 0.3, 0.9), (0.05, 0, tall - 0.2), rounding=0.05), BLACK),
    ]
    for k, colour in enumerate(colours):
        z = tall + 0.53 - 0.28 * k
        lens = turned([(0, 0.03), (0.07, 0.02), (0.1, 0)]).turned("y", 90).moved((0.15, 0, z))
        visor = ring(0.11, 0.012).turned("z", 90).moved((0.2, 0, z))
        parts += [
            Part("lens", lens, lamp_glass(colour) if k == lit else plastic(np.array(colour) * 0.12)),
            Part("visor", visor, BLACK),
        ]
    return parts


def _clock(rng: np.random.Generator) -> list[Part]:
    radius, tall = rng.uniform(0.3, 0.5), rng.uniform(0.4, 2.2)
    z = tall + radius
    face = cylinder(radius, 0.08).turned("y", 90).moved((0, 0, z))
    marks = [
        solid((0.01, 0.025, 0.1 * radius), (0.09, 0, 0.8 * radius)).turned("x", 30 * k).moved((0, 0, z))
        for k in range(12)
    ]
    hands = [
        solid((0.01, 0.04, r * radius), (0.1, 0, 0)).turned("x", rng.uniform(0, 360)).moved((0, 0, z))
        for r in (0.5, 0.75)
    ]
    return [
        Part("face", face, plastic((0.76, 0.76, 0.74) if rng.random() < 0.8 else pick(rng, BRIGHT))),
        Part("marks", merged([*marks, *hands]), BLACK),
        Part("rim", ring(radius, 0.04).turned("z", 90).moved((0.05, 0, z)), lacquered(rng)),
        Part("post", merged([rod((0, 0, 0), (0, 0, tall), 0.06), cylinder(0.25, 0.06)]), BLACK),
    ]


def _letterbox(rng: np.random.Generator) -> list[Part]:
    width, height, foot = rng.uniform(0.35, 0.6), rng.uniform(0.4, 0.9), rng.uniform(0.2, 1.0)
    colour = plastic(pick(rng, BRIGHT), roughness=0.15)
    top = extruded([(-0.2, 0), (0.2, 0), (0.17, 0.1), (0.08, 0.15), (-0.08, 0.15), (-0.17, 0.1)], width).moved(
        (0, 0, foot + height)
    )
    return [
        Part("case", merged([solid((0.4, width, height), (0, 0, foot), rounding=0.02), top]), colour),
        Part("slot", solid((0.03, 0.7 * width, 0.05), (0.2, 0, foot + 0.75 * height)), BLACK),
        Part("post", rod((0, 0, 0), (0, 0, foot), 0.07), STEEL),
        Part(
            "label",
            strokes(rng, 0.8 * width, 0.3 * height, 2, x=0.205).moved((0, 0, foot + 0.2 * height)),
            matte((0.7, 0.7, 0.68)),
        ),
    ]


def _picture(rng: np.random.Generator) -> list[Part]:
    """A framed picture that leans against nothing, on its small feet."""
    width, height = rng.uniform(0.6, 1.8), rng.uniform(0.6, 1.5)
    edge = rng.uniform(0.04, 0.12)
    frame = [solid((0.06, width + 2 * edge, edge), (0, 0, z)) for z in (0.0, height + edge)] + [
        solid((0.06, edge, height + 2 * edge), (0, s * (width + edge) / 2, 0)) for s in (-1, 1)
    ]
    feet = both_sides(solid((0.4, 0.05, 0.05), (0, 0, 0)), 0.4 * width)
    face = draped(solid((0.02, width, height), (0, 0, edge)))
    return [
        Part("frame", joined(frame), wooden(rng) if rng.random() < 0.6 else lacquered(rng)),
        Part("face", face, poster(rng) if rng.random() < 0.6 else patterned(rng)),
        Part("feet", feet, BLACK),
    ]


def _book(rng: np.random.Generator) -> list[Part]:
    """A large open book or a folded map that stands."""
    width, height, spread = rng.uniform(0.5, 0.9), rng.uniform(0.7, 1.1), rng.uniform(25, 60)
    leaves, texts = [], []
    for side in (-1, 1):
        page = solid((0.05, width, height)).moved((0, side * width / 2, 0)).turned("z", side * spread)
        leaves.append(page)
        texts.append(
            strokes(rng, 0.85 * width, 0.9 * height, int(rng.integers(7, 14)), x=0.03)
            .moved((0, side * width / 2, 0.04))
            .turned("z", side * spread)
        )
    cover = [
        solid((0.03, width + 0.03, height + 0.03)).moved((-0.045, side * width / 2, 0)).turned("z", side * spread)
        for side in (-1, 1)
    ]
    return [
        Part("pages", joined(leaves), matte((0.72, 0.70, 0.62))),
        Part("text", joined(texts), matte((0.04, 0.04, 0.04))),
        Part("cover", joined(cover), lacquered(rng)),
    ]


def _flag(rng: np.random.Generator) -> list[Part]:
    tall, width, high = rng.uniform(2.0, 3.2), rng.uniform(0.9, 1.6), rng.uniform(0.6, 1.0)
    u, v = np.meshgrid(np.linspace(0, width, 25), np.linspace(0, high, 9), indexing="ij")
    wave = 0.14 * u / width * np.sin(u * rng.uniform(4, 8) + v * 1.4)
    mesh = grid(np.stack([wave, u, tall - high + v - 0.1 * u**2], -1))
    return [
        Part("pole", merged([rod((0, 0, 0), (0, 0, tall + 0.05), 0.03), cylinder(0.3, 0.08)]), STEEL),
        Part("flag", draped(mesh), patterned(rng) if rng.random() < 0.7 else cloth(rng)),
    ]


KINDS: dict[str, Maker] = {
    "road sign": _road_sign,
    "notice board": _board,
    "easel": _easel,
    "A-board": _a_board,
    "traffic light": _traffic_light,
    "clock": _clock,
    "letterbox": _letterbox,
    "picture": _picture,
    "open book": _book,
    "flag": _flag,
}
