"""The pictures without a car of a data set: their plan, their shards, their files. Drawn ones replace rendered ones."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from carseg_lib.core import files
from carseg_lib.core.classes import BODY_TYPES
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.paths import builtin_archive, checksum_path
from carseg_lib.data.catalogue import SPLITS
from carseg_rendering.cli import main
from carseg_rendering.dataset import background_plan, build, card
from carseg_rendering.dataset.background import read_backgrounds, render_backgrounds
from carseg_rendering.dataset.background_plan import (
    EMPTY,
    FAMILY_SHARES,
    background_count,
    background_file,
    background_sizes,
    background_splits,
    place_of,
)
from carseg_rendering.dataset.build import add_background, read_archive, write_archive, write_folder
from carseg_rendering.dataset.checks import background_summary, check_background
from carseg_rendering.dataset.crew import Crew
from carseg_rendering.dataset.plan import FEWEST_PHOTOS, DatasetPlan, body_type_of, photo_name
from carseg_rendering.dataset.sheet import background_sheet
from carseg_rendering.dataset.tables import table_csv
from tests.helpers import fake_renderer

SMALL = DatasetPlan(photos=FEWEST_PHOTOS)


@pytest.fixture(autouse=True)
def versions(monkeypatch):
    monkeypatch.setattr(card, "renderer_versions", lambda: fake_renderer.PACKAGE_VERSIONS)


@pytest.fixture(scope="module")
def contents(tmp_path_factory):
    """The files of a data set of drawn cars; read them, never write into them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(card, "renderer_versions", lambda: fake_renderer.PACKAGE_VERSIONS)
        return fake_renderer.drawn_contents(SMALL, tmp_path_factory.mktemp("drawn"))


def read(contents, name):
    return contents[name] if isinstance(contents[name], bytes) else contents[name].read_bytes()


def test_the_packaged_set_has_a_tenth_as_many_and_twice_as_many_for_tests():
    assert tuple(background_plan.PARTS) == SPLITS
    assert background_sizes(DatasetPlan().photos) == (124, 72, 30)
    assert background_count(DatasetPlan()) == 226
    assert background_sizes(8434) == (496, 289, 118)
    assert sum(FAMILY_SHARES.values()) == 100


@given(st.integers(FEWEST_PHOTOS, 3000), st.integers(0, 10**6))
def test_families_and_splits_are_shared_out_evenly(photos, seed):
    plan = DatasetPlan(photos, seed)
    count = background_count(plan)
    families = [place_of(index, seed)[0] for index in range(count)]
    splits = background_splits(plan)
    assert [splits.count(split) for split in SPLITS] == list(background_sizes(photos))
    for family, share in FAMILY_SHARES.items():
        assert abs(families.count(family) - share * count / 100) <= 3
    both = Counter(zip(families, splits, strict=True))
    for family in FAMILY_SHARES:
        for split in SPLITS:
            assert abs(both[family, split] - families.count(family) * splits.count(split) / count) < 2


@given(st.integers(0, 10**5), st.integers(0, 10**6))
def test_a_place_is_a_share_of_its_family(index, seed):
    family, place = place_of(index, seed)
    assert family in FAMILY_SHARES
    assert 0 <= place < 1
    assert place_of(index, seed) == (family, place)


def test_every_family_is_in_every_split_of_the_packaged_set():
    plan = DatasetPlan()
    both = Counter((place_of(index, 0)[0], split) for index, split in enumerate(background_splits(plan)))
    assert all(both[family, split] >= 1 for family in FAMILY_SHARES for split in SPLITS)
    assert both[EMPTY, "test"] >= 3


def test_the_cars_plan_is_that_of_the_packaged_archive():
    """Pictures without a car change neither the cars' order nor their types and splits."""
    plan = DatasetPlan()
    splits = plan.splits()
    with zipfile.ZipFile(builtin_archive()) as packed:
        table = list(csv.DictReader(io.StringIO(packed.read("parameters.csv").decode())))
        stored = {split: json.loads(packed.read(f"annotations/{split}.json")) for split in SPLITS}
    assert [row["photo_id"] for row in table] == [photo_name(index) for index in range(plan.photos)]
    for split, coco in stored.items():
        names = [image["file_name"] for image in coco["images"]]
        assert names == [photo_name(index) for index in range(plan.photos) if splits[index] == split]
        main = {}
        for row in coco["annotations"]:
            main.setdefault(row["image_id"] - 1, BODY_TYPES[row["category_id"] - 1])
        assert main == {index: body_type_of(index, 0) for index in main}
        assert len(main) == len(names)


