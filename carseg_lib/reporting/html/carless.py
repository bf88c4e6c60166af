"""Photos without a car in the gallery: what was answered for each, so that a false alarm can be looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from carseg_lib.data.photos import upright_size
from carseg_lib.evaluation.presence import BUILTIN, GIVEN, NO_CAR, OWN, PRESENCE, photo_table

if TYPE_CHECKING:
    from carseg_lib.reporting.html.run_files import RunFiles

_UNKNOWN = (300, 200)  # pixels, of a photo that cannot be read
_BOX = ["x1", "y1", "x2", "y2"]


@dataclass(frozen=True)
class CarlessPhoto:
    """A photo without a car, and its answer."""

    photo_id: str  # as the gallery shows it
    of: str  # the set of photos: "test", "validation", "built-in" or "negatives"
    path: Path
    answer: str  # the type as which a car is found, or "no car"
    score: float  # of the region most like a car, 0..1
    regions: list[tuple[str, float, tuple[float, ...]]]  # type, score, box in pixels, best first
    size: tuple[int, int]  # width and height, pixels


def carless_photos(run: RunFiles) -> list[CarlessPhoto]:
    """The photos without a car that the run was measured on; none for a run of before, or without them."""
    found = run.metrics.get("presence")
    table = run.table("presence.csv", PRESENCE)
    if not found or table is None or run.catalogue is None:
        return []
    table = table[table["body_type"] == NO_CAR]
    if table.empty:
        return []
    photos = photo_table(table, found["threshold"])
    regions = dict(list(table[table["predicted"] != ""].groupby(["source", "split", "photo_id"])))
    sizes = run.catalogue.background.set_index("photo_id")[["width", "height"]]
    return [
        _photo(run, row, regions.get((row["source"], row["split"], row["photo_id"])), sizes)
        for row in photos.to_dict("records")
    ]


def _photo(run: RunFiles, row: Mapping[str, Any], regions: pd.DataFrame | None, sizes: pd.DataFrame) -> CarlessPhoto:
    photo_id, source = str(row["photo_id"]), row["source"]
    path = _folder(run, source) / photo_id
    known = source == OWN and photo_id in sizes.index
    rows = [] if regions is None else regions.sort_values("score", ascending=False, kind="stable").to_dict("records")
    return CarlessPhoto(
        f"{GIVEN}/{photo_id}" if source == GIVEN else photo_id,
        row["split"] if source == OWN else source,
        path,
        row["answer"],
        float(row["score"]),
        [(one["predicted"], float(one["score"]), tuple(float(one[edge]) for edge in _BOX)) for one in rows],
        (int(sizes["width"][photo_id]), int(sizes["height"][photo_id])) if known else upright_size(path) or _UNKNOWN,
    )


def _folder(run: RunFiles, source: str) -> Path:
    """Where the photos of a source lie."""
    if source == BUILTIN:
        return run.folder.parent / ".data" / "background" / "images"
    if source == GIVEN:
        return Path(((run.config or {}).get("eval") or {}).get("negatives") or "")
    assert run.catalogue is not None, "its photos are of the catalogue"
    return run.catalogue.root
