"""Runs side by side, `reports/compare.html`: two at a time, with paired differences and the photos they disagree on.

One page for all pairs: a page a pair would hold the same photos again and again. Every number is computed here; the
script of the page only chooses which pair is shown.

Two runs are compared on the validation and test photos that both evaluated, in the same split, with the same pixels and
label. Two questions are answered apart: whether these two models differ on such photos (McNemar's exact test, Agresti
and Min's interval), and whether their recipes do, of which each was trained once (`carseg_lib.evaluation.paired`).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from carseg_lib.core import files
from carseg_lib.core.formatting import points
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.evaluation.bootstrap import Estimate
from carseg_lib.evaluation.matched import change_p, matched_difference
from carseg_lib.evaluation.multiple import ALPHA
from carseg_lib.evaluation.paired import SEED_SPREAD, paired_difference, photo_difference
from carseg_lib.evaluation.tables import PREDICTIONS, read_table
from carseg_lib.reporting.html.dots import axis
from carseg_lib.reporting.html.pictures import Pictures, make_pictures
from carseg_lib.reporting.html.render import MAX_BYTES, data_block, render
from carseg_lib.reporting.html.run_files import read_optional_json, settings

NAME = "compare.html"
MOST = 12  # runs that are compared, the newest: their pairs are many
SPLITS = ("test", "validation")  # training photos were learned from
_SAMPLES = 1000  # bootstrap draws for the difference of overlaps
_MARKS = 2_000  # bytes for the line about the pictures
_MEASURES = (  # title, and where metrics.json has it
    ("Accuracy", ("accuracy",)),
    ("F1, macro", ("macro", "f1")),
    ("Box AP", ("box", "AP")),
    ("Mask AP", ("mask", "AP")),
    ("Mask IoU", ("mask_iou",)),
)
_PAIRED = {"Accuracy": "accuracy", "Mask IoU": "mask_iou"}


@dataclass(frozen=True, eq=False)
class Compared:
    """A run that may be compared; its tables are read when they are asked for."""

    folder: Path
    metrics: Mapping[str, Any]
    made: str  # ISO 8601, "" if not known

    @cached_property
    def catalogue(self) -> Catalogue | None:
        """The data set of the run; None where it is missing."""
        folder = self.folder / "dataset"
        return Catalogue.load(folder) if folder.is_dir() else None

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """Validation and test photos by (photo_id, pixel_sha256): split, body_type, predicted, score, mask_iou, group.

        Empty where the run lacks predictions.csv or its catalogue.
        """
        path = self.folder / "predictions.csv"
        columns = ["split", "body_type", "predicted", "score", "mask_iou"]
        if self.catalogue is None or not path.is_file():
            none = pd.DataFrame(columns=["photo_id", "pixel_sha256", *columns, "group"], dtype="object")
            return none.set_index(["photo_id", "pixel_sha256"])
        table = read_table(path, PREDICTIONS)[["photo_id", *columns]]
        table = table[table["split"].isin(SPLITS)].merge(
            self.catalogue.photos[["photo_id", "pixel_sha256", "group"]], on="photo_id"
        )
        return table.set_index(["photo_id", "pixel_sha256"])


@dataclass(frozen=True)
class Row:
    """A measure of two runs side by side."""

    title: str
    first: Estimate | None
    second: Estimate | None
    difference: Estimate | None  # second less first, photo by photo; None where it is not paired


@dataclass(frozen=True)
class Part:
    """Two runs on one split."""

    split: str
    photos: int  # that both evaluated
    sentences: list[str]
    rows: list[Row]
    axis: Mapping[str, Any]


@dataclass(frozen=True)
class Pair:
    """Two runs, by their places among those compared; the first is the older one."""

    first: int
    second: int
    parts: list[Part]
    settings: list[tuple[str, Any, Any]]  # that differ: name, and value in either
    relabelled: int  # photos with another label in either, which are left out


def write_comparison(reports: Path, runs: Sequence[Compared]) -> bool:
    """Write `reports/compare.html`, or remove it where there are fewer than two runs.

    Args:
        reports: the folder of runs.
        runs: finished ones, newest first; the newest `MOST` are compared.

    Returns:
        Whether there is a comparison.

    Raises:
        CarsegError: A file of a run is broken.
    """
    path = Path(reports) / NAME
    if len(runs) < 2:
        path.unlink(missing_ok=True)
        return False
    chosen = list(runs[:MOST])[::-1]
    pairs = [_pair(chosen, a, b) for a, b in itertools.combinations(range(len(chosen)), 2)]
    data, photos = _disagreements(chosen)
    paired = [pair for pair in pairs if any(part.photos for part in pair.parts)]
    shown = (paired or pairs)[-1]  # the newest two that can be paired
    data["pair"] = [shown.first, shown.second]
    context: dict[str, Any] = {
        "runs": [_about(run) for run in chosen],
        "pairs": pairs,
        "left_out": len(runs) - len(chosen),
        "seed_spread": SEED_SPREAD,
    }
    blocks = {"compare-data": data_block(data), "compare-pictures": data_block([])}
    bare = render("compare.html", {**context, "blocks": blocks, "line": ""}, parts=("predictions", "compare"))
    pictures = make_pictures(None, photos, MAX_BYTES - len(bare.encode("utf-8")) - _MARKS)
    blocks["compare-pictures"] = data_block(pictures.sources)
    whole = {**context, "blocks": blocks, "line": _line(pictures)}
    files.write_text(path, render("compare.html", whole, parts=("predictions", "compare")))
    return True


def _about(run: Compared) -> dict[str, Any]:
    """What the head of a comparison says of a run."""
    provenance = read_optional_json(run.folder / "provenance.json") or {}
    return {
        "folder": run.folder.name,
        "data": run.metrics["data"]["name"],
        "run": run.metrics["run"],
        "made": run.made,
        "seconds": provenance.get("seconds"),
        "commit": (provenance.get("carseg") or {}).get("commit") or "",
    }


def _pair(runs: Sequence[Compared], a: int, b: int) -> Pair:
    tables = runs[a].predictions, runs[b].predictions
    both = tables[0].merge(tables[1], left_index=True, right_index=True, suffixes=("_a", "_b"))
    both = both[both["split_a"] == both["split_b"]]
    same = both["body_type_a"] == both["body_type_b"]
    parts = [_part(runs[a], runs[b], split, both[same & (both["split_a"] == split)]) for split in SPLITS]
    given = [settings(read_optional_json(run.folder / "config.json") or {}) for run in (runs[a], runs[b])]
    names = [name for name in dict.fromkeys([*given[0], *given[1]]) if name not in ("name", "data_as_given")]
    differ = [(name, given[0].get(name), given[1].get(name)) for name in names]
    return Pair(a, b, [part for part in parts if part.rows], [row for row in differ if row[1] != row[2]], (~same).sum())


def _part(first: Compared, second: Compared, split: str, both: pd.DataFrame) -> Part:
    """Two runs on one split.

    Args:
        first: the older run.
        second: the newer run.
        split: its name.
        both: the photos that both evaluated in it, with the columns of either ("_a", "_b").
    """
    differences: dict[str, Estimate] = {}
    sentences: list[str] = []
    names = first.folder.name, second.folder.name
    if len(both):
        groups = both["group_a"].tolist() if (both["group_a"] != "").any() else None
        right = [(both[f"predicted{end}"] == both["body_type_a"]).to_numpy(float) for end in ("_a", "_b")]
        before, after = right
        differences["Accuracy"] = matched_difference(before, after, groups)
        p_of_none = change_p(before, after, groups)
        test = "McNemar's exact test" if groups is None else "photos of one group not taken as independent"
        p_value = f"p = {p_of_none:.2g} ({test})"
        sentences = _sentences(split, names, right, differences["Accuracy"], p_of_none < ALPHA, p_value)
        overlaps = [both[f"mask_iou{end}"].to_numpy(float) for end in ("_a", "_b")]
        if not np.isnan(overlaps).any():
            differences["Mask IoU"] = photo_difference(*overlaps, bootstrap_samples=_SAMPLES, seed=0, groups=groups)
    rows = []
    for title, keys in _MEASURES:
        found = [_estimate(run.metrics["splits"].get(split), keys) for run in (first, second)]
        if any(found):
            rows.append(Row(title, found[0], found[1], differences.get(title)))
    return Part(split, len(both), sentences, rows, axis([e for row in rows for e in (row.first, row.second) if e]))


def _sentences(
    split: str, names: tuple[str, str], right: Sequence[np.ndarray], difference: Estimate, clear: bool, p_value: str
) -> list[str]:
    """What the paired comparison of accuracy says in words.

    Args:
        split: of the photos.
        names: of the two runs.
        right: float arrays (n,), 1 where a run is correct.
        difference: of the two models.
        clear: whether it is significant.
        p_value: of no difference between them, in words.
    """
    first, second = int((right[0] > right[1]).sum()), int((right[1] > right[0]).sum())
    better = names[1] if difference["value"] > 0 else names[0]
    verdict = f"{better} is better" if clear else "no clear difference between these two models"
    recipes = paired_difference(right[0][None], right[1][None])
    told = recipes["low"] > 0 or recipes["high"] < 0
    spread = f"{100 * SEED_SPREAD['accuracy']:g} points"
    return [
        f"Of {len(right[0]):,} {split} photos that both evaluated, {second:,} are correct only in {names[1]} and "
        f"{first:,} only in {names[0]}: {points(difference)} points of accuracy, {p_value}: {verdict}.",
        f"As recipes, each trained once and another seed moving accuracy by {spread} (standard deviation): "
        f"{points(recipes)} points, {'a clear difference' if told else 'no clear difference'}.",
    ]


def _estimate(part: Mapping[str, Any] | None, keys: Sequence[str]) -> Estimate | None:
    found: Any = part
    for key in keys:
        found = (found or {}).get(key)
    return found


def _disagreements(runs: Sequence[Compared]) -> tuple[dict[str, Any], list[Path]]:
    """The photos that two runs or more evaluated and do not answer alike, as columns for the script, and their files.

    `answers` has a value a run: the position of the predicted type, -1 for no car found, null where the run did not
    evaluate the photo in this split with this label; `scores` likewise. Photos most runs get wrong come first.
    """
    keys = ["photo_id", "pixel_sha256", "split", "body_type"]
    tables = [run.predictions.reset_index().set_index(keys) for run in runs]
    every = pd.concat([table["predicted"] for table in tables], axis=1, keys=range(len(runs)))
    scores = pd.concat([table["score"] for table in tables], axis=1, keys=range(len(runs))).reindex(every.index)
    differ = every.nunique(axis=1) > 1
    every, scores = every[differ], scores[differ]
    wrong = every.notna() & every.ne(every.index.get_level_values("body_type"), axis=0)
    order = wrong.sum(axis=1).sort_values(ascending=False, kind="stable").index
    every, scores = every.loc[order], scores.loc[order]
    labels = list(every.index.get_level_values("body_type"))
    types = [name for name in dict.fromkeys([*labels, *every.stack().dropna().tolist()]) if name]
    place = {name: k for k, name in enumerate(types)} | {"": -1}
    names, splits = (list(every.index.get_level_values(level)) for level in ("photo_id", "split"))
    data = {
        "runs": [run.folder.name for run in runs],
        "types": types,
        "photos": {
            "id": names,
            "split": splits,
            "truth": [place[name] for name in labels],
            "answers": [[None if pd.isna(name) else place[name] for name in row] for row in every.to_numpy()],
            "scores": [[None if pd.isna(x) else round(float(x), 2) for x in row] for row in scores.to_numpy()],
        },
    }
    return data, [_file(runs, name, row) for name, row in zip(names, every.to_numpy(), strict=True)]


def _file(runs: Sequence[Compared], photo_id: str, answers: np.ndarray) -> Path:
    """Where a photo lies, by the first run that evaluated it."""
    run = next(run for run, answer in zip(runs, answers, strict=True) if not pd.isna(answer))
    assert run.catalogue is not None, "its predictions were read with it"
    return run.catalogue.root / photo_id


def _line(pictures: Pictures) -> str:
    """How many photos are shown, and why others are not."""
    total = len(pictures.sources)
    shown = sum(map(bool, pictures.sources))
    less = f"; {total - shown:,} more have no picture here and are on the runs' own pages" if shown < total else ""
    return (
        f"Of the photos on which runs disagree, {shown:,} are inside this page, {pictures.side} pixels at most{less}."
    )
