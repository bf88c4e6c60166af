"""What trials give: estimates of each trial and group, paired differences, and the files that hold them.

Every trial predicts the same photos, so that two groups of trials are compared photo by photo and seed by seed; the
p-values of a table of comparisons are corrected by Holm for the number of its comparisons.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from carseg_lib.core import files
from carseg_lib.core.formatting import DASH, interval, markdown_table, percent, points
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.evaluation.bootstrap import Estimate, mean_estimate, proportion_estimate
from carseg_lib.evaluation.classification import confusion_matrix, scores_of_matrices
from carseg_lib.evaluation.multiple import holm
from carseg_lib.evaluation.paired import (
    LEAST_SEEDS,
    MEASURES,
    NO_DIFFERENCE,
    SEED_SPREAD,
    compare_results,
    flatten_estimates,
    mean_results,
    significance,
)
from carseg_lib.evaluation.tables import read_predictions
from carseg_lib.experiments.trials import Experiment, Trial, read_trial

ESTIMATE = ("value", "low", "high", "n", "p")  # of a difference
INTERVALS = (  # what those of an experiment hold, in words
    "of one training over photos; of several, and of a difference, over photos and seeds; the spread of fewer than "
    f"{LEAST_SEEDS} seeds (standard deviation) is taken to be at least {100 * SEED_SPREAD['accuracy']:g} points of "
    f"accuracy and {100 * SEED_SPREAD['mask_iou']:g} of mask IoU"
)
Tables = Mapping[str, Mapping[int, pd.DataFrame]]  # predictions of a group's trials, by seed


def write_results(
    experiment: Experiment,
    eval_dataset: Catalogue,
    pairs: Iterable[tuple[str, str]],
    plan: Mapping[str, Any],
    trials: Sequence[Trial],
) -> dict[str, Any]:
    """Write results.json, results.csv (a row a group), trials.csv (a row a trial) and results.md.

    Args:
        experiment: the trials' folder.
        eval_dataset: the photos that the trials were measured on.
        pairs: (baseline, group): which groups are compared.
        plan: of the experiment, as the results hold it.
        trials: those that are measured so far.

    Returns:
        What results.json holds. An estimate is {"value", "low", "high", "n"}, or None without masks.
        made, hardware: of the last trial;
        evaluated: name and fingerprint of the data, and photos by body type;
        trials: name, group, kind, seed, photos, epochs, steps, seconds, accuracy, mask_iou, box_iou, no_detection
            (estimates), macro_f1, recall {type: estimate}, and the trial's metadata;
        groups: group, title, trainings, accuracy, mask_iou (of the mean over trainings), macro_f1 and seconds (means),
            and the metadata;
        differences: baseline, group, trainings, accuracy, mask_iou: group less baseline, -1..1, with "p", the p-value
            of no difference, and "p_table", that corrected for all comparisons of the experiment.
    """
    sampling: dict[str, Any] = {
        "bootstrap_samples": trials[0].run.config.eval.bootstrap_samples,
        "seed": experiment.seed,
    }
    cards = {trial.name: read_trial(experiment.folder_of(trial)) for trial in trials}
    tables: dict[str, dict[int, pd.DataFrame]] = {}
    for trial in trials:
        table = read_predictions(experiment.folder_of(trial) / "predictions.csv")
        tables.setdefault(trial.group, {})[trial.seed] = table
    rows = [
        _trial_row(trial, cards[trial.name], tables[trial.group][trial.seed], eval_dataset.body_types, **sampling)
        for trial in trials
    ]
    first = {trial.group: trial for trial in reversed(trials)}
    groups = [
        _group_row(first[group], of_seed, [row for row in rows if row["group"] == group], **sampling)
        for group, of_seed in tables.items()
    ]
    last = max(cards.values(), key=lambda card: card["made"])
    results = {
        "schema": 2,
        "made": last["made"],
        "hardware": last["hardware"],
        "plan": dict(plan),
        "evaluated": {
            "name": eval_dataset.name,
            "fingerprint": eval_dataset.fingerprint,
            "photos": {t: int((eval_dataset.photos.body_type == t).sum()) for t in eval_dataset.body_types},
        },
        "trials": rows,
        "groups": groups,
        "differences": _difference_rows(compare(tables, pairs)),
    }
    flat_groups = [flatten_estimates(row | _named_differences(_effect(results, row["group"]))) for row in groups]
    files.write_csv(experiment.folder / "results.csv", pd.DataFrame(flat_groups))
    files.write_csv(experiment.folder / "trials.csv", pd.DataFrame([flatten_estimates(row) for row in rows]))
    files.write_json(experiment.folder / "results.json", results)
    files.write_text(experiment.folder / "results.md", results_table(results))
    return results


def compare(tables: Tables, pairs: Iterable[tuple[str, str]]) -> pd.DataFrame:
    """Compare groups of trials photo by photo, over the seeds that both have.

    Args:
        tables: predictions by group and seed; every table holds the same photos in the same order.
        pairs: (baseline, group); a pair with a group that is not there is left out.

    Returns:
        A row a pair and measure: baseline, group, measure, trainings (of each), value (group less baseline, -1..1),
        low, high (95% interval over photos and seeds), n (photos), p (of no difference), p_table (p corrected by Holm
        for the rows of the table). Without masks there is no row of mask_iou.
    """
    rows = []
    for baseline, group in pairs:
        before, after = tables.get(baseline, {}), tables.get(group, {})
        seeds = [s for s in before if s in after]
        if not seeds:
            continue
        found = compare_results([before[s] for s in seeds], [after[s] for s in seeds])
        for measure, difference in found.items():
            names = {"baseline": baseline, "group": group, "measure": measure, "trainings": len(seeds)}
            rows += [names | difference] if difference else []
    columns = ["baseline", "group", "measure", "trainings", *ESTIMATE]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(p_table=holm(table["p"].to_numpy(float)))


def results_table(results: Mapping[str, Any]) -> str:
    """The table to read: a row a group, with its difference to its baseline in percentage points."""
    n = sum(results["evaluated"]["photos"].values())
    trainings = max(row["trainings"] for row in results["groups"])
    rows = []
    for row in results["groups"]:
        effect = _effect(results, row["group"])
        rows.append(
            [
                f"**{row['group']}**: {row['title']}" if row["title"] else f"**{row['group']}**",
                share_text(row["accuracy"]),
                _difference_text(effect["accuracy"]),
                percent(row["macro_f1"]),
                share_text(row["mask_iou"]),
                _difference_text(effect["mask_iou"]),
                f"{row['seconds'] / 60:.1f}",
            ]
        )
    header = ("Trials", "Accuracy", "Difference", "Macro F1", "Mask IoU", "Difference", "Minutes")
    return (
        f"Profile `{results['plan']['profile']}`, {trainings} {'seed' if trainings == 1 else 'seeds'}; n = {n:,} "
        "validation photos. Differences to the baseline in percentage points, photo by photo and seed by seed. In "
        f"brackets 95% intervals: {INTERVALS}. Bold: significant at 5%, corrected by Holm for the "
        f"comparisons of this experiment.\n\n{markdown_table(header, rows)}"
    )


def _difference_text(difference: Estimate | None) -> str:
    text = points(difference)
    return text if significance(difference) == NO_DIFFERENCE else f"**{text}**"


def share_text(estimate: Mapping[str, float] | None) -> str:
    """An estimate with its interval: "80.0% (70.0–90.0%)"; a dash where there is none."""
    return DASH if estimate is None else f"{percent(estimate['value'])} ({interval(estimate)})"


def macro_f1(predictions: pd.DataFrame, body_types: tuple[str, ...]) -> float:
    """The mean of the types' F1 scores."""
    matrix = confusion_matrix(predictions, body_types)
    return float(scores_of_matrices(matrix[None])["macro_f1"][0])


