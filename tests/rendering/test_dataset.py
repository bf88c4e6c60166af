"""The rendered data set: its plan, its building in parallel, its files. Drawn cars take the place of rendered ones."""

from __future__ import annotations

import csv
import functools
import hashlib
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from carseg_lib.core import files
from carseg_lib.core.classes import BODY_TYPES
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.paths import project_folder
from carseg_lib.data import locate
from carseg_lib.data.catalogue import SPLITS
from carseg_lib.data.masks import box_of_mask, decode_segmentation
from carseg_lib.paper.claims import PAPER_COUNTS
from carseg_rendering.cli import main
from carseg_rendering.dataset import build, card, shards
from carseg_rendering.dataset.build import read_plan, write_archive, write_folder
from carseg_rendering.dataset.checks import check_dataset, summary
from carseg_rendering.dataset.crew import Crew
from carseg_rendering.dataset.parameter_strips import render_strips
from carseg_rendering.dataset.plan import FEWEST_PHOTOS, SHARES, DatasetPlan, body_type_of, photo_name, split_sizes
from carseg_rendering.dataset.shards import make_shard, read_shard, render_shards, work_lock
from carseg_rendering.dataset.sheet import contact_sheet
from tests.helpers import fake_renderer

SMALL = DatasetPlan(photos=FEWEST_PHOTOS)


