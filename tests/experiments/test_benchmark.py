"""The benchmark: its rows and its parts on made-up numbers, and the whole of it once on a few drawn cars."""

import functools
import json
import subprocess
import sys

import pytest
import torch

from carseg_lib.core.errors import CarsegError
from carseg_lib.core.run import Run
from carseg_lib.experiments import baselines
from carseg_lib.experiments.benchmark import hardware, quality, quality_rows, run
from carseg_lib.experiments.benchmark.hardware import count_flops, kind_of, peak_gflops, where_time_goes
from carseg_lib.experiments.benchmark.memory import own_peak
from carseg_lib.experiments.benchmark.quality import Quality, train_torchvision
from carseg_lib.experiments.benchmark.quality_rows import quality_rows as rows_of_quality
from carseg_lib.experiments.benchmark.rows import Row, markdown, write_rows
from carseg_lib.experiments.benchmark.run import BenchmarkPlan, create_plan, run_benchmark
from carseg_lib.experiments.benchmark.speed import detections_a_photo, inference_speed
from carseg_lib.experiments.benchmark.systems import NonFiniteLossError, System, finite_sum
from carseg_lib.experiments.benchmark.timing import interleaved, medians
from tests.helpers.small_run import small_run, with_dataset

FACTS = {
    "made": "2026-01-01T00:00:00Z",
    "torch": "2.15.0",
    "hardware": {"processor": "Some CPU", "cores": 2, "memory_gb": 24.0, "gpus": []},
}


def run_of_quality() -> Run:
    return Run.create("carseg", "smoke", overrides={"max_images_per_split": 200}, weights="none")


def test_a_ratio_above_one_means_that_carseg_is_better(tmp_path):
    faster = Row("speed", "training", "photos/s", 0.5, 25.0)
    sooner = Row("quality", "time", "s", 600.0, 12.0, more_is_better=False)
    alone = Row("speed", "classifier", "photos/s", None, 40.0)
    never = Row("quality", "time", "s", 600.0, None, more_is_better=False)
    assert [row.ratio for row in (faster, sooner, alone, never)] == [50.0, 50.0, None, None]
    write_rows(tmp_path, [faster, alone], FACTS)
    written = json.loads((tmp_path / "bench.json").read_text())
    assert written["rows"][0]["ratio"] == 50.0 and written["rows"][1]["torchvision"] is None
    text = (tmp_path / "bench.md").read_text()
    assert "| training | photos/s | 0.5 | 25 | 50× |  |" in text
    assert "| classifier | photos/s | – | 40 | – |  |" in text
    assert text == markdown([faster, alone], FACTS)


def test_actions_are_measured_in_turn():
    calls = []
    actions = {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}
    seconds = interleaved(actions, repeats=3, warmups=2)
    assert "".join(calls) == "abab" + "ababab"
    assert all(len(s) == 3 and min(s) >= 0 for s in seconds.values())
    assert medians({"a": [3.0, 1.0, 2.0]}) == {"a": 2.0}


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        ("aten::convolution_backward", "convolutions, backward"),
        ("aten::mkldnn_convolution", "convolutions, forward"),
        ("aten::addmm", "matrix products"),
        ("aten::_fused_adamw_", "optimiser and clipping"),
        ("aten::sort", "all else"),
    ],
)
def test_operations_are_sorted_by_kind(operation, kind):
    assert kind_of(operation) == kind


def test_arithmetic_is_counted_and_timed():
    conv = torch.nn.Conv2d(4, 8, 3, padding=1, bias=False)
    photos = torch.randn(2, 4, 16, 16)
    flops = count_flops(lambda: (conv(photos).flatten(1) @ torch.ones(8 * 256, 3)).sum())
    by_hand = 2 * 9 * 4 * 8 * 2 * 256
    assert flops == {"convolution": by_hand, "all": by_hand + 2 * 2 * 8 * 256 * 3}
    # depthwise: each gradient takes as much as the forward pass
    depthwise = torch.nn.Conv2d(8, 8, 5, padding=2, groups=8, bias=False)
    maps = torch.randn(2, 8, 6, 6, requires_grad=True)
    assert count_flops(lambda: depthwise(maps).sum().backward())["convolution"] == 3 * 2 * 25 * 8 * 2 * 36
    up = torch.nn.ConvTranspose2d(8, 4, 2, 2, bias=False)
    assert count_flops(lambda: up(maps).sum().backward())["convolution"] == 3 * 2 * maps.numel() * 4 * 4
    where = where_time_goes(lambda: conv(photos).sum().backward(), repeats=2)
    assert {"convolutions, forward", "convolutions, backward"} <= set(where)
    assert all(seconds >= 0 for seconds in where.values())
    peaks = peak_gflops(torch.device("cpu"), torch.float32, repeats=1)
    assert set(peaks) == {"matrix", "convolution"} and all(p > 0.1 for p in peaks.values())


