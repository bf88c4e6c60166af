"""The files of a run's folder that the page is made from, read once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from carseg_lib.core import files
from carseg_lib.core.classes import BODY_TYPES
from carseg_lib.core.errors import CarsegError
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.duplicates import exact_duplicates, near_duplicates
from carseg_lib.evaluation.claim_table.evidence import Evidence, load_evidence, main_split
from carseg_lib.evaluation.claim_table.table import ClaimRow, claim_rows
from carseg_lib.evaluation.tables import PREDICTIONS, read_table
from carseg_lib.paper import audit, recipe
from carseg_lib.reporting.html import answers
from carseg_lib.reporting.html.carless import CarlessPhoto, carless_photos
from carseg_lib.reporting.html.figures import card_figures, collect_figures, left_to_notebooks
from carseg_lib.reporting.html.render import FigureOnPage

_LOCATIONS = ("data.source", "data.classes", "eval.negatives")  # settings that name files
ORDER = ("test", "validation", "train")  # of the splits on the page


@dataclass(frozen=True)
class RunFiles:
    """A run's folder as the page reads it. Only metrics.json must exist; of other files a missing one is None."""

    folder: Path  # reports/<run>

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """metrics.json."""
        path = self.folder / "metrics.json"
        if not path.is_file():
            raise CarsegError(f"{path} is missing: make the run first, by make reproduce.")
        return files.read_json(path)

    @cached_property
    def config(self) -> dict[str, Any] | None:
        """config.json."""
        return read_optional_json(self.folder / "config.json")

    @cached_property
    def provenance(self) -> dict[str, Any] | None:
        """provenance.json."""
        return read_optional_json(self.folder / "provenance.json")

    @cached_property
    def catalogue(self) -> Catalogue | None:
        """The data set of the run."""
        folder = self.folder / "dataset"
        return Catalogue.load(folder) if folder.is_dir() else None

    @cached_property
    def predictions(self) -> pd.DataFrame | None:
        """predictions.csv."""
        return self.table("predictions.csv", PREDICTIONS)

    def table(self, name: str, columns: dict[str, str] | None = None) -> pd.DataFrame | None:
        """A table of the folder.

        Args:
            name: of the CSV file.
            columns: dtypes by name, where texts may be any; else pandas infers them.
        """
        path = self.folder / name
        return read_table(path, columns) if path.is_file() else None

    @cached_property
    def carless(self) -> list[CarlessPhoto]:
        """The photos without a car that the run was measured on."""
        return carless_photos(self)

    @cached_property
    def split(self) -> str:
        """The split of the verdict; "" if none was evaluated."""
        return main_split(self.metrics)

    @cached_property
    def splits(self) -> list[str]:
        """The evaluated splits in the order of the page."""
        return sorted(self.metrics["splits"], key=ORDER.index)

    @cached_property
    def body_types(self) -> list[str]:
        """The body types of the run, in order."""
        scores = self.metrics["splits"].get(self.split) or {}
        return list(scores.get("per_type") or {}) if self.split else list(BODY_TYPES)

    @cached_property
    def figures(self) -> dict[str, list[FigureOnPage]]:
        """The figures of each group of `figures.FIGURES`, and "more"."""
        photos = {name: self.metrics["splits"][name]["accuracy"]["n"] for name in self.splits}
        return collect_figures(self.folder / "figures", self.body_types, photos)

    @cached_property
    def card_figures(self) -> dict[str, list[FigureOnPage]]:
        """The figures of each group of `figures.CARD_FIGURES`."""
        return card_figures(self.folder / "figures", self.body_types)

    @cached_property
    def left_out(self) -> dict[str, int]:
        """How many of the figures the page leaves to each notebook."""
        return left_to_notebooks(self.folder / "figures", self.body_types, self.splits)

    @cached_property
    def differences(self) -> list[recipe.Difference]:
        """The settings of the paper and of this run."""
        photos = None if self.catalogue is None else self.catalogue.photos
        return recipe.differences(self.config, self.metrics, photos)

    @cached_property
    def rendered(self) -> bool | None:
        """Whether a program made the photos: the catalogue has rendering metadata; None without a catalogue."""
        return None if self.catalogue is None else len(self.catalogue.parameters) > 0

    @cached_property
    def evidence(self) -> Evidence:
        """What the paper's claims are judged on: this run, and what lies in the folders beside it."""
        return load_evidence(self.folder, self.metrics)

    @cached_property
    def claim_rows(self) -> list[ClaimRow]:
        """The paper's claims, judged."""
        return claim_rows(self.evidence, audit.figure_verdicts(audit.audit()))

    @cached_property
    def answers(self) -> tuple[answers.Answer, answers.Answer, answers.Answer]:
        """The answers of the lead: consistency of the paper, repetition of its recipe, accuracy."""
        return (
            answers.consistency(self.claim_rows, audit.audit()),
            answers.repetition(self.metrics, self.differences, self.evidence),
            answers.reached(self.claim_rows, self.differences, self.evidence),
        )

    @cached_property
    def duplicates(self) -> dict[str, int] | None:
        """Sets of equal photos and pairs of near duplicates, within a split and across splits."""
        if self.catalogue is None:
            return None
        sets = exact_duplicates(self.catalogue.photos).groupby("pixel_sha256")["split"].nunique()
        pairs = near_duplicates(self.catalogue.photos)
        across = pairs["split_a"] != pairs["split_b"]
        return {
            "exact_within": int((sets == 1).sum()),
            "exact_across": int((sets > 1).sum()),
            "near_within": int((~across).sum()),
            "near_across": int(across.sum()),
        }


def read_optional_json(path: Path) -> dict[str, Any] | None:
    """The content of a JSON file; None if it is missing."""
    return files.read_json(path) if path.is_file() else None


def settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Every setting by its dotted name, except the locations of the photos: a page holds no path of a machine.

    Args:
        config: config.json.
    """
    found: dict[str, Any] = {}
    for name, value in config.items():
        found |= {f"{name}.{key}": part for key, part in value.items()} if isinstance(value, Mapping) else {name: value}
    return {name: value for name, value in found.items() if name not in _LOCATIONS}


def records(table: pd.DataFrame | None) -> list[dict[str, Any]]:
    """The rows of a table as dictionaries of plain values; missing values are None."""
    return [] if table is None else json.loads(table.to_json(orient="records"))
