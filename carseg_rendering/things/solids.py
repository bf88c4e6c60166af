"""Balls and abstract shapes: superquadrics, knots, springs, blobs, polyhedra."""

from __future__ import annotations

import numpy as np
from scipy.spatial import ConvexHull

from carseg_rendering.geometry.materials import BSDF
from carseg_rendering.geometry.meshes import Mesh, Part, merged, tube
from carseg_rendering.things.forms import (
    Maker,
    anything,
    ball,
    cylinder,
    draped,
    extruded,
    lumpy,
    patterned,
    ring,
    rod,
    solid,
)


def _grounded(mesh: Mesh) -> Mesh:
    return mesh.moved((0, 0, -mesh.vertices[:, 2].min()))


def _ball(rng: np.random.Generator) -> list[Part]:
    parts, y = [], 0.0
    for _ in range(int(rng.choice([1, 1, 2, 3]))):
        radius = rng.uniform(0.3, 0.6)
        y += radius
        mesh = ball(radius).turned("x", rng.uniform(0, 90)).moved((rng.uniform(-0.2, 0.2), y, 0))
        parts.append(
            Part("ball", draped(_grounded(mesh)), patterned(rng, metres=0.6) if rng.random() < 0.4 else anything(rng))
        )
        y += radius
    return parts


def _ball_stack(rng: np.random.Generator) -> list[Part]:
    layers, colours = int(rng.integers(2, 5)), [anything(rng) for _ in range(3)]
    groups: list[list[Mesh]] = [[], [], []]
    for layer in range(layers):
        n = layers - layer
        for i in range(n):
            for j in range(n):
                at = (0.4 * (i - (n - 1) / 2), 0.4 * (j - (n - 1) / 2), 0.2 + 0.285 * layer)
                groups[int(rng.integers(3))].append(ball(0.2, at))
    return [
        Part("balls", draped(merged(group)), colour) for group, colour in zip(groups, colours, strict=True) if group
    ]


def _superquadric(rng: np.random.Generator) -> list[Part]:
    powers = (float(rng.uniform(0.15, 2.2)), float(rng.uniform(0.15, 2.2)))
    mesh = ball(rng.uniform(0.3, 0.7, 3), powers=powers).turned("y", rng.uniform(-25, 25))
    return [Part("superquadric", draped(_grounded(mesh)), anything(rng))]


def _knot(rng: np.random.Generator) -> list[Part]:
    p, q = [(2, 3), (3, 2), (2, 5), (3, 4), (1, 4)][int(rng.integers(5))]
    t = np.linspace(0, 2 * np.pi, 241)[:-1]
    r = 0.55 + 0.24 * np.cos(q * t)
    path = np.stack([0.24 * np.sin(q * t), r * np.cos(p * t), r * np.sin(p * t)], 1)
    return [Part("knot", draped(_grounded(tube(path, rng.uniform(0.05, 0.12), sides=14, closed=True))), anything(rng))]


def _torus(rng: np.random.Generator) -> list[Part]:
    parts: list[Part] = []
    z = 0.0
    flat = rng.random() < 0.5
    for _ in range(int(rng.integers(1, 5)) if flat else 1):
        thick, radius = rng.uniform(0.06, 0.2), rng.uniform(0.3, 0.6)
        mesh = ring(radius, thick, sides=20, steps=60)
        mesh = mesh.turned("x", 90).moved((0, 0, z + thick)) if flat else _grounded(mesh.turned("z", 90))
        z += 2 * thick
        parts.append(Part("torus", draped(mesh), anything(rng)))
    return parts


def _blob(rng: np.random.Generator) -> list[Part]:
    mesh = lumpy(ball(rng.uniform(0.4, 0.6, 3)), rng, rng.uniform(0.03, 0.1), waves=5)
    return [Part("blob", draped(_grounded(mesh)), anything(rng))]


def _spring(rng: np.random.Generator) -> list[Part]:
    turns, tall, radius = int(rng.integers(4, 10)), rng.uniform(0.7, 1.8), rng.uniform(0.2, 0.5)
    t = np.linspace(0, 1, 30 * turns)
    path = np.stack([radius * np.cos(2 * np.pi * turns * t), radius * np.sin(2 * np.pi * turns * t), tall * t], 1)
    mesh = tube(path, rng.uniform(0.02, 0.06), sides=10)
    lying = rng.random() < 0.4
    return [Part("spring", draped(_grounded(mesh.turned("x", 90) if lying else mesh)), anything(rng))]


