"""What the paper claims, as data with its place in the text, and its figures beside our own.

Rates are fractions (0..1), also where the paper prints percent. A printed rate stands for every value that
rounds to it: 0.814 for [0.8135, 0.8145], 91.2% for [0.9115, 0.9125]. `carseg_lib.paper.audit` asks
which of them can be true.
"""

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd

from carseg_lib.core.errors import CarsegError

III, V = "III. Data", "V. Implementations and experiments"
VI, VII = "VI. Results", "VII. Discussions and conclusions"
TABLE = "VI. Results, Table 1"


@dataclass(frozen=True)
class Claim:
    """One number of the paper: its name, value, how it is printed, its section and the words around it."""

    what: str
    value: float | tuple[float, ...]
    printed: str
    section: str
    quote: str

    @property
    def place(self) -> str:
        """Section and quote, as one text."""
        return f"{self.section}: “{self.quote}”"


METRICS = ("precision", "recall", "f1", "accuracy")  # Table 1's columns, in its order
_CELLS = {  # body type: as Table 1 prints its row
    "suv": "0.814 0.781 0.890 0.825",
    "sedan": "0.750 0.717 0.672 0.876",
    "convertible": "0.961 0.527 0.897 0.954",
    "minivan": "0.992 0.899 0.871 0.927",
}
_HEADLINE = "91.2% accuracy, 89.6% F1-Score, 90.4% precision, and 88.7% recall"

CLAIMS: tuple[Claim, ...] = (
    Claim("photos", 8434, "8,434", III, "it has 8,434 images"),
    Claim("training photos", 4957, "4,957", III, "The dataset used for training consists of 4,957 images"),
    Claim("validation photos", 2887, "2,887", III, "The dataset for validation consists of 2,887"),
    Claim("test photos", 590, "590", III, "consists of 590 images"),
    Claim("body types", 4, "four", III, "four different categories of car"),
    Claim("photo size", (160, 240), "160 x 240", III, "All the images are of the size (160 x 240)"),
    Claim("input size", 224, "224", III, "An image size of 224 served as the basis for the resizing"),
    Claim(
        "flip interval", (-90, 90), "[-90, 90]", III, "The image was flipped using an interval of [-90, 90]"
    ),
    Claim("rotation interval", (-90, 90), "[-90, 90]", V, "by rotating it in a range of [-90, 90]"),
    Claim(
        "mean", (0.485, 0.456, 0.406), "[0.485, 0.456, 0.406]", V, "specified mean of [0.485, 0.456, 0.406]"
    ),
    Claim(
        "std",
        (0.229, 0.224, 0.225),
        "[0.229, 0.224, 0.225]",
        V,
        "standard deviation of [0.229, 0.224, 0.225]",
    ),
    Claim("batch size", 8, "eight", V, "a batch size of eight was used"),
    Claim("learning rate", 0.002, "0.002", V, "The Adam optimizer was defined with a 0.002 learning rate"),
    Claim("epochs", 30, "thirty", V, "during the thirty training epochs"),
    Claim("average validation accuracy", 0.912, "91.2%", VI, "the average validation accuracy was 91.2%"),
    Claim("average training accuracy", 0.876, "87.6%", VI, "the average training accuracy was 87.6%"),
    *(
        Claim(f"{body_type} {metric}", float(cell), cell, TABLE, f"{body_type.upper()} {row}")
        for body_type, row in _CELLS.items()
        for metric, cell in zip(METRICS, row.split(), strict=True)
    ),
    Claim("headline accuracy", 0.912, "91.2%", VII, _HEADLINE),
    Claim("headline precision", 0.904, "90.4%", VII, _HEADLINE),
    Claim("headline recall", 0.887, "88.7%", VII, _HEADLINE),
    Claim("headline f1", 0.896, "89.6%", VII, _HEADLINE),
)
_BY_NAME = {claim.what: claim for claim in CLAIMS}

PAPER_COUNTS = {
    split: int(_BY_NAME[f"{name} photos"].value)
    for split, name in (("train", "training"), ("validation", "validation"), ("test", "test"))
}
"""Photos of each split (§III); the paper gives none by type."""

TABLE_1 = pd.DataFrame(
    {
        metric: {body_type: _BY_NAME[f"{body_type} {metric}"].value for body_type in _CELLS}
        for metric in METRICS
    }
)
"""Table 1: index body type (suv, sedan, convertible, minivan), columns precision, recall, f1, accuracy."""

HEADLINE = {metric: _BY_NAME[f"headline {metric}"].value for metric in METRICS}
"""The conclusion's four figures, by metric."""


def claim(what: str) -> Claim:
    """The claim of this name, for example ``claim("suv recall")``; KeyError if the paper makes none."""
    return _BY_NAME[what]


def compare_with_paper(metrics: dict[str, Any], split: str) -> pd.DataFrame:
    """The paper's headline and Table 1 beside a run's numbers on one split.

    Args:
        metrics: metrics.json of a run.
        split: "validation" or "test".

    Returns:
        Columns what, paper (missing for a type that the paper has not), ours, low, high (95% interval), n, inside
        (whether the paper's figure lies within the interval; missing where there is none). Fractions. Precision,
        recall and F1 of the headline stand beside our macro averages; the two averages over epochs have no interval
        and are the same for any split.

    Raises:
        CarsegError: The run has no numbers for this split.
    """
    if split not in metrics["splits"]:
        known = ", ".join(metrics["splits"]) or "none"
        raise CarsegError(
            f"metrics.json has no split '{split}' (it has: {known}); evaluate it first or name another"
        )
    ours = metrics["splits"][split]
    training = metrics.get("training") or {}
    pairs = [
        ("average training accuracy", training.get("mean_train_accuracy")),
        ("average validation accuracy", training.get("mean_validation_accuracy")),
        ("headline accuracy", ours["accuracy"]),
        *((f"headline {metric}", ours["macro"][metric]) for metric in ("precision", "recall", "f1")),
        *(
            (f"{name} {m}", (ours["per_type"].get(name) or {}).get(m))
            for name in dict.fromkeys([*TABLE_1.index, *ours["per_type"]])
            for m in METRICS
        ),
    ]
    rows = []
    for what, estimate in pairs:
        if not isinstance(estimate, dict):
            estimate = {"value": estimate}
        value, low, high = (
            math.nan if estimate.get(key) is None else float(estimate[key])
            for key in ("value", "low", "high")
        )
        paper = _BY_NAME[what].value if what in _BY_NAME else math.nan  # of a type that the paper has not
        unknown = math.isnan(low) or math.isnan(high) or math.isnan(paper)
        inside = pd.NA if unknown else low <= paper <= high
        rows.append((what, paper, value, low, high, estimate.get("n"), inside))
    table = pd.DataFrame(rows, columns=["what", "paper", "ours", "low", "high", "n", "inside"])
    return table.astype({"n": "Int64", "inside": "boolean"})


def short_claim(claim: str) -> str:
    """Names of Table 1's cells gathered by type: "suv recall, suv f1" becomes "suv: recall, f1".

    The same cells of every type become "all types: ..."; other claims stay as they are.
    """
    cells: dict[str, list[str]] = {}
    for name in claim.split(", "):
        body_type, _, measure = name.partition(" ")
        if body_type not in TABLE_1.index or measure not in TABLE_1.columns:
            return claim
        cells.setdefault(body_type, []).append(measure)
    if len(cells) == len(TABLE_1) and len({tuple(measures) for measures in cells.values()}) == 1:
        cells = {"all types": next(iter(cells.values()))}
    return "; ".join(f"{body_type}: {', '.join(measures)}" for body_type, measures in cells.items())
