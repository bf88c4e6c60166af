import csv
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from pycocotools.coco import COCO

from carseg_lib.core.errors import CarsegError
from carseg_lib.data.masks import box_of_mask, decode_mask, encode_mask, mask_iou, polygons_to_mask
from carseg_lib.data.photos import ImageError
from carseg_lib.engine import distributed, shares
from carseg_lib.engine.predictor import BATCH, Predictor
from carseg_lib.engine.shares import Shares
from carseg_lib.engine.trainer import train
from carseg_lib.workflow.predict import predict_path
from carseg_lib.workflow.prediction_files import KINDS, LARGEST_SIDE, cut_out, read_kinds
from tests.helpers.small_run import small_run, with_dataset, with_threshold


@pytest.fixture(scope="module")
def trained(tmp_path_factory, synthetic_cars):
    with pytest.MonkeyPatch.context() as patch:
        run = small_run(patch, tmp_path_factory.mktemp("reports"), synthetic_cars, epochs=1, score_threshold=0.0)
        with_dataset(run)
        train(run.config, run)
        with_threshold(run, 0.0)
        yield run


def test_a_photo_gives_an_overlay_and_a_json(trained, synthetic_cars, tmp_path, caplog):
    photo = next((synthetic_cars / "images").rglob("*.jpg"))
    caplog.set_level("INFO", logger="carseg_lib.workflow.predict")
    ((path, answer),) = predict_path(trained, photo, tmp_path / "out")
    content = json.loads((tmp_path / "out" / f"{photo.name}.json").read_text())
    assert path == photo and content["photo"] == photo.name and content["predicted"] == answer
    assert (content["width"], content["height"]) == (240, 160)
    first = content["detections"][0]
    assert first["body_type"] == answer and 0 <= first["score"] <= 1
    assert decode_mask(first["mask"]["counts"], *first["mask"]["size"]).shape == (160, 240)
    x1, y1, x2, y2 = first["box"]
    assert 0 <= x1 < x2 <= 240 and 0 <= y1 < y2 <= 160
    with Image.open(tmp_path / "out" / f"{photo.name}.png") as overlay, Image.open(photo) as original:
        assert overlay.size == (3 * 240, 3 * 160)
        enlarged = original.resize(overlay.size)
        assert not np.array_equal(np.array(overlay.convert("RGB")), np.array(enlarged))
    assert answer in caplog.messages[0] and not (tmp_path / "out" / "predictions.csv").exists()
    assert content["sure"] == (first["score"] >= 0.5) == ("not sure" not in caplog.messages[0])
    assert first["is_car"] and first["likeness"] == 1 and first["car_score"] <= 1 and content["threshold"] == 0


def test_a_photo_in_which_nothing_looks_like_a_car_is_answered_so(trained, synthetic_cars, tmp_path, caplog):
    photo = next((synthetic_cars / "images").rglob("*.jpg"))
    caplog.set_level("INFO", logger="carseg_lib.workflow.predict")
    with_threshold(trained, 1.5)
    try:
        ((_, answer),) = predict_path(trained, photo, tmp_path / "out")
    finally:
        with_threshold(trained, 0.0)
    content = json.loads((tmp_path / "out" / f"{photo.name}.json").read_text())
    assert answer == "no car" and content["predicted"] is None
    assert content["detections"] and not any(one["is_car"] for one in content["detections"])
    assert "no car: the nearest to one" in caplog.messages[0] and "100.0% of the validation cars" in caplog.messages[0]
    with Image.open(tmp_path / "out" / f"{photo.name}.png") as overlay, Image.open(photo) as original:
        assert np.array_equal(np.array(overlay.convert("RGB")), np.array(original.resize(overlay.size)))


