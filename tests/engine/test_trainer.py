import json
import logging
import math
import subprocess
import sys
from dataclasses import replace

import pandas as pd
import pytest
import torch

from carseg_lib.core.errors import CarsegError
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.engine import distributed, trainer
from carseg_lib.engine.checkpoint import Checkpoints
from carseg_lib.engine.inference import load_trained
from carseg_lib.engine.optim import learning_rate, make_optimizer
from carseg_lib.engine.trainer import train, training_code, training_fingerprint
from carseg_lib.models import precision
from carseg_lib.models.mask_rcnn import LOSS_TERMS, MaskRCNN, build_model
from carseg_lib.models.precision import BFLOAT16
from carseg_lib.models.weights import PretrainedInfo, hash_tensors
from tests.helpers import lost_worker
from tests.helpers.small_run import small_run, with_dataset

TIMES = ["seconds", "photos_per_second"]


@pytest.fixture
def run(monkeypatch, tmp_path, synthetic_cars):
    run = small_run(monkeypatch, tmp_path / "a", synthetic_cars)
    with_dataset(run)
    return run


def weights_of(run):
    return hash_tensors(torch.load(run.best_weights, weights_only=True))


def test_a_run_leaves_its_history_card_and_best_weights(run, caplog):
    caplog.set_level("INFO", logger="carseg_lib")
    history = train(run.config, run)
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
    lines = caplog.text
    assert " 2/2 " in lines and "val. accuracy" in lines and " left" in lines
    assert "of training, and validation" in lines


def test_a_finished_run_is_not_trained_again(trained_run, monkeypatch):
    first = pd.read_csv(trained_run.history)
    monkeypatch.setattr(trainer, "train_one_epoch", None)
    assert train(trained_run.config, trained_run).equals(first)


def test_mirror_images_are_used_once_training_is_over(trained_run, monkeypatch):
    """Test-time augmentation takes no part in training: neither in its numbers nor in its fingerprint."""
    built = []

    def build(*args, **kwargs):
        built.append(build_model(*args, **kwargs))
        return built[-1]

    monkeypatch.setattr(trainer, "build_network", build)
    monkeypatch.setattr(trainer, "train_one_epoch", None)
    history = pd.read_csv(trained_run.history)
    mirrored = trained_run.updated(eval={"tta": "hflip"})
    assert train(mirrored.config, mirrored).equals(history)
    assert [model.tta for model in built] == ["none"]
    assert load_trained(mirrored.config, mirrored)[0].tta == "hflip"
    assert load_trained(trained_run.config, trained_run)[0].tta == "none"


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(trained_run, monkeypatch, tmp_path, synthetic_cars):
    first, first_weights = pd.read_csv(trained_run.history), weights_of(trained_run)
    again = small_run(monkeypatch, tmp_path / "b", synthetic_cars)
    with_dataset(again)
    assert train(again.config, again).drop(columns=TIMES).equals(first.drop(columns=TIMES))
    assert weights_of(again) == first_weights
    other = small_run(monkeypatch, tmp_path / "c", synthetic_cars, seed=1)
    with_dataset(other)
    assert not train(other.config, other).train_loss.equals(first.train_loss)
    assert weights_of(other) != first_weights


def test_the_same_seed_gives_the_same_bits_in_bfloat16(monkeypatch, tmp_path, synthetic_cars):
    found = []
    for name in ("a", "b"):
        run = small_run(monkeypatch, tmp_path / name, synthetic_cars, precision=BFLOAT16)
        with_dataset(run)
        found.append((train(run.config, run), weights_of(run)))
    assert found[0][0].drop(columns=TIMES).equals(found[1][0].drop(columns=TIMES))
    assert found[0][1] == found[1][1]


class Killed(BaseException):
    pass


