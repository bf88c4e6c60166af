"""Printed numbers: the text, and the values that are printed so.

The digits say how far a value may be from its text: 0.81 stands for [0.805, 0.815], 0.810 for [0.8095, 0.8105], 91.2%
for [0.9115, 0.9125]. Intervals are closed: nothing is assumed about the way halves are rounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from carseg_lib.core.errors import CarsegError

Interval = tuple[float, float]

# The values behind a text, in units of its last digit: rounded, truncated, or rounded up.
ROUNDINGS: dict[str, Interval] = {"nearest": (-0.5, 0.5), "down": (0.0, 1.0), "up": (-1.0, 0.0)}
_NUMBER = re.compile(r"\d*\.?\d+(e[+-]?\d+)?|\d+\.")


@dataclass(frozen=True)
class Printed:
    """A rate as it is printed, its value (a fraction), and the lowest and highest value in 0..1 printed so."""

    text: str
    value: float
    low: float
    high: float

    @property
    def interval(self) -> Interval:
        """The values that are printed so."""
        return self.low, self.high

    @property
    def width(self) -> float:
        """The length of the interval; that of the last digit unless 0 or 1 cuts it."""
        return self.high - self.low


@dataclass(frozen=True)
class Rounding:
    """How a report's numbers are printed.

    Args:
        rule: one of `ROUNDINGS`.
        digits: decimals of a fraction that every number has at least, for tables that have lost their trailing zeros.
    """

    rule: str = "nearest"
    digits: int = 0

    def read(self, text: str, *, percent: bool = False) -> Printed:
        """The printed rate of a text: "0.814", ".81", "91.2%"; with `percent` also "91.2".

        Raises:
            CarsegError: The text is no number, or no rate between 0 and 1.
        """
        shown = text.strip()
        number = shown.removesuffix("%").strip()
        if not _NUMBER.fullmatch(number.lower()):
            raise CarsegError(f"'{shown}' is no number")
        parsed = Decimal(number)
        scale = 2 if percent or shown.endswith("%") else 0
        exponent = parsed.as_tuple().exponent
        unit = 10.0 ** min(int(exponent) - scale, -self.digits)
        value = float(parsed.scaleb(-scale))
        if value > 1:
            hint = "" if scale else f": write {shown}% if it is a percentage"
            raise CarsegError(f"{shown} is above 1{hint}")
        below, above = ROUNDINGS[self.rule]
        return Printed(shown, value, max(0.0, value + below * unit), min(1.0, value + above * unit))


ANY: Interval = (0.0, 1.0)  # of a number that is not printed


def interval_of(printed: Printed | None) -> Interval:
    """The values behind a printed number; every rate where none is printed."""
    return printed.interval if printed else ANY


def texts_of(numbers: Iterable[Printed | None]) -> str:
    """Printed numbers in a row, as they are printed; a dash where there is none."""
    return ", ".join(number.text if number else "–" for number in numbers)
