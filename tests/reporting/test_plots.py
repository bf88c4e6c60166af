"""Figures: what they draw, that they leave matplotlib alone, and that their files repeat."""

from __future__ import annotations

import base64
import io
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from carseg_lib.core.classes import BODY_TYPES
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.duplicates import near_duplicates
from carseg_lib.data.loader import load_catalogue
from carseg_lib.paper.claims import TABLE_1, compare_with_paper
from carseg_lib.reporting.palette import CLASS_COLORS
from carseg_lib.reporting.plots.data import box_statistics, brightness, mask_statistics, photo_sizes, split_counts
from carseg_lib.reporting.plots.evaluation import average_precision, confusion_matrix, pr_curves, table_dots
from carseg_lib.reporting.plots.overlay import overlay
from carseg_lib.reporting.plots.photos import (
    augmentation_grid,
    duplicate_pairs,
    mask_comparison_grid,
    prediction_grid,
    sample_photos,
    transform_steps,
)
from carseg_lib.reporting.plots.style import png_bytes, save_figure
from carseg_lib.reporting.plots.training import accuracy_curves, loss_curves, loss_terms
from tests.helpers.fake_run import make_history, make_metrics, make_predictions
from tests.helpers.figures import assert_texts_inside


@pytest.fixture(scope="module")
def cars(synthetic_cars: Path) -> Catalogue:
    return load_catalogue(synthetic_cars)


@pytest.fixture(scope="module")
def predicted(cars: Catalogue) -> tuple[pd.DataFrame, pd.DataFrame]:
    return make_predictions(cars, accuracy=0.7)


@pytest.fixture(scope="module")
def metrics(cars: Catalogue, predicted: tuple[pd.DataFrame, pd.DataFrame]) -> dict:
    return make_metrics(cars, *predicted, make_history())


def texts(figure: Figure) -> str:
    """Every text that a figure draws."""
    return "\n".join(text.get_text() for text in figure.findobj(mpl.text.Text))


def png(figure: Figure) -> Image.Image:
    return Image.open(io.BytesIO(png_bytes(figure, 60)))


@pytest.fixture(scope="module")
def figures(cars: Catalogue, predicted: tuple[pd.DataFrame, pd.DataFrame], metrics: dict) -> dict[str, Figure]:
    predictions, detections = predicted
    photo = Image.new("RGB", (60, 40), "grey")
    mask = np.zeros((40, 60), bool)
    mask[10:30, 10:50] = True
    box, history, part = (10, 10, 50, 30), make_history(), metrics["splits"]["validation"]
    return {
        "split_counts": split_counts(cars),
        "photo_sizes": photo_sizes(cars),
        "brightness": brightness(cars),
        "box_statistics": box_statistics(cars),
        "mask_statistics": mask_statistics(cars),
        "sample_photos": sample_photos(cars, "suv", 3),
        "near_duplicates": duplicate_pairs(cars, near_duplicates(cars.photos, 40)),
        "transform_steps": transform_steps([("a", photo, box, mask), ("b", np.asarray(photo), None, None)]),
        "augmentation_grid": augmentation_grid((photo, box, mask), [(np.asarray(photo), box, None)] * 6),
        "loss_curves": loss_curves(history),
        "loss_terms": loss_terms(history),
        "accuracy_curves": accuracy_curves(history),
        "confusion_matrix": confusion_matrix(part["confusion"], "validation"),
        "pr_curves": pr_curves(predictions, detections, table1=TABLE_1.to_dict("index")),
        "table_dots": table_dots(compare_with_paper(metrics, "validation"), split="validation"),
        "average_precision": average_precision(part, "validation"),
        "prediction_grid": prediction_grid(predictions, cars.root),
        "mask_comparison_grid": mask_comparison_grid(predictions, cars.root, cars.instances),
    }


