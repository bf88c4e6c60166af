"""Triangle meshes in numpy: the primitives of cars and their surroundings.

Units are metres. A car stands on z = 0 with x forward, y to its left, z up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

Array = np.ndarray
Floats = Sequence[float] | Array  # the numbers of a vector, a size or a colour


@dataclass(frozen=True, eq=False)
class Mesh:
    """A triangle mesh.

    Attributes:
        vertices: (V, 3) float64, metres.
        faces: (F, 3) int64, indices into the vertices; seen from outside they turn counter-clockwise.
        smooth: Whether normals are interpolated over the faces.
        texcoords: (V, 2) texture coordinates (u, v), or None; textures repeat beyond 0..1.
    """

    vertices: Array
    faces: Array
    smooth: bool = True
    texcoords: Array | None = None

    def moved(self, offset: Floats) -> Mesh:
        """The same mesh, shifted by (x, y, z)."""
        return replace(self, vertices=self.vertices + np.asarray(offset, dtype=float))

    def scaled(self, factors: float | Floats) -> Mesh:
        """The same mesh, scaled about the origin by one factor or one for each axis (all positive)."""
        return replace(self, vertices=self.vertices * np.asarray(factors, dtype=float))

    def turned(self, axis: str, degrees: float) -> Mesh:
        """The same mesh, turned about the x, y or z axis (counter-clockwise seen from the axis' tip)."""
        return replace(self, vertices=self.vertices @ rotation(axis, degrees).T)

    def mirrored(self) -> Mesh:
        """Its mirror image in the plane y = 0, faces turned so that they still point outwards."""
        return replace(self, vertices=self.vertices * [1.0, -1.0, 1.0], faces=self.faces[:, ::-1])

    def with_mirror(self) -> Mesh:
        """The mesh and its mirror image in one."""
        return merged([self, self.mirrored()])


@dataclass(frozen=True, eq=False)
class Part:
    """A mesh with its material.

    Attributes:
        name: For debugging; need not be unique.
        mesh: The mesh.
        material: A Mitsuba BSDF as a dictionary, as `carseg_rendering.geometry.materials` gives.
    """

    name: str
    mesh: Mesh
    material: dict[str, Any]


def rotation(axis: str, degrees: float) -> Array:
    """The (3, 3) matrix of a turn about the x, y or z axis."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = {
        "x": [[1, 0, 0], [0, c, -s], [0, s, c]],
        "y": [[c, 0, s], [0, 1, 0], [-s, 0, c]],
        "z": [[c, -s, 0], [s, c, 0], [0, 0, 1]],
    }
    return np.array(turn[axis], dtype=float)


def merged(meshes: Sequence[Mesh]) -> Mesh:
    """Several meshes in one, without texture coordinates; smooth if the first is.

    Raises:
        ValueError: There is none.
    """
    if not meshes:
        raise ValueError("there is no mesh to merge")
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
    return Mesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate([mesh.faces + start for mesh, start in zip(meshes, starts, strict=False)]),
        meshes[0].smooth,
    )


def grid(points: Array, *, closed: bool = False, flip: bool = False, smooth: bool = True) -> Mesh:
    """A surface over a grid of points.

    Args:
        points: (N, M, 3).
        closed: Whether the last row joins the first.
        flip: Turn the faces round. Unturned, a face's normal is (along rows' index) × (along columns' index).
        smooth: As in Mesh.
    """
    rows, columns = points.shape[:2]
    index = np.arange(rows * columns).reshape(rows, columns)
    if closed:
        index = np.concatenate([index, index[:1]])
    a, b, c, d = index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]
    faces = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
    return Mesh(points.reshape(-1, 3), faces[:, ::-1] if flip else faces, smooth)


def box(size: Floats, *, rounding: float = 0.0) -> Mesh:
    """A box about the origin.

    Args:
        size: Lengths along x, y and z.
        rounding: Radius of the edges; 0 for sharp ones.
    """
    half = np.asarray(size, dtype=float) / 2
    if rounding <= 0:
        corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=float)
        quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
        # a vertex of its own for each face, so that edges stay sharp
        vertices = np.concatenate([corners[list(quad)] for quad in quads]) * half
        faces = np.concatenate([[[4 * i, 4 * i + 1, 4 * i + 2], [4 * i, 4 * i + 2, 4 * i + 3]] for i in range(6)])
        return Mesh(vertices, faces, smooth=False)
    radius = min(rounding, *half)
    polar, azimuth = np.linspace(0, np.pi, 9), np.linspace(0, 2 * np.pi, 17)[:-1] + np.pi / 16
    ball = np.stack(
        [
            np.cos(azimuth)[:, None] * np.sin(polar),
            np.sin(azimuth)[:, None] * np.sin(polar),
            np.broadcast_to(np.cos(polar), (16, 9)),
        ],
        -1,
    )
    corner = np.sign(np.where(np.abs(ball) < 1e-9, 1e-9, ball)) * (half - radius)
    return grid(ball * radius + corner, closed=True, flip=True)


def lathe(profile: Array, *, sides: int = 32) -> Mesh:
    """A surface of revolution about the y axis, as wheels are.

    Args:
        profile: (N, 2), pairs (radius, y). From the outside of the solid, in the order that puts it to the right.
        sides: Points round.
    """
    profile = np.asarray(profile, dtype=float)
    angles = np.linspace(0, 2 * np.pi, sides + 1)[:-1]
    points = np.stack(
        [
            np.cos(angles)[:, None] * profile[:, 0],
            np.broadcast_to(profile[:, 1], (sides, len(profile))),
            np.sin(angles)[:, None] * profile[:, 0],
        ],
        -1,
    )
    return grid(points, closed=True)


def tube(
    path: ArrayLike, radius: float | ArrayLike, *, sides: int = 8, closed: bool = False, flatness: float = 1.0
) -> Mesh:
    """A round bar along a path of points (N, 3).

    Args:
        path: The centre line.
        radius: One radius, or one for each point.
        sides: Points round.
        closed: Whether the path's end joins its start; otherwise the ends are capped.
        flatness: Its thickness across the up direction, as a share of its height.
    """
    path = np.asarray(path, dtype=float)
    ahead = np.gradient(path, axis=0)
    if closed:
        ahead = np.roll(path, -1, axis=0) - np.roll(path, 1, axis=0)
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True) + 1e-12
    up = np.where(np.abs(ahead[:, 2:3]) > 0.9, [[1.0, 0.0, 0.0]], [[0.0, 0.0, 1.0]])
    side = np.cross(ahead, up)
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    up = np.cross(side, ahead)
    angles = np.linspace(0, 2 * np.pi, sides + 1)[:-1]
    radii = np.broadcast_to(np.asarray(radius, dtype=float), len(path))[:, None, None]
    ring = np.cos(angles)[:, None] * side[:, None] * flatness + np.sin(angles)[:, None] * up[:, None]
    points = path[:, None] + radii * ring
    if closed:
        points = np.concatenate([points, points[:1]])
    else:
        points = np.concatenate(
            [np.broadcast_to(path[0], (1, sides, 3)), points, np.broadcast_to(path[-1], (1, sides, 3))]
        )
    return grid(np.concatenate([points, points[:, :1]], axis=1))


def disc(radius: float, *, sides: int = 32) -> Mesh:
    """A flat disc about the origin that faces +y."""
    angles = np.linspace(0, 2 * np.pi, sides + 1)[:-1]
    rim = np.stack([radius * np.cos(angles), np.zeros(sides), radius * np.sin(angles)], -1)
    following = np.roll(np.arange(1, sides + 1), -1)
    faces = np.stack([np.zeros(sides, dtype=int), following, np.arange(1, sides + 1)], -1)
    return Mesh(np.concatenate([np.zeros((1, 3)), rim]), faces, smooth=False)


def without_faces(mesh: Mesh, drop: Callable[[Array], Array]) -> Mesh:
    """The mesh without the faces for whose centres (F, 3) `drop` returns True."""
    centres = mesh.vertices[mesh.faces].mean(axis=1)
    return replace(mesh, faces=mesh.faces[~drop(centres)])


def vertex_normals(mesh: Mesh) -> Array:
    """Unit normals (V, 3) of a mesh's vertices: the mean of its faces' normals, weighted by area."""
    a, b, c = (mesh.vertices[mesh.faces[:, i]] for i in range(3))
    of_faces = np.cross(b - a, c - a)
    normals = np.zeros_like(mesh.vertices)
    for i in range(3):
        np.add.at(normals, mesh.faces[:, i], of_faces)
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    return np.where(lengths > 1e-12, normals / np.maximum(lengths, 1e-12), [[0.0, 0.0, 1.0]])
