"""Occluders between the camera and the car: a pole, a person, a plant or a railing."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from carseg_rendering.geometry.materials import matte, metal
from carseg_rendering.geometry.meshes import Array, Part, box, tube
from carseg_rendering.scene.grounds import distance_to_cars
from carseg_rendering.scene.people import person
from carseg_rendering.scene.plants import BARK, Season, blades, cloud, leaves, placed
from carseg_rendering.scene.textures import boxes, glossy, palette, varied
from carseg_rendering.scene.walls import ACCENTS, WOODS, pick

KINDS = ("none", "pole", "person", "plant", "railing")
HIDDEN = (0.03, 0.25)  # least and largest share of the car that an occluder hides
CAR_HEIGHT = 1.45
DISTANCE = 0.15  # metres that it keeps from cars
FROM_CAMERA = 0.9  # metres between its middle and the camera, at least


def occluder(rng: np.random.Generator, kind: str, *, camera: Array, clear: Array, season: Season) -> list[Part]:
    """One occluder that hides 3 to 25% of the main car.

    Args:
        rng: Source of randomness.
        kind: One of KINDS.
        camera: (3,) the camera's position, in the car's coordinates.
        clear: (K, 2) corners of the cars, the main car's first; nothing comes nearer to them than DISTANCE.
        season: Decides the colour of plants.

    Returns:
        The parts, from the best of several tries. Empty for kind "none", or if no try found room, as with a
            camera a metre from the car.

    Raises:
        ValueError: There is no such kind.
    """
    if kind not in KINDS:
        raise ValueError(f"unknown occluder {kind!r}: expected one of {', '.join(KINDS)}")
    if kind == "none":
        return []
    make = {"pole": _pole, "person": _someone, "plant": _plant, "railing": _railing}[kind]
    best: tuple[float, list[Part]] = (np.inf, [])
    wanted = rng.uniform(HIDDEN[0] + 0.01, HIDDEN[1] - 0.04)
    for _ in range(6):
        parts = make(rng, season)
        for _ in range(6):
            spot, across = _spot(rng, camera, clear)
            turn = across + (rng.normal(0, 8) if kind == "railing" else rng.uniform(0, 360))
            there = placed(parts, spot, turn=turn)
            if _nearest(there, clear) < DISTANCE or np.linalg.norm(spot - camera[:2]) < FROM_CAMERA:
                continue
            share = hidden_share(there, camera, clear[:4])
            if share <= HIDDEN[1] and abs(share - wanted) < best[0]:
                best = (abs(share - wanted), there)
        if best[0] < 0.05:
            break
    return best[1]


def _nearest(parts: list[Part], clear: Array) -> float:
    """Metres from parts to the cars, as far as they are as low as cars."""
    vertices = np.concatenate([part.mesh.vertices for part in parts])
    return float(distance_to_cars(vertices[vertices[:, 2] < CAR_HEIGHT, :2], clear).min(initial=np.inf))


def hidden_share(parts: list[Part], camera: Array, corners: Array, *, width: int = 120) -> float:
    """The share of a car, taken for a box with the given corners (4, 2), that parts hide from a camera at (3,)."""
    points = np.array([[x, y, z] for x, y in corners for z in (0.15, CAR_HEIGHT)])
    towards = np.array([0.0, 0.0, 0.7]) - camera
    towards = towards / np.linalg.norm(towards)
    right = np.cross(towards, [0, 0, 1.0])
    right /= np.linalg.norm(right)
    up = np.cross(right, towards)

    def project(vertices: Array) -> tuple[Array, Array]:
        offset = vertices - camera
        depth = offset @ towards
        return np.stack([offset @ right, offset @ up], -1) / np.maximum(depth, 0.05)[:, None], depth

    flat, depth = project(points)
    low, high = flat.min(axis=0), flat.max(axis=0)
    scale = width / (high[0] - low[0])
    size = (width, max(int(scale * (high[1] - low[1])), 1))
    car, cover = Image.new("1", size), Image.new("1", size)
    ImageDraw.Draw(car).polygon([tuple(p) for p in _hull((flat - low) * scale)], fill=1)
    draw = ImageDraw.Draw(cover)
    for part in parts:
        seen, far = project(part.mesh.vertices)
        corners_of = ((seen - low) * scale)[part.mesh.faces]
        front = (far[part.mesh.faces] < depth.max()).all(axis=1)
        inside = (corners_of.max(axis=1) >= 0).all(axis=1) & (corners_of.min(axis=1) <= size).all(axis=1)
        for triangle in corners_of[front & inside].reshape(-1, 6).tolist():
            draw.polygon(triangle, fill=1)
    shape, hidden = np.asarray(car), np.asarray(cover)
    return float((shape & hidden).sum() / shape.sum())


def _hull(points: Array) -> Array:
    """The convex hull of points (N, 2), in order."""

    def half(ordered: Array) -> list[Array]:
        chain: list[Array] = []
        for p in ordered:
            while len(chain) > 1 and _left_of(chain[-2], chain[-1], p) <= 0:
                chain.pop()
            chain.append(p)
        return chain[:-1]

    ordered = points[np.lexsort(points.T[::-1])]
    return np.array(half(ordered) + half(ordered[::-1]))


def _left_of(a: Array, b: Array, p: Array) -> float:
    return float((b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0]))


def _spot(rng: np.random.Generator, camera: Array, clear: Array) -> tuple[Array, float]:
    """A place on the ground on a line from the camera to the car, and the direction across that line in degrees."""
    corners = np.asarray(clear)[:4]
    target = rng.dirichlet(np.ones(4)) @ corners * 1.15
    line = target - camera[:2]
    near = distance_to_cars(camera[None, :2], corners)[0]
    spot = camera[:2] + line / np.linalg.norm(line) * rng.uniform(0.4, 0.9) * near
    return spot, float(np.degrees(np.arctan2(line[1], line[0]))) + 90


def _someone(rng: np.random.Generator, season: Season) -> list[Part]:
    return person(rng)


def _pole(rng: np.random.Generator, season: Season) -> list[Part]:
    kind = rng.choice(["post", "lamp", "trunk", "bollard"], p=[0.4, 0.2, 0.2, 0.2])
    if kind == "trunk":
        radius, z = rng.uniform(0.07, 0.16), np.linspace(-0.05, 4, 9)
        sway = np.cumsum(rng.normal(0, 0.025, (9, 2)), axis=0)
        thick = radius * np.linspace(1.25, 0.8, 9) * rng.uniform(0.93, 1.07, 9)
        return [Part("trunk", tube(np.column_stack([sway, z]), thick, sides=10), matte(varied(rng, BARK, 0.3)))]
    if kind == "bollard":
        height = rng.uniform(0.8, 1.1)
        colour = pick(rng, [(0.6, 0.45, 0.04), (0.05, 0.05, 0.05), (0.35, 0.35, 0.34), (0.5, 0.05, 0.04)])
        radius = rng.uniform(0.07, 0.13)
        body = tube([(0, 0, 0), (0, 0, height), (0, 0, height + 0.04)], [radius, radius, radius * 0.6], sides=14)
        band = tube([(0, 0, height * 0.78), (0, 0, height * 0.88)], radius * 1.02, sides=14)
        return [Part("bollard", body, glossy(colour, roughness=0.3)), Part("band", band, matte((0.65, 0.65, 0.63)))]
    radius = rng.uniform(0.025, 0.05) if kind == "post" else rng.uniform(0.06, 0.10)
    surface = [
        metal((0.45, 0.46, 0.47), roughness=0.35),
        matte((0.05, 0.08, 0.06)),
        matte(varied(rng, WOODS[2])),
        matte((0.3, 0.31, 0.31)),
    ]
    post = Part("pole", tube([(0, 0, 0), (0, 0, 1.0), (0, 0, 4.2)], radius, sides=12), surface[rng.integers(4)])
    if kind == "lamp":
        foot = tube([(0, 0, 0), (0, 0, 0.5), (0, 0, 0.6)], radius * np.array([1.7, 1.6, 1.0]), sides=12)
        return [post, Part("foot", foot, post.material)]
    if rng.random() < 0.5:
        return [post]
    plate = box((0.03, rng.uniform(0.3, 0.6), rng.uniform(0.3, 0.6)), rounding=0.012).moved(
        (0.05, 0, rng.uniform(1.5, 2.3))
    )
    return [post, Part("sign", plate, glossy(pick(rng, [*ACCENTS, (0.6, 0.6, 0.6)]), roughness=0.3))]


def _plant(rng: np.random.Generator, season: Season) -> list[Part]:
    green = palette(rng, season.leaves)
    kind = rng.choice(["shrub", "pot", "reeds", "branch"], p=[0.4, 0.2, 0.2, 0.2])
    if kind == "reeds":
        n = 260
        feet = rng.normal(0, rng.uniform(0.2, 0.5), (n, 2))
        return [Part("reeds", blades(rng, feet, rng.uniform(0.3, 1.1, n), width=0.014), palette(rng, season.grass))]
    if kind == "branch":  # hangs in from above
        start = np.array([0, 0, rng.uniform(1.9, 2.3)])
        end = start + np.array([0, rng.uniform(0.8, 1.5), -rng.uniform(0.4, 0.9)])
        t = np.linspace(0, 1, 260)[:, None]
        spots = start + (end - start) * t + rng.normal(0, 0.12, (260, 3))
        twig = tube(
            np.array([start + np.array([0, -1.5, 0.4]), start, (start + end) / 2, end]),
            [0.02, 0.014, 0.009, 0.004],
            sides=5,
        )
        spray = leaves(rng, spots, rng.uniform(0.4, 0.9, 260), 0.10, pointed=1.8)
        return [Part("spray", spray, green), Part("twig", twig, matte(varied(rng, BARK)))]
    foot = 0.0
    parts: list[Part] = []
    if kind == "pot":
        foot = rng.uniform(0.35, 0.55)
        rim = foot * rng.uniform(0.4, 0.5)
        pot = tube([(0, 0, 0), (0, 0, foot * 0.9), (0, 0, foot)], np.array([0.75, 1.0, 1.06]) * rim, sides=20)
        parts.append(
            Part(
                "pot",
                pot,
                matte(pick(rng, [(0.33, 0.13, 0.07), (0.3, 0.3, 0.3), (0.05, 0.05, 0.05), (0.5, 0.48, 0.44)])),
            )
        )
    size = rng.uniform(0.45, 0.9)
    blobs = int(rng.integers(5, 9))
    centres = np.column_stack([rng.normal(0, 0.22, (blobs, 2)), rng.uniform(0.3, 0.75, blobs)]) * size + [0, 0, foot]
    crown = cloud(rng, centres, size * rng.uniform(0.2, 0.34, (blobs, 3)), 900, rng.uniform(0.05, 0.09), pointed=1.7)
    stems = [tube([(0, 0, foot - 0.05), tuple(centre)], 0.008, sides=4) for centre in centres]
    parts += [Part("leaves", crown, green), *(Part("stem", stem, matte(varied(rng, BARK))) for stem in stems)]
    if rng.random() < 0.4:
        spots = centres[rng.integers(blobs, size=70)] + rng.normal(0, 0.2 * size, (70, 3))
        bloom = leaves(rng, spots, np.full(70, 0.9), 0.06)
        parts.append(
            Part(
                "flowers",
                bloom,
                palette(rng, [pick(rng, [(0.6, 0.05, 0.12), (0.7, 0.7, 0.65), (0.65, 0.45, 0.03), (0.3, 0.08, 0.4)])]),
            )
        )
    return parts


def _railing(rng: np.random.Generator, season: Season) -> list[Part]:
    """Posts and rails across the view; long enough to leave the picture on one side or both."""
    length, height = rng.uniform(5, 9), rng.uniform(0.5, 1.0)
    thick = rng.uniform(0.015, 0.035)
    surface = [
        metal((0.5, 0.5, 0.52), roughness=0.3),
        matte((0.02, 0.022, 0.022)),
        matte((0.6, 0.6, 0.58)),
        matte(varied(rng, WOODS[1])),
    ]
    colour = surface[rng.integers(4)]
    x = np.arange(-length / 2, length / 2 + 0.1, rng.uniform(1.2, 2.2))
    posts = boxes(np.column_stack([x, 0 * x, 0 * x + height / 2]), (2 * thick, 2 * thick, height))
    rails = [
        height - thick,
        *([height * 0.5] if rng.random() < 0.7 else []),
        *([height * 0.15] if rng.random() < 0.3 else []),
    ]
    parts = [
        Part("posts", posts, colour),
        Part("rails", boxes([(0, 0, z) for z in rails], (length, 1.6 * thick, 2 * thick)), colour),
    ]
    if rng.random() < 0.3:
        bars = np.arange(-length / 2, length / 2, rng.uniform(0.10, 0.16))
        upright = boxes(np.column_stack([bars, 0 * bars, 0 * bars + height / 2]), (0.014, 0.014, height * 0.96))
        parts.append(Part("bars", upright, colour))
    return parts
