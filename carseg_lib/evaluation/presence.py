"""Is there a car at all: what a trained detector answers for photos without one, and what a second look changes.

Every photo of a study of cars shows a car, and so does the paper's: accuracy says nothing of what a detector does with
a photo of something else. Three scores of a photo are compared, each the largest over its regions: the detector's own,
the likeness that an untouched ImageNet classifier gives the region, and their product, which decides
(`carseg_lib.engine.presence`). For each:

- false alarms: the share of photos without a car whose score reaches the threshold that keeps 99% of the validation
  cars. Wilson's interval.
- AUROC: the probability that a car scores higher than a photo without one (`carseg_lib.evaluation.auroc`).
- the FROC curve: false alarms a photo, each region counted, against the share of cars that are kept.

Photos without a car come from the data set itself (validation, test) or, where it has none, from the built-in pictures
(those of validation and test together), and from a folder that is only measured on (`eval.negatives`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from carseg_lib.core.formatting import interval, percent
from carseg_lib.engine.presence import Presence, threshold_of
from carseg_lib.evaluation.auroc import auroc_estimate
from carseg_lib.evaluation.bootstrap import Groups
from carseg_lib.evaluation.clusters import share_estimate

NO_CAR = "no car"  # the label of a photo without one, and the answer below the threshold
SPLITS = ("validation", "test")  # whose cars are looked at: those of training were learned from
OWN, BUILTIN, GIVEN = "data set", "built-in", "negatives"
PRESENCE = {  # of presence.csv: a row a region that is looked at; a photo without any has one row, without a region
    "photo_id": "str",
    "source": "str",  # OWN, BUILTIN or GIVEN: the folder of `eval.negatives`
    "split": "str",
    "body_type": "str",  # of the label; "no car"
    "predicted": "str",  # the region's type; "" without a region
    "x1": "float64",  # pixels of the photo
    "y1": "float64",
    "x2": "float64",
    "y2": "float64",
    "object_score": "float64",  # the detector's probability that the region is no background
    "likeness": "float64",  # the ImageNet classifier's, that it looks like the study's object
    "score": "float64",  # their product
}
SCORES = {"object_score": "the detector alone", "likeness": "the likeness alone", "score": "both"}


def photo_table(table: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """A row a photo, in the table's order.

    Args:
        table: columns as `PRESENCE`.
        threshold: score from which a region is a car.

    Returns:
        photo_id, source, split, body_type; object_score, likeness, score: the largest over the regions, 0 without any;
        answer: the type of the first region, the detector's surest, that reaches the threshold, or "no car".
    """
    keys = ["source", "split", "photo_id"]
    by_photo = table.groupby(keys, sort=False)
    photos = by_photo["body_type"].first().to_frame().join(by_photo[list(SCORES)].max().fillna(0.0))
    passed = table[table["score"] >= threshold].groupby(keys, sort=False)["predicted"].first()
    photos["answer"] = passed.reindex(photos.index)
    photos["answer"] = photos["answer"].fillna(NO_CAR)
    return photos.reset_index()


def presence_metrics(
    table: pd.DataFrame, presence: Presence, body_types: Sequence[str], groups: pd.Series | None = None
) -> dict[str, Any]:
    """The numbers of `metrics.json` on cars and no cars.

    Args:
        table: columns as `PRESENCE`; cars of validation and test, and photos without a car, if there are any.
        presence: with the threshold, from the validation cars.
        body_types: of the study.
        groups: name of each car photo's group by photo_id, see `classification.split_metrics`.

    Returns:
        threshold, keep, classes (names); kept: by split, the share of cars whose score reaches the threshold;
        without_car: by set of photos ("test", "validation", "built-in", "negatives") {photos, scores: {score:
        {threshold, false_alarms, auroc}}}, against the cars of test (of validation, for validation's own); confusion:
        by split {labels, matrix}: rows the labels, "no car" last if there are such photos, columns the answers;
        answers: by split, the share of cars that are answered with their type, as `make predict` does: after the second
        look, "no car" is wrong; opinion: whether its opinion on the type counts.
    """
    photos = photo_table(table, presence.threshold)
    cars = {split: photos[(photos["split"] == split) & (photos["body_type"] != NO_CAR)] for split in SPLITS}

    def groups_of(part: pd.DataFrame) -> Groups | None:
        return None if groups is None else groups.reindex(part["photo_id"]).fillna("").tolist()

    kept = {
        split: share_estimate((part["answer"] != NO_CAR).to_numpy(), groups_of(part)) for split, part in cars.items()
    }
    without: dict[str, Any] = {}
    for (source, split), part in photos[photos["body_type"] == NO_CAR].groupby(["source", "split"], sort=False):
        beside = cars[split]
        scores = {}
        for name in SCORES:
            threshold = threshold_of(cars["validation"][name].to_numpy(), presence.keep)
            scores[name] = {
                "threshold": threshold,
                "false_alarms": share_estimate((part[name] >= threshold).to_numpy()),
                "auroc": auroc_estimate(beside[name].to_numpy(), part[name].to_numpy(), groups_of(beside)),
            }
        without[split if source == OWN else source] = {"photos": len(part), "scores": scores}
    own = photos[photos["source"] == OWN]
    return {
        "threshold": presence.threshold,
        "keep": presence.keep,
        "classes": list(presence.names),
        "kept": kept,
        "without_car": without,
        "answers": {
            split: share_estimate((part["answer"] == part["body_type"]).to_numpy(), groups_of(part))
            for split, part in cars.items()
        },
        "opinion": presence.opinion is not None,
        "confusion": {split: answer_matrix(own[own["split"] == split], body_types) for split in SPLITS},
    }


def answer_matrix(photos: pd.DataFrame, body_types: Sequence[str]) -> dict[str, Any]:
    """Photos by label (rows) and answer (columns), "no car" last in both.

    Args:
        photos: from `photo_table`.
        body_types: of the study.

    Returns:
        {"labels", "matrix"}: the matrix is square; its last row is 0 where every photo shows a car.
    """
    labels = [*body_types, NO_CAR]
    matrix = pd.crosstab(photos["body_type"], photos["answer"]).reindex(index=labels, columns=labels, fill_value=0)
    return {"labels": labels, "matrix": matrix.astype(int).to_numpy().tolist()}


def presence_summary(metrics: Mapping[str, Any]) -> pd.DataFrame:
    """The numbers as a table: a row a set of photos without a car and score.

    Args:
        metrics: from `presence_metrics`.

    Returns:
        Columns photos (without a car), of; score (in words), false_alarms, false_alarms_low, false_alarms_high, auroc,
        auroc_low, auroc_high.
    """
    rows = []
    for name, part in metrics["without_car"].items():
        for score, words in SCORES.items():
            row: dict[str, Any] = {"photos without a car": name, "n": part["photos"], "score": words}
            for number in ("false_alarms", "auroc"):
                found = part["scores"][score][number]
                row |= {number: found["value"], f"{number}_low": found["low"], f"{number}_high": found["high"]}
            rows.append(row)
    return pd.DataFrame(rows)


def froc_curve(table: pd.DataFrame, score: str, *, cars: str, source: str, split: str) -> pd.DataFrame:
    """False alarms a photo without a car, and the share of the cars that are kept, by threshold.

    Args:
        table: columns as `PRESENCE`.
        score: a column of `SCORES`.
        cars: the split whose cars are kept.
        source: of the photos without a car.
        split: of these.

    Returns:
        threshold (descending), false_alarms (regions a photo, 0 or more), kept (0..1).
    """
    none = (table["source"] == source) & (table["split"] == split) & (table["body_type"] == NO_CAR)
    shown = (table["source"] == OWN) & (table["split"] == cars) & (table["body_type"] != NO_CAR)
    alarms = np.sort(table.loc[none, score].dropna().to_numpy())
    best = np.sort(table[shown].groupby("photo_id")[score].max().fillna(0.0).to_numpy())
    thresholds = np.unique(np.concatenate([alarms, best, [1.0 + 1e-9]]))[::-1]
    photos = table.loc[none, "photo_id"].nunique()
    return pd.DataFrame(
        {
            "threshold": thresholds,
            "false_alarms": (len(alarms) - np.searchsorted(alarms, thresholds)) / max(photos, 1),
            "kept": (len(best) - np.searchsorted(best, thresholds)) / max(len(best), 1),
        }
    )


def describe(metrics: Mapping[str, Any]) -> str:
    """One sentence for the log and the notebook: what is kept, what is a false alarm."""
    kept = metrics["kept"]["test"]
    text = (
        f"the threshold that keeps {percent(metrics['keep'], 0)} of the validation cars keeps "
        f"{percent(kept['value'])} ({interval(kept)}) of {kept['n']:,} test cars"
    )
    for name, part in metrics["without_car"].items():
        alarms = part["scores"]["score"]["false_alarms"]
        alone = part["scores"]["object_score"]["false_alarms"]
        text += (
            f"; of {part['photos']:,} photos without a car ({name}) {percent(alarms['value'])} ({interval(alarms)}) "
            f"are called one, by the detector alone {percent(alone['value'])}"
        )
    return text


def describe_answers(metrics: Mapping[str, Any]) -> str:
    """A sentence on what is answered for a photo of a car, after the second look; "" of a run that has no such number.

    Args:
        metrics: from `presence_metrics`.
    """
    if not (answers := metrics.get("answers")):
        return ""
    opinion = "its opinion on the type and " if metrics["opinion"] else ""
    shares = " and ".join(
        f"{percent(of['value'])} ({interval(of)}) of {of['n']:,} {split} cars" for split, of in answers.items()
    )
    return f"answered as make predict does, with {opinion}“no car” below the threshold, {shares} are named right"
