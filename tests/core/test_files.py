"""carseg_lib.core.files: a reader never meets half a file."""

from __future__ import annotations

import errno
import hashlib
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError


def test_write_json_keeps_order_and_ends_with_a_newline(tmp_path):
    path = files.write_json(tmp_path / "new" / "folder" / "a.json", {"b": 1, "a": [0.1, "é", None]})
    assert path.read_text(encoding="utf-8") == '{\n  "b": 1,\n  "a": [\n    0.1,\n    "é",\n    null\n  ]\n}\n'
    assert files.read_json(path) == {"b": 1, "a": [0.1, "é", None]}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_write_json_refuses_numbers_that_json_lacks_and_keeps_the_old_file(tmp_path, value):
    path = files.write_json(tmp_path / "a.json", {"kept": 1})
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(path, {"x": value})
    assert files.read_json(path) == {"kept": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_a_folder_takes_its_place_as_a_whole(tmp_path):
    for content in ("first", "second"):
        with files.atomic_folder(tmp_path / "set") as folder:
            (folder / "a.txt").write_text(content)
            assert folder != tmp_path / "set"
    with pytest.raises(ZeroDivisionError), files.atomic_folder(tmp_path / "set") as folder:
        (folder / "a.txt").write_text(str(1 / 0))
    assert (tmp_path / "set" / "a.txt").read_text() == "second"
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_write_csv_round_trips_floats_to_the_bit_and_leaves_missing_empty(tmp_path):
    table = pd.DataFrame({"x": [0.1 + 0.2, float("nan"), 1e-300], "name": ["a,b", 'q"', ""]})
    path = files.write_csv(tmp_path / "t.csv", table)
    assert path.read_text().splitlines()[:3] == ["x,name", '0.30000000000000004,"a,b"', ',"q"""']
    back = pd.read_csv(path, keep_default_na=False, na_values={"x": [""]})
    pd.testing.assert_frame_equal(back, table, check_dtype=False)


@given(content=st.binary(max_size=2000))
def test_write_bytes_and_sha256(tmp_path_factory, content):
    path = files.write_bytes(tmp_path_factory.mktemp("b") / "x.bin", content)
    assert path.read_bytes() == content
    assert files.sha256(path) == hashlib.sha256(content).hexdigest()


def test_atomic_leaves_nothing_when_the_block_fails(tmp_path):
    path = tmp_path / "figure.png"
    with pytest.raises(RuntimeError), files.atomic(path) as temporary:
        assert temporary.suffix == ".tmp"  # no pattern for results matches it
        assert temporary.parent == tmp_path
        temporary.write_bytes(b"half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["é" * 100 + ".png", "a.b.json", "x"])
def test_what_a_killed_process_left_is_removed_and_what_a_living_one_writes_stays(tmp_path, name):
    command = [sys.executable, "-c", LEFT_BEHIND, str(tmp_path / "run" / "figures" / name)]
    killed = subprocess.run(command, check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    left = sorted(path.suffix for path in (tmp_path / "run" / "figures").iterdir())
    assert left == [".old", ".tmp", ".tmp"]
    (tmp_path / "run" / ".notes.tmp").write_text("not ours")
    files.remove_leftovers(tmp_path / "run", deep=False)  # not below it
    assert len(list((tmp_path / "run" / "figures").iterdir())) == 3
    with files.atomic(tmp_path / "run" / "a.txt") as file, files.atomic_folder(tmp_path / "run" / "b") as folder:
        file.write_text("whole")
        (folder / "c.txt").write_text("whole")
        files.remove_leftovers(tmp_path / "run")
        assert list(tmp_path.rglob("*")).count(file) == list(tmp_path.rglob("*")).count(folder) == 1
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()) == [
        "run/.notes.tmp",
        "run/a.txt",
        "run/b/c.txt",
    ]


LEFT_BEHIND = """
import os, signal, sys
from pathlib import Path
from carseg_lib.core import files

path = Path(sys.argv[1])
with files.atomic(path) as temporary, files.atomic_folder(path.parent / "f") as folder:
    temporary.write_bytes(b"half")
    (folder / "half.txt").write_text("half")
    folder.with_suffix(".old").mkdir()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_file_of_our_own_that_is_damaged_is_one_line(tmp_path):
    for damage in (lambda: {}["splits"], lambda: [].items(), lambda: int("x\ny"), lambda: 1 / 0):
        message = r"^a\.json is damaged, or of another version .*: run it again\.$"
        with pytest.raises(CarsegError, match=message), files.written_by_carseg("a.json", "run it again"):
            damage()


def test_a_full_disk_is_one_line_and_keeps_the_old_file(tmp_path, monkeypatch):
    path = files.write_text(tmp_path / "a.txt", "old")

    def full(self: Path, content: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(self))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(CarsegError, match=r"^The disk is full: .*a\.txt was not written\. [^\n]+$"):
        files.write_text(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_file_where_a_folder_should_be_is_one_line(tmp_path):
    (tmp_path / "reports").write_text("not a folder")
    with pytest.raises(CarsegError, match="reports"):
        files.write_text(tmp_path / "reports" / "a.txt", "new")


def test_an_unwritable_folder_is_one_line(tmp_path, monkeypatch):
    def refused(self: Path, content: bytes) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(Path, "write_bytes", refused)
    with pytest.raises(CarsegError, match=r"a\.txt cannot be written \(Permission denied\)"):
        files.write_text(tmp_path / "a.txt", "new")


def test_read_json_names_the_file(tmp_path):
    with pytest.raises(CarsegError, match=r"missing\.json cannot be read"):
        files.read_json(tmp_path / "missing.json")
    (tmp_path / "half.json").write_text('{"a": ')
    with pytest.raises(CarsegError, match=r"half\.json does not hold valid JSON"):
        files.read_json(tmp_path / "half.json")


@pytest.mark.parametrize(
    "change", [b"", b"[]", b'{"a": 1}', lambda whole: whole.replace(b"0.25", b"0.75"), lambda whole: whole[:-4]]
)
def test_a_sealed_json_is_what_was_written_or_nothing(tmp_path, change):
    path = tmp_path / "a.json"
    assert files.read_sealed_json(path) is None
    content = {"b": [0.25, "ü"], "a": {"x": None}}
    files.write_sealed_json(path, content)
    assert files.read_sealed_json(path) == content
    path.write_bytes(change(path.read_bytes()) if callable(change) else change)
    assert files.read_sealed_json(path) is None
