"""Houses, offices, halls and walls.

Everything here is built along x with its front at y = 0 facing -y, its foot on z = 0 and its middle at x = 0; it
reaches back towards +y. Sizes are metres.
"""

from __future__ import annotations

import numpy as np

from carseg_rendering.geometry.materials import BSDF, matte, metal
from carseg_rendering.geometry.meshes import Array, Mesh, Part
from carseg_rendering.scene.textures import boxes, bricks, glossy, joined, noise, papered, quads, tinted, varied
from carseg_rendering.scene.walls import ACCENTS, BRICKS, SURFACES, TRIMS, WOODS, pick, roller_door, surface


def pane(rng: np.random.Generator) -> BSDF:
    """A window's glass: dark behind, reflecting before."""
    behind = varied(rng, (0.03, 0.035, 0.04), 0.4)
    return {
        "type": "blendbsdf",
        "weight": float(rng.uniform(0.10, 0.30)),
        "room": matte(behind),
        "glass": metal((0.85, 0.9, 0.92), roughness=0.03),
    }


def windows(
    rng: np.random.Generator, corners: Array, size: tuple[float, float], *, mullions: int, trim: BSDF, sill: bool = True
) -> list[Part]:
    """Windows of one size in a wall at y = 0.

    Args:
        rng: Source of randomness.
        corners: (N, 2), lower left corners (x, z).
        size: Width and height.
        mullions: Number of bars that divide each window from left to right.
        trim: Material of frames and sills.
        sill: Whether windows have a sill.
    """
    width, height = size
    origins = np.column_stack([corners[:, 0], np.full(len(corners), -0.01), corners[:, 1]])
    middles = origins + np.array([width / 2, 0, height / 2])
    bar = 0.06
    frame = [
        boxes(middles + np.array([dx, -0.03, 0]), (bar, 0.08, height))
        for dx in np.linspace(-width / 2, width / 2, mullions + 2)
    ] + [boxes(middles + np.array([0, -0.03, dz]), (width + bar, 0.08, bar)) for dz in (-height / 2, height / 2)]
    if sill:
        frame.append(boxes(middles + np.array([0, -0.09, -height / 2 - 0.03]), (width + 0.2, 0.2, 0.06)))
    parts = [
        Part("panes", quads(origins, (width, 0, 0), (0, 0, height)), pane(rng)),
        Part("frames", joined(frame), trim),
    ]
    # curtains and blinds in some of them, just before the glass: at this size they read as behind it
    hung = rng.random(len(corners)) < 0.35
    if hung.any():
        drop = height * rng.uniform(0.2, 1.0, (hung.sum(), 1))
        top = origins[hung] + [0, -0.01, height] - drop * [0, 0, 1]
        cloth = quads(top, (width, 0, 0), drop * [0, 0, 1])
        parts.append(Part("curtains", cloth, glossy(varied(rng, (0.32, 0.31, 0.28), 0.3), roughness=0.15)))
    return parts


def pitched_roof(rng: np.random.Generator, width: float, depth: float, z: float, *, gable: bool) -> list[Part]:
    """A roof of tiles over a house: its ridge along x, or along y so that the gable faces the viewer."""
    eaves, rise = rng.uniform(0.3, 0.6), rng.uniform(0.3, 0.55)
    joints, each = bricks(rng, 16, 12, joint=0.3)
    base = [(0.20, 0.10, 0.07), (0.10, 0.10, 0.11), (0.25, 0.13, 0.08), (0.14, 0.12, 0.10)]
    tone = np.exp(0.3 * (each - 0.5) + 0.12 * noise(rng, 1.2)) * (1 - 0.5 * joints)
    tiles = papered(tinted(pick(rng, base), tone), 3.6)
    trim = matte(pick(rng, TRIMS))
    if gable:
        half, top = width / 2 + eaves, rise * (width + 2 * eaves) * 0.9
        left, right = np.array([-half, -eaves, z]), np.array([half, -eaves, z])
        back, ridge = np.array([0, depth + 2 * eaves, 0]), np.array([0, -eaves, z + top])
        slopes = quads([left, right], [back, back], [ridge - left, ridge - right])
        edge = top * (1 - eaves / half)
        triangle = Mesh(
            np.array([[-width / 2, 0, z], [width / 2, 0, z], [0, 0, z + edge]]), np.array([[0, 1, 2]]), False,
            np.array([[0, 0], [width, 0], [width / 2, edge]]),
        )  # fmt: skip
        barge = quads([left, right], [ridge - left, ridge - right], (0, 0, -0.18))
        gable_wall = surface(rng, rng.choice(["plaster", "boards", "brick"]))
        return [Part("roof", slopes, tiles), Part("barge boards", barge, trim), Part("gable", triangle, gable_wall)]
    top = rise * (depth / 2 + eaves)
    front, back = np.array([-width / 2 - eaves, -eaves, z]), np.array([-width / 2 - eaves, depth + eaves, z])
    along, slope = np.array([width + 2 * eaves, 0, 0]), np.array([0, depth / 2 + eaves, top])
    parts = [
        Part("roof", quads([front, back], along, [slope, slope * [1, -1, 1]]), tiles),
        Part("gutter", boxes((0, -eaves - 0.03, z), (width + 2 * eaves, 0.12, 0.12)), trim),
    ]
    if rng.random() < 0.6:
        at = (rng.uniform(-0.35, 0.35) * width, depth * 0.45, z + top)
        parts.append(Part("chimney", boxes(at, (0.7, 0.6, 2.0)), matte(pick(rng, BRICKS))))
    return parts


