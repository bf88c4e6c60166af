from collections import Counter

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from carseg_lib.data.dataset import CarDataset
from carseg_lib.data.loading import DistributedBatchSampler, balanced_epoch_order, collate, make_loader
from tests.helpers.small_run import small_run, with_dataset

SIX_OF_TEN = pd.Series(["a"] * 60 + ["b"] * 30 + ["c"] * 10)
tables = st.dictionaries(st.sampled_from("abcd"), st.integers(1, 40), min_size=1).map(
    lambda counts: pd.Series([body_type for body_type, n in counts.items() for _ in range(n)])
)


def order_of(n, epoch=1, seed=0):
    return balanced_epoch_order(pd.Series(["car"] * n), epoch, seed, 0.0)


def test_every_process_takes_its_share_of_the_same_batches():
    order = order_of(22, epoch=3)
    whole = DistributedBatchSampler(order, 8)
    parts = [DistributedBatchSampler(order, 8, rank=r, processes=2) for r in range(2)]
    assert [len(batch) for batch in whole] == [8, 7, 7] and whole.smallest == 7
    assert [index for batch in whole for index in batch] == order
    for batch, a, b in zip(whole, *parts, strict=True):
        assert sorted(a + b) == sorted(batch) and len(a) - len(b) in (0, 1)


@given(st.integers(1, 200), st.integers(1, 16), st.integers(1, 4))
def test_every_photo_comes_once_whatever_the_batches(n, batch_size, processes):
    order = order_of(n)
    batches = [b for r in range(processes) for b in DistributedBatchSampler(order, batch_size, r, processes)]
    assert sorted(i for batch in batches for _, i in batch) == list(range(n))
    assert all(len(batch) <= batch_size for batch in DistributedBatchSampler(order, batch_size))


def test_a_set_smaller_than_a_batch_is_one_batch():
    assert [len(batch) for batch in DistributedBatchSampler(order_of(3), 8)] == [3]


@given(tables, st.integers(1, 5), st.integers(0, 9))
@settings(max_examples=50, deadline=None)
def test_unbalanced_epochs_hold_every_photo_once_in_an_order_of_their_own(body_types, epoch, seed):
    order = balanced_epoch_order(body_types, epoch, seed, 0.0)
    assert sorted(order) == [(epoch, i) for i in range(len(body_types))]
    assert order == balanced_epoch_order(body_types, epoch, seed, 0.0)


def test_orders_differ_by_epoch_and_by_seed():
    orders = [order_of(22, epoch, seed) for epoch, seed in ((1, 0), (2, 0), (1, 1))]
    assert len({tuple(i for _, i in order) for order in orders}) == 3


@pytest.mark.parametrize(
    ("class_balance", "expected"),
    [
        (0.0, {"a": 60, "b": 30, "c": 10}),
        (0.5, {"a": 47, "b": 34, "c": 19}),  # square roots of 60, 30, 10, scaled to the sum of 100
        (1.0, {"a": 34, "b": 33, "c": 33}),
    ],
)
def test_class_balance_sets_how_often_each_type_comes(class_balance, expected):
    for epoch in (1, 2, 7):
        order = balanced_epoch_order(SIX_OF_TEN, epoch, 0, class_balance)
        assert SIX_OF_TEN[[i for _, i in order]].value_counts().to_dict() == expected


@given(tables, st.floats(0, 1), st.integers(1, 6), st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_within_a_type_photos_come_equally_often_and_never_twice_in_a_pass(body_types, class_balance, epochs, seed):
    orders = [balanced_epoch_order(body_types, e, seed, class_balance) for e in range(1, epochs + 1)]
    assert all(len(order) == len(body_types) for order in orders)
    together = [index for order in orders for index in order]
    assert len(set(together)) == len(together)
    seen = Counter(i for _, i in together)
    for body_type in body_types.unique():
        times = [seen[i] for i in np.flatnonzero(body_types == body_type)]
        assert max(times) - min(times) <= 1


def test_loader_processes_change_nothing(monkeypatch, tmp_path, synthetic_cars):
    run = small_run(monkeypatch, tmp_path, synthetic_cars)
    photos = CarDataset(with_dataset(run), "train", run.config.inputs, run.config.seed, augment=True)
    batches = DistributedBatchSampler(balanced_epoch_order(photos.photos.body_type, 1, 0, 0.5), 4)
    alone = [images for images, _ in make_loader(photos, batches, 0)]
    with_worker = [images for images, _ in make_loader(photos, batches, 1)]
    assert len(alone) == len(with_worker) == 2
    assert all(torch.equal(a, b) for a, b in zip(alone, with_worker, strict=True))
    assert alone[0].is_contiguous(memory_format=torch.channels_last)
    assert isinstance(make_loader(photos, batches), DataLoader)


def test_unaugmented_photos_come_in_their_order(monkeypatch, tmp_path, synthetic_cars):
    run = small_run(monkeypatch, tmp_path, synthetic_cars)
    photos = CarDataset(with_dataset(run), "validation", run.config.inputs, run.config.seed)
    assert [i for batch in DistributedBatchSampler(photos.in_order(), 3) for _, i in batch] == list(range(len(photos)))


def test_an_empty_share_is_an_empty_batch():
    assert collate([])[1] == []
