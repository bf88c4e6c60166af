"""The audit of the paper's numbers: its setup, its Table 1 and its headline, a row per check.

The texts are data: `checks.yaml`.
"""

from __future__ import annotations

import math

import pandas as pd

from carseg_lib.paper.arithmetic import HALF_WIDTH, correct_counts, rounding_interval
from carseg_lib.paper.claims import HEADLINE, TABLE, TABLE_1, VI, claim, claimed_number
from carseg_lib.paper.table_audit import (
    CHECKS,
    COLUMNS,
    CONSISTENT,
    IMPOSSIBLE,
    audit_accuracy_column,
    audit_headline,
    audit_table,
)


def audit() -> pd.DataFrame:
    """Every number of the paper with its verdict.

    Returns:
        A row per check, all texts: claim (names of `paper.CLAIMS`, joined by ", "), printed, place (section,
        quote), check, working, implied (what the working allows), verdict (`CONSISTENT`, `IMPOSSIBLE` or `UNKNOWN`)
        and why. A verdict holds under the reading that "check" names.
    """
    headline = audit_headline(TABLE_1, HEADLINE, claim("headline accuracy").place)
    parts = (_audit_setup(), audit_table(TABLE_1), audit_accuracy_column(TABLE_1, TABLE), headline)
    return pd.concat(parts, ignore_index=True)


def _audit_setup() -> pd.DataFrame:
    """The counts and settings, and checks of the two accuracies that need no table."""
    numbers = _setup_numbers()
    rows = []
    for check in CHECKS["setup"]:
        names = check["claims"]
        if "photos" in check:
            result = _audit_whole_photos(claimed_number(names[0]), int(claimed_number(check["photos"])))
        else:
            result = (check["working"].format(**numbers), check["implied"].format(**numbers), check["verdict"])
        printed = ", ".join(dict.fromkeys(claim(name).printed for name in names))
        places = " · ".join(dict.fromkeys(claim(name).place for name in names))
        rows.append((", ".join(names), printed, places, check["check"], *result, check["why"]))
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


def _audit_whole_photos(rate: float, photos: int) -> tuple[str, str, str]:
    """Working, implied counts and verdict of a rate, as whole photos of so many."""
    low, high = (end * photos for end in rounding_interval(rate))
    counts = correct_counts(rate, photos)
    implied = "…".join(dict.fromkeys(f"{end:,}" for end in (counts[0], counts[-1]))) if counts else "none"
    working = f"{photos:,}·{rate - HALF_WIDTH:.4f} = {low:,.2f}, {photos:,}·{rate + HALF_WIDTH:.4f} = {high:,.2f}"
    return working, implied, CONSISTENT if counts else IMPOSSIBLE
