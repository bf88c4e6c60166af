"""Patterns in numpy, and materials with them: the textures of ground, walls and leaves.

A pattern is a square array that repeats without a seam; colours are linear RGB in 0..1. A surface's texture
coordinates are metres, so that a pattern has a size in metres.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import ArrayLike

from carseg_rendering.camera.tracing import mitsuba
from carseg_rendering.geometry.materials import BSDF, matte, rgb
from carseg_rendering.geometry.meshes import Array, Floats, Mesh

SIZE = 256  # pixels of a pattern's side


def noise(rng: np.random.Generator, roughness: float, *, size: int = SIZE, stretch: float = 1.0) -> Array:
    """Clouds of all sizes: one of four patterns of the kind, shifted and mirrored at random.

    Args:
        rng: Source of randomness.
        roughness: Power by which amplitudes fall with frequency: 0 grains, 1 stains, 2 large soft clouds.
        size: Pixels of a side.
        stretch: Length of the clouds along the rows' index (v), as a multiple of their width.

    Returns:
        (size, size) of mean 0 and standard deviation 1.
    """
    values = _clouds(roughness, size, stretch, int(rng.integers(4)))
    values = np.roll(values, rng.integers(0, size, 2), axis=(0, 1))
    return values[:: rng.choice([-1, 1]), :: rng.choice([-1, 1])]


@cache
def _clouds(roughness: float, size: int, stretch: float, number: int) -> Array:
    rng = np.random.default_rng([number, round(100 * roughness), round(100 * stretch)])
    rows, columns = np.fft.fftfreq(size)[:, None] * stretch, np.fft.rfftfreq(size)[None]
    frequency = np.hypot(rows, columns)
    frequency[0, 0] = np.inf
    waves = rng.standard_normal((2, *frequency.shape))
    values = np.fft.irfft2((waves[0] + 1j * waves[1]) * frequency**-roughness, s=(size, size))
    values = (values - values.mean()) / values.std()
    values.flags.writeable = False
    return values


def ramp(values: Array, low: float, high: float) -> Array:
    """0 below `low`, 1 above `high`, smooth between."""
    t = np.clip((values - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def tinted(colour: Floats, lightness: Array) -> Array:
    """An (S, S, 3) picture: a colour times a lightness (S, S), within 0.01..0.95."""
    return np.clip(np.asarray(colour) * lightness[..., None], 0.01, 0.95)


def mixed(weight: Array, first: Floats, second: Floats) -> Array:
    """`first` where the weight (S, S) is 0, `second` where it is 1."""
    return np.asarray(first) * (1 - weight[..., None]) + np.asarray(second) * weight[..., None]


def stones(rng: np.random.Generator, across: int, *, size: int = SIZE) -> tuple[Array, Array]:
    """Pebbles: one about each point of a jittered lattice.

    Args:
        rng: Source of randomness.
        across: Number of pebbles along a side.
        size: Pixels of a side.

    Returns:
        (size, size) heights in 0..1, and (size, size) a random number in 0..1 for each pebble.
    """
    centres = rng.uniform(0.1, 0.9, (across, across, 2))
    reach, values = rng.uniform(0.75, 1.25, (across, across)), rng.uniform(0, 1, (across, across))
    y, x = (np.mgrid[:size, :size] + 0.5) * across / size
    row, column = y.astype(int), x.astype(int)
    nearest, chosen = np.full((size, size), np.inf), np.zeros((size, size))
    for i in (-1, 0, 1):
        for j in (-1, 0, 1):
            at = (row + i) % across, (column + j) % across
            distance = np.hypot(y - row - i - centres[at][..., 0], x - column - j - centres[at][..., 1]) / reach[at]
            closer = distance < nearest
            nearest, chosen = np.where(closer, distance, nearest), np.where(closer, values[at], chosen)
    return np.sqrt(np.clip(1 - (nearest / 0.8) ** 2, 0, 1)), chosen


def bricks(
    rng: np.random.Generator, rows: int, columns: int, *, joint: float = 0.12, shift: float = 0.5, size: int = SIZE
) -> tuple[Array, Array]:
    """A wall's or floor's bond.

    Args:
        rng: Source of randomness.
        rows: Number of courses in the pattern; even if they are shifted.
        columns: Number of bricks in a course.
        joint: Width of the joints as a share of a course's height.
        shift: Shift of every second course, as a share of a brick.
        size: Pixels of a side.

    Returns:
        (size, size) joints (1 in a joint, 0 on a brick), and (size, size) a random number in 0..1 for each brick.
    """
    y, x = (np.mgrid[:size, :size] + 0.5) / size
    row = (y * rows).astype(int)
    across = (x * columns + shift * (row % 2)) % columns
    column = across.astype(int)
    into_y, into_x = ((y * rows) % 1, (across % 1) * rows / columns)  # both in heights of a course at equal scale
    length = rows / columns
    edge = np.minimum(np.minimum(into_y, 1 - into_y), np.minimum(into_x, length - into_x))
    return 1 - ramp(edge, joint * 0.3, joint * 0.7), rng.uniform(0, 1, (rows, columns))[row, column]


def bitmap(pattern: Array, metres: float | tuple[float, float], turn: float = 0.0) -> BSDF:
    """A Mitsuba texture of a pattern (S, S) or (S, S, 3) that repeats every so many metres (along u, along v)."""
    mi = mitsuba()
    along = (metres, metres) if isinstance(metres, int | float) else metres
    place = mi.ScalarTransform4f().scale([1 / along[0], 1 / along[1], 1]).rotate([0, 0, 1], turn)
    pixels = np.ascontiguousarray(pattern if pattern.ndim == 3 else pattern[..., None], dtype=np.float32)
    return {"type": "bitmap", "bitmap": mi.Bitmap(pixels), "raw": pattern.ndim == 2, "to_uv": place}


def papered(
    pattern: Array, metres: float | tuple[float, float], *, turn: float = 0.0, gloss: float | None = None
) -> BSDF:
    """A matte surface with a coloured pattern, or one under a gloss of that roughness."""
    texture = bitmap(pattern, metres, turn)
    if gloss is None:
        return {"type": "twosided", "bsdf": {"type": "diffuse", "reflectance": texture}}
    return _glossy(texture, gloss)


def glossy(colour: Floats, *, roughness: float = 0.2) -> BSDF:
    """Varnish, plastic, wet ground. It loads much faster than Mitsuba's rough plastic."""
    return _glossy(rgb(colour), roughness)


