"""Statements of the page in words, computed from the numbers of the run: confusions, slices, limitations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from carseg_lib.core.formatting import interval, percent
from carseg_lib.data.catalogue import FEW_TRAINING
from carseg_lib.evaluation.multiple import ALPHA
from carseg_lib.evaluation.slices import ALL

_FEW_EVALUATED = 50  # photos of a type below which its numbers are imprecise


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


def other_source(measured: Mapping[str, Mapping[str, Any]]) -> str:
    """What a change of source costs, in a sentence for each source that networks were trained on; "" for none.

    Args:
        measured: `reports/reference/other-source.json`: by name of the source {own, other (estimates), trainings,
            photos, epochs, profile, made, commit}.
    """
    texts = [
        f"trained on {found['photos']:,} {source} photos for {found['epochs']} epochs, profile {found['profile']} "
        f"names the type of {percent(found['own']['value'])} ({interval(found['own'])}) of {found['own']['n']:,} "
        f"validation photos of their own source and of {percent(found['other']['value'])} ({interval(found['other'])}) "
        f"of {found['other']['n']:,} of another one ({found['trainings']} trainings, {found['made']}, commit "
        f"{found['commit']})"
        for source, found in measured.items()
    ]
    told = "; ".join(texts).replace("photographs photos", "photographs")
    return f"Another source of photos costs much: {told}." if texts else ""