def test_a_run_without_a_threshold_is_refused(trained, tmp_path):
    trained.presence.rename(tmp_path / "away.json")
    try:
        with pytest.raises(CarsegError, match="make evaluate RUN=smoke"):
            Predictor(trained)
        content = json.loads((tmp_path / "away.json").read_text())
        trained.presence.write_text(json.dumps(content | {"imagenet_sha256": "other"}))
        with pytest.raises(CarsegError, match="other ImageNet weights"):
            Predictor(trained)
    finally:
        (tmp_path / "away.json").rename(trained.presence)


def test_a_folder_keeps_its_subfolders_and_tells_of_bad_photos(trained, tmp_path, caplog):
    photos = tmp_path / "photos"
    (photos / "trip").mkdir(parents=True)
    Image.new("RGB", (2000, 1000), "red").save(photos / "large.png")
    Image.new("L", (90, 120), 128).save(photos / "trip" / "grey.jpg")
    (photos / "broken.jpg").write_bytes(b"no photo")
    (photos / "notes.txt").write_text("not looked at")
    for name in ("one.gif", "two.GIF"):
        Image.new("RGB", (90, 60)).save(photos / name, "GIF")
    Image.new("RGB", (90, 60)).save(photos / "IMG_1", "PNG")  # a photo by its content
    answers = predict_path(trained, photos, tmp_path / "out")
    assert sorted(p.name for p, _ in answers) == ["IMG_1", "grey.jpg", "large.png"]
    assert (tmp_path / "out" / "trip" / "grey.jpg.json").is_file()
    assert "left out, no photos of a format that is read: 2 .gif, 1 .txt" in caplog.messages
    assert any("broken.jpg" in line and "left out" in line for line in caplog.messages)
    assert caplog.messages[-1] == "1 of 4 photos could not be read and are left out"
    assert not (tmp_path / "out" / "broken.jpg.json").exists()
    page = (tmp_path / "out" / "index.html").read_text()
    for name in ("large.png", "trip/grey.jpg"):
        assert f'src="thumbnails/{name}.webp"' in page and (tmp_path / "out" / "thumbnails" / f"{name}.webp").is_file()
    assert "3 predicted photos" in page and "1 file could not be read" in page
    with Image.open(tmp_path / "out" / "large.png.png") as overlay:
        assert overlay.size == (LARGEST_SIDE, LARGEST_SIDE // 2)
    assert json.loads((tmp_path / "out" / "large.png.json").read_text())["width"] == 2000


def _contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_two_processes_write_what_one_writes(trained, synthetic_cars, tmp_path, caplog):
    photos = tmp_path / "photos"
    shutil.copytree(synthetic_cars / "images", photos)
    for i in range(2 * BATCH):
        Image.new("RGB", (60 + i, 90), "blue").save(photos / f"{i}.png")
    (photos / "broken.jpg").write_bytes(b"no photo")
    (photos / "notes.txt").write_text("not looked at")
    trained.save()
    said, files_of, answers = {}, {}, {}
    for processes in (1, 2):
        caplog.clear()
        caplog.set_level("INFO", logger="carseg_lib")
        answers[processes] = predict_path(trained, photos, tmp_path / "out", " ".join(KINDS), processes)
        files_of[processes] = _contents(tmp_path / "out")
        said[processes] = [line for line in caplog.messages if not line.startswith("photos predicted: ")]
        (tmp_path / "out").rename(tmp_path / f"out-{processes}")
    assert len(answers[1]) == 24 + 2 * BATCH and answers[2] == answers[1]
    assert said[2] == said[1] and said[1][-1] == "1 of 41 photos could not be read and are left out"
    assert files_of[2] == files_of[1] and Path("coco/results.json") in files_of[1]


def test_processes_of_several_machines_take_their_share_and_the_first_writes_the_tables(
    trained, synthetic_cars, tmp_path, monkeypatch
):
    """Each process as torchrun starts it on its machine, one after the other: here the second comes first."""
    photos = synthetic_cars / "images"
    alone = predict_path(trained, photos, tmp_path / "alone", "table json")
    together = tmp_path / "together"
    waits = []
    monkeypatch.setattr(distributed, "wait_for_all", lambda: waits.append(1))
    monkeypatch.setattr(shares, "_BLOCK", BATCH)
    for name, value in {"TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": "2", "RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    assert predict_path(trained, photos, together, "table json") == []
    assert not (together / "predictions.csv").exists()
    assert len(list(together.rglob("0*.json"))) == BATCH + 1  # its eight of 24 photos, and what it tells of them
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setattr(Shares, "remove", lambda self: None)
    assert predict_path(trained, photos, together, "table json") == alone
    assert len(waits) == 4  # before and after a process's share
    monkeypatch.undo()
    Shares(together / ".shares").remove()
    assert _contents(together) == _contents(tmp_path / "alone")


def test_mistakes_get_one_line(trained, tmp_path):
    with pytest.raises(CarsegError, match="no such file or folder"):
        predict_path(trained, tmp_path / "nothing", tmp_path / "out")
    with pytest.raises(CarsegError, match="holds no photo"):
        predict_path(trained, tmp_path, tmp_path / "out")
    (tmp_path / "bad.jpg").write_bytes(b"")
    with pytest.raises(CarsegError, match="no photo in it can be read"):
        predict_path(trained, tmp_path / "bad.jpg", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_photos_of_a_batch_are_answered_as_if_each_were_alone(trained, synthetic_cars, tmp_path):
    photos = sorted((synthetic_cars / "images").rglob("*.jpg"))[: BATCH + 2]
    Image.new("RGB", (700, 300), "grey").save(tmp_path / "large.png")
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    photos[3:3] = [tmp_path / "broken.jpg", tmp_path / "large.png"]
    predictor = Predictor(trained)
    with ThreadPoolExecutor(2) as pool:
        found = dict(predictor.predict_many(photos, pool))
    assert list(found) == photos and isinstance(found.pop(tmp_path / "broken.jpg"), ImageError)
    for path, prediction in found.items():
        alone = predictor(path)
        assert alone.detections == prediction.detections and alone.cars == prediction.cars
        assert prediction.full_photo().size == prediction.size == Image.open(path).size
    assert found[tmp_path / "large.png"].image.shape == (82, 192, 3)
    assert sum(len(one.detections) for one in found.values()) > 0


def test_what_is_written_is_what_the_model_found(trained, synthetic_cars, tmp_path):
    """Masks of PNG, run lengths and polygons, areas, boxes and cut-outs of one prediction agree."""
    photos, out = tmp_path / "photos", tmp_path / "out"
    (photos / "trip").mkdir(parents=True)
    for k, path in enumerate(sorted((synthetic_cars / "images").rglob("*.jpg"))[:3]):
        Image.open(path).save(photos / "trip" / f"{k}.png")
    Image.new("RGB", (60, 40), "white").save(photos / "empty.png")
    predict_path(trained, photos, out, "table,masks cutouts polygons coco coco-rle")
    assert (
        not (out / "index.html").exists() and not list(out.glob("**/*.png.png")) and not (out / "thumbnails").exists()
    )
    with (out / "predictions.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    truth = COCO(out / "coco" / "annotations" / "instances_default.json")
    results = truth.loadRes(str(out / "coco" / "results.json"))
    exact = COCO(out / "coco-rle" / "annotations" / "instances_default.json")
    assert (out / "coco-rle" / "results.json").read_bytes() == (out / "coco" / "results.json").read_bytes()
    names = {one["file_name"]: one["id"] for one in truth.dataset["images"]}
    assert list(names) == ["empty.png", "trip/0.png", "trip/1.png", "trip/2.png"]
    assert (out / "coco" / "images" / "trip" / "0.png").samefile(photos / "trip" / "0.png")
    types = [one["name"] for one in truth.dataset["categories"]]
    seen = 0
    for name, number in names.items():
        of_photo = [row for row in rows if row["photo"] == name]
        content = json.loads((out / f"{name}.json").read_text())
        cars = [one for one in content["detections"] if one["is_car"]]
        annotations, found = (coco.loadAnns(coco.getAnnIds(number)) for coco in (truth, results))
        assert [one["score"] for one in found] == [one["score"] for one in content["detections"]]
        assert len(annotations) == len(cars) and {row["cars"] for row in of_photo} == {str(len(cars))}
        if not cars:
            assert [row["answer"] for row in of_photo] == ["no car"] and of_photo[0]["area"] == ""
            continue
        photo = np.array(Image.open(photos / name).convert("RGB"))
        for car, row, annotation in zip(cars, of_photo, annotations, strict=True):
            height, width = car["mask"]["size"]
            mask = decode_mask(car["mask"]["counts"], height, width)
            assert row["body_type"] == car["body_type"] == types[annotation["category_id"] - 1]
            assert float(row["score"]) == car["score"] == annotation["attributes"]["score"]
            assert [float(row[edge]) for edge in ("x1", "y1", "x2", "y2")] == car["box"]
            np.testing.assert_allclose(annotation["bbox"][2:], np.subtract(car["box"][2:], car["box"][:2]), atol=0.01)
            assert int(row["area"]) == annotation["area"] == np.count_nonzero(mask)
            assert float(row["share"]) == np.count_nonzero(mask) / mask.size
            assert row["answer"] == ("sure" if car["score"] >= 0.5 else "not sure")
            assert sum(float(row[f"p_{name}"]) for name in types) <= 1.0001
            png = np.array(Image.open(out / "masks" / f"{name}.{row['car']}.png"))
            assert np.array_equal(png, 255 * mask)
            assert np.array_equal(exact.annToMask(exact.anns[annotation["id"]]), mask)
            if mask.any():
                assert mask_iou(polygons_to_mask(car["polygons"], height, width), mask) >= 0.99
                assert mask_iou(truth.annToMask(annotation).astype(bool), mask) >= 0.99
                cut = np.array(Image.open(out / "cutouts" / f"{name}.{row['car']}.png"))
                x1, y1, x2, y2 = map(int, box_of_mask(mask))
                assert np.array_equal(cut[..., 3] > 0, mask[y1:y2, x1:x2])
                assert np.array_equal(cut[..., :3], photo[y1:y2, x1:x2] * mask[y1:y2, x1:x2, None])
            seen += 1
        for one, detection in zip(found, content["detections"], strict=True):
            assert encode_mask(results.annToMask(one)) == detection["mask"]["counts"]
    assert seen > 0
    predict_path(trained, photos / "empty.png", out, "page")
    page = (out / "index.html").read_text()
    assert "3 results of earlier calls" in page, "COCO files are no results of photos"


@settings(deadline=None, max_examples=30)
@given(arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))).filter(np.any))
def test_a_cut_out_is_as_small_as_its_car(mask):
    photo = Image.new("RGB", mask.shape[::-1], (1, 2, 3))
    cut = np.array(cut_out(photo, mask))
    opaque = cut[..., 3] == 255
    assert np.count_nonzero(opaque) == np.count_nonzero(mask) and (cut[opaque] == (1, 2, 3, 255)).all()
    assert not cut[~opaque].any()
    assert all(opaque.any(axis=axis)[[0, -1]].all() for axis in (0, 1))


def test_save_names_kinds(trained, tmp_path):
    assert read_kinds("") == read_kinds("page") == {"page", "overlays", "json"}
    assert read_kinds(" table, masks") == {"table", "masks"} and read_kinds("polygons") == {"polygons", "json"}
    with pytest.raises(CarsegError, match=f"'mask' is none of {', '.join(KINDS)}.*did you mean 'masks'"):
        read_kinds("mask")
    Image.new("RGB", (60, 40)).save(tmp_path / "a.png")
    images = tmp_path / "out" / "coco" / "images"
    images.mkdir(parents=True)
    with pytest.raises(CarsegError, match="not a link of an export"):
        predict_path(trained, tmp_path / "a.png", tmp_path / "out", "coco")
    assert list((tmp_path / "out").rglob("*")) == [Path(images.parent), images]