def _glossy(base: BSDF, roughness: float) -> BSDF:
    layer = {"type": "principled", "base_color": base, "roughness": float(roughness) ** 0.5, "specular": 0.5}
    return {"type": "twosided", "bsdf": layer}


def blended(weight: Array, metres: float | tuple[float, float], first: BSDF, second: BSDF, turn: float = 0.0) -> BSDF:
    """One material where the pattern (S, S) is 0, another where it is 1."""
    return {"type": "blendbsdf", "weight": bitmap(weight, metres, turn), "first": first, "second": second}


def rough(bsdf: BSDF, height: Array, metres: float, depth: float) -> BSDF:
    """The same twosided material with bumps: a pattern (S, S) of heights in 0..1 that are `depth` metres deep."""
    bumps = {"type": "bumpmap", "scale": depth, "map": bitmap(height, metres), "under": bsdf["bsdf"]}
    return {"type": "twosided", "bsdf": bumps}


def cut_out(bsdf: BSDF, opacity: Array, metres: float | tuple[float, float]) -> BSDF:
    """A material with holes: there where the pattern (S, S) is 1, gone where it is 0."""
    return {"type": "mask", "opacity": bitmap(opacity, metres), "under": bsdf}


def palette(rng: np.random.Generator, colours: Sequence[Floats], *, spread: float = 0.25) -> BSDF:
    """A matte material for many small things of one kind in one mesh: leaves, blades of grass, far trees.

    Texture coordinates choose the shade: u, random, which of the colours; v how dark (0) or light (1).
    """
    shades = np.asarray(colours)[rng.integers(0, len(colours), 64)]
    shades = shades * np.exp(rng.normal(0, spread, (64, 1))) * np.exp(rng.normal(0, spread / 4, (64, 3)))
    light = np.linspace(0.3, 1.25, 16)[:, None, None]
    return papered(np.clip(shades[None] * light, 0.003, 0.95), (1.0, 1.0))


