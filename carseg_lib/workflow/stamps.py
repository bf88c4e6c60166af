"""Stamps: `reports/<run>/stamps/<stage>.json` keeps a digest of all that a stage needed and of all that it wrote."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError
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
    except (OSError, ValueError, RecursionError):
        return {}
    return stamp if _is_whole(stamp) else {}


def _is_whole(stamp: Any) -> bool:
    """Whether a stamp has the parts that are taken from it, each of its kind: a disk may have damaged it."""
    if not isinstance(stamp, dict) or stamp.get("schema") != SCHEMA:
        return False
    tables = [stamp.get(name) for name in ("needs", "inputs", "outputs", "record")]
    return (
        all(isinstance(table, dict) for table in tables)
        and isinstance(stamp.get("data"), dict | None)
        and all(
            isinstance(state, dict) and isinstance(state.get("sha256"), str) and not Path(name).is_absolute()
            for table in tables[1:3]
            for name, state in cast(dict[str, Any], table).items()
        )
    )


def altered(run: RunPaths) -> str:
    """The first file of a run that is not as its stage left it; "" if all are."""
    for path in sorted(run.folder.glob("stamps/*.json")):
        for name, state in read_stamp(path).get("outputs", {}).items():
            file = run.folder / name
            if not file.is_file() or files.sha256(file) != state["sha256"]:
                return str(name)
    return ""


@contextmanager
def read_as_left(run: RunPaths) -> Iterator[None]:
    """Where the block stumbles over a file of the run that is not as its stage left it, one line names the file.

    Other faults of the block stay what they are.

    Raises:
        CarsegError: Of such a file.
    """
    try:
        yield
    except CarsegError:
        raise
    except Exception as error:  # of a reader of any file, a drawing, a template
        if name := altered(run):
            raise CarsegError(
                f"{run.folder / name} was altered after it was made: run make reproduce RUN={run.folder.name} again."
            ) from error
        raise


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
        same = before == before | state and "sha256" in before
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
