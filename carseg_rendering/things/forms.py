"""Forms and surfaces that the things are made from: turned, extruded and lofted solids, rods, and what covers them.

Sizes are metres; z is up. A thing stands on z = 0 with its front towards +x.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike
from scipy.interpolate import PchipInterpolator

from carseg_rendering.geometry.materials import BSDF, matte, metal, paint, plastic
from carseg_rendering.geometry.meshes import Array, Floats, Mesh, Part, box, grid, lathe, tube, vertex_normals
from carseg_rendering.scene.textures import joined, noise, papered, tinted, varied
from carseg_rendering.scene.walls import ACCENTS, METALS, PLASTERS, WOODS, pick

Maker = Callable[[np.random.Generator], list[Part]]

RUBBER = plastic((0.014, 0.014, 0.015), roughness=0.5)
BLACK = plastic((0.02, 0.02, 0.022), roughness=0.3)
CHROME = metal((0.86, 0.87, 0.88), roughness=0.06)
STEEL = metal((0.50, 0.50, 0.51), roughness=0.3)
BRIGHT = [
    (0.62, 0.05, 0.04),
    (0.04, 0.16, 0.50),
    (0.72, 0.50, 0.03),
    (0.05, 0.32, 0.12),
    (0.72, 0.26, 0.03),
    (0.75, 0.75, 0.73),
    (0.30, 0.06, 0.34),
    (0.04, 0.36, 0.40),
    (0.70, 0.30, 0.36),
    (0.42, 0.55, 0.10),
]
FURS = [
    (0.16, 0.09, 0.05),
    (0.03, 0.025, 0.022),
    (0.42, 0.28, 0.14),
    (0.60, 0.56, 0.50),
    (0.24, 0.23, 0.22),
    (0.30, 0.13, 0.05),
]


def solid(size: Floats, at: Floats = (0, 0, 0), *, rounding: float = 0.0) -> Mesh:
    """A box whose foot's middle is at `at`."""
    return box(size, rounding=rounding).moved((at[0], at[1], at[2] + size[2] / 2))


def turned(profile: ArrayLike, *, sides: int = 36, sharp: bool = False) -> Mesh:
    """A solid of revolution about the z axis.

    Args:
        profile: (N, 2), pairs (radius, z); begin and end at radius 0 to close it.
        sides: Points round.
        sharp: Whether edges stay between the profile's points; otherwise they are rounded off by the shading.
    """
    points = np.asarray(profile, dtype=float)
    if sharp:
        points = np.repeat(points, 2, axis=0)[1:-1]
    return lathe(points * [1.0, -1.0], sides=sides).turned("x", -90)


def cylinder(
    radius: float, height: float, at: Floats = (0, 0, 0), *, top: float | None = None, sides: int = 36
) -> Mesh:
    """An upright cylinder, or a cone's stump of radius `top` above, whose foot's middle is at `at`."""
    upper = radius if top is None else top
    return turned([(0, 0), (radius, 0), (upper, height), (0, height)], sides=sides, sharp=True).moved(at)


def roller(radius: float, length: float, at: Floats) -> Mesh:
    """A cylinder along y about its middle, at `at`."""
    return cylinder(radius, length, (0, 0, -length / 2)).turned("x", 90).moved(at)


def rod(start: Floats, end: Floats, radius: float | Floats = 0.02, *, sides: int = 10) -> Mesh:
    """A round bar between two points; two radii make it taper."""
    return tube(np.array([start, end], dtype=float), radius, sides=sides)


def pipe(points: ArrayLike | Sequence[Floats], radius: float | ArrayLike, *, sides: int = 10, steps: int = 24) -> Mesh:
    """A round bar along a smooth curve through points (N, 3), N >= 3."""
    path = np.asarray(points, dtype=float)
    along = np.linspace(0, 1, len(path))
    at = np.linspace(0, 1, steps)
    radii = np.interp(at, along, np.broadcast_to(np.asarray(radius, dtype=float), len(path)))
    return tube(PchipInterpolator(along, path)(at), radii, sides=sides)


def ball(radii: float | Floats, at: Floats = (0, 0, 0), *, powers: tuple[float, float] = (1.0, 1.0)) -> Mesh:
    """An ellipsoid about `at`, or a superellipsoid.

    Args:
        radii: One radius, or one along each axis.
        at: Its middle.
        powers: Exponents from pole to pole and round; 1 is round, near 0 square, above 2 pinched.
    """
    polar, azimuth = np.linspace(0, np.pi, 25), np.linspace(0, 2 * np.pi, 41)

    def power(values: Array, exponent: float) -> Array:
        return np.sign(values) * np.abs(values) ** exponent

    ring = power(np.sin(polar), powers[0])
    points = np.stack(
        [
            power(np.cos(azimuth), powers[1])[:, None] * ring,
            power(np.sin(azimuth), powers[1])[:, None] * ring,
            np.broadcast_to(power(np.cos(polar), powers[0]), (41, 25)),
        ],
        -1,
    )
    return grid(points * np.broadcast_to(np.asarray(radii, dtype=float), 3), flip=True).moved(at)


