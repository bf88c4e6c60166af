import pytest
import torch

from carseg_lib.models.backbones import PyramidBackbone
from carseg_lib.models.roi_heads import hflip_boxes


def test_a_type_is_read_from_the_last_layer_and_car_and_box_from_the_pyramid(run, tiny_model):
    torch.manual_seed(0)
    model = tiny_model.eval()
    heads = model.roi_heads
    features = {str(i): torch.randn(1, run.config.model.fpn_out_channels, 12 // 2**i, 12 // 2**i) for i in range(3)}
    features["top"] = torch.randn(1, 1280, 3, 3)
    box, photo = torch.tensor([[10.0, 20.0, 80.0, 90.0]]), torch.tensor([0])

    def probabilities_and_offsets():
        with torch.no_grad():
            pooled = heads.box_roi_pool(features, box, photo)
            scores, offsets = heads.box_predictor(heads.box_head(pooled))
        torch.testing.assert_close(scores.exp().sum(), torch.tensor(1.0))  # log probabilities
        return scores.softmax(1)[0], offsets

    first, offsets = probabilities_and_offsets()
    assert first.shape == (5,) and torch.equal(offsets[0].view(5, 4), offsets[0, :4].expand(5, 4))
    features["top"] = features["top"] + torch.randn(1, 1280, 1, 1)
    other_type, same_offsets = probabilities_and_offsets()
    assert torch.equal(offsets, same_offsets)
    torch.testing.assert_close(other_type[0], first[0])  # as much background as before
    assert not torch.allclose(other_type[1:], first[1:])
    features = {name: map_ if name == "top" else 2 * map_ for name, map_ in features.items()}
    other_car, other_offsets = probabilities_and_offsets()
    assert not torch.allclose(other_offsets, offsets) and not torch.allclose(other_car[0], other_type[0])
    # of the types among cars nothing changed
    torch.testing.assert_close(other_car[1:] / other_car[1:].sum(), other_type[1:] / other_type[1:].sum())


@pytest.mark.parametrize(("backbone", "channels"), [("efficientnet_lite0", 1280), ("resnet18", 512)])
def test_the_last_layer_is_what_the_classifier_reads(backbone, channels):
    features = PyramidBackbone(backbone, 16, 8, freeze_norm=True, with_top=True).eval()
    with torch.no_grad():
        pyramid, top = features(torch.zeros(1, 3, 64, 96))
    assert len(pyramid) == 3 and top.shape == (1, channels, 2, 3)
    without = PyramidBackbone(backbone, 16, 8, freeze_norm=True).eval()
    assert without(torch.zeros(1, 3, 64, 96))[1] is None


def test_mirrored_boxes_are_where_the_cars_are_in_the_mirror_image():
    boxes = torch.tensor([[[2.0, 3.0, 5.0, 9.0], [0.0, 0.0, 20.0, 4.0]]])
    assert hflip_boxes(boxes, 20).tolist() == [[[15.0, 3.0, 18.0, 9.0], [0.0, 0.0, 20.0, 4.0]]]
    assert torch.equal(hflip_boxes(hflip_boxes(boxes, 20), 20), boxes)
