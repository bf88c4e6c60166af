"""What the readings give: a record a training, and the specification curve of all readings (results.json).

A curve has a point for each reading and each meaning of "the average validation accuracy": of the last epoch, of the
best epoch, or the mean over the epochs (Simonsohn et al. 2020, doi:10.1038/s41562-020-0912-z; Steegen et al. 2016,
doi:10.1177/1745691616658637).
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from carseg_lib.core import files
from carseg_lib.core.formatting import markdown_table, percent
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.evaluation.bootstrap import Estimate, wilson_interval
from carseg_lib.evaluation.claim_table.comparison import independent_photos
from carseg_lib.evaluation.equivalence import MARGIN, equivalence
from carseg_lib.experiments.readings.config import Reading, ReadingsPlan
from carseg_lib.experiments.readings.records import HISTORY, record_of
from carseg_lib.experiments.results import share_text
from carseg_lib.experiments.trials import Experiment, Trial
from carseg_lib.paper.claims import claimed_number

REPORTED = {  # what "the average validation accuracy" may be, and how it follows from an epoch's accuracies
    "last": "of the last epoch",
    "best": "of the best epoch",
    "mean": "mean over the epochs",
}


def write_readings(
    plan: ReadingsPlan,
    experiment: Experiment,
    source: Catalogue,
    eval_dataset: Catalogue,
    known: Mapping[str, Mapping[str, Any]],
    trials: Sequence[Trial],
) -> dict[str, Any]:
    """Write results.json, readings.csv (a row a reading), epochs.csv (a row an epoch of a training) and results.md.

    Args:
        plan: of the experiment.
        experiment: the trials' folder.
        source: the data set.
        eval_dataset: the photos that were predicted after each epoch.
        known: records that come with carseg, which were not trained again.
        trials: those that are trained so far.

    Returns:
        What results.json holds; see `readings_results`.
    """
    records = [*known.values(), *(record_of(trial, experiment, source) for trial in trials)]
    results = readings_results(plan, source, len(eval_dataset.photos), records)
    results["answer"] = answer(results)  # in words, for the pages of runs
    files.write_json(experiment.folder / "results.json", results)
    rows = [
        {"reading": one["name"], **one["choices"], "trainings": one["seeds"]}
        | {
            f"{m}{end}": one[m][key]
            for m in REPORTED
            for end, key in (("", "value"), ("_low", "low"), ("_high", "high"))
        }
        | {f"verdict_{m}": one["verdicts"][m] for m in REPORTED}
        | {name: one[name] for name in ("training_running", "training_clean", "above_training")}
        for one in results["readings"]
    ]
    files.write_csv(experiment.folder / "readings.csv", pd.DataFrame(rows))
    files.write_csv(experiment.folder / "epochs.csv", epochs_table(records))
    files.write_text(experiment.folder / "results.md", results_text(results))
    return results


def readings_results(
    plan: ReadingsPlan, source: Catalogue, photos: int, records: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """All results of the readings that have a training.

    Args:
        plan: of the experiment.
        source: the data set.
        photos: that were predicted after each epoch.
        records: from `record_of`.

    Returns:
        data, fingerprint, photos (predicted), training_photos, epochs, claimed, margin, planned (trainings), left
        (readings that need a GPU);
        choices: of the file: question, quotes, options {name: title};
        readings: name, title, choices, seeds, n, an Estimate each of `REPORTED`, verdicts {reported: word},
            training_running, training_clean (means over epochs and seeds; 0..1), above_training (share of the epochs in
            which validation is above the running training accuracy), by_seed and seconds;
        records: as given.
    """
    claimed = claimed_number("average validation accuracy")
    grouped: dict[str, list[Mapping[str, Any]]] = {}
    for record in records:
        grouped.setdefault(record["reading"], []).append(record)
    readings = [_summary(one, grouped[one.name], photos, claimed) for one in plan.readings if one.name in grouped]
    return {
        "schema": 1,
        "data": source.name,
        "fingerprint": source.fingerprint,
        "photos": photos,
        "training_photos": plan.photos or len(source.split("train").photos),
        "epochs": plan.epochs,
        "claimed": claimed,
        "claimed_training": claimed_number("average training accuracy"),
        "margin": MARGIN,
        "planned": len(plan.readings) * plan.seeds,
        "defensible": sum(1 for _ in plan.listed.combinations({})),
        "left": [one.name for one in plan.left],
        "choices": {
            name: {
                "question": choice.question,
                "quotes": [quote.model_dump() for quote in choice.quotes],
                "options": {option: values.title for option, values in choice.options.items()},
            }
            for name, choice in plan.listed.choices.items()
        },
        "readings": readings,
        "records": list(records),
    }


def _summary(reading: Reading, records: Sequence[Mapping[str, Any]], photos: int, claimed: float) -> dict[str, Any]:
    curves = [np.array(record["history"]["validation_accuracy"]) for record in records]
    running = [np.array(record["history"]["train_running_accuracy"]) for record in records]
    values = {
        "last": [float(curve[-1]) for curve in curves],
        "best": [float(curve.max()) for curve in curves],
        "mean": [float(curve.mean()) for curve in curves],
    }
    estimates = {name: seeds_estimate(of_seeds, photos) for name, of_seeds in values.items()}
    return {
        "name": reading.name,
        "title": reading.title,
        "choices": dict(reading.options),
        "seeds": len(records),
        "n": photos,
        **estimates,
        "by_seed": values,
        "verdicts": {name: verdict_of(one, claimed) for name, one in estimates.items()},
        "training_running": float(np.mean([curve.mean() for curve in running])),
        "training_clean": float(np.mean([np.mean(record["history"]["train_accuracy"]) for record in records])),
        "above_training": float(np.mean([np.mean(v > t) for v, t in zip(curves, running, strict=True)])),
        "seconds": sum(record["seconds"] for record in records),
    }


def effective_photos(rates: Sequence[float], photos: int) -> float:
    """Independent photos that would give the mean of some trainings' accuracies its standard error.

    The trainings are measured on the same photos: the photos' part of the variance, p(1 - p)/n, does not fall with
    their number S, the trainings' part, s²/S, does. One training tells nothing of the second part.

    Args:
        rates: accuracy of each training, 0..1.
        photos: n, that each was measured on.
    """
    p = statistics.fmean(rates)
    of_photos = p * (1 - p) / photos
    if len(rates) < 2 or of_photos == 0:
        return float(photos)
    return p * (1 - p) / (of_photos + statistics.variance(rates) / len(rates))


def seeds_estimate(rates: Sequence[float], photos: int) -> Estimate:
    """The mean accuracy of trainings that differ in the seed, with Wilson's interval for `effective_photos`."""
    p = statistics.fmean(rates)
    low, high = wilson_interval(p, max(1, int(effective_photos(rates, photos))))
    return {"value": p, "low": low, "high": high, "n": photos}


