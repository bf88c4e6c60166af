"""Zips: reproducible bytes, checksums, and what is refused before anything is unpacked."""

import hashlib
import stat
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carseg_lib.core import unzip
from carseg_lib.core.errors import CarsegError
from carseg_lib.workflow.archive.zip_files import SUMS, Entry, check_folder, read_member, unpack_zip, write_zip

HELLO = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"  # sha256 of "hello"


def make(path, members, sums=None):
    """A zip as somebody else may write it."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            packed.writestr(name, content)
        digests = {
            (name.filename if isinstance(name, zipfile.ZipInfo) else name): hashlib.sha256(content).hexdigest()
            for name, content in members.items()
        }
        lines = sums if sums is not None else "".join(f"{digest}  {name}\n" for name, digest in digests.items())
        packed.writestr(SUMS, lines)
    return path


def test_the_same_files_make_the_same_bytes_in_any_order(tmp_path):
    (tmp_path / "b.txt").write_text("hello")
    entries = [Entry("z/b.txt", tmp_path / "b.txt", executable=True), Entry("a.jpg", b"hello")]
    sums = write_zip(tmp_path / "one.zip", entries)
    (tmp_path / "b.txt").touch()
    write_zip(tmp_path / "two.zip", entries[::-1])
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    assert sums == {"a.jpg": HELLO, "z/b.txt": HELLO}
    with zipfile.ZipFile(tmp_path / "one.zip") as packed:
        assert packed.namelist() == ["a.jpg", "z/b.txt", SUMS]
        assert {info.date_time for info in packed.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert packed.read(SUMS).decode() == f"{HELLO}  a.jpg\n{HELLO}  z/b.txt\n"
        assert [info.compress_type for info in packed.infolist()][:2] == [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]


@settings(max_examples=10)
@given(
    st.dictionaries(
        st.lists(st.text("ab <&é", min_size=1, max_size=4), min_size=1, max_size=3).map("/".join).map("f/{}".format),
        st.binary(max_size=50),
        max_size=5,
    )
)
def test_what_is_packed_comes_out(tmp_path_factory, contents):
    names = set(contents)
    if any(f"{a}/" == b[: len(a) + 1] for a in names for b in names):
        return  # a file and a folder of one name
    folder = tmp_path_factory.mktemp("zip")
    write_zip(folder / "a.zip", [Entry(name, content) for name, content in contents.items()])
    unpack_zip(folder / "a.zip", folder / "out")
    assert {name: (folder / "out" / name).read_bytes() for name in names} == contents
    check_folder(folder / "out")


def test_an_altered_or_missing_file_is_named(tmp_path):
    write_zip(tmp_path / "a.zip", [Entry("a/x.txt", b"hello"), Entry("run.sh", b"", executable=True)])
    unpack_zip(tmp_path / "a.zip", tmp_path / "out")
    assert stat.S_IMODE((tmp_path / "out" / "run.sh").stat().st_mode) == 0o755
    assert read_member(tmp_path / "a.zip", "a/x.txt") == b"hello"
    (tmp_path / "out" / "a" / "x.txt").write_text("hallo")
    with pytest.raises(CarsegError, match=r"x\.txt was altered since it was unpacked"):
        check_folder(tmp_path / "out")
    (tmp_path / "out" / "a" / "x.txt").unlink()
    with pytest.raises(CarsegError, match=r"x\.txt is missing"):
        check_folder(tmp_path / "out")


def link(name):
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    ("members", "sums", "message"),
    [
        ({"../up.txt": b"x"}, None, "leads out of the folder"),
        ({"/etc/x": b"x"}, None, "leads out of the folder"),
        ({"C:/x": b"x"}, None, "leads out of the folder"),
        ({"a//b": b"x"}, None, "leads out of the folder"),
        ({link("etc"): b"/etc"}, None, "is a link or no file"),
        ({"a.txt": b"0" * 2_000_000}, None, "are no honest archive"),
        ({"a.txt": b"x"}, f"{'0' * 64}  a.txt\n", "is not what SHA256SUMS says"),
        ({"a.txt": b"x"}, "", "is not in SHA256SUMS"),
        ({"a.txt": b"x"}, f"{'0' * 64}  a.txt\n{'0' * 64}  b.txt\n", "in SHA256SUMS and not in the archive"),
        ({"a.txt": b"x"}, "nonsense\n", "line 1 of SHA256SUMS is no checksum"),
    ],
)
def test_what_is_wrong_is_one_line_and_nothing_is_unpacked(tmp_path, monkeypatch, members, sums, message):
    monkeypatch.setattr(unzip, "FREE_RATIO", 1_000_000)  # bytes that a small zip may unpack to
    make(tmp_path / "bad.zip", members, sums)
    with pytest.raises(CarsegError, match=message) as caught:
        unpack_zip(tmp_path / "bad.zip", tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["bad.zip"]


def test_a_name_twice_a_damaged_zip_and_no_zip(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(tmp_path / "twice.zip", "w") as packed:
        packed.writestr("a", b"1")
        packed.writestr("a", b"2")
    with pytest.raises(CarsegError, match="'a' is there twice"):
        unpack_zip(tmp_path / "twice.zip", tmp_path / "out")
    good = make(tmp_path / "good.zip", {"a.jpg": b"hello" * 100})
    content = good.read_bytes()
    (tmp_path / "bad.zip").write_bytes(content[:30] + b"????" + content[34:])
    for name in ("bad.zip", "none.zip"):
        with pytest.raises(CarsegError, match=r"get the archive again|does not exist"):
            unpack_zip(tmp_path / name, tmp_path / "out")
    (tmp_path / "text.zip").write_text("no zip")
    with pytest.raises(CarsegError, match="not a readable zip"):
        read_member(tmp_path / "text.zip", SUMS)
    with pytest.raises(CarsegError, match=r"there is no archive\.json in it"):
        read_member(good, "archive.json")
    with pytest.raises(CarsegError, match="or there twice; nothing was written"):
        write_zip(tmp_path / "new.zip", [Entry("a", b"1"), Entry("a", b"2")])
    assert not (tmp_path / "new.zip").exists()