def test_every_figure_stands_alone(figures: dict[str, Figure]) -> None:
    for name, figure in figures.items():
        assert isinstance(figure, Figure), name
        assert len(figure.texts[0].get_text()) > 3, f"{name} has no title"
        assert figure.alt.endswith("."), name
        picture = png(figure)
        assert picture.info["Description"] == figure.alt, name
        assert "Software" not in picture.info, name
        assert np.asarray(picture.convert("L")).std() > 5, f"{name} is empty"


def test_texts_stay_inside_the_figure(figures: dict[str, Figure]) -> None:
    for name, figure in figures.items():
        assert_texts_inside(figure, name)


def test_drawing_leaves_matplotlib_as_it_was(cars: Catalogue) -> None:
    before = dict(mpl.rcParams)
    png_bytes(split_counts(cars))
    assert dict(mpl.rcParams) == before


def test_importing_chooses_no_backend() -> None:
    """seaborn loads pyplot, which chooses a backend at its first figure: there must be none."""
    modules = ", ".join(f"carseg_lib.reporting.plots.{name}" for name in ("data", "evaluation", "photos", "training"))
    code = f"import matplotlib, {modules}; print(matplotlib.get_backend(auto_select=False))"
    environment = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment)
    assert done.stdout.strip() == "None"


def test_the_same_figure_gives_the_same_bytes(cars: Catalogue, tmp_path: Path) -> None:
    first = save_figure(sample_photos(cars, "sedan", 2, seed=3), tmp_path / "a" / "first.png")
    second = save_figure(sample_photos(cars, "sedan", 2, seed=3), tmp_path / "second.png")
    assert first.read_bytes() == second.read_bytes()
    assert not list(tmp_path.rglob(".*")), "a temporary file was left"


def test_a_figure_shows_itself_in_a_notebook_with_its_alternative_text(cars: Catalogue) -> None:
    figure = brightness(replace(cars, name="<b>"))
    figure.alt, figure.finding = 'a "b" <c>', "d & <e>"
    shown = figure._repr_html_()
    assert 'alt="a &quot;b&quot; &lt;c&gt;"' in shown
    assert "<figcaption>d &amp; &lt;e&gt;</figcaption>" in shown
    picture = Image.open(io.BytesIO(base64.b64decode(shown.partition("base64,")[2].partition('"')[0])))
    assert picture.format == "WEBP" and picture.width == 1260  # 8.4 inches


def test_split_counts_names_the_counts_and_the_papers(cars: Catalogue) -> None:
    shown = texts(split_counts(cars))
    for text in ("4,957 (58.8%)", "2,887 (34.2%)", "590 (7.0%)", f"n = {len(cars.photos):,}"):
        assert text in shown


def test_sample_photos_depend_on_the_seed_alone(cars: Catalogue) -> None:
    chosen = [texts(sample_photos(cars, "suv", 3, seed)) for seed in (0, 0, 1, 2, 3)]
    assert chosen[0] == chosen[1]
    assert len(set(chosen)) > 1
    shuffled = replace(cars, photos=cars.photos.sample(frac=1, random_state=5))
    assert texts(sample_photos(shuffled, "suv", 3, 0)) == chosen[0]


def test_data_without_masks_or_boxes_say_so(cars: Catalogue) -> None:
    bare = replace(cars, instances=cars.instances.assign(mask="", mask_origin="none", box_origin="whole frame"))
    assert "no masks" in texts(mask_statistics(bare))
    assert "no boxes" in texts(box_statistics(bare))
    assert "no masks" in texts(sample_photos(bare, "suv", 2))