def test_detections_are_counted_in_either_form():
    assert detections_a_photo([["suv", "sedan"], []]) == 1
    assert detections_a_photo([{"scores": torch.ones(3), "boxes": torch.ones(3, 4)}]) == 3


def test_notes_hold_the_detections_and_that_nothing_was_trained():
    def finds(n):
        return System("", None, None, None, lambda images: sizes.append(len(images)) or [["suv"] * n] * len(images))

    sizes, info = [], {}
    counts = {"torchvision": 9, "torchvision, same size": 4, "carseg": 2, "carseg, ResNet-50": 3, "classifier": 0}
    systems = {name: finds(n) for name, n in counts.items()}
    batches = [(torch.zeros(5, 3, 8, 8), [])]
    rows = {row.what: row for row in inference_speed(systems, batches, 2, info, are_trained=False)}
    assert sizes == [5] * 5 * 3 + [1] * 5 * 3  # a warm-up and two repeats, and no call beside them
    assert info["detections_a_photo"] == {name: n for name, n in counts.items() if name != "classifier"}
    note = "detections a photo: torchvision 4, carseg 2; masks pasted"
    assert rows["inference, batch 5, torchvision at the same size"].note == f"untrained; {note}"
    systems["torchvision, same size, untrained"] = finds(80)
    rows = {row.what: row for row in inference_speed(systems, batches, 1, info, are_trained=True)}
    assert rows["inference, batch 5, torchvision at the same size"].note == note
    untrained = rows["inference, batch 5, torchvision at the same size, untrained"].note
    assert untrained == "detections a photo: torchvision 80, carseg 2; masks pasted"


def test_a_call_that_was_held_up_does_not_count(monkeypatch):
    calls = iter([{"copies": 1.0, "all else": 2.0}, {"copies": 9.0}, {"copies": 2.0, "all else": 1.0}])
    monkeypatch.setattr(hardware, "_where_one_goes", lambda _: next(calls))
    assert where_time_goes(lambda: None) == {"copies": 2.0, "all else": 1.0}


def test_the_time_to_an_accuracy_is_that_of_the_first_epoch_that_has_it():
    quality = Quality(3, 30.0, 0.8, 0.5, ((10.0, 0.3), (20.0, 0.85), (30.0, 0.8)))
    assert [quality.seconds_to(a) for a in (0.2, 0.5, 0.9)] == [10.0, 20.0, None]


def test_quality_compares_at_equal_epochs_and_in_equal_time():
    torchvision = Quality(2, 600.0, 0.4, 0.1, ((300.0, 0.3), (600.0, 0.4)))
    same_epochs = Quality(2, 16.0, 0.35, 0.2, ((8.0, 0.3), (16.0, 0.35)))
    same_time = Quality(75, 600.0, 0.9, 0.6, ((8.0, 0.2), (24.0, 0.5), (600.0, 0.9)))
    rows = rows_of_quality(torchvision, same_epochs, same_time, run_of_quality())
    assert [row.ratio for row in rows] == pytest.approx([0.875, 2.0, 2.25, 6.0, 25.0])
    never = Quality(75, 600.0, 0.3, 0.1, ((600.0, 0.3),))
    last = rows_of_quality(torchvision, same_epochs, never, run_of_quality())[-1]
    assert last.ratio is None and last.note == "carseg never reached it"


