"""Number formats: bfloat16 where the machine has instructions for it, at about twice the speed of float32.

Weights, losses and the optimiser stay in float32; convolutions and matrix products are computed in bfloat16, which
has float32's range and 8 bits of its 24 (mixed precision: Micikevicius et al. 2018, arXiv:1710.03740; bfloat16:
Kalamkar et al. 2019, arXiv:1905.12322). A processor without such instructions is far slower in it than in float32.
"""

import functools

import torch
from torch import Tensor, nn

from carseg_lib.models.replace import as_class, replace_modules

FLOAT32, BFLOAT16 = "32-true", "bf16-mixed"
CPU_FEATURES = ("avx512_bf16", "amx_bf16", "bf16")  # as torch names them on x86 and ARM


def resolve_precision(precision: str, device: torch.device) -> str:
    """The number format on a device; "auto" is bf16-mixed where the device supports bfloat16, else 32-true."""
    if precision != "auto":
        return precision
    return BFLOAT16 if supports_bf16(device.type) else FLOAT32


@functools.cache
def supports_bf16(device_type: str) -> bool:
    """Whether a kind of device ("cpu", "cuda", "mps") has instructions for products of bfloat16."""
    if device_type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device_type == "cpu":
        has = torch.cpu.get_capabilities()
        return any(has.get(name, False) for name in CPU_FEATURES)
    return False


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """The context in which a network of that precision runs."""
    enabled = resolve_precision(precision, device) == BFLOAT16
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled)


def depthwise(network: nn.Module) -> list[nn.Conv2d]:
    """The depthwise convolutions of a network, whose kernels have one channel each."""
    return [m for m in network.modules() if isinstance(m, nn.Conv2d) and m.groups == m.in_channels > 1]


class _InFloat32(nn.Conv2d):
    """A convolution that computes in float32 on a CPU, where bfloat16's gradient is slow, and returns bfloat16."""

    def forward(self, x: Tensor) -> Tensor:
        strided = self.stride != (1, 1)
        slow = x.requires_grad if strided else self.weight.requires_grad and torch.is_grad_enabled()
        if not slow or x.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
            return super().forward(x)
        with torch.autocast("cpu", enabled=False):
            return super().forward(x.float()).to(torch.bfloat16)


def keep_depthwise_fp32(body: nn.Module) -> int:
    """Lets depthwise convolutions with a stride or a large kernel compute in float32; returns their number.

    Two gradients have no fast bfloat16 kernel on a CPU: with a stride all of it (measured with 144 channels of 56 × 56,
    a batch of 8: 37 ms against 0.9), and the weights' of a kernel of more than 3 × 3 (672 channels of 14 × 14 and
    5 × 5: 46 ms against 12). They made a whole step slower in bfloat16 than in float32. A kernel without a stride whose
    weights are frozen stays in bfloat16. Parameters, their names and, but for rounding, the results stay.
    """
    slow = [m for m in depthwise(body) if m.stride != (1, 1) or max(m.kernel_size) > 3]
    slow = [m for m in slow if not isinstance(m, _InFloat32)]
    kinds = {type(module) for module in slow}
    classes = {kind: type(f"{kind.__name__}InFloat32", (_InFloat32, kind), {}) for kind in kinds}
    replace_modules(body, {module: as_class(module, classes[type(module)]) for module in slow})
    return len(slow)