def ring(radius: float, thickness: float, *, sides: int = 10, steps: int = 40) -> Mesh:
    """A torus about the origin in the plane of x and z, as a wheel stands."""
    angle = np.linspace(0, 2 * np.pi, steps + 1)[:-1]
    path = radius * np.stack([np.cos(angle), 0 * angle, np.sin(angle)], 1)
    points = np.stack(
        [
            path * (1 + thickness / radius * np.cos(turn)) + [0, thickness * np.sin(turn), 0]
            for turn in np.linspace(0, 2 * np.pi, sides + 1)
        ],
        1,
    )
    return grid(points, closed=True, flip=True)


def extruded(outline: ArrayLike, thickness: float) -> Mesh:
    """A flat solid, `thickness` deep along y.

    Args:
        outline: (N, 2), x and z of its corners, counter-clockwise as x turns to z; star-shaped about their mean.
        thickness: Its depth, metres.
    """
    flat = np.asarray(outline, dtype=float)
    n = len(flat)
    rim = np.stack([flat[:, 0], 0 * flat[:, 0], flat[:, 1]], 1)
    middle = rim.mean(axis=0)
    half = np.array([0, thickness / 2, 0])
    following = np.roll(np.arange(n), -1)
    fan = np.stack([np.full(n, n), np.arange(n), following], 1)
    face = np.concatenate([rim, middle[None]])
    edge = np.concatenate([rim - half, rim + half])
    sides = np.concatenate(
        [
            np.stack([np.arange(n), following + n, following], 1),
            np.stack([np.arange(n), np.arange(n) + n, following + n], 1),
        ]
    )
    flat_edge = Mesh(edge[sides].reshape(-1, 3), np.arange(6 * n).reshape(-1, 3), smooth=False)
    return joined([Mesh(face - half, fan, False), Mesh(face + half, fan[:, ::-1], False), flat_edge])


def lofted(sections: ArrayLike) -> Mesh:
    """A skin over closed sections (N, M, 3), capped at both ends; seen from the last they turn counter-clockwise."""
    points = np.asarray(sections, dtype=float)
    points = np.concatenate([points, points[:, :1]], axis=1)
    caps = [np.broadcast_to(points[end].mean(axis=0), (1, *points.shape[1:])) for end in (0, -1)]
    return grid(np.concatenate([caps[0], points, caps[1]]), flip=True)


def rounded_section(width: float, height: float, *, power: float = 0.6, count: int = 32) -> Array:
    """(count, 2): a closed superellipse, 1 an ellipse, towards 0 a rectangle."""
    angle = np.linspace(0, 2 * np.pi, count + 1)[:-1]
    c, s = (np.sign(f) * np.abs(f) ** power for f in (np.cos(angle), np.sin(angle)))
    return np.stack([width / 2 * c, height / 2 * s], 1)


def draped(mesh: Mesh) -> Mesh:
    """The mesh with texture coordinates in metres, laid on it aslant so that no face is parallel to the rays."""
    x, y, z = mesh.vertices.T
    return replace(mesh, texcoords=np.stack([x + 0.62 * y, z + 0.31 * (x - y)], 1))


def lumpy(mesh: Mesh, rng: np.random.Generator, depth: float, *, waves: int = 6) -> Mesh:
    """A smooth mesh with soft lumps, as stones and clay have.

    Args:
        mesh: The mesh.
        rng: Source of randomness.
        depth: Height of the lumps as a share of the mesh's largest extent.
        waves: Number of waves that are added up.
    """
    size = float(np.ptp(mesh.vertices, axis=0).max())
    scaled = mesh.vertices / size
    total = np.zeros(len(scaled))
    for _ in range(waves):
        total += np.sin(scaled @ rng.normal(0, 7, 3) + rng.uniform(0, 2 * np.pi)) / waves**0.5
    return replace(mesh, vertices=mesh.vertices + vertex_normals(mesh) * (depth * size * total)[:, None])


def shifted(point: Floats, x: float, y: float, z: float) -> Array:
    """(3,): a point moved along the axes."""
    return np.asarray(point, dtype=float) + np.array([x, y, z])


def both_sides(mesh: Mesh, y: float) -> Mesh:
    """The mesh at +y and its mirror image at -y."""
    return mesh.moved((0, y, 0)).with_mirror()


def wooden(rng: np.random.Generator) -> BSDF:
    """Wood: bare or varnished."""
    return plastic(pick(rng, WOODS), roughness=float(rng.uniform(0.2, 0.6)))


