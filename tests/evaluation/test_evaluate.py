import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from carseg_lib.core import files
from carseg_lib.core.config import ModelConfig
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.run import Run
from carseg_lib.data.boxes import box_iou, largest_instance
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.masks import decode_mask, encode_mask
from carseg_lib.engine.inference import Detection, choose_device, load_trained, photo_detections
from carseg_lib.engine.presence import Presence
from carseg_lib.engine.trainer import train
from carseg_lib.evaluation import evaluate as evaluation
from carseg_lib.evaluation import presence_run
from carseg_lib.evaluation.evaluate import evaluate, mask_iou, shares_of, training_summary
from carseg_lib.evaluation.presence import PRESENCE
from carseg_lib.evaluation.tables import (
    DETECTIONS,
    PREDICTIONS,
    probabilities,
    probability_columns,
    read_detections,
    read_predictions,
    read_table,
)
from tests.helpers.small_run import small_run, with_dataset


@pytest.fixture(scope="module")
def trained(tmp_path_factory, synthetic_cars):
    with pytest.MonkeyPatch.context() as patch:
        run = small_run(patch, tmp_path_factory.mktemp("reports"), synthetic_cars)
        with_dataset(run)
        train(run.config, run)
        yield run, evaluate(run.config, run)


def test_metrics_have_every_headline_number_with_n_and_interval_for_each_split(trained):
    run, metrics = trained
    assert metrics == json.loads(run.metrics.read_text())
    names = ("accuracy", "macro_precision", "macro_recall", "macro_f1", "box_ap", "mask_ap", "mask_iou")
    for split, n in (("train", 4), ("validation", 8), ("test", 4)):
        scores = metrics["splits"][split]
        for name in names:
            estimate = scores[name]
            assert 0 <= estimate["low"] <= estimate["value"] <= estimate["high"] <= 1
        assert scores["accuracy"]["n"] == n == np.sum(scores["confusion"]["matrix"])
        assert set(scores["per_type"]) == {"suv", "sedan", "convertible", "minivan"}
    assert metrics["data"]["counts"]["train"] == {"suv": 2, "sedan": 2, "convertible": 2, "minivan": 2}  # of those used
    assert metrics["data"]["masks"] == "given" and metrics["run"]["device"] == "cpu"
    assert metrics["run"]["precision"] == "32-true"  # profile smoke
    assert "seconds" not in json.dumps(metrics)  # the same seed gives the same file


def test_the_opinion_on_the_type_is_learned_where_it_counts_and_changes_no_accuracy(trained, tmp_path, monkeypatch):
    run, before = trained
    assert before["presence"]["opinion"] is False and Presence.load(run, model_of(run)).opinion is None
    shutil.copytree(run.folder, tmp_path / run.name)
    monkeypatch.setenv("CARSEG_REPORTS", str(tmp_path))
    monkeypatch.setattr(presence_run, "learn_classes", lambda *_: np.array([436, 656]))
    run = Run.open(run.name).updated(eval={"second_opinion": "on"})
    run.save()
    after = evaluate(run.config, run)
    opinion = Presence.load(run, model_of(run)).opinion
    assert opinion.types == ("suv", "sedan", "convertible", "minivan") and opinion.weights.shape == (2, 4)
    assert after["presence"]["opinion"] is True and after["presence"]["answers"]["test"]["n"] == 4
    assert after["splits"] == before["splits"]


def model_of(run):
    return files.read_json(run.best_card)["sha256"]


def test_drawn_masks_beside_given_ones_are_no_truth(trained, tmp_path, monkeypatch):
    run, before = trained
    shutil.copytree(run.folder, tmp_path / run.name)
    monkeypatch.setenv("CARSEG_REPORTS", str(tmp_path))
    run = Run.open(run.name)
    dataset = Catalogue.load(run.dataset)
    judged = dataset.photos.photo_id[dataset.photos.split != "train"]
    drawn = dataset.instances.photo_id.isin(judged.iloc[::2])
    wrong = np.zeros((160, 240), bool)
    wrong[:8] = True
    cars = dataset.instances.copy()
    cars.loc[drawn, ["mask", "mask_origin", "mask_quality"]] = [encode_mask(wrong), "pseudo", 0.8]
    replace(dataset, instances=cars).save(run.dataset)
    after = evaluate(run.config, run)
    known = read_predictions(run.predictions).set_index("photo_id").mask_iou
    for split, n in (("validation", 8), ("test", 4)):
        then, now = before["splits"][split], after["splits"][split]
        assert now["accuracy"] == then["accuracy"] and now["box"] == then["box"] and now["box_iou"] == then["box_iou"]
        assert now["mask_iou"]["n"] == now["mask_ap"]["n"] == n // 2
    assert known[judged.iloc[::2]].isna().all()
    assert (
        after["data"]["masks"] == f"given for {(~drawn).sum()} cars, pseudo for {drawn.sum()}, which are not measured"
    )
    assert after["data"]["mask_quality"] == 0.8


