"""The rows of the benchmark, and the files they go into: bench.json and bench.md."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from carseg_lib.core import files


@dataclass(frozen=True)
class Row:
    """One measurement.

    Attributes:
        part: its heading: "speed", "quality", "memory", "machine".
        what: what was measured.
        unit: of the numbers.
        stock: torchvision's Mask R-CNN; None where it does not apply.
        ours: this project's.
        more_is_better: whether a larger number is the better one.
        note: how it was measured.
    """

    part: str
    what: str
    unit: str
    stock: float | None
    ours: float | None
    more_is_better: bool = True
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times better ours is: above 1 if it is; None where one number is missing or 0."""
        if not self.stock or not self.ours:
            return None
        return self.ours / self.stock if self.more_is_better else self.stock / self.ours


def write_rows(folder: Path, rows: Sequence[Row], facts: dict[str, Any]) -> None:
    """bench.json and bench.md.

    Args:
        folder: of both.
        rows: in order.
        facts: what was measured where: settings, hardware, versions, measurements behind the rows.
    """
    files.write_json(folder / "bench.json", {**facts, "rows": [asdict(r) | {"ratio": r.ratio} for r in rows]})
    files.write_text(folder / "bench.md", markdown(rows, facts))


def markdown(rows: Sequence[Row], facts: dict[str, Any]) -> str:
    """The table to read."""
    hardware = facts["hardware"]
    lines = [
        "# Benchmark",
        "",
        f"{hardware['processor']}, {hardware['cores']} cores, {hardware['memory_gb']:g} GB, "
        f"{', '.join(hardware['gpus']) or 'no GPU'}; {facts['made']}; torch {facts['torch']}. Medians of interleaved "
        "repeats; a ratio above 1: ours is better.",
        "",
    ]
    for part in dict.fromkeys(row.part for row in rows):
        lines += [
            f"## {part.capitalize()}",
            "",
            "| What | Unit | Stock | Ours | Ratio | |",
            "|:--|:--|--:|--:|--:|:--|",
        ]
        for row in rows:
            if row.part == part:
                ratio = "–" if row.ratio is None else f"{row.ratio:.3g}×"
                lines.append(
                    f"| {row.what} | {row.unit} | {_number(row.stock)} | {_number(row.ours)} | {ratio} | {row.note} |"
                )
        lines.append("")
    return "\n".join(lines)


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
