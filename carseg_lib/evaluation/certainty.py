"""certainty.json: every number of notebook 06, and the model that it was measured on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.paths import RunPaths

SCHEMA = 1


def save_certainty(paths: RunPaths, parts: Mapping[str, Any]) -> dict[str, Any]:
    """Write certainty.json into a run's folder.

    Args:
        paths: of the run, which has a trained model.
        parts: plain values, or tables, by name, such as "robustness".

    Returns:
        The content: the parts, a table as a list of its rows, with `schema` and `model_sha256`.
    """
    parts = {name: _rows(part) if isinstance(part, pd.DataFrame) else part for name, part in parts.items()}
    content = {"schema": SCHEMA, "model_sha256": files.read_json(paths.best_card)["sha256"], **parts}
    files.write_json(paths.certainty, content)
    return content


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table, missing numbers as None."""
    return json.loads(table.to_json(orient="records", double_precision=15))


def read_certainty(folder: Path) -> dict[str, Any] | None:
    """The content of a run's certainty.json, with `stale`: whether it is of another model than the run has now.

    Args:
        folder: `reports/<run>`.

    Returns:
        None if the run has none.

    Raises:
        CarsegError: The file is of another version.
    """
    path = folder / "certainty.json"
    if not path.is_file():
        return None
    content = files.read_json(path)
    if content.get("schema") != SCHEMA:
        raise CarsegError(f"{path} is of another version of carseg: delete it, or run make certainty again.")
    card = folder / "model" / "best.json"
    stale = card.is_file() and files.read_json(card).get("sha256") != content["model_sha256"]
    return content | {"stale": stale}
