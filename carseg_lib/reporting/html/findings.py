"""Statements of the page in words, computed from the numbers of the run: verdict, confusions, slices, limitations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from carseg_lib.core.formatting import Estimate, interval, percent
from carseg_lib.data.catalogue import FEW_TRAINING
from carseg_lib.evaluation.multiple import ALPHA
from carseg_lib.evaluation.slices import ALL
from carseg_lib.paper import claims
from carseg_lib.paper.recipe import Difference

CLAIM_TITLES = {  # the paper's claims by name, as headings of rows
    "average training accuracy": "Training accuracy (fixed sample)",
    "average validation accuracy": "Validation accuracy",
    "headline accuracy": "Accuracy",
    "headline precision": "Precision (macro average)",
    "headline recall": "Recall (macro average)",
    "headline f1": "F1 score (macro average)",
}
COMPARED = ("validation", "test")  # splits compared with the paper: its own first, then the verdict's
_FEW_EVALUATED = 50  # photos of a type below which its numbers are imprecise


@dataclass(frozen=True)
class Verdict:
    """The answer to the question of the page: a word for the badge, sentences, and the tone of the badge."""

    word: str
    sentences: tuple[str, ...]
    tone: str  # good | bad | neutral


@dataclass(frozen=True)
class Side:
    """Our number on one split; `position` is that of the paper's number relative to its interval."""

    estimate: Estimate
    position: str
    tone: str


@dataclass(frozen=True)
class Row:
    """A claim of the paper (None: the paper has no such type) and our number on each compared split."""

    what: str
    paper: float | None
    sides: Mapping[str, Side]


def claim_position(claimed: float | None, low: float | None, high: float | None) -> tuple[str, str]:
    """The position of a claimed value relative to an interval, in words, and its tone."""
    if claimed is None:
        return "not in the paper", "neutral"
    if low is None or high is None:
        return "no interval", "neutral"
    if claimed > high:
        return "paper above ours", "bad"
    if claimed < low:
        return "paper below ours", "good"
    return "inside", "good"


def main_split(metrics: Mapping[str, Any]) -> str:
    """The split of the verdict: test if it was evaluated, else the first one; "" if there is none."""
    splits = list(metrics.get("splits") or {})
    return "test" if "test" in splits else (splits[0] if splits else "")


def other_types(metrics: Mapping[str, Any]) -> list[str]:
    """The body types of a run if they are not the paper's four, else none."""
    split = main_split(metrics)
    types = list(metrics["splits"][split].get("per_type") or {}) if split else []
    return types if types and set(types) != set(claims.TABLE_1.index) else []


