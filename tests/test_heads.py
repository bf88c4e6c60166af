import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.models.detection.roi_heads import maskrcnn_loss, project_masks_on_boxes

from carseg_lib.backbones import PyramidBackbone
from carseg_lib.heads import MASK_SAMPLES, mask_loss, mask_targets
from carseg_lib.model import build_model
from tests.small import small_study


@pytest.fixture
def study(monkeypatch, tmp_path, synthetic_cars):
    return small_study(monkeypatch, tmp_path, synthetic_cars)


def discs(n, size, generator):
    """Masks of n discs."""
    ys, xs = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    centres, radii = (
        torch.rand(n, 2, generator=generator) * size,
        5 + torch.rand(n, generator=generator) * size / 3,
    )
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


@given(
    st.integers(0, 2**31), st.lists(st.tuples(st.integers(0, 5), st.integers(1, 3)), min_size=1, max_size=4)
)
@settings(max_examples=30, deadline=None)
def test_mask_targets_are_torchvisions_but_for_the_number_of_samples(seed, photos):
    generator = torch.Generator().manual_seed(seed)
    masks = [discs(cars, 48, generator) for _, cars in photos]
    boxes, shown = regions([n for n, _ in photos], [cars for _, cars in photos], 48, generator)
    if not sum(map(len, boxes)):
        return
    ours = mask_targets(masks, boxes, shown, 14)
    theirs = torch.cat(
        [project_masks_on_boxes(m, b, c, 14) for m, b, c in zip(masks, boxes, shown, strict=True)]
    )
    assert ours.shape == theirs.shape and ours.min() >= 0 and ours.max() <= 1 + 1e-5
    assert (ours - theirs).abs().mean() < 0.02  # torchvision takes as many samples a cell as it has pixels


def test_mask_targets_of_a_whole_car_are_its_shape():
    mask = torch.zeros(1, 32, 32, dtype=torch.uint8)
    mask[0, 8:24, 4:20] = 1
    target = mask_targets([mask], [torch.tensor([[4.0, 8.0, 36.0, 24.0]])], [torch.tensor([0])], 8)
    assert target[0, 2:6, :3].min() == 1 and target[0, :, 4:].max() == 0
    assert target[0, 4, 3].item() == pytest.approx(
        1 - 0.5 / MASK_SAMPLES
    )  # its last sample is between two pixels


def test_mask_loss_is_torchvisions():
    generator = torch.Generator().manual_seed(5)
    masks = [discs(2, 64, generator), discs(1, 64, generator)]
    boxes, shown = regions([3, 2], [2, 1], 64, generator)
    labels = [torch.tensor([1, 3]), torch.tensor([2])]
    logits = torch.randn(5, 4, 28, 28, generator=generator)
    types = torch.cat([of_photo[cars] for of_photo, cars in zip(labels, shown, strict=True)])
    expected = maskrcnn_loss(logits, boxes, masks, labels, shown)
    assert mask_loss(logits, types, masks, boxes, shown).item() == pytest.approx(expected.item(), rel=5e-3)
    nothing = mask_loss(logits[:0], types[:0], masks, [b[:0] for b in boxes], [c[:0] for c in shown])
    assert nothing.item() == 0


def test_types_are_read_from_both_and_boxes_from_the_pyramid(study):
    torch.manual_seed(0)
    model = build_model(study, 5, with_masks=True).eval()
    heads = model.roi_heads
    features = {str(i): torch.randn(1, study.fpn_channels, 12 // 2**i, 12 // 2**i) for i in range(3)}
    features["top"] = torch.randn(1, 1280, 3, 3)
    box = [torch.tensor([[10.0, 20.0, 80.0, 90.0]])]

    def scores_and_offsets():
        with torch.no_grad():
            return heads.box_predictor(heads.box_head(heads.box_roi_pool(features, box, [(96, 96)])))

    scores, offsets = scores_and_offsets()
    assert scores.shape == (1, 5) and offsets.shape == (1, 20)
    features["top"] = features["top"] + 1
    other_scores, same_offsets = scores_and_offsets()
    assert not torch.allclose(scores, other_scores) and torch.equal(offsets, same_offsets)
    # one more in every feature of the last layer: each score moves by the sum of its weights there
    moved = heads.box_predictor.cls_score.weight[:, study.box_head_width :].sum(1)
    torch.testing.assert_close((other_scores - scores)[0], moved, atol=1e-4, rtol=1e-3)
    features = {name: map_ if name == "top" else 2 * map_ for name, map_ in features.items()}
    last_scores, other_offsets = scores_and_offsets()
    assert not torch.allclose(last_scores, other_scores) and not torch.allclose(other_offsets, offsets)


@pytest.mark.parametrize(("backbone", "channels"), [("efficientnet_lite0", 1280), ("resnet18", 512)])
def test_the_last_layer_is_what_the_classifier_reads(backbone, channels):
    features = PyramidBackbone(backbone, 16, 8, freeze_norm=True, with_top=True).eval()
    with torch.no_grad():
        pyramid, top = features(torch.zeros(1, 3, 64, 96))
    assert len(pyramid) == 3 and top.shape == (1, channels, 2, 3)
    without = PyramidBackbone(backbone, 16, 8, freeze_norm=True).eval()
    assert without(torch.zeros(1, 3, 64, 96))[1] is None