def test_a_data_set_holds_its_pictures_and_their_table(contents):
    splits = background_splits(SMALL)
    rows = list(csv.DictReader(io.StringIO(read(contents, "background.csv").decode())))
    assert [row["photo_id"] for row in rows] == [photo_name(index) for index in range(background_count(SMALL))]
    assert [row["split"] for row in rows] == splits
    for index, (row, split) in enumerate(zip(rows, splits, strict=True)):
        picture = fake_renderer.render_without_car(index, seed=0, realism="full")
        assert read(contents, f"images/background/{split}/{index:05d}.jpg") == picture.jpeg
        assert row["family"] == place_of(index, 0)[0] == picture.parameters["family"]
        assert row["kind"] == picture.parameters["kind"]
        assert float(row["fill"]) == pytest.approx(picture.parameters["fill"], rel=1e-5)
    sums = dict(line.split("  ")[::-1] for line in read(contents, "SHA256SUMS").decode().splitlines())
    names = [name for name in sums if "background" in name]
    assert len(names) == 1 + background_count(SMALL)
    assert all(hashlib.sha256(read(contents, name)).hexdigest() == sums[name] for name in names)


def test_the_sheet_has_five_of_each_family(contents, tmp_path):
    write_folder(contents, tmp_path / "set")
    with Image.open(background_sheet(tmp_path / "set", tmp_path / "sheet.jpg")) as sheet:
        width, height = 60 // 2, 40 // 2
        families = {place_of(index, 0)[0] for index in range(background_count(SMALL))}
        assert sheet.size == (5 * (width + 4) - 4, len(families) * (26 + height + 4) - 4)
    (tmp_path / "set" / "background.csv").unlink()
    with pytest.raises(CarsegError, match="has no pictures without a car"):
        background_sheet(tmp_path / "set", tmp_path / "sheet.jpg")


def test_a_check_renders_pictures_again_and_compares(contents, tmp_path):
    write_folder(contents, tmp_path / "set")
    options = {"render": fake_renderer.render_without_car, "crew": Crew(1), "log": str}
    line, good = background_summary(check_background(tmp_path / "set", 5, **options))
    assert good
    assert line == "5 pictures without a car: the same kind of thing in 5, JPEGs equal to the byte in 5"
    table = tmp_path / "set" / "background.csv"
    rows = table.read_text().replace(EMPTY, "another scene")
    table.chmod(0o644)
    table.write_text(rows)
    count = background_count(SMALL)
    line, good = background_summary(check_background(tmp_path / "set", count, **options))
    assert not good and "look at images/background/" in line
    table.unlink()
    assert check_background(tmp_path / "set", 5, **options) == []


def test_the_coco_files_do_not_know_of_them(contents):
    for split in SPLITS:
        text = read(contents, f"annotations/{split}.json").decode()
        assert "background" not in text
    assert "background" not in read(contents, "parameters.csv").decode().splitlines()[1].split(",")[0]


def test_the_card_counts_them_by_family_and_split(contents):
    text = read(contents, "README.md").decode()
    section = text[text.index("## Pictures without a car") : text.index("## How it was made")]
    both = Counter((place_of(index, 0)[0], split) for index, split in enumerate(background_splits(SMALL)))
    for family in FAMILY_SHARES:
        numbers = [both[family, split] for split in SPLITS]
        assert f"| {family} | {' | '.join(map(str, numbers))} | {sum(numbers)} |" in section
    sizes = background_sizes(200)
    assert f"| all | {' | '.join(map(str, sizes))} | {sum(sizes)} |" in section
    things = {(place_of(index, 0)[0], index % 5) for index in range(sum(sizes))}
    assert f"{sum(family != EMPTY for family, _ in things)} kinds of things" in section
    assert "CC0 1.0" in section
    assert "\n\n## Pictures without a car\n\n" in text and "\n\n## How it was made\n\n" in text