def test_empty_tables_give_a_message(cars: Catalogue, predicted: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    none = predicted[0].iloc[:0]
    history = make_history().iloc[:0]
    for figure in (
        prediction_grid(none, cars.root),
        mask_comparison_grid(none, cars.root, cars.instances),
        pr_curves(none),
        duplicate_pairs(cars, near_duplicates(cars.photos.iloc[:1])),
        *(draw(history) for draw in (loss_curves, loss_terms, accuracy_curves)),
    ):
        assert png(figure).size[0] > 100


def test_confusion_matrix_shows_counts_and_shares() -> None:
    labels = [*BODY_TYPES, "no car found"]
    matrix = [[6, 2, 0, 0, 2], [0, 1234, 0, 0, 0], [0, 0, 0, 0, 0], [1, 1, 1, 1, 0]]
    figure = confusion_matrix({"labels": labels, "matrix": matrix}, "test")
    shown = texts(figure)
    for text in ("6", "60%", "86%", "1,234", "suv\nn = 10", "convertible\nn = 0", "no car\nfound", "·", "recall"):
        assert text in shown.split("\n") or text in shown
    assert "n = 1,248 test photos." in shown
    assert figure.finding == (
        "1,241 of 1,248 test photos are on the diagonal (99.4%); the most frequent mistake: 2 of 10 suv predicted as "
        "sedan."
    )
    assert "of 10 suv, 6 suv, 2 sedan, 2 no car found" in figure.alt


def test_accuracy_curves_mark_the_best_epoch_and_the_paper() -> None:
    history = make_history()
    best = int(history.loc[history["best"], "epoch"].iloc[0])
    shown = texts(accuracy_curves(history))
    assert f"best epoch {best}: {100 * history['validation_accuracy'].max():.1f}%" in shown
    assert "paper, validation: 91.2%" in shown
    assert "paper, train: 87.6%" in shown


def test_one_epoch_is_enough() -> None:
    history = make_history(1)
    for draw in (loss_curves, loss_terms, accuracy_curves):
        png(draw(history))


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_a_mask_loss_that_is_off_is_marked(value: float) -> None:
    history = make_history().assign(train_loss_mask=value, validation_loss_mask=value)
    assert "off" in texts(loss_terms(history)).split("\n")
    assert loss_curves(make_history()).axes[0].get_yscale() == "log"
    assert "off" not in texts(loss_terms(make_history())).split("\n")


def test_pr_area_by_hand() -> None:
    # suv: scores .9 correct, .8 wrong, .7 correct, one suv never found: area = 1/3·1 + 1/3·2/3 = 5/9
    predictions = pd.DataFrame(
        {
            "photo_id": list("abcd"),
            "body_type": ["suv", "sedan", "suv", "suv"],
            "predicted": ["suv", "suv", "suv", ""],
            "score": [0.9, 0.8, 0.7, np.nan],
        }
    )
    assert "area 0.56" in texts(pr_curves(predictions, body_types=["suv"]))


def test_pr_curves_take_the_best_detection_of_a_type() -> None:
    predictions = pd.DataFrame(
        {"photo_id": ["a", "b"], "body_type": ["suv", "sedan"], "predicted": ["sedan", "sedan"], "score": [0.9, 0.8]}
    )
    detections = pd.DataFrame(
        {"photo_id": ["a", "a", "b"], "body_type": ["sedan", "suv", "sedan"], "score": [0.9, 0.5, 0.8]}
    )
    assert "area" not in texts(pr_curves(predictions, body_types=["suv"]))
    assert "area 1.00" in texts(pr_curves(predictions, detections, body_types=["suv"]))


def test_table_dots_read_every_row_of_the_comparison(metrics: dict) -> None:
    table = compare_with_paper(metrics, "test")
    alt = table_dots(table).alt
    for body_type in BODY_TYPES:
        assert f"{body_type} recall" in alt
    assert "convertible recall" in alt
    assert "paper 0.527" in alt
    lost = table.assign(ours=np.nan, low=np.nan, high=np.nan)
    assert "suv f1 none, paper 0.890" in table_dots(lost).alt


def test_figures_of_an_evaluation_name_their_split_and_n(metrics: dict, predicted: tuple) -> None:
    predictions, detections = predicted
    for split in ("validation", "test"):
        part = metrics["splits"][split]
        rows = predictions[predictions["split"] == split]
        for figure in (
            table_dots(compare_with_paper(metrics, split), split=split),
            confusion_matrix(part["confusion"], split),
            pr_curves(rows, detections, split=split),
            average_precision(part, split),
        ):
            title, note = (text.get_text() for text in figure.texts[:2])
            assert split in title
            assert f"n = {len(rows)} {split} photos" in note.replace("\n", " ")


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("turned", [True, False])
def test_preprocessing_speaks_of_masks_and_rotation_only_where_they_are(masked: bool, turned: bool) -> None:
    photo, box = np.full((30, 40, 3), 90, np.uint8), (5, 5, 30, 20)
    mask = np.zeros((30, 40), bool) if masked else None
    steps = [("photo", photo, box, mask), ("rotate" if turned else "flip", photo, box, mask)]
    shown = texts(transform_steps(steps)).replace("\n", " ")
    assert ("mask" in shown) == masked
    assert ("computed from the rotated" in shown) == turned
    assert ("mask" in texts(augmentation_grid((photo, box, mask), [(photo, box, mask)]))) == masked


def test_average_precision_without_masks() -> None:
    estimate = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 12}
    box = {"AP": estimate, "AP50": estimate, "AP75": None, "per_type": {"suv": {"AP": estimate}, "sedan": {"AP": None}}}
    shown = texts(average_precision({"box": box, "mask": None}))
    assert "n = 12 test photos" in shown
    assert "Only box AP" in shown


