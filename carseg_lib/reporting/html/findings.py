"""What the page says in words, computed from the numbers of the run: verdict, failures, limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from carseg_lib.core.formatting import Estimate, interval, percent
from carseg_lib.data.catalogue import FEW_TRAINING
from carseg_lib.evaluation.slices import ALL, SECTORS
from carseg_lib.paper import claims
from carseg_lib.paper.recipe import Difference

WHATS = {  # the paper's claims by name, as a reader would say them
    "average training accuracy": "Training accuracy (fixed sample)",
    "average validation accuracy": "Validation accuracy",
    "headline accuracy": "Accuracy",
    "headline precision": "Precision (macro average)",
    "headline recall": "Recall (macro average)",
    "headline f1": "F1 score (macro average)",
}
COMPARED = ("validation", "test")  # splits that stand beside the paper's: its own first, then the verdict's


@dataclass(frozen=True)
class Verdict:
    """The answer to the question of the page: one word for a badge, sentences, and which way it points."""

    word: str
    sentences: tuple[str, ...]
    tone: str  # good | bad | unsure


@dataclass(frozen=True)
class Side:
    """Our figure on one split; `place` is where the paper's figure lies to its interval."""

    estimate: Estimate
    place: str
    tone: str


@dataclass(frozen=True)
class Row:
    """A claim of the paper (None: it has no such type) beside ours, on each split that is compared."""

    what: str
    paper: float | None
    sides: Mapping[str, Side]


def place_of(claimed: float | None, low: float | None, high: float | None) -> tuple[str, str]:
    """Where a claimed value lies to an interval, in words, and what tone that has."""
    if claimed is None:
        return "not in the paper", "unsure"
    if low is None or high is None:
        return "no interval", "unsure"
    if claimed > high:
        return "paper above ours", "bad"
    if claimed < low:
        return "paper below ours", "good"
    return "inside", "good"


def main_split(metrics: Mapping[str, Any]) -> str:
    """The split that the verdict is drawn on: test where there is one."""
    splits = list(metrics.get("splits") or {})
    return "test" if "test" in splits else (splits[0] if splits else "")


def other_types(metrics: Mapping[str, Any]) -> list[str]:
    """The body types of a run where they are not the paper's four; else none."""
    split = main_split(metrics)
    types = list(metrics["splits"][split].get("per_type") or {}) if split else []
    return types if types and set(types) != set(claims.TABLE_1.index) else []


def verdict(metrics: Mapping[str, Any], differences: Sequence[Difference]) -> Verdict:
    """Whether the paper's 91.2% holds on these data, and what the answer rests on."""
    split, name = main_split(metrics), metrics["data"]["name"]
    claimed = claims.claim("headline accuracy").value
    if not split:
        return Verdict(
            "not judged", (f"This run has no evaluated split of {name}: the claim is not judged.",), "unsure"
        )
    accuracy = metrics["splits"][split]["accuracy"]
    place, tone = place_of(claimed, accuracy["low"], accuracy["high"])
    measured = (
        f"On the {accuracy['n']:,} {split} photos of “{name}” the model names the body type of "
        f"{percent(accuracy['value'])} rightly (95% interval {interval(accuracy) or 'not computed'})."
    )
    says = {
        "inside": (
            "holds",
            f"The paper's {percent(claimed)} lies inside this interval: on these data the claim holds.",
        ),
        "paper above ours": (
            "does not hold",
            f"The paper's {percent(claimed)} lies above this interval, "
            f"{100 * (claimed - accuracy['value']):.1f} points over our figure: with this recipe and these data the "
            "claim does not hold.",
        ),
        "paper below ours": (
            "holds, exceeded",
            f"The paper's {percent(claimed)} lies below this interval: on these data the claim holds, and this run "
            f"exceeds it by {100 * (accuracy['value'] - claimed):.1f} points.",
        ),
        "no interval": (
            "not judged",
            f"Without an interval the paper's {percent(claimed)} cannot be judged.",
        ),
    }
    word, judged = says[place]
    if metrics.get("run", {}).get("profile") == "smoke":
        word, tone = "not judged", "unsure"
        judged = (
            "Profile smoke proves that the whole path runs; its model hardly learns, so it judges no claim."
        )
    if types := other_types(metrics):
        word, tone = "not judged", "unsure"
        judged = f"These are other types ({', '.join(types)}) than the paper's four: its claim is not judged by them."
    sentences = [measured, judged]
    other = metrics["splits"].get("validation")
    if split == "test" and other and not types:
        accuracy = other["accuracy"]
        where = place_of(claimed, accuracy["low"], accuracy["high"])[0]
        sentences.append(
            f"On the {accuracy['n']:,} validation photos, the split of the paper's claim, it is "
            f"{percent(accuracy['value'])} ({interval(accuracy) or 'no interval'}; "
            f"{where.replace('inside', 'paper inside')}); the epoch was chosen by them, so the verdict is drawn on "
            "test, by which nothing was chosen."
        )
    differ = [d for d in differences if d.state == "differs"]
    if differ:
        names = ", ".join(d.what.lower() for d in differ)
        sentences.append(
            f"It is not the paper's experiment repeated: {len(differ)} of {len(differences)} points compared "
            f"differ ({names})."
        )
    return Verdict(word, tuple(sentences), tone)


