"""Wheels: a tyre, a rim of one of several patterns, the brake behind it.

A wheel stands about its own centre, its axis along y, its outer side towards +y.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from carseg_rendering.geometry.materials import BSDF, metal, plastic
from carseg_rendering.geometry.meshes import Array, Mesh, Part, box, disc, grid, lathe, merged, tube, without_faces

_SIDES = 48  # points round the tyre and the rim
_RUBBER = (0.013, 0.013, 0.014)
_DARK = (0.008, 0.008, 0.009)


@dataclass(frozen=True)
class _Spoke:
    """One bar of a rim; radii and widths are shares of the rim's radius.

    Attributes:
        angles: Start and end, degrees from the middle of its place round the rim.
        widths: Half its width at its start and end.
        reach: The radii between which it runs.
    """

    angles: tuple[float, float] = (0.0, 0.0)
    widths: tuple[float, float] = (0.1, 0.1)
    reach: tuple[float, float] = (0.12, 0.97)


@dataclass(frozen=True)
class _Pattern:
    """A rim's face: the same bars in `places` places, or, without bars, a cover with holes.

    Attributes:
        places: Number of repetitions of the bars or holes round the rim.
        bars: The bars of one place.
        dish: Depth of the hub behind the rim's edge, as a share of the rim's radius.
        holes: For a cover: radii between which its holes lie, and the share of the way round that they take.
    """

    places: int
    bars: tuple[_Spoke, ...] = ()
    dish: float = 0.10
    holes: tuple[float, float, float] = (0.0, 0.0, 0.0)


_PATTERNS = {
    "five-spoke": _Pattern(5, (_Spoke(widths=(0.15, 0.12)),), dish=0.16),
    "twin five-spoke": _Pattern(5, (_Spoke((-13, -9), (0.06, 0.05)), _Spoke((13, 9), (0.06, 0.05)))),
    "split seven-spoke": _Pattern(
        7,
        (
            _Spoke(widths=(0.085, 0.06), reach=(0.12, 0.62)),
            _Spoke((0, -11), (0.045, 0.035), (0.52, 0.97)),
            _Spoke((0, 11), (0.045, 0.035), (0.52, 0.97)),
        ),
    ),
    "six-spoke": _Pattern(6, (_Spoke(widths=(0.15, 0.16)),), dish=0.06),
    "multi-spoke": _Pattern(14, (_Spoke(widths=(0.042, 0.034)),), dish=0.08),
    "mesh": _Pattern(
        11, (_Spoke((-9, 16), (0.032, 0.026), (0.2, 0.97)), _Spoke((9, -16), (0.032, 0.026), (0.2, 0.97)))
    ),
    "turbine": _Pattern(9, (_Spoke((-12, 14), (0.075, 0.125)),), dish=0.05),
    "hubcap": _Pattern(9, dish=-0.04, holes=(0.70, 0.86, 0.52)),
    "steel": _Pattern(8, dish=0.24, holes=(0.58, 0.74, 0.42)),
}
RIM_PATTERNS: tuple[str, ...] = tuple(_PATTERNS)


def wheel(radius: float, width: float, rim_radius: float, pattern: str, rim_material: BSDF) -> list[Part]:
    """A wheel about its centre; it fills y = -width / 2 to +width / 2 and stands on z = -radius.

    Args:
        radius: Radius of the tyre, metres, 0.25-0.45.
        width: Width of the tyre, metres, 0.15-0.35.
        rim_radius: Radius of the rim's edge, metres; 0.6-0.8 of `radius`.
        pattern: One of RIM_PATTERNS.
        rim_material: Material of the rim's face and edge.

    Raises:
        ValueError: An unknown pattern, or a rim not smaller than the tyre.
    """
    if pattern not in _PATTERNS:
        raise ValueError(f"unknown rim pattern {pattern!r}; there are {', '.join(RIM_PATTERNS)}")
    if not 0 < rim_radius < radius:
        raise ValueError(f"a rim of radius {rim_radius} does not fit a tyre of radius {radius}")
    design, edge = _PATTERNS[pattern], width / 2 - 0.018
    rim = rim_radius
    barrel = lathe(np.array([(rim - 0.016, -edge), (rim - 0.020, 0.0), (rim - 0.016, edge - 0.03)]), sides=_SIDES)
    lip = [
        (rim - 0.018, edge - 0.040),
        (rim - 0.012, edge - 0.008),
        (rim - 0.004, edge),
        (rim + 0.006, edge - 0.002),
        (rim + 0.008, edge - 0.02),
    ]
    parts = [
        Part("tyre", _tyre(radius, width, rim), plastic(_RUBBER, roughness=0.55)),
        Part("rim edge", lathe(np.array(lip), sides=_SIDES), rim_material),
        Part("rim barrel", barrel, metal((0.12, 0.12, 0.125), roughness=0.4)),
        Part("wheel back", disc(rim).moved((0, -0.3 * width, 0)), plastic(_DARK, roughness=0.6)),
        *_brake(rim, width),
    ]
    if design.bars:
        return [*parts, *_spoked_face(design, rim, edge, rim_material)]
    return [*parts, *_cover(design, rim, edge, rim_material)]


def _tyre(radius: float, width: float, rim: float) -> Mesh:
    """A tyre with bulging sides, rounded shoulders and two grooves round its tread."""
    half, height = width / 2, radius - rim
    side = [
        (rim - 0.008, half - 0.030),
        (rim + 0.08 * height, half - 0.016),
        (rim + 0.20 * height, half - 0.003),
        (rim + 0.26 * height, half - 0.006),  # a ridge that guards the rim
        (rim + 0.55 * height, half),
        (rim + 0.80 * height, half - 0.007),
        (radius - 0.010, half - 0.017),
        (radius - 0.004, half - 0.026),
        (radius - 0.001, half - 0.050),
    ]
    groove, depth = 0.16 * width, 0.008
    tread = [
        (radius, groove + 0.006),
        (radius - depth, groove + 0.004),
        (radius - depth, groove - 0.004),
        (radius, groove - 0.006),
    ]
    outer = [*side, *tread]
    return lathe(np.array([*outer, *((r, -y) for r, y in reversed(outer))]), sides=_SIDES)


def _brake(rim: float, width: float) -> list[Part]:
    """The brake disc and its calliper, seen through the gaps of the rim."""
    size, y = 0.74 * rim, -0.15 * width
    rotor = [(0.35 * size, y), (0.97 * size, y), (size, y - 0.004), (size, y - 0.02)]
    calliper = box((0.34 * size, 0.045, 0.62 * size), rounding=0.02).moved((-0.82 * size, y, 0)).turned("y", -20)
    return [
        Part("brake disc", lathe(np.array(rotor), sides=32), metal((0.42, 0.41, 0.40), roughness=0.35)),
        Part("brake calliper", calliper, plastic((0.05, 0.05, 0.055), roughness=0.4)),
    ]


def _depth(design: _Pattern, shares: Array, rim: float, edge: float) -> Array:
    """The y of a rim's face at radii given as shares of the rim's: flat about the hub, rising to the edge."""
    rise = np.clip((np.asarray(shares) - 0.25) / 0.72, 0, 1) ** 1.6
    return edge - 0.010 - design.dish * rim * (1 - rise)


def _spoked_face(design: _Pattern, rim: float, edge: float, material: BSDF) -> list[Part]:
    """The bars in all their places, the hub that carries them and its nuts."""
    bars = [_bar(bar, design, rim, edge) for bar in design.bars]
    turns = 360 / design.places * np.arange(design.places)
    spokes = merged([bar.turned("y", turn) for turn in turns for bar in bars])
    y = float(_depth(design, np.zeros(1), rim, edge)[0])
    hub = [(0.0, y - 0.012), (0.14 * rim, y - 0.012), (0.15 * rim, y + 0.004), (0.25 * rim, y), (0.28 * rim, y - 0.05)]
    cap = [(0.0, y + 0.003), (0.09 * rim, y + 0.001), (0.12 * rim, y - 0.006), (0.13 * rim, y - 0.015)]
    return [
        Part("spokes", replace(spokes, smooth=False), material),
        Part("hub", lathe(np.array(hub), sides=30), material),
        Part("hub cap", lathe(np.array(cap), sides=20), plastic((0.03, 0.03, 0.032), roughness=0.15)),
        _nuts(0.2 * rim, y + 0.003),
    ]


def _nuts(distance: float, y: float) -> Part:
    """Five wheel nuts round the hub."""
    nut = lathe(np.array([(0.0, 0.004), (0.007, 0.004), (0.0095, 0.0), (0.0095, -0.01)]), sides=6)
    nuts = merged([nut.moved((distance, y, 0)).turned("y", 72 * i + 36) for i in range(5)])
    return Part("wheel nuts", replace(nuts, smooth=False), metal((0.25, 0.25, 0.26), roughness=0.3))


def _bar(bar: _Spoke, design: _Pattern, rim: float, edge: float) -> Mesh:
    """One bar: a chamfered beam that follows the rim's dish."""
    along = np.linspace(0, 1, 7)
    shares = bar.reach[0] + (bar.reach[1] - bar.reach[0]) * along
    angle = np.radians(bar.angles[0] + (bar.angles[1] - bar.angles[0]) * along)
    half = rim * (bar.widths[0] + (bar.widths[1] - bar.widths[0]) * along)
    chamfer = np.minimum(0.4 * half, 0.008)
    across = np.stack([-half, -half, -half + chamfer, half - chamfer, half, half], 1)
    drop = np.stack([np.full(7, 0.035), chamfer, 0 * half, 0 * half, chamfer, np.full(7, 0.035)], 1)
    y = _depth(design, shares, rim, edge)[:, None] - drop
    r, c, s = (rim * shares)[:, None], np.cos(angle)[:, None], np.sin(angle)[:, None]
    return grid(np.stack([r * c - across * s, y, r * s + across * c], -1), flip=True, smooth=False)


