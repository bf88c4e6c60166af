"""Materials of the trim: rubber, chrome, lamps."""

from __future__ import annotations

from carseg_rendering.geometry.materials import BSDF, lamp_glass, metal, plastic

BLACK = plastic((0.012, 0.012, 0.013), roughness=0.25)
DULL = plastic((0.03, 0.03, 0.032), roughness=0.4)
CHROME = metal((0.88, 0.89, 0.90), roughness=0.04)
CLEAR = lamp_glass((0.40, 0.42, 0.44))
REFLECTOR = metal((0.92, 0.93, 0.95), roughness=0.12)
RED = lamp_glass((0.34, 0.008, 0.010))
DARK_RED = lamp_glass((0.13, 0.006, 0.008))
AMBER = lamp_glass((0.75, 0.22, 0.02))


def lamp_housing(brightness: float) -> BSDF:
    """A headlamp's face: its reflector's grey under clear glass."""
    return lamp_glass((brightness, 1.04 * brightness, 1.08 * brightness))
