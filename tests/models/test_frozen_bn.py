import copy

import pytest
import torch
from timm.layers.norm_act import BatchNormAct2d
from torch import nn

from carseg_lib.models.backbones import build_backbone
from carseg_lib.models.frozen_bn import fuse_frozen_batchnorm

PAIRS = {"resnet18": 20, "efficientnet_lite0": 48, "densenet121": 59}  # of a convolution and its normalisation


PHOTO = torch.zeros(1, 3, 64, 64)


def frozen_body(backbone):
    """A backbone with statistics and weights as training might have left them."""
    generator = torch.Generator().manual_seed(0)
    body, _ = build_backbone(backbone, [8, 16, 32])
    for norm in body.modules():
        if isinstance(norm, nn.BatchNorm2d):
            for tensor, low, high in (
                (norm.weight, 0.7, 1.3),
                (norm.bias, -0.2, 0.2),
                (norm.running_mean, -0.2, 0.2),
                (norm.running_var, 0.7, 1.5),
            ):
                tensor.data.uniform_(low, high, generator=generator)
            norm.requires_grad_(False)
    return body.double().eval()


def maps_of(body, photos):
    features = body(photos)
    return list(features.values()) if isinstance(features, dict) else features


@pytest.mark.parametrize("backbone", PAIRS)
def test_values_gradients_and_names_are_those_of_the_plain_backbone(backbone):
    plain = frozen_body(backbone)
    folded = copy.deepcopy(plain)
    found = fuse_frozen_batchnorm(folded.float(), PHOTO)
    folded.double()
    assert found == PAIRS[backbone]
    assert list(folded.state_dict()) == list(plain.state_dict())
    for size in (64, 65):  # an odd size needs another padding
        photos = torch.randn(2, 3, size, size + 32, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        expected, got = maps_of(plain, photos), maps_of(folded, photos)
        for a, b in zip(expected, got, strict=True):
            torch.testing.assert_close(a, b)
    trained = [name for name, p in plain.named_parameters() if p.requires_grad]
    expected, got = (
        torch.autograd.grad(
            sum(map_.square().sum() for map_ in maps_of(body, photos)),
            [body.get_parameter(name) for name in trained],
            allow_unused=True,
        )
        for body in (plain, folded)
    )
    for name, a, b in zip(trained, expected, got, strict=True):
        torch.testing.assert_close(a, b, msg=lambda text, name=name: f"{name}: {text}")


def test_a_copy_of_a_folded_backbone_is_independent():
    body = frozen_body("efficientnet_lite0").float()
    fuse_frozen_batchnorm(body, PHOTO)
    other = copy.deepcopy(body)
    photos = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    before = body(photos)[0]
    torch.testing.assert_close(other(photos)[0], before)
    for norm in other.modules():
        if isinstance(norm, BatchNormAct2d):
            norm.running_mean += 1
    assert not torch.allclose(other(photos)[0], before)
    torch.testing.assert_close(body(photos)[0], before)


def test_what_goes_past_a_block_is_not_folded():
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm2d(4)

        def forward(self, x):
            return x + self.norm(x)

    body = nn.Sequential(nn.Conv2d(3, 4, 3), Block())
    assert fuse_frozen_batchnorm(body, PHOTO) == 0