def comparison(metrics: Mapping[str, Any]) -> tuple[list[Row], list[Row], dict[str, list[Row]]]:
    """The headline claims, the averages over epochs, and Table 1 by body type, each beside ours on every split."""
    tables = {
        split: claims.compare_with_paper(dict(metrics), split)
        for split in COMPARED
        if split in metrics["splits"]
    }
    headline: list[Row] = []
    averages: list[Row] = []
    types: dict[str, list[Row]] = {}
    for lines in zip(*(table.itertuples() for table in tables.values()), strict=True):
        what, claimed = lines[0].what, _claimed(lines[0])
        sides = {split: _side(line) for split, line in zip(tables, lines, strict=True)}
        row = Row(WHATS.get(what, what), claimed, sides)
        if what.startswith("average"):
            averages.append(row)
        elif what in WHATS:
            headline.append(row)
        else:
            types.setdefault(what.rpartition(" ")[0], []).append(row)
    return headline, averages, types


def _side(line: Any) -> Side:
    """One row of `paper.compare_with_paper`."""
    names = {"value": line.ours, "low": line.low, "high": line.high, "n": line.n}
    estimate = {name: None if pd.isna(value) else value for name, value in names.items()}
    return Side(estimate, *place_of(_claimed(line), estimate["low"], estimate["high"]))


def _claimed(line: Any) -> float | None:
    return None if pd.isna(line.paper) else line.paper


def commonest_confusions(confusion: Mapping[str, Any], most: int = 5) -> list[dict[str, Any]]:
    """The off-diagonal cells with the most photos: truth, answer, n, share of the truth's photos."""
    cells = []
    for truth, row in zip(confusion["labels"], confusion["matrix"], strict=False):
        total = sum(row)
        for answer, n in zip(confusion["labels"], row, strict=True):
            if answer != truth and n:
                cells.append({"truth": truth, "answer": answer, "n": n, "share": n / total})
    return sorted(cells, key=lambda cell: -cell["n"])[:most]


