"""DATA=s3://…: a store in memory, and one of S3 on this machine; photos are read by a cache smaller than they are."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from carseg_lib.core.data_spec import remote_address, resolve_source
from carseg_lib.core.errors import CarsegError
from carseg_lib.data import remote
from carseg_lib.data.fingerprint import content_fingerprint, stat_fingerprint
from carseg_lib.data.loader import load_catalogue
from carseg_lib.data.photos import ImageError, inspect_image, read_photo
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


@pytest.mark.slow
def test_a_stand_in_of_s3_gives_the_photos_and_keeps_its_credentials(photos, tmp_path, monkeypatch, caplog):
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
        kept = b"".join(path.read_bytes() for path in files_of(tmp_path))
        assert b"planted-" not in kept and "planted-" not in caplog.text + str(caught.value)
    finally:
        server.stop()
