"""The tables of docs/faults.md from what the two programs wrote with --out.

python -m tests.faults.table kill.jsonl fuzz.jsonl
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

Row = Mapping[str, Any]


def kill_table(rows: Iterable[Row]) -> str:
    """A row a step: kills, seeds, temporary files until the same call ran again, faults."""
    steps: dict[str, list[Row]] = {}
    for row in rows:
        steps.setdefault(row["step"], []).append(row)
    lines = ["| step | kills | seeds | left a temporary file until then | other bytes, or files left |"]
    lines += ["| --- | ---: | ---: | ---: | ---: |"]
    lines += [_kill_line(name, of) for name, of in steps.items()]
    return "\n".join([*lines, _kill_line("**all**", [row for of in steps.values() for row in of])])


def _kill_line(name: str, rows: Sequence[Row]) -> str:
    kills, left = sum(row["killed"] for row in rows), sum(row["left_behind"] for row in rows)
    faults = sum(len(row["faults"]) for row in rows)
    return f"| {name} | {kills:,} | {len({row['seed'] for row in rows})} | {left:,} | {faults:,} |"


def fuzz_table(rows: Iterable[Row]) -> str:
    """A row a reader, the most inputs first: inputs, those that were read, those that showed a fault."""
    readers: dict[str, list[Row]] = {}
    for row in rows:
        readers.setdefault(row["reader"], []).append(row)
    ordered = sorted(readers.items(), key=lambda item: -sum(row["inputs"] for row in item[1]))
    lines = ["| reader | inputs | read | showed a fault |", "| --- | ---: | ---: | ---: |"]
    lines += [_fuzz_line(name, of) for name, of in ordered]
    return "\n".join([*lines, _fuzz_line("**all**", [row for _, of in ordered for row in of])])


def _fuzz_line(name: str, rows: Sequence[Row]) -> str:
    inputs, read = sum(row["inputs"] for row in rows), sum(row["read"] for row in rows)
    return f"| {name} | {inputs:,} | {read:,} | {sum(sum(row['counts'].values()) for row in rows):,} |"


def main(paths: Sequence[str]) -> None:
    """Print the table of each file of JSON lines."""
    for path in paths:
        rows = [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]
        print((kill_table if "step" in rows[0] else fuzz_table)(rows) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
