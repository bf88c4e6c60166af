"""A run's model as the one that comes with carseg: measured on the packed file, as `make predict` answers."""

import pytest

from carseg_lib.core.errors import CarsegError
from carseg_lib.core.formatting import percent
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.engine.packaged import open_packaged
from carseg_lib.engine.predictor import Predictor
from carseg_lib.engine.trainer import train
from carseg_lib.experiments.packing import pack_model
from carseg_lib.models.pretrained import read_packed
from tests.helpers.drawn_cars import make_background
from tests.helpers.small_run import small_run, with_dataset, with_threshold


def test_what_the_card_says_is_what_the_packed_model_answers(monkeypatch, tmp_path, synthetic_cars):
    run = small_run(monkeypatch, tmp_path / "reports", synthetic_cars, epochs=1, score_threshold=0.0)
    with_dataset(run)
    train(run.config, run)
    with pytest.raises(CarsegError, match="make evaluate RUN="):
        pack_model(run)
    with_threshold(run, 0.2)
    make_background(tmp_path / "roads", 3)
    path = pack_model(run, str(synthetic_cars), str(tmp_path / "roads"))
    measured = read_packed(path, "model", "")[1]["measured"]
    own, other = measured["cars"]
    assert measured["trained_on"].startswith(f"the {len(Catalogue.load(run.dataset).split('train').photos)} training")
    assert own["accuracy"] == other["accuracy"], "the same photos, given twice"
    predictor = Predictor(open_packaged("cpu", path))
    photos = Catalogue.load(run.dataset).split("validation")
    answers = {row.photo_id: predictor(photos.root / row.photo_id).best for row in photos.photos.itertuples()}
    right = [
        answers[row.photo_id] is not None and answers[row.photo_id].body_type == row.body_type
        for row in photos.photos.itertuples()
    ]
    assert own["accuracy"]["value"] == sum(right) / len(right) and own["accuracy"]["n"] == len(right)
    assert sum(recall["n"] for recall in own["recall"].values()) == len(right)
    assert 0 <= own["mask_iou"]["low"] <= own["mask_iou"]["value"] <= own["mask_iou"]["high"] <= 1
    called = [bool(predictor(photo).cars) for photo in sorted((tmp_path / "roads").glob("*"))]
    assert measured["without_car"]["called_a_car"]["value"] == sum(called) / 3
    card = path.with_suffix(".md").read_text(encoding="utf-8")
    assert percent(own["accuracy"]["value"]) in card and "without a car" in card
