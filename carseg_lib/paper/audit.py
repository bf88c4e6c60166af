"""The audit of a report: of any classification report, and of the paper with its setup, its Table 1 and its headline.

The texts are data: `checks.yaml`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import pandas as pd

from carseg_lib.paper import verdicts
from carseg_lib.paper.accuracy_column import read_accuracy_column
from carseg_lib.paper.arithmetic import whole_counts
from carseg_lib.paper.claims import CLAIMS, TABLE, TABLE_1, VI, VII, claim, claimed_number
from carseg_lib.paper.headline_audit import audit_averages, audit_headline
from carseg_lib.paper.printed import Rounding
from carseg_lib.paper.report import METRICS, Report
from carseg_lib.paper.table_audit import audit_meaning, audit_table
from carseg_lib.paper.verdicts import CHECKS, COLUMNS, verdict_of

PAPER_ROUNDING = Rounding()
SPLITS = ("training", "validation", "test")


def paper_report() -> Report:
    """The paper's Table 1 and headline, as printed. Which photos they are of is not said."""
    names = tuple(TABLE_1.index)
    cells = {(name, m): PAPER_ROUNDING.read(claim(f"{name} {m}").printed) for name in names for m in METRICS}
    headline = {metric: PAPER_ROUNDING.read(claim(f"headline {metric}").printed) for metric in METRICS}
    return Report(names, cells, headline=headline, place=f"{TABLE}; {VII}")


def audit_report(report: Report, sizes: Mapping[str, int] | None = None) -> pd.DataFrame:
    """Check a classification report, its averages and its headline by arithmetic.

    Args:
        report: The printed numbers.
        sizes: Numbers of photos that it may be of, by name, where its own number is not known.

    Returns:
        A row per check, columns as of `audit`.
    """
    overall = report.accuracy or report.headline.get("accuracy")
    meaning, judged = read_accuracy_column(report)
    parts = [audit_table(judged, sizes or {}, overall), audit_averages(judged), audit_headline(judged)]
    if meaning:
        parts.insert(0, audit_meaning(report, meaning))
    return pd.concat([part for part in parts if len(part)], ignore_index=True)


def audit() -> pd.DataFrame:
    """Every number of the paper with its verdict.

    Returns:
        A row per check, all texts: claim (names of `paper.CLAIMS`, joined by ", "), printed, place (section,
        quote), check, scope (what it assumes: one of `verdicts.SCOPES`), working, implied (what the working allows),
        verdict (`verdicts.CONSISTENT`, `IMPOSSIBLE`, `NOT_THIS_READING` or `UNKNOWN`) and why.
    """
    return _audit().copy()


@lru_cache(maxsize=1)
def _audit() -> pd.DataFrame:
    """The audit, made once: it depends on nothing."""
    sizes = {f"the {split} split": int(claimed_number(f"{split} photos")) for split in reversed(SPLITS)}
    report = audit_report(paper_report(), sizes | {"all photos": int(claimed_number("photos"))})
    return pd.concat([_audit_setup(), report], ignore_index=True)


def figure_verdicts(frame: pd.DataFrame) -> pd.DataFrame:
    """One verdict a figure of the paper, from all checks that name it: `verdicts.figure_verdicts` of `audit()`."""
    return verdicts.figure_verdicts(frame, {claim.what: claim.printed for claim in CLAIMS})


def _audit_setup() -> pd.DataFrame:
    """The counts and settings, and checks of the accuracies that need no table."""
    numbers = _setup_numbers()
    rows = []
    for check in CHECKS["setup"]:
        names = check["claims"]
        printed = ", ".join(dict.fromkeys(claim(name).printed for name in names))
        places = " · ".join(dict.fromkeys(claim(name).place for name in names))
        if "split" in check:
            result = _audit_whole_photos(names, check["split"])
        else:
            working, implied = (check[part].format(**numbers) for part in ("working", "implied"))
            result = (check["check"], check["scope"], working, implied, check["verdict"], check["why"])
        rows.append((", ".join(names), printed, places, *result))
    masks = CHECKS["masks"] | {"place": VI}
    rows.append(tuple(masks[column] for column in COLUMNS))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _setup_numbers() -> dict[str, Any]:
    """The numbers in the texts of the setup's checks."""
    train, validation, test = (int(claimed_number(f"{split} photos")) for split in SPLITS)
    total = train + validation + test
    batch_size, epochs = (int(claimed_number(name)) for name in ("batch size", "epochs"))
    steps = math.ceil(train / batch_size)
    on_validation, on_training = (claimed_number(f"average {split} accuracy") for split in ("validation", "training"))
    variances = (rate * (1 - rate) / photos for rate, photos in ((on_validation, validation), (on_training, train)))
    gap, standard_error = on_validation - on_training, math.sqrt(sum(variances))
    return {
        "train": train,
        "validation": validation,
        "test": test,
        "total": total,
        "train_share": train / total,
        "validation_share": validation / total,
        "test_share": test / total,
        "types": len(TABLE_1),
        "batch_size": batch_size,
        "epochs": epochs,
        "full_batches": train // batch_size,
        "last_batch": train % batch_size,
        "steps": steps,
        "all_steps": epochs * steps,
        "on_validation": on_validation,
        "off_validation": 1 - on_validation,
        "on_training": on_training,
        "off_training": 1 - on_training,
        "gap": 100 * gap,
        "standard_error": 100 * standard_error,
        "standard_errors": gap / standard_error,
    }


def _audit_whole_photos(names: list[str], split: str) -> tuple[str, ...]:
    """Check, scope, working, implied counts, verdict and reason of rates as whole photos of a split."""
    texts, photos = CHECKS["whole_photos"], int(claimed_number(f"{split} photos"))
    workings, implied, possible, certain = [], [], True, True
    for name in names:
        low, high = PAPER_ROUNDING.read(claim(name).printed).interval
        counts = whole_counts((low, high), photos)
        numbers = {"photos": photos, "low": low, "high": high, "fewest": low * photos, "most": high * photos}
        workings.append(texts["working"].format(**numbers))
        implied.append("…".join(dict.fromkeys(f"{end:,}" for end in (counts[0], counts[-1]))) if counts else "none")
        possible = possible and len(counts) > 0
        certain = certain and (high - low) * photos >= 1  # so many photos that a count always fits
    verdict = None if certain else possible
    pooled = "" if all(name.endswith("accuracy") for name in names) else texts["pooled"]
    why = texts[{True: "possible", False: "impossible", None: "unknown"}[verdict]].format(split=split)
    check, joined = texts["check"].format(split=split, pooled=pooled), texts["joined"]
    result = verdict_of(texts["scope"], possible=verdict)
    return check, texts["scope"], joined.join(workings), joined.join(implied), result, why
