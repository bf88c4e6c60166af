"""What makes a type hard: the answers against what is known of every photo, which only rendered photos allow.

A catalogue may have a table of parameters, a row a photo: view, light, occlusion, shape of the car and so on.
Accuracy and mask IoU are given for each level of the main factors (Wilson's interval for an accuracy, the bootstrap
over photos for a mean IoU). Levels differ in more than their name (cars seen from behind may also be smaller), so a
logistic regression of "answered right" on all factors together says which one it is, as far as the photos can tell.

Without such a table every function here returns no rows, and `SliceReport.said` says why.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from carseg_lib.core import files
from carseg_lib.core.classes import BODY_TYPES
from carseg_lib.data.catalogue import SPLITS, Catalogue
from carseg_lib.evaluation.bootstrap import LEVEL, mean_estimate, photo_weights, wilson_interval

if TYPE_CHECKING:
    from pathlib import Path

    from carseg_lib.core.config import RunConfig


@dataclass(frozen=True)
class Attribute:
    """A parameter by whose levels accuracy is given.

    Attributes:
        column: Of the table of parameters.
        title: For figures and tables.
        levels: In order. Of a text: its values, any others follow; of a number: the names of its bands.
        edges: Of a number: where each band but the first begins.
    """

    column: str
    title: str
    levels: tuple[str, ...] = ()
    edges: tuple[float, ...] = ()

    def level_of(self, values: pd.Series) -> pd.Series:
        """The level of each photo; "" where the value is not known."""
        if not self.edges:
            return values.astype("str")
        numbers = values.to_numpy(float)
        names = np.array([*self.levels, ""])
        bands = np.where(np.isnan(numbers), len(self.levels), np.searchsorted(self.edges, numbers, "right"))
        return pd.Series(names[bands], index=values.index, dtype="str")

    def ordered(self, found: pd.Series) -> list[str]:
        """The levels that occur, in order."""
        present = set(found) - {""}
        named = [level for level in dict.fromkeys(self.levels) if level in present]
        return named + sorted(present - set(named))


VIEW = Attribute("view", "seen from", ("front", "front three-quarter", "side", "rear three-quarter", "rear"))
SECTORS = Attribute(  # from the car to the camera: 0° in front, 90° at its left
    "view_angle",
    "direction",
    ("180°", *(f"{centre}°" for centre in range(-150, 181, 30))),
    tuple(float(centre - 15) for centre in range(-150, 181, 30)),
)
ATTRIBUTES = (
    VIEW,
    Attribute(
        "car_share", "car's box in the photo", ("under 20%", "20–35%", "35–50%", "over 50%"), (0.2, 0.35, 0.5)
    ),
    Attribute(
        "occlusion", "car hidden", ("not at all", "under 5%", "5–15%", "over 15%"), (0.005, 0.05, 0.15)
    ),
    Attribute("cut_off", "car beyond the frame", ("not at all", "under 10%", "over 10%"), (0.005, 0.1)),
    Attribute("light", "light", ("clear", "low sun", "overcast", "dusk", "showroom")),
    Attribute(
        "camera_height", "camera's height", ("under 1 m", "1–1.5 m", "1.5–2 m", "over 2 m"), (1.0, 1.5, 2.0)
    ),
    Attribute("background", "background"),
    Attribute("other_cars", "other cars", ("none", "one", "two or more"), (0.5, 1.5)),
    Attribute("roof", "roof", ("closed", "open", "soft top")),
)
SLICE_COLUMNS = {
    "split": "str",
    "factor": "str",  # title of a factor; "all photos" for the split as a whole
    "body_type": "str",  # "" for all types
    "level": "str",
    "n": "int64",
    "accuracy": "float64",
    "low": "float64",
    "high": "float64",
    "mask_iou": "float64",  # mean; NaN without masks
    "mask_iou_low": "float64",
    "mask_iou_high": "float64",
}
ALL = "all photos"

# What the regression looks at, as a reader would say it: larger values are more of what the name says.
_MEASURES = {
    "camera_height": "camera higher",
    "focal_length": "longer lens",
    "car_share": "car larger in the photo",
    "occlusion": "more of the car hidden",
    "cut_off": "more of the car beyond the frame",
    "other_cars": "more other cars",
    "blur": "softer picture",
    "motion_blur": "more motion blur",
    "noise": "more noise",
    "dirt": "dirtier car",
}
_RELATIVE = {"shape_length": "longer than its type", "shape_height": "taller than its type"}
ERROR_ODDS_COLUMNS = {
    "group": "str",  # "all types" or a type
    "measure": "str",
    "odds_ratio": "float64",  # of a right answer, for one standard deviation more; under 1: harder
    "low": "float64",
    "high": "float64",
    "n": "int64",
    "wrong": "int64",
}
_LEAST = 20  # right answers, and wrong ones, without which a group is not fitted
_REFITS = 400


@dataclass(frozen=True, eq=False)
class SliceReport:
    """The answers against the parameters.

    Attributes:
        said: What there is to say, or why there is nothing.
        accuracy: As `slice_metrics` returns it.
        hardness: As `error_odds` returns it.
        body_types: Of the study, in order.
    """

    said: str
    accuracy: pd.DataFrame
    error_odds: pd.DataFrame
    body_types: tuple[str, ...] = BODY_TYPES


def analyse_slices(
    catalogue: Catalogue, predictions: pd.DataFrame, config: RunConfig, folder: Path
) -> SliceReport:
    """Hold the answers on validation and test against the parameters; leaves slice_metrics.csv and error_odds.csv.

    Args:
        catalogue: With or without parameters.
        predictions: As in predictions.csv.
        config: Gives the seed and the number of bootstrap samples.
        folder: Of the run.
    """
    judged = predictions[predictions["split"] != "train"]
    accuracy = slice_metrics(
        catalogue, judged, bootstrap_samples=config.eval.bootstrap_samples, seed=config.seed
    )
    effects = error_odds(catalogue, judged, seed=config.seed)
    files.write_csv(folder / "slice_metrics.csv", accuracy)
    files.write_csv(folder / "error_odds.csv", effects)
    return SliceReport(_said(accuracy, effects, catalogue), accuracy, effects, catalogue.body_types)


def slice_metrics(
    catalogue: Catalogue, predictions: pd.DataFrame, *, bootstrap_samples: int, seed: int
) -> pd.DataFrame:
    """Accuracy and mean mask IoU of each split, of each level of `ATTRIBUTES`, and of each type from each view.

    Args:
        catalogue: Its parameters name the levels; a factor that they lack is left out.
        predictions: Columns photo_id, split, body_type, predicted ("" or NaN: no car found), mask_iou.
        bootstrap_samples: Draws for the intervals of the IoU.
        seed: The same seed gives the same intervals.

    Returns:
        Columns as ACCURACY_COLUMNS; the accuracy's interval is Wilson's. No rows without parameters.
    """
    rows: list[dict] = []
    parameters = catalogue.parameters.set_index("photo_id")
    answers = predictions[predictions["photo_id"].isin(parameters.index)]
    answers = answers.assign(right=answers["predicted"].fillna("") == answers["body_type"])

    def add(part: pd.DataFrame, **names: str) -> None:
        n, share = len(part), float(part["right"].mean())
        low, high = wilson_interval(share, n)
        low, high = min(low, share), max(high, share)  # at 0 and 1 they round to the other side
        overlaps = part["mask_iou"].dropna().to_numpy(float)
        iou = {"value": np.nan, "low": np.nan, "high": np.nan}
        if len(overlaps):
            iou = mean_estimate(overlaps, bootstrap_samples=bootstrap_samples, seed=seed)
        row = names | {"n": n, "accuracy": share, "low": low, "high": high, "mask_iou": iou["value"]}
        rows.append(row | {"mask_iou_low": iou["low"], "mask_iou_high": iou["high"]})

    for split in [name for name in SPLITS if (answers["split"] == name).any()]:
        part = answers[answers["split"] == split]
        add(part, split=split, factor=ALL, body_type="", level=ALL)
        known = parameters.loc[part["photo_id"]].set_index(part.index)
        for factor in (*ATTRIBUTES, SECTORS):
            if not _usable(factor, known):
                continue
            levels = factor.level_of(known[factor.column])
            types = ("", *catalogue.body_types) if factor is VIEW else ("",)
            for body_type in types:
                of_type = part["body_type"] == body_type if body_type else part["right"].notna()
                for level in factor.ordered(levels[of_type]):
                    chosen = part[of_type & (levels == level)]
                    add(chosen, split=split, factor=factor.title, body_type=body_type, level=level)
    return pd.DataFrame(rows, columns=list(SLICE_COLUMNS)).astype(SLICE_COLUMNS)


def error_odds(catalogue: Catalogue, predictions: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """How much each measure of a photo, the others being equal, changes the odds of a right answer.

    A logistic regression on the standardised measures, for all types together (each with a level of its own) and for
    each type with at least 20 right and 20 wrong answers. A mild ridge keeps the effects finite where few answers
    are wrong, and draws them a little towards 1. Intervals: percentile bootstrap over photos, 400 refits.

    Args:
        catalogue: With parameters; measures that they lack, or that never vary, are left out.
        predictions: As for `slice_metrics`; splits are taken together.
        seed: The same seed gives the same intervals.

    Returns:
        Columns as HARDNESS_COLUMNS; in each group the strongest effect first. No rows where nothing can be fitted.
    """
    measures = _measures(catalogue)
    answers = predictions[predictions["photo_id"].isin(measures.index)]
    right = (answers["predicted"].fillna("") == answers["body_type"]).to_numpy()
    types = answers["body_type"].to_numpy()
    values = measures.loc[answers["photo_id"]]
    rows: list[pd.DataFrame] = []
    for group in ("all types", *catalogue.body_types):
        inside = np.ones(len(answers), bool) if group == "all types" else types == group
        wrong = int((~right[inside]).sum())
        if min(wrong, inside.sum() - wrong) < _LEAST or measures.shape[1] == 0:
            continue
        effects = _effects(values[inside], right[inside], pd.get_dummies(types[inside], dtype=float), seed)
        rows.append(effects.assign(group=group, n=int(inside.sum()), wrong=wrong))
    if not rows:
        return pd.DataFrame(columns=list(ERROR_ODDS_COLUMNS)).astype(ERROR_ODDS_COLUMNS)
    return pd.concat(rows, ignore_index=True)[list(ERROR_ODDS_COLUMNS)].astype(ERROR_ODDS_COLUMNS)


def _usable(factor: Attribute, parameters: pd.DataFrame) -> bool:
    """Whether the table has the factor, as a number or as a text."""
    return factor.column in parameters and bool(factor.edges) == (
        parameters[factor.column].dtype == "float64"
    )


def _measures(catalogue: Catalogue) -> pd.DataFrame:
    """What the regression looks at, a row a photo: complete columns that vary."""
    known = catalogue.parameters.set_index("photo_id")
    columns: dict[str, pd.Series] = {}
    if "view_angle" in known:
        angle = np.deg2rad(known["view_angle"])
        columns |= {"seen from the front": np.cos(angle), "seen from the side": np.sin(angle).abs()}
    columns |= {said: known[name] for name, said in _MEASURES.items() if name in known}
    photos = catalogue.photos.set_index("photo_id").reindex(known.index)
    columns["brighter picture"] = photos["brightness"]
    for name, said in _RELATIVE.items():
        if name in known:
            columns[said] = known[name] - known[name].groupby(photos["body_type"]).transform("mean")
    table = pd.DataFrame(columns, index=known.index)
    return table.loc[:, table.notna().all() & (table.std() > 0)]


def _effects(values: pd.DataFrame, right: np.ndarray, types: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Odds ratios of the measures in one group, with intervals."""
    values = values.loc[:, values.std() > 0]
    inputs = np.hstack([(values - values.mean()) / values.std(), types.iloc[:, 1:]])
    model = LogisticRegression(C=1.0, solver="newton-cholesky")

    def fitted(weights: np.ndarray) -> np.ndarray:
        return model.fit(inputs, right, sample_weight=weights).coef_[0, : values.shape[1]]

    draws = [fitted(row) for rows in photo_weights(len(values), _REFITS, seed) for row in rows]
    low, high = np.percentile(draws, [50 * (1 - LEVEL), 50 * (1 + LEVEL)], axis=0)
    effects = fitted(np.ones(len(values)))
    table = {"odds_ratio": np.exp(effects), "low": np.exp(low), "high": np.exp(high)}
    found = pd.DataFrame({"measure": list(values.columns)} | table)
    return found.iloc[np.argsort(-np.abs(effects), kind="stable")]


def _said(accuracy: pd.DataFrame, effects: pd.DataFrame, catalogue: Catalogue) -> str:
    if accuracy.empty:
        return (
            "How these photos were made is not known (the data have no parameters.csv): accuracy is not divided by "
            "view, size, occlusion or light."
        )
    counts = accuracy[accuracy["factor"] == ALL]
    photos = " and ".join(f"{row.n:,} {row.split} photos" for row in counts.itertuples())
    if effects.empty:
        return (
            f"{photos}, each with {catalogue.parameters.shape[1] - 1} known parameters. Too few answers are right, or "
            f"wrong, for a regression: {_LEAST} of both are needed."
        )
    fitted = ", ".join(effects["group"].drop_duplicates())
    return (
        f"{photos}, each with {catalogue.parameters.shape[1] - 1} known parameters; regression for: {fitted}."
    )