@pytest.fixture(autouse=True)
def versions(monkeypatch):
    monkeypatch.setattr(card, "renderer_versions", lambda: fake_renderer.PACKAGE_VERSIONS)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A data set of drawn cars as a folder; read it, never write into it."""
    folder = tmp_path_factory.mktemp("drawn")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(card, "renderer_versions", lambda: fake_renderer.PACKAGE_VERSIONS)
        write_folder(fake_renderer.drawn_contents(SMALL, folder / "work"), folder / "set")
    return folder / "set"


def test_the_packaged_set_has_the_papers_proportions():
    assert split_sizes(DatasetPlan().photos) == (1239, 722, 148)
    assert split_sizes(sum(PAPER_COUNTS.values())) == tuple(PAPER_COUNTS.values())
    assert tuple(SHARES) == BODY_TYPES
    assert sum(SHARES.values()) == 100


@given(st.integers(FEWEST_PHOTOS, 3000), st.integers(0, 10**6))
def test_types_and_splits_are_shared_out_evenly(photos, seed):
    plan = DatasetPlan(photos, seed)
    types = [body_type_of(index, seed) for index in range(photos)]
    for body_type, number in Counter(types).items():
        assert abs(number - SHARES[body_type] * photos / 100) <= 4
    splits = plan.splits()
    assert [splits.count(split) for split in SPLITS] == list(split_sizes(photos))
    both = Counter(zip(types, splits, strict=True))
    for body_type in BODY_TYPES:
        for split in SPLITS:
            expected = types.count(body_type) * splits.count(split) / photos
            assert abs(both[body_type, split] - expected) <= 4
            assert both[body_type, split] >= 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"photos": 5}, "NUM_IMAGES=5: "),
        ({"seed": -1}, "SEED=-1: "),
        ({"realism": "fine"}, "REALISM=fine: must be one of plain, light"),
    ],
)
def test_a_plan_out_of_range_is_refused(change, message):
    with pytest.raises(CarsegError, match=message):
        DatasetPlan(**change)


def test_photos_are_rendered_once_and_a_killed_builder_goes_on(tmp_path):
    code = (
        "import functools, sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path; from tests.helpers import fake_renderer\n"
        "from carseg_rendering.dataset import shards; from carseg_rendering.dataset.crew import Crew\n"
        "from carseg_rendering.dataset.plan import DatasetPlan\n"
        "if __name__ == '__main__':\n"
        "    render = functools.partial(fake_renderer.render_slowly, log=Path(sys.argv[3]))\n"
        "    with shards.work_lock(Path(sys.argv[2])) as work:\n"
        "        shards.render_shards(DatasetPlan(200), work, render=render, crew=Crew(2))\n"
    )
    work, script = tmp_path / "work", tmp_path / "build.py"
    script.write_text(code)
    words = [sys.executable, script, project_folder(), work, tmp_path / "log"]
    builder = subprocess.Popen(list(map(str, words)), stdout=subprocess.DEVNULL)
    wait_for(lambda: len(list(work.glob("*.json"))) >= 4)
    with pytest.raises(CarsegError, match=rf"being made already \(by process {builder.pid}\)"), work_lock(work):
        pass
    builder.send_signal(signal.SIGKILL)
    builder.wait()
    time.sleep(1.0)  # its processes end with it
    begun = len((tmp_path / "log").read_text().split())
    time.sleep(0.5)
    assert len((tmp_path / "log").read_text().split()) == begun < 100
    there = {path.stem for path in work.glob("*.json")}
    (work / f"{min(there)}.jpg").write_bytes(b"damaged")
    (work / ".00099.jpg.0123abcd.tmp").write_bytes(b"half")
    (tmp_path / "log").unlink()
    said = []
    with work_lock(work):
        counted = functools.partial(fake_renderer.render_counted, log=tmp_path / "log")
        render_shards(SMALL, work, render=counted, crew=Crew(2), log=said.append)
        assert said[0] == f"rendering {200 - len(there) + 1} photos, {len(there) - 1} are there already"
        assert "rendered in" in said[-1]
        again = sorted(map(int, (tmp_path / "log").read_text().split()))
        assert again == [k for k in range(200) if photo_name(k)[:5] not in there - {min(there)}]
        render_shards(SMALL, work, render=fake_renderer.render_badly, log=said.append)
        assert said[-1] == "all 200 photos are rendered already"
    assert not list(work.glob("*.tmp"))
    fresh = fake_renderer.drawn_contents(SMALL, tmp_path / "fresh")
    drawn = build.dataset_contents(SMALL, work, {}, tmp_path / "fresh" / "background")
    assert drawn.keys() == fresh.keys() - {"strips/view_angle.jpg"}
    assert all((work / photo_name(k)).read_bytes() == fresh[f"images/{photo_name(k)}"].read_bytes() for k in range(200))


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_photo_that_breaks_a_promise_is_named(tmp_path):
    with pytest.raises(RuntimeError, match=r"photo 7 \(seed 0, realism full\) failed: the main car is no "):
        render_shards(SMALL, tmp_path, render=fake_renderer.render_badly, crew=Crew(1), log=str)
    assert read_shard(tmp_path, 6)
    assert not read_shard(tmp_path, 7)


def test_a_process_that_is_ended_is_one_line(tmp_path):
    with pytest.raises(CarsegError, match="A process was ended, perhaps for want of memory"):
        render_shards(SMALL, tmp_path, render=fake_renderer.end_the_process, crew=Crew(2), log=str)


def test_the_main_car_has_the_largest_box():
    photo = fake_renderer.render(0, seed=0, realism="full")
    small, large = photo.cars[1].mask, photo.cars[0].mask
    swapped = fake_renderer.DrawnPhoto(
        b"", [fake_renderer.DrawnCar(body_type_of(0, 0), small), fake_renderer.DrawnCar("suv", large)], {}
    )
    assert make_shard(SMALL, 0, photo)["cars"][0]["area"] == large.sum()
    with pytest.raises(ValueError, match="larger box"):
        make_shard(SMALL, 0, swapped)


def test_shards_of_other_code_seeds_and_realism_are_kept_apart(monkeypatch):
    monkeypatch.setattr(shards, "renderer_versions", lambda: fake_renderer.PACKAGE_VERSIONS)
    folders = {shards.work_folder(DatasetPlan(n, seed, realism)) for n, seed, realism in PLANS}
    assert len(folders) == 3
    monkeypatch.setattr(shards, "renderer_versions", lambda: {"mitsuba": "1"})
    assert shards.work_folder(DatasetPlan()) not in folders
    assert all(folder.parent == project_folder() / ".rendering" for folder in folders)


PLANS = [(2109, 0, "full"), (8434, 0, "full"), (2109, 1, "full"), (2109, 0, "plain")]


@pytest.mark.parametrize(
    ("plan", "name"),
    list(zip(PLANS, ["rendered-2109", "rendered-8434", "rendered-2109-seed-1", "rendered-2109-plain"], strict=True)),
)
def test_a_folder_is_named_after_its_plan(plan, name):
    assert build.folder_name(DatasetPlan(*plan)) == name


def test_annotations_hold_every_car_to_the_pixel(drawn):
    numbers, names = [], []
    for split in SPLITS:
        coco = files.read_json(drawn / "annotations" / f"{split}.json")
        assert coco["licenses"][0]["name"] == "CC0 1.0"
        assert [row["name"] for row in coco["categories"]] == list(BODY_TYPES)
        for image in coco["images"]:
            index = image["id"] - 1
            photo = fake_renderer.render(index, seed=0, realism="full")
            assert (drawn / "images" / image["file_name"]).read_bytes() == photo.jpeg
            stored = [row for row in coco["annotations"] if row["image_id"] == image["id"]]
            assert [row["category_id"] - 1 for row in stored] == [BODY_TYPES.index(car.body_type) for car in photo.cars]
            for row, car in zip(stored, photo.cars, strict=True):
                mask = decode_segmentation(row["segmentation"], image["height"], image["width"])
                assert (mask == car.mask).all()
                x, y, width, height = row["bbox"]
                assert (x, y, x + width, y + height) == box_of_mask(mask)
                assert row["area"] == mask.sum()
            names.append(image["file_name"])
        numbers += [row["id"] for row in coco["annotations"]]
        assert len(coco["images"]) == split_sizes(200)[SPLITS.index(split)]
    assert sorted(names) == [photo_name(index) for index in range(200)]
    assert sorted(numbers) == list(range(1, 268))


def test_the_study_reads_the_folder(drawn):
    from carseg_lib.data.loader import load_catalogue

    catalogue = load_catalogue(drawn)
    assert len(catalogue.photos) == 200
    assert catalogue.has_masks
    assert catalogue.excluded.empty
    assert {body_type_of(int(row.photo_id[:5]), 0) == row.body_type for row in catalogue.photos.itertuples()} == {True}
    assert list(catalogue.parameters["photo_id"]) == list(catalogue.photos["photo_id"])
    assert catalogue.parameters["view_angle"].dtype == "float64"


def test_parameters_are_a_row_a_photo(drawn):
    with (drawn / "parameters.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    photo = fake_renderer.render(5, seed=0, realism="full")
    angle = photo.parameters.pop("view_angle")
    assert float(rows[5].pop("view_angle")) == pytest.approx(angle, rel=1e-5)
    assert rows[5] == {"photo_id": "00005.jpg"} | {name: str(value) for name, value in photo.parameters.items()}
    with pytest.raises(ValueError, match=r"b has other parameters than a"):
        build.parameters_csv([{"photo": "a", "parameters": {"x": 1}}, {"photo": "b", "parameters": {"y": 1}}])


def test_the_card_tells_what_is_in_it(drawn):
    text = (drawn / "README.md").read_text()
    counts = Counter(body_type_of(index, 0) for index in range(200))
    for body_type in BODY_TYPES:
        assert f"| {body_type} | " in text
        assert f" | {counts[body_type]} |" in text
    assert "| all | 70 | 42 | 8" in text or f"| all | {' | '.join(map(str, split_sizes(200)))} | 200 |" in text
    assert "267 cars are labelled" in text
    assert "CC0 1.0" in text
    assert "mitsuba 0, numpy 0" in text
    assert "{" not in text.replace("{train,validation,test}", "")


def test_the_checksums_are_those_of_sha256sum(drawn):
    listed = dict(line.split("  ")[::-1] for line in (drawn / "SHA256SUMS").read_text().splitlines())
    found = {path.relative_to(drawn).as_posix() for path in drawn.rglob("*") if path.is_file()}
    assert set(listed) == found - {"SHA256SUMS"}
    for name, digest in listed.items():
        assert hashlib.sha256((drawn / name).read_bytes()).hexdigest() == digest


def test_only_the_default_plan_makes_the_packaged_archive(tmp_path, monkeypatch):
    monkeypatch.setattr(build, "builtin_archive", lambda: tmp_path / "package" / "cars.zip")
    monkeypatch.setattr(build, "project_folder", lambda: tmp_path)
    monkeypatch.setattr(build, "work_folder", lambda plan: tmp_path / "work")
    monkeypatch.setattr(build, "background_folder", lambda plan: tmp_path / "work" / "background")
    fake_renderer.drawn_contents(SMALL, tmp_path / "work")
    monkeypatch.setattr(build, "render_strips", lambda plan, work, **options: {})
    assert build.build(SMALL, log=str) == tmp_path / "rendered-200"
    assert build.build(SMALL, str(tmp_path / "mine"), log=str) == tmp_path / "mine"
    assert not (tmp_path / "package").exists()
    monkeypatch.setattr(build, "DatasetPlan", lambda: SMALL)
    assert build.build(SMALL, log=str) == tmp_path / "package" / "cars.zip"
    assert (tmp_path / "package" / "cars.zip.sha256").is_file()
    assert files.sha256(tmp_path / "mine" / "SHA256SUMS") == files.sha256(tmp_path / "rendered-200" / "SHA256SUMS")


def test_the_same_plan_gives_the_same_archive(tmp_path):
    for name in ("a", "b"):
        write_archive(fake_renderer.drawn_contents(SMALL, tmp_path / name), tmp_path / name / "cars.zip")
        os.utime(tmp_path / name / "00000.jpg", (1, 1))
    first, second = ((tmp_path / name / "cars.zip").read_bytes() for name in ("a", "b"))
    assert first == second
    assert (tmp_path / "a" / "cars.zip.sha256").read_text() == f"{hashlib.sha256(first).hexdigest()}  cars.zip\n"
    with zipfile.ZipFile(tmp_path / "a" / "cars.zip") as packed:
        assert packed.namelist() == sorted(packed.namelist())
        methods = {member.filename: member.compress_type for member in packed.infolist()}
        assert methods["SHA256SUMS"] == methods["annotations/train.json"] == zipfile.ZIP_DEFLATED
        assert {m for name, m in methods.items() if name.endswith(".jpg")} == {zipfile.ZIP_STORED}
        assert {member.date_time[0] for member in packed.infolist()} == {1980}


def test_a_larger_set_begins_with_the_photos_of_a_smaller_one(tmp_path):
    larger = fake_renderer.drawn_contents(DatasetPlan(photos=220), tmp_path / "a")
    smaller = fake_renderer.drawn_contents(SMALL, tmp_path / "b")
    for index in range(200):
        name = f"images/{photo_name(index)}"
        assert larger[name].read_bytes() == smaller[name].read_bytes()


def test_a_folder_is_replaced_only_if_it_is_a_rendered_set(drawn, tmp_path):
    contents = {path.relative_to(drawn).as_posix(): path for path in drawn.rglob("*") if path.is_file()}
    write_folder(contents, tmp_path / "set")
    (tmp_path / "set" / "more").write_text("x")
    write_folder(contents, tmp_path / "set")
    assert not (tmp_path / "set" / "more").exists()
    assert read_plan(tmp_path / "set") == SMALL
    (tmp_path / "empty").mkdir()
    write_folder(contents, tmp_path / "empty")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x")
    for place in (tmp_path / "mine", tmp_path / "mine" / "thesis.tex"):
        with pytest.raises(CarsegError, match="holds something else"):
            write_folder(contents, place)
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "x"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "mine", "set"]


def test_strips_show_one_parameter_varied(tmp_path):
    wanted = {"fill": ("suv", (0.3, 0.9)), "light": ("minivan", ("dusk", "clear", "showroom"))}
    counted = functools.partial(fake_renderer.render_counted, log=tmp_path / "log")
    options = {"strips": wanted, "render": counted, "crew": Crew(1), "log": str}
    strips = render_strips(SMALL, tmp_path / "work", **options)
    assert list(strips) == ["fill", "light"]
    (tmp_path / "light.jpg").write_bytes(strips["light"])
    with Image.open(tmp_path / "light.jpg") as strip:
        assert strip.size == (3 * 60, 40)
    indices = set(map(int, (tmp_path / "log").read_text().split()))
    assert {body_type_of(index, 0) for index in indices} == {"suv", "minivan"}
    assert render_strips(SMALL, tmp_path / "work", **options) == strips
    assert len((tmp_path / "log").read_text().split()) == 5


def test_a_check_renders_again_and_compares(drawn, tmp_path):
    found = check_dataset(drawn, 30, render=fake_renderer.render, crew=Crew(1), log=str)
    assert len({row.photo for row in found}) == 30
    line, good = summary(found)
    assert good
    assert line == (
        "30 photos: the same cars in 30, lowest mask IoU 1.0000, boxes are the masks' extents in 30, "
        "JPEGs equal to the byte in 30"
    )
    contents = {path.relative_to(drawn).as_posix(): path for path in drawn.rglob("*") if path.is_file()}
    write_folder(contents, tmp_path / "set")
    for split in SPLITS:
        path = tmp_path / "set" / "annotations" / f"{split}.json"
        coco = files.read_json(path)
        for row in coco["annotations"]:
            row["bbox"][0] += 1
        path.chmod(0o644)
        files.write_json(path, coco)
    line, good = summary(check_dataset(tmp_path / "set", 10, render=fake_renderer.render, crew=Crew(1), log=str))
    assert not good
    assert "extents in 0" in line
    assert "look at 0" in line


def test_the_contact_sheet_has_ten_of_each_type(drawn, tmp_path):
    with Image.open(contact_sheet(drawn, tmp_path / "sheet.jpg")) as sheet:
        assert sheet.size == (5 * 64 - 4, 4 * (26 + 2 * 44) - 4)
    with pytest.raises(CarsegError, match="fewer than 10 of a type"):
        contact_sheet(drawn, tmp_path / "sheet.jpg", first=190)
    with pytest.raises(CarsegError, match="not a folder of rendered photos"):
        contact_sheet(tmp_path, tmp_path / "sheet.jpg")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "a command is missing: dataset, background, check, sheet, photo"),
        (["dataset", "--num-images", "7"], "NUM_IMAGES=7: a rendered data set has 200 to"),
        (["dataset", "--num-images", "many"], "NUM_IMAGES=many: must be a whole number"),
        (["dataset", "--jobs", "0"], "JOBS=0: must be 1 or more"),
        (["dataset", "--jobs", "2", "--cluster", "tcp://a:1"], "JOBS=2 and CLUSTER=tcp://a:1: give one"),
        (["dataset", "--cluster", "a:1"], "CLUSTER=a:1: give the address of a dask scheduler"),
        (["dataset", "--seed", "-1"], "SEED=-1: must be a whole number"),
        (["dataset", "--realism", "fine"], "REALISM=fine"),
        (["dataset", "--out", "mine"], "OUT=mine: holds something else"),
        (["check", "--data", "mine"], "mine: not a folder of rendered photos"),
        (["check", "--photos", "0"], "--photos 0: at least one"),
        (["photo", "100000"], "photo 100000: photos are numbered from 0 to 99,999"),
        (["photo", "--", "-1"], "photo -1: photos are numbered from 0"),
        (["photo", "-1"], "there is no option '-1'"),
        (["check", "--data", "nowhere"], "DATA='nowhere' does not exist"),
        (["dataset", "--n", "300"], "--n is now called --num-images: give --num-images=300"),
        (["photo", "7", "--version", "plain"], "--version is now called --realism: give --realism=plain"),
    ],
)
def test_a_mistake_is_one_line_and_2(tmp_path, monkeypatch, capsys, words, message):
    for name in ("NUM_IMAGES", "N", "OUT", "REALISM", "VERSION", "SEED", "DATA", "JOBS", "CLUSTER"):
        monkeypatch.delenv(f"CARSEG_{name}", raising=False)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.txt").write_text("x")
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert said.err.count("\n") == 1


def test_without_mitsuba_one_line_says_what_to_do(monkeypatch, capsys):
    def absent(name: str) -> str:
        raise shards.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(shards.metadata, "version", absent)
    assert main(["dataset"]) == 2
    assert capsys.readouterr().err == (
        "carseg: rendering needs mitsuba, which is not installed: run make render-dataset, it installs it\n"
    )


@pytest.mark.parametrize(("former", "name"), [("N", "NUM_IMAGES"), ("VERSION", "REALISM")])
def test_a_former_variable_is_refused_with_its_new_name(monkeypatch, capsys, former, name):
    monkeypatch.setenv(f"CARSEG_{former}", "plain")
    assert main(["dataset"]) == 2
    assert capsys.readouterr().err == f"carseg: {former} is now called {name}: give {name}=plain\n"


def test_data_is_the_built_in_set_or_the_users_folder(monkeypatch, tmp_path, drawn):
    monkeypatch.setenv("CARSEG_REPORTS", str(tmp_path))
    monkeypatch.setattr(locate, "builtin_archive", lambda: tmp_path / "cars.zip")
    contents = {path.relative_to(drawn).as_posix(): path for path in drawn.rglob("*") if path.is_file()}
    write_archive(contents, tmp_path / "cars.zip")
    for words in (["sheet"], ["sheet", "--data", "rendered"], ["sheet", "--data", str(drawn)]):
        assert main([*words, "--out", str(tmp_path / "sheet.jpg")]) == 0
        with Image.open(tmp_path / "sheet.jpg") as sheet:
            assert sheet.size == (5 * 64 - 4, 4 * (26 + 2 * 44) - 4)
    assert read_plan(tmp_path / ".data" / "rendered") == SMALL


def test_annotation_files_keep_the_former_name_of_the_realism(drawn):
    plan = files.read_json(drawn / "annotations" / "test.json")["info"]["plan"]
    assert plan == {"photos": 200, "seed": 0, "version": "full"}
    assert list(plan) == ["photos", "seed", "version"]


def test_the_fingerprint_covers_the_renderer_and_the_librarys_core(monkeypatch):
    monkeypatch.setattr(shards, "renderer_versions", lambda: fake_renderer.PACKAGE_VERSIONS)
    covered = []
    real = shards.imported_files
    monkeypatch.setattr(shards, "imported_files", lambda *words: covered.append(real(*words)) or covered[-1])
    shards.renderer_fingerprint()
    names = {"carseg_rendering/camera/render.py", "carseg_rendering/car/body.py", "carseg_lib/core/errors.py"}
    assert names <= covered[0].keys()


def test_make_hands_its_variables_over(monkeypatch, capsys, tmp_path):
    asked = []
    monkeypatch.setattr(build, "build", lambda plan, out, **crew: asked.append((plan, out, crew)) or Path(__file__))
    given = {"NUM_IMAGES": "8434", "REALISM": "plain", "SEED": "3", "OUT": "there", "CLUSTER": "tcp://node:8786"}
    for name, value in given.items():
        monkeypatch.setenv(f"CARSEG_{name}", value)
    assert main(["dataset"]) == 0
    assert asked == [(DatasetPlan(8434, 3, "plain"), "there", {"jobs": 0, "cluster": "tcp://node:8786"})]
    assert capsys.readouterr().out.startswith("done: ")
