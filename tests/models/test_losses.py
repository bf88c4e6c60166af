import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.models.detection.roi_heads import maskrcnn_loss

from carseg_lib.models.losses import class_loss, mask_loss, mask_targets


def discs(n, size, generator):
    """Masks of n discs."""
    ys, xs = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    centres, radii = (torch.rand(n, 2, generator=generator) * size, 5 + torch.rand(n, generator=generator) * size / 3)
    away = (ys - centres[:, 0, None, None]) ** 2 + (xs - centres[:, 1, None, None]) ** 2
    return (away < radii[:, None, None] ** 2).to(torch.uint8)


def regions(counts, cars, size, generator):
    """Boxes of photos and the cars they show, in no order."""
    boxes, shown = [], []
    for n, of_photo in zip(counts, cars, strict=True):
        corners = torch.rand(n, 2, generator=generator) * size / 2
        boxes.append(torch.cat([corners, corners + 6 + torch.rand(n, 2, generator=generator) * size / 2], 1))
        shown.append(torch.randint(0, of_photo, (n,), generator=generator))
    return boxes, shown


def in_one(counts, boxes, shown):
    photo = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    return torch.cat(boxes), photo, torch.cat(shown)


@given(st.integers(0, 2**31), st.lists(st.tuples(st.integers(0, 5), st.integers(1, 3)), min_size=1, max_size=4))
@settings(max_examples=30, deadline=None)
def test_mask_targets_are_the_shares_that_the_car_covers(seed, photos):
    generator = torch.Generator().manual_seed(seed)
    masks = [discs(cars, 48, generator) for _, cars in photos]
    counts = [n for n, _ in photos]
    boxes, shown = regions(counts, [cars for _, cars in photos], 48, generator)
    if not sum(counts):
        return
    ours = mask_targets(masks, *in_one(counts, boxes, shown), 14)
    # by counting: a mask drawn 40 times as large, and each cell's pixels of it
    fine = 40
    expected = []
    for mask, of_photo, cars in zip(masks, boxes, shown, strict=True):
        large = mask.repeat_interleave(fine, 1).repeat_interleave(fine, 2).float()
        for box, car in zip(of_photo, cars, strict=True):
            edges = [
                [min(round(float(start + k * (end - start) / 14) * fine), 48 * fine) for k in range(15)]
                for start, end in ((box[1], box[3]), (box[0], box[2]))
            ]
            cells = [
                large[car, y : edges[0][j + 1], x : edges[1][i + 1]].sum()
                for j, y in enumerate(edges[0][:-1])
                for i, x in enumerate(edges[1][:-1])
            ]
            area = float((box[2] - box[0]) * (box[3] - box[1])) * fine**2 / 14**2
            expected.append(torch.stack(cells).view(14, 14) / area)
    assert ours.min() >= 0 and ours.max() <= 1 + 1e-5
    assert (ours - torch.stack(expected)).abs().max() < 0.12  # an edge is rounded to 1/40 of a pixel


def test_mask_targets_of_a_whole_car_are_its_shape():
    mask = torch.zeros(1, 32, 32, dtype=torch.uint8)
    mask[0, 8:24, 4:22] = 1
    box, first = torch.tensor([[4.0, 8.0, 36.0, 24.0]]), torch.tensor([0])
    target = mask_targets([mask], box, first, first, 8)
    assert target[0, :, :4].min() == 1 and target[0, :, 5:].max() == 0
    assert target[0, :, 4].tolist() == [0.5] * 8  # the cell from 20 to 24 is covered up to 22


def test_mask_loss_is_torchvisions_but_for_its_half_pixel():
    generator = torch.Generator().manual_seed(5)
    masks = [discs(2, 64, generator), discs(1, 64, generator)]
    boxes, shown = regions([3, 2], [2, 1], 64, generator)
    labels = [torch.tensor([1, 3]), torch.tensor([2])]
    logits = torch.randn(5, 4, 28, 28, generator=generator)
    types = torch.cat([of_photo[cars] for of_photo, cars in zip(labels, shown, strict=True)])
    # torchvision reads a pixel's value at its corner: boxes half a pixel up and to the left read the same
    expected = maskrcnn_loss(logits, [b - 0.5 for b in boxes], masks, labels, shown)
    wanted = mask_targets(masks, *in_one([3, 2], boxes, shown), 28)
    assert mask_loss(logits, types, wanted).item() == pytest.approx(expected.item(), rel=5e-3)
    assert mask_loss(logits[:0], types[:0], wanted[:0]).item() == 0


def test_a_smoothed_label_is_spread_over_the_types_and_background_is_not():
    scores = torch.randn(3, 5, generator=torch.Generator().manual_seed(0))
    log = scores.log_softmax(1)
    plain, smoothed = (class_loss(scores, torch.tensor([0, 2, 4]), share) for share in (0.0, 0.2))
    torch.testing.assert_close(plain, -log[[0, 1, 2], [0, 2, 4]])
    assert smoothed[0] == plain[0]
    torch.testing.assert_close(smoothed[1:], 0.8 * plain[1:] + 0.2 * -log[1:, 1:].mean(1))
