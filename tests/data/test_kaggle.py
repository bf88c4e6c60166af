"""DATA=kaggle:owner/slug@version: a stand-in takes the place of kagglehub; nothing is asked of a network."""

from __future__ import annotations

import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carseg_lib.core.config import DataConfig
from carseg_lib.core.data_spec import KaggleData, is_kaggle, parse_kaggle
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.profiles import parse_overrides
from carseg_lib.core.run import Run
from carseg_lib.data.formats.detect import detect_and_list
from carseg_lib.data.kaggle import fetch
from carseg_lib.data.loader import load_catalogue
from carseg_lib.data.locate import locate_photos, temporary_photos
from carseg_lib.data.summary import print_summary
from tests.helpers.dataset_formats import make_devkit, make_kaggle_hub, make_table
from tests.helpers.drawn_cars import make_car_photos

DATA = KaggleData("someone", "cars", 3)


class Answer:
    def __init__(self, status_code: int):
        self.status_code = status_code


class KaggleApiHTTPError(Exception):
    def __init__(self, status: int):
        super().__init__(f"{status} Client Error.\nmore")
        self.response = Answer(status)


class UnauthenticatedError(Exception):
    pass


@pytest.fixture(autouse=True)
def nobody(monkeypatch, tmp_path):
    """No credential, and reports of its own."""
    for name in ("KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_API_TOKEN", "CARSEG_DATA", "CARSEG_TYPES", "CARSEG_RUN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path / "no-credentials"))
    monkeypatch.setenv("CARSEG_REPORTS", str(tmp_path / "reports"))


@pytest.fixture
def photos(tmp_path):
    return make_car_photos(tmp_path / "made" / "Cars" / "images", 3, layout="folder").parents[1]


def test_a_name_has_owner_slug_and_version():
    assert parse_kaggle("kaggle:someone/cars-of_2013@12") == KaggleData("someone", "cars-of_2013", 12)
    assert parse_kaggle(DATA.word) == DATA
    assert DATA.page == "https://www.kaggle.com/datasets/someone/cars"


@pytest.mark.parametrize("data", ["kaggle:someone/cars", "kaggle:a/b"])
def test_a_version_must_be_named(data):
    with pytest.raises(CarsegError) as caught:
        Run.create(data=data)
    name = data.removeprefix("kaggle:")
    assert str(caught.value) == (
        f"DATA='{data}' names no version, and a data set without one may change: its page, "
        f"https://www.kaggle.com/datasets/{name}, lists the versions; write {data}@1."
    )


@pytest.mark.parametrize(
    "data",
    ["kaggle:", "kaggle:cars@1", "kaggle:a/b@0", "kaggle:a/b@x", "kaggle:../b@1", "kaggle:a/b/c@1", "Kaggle:a/b@1"],
)
def test_other_spellings_are_refused(data):
    with pytest.raises(CarsegError, match="is not kaggle:<owner>/<slug>@<version>, as in kaggle:someone/cars@3"):
        Run.create(data=data)


@given(st.text(max_size=30))
def test_no_name_leads_out_of_the_folder_of_notes(text):
    try:
        data = parse_kaggle(f"kaggle:{text}")
    except CarsegError as error:
        assert "\n" not in " ".join(str(error).split())
    else:
        assert not {"/", ".", "\\"} & set(data.owner + data.slug) and data.word == f"kaggle:{text.strip()}"


def test_data_are_fetched_once_and_known_by_their_version(monkeypatch, tmp_path, photos):
    asked = make_kaggle_hub(monkeypatch, tmp_path / "cache", photos)
    run = Run.create(data="kaggle:someone/cars@3")
    assert (run.config.data.source, run.config.data_as_given, asked) == (
        "kaggle:someone/cars@3",
        "kaggle:someone/cars@3",
        [],
    )
    folder = locate_photos(run.config.data.source)
    assert asked == ["someone/cars/versions/3"]
    assert folder == tmp_path / "cache" / "datasets" / "someone" / "cars" / "versions" / "3" / "Cars" / "images"
    catalogue = load_catalogue(folder, run.config.data.classes)
    assert (catalogue.name, len(catalogue.photos)) == ("cars@3", 12)
    assert not any(path.stat().st_mode & 0o222 for path in folder.rglob("*.jpg"))
    monkeypatch.setitem(sys.modules, "kagglehub", None)  # it is not needed any more, and so is no network
    assert locate_photos(run.config.data.source) == folder
    assert run.save() and locate_photos(Run.open(run.name).config.data.source) == folder


def test_files_that_were_changed_are_found_out(monkeypatch, tmp_path, photos):
    make_kaggle_hub(monkeypatch, tmp_path / "cache", photos)
    notes = tmp_path / "notes"
    folder = fetch(DATA, notes)
    note = notes / "someone--cars@3.json"
    told = json.loads(note.read_text())
    assert set(told) == {"data", "folder", "quick", "content"} and told["data"] == DATA.word
    photo = next(folder.rglob("*.jpg"))
    photo.chmod(0o644)
    photo.write_bytes(photo.read_bytes() + b"x")
    with pytest.raises(CarsegError) as caught:
        fetch(DATA, notes)
    assert str(caught.value) == (
        f"kaggle:someone/cars@3: the files in {told['folder']} are not those that were first fetched; delete that "
        f"folder to fetch them again, or, to go on with these, delete {note}"
    )
    photo.write_bytes(photo.read_bytes()[:-1])  # as it was, but for its time
    assert fetch(DATA, notes) == folder
    assert json.loads(note.read_text())["quick"] != told["quick"]
    assert json.loads(note.read_text())["content"] == told["content"]


def test_a_version_that_comes_back_with_other_files_is_refused(monkeypatch, tmp_path, photos):
    make_kaggle_hub(monkeypatch, tmp_path / "cache", photos)
    fetch(DATA, tmp_path / "notes")
    next(photos.rglob("*.jpg")).unlink()
    asked = make_kaggle_hub(monkeypatch, tmp_path / "another cache", photos)
    (tmp_path / "cache").rename(tmp_path / "gone")
    with pytest.raises(CarsegError, match="are not those that were first fetched"):
        fetch(DATA, tmp_path / "notes")
    assert asked == ["someone/cars/versions/3"]


@pytest.mark.parametrize(("make", "source"), [(make_devkit, "Stanford Cars"), (make_table, "CSV table")])
def test_what_was_fetched_is_listed_by_the_source_that_fits(monkeypatch, tmp_path, make, source):
    make(tmp_path / "made")
    make_kaggle_hub(monkeypatch, tmp_path / "cache", tmp_path / "made")
    listing = detect_and_list(fetch(DATA, tmp_path / "notes"))
    assert (listing.source, listing.name) == (source, "cars@3")


def test_without_kagglehub_one_line_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(CarsegError) as caught:
        fetch(DATA, tmp_path / "notes")
    assert str(caught.value) == (
        "DATA=kaggle:someone/cars@3 needs kagglehub: pip install kagglehub (into .venv: .venv/bin/python -m uv pip "
        "install kagglehub); or download it by hand, unpack it, and give its folder as DATA: "
        "https://www.kaggle.com/datasets/someone/cars"
    )


REFUSED = "Kaggle needs a login: at https://www.kaggle.com/settings choose Create New Token"
HELD_BACK = "Kaggle does not give it to this account: accept its terms at https://www.kaggle.com/datasets/someone/cars"


@pytest.mark.parametrize(
    ("error", "credential", "message"),
    [
        (KaggleApiHTTPError(401), "", REFUSED),
        (KaggleApiHTTPError(403), "", REFUSED),
        (UnauthenticatedError("who"), "", REFUSED),
        (KaggleApiHTTPError(403), "KAGGLE_KEY", HELD_BACK),
        (KaggleApiHTTPError(403), "kaggle.json", HELD_BACK),
        (
            KaggleApiHTTPError(404),
            "",
            "Kaggle has no such data set or version; look at https://www.kaggle.com/datasets",
        ),
        (KaggleApiHTTPError(500), "", "could not be fetched (KaggleApiHTTPError: 500 Client Error.): run again, or"),
        (
            ConnectionError("no route"),
            "",
            "could not be fetched (ConnectionError: no route): run again, or download it",
        ),
    ],
)
def test_what_kaggle_refuses_is_one_line(monkeypatch, tmp_path, error, credential, message):
    make_kaggle_hub(monkeypatch, tmp_path / "cache", error)
    if credential == "KAGGLE_KEY":
        monkeypatch.setenv("KAGGLE_USERNAME", "me")
        monkeypatch.setenv("KAGGLE_KEY", "secret")
    elif credential:
        (tmp_path / "no-credentials").mkdir()
        (tmp_path / "no-credentials" / credential).write_text("{}")
    with pytest.raises(CarsegError) as caught:
        fetch(DATA, tmp_path / "notes")
    said = str(caught.value)
    assert said.startswith("DATA=kaggle:someone/cars@3") and message in said
    assert "\n" not in said and "secret" not in said
    assert not list((tmp_path / "notes").glob("*.json"))


def test_a_download_that_left_nothing_and_a_broken_note(monkeypatch, tmp_path):
    (tmp_path / "empty").mkdir()
    make_kaggle_hub(monkeypatch, tmp_path / "cache", tmp_path / "empty")
    with pytest.raises(CarsegError, match=r"kagglehub left no files in .*; delete it and run again"):
        fetch(DATA, tmp_path / "notes")
    (tmp_path / "notes" / "someone--cars@3.json").write_text("[]")
    make_kaggle_hub(monkeypatch, tmp_path / "cache2", make_table(tmp_path / "made"))
    assert fetch(DATA, tmp_path / "notes").is_dir()  # an empty note is none
    (tmp_path / "notes" / "someone--cars@3.json").write_text('{"folder": 3}')
    with pytest.raises(CarsegError, match=r"someone--cars@3\.json: not a note of carseg; delete it and run again"):
        fetch(DATA, tmp_path / "notes")


def test_a_run_is_named_and_remade_like_that_of_a_folder(monkeypatch, tmp_path, photos):
    make_kaggle_hub(monkeypatch, tmp_path / "cache", photos)
    run = Run.create(data="kaggle:someone/cars@3", overrides=parse_overrides("epochs=3"))
    assert run.command() == "make reproduce DATA=kaggle:someone/cars@3 SET=train.epochs=3"
    run.save()
    (run.folder / "stamps").mkdir()
    (run.folder / "stamps" / "01.json").write_text("{}")
    assert Run.create(data="kaggle:someone/cars@3").name == "quick"
    assert Run.create(data="kaggle:someone/cars@4").name == "quick-cars-4"
    with pytest.raises(CarsegError, match="RUN=quick: this run holds the results of DATA=kaggle:someone/cars@3"):
        Run.create(data="kaggle:someone/cars@4", name="quick")


def test_a_summary_shows_what_was_fetched(monkeypatch, tmp_path, photos):
    make_kaggle_hub(monkeypatch, tmp_path / "cache", photos)
    lines = []
    with temporary_photos("kaggle:someone/cars@3") as folder:
        print_summary(folder, DataConfig(), 0, lines.append, lambda done, total: None)
    assert lines[0] == "cars@3: type folders, 12 photos, 12 labelled cars"
    assert is_kaggle("kaggle:x") and not is_kaggle("/data/kaggle:x")
