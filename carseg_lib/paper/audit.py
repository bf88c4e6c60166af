"""The audit of the paper's numbers: its setup, its Table 1 and its headline, a row per check.

The texts are data: `checks.yaml`.
"""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from carseg_lib.paper.arithmetic import HALF_WIDTH, correct_counts, rounding_interval
from carseg_lib.paper.claims import CLAIMS, HEADLINE, TABLE, TABLE_1, VI, claim, claimed_number
from carseg_lib.paper.table_audit import (
    CHECKS,
    COLUMNS,
    CONSISTENT,
    IMPOSSIBLE,
    NOT_THIS_READING,
    SCOPES,
    UNKNOWN,
    audit_accuracy_column,
    audit_headline,
    audit_table,
    verdict_of,
)


def audit() -> pd.DataFrame:
    """Every number of the paper with its verdict.

    Returns:
        A row per check, all texts: claim (names of `paper.CLAIMS`, joined by ", "), printed, place (section,
        quote), check, scope (what it assumes: one of `SCOPES`), working, implied (what the working allows), verdict
        (`CONSISTENT`, `IMPOSSIBLE`, `NOT_THIS_READING` or `UNKNOWN`) and why.
    """
    headline = audit_headline(TABLE_1, HEADLINE, claim("headline accuracy").place)
    parts = (_audit_setup(), audit_table(TABLE_1), audit_accuracy_column(TABLE_1, TABLE), headline)
    return pd.concat(parts, ignore_index=True)


def figure_verdicts(frame: pd.DataFrame) -> pd.DataFrame:
    """One verdict a figure, from all checks that name it.

    Args:
        frame: `audit()`, or another audit with its columns.

    Returns:
        A row per figure, in the order of the checks: claim, printed, verdict, scope, why. `IMPOSSIBLE` if any check
        shows it (the reason is of the check that assumes least, then of the one with the fewest figures: "with ..."
        says which figures contradict together). Else by the readings: `CONSISTENT` if one fits, `NOT_THIS_READING` if
        none of ours does; `UNKNOWN` if no check can judge it.
    """
    rows = []
    for figure in dict.fromkeys(name for names in frame["claim"] for name in names.split(", ")):
        checks = [row for row in frame.itertuples() if figure in row.claim.split(", ")]
        checks.sort(key=lambda row: (SCOPES.index(row.scope), row.claim.count(", ")))
        by_verdict = {row.verdict: [one for one in checks if one.verdict == row.verdict] for row in checks}
        order = (IMPOSSIBLE, CONSISTENT, NOT_THIS_READING, UNKNOWN)
        verdict = next(verdict for verdict in order if verdict in by_verdict)
        decisive = by_verdict[verdict][0]
        why = f"{decisive.check}: {decisive.why}"
        if verdict == NOT_THIS_READING:
            why = "No reading of ours fits: " + "; ".join(f"{row.check} ({row.implied})" for row in by_verdict[verdict])
        rows.append((figure, _printed(figure, checks), verdict, decisive.scope, why))
    return pd.DataFrame(rows, columns=["claim", "printed", "verdict", "scope", "why"])


def _printed(figure: str, checks: list[Any]) -> str:
    """How a figure is printed: in the paper, or in the check that is of it alone."""
    alone = (row.printed for row in checks if row.claim == figure and row.printed)
    return next((claim.printed for claim in CLAIMS if claim.what == figure), next(alone, ""))


def _audit_setup() -> pd.DataFrame:
    """The counts and settings, and checks of the two accuracies that need no table."""
    numbers = _setup_numbers()
    rows = []
    for check in CHECKS["setup"]:
        names = check["claims"]
        if "photos" in check:
            photos = int(claimed_number(check["photos"]))
            result = _audit_whole_photos(claimed_number(names[0]), photos, check["scope"])
        else:
            result = (check["working"].format(**numbers), check["implied"].format(**numbers), check["verdict"])
        printed = ", ".join(dict.fromkeys(claim(name).printed for name in names))
        places = " · ".join(dict.fromkeys(claim(name).place for name in names))
        rows.append((", ".join(names), printed, places, check["check"], check["scope"], *result, check["why"]))
    masks = CHECKS["masks"] | {"place": VI}
    rows.append(tuple(masks[column] for column in COLUMNS))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _setup_numbers() -> dict[str, float]:
    """The numbers in the texts of the setup's checks."""
    train, validation, test = (int(claimed_number(f"{split} photos")) for split in ("training", "validation", "test"))
    total = train + validation + test
    batch_size, epochs = (int(claimed_number(name)) for name in ("batch size", "epochs"))
    steps = math.ceil(train / batch_size)
    on_validation, on_training = (claimed_number(f"average {split} accuracy") for split in ("validation", "training"))
    variances = (rate * (1 - rate) / photos for rate, photos in ((on_validation, validation), (on_training, train)))
    gap, standard_error = on_validation - on_training, math.sqrt(sum(variances))
    return {
        "total": total,
        "train_share": train / total,
        "validation_share": validation / total,
        "test_share": test / total,
        "types": len(TABLE_1),
        "full_batches": train // batch_size,
        "last_batch": train % batch_size,
        "steps": steps,
        "all_steps": epochs * steps,
        "gap": 100 * gap,
        "standard_error": 100 * standard_error,
        "standard_errors": gap / standard_error,
    }


def _audit_whole_photos(rate: float, photos: int, scope: str) -> tuple[str, str, str]:
    """Working, implied counts and verdict of a rate, as whole photos of so many."""
    low, high = (end * photos for end in rounding_interval(rate))
    counts = correct_counts(rate, photos)
    implied = "…".join(dict.fromkeys(f"{end:,}" for end in (counts[0], counts[-1]))) if counts else "none"
    working = f"{photos:,}·{rate - HALF_WIDTH:.4f} = {low:,.2f}, {photos:,}·{rate + HALF_WIDTH:.4f} = {high:,.2f}"
    return working, implied, verdict_of(scope, possible=bool(counts))