def test_cars_and_a_folder_of_other_things_are_looked_at_again(trained, tmp_path):
    run, metrics = trained
    assert list(metrics["presence"]["without_car"]) == ["built-in"]
    assert metrics["presence"]["without_car"]["built-in"]["photos"] == 8  # max_images_per_split
    assert metrics["presence"]["kept"]["test"]["n"] == 4
    rng = np.random.default_rng(0)
    (tmp_path / "things" / "more").mkdir(parents=True)
    for i, folder in enumerate((".", "more", "more")):
        noise = rng.integers(0, 256, (40 + 20 * i, 90, 3), dtype=np.uint8)
        Image.fromarray(noise).save(tmp_path / "things" / folder / f"{i}.png")
    other = run.updated(eval={"negatives": str(tmp_path / "things")})
    again = evaluate(other.config, other)
    assert {name: part for name, part in again.items() if name != "presence"} == {
        name: part for name, part in metrics.items() if name != "presence"
    }
    found = again["presence"]
    assert list(found["without_car"]) == ["built-in", "negatives"] and found["without_car"]["negatives"]["photos"] == 3
    table = read_table(run.presence_table, PRESENCE)
    things = table[table["source"] == "negatives"]
    assert set(things["photo_id"]) == {"0.png", "more/1.png", "more/2.png"}
    assert (things["likeness"].dropna() < 0.5).all()  # noise is no car to the untouched network
    sizes = things["photo_id"].map({"0.png": 40, "more/1.png": 60, "more/2.png": 80})
    assert (things["y2"].dropna() <= sizes[things["y2"].notna()]).all()  # in the photo's own pixels
    assert np.isclose(table["score"], table["object_score"] * table["likeness"], equal_nan=True).all()
    card = files.read_json(run.presence)
    assert card["threshold"] == found["threshold"] and card["validation_cars"] == 8
    assert card["model_sha256"] == files.read_json(run.best_card)["sha256"]
    with pytest.raises(CarsegError, match="no such folder"):
        Run.create("quick", negatives=str(tmp_path / "nowhere"))
    evaluate(run.config, run)  # as the other tests find it


def test_accuracy_is_the_share_of_correct_predictions_and_files_agree(trained):
    run, metrics = trained
    predictions = read_predictions(run.predictions)
    for split, part in predictions.groupby("split"):
        accuracy = metrics["splits"][split]["accuracy"]["value"]
        assert accuracy == pytest.approx((part.predicted == part.body_type).mean())
    detections = read_detections(run.detections)
    types = list(metrics["splits"]["test"]["per_type"])
    assert list(predictions) == [*PREDICTIONS, *probability_columns(types)] and list(detections) == list(DETECTIONS)
    best = detections.groupby("photo_id").score.max()
    found = predictions[predictions.predicted != ""].set_index("photo_id")
    assert (found.score == best.reindex(found.index)).all()
    report = pd.read_csv(run.folder / "classification_report.csv")
    assert set(report.split) == {"train", "validation", "test"}
    assert "## Validation" in (run.folder / "classification_report.md").read_text()


def test_the_probability_of_the_predicted_type_is_the_score(trained):
    run, metrics = trained
    types = list(metrics["splits"]["test"]["per_type"])
    predictions = read_predictions(run.predictions)
    found = (predictions.predicted != "").to_numpy()
    of_types = probabilities(predictions, types)
    assert found.any() and (of_types[~found] == 0).all()
    assert ((of_types >= 0).all(1) & (of_types.sum(1) <= 1 + 1e-6)).all() and (of_types[found] > 0).all()
    assert (of_types[found].max(1) == predictions.score[found]).all()  # to the last bit
    assert [types[i] for i in of_types[found].argmax(1)] == predictions.predicted[found].tolist()
    # a car's other types were detected in the same region, with the probability as their score
    detections = read_detections(run.detections).set_index(["photo_id", "x1", "y1", "x2", "y2", "body_type"]).score
    compared = 0
    for row in predictions[found].itertuples():
        for place, body_type in enumerate(types):
            key = (row.photo_id, row.x1, row.y1, row.x2, row.y2, body_type)
            if key in detections.index:
                assert detections[key] == of_types[row.Index, place]
                compared += body_type != row.predicted
    assert compared


