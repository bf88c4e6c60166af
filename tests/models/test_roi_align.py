from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.ops import MultiScaleRoIAlign as TorchvisionRoIAlign
from torchvision.ops import roi_align as torchvision_roi_align

from carseg_lib.models.roi_align import MultiScaleRoIAlign, area_weights, point_weights, roi_align


def some_boxes(n, generator, size=224.0):
    """Boxes of all sizes, some of them over the photo's edge or without a width."""
    corners = torch.rand(n, 2, generator=generator) * (size + 40) - 20
    sides = torch.rand(n, 2, generator=generator) ** 2 * size
    return torch.cat([corners, corners + sides], 1)


@given(st.integers(0, 2**31), st.integers(1, 14), st.integers(1, 9), st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_values_and_gradients_are_those_of_roi_align(seed, bins, n, samples):
    generator = torch.Generator().manual_seed(seed)
    map_ = torch.randn(3, 5, 9, 13, dtype=torch.float64, generator=generator, requires_grad=True)
    boxes = some_boxes(n, generator, size=14.0).double() - 1
    photo = torch.randint(0, 3, (n,), generator=generator).sort().values
    ours = roi_align(map_, boxes, photo, bins, partial(point_weights, samples=samples)).permute(0, 3, 1, 2)
    theirs = torchvision_roi_align(map_, torch.cat([photo[:, None], boxes], 1), bins, 1.0, samples)
    torch.testing.assert_close(ours, theirs)
    weights = torch.randn(ours.shape, dtype=torch.float64, generator=generator)
    torch.testing.assert_close(*(torch.autograd.grad((values * weights).sum(), map_)[0] for values in (ours, theirs)))


@pytest.mark.parametrize("canonical_scale", [96, 224])
@pytest.mark.parametrize("strides", [(8, 16, 32), (4, 8, 16, 32)])
def test_levels_and_order_are_those_of_torchvision(strides, canonical_scale):
    generator = torch.Generator().manual_seed(0)
    maps = {
        str(i): torch.randn(4, 6, 224 // stride, 224 // stride, generator=generator)
        for i, stride in enumerate((*strides, 64))  # the last is for proposals only
    }
    boxes = [some_boxes(n, generator) for n in (5, 0, 1, 12)]
    stock = TorchvisionRoIAlign(
        [str(i) for i in range(len(strides))], 7, sampling_ratio=2, canonical_scale=canonical_scale
    )
    ours = MultiScaleRoIAlign(strides, 7, canonical_scale)
    photo = torch.arange(4).repeat_interleave(torch.tensor([5, 0, 1, 12]))
    torch.testing.assert_close(
        ours(maps, torch.cat(boxes), photo), stock(maps, boxes, [(224, 224)] * 4), atol=1e-5, rtol=1e-5
    )


def test_no_regions_give_no_features():
    maps = {"0": torch.zeros(2, 3, 28, 28)}
    found = MultiScaleRoIAlign((8,), 7, 224)(maps, torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))
    assert found.shape == (0, 3, 7, 7)


def test_weights_of_a_bin_inside_the_map_sum_to_one():
    weights = point_weights(torch.tensor([1.5, 2.0]), torch.tensor([6.5, 2.1]), 7, 9)
    torch.testing.assert_close(weights.sum(2), torch.ones(2, 7))
    assert weights[1].nonzero()[:, 1].unique().tolist() == [2, 3]  # taken as one cell wide
    assert point_weights(torch.tensor([10.5]), torch.tensor([14.0]), 7, 9).sum() == 0


@given(st.floats(0, 20), st.floats(0.5, 20), st.integers(1, 30))
@settings(max_examples=60, deadline=None)
def test_area_weights_are_the_shares_that_cells_cover(start, length, bins):
    weights = area_weights(torch.tensor([start]), torch.tensor([start + length]), bins, 41)[0].double()
    torch.testing.assert_close(weights.sum(1), torch.ones(bins).double(), atol=1e-3, rtol=0)
    centres = (weights * (torch.arange(41) + 0.5)).sum(1)
    # the mean of cell centres, weighted by what is covered, is within half a cell of the bin's own centre
    wanted = start + (torch.arange(bins) + 0.5) * length / bins
    assert (centres - wanted).abs().max() <= 0.5 + 1e-3


def test_a_bin_of_whole_cells_is_their_mean_and_outside_there_is_nothing():
    weights = area_weights(torch.tensor([2.0, 8.5]), torch.tensor([6.0, 12.5]), 2, 10)
    assert weights[0].tolist() == [[0, 0, 0.5, 0.5, *[0] * 6], [0, 0, 0, 0, 0.5, 0.5, *[0] * 4]]
    assert weights[1, 0].tolist() == [*[0] * 8, 0.25, 0.5] and weights[1, 1].sum() == 0
