"""Labels against what an annotator sees: a set that is mirrored or of other photos is warned of, honest ones not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.masks import box_of_mask, decode_mask, encode_mask
from carseg_lib.engine.pseudo_labels import agreement
from carseg_lib.engine.pseudo_labels.agreement import SAMPLE, Agreement, agreement_scores, label_agreement
from carseg_lib.engine.pseudo_labels.annotators import Instance
from carseg_lib.reporting.plots.label_agreement import worst_labels
from tests.helpers.small_run import small_run, with_dataset

BOX = ["x1", "y1", "x2", "y2"]


@pytest.fixture
def run(monkeypatch, tmp_path, synthetic_cars):
    run = small_run(monkeypatch, tmp_path, synthetic_cars)
    with_dataset(run).save(run.catalogue)
    return run


class Seer:
    """Finds the labelled car of each photo, in the order of a catalogue, but for a share of them."""

    name, sha256, uses_boxes = "a seer", "cd" * 32, False

    def __init__(self, catalogue, blind=0.0):
        self.masks = [decode_mask(mask, 160, 240) for mask in catalogue.instances["mask"]]
        self.blind, self.asked = np.random.default_rng(0).random(len(self.masks)) < blind, 0

    def instances(self, photos, boxes):
        first, self.asked = self.asked, self.asked + len(photos)
        return [
            [] if blind else [Instance(box_of_mask(mask), mask, 0.9, 1.0)]
            for mask, blind in zip(self.masks[first : self.asked], self.blind[first : self.asked], strict=True)
        ]


def mirrored(catalogue: Catalogue, down: bool = False) -> Catalogue:
    """The same photos with the labels of their mirror images."""
    cars = catalogue.instances.copy()
    for k, mask in enumerate(cars["mask"]):
        turned = decode_mask(mask, 160, 240)[:: -1 if down else 1, ::-1]
        cars.loc[k, "mask"] = encode_mask(turned)
        cars.loc[k, BOX] = box_of_mask(turned)
    return replace(catalogue, instances=cars)


def without_masks(catalogue: Catalogue) -> Catalogue:
    return replace(catalogue, instances=catalogue.instances.assign(mask="", mask_origin="none", box_origin="given"))


def shuffled(catalogue: Catalogue) -> Catalogue:
    """The labels of other photos."""
    cars = catalogue.instances
    moved = cars[[*BOX, "mask"]].iloc[np.r_[5 : len(cars), :5]].reset_index(drop=True)
    return replace(catalogue, instances=cars.assign(**moved))


@pytest.mark.parametrize("boxes", [False, True])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c, ""),
        (mirrored, "labels are likely mirrored"),
        (lambda c: mirrored(c, down=True), "labels are likely turned by 180°"),
    ],
)
def test_mirrored_labels_are_told_from_honest_ones(run, tmp_path, change, words, boxes):
    truth = Catalogue.load(run.catalogue)
    labels = change(truth)
    scores = agreement_scores(without_masks(labels) if boxes else labels, Seer(truth, 0.2), tmp_path / "kept", 4, 0)
    assert len(scores) == min(SAMPLE, len(truth.photos)) and set(scores["by"]) == {"box" if boxes else "mask"}
    assert scores["agreement"].is_monotonic_increasing and scores["agreement"].iloc[0] == 0
    found = Agreement(scores, "a seer", True)
    assert found.warning.startswith(words) and bool(found.warning) == bool(words)
    assert not Agreement(scores, "a seer", False).warning


def test_labels_of_other_photos_are_warned_of_by_mask(run, tmp_path):
    truth = Catalogue.load(run.catalogue)
    scores = agreement_scores(shuffled(truth), Seer(truth), tmp_path / "kept", 4, 0)
    assert scores["agreement"].median() < 0.8 and not (scores["agreement"] > 0.999).any()
    low = scores.assign(**{name: scores[name] * 0.6 for name in scores.columns[3:]})
    assert Agreement(low, "a seer", True).warning.startswith("labels agree badly with what a seer sees: half of ")


def test_an_annotator_that_misses_three_in_ten_warns_of_fewer_than_one_honest_set_in_a_thousand():
    random = np.random.default_rng(0)
    warned = 0
    for _ in range(1000):
        seen = random.random(SAMPLE) >= 0.3
        as_given = np.where(seen, random.uniform(0.6, 0.95, SAMPLE), 0.0)
        others = {name: as_given * random.uniform(0.8, 1.05, SAMPLE) for name in list(agreement._CHANGES)[1:]}
        warned += bool(Agreement(pd.DataFrame({"agreement": as_given} | others), "", True).warning)
    assert warned <= 1


def test_the_result_of_a_run_is_logged_and_shown(run, monkeypatch, caplog):
    truth = Catalogue.load(run.catalogue)
    seer = Seer(truth)
    monkeypatch.setattr(agreement, "make_annotator", lambda *_: seer)
    caplog.set_level("INFO", logger="carseg_lib")
    found = label_agreement(run.config, run)
    assert caplog.messages == [found.sentence] and "median IoU 1.00, 0 below 0.5" in found.sentence
    asked = seer.asked
    assert label_agreement(run.config, run).scores.equals(found.scores) and seer.asked == asked  # from the cache
    figure = worst_labels(truth, found.scores, found.sentence)
    assert "8 of " in figure.alt and "median IoU 1.00" in figure.alt
    replace(truth, instances=truth.instances.assign(mask="", mask_origin="none", box_origin="whole frame")).save(
        run.catalogue
    )
    nothing = label_agreement(run.config, run)
    assert nothing.scores.empty and nothing.sentence.startswith("no photo has a given box or mask")
    assert "agree worst" in worst_labels(truth, nothing.scores, nothing.sentence).alt
