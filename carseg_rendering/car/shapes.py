"""The parameters of a car's body: some forty numbers with a range for each body type.

The ranges follow the outside dimensions of passenger cars on the market from about 1990 to 2012 (the years of
the photographs that such data sets hold) and overlap between neighbouring types, so that no single number tells the
type.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from carseg_lib.core.classes import BODY_TYPES

# Metres, degrees from the vertical, or shares 0..1. Columns: suv, sedan, convertible, minivan (BODY_TYPES' order).
RANGES: dict[str, tuple[tuple[float, float], ...]] = {
    "length": ((4.0, 5.05), (4.4, 5.05), (3.9, 4.8), (4.65, 5.2)),
    "width": ((1.76, 2.02), (1.70, 1.90), (1.70, 1.88), (1.78, 2.02)),
    "height": ((1.6, 1.95), (1.4, 1.57), (1.24, 1.42), (1.66, 1.86)),
    "wheelbase_share": ((0.575, 0.625), (0.575, 0.615), (0.56, 0.61), (0.595, 0.635)),  # of the length
    "overhang_share": ((0.44, 0.50), (0.44, 0.50), (0.43, 0.50), (0.46, 0.52)),  # front's share of both overhangs
    "clearance": ((0.2, 0.34), (0.14, 0.22), (0.12, 0.18), (0.13, 0.2)),  # under the sill
    "nose_height": ((0.88, 1.18), (0.72, 0.9), (0.64, 0.8), (0.74, 0.92)),  # the hood's front edge
    "cowl_height": ((1.1, 1.32), (0.94, 1.08), (0.86, 0.97), (1.0, 1.14)),  # the windscreen's base
    "belt_rise": ((0.00, 0.09), (0.00, 0.10), (-0.03, 0.08), (-0.02, 0.08)),  # from the windscreen to the tail
    "hood_length": ((0.94, 1.4), (1.02, 1.42), (1.12, 1.6), (0.7, 1.06)),  # nose to windscreen
    "deck_length": ((0.05, 0.13), (0.40, 0.80), (0.58, 1.05), (0.05, 0.13)),  # tail to the rear screen's base
    "windscreen_rake": ((36.0, 55.0), (54.0, 63.0), (56.0, 64.0), (52.0, 65.0)),
    "rear_rake": ((4.0, 32.0), (50.0, 64.0), (50.0, 64.0), (6.0, 26.0)),
    "roof_crown": ((0.02, 0.06), (0.03, 0.06), (0.03, 0.06), (0.03, 0.06)),  # rise of the roof's middle over its edge
    "roof_drop": ((0.00, 0.06), (0.02, 0.08), (0.02, 0.07), (0.00, 0.06)),  # of its rear end under its peak
    "tumblehome": ((0.07, 0.15), (0.13, 0.20), (0.14, 0.22), (0.08, 0.16)),  # inward lean of each side's glass
    "nose_exponent": ((4.2, 8.0), (3.4, 5.4), (3.2, 5.0), (2.8, 4.0)),  # plan of the front: 2 round, 8 square
    "nose_lean": ((0.25, 0.75), (0.5, 0.95), (0.65, 1.05), (0.8, 1.25)),  # how far its upper part leans back
    "tail_exponent": ((4.4, 6.5), (3.6, 5.2), (3.4, 5.0), (4.4, 6.5)),
    "hood_crown": ((0.01, 0.04), (0.02, 0.055), (0.02, 0.065), (0.03, 0.08)),
    "shoulder": ((0.03, 0.08), (0.04, 0.09), (0.05, 0.10), (0.03, 0.07)),  # ledge between side and glass
    "side_bulge": ((0.02, 0.06), (0.02, 0.06), (0.02, 0.07), (0.02, 0.05)),
    "wheel_radius": ((0.355, 0.425), (0.305, 0.36), (0.305, 0.36), (0.31, 0.355)),  # of the tyre
    "rim_share": ((0.64, 0.76), (0.66, 0.80), (0.68, 0.82), (0.64, 0.76)),  # of the tyre's radius
    "tyre_width": ((0.22, 0.27), (0.19, 0.24), (0.19, 0.25), (0.20, 0.235)),
    "arch_gap": ((0.035, 0.075), (0.02, 0.045), (0.015, 0.04), (0.02, 0.05)),  # between tyre and arch
    "arch_flare": ((0.010, 0.035), (0.0, 0.018), (0.0, 0.020), (0.0, 0.014)),
    "lamp_height": ((0.12, 0.24), (0.10, 0.20), (0.09, 0.19), (0.13, 0.24)),
    "lamp_width": ((0.30, 0.48), (0.34, 0.55), (0.32, 0.50), (0.36, 0.58)),  # along the body
    "grille_width": ((0.55, 1.05), (0.45, 0.95), (0.35, 0.90), (0.45, 1.00)),
    "grille_height": ((0.14, 0.34), (0.08, 0.22), (0.05, 0.18), (0.07, 0.20)),
    "tail_lamp_height": ((0.24, 0.62), (0.12, 0.24), (0.10, 0.20), (0.26, 0.70)),
}
RIM_COUNT = 9  # rim patterns that every type draws from: as many as `wheels` has


@dataclass(frozen=True)
class CarShape:
    """The parameters of a car's body. Lengths in metres; RANGES explains the numbers.

    Attributes beyond those of RANGES:
        body_type: One of BODY_TYPES.
        variant: sedan: saloon or fastback; convertible: open or soft top; otherwise "wagon".
        doors: Number of doors on each side.
        rim: Index of the rim's pattern.
        crease: Height of the side's character line as a share of the shoulder's height; 0 for none.
        trim_style: 0 body colour, 1 black window frames, 2 chrome window frames.
        cladding, roof_rails, spare_wheel, side_moulding, sliding_door, fog_lamps, windows_up: Whether it has them.
    """

    body_type: str
    variant: str
    doors: int
    rim: int
    crease: float
    trim_style: int
    cladding: bool
    roof_rails: bool
    spare_wheel: bool
    side_moulding: bool
    sliding_door: bool
    fog_lamps: bool
    windows_up: bool
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
    wheel_radius: float
    rim_share: float
    tyre_width: float
    arch_gap: float
    arch_flare: float
    lamp_height: float
    lamp_width: float
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
    column = BODY_TYPES.index(body_type)
    # Size goes together: a long car is wide and has large wheels, so numbers lean on one draw they share.
    size = rng.uniform()
    number: dict[str, Any] = {}
    for name, ranges in RANGES.items():
        low, high = ranges[column]
        share = rng.uniform()
        if name in ("length", "width", "wheel_radius", "hood_length", "tyre_width"):
            share = 0.6 * size + 0.4 * share
        number[name] = float(low + (high - low) * share)

    number["nose_height"] = min(number["nose_height"], number["cowl_height"] - 0.06)

    def chance(*shares: float) -> bool:
        return bool(rng.uniform() < shares[column])

    choices: dict[str, Any] = {
        "rim": int(rng.integers(RIM_COUNT)),
        "crease": float(rng.choice([0.0, rng.uniform(0.60, 0.85)])),
        "trim_style": int(rng.choice(3, p=[0.25, 0.5, 0.25])),
        "cladding": chance(0.55, 0.0, 0.0, 0.08),
        "roof_rails": chance(0.6, 0.0, 0.0, 0.3),
        "spare_wheel": chance(0.14, 0.0, 0.0, 0.0),
        "side_moulding": chance(0.35, 0.4, 0.15, 0.4),
        "sliding_door": chance(0.0, 0.0, 0.0, 0.95),
        "fog_lamps": chance(0.6, 0.5, 0.6, 0.5),
        "windows_up": chance(1.0, 1.0, 0.35, 1.0),
    }
    variant, doors = "wagon", 2
    if body_type == "sedan":
        variant = "fastback" if rng.uniform() < 0.25 else "saloon"
    elif body_type == "convertible":
        variant, doors = ("soft top" if rng.uniform() < 0.2 else "open"), 1
    elif body_type == "suv" and rng.uniform() < 0.08:
        doors = 1
    if variant == "fastback":
        number["deck_length"] = float(rng.uniform(0.16, 0.36))
        number["rear_rake"] = float(rng.uniform(66.0, 72.0))
        number["roof_drop"] += 0.03
    return CarShape(body_type=body_type, variant=variant, doors=doors, **choices, **number)