def test_a_model_that_gives_scores_alone_leaves_the_probabilities_empty():
    alone = Detection("suv", 0.9, (0.0, 0.0, 5.0, 5.0), "")
    assert np.isnan(list(evaluation._probabilities(alone, ["suv", "sedan"]).values())).all()
    assert evaluation._probabilities(None, ["suv", "sedan"]) == {"p_suv": 0.0, "p_sedan": 0.0}


def test_a_car_may_be_detected_as_several_types_and_the_prediction_is_the_best(trained):
    """COCO's average precision is over all of them; suppression between types is for the prediction alone."""
    run, _ = trained
    predictions = read_predictions(run.predictions).set_index("photo_id")
    detections = read_detections(run.detections)
    of_box = detections.groupby(["photo_id", "x1", "y1", "x2", "y2"]).body_type
    assert of_box.nunique().max() > 1 and (of_box.nunique() == of_box.size()).all()
    first = detections.sort_values("score", ascending=False, kind="stable").drop_duplicates("photo_id")
    assert (first.set_index("photo_id").body_type == predictions.predicted[first.photo_id]).all()


def test_evaluating_again_gives_the_same_bytes(trained):
    run, _ = trained
    first = run.metrics.read_bytes(), run.predictions.read_bytes(), run.detections.read_bytes()
    evaluate(run.config, run)
    assert first == (run.metrics.read_bytes(), run.predictions.read_bytes(), run.detections.read_bytes())


@pytest.mark.slow
def test_two_processes_write_what_one_writes(trained, caplog, monkeypatch):
    run, metrics = trained
    names = ("metrics", "predictions", "detections", "presence", "presence_table")
    alone = {name: getattr(run, name).read_bytes() for name in names}
    two = run.updated(num_processes=2)
    two.save()
    stale = run.checkpoints / "evaluation-0123456789abcdef" / "test" / "000000.json"
    files.write_sealed_json(stale, {"results": []})
    caplog.set_level("INFO", logger="carseg_lib")
    monkeypatch.setattr(evaluation, "detect", None)  # this process detects nothing
    try:
        assert evaluate(two.config, two) == metrics
    finally:
        run.save()
    assert {name: getattr(run, name).read_bytes() for name in names} == alone
    assert not list(run.checkpoints.glob("evaluation-*"))
    assert "photos predicted: 8 of 8 photos, 0 s left" in caplog.messages  # what a process said


def test_shares_are_of_one_model_and_one_set_of_photos(trained, tmp_path):
    run, _ = trained
    dataset = Catalogue.load(run.dataset)
    folder = shares_of(run.config, run, dataset).folder
    Image.new("RGB", (90, 60), "red").save(tmp_path / "a.png")
    for other in ({"eval": {"tta": "hflip"}}, {"eval": {"negatives": str(tmp_path)}}, {"train": {"batch_size": 2}}):
        changed = run.updated(**other)
        assert shares_of(changed.config, changed, dataset).folder != folder, other
    assert shares_of(run.config, run, dataset.without(dataset.photos.photo_id[:1], "x", [""])).folder != folder
    assert shares_of(run.updated(num_processes=2).config, run, dataset).folder == folder


def test_the_training_accuracy_of_the_best_epoch_is_measured_again(trained):
    """Training and evaluation measure the same sample with the same weights by two paths."""
    run, metrics = trained
    best = pd.read_csv(run.history).query("best").iloc[0]
    assert metrics["splits"]["train"]["accuracy"]["value"] == pytest.approx(best.train_accuracy)
    assert metrics["splits"]["validation"]["accuracy"]["value"] == pytest.approx(best.validation_accuracy)
    assert metrics["training"]["train_accuracy"]["n"] == run.config.train.train_eval_size == best.train_sample


def test_changed_weights_are_refused(trained, tmp_path):
    run, _ = trained
    kept = run.best_weights.read_bytes()
    try:
        run.best_weights.write_bytes(kept[:-1] + b"x")
        with pytest.raises(CarsegError, match=r"best\.json describes"):
            load_trained(run.config, run)
    finally:
        run.best_weights.write_bytes(kept)


