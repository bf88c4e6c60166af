"""The paper's claims, with their places in its text, and its figures beside a run's.

The claims are data: `claims.yaml`. Rates are fractions (0..1), also where the paper prints percent. A printed rate
means any value that rounds to it: 0.814 for [0.8135, 0.8145], 91.2% for [0.9115, 0.9125].
`carseg_lib.paper.audit` checks which of them can be true.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from carseg_lib.core.errors import CarsegError


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


@dataclass(frozen=True)
class Statement:
    """What the paper says in words, and what we test in its place."""

    what: str  # its name
    section: str
    quote: str
    tested_as: str  # our reading of it, as something that can come out false
    test: Mapping[str, Any]  # "name" of the test, and its settings


METRICS = ("precision", "recall", "f1", "accuracy")  # Table 1's columns, in its order


def read_texts(name: str) -> dict[str, Any]:
    """One of the YAML files beside this module, `claims.yaml` or `checks.yaml`."""
    return yaml.safe_load(Path(__file__).with_name(name).read_text(encoding="utf-8"))


def _claims(texts: dict[str, Any]) -> Iterator[Claim]:
    sections = texts["sections"]
    for row in texts["before_table_1"]:
        value = tuple(row["value"]) if isinstance(row["value"], list) else row["value"]
        yield Claim(**row | {"value": value, "section": sections[row["section"]]})
    for body_type, row in texts["table_1"].items():
        quote = f"{body_type.upper()} {row}"
        for metric, cell in zip(METRICS, row.split(), strict=True):
            yield Claim(f"{body_type} {metric}", float(cell), cell, sections["TABLE"], quote)
    for metric, value in texts["headline"]["values"].items():
        yield Claim(f"headline {metric}", value, f"{value:.1%}", sections["VII"], texts["headline"]["quote"])


_TEXTS = read_texts("claims.yaml")
VI, TABLE, VII = (_TEXTS["sections"][name] for name in ("VI", "TABLE", "VII"))
CLAIMS: tuple[Claim, ...] = tuple(_claims(_TEXTS))
STATEMENTS: tuple[Statement, ...] = tuple(
    Statement(**row | {"section": _TEXTS["sections"][row["section"]]}) for row in _TEXTS["statements"]
)
_BY_NAME = {claim.what: claim for claim in CLAIMS}


def claim(what: str) -> Claim:
    """The claim of this name, for example `claim("suv recall")`; KeyError if the paper makes none."""
    return _BY_NAME[what]


def claimed_number(what: str) -> float:
    """The value of a claim that is one number.

    Raises:
        KeyError: The paper makes no such claim.
        ValueError: It is of several numbers.
    """
    value = claim(what).value
    if isinstance(value, tuple):
        raise ValueError(f"the claim {what!r} is of several numbers")
    return value


PAPER_COUNTS = {
    split: int(claimed_number(f"{name} photos"))
    for split, name in (("train", "training"), ("validation", "validation"), ("test", "test"))
}
"""Photos of each split (§III); the paper gives none by type."""

TABLE_1 = pd.DataFrame(
    {metric: {name: claimed_number(f"{name} {metric}") for name in _TEXTS["table_1"]} for metric in METRICS}
)
"""Table 1: index body type (suv, sedan, convertible, minivan), columns precision, recall, f1, accuracy."""

HEADLINE = {metric: claimed_number(f"headline {metric}") for metric in METRICS}
"""The conclusion's four figures, by metric."""


FIGURES = tuple(claim.what for claim in CLAIMS if claim.section in (VI, TABLE, VII))
"""The 22 figures of the paper's results, by name: two averages over epochs, Table 1's 16 cells, the headline's four."""

AVERAGES = tuple(name for name in FIGURES if name.startswith("average"))


def compare_with_paper(metrics: dict[str, Any], split: str) -> pd.DataFrame:
    """The paper's headline and Table 1 beside a run's numbers (its metrics.json) on one split.

    Returns:
        Columns what, paper (missing for a type that the paper has not), ours, low, high (95% interval), n. Fractions.
        Precision, recall and F1 of the headline stand beside our macro averages; the two averages over epochs have no
        interval here and are the same for any split. What follows is said by
        `carseg_lib.evaluation.claim_table`: that a figure lies in an interval does not make it reproduced.

    Raises:
        CarsegError: The run has no numbers for this split.
    """
    if split not in metrics["splits"]:
        known = ", ".join(metrics["splits"]) or "none"
        raise CarsegError(f"metrics.json has no split '{split}' (it has: {known}); evaluate it first or name another")
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
    for what, number in pairs:
        estimate = number if isinstance(number, dict) else {"value": number}
        paper = claimed_number(what) if what in _BY_NAME else None  # of a type that the paper has not
        rows.append((what, paper, *(estimate.get(key) for key in ("value", "low", "high", "n"))))
    table = pd.DataFrame(rows, columns=["what", "paper", "ours", "low", "high", "n"])
    numbers = ["paper", "ours", "low", "high"]
    return table.astype(dict.fromkeys(numbers, float) | {"n": "Int64"})


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