def verdict(metrics: Mapping[str, Any], differences: Sequence[Difference]) -> Verdict:
    """Whether the paper's 91.2% holds on these data, and on what the verdict is based.

    Args:
        metrics: metrics.json.
        differences: between the paper's experiment and this run.
    """
    split, name = main_split(metrics), metrics["data"]["name"]
    claimed = claims.claimed_number("headline accuracy")
    if not split:
        sentence = f"This run has no evaluated split of {name}: there is no verdict on the claim."
        return Verdict("no verdict", (sentence,), "neutral")
    accuracy = metrics["splits"][split]["accuracy"]
    position, tone = claim_position(claimed, accuracy["low"], accuracy["high"])
    measured = (
        f"The model classifies {percent(accuracy['value'])} of the {accuracy['n']:,} {split} photos of “{name}” "
        f"correctly (95% interval {interval(accuracy) or 'not computed'})."
    )
    papers = f"The paper's {percent(claimed)}"
    conclusions = {
        "inside": ("holds", f"{papers} lies inside this interval: on these data the claim holds."),
        "paper above ours": (
            "does not hold",
            f"{papers} lies above this interval, {100 * (claimed - accuracy['value']):.1f} points above our accuracy: "
            "with this recipe and these data the claim does not hold.",
        ),
        "paper below ours": (
            "holds, exceeded",
            f"{papers} lies below this interval: on these data the claim holds, and this run exceeds it by "
            f"{100 * (accuracy['value'] - claimed):.1f} points.",
        ),
        "no interval": ("no verdict", f"Without an interval there is no verdict on the paper's {percent(claimed)}."),
    }
    word, conclusion = conclusions[position]
    if metrics.get("run", {}).get("profile") == "smoke":
        word, tone = "no verdict", "neutral"
        conclusion = "Profile smoke tests the pipeline; its model is hardly trained: no verdict on the claim."
    if types := other_types(metrics):
        word, tone = "no verdict", "neutral"
        conclusion = f"These body types ({', '.join(types)}) are not the paper's four: no verdict on its claim."
    sentences = [measured, conclusion]
    other = metrics["splits"].get("validation")
    if split == "test" and other and not types:
        accuracy = other["accuracy"]
        where = claim_position(claimed, accuracy["low"], accuracy["high"])[0]
        sentences.append(
            f"Accuracy on the {accuracy['n']:,} validation photos, the split of the paper's claim, is "
            f"{percent(accuracy['value'])} ({interval(accuracy) or 'no interval'}; "
            f"{where.replace('inside', 'paper inside')}). The epoch was selected on validation, so the verdict is "
            "based on test, which selected nothing."
        )
    if differ := [d for d in differences if d.state == "differs"]:
        names = ", ".join(d.what.lower() for d in differ)
        sentences.append(
            f"This run does not repeat the paper's experiment exactly: {len(differ)} of {len(differences)} compared "
            f"settings differ ({names})."
        )
    return Verdict(word, tuple(sentences), tone)


def comparison(metrics: Mapping[str, Any]) -> tuple[list[Row], list[Row], dict[str, list[Row]]]:
    """The paper's claims and our numbers on every compared split.

    Returns:
        The headline claims, the averages over epochs, and Table 1 by body type.
    """
    tables = {
        split: claims.compare_with_paper(dict(metrics), split) for split in COMPARED if split in metrics["splits"]
    }
    headline: list[Row] = []
    averages: list[Row] = []
    types: dict[str, list[Row]] = {}
    for lines in zip(*(table.itertuples() for table in tables.values()), strict=True):
        what, claimed = lines[0].what, _claimed(lines[0])
        sides = {split: _side(line) for split, line in zip(tables, lines, strict=True)}
        row = Row(CLAIM_TITLES.get(what, what), claimed, sides)
        if what.startswith("average"):
            averages.append(row)
        elif what in CLAIM_TITLES:
            headline.append(row)
        else:
            types.setdefault(what.rpartition(" ")[0], []).append(row)
    return headline, averages, types


def _side(line: Any) -> Side:
    """Our number in one row of `claims.compare_with_paper`."""
    values = {"value": line.ours, "low": line.low, "high": line.high, "n": line.n}
    estimate = {name: None if pd.isna(value) else value for name, value in values.items()}
    return Side(estimate, *claim_position(_claimed(line), estimate["low"], estimate["high"]))


def _claimed(line: Any) -> float | None:
    return None if pd.isna(line.paper) else line.paper


def most_frequent_confusions(confusion: Mapping[str, Any], limit: int = 5) -> list[dict[str, Any]]:
    """The off-diagonal cells with the most photos: truth, predicted, n, share of the type's photos.

    Args:
        confusion: {"labels", "matrix"}, from metrics.json.
        limit: cells returned, at most.
    """
    cells = []
    for truth, row in zip(confusion["labels"], confusion["matrix"], strict=False):
        total = sum(row)
        for predicted, n in zip(confusion["labels"], row, strict=True):
            if predicted != truth and n:
                cells.append({"truth": truth, "predicted": predicted, "n": n, "share": n / total})
    return sorted(cells, key=lambda cell: -cell["n"])[:limit]


