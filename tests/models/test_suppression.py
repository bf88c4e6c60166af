"""Non-maximum suppression on a GPU's path is torchvision's, box by box; the operations do not grow with the groups."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.models.detection._utils import BoxCoder as TorchvisionBoxCoder
from torchvision.ops import nms

from carseg_lib.models.suppression import best_places, suppress, suppress_together
from carseg_lib.models.torchvision_parts import BoxCoder


def groups_of_boxes(generator, groups, n, crowded):
    corners = torch.rand(groups, n, 2, generator=generator) * (20 if crowded else 200)
    sides = torch.rand(groups, n, 2, generator=generator) * 60
    boxes = torch.cat([corners, corners + sides], 2)
    scores = (torch.rand(groups, n, generator=generator) * 40).round() / 40  # some are equal
    return boxes, scores, torch.rand(groups, n, generator=generator) > 0.2


@given(st.integers(0, 2**31), st.integers(1, 4), st.integers(1, 40), st.booleans(), st.sampled_from([0.1, 0.5, 0.7]))
@settings(deadline=None)
def test_boxes_kept_are_those_of_nms(seed, groups, n, crowded, iou):
    boxes, scores, usable = groups_of_boxes(torch.Generator().manual_seed(seed), groups, n, crowded)
    kept = suppress_together(boxes, scores, usable, iou)
    for of_group, score, able, found in zip(boxes, scores, usable, kept, strict=True):
        place = torch.where(able)[0]
        assert found.nonzero().flatten().tolist() == sorted(place[nms(of_group[place], score[place], iou)].tolist())
    # the same by the path of a CPU, on the photos and groups of a batch
    group = torch.arange(groups).repeat_interleave(n)
    order = suppress(boxes.view(1, -1, 4), scores.view(1, -1), usable.view(1, -1), group, groups, iou)
    assert torch.equal(order.view(groups, n) >= 0, kept)


def test_a_chain_of_boxes_longer_than_one_round_of_repetitions_ends():
    left = 4.0 * torch.arange(60)
    boxes = torch.stack([left, left * 0, left + 10, left * 0 + 10], 1)[None]  # each overlaps the next two by IoU > 0.1
    kept = suppress_together(boxes, torch.arange(60.0).flip(0)[None], torch.ones(1, 60, dtype=torch.bool), 0.1)
    assert kept[0].nonzero().flatten().tolist() == list(range(0, 60, 3))


def test_the_best_places_come_first_and_missing_ones_are_marked():
    place, valid = best_places(torch.tensor([[0.2, -1.0, 0.9], [-1.0, -1.0, 0.5]]), 4)
    assert place.shape == (2, 4) and valid.tolist() == [[True, True, False, False], [True, False, False, False]]
    assert place[0, :2].tolist() == [2, 0] and place[1, 0] == 2


@pytest.mark.parametrize("weights", [(1.0, 1.0, 1.0, 1.0), (10.0, 10.0, 5.0, 5.0)])
def test_offsets_and_boxes_are_torchvisions_to_the_bit(weights):
    generator = torch.Generator().manual_seed(0)
    boxes, others = (groups_of_boxes(generator, 1, 33, False)[0][0] + torch.tensor([0, 0, 1, 1]) for _ in range(2))
    codes = 3 * torch.randn(33, 12, generator=generator)
    ours, theirs = BoxCoder(weights), TorchvisionBoxCoder(weights)
    assert torch.equal(ours.encode_single(boxes, others), theirs.encode_single(boxes, others))
    assert torch.equal(ours.decode_single(codes, boxes), theirs.decode_single(codes, boxes))
