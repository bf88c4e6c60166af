import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from carseg_lib.core.errors import CarsegError
from carseg_lib.engine import trainer
from carseg_lib.engine.checkpoint import Checkpoints
from carseg_lib.engine.inference import load_trained
from carseg_lib.engine.optim import learning_rate, make_optimizer
from carseg_lib.engine.trainer import train, training_code, training_fingerprint
from carseg_lib.models import precision
from carseg_lib.models.mask_rcnn import LOSS_TERMS, build_model
from carseg_lib.models.precision import BFLOAT16, FLOAT32
from carseg_lib.models.weights import PretrainedInfo, hash_tensors
from tests.helpers.small_run import small_run, with_dataset

TIMES = ["seconds", "photos_per_second"]


@pytest.fixture
def run(monkeypatch, tmp_path, synthetic_cars):
    run = small_run(monkeypatch, tmp_path / "a", synthetic_cars)
    with_dataset(run)
    return run


def weights_of(run):
    return hash_tensors(torch.load(run.best_weights, weights_only=True))


def test_a_run_leaves_its_history_card_and_best_weights(run, capsys):
    history = train(run)
    assert list(history.epoch) == [1, 2] and history.best.sum() == 1
    assert history.train_sample.eq(4).all() and history.validation_photos.eq(8).all()
    assert (history.validation_accuracy == history.validation_correct / 8).all()
    for prefix in ("train", "validation"):
        terms = history[[f"{prefix}_{name}" for name in LOSS_TERMS]]
        assert (terms > 0).all(axis=None)
        assert terms.sum(axis=1).to_numpy() == pytest.approx(history[f"{prefix}_loss"].to_numpy())
    best = history[history.best].iloc[0]
    assert best.validation_accuracy == history.validation_accuracy.max()
    card = json.loads(run.best_card.read_text())
    assert card["epoch"] == best.epoch and card["with_masks"] and card["weights"]["source"] == "imagenet"
    assert card["body_types"] == ["suv", "sedan", "convertible", "minivan"]
    lines = capsys.readouterr().out
    assert (
        "epoch 2/2" in lines and "validation accuracy" in lines and " left" in lines and "objectness" in lines
    )
    assert "first 1 of 2 batches" in lines


def test_a_finished_run_is_not_trained_again(run, monkeypatch):
    first = train(run)
    monkeypatch.setattr(trainer, "train_one_epoch", None)
    assert train(run).equals(first)


def test_mirror_images_are_asked_once_training_is_over(run, monkeypatch):
    monkeypatch.setattr(
        trainer, "build_model", lambda run, *args: asked.append(run.config.eval.tta) or first(run, *args)
    )
    asked, first = [], build_model
    mirrored = run.updated(eval={"tta": "hflip"})
    history = train(mirrored)
    monkeypatch.setattr(trainer, "train_one_epoch", None)
    assert train(run).equals(history) and asked == [1, 1]
    assert load_trained(mirrored.config, mirrored)[0].views == 2


@pytest.mark.parametrize("numbers", [FLOAT32, BFLOAT16])
def test_the_same_seed_gives_the_same_bits_and_another_seed_others(
    numbers, monkeypatch, tmp_path, synthetic_cars
):
    run = small_run(monkeypatch, tmp_path / "a", synthetic_cars, precision=numbers)
    with_dataset(run)
    first = train(run)
    again = small_run(monkeypatch, tmp_path / "b", synthetic_cars, precision=numbers)
    with_dataset(again)
    assert train(again).drop(columns=TIMES).equals(first.drop(columns=TIMES))
    other = small_run(monkeypatch, tmp_path / "c", synthetic_cars, seed=1, precision=numbers)
    with_dataset(other)
    assert not train(other).train_loss.equals(first.train_loss)
    monkeypatch.setenv("CARSEG_REPORTS", str(tmp_path / "a"))
    first_weights = weights_of(run)
    monkeypatch.setenv("CARSEG_REPORTS", str(tmp_path / "b"))
    assert weights_of(again) == first_weights


