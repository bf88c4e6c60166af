"""The photos of an epoch of training: how many of each kind, in which order, and as tensors."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from carseg_lib.core.config import InputConfig, TrainConfig
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.dataset import CarDataset
from carseg_lib.data.loader import load_catalogue
from carseg_lib.data.loading import DistributedBatchSampler, balanced_epoch_order, make_loader
from carseg_lib.data.splits import assign_splits
from carseg_lib.data.training_photos import EpochSize, TrainingPhotos, epoch_order, epoch_size
from tests.helpers.drawn_cars import make_background

INPUTS = InputConfig(height=64, width=64, num_workers=0, augmentation="flip_only")
tables = st.dictionaries(st.sampled_from("abc"), st.integers(1, 30), min_size=1).map(
    lambda counts: pd.Series([body_type for body_type, n in counts.items() for _ in range(n)])
)


@pytest.mark.parametrize(
    ("background_share", "pieces_share", "background", "expected"),
    [
        (0.1, 0.0, 500, EpochSize(90, 10, 0)),
        (0.1, 0.0, 4, EpochSize(90, 4, 0)),  # at most each of them once
        (0.0, 0.0, 500, EpochSize(90, 0, 0)),
        (0.5, 0.5, 500, EpochSize(90, 90, 90)),
        (0.25, 0.1, 0, EpochSize(90, 0, 10)),
        (0.99, 0.0, 500, EpochSize(90, 500, 0)),
    ],
)
def test_shares_are_of_the_cars_and_the_carless_photos_of_a_kind(background_share, pieces_share, background, expected):
    train = TrainConfig(background_share=background_share, pieces_share=pieces_share)
    size = epoch_size(train, 90, background, carless=True)
    assert size == expected and size.photos == expected.cars + expected.background + expected.pieces
    assert epoch_size(train, 90, background, carless=False) == EpochSize(90)


@given(tables, st.integers(0, 12), st.floats(0, 0.9), st.floats(0, 0.5), st.floats(0, 1), st.integers(0, 9))
@settings(max_examples=50, deadline=None)
def test_an_epoch_has_its_shares_and_the_cars_that_it_has_without_them(
    body_types, background, share, pieces_share, class_balance, seed
):
    n, epochs = len(body_types), 6
    size = epoch_size(TrainConfig(background_share=share, pieces_share=pieces_share), n, background, carless=True)
    assert size.background == min(round(share / (1 - share) * n), background)
    seen: Counter[int] = Counter()
    pairs: set[tuple[int, int]] = set()
    for epoch in range(1, epochs + 1):
        order = epoch_order(body_types, size, background, epoch, seed, class_balance)
        assert order == epoch_order(body_types, size, background, epoch, seed, class_balance)
        cars = [pair for pair in order if pair[1] < n]
        assert cars == balanced_epoch_order(body_types, epoch, seed, class_balance)
        others = [pair for pair in order if pair[1] >= n]
        carless = [i - n for _, i in others if i < n + background]
        assert len(carless) == size.background and len(others) == size.background + size.pieces
        assert all(n <= i < n + background + n for _, i in others)
        assert len(set(others)) == len(others) and pairs.isdisjoint(others)  # a photo has other random steps each time
        pairs.update(others)
        seen.update(i for _, i in others)
    for kind, quota in (
        (range(n, n + background), size.background),
        (range(n + background, 2 * n + background), size.pieces),
    ):
        counts = [seen[i] for i in kind]
        assert sum(counts) == epochs * quota
        assert not counts or max(counts) - min(counts) <= 1  # each as often as the others


def test_carless_photos_stand_at_random_places_and_in_random_order():
    types, size = pd.Series(["a"] * 40), EpochSize(40, 20, 20)
    orders = [epoch_order(types, size, 20, epoch, seed, 0.0) for epoch, seed in ((1, 0), (2, 0), (1, 1))]
    places = [tuple(k for k, (_, i) in enumerate(order) if i >= 40) for order in orders]
    assert len(set(places)) == 3 and all(0 < sum(k < 40 for k in of_order) < 40 for of_order in places)
    others = [[i for _, i in order if i >= 40] for order in orders]
    assert all(of_order != sorted(of_order) for of_order in others)
    assert any(i >= 60 for i in others[0][:20])  # photos without a car and pieces are mixed


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory, synthetic_cars: Path) -> Catalogue:
    """The drawn cars, with five photos without a car in training and two in validation."""
    folder = tmp_path_factory.mktemp("mixed") / "cars"
    shutil.copytree(synthetic_cars / "images", folder)
    make_background(folder / "train" / "none", 5)
    make_background(folder / "validation" / "none", 2, seed=1)
    make_background(folder / "test" / "none", 2, seed=2)
    return assign_splits(load_catalogue(folder), 0)


def training_photos(catalogue: Catalogue, *, carless: bool = True, **settings: float) -> TrainingPhotos:
    return TrainingPhotos(catalogue, INPUTS, TrainConfig(**settings), 0, carless=carless)


def test_an_index_counts_through_cars_photos_without_and_pieces(catalogue):
    photos = training_photos(catalogue, background_share=0.2, pieces_share=0.1)
    cars = CarDataset(catalogue, "train", INPUTS, 0, augment=True)
    assert photos.size == EpochSize(12, 3, 1)
    order = photos.epoch_order(1)
    assert len(order) == 16
    for number, i in order:
        image, target = photos[number, i]
        assert image.shape == (3, 64, 64) and target["index"] == i
        if i < 12:
            assert torch.equal(image, cars[number, i][0]) and photos.name(i) == cars.name(i)
            assert target["class_id"] > 0 and len(target["boxes"]) == 1
        else:
            kind = "train/none/" if i < 17 else "piece of train/"
            assert photos.name(i).startswith(kind)
            assert target["class_id"] == 0 and len(target["boxes"]) == 0
    assert sum(i >= 17 for _, i in order) == 1 and len({photos.name(i) for _, i in order}) == 16


def test_processes_share_the_same_mixed_batches(catalogue):
    photos = training_photos(catalogue, background_share=0.2, pieces_share=0.1)
    order = photos.epoch_order(3)
    parts = [list(DistributedBatchSampler(order, 4, rank, 2)) for rank in range(2)]
    whole = list(DistributedBatchSampler(order, 4))
    assert [sorted(a + b) for a, b in zip(*parts, strict=True)] == [sorted(batch) for batch in whole]
    seen = [int(t["index"]) for _, targets in make_loader(photos, DistributedBatchSampler(order, 4)) for t in targets]
    assert seen == [i for _, i in order]


def test_what_an_epoch_has_is_said(catalogue):
    photos = training_photos(catalogue, background_share=0.2)
    assert photos.describe() == "each epoch: 12 photos of cars, 3 background photos (of 5) and 0 pieces"
    assert len(photos.parts) == 2
    classifier = training_photos(catalogue, carless=False, background_share=0.2, pieces_share=0.5)
    assert classifier.describe().startswith(
        "each epoch: 12 photos of cars, none of the 5 background photos and no piec"
    )
    assert classifier.epoch_order(2) == balanced_epoch_order(classifier.cars.photos.body_type, 2, 0, 0.0)
    built_in = training_photos(catalogue.without_background(), background_share=0.1)
    assert built_in.describe().startswith("each epoch: 12 photos of cars, 1 built-in pictures without a car (of 124)")
    image, target = built_in[1, 12]
    assert image.shape == (3, 64, 64) and target["class_id"] == 0
    none = training_photos(catalogue.without_background())
    assert none.describe() == "each epoch: 12 photos of cars, 0 background photos (of 0) and 0 pieces"
    assert none.epoch_order(1) == balanced_epoch_order(none.cars.photos.body_type, 1, 0, 0.0)
