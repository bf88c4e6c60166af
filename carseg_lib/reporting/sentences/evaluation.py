"""Sentences on the results of a run, and on the paper's numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from carseg_lib.core.formatting import interval, percent
from carseg_lib.evaluation.claim_table.statements import unfit_run
from carseg_lib.evaluation.claim_table.states import STATES
from carseg_lib.evaluation.claim_table.table import HEADLINE, ClaimRow
from carseg_lib.paper.claims import claimed_number
from carseg_lib.paper.verdicts import IMPOSSIBLE


def results_told(splits: Mapping[str, Mapping[str, Any]]) -> str:
    """Accuracy on test and validation beside the paper's number, and the overlap of the masks.

    Args:
        splits: metrics.json's "splits".
    """
    texts = []
    for split in ("test", "validation"):
        if scores := splits.get(split):
            accuracy = scores["accuracy"]
            texts.append(f"{percent(accuracy['value'])} ({interval(accuracy)}) of {accuracy['n']:,} {split} photos")
    text = (
        f"The type is right for {' and '.join(texts)}; the paper says {percent(claimed_number('headline accuracy'))}."
    )
    iou = (splits.get("test") or {}).get("mask_iou")
    return text + (f" Predicted masks overlap the labelled ones by {percent(iou['value'])} on average." if iou else "")


def report_told(scores: Mapping[str, Any], split: str) -> str:
    """The types with the best and the worst F1 score.

    Args:
        scores: of one split of metrics.json.
        split: its name.
    """
    f1 = {name: part["f1"] for name, part in scores["per_type"].items() if part.get("f1")}
    if not f1:
        return ""
    least, most = (choose(f1, key=lambda name: f1[name]["value"]) for choose in (min, max))
    return (
        f"On {split}, F1 is highest for {most} ({percent(f1[most]['value'])}) and lowest for {least} "
        f"({percent(f1[least]['value'])}, {interval(f1[least])})."
    )


def audit_told(figures: pd.DataFrame) -> str:
    """How many of the paper's figures are impossible.

    Args:
        figures: from `paper.audit.figure_verdicts`.
    """
    counts = figures["verdict"].value_counts()
    impossible = figures.loc[figures["verdict"] == IMPOSSIBLE, "claim"]
    words = ", ".join(f"{n} {verdict}" for verdict, n in counts.items())
    named = f" Impossible: {', '.join(impossible)}." if len(impossible) else ""
    return f"Of the paper's {len(figures)} figures: {words}.{named}"


def claims_told(rows: Sequence[ClaimRow], metrics: Mapping[str, Any]) -> str:
    """How many claims have which state, the state of the headline accuracy, and what this run says of it.

    Args:
        rows: from `evaluation.claim_table.table.claim_rows`.
        metrics: metrics.json of the run.
    """
    counts = {state: sum(row.state == state for row in rows) for state in STATES}
    words = ", ".join(f"{n} {state}" for state, n in counts.items() if n)
    accuracy = next(row for row in rows if row.group == HEADLINE and row.what.endswith("accuracy"))
    text = (
        f"Of {len(rows)} claims: {words}. The headline accuracy, {accuracy.printed}: {accuracy.state}. {accuracy.why}"
    )
    if not accuracy.comparisons or unfit_run(metrics):
        return text
    ours = accuracy.comparisons[0]
    share = f"{percent(ours.estimate['value'])} ({interval(ours.estimate)})"
    return f"{text} Whatever that says, {share} of {ours.source} is, beside {accuracy.printed}: {ours.verdict}."
