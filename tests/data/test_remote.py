"""DATA=s3://…: a store in memory, and one of S3 on this machine; photos are read by a cache smaller than they are."""

from __future__ import annotations

import io
import json
import shutil
import stat
import zipfile
from pathlib import Path

import pytest

from carseg_lib.core.data_spec import remote_address, resolve_source
from carseg_lib.core.errors import CarsegError
from carseg_lib.data import remote, remote_archive
from carseg_lib.data.fingerprint import content_fingerprint, stat_fingerprint
from carseg_lib.data.loader import load_catalogue
from carseg_lib.data.locate import locate_photos
from carseg_lib.data.photos import ImageError, inspect_image, read_photo
from carseg_lib.data.remote_archive import fetch_archive
from tests.helpers.drawn_cars import make_car_photos

fsspec = pytest.importorskip("fsspec")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_car_photos(tmp_path_factory.mktemp("given") / "cars", 4)


@pytest.fixture
def store(photos: Path):
    """A store in memory that holds the photos: client and address."""
    client = fsspec.filesystem("memory")
    client.store.clear()
    client.put(f"{photos}/", "/bucket/cars", recursive=True)
    return client, "memory://bucket/cars"


def files_of(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())


def here(root: Path) -> list[Path]:
    """The photos that are not placeholders."""
    photos = [path for path in files_of(root) if path.suffix == ".jpg"]
    return [path for path in photos if not path.stat().st_mode & stat.S_ISVTX]


def taken(root: Path) -> int:
    return sum(path.stat().st_size for path in files_of(root) if not path.stat().st_mode & stat.S_ISVTX)


def test_a_mirror_is_read_as_the_folder_through_a_cache_of_a_part_of_it(store, photos, tmp_path, monkeypatch):
    sizes = {path.relative_to(photos): path.stat().st_size for path in files_of(photos)}
    jpegs = sum(size for path, size in sizes.items() if path.suffix == ".jpg")
    limit = sum(sizes.values()) - jpegs + max(jpegs // 4, 2 * max(sizes.values()))
    monkeypatch.setenv(remote.LIMIT, str(limit / 1e9))
    root = remote.mirror(store[1], tmp_path / remote.MIRRORS)
    assert root.name == "cars" and {path.relative_to(root): path.stat().st_size for path in files_of(root)} == sizes
    assert here(root) == [] and taken(root) == sum(sizes.values()) - jpegs  # annotations alone
    listed = stat_fingerprint(root)
    catalogue = load_catalogue(root)
    assert catalogue.fingerprint == load_catalogue(photos).fingerprint
    assert 0 < len(here(root)) < len(catalogue.photos) / 2 and taken(root) <= limit
    assert content_fingerprint(root) == content_fingerprint(photos) and taken(root) <= limit
    assert stat_fingerprint(root) == listed  # neither reading nor making room changes it
    assert remote.mirror(store[1], tmp_path / remote.MIRRORS) == root and stat_fingerprint(root) == listed
    first, *others = sorted(root.rglob("*.jpg"))
    for other in others:  # what is used stays, and is not asked for again
        read_photo(first)
        read_photo(other)
    assert first in here(root)


def test_a_photo_that_changes_is_noticed(store, photos, tmp_path):
    client, address = store
    root = remote.mirror(address, tmp_path)
    listed, (first, second, *_) = stat_fingerprint(root), sorted(root.rglob("*.jpg"))
    names = [path.relative_to(root).as_posix() for path in (first, second)]
    inspect_image(first)
    client.pipe(f"/bucket/cars/{names[0]}", (photos / names[1]).read_bytes())
    client.pipe(f"/bucket/cars/{names[1]}", b"another")
    with pytest.raises(CarsegError, match=rf"{second.name} is not the one that was listed \(7 bytes, .* run again"):
        inspect_image(second)
    client.rm(f"/bucket/cars/{names[1]}")
    assert remote.mirror(address, tmp_path) == root and stat_fingerprint(root) != listed
    assert not second.exists() and inspect_image(first).file_sha256 == inspect_image(photos / names[1]).file_sha256
    client.rm(f"/bucket/cars/{names[0]}")
    first.unlink()
    with pytest.raises(ImageError, match="missing file"):
        read_photo(first)


def test_what_cannot_be_is_one_line(store, tmp_path, monkeypatch):
    client, address = store
    with pytest.raises(CarsegError, match=r"DATA=memory://bucket/none: holds no file; look whether bucket"):
        remote.mirror("memory://bucket/none", tmp_path)
    with pytest.raises(CarsegError, match=r"needs fsspec and its client for this store: .*setup_environment.py remote"):
        remote.mirror("nowhere://bucket/cars", tmp_path)
    monkeypatch.setenv(remote.LIMIT, "0.0000001")
    with pytest.raises(
        CarsegError, match=r"annotations and PNG files are \d\.\d\d GB, .*: allow 1, or copy the folder"
    ):
        remote.mirror(address, tmp_path)
    monkeypatch.setenv(remote.LIMIT, "-1")
    with pytest.raises(CarsegError, match="CARSEG_REMOTE_GB='-1': must be a number of GB above 0"):
        remote.mirror(address, tmp_path)
    monkeypatch.delenv(remote.LIMIT)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "planted-0123456789")
    monkeypatch.setattr(client, "find", lambda *a, **k: (_ for _ in ()).throw(OSError("GET ?key=planted-0123456789")))
    with pytest.raises(CarsegError, match=r"could not be read \(OSError: GET \?key=\(hidden\)\): run again, or copy"):
        remote.mirror(address, tmp_path)


