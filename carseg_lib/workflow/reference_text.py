"""What the commands check-reference and update-reference print."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from carseg_lib.core.formatting import percent, signed
from carseg_lib.workflow.reference import Comparison
from carseg_lib.workflow.reference_tolerance import HEADLINE, LEAST_SEEDS, expected


def comparison_text(comparison: Comparison, run: str, table_path: str, subject: str = "") -> str:
    """The judged numbers as a table, then a line on the other numbers, one on the bits, and the answer.

    Args:
        comparison: The run beside its reference.
        run: Its name.
        table_path: Where all comparisons are listed, as it is shown.
        subject: Of the answer; "" is "run" with its name.
    """
    subject = subject or f"run {run}"
    table = comparison.table
    judged, others = table[table["kind"] == "headline"], table[table["kind"] == "information"]
    rows = [
        [
            HEADLINE[row["metric"]],
            percent(row["run"], 2),
            percent(row["reference"], 2),
            signed(100 * row["difference"], 2) if math.isfinite(row["difference"]) else "missing",
            f"± {100 * row['tolerance']:.2f}",
            "ok" if row["ok"] else "NOT OK",
        ]
        for row in judged.to_dict("records")
    ]
    reference = f"mean of {comparison.seeds} seeds" if comparison.seeds >= LEAST_SEEDS else "reference"
    lines = [
        *_aligned(["", f"run {run}", reference, "difference", "tolerance", ""], rows),
        "",
        *([] if comparison.seeds >= LEAST_SEEDS else [_few_seeds(comparison.seeds)]),
        _information(others, table_path),
        _bits(comparison),
        *(_wrong(row) for row in table[~table["ok"] & (table["kind"] != "headline")].to_dict("records")),
    ]
    if comparison.ok:
        lines.append(f"{subject} is like its reference: {len(judged)} of {len(judged)} headline numbers in tolerance")
    else:
        bad = f"{int((~judged['ok']).sum())} of {len(judged)} headline numbers out of tolerance"
        lines.append(f"{subject} is NOT like its reference: {bad}, {int((~table['ok']).sum())} findings in all")
    return "\n".join(lines)


def seeds_text(reference: Mapping[str, Any]) -> str:
    """A reference's headline numbers: each seed, their mean and standard deviation, and the tolerance of a rerun."""
    runs = reference["seeds"]
    rows = []
    for path, name in HEADLINE.items():
        if path in reference["metrics"]:
            values = [run["numbers"][path] for run in runs]
            target = expected(reference["metrics"][path], values)
            deviation = f"{100 * np.std(values, ddof=1):.2f}" if len(values) > 1 else ""
            tolerance = f"± {100 * target.tolerance:.2f}"
            rows.append(
                [name, *(percent(v, 2) for v in values), percent(float(np.mean(values)), 2), deviation, tolerance]
            )
    header = ["", *(f"seed {run['seed']}" for run in runs), "mean", "sd", "tolerance"]
    return "\n".join([*_aligned(header, rows), *([] if len(runs) >= LEAST_SEEDS else [_few_seeds(len(runs))])])


def _few_seeds(seeds: int) -> str:
    return (
        f"tolerance: from the 95% intervals alone; the spread between seeds takes {LEAST_SEEDS} runs, here is {seeds}"
    )


def _information(others: pd.DataFrame, table_path: str) -> str:
    """One line on the numbers that are not judged: how many, and the greatest difference."""
    known = others[np.isfinite(others["difference"])]
    if known.empty:
        return "information: no other number"
    row = known.loc[known["difference"].abs().idxmax()]
    if not row["difference"]:
        return f"information: {len(others)} other numbers, all equal; all in {table_path}"
    name, values = row["metric"].removesuffix(".value"), f"{percent(row['run'], 2)}, {percent(row['reference'], 2)}"
    apart = f"at most {100 * abs(row['difference']):.2f} points apart ({name}: {values} in the reference)"
    return f"information: {len(others)} other numbers, {apart}; all in {table_path}"


def _bits(comparison: Comparison) -> str:
    numbers, unequal = comparison.numbers, comparison.unequal
    found = f"identical to the bit, all {numbers} numbers" if not unequal else f"{unequal} of {numbers} numbers differ"
    if not comparison.circumstances:
        why = "" if not unequal else "; with the same seed, machine, number format, threads and versions none should"
        return f"bits: {found}{why}"
    first, *more = comparison.circumstances
    others = f" and {len(more)} more" if more else ""
    return f"bits: {found}; not the same circumstances ({first}{others})"


def _wrong(row: Mapping[str, Any]) -> str:
    if row["kind"] == "equal":
        return f"NOT OK {row['metric']}: {row['run']}, {row['reference']} expected"
    return f"NOT OK {row['metric']}: missing or not finite ({row['run']})"


def _aligned(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table whose first column is text, flush left; the others are flush right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = []
    for row in (header, *rows):
        cells = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join([row[0].ljust(widths[0]), *cells]).rstrip())
    return lines
