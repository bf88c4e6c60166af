"""Body styles: what cars of a type look like, each with ranges of its own.

The styles themselves stand in `tall_styles` (SUVs, minivans) and `low_styles` (sedans, convertibles).

Real types are families of styles: a Wrangler and an X6 are both SUVs. Every style has a share of its type and ranges
for the numbers of `shapes.CarShape`; a number that a style does not name has the type's own range (RANGES). Outside
measures enclose those that manufacturers published (length x width x height / wheelbase, metres, rounded) for:

SUVs. Boxy: Jeep Wrangler Unlimited 2012 (4.40 x 1.88 x 1.80 / 2.95), Jeep Patriot 2012 (4.41 x 1.76 x 1.66 / 2.64),
Hummer H2 2009 (4.82 x 2.06 x 1.98 / 3.12). Crossover: Hyundai Tucson 2012 (4.40 x 1.82 x 1.66 / 2.64), Hyundai
Santa Fe 2012 (4.68 x 1.89 x 1.73 / 2.70), Cadillac SRX 2012 (4.83 x 1.91 x 1.67 / 2.81), BMW X5 2007 (4.85 x 1.93 x
1.77 / 2.93), Dodge Journey 2012 (4.89 x 1.83 x 1.69 / 2.89). Large: Chevrolet Tahoe 2012 (5.13 x 2.01 x 1.95 / 2.95),
Chevrolet Traverse 2012 (5.21 x 1.99 x 1.77 / 3.02), Volvo XC90 2007 (4.80 x 1.90 x 1.74 / 2.86). Coupé-like: BMW X6
2012 (4.88 x 1.98 x 1.69 / 2.93), Infiniti FX 2009 (4.86 x 1.93 x 1.65 / 2.89). Compact: Honda CR-V 1997 (4.47 x 1.75 x
1.68 / 2.62), Toyota RAV4 1996 (4.12 x 1.70 x 1.66 / 2.41), Nissan Juke 2010 (4.14 x 1.77 x 1.57 / 2.53).

Sedans. Saloon: Toyota Camry 2012 (4.81 x 1.82 x 1.47 / 2.78), BMW 3 2012 (4.62 x 1.81 x 1.43 / 2.81), Honda Accord
2008 (4.93 x 1.85 x 1.48 / 2.80). Compact: Ford Fiesta 2011 (4.41 x 1.72 x 1.47 / 2.49), Suzuki SX4 2012 (4.49 x 1.73 x
1.55 / 2.50). Large: Mercedes-Benz S 2009 (5.10 x 1.87 x 1.47 / 3.04), Rolls-Royce Ghost 2012 (5.40 x 1.95 x 1.55 /
3.30), Lincoln Town Car 2011 (5.47 x 1.99 x 1.50 / 2.99). Notchback: Volvo 240 1993 (4.79 x 1.71 x 1.43 / 2.65), Audi
100 1994 (4.79 x 1.78 x 1.43 / 2.69). Fastback: Porsche Panamera 2012 (4.97 x 1.93 x 1.42 / 2.92), Tesla Model S 2012
(4.98 x 1.96 x 1.44 / 2.96), Hyundai Sonata 2011 (4.82 x 1.84 x 1.47 / 2.80).

Convertibles. Roadster: Mazda MX-5 1998 (3.98 x 1.68 x 1.23 / 2.27), BMW Z4 2009 (4.24 x 1.79 x 1.29 / 2.50), Chevrolet
Corvette 2012 (4.44 x 1.84 x 1.25 / 2.69). Four seats: Audi S5 2012 (4.64 x 1.85 x 1.38 / 2.75), Chevrolet Camaro 2012
(4.84 x 1.92 x 1.39 / 2.85), Chrysler Sebring 2010 (4.93 x 1.82 x 1.48 / 2.77). Tourer: Bentley Continental GTC 2012
(4.81 x 1.94 x 1.40 / 2.75), Mercedes-Benz SL 1993 (4.47 x 1.81 x 1.30 / 2.52). Retro: Chrysler PT Cruiser 2008 (4.29 x
1.71 x 1.54 / 2.62), Volkswagen New Beetle 2003 (4.08 x 1.72 x 1.50 / 2.51), Mini 2009 (3.70 x 1.68 x 1.41 / 2.47).
Small: Geo Metro 1993 (3.75 x 1.58 x 1.32 / 2.27), Fiat 500 C 2012 (3.55 x 1.63 x 1.49 / 2.30).

Minivans. Classic: Dodge Caravan 1997 (4.73 x 1.95 x 1.74 / 2.88), Honda Odyssey 2007 (5.11 x 1.96 x 1.75 / 3.00),
Chrysler Town and Country 2012 (5.14 x 2.00 x 1.73 / 3.08). One line: Toyota Previa 1991 (4.75 x 1.80 x 1.79 / 2.87),
Renault Espace 1997 (4.52 x 1.81 x 1.69 / 2.70). Boxy: Volkswagen Multivan 2003 (4.89 x 1.90 x 1.94 / 3.00), Chevrolet
Astro 1995 (4.82 x 1.97 x 1.93 / 2.82), Renault Kangoo 2008 (4.21 x 1.83 x 1.80 / 2.70). Low: Mazda 5 2010 (4.59 x 1.75
x 1.62 / 2.75), Opel Zafira 2005 (4.47 x 1.80 x 1.64 / 2.70), Honda Odyssey 2012 (5.15 x 2.01 x 1.74 / 3.00).

What no data sheet gives (heights of noses and sills, rakes, lengths of decks) is read off side views of such cars.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Range = tuple[float, float]

# Metres, degrees from the vertical, or shares 0..1. Columns: suv, sedan, convertible, minivan (BODY_TYPES' order).
RANGES: dict[str, tuple[Range, ...]] = {
    "length": ((3.9, 5.45), (4.25, 5.6), (3.55, 4.95), (4.2, 5.2)),
    "width": ((1.69, 2.06), (1.66, 2.0), (1.58, 1.96), (1.75, 2.02)),
    "height": ((1.56, 1.98), (1.36, 1.62), (1.22, 1.55), (1.58, 1.95)),
    "wheelbase_share": ((0.565, 0.65), (0.55, 0.615), (0.56, 0.62), (0.58, 0.63)),  # of the length
    "overhang_share": ((0.42, 0.50), (0.42, 0.50), (0.42, 0.50), (0.44, 0.52)),  # front's share of both overhangs
    "clearance": ((0.165, 0.33), (0.14, 0.22), (0.13, 0.20), (0.155, 0.25)),  # under the sill
    "nose_height": ((0.80, 1.16), (0.68, 1.0), (0.60, 0.94), (0.74, 1.06)),  # the hood's front edge
    "cowl_height": ((1.02, 1.30), (0.91, 1.14), (0.84, 1.09), (0.98, 1.24)),  # the windscreen's base
    "belt_rise": ((0.0, 0.12), (0.0, 0.12), (-0.03, 0.10), (-0.02, 0.10)),  # from the windscreen to the tail
    "hood_length": ((0.94, 1.45), (0.95, 1.65), (0.85, 1.65), (0.65, 1.2)),  # nose to windscreen
    "deck_length": ((0.04, 0.3), (0.18, 0.88), (0.3, 0.95), (0.04, 0.13)),  # tail to the rear screen's base
    "windscreen_rake": ((28.0, 60.0), (50.0, 66.0), (48.0, 64.0), (44.0, 66.0)),
    "rear_rake": ((3.0, 62.0), (44.0, 72.0), (48.0, 66.0), (4.0, 36.0)),
    "roof_crown": ((0.02, 0.06), (0.03, 0.06), (0.03, 0.06), (0.03, 0.06)),  # rise of the roof's middle over its edge
    "roof_drop": ((0.00, 0.07), (0.02, 0.08), (0.02, 0.07), (0.00, 0.06)),  # of its rear end under its peak
    "tumblehome": ((0.08, 0.18), (0.12, 0.20), (0.12, 0.21), (0.09, 0.18)),  # inward lean of each side's glass
    "nose_exponent": ((3.2, 6.5), (3.2, 5.8), (3.0, 5.4), (3.0, 5.6)),  # plan of the front: 2 round, 8 square
    "nose_lean": ((0.3, 0.95), (0.35, 0.95), (0.4, 1.0), (0.45, 1.1)),  # how far its upper part leans back
    "tail_exponent": ((4.2, 6.5), (3.6, 6.0), (3.4, 5.4), (4.2, 6.5)),
    "hood_crown": ((0.01, 0.06), (0.015, 0.055), (0.02, 0.065), (0.02, 0.07)),
    "shoulder": ((0.03, 0.09), (0.035, 0.09), (0.045, 0.10), (0.03, 0.08)),  # ledge between side and glass
    "side_bulge": ((0.02, 0.06), (0.02, 0.06), (0.02, 0.07), (0.02, 0.06)),
    "bumper_step": ((0.0, 0.06), (0.0, 0.045), (0.0, 0.04), (0.0, 0.05)),  # how far bumpers stand out below lamps
    "wheel_radius": ((0.33, 0.42), (0.295, 0.375), (0.285, 0.37), (0.31, 0.37)),  # of the tyre
    "rim_share": ((0.60, 0.76), (0.62, 0.80), (0.62, 0.82), (0.60, 0.76)),  # of the tyre's radius
    "tyre_width": ((0.20, 0.265), (0.18, 0.25), (0.18, 0.265), (0.195, 0.255)),
    "arch_gap": ((0.02, 0.065), (0.02, 0.045), (0.015, 0.045), (0.02, 0.06)),  # between tyre and arch
    "arch_flare": ((0.0, 0.03), (0.0, 0.02), (0.0, 0.025), (0.0, 0.022)),
    "rear_pillar": ((0.10, 0.36), (0.10, 0.34), (0.12, 0.36), (0.08, 0.32)),  # width of the last pillar
    "roof_spoiler": ((0.0, 0.16), (0.0, 0.0), (0.0, 0.0), (0.0, 0.14)),  # how far it reaches behind the roof
    "lamp_height": ((0.11, 0.24), (0.10, 0.20), (0.10, 0.20), (0.12, 0.24)),
    "lamp_width": ((0.28, 0.52), (0.30, 0.54), (0.28, 0.52), (0.30, 0.54)),  # along the body
    "lamp_wrap": ((0.12, 0.55), (0.12, 0.55), (0.15, 0.6), (0.15, 0.6)),  # how far it reaches back along the side
    "grille_width": ((0.55, 1.15), (0.5, 1.05), (0.4, 0.98), (0.5, 1.10)),
    "grille_height": ((0.10, 0.32), (0.08, 0.24), (0.06, 0.22), (0.09, 0.29)),
    "tail_lamp_height": ((0.20, 0.55), (0.12, 0.26), (0.10, 0.24), (0.22, 0.60)),
}


@dataclass(frozen=True)
class Style:
    """A body style.

    Attributes:
        share: Share of its type's cars.
        ranges: Ranges of its own, by number.
        fastback: Whether roof and tail are one line.
        rows: Rows of seats.
        panes: Panes of glass on a side: its likeliest number and one that it may have instead.
        lamps, grilles, tails: Outlines of headlamps, grilles and tail lamps that it draws from (`fronts`, `rears`).
        chances: Shares of its cars that have a thing, by `CarShape`'s names; the type's own otherwise.
    """

    share: float
    ranges: Mapping[str, Range]
    fastback: bool = False
    rows: int = 2
    panes: tuple[int, int] = (2, 2)
    lamps: tuple[str, ...] = ("slant", "swept", "drop", "almond", "block")
    grilles: tuple[str, ...] = ("bar", "single frame", "shield", "upright", "cross", "slot")
    tails: tuple[str, ...] = ("corner", "wedge", "strip")
    chances: Mapping[str, float] = field(default_factory=dict)