def test_an_address_names_a_folder_of_a_known_store_and_nothing_else():
    assert resolve_source("s3://bucket/cars/") == remote_address("s3://bucket/cars") == "s3://bucket/cars"
    for wrong in (
        "s3://me:secret@bucket/cars",
        "s3://bucket/../x",
        "https://host/x?X-Amz-Signature=secret",
        "s3://",
        "s3://a b",
    ):
        with pytest.raises(CarsegError, match=r"write it as s3://bucket/folder, without user") as caught:
            resolve_source(wrong)
        assert "secret" not in str(caught.value)
    for wrong in ("file:///etc", "memory://x", "simplecache::s3://x", "s4://x/y"):
        with pytest.raises(CarsegError, match="no store has such addresses; known are s3, "):
            resolve_source(wrong)


def zip_of(photos: Path, inside: str = "cars/") -> bytes:
    """A zip of a folder, as macOS and Windows make them: with folders, and files that are no data."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        if inside:
            target.writestr(inside, b"")
        for path in files_of(photos):
            target.write(path, inside + path.relative_to(photos).as_posix())
        target.writestr("__MACOSX/._cars", b"x")
    return packed.getvalue()


@pytest.mark.parametrize("inside", ["cars/", ""])
def test_a_zip_is_fetched_and_unpacked_once_and_again_where_it_changed(store, photos, tmp_path, monkeypatch, inside):
    client, _ = store
    client.pipe("/bucket/cars.zip", zip_of(photos, inside))
    root = fetch_archive("memory://bucket/cars.zip", tmp_path)
    assert content_fingerprint(root) == content_fingerprint(photos)
    assert load_catalogue(root).fingerprint == load_catalogue(photos).fingerprint
    assert not list(tmp_path.rglob("*.zip")) and not list(tmp_path.rglob("*.tmp"))
    listed = stat_fingerprint(root)
    with monkeypatch.context() as patch:
        patch.setattr(client, "open", None)  # nothing is fetched again
        assert fetch_archive("memory://bucket/cars.zip", tmp_path) == root and stat_fingerprint(root) == listed
    first = files_of(photos)[0].relative_to(photos).as_posix()
    packed = io.BytesIO(zip_of(photos, inside))
    with zipfile.ZipFile(packed, "a") as target:
        target.writestr("cars/more.txt" if inside else "more.txt", "more")
    client.pipe("/bucket/cars.zip", packed.getvalue())
    assert fetch_archive("memory://bucket/cars.zip", tmp_path) == root
    assert (root / "more.txt").read_text() == "more" and (root / first).is_file()


def forbidden(*_, **__):
    raise PermissionError("Forbidden")


def link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"../up.jpg": b"x"}, r"'\.\./up\.jpg' leads out of the folder; nothing was unpacked"),
        ({link("etc"): b"/etc"}, "'etc' is a link or no file; nothing was unpacked"),
        ({"a.jpg": bytes(80_000_000)}, r"bytes that unpack to 80,000,000 are no honest archive"),
        (
            {"a.jpg": bytes(range(256)) * 9000},
            r"it has 0\.\d+ GB and its files 0\.002 GB, above CARSEG_REMOTE_GB=0\.002",
        ),
        ({"a" * 300: b"x"}, "no disk has a file of the name 'aaa"),
        ({"a": b"x", "a/b": b"x"}, r"a(/b)? was not written"),
        ({".hidden": b"x"}, "holds no file"),
        (b"PK\3\4 and no more", "not a readable zip"),
        (b"<html>", "not a readable zip"),
        ("cut off", "not a readable zip"),
        ("damaged", "not a readable zip"),
    ],
)
def test_a_zip_that_is_none_or_may_not_be_unpacked_is_one_line(store, photos, tmp_path, monkeypatch, members, said):
    client, _ = store
    content = members
    if isinstance(members, dict):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as target:
            for name, inside in members.items():
                target.writestr(name, inside, zipfile.ZIP_DEFLATED)
        content = packed.getvalue()
    elif members == "cut off":
        content = zip_of(photos)[:-1000]
    elif members == "damaged":
        content = bytearray(zip_of(photos))
        content[200:400] = bytes(200)
    client.pipe("/bucket/cars.zip", bytes(content))
    monkeypatch.setenv(remote.LIMIT, "0.002")
    with pytest.raises(CarsegError, match=said) as caught:
        fetch_archive("memory://bucket/cars.zip", tmp_path)
    assert "\n" not in str(caught.value)
    assert [path.name for path in files_of(tmp_path)] == [".lock"]


def test_a_zip_above_the_limit_is_not_fetched_and_one_that_changes_is_refused(store, photos, tmp_path, monkeypatch):
    client, _ = store
    client.pipe("/bucket/cars.zip", zip_of(photos))
    with monkeypatch.context() as patch:
        patch.setenv(remote.LIMIT, "0.000001")
        patch.setattr(client, "open", None)
        with pytest.raises(
            CarsegError, match=r"cars\.zip: it has 0\.\d+ GB, above CARSEG_REMOTE_GB=1e-06: allow 0\.\d+ "
        ):
            fetch_archive("memory://bucket/cars.zip", tmp_path)
    for name in ("none.zip", "cars"):
        with pytest.raises(CarsegError, match=rf"bucket/{name}: there is no such bucket, folder or file any more"):
            fetch_archive(f"memory://bucket/{name}", tmp_path)

    def shorter(*arguments, **options):
        patch.undo()
        client.pipe("/bucket/cars.zip", zip_of(photos)[:-1])
        return client.open(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(client, "open", shorter)
        with pytest.raises(CarsegError, match="it changed while it was fetched; run again"):
            fetch_archive("memory://bucket/cars.zip", tmp_path)


def test_an_address_is_a_folder_a_zip_or_an_annotation_file(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setenv("CARSEG_REPORTS", str(tmp_path))
    monkeypatch.setattr(remote, "mirror", lambda address, mirrors, file="": asked.append((address, file)) or tmp_path)
    monkeypatch.setattr(remote_archive, "fetch_archive", lambda address, mirrors: asked.append(address) or tmp_path)
    for address, expected in {
        "s3://bucket/cars": ("s3://bucket/cars", ""),
        "s3://bucket/cars.ZIP": "s3://bucket/cars.ZIP",
        "s3://bucket/cars/a.csv": ("s3://bucket/cars", "a.csv"),
        "s3://bucket/a.json": ("s3://bucket", "a.json"),
        "s3://bucket/cars/annotations/a.json": ("s3://bucket/cars", "annotations/a.json"),
        "s3://annotations/a.json": ("s3://annotations", "a.json"),
        "s3://cars.json": ("s3://cars.json", ""),
    }.items():
        locate_photos(resolve_source(address))
        assert asked.pop() == expected
    with pytest.raises(CarsegError, match=r"DATA=s3://bucket/cars\.tar\.gz: of archives, \.zip is read"):
        locate_photos("s3://bucket/cars.tar.gz")


@pytest.fixture(scope="module")
def listed(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The photos with one annotation file for all, and another one that is not asked for."""
    folder = tmp_path_factory.mktemp("listed") / "cars"
    shutil.copytree(photos / "images", folder / "images")
    parts = [json.loads(path.read_text()) for path in sorted((photos / "annotations").glob("*.json"))]
    whole = {"categories": parts[0]["categories"], "images": [], "annotations": []}
    for part, content in enumerate(parts):
        whole["images"] += [one | {"id": f"{part} {one['id']}"} for one in content["images"]]
        for one in content["annotations"]:
            whole["annotations"].append(one | {"id": f"{part} {one['id']}", "image_id": f"{part} {one['image_id']}"})
    (folder / "annotations").mkdir()
    for name in ("all.json", "other.json"):
        (folder / "annotations" / name).write_text(json.dumps(whole))
    return folder


