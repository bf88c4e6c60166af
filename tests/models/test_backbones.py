import pytest
import torch

from carseg_lib.core.constants import IMAGENET_MEAN, IMAGENET_STD
from carseg_lib.core.errors import CarsegError
from carseg_lib.models.backbones import (
    BACKBONES,
    PyramidBackbone,
    build_backbone,
    freeze_stages,
    input_normalization,
    resolve_backbone,
)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_every_named_backbone_gives_a_pyramid_of_the_strides_it_promises(backbone):
    pyramid = PyramidBackbone(backbone, channels=16, finest_stride=8, freeze_norm=True).eval()
    with torch.no_grad():
        maps, _ = pyramid(torch.zeros(1, 3, 64, 128))
    assert [tuple(x.shape) for x in maps.values()] == [(1, 16, 8, 16), (1, 16, 4, 8), (1, 16, 2, 4)]
    assert pyramid.strides == [8, 16, 32]


def test_finest_stride_4_has_torchvisions_five_levels():
    pyramid = PyramidBackbone("resnet18", channels=16, finest_stride=4, freeze_norm=True).eval()
    with torch.no_grad():
        maps, _ = pyramid(torch.zeros(1, 3, 64, 64))
    assert [x.shape[-1] for x in maps.values()] == [16, 8, 4, 2, 1]
    assert pyramid.strides == [4, 8, 16, 32, 64]


def test_frozen_normalisation_does_not_change_in_training():
    pyramid = PyramidBackbone("efficientnet_lite0", channels=8, finest_stride=8, freeze_norm=True).train()
    norms = [m for m in pyramid.body.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert len(norms) > 20 and pyramid.training and not any(norm.training for norm in norms)
    assert not any(p.requires_grad for norm in norms for p in norm.parameters())
    before = {k: v.clone() for k, v in pyramid.state_dict().items() if "running" in k}
    pyramid(torch.randn(2, 3, 64, 64))
    assert all(torch.equal(v, pyramid.state_dict()[k]) for k, v in before.items())


def test_from_scratch_normalisation_is_trained():
    pyramid = PyramidBackbone("efficientnet_lite0", channels=8, finest_stride=8, freeze_norm=False).train()
    before = {k: v.clone() for k, v in pyramid.state_dict().items() if "running_mean" in k}
    pyramid(torch.randn(2, 3, 64, 64))
    assert not all(torch.equal(v, pyramid.state_dict()[k]) for k, v in before.items())


@pytest.mark.parametrize(
    ("backbone", "frozen", "free"),
    [
        ("resnet50", "layer1.2.conv3.weight", "layer2.0.conv1.weight"),
        ("efficientnet_lite0", "blocks.1.1.conv_pwl.weight", "blocks.2.0.conv_pw.weight"),
        ("densenet121", "features_denseblock1.denselayer6.conv2.weight", "features_transition1.conv.weight"),
        ("mobilevitv2", "stages_1.1.conv3_1x1.conv.weight", "stages_2.0.conv1_1x1.conv.weight"),
    ],
)
def test_two_frozen_stages_end_at_stride_4(backbone, frozen, free):
    body, _ = build_backbone(backbone, [8, 16, 32])
    count = freeze_stages(body, backbone, 2)
    parameters = dict(body.named_parameters())
    assert not parameters[frozen].requires_grad
    assert parameters[free].requires_grad
    assert count == sum(p.numel() for p in parameters.values() if not p.requires_grad) > 0


def test_no_frozen_stage_leaves_all_trainable():
    body, _ = build_backbone("resnet18", [8, 16, 32])
    assert freeze_stages(body, "resnet18", 0) == 0
    assert all(p.requires_grad for p in body.parameters())


def test_inputs_are_rescaled_to_what_a_backbones_weights_expect():
    assert input_normalization("resnet50") is None and input_normalization("efficientnet_lite0") is None
    pixels = torch.rand(3, 4, 4)
    mean, std = torch.tensor(IMAGENET_MEAN)[:, None, None], torch.tensor(IMAGENET_STD)[:, None, None]
    scale, shift = input_normalization("googlenet")
    torch.testing.assert_close((pixels - mean) / std * scale + shift, (pixels - 0.5) / 0.5)
    scale, shift = input_normalization("mobilevitv2")  # trained on values in 0..1
    torch.testing.assert_close((pixels - mean) / std * scale + shift, pixels)
    assert not any("input" in name for name in PyramidBackbone("googlenet", 8, 8, True).state_dict())


def test_unknown_backbone_names_the_near_match():
    with pytest.raises(CarsegError, match=r"resnet5O.*did you mean resnet50"):
        resolve_backbone("resnet5O")


def test_any_timm_name_works_and_one_without_the_strides_is_refused():
    assert resolve_backbone("mobilenetv2_050").library == "timm"
    with pytest.raises(CarsegError, match=r"vit_tiny_patch16_224.*(stride|feature maps)"):
        build_backbone("vit_tiny_patch16_224", [8, 16, 32])
