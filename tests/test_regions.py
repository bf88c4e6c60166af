import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.ops import MultiScaleRoIAlign, roi_align

from carseg_lib.regions import RegionFeatures, bin_weights, read_regions


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
    ours = read_regions(map_, boxes, photo, bins, samples).permute(0, 3, 1, 2)
    theirs = roi_align(map_, torch.cat([photo[:, None], boxes], 1), bins, 1.0, samples)
    torch.testing.assert_close(ours, theirs)
    weights = torch.randn(ours.shape, dtype=torch.float64, generator=generator)
    torch.testing.assert_close(
        *(torch.autograd.grad((values * weights).sum(), map_)[0] for values in (ours, theirs))
    )


@pytest.mark.parametrize("canonical_scale", [96, 224])
@pytest.mark.parametrize("strides", [(8, 16, 32), (4, 8, 16, 32)])
def test_levels_and_order_are_those_of_torchvision(strides, canonical_scale):
    generator = torch.Generator().manual_seed(0)
    maps = {
        str(i): torch.randn(4, 6, 224 // stride, 224 // stride, generator=generator)
        for i, stride in enumerate((*strides, 64))  # the last is for proposals only
    }
    boxes = [some_boxes(n, generator) for n in (5, 0, 1, 12)]
    stock = MultiScaleRoIAlign(
        [str(i) for i in range(len(strides))], 7, sampling_ratio=2, canonical_scale=canonical_scale
    )
    ours = RegionFeatures(strides, 7, canonical_scale)
    torch.testing.assert_close(
        ours(maps, boxes, [(224, 224)] * 4), stock(maps, boxes, [(224, 224)] * 4), atol=1e-5, rtol=1e-5
    )


def test_no_regions_give_no_features():
    maps = {"0": torch.zeros(2, 3, 28, 28)}
    found = RegionFeatures((8,), 7, 224)(maps, [torch.zeros(0, 4)] * 2, [(224, 224)] * 2)
    assert found.shape == (0, 3, 7, 7)


def test_weights_of_a_bin_inside_the_map_sum_to_one():
    weights = bin_weights(torch.tensor([1.5, 2.0]), torch.tensor([6.5, 2.1]), 7, 9, 2)
    torch.testing.assert_close(weights.sum(2), torch.ones(2, 7))
    assert weights[1].nonzero()[:, 1].unique().tolist() == [2, 3]  # taken as one cell wide
    assert bin_weights(torch.tensor([10.5]), torch.tensor([14.0]), 7, 9, 2).sum() == 0
