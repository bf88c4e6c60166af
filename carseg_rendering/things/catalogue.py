"""The catalogue of things: their families and kinds, and one drawn at random, in its place on the ground."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from carseg_rendering.dataset.background_plan import EMPTY, place_of
from carseg_rendering.geometry.meshes import Array, Part
from carseg_rendering.scene.plants import placed
from carseg_rendering.things import (
    appliances,
    boards,
    car_parts,
    car_wheels,
    carts,
    craft,
    creatures,
    cycles,
    figures,
    finds,
    furniture,
    kitchen,
    machines,
    piles,
    plants,
    solids,
    structures,
    surfaces,
    tools,
    vehicles,
    vessels,
)
from carseg_rendering.things.forms import Maker, extent, trimmed

CATALOGUE: Mapping[str, Mapping[str, Maker]] = {
    "furniture": furniture.KINDS,
    "machines": {**machines.KINDS, **appliances.KINDS},
    "cycles and carts": {**cycles.KINDS, **carts.KINDS},
    "large vehicles": {**vehicles.KINDS, **craft.KINDS},
    "plants": {**plants.KINDS, **finds.KINDS},
    "creatures": {**creatures.KINDS, **figures.KINDS},
    "boards": boards.KINDS,
    "solids": solids.KINDS,
    "surfaces": surfaces.KINDS,
    "piles": piles.KINDS,
    "tools": tools.KINDS,
    "vessels": {**vessels.KINDS, **kitchen.KINDS},
    "structures": structures.KINDS,
    "car parts": {**car_parts.KINDS, **car_wheels.KINDS},
}
SURFACES = "surfaces"
# Largest extents, metres, of what is shown larger than life: no lens comes near enough to fill a picture with a nail.
_ENLARGED = {"solids": (0.7, 2.5), "tools": (0.8, 2.4), "vessels": (0.6, 1.8)}
_ALONE = ("large vehicles", "piles", "structures", SURFACES)  # families of which one fills a picture
_NARROW = 0.5  # width over height under which things mostly come in groups, or they would fill too little
_CAR = (4.5, 1.8, 1.5)  # metres: the room that an empty scene leaves for a car


@dataclass(frozen=True, eq=False)
class Thing:
    """What stands where the main car would.

    Attributes:
        parts: Its parts, on z = 0 about the origin; none in an empty scene.
        pieces: Number of things, 0 in an empty scene.
        room: (8, 3), corners of the box that it takes, or that an empty scene leaves free, metres;
            of a surface the middle, which the picture shows.
    """

    parts: list[Part]
    pieces: int
    room: Array


def kind_of(index: int, seed: int) -> tuple[str, str]:
    """The family and the kind of a picture's thing; the kinds of a family come in turn.

    Args:
        index: Index of the picture, from 0.
        seed: Seed of the data set, 0 or more.
    """
    family, place = place_of(index, seed)
    if family == EMPTY:
        return EMPTY, EMPTY
    kinds = list(CATALOGUE[family])
    return family, kinds[int(place * len(kinds))]


def make_thing(rng: np.random.Generator, family: str, kind: str, view_angle: float) -> Thing:
    """Draw a thing, or several of a kind side by side.

    Args:
        rng: Source of randomness.
        family: One of CATALOGUE, or EMPTY.
        kind: One of its kinds.
        view_angle: Direction from the thing to the camera, degrees: groups stand across the view, surfaces face it.

    Raises:
        ValueError: There is no such family or kind.
    """
    if family == EMPTY:
        return Thing([], 0, _box(np.array([[-_CAR[0] / 2, -_CAR[1] / 2, 0.0], [_CAR[0] / 2, _CAR[1] / 2, _CAR[2]]])))
    if kind not in CATALOGUE.get(family, {}):
        raise ValueError(f"unknown thing {kind!r} of family {family!r}")
    maker = CATALOGUE[family][kind]
    if family == SURFACES:
        turn = view_angle + float(rng.normal(0, 7))
        half, low = surfaces.SHOWN[0] / 2, (surfaces.HEIGHT - surfaces.SHOWN[1]) / 2
        panel = np.array([[-0.1, -half, low], [0.0, half, low + surfaces.SHOWN[1]]])
        return Thing(placed(maker(rng), (0, 0), turn=turn), 1, _turned(_box(panel), turn))
    first = _piece(rng, maker, family)
    low, high = extent(first)
    narrow = float(max(high[:2] - low[:2])) < _NARROW * (high[2] - low[2])
    shares = (0.35, 0.3, 0.2, 0.15) if narrow else (0.74, 0.18, 0.08, 0.0)
    pieces = 1 if family in _ALONE else int(rng.choice([1, 2, 3, 4], p=shares))
    parts, along = list(first), 0.0
    if pieces > 1:
        across = np.radians(view_angle + 90 + rng.normal(0, 12))
        group = [first, *(_piece(rng, maker, family) for _ in range(pieces - 1))]
        parts = []
        for piece in group:
            piece = placed(piece, (0, 0), turn=float(rng.uniform(-70, 70)))
            low, high = extent(piece)
            half = 0.5 * float(np.abs(high[:2] - low[:2]) @ np.abs([np.cos(across), np.sin(across)]))
            along += half
            back = rng.normal(0, 0.15 * half)
            at = along * np.array([np.cos(across), np.sin(across)]) + back * np.array([-np.sin(across), np.cos(across)])
            parts += placed(piece, at)
            along += half * float(rng.uniform(1.02, 1.3))
    low, high = extent(parts)
    middle = (low + high) / 2
    parts = placed(parts, (-middle[0], -middle[1], -low[2]))
    return Thing(parts, pieces, _box(extent(parts)))


def _piece(rng: np.random.Generator, maker: Maker, family: str) -> list[Part]:
    """One thing about the origin, on the ground, in its size."""
    parts = [Part(part.name, trimmed(part.mesh), part.material) for part in maker(rng)]
    low, high = extent(parts)
    scale = float(rng.uniform(0.9, 1.12))
    if family in _ENLARGED:
        scale = float(rng.uniform(*_ENLARGED[family])) / float(max(high - low))
    middle = scale * (low + high) / 2
    return placed(parts, (-middle[0], -middle[1], -scale * low[2]), scale=scale)


def _box(ends: Array) -> Array:
    """(8, 3): the corners of a box between two points (2, 3); the first four are its foot's."""
    return np.array([(ends[i, 0], ends[j, 1], ends[k, 2]) for k in (0, 1) for i, j in ((0, 0), (1, 0), (1, 1), (0, 1))])


def _turned(points: Array, degrees: float) -> Array:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return points @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1.0]])