def house(rng: np.random.Generator, *, width: float, floors: int, detail: bool = True) -> list[Part]:
    """A dwelling house with a pitched roof, doors, perhaps a garage."""
    storey, depth = rng.uniform(2.6, 3.0), rng.uniform(7, 10)
    height, foot = floors * storey + 0.3, rng.uniform(0.25, 0.6)
    wall = surface(rng, rng.choice(SURFACES[:3], p=[0.5, 0.3, 0.2]))
    trim, accent = matte(pick(rng, TRIMS)), glossy(pick(rng, [*ACCENTS, *WOODS, TRIMS[0]]), roughness=0.2)
    parts = [
        Part("walls", boxes((0, depth / 2, height / 2), (width, depth, height)), wall),
        Part(
            "plinth",
            boxes((0, depth / 2, foot / 2), (width + 0.06, depth + 0.06, foot)),
            matte(varied(rng, (0.2, 0.19, 0.18))),
        ),
    ]
    bays = max(int(width / rng.uniform(2.6, 3.6)), 2)
    middles = (np.arange(bays) + 0.5) / bays * width - width / 2
    size = (float(rng.uniform(0.9, 1.7)), float(rng.uniform(1.1, 1.5)))
    door, garage = int(rng.integers(bays)), -1
    if detail and rng.random() < 0.5:
        garage = (door + 1) % bays
        parts += roller_door(rng, float(middles[garage]), min(2.6, width / bays - 0.2), 2.15, raised=0.0)
    taken = {door, garage}
    corners = [
        (middles[bay] - size[0] / 2, 1.0 + 0.3 + floor * storey)
        for floor in range(floors)
        for bay in range(bays)
        if floor or bay not in taken
    ]
    if corners:
        parts += windows(rng, np.array(corners), size, mullions=int(rng.integers(0, 3)), trim=trim)
        if rng.random() < 0.3:
            beside = np.array([[x + dx, z + size[1] / 2] for x, z in corners for dx in (-0.25, size[0] + 0.25)])
            shutters = boxes(np.insert(beside, 1, -0.03, axis=1), (0.42, 0.06, size[1] + 0.1))
            parts.append(Part("shutters", shutters, accent))
    at = float(middles[door])
    parts += [
        Part("door", boxes((at, -0.01, 1.25), (0.95, 0.06, 2.1)), accent),
        Part("door frame", boxes([(at - 0.53, -0.03, 1.27), (at + 0.53, -0.03, 1.27), (at, -0.03, 2.36)],
                                 [(0.1, 0.1, 2.2), (0.1, 0.1, 2.2), (1.16, 0.1, 0.1)]), trim),
        Part("step", boxes((at, -0.4, 0.1), (1.5, 0.8, 0.2)), matte((0.33, 0.32, 0.30))),
    ]  # fmt: skip
    if rng.random() < 0.5:
        parts.append(Part("porch", boxes((at, -0.6, 2.55), (1.8, 1.2, 0.1)), trim))
    drain = width / 2 - 0.15
    parts.append(Part("pipe", boxes((rng.choice([-1, 1]) * drain, -0.06, height / 2), (0.09, 0.09, height)), trim))
    return parts + pitched_roof(rng, width, depth, height, gable=rng.random() < 0.35)


