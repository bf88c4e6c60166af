"""Slice metrics and error analysis by attribute, for data with rendering metadata.

A catalogue may have a table of metadata, a row per photo: view, light, occlusion, shape of the car and so on. Accuracy
and mean mask IoU are given for each slice, that is for each level of the main attributes, with the intervals of
`carseg_lib.evaluation.bootstrap`. Each slice is tested against the other photos of its split by Fisher's exact test.
Of some forty slices two would differ by chance, so that the p-values are corrected by the false discovery rate.
Attributes are correlated (cars seen from behind may also be smaller), so a logistic regression of "classified
correctly" on all measures together estimates the effect of each.

Without metadata every function here returns no rows, and `SliceReport.summary` gives the reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import fisher_exact, norm
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.model_selection import StratifiedKFold

from carseg_lib.core import files
from carseg_lib.core.classes import BODY_TYPES
from carseg_lib.core.formatting import MINUS
from carseg_lib.data.catalogue import SPLITS, Catalogue
from carseg_lib.evaluation.bootstrap import LEVEL, mean_estimate, photo_weights
from carseg_lib.evaluation.classification import MASK_IOU
from carseg_lib.evaluation.clusters import share_estimate
from carseg_lib.evaluation.multiple import false_discovery
from carseg_lib.evaluation.paired import flatten_estimates


@dataclass(frozen=True)
class Attribute:
    """An attribute of a photo whose levels divide the photos into slices."""

    column: str  # of the table of metadata
    title: str  # for figures and tables
    levels: tuple[str, ...] = ()  # in order; of a text, its values, followed by any others; of a number, its bands
    edges: tuple[float, ...] = ()  # of a number, where each band but the first begins

    def level_of(self, values: pd.Series) -> pd.Series:
        """The level of each photo; "" where the value is missing."""
        if not self.edges:
            return values.astype("str")
        numbers = values.to_numpy(float)
        names = np.array([*self.levels, ""])
        bands = np.where(np.isnan(numbers), len(self.levels), np.searchsorted(self.edges, numbers, "right"))
        return pd.Series(names[bands], index=values.index, dtype="str")

    def ordered(self, found: pd.Series) -> list[str]:
        """The levels that occur in `found`, in order."""
        present = set(found) - {""}
        named = [level for level in dict.fromkeys(self.levels) if level in present]
        return named + sorted(present - set(named))


VIEW = Attribute("view", "seen from", ("front", "front three-quarter", "side", "rear three-quarter", "rear"))
SECTORS = Attribute(  # from the car to the camera: 0° in front, 90° at its left
    "view_angle",
    "direction",
    ("180°", *(f"{centre}°".replace("-", MINUS) for centre in range(-150, 181, 30))),
    tuple(float(centre - 15) for centre in range(-150, 181, 30)),
)
ATTRIBUTES = (
    VIEW,
    Attribute("car_share", "car's box in the photo", ("under 20%", "20–35%", "35–50%", "over 50%"), (0.2, 0.35, 0.5)),
    Attribute("occlusion", "car hidden", ("not at all", "under 5%", "5–15%", "over 15%"), (0.005, 0.05, 0.15)),
    Attribute("cut_off", "car beyond the frame", ("not at all", "under 10%", "over 10%"), (0.005, 0.1)),
    Attribute("light", "light", ("clear", "low sun", "overcast", "dusk", "showroom")),
    Attribute("camera_height", "camera's height", ("under 1 m", "1–1.5 m", "1.5–2 m", "over 2 m"), (1.0, 1.5, 2.0)),
    Attribute("background", "background"),
    Attribute("other_cars", "other cars", ("none", "one", "two or more"), (0.5, 1.5)),
    Attribute("roof", "roof", ("closed", "open", "soft top")),
)
SLICE_COLUMNS = {
    "split": "str",
    "attribute": "str",  # title of an attribute; "all photos" for the whole split
    "body_type": "str",  # "" for all types
    "level": "str",
    "n": "int64",
    "accuracy": "float64",
    "low": "float64",
    "high": "float64",
    "mask_iou": "float64",  # mean; NaN without masks
    "mask_iou_low": "float64",
    "mask_iou_high": "float64",
    "p_value": "float64",  # of no difference in accuracy to the other photos of the split; NaN where none is tested
    "q_value": "float64",  # false discovery rate of naming this slice and all with a smaller p-value
}
ALL = "all photos"

# Measures of the regression by column; larger values are more of what the name says.
_MEASURES = {
    "camera_height": "camera higher",
    "focal_length": "longer lens",
    "car_share": "car larger in the photo",
    "occlusion": "more of the car hidden",
    "cut_off": "more of the car beyond the frame",
    "other_cars": "more other cars",
    "blur": "more lens blur",
    "motion_blur": "more motion blur",
    "noise": "more noise",
    "dirt": "dirtier car",
}
_RELATIVE = {"shape_length": "longer than its type", "shape_height": "taller than its type"}
ERROR_ODDS_COLUMNS = {
    "group": "str",  # "all types" or a type
    "measure": "str",
    "odds_ratio": "float64",  # of a correct prediction, per standard deviation; below 1: harder
    "low": "float64",
    "high": "float64",
    "q_value": "float64",  # false discovery rate of naming this measure and all of its group with a smaller p-value
    "n": "int64",
    "misclassified": "int64",
}
MIN_PER_OUTCOME = 20  # correct and misclassified photos that a group needs to be fitted
_REFITS = 400  # bootstrap samples of the regression
_FOLDS = 5  # of the cross-validation that chooses the ridge penalty
_PENALTIES = np.logspace(-4, 1, 11)  # inverse strengths


@dataclass(frozen=True, eq=False)
class SliceReport:
    """Slice metrics and the error regression of one run."""

    summary: str  # one sentence: what was analysed, or why nothing was
    metrics: pd.DataFrame  # as `slice_metrics` returns it
    error_odds: pd.DataFrame  # as `error_odds` returns it
    body_types: tuple[str, ...] = BODY_TYPES  # of the study, in order

    def save(self, folder: Path) -> None:
        """Write slice_metrics.csv and error_odds.csv into a run's folder."""
        files.write_csv(folder / "slice_metrics.csv", self.metrics)
        files.write_csv(folder / "error_odds.csv", self.error_odds)


