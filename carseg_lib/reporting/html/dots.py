"""Dot plots of estimates on one axis, which the page draws itself."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any


def axis(estimates: Iterable[Mapping[str, Any]], others: Iterable[float | None] = ()) -> dict[str, Any]:
    """Where the axis of a dot plot begins, at most 90%, and its ticks: all numbers lie on it, and 100%.

    Args:
        estimates: {"value", "low", "high", ...}, 0..1; "low" may be None.
        others: further values, None for none.

    Returns:
        floor (0..1) and ticks (from 1 downwards).
    """
    values = [*others, *(estimate[key] for estimate in estimates for key in ("value", "low"))]
    lowest = min((value for value in values if value is not None), default=0.0)
    first = max(0, min(9, math.floor(10 * lowest - 0.1)))
    step = 1 if first >= 4 else 2
    return {"floor": first / 10, "ticks": [tick / 10 for tick in range(10, first - 1, -step)]}
