"""Broken files of every reader: named errors alone, nothing executed, nothing written or read outside, bounds kept."""

from __future__ import annotations

import base64
import itertools
import json
import os
import random
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from carseg_lib.core.classes import ClassMap
from carseg_lib.core.errors import CarsegError
from carseg_lib.data.formats.detect import FORMATS
from carseg_lib.data.formats.mat_file import read_mat
from tests.faults import fuzz, mutate, table
from tests.faults.reader import Reader
from tests.faults.readers import READERS
from tests.helpers.dataset_formats import make_devkit
from tests.helpers.smoke_run import ROOT

# Inputs of each reader in the fast tests, 2,000 in all; what they cost differs a hundredfold.
FAST = {"photo-header": 200, "mask-png": 100, "packed-masks": 200, "report-table": 300, "classes": 200, "notebook": 200}
FAST |= {"config.json": 200, "photo": 100, "csv": 60, "coco": 40, "voc": 30, "yolo": 40, "cvat": 40, "label-studio": 30}
FAST |= {"labelme": 20, "via": 20, "supervisely": 20, "zip": 200}
SLOW = {"via-csv": 50, "settings": 100, "profile": 20, "stamp": 200, "cache": 5, "catalogue": 30, "presence.json": 200}
SLOW |= {"checkpoint": 300, "checkpoint-pickle": 200, "segmenter": 300, "training-state": 50, "metrics.json": 15}
SLOW |= {"stanford-cars": 3, "page": 3}