def analyse_slices(
    catalogue: Catalogue, predictions: pd.DataFrame, *, bootstrap_samples: int, seed: int
) -> SliceReport:
    """Analyse the predictions on validation and test by the attributes of the photos.

    Args:
        catalogue: with or without metadata.
        predictions: columns as `tables.PREDICTIONS`; those of the training split are ignored.
        bootstrap_samples: draws for the intervals of the IoU.
        seed: the same seed gives the same intervals.
    """
    evaluated = predictions[predictions["split"] != "train"]
    metrics = slice_metrics(catalogue, evaluated, bootstrap_samples=bootstrap_samples, seed=seed)
    odds = error_odds(catalogue, evaluated, seed=seed)
    return SliceReport(_summary(metrics, odds, catalogue), metrics, odds, catalogue.body_types)


def slice_metrics(
    catalogue: Catalogue, predictions: pd.DataFrame, *, bootstrap_samples: int, seed: int
) -> pd.DataFrame:
    """Accuracy and mean mask IoU of each split, of each level of `ATTRIBUTES`, and of each type from each view.

    Args:
        catalogue: its metadata give the levels; an attribute that they lack is left out.
        predictions: columns photo_id, split, body_type, predicted ("" or NaN: no car found), mask_iou.
        bootstrap_samples: draws for the intervals of the IoU.
        seed: the same seed gives the same intervals.

    Returns:
        Columns as `SLICE_COLUMNS`. Tested are the levels of `ATTRIBUTES` with all types together, where the split has
        other photos; the false discovery rate is over those of a split. No rows without metadata.
    """
    rows: list[dict] = []
    metadata = catalogue.parameters.set_index("photo_id")
    rated = predictions[predictions["photo_id"].isin(metadata.index)].sort_values("photo_id")
    rated = rated.assign(correct=rated["predicted"].fillna("") == rated["body_type"])
    groups = catalogue.photos.set_index("photo_id").get("group")
    rated["group"] = "" if groups is None else groups.reindex(rated["photo_id"]).to_numpy()

    def add(part: pd.DataFrame, **names: str) -> None:
        accuracy = share_estimate(part["correct"].to_numpy(), part["group"].tolist())
        row: dict[str, Any] = names | {name: accuracy[name] for name in ("n", "low", "high")}
        row["accuracy"] = accuracy["value"]
        masked = part[part["mask_iou"].notna()]
        if len(masked):
            sampling: dict[str, Any] = {"bootstrap_samples": bootstrap_samples, "seed": [seed, MASK_IOU]}
            values = masked["mask_iou"].to_numpy(float)
            row["mask_iou"] = mean_estimate(values, **sampling, groups=masked["group"].tolist())
        rows.append(flatten_estimates(row))

    for split in [name for name in SPLITS if (rated["split"] == name).any()]:
        part = rated[rated["split"] == split]
        add(part, split=split, attribute=ALL, body_type="", level=ALL)
        of_part = metadata.loc[part["photo_id"]].set_index(part.index)
        for attribute in (*ATTRIBUTES, SECTORS):
            if not _usable(attribute, of_part):
                continue
            levels = attribute.level_of(of_part[attribute.column])
            types = ("", *catalogue.body_types) if attribute is VIEW else ("",)
            for body_type in types:
                of_type = part["body_type"] == body_type if body_type else part["correct"].notna()
                for level in attribute.ordered(levels[of_type]):
                    chosen = part[of_type & (levels == level)]
                    add(chosen, split=split, attribute=attribute.title, body_type=body_type, level=level)
    return _with_tests(pd.DataFrame(rows, columns=list(SLICE_COLUMNS)).astype(SLICE_COLUMNS))


