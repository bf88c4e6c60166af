"""Error analysis by attribute: levels, intervals, the regression, its figures, and data without metadata."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import fisher_exact

from carseg_lib.core.classes import BODY_TYPES
from carseg_lib.data.catalogue import INSTANCE_COLUMNS, PARAMETER_COLUMNS, PHOTO_COLUMNS, Catalogue, table
from carseg_lib.data.loader import load_catalogue
from carseg_lib.data.metadata import (
    ATTRIBUTE_DESCRIPTIONS,
    attribute_description,
    attribute_strips,
    describe_metadata,
    linear_separability,
    metadata_table,
)
from carseg_lib.evaluation import slices
from carseg_lib.evaluation.bootstrap import wilson_interval
from carseg_lib.evaluation.classification import split_metrics
from carseg_lib.evaluation.multiple import false_discovery
from carseg_lib.evaluation.slices import ATTRIBUTES, ERROR_ODDS_COLUMNS, SECTORS, SLICE_COLUMNS, VIEW, Attribute
from carseg_lib.reporting.plots.metadata import metadata_figures
from carseg_lib.reporting.plots.slices import accuracy_by_attribute, pool_splits, slice_figures
from carseg_lib.reporting.plots.style import png_bytes
from carseg_rendering.scene.scenes import SceneParameters
from tests.helpers.drawn_cars import make_car_photos
from tests.helpers.figures import assert_texts_inside
from tests.helpers.metadata import VIEWS, add_parameters, draw_parameters

SETTINGS = {"bootstrap_samples": 100, "seed": 0}


def made(n: int = 1200, seed: int = 0) -> tuple[Catalogue, pd.DataFrame]:
    """A catalogue of photos that nobody drew, and predictions that occlusion makes worse, and nothing else."""
    rng = np.random.default_rng([seed, 1])
    ids = [f"{k:05d}.jpg" for k in range(n)]
    types = [BODY_TYPES[k % 4] for k in range(n)]
    rows = {name: ["" if kind == "str" else 0] * n for name, kind in PHOTO_COLUMNS.items()}
    split = np.where(np.arange(n) % 6 == 0, "test", "validation")
    rows |= {"photo_id": ids, "split": split, "body_type": types, "brightness": rng.uniform(0, 1, n)}
    known = draw_parameters(ids, types, seed).astype({"other_cars": "float64", "jpeg_quality": "float64"})
    logit = 3 - 15 * known["occlusion"]
    correct = rng.random(n) < 1 / (1 + np.exp(-logit))
    other = np.array(types)[::-1]
    predicted = np.where(correct, types, np.where(other == types, "", other))
    predictions = pd.DataFrame({"photo_id": ids, "split": split, "body_type": types, "predicted": predicted})
    predictions["mask_iou"] = np.where(correct, 0.9, 0.2)
    photos = pd.DataFrame(rows).astype(PHOTO_COLUMNS)
    return Catalogue("made", Path("/no"), photos, table([], INSTANCE_COLUMNS), parameters=known), predictions


@pytest.fixture(scope="module")
def cars(tmp_path_factory) -> Catalogue:
    folder = make_car_photos(tmp_path_factory.mktemp("known") / "cars", 12, size=(60, 40))
    add_parameters(folder)
    return load_catalogue(folder)


@pytest.fixture(scope="module")
def report() -> slices.SliceReport:
    return slices.analyse_slices(*made(), **SETTINGS)


def test_levels_of_numbers_and_texts():
    hidden = next(attribute for attribute in ATTRIBUTES if attribute.column == "occlusion")
    values = pd.Series([0.0, 0.004, 0.005, 0.1, 0.9, np.nan])
    assert hidden.level_of(values).tolist() == ["not at all", "not at all", "under 5%", "5–15%", "over 15%", ""]
    assert hidden.ordered(hidden.level_of(values)) == list(hidden.levels)
    assert VIEW.ordered(pd.Series(["rear", "odd", "", "front"])) == ["front", "rear", "odd"]
    assert Attribute("x", "x").ordered(pd.Series(["b", "a"])) == ["a", "b"]


@pytest.mark.parametrize(
    ("angle", "level"),
    [(0, "0°"), (-14.9, "0°"), (15.1, "30°"), (90, "90°"), (-90, "−90°"), *((a, "180°") for a in (180, -180, -166))],
)
def test_sectors_close_behind_the_car(angle, level):
    assert SECTORS.level_of(pd.Series([float(angle)])).tolist() == [level]


def test_accuracy_by_hand():
    catalogue, predictions = made(600)
    result = slices.slice_metrics(catalogue, predictions, **SETTINGS)
    assert result.dtypes.astype(str).to_dict() == {
        name: str(pd.Series([], dtype=kind).dtype) for name, kind in SLICE_COLUMNS.items()
    }
    merged = predictions.merge(catalogue.parameters, on="photo_id")
    merged["correct"] = merged["predicted"] == merged["body_type"]
    part = merged[(merged["split"] == "validation") & (merged["view"] == "rear") & (merged["body_type"] == "suv")]
    row = result[(result["split"] == "validation") & (result["level"] == "rear") & (result["body_type"] == "suv")]
    assert row["n"].item() == len(part)
    assert row["accuracy"].item() == part["correct"].mean()
    assert (row["low"].item(), row["high"].item()) == wilson_interval(part["correct"].mean(), len(part))
    assert row["mask_iou"].item() == pytest.approx(part["mask_iou"].mean())
    assert (result["low"] <= result["accuracy"]).all() and (result["accuracy"] <= result["high"]).all()
    for title in {attribute.title for attribute in (*ATTRIBUTES, SECTORS)}:
        for split, n in merged["split"].value_counts().items():
            levels = result[(result["attribute"] == title) & (result["split"] == split) & (result["body_type"] == "")]
            assert levels["n"].sum() == n, title
    assert set(result.loc[result["attribute"] == VIEW.title, "level"]) == set(VIEWS)


def test_levels_are_tested_against_the_other_photos():
    catalogue, predictions = made(600)
    result = slices.slice_metrics(catalogue, predictions, **SETTINGS)
    merged = predictions.merge(catalogue.parameters, on="photo_id")
    merged = merged[merged["split"] == "validation"].assign(right=lambda t: t["predicted"] == t["body_type"])
    inside = merged["view"] == "rear"
    counts = pd.crosstab(inside, merged["right"])
    of_split = result[(result["split"] == "validation") & (result["body_type"] == "")]
    row = of_split[(of_split["attribute"] == VIEW.title) & (of_split["level"] == "rear")]
    assert row["p_value"].item() == pytest.approx(fisher_exact(counts).pvalue)
    tested = of_split[of_split["p_value"].notna()]
    assert set(tested["attribute"]) <= {attribute.title for attribute in ATTRIBUTES} and len(tested) > 25
    assert tested["q_value"].to_numpy() == pytest.approx(false_discovery(tested["p_value"].to_numpy()))
    found = tested[tested["q_value"] < 0.05]
    assert len(found) and set(found["attribute"]) == {"car hidden"}  # what was built in, and nothing else
    assert result.loc[result["body_type"] != "", "q_value"].isna().all()


def test_a_level_that_every_photo_has_is_not_tested():
    catalogue, predictions = made(60)
    known = catalogue.parameters.assign(light="clear")
    result = slices.slice_metrics(replace(catalogue, parameters=known), predictions, **SETTINGS)
    assert result.loc[result["attribute"] == "light", "q_value"].isna().all()
    assert result.loc[result["attribute"] == VIEW.title, "q_value"].notna().any()


def test_all_photos_have_the_estimates_of_metrics_json():
    catalogue, predictions = made(120)
    predictions["mask_iou"] = np.random.default_rng(0).random(120)
    result = slices.slice_metrics(catalogue, predictions.sample(frac=1, random_state=0), **SETTINGS)
    row = result[(result["split"] == "test") & (result["attribute"] == slices.ALL)].iloc[0]
    sizes = {"box_iou": 1.0, "score": 1.0, "width": 9, "height": 9}
    place = {"x1": 0.0, "y1": 0.0, "x2": 5.0, "y2": 5.0, "mask": ""}
    part = predictions[predictions["split"] == "test"].assign(**sizes)
    found = split_metrics(
        part, part.assign(**place)[:0], part.assign(**place), body_types=BODY_TYPES, has_masks=True, **SETTINGS
    )
    for name, columns in (("accuracy", ["accuracy", "low", "high"]),
                          ("mask_iou", ["mask_iou", "mask_iou_low", "mask_iou_high"])):  # fmt: skip
        assert row[columns].tolist() == [found[name][end] for end in ("value", "low", "high")]


def test_with_few_errors_the_penalty_is_strong():
    # 200 photos, 30 wrong at random: no measure has an effect, and cross-validation finds that.
    catalogue, predictions = made(200, seed=3)
    wrong = np.isin(np.arange(200), np.random.default_rng(5).choice(200, 30, replace=False))
    predictions["predicted"] = np.where(wrong, "", predictions["body_type"])
    odds = slices.error_odds(catalogue, predictions, seed=0)
    assert len(odds) and (odds["q_value"] > 0.05).all()
    assert odds["odds_ratio"].between(0.75, 1.33).all()


def test_attributes_that_the_table_lacks_or_has_in_another_kind_are_left_out():
    catalogue, predictions = made(60)
    known = catalogue.parameters.drop(columns=["view", "view_angle"]).assign(occlusion="much", predicted="x")
    result = slices.slice_metrics(replace(catalogue, parameters=known), predictions, **SETTINGS)
    assert not {VIEW.title, SECTORS.title, "car hidden"} & set(result["attribute"])
    assert "light" in set(result["attribute"])


def test_masks_that_nobody_gave_have_no_iou():
    catalogue, predictions = made(60)
    result = slices.slice_metrics(catalogue, predictions.assign(mask_iou=np.nan), **SETTINGS)
    assert result["mask_iou"].isna().all() and result["accuracy"].notna().all()


def test_the_regression_finds_what_was_built_in_and_little_else(report):
    effects = report.error_odds
    pooled = effects[effects["group"] == "all types"].set_index("measure")
    assert pooled.index[0] == "more of the car hidden"  # the strongest first
    assert pooled.iloc[0]["high"] < 0.6
    assert (pooled["low"] <= pooled["odds_ratio"]).all() and (pooled["odds_ratio"] <= pooled["high"]).all()
    assert pooled.iloc[0]["q_value"] < 1e-6
    assert (pooled.iloc[1:]["q_value"] < 0.05).sum() <= 1
    assert set(effects["group"]) == {"all types", *BODY_TYPES}
    assert pooled["n"].unique().tolist() == [1200]


def test_too_few_misclassified_photos_are_not_fitted():
    catalogue, predictions = made(200)
    correct = predictions.assign(predicted=predictions["body_type"])
    assert slices.error_odds(catalogue, correct, seed=0).empty
    wrong = correct.copy()
    wrong.loc[wrong.index[:25], "predicted"] = ""
    groups = set(slices.error_odds(catalogue, wrong, seed=0)["group"])
    assert groups == {"all types"}


def test_columns_with_gaps_or_without_variation_are_left_out():
    catalogue, predictions = made(400)
    known = catalogue.parameters.assign(noise=np.nan, dirt=0.5)
    measures = set(slices.error_odds(replace(catalogue, parameters=known), predictions, seed=0)["measure"])
    assert not {"more noise", "dirtier car"} & measures and "more lens blur" in measures


def test_an_analysis_writes_the_same_tables_twice(report, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        slices.analyse_slices(*made(400), **SETTINGS).save(folder)
    for name in ("slice_metrics.csv", "error_odds.csv"):
        assert (first / name).read_bytes() == (second / name).read_bytes()
    assert list(pd.read_csv(first / "error_odds.csv").columns) == list(ERROR_ODDS_COLUMNS)
    assert "1,000 validation photos and 200 test photos, each with 25 attributes" in report.summary


def test_predictions_on_training_photos_are_not_analysed():
    catalogue, predictions = made(60)
    assert slices.analyse_slices(catalogue, predictions.assign(split="train"), **SETTINGS).metrics.empty


def test_data_without_metadata_are_reported_in_one_sentence(tmp_path):
    catalogue, predictions = made(60)
    bare = replace(catalogue, parameters=table([], PARAMETER_COLUMNS))
    report = slices.analyse_slices(bare, predictions, **SETTINGS)
    report.save(tmp_path)
    assert report.metrics.empty and report.error_odds.empty
    assert "no rendering metadata (the data have no parameters.csv)" in report.summary
    assert report.summary.count(". ") == 0
    assert (tmp_path / "slice_metrics.csv").read_text().strip() == ",".join(SLICE_COLUMNS)
    assert slice_figures(report) == {} and metadata_figures(bare) == {}
    assert "no parameters.csv" in describe_metadata(bare)
    assert metadata_table(bare).empty and attribute_strips(bare) == {}


def test_parameters_in_words(cars):
    assert describe_metadata(cars) == ("Each of the 48 photos has 25 parameters, 4 of them of the car's shape.")
    rows = metadata_table(cars)
    assert list(rows.index) == [*cars.parameters.columns[1:-4], "shape_…"]
    assert rows.loc["roof", "values"] == "closed 75%, open 25%"
    assert rows.loc["shape_…", "meaning"] == "shape of the car: length, height, hood length, nose height"
    assert attribute_description("shape_hood_length") == "shape of the car: hood length"
    assert rows["meaning"].ne("").all() and attribute_description("of my own") == ""
    drawn = {field.name for field in fields(SceneParameters)} - {"sky_seed"}  # what the renderer draws
    assert drawn | set(cars.parameters.columns[1:]) >= set(ATTRIBUTE_DESCRIPTIONS) >= drawn
    assert list(attribute_strips(cars)) == ["camera_height", "shape_length", "sun_elevation"]


def test_two_measures_tell_as_many_types_as_they_can():
    catalogue, _ = made(400)
    assert 0.6 < linear_separability(catalogue, ("shape_length", "shape_height")) < 0.95
    assert linear_separability(catalogue, ("shape_hood_length", "shape_nose_height")) < 0.35


def test_every_figure_stands_alone_and_repeats(cars, report):
    figures = metadata_figures(cars) | slice_figures(report)
    assert list(figures) == [
        "shapes", "gallery", "strips", "shape_strips", "views", "numbers", "categories",
        "attributes", "types_by_view", "odds",
    ]  # fmt: skip
    for name, figure in figures.items():
        assert len(figure.texts[0].get_text()) > 3 and figure.alt.endswith("."), name
        assert_texts_inside(figure, name)
    again = metadata_figures(cars)
    assert png_bytes(again["gallery"], 60) == png_bytes(figures["gallery"], 60)


def test_a_table_of_other_parameters_gives_the_figures_it_can(cars):
    bare = cars.parameters[["photo_id", "light"]]
    strange = bare.assign(light="", temperature=1.0)
    for table_of in (bare, strange):
        figures = metadata_figures(replace(cars, parameters=table_of))
        assert list(figures) == ["gallery", "strips", "shape_strips", "categories"]


def test_a_handful_of_photos_can_be_drawn():
    catalogue, predictions = made(12)
    figures = slice_figures(slices.analyse_slices(catalogue, predictions, **SETTINGS))
    assert set(figures) == {"attributes", "types_by_view"}
    assert "No level of an attribute has 20 photos." in figures["attributes"].alt
    for figure in figures.values():
        assert png_bytes(figure, 50)


def test_splits_are_pooled_by_their_photos():
    row = {"attribute": "light", "body_type": "", "level": "dusk", "low": 0.0, "high": 1.0, "p_value": np.nan}
    table = pd.DataFrame(
        [
            row | {"split": "validation", "n": 30, "accuracy": 0.9, "q_value": 0.2, "mask_iou": 0.8},
            row | {"split": "test", "n": 10, "accuracy": 0.5, "q_value": 0.01, "mask_iou": 0.4},
            row | {"split": "train", "n": 99, "accuracy": 0.0, "q_value": 0.0, "mask_iou": 0.0},
        ]
    )
    table = table.assign(mask_iou_low=table["mask_iou"] - 0.04, mask_iou_high=table["mask_iou"] + 0.04)
    (pooled,) = pool_splits(table).to_dict("records")
    assert (pooled["n"], pooled["accuracy"], pooled["q_value"]) == (40, pytest.approx(0.8), 0.01)
    assert (pooled["low"], pooled["high"]) == pytest.approx((0.6524, 0.8950), abs=1e-4)  # Wilson's, of 32 of 40
    half = 0.04 * (0.75**2 + 0.25**2) ** 0.5
    assert (pooled["mask_iou"], pooled["mask_iou_low"]) == pytest.approx((0.7, 0.7 - half))
    figure = accuracy_by_attribute(pd.concat([table, table.assign(attribute="all photos", level="all photos")]))
    assert figure.finding == "All photos: 80.0%. No level lies clearly below."
