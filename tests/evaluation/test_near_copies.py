"""carseg_lib.evaluation.near_copies: planted copies are found, other photos are not, and mirroring is exact."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image

from carseg_lib.core.classes import ClassMap
from carseg_lib.data.loader import load_catalogue
from carseg_lib.data.splits import assign_splits
from carseg_lib.evaluation import near_copies
from carseg_lib.evaluation.near_copies import (
    COPIES,
    LEAST_MATCHES,
    count_matches,
    local_features,
    mirror,
    neighbours,
    search,
)


def scene(seed: int, side: int = 240) -> np.ndarray:
    """A photo with many corners: patches of random colours and sizes, a little soft."""
    rng = np.random.default_rng(seed)
    image = np.full((side, side, 3), rng.integers(0, 256, 3), np.uint8)
    for k in range(300):
        y, x = rng.integers(0, side, 2)
        h, w = rng.integers(4, 60 if k < 75 else 18, 2)
        image[y : y + h, x : x + w] = rng.integers(0, 256, 3)
    return cv2.GaussianBlur(image, (0, 0), 0.8)


def test_a_mirrored_descriptor_is_that_of_the_mirror_image():
    image = scene(0)
    computed, derived = local_features(np.ascontiguousarray(image[:, ::-1])), mirror(local_features(image))
    again = mirror(derived)
    assert (again.descriptors == local_features(image).descriptors).all()
    assert again.points == pytest.approx(local_features(image).points)
    apart = np.linalg.norm(computed.points[:, None] - derived.points[None], axis=2)
    nearest = apart.argmin(axis=1)
    close = apart.min(axis=1) < 1.5  # pixels: OpenCV places features by a quarter of a pixel to the left
    assert close.mean() > 0.85
    ours = computed.descriptors[close].astype(float)
    far = np.linalg.norm(ours - derived.descriptors[nearest[close]], axis=1)
    assert np.median(far) < 60  # of a length of 512


def test_one_transform_maps_a_copy_and_no_other_photo():
    image = scene(1)
    own, other = local_features(image), local_features(scene(2))
    assert count_matches(own, own) > 50
    assert count_matches(own, other) < LEAST_MATCHES
    assert count_matches(local_features(np.ascontiguousarray(image[20:160, 30:180])), own) >= LEAST_MATCHES
    flipped = local_features(np.ascontiguousarray(image[:, ::-1]))
    assert count_matches(flipped, own) < LEAST_MATCHES <= count_matches(mirror(flipped), own)
    wheel = scene(3)
    wheel[100:160, 100:160] = image[100:160, 100:160]  # many features in common, on a sixteenth of the photo
    assert count_matches(local_features(wheel), own) == 0
    plain = local_features(np.full((64, 64, 3), 90, np.uint8))  # nothing to be seen
    assert len(plain.points) == 0 and count_matches(plain, own) == count_matches(own, mirror(plain)) == 0


def test_the_nearest_photos_come_first_and_blocks_change_nothing(monkeypatch):
    rng = np.random.default_rng(0)
    gallery = rng.standard_normal((7, 5)).astype(np.float32)
    gallery /= np.linalg.norm(gallery, axis=1, keepdims=True)
    indices, similarities = neighbours(gallery, gallery, 3)
    assert (indices[:, 0] == np.arange(7)).all() and similarities[:, 0] == pytest.approx(np.ones(7))
    assert (indices == np.argsort(-(gallery @ gallery.T), axis=1)[:, :3]).all()
    monkeypatch.setattr(near_copies, "_BLOCK", 2)
    assert (neighbours(gallery, gallery, 3)[0] == indices).all()
    assert neighbours(gallery, gallery, 20)[0].shape == (7, 7)


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """Twelve photos of patches, of which two are copies of others that no hash finds, across splits."""
    folder = tmp_path_factory.mktemp("photos")
    images = {f"{kind}/{k}.png": scene(10 * k + len(kind)) for kind in ("suv", "sedan") for k in range(5)}
    images["suv/mirror.png"] = np.ascontiguousarray(images["sedan/1.png"][:, ::-1])
    images["sedan/crop.png"] = images["suv/2.png"][20:170, 30:190]
    for name, image in images.items():
        (folder / name).parent.mkdir(exist_ok=True)
        Image.fromarray(image).save(folder / name)
    catalogue = assign_splits(load_catalogue(folder, ClassMap.parse("suv sedan")), 0)
    split = {"suv/mirror.png": "test", "sedan/1.png": "train", "suv/2.png": "train", "sedan/crop.png": "train"}
    photos = catalogue.photos.assign(split=catalogue.photos.photo_id.map(split).fillna("train"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(near_copies, "NEIGHBOURS", 11)  # a network of photographs does not tell patches apart
        return search(replace(catalogue, photos=photos), photos, planted=4, seed=0)


def test_copies_in_the_data_are_found_with_their_kind(searched):
    pairs = {(row.photo_a, row.photo_b): row for row in searched.pairs.itertuples()}
    assert set(pairs) == {("sedan/1.png", "suv/mirror.png"), ("sedan/crop.png", "suv/2.png")}
    mirrored, cropped = pairs["sedan/1.png", "suv/mirror.png"], pairs["sedan/crop.png", "suv/2.png"]
    assert (mirrored.mirrored, cropped.mirrored) == (True, False)
    assert (mirrored.split_a, mirrored.split_b) == ("train", "test")
    assert min(mirrored.hash_distance, cropped.hash_distance) > 2 and cropped.matches >= LEAST_MATCHES


def test_the_summary_counts_what_hashes_miss(searched):
    summary = searched.summary
    assert {name: value for name, value in summary.items() if name != "planted"} == {
        "photos": 12,
        "pairs": 2,
        "across_splits": 1,
        "missed_by_hash": 2,
        "missed_by_hash_across_splits": 1,
        "mirrored": 1,
    }
    planted = searched.planted.set_index("kind")
    assert list(planted.index) == list(COPIES) and (planted.n == 4).all()
    assert (planted.found == 1).all() and (planted.wrong == 0).all()
    assert planted.by_hash["mirrored"] == 0 and planted.by_hash["half the size, saved at quality 50"] == 1
    assert planted.found_low["mirrored"] == pytest.approx(0.5101, abs=1e-4)  # Wilson's of 4 of 4


def test_the_pairs_are_written_as_a_table(searched, tmp_path):
    searched.save(tmp_path)
    assert (tmp_path / "near_copies.csv").read_text().startswith("photo_a,photo_b,similarity,mirrored,matches,")
