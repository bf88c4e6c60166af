"""The parameters of a car's body: some forty numbers, drawn from the ranges of its body style.

The ranges (see `style`) follow passenger cars on the market from about 1990 to 2012, the years of the photographs that
such data sets hold. They overlap between neighbouring types as real cars do, so that no two numbers tell the types.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from carseg_lib.core.classes import BODY_TYPES
from carseg_rendering.car.low_styles import CONVERTIBLES, SEDANS
from carseg_rendering.car.style import RANGES, Range, Style
from carseg_rendering.car.tall_styles import MINIVANS, SUVS

STYLES: dict[str, dict[str, Style]] = {"suv": SUVS, "sedan": SEDANS, "convertible": CONVERTIBLES, "minivan": MINIVANS}
RIM_COUNT = 9  # rim patterns that every type draws from: as many as `wheels` has
ROOFS = {"open": 0.66, "soft top": 0.29, "hard top": 0.05}  # of convertibles
# Shares of the cars of each type that have a thing, in BODY_TYPES' order; a style may have its own.
_CHANCES = {
    "cladding": (0.45, 0.0, 0.0, 0.15),
    "roof_rails": (0.6, 0.0, 0.0, 0.4),
    "spare_wheel": (0.0, 0.0, 0.0, 0.0),
    "side_moulding": (0.35, 0.3, 0.12, 0.4),
    "sliding_door": (0.0, 0.0, 0.0, 0.9),
    "fog_lamps": (0.6, 0.5, 0.6, 0.5),
    "bumper_strip": (0.12, 0.12, 0.08, 0.2),
    "windows_up": (1.0, 1.0, 0.35, 1.0),
    "roll_bar": (0.0, 0.0, 0.0, 0.0),
    "two_doors": (0.07, 0.0, 1.0, 0.0),
}
# How far numbers lean on the size that they share.
_LEAN = {"length": 0.6, "width": 0.5, "wheel_radius": 0.3, "hood_length": 0.4, "tyre_width": 0.5}


@dataclass(frozen=True)
class CarShape:
    """The parameters of a car's body. Lengths in metres; RANGES explains the numbers.

    Attributes beyond those of RANGES:
        body_type: One of BODY_TYPES.
        style: One of the type's STYLES.
        variant: sedan: saloon or fastback; convertible: open, soft top or hard top; otherwise "wagon".
        doors: Number of doors on each side.
        rows: Rows of seats.
        panes: Panes of glass on each side under a closed roof.
        lamp, grille, tail_lamp: Outlines of headlamps, grille and tail lamps.
        rim: Index of the rim's pattern.
        crease: Height of the side's character line as a share of the shoulder's height; 0 for none.
        trim_style: 0 body colour, 1 black window frames, 2 chrome window frames.
        cladding, roof_rails, spare_wheel, side_moulding, sliding_door, fog_lamps, windows_up: Whether it has them.
        bumper_strip: Whether rubber runs along its bumpers.
        roll_bar: Whether a convertible has a bar of steel over its cabin, open or not.
    """

    body_type: str
    style: str
    variant: str
    doors: int
    rows: int
    panes: int
    lamp: str
    grille: str
    tail_lamp: str
    rim: int
    crease: float
    trim_style: int
    cladding: bool
    roof_rails: bool
    spare_wheel: bool
    side_moulding: bool
    sliding_door: bool
    fog_lamps: bool
    bumper_strip: bool
    windows_up: bool
    roll_bar: bool
    length: float
    width: float
    height: float
    wheelbase_share: float
    overhang_share: float
    clearance: float
    nose_height: float
    cowl_height: float
    belt_rise: float
    hood_length: float
    deck_length: float
    windscreen_rake: float
    rear_rake: float
    roof_crown: float
    roof_drop: float
    tumblehome: float
    nose_exponent: float
    nose_lean: float
    tail_exponent: float
    hood_crown: float
    shoulder: float
    side_bulge: float
    bumper_step: float
    wheel_radius: float
    rim_share: float
    tyre_width: float
    arch_gap: float
    arch_flare: float
    rear_pillar: float
    roof_spoiler: float
    lamp_height: float
    lamp_width: float
    lamp_wrap: float
    grille_width: float
    grille_height: float
    tail_lamp_height: float

    @property
    def wheelbase(self) -> float:
        """Distance of the axles."""
        return self.wheelbase_share * self.length

    @property
    def front_axle(self) -> float:
        """Its x."""
        return self.length / 2 - self.overhang_share * (self.length - self.wheelbase)

    @property
    def rear_axle(self) -> float:
        """Its x."""
        return self.front_axle - self.wheelbase

    @property
    def has_roof(self) -> bool:
        """Whether glass and a roof of steel or cloth stand over the cabin."""
        return self.variant != "open"

    @property
    def upright(self) -> bool:
        """Whether it ends in a tail gate rather than in a lid."""
        return self.body_type in ("suv", "minivan")


def ranges_of(body_type: str, style: str) -> dict[str, Range]:
    """The range of every number for a body style."""
    column = BODY_TYPES.index(body_type)
    return {name: ranges[column] for name, ranges in RANGES.items()} | dict(STYLES[body_type][style].ranges)


def sample_shape(body_type: str, rng: np.random.Generator) -> CarShape:
    """Sample the shape of a car of a body type.

    Args:
        body_type: One of BODY_TYPES.
        rng: Source of randomness.

    Raises:
        ValueError: There is no such type.
    """
    if body_type not in BODY_TYPES:
        raise ValueError(f"body type {body_type!r} is none of {', '.join(BODY_TYPES)}")
    styles = STYLES[body_type]
    name = str(rng.choice(list(styles), p=[style.share for style in styles.values()]))
    style, number = styles[name], _numbers(ranges_of(body_type, name), rng)
    column = BODY_TYPES.index(body_type)
    has = {thing: bool(rng.uniform() < style.chances.get(thing, shares[column])) for thing, shares in _CHANCES.items()}
    variant = "wagon"
    if body_type == "sedan":
        variant = "fastback" if style.fastback else "saloon"
    elif body_type == "convertible":
        variant = str(rng.choice(list(ROOFS), p=list(ROOFS.values())))
    doors = 1 if has.pop("two_doors") else 2
    choices: dict[str, Any] = {
        "rows": style.rows,
        "panes": style.panes[int(rng.uniform() < 0.35)],
        "lamp": str(rng.choice(style.lamps)),
        "grille": str(rng.choice(style.grilles)),
        "tail_lamp": str(rng.choice(style.tails)),
        "rim": int(rng.integers(RIM_COUNT)),
        "crease": float(rng.choice([0.0, rng.uniform(0.60, 0.85)])),
        "trim_style": int(rng.choice(3, p=[0.2, 0.5, 0.3])),
    }
    if doors == 1:
        choices["panes"] = min(choices["panes"], 2)
    return CarShape(body_type=body_type, style=name, variant=variant, doors=doors, **choices | has | number)


def _numbers(ranges: dict[str, Range], rng: np.random.Generator) -> dict[str, float]:
    """A draw of every number."""
    # Size goes together: a long car is wide and has large wheels, so numbers lean on one draw they share.
    size = rng.uniform()
    number = {}
    for name, (low, high) in ranges.items():
        lean = _LEAN.get(name, 0.0)
        share = lean * size + (1 - lean) * rng.uniform()
        number[name] = float(low + (high - low) * share)
    number["nose_height"] = min(number["nose_height"], number["cowl_height"] - 0.06)
    return number
