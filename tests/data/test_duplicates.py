import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from carseg_lib.data.duplicates import NEAR_DISTANCE, duplicate_groups, exact_duplicates, near_duplicates
from carseg_lib.data.photos import inspect_image


def photos_of(hashes: list[int], pixels: list[str] | None = None, splits: list[str] | None = None) -> pd.DataFrame:
    n = len(hashes)
    return pd.DataFrame(
        {
            "photo_id": [f"{k:05d}.jpg" for k in range(n)],
            "split": splits or ["train"] * n,
            "body_type": ["suv"] * n,
            "pixel_sha256": pixels or [f"p{k}" for k in range(n)],
            "phash": [f"{h:016x}" for h in hashes],
        }
    )


def test_exact_duplicates_are_those_of_equal_pixels():
    photos = photos_of([0, 1, 2, 3, 4], ["x", "y", "x", "z", "y"], ["train", "train", "test", "train", "train"])
    exact = exact_duplicates(photos)
    assert exact["photo_id"].tolist() == ["00000.jpg", "00002.jpg", "00001.jpg", "00004.jpg"]
    assert exact["split"].tolist() == ["train", "test", "train", "train"]
    assert exact_duplicates(photos[:1]).empty


def test_near_duplicates_by_hand():
    photos = photos_of([0b0, 0b11, 0b1111, 2**63, 0b11], splits=["test", "train", "train", "train", "validation"])
    near = near_duplicates(photos, max_distance=2)
    assert near.values.tolist() == [
        ["00001.jpg", "00004.jpg", 0, "train", "validation"],
        ["00000.jpg", "00003.jpg", 1, "test", "train"],
        ["00000.jpg", "00001.jpg", 2, "test", "train"],
        ["00000.jpg", "00004.jpg", 2, "test", "validation"],
        ["00001.jpg", "00002.jpg", 2, "train", "train"],
        ["00002.jpg", "00004.jpg", 2, "train", "validation"],
    ]  # 00003 is one bit from 00000
    assert near_duplicates(photos[:0]).columns.tolist() == ["photo_a", "photo_b", "distance", "split_a", "split_b"]


def test_equal_pixels_are_not_near_duplicates_too():
    photos = photos_of([7, 7, 7], ["x", "x", "y"])
    assert near_duplicates(photos)[["photo_a", "photo_b"]].values.tolist() == [
        ["00000.jpg", "00002.jpg"],
        ["00001.jpg", "00002.jpg"],
    ]


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.tuples(st.integers(0, 2**64 - 1) | st.integers(0, 31), st.integers(0, 9)), max_size=25),
    st.integers(0, 64),
)
def test_pairs_and_groups_agree_with_the_plain_definition(rows, max_distance):
    hashes, pixels = [h for h, _ in rows], [f"p{p}" for _, p in rows]
    photos = photos_of(hashes, pixels)
    pairs = {
        (a, b)
        for a in range(len(rows))
        for b in range(a + 1, len(rows))
        if (hashes[a] ^ hashes[b]).bit_count() <= max_distance and pixels[a] != pixels[b]
    }
    near = near_duplicates(photos, max_distance)
    assert {(int(a[:5]), int(b[:5])) for a, b in zip(near["photo_a"], near["photo_b"], strict=True)} == pairs
    assert (near["distance"] <= max_distance).all()

    joined = list(range(len(rows)))  # naive union of everything linked
    for a, b in [*pairs, *((a, b) for a in joined for b in joined if pixels[a] == pixels[b])]:
        joined = [joined[a] if group == joined[b] else group for group in joined]
    groups = duplicate_groups(photos, max_distance)
    same = np.equal.outer(groups.to_numpy(), groups.to_numpy())
    np.testing.assert_array_equal(same, np.equal.outer(joined, joined))


def test_pairs_among_many_photos_are_found_without_comparing_all(monkeypatch):
    rng = np.random.default_rng(0)
    hashes = [int(h) for h in rng.integers(0, 2**63, 20_000)]
    for k in range(0, 200, 2):
        hashes[k + 1] = hashes[k] ^ (1 << int(rng.integers(64))) ^ (1 << int(rng.integers(64)))
    compared = []
    counted = np.bitwise_count
    monkeypatch.setattr(np, "bitwise_count", lambda bits: compared.append(len(bits)) or counted(bits))
    near = near_duplicates(photos_of(hashes))
    pairs = {(f"{k:05d}.jpg", f"{k + 1:05d}.jpg") for k in range(0, 200, 2)}
    assert set(zip(near["photo_a"], near["photo_b"], strict=True)) == pairs
    assert sum(compared) < 1_000  # of 200 million pairs


def test_a_copy_saved_again_is_near_and_another_car_is_not(synthetic_cars, tmp_path):
    paths = sorted((synthetic_cars / "images" / "train").rglob("*.jpg"))
    copies = []
    for path in paths:
        with Image.open(path) as photo:
            photo.resize((120, 80)).save(tmp_path / path.name, quality=70)
        copies.append(tmp_path / path.name)
    facts = [inspect_image(path) for path in [*paths, *copies]]
    photos = photos_of([int(f.phash, 16) for f in facts], [f.pixel_sha256 for f in facts])
    near = near_duplicates(photos, NEAR_DISTANCE)
    n = len(paths)
    expected = {(f"{k:05d}.jpg", f"{k + n:05d}.jpg") for k in range(n)}
    assert set(zip(near["photo_a"], near["photo_b"], strict=True)) == expected
