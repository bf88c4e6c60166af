"""A car segmenter is trained, measured, and annotates photos."""

import shutil

import pytest

from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.engine.pseudo_labels.annotators import load_annotator
from carseg_lib.engine.pseudo_labels.run import cache_folder, make_annotator
from carseg_lib.experiments.segmenter.evaluate import format_scores, measure
from carseg_lib.experiments.segmenter.shared import annotate_together
from carseg_lib.experiments.segmenter.train import NAME, train_segmenter
from carseg_lib.models.pretrained import CAR, read_segmenter
from tests.helpers.small_run import small_run, with_dataset


@pytest.fixture
def run(monkeypatch, tmp_path, synthetic_cars):
    return small_run(monkeypatch, tmp_path, synthetic_cars, min_quality=0.0)


def test_a_segmenter_is_trained_measured_and_annotates(run, synthetic_cars, log):
    run = run.updated(train={"epochs": 1}, name="segmenter")
    path = train_segmenter(run, synthetic_cars)
    assert path == run.folder / NAME
    _, card = read_segmenter(path)
    assert card["body_types"] == [CAR] and Catalogue.load(run.dataset).body_types == (CAR,)
    (scores,) = card["metrics"].values()
    assert 0 <= scores["mask_iou"]["value"] <= 1 and scores["photos"] == scores["mask_iou"]["n"] > 0
    assert format_scores(scores) in log.messages[-1]
    annotator = load_annotator(str(run.best_weights), "cpu")
    dataset = with_dataset(run).split("validation")
    again = measure(annotator, dataset, run)
    assert again["mask_iou"] == scores["mask_iou"]
    files.read_json(run.best_card)


@pytest.mark.slow
def test_two_processes_draw_the_masks_that_one_draws(run):
    dataset = with_dataset(run)
    alone = measure(make_annotator("grabcut", "cpu"), dataset, run)
    drawn = {path: path.read_bytes() for path in cache_folder(run).rglob("*.json")}
    shutil.rmtree(cache_folder(run))
    two = run.updated(num_processes=2)
    annotate_together(dataset, "grabcut", two)
    assert {path: path.read_bytes() for path in cache_folder(run).rglob("*.json")} == drawn
    assert len(drawn) == len(dataset.photos) and not (two.folder / "annotating").exists()
    assert measure(make_annotator("grabcut", "cpu"), dataset, two) == alone


def test_photos_without_masks_cannot_make_a_segmenter(run, synthetic_cars, tmp_path):
    bare = tmp_path / "bare"
    shutil.copytree(synthetic_cars / "images", bare)
    with pytest.raises(CarsegError, match="no masks"):
        train_segmenter(run.updated(data={"source": str(bare)}), None)