def lacquered(rng: np.random.Generator) -> BSDF:
    """Painted metal or plastic in a strong or a quiet colour."""
    colour = pick(rng, [*BRIGHT, *METALS[:3], *ACCENTS])
    return plastic(colour, roughness=float(rng.uniform(0.05, 0.4)))


def enamel(rng: np.random.Generator) -> BSDF:
    """The white, grey or steel of appliances, sometimes another colour."""
    if rng.random() < 0.25:
        return metal((0.55, 0.56, 0.57), roughness=float(rng.uniform(0.2, 0.4)))
    colours = [(0.78, 0.78, 0.76), (0.72, 0.72, 0.72), (0.10, 0.10, 0.105), (0.70, 0.64, 0.50), *BRIGHT[:4]]
    return plastic(pick(rng, colours), roughness=float(rng.uniform(0.06, 0.25)))


def bare_metal(rng: np.random.Generator) -> BSDF:
    """Steel, brass, copper or rust."""
    colour = pick(rng, [(0.55, 0.55, 0.56), (0.8, 0.8, 0.82), (0.72, 0.52, 0.24), (0.68, 0.36, 0.24)])
    if rng.random() < 0.2:
        return matte(varied(rng, (0.17, 0.07, 0.03)))
    return metal(colour, roughness=float(rng.uniform(0.08, 0.45)))


def cloth(rng: np.random.Generator) -> BSDF:
    """Cloth, leather or felt of one colour."""
    return matte(pick(rng, [*BRIGHT, *PLASTERS, *FURS]))


def ceramic(rng: np.random.Generator) -> BSDF:
    """Glazed or bare clay."""
    colour = pick(rng, [(0.76, 0.75, 0.72), (0.35, 0.15, 0.08), *BRIGHT])
    return plastic(colour, roughness=0.08) if rng.random() < 0.75 else matte(colour)


def glassy(rng: np.random.Generator) -> BSDF:
    """Bottle glass: dark, tinted and shiny."""
    return plastic(
        pick(rng, [(0.02, 0.07, 0.03), (0.07, 0.03, 0.01), (0.30, 0.42, 0.40), (0.03, 0.06, 0.12)]), roughness=0.03
    )


def anything(rng: np.random.Generator) -> BSDF:
    """Any surface, smooth, rough, shiny or patterned; meshes need texture coordinates (`draped`)."""
    kinds = (lacquered, wooden, bare_metal, cloth, ceramic, patterned, car_paint)
    return kinds[int(rng.choice(len(kinds), p=[0.2, 0.12, 0.14, 0.16, 0.14, 0.16, 0.08]))](rng)


def car_paint(rng: np.random.Generator) -> BSDF:
    """The paint of cars on something else, so that gloss alone makes no car."""
    return paint(pick(rng, BRIGHT), flake=float(rng.choice([0.0, 0.5])), roughness=0.02)


def patterned(rng: np.random.Generator, *, metres: float | None = None) -> BSDF:
    """Stripes, checks, dots, waves or stains in two colours, repeated every `metres` (0.3-1.2 if not given)."""
    first, second = pick(rng, [*BRIGHT, *PLASTERS]), pick(rng, [*BRIGHT, *FURS])
    y, x = np.mgrid[:256, :256] / 256
    n = int(rng.integers(1, 5))
    kind = int(rng.integers(5))
    weight = (
        np.sin(2 * np.pi * n * x) > rng.uniform(-0.6, 0.6),
        (np.sin(2 * np.pi * n * x) > 0) ^ (np.sin(2 * np.pi * n * y) > 0),
        np.hypot((n * x) % 1 - 0.5, (n * y) % 1 - 0.5) < rng.uniform(0.2, 0.42),
        np.sin(2 * np.pi * (n * x + 0.12 * np.sin(4 * np.pi * y))) > 0,
        noise(rng, 1.3) > rng.uniform(-0.6, 0.6),
    )[kind].astype(float)[..., None]
    picture = tinted(first, np.ones((256, 256))) * (1 - weight) + tinted(second, np.ones((256, 256))) * weight
    size = float(rng.uniform(0.3, 1.2)) if metres is None else metres
    return papered(picture, size, gloss=float(rng.uniform(0.1, 0.4)) if rng.random() < 0.5 else None)


def trimmed(mesh: Mesh) -> Mesh:
    """The mesh without vertices that no face has, which would count in its extent."""
    used, faces = np.unique(mesh.faces, return_inverse=True)
    texcoords = None if mesh.texcoords is None else mesh.texcoords[used]
    return replace(mesh, vertices=mesh.vertices[used], faces=faces.reshape(mesh.faces.shape), texcoords=texcoords)


def extent(parts: Sequence[Part]) -> Array:
    """(2, 3): least and largest coordinates of parts."""
    vertices = np.concatenate([part.mesh.vertices for part in parts])
    return np.stack([vertices.min(axis=0), vertices.max(axis=0)])