def test_an_annotation_file_is_read_with_the_photos_beside_it(store, listed, tmp_path):
    client, _ = store
    client.put(f"{listed}/", "/bucket/listed", recursive=True)
    root, one = remote.mirror("memory://bucket/listed", tmp_path, "annotations/all.json"), "annotations/all.json"
    assert sorted(path.name for path in (root / "annotations").iterdir()) == ["all.json"] and here(root) == []
    assert load_catalogue(root / one).fingerprint == load_catalogue(listed / one).fingerprint
    assert content_fingerprint(root / one) == content_fingerprint(listed / one)
    with pytest.raises(CarsegError, match=r"DATA=memory://bucket/listed/none\.csv: there is no such file"):
        remote.mirror("memory://bucket/listed", tmp_path, "none.csv")


@pytest.mark.slow
def test_a_stand_in_of_s3_gives_the_photos_and_keeps_its_credentials(photos, listed, tmp_path, monkeypatch, caplog):
    server_of = pytest.importorskip("moto.server", reason="needs moto[server]")
    pytest.importorskip("s3fs", reason="needs scripts/setup_environment.py remote")
    server = server_of.ThreadedMotoServer("127.0.0.1", port=0)
    server.start()
    try:
        secret = "planted-wJalrXUtnFEMI-K7MDENG-bPxRfiCY"
        host, port = server.get_host_and_port()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "planted-AKIAIOSFODNN7")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        fsspec.filesystem("s3").mkdir("photographs")
        fsspec.filesystem("s3").put(f"{photos}/", "photographs/cars", recursive=True)
        whole = sum(path.stat().st_size for path in files_of(photos))
        annotations = sum(path.stat().st_size for path in files_of(photos) if path.suffix != ".jpg")
        limit = annotations + (whole - annotations) // 10
        monkeypatch.setenv(remote.LIMIT, str(limit / 1e9))
        caplog.set_level("INFO")
        root = remote.mirror("s3://photographs/cars", tmp_path / remote.MIRRORS)
        assert load_catalogue(root).fingerprint == load_catalogue(photos).fingerprint
        assert 0 < taken(root) <= limit
        with pytest.raises(CarsegError, match=r"DATA=s3://nobodys/cars: there is no such bucket") as caught:
            remote.mirror("s3://nobodys/cars", tmp_path / remote.MIRRORS)
        monkeypatch.setenv(remote.LIMIT, "1")
        monkeypatch.setenv("CARSEG_REPORTS", str(tmp_path))
        fsspec.filesystem("s3").put(f"{listed}/", "photographs/listed", recursive=True)
        annotated = locate_photos("s3://photographs/listed/annotations/all.json")
        one = annotated.relative_to(annotated.parents[1])
        assert load_catalogue(annotated).fingerprint == load_catalogue(listed / one).fingerprint
        fsspec.filesystem("s3").pipe("photographs/cars.zip", zip_of(photos))
        packed = fetch_archive("s3://photographs/cars.zip", tmp_path / remote.MIRRORS)
        assert content_fingerprint(packed) == content_fingerprint(photos)
        for missing in ("s3://photographs/none.zip", "s3://nobodys/cars.zip"):
            with pytest.raises(
                CarsegError, match=rf"DATA={missing}: there is no such bucket, folder or file"
            ) as caught:
                fetch_archive(missing, tmp_path / remote.MIRRORS)
        monkeypatch.setattr(fsspec.filesystem("s3"), "info", forbidden)
        with pytest.raises(CarsegError, match=r"cars\.zip: the store does not give it .*give its client credentials"):
            fetch_archive("s3://photographs/cars.zip", tmp_path / remote.MIRRORS)
        kept = b"".join(path.read_bytes() for path in files_of(tmp_path))
        assert b"planted-" not in kept and "planted-" not in caplog.text + str(caught.value)
    finally:
        server.stop()