def test_they_are_rendered_once_and_a_damaged_one_again(tmp_path):
    said = []
    options = {"render": fake_renderer.render_without_car, "crew": Crew(1), "log": said.append}
    render_backgrounds(SMALL, tmp_path, **options)
    count = background_count(SMALL)
    assert said[0] == f"rendering {count} pictures without a car"
    before = read_backgrounds(SMALL, tmp_path)
    (tmp_path / "00003.jpg").write_bytes(b"damaged")
    with pytest.raises(CarsegError, match="picture 3 is missing or damaged"):
        read_backgrounds(SMALL, tmp_path)
    said.clear()
    render_backgrounds(SMALL, tmp_path, **options)
    assert said[0] == f"rendering 1 pictures without a car, {count - 1} are there already"
    assert read_backgrounds(SMALL, tmp_path) == before
    render_backgrounds(SMALL, tmp_path, **options)
    assert said[-1] == f"all {count} pictures without a car are rendered already"


def fail(index, *, seed, realism):
    raise ValueError("it is a car")


def test_a_picture_that_fails_is_named(tmp_path):
    with pytest.raises(RuntimeError, match=r"picture 0 without a car \(seed 0, realism full\) failed: it is a car"):
        render_backgrounds(SMALL, tmp_path, render=fail, crew=Crew(1), log=str)


@pytest.fixture
def archive(contents, tmp_path, monkeypatch):
    """A packed data set as it was before it had pictures without a car."""
    monkeypatch.setattr(build, "background_folder", lambda plan: tmp_path / "new")
    former = {name: content for name, content in contents.items() if "background" not in name}
    text = read(former, "README.md").decode()
    start, end = text.index("## Pictures without a car"), text.index("## How it was made")
    del former["SHA256SUMS"]
    former["README.md"] = (text[:start] + text[end:]).encode()
    write_archive(build._with_sums(former), tmp_path / "cars.zip")
    return tmp_path / "cars.zip"


def test_an_archive_gets_them_without_a_car_being_rendered(contents, archive, tmp_path):
    """The result is what rendering everything gives."""
    cars = read_archive(archive)
    for _ in range(2):  # a second time they are replaced
        assert add_background(archive, render=fake_renderer.render_without_car, log=str) == archive
        write_archive(contents, tmp_path / "whole.zip")
        assert archive.read_bytes() == (tmp_path / "whole.zip").read_bytes()
        assert checksum_path(archive).read_text() == f"{files.sha256(archive)}  cars.zip\n"
    after = read_archive(archive)
    assert list(after) == list(cars)
    assert all(after[name] == cars[name] for name in cars if name != "README.md")


def test_a_damaged_archive_is_refused_and_kept(archive):
    content = archive.read_bytes()
    archive.write_bytes(content[:-1])
    with pytest.raises(CarsegError, match="damaged, its sha256 is not the one"):
        add_background(archive, render=fake_renderer.render_without_car, log=str)
    assert archive.read_bytes() == content[:-1]


def test_an_archive_of_something_else_is_refused(tmp_path):
    write_archive(build._with_sums({"README.md": b"hello"}), tmp_path / "cars.zip")
    with pytest.raises(CarsegError, match="not a packed data set"):
        add_background(tmp_path / "cars.zip", render=fake_renderer.render_without_car, log=str)


def test_the_command_adds_them_to_the_packaged_archive(monkeypatch, tmp_path, capsys):
    (tmp_path / "cars.zip").write_bytes(b"1234")
    asked = []
    monkeypatch.setattr(build, "add_background", lambda path, **crew: asked.append((path, crew)) or path)
    monkeypatch.setattr("carseg_rendering.cli.builtin_archive", lambda: tmp_path / "cars.zip")
    assert main(["background"]) == 0
    assert asked == [(tmp_path / "cars.zip", {"jobs": 0, "cluster": ""})]
    assert capsys.readouterr().out.startswith("done: ")


def test_a_card_of_another_form_is_refused():
    with pytest.raises(ValueError, match="no section '## How it was made'"):
        card.with_background_section("# Something else\n", "## Pictures without a car\n")


def test_names_and_tables():
    assert background_file(7, "test") == "images/background/test/00007.jpg"
    assert table_csv([{"photo_id": "a", "x": 1 / 3}, {"photo_id": "b", "x": 2}]) == "photo_id,x\na,0.333333\nb,2\n"
    with pytest.raises(ValueError, match="b has other parameters than a"):
        table_csv([{"photo_id": "a", "x": 1}, {"photo_id": "b", "y": 1}])
    with pytest.raises(ValueError, match="at least one row"):
        table_csv([])


def test_pictures_are_pictures(contents):
    with Image.open(contents[background_file(0, background_splits(SMALL)[0])]) as picture:
        assert picture.size == fake_renderer.SIZE
