"""A bad disk, a full one, no memory, no files, a lost process: one line or a right recovery, then the same numbers."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from PIL import Image

from carseg_lib.core import files
from carseg_lib.core.cli import run_command
from carseg_lib.core.errors import CarsegError, exhaustion
from carseg_lib.core.locks import folder_lock
from carseg_lib.workflow import stamps
from tests.faults import kill, steps
from tests.faults.steps import STEPS
from tests.helpers.drawn_cars import make_car_photos
from tests.helpers.smoke_run import ROOT

pytestmark = pytest.mark.xdist_group("faults")


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A small data set with splits, and what each step leaves there undisturbed; steps run in copies of it."""
    place = tmp_path_factory.mktemp("faults") / "place"
    steps._with_dataset(place, 0)
    kept = place.with_name("kept")
    shutil.copytree(place, kept, symlinks=True)

    def fresh() -> Path:
        shutil.rmtree(place, ignore_errors=True)
        return Path(shutil.copytree(kept, place, symlinks=True))

    return fresh


@pytest.fixture(scope="module")
def trained(begun):
    """A small run, trained; a copy of it in its place, and a digest of each of its files."""
    place = begun()
    steps._train(place, 0)
    facts = kill.facts(place, STEPS["training"])
    kept = place.with_name("trained")
    shutil.copytree(place, kept, symlinks=True)

    def fresh() -> Path:
        shutil.rmtree(place, ignore_errors=True)
        return Path(shutil.copytree(kept, place, symlinks=True))

    return fresh, facts


def flip(path: Path, place: float) -> None:
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 4
    path.write_bytes(content)


DAMAGE = {
    "cut off": lambda path: os.truncate(path, path.stat().st_size // 2),
    "empty": lambda path: os.truncate(path, 0),
    "one bit": lambda path: flip(path, 0.6),
    "gone": lambda path: path.unlink(),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "damage", "said"),
    [
        ("epoch-002.pt", "cut off", "the epoch before it is tried"),
        ("epoch-002.pt", "empty", "the epoch before it is tried"),
        ("epoch-002.pt", "one bit", "the epoch before it is tried"),
        ("best-*.pt", "one bit", "training begins anew"),
        ("state.json", "one bit", "training begins anew"),
    ],
)
def test_training_goes_on_from_what_a_bad_disk_left(trained, caplog, name, damage, said):
    fresh, facts = trained
    place = fresh()
    for path in (place / "reports" / "a" / "model").glob(f"*/{name}"):
        DAMAGE[damage](path)
    for path in ("model/best.pt", "model/best.json", "history.csv"):
        (place / "reports" / "a" / path).unlink()
    steps._train(place, 0)
    assert said in caplog.text
    assert kill.facts(place, STEPS["training"]) == facts


def test_a_damaged_model_is_not_used(trained):
    from carseg_lib.core.run import Run
    from carseg_lib.engine.inference import load_trained

    fresh, _ = trained
    place = fresh()
    flip(place / "reports" / "a" / "model" / "best.pt", 0.5)
    os.environ["CARSEG_REPORTS"] = str(place / "reports")
    run = Run.open("a")
    with pytest.raises(CarsegError, match=r"best\.pt is not the file that best\.json describes"):
        load_trained(run.config, run)


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", ["photos-*.bin", "photos-*.json"])
def test_photos_are_decoded_again_where_the_cache_is_damaged(begun, name, damage):
    place = begun()
    steps._cache(place, 0)
    whole = kill.facts(place, STEPS["cache"])
    (path,) = (place / "reports" / ".cache").glob(name)
    DAMAGE[damage](path)
    steps._cache(place, 0)
    assert kill.facts(place, STEPS["cache"]) == whole


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["cut off", "one bit"])
def test_masks_are_drawn_again_where_their_cache_is_damaged(tmp_path, damage):
    steps._without_masks(tmp_path, 0)
    shutil.copytree(tmp_path / "reports", tmp_path / "kept")
    steps._masks(tmp_path, 0)
    whole = kill.facts(tmp_path / "reports", STEPS["masks"])
    for path in (tmp_path / "reports" / ".cache").rglob("*.json"):
        DAMAGE[damage](path)
    shutil.rmtree(tmp_path / "reports" / "a")
    shutil.copytree(tmp_path / "kept" / "a", tmp_path / "reports" / "a")
    steps._masks(tmp_path, 0)
    assert kill.facts(tmp_path / "reports", STEPS["masks"]) == whole