def verdict_of(estimate: Estimate, claimed: float) -> str:
    """Whether an accuracy is equivalent to a claimed one, by as many photos as its interval is worth."""
    share, low, high, n = (estimate[key] for key in ("value", "low", "high", "n"))
    photos = independent_photos(share, low, high, int(n))
    return equivalence(round(share * photos), photos, claimed).verdict


def specifications(results: Mapping[str, Any]) -> pd.DataFrame:
    """The points of the curve, lowest accuracy first: a row a reading and reported measure.

    Returns:
        reading, a column a choice (option), reported, value, low, high, n, seeds, verdict.
    """
    rows = [
        {"reading": one["name"], **one["choices"], "reported": measure}
        | {key: one[measure][key] for key in ("value", "low", "high", "n")}
        | {"seeds": one["seeds"], "verdict": one["verdicts"][measure]}
        for one in results["readings"]
        for measure in REPORTED
    ]
    table = pd.DataFrame(rows)
    return table.sort_values(["value", "reading", "reported"], kind="stable", ignore_index=True)


def choices_table(results: Mapping[str, Any]) -> pd.DataFrame:
    """What the paper leaves open: a row an option: choice (the question), the paper's sentences, option, trained."""
    rows = []
    for name, choice in results["choices"].items():
        said = " · ".join(f"{quote['section']}: “{quote['quote']}”" for quote in choice["quotes"])
        for option, title in choice["options"].items():
            trained = sum(one["choices"][name] == option for one in results["readings"])
            rows.append((choice["question"], said, title, trained))
    return pd.DataFrame(rows, columns=["choice", "the paper", "option", "readings trained"])


def readings_table(results: Mapping[str, Any]) -> pd.DataFrame:
    """The readings, best last epoch first: title, trainings, accuracy by `REPORTED`, verdicts, training accuracies."""
    rows = [
        {"reading": one["title"], "trainings": one["seeds"]}
        | {f"{measure} epoch" if measure != "mean" else "mean": share_text(one[measure]) for measure in REPORTED}
        | {"verdict, last": one["verdicts"]["last"], "training, running": percent(one["training_running"])}
        | {"training, clean": percent(one["training_clean"]), "epochs above it": percent(one["above_training"], 0)}
        for one in sorted(results["readings"], key=lambda one: -one["last"]["value"])
    ]
    return pd.DataFrame(rows)