def test_settings_are_checked():
    assert create_plan({"repeats": "3", "photos": "0"}) == BenchmarkPlan(repeats=3, photos=0)
    for given, message in (
        ({"repeat": "3"}, "no setting 'repeat'; did you mean 'repeats'"),
        ({"repeats": "0"}, "repeats = '0' must be a whole number from 1 up"),
        ({"weights": "coco"}, "weights = 'coco' must be none or imagenet"),
        ({"epochs": "3"}, "epochs differs from training to training; set instead: torchvision_epochs"),
        (
            {"pieces_share": "0.1"},
            "pieces_share differs .* set instead: none, the networks compared train on photos of",
        ),
    ):
        with pytest.raises(CarsegError, match=message):
            create_plan(given)


def test_photos_without_masks_or_too_few_are_refused(monkeypatch, tmp_path, synthetic_cars):
    monkeypatch.setenv("CARSEG_REPORTS", str(tmp_path))
    with pytest.raises(CarsegError, match="these photos have none"):
        run_benchmark("smoke", str(synthetic_cars / "images"), "cpu", BenchmarkPlan())
    with pytest.raises(CarsegError, match=r"training photos, 400 are needed"):
        run_benchmark("smoke", str(synthetic_cars), "cpu", BenchmarkPlan())


def test_the_torchvision_recipe_warms_up_and_drops_its_rate(monkeypatch, tmp_path, synthetic_cars, log):
    study = small_run(monkeypatch, tmp_path, synthetic_cars)
    dataset = with_dataset(study)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    rates = []
    system = System("torchvision", None, optimizer, lambda _: rates.append(optimizer.param_groups[0]["lr"]), None)
    scores = iter([(k / 100, 0.5) for k in range(26)])
    monkeypatch.setattr(quality, "score", lambda *_: next(scores))
    found = train_torchvision(study, dataset, system, 26)
    # 52 steps, fewer than the reference warms up for
    assert len(rates) == 2 * 26 and rates[0] == pytest.approx(1 / 52)
    assert rates[31] == pytest.approx(32 / 52)
    assert rates[33] == pytest.approx(0.1 * 34 / 52) and rates[45] == pytest.approx(0.01 * 46 / 52)
    assert found.accuracy == 0.25 and found.epochs == 26 and found.curve[-1] == (found.seconds, 0.25)
    first = next(line for line in log.messages if line.startswith("torchvision: step 1 of 52, about"))
    assert first.endswith("left") and any("decoded once" in line for line in log.messages)


def test_a_torchvision_training_that_ends_early_is_measured_and_its_note_says_so(
    monkeypatch, tmp_path, synthetic_cars, log
):
    study = small_run(monkeypatch, tmp_path, synthetic_cars)
    steps = []

    def step(_):
        if len(steps) == 3:
            raise NonFiniteLossError("the loss of torchvision is not finite")
        steps.append(1)

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scores = iter([(0.1, 0.0), (0.2, 0.1), (0.9, 0.9)])
    monkeypatch.setattr(quality, "score", lambda *_: next(scores))
    system = System("torchvision", None, optimizer, step, None)
    found = train_torchvision(study, with_dataset(study), system, 26)
    assert (found.epochs, found.accuracy, found.mask_ap, len(found.curve)) == (2, 0.2, 0.1, 2)
    assert found.note == "torchvision ended after 3 of 52 steps: the loss of torchvision is not finite"
    assert found.note in log.messages
    assert rows_of_quality(found, found, found, study)[-1].note == found.note


def test_a_loss_that_is_not_finite_is_not_measured():
    assert finite_sum({"a": torch.tensor(1.0), "b": torch.tensor(2.0)}, "carseg") == 3
    with pytest.raises(NonFiniteLossError, match="the loss of carseg is not finite"):
        finite_sum({"a": torch.tensor(1.0), "b": torch.tensor(float("nan"))}, "carseg")


