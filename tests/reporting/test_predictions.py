"""The photos of the page: outlines, pictures within the page's weight, and the table that the script reads."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from carseg_lib.core import files
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.masks import encode_mask
from carseg_lib.evaluation.tables import read_predictions
from carseg_lib.reporting.html import page, pictures, predictions
from carseg_lib.reporting.html.page import write_report
from carseg_lib.reporting.html.pictures import FOLDER, make_pictures
from carseg_lib.reporting.html.run_files import RunFiles
from carseg_lib.reporting.outlines import drawing_size, mask_outline
from tests.helpers.carless import add_carless
from tests.helpers.drawn_cars import make_car_photos
from tests.helpers.fake_run import make_run
from tests.helpers.metadata import add_parameters


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("predictions")
    cars = make_car_photos(folder / "cars", {"train": 1, "validation": 2, "test": 4}, size=(60, 40))
    add_parameters(cars)
    return make_run(folder / "reports" / "fake", cars, figures="none")


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "reports" / "fake"))


def block(html: str, name: str) -> Any:
    found = re.search(rf'<script type="application/json" id="predictions-{name}">(.*?)</script>', html, re.S)
    assert found
    return json.loads(found[1])


def drawn(path: str, size: tuple[int, int]) -> np.ndarray:
    """The area inside a path of whole numbers, as a mask: moves relative to the point before, lines closed."""
    import cv2

    area = np.zeros((size[1], size[0]), np.uint8)
    whole = area.astype(bool)
    for line in re.findall(r"M(-?\d+ -?\d+)l([^z]*)z", path):
        start, steps = (np.array(re.findall(r"-?\d+", part), int).reshape(-1, 2) for part in line)
        points = np.cumsum(np.vstack([start, steps]), axis=0)
        inside = np.asarray(cv2.fillPoly(np.zeros_like(area), [points.astype(np.int32)], 1)).astype(bool)
        whole ^= inside
    return whole


def test_an_outline_encloses_its_mask_and_leaves_out_its_hole() -> None:
    y, x = np.mgrid[:160, :240]
    mask = ((x - 120) ** 2 / 90**2 + (y - 80) ** 2 / 50**2 < 1) & ((x - 120) ** 2 + (y - 80) ** 2 > 20**2)
    path = mask_outline(encode_mask(mask), 240, 160, (240, 160))
    assert path.count("M") == path.count("z") == 2
    area = drawn(path, (240, 160))
    assert (area & mask).sum() / (area | mask).sum() > 0.95
    assert len(path) < 400


def test_an_outline_is_drawn_smaller_than_a_large_photo() -> None:
    mask = np.zeros((900, 1200), bool)
    mask[300:600, 200:1000] = True
    assert drawing_size(1200, 900, 320) == (320, 240)
    assert drawing_size(240, 160, 320) == (240, 160)
    area = drawn(mask_outline(encode_mask(mask), 1200, 900, (320, 240)), (320, 240))
    rows, columns = np.flatnonzero(area.any(axis=1)), np.flatnonzero(area.any(axis=0))
    assert np.abs(np.array([rows[0], rows[-1], columns[0], columns[-1]]) - [80, 160, 53, 267]).max() <= 2


def test_no_mask_and_specks_have_no_outline() -> None:
    mask = np.zeros((40, 60), bool)
    assert mask_outline("", 60, 40, (60, 40)) == ""
    assert mask_outline(encode_mask(mask), 60, 40, (60, 40)) == ""
    mask[3, 3] = True
    assert mask_outline(encode_mask(mask), 60, 40, (60, 40)) == ""


def make_photos(folder: Path, count: int) -> list[Path]:
    rng = np.random.default_rng(0)
    folder.mkdir()
    for k in range(count):
        coarse = Image.fromarray(rng.integers(0, 255, (12, 18, 3), np.uint8))
        coarse.resize((360, 240), Image.Resampling.BICUBIC).save(folder / f"{k}.png")
    return [folder / f"{k}.png" for k in range(count)]


def test_pictures_are_as_large_as_all_of_them_fit(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "in", 12)
    wide = make_pictures(tmp_path, photos, 10_000_000)
    budget = int(0.6 * sum(map(len, wide.sources)))
    tight = make_pictures(tmp_path, photos, budget)
    assert wide.side == 360 and tight.side < 320
    for found in (wide, tight):
        assert found.beside == found.unreadable == 0
        assert all(source.startswith("data:image/webp;base64,") for source in found.sources)
    assert sum(map(len, tight.sources)) <= budget
    with Image.open(io.BytesIO(base64.b64decode(wide.sources[0].partition(",")[2]))) as picture:
        assert (picture.format, picture.size) == ("WEBP", (360, 240)), "never enlarged"


def test_what_does_not_fit_lies_beside_the_page_and_is_removed_when_it_does(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "in", 12)
    photos[10].write_bytes(b"no photo")
    smallest = make_pictures(tmp_path, photos, 0)
    assert smallest.beside == 11 and smallest.side == 0
    found = make_pictures(tmp_path, photos, 6_300)
    inside = [source for source in found.sources if source.startswith("data:")]
    assert 0 < len(inside) < 10 and found.unreadable == 1
    assert found.sources[: len(inside)] == inside, "the first ones are inside"
    beside = sorted((tmp_path / FOLDER).iterdir())
    assert [f"{FOLDER}/{path.name}" for path in beside] == [s for s in found.sources if s.startswith(FOLDER)]
    assert found.beside == len(beside) == 12 - len(inside) - 1
    line = predictions.line_of_pictures(found)
    assert line.startswith(f"Of 12 photos, {len(inside)} are inside this page")
    assert f"{len(beside)} are files in the folder photos/ beside it; 1 cannot be read" in line
    make_pictures(tmp_path, photos, 10_000_000)
    assert not (tmp_path / FOLDER).exists()


def test_the_table_holds_every_evaluated_photo_mistakes_first(run: Path) -> None:
    html = write_report(run).read_text(encoding="utf-8")
    data, sources = block(html, "data"), block(html, "pictures")
    rows = read_predictions(run / "predictions.csv").set_index("photo_id")
    photos = data["photos"]
    assert set(photos["id"]) == set(rows.index) and len(photos["id"]) == len(rows) == len(sources)
    wrong = [truth != predicted for truth, predicted in zip(photos["truth"], photos["predicted"], strict=True)]
    assert wrong == sorted(wrong, reverse=True) and sum(wrong) == (rows["predicted"] != rows["body_type"]).sum() > 0
    for k, name in enumerate(photos["id"]):
        row = rows.loc[name]
        assert data["splits"][photos["split"][k]] == row["split"]
        assert data["types"][photos["truth"][k]] == row["body_type"]
        assert (photos["predicted"][k] == -1) == (row["predicted"] == "")
        assert photos["labelled"][k].startswith("M")
        assert bool(photos["predicted_mask"][k]) == bool(row["mask"])
        scores = [box[1] for box in photos["boxes"][k]]
        assert scores == sorted(scores, reverse=True) and len(scores) == (2 if row["predicted"] else 0)
    names = {fact["name"] for fact in data["facts"]}
    assert {"brightness", "view", "light"} <= names and not [name for name in names if name.startswith("shape_")]
    assert f"Of {len(rows)} photos, {len(rows)} are inside this page" in html


def test_the_matrix_is_the_one_of_the_metrics(run: Path) -> None:
    html = write_report(run).read_text(encoding="utf-8")
    for split, part in files.read_json(run / "metrics.json")["splits"].items():
        table = html.split(f'data-split="{split}"')[1].split("</table>")[0]
        cells = re.findall(r'data-truth="(\w+)" data-predicted="([\w ]+)">(\d+)<span class="hidden"> photos', table)
        labels = part["confusion"]["labels"]
        expected = {
            (truth, predicted): n
            for truth, row in zip(labels, part["confusion"]["matrix"], strict=False)
            for predicted, n in zip(labels, row, strict=True)
            if n
        }
        assert {(truth, predicted): int(n) for truth, predicted, n in cells} == expected


def test_a_page_without_predictions_or_photos_says_so(run: Path) -> None:
    catalogue = files.read_json(run / "dataset" / "catalogue.json")
    files.write_json(run / "dataset" / "catalogue.json", catalogue | {"root": str(run / "gone")})
    html = write_report(run).read_text(encoding="utf-8")
    count = len(read_predictions(run / "predictions.csv"))
    assert f"{count} cannot be read and have no picture" in html
    (run / "predictions.csv").unlink()
    html = write_report(run).read_text(encoding="utf-8")
    assert "predictions.csv is missing in this run's folder: no photo can be shown." in html.replace("&#39;", "'")
    assert "predictions-data" not in html.split("<script>")[0] and "data-truth" not in html.split("<script>")[0]


def test_a_run_without_detections_shows_the_predicted_boxes(run: Path) -> None:
    (run / "detections.csv").unlink()
    gallery = predictions.gallery(RunFiles(run))
    assert gallery is not None
    photos = gallery.data["photos"]
    for predicted, boxes in zip(photos["predicted"], photos["boxes"], strict=True):
        assert [box[0] for box in boxes] == ([] if predicted == -1 else [predicted])


def test_photos_without_a_car_are_in_the_gallery_with_their_answers(run: Path, tmp_path: Path) -> None:
    add_carless(run, tmp_path / "negatives")
    html = write_report(run).read_text(encoding="utf-8")
    data, sources = block(html, "data"), block(html, "pictures")
    assert data["splits"] == ["test", "validation", "negatives"] and data["with_car"] == 2
    photos = [dict(zip(data["photos"], row, strict=True)) for row in zip(*data["photos"].values(), strict=True)]
    found = {photo["id"]: photo for photo in photos if photo["split"] == 2}
    assert set(found) == {"negatives/boat.jpg", "negatives/snowman.jpg", "negatives/gone.jpg"}
    boat = found["negatives/boat.jpg"]
    assert (boat["truth"], data["types"][boat["predicted"]], boat["score"]) == (-1, "suv", 0.72)
    assert [box[2:] for box in boat["boxes"]] == [[9, 6, 45, 30]] * 2 and boat["size"] == [90, 60]
    assert found["negatives/gone.jpg"]["predicted"] == -1, "its score is below the threshold"
    assert sources[data["photos"]["id"].index("negatives/gone.jpg")] == ""
    assert photos.index(boat) < next(k for k, one in enumerate(photos) if one["truth"] == one["predicted"])
    text = " ".join(re.sub(r"<[^>]+>", " ", html).split())
    assert "Photos without a car that are called one: 1 of 3 (negatives) ( look at them )" in text
    assert str(tmp_path) not in html


def test_an_outline_is_a_box_where_a_car_has_no_mask_and_nothing_where_it_is_empty(run: Path) -> None:
    catalogue = Catalogue.load(run / "dataset")
    cars = catalogue.instances.copy()
    cars.loc[cars.index[::2], "mask"] = ""  # a source that outlines some of its cars
    cars.loc[cars.index[1], "mask"] = encode_mask(np.zeros((40, 60), bool))
    replace(catalogue, instances=cars).save(run / "dataset")
    found = predictions.gallery(RunFiles(run))
    assert found is not None
    assert all(line.startswith("M") for line in found.data["photos"]["labelled"])


def test_of_very_many_photos_correct_ones_are_drawn_in_fewer_units(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictions, "MANY", 5)
    monkeypatch.setattr(predictions, "_FEWER", 30)
    found = predictions.gallery(RunFiles(run))
    assert found is not None
    photos = found.data["photos"]
    for truth, predicted, size in zip(photos["truth"], photos["predicted"], photos["drawing"], strict=True):
        assert size == ([30, 20] if truth == predicted else [60, 40])
    numbers = next(fact["values"] for fact in found.data["facts"] if fact["name"] == "brightness")
    assert len(numbers) == found.wrong < len(photos["id"]), "of the mistakes, which come first"


def test_the_page_weighs_what_it_may(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Less room, smaller pictures; without room the photos lie beside the page, whose policy then allows them."""
    whole = write_report(run).stat().st_size
    monkeypatch.setattr(page, "_MARKS", 1_000)
    monkeypatch.setattr(page, "MAX_BYTES", whole - 3_000)
    html = write_report(run).read_text(encoding="utf-8")
    assert len(html.encode()) <= whole - 3_000 and "img-src data:;" in html
    monkeypatch.setattr(pictures, "_STEPS", ((640, 75),))
    html = write_report(run).read_text(encoding="utf-8")
    assert "img-src data: &#39;self&#39; file:;" in html and list((run / FOLDER).glob("*.webp"))
