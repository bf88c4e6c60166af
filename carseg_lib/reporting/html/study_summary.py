"""The summary of the study in the form that the ML Reproducibility Challenge asks for, from the facts of the run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from carseg_lib.core.formatting import duration, percent
from carseg_lib.evaluation.claim_table.evidence import Evidence
from carseg_lib.evaluation.claim_table.states import STATES
from carseg_lib.evaluation.claim_table.table import ClaimRow
from carseg_lib.evaluation.equivalence import MARGIN
from carseg_lib.paper import claims
from carseg_lib.paper.recipe import Difference
from carseg_lib.reporting.html.answers import CLAIMED, Answer, short_name

Parts = list[tuple[str, list[str]]]  # heading, paragraphs


def state_counts(rows: Sequence[ClaimRow]) -> dict[str, int]:
    """How many claims have each state, in the order of `STATES`; states that none has are left out."""
    counts = Counter(row.state for row in rows)
    return {state: counts[state] for state in STATES if counts[state]}


def summary_parts(
    evidence: Evidence,
    rows: Sequence[ClaimRow],
    answers: Sequence[Answer],
    differences: Sequence[Difference],
    provenance: Mapping[str, Any],
    photos: str,
) -> Parts:
    """The six parts of the summary.

    Args:
        evidence: What the claims were judged on.
        rows: The claim table.
        answers: The three of the lead: consistency, repetition, accuracy.
        differences: Between the paper's experiment and this run.
        provenance: provenance.json; empty where it is missing.
        photos: What the photos are, in a sentence.
    """
    run = evidence.metrics["run"]
    by_state = {state: [short_name(d) for d in differences if d.state == state] for state in _STATES_OF_SETTINGS}
    unsaid, same = by_state["not stated"], by_state["same"]
    counted = ", ".join(f"{n} {state}" for state, n in state_counts(rows).items())
    return [
        (
            "Scope of reproducibility",
            [
                f"The paper claims that Mask R-CNN, fine-tuned in PyTorch, tells four car body types apart with "
                f"{percent(CLAIMED)} validation accuracy. Judged are its {len(claims.FIGURES)} figures (two averages "
                "over epochs, the 16 cells of Table 1, the four of the conclusion) and "
                f"{len(claims.STATEMENTS)} statements in words, first against each other, then against this run."
            ],
        ),
        (
            "Methodology",
            [
                f"{photos} Network: Mask R-CNN on {run['backbone']} from {run['weights']} weights, "
                f"{run['parameters']:,} parameters, {run['epochs']} epochs in batches of {run['batch_size']}, seed "
                f"{run['seed']}.{_machine(provenance)}",
                f"A figure counts as reproduced if ours is equivalent to it within {100 * MARGIN:g} points, a margin "
                "fixed for all runs, by two one-sided tests at 5%. The audit of the paper's numbers outranks the "
                "comparison.",
                answers[1].sentences[0],
            ],
        ),
        ("Results", [*(f"{answer.question} {_sentence(answer)}" for answer in answers), f"Claims: {counted}."]),
        (
            "What was easy",
            [
                "To audit the paper: its numbers can be checked against each other without its photos."
                + (f" To follow it where it is clear: the run has its {', '.join(same)}." if same else "")
            ],
        ),
        (
            "What was difficult",
            [
                "The data set is neither named nor linked, and no public one with its counts was found."
                + (f" Points that the text leaves open: {len(unsaid)} ({', '.join(unsaid)})." if unsaid else "")
                + " It crops in section III and not in section V, and flips “using an interval of [-90, 90]”, which "
                "may be a rotation by any angle, quarter turns or a flip.",
                "It says neither how its averages were taken nor on which photos Table 1 was measured.",
            ],
        ),
        ("Communication with the original authors", ["None. The authors were not asked for photos or code."]),
    ]


_STATES_OF_SETTINGS = ("same", "differs", "not stated")


def _sentence(answer: Answer) -> str:
    remark = f" ({answer.remark})" if answer.remark else ""
    return f"{answer.word}{remark}. {' '.join(answer.sentences)}"


def _machine(provenance: Mapping[str, Any]) -> str:
    if not (hardware := provenance.get("hardware")):
        return ""
    gpus = f", {', '.join(hardware['gpus'])}" if hardware["gpus"] else ", no GPU"
    seconds = provenance.get("seconds")
    return f" Machine: {hardware['processor']}, {hardware['cores']} cores{gpus}" + (
        f"; {duration(seconds)} in all." if seconds else "."
    )
