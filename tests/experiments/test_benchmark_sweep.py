"""The sweep over a device: its order, its budget, its timeline and its rows, dry on a CPU."""

import json
import re

import pytest
import torch

from carseg_lib.core.run import Run
from carseg_lib.experiments.benchmark import sweep
from carseg_lib.experiments.benchmark.run import create_plan, run_benchmark
from carseg_lib.experiments.benchmark.speed import CARSEG, TORCHVISION_SAME_SIZE
from carseg_lib.experiments.benchmark.sweep import Case, SweepPlan, cases, markdown
from carseg_lib.experiments.benchmark.timeline import Span, summary
from carseg_lib.models.precision import BFLOAT16, FLOAT32


def test_the_most_telling_rows_come_first_and_none_twice():
    found = cases(SweepPlan(batches=(8, 64)))
    assert len(found) == len(set(found))
    assert found[0] == Case(sweep.TRAINING, CARSEG, BFLOAT16, 8, deterministic=True)
    assert [case.batch for case in found if case.work == sweep.TRAINING] == [8] * 11 + [64] * 11
    trained = {(c.system, c.precision, c.deterministic) for c in found if c.work == sweep.TRAINING and c.batch == 64}
    assert trained >= {(name, p, name.startswith(CARSEG)) for name in sweep.SYSTEMS for p in (BFLOAT16, FLOAT32)}
    assert (CARSEG, BFLOAT16, False) in trained  # what determinism costs
    assert {c.batch for c in found if c.work == sweep.LATENCY} == {1}


def test_a_timeline_tells_the_busy_share_the_longest_kernels_and_gaps():
    spans = [Span("conv", 0, 400), Span("copy", 100, 200), Span("nms", 700, 800), Span("conv", 300, 500)]
    found = summary(spans, seconds=1e-3)
    assert found["busy"] == pytest.approx(0.6) and found["kernels"] == 4  # 0 to 500 and 700 to 800 of 1,000 µs
    first = found["longest_kernels"][0]
    assert (first["name"], first["calls"]) == ("conv", 2) and first["milliseconds"] == pytest.approx(0.6)
    assert first["share"] == pytest.approx(0.75)
    assert found["longest_gaps"] == [{"milliseconds": 0.2, "after": "conv", "before": "nms"}]
    assert summary([], 1.0)["busy"] == 0


def test_settings_of_the_sweep_are_read():
    plan = create_plan({"sweep": "yes", "batches": "4 2", "steps": "3", "seconds": "60", "start": "none"})
    assert plan.sweep == "yes" and plan.of_sweep == SweepPlan((4, 2), steps=3, seconds=60, start="none")


def test_rows_are_written_as_they_come_and_an_exhausted_budget_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("CARSEG_REPORTS", str(tmp_path))
    monkeypatch.setattr(sweep, "peak_gflops", lambda *_, **__: {"matrix": 100.0})
    failures = iter([torch.OutOfMemoryError("no"), RuntimeError("no deterministic kernel\nlong"), KeyboardInterrupt()])

    def fails(*_):
        raise next(failures)

    monkeypatch.setattr(sweep, "make_system", fails)
    config = Run.create("measured", "smoke", device="cpu").config
    with pytest.raises(KeyboardInterrupt):
        sweep.run_sweep(config, SweepPlan((2,)), tmp_path / "cut")
    rows = [json.loads(line) for line in (tmp_path / "cut" / "sweep.jsonl").read_text().splitlines()]
    assert [row["work"] for row in rows] == ["machine", "peak", "training", "training"]
    assert [row["note"] for row in rows[2:]] == ["out of memory", "failed: no deterministic kernel"]
    page = sweep.run_sweep(config, SweepPlan((2,), seconds=0), tmp_path / "late").read_text()
    assert (
        page.count("not measured: no time was left") == 11 + 10 + 10 + 2 + 2
    )  # rows of training, inference, latency, same bits, regions


@pytest.mark.slow
def test_each_kind_of_row_is_measured_dry_on_a_cpu(monkeypatch, tmp_path):
    chosen = [Case(work, CARSEG, FLOAT32, 2, True) for work in (sweep.TRAINING, sweep.TIMELINE, sweep.INFERENCE)]
    chosen += [Case(sweep.LATENCY, TORCHVISION_SAME_SIZE, FLOAT32, 1), Case(sweep.SAME_BITS, CARSEG, BFLOAT16, 2, True)]
    chosen += [Case(sweep.REGIONS, name, FLOAT32, 2) for name in sweep.POOLS]
    monkeypatch.setenv("CARSEG_REPORTS", str(tmp_path))
    monkeypatch.setattr(sweep, "cases", lambda _: chosen)
    monkeypatch.setattr("carseg_lib.experiments.benchmark.hardware.MATRIX", 64)
    plan = {"sweep": "yes", "batches": "2", "steps": "1", "warmups": "0", "seconds": "9999", "start": "imagenet"}
    page = run_benchmark("smoke", "", "cpu", create_plan(plan | {"height": "64", "width": "64"}))
    machine, peak, *rows = [json.loads(line) for line in (page.parent / "sweep.jsonl").read_text().splitlines()]
    assert machine["device"] == "cpu" and peak["bfloat16"]["matrix"] >= 0
    assert [row["work"] for row in rows] == [case.work for case in chosen]
    for row in rows:
        assert "note" not in row
        if row["work"] == sweep.SAME_BITS:
            assert row["equal"] and row["steps"] == 1
        elif row["work"] == sweep.TIMELINE:
            assert 0 < row["busy"] <= 1 and len(row["longest_kernels"]) == 10
            assert (page.parent / "traces" / row["trace"]).stat().st_size > 1000
        else:
            assert row["photos_per_second"] > 0
    assert 0 < rows[0]["waits"] < 16 and rows[0]["share_of_peak"] > 0
    assert re.search(r"## Timeline: carseg, batch 2: [\d.]+% busy", page.read_text())
    assert markdown([machine, peak, *rows]) == page.read_text()
