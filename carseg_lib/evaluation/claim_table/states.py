"""The states that a claim of the paper can have in the claim table."""

from __future__ import annotations

from carseg_lib.core.formatting import percent
from carseg_lib.evaluation.claim_table.comparison import Comparison
from carseg_lib.evaluation.equivalence import ABOVE, BELOW, EQUIVALENT, POWER, UNDECIDED
from carseg_lib.paper.verdicts import IMPOSSIBLE, NOT_THIS_READING

REPRODUCED, EXCEEDED, NOT_REPRODUCED = "reproduced", "exceeded", "not reproduced"
UNTESTABLE, NOT_RUN = "untestable", "not run"
STATES = {  # in the order in which they are counted, with what each means
    REPRODUCED: "ours is equivalent to it, or what it says is shown",
    EXCEEDED: "our whole interval lies above it",
    NOT_REPRODUCED: "our whole interval lies below it, or the opposite is shown",
    UNDECIDED: "neither equivalent nor different",
    IMPOSSIBLE: "it contradicts other figures of the paper, so that not all of them can be true",
    NOT_THIS_READING: "under each reading that we tried it contradicts other figures of the paper",
    UNTESTABLE: "no run can decide it",
    NOT_RUN: "a run could decide it, and none has",
}
BY_VERDICT = {EQUIVALENT: REPRODUCED, ABOVE: EXCEEDED, BELOW: NOT_REPRODUCED, UNDECIDED: UNDECIDED}


def shortfall_told(comparison: Comparison) -> str:
    """The smallest difference that a number of photos tells, in a sentence."""
    n, smallest = comparison.estimate.get("n") or 0, comparison.smallest
    if smallest is None:
        return f"{n:,} photos tell no shortfall with {percent(POWER, 0)} power."
    return f"{n:,} photos tell a shortfall of {100 * smallest:.1f} points or more (with {percent(POWER, 0)} power)."
