import pytest
import torch
from torch.nn import functional as F
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.rpn import AnchorGenerator, RPNHead
from torchvision.models.detection.rpn import RegionProposalNetwork as TorchvisionRPN

from carseg_lib.core.config import ModelConfig
from carseg_lib.models.matching import PaddedTargets, match_boxes, sample_boxes
from carseg_lib.models.rpn import RegionProposalNetwork

MOST = 40


@pytest.fixture
def networks():
    """Ours and torchvision's with the same weights."""
    torch.manual_seed(0)
    anchors = AnchorGenerator(((32, 45), (64, 90)), ((0.5, 1.0, 2.0),) * 2)
    head = RPNHead(8, anchors.num_anchors_per_location()[0])
    for part in (head.cls_logits, head.bbox_pred):  # scores that differ, boxes that are not their anchors
        torch.nn.init.normal_(part.weight, std=0.5)
    counts = {"training": MOST, "testing": MOST}
    theirs = TorchvisionRPN(anchors, head, 0.7, 0.3, 16, 0.5, counts, counts, 0.7)
    return RegionProposalNetwork(anchors, head, ModelConfig(rpn_batch_size_per_image=16)), theirs


@pytest.fixture
def maps():
    generator = torch.Generator().manual_seed(1)
    return {"0": torch.randn(3, 8, 12, 16, generator=generator), "1": torch.randn(3, 8, 6, 8, generator=generator)}


IMAGES = torch.zeros(3, 3, 96, 128)
BOXES = ([[10.0, 20.0, 90.0, 80.0]], [], [[5.0, 5.0, 60.0, 40.0], [50.0, 30.0, 120.0, 90.0]])
TARGETS = [
    {"boxes": torch.tensor(b).reshape(-1, 4), "labels": torch.ones(len(b), dtype=torch.int64), "seed": i}
    for i, b in enumerate(BOXES)
]


def test_proposals_are_torchvisions(networks, maps):
    ours, theirs = networks
    with torch.no_grad():
        boxes, valid = ours.generate_proposals(ours(maps, IMAGES), MOST)
        expected, _ = theirs.eval()(ImageList(IMAGES, [(96, 128)] * 3), maps)
    assert boxes.shape == (3, MOST, 4)
    for found, place, of_photo in zip(boxes, valid, expected, strict=True):
        assert len(of_photo) > 1 and place.tolist() == [True] * len(of_photo) + [False] * (MOST - len(of_photo))
        torch.testing.assert_close(found[place], of_photo)


def test_losses_are_torchvisions_of_the_same_anchors(networks, maps):
    ours, theirs = networks
    scored = ours(maps, IMAGES)
    losses, counted = ours.losses(scored, PaddedTargets.of(TARGETS))
    truth = PaddedTargets.of(TARGETS)
    _, state = match_boxes(truth, scored.anchors, 0.7, 0.3, allow_low_quality=True)
    drawn = sample_boxes(state, truth.seeds, 16, 0.5)

    def same(_):
        def mask(of):
            return [
                torch.zeros(len(scored.anchors), dtype=torch.uint8).index_fill_(0, i[chosen], 1)
                for i, chosen in zip(drawn.index, of, strict=True)
            ]

        return mask(drawn.positive), mask(drawn.valid & ~drawn.positive)

    theirs.fg_bg_sampler = same
    _, expected = theirs.train()(ImageList(IMAGES, [(96, 128)] * 3), maps, TARGETS)
    assert counted == 48
    assert set(losses) == set(expected)
    for name, loss in losses.items():
        assert loss.item() == pytest.approx(expected[name].item(), rel=1e-5) and loss > 0
    gradients = [
        torch.autograd.grad(sum(of.values()), list(ours.head.parameters()), retain_graph=True)
        for of in (losses, expected)
    ]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)


def test_photos_without_cars_teach_background_alone(networks, maps):
    ours, _ = networks
    scored = ours(maps, IMAGES)
    losses, counted = ours.losses(scored, PaddedTargets.of([TARGETS[1] | {"seed": i} for i in range(3)]))
    assert losses["loss_rpn_box_reg"] == 0 and counted == 48
    drawn = sample_boxes(torch.zeros(3, len(scored.anchors)), (0, 1, 2), 16, 0.5)
    expected = F.softplus(drawn.gather(scored.objectness)).mean()
    assert losses["loss_objectness"].item() == pytest.approx(expected.item())
