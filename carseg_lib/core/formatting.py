"""Numbers, times and tables as text, for the terminal, the figures and the report."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

DASH = "–"  # where there is no number
MINUS = "−"
Estimate = Mapping[str, Any]  # {"value", "low", "high", "n"}


def percent(value: float | None, digits: int = 1) -> str:
    """A fraction as a percentage, 0.5 -> "50.0%"; a dash where there is none."""
    return DASH if value is None or not math.isfinite(value) else f"{100 * value:.{digits}f}%"


def interval(estimate: Estimate | None) -> str:
    """The 95% interval of an estimate, "83.3–91.9%"; empty where there is none."""
    if not estimate or estimate.get("low") is None or estimate.get("high") is None:
        return ""
    return f"{100 * estimate['low']:.1f}–{100 * estimate['high']:.1f}%"


def signed(value: float, digits: int = 1) -> str:
    """A number with its sign, a minus sign where it is negative: "+3.1", "−0.4"."""
    return f"{value:+.{digits}f}".replace("-", MINUS)


def points(estimate: Estimate | None) -> str:
    """A difference in percentage points with its interval: "+3.1 (+0.4 to +5.8)"."""
    if estimate is None:
        return DASH
    value, low, high = (signed(100 * estimate[key]) for key in ("value", "low", "high"))
    return f"{value} ({low} to {high})"


def number(value: Any, digits: int = 3) -> str:
    """A table's cell: whole numbers with separators, others rounded, a dash for none, texts as they are."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return DASH
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, int) or (float(value).is_integer() and abs(value) >= 1):
        return f"{int(value):,}"
    return f"{value:.{digits}f}" if abs(value) >= 10**-digits or value == 0 else f"{value:.1e}"


def significant(value: float, digits: int = 3) -> str:
    """A number with so many significant digits and no exponent: "0.0000432", "12.3", "1,230"; a dash for none."""
    if not math.isfinite(value):
        return DASH
    rounded = float(f"{value:.{digits}g}")
    decimals = max(digits - 1 - math.floor(math.log10(abs(rounded))), 0) if rounded else 0
    text = f"{rounded:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def duration(seconds: float) -> str:
    """A duration in words: "40 s", "12 min", "3 h 05 min"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]], align: str = "") -> str:
    """A Markdown table, ending in a newline; align: a letter a column, "l" or "r" ("l" once, then "r" if not given)."""
    align = align or "l" + "r" * (len(header) - 1)
    rule = ["---:" if letter == "r" else ":---" for letter in align]
    lines = [header, rule, *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
