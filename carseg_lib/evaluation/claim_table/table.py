"""The claim table: each of the paper's 22 figures and 7 statements with a state, and what the state rests on.

The audit of the paper outranks the comparison: a figure that is impossible as printed is never reproduced, however near
ours is. A figure is reproduced only if ours is shown to be equivalent, within a margin that is stated beforehand; that
the figure lies in our interval is not enough. Each row is judged by itself: of twenty tests at 5% one errs by chance.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from carseg_lib.core.formatting import percent
from carseg_lib.evaluation.claim_table.comparison import THIS_RUN, Comparison, compare
from carseg_lib.evaluation.claim_table.evidence import Evidence, epoch_average, main_split, other_types, run_on_data
from carseg_lib.evaluation.claim_table.statements import judge_statement, unfit_run
from carseg_lib.evaluation.claim_table.states import BY_VERDICT, NOT_RUN, shortfall_told
from carseg_lib.evaluation.equivalence import ABOVE, BELOW, EQUIVALENT, MARGIN, UNDECIDED
from carseg_lib.paper import claims
from carseg_lib.paper.verdicts import IMPOSSIBLE, NOT_THIS_READING

STATEMENT, AVERAGE, HEADLINE, TABLE_1 = "statement", "average over epochs", "headline", "Table 1"  # groups of rows
_WHY = {
    EQUIVALENT: f"Equivalent within {100 * MARGIN:g} points.",
    ABOVE: "Our whole interval lies above the paper's figure.",
    BELOW: "Our whole interval lies below the paper's figure.",
}


@dataclass(frozen=True)
class ClaimRow:
    """A claim of the paper with its state. The first comparison is the one that decided, unless the audit did."""

    what: str  # its name, as in claims.yaml
    group: str  # STATEMENT, AVERAGE, HEADLINE or TABLE_1
    printed: str  # "" for a statement
    place: str  # section and quote
    state: str  # one of states.STATES
    why: str  # in a sentence
    comparisons: tuple[Comparison, ...]  # ours: this run, split by split, then runs on other data
    readings: str  # what the readings of the paper show; "" where there are none
    audit: str  # the audit's verdict on the figure; "" for a statement
    scope: str  # what that verdict assumes: one of paper.verdicts.SCOPES; "" for a statement
    tested_as: str = ""  # of a statement: what is tested in its place


def claim_rows(evidence: Evidence, verdicts: pd.DataFrame) -> list[ClaimRow]:
    """Judge every claim: the statements, the averages, the headline, Table 1.

    Args:
        evidence: What is known.
        verdicts: The audit's verdict on each figure, as of `paper.audit.figure_verdicts`: columns claim, verdict,
            scope, why.
    """
    audited = {row.claim: (row.verdict, row.scope, row.why) for row in verdicts.itertuples()}
    statements = [_statement(statement, evidence) for statement in claims.STATEMENTS]
    return statements + [_figure(name, evidence, *audited.get(name, ("", "", ""))) for name in claims.FIGURES]


def claim_table(rows: Iterable[ClaimRow]) -> pd.DataFrame:
    """The rows as a table, for a notebook or a file.

    Returns:
        Columns claim, group, paper, state, ours, low, high (fractions; NaN where there is none), n, rests_on, why.
    """
    table = []
    for row in rows:
        first = row.comparisons[0] if row.comparisons else None
        numbers = [first.estimate.get(key) for key in ("value", "low", "high", "n")] if first else [None] * 4
        table.append((row.what, row.group, row.printed, row.state, *numbers, rests_on(row), row.why))
    columns = ["claim", "group", "paper", "state", "ours", "low", "high", "n", "rests_on", "why"]
    return pd.DataFrame(table, columns=columns).astype({"ours": float, "low": float, "high": float, "n": "Int64"})


def rests_on(row: ClaimRow) -> str:
    """The runs that a row rests on, in words."""
    sources = [comparison.source for comparison in row.comparisons]
    return "; ".join([*dict.fromkeys(sources), *([row.readings] if row.readings else [])])


def _statement(statement: claims.Statement, evidence: Evidence) -> ClaimRow:
    state, why, comparisons = judge_statement(statement, evidence)
    place = f"{statement.section}: “{statement.quote}”"
    return ClaimRow(statement.what, STATEMENT, "", place, state, why, comparisons, "", "", "", statement.tested_as)


def _figure(name: str, evidence: Evidence, audit: str, scope: str, reason: str) -> ClaimRow:
    claim = claims.claim(name)
    group = AVERAGE if name in claims.AVERAGES else HEADLINE if name.startswith("headline") else TABLE_1
    comparisons = tuple(_comparisons(name, evidence))
    state, why = _state(comparisons, evidence, audit, reason)
    readings = _readings_reach(name, evidence.readings)
    return ClaimRow(name, group, claim.printed, claim.place, state, why, comparisons, readings, audit, scope)


def _state(comparisons: tuple[Comparison, ...], evidence: Evidence, audit: str, reason: str) -> tuple[str, str]:
    if audit in (IMPOSSIBLE, NOT_THIS_READING):
        return audit, reason[:1].upper() + reason[1:]
    if unfit := unfit_run(evidence.metrics):
        return unfit
    if not comparisons or comparisons[0].run != THIS_RUN:
        return NOT_RUN, "This run has no such number."
    verdict = comparisons[0].verdict
    return BY_VERDICT[verdict], _WHY[verdict] if verdict != UNDECIDED else shortfall_told(comparisons[0])


def _comparisons(name: str, evidence: Evidence) -> Iterator[Comparison]:
    """Our numbers beside a figure: this run's on the split of the verdict first, then validation, then other runs'.

    None where the types of this run are not the paper's.
    """
    if other_types(evidence.metrics):
        return
    claimed = claims.claimed_number(name)
    if name in claims.AVERAGES:
        if average := epoch_average(name, evidence):
            yield compare(THIS_RUN, average[0], average[1], claimed, is_share=True)
        return
    is_share = name == "headline accuracy" or not (name.startswith("headline") or name.endswith(" f1"))
    main = main_split(evidence.metrics)
    runs = [(THIS_RUN, evidence.metrics, tuple(dict.fromkeys([main, "validation"])))]
    runs += [(run_on_data(run, other), other, (main_split(other),)) for run, other in evidence.others.items()]
    for run, metrics, splits in runs:
        for split in splits:
            if estimate := _estimate(name, (metrics.get("splits") or {}).get(split)):
                yield compare(run, split, estimate, claimed, is_share=is_share)


def _estimate(name: str, scores: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Our number for a figure of the headline or of Table 1, from the metrics of a split."""
    subject, _, metric = name.rpartition(" ")
    if not scores:
        return None
    if subject == "headline":
        return scores["accuracy"] if metric == "accuracy" else scores["macro"][metric]
    return (scores["per_type"].get(subject) or {}).get(metric)


def _readings_reach(name: str, readings: Mapping[str, Mapping[str, Any]]) -> str:
    """How many readings of the paper reach an accuracy: after the last epoch, or on average over the epochs."""
    which = {"headline accuracy": "last", "average validation accuracy": "mean"}.get(name)
    if which is None:
        return ""
    texts, claimed = [], claims.claimed_number(name)
    for folder, found in readings.items():
        known = [reading for reading in found["readings"] if reading.get(which)]
        reached = sum(_reading_verdict(reading, which, claimed) in (EQUIVALENT, ABOVE) for reading in known)
        if known:
            least, most = (percent(end(reading[which]["value"] for reading in known)) for end in (min, max))
            where = f"{found['data']} (run {folder})"
            texts.append(f"{reached} of {len(known)} readings on {where} reach it: {least} to {most}")
    return "; ".join(texts)


def _reading_verdict(reading: Mapping[str, Any], which: str, claimed: float) -> str:
    """That of the readings' own results, where they have one."""
    verdict = (reading.get("verdicts") or {}).get(which)
    return verdict or compare(reading["name"], which, reading[which], claimed, is_share=True).verdict