def test_predictions_come_back_from_csv_the_same(
    cars: Catalogue, predicted: tuple[pd.DataFrame, pd.DataFrame], tmp_path: Path
) -> None:
    predicted[0].to_csv(tmp_path / "predictions.csv", index=False)
    again = pd.read_csv(tmp_path / "predictions.csv")
    assert texts(prediction_grid(again, cars.root)) == texts(prediction_grid(predicted[0], cars.root))
    assert "no car found" in texts(prediction_grid(again[again["predicted"].isna()], cars.root))


def test_photo_names_are_not_read_as_mathematics(cars: Catalogue) -> None:
    strange = "$x_1$.jpg"
    row = {"photo_a": strange, "photo_b": strange, "distance": 0, "split_a": "train", "split_b": "test"}
    Image.new("RGB", (30, 20)).save(cars.root / strange)
    try:
        assert png(duplicate_pairs(cars, pd.DataFrame([row]))).size[0] > 0
    finally:
        (cars.root / strange).unlink()


# --- overlay -------------------------------------------------------------------------------------------------------


def test_overlay_marks_box_and_mask_and_nothing_else() -> None:
    photo = Image.new("RGB", (120, 90), (100, 100, 100))
    mask = np.zeros((90, 120), bool)
    mask[40:60, 40:80] = True
    picture = np.asarray(overlay(photo, (30.0, 30.0, 90.0, 70.0), mask, "", colour="#ff0000"))
    assert tuple(picture[30, 30]) == (255, 0, 0)
    assert tuple(picture[69, 89]) == (255, 0, 0)
    assert tuple(picture[50, 60]) == (100, 100, 100)  # inside the mask the photo stays as it is
    assert tuple(picture[40, 60]) == (255, 0, 0)  # the mask's edge
    assert tuple(picture[39, 60]) == (193, 193, 193)  # the halo around it: 0.4 · 100 + 0.6 · 255
    assert tuple(picture[35, 35]) == (100, 100, 100)
    assert tuple(picture[80, 10]) == (100, 100, 100)
    assert np.asarray(photo).max() == 100, "the photo itself was painted"


def test_overlay_takes_the_colour_of_the_type() -> None:
    photo = Image.new("L", (200, 150), 90)
    for body_type, colour in CLASS_COLORS.items():
        picture = overlay(photo, (20, 60, 180, 140), None, f"{body_type} 0.93")
        assert picture.mode == "RGB"
        assert picture.getpixel((20, 100)) == tuple(round(255 * part) for part in to_rgb(colour))