def in_need(place: Path, step: str, need) -> str:
    """What a step says in a process that lacks something, in one line; it ends as after a user's mistake."""
    log = place.with_name("log")
    log.unlink(missing_ok=True)

    def act() -> None:
        need()
        group = click.Group("carseg", commands={"a": click.Command("a", callback=lambda: STEPS[step].run(place, 0))})
        os._exit(run_command(group, ["a"]))

    status, _ = kill.in_child(act, log=log)
    said = log.read_text().strip()
    assert status == 2, said
    return said.splitlines()[-1]


def no_files() -> None:
    highest = max(int(path.name) for path in Path("/proc/self/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 3, highest + 3))
    taken = []
    with contextlib.suppress(OSError):
        while True:
            taken.append(os.open(os.devnull, os.O_RDONLY))
    os.close(taken[-1])  # one file at a time can still be read


def no_rights() -> None:
    """Root may write anywhere: it gives that right up (Linux's capabilities, all of them)."""
    header, none = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    assert ctypes.CDLL(None).capset(header, none) == 0


def a_full_disk() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))  # bytes of a file


def little_memory() -> None:
    """Hardly more address space than the process has: a limit from the start would forbid torch, which maps much."""
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + 6_000_000, size + 6_000_000))
    with contextlib.suppress(MemoryError):  # what former tests have freed is no new memory, and would be enough
        while True:
            held.append(bytearray(1_000_000))
    del held[:4]


held: list[bytearray] = []
FAST_STEPS, SLOW_STEPS = ("catalogue", "cache", "unpacking", "fetching"), ("rendering", "masks", "training", "report")
NEEDS = {
    "a full disk": (a_full_disk, "The disk is full"),
    "no descriptors": (no_files, "oo many .*open"),
    "a read-only folder": (no_rights, "cannot be written"),
}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """What a step begins with, in its place, and a digest of each file that it leaves there undisturbed."""
    place, kept = tmp_path_factory.mktemp("needs") / "place", {}

    def of(step: str) -> tuple[Path, kill.Facts]:
        template = place.with_name(step)
        shutil.rmtree(place, ignore_errors=True)
        if step not in kept:
            STEPS[step].load()
            place.mkdir()
            STEPS[step].prepare(place, 0)
            shutil.copytree(place, template, symlinks=True)
            STEPS[step].run(place, 0)
            kept[step] = kill.facts(place, STEPS[step])
            shutil.rmtree(place)
        shutil.copytree(template, place, symlinks=True)
        return place, kept[step]

    return of


@pytest.mark.skipif(sys.platform != "linux", reason="limits of a process as Linux has them")
@pytest.mark.parametrize("need", NEEDS)
@pytest.mark.parametrize("step", [*FAST_STEPS, *(pytest.param(step, marks=pytest.mark.slow) for step in SLOW_STEPS)])
def test_what_the_machine_lacks_is_one_line_and_the_same_call_ends_well(prepared, step, need):
    place, whole = prepared(step)
    limit, said = NEEDS[need]
    folders = [folder for folder in (place, *place.rglob("*")) if folder.is_dir()]
    for folder in folders:
        folder.chmod(0o555 if need == "a read-only folder" else 0o755)
    line = in_need(place, step, limit)
    assert line.startswith("carseg: ") and re.search(said, line), line
    assert kill.leftovers(place) == []
    for folder in folders:
        folder.chmod(0o755)
    STEPS[step].run(place, 0)
    assert kill.facts(place, STEPS[step]) == whole


FULL_DISK = """
import sys
from pathlib import Path
from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError

folder = Path(sys.argv[1])
files.write_bytes(folder / "a.bin", b"old" * 1000)
try:
    files.write_bytes(folder / "a.bin", bytes(3_000_000))
except CarsegError as error:
    print(error)
assert (folder / "a.bin").read_bytes() == b"old" * 1000
assert [path.name for path in folder.iterdir()] == ["a.bin"]
files.write_bytes(folder / "a.bin", bytes(300_000))
"""


@pytest.mark.skipif(not shutil.which("unshare"), reason="there is no unshare")
def test_a_small_disk_that_is_full_keeps_the_old_file(tmp_path):
    mounted = f'mount -t tmpfs -o size=1m tmpfs "{tmp_path}" && exec "{sys.executable}" -c "$0" "{tmp_path}"'
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = ["unshare", "-rm", "sh", "-c", mounted, FULL_DISK]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode and ("unshare" in done.stderr or "mount" in done.stderr):
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()[:100]}")
    assert done.stderr == ""
    assert done.stdout == f"The disk is full: {tmp_path}/a.bin was not written. Free some space and run again.\n"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("MemoryError: ", "The memory is full"),
        ("RuntimeError: [enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory", "memory"),
        ("OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB", "The memory is full"),
        ("RuntimeError: DataLoader worker (pid(s) 123) exited unexpectedly", "num_workers=0"),
        ("RuntimeError: DataLoader worker (pid 7) is killed by signal: Killed.", "num_workers=0"),
        ("OSError: [Errno 28] No space left on device", "The disk is full"),
        ("OSError: [Errno 24] Too many open files: 'x'", "ulimit -n"),
    ],
)
def test_exhaustion_is_named_wherever_it_is_met(error, said):
    found = exhaustion(error)
    assert found and said in str(found) and "the same command goes on" in str(found)
    assert exhaustion("RuntimeError: shapes do not match") is None
    masked = RuntimeError("unexpected position")
    masked.__context__ = MemoryError()  # as torch.save masks it
    assert exhaustion(masked) and not exhaustion(RuntimeError("unexpected position"))


