"""The rows of the benchmark, and the files they go into: bench.json and bench.md."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from carseg_lib.core import files
from carseg_lib.core.formatting import DASH, markdown_table


@dataclass(frozen=True)
class Row:
    """One measurement.

    Attributes:
        part: its heading: "speed", "quality", "memory", "machine".
        what: what was measured.
        unit: of the numbers.
        torchvision: torchvision's Mask R-CNN; None where it does not apply.
        carseg: carseg's.
        more_is_better: whether a larger number is the better one.
        note: how it was measured.
    """

    part: str
    what: str
    unit: str
    torchvision: float | None
    carseg: float | None
    more_is_better: bool = True
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times better carseg is: above 1 if it is; None where one number is missing or 0."""
        if not self.torchvision or not self.carseg:
            return None
        return self.carseg / self.torchvision if self.more_is_better else self.torchvision / self.carseg

    @property
    def cells(self) -> tuple[str, ...]:
        """The row of its table."""
        ratio = DASH if self.ratio is None else f"{self.ratio:.3g}×"
        return self.what, self.unit, _number(self.torchvision), _number(self.carseg), ratio, self.note


def write_rows(folder: Path, rows: Sequence[Row], info: dict[str, Any]) -> None:
    """bench.json and bench.md; `info` is what was measured where: settings, hardware, measurements behind the rows."""
    files.write_json(folder / "bench.json", {**info, "rows": [asdict(r) | {"ratio": r.ratio} for r in rows]})
    files.write_text(folder / "bench.md", markdown(rows, info))


def markdown(rows: Sequence[Row], info: dict[str, Any]) -> str:
    """The table to read."""
    hardware = info["hardware"]
    lines = [
        "# Benchmark",
        "",
        f"{hardware['processor']}, {hardware['cores']} cores, {hardware['memory_gb']:g} GB, "
        f"{', '.join(hardware['gpus']) or 'no GPU'}; {info['made']}; torch {info['torch']}. Medians of interleaved "
        "repeats; a ratio above 1: carseg is better.",
        "",
    ]
    header = ("What", "Unit", "torchvision", "carseg", "Ratio", "")
    for part in dict.fromkeys(row.part for row in rows):
        cells = [row.cells for row in rows if row.part == part]
        lines += [f"## {part.capitalize()}", "", markdown_table(header, cells, "llrrrl")]
    return "\n".join(lines)


def _number(value: float | None) -> str:
    if value is None:
        return DASH
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
