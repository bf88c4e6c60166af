"""Backgrounds: what is behind and round a car. Open land, trees, buildings, walls, a street, a dealer's lot, a studio.

Made on a stage: the car's place is the origin, x goes to the right and y away from the camera, whose side is y < 0.
The stage is then turned into the car's coordinates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from carseg_rendering.geometry.materials import matte
from carseg_rendering.geometry.meshes import Array, Mesh, Part, grid
from carseg_rendering.scene import grounds
from carseg_rendering.scene.buildings import hall, house, office
from carseg_rendering.scene.furniture import bins, board, bunting, flags, lamp_posts
from carseg_rendering.scene.horizon import hills, land, wood
from carseg_rendering.scene.plants import Season, blades, bush, hedge, placed, tree
from carseg_rendering.scene.studio import backdrop, inside_wall
from carseg_rendering.scene.textures import boxes, glossy, joined, palette, varied
from carseg_rendering.scene.walls import ACCENTS, SURFACES, fence, garden_wall, pick, roller_door, surface


@dataclass(frozen=True, eq=False)
class Stage:
    """The space in which a background is built.

    Attributes:
        behind: Metres from the car's centre to where everything behind the cars may begin.
        camera: (3,) the camera, on the stage.
        clear: (K, 2) corners of the cars, on the stage.
        season: Colours of plants.
        snow: Whether snow lies.
        ground: The kind of ground the car stands on.
        indoors: Whether it is a showroom, where nothing outside is visible.
    """

    behind: float
    camera: Array
    clear: Array
    season: Season
    snow: bool
    ground: str
    indoors: bool


def background(rng: np.random.Generator, kind: str, stage: Stage) -> list[Part]:
    """A background of a kind, on the stage.

    Raises:
        ValueError: There is no such kind.
    """
    if kind not in KINDS:
        raise ValueError(f"unknown background {kind!r}: expected one of {', '.join(KINDS)}")
    if kind == "backdrop":
        return backdrop(rng, stage.behind, floor=stage.ground == "plain")
    if kind == "white":
        return backdrop(rng, stage.behind, floor=True, white=True)
    if stage.indoors:
        return inside_wall(rng, stage.behind)
    clearing = max(60.0, float(np.linalg.norm(stage.camera)) + 15)  # a tele lens stands far away
    return PLACES[kind](rng, stage) + land(rng, stage.season, clearing=clearing, snow=stage.snow)


def growth(
    rng: np.random.Generator, stage: Stage, spots: Array, heights: Array, *, kinds: int = 3, count: int = 2600
) -> list[Part]:
    """Trees of those heights at spots (N, 2), or so far behind them that no crown reaches a car."""
    grown = [tree(rng, stage.season, 8.0, count=count) for _ in range(kinds)]
    parts: list[Part] = []
    for spot, height in zip(spots, heights, strict=True):
        spot = (spot[0], max(spot[1], stage.behind + min(0.42 * height, 3.0)))
        parts += placed(grown[rng.integers(kinds)], spot, turn=rng.uniform(0, 360), scale=height / 8)
    return parts


def bushes(rng: np.random.Generator, stage: Stage, spots: Array, heights: Array) -> list[Part]:
    """Bushes of those heights at spots (N, 2), or so far behind them that they touch no car."""
    grown = [bush(rng, stage.season, 1.0) for _ in range(3)]
    parts: list[Part] = []
    for spot, height in zip(spots, heights, strict=True):
        spot = (spot[0], max(spot[1], stage.behind + 0.2 + 1.1 * height))
        parts += placed(grown[rng.integers(3)], spot, turn=rng.uniform(0, 360), scale=height)
    return parts


def verge(rng: np.random.Generator, stage: Stage, start: float, end: float = 80.0) -> list[Part]:
    """Land that grows something, from y = start on, with an uneven edge and tufts along it."""
    x = np.linspace(-80, 80, 161)
    edge = start + 0.25 * np.sin(x / 3.1) + 0.15 * rng.normal(size=161)
    near, far = np.column_stack([x, edge, 0 * x + 0.012]), np.column_stack([x, 0 * x + end, 0 * x + 0.012])
    mesh = grid(np.stack([near, far], 1), flip=False, smooth=False)
    mesh = Mesh(mesh.vertices, mesh.faces, False, mesh.vertices[:, :2].copy())
    kind = "snow" if stage.snow else "grass"
    parts = [Part("verge", mesh, grounds.material(rng, kind, stage.season))]
    if not stage.snow:
        spots = np.column_stack([rng.uniform(-25, 25, 2500), start + rng.exponential(1.2, 2500)])
        from_camera = np.linalg.norm(spots - stage.camera[:2], axis=1)
        tall = rng.uniform(0.05, 0.16, 2500) * rng.choice([1, 2.2], 2500, p=[0.9, 0.1])
        parts.append(
            Part("tufts", blades(rng, spots, tall, width=0.003 * from_camera), palette(rng, stage.season.grass))
        )
    return parts


def open_land(rng: np.random.Generator, stage: Stage) -> list[Part]:
    """Fields, hills at the horizon, single trees and bushes, perhaps a fence."""
    start = stage.behind + rng.uniform(1.5, 12)
    parts = verge(rng, stage, start) if stage.ground not in ("grass", "snow") else []
    for distance, height in ((320.0, 16.0), (900.0, 60.0), (1900.0, rng.uniform(40, 260))):
        if rng.random() < 0.75:
            parts.append(hills(rng, stage.season, distance, height * rng.uniform(0.5, 1.2), snow=stage.snow))
    n = int(rng.integers(1, 6))
    spots = np.column_stack([rng.uniform(-35, 35, n), start + rng.uniform(8, 60, n)])
    parts += growth(rng, stage, spots, rng.uniform(4, 10, n), kinds=2, count=1500)
    n = int(rng.integers(3, 12))
    spots = np.column_stack([rng.uniform(-25, 25, n), start + rng.uniform(1, 30, n)])
    parts += bushes(rng, stage, spots, rng.uniform(0.5, 1.8, n))
    if rng.random() < 0.4:
        x = np.arange(-45, 45, 2.5)
        y = start + rng.uniform(0.5, 6)
        posts = boxes(np.column_stack([x, 0 * x + y, 0 * x + 0.55]), (0.09, 0.09, 1.1))
        wires = boxes([(0, y, z) for z in (0.4, 0.7, 1.0)], (90, 0.025, 0.03))
        parts += [Part("posts", joined([posts, wires]), matte(varied(rng, (0.16, 0.13, 0.10))))]
    return parts


def trees(rng: np.random.Generator, stage: Stage) -> list[Part]:
    """The edge of a park or wood: trees, undergrowth, perhaps a hedge before it."""
    start = stage.behind + rng.uniform(0.8, 5)
    parts = verge(rng, stage, start) if stage.ground not in ("grass", "snow") else []
    if rng.random() < 0.4:
        height = rng.uniform(0.9, 2.2)
        parts += placed(hedge(rng, stage.season, 40, height, 0.9, 5000, 0.18), (0, start + 1.0))
        start += 2
    n = int(rng.integers(5, 10))
    spots = np.column_stack([(np.arange(n) + rng.uniform(0.1, 0.9, n)) / n * 44 - 22, start + rng.uniform(1.5, 14, n)])
    parts += growth(rng, stage, spots, rng.uniform(5, 12, n), count=1700)
    n = int(rng.integers(6, 14))
    spots = np.column_stack([rng.uniform(-22, 22, n), start + rng.uniform(0.8, 10, n)])
    parts += bushes(rng, stage, spots, rng.uniform(0.6, 2.2, n))
    if rng.random() < 0.6:
        x = np.linspace(-60, 60, 160)
        edge = np.stack([x, start + 18 + 5 * np.sin(x / 9 + rng.uniform(0, 6))], -1)
        parts += wood(rng, stage.season, edge, np.full(160, rng.uniform(5, 11)), haze_at=15)
    return parts


def street_edge(rng: np.random.Generator, stage: Stage, start: float, wide: float) -> list[Part]:
    """A kerb and a pavement from y = start on."""
    kind = (
        "snow"
        if stage.snow and rng.random() < 0.6
        else rng.choice(["concrete", "tiles", "asphalt"], p=[0.5, 0.35, 0.15])
    )
    slabs = boxes((0, start + 0.15 + wide / 2, 0.055), (150, wide, 0.13))
    kerb = np.arange(-75, 75, 1.0)
    stone = boxes(np.column_stack([kerb + 0.5, 0 * kerb + start + 0.075, 0 * kerb + 0.058]), (0.985, 0.15, 0.136))
    parts = [
        Part("pavement", slabs, grounds.material(rng, kind, stage.season)),
        Part("kerb", stone, matte(varied(rng, (0.36, 0.35, 0.33)))),
    ]
    gutter = grounds.sheet((-75, 75), (start - 0.35, start), 0.005)
    return [*parts, Part("gutter", gutter, matte(varied(rng, (0.13, 0.125, 0.12))))]


def building(rng: np.random.Generator, stage: Stage) -> list[Part]:
    """One building near behind the car, its neighbours beside it."""
    start = stage.behind + rng.uniform(0.6, 7)
    parts: list[Part] = []
    if rng.random() < 0.6:
        parts += street_edge(rng, stage, start - 0.1, 2.2)
    elif rng.random() < 0.6:
        parts += verge(rng, stage, start, start + 3)
        n = int(rng.integers(3, 9))
        parts += bushes(
            rng, stage, np.column_stack([rng.uniform(-12, 12, n), np.full(n, start + 1)]), rng.uniform(0.4, 1.1, n)
        )
    front = start + rng.uniform(1.8, 2.6)
    return parts + row(rng, front, 70, gap=rng.choice([0.0, 3.0]))


def row(rng: np.random.Generator, front: float, length: float, *, gap: float, far: bool = False) -> list[Part]:
    """Buildings side by side with their fronts at about y = front, over a length about x = 0."""
    parts: list[Part] = []
    kind = rng.choice(["house", "office", "hall"], p=[0.5, 0.3, 0.2])
    x = -length / 2 - rng.uniform(0, 8)
    while x < length / 2:
        floors = int(rng.integers(1, 4))
        this = kind if rng.random() < 0.75 else rng.choice(["house", "office", "hall"])
        if this == "house":
            width = rng.uniform(8, 14)
            made = house(rng, width=width, floors=min(floors, 2 + far), detail=not far)
        elif this == "office":
            width = rng.uniform(14, 26)
            made = office(rng, width=width, floors=floors + far)
        else:
            width = rng.uniform(16, 28)
            made = hall(rng, width=width, height=rng.uniform(3.6, 6.5))
        parts += placed(made, (x + width / 2, front + rng.uniform(0, 0.5 + gap / 2)))
        x += width + gap * rng.uniform(0.6, 1.6)
    return parts


def wall(rng: np.random.Generator, stage: Stage) -> list[Part]:
    """A wall, a fence, a hedge or garage doors close behind the car, trees perhaps looking over."""
    start = stage.behind + rng.uniform(0.3, 2.5)
    kind = rng.choice(["wall", "fence", "garages", "hedge", "high"], p=[0.33, 0.22, 0.17, 0.1, 0.18])
    parts: list[Part] = []
    if kind == "wall":
        parts += placed(garden_wall(rng, width=70, height=rng.uniform(1.1, 2.6)), (0, start))
    elif kind == "fence":
        parts += placed(fence(rng, width=44, height=rng.uniform(1.2, 2.0)), (0, start))
    elif kind == "hedge":
        parts += placed(hedge(rng, stage.season, 46, rng.uniform(1.2, 2.4), 1.0, 9000, 0.14), (0, start + 0.6))
    else:
        height = rng.uniform(2.6, 3.4) if kind == "garages" else rng.uniform(4, 9)
        made = [Part("wall", boxes((0, 4, height / 2), (80, 8, height)), surface(rng, rng.choice(SURFACES)))]
        made.append(Part("edge", boxes((0, -0.03, height), (80, 0.2, 0.22)), matte(varied(rng, (0.2, 0.2, 0.2)))))
        if kind == "garages":
            step = rng.uniform(2.8, 3.3)
            for x in np.arange(-18, 18, step) + rng.uniform(0, step):
                made += roller_door(rng, float(x), 2.4, 2.1)
        parts += placed(made, (0, start))
    if kind in ("wall", "fence", "hedge") and rng.random() < 0.5:
        parts += street_edge(rng, stage, max(start - rng.uniform(0.2, 0.5), stage.behind + 0.1), 1.6)
    if kind not in ("garages", "high"):
        n = int(rng.integers(0, 7))
        spots = np.column_stack([rng.uniform(-20, 20, n), start + rng.uniform(3, 14, n)])
        parts += growth(rng, stage, spots, rng.uniform(4, 10, n), kinds=2, count=1700)
        if rng.random() < 0.6:
            parts += row(rng, start + rng.uniform(9, 20), 64, gap=4.0, far=True)
    weeds = int(rng.integers(0, 7))
    spots = np.column_stack([rng.uniform(-10, 10, weeds), np.full(weeds, start)])
    return parts + bushes(rng, stage, spots, rng.uniform(0.15, 0.5, weeds))


def street(rng: np.random.Generator, stage: Stage) -> list[Part]:
    """A street behind the car or that it stands in: kerb, pavement, lamp posts, trees, a row of houses."""
    start = stage.behind + rng.uniform(0.3, 6)
    wide = rng.uniform(1.8, 3.5)
    parts = street_edge(rng, stage, start, wide)
    front = start + wide + rng.uniform(0.3, 9)
    parts += row(rng, front, 72, gap=rng.choice([0.0, 3.0, 6.0]), far=rng.random() < 0.5)
    if front - start - wide > 2.5:
        parts += verge(rng, stage, start + wide + 0.2, front + 2)
        if rng.random() < 0.5:
            parts += placed(
                hedge(rng, stage.season, 50, rng.uniform(0.7, 1.4), 0.6, 6000, 0.13), (0, start + wide + 0.8)
            )
    n = int(rng.integers(0, 5))
    spots = np.column_stack([(np.arange(n) - n / 2 + rng.uniform(0, 1)) * 8, np.full(n, start + 0.9)])
    parts += growth(rng, stage, spots, rng.uniform(4.5, 8, n), kinds=2, count=1700)
    parts += lamp_posts(rng, start + 0.5, spacing=rng.uniform(14, 26))
    n = int(rng.integers(0, 4))
    parts += bins(rng, np.column_stack([rng.uniform(-14, 14, n), start + rng.uniform(0.5, wide, n)]))
    opposite = max(28.0, 8.0 - stage.camera[1])  # houses across the street: cars reflect them
    parts += placed(row(rng, opposite, 40, gap=3.0, far=True), (0, 0), turn=180)
    return parts


def lot(rng: np.random.Generator, stage: Stage) -> list[Part]:
    """A car dealer's lot: a low glass-fronted building, flags, bunting, lamp posts, boards without words."""
    front = stage.behind + rng.uniform(6, 22)
    width, height = rng.uniform(18, 34), rng.uniform(3.6, 5.5)
    at = rng.uniform(-10, 10)
    made = office(rng, width=width, floors=1) if rng.random() < 0.3 else hall(rng, width=width, height=height)
    band = glossy(pick(rng, ACCENTS), roughness=0.25)
    made.append(Part("fascia", boxes((0, -0.3, height - 0.3), (width + 0.5, 0.7, 0.9)), band))
    parts = placed(made, (at, front))
    parts += row(rng, front + 25, 76, gap=6.0, far=True)
    parts += lamp_posts(rng, stage.behind + rng.uniform(1, 6), spacing=rng.uniform(12, 20))
    if rng.random() < 0.6:
        parts += flags(rng, stage.behind + rng.uniform(0.8, 4))
    if rng.random() < 0.4:
        parts += bunting(rng, stage.behind + rng.uniform(1, 6))
    if rng.random() < 0.5:
        parts += board(rng, rng.uniform(-9, 9), stage.behind + rng.uniform(2, 9))
    n = int(rng.integers(0, 5))
    spots = np.column_stack([rng.uniform(-25, 25, n), front + rng.uniform(-1.5, 20, n)])
    return parts + growth(rng, stage, spots, rng.uniform(3.5, 8, n), kinds=2, count=1600)


PLACES: dict[str, Callable[[np.random.Generator, Stage], list[Part]]] = {
    "open": open_land,
    "trees": trees,
    "building": building,
    "wall": wall,
    "street": street,
    "lot": lot,
}
KINDS = (*PLACES, "backdrop", "white")
