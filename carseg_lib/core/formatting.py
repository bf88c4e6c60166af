"""Numbers and names as a reader would say them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from carseg_lib.paper import claims

Estimate = Mapping[str, Any]  # {"value", "low", "high", "n"}, or None where it does not apply


def percent(value: float | None, digits: int = 1) -> str:
    """A fraction as a percentage; a dash where there is none."""
    return "–" if value is None or not math.isfinite(value) else f"{100 * value:.{digits}f}%"


def interval(estimate: Estimate | None) -> str:
    """The 95% interval of an estimate, "83.3–91.9%"; empty where there is none."""
    if not estimate or estimate.get("low") is None or estimate.get("high") is None:
        return ""
    return f"{100 * estimate['low']:.1f}–{100 * estimate['high']:.1f}%"


def short_claim(claim: str) -> str:
    """Names of Table 1's cells gathered by type: "suv recall, suv f1" becomes "suv: recall, f1".

    The same cells of every type become "all types: ..."; other claims stay as they are.
    """
    cells: dict[str, list[str]] = {}
    for name in claim.split(", "):
        body_type, _, measure = name.partition(" ")
        if body_type not in claims.TABLE_1.index or measure not in claims.TABLE_1.columns:
            return claim
        cells.setdefault(body_type, []).append(measure)
    if len(cells) == len(claims.TABLE_1) and len({tuple(measures) for measures in cells.values()}) == 1:
        cells = {"all types": next(iter(cells.values()))}
    return "; ".join(f"{body_type}: {', '.join(measures)}" for body_type, measures in cells.items())


def points(estimate: Mapping[str, Any] | None) -> str:
    """A difference in percentage points with its interval: "+3.1 (+0.4 to +5.8)"."""
    if estimate is None:
        return "–"
    value, low, high = (f"{100 * estimate[key]:+.1f}" for key in ("value", "low", "high"))
    return f"{value} ({low} to {high})"