class Killed(BaseException):
    pass


@pytest.mark.parametrize("moment", ["in epoch 1", "in epoch 2", "while saving", "before publishing"])
def test_killed_and_resumed_gives_the_same_bits(moment, run, monkeypatch, tmp_path, synthetic_cars):
    whole = train(run)
    whole_weights = weights_of(run)
    killed = small_run(monkeypatch, tmp_path / "b", synthetic_cars)
    with_dataset(killed)
    calls = {"epochs": 0}
    real_epoch, real_save = trainer.train_one_epoch, Checkpoints.save

    def epoch(*arguments):
        calls["epochs"] += 1
        sums = real_epoch(*arguments)
        if moment == f"in epoch {calls['epochs']}":
            raise Killed
        return sums

    def save(self, state, model, optimizer, average):
        if moment == "while saving" and state.epoch == 2:
            (self.folder / "epoch-002.pt").write_bytes(b"half written")
            raise Killed
        real_save(self, state, model, optimizer, average)

    def publish(*arguments):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(trainer, "train_one_epoch", epoch)
        patch.setattr(Checkpoints, "save", save)
        if moment == "before publishing":
            patch.setattr(trainer, "_export_best", publish)
        with pytest.raises(Killed):
            train(killed)
    assert not killed.history.exists()
    resumed = train(killed)
    assert resumed.drop(columns=TIMES).equals(whole.drop(columns=TIMES))
    assert weights_of(killed) == whole_weights
    assert len(list(killed.checkpoints.glob("*/*.pt"))) <= 2


def test_two_processes_learn_what_one_does(run, monkeypatch, tmp_path, synthetic_cars):
    one = train(run)
    two = small_run(monkeypatch, tmp_path / "b", synthetic_cars, workers=2)
    with_dataset(two)
    history = train(two)
    losses = [c for c in one.columns if "loss" in c]
    assert len(losses) == 12
    # the order of the sums differs, and Adam's first steps, of one size whatever the gradient, make that larger
    for epoch, tolerance in ((0, 1e-4), (1, 1e-3)):
        assert history[losses].iloc[epoch].to_numpy() == pytest.approx(
            one[losses].iloc[epoch].to_numpy(), rel=tolerance, abs=1e-6
        )
    assert history.validation_photos.eq(8).all()


def test_a_loss_that_is_not_finite_stops_with_the_photos_of_the_batch(run, monkeypatch):
    real = trainer.MaskRCNN.forward

    def broken(self, images, targets=None):
        losses, detections = real(self, images, targets)
        return {
            name: loss * math.nan if name == "loss_mask" else loss for name, loss in losses.items()
        }, detections

    monkeypatch.setattr(trainer.MaskRCNN, "forward", broken)
    with pytest.raises(
        CarsegError, match=r"not finite \(.*mask nan.*\) in the batch of train/\w+/\d+\.jpg, .*lower lr"
    ):
        train(run)


def test_without_masks_the_mask_loss_is_off_and_said_to_be(monkeypatch, tmp_path, synthetic_cars, capsys):
    run = small_run(monkeypatch, tmp_path, synthetic_cars / "images", epochs=1)
    dataset = with_dataset(run)
    assert not dataset.has_masks and set(dataset.instances.box_origin) == {"whole frame"}
    history = train(run)
    assert history.train_loss_mask.eq(0).all() and history.train_loss.gt(0).all()
    assert "the mask loss is off" in capsys.readouterr().out