def _cover(design: _Pattern, rim: float, edge: float, material: BSDF) -> list[Part]:
    """A cover or a pressed steel wheel: a shallow bowl with holes round it, and its middle."""
    inner, outer, share = design.holes
    shares = np.array([0.0, 0.1, 0.2, 0.22, 0.4, inner, (inner + outer) / 2, outer, 0.93, 0.985])
    y = _depth(design, shares, rim, edge) + np.where((shares > 0.05) & (shares < 0.21), 0.012, 0.0)
    bowl = lathe(np.stack([rim * shares, y], 1), sides=12 * design.places)

    def in_hole(centres: Array) -> Array:
        radii = np.hypot(centres[:, 0], centres[:, 2]) / rim
        turn = (np.arctan2(centres[:, 2], centres[:, 0]) / (2 * np.pi) * design.places) % 1
        return (radii > inner) & (radii < outer) & (np.abs(turn - 0.5) < share / 2)

    ring = np.linspace(0, 2 * np.pi, 37)[:-1]
    r = 0.46 * rim
    crease = np.stack(
        [r * np.cos(ring), np.full(36, float(_depth(design, np.array([0.46]), rim, edge)[0])), r * np.sin(ring)], 1
    )
    return [
        Part("wheel cover", without_faces(bowl, in_hole), material),
        Part("cover crease", tube(crease, 0.006, sides=6, closed=True), material),
        _nuts(0.27 * rim, float(_depth(design, np.array([0.27]), rim, edge)[0]) + 0.004),
    ]