def test_a_run_without_a_model_says_what_to_do(monkeypatch, tmp_path, synthetic_cars):
    run = small_run(monkeypatch, tmp_path, synthetic_cars)
    with pytest.raises(CarsegError, match="no trained model yet; run make train RUN=smoke"):
        load_trained(run.config, run)


def test_detections_are_in_the_photos_own_pixels_best_first():
    found = {
        "boxes": torch.tensor([[0.0, 0.0, 50.0, 100.0], [10.0, 20.0, 90.0, 80.0], [12.0, 20.0, 90.0, 80.0]]),
        "labels": torch.tensor([1, 2, 3]),
        "scores": torch.tensor([0.3, 0.9, 0.6]),
        "masks": torch.ones(3, 1, 28, 28),
    }
    config = ModelConfig(score_threshold=0.05, class_agnostic_nms_iou=0.5)
    image_size = (100, 200)  # height and width
    types = ("suv", "sedan", "convertible", "minivan")
    first, second = photo_detections(found, (240, 160), image_size, types, config)
    assert (first.body_type, second.body_type) == ("sedan", "suv")  # the third overlaps the first: one car
    assert first.box == pytest.approx((12, 32, 108, 128))
    mask = decode_mask(first.mask, 160, 240)
    ys, xs = np.where(mask)
    assert (xs.min(), ys.min()) == pytest.approx((12, 32), abs=3)
    assert (xs.max() + 1, ys.max() + 1) == pytest.approx((108, 128), abs=3)
    assert mask.mean() == pytest.approx(96 * 96 / 240 / 160, rel=0.05)


def test_overlaps_by_hand():
    true_mask = np.zeros((10, 10), bool)
    true_mask[:5] = True
    half = np.zeros((10, 10), bool)
    half[:5, :5] = True
    truth = SimpleNamespace(x1=0.0, y1=0.0, x2=10.0, y2=5.0, mask=encode_mask(true_mask))
    prediction = Detection("suv", 0.9, (0.0, 0.0, 5.0, 5.0), encode_mask(half))
    assert box_iou(prediction.box, (0.0, 0.0, 10.0, 5.0)) == pytest.approx(25 / 50)
    assert mask_iou(prediction, truth, 10, 10) == pytest.approx(25 / 50)
    assert mask_iou(None, truth, 10, 10) == 0.0
    assert np.isnan(mask_iou(prediction, SimpleNamespace(mask=""), 10, 10))


def test_a_photos_truth_is_its_largest_car_of_its_type():
    cars = pd.DataFrame(
        {"body_type": ["suv", "sedan", "suv"], "x1": 0.0, "y1": 0.0, "x2": [5.0, 90.0, 20.0], "y2": 10.0, "mask": ""}
    )
    assert largest_instance(cars, "suv").x2 == 20.0


def test_training_summary_by_hand():
    history = pd.DataFrame(
        {
            "epoch": [1, 2],
            "best": [False, True],
            "train_sample": 50,
            "train_accuracy": [0.5, 0.9],
            "validation_accuracy": [0.4, 0.8],
            "train_loss": [2.0, 1.0],
        }
    )
    summary = training_summary(history)
    assert summary["best_epoch"] == 2 and summary["final_train_loss"] == 1.0
    assert summary["mean_train_accuracy"] == pytest.approx(0.7) and summary[
        "mean_validation_accuracy"
    ] == pytest.approx(0.6)
    assert summary["train_accuracy"]["value"] == 0.9 and 0.75 < summary["train_accuracy"]["low"] < 0.9


def test_devices(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert choose_device("auto").type == "cpu"
    with pytest.raises(CarsegError, match="DEVICE=cuda: this machine has none"):
        choose_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto") == torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    for name, value in {"TORCHELASTIC_RUN_ID": "none", "LOCAL_RANK": "3"}.items():
        monkeypatch.setenv(name, value)
    assert choose_device("cuda") == torch.device("cuda", 1)  # a GPU each, in turn


def test_without_masks_there_is_no_mask_number(monkeypatch, tmp_path, synthetic_cars):
    run = small_run(monkeypatch, tmp_path, synthetic_cars / "images", epochs=1)
    with_dataset(run)
    train(run.config, run)
    metrics = evaluate(run.config, run)
    assert metrics["data"]["masks"] == "none" and metrics["data"]["boxes"] == "whole frame"
    for scores in metrics["splits"].values():
        assert scores["mask"] is None and scores["mask_ap"] is None and scores["mask_iou"] is None
    assert evaluation.SPLITS == ("train", "validation", "test")
