"""carseg_lib.workflow.provenance: the provenance of a run."""

from __future__ import annotations

import json
import re
import subprocess

import psutil
import pytest

from carseg_lib.core import files
from carseg_lib.core.environment import command_output, thread_waiting
from carseg_lib.core.run import Run
from carseg_lib.workflow import provenance


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("CARSEG_REPORTS", str(tmp_path / "reports"))
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"x")
    return Run.create(name="mine", data=tmp_path / "photos", seed=3)


def test_the_record(run, tmp_path):
    (tmp_path / "requirements.lock").write_text("numpy==1\n")
    files.write_json(run.best_card, {"weights": {"source": "imagenet", "sha256": "ab"}, "sha256": "cd"})
    steps = [
        {"name": "01", "seconds": 1.5, "peak_memory_mb": 100.0, "made": "2024-01-01T00:00:00Z"},
        {"name": "02", "seconds": 2.5, "peak_memory_mb": 200.0, "made": "2024-01-02T00:00:00Z"},
    ]
    record = provenance.record(run, tmp_path, steps, "ef")
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert (record["made"], record["seconds"], record["steps"]) == ("2024-01-02T00:00:00Z", 4.0, steps)
    assert record["command"] == run.command()
    assert (record["seed"], record["device"], record["num_processes"]) == (3, "auto", 1)
    assert record["data"] == {"name": "photos", "sha256": "ef"}
    assert record["weights"] == {"source": "imagenet", "sha256": "ab", "model_sha256": "cd"}
    assert record["lock"] == files.sha256(tmp_path / "requirements.lock")
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", record["packages"]["torch"])
    assert record["hardware"]["cores"] >= 1
    assert 0.1 < record["hardware"]["memory_gb"] < 100_000
    assert record["hardware"]["processor"]
    assert isinstance(record["hardware"]["processor_model"], str)
    assert record["number_format"] is None  # the card does not say


@pytest.mark.parametrize(("asked", "threads"), [("3", 3), ("2,1", 2), ("", None), ("0", None), ("many", None)])
def test_threads_are_those_asked_for_or_the_cores(run, tmp_path, monkeypatch, asked, threads):
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    record = provenance.record(run, tmp_path, [], None)
    assert record["threads"] == (threads or record["hardware"]["cores"])


@pytest.mark.parametrize(
    ("percent", "set_by_user", "spins"),
    [
        (20, {}, 300_000),
        (30, {}, 1000),
        (70, {"OMP_NUM_THREADS": "1"}, 300_000),  # a core is left for it
        (90, {"OMP_NUM_THREADS": "1"}, 1000),
        (90, {"GOMP_SPINCOUNT": "7"}, 7),
        (90, {"OMP_WAIT_POLICY": "passive"}, None),
    ],
)
def test_beside_other_programs_threads_sleep_soon_and_it_is_recorded(
    run, tmp_path, monkeypatch, percent, set_by_user, spins
):
    monkeypatch.setattr(psutil, "cpu_count", lambda: 2)
    monkeypatch.setattr(psutil, "cpu_percent", lambda interval: percent)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    for name, value in set_by_user.items():
        monkeypatch.setenv(name, value)
    thread_waiting.cache_clear()
    try:
        assert provenance.record(run, tmp_path, [], None)["spin_count"] == spins
    finally:
        thread_waiting.cache_clear()


@pytest.mark.parametrize(("precision", "name"), [("32-true", "float32"), ("bf16-mixed", "bfloat16")])
def test_the_number_format_is_the_trainings(run, tmp_path, precision, name):
    files.write_json(run.best_card, {"precision": precision})
    assert provenance.record(run, tmp_path, [], None)["number_format"] == name


def test_before_anything_ran(run, tmp_path):
    record = provenance.record(run, tmp_path, [], None)
    assert (record["steps"], record["seconds"], record["weights"], record["carseg"]["commit"]) == ([], 0, None, None)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", record["made"])


def test_the_commit_and_whether_files_differ_from_it(tmp_path):
    assert provenance.code_version(tmp_path)["commit"] is None

    def git(*words: str) -> str:
        command = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@example.org", *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q")
    (tmp_path / "a.txt").write_text("1")
    git("add", ".")
    git("commit", "-q", "-m", "first")
    version = provenance.code_version(tmp_path)
    assert (version["commit"], version["modified"]) == (git("rev-parse", "HEAD"), False)
    (tmp_path / "b.txt").write_text("untracked files do not count")
    assert provenance.code_version(tmp_path)["modified"] is False
    (tmp_path / "a.txt").write_text("2")
    assert provenance.code_version(tmp_path)["modified"] is True


def test_a_program_that_is_not_there_is_no_error():
    assert command_output(["no-such-program-here"]) is None
    assert command_output(["git", "no-such-command"]) is None


def test_whether_it_is_current(run, tmp_path):
    steps = [{"name": "01", "seconds": 1.5, "made": "2024-01-01T00:00:00Z"}]
    assert not provenance.is_current(run, steps, "ef")
    files.write_json(run.provenance, provenance.record(run, tmp_path, steps, "ef"))
    assert provenance.is_current(run, steps, "ef")
    assert not provenance.is_current(run, [*steps, *steps], "ef")
    assert not provenance.is_current(run, steps, "0")
    assert not provenance.is_current(run.updated(seed=4), steps, "ef")
    run.provenance.write_text("{")
    assert not provenance.is_current(run, steps, "ef")
