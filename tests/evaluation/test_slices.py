"""What makes a type hard: levels, intervals, the regression, its figures, and data without parameters."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

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
from carseg_lib.evaluation.slices import (
    ATTRIBUTES,
    ERROR_ODDS_COLUMNS,
    SECTORS,
    SLICE_COLUMNS,
    VIEW,
    Attribute,
)
from carseg_lib.reporting.plots.metadata import parameter_figures
from carseg_lib.reporting.plots.slices import slice_figures
from carseg_lib.reporting.plots.style import png_bytes
from carseg_rendering.scene.scenes import SceneParameters
from tests.helpers.drawn_cars import make_car_photos
from tests.helpers.metadata import VIEWS, add_parameters, draw_parameters

SETTINGS = {"bootstrap_samples": 100, "seed": 0}


def made(n: int = 1200, seed: int = 0) -> tuple[Catalogue, pd.DataFrame]:
    """A catalogue of photos that nobody drew, and answers that occlusion and dusk make worse, and nothing else."""
    rng = np.random.default_rng([seed, 1])
    ids = [f"{k:05d}.jpg" for k in range(n)]
    types = [BODY_TYPES[k % 4] for k in range(n)]
    rows = {name: ["" if kind == "str" else 0] * n for name, kind in PHOTO_COLUMNS.items()}
    split = np.where(np.arange(n) % 6 == 0, "test", "validation")
    rows |= {"photo_id": ids, "split": split, "body_type": types, "brightness": rng.uniform(0, 1, n)}
    known = draw_parameters(ids, types, seed).astype({"other_cars": "float64", "jpeg_quality": "float64"})
    logit = 3 - 15 * known["occlusion"]
    right = rng.random(n) < 1 / (1 + np.exp(-logit))
    other = np.array(types)[::-1]
    predicted = np.where(right, types, np.where(other == types, "", other))
    predictions = pd.DataFrame({"photo_id": ids, "split": split, "body_type": types, "predicted": predicted})
    predictions["mask_iou"] = np.where(right, 0.9, 0.2)
    photos = pd.DataFrame(rows).astype(PHOTO_COLUMNS)
    return Catalogue("made", Path("/no"), photos, table([], INSTANCE_COLUMNS), parameters=known), predictions


@pytest.fixture(scope="module")
def cars(tmp_path_factory) -> Catalogue:
    folder = make_car_photos(tmp_path_factory.mktemp("known") / "cars", 12, size=(60, 40))
    add_parameters(folder)
    return load_catalogue(folder)


@pytest.fixture(scope="module")
def judged(tmp_path_factory) -> tuple[Path, slices.SliceReport]:
    folder = tmp_path_factory.mktemp("run")
    return folder, slices.analyse_slices(*made(), SimpleNamespace(folder=folder, **SETTINGS))


def test_levels_of_numbers_and_texts():
    hidden = next(factor for factor in ATTRIBUTES if factor.column == "occlusion")
    values = pd.Series([0.0, 0.004, 0.005, 0.1, 0.9, np.nan])
    assert hidden.level_of(values).tolist() == [
        "not at all",
        "not at all",
        "under 5%",
        "5–15%",
        "over 15%",
        "",
    ]
    assert hidden.ordered(hidden.level_of(values)) == list(hidden.levels)
    assert VIEW.ordered(pd.Series(["rear", "odd", "", "front"])) == ["front", "rear", "odd"]
    assert Attribute("x", "x").ordered(pd.Series(["b", "a"])) == ["a", "b"]


@pytest.mark.parametrize(
    ("angle", "level"),
    [
        (0, "0°"),
        (-14.9, "0°"),
        (15.1, "30°"),
        (90, "90°"),
        (-90, "-90°"),
        (180, "180°"),
        (-180, "180°"),
        (-166, "180°"),
    ],
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
    merged["right"] = merged["predicted"] == merged["body_type"]
    part = merged[
        (merged["split"] == "validation") & (merged["view"] == "rear") & (merged["body_type"] == "suv")
    ]
    row = result[
        (result["split"] == "validation") & (result["level"] == "rear") & (result["body_type"] == "suv")
    ]
    assert row["n"].item() == len(part)
    assert row["accuracy"].item() == part["right"].mean()
    assert (row["low"].item(), row["high"].item()) == wilson_interval(part["right"].mean(), len(part))
    assert row["mask_iou"].item() == pytest.approx(part["mask_iou"].mean())
    assert (result["low"] <= result["accuracy"]).all() and (result["accuracy"] <= result["high"]).all()
    for title in {factor.title for factor in (*ATTRIBUTES, SECTORS)}:
        for split, n in merged["split"].value_counts().items():
            levels = result[
                (result["factor"] == title) & (result["split"] == split) & (result["body_type"] == "")
            ]
            assert levels["n"].sum() == n, title
    assert set(result.loc[result["factor"] == VIEW.title, "level"]) == set(VIEWS)


def test_factors_that_the_table_lacks_or_means_otherwise_are_left_out():
    catalogue, predictions = made(60)
    known = catalogue.parameters.drop(columns=["view", "view_angle"]).assign(occlusion="much", predicted="x")
    result = slices.slice_metrics(replace(catalogue, parameters=known), predictions, **SETTINGS)
    assert not {VIEW.title, SECTORS.title, "car hidden"} & set(result["factor"])
    assert "light" in set(result["factor"])


def test_masks_that_nobody_gave_have_no_iou():
    catalogue, predictions = made(60)
    result = slices.slice_metrics(catalogue, predictions.assign(mask_iou=np.nan), **SETTINGS)
    assert result["mask_iou"].isna().all() and result["accuracy"].notna().all()


def test_the_regression_finds_what_was_built_in_and_little_else(judged):
    _, known = judged
    effects = known.error_odds
    pooled = effects[effects["group"] == "all types"].set_index("measure")
    assert pooled.index[0] == "more of the car hidden"  # the strongest first
    assert pooled.iloc[0]["high"] < 0.6
    assert (pooled["low"] <= pooled["odds_ratio"]).all() and (pooled["odds_ratio"] <= pooled["high"]).all()
    others = pooled.iloc[1:]
    assert ((others["low"] > 1) | (others["high"] < 1)).sum() <= 3
    assert set(effects["group"]) == {"all types", *BODY_TYPES}
    assert pooled["n"].unique().tolist() == [1200]


def test_too_few_wrong_answers_are_not_fitted():
    catalogue, predictions = made(200)
    right = predictions.assign(predicted=predictions["body_type"])
    assert slices.error_odds(catalogue, right, seed=0).empty
    wrong = right.copy()
    wrong.loc[wrong.index[:25], "predicted"] = ""
    groups = set(slices.error_odds(catalogue, wrong, seed=0)["group"])
    assert groups == {"all types"}


def test_columns_with_gaps_or_without_variation_are_left_out():
    catalogue, predictions = made(400)
    known = catalogue.parameters.assign(noise=np.nan, dirt=0.5)
    measures = set(slices.error_odds(replace(catalogue, parameters=known), predictions, seed=0)["measure"])
    assert not {"more noise", "dirtier car"} & measures and "softer picture" in measures


def test_judging_writes_the_same_tables_twice(judged, tmp_path):
    folder, known = judged
    slices.analyse_slices(*made(), SimpleNamespace(folder=tmp_path, **SETTINGS))
    for name in ("slice_metrics.csv", "error_odds.csv"):
        assert (folder / name).read_bytes() == (tmp_path / name).read_bytes()
    assert list(pd.read_csv(folder / "error_odds.csv").columns) == list(ERROR_ODDS_COLUMNS)
    assert "1,000 validation photos and 200 test photos, each with 25 known parameters" in known.said


def test_training_answers_are_not_judged(tmp_path):
    catalogue, predictions = made(60)
    run = SimpleNamespace(folder=tmp_path, **SETTINGS)
    known = slices.analyse_slices(catalogue, predictions.assign(split="train"), run)
    assert known.accuracy.empty


def test_data_without_parameters_say_so_in_one_sentence(tmp_path):
    catalogue, predictions = made(60)
    bare = replace(catalogue, parameters=table([], PARAMETER_COLUMNS))
    known = slices.analyse_slices(bare, predictions, SimpleNamespace(folder=tmp_path, **SETTINGS))
    assert known.accuracy.empty and known.error_odds.empty
    assert "not known (the data have no parameters.csv)" in known.said and known.said.count(". ") == 0
    assert (tmp_path / "slice_metrics.csv").read_text().strip() == ",".join(SLICE_COLUMNS)
    assert slice_figures(known) == {} and parameter_figures(bare) == {}
    assert "no parameters.csv" in describe_metadata(bare)
    assert metadata_table(bare).empty and attribute_strips(bare) == {}


def test_parameters_in_words(cars):
    assert describe_metadata(cars) == (
        "Each of the 48 photos has 25 parameters, 4 of them of the car's shape."
    )
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


def test_every_figure_stands_alone_and_repeats(cars, judged):
    figures = parameter_figures(cars) | slice_figures(judged[1])
    assert list(figures) == [
        "gallery", "strips", "shape_strips", "tta", "numbers", "kinds", "shapes",
        "factors", "types_by_view", "directions", "odds",
    ]  # fmt: skip
    for name, figure in figures.items():
        assert len(figure.texts[0].get_text()) > 3 and figure.alt.endswith("."), name
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        beyond = {
            label
            for axes in figure.findobj(mpl.axes.Axes)
            for axis in (axes.xaxis, axes.yaxis)
            for tick in axis.get_major_ticks()
            if not min(axis.get_view_interval()) <= tick.get_loc() <= max(axis.get_view_interval())
            for label in (tick.label1, tick.label2)
        }  # ticks that are not drawn
        for text in set(figure.findobj(mpl.text.Text)) - beyond:
            if text.get_visible() and text.get_text().strip():
                extent = text.get_window_extent(canvas.get_renderer())
                assert extent.x0 >= -3 and extent.x1 <= figure.bbox.width + 3, f"{name}: {text.get_text()!r}"
                assert extent.y0 >= -3 and extent.y1 <= figure.bbox.height + 3, f"{name}: {text.get_text()!r}"
    again = parameter_figures(cars)
    assert png_bytes(again["gallery"], 60) == png_bytes(figures["gallery"], 60)


def test_a_table_of_other_parameters_gives_the_figures_it_can(cars):
    bare = cars.parameters[["photo_id", "light"]]
    assert list(parameter_figures(replace(cars, parameters=bare))) == [
        "gallery",
        "strips",
        "shape_strips",
        "kinds",
    ]
    strange = bare.assign(light="", temperature=1.0)
    assert list(parameter_figures(replace(cars, parameters=strange))) == [
        "gallery",
        "strips",
        "shape_strips",
        "kinds",
    ]


def test_a_handful_of_photos_can_be_drawn():
    catalogue, predictions = made(12)
    accuracy = slices.slice_metrics(catalogue, predictions, **SETTINGS)
    known = slices.SliceReport("", accuracy, slices.error_odds(catalogue, predictions, seed=0))
    figures = slice_figures(known)
    assert set(figures) == {"factors", "types_by_view", "directions"}
    for figure in figures.values():
        assert png_bytes(figure, 50)