def test_overlay_refuses_a_mask_of_another_size() -> None:
    with pytest.raises(ValueError, match="mask of shape"):
        overlay(Image.new("RGB", (12, 9)), None, np.zeros((12, 9), bool), "")


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.integers(1, 90), st.integers(1, 90)),
    st.lists(st.floats(-20, 120), min_size=4, max_size=4),
    st.text(max_size=12),
    st.booleans(),
)
def test_overlay_draws_any_box_and_label(size: tuple[int, int], box: list[float], label: str, with_mask: bool) -> None:
    x1, x2, y1, y2 = *sorted(box[:2]), *sorted(box[2:])
    mask = np.ones(size[::-1], bool) if with_mask else None
    assert overlay(Image.new("RGB", size), (x1, y1, x2, y2), mask, label).size == size


# What people without red or green cones see, on linear RGB (Viénot, Brettel and Mollon 1999).
PROTANOPIA = [[0.1120, 0.8853, -0.0005], [0.1126, 0.8897, -0.0001], [0.0045, 0.0001, 1.0019]]
DEUTERANOPIA = [[0.2920, 0.7054, -0.0003], [0.2934, 0.7089, 0.0000], [-0.0210, 0.0256, 1.0000]]


@pytest.mark.parametrize("sight", [np.eye(3), PROTANOPIA, DEUTERANOPIA])
def test_colours_of_the_types_are_distinguishable(sight: np.ndarray) -> None:
    linear = [np.array(to_rgb(CLASS_COLORS[t])) ** 2.2 for t in BODY_TYPES]
    seen = [(np.asarray(sight) @ colour).clip(0, 1) ** (1 / 2.2) for colour in linear]
    for i, a in enumerate(seen):
        for b in seen[:i]:
            assert np.linalg.norm(a - b) > 0.12  # white is 1.7 from black


def test_masks_are_compared_from_the_worst_to_the_best(cars: Catalogue) -> None:
    rows = cars.photos.head(20).assign(mask=cars.instances.groupby("photo_id")["mask"].first().iloc[0])
    rows = rows.assign(mask_iou=np.linspace(0.05, 1.0, len(rows)))[::-1]
    figure = mask_comparison_grid(rows, cars.root, cars.instances, each=2)
    titles = [axes.get_title(loc="left").rpartition(" ")[2] for axes in figure.axes]
    assert titles == ["0.05", "0.10", "0.50", "0.55", "0.95", "1.00"]
    assert "the worst, the median and the best" in texts(figure)
    assert figure.finding.startswith("Mean IoU of predicted and labelled masks: 52.5% of 20 photos")
    assert figure.alt.startswith(figure.finding)


@pytest.mark.parametrize("number", [2, 5, 9])
def test_figures_of_other_types_than_the_papers(cars: Catalogue, metrics: dict, number: int) -> None:
    """As many panels and bars as there are types, in colours of their own; a name is drawn as it is written."""
    names = ["St. Wagon", "$a_1$ & <b>", *(f"type {k}" for k in range(3, number + 1))]
    of = {photo: names[k % number] for k, photo in enumerate(cars.photos["photo_id"])}
    tables = (cars.photos, cars.instances)
    photos, instances = (table.assign(body_type=table["photo_id"].map(of)) for table in tables)
    others = replace(cars, photos=photos, instances=instances, body_types=tuple(names))
    figures = [brightness(others), mask_statistics(others), split_counts(others), box_statistics(others)]
    figures += [sample_photos(others, name) for name in names]
    predictions = photos.assign(predicted=names[0], score=0.9)
    figures.append(pr_curves(predictions, body_types=names))
    part = metrics["splits"]["test"]
    typed = {name: next(iter(part["per_type"].values())) for name in names}
    table = compare_with_paper({"splits": {"test": part | {"per_type": typed}}}, "test")
    assert table[table["what"] == "St. Wagon recall"]["paper"].isna().all()
    dots = table_dots(table, names)
    assert dots.alt.startswith("Each type, test.") and "red line" not in texts(dots)
    for name in names:
        assert f"{name} recall" in dots.alt
        assert all(name in texts(figure) for figure in (figures[0], figures[1], dots))
    for figure in [*figures, dots]:
        assert png_bytes(figure, 50)[:4] == b"\x89PNG"