def _polyhedron(rng: np.random.Generator) -> list[Part]:
    """The convex hull of a few points on a ball: a crystal, a die."""
    points = rng.normal(size=(int(rng.choice([4, 6, 8, 12, 20])), 3))
    points *= 0.55 / np.linalg.norm(points, axis=1, keepdims=True)
    hull = ConvexHull(points)
    corners = points[hull.simplices]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    outwards = (normal * corners.mean(axis=1)).sum(axis=1) > 0
    corners[~outwards] = corners[~outwards][:, ::-1]
    mesh = Mesh(corners.reshape(-1, 3), np.arange(3 * len(corners)).reshape(-1, 3), smooth=False)
    return [Part("polyhedron", draped(_grounded(mesh)), anything(rng))]


def _star(rng: np.random.Generator) -> list[Part]:
    points = int(rng.integers(4, 9))
    angle = np.linspace(0, 2 * np.pi, 2 * points + 1)[:-1] + np.pi / 2
    reach = np.where(np.arange(2 * points) % 2, rng.uniform(0.2, 0.4), 0.6)
    mesh = extruded(np.stack([reach * np.cos(angle), reach * np.sin(angle)], 1), rng.uniform(0.1, 0.4))
    return [Part("star", draped(_grounded(mesh.turned("z", 90))), anything(rng))]


def _blocks(rng: np.random.Generator) -> list[Part]:
    """A tower of blocks, cylinders and balls, as children build."""
    parts, z = [], 0.0
    for _ in range(int(rng.integers(2, 6))):
        size = rng.uniform(0.25, 0.6, 3)
        kind = int(rng.integers(3))
        mesh: Mesh = (
            solid(size, (0, 0, z)),
            cylinder(size[0] / 2, size[2], (0, 0, z)),
            cylinder(size[0] / 2, size[2], (0, 0, z), top=0.05),
        )[kind]
        turn = rng.uniform(0, 90)
        parts.append(
            Part("block", draped(mesh.turned("z", turn).moved((*rng.uniform(-0.04, 0.04, 2), 0))), anything(rng))
        )
        z += size[2]
        if kind == 2:
            break
    return parts


def _arch(rng: np.random.Generator) -> list[Part]:
    radius, thick = rng.uniform(0.5, 0.9), rng.uniform(0.08, 0.25)
    t = np.linspace(0, np.pi, 30)
    tall = rng.uniform(0.7, 1.6)
    path = np.stack([0 * t, radius * np.cos(t), tall * radius * np.sin(t)], 1)
    material: BSDF = anything(rng)
    return [Part("arch", draped(tube(path, thick, sides=4 if rng.random() < 0.5 else 16)), material)]


def _jacks(rng: np.random.Generator) -> list[Part]:
    """Rods that meet in a middle, with balls at their ends, as models of molecules."""
    n = int(rng.integers(4, 9))
    ends = rng.normal(size=(n, 3))
    ends *= rng.uniform(0.4, 0.7, (n, 1)) / np.linalg.norm(ends, axis=1, keepdims=True)
    rods = merged([rod((0, 0, 0), end, 0.035) for end in ends])
    knobs = merged([ball(rng.uniform(0.08, 0.18), end) for end in ends])
    low = -min(float(knobs.vertices[:, 2].min()), -0.2)
    return [
        Part("rods", draped(rods.moved((0, 0, low))), anything(rng)),
        Part("knobs", draped(knobs.moved((0, 0, low))), anything(rng)),
        Part("middle", draped(ball(0.2, (0, 0, low))), anything(rng)),
    ]


KINDS: dict[str, Maker] = {
    "balls": _ball,
    "stacked balls": _ball_stack,
    "superquadric": _superquadric,
    "knot": _knot,
    "torus": _torus,
    "blob": _blob,
    "spring": _spring,
    "polyhedron": _polyhedron,
    "star": _star,
    "blocks": _blocks,
    "arch": _arch,
    "jacks": _jacks,
}
