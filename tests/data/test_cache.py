import copy
import json

import numpy as np
import pytest

from carseg_lib.data.cache import cache_side, decode, open_cache
from tests.helpers.small_run import small_run, with_dataset

BOTH = ("train", "validation")


@pytest.fixture
def dataset(monkeypatch, tmp_path, synthetic_cars):
    return with_dataset(small_run(monkeypatch, tmp_path / "reports", synthetic_cars))


@pytest.fixture
def log(caplog):
    """What is logged, a line a message."""
    caplog.set_level("INFO", logger="carseg_lib.data.cache")
    return caplog


def made(dataset, folder, gigabytes=1.0, side=480):
    return open_cache(dataset, BOTH, side, gigabytes, folder)


def kept(dataset, cache, side=480):
    """The photos that the cache holds, each compared with its file."""
    cars = dict(list(dataset.instances.groupby("photo_id")))
    found = []
    for photo in dataset.photos.itertuples():
        if (pixels := cache.read(photo.photo_id)) is not None:
            size = (photo.height, photo.width)
            expected = decode(dataset.root / photo.photo_id, cars[photo.photo_id], size, side)
            assert all(np.array_equal(a, b) for a, b in zip(pixels, expected, strict=True))
            assert pixels[0].dtype == pixels[1].dtype == np.uint8
            found.append(photo.photo_id)
    return found


def test_it_gives_the_pixels_and_masks_of_its_splits_to_the_last_bit(dataset, tmp_path):
    for side in (480, 101):  # as they are, and shrunk to a width that is no multiple of eight
        cache = made(dataset, tmp_path / "cache", side=side)
        assert kept(dataset, cache, side) == dataset.photos.photo_id[dataset.photos.split != "test"].tolist()
        assert len(cache) == (dataset.photos.split != "test").sum() > 0


def test_it_is_made_once_and_found_again(dataset, tmp_path, log):
    made(dataset, tmp_path / "cache")
    file = next((tmp_path / "cache").glob("*.bin"))
    written = file.stat().st_mtime_ns
    again = made(dataset, tmp_path / "cache")
    assert file.stat().st_mtime_ns == written and len(log.messages) == 1
    assert "decoded once" in log.messages[0]
    assert len(kept(dataset, again)) == len(again)


@pytest.mark.parametrize("damage", ["a byte", "cut short", "no index"])
def test_a_damaged_one_is_made_anew(dataset, tmp_path, damage, log):
    whole = len(made(dataset, tmp_path / "cache"))
    file = next((tmp_path / "cache").glob("*.bin"))
    content = bytearray(file.read_bytes())
    if damage == "a byte":
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    elif damage == "cut short":
        file.write_bytes(content[:-1])
    else:
        file.with_suffix(".json").unlink()
    log.clear()
    again = made(dataset, tmp_path / "cache")
    assert len(kept(dataset, again)) == whole
    assert any("damaged" in line for line in log.messages) == (damage != "no index")


def test_photos_beyond_its_size_are_left_to_their_files(dataset, tmp_path, log):
    one = 240 * 160 * 3 + 160 * 30  # bytes of pixels, and of a mask at a bit a pixel
    cache = made(dataset, tmp_path / "cache", gigabytes=3.5 * one / 1e9)
    assert len(kept(dataset, cache)) == len(cache) == 3
    more = int((dataset.photos.split != "test").sum()) - 3
    assert f"{more} more are read from their files" in log.messages[0]
    assert next((tmp_path / "cache").glob("*.bin")).stat().st_size == 3 * one


def test_none_is_made_where_none_is_wanted(dataset, tmp_path):
    cache = made(dataset, tmp_path / "cache", gigabytes=0.0)
    assert len(cache) == 0 and cache.read(dataset.photos.photo_id[0]) is None
    assert not (tmp_path / "cache").exists()


def test_the_folder_stays_within_the_limit_and_the_oldest_goes(dataset, tmp_path):
    folder = tmp_path / "cache"
    size = 240 * 160 * 3 + 160 * 30
    limit = 1.2 * size * int((dataset.photos.split != "test").sum()) / 1e9
    made(dataset, folder, limit)
    first = set(folder.iterdir())
    made(dataset, folder, limit, side=470)  # photos of the same size, under another name
    assert not first & set(folder.iterdir())
    assert sum(path.stat().st_size for path in folder.glob("*.bin")) <= limit * 1e9


def test_a_changed_data_set_has_a_cache_of_its_own(dataset, tmp_path):
    made(dataset, tmp_path / "cache")
    dataset.__dict__.pop("fingerprint", None)
    dataset.photos.loc[0, "file_sha256"] = "0" * 64
    made(dataset, tmp_path / "cache")
    assert len(list((tmp_path / "cache").glob("*.bin"))) == 2


def test_it_travels_to_a_loaders_process(dataset, tmp_path):
    cache = made(dataset, tmp_path / "cache")
    assert kept(dataset, copy.deepcopy(cache)) == kept(dataset, cache)


def test_the_index_says_where_each_photo_is(dataset, tmp_path):
    cache = made(dataset, tmp_path / "cache")
    index = json.loads(next((tmp_path / "cache").glob("*.json")).read_text())
    assert {photo_id: tuple(place) for photo_id, place in index["locations"].items()} == cache.locations


def test_photos_are_kept_at_twice_the_size_the_network_sees():
    assert cache_side((160, 224)) == 448