def _trial_row(
    trial: Trial, card: Mapping[str, Any], predictions: pd.DataFrame, body_types: tuple[str, ...], **sampling: Any
) -> dict[str, Any]:
    correct = predictions.predicted == predictions.body_type
    box_iou = predictions.box_iou.to_numpy(float)

    def share(chosen: pd.Series) -> Estimate | None:
        return proportion_estimate(int(chosen.sum()), len(chosen)) if len(chosen) else None

    trained = trial.kind != "evaluate_only"
    return {
        **card["trial"],
        **trial.metadata,
        "photos": trial.photos if trained else 0,
        "epochs": trial.run.config.train.epochs if trained else 0,
        "steps": card["steps"],
        "seconds": card["seconds"],
        **mean_results([predictions], **sampling),
        "box_iou": None if pd.isna(box_iou).any() else mean_estimate(box_iou, **sampling),
        "no_detection": share(predictions.predicted == ""),
        "macro_f1": macro_f1(predictions, body_types),
        "recall": {t: share(correct[predictions.body_type == t]) for t in body_types},
    }


def _group_row(
    trial: Trial, of_seed: Mapping[int, pd.DataFrame], rows: Sequence[Mapping[str, Any]], **sampling: Any
) -> dict[str, Any]:
    return {
        "group": trial.group,
        "title": trial.title,
        **trial.metadata,
        "trainings": len(of_seed),
        **mean_results(list(of_seed.values()), **sampling),
        **{name: sum(row[name] for row in rows) / len(rows) for name in ("macro_f1", "seconds")},
    }


def _difference_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The tidy table with a row a pair, an estimate a measure."""
    rows = []
    for (baseline, group), of_pair in table.groupby(["baseline", "group"], sort=False):
        pair = {"baseline": baseline, "group": group, **dict.fromkeys(MEASURES)}
        pair["trainings"] = int(of_pair.trainings.max())
        rows.append(pair | of_pair.set_index("measure")[[*ESTIMATE, "p_table"]].to_dict("index"))
    return rows


def _effect(results: Mapping[str, Any], group: str) -> Mapping[str, Any]:
    """A group's difference to its baseline; without estimates where it was compared with none."""
    found = [pair for pair in results["differences"] if pair["group"] == group]
    return found[-1] if found else {"baseline": "", **dict.fromkeys(MEASURES)}


def _named_differences(effect: Mapping[str, Any]) -> dict[str, Any]:
    return {"baseline": effect["baseline"]} | {f"{m}_difference": effect[m] for m in MEASURES}
