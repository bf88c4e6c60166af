import json

import numpy as np
import pytest
import torch
from PIL import Image

from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError
from carseg_lib.data.masks import decode_mask
from carseg_lib.engine.likeness import ImageNetClassifier
from carseg_lib.engine.presence import Presence
from carseg_lib.engine.trainer import train
from carseg_lib.workflow.predict import LARGEST_SIDE, Predictor, predict_path
from tests.helpers.small_run import small_run, with_dataset


@pytest.fixture(scope="module")
def trained(tmp_path_factory, synthetic_cars):
    with pytest.MonkeyPatch.context() as patch:
        run = small_run(patch, tmp_path_factory.mktemp("reports"), synthetic_cars, epochs=1, score_threshold=0.0)
        with_dataset(run)
        train(run.config, run)
        with_threshold(run, 0.0)
        yield run


def with_threshold(run, threshold: float) -> None:
    """A threshold that evaluation would have chosen; the detector alone decides."""
    sha256 = files.read_json(run.best_card)["sha256"]
    weights = ImageNetClassifier(torch.device("cpu")).sha256
    Presence((), (), np.array([threshold]), 1, 0.99, weights, sha256).save(run.presence)


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
    assert answer in caplog.messages[0]
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
    answers = predict_path(trained, photos, tmp_path / "out")
    assert sorted(p.name for p, _ in answers) == ["grey.jpg", "large.png"]
    assert (tmp_path / "out" / "trip" / "grey.jpg.json").is_file()
    assert any("broken.jpg" in line and "left out" in line for line in caplog.messages)
    assert not (tmp_path / "out" / "broken.jpg.json").exists()
    page = (tmp_path / "out" / "index.html").read_text()
    for name in ("large.png", "trip/grey.jpg"):
        assert f'src="thumbnails/{name}.webp"' in page and (tmp_path / "out" / "thumbnails" / f"{name}.webp").is_file()
    assert "2 predicted photos" in page and "1 file could not be read" in page
    with Image.open(tmp_path / "out" / "large.png.png") as overlay:
        assert overlay.size == (LARGEST_SIDE, LARGEST_SIDE // 2)
    assert json.loads((tmp_path / "out" / "large.png.json").read_text())["width"] == 2000


def test_mistakes_get_one_line(trained, tmp_path):
    with pytest.raises(CarsegError, match="no such file or folder"):
        predict_path(trained, tmp_path / "nothing", tmp_path / "out")
    with pytest.raises(CarsegError, match="holds no photo"):
        predict_path(trained, tmp_path, tmp_path / "out")
    (tmp_path / "bad.jpg").write_bytes(b"")
    with pytest.raises(CarsegError, match="no photo in it can be read"):
        predict_path(trained, tmp_path / "bad.jpg", tmp_path / "out")
    assert not (tmp_path / "out").exists()