@pytest.mark.slow
def test_the_whole_benchmark(monkeypatch, tmp_path, synthetic_cars, log):
    monkeypatch.setenv("CARSEG_REPORTS", str(tmp_path))
    # an hour of torchvision's training, made up: the rest is measured
    taken = Quality(1, 0.5, 0.25, 0.1, ((0.5, 0.25),))
    monkeypatch.setattr(quality_rows, "train_torchvision", lambda *_: taken)
    enlarging = functools.partial(baselines.TorchvisionMaskRCNN, min_size=192)  # 800 px take half a minute a step
    monkeypatch.setattr(baselines, "TorchvisionMaskRCNN", enlarging)
    monkeypatch.setattr(quality_rows.yolo, "is_installed", lambda: True)

    def fails(*_):
        raise CarsegError("yolo: no\nsuch | model")

    monkeypatch.setattr(quality_rows.yolo, "train_yolo", fails)
    plan = BenchmarkPlan(repeats=1, photos=8, torchvision_epochs=1, memory_photos=2, memory_steps=1)
    page = run_benchmark("smoke", str(synthetic_cars), "cpu", plan)
    results = json.loads((tmp_path / "bench" / "bench.json").read_text())
    rows = {row["what"]: row for row in results["rows"]}
    same_size, as_it_comes = (
        rows[f"training, 128 × 128 px, torchvision {how}"] for how in ("at the same size", "as it comes")
    )
    assert same_size["ratio"] == pytest.approx(same_size["carseg"] / same_size["torchvision"])
    assert same_size["ratio"] > 1 and as_it_comes["ratio"] > 1
    assert as_it_comes["note"].endswith("2 photos a step")
    assert rows["inference, batch 4, torchvision at the same size"]["ratio"] > 1
    untrained = rows["inference, batch 4, torchvision at the same size, untrained"]
    found = results["detections_a_photo"]
    assert untrained["ratio"] > 1 and found["torchvision, same size, untrained"] > 1 and "classifier" not in found
    assert untrained["note"].startswith(
        f"detections a photo: torchvision {found['torchvision, same size, untrained']:.3g}, "
    )
    assert rows["training, 128 × 128 px, ResNet-50 on both sides, torchvision at the same size"]["ratio"] > 0
    assert rows["convolutions, share of the measured peak"]["carseg"] > 0
    assert rows["arithmetic of a training step"]["ratio"] > 10
    for k in (1, 2, 4):
        assert 0.2 < rows[f"peak of training on {2 * k} photos"]["carseg"] < 8
    assert {"torchvision", "equal epochs", "equal time", "classifier"} == set(results["quality"])
    assert rows["validation accuracy, equal time, classifier"]["carseg"] >= 0
    assert results["quality"]["equal epochs"]["epochs"] == 1
    assert all(
        row["torchvision"] or row["carseg"]
        for row in results["rows"]
        if "accuracy" not in row["what"] and "yolo" not in row["what"]
    )
    failed = rows["mask AP, equal time, yolo11n-seg"]
    assert failed["carseg"] is None and failed["note"] == "failed: yolo: no such / model"
    assert "yolo is left out: yolo: no such | model" in log.messages
    for name in ("bench.md", "ratios.png", "step.png", "quality.png"):
        assert (page.parent / name).stat().st_size > 500
    assert results["quality"]["torchvision"]["accuracy"] == 0.25 and log.messages[-1].startswith("measured in ")


def test_what_was_measured_before_a_failure_is_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("CARSEG_REPORTS", str(tmp_path))

    def breaks_off(*arguments):
        arguments[2].update(FACTS)
        yield [Row("speed", "training", "photos/s", 0.5, 25.0)]
        raise CarsegError("the disk is full")

    monkeypatch.setattr(run, "_measure", breaks_off)
    with pytest.raises(CarsegError, match="the disk is full"):
        run_benchmark("smoke", "", "cpu", BenchmarkPlan())
    assert "| training | photos/s | 0.5 | 25 | 50×" in (tmp_path / "bench" / "bench.md").read_text()


def test_peak_memory_is_a_processs_own_whatever_its_parent_took():
    taken = torch.ones(100_000_000)  # 400 MB
    code = (
        "from carseg_lib.experiments.benchmark.memory import own_peak;"
        "print(own_peak(), len(bytearray(300_000_000)), own_peak())"
    )
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, _, after = map(int, child.stdout.split())
    assert after - before == pytest.approx(300e6, rel=0.1) and own_peak() > taken.nbytes
