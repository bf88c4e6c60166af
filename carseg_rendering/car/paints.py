"""The look of a car apart from its shape: paint, dirt, the tint of its glass, its rims and its seats."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from carseg_rendering.geometry.materials import BSDF, glass, metal, paint, plastic

# Linear RGB and share of the cars (about those of the colours sold: whites, greys and black make two thirds).
COLOURS: dict[str, tuple[tuple[float, float, float], float]] = {
    "white": ((0.78, 0.78, 0.76), 0.18),
    "black": ((0.006, 0.006, 0.007), 0.17),
    "silver": ((0.50, 0.51, 0.52), 0.17),
    "grey": ((0.13, 0.135, 0.14), 0.13),
    "red": ((0.38, 0.018, 0.020), 0.11),
    "blue": ((0.025, 0.07, 0.26), 0.10),
    "beige": ((0.42, 0.35, 0.25), 0.05),
    "green": ((0.025, 0.10, 0.055), 0.03),
    "yellow": ((0.70, 0.42, 0.03), 0.03),
    "brown": ((0.10, 0.05, 0.028), 0.03),
}
# of the lower body: plastic, most often; grey, silver and beige paint
CLADDINGS = ((0.03, 0.03, 0.032), (0.10, 0.10, 0.105), (0.35, 0.34, 0.32), (0.30, 0.25, 0.17))
FINISHES = ("solid", "metallic", "pearl")
INTERIORS = ((0.035, 0.035, 0.037), (0.10, 0.10, 0.105), (0.36, 0.28, 0.19), (0.16, 0.075, 0.04), (0.30, 0.30, 0.29))
CLOTHS = ((0.015, 0.015, 0.017), (0.015, 0.015, 0.017), (0.02, 0.02, 0.022), (0.30, 0.24, 0.16), (0.05, 0.055, 0.10))


@dataclass(frozen=True)
class CarLook:
    """Colours and surfaces of one car; colours are linear RGB, 0..1.

    Attributes:
        colour: One of COLOURS.
        base: Its colour, a little off the named one.
        finish: One of FINISHES.
        flake: Share of metal flakes in the paint.
        dirt: Share of dust on it, 0..1.
        tint: Share of the light that the glass transmits.
        rear_tint: The same of the glass behind the doors (privacy glass).
        interior: Colour of seats and panels.
        cloth: Colour of a soft top.
        rim: Brightness of the rims; below 0.1 they are painted dark.
        lamp: Brightness of the headlamps' housings.
        amber: Whether their outer ends are amber.
        black_roof: Whether a roof of steel is black.
        cladding: Colour of the lower body where it has a finish of its own.
        plate: Pattern of the number plates; odd ones are short.
        driver: Whether somebody sits in it.
    """

    colour: str
    base: tuple[float, float, float]
    finish: str
    flake: float
    dirt: float
    tint: float
    rear_tint: float
    interior: tuple[float, float, float]
    cloth: tuple[float, float, float]
    rim: float
    lamp: float
    amber: bool
    black_roof: bool
    cladding: tuple[float, float, float]
    plate: int
    driver: bool

    def body(self) -> BSDF:
        """The paint."""
        return paint(self.base, flake=self.flake, roughness=0.008 + 0.15 * self.dirt, dirt=0.6 * self.dirt)

    def pane(self, *, rear: bool = False) -> BSDF:
        """The glass."""
        tint = self.rear_tint if rear else self.tint
        return glass(tint)

    def lower(self) -> BSDF:
        """The finish of a clad lower body: dull plastic, or a second paint."""
        if self.cladding == CLADDINGS[0]:
            return plastic(self.cladding, roughness=0.4)
        return paint(self.cladding, flake=0.4, roughness=0.03 + 0.15 * self.dirt, dirt=0.6 * self.dirt)

    def skid(self) -> BSDF:
        """The plate under a clad bumper: bare metal with bright rims, else plastic."""
        return metal((0.55, 0.55, 0.56), roughness=0.25) if self.rim > 0.6 else plastic((0.05, 0.05, 0.05))

    def rims(self) -> BSDF:
        """The material of the rims."""
        if self.rim < 0.1:
            return plastic((self.rim, self.rim, self.rim), roughness=0.15)
        return metal((self.rim, self.rim, self.rim), roughness=0.22)


def sample_look(rng: np.random.Generator, *, body_type: str, plain: bool = False) -> CarLook:
    """Sample the look of a car.

    Args:
        rng: Source of randomness; the number of draws does not depend on the arguments.
        body_type: Minivans and SUVs often have privacy glass.
        plain: Solid, clean paint (the renderer's realism "plain").
    """
    names = list(COLOURS)
    colour = names[int(rng.choice(len(names), p=np.array([COLOURS[name][1] for name in names])))]
    # one name covers many paints: silver from grey to white, champagne to gold, teal to navy
    base = np.array(COLOURS[colour][0]) * rng.uniform(0.65, 1.25) * rng.uniform(0.97, 1.03, 3) + rng.uniform(
        0, 0.004, 3
    )
    finish = FINISHES[int(rng.choice(3, p=[0.38, 0.45, 0.17]))]
    flake = {"solid": 0.0, "metallic": rng.uniform(0.45, 0.75), "pearl": rng.uniform(0.2, 0.4)}[finish]
    dirt = rng.uniform(0, 0.5) if rng.uniform() < 0.2 else rng.uniform(0, 0.06)
    tint = rng.uniform(0.3, 0.65)
    privacy = rng.uniform() < (0.65 if body_type in ("suv", "minivan") else 0.12)
    interior = INTERIORS[int(rng.choice(len(INTERIORS), p=[0.38, 0.24, 0.16, 0.08, 0.14]))]
    cloth = CLOTHS[int(rng.integers(len(CLOTHS)))]
    rim = rng.uniform(0.45, 0.85) if rng.uniform() < 0.85 else rng.uniform(0.02, 0.08)
    lamp = rng.uniform(0.28, 0.6) if rng.uniform() < 0.75 else rng.uniform(0.03, 0.12)
    amber, black_roof = bool(rng.uniform() < 0.45), bool(rng.uniform() < 0.06)
    cladding = CLADDINGS[int(rng.choice(len(CLADDINGS), p=[0.52, 0.2, 0.14, 0.14]))]
    plate, driver = int(rng.integers(1000)), bool(rng.uniform() < 0.1)
    if finish == "metallic" and colour == "white":
        finish, flake = "pearl", 0.25
    if plain:
        finish, flake, dirt = "solid", 0.0, 0.0
    red, green, blue = (float(v) for v in np.clip(base, 0.003, 0.85))
    return CarLook(
        colour=colour,
        base=(red, green, blue),
        finish=finish,
        flake=float(flake),
        dirt=float(dirt),
        tint=float(tint),
        rear_tint=float(rng.uniform(0.06, 0.18) if privacy else tint),
        interior=interior,
        cloth=cloth,
        rim=float(rim),
        lamp=float(lamp),
        amber=amber,
        black_roof=black_roof,
        cladding=cladding,
        plate=plate,
        driver=driver,
    )