def _fuzzed(readers: dict[str, int], folder: Path) -> list[dict]:
    """Fuzz in a process of its own: the audit hook stays for as long as a process lives."""
    code = (
        "import json, sys; from pathlib import Path; from tests.faults import fuzz\n"
        "from tests.faults.readers import READERS\n"
        "fuzz.prepare(); readers = json.loads(sys.argv[1]); seed = int(sys.argv[3])\n"
        "for name, inputs in readers.items():\n"
        "    found = fuzz.fuzz(name, READERS[name], inputs, seed, Path(sys.argv[2]))\n"
        "    print(json.dumps({'reader': name, 'inputs': found.inputs, 'faults': found.faults}))\n"
    )
    command = [sys.executable, "-X", "faulthandler", "-c", code, json.dumps(readers), str(folder), "0"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CARSEG_")}
    environment |= {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def _check(found: list[dict], readers: dict[str, int]) -> None:
    assert {row["reader"]: row["inputs"] for row in found} == readers
    for row in found:
        assert row["faults"] == {}, f"{row['reader']}: {json.dumps(row['faults'], indent=1)[:3000]}"


def test_broken_files_are_refused_by_name(tmp_path):
    assert sum(FAST.values()) == 2000
    _check(_fuzzed(FAST, tmp_path), FAST)


@pytest.mark.slow
def test_broken_files_of_all_other_readers_are_refused_by_name(tmp_path):
    assert FAST.keys() | SLOW.keys() == READERS.keys()
    _check(_fuzzed(SLOW, tmp_path), SLOW)


def test_a_total_of_inputs_is_shared_by_all_readers():
    shared = fuzz.inputs_of(list(READERS), 1_000_000)
    assert shared.keys() == READERS.keys() and min(shared.values()) >= 96
    assert 1_000_000 <= sum(shared.values()) < 1_000_100
    assert fuzz.inputs_of(["zip"], 7) == {"zip": 7}


def test_what_was_found_becomes_the_tables_of_the_documentation(tmp_path, capsys):
    kills = [{"step": "cache", "seed": seed, "killed": 7, "left_behind": 5, "faults": ["a"] * seed} for seed in (0, 1)]
    fuzzed = [{"reader": "zip", "inputs": 1200, "read": 3, "counts": {"a": 2, "b": 1}}]
    fuzzed += [{"reader": "csv", "inputs": 2000, "read": 9, "counts": {}}]
    for name, rows in (("kill", kills), ("fuzz", fuzzed)):
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    table.main([str(tmp_path / "kill"), str(tmp_path / "fuzz")])
    said = capsys.readouterr().out.splitlines()
    assert said[2:4] == ["| cache | 14 | 2 | 10 | 1 |", "| **all** | 14 | 2 | 10 | 1 |"]
    assert said[7:] == ["| csv | 2,000 | 9 | 0 |", "| zip | 1,200 | 3 | 3 |", "| **all** | 3,200 | 12 | 3 |", ""]


@pytest.mark.parametrize("change", [mutate.of_bytes, mutate.of_text, mutate.of_json, mutate.any_text])
def test_mutators_break_files_and_repeat_themselves(change):
    valid = json.dumps({"images": [{"id": 1, "file_name": "a.jpg"}], "names": ["suv", 2, None, 1.5]}).encode()
    made = [change(random.Random(seed), valid) for seed in range(200)]
    assert made == [change(random.Random(seed), valid) for seed in range(200)]
    assert len(set(made)) > 120
    assert sum(one != valid for one in made) > 150


def misbehaves(kind: str):
    """A reader that does what none may."""

    def build(folder: Path):
        (folder / "a.txt").write_text("a")

        def call(changed: Path) -> None:
            if kind == "process":
                subprocess.run([sys.executable, "-c", ""], check=False)
            elif kind == "write":
                (folder.parent / "written.txt").write_text("x")
            elif kind == "read":
                (folder.parent / "outside.jpg").read_bytes()
            elif kind == "connection":
                with socket.socket() as one:
                    one.settimeout(0.01)
                    one.connect_ex(("127.0.0.1", 9))
            elif kind == "endless":
                while True:
                    pass
            elif kind == "memory":
                pass  # told by the peak
            elif kind == "lines":
                error = CarsegError("a")
                error.args = ("one\ntwo",)
                raise error
            else:
                raise KeyError(kind)

        return call

    return Reader(build, mutate.any_text, ("a.txt",))


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("process", "subprocess.Popen"),
        ("write", "open to write outside"),
        ("read", "open to read outside"),
        ("connection", "socket.connect"),
        ("endless", "TooLong"),
        ("memory", "grew by"),
        ("lines", "a message of 2 lines"),
        ("key", "KeyError"),
    ],
)
def test_the_fuzzer_notices(tmp_path, monkeypatch, kind, said):
    monkeypatch.setattr(fuzz, "SECONDS", 0.2)
    if kind == "memory":  # the peak of this process may lie higher by what other tests took
        peaks = itertools.count(0, 2 * int(fuzz.MEMORY))
        monkeypatch.setattr(fuzz, "_peak", lambda: float(next(peaks)))
    before = signal.signal(signal.SIGVTALRM, fuzz._too_long)
    try:
        found = fuzz.fuzz("bad", misbehaves(kind), 1, 0, tmp_path)
    finally:
        signal.signal(signal.SIGVTALRM, before)
    assert len(found.faults) == 1
    assert said in next(iter(found.faults))
    (shown,) = found.faults.values()
    assert shown["file"] == "a.txt" and base64.b64decode(shown["content"]) is not None


def test_a_damaged_matlab_file_ends_a_process_of_its_own(tmp_path):
    """Of these bytes scipy's reader makes a segmentation fault, an endless loop or an error, by its version."""
    data = make_devkit(tmp_path / "cars", per_class=1)
    path = data / "devkit" / "cars_train_annos.mat"
    whole = path.read_bytes()
    assert len(read_mat(path, "annotations")["annotations"]) == 8
    assert read_mat(path, "no such variable") == {}
    path.write_bytes(whole[: len(whole) // 2] + b"\xff" * 8 + whole[len(whole) // 2 + 8 :])
    stanford = next(one for one in FORMATS if one.key == "stanford-cars")
    with pytest.raises(CarsegError, match=r"cars_train_annos\.mat"):
        stanford.read(data, ClassMap(), "exclude")
