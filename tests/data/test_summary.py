"""make inspect: what a data set holds, on the terminal, before anything is trained; nothing is written."""

from __future__ import annotations

import pytest

from carseg_lib.core.classes import ClassMap
from carseg_lib.core.config import DataConfig
from carseg_lib.core.errors import CarsegError
from carseg_lib.data.locate import temporary_photos
from carseg_lib.data.summary import print_summary
from tests.helpers.dataset_formats import make_table, make_voc, write_csv
from tests.helpers.drawn_cars import make_car_photos


@pytest.fixture(autouse=True)
def here(monkeypatch, tmp_path):
    monkeypatch.setenv("CARSEG_REPORTS", str(tmp_path / "reports"))
    monkeypatch.chdir(tmp_path)


def shown(data="rendered", classes="") -> list[str]:
    """The lines of a summary of some data, as `make inspect` asks for them."""
    lines: list[str] = []
    with temporary_photos(data) as folder:
        print_summary(folder, DataConfig(classes=ClassMap.parse(classes)), 0, lines.append, lambda done, total: None)
    return lines


def refused(capsys, data, classes="") -> tuple[list[str], str]:
    """The lines that are printed before the data are refused, and the message."""
    with pytest.raises(CarsegError) as caught:
        print_summary(data, DataConfig(classes=ClassMap.parse(classes)), 0, print, lambda done, total: None)
    return capsys.readouterr().out.splitlines(), str(caught.value)


def test_type_folders_without_splits(tmp_path):
    folder = make_car_photos(tmp_path / "cars", {"suv": 60, "sedan": 12}, (24, 16), layout="folder")
    (folder / "suv" / "00001.jpg").write_bytes(b"")
    (folder / "bus").mkdir()
    for name in ("a.jpg", "b.jpg"):
        (folder / "bus" / name).write_bytes(b"x")
    before = sorted(tmp_path.rglob("*"))
    lines = shown("cars", "suv sedan")
    assert lines[:9] == [
        "cars: type folders, 71 photos, 71 labelled cars",
        "",
        "photos    train  validation     test  unassigned      all",
        "suv           0           0        0          59       59",
        "sedan         0           0        0          12       12",
        "all           0           0        0          71       71",
        "",
        "sizes     24 × 16: 71 pixels",
        "boxes     whole frame: 71",
    ]
    assert lines[9:15] == [
        "masks     none: 71",
        "left out",
        "  empty file: 1",
        "    suv/00001.jpg: 0 bytes",
        "  other type: 1",
        "    bus/: 2 photos",
    ]
    assert lines[16] == "as a run divides them, copies kept together and excluded from earlier splits:"
    assert lines[-1].startswith("warning: sedan has 7 training photos: fewer than 30 are too few to learn a type well")
    assert sum(line.startswith("warning") for line in lines) == 1
    assert sorted(tmp_path.rglob("*")) == before  # not even a folder of reports


def test_splits_boxes_and_masks_that_are_given(tmp_path):
    make_car_photos(tmp_path / "cars", {"train": 31, "validation": 2, "test": 1}, (24, 16))
    lines = shown("cars")
    assert lines[0] == "cars: COCO annotations, 136 photos, 136 labelled cars"
    assert lines[3].split() == ["suv", "31", "2", "1", "34"]
    assert lines[-3:] == ["boxes     given: 136", "masks     given: 136", "left out  nothing"]


def test_many_of_a_kind_are_counted_and_the_first_shown(tmp_path):
    voc = make_voc(tmp_path / "voc", lists={"train": [f"{k:06d}" for k in range(1, 8)]}, masks=False)
    lines = shown(str(voc), "suv=minivan sedan=convertible")
    at = lines.index("  in no split: 5")
    reason = "no list in ImageSets/Main names it"
    assert lines[at + 1 : at + 5] == [
        *(f"    00000{k}.jpg: {reason}" for k in (8, 9)),
        f"    000010.jpg: {reason}",
        "    …",
    ]


def test_what_no_study_can_be_made_of_is_shown_and_then_refused(tmp_path, capsys):
    folder = make_car_photos(tmp_path / "cars", 4, (24, 16), layout="folder")
    for path in sorted((folder / "suv").iterdir())[:2]:
        path.write_bytes(b"")
    lines, message = refused(capsys, folder)
    assert "  empty file: 2" in lines
    assert "2 of 16 photos (12.5%, more than 5%) cannot be used: 2 empty file" in message
    assert "\n" not in message
    (folder / "suv").rename(folder / "jeep")
    lines, message = refused(capsys, folder, "suv sedan")
    assert "  other type: 3" in lines
    assert "suv has 0 photos that can be used, 3 are needed" in message


def test_the_built_in_set_is_shown_and_leaves_nothing_behind(tmp_path):
    lines = shown()
    assert lines[0].startswith("rendered: COCO annotations, ") and lines[-1] == "left out  nothing"
    assert list(tmp_path.iterdir()) == []


def test_groups_are_counted_where_any_are_known(tmp_path):
    folder = make_table(tmp_path / "cars", splits=True)
    rows = [line.split(",") for line in (folder / "photos.csv").read_text().splitlines()]
    models = ["group", *(f"{row[1]} {k // 8}" if k else "" for k, row in enumerate(rows[1:]))]
    write_csv(folder / "photos.csv", [[*row, model] for row, model in zip(rows, models, strict=True)])
    # of three photos of a type, one a split: the first two are of one model; the first suv's is not known
    assert "groups    8 of 11 photos, 3 in more than one split" in shown(str(folder))
