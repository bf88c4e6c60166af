"""The lead of the page: what the photos are, and three questions with an answer each.

Are the paper's numbers consistent, was its recipe repeated, and does this run reach 91.2%: one badge for all three
would say more than any of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from carseg_lib.core.formatting import interval, percent
from carseg_lib.evaluation.claim_table.comparison import THIS_RUN, Comparison
from carseg_lib.evaluation.claim_table.evidence import PAPER_PROFILE, Evidence, main_split
from carseg_lib.evaluation.claim_table.statements import unfit_run
from carseg_lib.evaluation.claim_table.states import shortfall_told
from carseg_lib.evaluation.claim_table.table import TABLE_1, ClaimRow
from carseg_lib.evaluation.equivalence import ABOVE, BELOW, EQUIVALENT, MARGIN, UNDECIDED
from carseg_lib.paper import claims
from carseg_lib.paper.recipe import Difference
from carseg_lib.paper.verdicts import (
    CHECKS,
    CONSISTENT,
    IMPOSSIBLE,
    NOT_THIS_READING,
    ONE_EVALUATION,
    UNKNOWN,
    WHATEVER,
)

CLAIMED = claims.claimed_number("headline accuracy")
_TONES = {EQUIVALENT: "good", ABOVE: "good", BELOW: "bad", UNDECIDED: "neutral"}
_WORDS = {
    EQUIVALENT: f"Equivalent to {percent(CLAIMED)}",
    ABOVE: f"Above {percent(CLAIMED)}",
    BELOW: f"Below {percent(CLAIMED)}",
    UNDECIDED: "Too few photos to tell",
}
_MEANINGS = {
    EQUIVALENT: f"It lies within {100 * MARGIN:g} points (the margin), by two one-sided tests at 5%.",
    ABOVE: "The whole interval lies above it.",
    BELOW: "The whole interval lies below it.",
    UNDECIDED: f"Neither a difference nor equality within {100 * MARGIN:g} points (the margin) is shown.",
}
_SCOPES = {  # what an impossible figure assumes
    WHATEVER: "whatever the reading",
    ONE_EVALUATION: "if they are of one evaluation",
}
_VERDICTS = {CONSISTENT: "may be true", UNKNOWN: "cannot be judged"}


@dataclass(frozen=True)
class Answer:
    """The answer to one question of the lead."""

    question: str
    word: str  # on the badge
    tone: str  # of the badge: good, bad, neutral
    sentences: tuple[str, ...]
    remark: str = ""  # on a second badge


def kind_of_photos(metrics: Mapping[str, Any], rendered: bool | None) -> str:
    """What the photos are, in a sentence or two.

    Args:
        metrics: metrics.json.
        rendered: Whether the catalogue has rendering metadata; None where there is no catalogue.
    """
    counts = {split: sum(types.values()) for split, types in (metrics["data"].get("counts") or {}).items()}
    numbers = ", ".join(f"{n:,} {split}" for split, n in counts.items())
    name = f"“{metrics['data']['name']}”" + (f" ({numbers})" if numbers else "")
    if rendered is None:
        return f"The photos are those of {name}; whether a camera or a program made them is not recorded."
    if rendered:
        return (
            f"Every photo here was made by a program: {name}. Numbers on rendered cars say nothing about photographs "
            "unless a run on photographs stands beside them."
        )
    return f"The photos are {name}, photographs as far as the data tell: they have no rendering metadata."


def consistency(rows: Sequence[ClaimRow], checks: pd.DataFrame) -> Answer:
    """Whether the paper's figures can be true.

    Args:
        rows: The claim table, with the audit's verdict on each figure.
        checks: The audit, for the least number of figures that must be wrong.
    """
    figures = [row for row in rows if row.audit]
    by_verdict: dict[str, list[ClaimRow]] = {}
    for row in figures:
        by_verdict.setdefault(row.audit, []).append(row)
    impossible, unread = (by_verdict.pop(verdict, []) for verdict in (IMPOSSIBLE, NOT_THIS_READING))
    sentences = []
    if impossible:
        by_scope = {scope: [row for row in impossible if row.scope == scope] for scope in _SCOPES}
        parts = [f"{len(found)} {_SCOPES[scope]} ({_gathered(found)})" for scope, found in by_scope.items() if found]
        sentences.append(
            f"{len(impossible)} of its {len(figures)} figures are impossible as printed: {'; '.join(parts)}. Each "
            "contradicts others, so that not all of them can be true."
        )
        fewest = checks.loc[checks["check"] == CHECKS["table"]["fewest"]["check"], "why"].head(1)
        sentences += [why.partition(". ")[0].rstrip(".") + "." for why in fewest]
    if unread:
        sentences.append(f"{len(unread)} fit no reading that we tried ({_gathered(unread)}).")
    for verdict, meaning in _VERDICTS.items():
        if found := by_verdict.get(verdict):
            sentences.append(f"{len(found)} {meaning} ({_gathered(found)}).")
    word, tone = ("No", "bad") if impossible else ("Not by our readings", "neutral") if unread else ("Yes", "good")
    return Answer("Are the paper's own numbers consistent?", word, tone, tuple(sentences))


def _gathered(rows: Sequence[ClaimRow]) -> str:
    """Names of figures: many cells of Table 1 by their number, few of one column by their types, others as they are."""
    cells = [row.what for row in rows if row.group == TABLE_1]
    others = [row.what for row in rows if row.group != TABLE_1]
    metrics = {name.rpartition(" ")[2] for name in cells}
    if len(metrics) == 1:
        types = ", ".join(name.rpartition(" ")[0] for name in cells)
        others.insert(0, f"{next(iter(metrics))} of {types}")
    elif cells:
        others.insert(0, f"{len(cells)} cells of Table 1")
    return ", ".join(others).replace("f1", "F1")


def repetition(metrics: Mapping[str, Any], differences: Sequence[Difference], evidence: Evidence) -> Answer:
    """Whether the paper's recipe was repeated: by this run, by another run, or by readings of its text."""
    question = "Was its recipe repeated?"
    differ = [short_name(d) for d in differences if d.state == "differs"]
    counted = f"{len(differ)} of the {len(differences)} settings compared differ"
    sentences = [f"This is not an exact replication: {counted}{_in_brackets(differ)}"]
    if not differ:
        sentences = [f"No compared setting differs, of {len(differences)}."]
    sentences.append("The paper's photos are not known.")
    trained = [
        f"{len(found['readings'])} readings of its text on {found['data']} (run {folder})"
        for folder, found in evidence.readings.items()
    ]
    if trained:
        sentences.append(f"Trained beside this run: {'; '.join(trained)}.")
        sentences += [found["answer"][0] for found in evidence.readings.values() if found.get("answer")]
    if metrics["run"]["profile"] == PAPER_PROFILE:
        return Answer(question, "On other photos", "neutral", tuple(sentences))
    if evidence.repeated:
        sentences.append(f"The paper's recipe: run {', '.join(evidence.repeated)}.")
    else:
        sentences.append(f"The paper's recipe (profile {PAPER_PROFILE}): not run.")
    word = "By another run" if evidence.repeated else "Not by this run"
    return Answer(question, word, "neutral", tuple(sentences), "readings of it beside" if trained else "")


