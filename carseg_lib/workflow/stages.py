"""The stages of the study, in order: a notebook each (the last one the report), their needs and their results."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from carseg_lib.core.paths import project_folder
from carseg_lib.core.run import Run


@dataclass(frozen=True)
class Stage:
    """One stage: what it depends on and what it leaves; patterns are relative to the run's folder.

    The functions import what they need when they are called, so that a look at the stages loads nothing heavy. What
    they import counts as the stage's code.
    """

    name: str  # also that of its notebook, without `.ipynb`
    settings: tuple[str, ...]  # parts and settings of the configuration that it depends on
    reads: tuple[str, ...]  # patterns of the files that it reads
    # Patterns of the files that it leaves, each matching one or more; its figures and pages come besides.
    writes: tuple[str, ...]
    may_write: tuple[str, ...] = ()  # likewise, but it may leave none of them
    reads_data: bool = False  # whether it depends on the photos themselves
    reads_weights: bool = False  # whether it depends on a checkpoint that the configuration names
    reads_annotator: bool = False  # whether it depends on the annotator that the configuration names
    reads_negatives: bool = False  # whether it depends on the photos without a car that the configuration names
    # Makes the stage from the run's folder, where it is no notebook. It has a name in a module: its source is read.
    function: Callable[[Path], Any] | None = None
    # Is called with the run, in a process of its own, before the first stage runs, if this stage is known to have to
    # run: what would stop it is reported at once.
    check: Callable[[Run], Any] | None = None
    applies: Callable[[Run], bool] | None = None  # whether the run's photos have what the stage is about
    index: Callable[[Path], Any] | None = None  # lists all runs in the folder of runs afterwards

    def function_source(self) -> str:
        """Return the source of the functions that make the stage, imports included; "" if it is a notebook."""
        functions = [function for function in (self.function, self.index) if function]
        return "\n".join(textwrap.dedent(inspect.getsource(function)) for function in functions)


def _write_report(folder: Path) -> None:
    from carseg_lib.reporting.html.page import write_report

    write_report(folder)


def _write_index(runs: Path) -> None:
    from carseg_lib.reporting.html.runs import write_index

    write_index(runs)


def _is_rendered(run: Run) -> bool:
    from carseg_lib.data.locate import locate_photos
    from carseg_lib.data.metadata import FILE_NAME

    return (locate_photos(run.config.data.source) / FILE_NAME).is_file()


def _check_training(run: Run) -> None:
    from carseg_lib.engine.preflight import check

    check(run.config)


_CATALOGUE, _DATASET = (
    tuple(
        f"{folder}/{name}"
        for name in (
            "photos.csv",
            "background.csv",
            "instances.csv",
            "excluded.csv",
            "parameters.csv",
            "catalogue.json",
        )
    )
    for folder in ("catalogue", "dataset")
)
_MODEL = ("history.csv", "model/best.pt", "model/best.json", "model_summary.csv")
_REPORTS = ("classification_report*.csv", "classification_report*.md", "slice_metrics.csv", "error_odds.csv")
_PRESENCE = ("model/presence.json", "presence.csv")
_RESULTS = ("metrics.json", "predictions.csv", "detections.csv", *_PRESENCE, *_REPORTS)
_DATA = ("data.source", "data.classes", "data.format", "data.unlabelled")
_PREPARED = (*_DATA, "data.split_by", "seed", "pseudo_labels", "inputs")
_TRAINED = (*_PREPARED, "model", "train", "device", "num_processes")
_EVALUATED = ("eval.tta", "eval.bootstrap_samples", "eval.keep_cars", "eval.likeness")
_CERTAINTY = ("certainty.json", "corruptions.csv", "rotation.csv", "near_copies.csv", "label_issues.csv")
_RECORDS = ("config.json", "provenance.json", "history.csv", "model_summary.csv")
_READINGS = "../*/readings.csv"  # of the experiments beside the run, which the page shows
_REPORTED = (*_RECORDS, *_RESULTS, *_DATASET, *_CERTAINTY, "figures/*", _READINGS)
STAGES = (
    Stage("01_data_exploration", _DATA, (), _CATALOGUE, reads_data=True),
    Stage("01b_rendered_cars", (*_DATA, "seed"), _CATALOGUE, (), applies=_is_rendered),
    Stage("02_preprocessing", _PREPARED, _CATALOGUE, (*_DATASET, "rejected_masks.csv"), reads_annotator=True),
    Stage("03_training", _TRAINED, _DATASET, _MODEL, reads_weights=True, check=_check_training),
    Stage("04_evaluation", (*_TRAINED, *_EVALUATED, "profile"), (*_DATASET, *_MODEL), _RESULTS, reads_negatives=True),
    Stage(
        "report",
        (),
        _REPORTED,
        ("index.html", "data.html", "page.json"),
        may_write=("photos/*",),
        function=_write_report,
        index=_write_index,
    ),
)

# Takes minutes and changes no number of the others: a command of its own runs it, not the study.
CERTAINTY = Stage(
    "06_certainty",
    (*_TRAINED, "eval"),
    (*_DATASET, "model/best.pt", "model/best.json", "predictions.csv", "metrics.json"),
    _CERTAINTY,
)


@dataclass(frozen=True)
class Project:
    """Where the code of a study lies; tests have small projects of their own."""

    root: Path = field(default_factory=project_folder)  # the repository
    package: str = "carseg_lib"
    stages: tuple[Stage, ...] = STAGES  # in the order in which they run

    def notebook(self, stage: Stage) -> Path:
        """Return the notebook of a stage."""
        return self.root / "notebooks" / f"{stage.name}.ipynb"
