"""Frozen batch normalisation as part of the convolution before it.

A normalisation whose statistics and weights are frozen is one scale and one shift a channel, which a convolution can
take into its kernel and bias. The large maps of the early layers are then read and written once less in each direction:
a step took 1.3 times as long before. Weights and buffers keep their names; only the sums of a forward pass are arranged
differently: checkpoints, gradients and optimisers are unaffected.
"""

from typing import Any, cast

import torch
from timm.layers.conv2d_same import Conv2dSame
from timm.layers.norm_act import BatchNormAct2d
from timm.layers.padding import pad_same
from torch import Tensor, nn
from torch.nn import functional as F

from carseg_lib.models.replace import as_class, replace_modules


class _FusedConv(nn.Conv2d):
    """A convolution that does the work of the normalisation after it.

    Attributes:
        norm: (that normalisation,): in a tuple, as it is no submodule of the convolution.
    """

    norm: tuple[nn.BatchNorm2d]

    def fused_weights(self) -> tuple[Tensor, Tensor]:
        """Kernel and bias that give the normalised output.

        (`torch.nn.utils.fuse_conv_bn_weights` returns new parameters, through which no gradient reaches the kernel.)
        """
        norm = self.norm[0]
        assert norm.running_mean is not None and norm.running_var is not None  # of every frozen normalisation
        scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
        shift = norm.bias - norm.running_mean * scale
        if self.bias is not None:
            shift = shift + self.bias * scale
        return self.weight * scale[:, None, None, None], shift

    def forward(self, x: Tensor) -> Tensor:
        return self._conv_forward(x, *self.fused_weights())


class _FusedConvSame(_FusedConv):
    """The same for TensorFlow's padding, which has one row and column more on the far side where the stride is 2.

    A kernel with a row and a column of zeros before it needs the same padding on all sides, which costs no copy.
    """

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = self.fused_weights()
        side = self.kernel_size[0]
        even = self.stride == (2, 2) and x.shape[-2] % 2 == x.shape[-1] % 2 == 0
        if even and self.kernel_size == (side, side) and side % 2 and self.dilation == (1, 1):
            weight = F.pad(weight, (1, 0, 1, 0))
            return F.conv2d(x, weight, bias, self.stride, (side - 1) // 2, 1, self.groups)
        x = pad_same(x, list(self.kernel_size), list(self.stride), list(self.dilation))
        return F.conv2d(x, weight, bias, self.stride, 0, self.dilation, self.groups)


class _FusedNorm(nn.BatchNorm2d):
    """A normalisation whose work the convolution before it does."""

    def forward(self, x: Tensor) -> Tensor:
        return x


class _FusedNormAct(BatchNormAct2d):
    """The same for timm's normalisation with an activation, which is left."""

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.drop(x))


CONVOLUTIONS: dict[type[nn.Module], type[_FusedConv]] = {nn.Conv2d: _FusedConv, Conv2dSame: _FusedConvSame}
NORMS: dict[type[nn.Module], type[nn.BatchNorm2d]] = {nn.BatchNorm2d: _FusedNorm, BatchNormAct2d: _FusedNormAct}


def fuse_frozen_batchnorm(body: nn.Module, example: Tensor) -> int:
    """Lets every convolution that a normalisation of the same block follows do its work; returns the number of pairs.

    Args:
        body: a backbone whose normalisation stays frozen (evaluation mode, no gradients); changed in place.
        example: an input, by which it is found what follows what.
    """
    parents = {module: parent for parent in body.modules() for module in parent.children()}
    made: dict[int, nn.Module] = {}  # the output of each convolution, by identity; kept alive in `outputs`
    outputs: list[Tensor] = []
    pairs: list[tuple[nn.Module, nn.Module]] = []

    def after_conv(module: nn.Module, _: tuple[Tensor], output: Tensor) -> None:
        made[id(output)] = module
        outputs.append(output)

    def before_norm(module: nn.Module, inputs: tuple[Tensor]) -> None:
        conv = made.get(id(inputs[0]))
        # in one block: the output of a stem may also be needed as it is, by a connection past the block
        if conv is not None and parents[conv] is parents[module]:
            pairs.append((conv, module))

    hooks = [m.register_forward_hook(after_conv) for m in body.modules() if type(m) in CONVOLUTIONS]
    hooks += [m.register_forward_pre_hook(before_norm) for m in body.modules() if type(m) in NORMS]
    was_training = body.training
    with torch.no_grad():
        body.eval()(example)
    body.train(was_training)
    for hook in hooks:
        hook.remove()
    replacements: dict[nn.Module, nn.Module] = {}
    for conv, norm in pairs:
        fused_norm = as_class(norm, NORMS[type(norm)])
        fused_conv = as_class(conv, CONVOLUTIONS[type(conv)])
        fused_conv.norm = (fused_norm,)
        replacements |= {conv: fused_conv, norm: fused_norm}
    replace_modules(body, replacements)
    return len(pairs)


@torch.no_grad()
def bake_fused_convolutions(network: nn.Module, example: Tensor) -> int:
    """Replaces every fused convolution by a plain one with its kernel and bias, for a graph that leaves Python.

    The network can no longer be trained as it was: kernels of TensorFlow's padding are enlarged, and what was two
    modules' weights is one's.

    Args:
        network: in which normalisation was fused; changed in place.
        example: an input of the size that the network will have: the padding follows from it.

    Returns:
        The number of convolutions.
    """
    sizes: dict[nn.Module, torch.Size] = {}
    fused = [module for module in network.modules() if isinstance(module, _FusedConv)]
    hooks = [m.register_forward_pre_hook(lambda m, inputs: sizes.update({m: inputs[0].shape})) for m in fused]
    network(example)
    for hook in hooks:
        hook.remove()
    replace_modules(network, {conv: _plain(conv, sizes[conv]) for conv in fused})
    return len(fused)


def _plain(conv: _FusedConv, size: torch.Size) -> nn.Conv2d:
    weight, bias = conv.fused_weights()
    padding: Any = conv.padding
    if isinstance(conv, _FusedConvSame):
        # TensorFlow's padding has what is odd on the far side: zeros before the kernel are the same
        sides = zip(size[-2:], conv.kernel_size, conv.stride, conv.dilation, strict=True)
        down, across = (
            max((-(-side // stride) - 1) * stride + (kernel - 1) * dilation + 1 - side, 0)
            for side, kernel, stride, dilation in sides
        )
        weight = F.pad(weight, (across % 2, 0, down % 2, 0))
        padding = ((down + 1) // 2, (across + 1) // 2)
    kernel: Any = tuple(weight.shape[-2:])
    stride, dilation = cast(Any, conv.stride), cast(Any, conv.dilation)
    plain = nn.Conv2d(conv.in_channels, conv.out_channels, kernel, stride, padding, dilation, conv.groups)
    plain.weight.copy_(weight)
    assert plain.bias is not None
    plain.bias.copy_(bias)
    return plain