def short_name(difference: Difference) -> str:
    """The name of a setting within a sentence, without its unit."""
    return difference.what.partition(",")[0].lower()


def _in_brackets(names: Sequence[str]) -> str:
    return f" ({', '.join(names)})." if names else "."


def reached(rows: Sequence[ClaimRow], differences: Sequence[Difference], evidence: Evidence) -> Answer:
    """Whether this run reaches 91.2%: an equivalence test, whatever the audit says of that figure."""
    question, metrics = f"Does this run reach {percent(CLAIMED)}?", evidence.metrics
    row = next(row for row in rows if row.what == "headline accuracy")
    mine = [comparison for comparison in row.comparisons if comparison.run == THIS_RUN]
    if unfit := unfit_run(metrics):
        return Answer(question, "No verdict", "neutral", (*_measured(metrics), unfit[1]))
    if not mine:
        return Answer(question, "No verdict", "neutral", (f"No split of {metrics['data']['name']} was evaluated.",))
    first, *more = mine
    sentences = [f"{_in_words(first)}.", _MEANINGS[first.verdict], shortfall_told(first)]
    sentences += [
        f"Validation, which chose the epoch: {_in_words(other)}, {_lower(_WORDS[other.verdict])}."
        for other in more
        if other.photos == "validation"
    ]
    got_there = first.verdict in (EQUIVALENT, ABOVE)
    differ = any(d.state == "differs" for d in differences)
    remark = ("reached by another recipe" if differ else "reached on other photos") if got_there else ""
    if got_there:
        sentences.append("Other photos" + (" and another recipe" if differ else "") + " do not confirm the paper.")
    return Answer(question, _WORDS[first.verdict], _TONES[first.verdict], tuple(sentences), remark)


def _measured(metrics: Mapping[str, Any]) -> tuple[str, ...]:
    """The accuracy of a run that is no evidence on the paper."""
    split = main_split(metrics)
    return (f"{_accuracy(metrics['splits'][split]['accuracy'], split)}.",) if split else ()


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _in_words(comparison: Comparison) -> str:
    return _accuracy(comparison.estimate, comparison.photos)


def _accuracy(estimate: Mapping[str, Any], split: str) -> str:
    between = interval(estimate)
    return f"{percent(estimate['value'])} of {estimate['n']:,} {split} photos" + (f" ({between})" if between else "")


def beside(rows: Sequence[ClaimRow]) -> list[str]:
    """Accuracy of runs on other data, a sentence each."""
    row = next(row for row in rows if row.what == "headline accuracy")
    others = [comparison for comparison in row.comparisons if comparison.run != THIS_RUN]
    return [
        f"Beside it, {comparison.run}: {_in_words(comparison)}, {_lower(_WORDS[comparison.verdict])}."
        for comparison in others
    ]


def roles_of_splits(evidence: Evidence) -> list[str]:
    """What validation and test decided, with the last epoch beside the chosen one."""
    splits = evidence.metrics["splits"]
    texts = ["The paper's 91.2% is a validation accuracy."]
    history = evidence.history
    if history is not None and len(history) and "best" in history:
        best, last = history[history["best"]].iloc[0], history.iloc[-1]
        n = int(best["validation_photos"])
        chosen = f"epoch {int(best['epoch'])} of {len(history)}, {percent(best['validation_accuracy'])} of {n:,}"
        texts.append(
            f"Here validation chose the epoch ({chosen}); after the last epoch it is "
            f"{percent(last['validation_accuracy'])}. The paper does not say which epoch it reports."
        )
    texts.append(
        "The settings of the profiles were chosen by validation accuracy too, on the data sets of the documentation: "
        "on those photos validation flatters the recipe as well as the epoch."
    )
    if "test" in splits:
        texts.append(
            "Test chose no epoch and no setting, and decides the states; but it was looked at with each version of a "
            "profile."
        )
    return texts