@pytest.mark.parametrize("moment", ["in epoch 1", "in epoch 2", "while saving", "before publishing"])
def test_killed_and_resumed_gives_the_same_bits(moment, trained_run, monkeypatch, tmp_path, synthetic_cars):
    uninterrupted, its_weights = pd.read_csv(trained_run.history), weights_of(trained_run)
    killed = small_run(monkeypatch, tmp_path / "b", synthetic_cars)
    with_dataset(killed)
    calls = {"epochs": 0}
    real_epoch, real_save = trainer.train_one_epoch, Checkpoints.save

    def epoch(*args, **kwargs):
        calls["epochs"] += 1
        sums = real_epoch(*args, **kwargs)
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
            train(killed.config, killed)
    assert not killed.history.exists()
    resumed = train(killed.config, killed)
    assert resumed.drop(columns=TIMES).equals(uninterrupted.drop(columns=TIMES))
    assert weights_of(killed) == its_weights
    assert len(list(killed.checkpoints.glob("*/*.pt"))) <= 4


@pytest.mark.slow
def test_two_processes_learn_what_one_does_also_where_one_is_lost(
    trained_run, monkeypatch, tmp_path, synthetic_cars, caplog
):
    caplog.set_level("INFO", logger="carseg_lib")
    one = pd.read_csv(trained_run.history)
    two = small_run(monkeypatch, tmp_path / "b", synthetic_cars, num_processes=2)
    with_dataset(two)
    history = train(two.config, two)
    losses = [c for c in one.columns if "loss" in c]
    assert len(losses) == 12
    # the order of the sums differs, and Adam's first steps, of one size whatever the gradient, make that larger
    for epoch, tolerance in ((0, 1e-4), (1, 1e-3)):
        assert history[losses].iloc[epoch].to_numpy() == pytest.approx(
            one[losses].iloc[epoch].to_numpy(), rel=tolerance, abs=1e-6
        )
    assert history.validation_photos.eq(8).all()
    epochs = [line.split()[0] for line in caplog.messages if line.lstrip().startswith(("1/2 ", "2/2 "))]
    assert epochs == ["1/2", "2/2"]  # the first process's alone

    caplog.clear()
    lost = small_run(monkeypatch, tmp_path / "c", synthetic_cars, num_processes=2)
    with_dataset(lost)
    monkeypatch.setattr(trainer, "MODULE", lost_worker.MODULE)  # whose second process is killed in the second epoch
    resumed = train(lost.config, lost)
    assert resumed.drop(columns=TIMES).equals(history.drop(columns=TIMES)) and weights_of(lost) == weights_of(two)
    restarted = [line for line in caplog.messages if "a process was lost" in line]
    assert restarted == ["a process was lost: 2 start again and go on from what is finished (restart 1 of 3)"]
    assert "going on after epoch 1" in caplog.text


def test_a_loss_that_is_not_finite_stops_with_the_photos_of_the_batch(run, monkeypatch):
    real = MaskRCNN.forward

    def broken(self, images, targets=None):
        losses, detections = real(self, images, targets)
        return {name: loss * math.nan if name == "loss_mask" else loss for name, loss in losses.items()}, detections

    monkeypatch.setattr(MaskRCNN, "forward", broken)
    with pytest.raises(
        CarsegError, match=r"not finite \(.*mask nan.*\) in the batch of .*train/\w+/\d+\.jpg.*lower lr"
    ):
        train(run.config, run)


def test_without_masks_the_mask_loss_is_off_and_said_to_be(monkeypatch, tmp_path, synthetic_cars, caplog):
    caplog.set_level("INFO", logger="carseg_lib")
    run = small_run(monkeypatch, tmp_path, synthetic_cars / "images", epochs=1)
    dataset = with_dataset(run)
    assert not dataset.has_masks and set(dataset.instances.box_origin) == {"whole frame"}
    history = train(run.config, run)
    assert history.train_loss_mask.eq(0).all() and history.train_loss.gt(0).all()
    assert "the mask loss is off" in caplog.text


def test_fingerprint_changes_with_what_decides_the_numbers(run):
    dataset, config = Catalogue.load(run.dataset), run.config
    record = PretrainedInfo("file", "mine.pt", "0123", 1, 1)
    same = training_fingerprint(config, dataset, record)
    assert training_fingerprint(config, dataset, replace(record, sha256="4567")) != same
    other = config.updated(name="x", eval={"bootstrap_samples": 999})
    assert training_fingerprint(other, dataset, record) == same
    for change in (
        {"train": {"lr": 0.1}},
        {"seed": 5},
        {"train": {"epochs": 9}},
        {"model": {"backbone": "resnet18"}},
        {"inputs": {"min_crop_scale": 0.9}},
        {"num_processes": 2},
        {"model": {"score_threshold": 0.3}},
    ):
        assert training_fingerprint(config.updated(**change), dataset, record) != same, change


