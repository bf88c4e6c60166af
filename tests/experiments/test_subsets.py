"""The photos of trials: nested, stratified, of the size asked for."""

from __future__ import annotations

import shutil

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carseg_lib.core.classes import BODY_TYPES
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.run import Run
from carseg_lib.data.loader import load_catalogue
from carseg_lib.data.splits import assign_splits
from carseg_lib.experiments import subsets, trials
from carseg_lib.experiments.subsets import (
    NOT_SAMPLED,
    cached_catalogue,
    eval_images,
    nested_stratified_sample,
    photo_count,
    trial_dataset,
)
from carseg_lib.experiments.trials import Trial
from tests.helpers.drawn_cars import add_unlabelled


@st.composite
def tables(draw) -> pd.DataFrame:
    counts = draw(st.lists(st.integers(1, 60), min_size=1, max_size=4))
    types = [t for t, count in zip(BODY_TYPES, counts, strict=False) for _ in range(count)]
    order = draw(st.permutations(range(len(types))))
    return pd.DataFrame({"photo_id": [f"{i:03d}.jpg" for i in order], "body_type": [types[i] for i in order]})


@settings(deadline=None)
@given(tables(), st.data(), st.integers(0, 2**32 - 1))
def test_subsets_are_nested_stratified_and_of_the_size_asked_for(photos, data, seed):
    larger = data.draw(st.integers(0, len(photos)))
    smaller = data.draw(st.integers(0, larger))
    large, small = (nested_stratified_sample(photos, n, seed) for n in (larger, smaller))
    assert (len(large), len(small)) == (larger, smaller)
    assert set(small.photo_id) <= set(large.photo_id) <= set(photos.photo_id)
    assert large.index.is_monotonic_increasing
    shares = photos.body_type.value_counts(normalize=True)
    found = large.body_type.value_counts()
    for body_type, share in shares.items():
        assert abs(found.get(body_type, 0) - larger * share) <= (1 + share * len(shares)) / 2 + 1e-9


@settings(deadline=None)
@given(tables(), st.integers(0, 9))
def test_a_subset_does_not_depend_on_the_order_of_the_rows(photos, seed):
    n = len(photos) // 2
    turned = photos.iloc[::-1].reset_index(drop=True)
    assert set(nested_stratified_sample(photos, n, seed).photo_id) == set(
        nested_stratified_sample(turned, n, seed).photo_id
    )


def test_another_seed_gives_another_subset():
    photos = pd.DataFrame({"photo_id": [f"{i}.jpg" for i in range(100)], "body_type": ["suv", "sedan"] * 50})
    assert set(nested_stratified_sample(photos, 20, 0).photo_id) != set(
        nested_stratified_sample(photos, 20, 1).photo_id
    )


def test_the_data_of_a_training_hold_no_test_photo(places):
    real = assign_splits(load_catalogue(places["real"]), 0)
    dataset = trial_dataset(real, 8, seed=0)
    assert dataset.photos.split.value_counts().to_dict() == {"train": 8, "validation": 8}
    left_out = dataset.excluded[dataset.excluded.reason == NOT_SAMPLED]
    assert set(left_out.split) == {"train", "test"} and len(left_out) == 8 + 4
    assert set(dataset.instances.photo_id) == set(dataset.photos.photo_id)


def test_photos_that_measure_are_of_the_validation_split(places):
    real = assign_splits(load_catalogue(places["real"]), 0)
    some, every = eval_images(real, 4, seed=0), eval_images(real, 0, seed=0)
    assert set(every.photos.photo_id) == set(real.split("validation").photos.photo_id)
    assert set(some.photos.photo_id) < set(every.photos.photo_id) and len(some.photos) == 4


def test_a_number_of_photos_is_0_for_all_and_no_more_than_there_are(places):
    real = assign_splits(load_catalogue(places["real"]), 0)
    assert photo_count(real, "train", 0, "photos", "DATA=x") == 16
    assert photo_count(real, "train", 5, "photos", "DATA=x") == 5
    with pytest.raises(CarsegError, match=r"DATA=x has 8 validation photos; n asks for 9\."):
        photo_count(real, "validation", 9, "n", "DATA=x")


def test_a_catalogue_is_read_again_when_its_classes_change_and_only_then(places, reports, tmp_path, monkeypatch):
    read, real_load = [], subsets.load_catalogue
    monkeypatch.setattr(subsets, "load_catalogue", lambda *a, **k: read.append((a, k)) or real_load(*a, **k))
    two = Run.create("a", "smoke", places["real"], classes="suv sedan").config
    four = Run.create("b", "smoke", places["real"]).config
    for _ in range(2):
        assert cached_catalogue(four, tmp_path, 0).body_types == BODY_TYPES
        assert cached_catalogue(two, tmp_path, 0).body_types == ("suv", "sedan")
    assert len(read) == 2
    asked = Run.create("d", "smoke", places["real"], {"unlabelled": "background"}).config
    for _ in range(2):
        cached_catalogue(asked, tmp_path, 0)
    assert len(read) == 3 and read[-1][1] == {"unlabelled": "background", "data_format": "auto"}
    by_group = Run.create("c", "smoke", places["real"], {"split_by": "group"}).config
    with pytest.raises(CarsegError, match="no photo has a group"):  # not the catalogue that was split by photo
        cached_catalogue(by_group, tmp_path, 0)


def test_photos_without_a_car_are_in_every_trial_and_its_steps(tmp_path, synthetic_cars, reports):
    folder = tmp_path / "cars"
    shutil.copytree(synthetic_cars, folder)
    add_unlabelled(folder, "train", 3)
    add_unlabelled(folder, "validation", 2, seed=5)
    add_unlabelled(folder, "test", 1, seed=6)
    run = Run.create("a", "smoke", folder, {"unlabelled": "background", "background_share": 0.3, "batch_size": 4})
    source = cached_catalogue(run.config, tmp_path / "data", 0)
    assert source.counts_with_background().loc["background"].tolist() == [3, 2, 1]
    dataset = trial_dataset(source, 4, 0)
    assert len(dataset.split("train").photos) == 4 and len(dataset.split("train").background) == 3
    assert len(eval_images(source, 4, 0).photos) == 4
    # 4 photos of cars and 2 without a car an epoch (0.3 / 0.7 of 4), in batches of 4, for 2 epochs
    assert trials._steps(Trial("t", "t", run, photos=4), dataset) == 4
    assert (
        trials._steps(Trial("t", "t", run, photos=4), dataset.without_background()) == 4
    )  # built-in pictures stand in
    without = run.updated(train={"background_share": 0.0})
    assert trials._steps(Trial("t", "t", without, photos=4), dataset) == 2
