"""The built-in data set: unpacked once, whole or not at all, and nothing but what was packed."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from carseg_lib.core import files, paths
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.paths import checksum_path, project_folder
from carseg_lib.core.run import Run
from carseg_lib.data import builtin, loader, locate
from carseg_lib.data.builtin import unpack
from carseg_lib.data.loader import load_catalogue
from carseg_lib.data.locate import locate_photos, temporary_photos
from carseg_lib.data.photos import ImageInfo
from carseg_lib.data.splits import assign_splits
from carseg_rendering.dataset import card
from carseg_rendering.dataset.build import write_archive
from carseg_rendering.dataset.plan import DatasetPlan
from tests.helpers import fake_renderer

PHOTO = "images/00000.jpg"


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """An archive of drawn cars; read it, never write into it."""
    folder = tmp_path_factory.mktemp("packed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(card, "renderer_versions", lambda: fake_renderer.PACKAGE_VERSIONS)
        write_archive(fake_renderer.drawn_contents(DatasetPlan(200), folder / "work"), folder / "cars.zip")
    return folder / "cars.zip"


@pytest.fixture
def archive(packed, tmp_path, monkeypatch):
    """A copy of it in the place of the packaged one; runs go to a folder of their own."""
    copy = tmp_path / "package" / "cars.zip"
    copy.parent.mkdir()
    for source, target in ((packed, copy), (checksum_path(packed), checksum_path(copy))):
        target.write_bytes(source.read_bytes())
    monkeypatch.setattr(locate, "builtin_archive", lambda: copy)
    monkeypatch.setenv("CARSEG_REPORTS", str(tmp_path / "reports"))
    return copy


def repack(archive, change):
    """The archive with other contents, and a checksum that fits."""
    with zipfile.ZipFile(archive) as packed:
        members = [(info, packed.read(info)) for info in packed.infolist()]
    with zipfile.ZipFile(archive, "w") as packed:
        for info, content in change(members):
            packed.writestr(info, content)
    files.write_text(checksum_path(archive), f"{files.sha256(archive)}  {archive.name}\n")


def test_it_is_unpacked_once_and_read_only(archive, tmp_path):
    folder = unpack(archive, tmp_path / "a" / "cars")
    with zipfile.ZipFile(archive) as packed:
        assert len(packed.namelist()) == len([path for path in folder.rglob("*") if path.is_file()])
        for name in packed.namelist():
            assert (folder / name).read_bytes() == packed.read(name)
            assert not (folder / name).stat().st_mode & 0o222
    made = (folder / PHOTO).stat().st_mtime_ns
    assert unpack(archive, folder) == folder
    assert (folder / PHOTO).stat().st_mtime_ns == made
    assert sorted(path.name for path in folder.parent.iterdir()) == [".cars.lock", "cars"]


def test_another_archive_takes_the_place_of_the_old(archive, tmp_path):
    folder = unpack(archive, tmp_path / "cars")

    def without_a_strip(members):
        sums = {info.filename: content for info, content in members}[builtin.SUMS]
        kept = [line for line in sums.decode().splitlines(keepends=True) if "strips/" not in line]
        for info, content in members:
            if not info.filename.startswith("strips/"):
                yield info, "".join(kept).encode() if info.filename == builtin.SUMS else content

    repack(archive, without_a_strip)
    unpack(archive, folder)
    assert not (folder / "strips").exists()
    assert (folder / PHOTO).is_file()
    assert [path.name for path in tmp_path.iterdir() if path.suffix in (".tmp", ".old")] == []


def test_several_may_ask_at_once(archive, tmp_path):
    with ThreadPoolExecutor(4) as pool:
        folders = list(pool.map(lambda _: unpack(archive, tmp_path / "cars"), range(4)))
    assert len(set(folders)) == 1
    assert len(list((folders[0] / "images").glob("*.jpg"))) == 200


@pytest.mark.parametrize("gone", ["archive", "checksum"])
def test_a_missing_archive_is_one_line(archive, gone):
    path = archive if gone == "archive" else checksum_path(archive)
    path.unlink()
    with pytest.raises(CarsegError, match=r"the built-in data set is missing; .*make render-dataset") as refused:
        locate_photos("rendered")
    assert str(refused.value).startswith(f"{path}: ")


@pytest.mark.parametrize("damage", ["a byte", "the end", "no checksum in it"])
def test_a_damaged_archive_is_one_line_and_leaves_nothing(archive, damage, tmp_path):
    content = bytearray(archive.read_bytes())
    if damage == "a byte":
        content[len(content) // 2] ^= 1
    elif damage == "the end":
        content = content[:-100]
    else:
        checksum_path(archive).write_text("")
    archive.write_bytes(content)
    for ask in (lambda: locate_photos("rendered"), lambda: unpack(archive, tmp_path / "cars")):
        with pytest.raises(CarsegError, match=r"damaged, .* restore it from git") as refused:
            ask()
        assert "\n" not in str(refused.value)
    assert not (tmp_path / "cars").exists()
    assert not (tmp_path / "reports").exists()


def named(name, mode=0o100644):
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


STRANGE = {
    "out of it": lambda members: [*members, (named("../broken"), b"x")],
    "absolute": lambda members: [*members, (named("/tmp/broken"), b"x")],
    "a backslash": lambda members: [*members, (named("images\\..\\broken"), b"x")],
    "not normal": lambda members: [*members, (named("images/./x.jpg"), b"x")],
    "a link": lambda members: [*members, (named("images/link.jpg", 0o120777), b"/etc/passwd")],
    "a folder": lambda members: [*members, (named("images/x/"), b"")],
    "more": lambda members: [*members, (named("more.txt"), b"x")],
    "less": lambda members: [m for m in members if m[0].filename != PHOTO],
    "no sums": lambda members: [m for m in members if m[0].filename != builtin.SUMS],
}


@pytest.mark.parametrize("change", STRANGE.values(), ids=STRANGE.keys())
def test_an_archive_of_other_things_is_refused_whole(archive, change, tmp_path):
    repack(archive, change)
    with pytest.raises(CarsegError, match="not a data set of carseg"):
        unpack(archive, tmp_path / "a" / "cars")
    assert [path.name for path in (tmp_path / "a").iterdir()] == [".cars.lock"]
    assert not (tmp_path / "broken").exists()


def test_sums_that_name_a_file_outside_write_none_there(archive, tmp_path):
    def outside(members):
        for info, content in members:
            more = b"00  ../../broken\n" if info.filename == builtin.SUMS else b""
            yield info, content + more
        yield named("../../broken"), b"x"

    repack(archive, outside)
    with pytest.raises(CarsegError, match=r"not a data set of carseg \('\.\./\.\./broken' leads out of the folder\)"):
        unpack(archive, tmp_path / "a" / "b" / "cars")
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == [".cars.lock"]
    assert not list(tmp_path.rglob("broken"))


def test_a_file_in_the_folders_place_is_one_line(archive, tmp_path):
    (tmp_path / "reports").write_text("x")
    with pytest.raises(CarsegError, match="reports"):
        locate_photos("rendered")


def test_no_data_named_means_the_embedded_ones(archive, tmp_path):
    run = Run.create()
    assert (run.config.data.source, run.config.data_as_given, run.name) == ("rendered", "rendered", "quick")
    assert run == Run.create(data="rendered")
    assert run.command() == "make reproduce"
    assert Run.create(profile="smoke").command() == "make reproduce PROFILE=smoke"
    assert not (tmp_path / "reports").exists()  # unpacked when somebody looks
    folder = locate_photos(run.config.data.source)
    assert folder == tmp_path / "reports" / ".data" / "rendered"
    assert (folder / "annotations" / "train.json").is_file()
    run.save()
    assert locate_photos(Run.open("quick").config.data.source) == folder


def test_a_run_of_other_photos_keeps_its_name(archive, tmp_path):
    (tmp_path / "cars").mkdir()
    (tmp_path / "cars" / "a.jpg").write_bytes(b"x")
    theirs = Run.create(data=tmp_path / "cars")
    theirs.save()
    (theirs.folder / "stamps").mkdir()
    (theirs.folder / "stamps" / "01.json").write_text("{}")
    ours = Run.create()
    assert (theirs.name, ours.name) == ("quick", "quick-rendered")
    assert ours.command() == "make reproduce RUN=quick-rendered"
    with pytest.raises(CarsegError, match="those of DATA=rendered need a name of their own"):
        Run.create("quick")


def test_a_folder_of_that_name_is_asked_for_by_its_path(archive, tmp_path, monkeypatch):
    (tmp_path / "rendered").mkdir()
    (tmp_path / "rendered" / "a.jpg").write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    assert Run.create(data="rendered").config.data.source == "rendered"
    assert Run.create(data="./rendered").config.data.source == str(tmp_path / "rendered")


def test_the_catalogue_of_the_embedded_set(archive):
    catalogue = load_catalogue(locate_photos("rendered"))
    assert (catalogue.name, len(catalogue.photos), len(catalogue.parameters)) == ("rendered", 200, 200)


def test_a_look_at_it_leaves_nothing(archive, tmp_path):
    with temporary_photos("rendered") as folder:
        assert (folder / PHOTO).is_file()
    assert not folder.exists() and not (tmp_path / "reports").exists()


def test_asking_for_it_imports_nothing_heavy(archive, tmp_path):
    code = (
        "import sys; from carseg_lib.core import run; from carseg_lib.data import locate;"
        "print([m for m in sys.argv[1:] if m in sys.modules])"
    )
    heavy = ["pandas", "numpy", "PIL", "carseg_rendering"]
    out = subprocess.run([sys.executable, "-c", code, *heavy], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


@pytest.mark.skipif(
    not (project_folder() / "carseg_lib/data/assets/rendered-cars.zip").exists(),
    reason="not rendered yet: make render-dataset",
)
def test_the_packaged_archive_is_whole_and_small():
    path = paths.builtin_archive()
    paths.verify_checksum(path, "the built-in data set", "")
    assert path.stat().st_size <= 25e6
    with zipfile.ZipFile(path) as packed:
        sums = dict(line.split("  ")[::-1] for line in packed.read(builtin.SUMS).decode().splitlines())
        assert sum(name.startswith("images/background/") for name in sums) == 226
        assert sum(name.startswith("images/") for name in sums) == 2109 + 226
        for name, digest in sums.items():
            assert hashlib.sha256(packed.read(name)).hexdigest() == digest


def test_its_labels_are_read_as_those_of_the_reference(tmp_path, monkeypatch):
    """A change of reading changes the fingerprint, and with it what the committed numbers are of."""

    def unopened(path):  # its pixels are in the archive's checksum
        content = files.sha256(path)
        return ImageInfo(240, 160, 1, 0.5, content, content, "0" * 16)

    monkeypatch.setattr(loader, "inspect_image", unopened)
    dataset = assign_splits(load_catalogue(unpack(paths.builtin_archive(), tmp_path / "rendered")), 0)
    reference = files.read_json(project_folder() / "reports/reference/quick--rendered.json")
    assert dataset.fingerprint == reference["data"]["fingerprint"]
