"""Training with photos without a car and pieces: its numbers, resumed, in two processes; and digests that stay."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from carseg_lib.core.run import Run
from carseg_lib.data.builtin_background import builtin_background
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.engine import trainer
from carseg_lib.engine.trainer import TRAINING_SETTINGS, train, training_fingerprint, unused_settings
from carseg_lib.models.mask_rcnn import LOSS_TERMS
from carseg_lib.models.weights import PretrainedInfo, hash_tensors
from tests.helpers.drawn_cars import add_unlabelled
from tests.helpers.small_run import small_run, with_dataset

TIMES = ["seconds", "photos_per_second"]
NEW = ("train.background_share", "train.pieces_share")


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory, synthetic_cars: Path) -> Path:
    """The drawn cars, with four photos without a car in training, three in validation and one in test."""
    folder = tmp_path_factory.mktemp("mixed") / "cars"
    shutil.copytree(synthetic_cars, folder)
    add_unlabelled(folder, "train", 4)
    add_unlabelled(folder, "validation", 3, seed=5)
    add_unlabelled(folder, "test", 1, seed=6)
    return folder


def mixed_run(monkeypatch: pytest.MonkeyPatch, folder: Path, photos: Path, **overrides: object) -> Run:
    settings = {"unlabelled": "background", "background_share": 0.25, "pieces_share": 0.2} | overrides
    run = small_run(monkeypatch, folder, photos, **settings)
    with_dataset(run)
    return run


def weights_of(run: Run) -> str:
    return hash_tensors(torch.load(run.best_weights, weights_only=True))


def test_photos_without_a_car_and_pieces_train_and_are_no_part_of_accuracy(monkeypatch, tmp_path, mixed, caplog):
    caplog.set_level("INFO", logger="carseg_lib")
    run = mixed_run(monkeypatch, tmp_path, mixed)
    assert len(Catalogue.load(run.dataset).background) == 8
    history = train(run.config, run)
    assert "each epoch: 8 photos of cars, 3 background photos (of 4) and 2 pieces" in caplog.messages
    assert "on 8 photos, validating on 8, 2 epochs" in caplog.text
    assert history.validation_photos.eq(8).all() and history.train_sample.eq(4).all()
    for prefix in ("train", "validation"):
        assert (history[[f"{prefix}_{name}" for name in LOSS_TERMS]] > 0).all(axis=None)
    without = mixed_run(monkeypatch, tmp_path / "b", mixed, background_share=0, pieces_share=0)
    assert not train(without.config, without).train_loss.equals(history.train_loss)


def test_killed_and_resumed_gives_the_same_bits(monkeypatch, tmp_path, mixed):
    whole = mixed_run(monkeypatch, tmp_path / "a", mixed)
    expected, weights = train(whole.config, whole), weights_of(whole)
    killed = mixed_run(monkeypatch, tmp_path / "b", mixed)
    real_epoch, calls = trainer.train_one_epoch, []

    class Killed(BaseException):
        pass

    def epoch(*args, **kwargs):
        calls.append(1)
        if len(calls) == 2:
            raise Killed
        return real_epoch(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(trainer, "train_one_epoch", epoch)
        with pytest.raises(Killed):
            train(killed.config, killed)
    assert train(killed.config, killed).drop(columns=TIMES).equals(expected.drop(columns=TIMES))
    assert weights_of(killed) == weights


@pytest.mark.slow
def test_two_processes_learn_what_one_does(monkeypatch, tmp_path, mixed):
    """A batch of four, half of it for each process: shares of photos without a car alone are among them."""
    settings = {"background_share": 0.33, "pieces_share": 0.5, "batch_size": 4}
    one = mixed_run(monkeypatch, tmp_path / "a", mixed, **settings)
    expected = train(one.config, one)
    two = mixed_run(monkeypatch, tmp_path / "b", mixed, num_processes=2, **settings)
    history = train(two.config, two)
    losses = [column for column in expected.columns if "loss" in column]
    for epoch, tolerance in ((0, 1e-4), (1, 1e-3)):
        assert history[losses].iloc[epoch].to_numpy() == pytest.approx(
            expected[losses].iloc[epoch].to_numpy(), rel=tolerance, abs=1e-6
        )


def test_built_in_pictures_stand_in_where_the_data_have_none(monkeypatch, tmp_path, mixed, caplog):
    caplog.set_level("INFO", logger="carseg_lib")
    run = mixed_run(monkeypatch, tmp_path, mixed, unlabelled="exclude", pieces_share=0, epochs=1)
    dataset, record = Catalogue.load(run.dataset), PretrainedInfo("file", "mine.pt", "0123", 1, 1)
    assert dataset.background.empty
    history = train(run.config, run)
    assert "each epoch: 8 photos of cars, 3 built-in pictures without a car (of 8) and 0 pieces" in caplog.messages
    assert history.train_loss.gt(0).all()
    monkeypatch.setattr(trainer, "training_code", dict)
    hashed = []
    real = trainer.hashlib.sha256
    monkeypatch.setattr(trainer.hashlib, "sha256", lambda text: hashed.append(text) or real(text))
    training_fingerprint(run.config, dataset, record)
    recipe = hashed[-1].decode()
    assert f"{dataset.fingerprint} {builtin_background().fingerprint} 0123" in recipe


def test_a_classifier_trains_without_them(monkeypatch, tmp_path, mixed, caplog):
    caplog.set_level("INFO", logger="carseg_lib")
    classifier = {"architecture": "classifier", "frozen_stages": 0, "freeze_depthwise": False, "epochs": 1}
    run = mixed_run(monkeypatch, tmp_path / "a", mixed, **classifier)
    history = train(run.config, run)
    assert "none of the 4 background photos and no pieces: a classifier has no class for them" in caplog.text
    without = mixed_run(monkeypatch, tmp_path / "b", mixed, **classifier, background_share=0, pieces_share=0)
    assert train(without.config, without).drop(columns=TIMES).equals(history.drop(columns=TIMES))


def test_the_shares_are_in_a_trainings_digest_only_where_they_are_used(monkeypatch, tmp_path, mixed):
    run = mixed_run(monkeypatch, tmp_path, mixed)
    dataset, config = Catalogue.load(run.dataset), run.config
    plain, record = dataset.without_background(), PretrainedInfo("file", "mine.pt", "0123", 1, 1)
    dogs = replace(plain, body_types=("dog", "sedan", "convertible", "minivan"))  # the built-in pictures show animals
    in_validation = replace(dataset, background=dataset.split("validation").background)
    classifier = {"architecture": "classifier", "frozen_stages": 0, "freeze_depthwise": False}

    def digest(data, **changes):
        return training_fingerprint(config.updated(**changes), data, record)

    off = {"background_share": 0.1, "pieces_share": 0.0}
    assert digest(dogs, train=off) == digest(dogs, train=off | {"background_share": 0.4})
    assert digest(plain, train=off) != digest(plain, train=off | {"background_share": 0.4})
    assert digest(in_validation, train=off) == digest(in_validation, train=off | {"background_share": 0.4})
    assert digest(dataset, train=off) != digest(dataset, train=off | {"background_share": 0.4})
    assert digest(plain, train=off) != digest(plain, train=off | {"pieces_share": 0.1})
    assert digest(dataset, model=classifier) == digest(dataset, model=classifier, train=off)
    assert unused_settings(config, dataset) == frozenset()
    assert unused_settings(config.updated(train=off), dogs) == frozenset(NEW)
    assert unused_settings(config.updated(train=off | {"background_share": 0.0}), plain) == frozenset(NEW)


def test_digests_of_trainings_without_such_photos_are_as_before_there_were_settings_for_them(
    monkeypatch, tmp_path, synthetic_cars
):
    """The digest's recipe, by hand, from the settings that there were."""
    run = small_run(monkeypatch, tmp_path, synthetic_cars, background_share=0)
    dataset, record = with_dataset(run), PretrainedInfo("file", "mine.pt", "0123", 1, 1)
    monkeypatch.setattr(trainer, "training_code", dict)
    hashed = []
    real = trainer.hashlib.sha256
    monkeypatch.setattr(trainer.hashlib, "sha256", lambda text: hashed.append(text) or real(text))
    training_fingerprint(run.config, dataset, record)
    former = {k: v for k, v in run.config.select(*TRAINING_SETTINGS).items() if k not in NEW}
    assert hashed[-1].decode().startswith(f"{sorted(former.items())} {dataset.fingerprint} 0123 ")