def haze(colour: Floats, distance: float) -> Array:
    """A colour seen through so many metres of air."""
    share = 1 - np.exp(-distance / 900)
    return np.asarray(colour) * (1 - share) + np.array([0.36, 0.43, 0.52]) * share


def quads(origins: ArrayLike, along: ArrayLike, up: ArrayLike) -> Mesh:
    """Flat rectangles with texture coordinates in metres, each counted from its own first corner.

    Args:
        origins: (N, 3), a corner of each.
        along: (N, 3) or (3,), one side, u.
        up: (N, 3) or (3,), the other side, v.
    """
    origins = np.atleast_2d(np.asarray(origins, dtype=float))
    along, up = (np.broadcast_to(np.asarray(side, dtype=float), origins.shape) for side in (along, up))
    corners = np.stack([origins, origins + along, origins + along + up, origins + up], axis=1)
    u, v = np.linalg.norm(along, axis=1), np.linalg.norm(up, axis=1)
    zero = np.zeros_like(u)
    texcoords = np.stack([np.stack([zero, u, u, zero], 1), np.stack([zero, zero, v, v], 1)], -1)
    first = 4 * np.arange(len(origins))[:, None]
    faces = np.concatenate([first + np.array([0, 1, 2]), first + np.array([0, 2, 3])])
    return Mesh(corners.reshape(-1, 3), faces, smooth=False, texcoords=texcoords.reshape(-1, 2))


def boxes(centres: ArrayLike, sizes: ArrayLike) -> Mesh:
    """Boxes with sharp edges along the axes, with texture coordinates in metres, v upwards.

    Args:
        centres: (N, 3).
        sizes: (N, 3) or (3,), full lengths along x, y and z.
    """
    centres = np.atleast_2d(np.asarray(centres, dtype=float))
    sizes = np.broadcast_to(np.asarray(sizes, dtype=float), centres.shape)
    low = centres - sizes / 2
    x, y, z = (sizes * np.eye(3)[i] for i in range(3))
    sides = [(low, x, z), (low + x, y, z), (low + x + y, -x, z), (low + y, -y, z), (low + z, x, y), (low + y, x, -y)]
    return joined([quads(*side) for side in sides])


def joined(meshes: Sequence[Mesh]) -> Mesh:
    """Several meshes in one that keeps their texture coordinates; all have some or none has.

    Raises:
        ValueError: There is none.
    """
    if not meshes:
        raise ValueError("there is no mesh to join")
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes[:-1])])
    given = [mesh.texcoords for mesh in meshes if mesh.texcoords is not None]
    return Mesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate([mesh.faces + start for mesh, start in zip(meshes, starts, strict=True)]),
        meshes[0].smooth,
        np.concatenate(given) if given else None,
    )


def varied(rng: np.random.Generator, colour: Floats, spread: float = 0.15) -> Array:
    """A colour a little lighter or darker, warmer or colder."""
    return np.clip(np.asarray(colour) * np.exp(rng.normal(0, spread, 1) + rng.normal(0, spread / 4, 3)), 0.005, 0.9)


def dark(colour: Floats = (0.02, 0.02, 0.022)) -> BSDF:
    """Joints, gaps, openings."""
    return matte(colour)
