"""The audit of a report as lines of text, for a terminal."""

from __future__ import annotations

import textwrap

import pandas as pd

from carseg_lib.paper.verdicts import CONSISTENT, VERDICTS

WIDTH = 100  # characters of a line


def audit_lines(title: str, checks: pd.DataFrame, figures: pd.DataFrame) -> list[str]:
    """An audit as short lines: each check by its verdict, the figures' verdicts, the counts.

    Args:
        title: What was read.
        checks: The audit, columns `verdicts.COLUMNS`.
        figures: `verdicts.figure_verdicts` of it.

    Returns:
        The lines; what fits has no reason.
    """
    lines = _wrapped(title, "")
    for verdict in VERDICTS:
        rows = checks[checks["verdict"] == verdict]
        lines += ["", f"{verdict.upper()} ({len(rows)})"] if len(rows) else []
        for row in rows.itertuples():
            printed = f" {row.printed}" if row.printed else ""
            title = f"{gathered(row.claim)}{printed}: {row.check}"
            if verdict == CONSISTENT:
                lines += _wrapped(f"{title}: {row.implied}", "  ")
                continue
            lines += _wrapped(f"{title} [{row.scope}]", "  ")
            lines += _wrapped(f"what follows: {row.implied}. {row.why}", "      ")
            lines += _wrapped(row.working, "      ")
    lines += ["", "EACH FIGURE"]
    width = max(len(name) for name in figures["claim"])
    lines += [f"  {row.claim:{width}}  {row.printed:>8}  {row.verdict}" for row in figures.itertuples()]
    counts = ", ".join(f"{int((checks['verdict'] == verdict).sum())} {verdict}" for verdict in VERDICTS)
    of_figures = ", ".join(f"{int((figures['verdict'] == verdict).sum())} {verdict}" for verdict in VERDICTS)
    return [*lines, "", f"{len(checks)} checks: {counts}", f"{len(figures)} figures: {of_figures}"]


def gathered(claim: str) -> str:
    """Names of figures, gathered by class: "suv recall, suv f1" becomes "suv recall, f1".

    The same figures of more than two classes become "recall, f1 of suv, sedan, minivan".
    """
    found: dict[str, list[str]] = {}
    for name in claim.split(", "):
        of, _, measure = name.rpartition(" ")
        found.setdefault(of, []).append(measure)
    measures = {tuple(some) for some in found.values()}
    if len(found) > 2 and len(measures) == 1:
        return f"{', '.join(next(iter(measures)))} of {', '.join(found)}"
    return "; ".join(f"{of} {', '.join(some)}".strip() for of, some in found.items())


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=indent, subsequent_indent=indent + "  ", break_on_hyphens=False)