@pytest.mark.skipif(sys.platform != "linux", reason="a process's address space is limited as Linux does")
@pytest.mark.parametrize("step", ["catalogue", pytest.param("training", marks=pytest.mark.slow)])
def test_no_memory_is_one_line_and_the_same_call_ends_well(prepared, step):
    place, whole = prepared(step)
    if step == "catalogue":  # small photos need less than a process has over, and one of twenty may be left out
        shutil.rmtree(place / "photos")
        make_car_photos(place / "photos", per_type=6, size=(96, 64))
        path = min((place / "photos").rglob("train/**/*.jpg"))
        with Image.open(path) as photo:
            photo.resize((4800, 3200)).save(path)
    assert "The memory is full" in in_need(place, step, little_memory)
    STEPS[step].run(place, 0)
    if step == "catalogue":
        assert len(files.read_json(place / "reports" / "a" / "catalogue" / "catalogue.json")) > 0
    else:
        assert kill.facts(place, STEPS[step]) == whole


@pytest.mark.slow
def test_a_loader_that_the_system_ends_is_named_and_training_goes_on(trained, begun, monkeypatch):
    from carseg_lib.data import loading

    _, facts = trained
    place = begun()
    with monkeypatch.context() as patch:
        patch.setattr(loading, "collate", steps.end_this_process)
        patch.setitem(steps.SMALLEST, "num_workers", "1")
        with pytest.raises(RuntimeError, match="DataLoader worker") as raised:
            steps._train(place, 0)
        assert "num_workers=0" in str(exhaustion(raised.value))
    steps._train(place, 0)
    assert kill.facts(place, STEPS["training"]) == facts


def test_a_clock_that_was_set_back_makes_nothing_stale(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("1")
    first = stamps.file_states(tmp_path, ["*.csv"], {})
    for when in (time.time() + 1e8, 0):  # the file is of the future, or of 1970
        os.utime(path, (when, when))
        again = stamps.file_states(tmp_path, ["*.csv"], first)
        assert again["a.csv"]["sha256"] == first["a.csv"]["sha256"]


def test_a_lock_of_a_dead_process_holds_nobody_and_a_living_one_is_named(tmp_path):
    (tmp_path / ".lock").write_text("process 4194000")
    with folder_lock(tmp_path, "Run 'a'"):
        status, _ = kill.in_child(lambda: _refused(tmp_path))
        assert status == 0
    with folder_lock(tmp_path, "Run 'a'"):
        pass


def _refused(folder: Path) -> None:
    message = rf"Run 'a' is being made already \(by process {os.getppid()}\)"
    with pytest.raises(CarsegError, match=message), folder_lock(folder, "Run 'a'"):
        pass


def test_an_altered_file_of_a_run_is_named_where_it_is_stumbled_over(tmp_path):
    from tests.faults.own_files import paths_of

    run = tmp_path / "a"
    files.write_json(run / "metrics.json", {"splits": {}})
    outputs = stamps.file_states(run, ["*.json"], {})
    stamp = {"schema": stamps.SCHEMA, "needs": {}, "inputs": {}, "data": None, "outputs": outputs, "record": {}}
    files.write_json(run / "stamps" / "04_evaluation.json", stamp)
    with pytest.raises(KeyError), stamps.read_as_left(paths_of(run)):
        {}["a fault of ours"]
    (run / "metrics.json").write_text(json.dumps({"split": 1}))
    message = r"metrics\.json was altered .* make reproduce RUN=a again"
    with pytest.raises(CarsegError, match=message), stamps.read_as_left(paths_of(run)):
        files.read_json(run / "metrics.json")["splits"]


def test_every_refusal_of_a_disk_is_one_line(tmp_path):
    errors = {errno.ENOSPC: "full", errno.EROFS: "writable", errno.EMFILE: "ulimit", errno.EIO: "not written"}
    for number, said in errors.items():
        error = files.disk_error(OSError(number, os.strerror(number)), tmp_path / "a")
        assert said in str(error) and "\n" not in str(error)