def test_the_fingerprint_covers_every_module_that_training_loads():
    code = "import sys, carseg_lib.engine.trainer; print(*(n for n in sys.modules if n.split('.')[0] == 'carseg_lib'))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.replace(".", "/") for name in ran.stdout.split()}
    covered = {path.removesuffix(".py").removesuffix("/__init__") for path in training_code()}
    assert "carseg_lib/models/rpn" in loaded and loaded <= covered


def test_the_fingerprint_knows_what_auto_means_on_a_machine(run, monkeypatch):
    dataset, record = Catalogue.load(run.dataset), PretrainedInfo("file", "mine.pt", "0123", 1, 1)
    found = {}
    for capable in (False, True):
        monkeypatch.setattr(precision, "supports_bf16", lambda _, capable=capable: capable)
        config = run.config.updated(model={"precision": "auto"})
        found[capable] = training_fingerprint(config, dataset, record)
    assert found[False] == training_fingerprint(run.config, dataset, record) != found[True]


def test_learning_rate_warms_up_and_falls(run):
    run = run.updated(train={"lr": 1.0, "warmup_ratio": 0.1, "lr_schedule": "cosine"})
    rates = [learning_rate(run.config.train, step, 100) for step in range(100)]
    assert rates[:10] == pytest.approx([0.1 * k for k in range(1, 11)])
    assert rates[10] == 1.0 and rates[55] == pytest.approx(0.5) and rates[99] < 0.001
    constant = run.updated(train={"lr_schedule": "constant", "warmup_ratio": 0.0})
    assert {learning_rate(constant.config.train, step, 100) for step in range(100)} == {1.0}


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


def test_where_the_newest_checkpoint_is_damaged_training_goes_on_from_the_one_before(trained_run, caplog):
    its_weights, history = weights_of(trained_run), pd.read_csv(trained_run.history)
    (last,) = trained_run.checkpoints.glob("*/epoch-002.pt")
    content = bytearray(last.read_bytes())
    content[len(content) // 2] ^= 1
    last.write_bytes(content)
    again = train(trained_run.config, trained_run)
    assert "epoch-002.pt is missing or damaged: the epoch before it is tried" in caplog.text
    assert again.drop(columns=TIMES).equals(history.drop(columns=TIMES))
    assert weights_of(trained_run) == its_weights


def test_a_mistake_in_a_process_is_one_line_and_status_2(run, monkeypatch, capsys, caplog):
    levels = []
    monkeypatch.setattr(distributed, "show_log", levels.append)
    monkeypatch.setattr(sys, "argv", ["carseg_lib.engine.trainer", "no-such-run"])
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    for rank in ("0", "1"):
        monkeypatch.setenv("RANK", rank)
        assert distributed.run_main(trainer._main) == 2
        line = capsys.readouterr().err
        assert line.startswith("carseg: ") and "no-such-run" in line and line.count("\n") == 1
    assert levels == [logging.INFO, logging.WARNING]  # the first process alone shows its progress
    assert not caplog.messages
    for rank, lines in (("1", 0), ("0", 1)):  # started again, and it is said once
        for name, value in {"RANK": rank, "WORLD_SIZE": "2", "TORCHELASTIC_RESTART_COUNT": "1"}.items():
            monkeypatch.setenv(name, value)
        assert distributed.run_main(trainer._main) == 2
        assert len(caplog.messages) == lines
    assert caplog.messages == ["a process was lost: 2 start again and go on from what is finished (restart 1 of 3)"]


@pytest.mark.slow
def test_a_mistake_in_several_processes_is_one_mistake_here_and_not_tried_again(run, caplog):
    caplog.set_level("INFO", logger="carseg_lib")
    with pytest.raises(CarsegError, match=r"^There is no run 'no-such-run'"):
        distributed.run_module("carseg_lib.engine.trainer", "no-such-run", 2)
    assert "a process was lost" not in caplog.text