def test_fingerprint_changes_with_what_decides_the_numbers(run):
    dataset = with_dataset(run)
    record = PretrainedInfo("file", "mine.pt", "0123", 1, 1)
    same = training_fingerprint(run, dataset, record)
    assert training_fingerprint(run, dataset, replace(record, sha256="4567")) != same
    assert (
        training_fingerprint(run.updated(name="x", eval={"bootstrap_samples": 999}), dataset, record) == same
    )
    for change in (
        {"lr": 0.1},
        {"seed": 5},
        {"epochs": 9},
        {"backbone": "resnet18"},
        {"min_crop_scale": 0.9},
        {"workers": 2},
        {"score_threshold": 0.3},
    ):
        assert training_fingerprint(run.model_copy(update=change), dataset, record) != same


def test_the_fingerprint_covers_every_module_that_training_loads():
    code = "import sys, carseg_lib.engine.trainer; print(*(n for n in sys.modules if n.split('.')[0] == 'carseg_lib'))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.replace(".", "/") for name in ran.stdout.split()}
    covered = {path.removesuffix(".py").removesuffix("/__init__") for path in training_code()}
    assert "carseg_lib/model" in loaded and loaded <= covered


def test_the_fingerprint_knows_what_auto_means_on_a_machine(run, monkeypatch):
    dataset, record = with_dataset(run), PretrainedInfo("file", "mine.pt", "0123", 1, 1)
    found = {}
    for capable in (False, True):
        monkeypatch.setattr(precision, "supports_bf16", lambda _, capable=capable: capable)
        found[capable] = training_fingerprint(run.updated(model={"precision": "auto"}), dataset, record)
    assert found[False] == training_fingerprint(run, dataset, record) != found[True]


def test_learning_rate_warms_up_and_falls(run):
    run = run.updated(train={"lr": 1.0, "warmup_ratio": 0.1, "lr_schedule": "cosine"})
    rates = [learning_rate(run.config.train, step, 100) for step in range(100)]
    assert rates[:10] == pytest.approx([0.1 * k for k in range(1, 11)])
    assert rates[10] == 1.0 and rates[55] == pytest.approx(0.5) and rates[99] < 0.001
    constant = run.updated(train={"lr_schedule": "constant", "warmup_ratio": 0.0})
    assert {learning_rate(constant, step, 100) for step in range(100)} == {1.0}


def test_weight_decay_spares_biases(run):
    model = build_model(run.config.model, 5, with_masks=True)
    run = run.updated(train={"backbone_lr_mult": 0.3})
    groups = make_optimizer(model, run.config.train).param_groups
    assert [(g["weight_decay"], g["share"]) for g in groups if g["weight_decay"]] == [
        (run.config.train.weight_decay, 0.3),
        (run.config.train.weight_decay, 1.0),
    ]
    assert all(p.ndim > 1 if g["weight_decay"] else p.ndim == 1 for g in groups for p in g["params"])
    known = {id(p) for part in (model.backbone.body, model.backbone.top) for p in part.parameters()}
    assert all((id(p) in known) == (g["share"] == 0.3) for g in groups for p in g["params"])
    assert sum(len(g["params"]) for g in groups) == sum(p.requires_grad for p in model.parameters())


def test_a_damaged_checkpoint_says_which_and_what_to_do(run, monkeypatch):
    real_publish = trainer._export_best
    monkeypatch.setattr(trainer, "_export_best", lambda *a: None)
    with pytest.raises(FileNotFoundError):
        train(run)
    (last,) = run.checkpoints.glob("*/epoch-002.pt")
    last.write_bytes(b"damaged")
    monkeypatch.setattr(trainer, "_export_best", real_publish)
    with pytest.raises(CarsegError, match=r"epoch-002\.pt can't be read.*remove"):
        train(run)


def test_the_module_runs_under_torchrun_and_gives_one_line_for_a_mistake(run):
    root = Path(__file__).parents[2]
    environment = os.environ | {"CARSEG_REPORTS": str(run.folder.parent)}
    command = [sys.executable, "-m", "carseg_lib.engine.trainer", "no-such-run"]
    result = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 2 and result.stderr.startswith("carseg: ") and "no-such-run" in result.stderr
