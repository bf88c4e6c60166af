"""Checks of printed numbers as rows of a table: what each assumes, and its verdict; then one verdict a figure.

A number is impossible only if no values within the intervals of the printed ones fit, so that rounding is never the
reason, and only by a check that needs no reading that the text does not state.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from carseg_lib.paper.printed import Interval

CONSISTENT = "consistent"
IMPOSSIBLE = "impossible as printed"
NOT_THIS_READING = "not by this reading"
UNKNOWN = "cannot be judged"
VERDICTS = (IMPOSSIBLE, NOT_THIS_READING, CONSISTENT, UNKNOWN)
# What a check assumes, from nothing to most; only the first two can show that a number is impossible.
WHATEVER = "whatever the reading"
ONE_EVALUATION = "one evaluation"
THIS_READING = "this reading"
SCOPES = (WHATEVER, ONE_EVALUATION, THIS_READING)

COLUMNS = ("claim", "printed", "place", "check", "scope", "working", "implied", "verdict", "why")
CHECKS: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("checks.yaml").read_text(encoding="utf-8"))
_KEYS = {True: "possible", False: "impossible", None: "unknown"}


def verdict_of(scope: str, *, possible: bool | None) -> str:
    """The verdict of a check: a reading that does not fit is not yet an error of the text."""
    if possible is None:
        return UNKNOWN
    return CONSISTENT if possible else NOT_THIS_READING if scope == THIS_READING else IMPOSSIBLE


def span(interval: Interval, digits: int = 4) -> str:
    """An interval as text: "0.7967…0.7977"; "none" if it is empty."""
    if interval[0] > interval[1]:
        return "none"
    low, high = (f"{end:.{digits}f}" if math.isfinite(end) else "∞" for end in interval)
    return f"{low}…{high}"


class Checks:
    """Rows of an audit at one place of a text, with the words of one part of `checks.yaml`."""

    def __init__(self, place: str, part: str) -> None:
        self._place, self._texts = place, CHECKS[part]
        self._rows: list[tuple[str, ...]] = []

    def text(self, name: str, part: str, /, **values: Any) -> str:
        """One part of a check's words, filled in."""
        return str(self._texts[name][part]).format(**values)

    def add(
        self,
        name: str,
        claims: Iterable[str],
        printed: str = "",
        /,
        *,
        possible: bool | None,
        scope: str = "",
        why: str = "",
        working: str = "working",
        **values: Any,
    ) -> None:
        """Add a check of claims.

        Args:
            name: of the check in its part of `checks.yaml`, whose words are filled in with `values`.
            claims: the names of the figures that it is of.
            printed: how they are printed.
            possible: whether they fit; None if that cannot be judged.
            scope: what it assumes here, if not what `checks.yaml` says.
            why: which text is the reason, if not that of the verdict.
            working: which text is the working.
            values: what the words have in braces.
        """
        text = self._texts[name]
        scope = scope or text["scope"]
        parts = (text[part].format(**values) for part in ("check", working, "implied", why or _KEYS[possible]))
        check, shown, implied, reason = parts
        verdict = verdict_of(scope, possible=possible)
        self._rows.append((", ".join(claims), printed, self._place, check, scope, shown, implied, verdict, reason))

    def frame(self) -> pd.DataFrame:
        """The rows, columns `COLUMNS`, all texts."""
        return pd.DataFrame(self._rows, columns=list(COLUMNS))


def figure_verdicts(frame: pd.DataFrame, printed: Mapping[str, str]) -> pd.DataFrame:
    """One verdict a figure, from all checks that name it.

    Args:
        frame: An audit, columns `COLUMNS`.
        printed: How figures are printed, by name.

    Returns:
        A row per figure, in the order of the checks: claim, printed, verdict, scope, why. `IMPOSSIBLE` if any check
        shows it (the reason is of the check that assumes least, then of the one with the fewest figures). Else by its
        readings, where checks try some: `CONSISTENT` if one fits, `NOT_THIS_READING` if none of ours does. Else
        `CONSISTENT` if any check fits, and `UNKNOWN` if none can judge it.
    """
    rows = []
    for figure in dict.fromkeys(name for names in frame["claim"] for name in names.split(", ")):
        checks = [row for row in frame.itertuples() if figure in row.claim.split(", ")]
        checks.sort(key=lambda row: (SCOPES.index(row.scope), row.claim.count(", ")))
        wrong = [row for row in checks if row.verdict == IMPOSSIBLE]
        readings = [row for row in checks if row.scope == THIS_READING and row.verdict != UNKNOWN]
        fits = [row for row in readings or checks if row.verdict == CONSISTENT]
        if wrong:
            others = wrong[0].claim.count(", ")
            together = f" (with {others} other{'s' if others > 1 else ''})" if others else ""
            decisive, why = wrong[0], f"{wrong[0].check}{together}: {wrong[0].why}"
        elif fits:
            decisive = fits[0]
            why = "; ".join(f"{row.check}: {row.why}" for row in (fits if readings else fits[:1]))
            why = f"A reading fits: {why}" if readings else why
        elif readings:
            decisive = readings[0]
            why = "No reading of ours fits: " + "; ".join(f"{row.check} ({row.implied})" for row in readings)
        else:
            decisive, why = checks[0], f"{checks[0].check}: {checks[0].why}"
        alone = (row.printed for row in checks if row.claim == figure and row.printed)
        shown = printed.get(figure) or next(alone, "")
        rows.append((figure, shown, decisive.verdict, decisive.scope, why))
    return pd.DataFrame(rows, columns=["claim", "printed", "verdict", "scope", "why"])
