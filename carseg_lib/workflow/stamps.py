"""Stamps: `reports/<run>/stamps/<stage>.json` keeps a digest of all that a stage needed and of all that it wrote."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from carseg_lib.core import files
from carseg_lib.core.paths import RunPaths

Stamp = dict[str, Any]
SCHEMA = 1


def stamp_path(run: RunPaths, stage: str) -> Path:
    """Return the path of a stage's stamp."""
    return run.folder / "stamps" / f"{stage}.json"


def read_stamp(path: Path) -> Stamp:
    """Return the stamp of a stage; empty if there is none or it cannot be read: the stage then runs again."""
    try:
        stamp = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) and stamp.get("schema") == SCHEMA else {}


def file_states(folder: Path, patterns: Iterable[str], known: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return size, time and digest of the files that match some patterns.

    Args:
        folder: Where the patterns start.
        patterns: As of `Path.glob`.
        known: An earlier result; a file of the same size and time as there is not read again.

    Returns:
        `{"size": bytes, "mtime_ns": int, "sha256": hex}` by path relative to `folder`.
    """
    states = {}
    paths = {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    for path in sorted(paths):
        name, status = path.relative_to(folder).as_posix(), path.stat()
        state = {"size": status.st_size, "mtime_ns": status.st_mtime_ns}
        before = known.get(name, {})
        same = before == before | state
        states[name] = state | {"sha256": before["sha256"] if same else files.sha256(path)}
    return states


def difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Describe what differs between two tables of needs (the first two things); "" if nothing does."""
    reasons = []
    for name in [*now, *(name for name in before if name not in now)]:
        if name not in before:
            reasons.append(f"{name} is new")
        elif name not in now:
            reasons.append(f"{name} is gone")
        elif before[name] != now[name]:
            change = f"{before[name]} → {now[name]}" if name.startswith("setting ") else "changed"
            reasons.append(f"{name} {change}".removeprefix("setting "))
    more = f" and {len(reasons) - 2} more" if len(reasons) > 2 else ""
    return ", ".join(reasons[:2]) + more
