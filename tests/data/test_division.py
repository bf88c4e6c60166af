"""Numbers of photos by split: near to the proportions type by type and in all, none empty."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carseg_lib.data.division import split_sizes, stratified_sizes
from carseg_lib.paper.claims import PAPER_COUNTS

WEIGHTS = list(PAPER_COUNTS.values())


def test_the_paper_s_own_number_gives_the_paper_s_own_split():
    assert split_sizes(8434, [4957, 2887, 590]) == [4957, 2887, 590] == WEIGHTS


@given(st.integers(3, 10_000))
def test_sizes_sum_and_stay_within_one_of_the_proportion(number):
    sizes = split_sizes(number, WEIGHTS)
    assert sum(sizes) == number
    assert min(sizes) >= 1
    assert all(abs(size - number * w / 8434) < 1 for size, w in zip(sizes, WEIGHTS, strict=True)) or number < 15
    assert stratified_sizes([number], WEIGHTS) == [sizes]


@pytest.mark.parametrize(
    ("of_a_type", "types", "in_all"),
    [
        (3, 4, [4, 4, 4]),
        (4, 4, [8, 4, 4]),  # each split needs each type: 9 : 5 : 2 would leave two types without a test photo
        (5, 4, [10, 6, 4]),
        (8, 4, [18, 10, 4]),
        (20, 4, [47, 28, 5]),  # each by itself 48 : 28 : 4
        (100, 4, [236, 136, 28]),
        (7, 12, [48, 24, 12]),
    ],
)
def test_types_of_few_photos_are_near_the_proportions_in_all(of_a_type, types, in_all):
    assert np.sum(stratified_sizes([of_a_type] * types, WEIGHTS), axis=0).tolist() == in_all


def test_sixteen_photos_of_four_types_are_as_near_as_a_photo_of_each_type_in_each_split_allows():
    shares = np.array(WEIGHTS) * 16 / 8434  # 9.4 : 5.5 : 1.1, but a split without a type is of no use
    ways = [(a, b, 16 - a - b) for a in range(4, 9) for b in range(4, 13 - a)]
    assert min(ways, key=lambda way: np.square(way - shares).sum()) == (8, 4, 4)
    assert np.sum(stratified_sizes([4] * 4, WEIGHTS), axis=0).tolist() == [8, 4, 4]


@given(
    st.lists(st.integers(3, 300), min_size=1, max_size=8),
    st.sampled_from([WEIGHTS, [4957, 2887], [4957, 590], [1, 1, 1], [5, 2, 1, 1]]),
)
def test_no_type_loses_a_photo_and_the_sums_are_no_farther_than_by_each_type_alone(numbers, weights):
    numbers = [max(number, len(weights)) for number in numbers]
    sizes, alone = np.array(stratified_sizes(numbers, weights)), np.array([split_sizes(n, weights) for n in numbers])
    shares = np.outer(numbers, weights) / sum(weights)
    assert sizes.sum(axis=1).tolist() == numbers and sizes.min() >= 1
    assert np.abs(sizes - alone).max() <= 1
    off, before = (np.square((part - shares).sum(axis=0)).sum() for part in (sizes, alone))
    assert off <= before + 1e-9
    if min(numbers) * min(weights) / sum(weights) >= 1:
        assert (np.abs(sizes - shares) < 1).all()