def office(rng: np.random.Generator, *, width: float, floors: int) -> list[Part]:
    """A building of many windows with a flat roof: bands of glass or rows of windows, shops perhaps at its foot."""
    storey, depth = rng.uniform(3.1, 3.7), 12.0
    height = floors * storey + 0.6
    wall = surface(rng, rng.choice(SURFACES, p=[0.35, 0.25, 0.0, 0.1, 0.3]))
    trim = matte(pick(rng, TRIMS))
    parts = [Part("walls", boxes((0, depth / 2, height / 2), (width, depth, height)), wall)]
    first = 0
    if rng.random() < 0.55:
        parts += shop_front(rng, width, storey)
        first = 1
    bay = rng.uniform(1.4, 3.6)
    bays = max(int(width / bay), 2)
    middles = (np.arange(bays) + 0.5) / bays * width - width / 2
    banded = rng.random() < 0.45
    size = (width / bays - (0.06 if banded else rng.uniform(0.4, 1.1)), float(rng.uniform(1.3, 2.2)))
    corners = [(x - size[0] / 2, floor * storey + 0.9) for floor in range(first, floors) for x in middles]
    if corners:
        parts += windows(rng, np.array(corners), size, mullions=int(rng.integers(0, 2)), trim=trim, sill=not banded)
    parts.append(Part("parapet", boxes((0, -0.06, height), (width + 0.3, 0.3, 0.25)), trim))
    if rng.random() < 0.4:  # a canopy over the entrance
        parts.append(Part("canopy", boxes((rng.uniform(-0.3, 0.3) * width, -0.8, 2.9), (4.0, 1.7, 0.2)), trim))
    return parts


def shop_front(rng: np.random.Generator, width: float, height: float) -> list[Part]:
    """Large panes, a band for the name above (without any), doors, perhaps an awning."""
    bay = width / max(round(width / rng.uniform(2.2, 3.8)), 1)
    lefts = np.arange(round(width / bay)) * bay - width / 2 + 0.12
    foot = rng.uniform(0.05, 0.6)
    trim = matte(pick(rng, TRIMS))
    parts = windows(
        rng,
        np.column_stack([lefts, np.full(len(lefts), foot)]),
        (bay - 0.24, height - foot - 0.8),
        mullions=1,
        trim=trim,
        sill=False,
    )
    band = glossy(pick(rng, ACCENTS), roughness=0.25)
    parts.append(Part("band", boxes((0, -0.08, height - 0.35), (width, 0.16, 0.6)), band))
    # blocks where letters would be
    n = int(rng.integers(4, 9))
    letters = np.column_stack(
        [rng.uniform(-0.2, 0.2) * width + np.arange(n) * 0.5, np.full(n, -0.18), np.full(n, height - 0.35)]
    )
    sizes = np.column_stack([rng.uniform(0.15, 0.42, n), np.full(n, 0.04), rng.uniform(0.2, 0.36, n)])
    parts.append(Part("letters", boxes(letters, sizes), glossy(pick(rng, ACCENTS), roughness=0.3)))
    if rng.random() < 0.4:
        start = rng.uniform(-0.5, 0.2) * width
        awning = quads((start, -1.4, height - 0.95), (width * 0.3, 0, 0), (0, 1.4, 0.55))
        parts.append(Part("awning", awning, matte(pick(rng, ACCENTS))))
    return parts


def hall(rng: np.random.Generator, *, width: float, height: float) -> list[Part]:
    """A workshop or store: one large wall, roller doors, a door, few windows high up."""
    wall = surface(rng, rng.choice(SURFACES, p=[0.15, 0.25, 0.0, 0.35, 0.25]))
    trim = matte(pick(rng, TRIMS))
    parts = [
        Part("walls", boxes((0, 8, height / 2), (width, 16, height)), wall),
        Part("edge", boxes((0, -0.04, height), (width + 0.2, 0.2, 0.3)), trim),
    ]
    x = -width / 2 + rng.uniform(1, 3)
    while x < width / 2 - 4:
        kind, wide = rng.random(), rng.uniform(2.6, 4.2)
        if kind < 0.55:
            parts += roller_door(rng, x + wide / 2, wide, min(rng.uniform(2.4, 3.6), height - 0.5))
        elif kind < 0.75:
            wide = 1.0
            parts.append(
                Part("door", boxes((x + 0.5, 0, 1.05), (0.95, 0.06, 2.1)), glossy(pick(rng, ACCENTS), roughness=0.3))
            )
        elif height > 3.2:
            corner = np.array([[x, height - 1.6]])
            parts += windows(rng, corner, (wide, 0.9), mullions=2, trim=trim, sill=False)
        x += wide + rng.uniform(0.5, 3.5)
    lamps = rng.uniform(-width / 2, width / 2, 4)
    parts.append(Part("lamps", boxes([(lamp, -0.12, height - 0.7) for lamp in lamps], (0.3, 0.24, 0.2)), trim))
    return parts