def _with_tests(table: pd.DataFrame) -> pd.DataFrame:
    """Fill p_value and q_value of slice metrics."""
    titles = {attribute.title for attribute in ATTRIBUTES}
    right = (table["accuracy"] * table["n"]).round().astype(int)
    for split in table["split"].unique():
        of_split = table["split"] == split
        whole = table.index[of_split & (table["attribute"] == ALL)][0]
        tested = of_split & table["attribute"].isin(titles) & (table["body_type"] == "")
        tested &= table["n"] < table.at[whole, "n"]
        for i in table.index[tested]:
            inside = [right[i], table.at[i, "n"] - right[i]]
            outside = [right[whole] - inside[0], table.at[whole, "n"] - right[whole] - inside[1]]
            table.at[i, "p_value"] = fisher_exact([inside, outside]).pvalue
        table.loc[tested, "q_value"] = false_discovery(table.loc[tested, "p_value"].to_numpy())
    return table


def error_odds(catalogue: Catalogue, predictions: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """The effect of each measure of a photo, the others being equal, on the odds of a correct prediction.

    A logistic regression on the standardised measures, for all types together (each with an intercept of its own) and
    for each type with at least `MIN_PER_OUTCOME` correct and misclassified photos. Ten misclassified photos a measure
    would be needed without a penalty, and there are fewer: five-fold cross-validation by log loss chooses the strength
    of a ridge penalty, which shrinks the odds ratios towards 1, all the more the fewer photos are misclassified. The
    range from low to high is that of 95% of 400 refits on resampled photos with that penalty. P-values take the log
    odds ratio over its standard deviation in the refits as normal; the false discovery rate is over a group's measures.

    Args:
        catalogue: with metadata; measures that they lack, or that never vary, are left out.
        predictions: as for `slice_metrics`; splits are taken together.
        seed: the same seed gives the same intervals.

    Returns:
        Columns as `ERROR_ODDS_COLUMNS`; in each group the strongest effect first. No rows where nothing can be fitted.
    """
    measures = _measures(catalogue)
    rated = predictions[predictions["photo_id"].isin(measures.index)]
    correct = (rated["predicted"].fillna("") == rated["body_type"]).to_numpy()
    types = rated["body_type"].to_numpy()
    values = measures.loc[rated["photo_id"]]
    tables = [pd.DataFrame(columns=list(ERROR_ODDS_COLUMNS)).astype(ERROR_ODDS_COLUMNS)]
    for group in ("all types", *catalogue.body_types):
        inside = np.ones(len(rated), bool) if group == "all types" else types == group
        misclassified = int((~correct[inside]).sum())
        if min(misclassified, inside.sum() - misclassified) < MIN_PER_OUTCOME or measures.shape[1] == 0:
            continue
        effects = _effects(values[inside], correct[inside], pd.get_dummies(types[inside], dtype=float), seed)
        tables.append(effects.assign(group=group, n=int(inside.sum()), misclassified=misclassified))
    return pd.concat(tables, ignore_index=True)


def _usable(attribute: Attribute, metadata: pd.DataFrame) -> bool:
    """Whether the table has the attribute in the expected kind, number or text."""
    return attribute.column in metadata and bool(attribute.edges) == (metadata[attribute.column].dtype == "float64")


def _measures(catalogue: Catalogue) -> pd.DataFrame:
    """The inputs of the regression, a row per photo: complete columns that vary."""
    metadata = catalogue.parameters.set_index("photo_id")
    columns: dict[str, pd.Series] = {}
    if "view_angle" in metadata:
        angle = np.deg2rad(metadata["view_angle"])
        columns |= {"seen from the front": np.cos(angle), "seen from the side": np.sin(angle).abs()}
    columns |= {title: metadata[name] for name, title in _MEASURES.items() if name in metadata}
    photos = catalogue.photos.set_index("photo_id").reindex(metadata.index)
    columns["brighter photo"] = photos["brightness"]
    for name, title in _RELATIVE.items():
        if name in metadata:
            columns[title] = metadata[name] - metadata[name].groupby(photos["body_type"]).transform("mean")
    table = pd.DataFrame(columns, index=metadata.index)
    return table.loc[:, table.notna().all() & (table.std() > 0)]


def _effects(values: pd.DataFrame, correct: np.ndarray, types: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Odds ratios of the measures in one group, with intervals."""
    values = values.loc[:, values.std() > 0]
    inputs = np.hstack([(values - values.mean()) / values.std(), types.iloc[:, 1:]])
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=seed)
    solver: Any = "newton-cholesky"
    chosen = LogisticRegressionCV(
        Cs=_PENALTIES, cv=folds, scoring="neg_log_loss", solver=solver, l1_ratios=(0,), use_legacy_attributes=False
    ).fit(inputs, correct)
    model = LogisticRegression(C=float(chosen.C_), solver=solver)

    def fitted(weights: np.ndarray) -> np.ndarray:
        return model.fit(inputs, correct, sample_weight=weights).coef_[0, : values.shape[1]]

    draws = np.array([fitted(row) for rows in photo_weights(len(values), _REFITS, seed) for row in rows])
    effects = fitted(np.ones(len(values)))
    low, high = np.percentile(draws, [50 * (1 - LEVEL), 50 * (1 + LEVEL)], axis=0)
    odds = {"odds_ratio": np.exp(effects), "low": np.exp(low), "high": np.exp(high)}
    q_values = false_discovery(2 * norm.sf(np.abs(effects) / draws.std(axis=0)))
    found = pd.DataFrame({"measure": values.columns} | odds | {"q_value": q_values})
    return found.iloc[np.argsort(-np.abs(effects), kind="stable")]


def _summary(metrics: pd.DataFrame, odds: pd.DataFrame, catalogue: Catalogue) -> str:
    if metrics.empty:
        return (
            "These photos have no rendering metadata (the data have no parameters.csv): accuracy is not given by view, "
            "size, occlusion or light."
        )
    counts = metrics[metrics["attribute"] == ALL]
    photos = " and ".join(f"{row.n:,} {row.split} photos" for row in counts.itertuples())
    analysed = f"{photos}, each with {catalogue.parameters.shape[1] - 1} attributes"
    if odds.empty:
        return (
            f"{analysed}. Too few photos are correct, or misclassified, for a regression: it needs {MIN_PER_OUTCOME} "
            "of both."
        )
    return f"{analysed}; regression for: {', '.join(odds['group'].drop_duplicates())}."
