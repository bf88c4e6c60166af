"""Wheels and tyres of cars, alone: one, a stack, a heap."""

from __future__ import annotations

import numpy as np

from carseg_rendering.car.finishes import DULL
from carseg_rendering.car.fittings import spare_wheel
from carseg_rendering.car.wheels import RIM_PATTERNS, wheel
from carseg_rendering.geometry.meshes import Mesh, Part, merged
from carseg_rendering.scene.plants import placed
from carseg_rendering.things.car_parts import grounded, sample_car
from carseg_rendering.things.forms import RUBBER, Maker, ring, turned


def _one_wheel(rng: np.random.Generator) -> list[Part]:
    shape, look = sample_car(rng)
    radius = shape.wheel_radius
    pattern = RIM_PATTERNS[shape.rim % len(RIM_PATTERNS)]
    return wheel(radius, shape.tyre_width, shape.rim_share * radius, pattern, look.rims())


def _tyre(radius: float, width: float) -> Mesh:
    """A tyre without its rim, lying with its foot on z = 0."""
    half = width / 2
    profile = [
        (0.6 * radius, -0.7 * half),
        (0.72 * radius, -half),
        (0.92 * radius, -0.95 * half),
        (radius, -0.7 * half),
        (radius, 0.7 * half),
        (0.92 * radius, 0.95 * half),
        (0.72 * radius, half),
        (0.6 * radius, 0.7 * half),
        (0.64 * radius, 0),
        (0.6 * radius, -0.7 * half),
    ]
    tread = [
        ring(radius * 0.995, 0.008, steps=40).turned("x", 90).moved((0, 0, z)) for z in (-0.4 * half, 0.0, 0.4 * half)
    ]
    return merged([turned(profile, sides=44), *tread]).moved((0, 0, half))


def _wheel(rng: np.random.Generator) -> list[Part]:
    parts = [Part(p.name, p.mesh.turned("z", -90), p.material) for p in _one_wheel(rng)]
    if rng.random() < 0.3:  # lying, its face up
        parts = [Part(p.name, p.mesh.turned("y", -90), p.material) for p in parts]
    return grounded(parts)


def _wheels(rng: np.random.Generator) -> list[Part]:
    """A stack of wheels or a row of them."""
    one, count = grounded(_one_wheel(rng)), int(rng.integers(2, 5))
    if rng.random() < 0.5:
        flat = grounded([Part(p.name, p.mesh.turned("x", 90), p.material) for p in one])
        height = max(float(p.mesh.vertices[:, 2].max()) for p in flat)
        return [
            part for k in range(count) for part in placed(flat, (rng.normal(0, 0.02), rng.normal(0, 0.02), k * height))
        ]
    row = [Part(p.name, p.mesh.turned("z", -90), p.material) for p in one]
    return [
        part for k in range(count) for part in placed(row, (rng.uniform(-0.1, 0.1), 0.72 * k), turn=rng.normal(0, 8))
    ]


def _tyres(rng: np.random.Generator) -> list[Part]:
    meshes, stacks = [], int(rng.integers(1, 4))
    for stack in range(stacks):
        radius, width = rng.uniform(0.28, 0.4), rng.uniform(0.17, 0.27)
        for k in range(int(rng.integers(2, 7))):
            meshes.append(
                _tyre(radius, width).moved((rng.normal(0, 0.025), 0.85 * stack + rng.normal(0, 0.025), width * k))
            )
    if rng.random() < 0.5:
        meshes.append(_tyre(0.34, 0.22).turned("y", 75).moved((0.62, 0.2, 0.33)))
    return [Part("tyres", merged(meshes), RUBBER)]


def _tyre_heap(rng: np.random.Generator) -> list[Part]:
    meshes = []
    for k in range(22):
        out, a = 1.1 * np.sqrt(rng.uniform(0, 1)), rng.uniform(0, 2 * np.pi)
        tyre = _tyre(rng.uniform(0.28, 0.36), 0.2).turned("y", rng.uniform(-40, 40)).turned("z", rng.uniform(0, 360))
        low = -float(tyre.vertices[:, 2].min())
        meshes.append(
            tyre.moved((out * np.cos(a), out * np.sin(a), low + 0.6 * (1 - out / 1.1) * rng.uniform(0, 1) + 0.004 * k))
        )
    return [Part("tyres", merged(meshes), RUBBER)]


def _spare(rng: np.random.Generator) -> list[Part]:
    parts = spare_wheel(rng.uniform(0.33, 0.4), 0.22, DULL)
    return grounded([Part(p.name, p.mesh.turned("z", 180), p.material) for p in parts])


KINDS: dict[str, Maker] = {
    "wheel": _wheel,
    "wheels": _wheels,
    "tyres": _tyres,
    "heap of tyres": _tyre_heap,
    "spare wheel": _spare,
}