def significant_slices(accuracy: pd.DataFrame, hardness: pd.DataFrame) -> list[str]:
    """What makes a type hard, in sentences; none where the data have no parameters.

    Args:
        accuracy: slice_metrics.csv; the split with the most photos is spoken of.
        hardness: error_odds.csv.
    """
    if accuracy.empty:
        return []
    whole = accuracy[accuracy["factor"] == ALL].sort_values("n").iloc[-1]
    levels = accuracy[
        (accuracy["split"] == whole["split"])
        & accuracy["body_type"].isna()
        & ~accuracy["factor"].isin([ALL, SECTORS.title])
    ]
    texts = [
        f"Of the {whole['n']:,} {whole['split']} photos {percent(whole['accuracy'])} are answered right. Of "
        f"{len(levels)} levels of a factor, {max(1, round(len(levels) / 20))} or so would lie apart from it by chance."
    ]
    apart = levels[(levels["high"] < whole["accuracy"]) | (levels["low"] > whole["accuracy"])]
    if apart.empty:
        texts.append("No level lies apart from it with its whole interval.")
    for word, rows in (
        ("Below it", apart[apart["accuracy"] < whole["accuracy"]].sort_values("accuracy")),
        ("Above it", apart[apart["accuracy"] > whole["accuracy"]].sort_values("accuracy", ascending=False)),
    ):
        named = [
            f"{row.factor}: {row.level}, {percent(row.accuracy)} ({interval(row._asdict())}, n = {row.n:,})"
            for row in rows.itertuples()
        ]
        if named:
            texts.append(f"{word} with its whole interval: {'; '.join(named)}.")
    together = hardness[hardness["group"] == "all types"]
    clear = together[(together["high"] < 1) | (together["low"] > 1)]
    if len(together):
        named = [
            f"{row.measure} (odds × {row.odds_ratio:.2f}, {row.low:.2f}–{row.high:.2f})"
            for row in clear.itertuples()
        ]
        texts.append(
            f"In the regression on all {len(together)} measures together, for one standard deviation more of each: "
            f"{'; '.join(named) or 'no measure changes the odds of a right answer beyond its interval'}."
        )
    return texts


def limits(
    metrics: Mapping[str, Any], split: str, duplicates: Mapping[str, int] | None, rendered: bool = False
) -> list[str]:
    """What the numbers of this run cannot carry.

    Args:
        metrics: metrics.json.
        split: The split of the verdict.
        duplicates: Counts of equal and nearly equal photos, if known.
        rendered: Whether the catalogue says what each photo was made from.
    """
    data, run = metrics["data"], metrics["run"]
    texts = [
        "The paper does not name its data set. These photos are other photos: agreement or disagreement of the figures "
        "says what the recipe does here, not what the authors measured.",
        f"One run with seed {run['seed']}. The intervals cover the choice of the evaluated photos, not the "
        "chance in the training: another seed gives another model.",
    ]
    if rendered:
        texts.insert(
            1,
            "These pictures are rendered: a program chose the cars, the light and the places. The figures say how well "
            "the recipe learns such pictures; of photographs they say little, until it is tried on them.",
        )
    if split in metrics["splits"]:
        support = {t: part["support"] for t, part in metrics["splits"][split]["per_type"].items()}
        small = [f"{n} of {t}" for t, n in support.items() if n < 50]
        taught = (data.get("counts") or {}).get("train") or {}
        few = [f"{n} of {t}" for t, n in taught.items() if n < FEW_TRAINING]
        if few:
            texts.append(f"Few training photos of some types ({', '.join(few)}): they are learned badly.")
        if small:
            texts.append(f"Few {split} photos of some types ({', '.join(small)}): their figures are coarse.")
    if data["boxes"] == "whole frame":
        texts.append(
            "These data have no boxes. The whole frame stands in for each: box AP and box IoU say nothing about "
            "finding cars."
        )
    if data["masks"] == "pseudo":
        texts.append(
            "The masks that were learned, and those that the model is judged by, are a teacher's: mask IoU and mask AP "
            "are agreement with it."
        )
    if data["masks"] == "none":
        texts.append("These data have no masks: no mask was learned and none is judged.")
    if duplicates and duplicates.get("near_across"):
        texts.append(
            f"{duplicates['near_across']:,} pairs of near duplicates stand in different splits: the evaluation is "
            "easier than it looks by as much as the model remembers them."
        )
    return texts
