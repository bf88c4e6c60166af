"""The front of a car: headlamps, grille, the bumper's openings, each in one of several outlines.

Outlines are heights at shares of the way from a thing's inner to its outer end, in units of its own height; 0 is its
lower edge and 1 its upper one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from carseg_rendering.car.body import BodySurface
from carseg_rendering.car.finishes import AMBER, BLACK, CHROME, CLEAR, DULL, REFLECTOR, lamp_housing
from carseg_rendering.car.paints import CarLook
from carseg_rendering.geometry.materials import BSDF
from carseg_rendering.geometry.meshes import Mesh, Part

Edge = tuple[tuple[float, float], ...]
Heights = list[tuple[float, float]]  # (share of the way, height in metres)


@dataclass(frozen=True)
class _Outline:
    """The edges of a lamp or a grille."""

    low: Edge
    high: Edge

    def placed(self, bottom: float, height: float, grow: float = 0.0) -> tuple[Heights, Heights]:
        """Lower and upper edge as heights in metres, each `grow` further out."""
        low = [(s, bottom + v * height - grow) for s, v in self.low]
        high = [(s, bottom + v * height + grow) for s, v in self.high]
        return low, high


_FINE = (24, 19)  # steps of patches that cross the bumper's edge
_STEPS = np.linspace(0, 1, 13)
_HALF = np.sqrt(np.clip(1 - (2 * _STEPS - 1) ** 2, 0, 1)) / 2
_ROUND = _Outline(
    tuple((float(s), float(0.5 - h)) for s, h in zip(_STEPS, _HALF, strict=True)),
    tuple((float(s), float(0.5 + h)) for s, h in zip(_STEPS, _HALF, strict=True)),
)
# From the grille outwards and round the corner.
LAMPS: dict[str, _Outline] = {
    "block": _Outline(((0, 0), (1, 0)), ((0, 1), (1, 1))),
    "slant": _Outline(((0, 0.1), (0.35, 0), (1, 0.35)), ((0, 0.8), (0.5, 0.95), (1, 1.1))),
    "swept": _Outline(((0, 0.15), (0.3, 0), (0.6, 0.25), (1, 0.8)), ((0, 0.5), (0.5, 0.95), (1, 1.2))),
    "drop": _Outline(((0, 0.05), (0.35, 0), (0.7, 0.4), (1, 1.1)), ((0, 0.45), (0.45, 1.05), (1, 1.6))),
    "almond": _Outline(((0, 0.4), (0.25, 0.1), (0.6, 0.02), (1, 0.55)), ((0, 0.6), (0.3, 0.9), (0.7, 1.0), (1, 0.7))),
    "slim": _Outline(((0, 0.35), (0.4, 0.35), (1, 0.6)), ((0, 0.7), (0.4, 0.85), (1, 1.05))),
    "round": _ROUND,
    "twin round": _ROUND,
}


@dataclass(frozen=True)
class _Grille:
    """A grille.

    Attributes:
        outline: From the car's middle to the grille's outer end.
        width, height: In shares of the shape's grille width and height.
        inner: Where it begins, metres from the car's middle; more than 0 for two halves.
        bars: Number of bars.
        upright: Whether the bars stand.
    """

    outline: _Outline
    width: float = 1.0
    height: float = 1.0
    inner: float = 0.0
    bars: int = 3
    upright: bool = False


_BAND = _Outline(((0, 0), (0.7, 0.03), (1, 0.25)), ((0, 1), (0.7, 1), (1, 0.85)))
_SQUARE = _Outline(((0, 0), (1, 0)), ((0, 1), (1, 1)))
GRILLES: dict[str, _Grille] = {
    "bar": _Grille(_BAND),
    "upright": _Grille(_SQUARE, width=0.62, height=1.5, bars=7, upright=True),
    "single frame": _Grille(_Outline(((0, 0), (0.6, 0), (1, 0.45)), ((0, 1), (0.8, 1), (1, 0.95))), 0.8, 2.1, bars=5),
    "shield": _Grille(_Outline(((0, 0), (0.5, 0.1), (1, 0.6)), ((0, 1), (0.6, 0.98), (1, 0.85))), 0.85, 1.3, bars=2),
    "kidney": _Grille(_ROUND, width=0.62, height=1.2, inner=0.03, bars=4, upright=True),
    "cross": _Grille(_Outline(((0, 0), (0.7, 0), (1, 0.15)), ((0, 1), (1, 1))), 0.9, 1.25, bars=1),
    "slot": _Grille(_BAND, height=0.5, bars=1),
    "slots": _Grille(_SQUARE, width=0.72, height=1.2, bars=0),
}
NO_GRILLE = "closed"


def front(body: BodySurface, look: CarLook) -> list[Part]:
    """All that lies on the front of the painted body, both sides."""
    shape = body.shape
    top = shape.nose_height - 0.06
    outer = 0.94 * shape.width / 2
    room = shape.clearance + 0.34  # where lamps and grille end above the bumper
    lamp_in = max(outer - shape.lamp_width, 0.34)
    if shape.lamp in ("round", "twin round"):  # these face forward, off the corner
        outer = 0.84 * shape.width / 2
        lamp_in = max(outer - (1.0 if shape.lamp == "round" else 1.9) * shape.lamp_height - 0.05, 0.3)
    parts = _headlamps(body, look, lamp_in, outer, top, room)
    parts += _grille(body, lamp_in - 0.03, top - 0.01, room - 0.04)
    parts += _bumper(body, look)
    seam = body.patch(0, body.round_at(front_y=lamp_in), top + 0.018, top + 0.026, lift=0.004, steps=(20, 2))
    return [*parts, Part("hood line", seam.with_mirror(), BLACK)]


def disc_on(body: BodySurface, around: float, height: float, radius: float, lift: float) -> Mesh:
    """A round patch of the surface about a `round` index and a height, both sides."""
    reach = radius / body.spacing
    low, high = _ROUND.placed(height - radius, 2 * radius)
    return body.patch(around - reach, around + reach, low, high, lift=lift, steps=(16, 5)).with_mirror()


def _headlamps(body: BodySurface, look: CarLook, inner: float, outer: float, top: float, room: float) -> list[Part]:
    shape = body.shape
    start, end = body.round_at(front_y=inner), body.round_at(front_y=outer)
    height = min(shape.lamp_height, top - room + 0.06)
    bottom = top - height
    housing = lamp_housing(look.lamp)
    if shape.lamp in ("round", "twin round"):
        radius = max(height, 0.16) / 2
        bottom = top - 2 * radius
        places = [end - radius / body.spacing]
        if shape.lamp == "twin round":
            places.append(places[0] - 1.85 * radius / body.spacing)
        parts = []
        for k, around in enumerate(places):
            size = radius if k == 0 else 0.85 * radius
            z = bottom + radius
            parts += [
                Part("lamp frame", disc_on(body, around, z, size + 0.012, 0.004), CHROME if look.lamp > 0.3 else BLACK),
                Part("headlamp", disc_on(body, around, z, size, 0.014), housing),
                Part("beam", disc_on(body, around, z, 0.55 * size, 0.020), REFLECTOR),
            ]
        return parts
    # lamps reach round the corner and back along the side
    end = max(end, min(end + 12.0, body.round_at(x=shape.length / 2 - shape.lamp_wrap)))
    outline = LAMPS[shape.lamp]
    low, high = outline.placed(bottom, height)
    frame_low, frame_high = outline.placed(bottom, height, 0.010)
    frame = body.patch(start - 0.4, end + 0.4, frame_low, frame_high, lift=0.003)
    parts = [
        Part("lamp frame", frame.with_mirror(), BLACK),
        Part("headlamp", body.patch(start, end, low, high, lift=0.008).with_mirror(), housing),
    ]
    size = 0.30 * height if shape.lamp != "slim" else 0.16 * height
    for share in (0.28, 0.58):
        around = start + share * (end - start)
        middle = 0.5 * (_height(low, share) + _height(high, share))
        parts.append(Part("beam", disc_on(body, around, middle, size, 0.014), REFLECTOR))
    if look.amber:
        lamp = body.patch(end - 0.2 * (end - start), end, _last_fifth(low), _last_fifth(high), lift=0.011)
        parts.append(Part("turn lamp", lamp.with_mirror(), AMBER))
    return parts


def _height(edge: Heights, share: float) -> float:
    """Height of an edge at a share of the way."""
    return float(np.interp(share, [s for s, _ in edge], [z for _, z in edge]))


def _last_fifth(edge: Heights) -> Heights:
    """The last fifth of an edge, stretched over shares from 0 to 1."""
    return [(float(s), _height(edge, 0.8 + 0.2 * float(s))) for s in np.linspace(0, 1, 5)]


def _grille(body: BodySurface, most: float, top: float, lowest: float) -> list[Part]:
    shape = body.shape
    if shape.grille == NO_GRILLE:
        return []
    kind = GRILLES[shape.grille]
    half = min(kind.width * shape.grille_width / 2, most)
    bottom = max(top - kind.height * shape.grille_height, lowest if kind.height < 2 else shape.clearance + 0.13)
    height = top - bottom
    start, end = (body.round_at(front_y=y) for y in (kind.inner, half))
    surround: BSDF = CHROME if shape.trim_style == 2 or shape.rim % 2 else DULL
    if shape.grille == "slots":  # openings in the painted nose
        places = np.linspace(start, end, 5)
        slots = [body.patch(at - 0.9, at + 0.9, bottom, top, lift=0.008, steps=(4, 3)) for at in places[:4] + 0.6]
        return [Part("grille", slot.with_mirror(), BLACK) for slot in slots]
    low, high = kind.outline.placed(bottom, height)
    rim_low, rim_high = kind.outline.placed(bottom, height, 0.020)
    begin = start - 0.6 if kind.inner else 0.0
    parts = [
        Part(
            "grille frame",
            body.patch(begin, end + 0.7, rim_low, rim_high, lift=0.004, steps=_FINE).with_mirror(),
            surround,
        ),
        Part("grille", body.patch(start, end, low, high, lift=0.015, steps=_FINE).with_mirror(), BLACK),
    ]
    bars: list[Mesh] = []
    shares = (np.arange(kind.bars) + 1) / (kind.bars + 1)
    if kind.upright:
        for share in shares:
            at = start + share * (end - start)
            bars.append(
                body.patch(at - 0.22, at + 0.22, _height(low, share), _height(high, share), lift=0.022, steps=(2, 19))
            )
    else:
        ends = [max(low[-1][1], bottom), high[-1][1]]
        for share in shares:
            z = bottom + share * height
            reach = end - 0.6 if ends[0] <= z <= ends[1] else start + 0.7 * (end - start)
            bars.append(body.patch(0, reach, z - 0.008, z + 0.008, lift=0.022, steps=(16, 2)))
    parts += [Part("grille bar", bar.with_mirror(), surround) for bar in bars]
    if shape.grille == "cross":
        parts.append(
            Part("grille bar", body.patch(0, 0.8, bottom, top, lift=0.022, steps=(3, 19)).with_mirror(), surround)
        )
    elif shape.rim % 3:  # a badge
        parts.append(Part("badge", disc_on(body, 0.0, bottom + 0.55 * height, 0.045, 0.027), CHROME))
    return parts


def _bumper(body: BodySurface, look: CarLook) -> list[Part]:
    """The lower opening, fog lamps, a strip of rubber."""
    shape = body.shape
    bottom, half = shape.clearance, shape.width / 2
    parts = []
    low, size = bottom + 0.11, 0.08 + 0.35 * shape.grille_height
    if shape.grille == NO_GRILLE or shape.grille == "slot":
        size += 0.06
    high = min(low + size, shape.nose_height - 0.3)
    wide = 0.5 + 0.25 * (shape.rim % 4) / 3
    if shape.grille != "single frame":
        mouth = body.round_at(front_y=wide * half)
        flare = 0.03 if shape.rim % 2 else -0.02  # wider below, or above
        lower = [(0.0, low), (0.8, low + max(-flare, 0)), (1.0, low + 0.035 - flare)]
        upper = [(0.0, high), (0.8, high), (1.0, high - 0.03 - max(flare, 0))]
        parts.append(Part("mouth", body.patch(0, mouth, lower, upper, lift=0.005).with_mirror(), DULL))
    if shape.fog_lamps:
        around, z = body.round_at(front_y=max(0.76, wide + 0.13) * half), bottom + 0.19
        parts.append(Part("fog recess", disc_on(body, around, z, 0.065, 0.004), DULL))
        parts.append(Part("fog lamp", disc_on(body, around, z, 0.042, 0.010), CLEAR))
    if shape.bumper_strip:
        z, back = bottom + 0.42 * (float(body.shoulder_height(0.0)) - bottom), body.round_at(x=shape.front_axle + 0.45)
        strip = body.patch(0, back, z - 0.035, z + 0.035, lift=0.012, steps=(40, 3))
        parts.append(Part("bumper strip", strip.with_mirror(), CHROME if shape.trim_style == 2 else DULL))
    if shape.cladding:
        skid = body.patch(0, body.round_at(front_y=0.45 * half), bottom + 0.01, bottom + 0.075, lift=0.009)
        parts.append(Part("skid plate", skid.with_mirror(), look.skid()))
    return parts
