"""The steps of the study, in order: each a notebook (the last one the report), what it depends on and leaves."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from carseg_lib.core.paths import project_folder


@dataclass(frozen=True)
class Stage:
    """One step: what it depends on and what it leaves; patterns are relative to the run's folder.

    Attributes:
        name: also the name of its notebook, without `.ipynb`.
        settings: parts and settings of the configuration that it depends on.
        reads: patterns of the files that it reads.
        writes: patterns of the files that it leaves, each matching one at least; its figures and pages besides.
        reads_data: whether it depends on the photos themselves.
        reads_weights: whether it depends on a checkpoint that the study names.
        reads_annotator: whether it depends on the annotator that the run names.
        function: "module.function" that makes it from the run's folder, where it is not a notebook.
        check: "module.function" that is given the configuration, in a process of its own, before the first step runs, if this
            step will have to run by what is known then: what would stop it is told at once.
        index: "module.function" that then lists all runs in the folder of reports.
    """

    name: str
    settings: tuple[str, ...]
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    reads_data: bool = False
    reads_weights: bool = False
    reads_annotator: bool = False
    function: str = ""
    check: str = ""
    index: str = ""


def _catalogue(folder: str) -> tuple[str, ...]:
    return tuple(
        f"{folder}/{name}"
        for name in ("photos.csv", "instances.csv", "excluded.csv", "parameters.csv", "catalogue.json")
    )


_MODEL = ("history.csv", "model/best.pt", "model/best.json", "model_summary.csv")
_RESULTS = (
    "metrics.json",
    "predictions.csv",
    "detections.csv",
    "classification_report*.csv",
    "classification_report*.md",
    "slice_metrics.csv",
    "error_odds.csv",
)
_DATA = ("data.source", "data.classes")
_PREPARED = (*_DATA, "seed", "pseudo_labels", "inputs")
_TRAINED = (*_PREPARED, "model", "train", "device", "num_processes")
STAGES = (
    Stage("01_data_exploration", _DATA, (), _catalogue("catalogue"), reads_data=True),
    Stage(
        "02_preprocessing",
        _PREPARED,
        _catalogue("catalogue"),
        (*_catalogue("dataset"), "rejected_masks.csv"),
        reads_annotator=True,
    ),
    Stage(
        "03_training",
        _TRAINED,
        _catalogue("dataset"),
        _MODEL,
        reads_weights=True,
        check="carseg_lib.engine.preflight.check",
    ),
    Stage(
        "04_evaluation",
        (*_TRAINED, "eval", "profile"),
        (*_catalogue("dataset"), *_MODEL),
        _RESULTS,
    ),
    Stage(
        "report",
        (),
        (
            "config.json",
            "provenance.json",
            "history.csv",
            "model_summary.csv",
            *_RESULTS,
            *_catalogue("dataset"),
            "figures/*",
        ),
        ("index.html",),
        function="carseg_lib.reporting.html.page.write_report",
        index="carseg_lib.reporting.html.page.write_index",
    ),
)


@dataclass(frozen=True)
class Project:
    """Where the code of a study lies; the tests have small ones of their own.

    Attributes:
        root: the repository.
        package: its Python package.
        steps: in the order they run.
    """

    root: Path = field(default_factory=project_folder)
    package: str = "carseg_lib"
    steps: tuple[Stage, ...] = STAGES

    def notebook(self, step: Stage) -> Path:
        """The notebook of a step."""
        return self.root / "notebooks" / f"{step.name}.ipynb"