def choice_effects(points: pd.DataFrame, choices: Iterable[str]) -> pd.DataFrame:
    """Which choice decides: the mean accuracy of each option, and the variance that a choice explains by itself.

    Args:
        points: from `specifications`.
        choices: columns of it.

    Returns:
        A row an option: choice, option, points (of the curve), mean (0..1), explained (η² of its choice: variance
        between the options' means over variance between all points, 0..1), the choice that explains most first. A
        choice with one option in the curve is left out.
    """
    total = float(((points.value - points.value.mean()) ** 2).sum())
    rows = []
    for choice in choices:
        groups = points.groupby(choice, sort=False).value
        if groups.ngroups < 2:
            continue
        between = sum(len(of) * (of.mean() - points.value.mean()) ** 2 for _, of in groups)
        rows += [
            {"choice": choice, "option": option, "points": len(of), "mean": of.mean(), "explained": between / total}
            for option, of in groups
            if total
        ]
    table = pd.DataFrame(rows, columns=["choice", "option", "points", "mean", "explained"])
    return table.sort_values(["explained", "choice", "mean"], ascending=[False, True, False], ignore_index=True)


def short_titles(results: Mapping[str, Any]) -> dict[str, str]:
    """The readings by name, each by its options in the choices in which the trained readings differ."""
    readings = results["readings"]
    differ = [name for name in results["choices"] if len({one["choices"][name] for one in readings}) > 1]
    return {
        one["name"]: "; ".join(results["choices"][name]["options"][one["choices"][name]] for name in differ)
        or one["title"]
        for one in readings
    }


def shared_options(results: Mapping[str, Any]) -> str:
    """The options that all trained readings have, as a remark; "" if they share none, or there is one reading."""
    readings = results["readings"]
    shared = [
        choice["options"][readings[0]["choices"][name]]
        for name, choice in results["choices"].items()
        if len({one["choices"][name] for one in readings}) == 1
    ]
    return f"All of them: {'; '.join(shared)}." if shared and len(readings) > 1 else ""


def epochs_table(records: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """A row an epoch of each training: reading, seed, epoch and the columns of `HISTORY`."""
    parts = [
        pd.DataFrame({"reading": r["reading"], "seed": r["seed"]} | r["history"]).assign(
            epoch=lambda table: range(1, len(table) + 1)
        )
        for r in records
    ]
    return pd.concat(parts, ignore_index=True)[["reading", "seed", "epoch", *HISTORY]]


def answer(results: Mapping[str, Any]) -> list[str]:
    """What the readings say, in three sentences."""
    points = specifications(results)
    claimed, readings = results["claimed"], results["readings"]
    reached = points[points.verdict.isin(["equivalent", "above"])]
    named = reached.reading.nunique()
    best, worst = points.iloc[-1], points.iloc[0]
    titles = short_titles(results)
    first = (
        f"The paper's text fits {results['defensible']:,} experiments that differ in what it leaves open; of the "
        f"{len(readings)} trained here ({results['epochs']} epochs, n = {results['photos']:,} validation photos of "
        f"“{results['data']}”), {named if named else 'none'} "
        f"{'reaches' if named in (0, 1) else 'reach'} {percent(claimed)}. {shared_options(results)}"
    ).rstrip()
    second = (
        f"Accuracy runs from {percent(worst.value)} ({titles[worst.reading]}; {REPORTED[worst.reported]}) to "
        f"{percent(best.value)} ({titles[best.reading]}; {REPORTED[best.reported]})."
    )
    effects = choice_effects(points, [*results["choices"], "reported"])
    if effects.empty:
        return [first, second]
    top = effects[effects.choice == effects.choice[0]]
    names = {**{n: c["options"] for n, c in results["choices"].items()}, "reported": REPORTED}[top.choice.iloc[0]]
    question = results["choices"].get(top.choice.iloc[0], {"question": "Which epoch is reported?"})["question"]
    means = ", ".join(f"{names[row.option]} {percent(row.mean)}" for row in top.itertuples())
    third = (
        f"What decides most is “{question}” ({percent(top.explained.iloc[0], 0)} of the variance between readings): on "
        f"average {means}."
    )
    return [first, second, third]


def results_text(results: Mapping[str, Any]) -> str:
    """The table to read: a row a reading, best first."""
    done = sum(one["seeds"] for one in results["readings"])
    rows = [
        [
            one["title"],
            str(one["seeds"]),
            *(f"{share_text(one[measure])}, {one['verdicts'][measure]}" for measure in REPORTED),
            percent(one["training_running"]),
            percent(one["above_training"], 0),
        ]
        for one in sorted(results["readings"], key=lambda one: -one["last"]["value"])
    ]
    header = ("Reading", "Trainings", "Last epoch", "Best epoch", "Mean over epochs", "Training, running", "Above it")
    return (
        f"{' '.join(answer(results))}\n\n{done} of {results['planned']} trainings of the sample, {results['epochs']} "
        f"epochs, {results['training_photos']:,} training photos, n = {results['photos']:,} validation photos; "
        f"{len(results['left'])} readings need a GPU. In brackets 95% intervals over photos and, with two trainings or "
        "more, over trainings; equivalent, above or below: to the paper's "
        f"{percent(results['claimed'])} ± {100 * results['margin']:.0f} points. The running training accuracy is of "
        "augmented photos while the network learns, a mean over the epochs; the last column is the share of epochs in "
        f"which validation is above it.\n\n{markdown_table(header, rows)}"
    )
