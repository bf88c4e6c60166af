"""What the trials of an experiment give elsewhere: shares, paired differences, and the files that hold them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from carseg_lib.core import files
from carseg_lib.core.formatting import DASH, markdown_table, points
from carseg_lib.engine.presence import threshold_of
from carseg_lib.evaluation.paired import NO_DIFFERENCE, mean_results, significance
from carseg_lib.evaluation.presence import GIVEN, NO_CAR, OWN, PRESENCE
from carseg_lib.evaluation.tables import read_predictions, read_table
from carseg_lib.experiments.elsewhere import OTHER_SOURCE, REGIONS, Elsewhere
from carseg_lib.experiments.results import INTERVALS, compare, share_text
from carseg_lib.experiments.trials import Experiment, Trial

SETS = {  # what is measured: the share of photos that are right, or of those without a car that are called one
    "other_source": "Accuracy, other source",
    "detector_alone": "False alarms, detector alone",
    "second_look": "False alarms, second look",
}
_SCORES = {"detector_alone": "object_score", "second_look": "score"}  # by which a photo is called a car


def answers(folder: Path, keep: float) -> dict[str, pd.DataFrame]:
    """What a trial answers elsewhere, as predictions of each of `SETS` that was measured.

    Args:
        folder: of the trial.
        keep: share of the validation cars that a threshold keeps, 0..1.

    Returns:
        By set, columns photo_id, body_type, predicted, mask_iou (NaN where there is none): a row a photo. A photo
        without a car is right where it is called none.
    """
    tables: dict[str, pd.DataFrame] = {}
    if (path := folder / OTHER_SOURCE).is_file():
        tables["other_source"] = read_predictions(path)
    if (path := folder / REGIONS).is_file():
        regions = read_table(path, PRESENCE)
        for name, score in _SCORES.items():
            best = regions.groupby(["source", "photo_id"], sort=False)[score].max().fillna(0.0)
            called = best[GIVEN] >= threshold_of(best[OWN].to_numpy(), keep)
            photos = {"photo_id": called.index, "body_type": NO_CAR, "predicted": np.where(called, "car", NO_CAR)}
            tables[name] = pd.DataFrame(photos | {"mask_iou": np.nan})
    return tables


def write_elsewhere(
    experiment: Experiment, elsewhere: Elsewhere, pairs: Sequence[tuple[str, str]], trials: Sequence[Trial]
) -> Path:
    """Write elsewhere.csv (a row a group and set) and elsewhere.md.

    Args:
        experiment: the trials' folder.
        elsewhere: what they were measured on.
        pairs: (baseline, group): which groups are compared.
        trials: those that are measured so far.

    Returns:
        elsewhere.md. Columns of the CSV: set (of `SETS`), group, title, trainings, photos; value, low, high: accuracy,
        or the share of false alarms, the mean over trainings, with its 95% interval over photos and seeds; baseline,
        difference, difference_low, difference_high, p_table: group less baseline, photo by photo and seed by seed.
    """
    tables: dict[str, dict[str, dict[int, pd.DataFrame]]] = {name: {} for name in SETS}
    for trial in trials:
        for name, table in answers(experiment.folder_of(trial), trial.run.config.eval.keep_cars).items():
            tables[name].setdefault(trial.group, {})[trial.seed] = table
    titles = {trial.group: trial.title for trial in trials}
    rows = [row for name, groups in tables.items() for row in _rows(name, groups, pairs, titles, experiment.seed)]
    files.write_csv(experiment.folder / "elsewhere.csv", pd.DataFrame(rows))
    return files.write_text(experiment.folder / "elsewhere.md", _text(rows, elsewhere))


def _rows(
    name: str,
    groups: Mapping[str, Mapping[int, pd.DataFrame]],
    pairs: Sequence[tuple[str, str]],
    titles: Mapping[str, str],
    seed: int,
) -> Iterator[dict[str, Any]]:
    """The rows of one set. A false alarm is an answer that is not right: shares and differences are turned round."""
    compared = compare(groups, pairs)
    compared = compared[compared["measure"] == "accuracy"].set_index("group")
    sign = 1 if name == "other_source" else -1
    for group, of_seed in groups.items():
        found = mean_results(list(of_seed.values()), bootstrap_samples=100, seed=seed)["accuracy"]
        assert found is not None, "a share of photos"
        ends = [found["low"], found["high"]] if sign > 0 else [1 - found["high"], 1 - found["low"]]
        row = {"set": name, "group": group, "title": titles[group], "trainings": len(of_seed), "photos": found["n"]}
        row |= {"value": found["value"] if sign > 0 else 1 - found["value"], "low": ends[0], "high": ends[1]}
        if group in compared.index:
            pair = compared.loc[group]
            low, high = sorted((sign * pair["low"], sign * pair["high"]))
            row |= {"baseline": pair["baseline"], "difference": sign * pair["value"] + 0.0}  # no minus zero
            row |= {"difference_low": low, "difference_high": high, "p_table": pair["p_table"]}
        yield row


def _text(rows: Sequence[Mapping[str, Any]], elsewhere: Elsewhere) -> str:
    """The table to read: a row a group, each set's share and its difference to the baseline."""
    sets = [name for name in SETS if any(row["set"] == name for row in rows)]
    if not sets:
        return "Nothing is measured yet.\n"
    by_group: dict[str, dict[str, Mapping[str, Any]]] = {}
    for row in rows:
        by_group.setdefault(row["group"], {})[row["set"]] = row
    lines = []
    for group, found in by_group.items():
        title = next(iter(found.values()))["title"]
        line = [f"**{group}**: {title}" if title else f"**{group}**"]
        for name in sets:
            line += [share_text(found[name]), _difference(found[name])] if name in found else [DASH, DASH]
        lines.append(line)
    other, without = elsewhere.other, elsewhere.without_car
    about = []
    if other is not None:
        about.append(f"other source: {other.name}, {len(other.split('validation').photos):,} validation photos")
    if without is not None:
        about.append(f"photos without a car: {len(without.background):,}, called one at the score that keeps 99% of ")
        about[-1] += "the validation cars of the training's own source"
    header = ["Trials"] + [text for name in sets for text in (SETS[name], "Difference")]
    trainings = max(row["trainings"] for row in rows)
    return (
        f"{trainings} {'seed' if trainings == 1 else 'seeds'}. {'; '.join(about).capitalize()}. Differences to the "
        f"baseline in percentage points, photo by photo and seed by seed. In brackets 95% intervals: {INTERVALS}. "
        "Bold: significant at 5%, corrected by Holm for the comparisons of a column.\n\n"
        + markdown_table(header, lines)
    )


def _difference(row: Mapping[str, Any]) -> str:
    if "difference" not in row:
        return DASH
    found = {key: row[f"difference{end}"] for key, end in (("value", ""), ("low", "_low"), ("high", "_high"))}
    text = points(found)
    return text if significance(found | {"p_table": row["p_table"]}) == NO_DIFFERENCE else f"**{text}**"