def significant_slices(metrics: pd.DataFrame, odds: pd.DataFrame) -> list[str]:
    """The result of the error analysis in sentences; none where the data have no metadata.

    Named is what remains when the false discovery rate is held at 5%.

    Args:
        metrics: slice_metrics.csv; the split with the most photos is described.
        odds: error_odds.csv.
    """
    if metrics.empty:
        return []
    overall = metrics[metrics["attribute"] == ALL].sort_values("n").iloc[-1]
    tested = metrics[(metrics["split"] == overall["split"]) & metrics["q_value"].notna()]
    apart = tested[tested["q_value"] < ALPHA].sort_values("accuracy")
    texts = [
        f"Accuracy on all {overall['n']:,} {overall['split']} photos is {percent(overall['accuracy'])}. Each of "
        f"{len(tested)} slices was compared with the other photos (Fisher's exact test); with a false discovery rate "
        f"of {percent(ALPHA, 0)} (Benjamini–Hochberg) {len(apart) or 'none'} of them {_differ(len(apart))}."
    ]
    for word, rows in (
        ("Less accurate", apart[apart["accuracy"] < overall["accuracy"]]),
        ("More accurate", apart[apart["accuracy"] > overall["accuracy"]].iloc[::-1]),
    ):
        named = [
            f"{row.attribute}: {row.level}, {percent(row.accuracy)} ({interval(row._asdict())}, n = {row.n:,}, "
            f"corrected p = {row.q_value:.2g})"
            for row in rows.itertuples()
        ]
        if named:
            texts.append(f"{word}: {'; '.join(named)}.")
    pooled = odds[odds["group"] == "all types"]
    clear = pooled[pooled["q_value"] < ALPHA]
    if len(pooled):
        named = [
            f"{row.measure} (odds × {row.odds_ratio:.2f}, {row.low:.2f}–{row.high:.2f})" for row in clear.itertuples()
        ]
        texts.append(
            f"In the regression on all {len(pooled)} measures, per standard deviation of each, with the same false "
            f"discovery rate: {'; '.join(named) or 'no measure changes the odds of a correct prediction'}."
        )
    return texts


def _differ(count: int) -> str:
    return "differs" if count == 1 else "differ"


def limitations(
    metrics: Mapping[str, Any], split: str, duplicates: Mapping[str, int] | None, rendered: bool = False
) -> list[str]:
    """The limitations of this run's numbers, a text each.

    Args:
        metrics: metrics.json.
        split: of the verdict.
        duplicates: counts of exact and near duplicates, if known.
        rendered: whether the catalogue has rendering metadata.
    """
    data, run = metrics["data"], metrics["run"]
    texts = [
        "The paper does not name its data set. These are other photos: agreement or disagreement of the numbers "
        "measures the recipe on these data, not the authors' experiment.",
        f"One run with seed {run['seed']}. The intervals cover the choice of the evaluated photos, not the "
        "randomness of the training: another seed gives another model.",
    ]
    if rendered:
        texts.insert(
            1,
            "These images are rendered: a program generated the cars, the light and the surroundings. The numbers "
            "measure how well the recipe learns such images; they do not transfer to photographs without a test.",
        )
    if split in metrics["splits"]:
        support = {t: part["support"] for t, part in metrics["splits"][split]["per_type"].items()}
        training = (data.get("counts") or {}).get("train") or {}
        if few := [f"{n} of {t}" for t, n in training.items() if n < FEW_TRAINING]:
            texts.append(f"Few training photos of some types ({', '.join(few)}): they are learned badly.")
        if small := [f"{n} of {t}" for t, n in support.items() if n < _FEW_EVALUATED]:
            texts.append(f"Few {split} photos of some types ({', '.join(small)}): their numbers are imprecise.")
    if data["boxes"] == "whole frame":
        texts.append(
            "These data have no boxes. The whole frame replaces each box, so box AP and box IoU do not measure "
            "localization."
        )
    if data["masks"] == "pseudo":
        texts.append(
            "The masks used for training and for evaluation are pseudo-masks: mask IoU and mask AP measure agreement "
            "with the network that predicted them."
        )
    if data["masks"] == "none":
        texts.append("These data have no masks: masks are neither trained nor evaluated.")
    if duplicates and duplicates.get("near_across"):
        texts.append(
            f"{duplicates['near_across']:,} pairs of near duplicates are in different splits: the evaluation is "
            "easier than it appears, as far as the model memorizes training photos."
        )
    return texts
