import copy

import pytest
import torch
from torch import nn

from carseg_lib.models import precision
from carseg_lib.models.mask_rcnn import build_model
from carseg_lib.models.precision import BFLOAT16, FLOAT32, autocast, keep_depthwise_fp32, resolve_precision
from tests.helpers.small_run import small_run

CPU = torch.device("cpu")


@pytest.mark.parametrize(("features", "expected"), [({"avx512_bf16": True}, BFLOAT16), ({"avx2": True}, FLOAT32)])
def test_auto_follows_what_the_processor_multiplies_in(monkeypatch, features, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: features)
    precision.supports_bf16.cache_clear()
    assert resolve_precision("auto", CPU) == expected
    assert [resolve_precision(given, CPU) for given in (FLOAT32, BFLOAT16)] == [FLOAT32, BFLOAT16]
    precision.supports_bf16.cache_clear()


def test_a_kind_of_device_without_such_instructions_stays_in_float32():
    assert resolve_precision("auto", torch.device("mps")) == FLOAT32


def test_only_depthwise_convolutions_with_a_stride_leave_bfloat16_and_only_for_a_gradient():
    torch.manual_seed(0)
    kernel = {"kernel_size": 3, "padding": 1, "groups": 8}
    body = nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, stride=2, **kernel), nn.Conv2d(8, 8, **kernel))
    before = copy.deepcopy(body)
    assert keep_depthwise_fp32(body) == 1 and keep_depthwise_fp32(body) == 0
    assert list(body.state_dict()) == list(before.state_dict())
    photos = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(body(photos), before(photos), rtol=0, atol=0)
    strided, seen = body[1], []
    strided.weight.register_hook(lambda gradient: seen.append(gradient.dtype))
    maps = torch.randn(2, 8, 8, 8).bfloat16()
    with autocast(BFLOAT16, CPU):
        rounded = strided(maps)
        kept = strided(maps.requires_grad_())
    assert rounded.dtype == kept.dtype == torch.bfloat16
    exact = nn.functional.conv2d(maps.float(), strided.weight, strided.bias, 2, 1, 1, 8)
    torch.testing.assert_close(kept, exact.bfloat16(), rtol=0, atol=0)  # rounded once, at its end
    kept.float().sum().backward()
    assert seen == [torch.float32] and maps.grad.dtype == torch.bfloat16


@pytest.mark.parametrize("trained", [True, False])
def test_a_large_depthwise_kernel_leaves_bfloat16_only_for_a_gradient_of_its_weights(trained):
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(8, 8, 5, padding=2, groups=8), nn.Conv2d(8, 8, 3, padding=1, groups=8))
    assert keep_depthwise_fp32(body) == 1
    large = body[0]
    large.weight.requires_grad_(trained)
    maps = torch.randn(2, 8, 8, 8).bfloat16().requires_grad_()
    exact = nn.functional.conv2d(maps.float(), large.weight, large.bias, 1, 2, 1, 8).bfloat16()
    rounded = nn.functional.conv2d(maps, large.weight.bfloat16(), large.bias.bfloat16(), 1, 2, 1, 8)
    assert not torch.equal(exact, rounded)
    with autocast(BFLOAT16, CPU):
        torch.testing.assert_close(large(maps), exact if trained else rounded, rtol=0, atol=0)
        with torch.no_grad():
            torch.testing.assert_close(large(maps), rounded, rtol=0, atol=0)


def test_a_model_in_bfloat16_gives_float32_and_nearly_the_same(monkeypatch, tmp_path, synthetic_cars):
    exact = small_run(monkeypatch, tmp_path, synthetic_cars, precision=FLOAT32, score_threshold=0.0)
    torch.manual_seed(0)
    model = build_model(exact.config.model, 5, with_masks=True).eval()
    rounded = build_model(exact.updated(model={"precision": BFLOAT16}).config.model, 5, with_masks=True).eval()
    rounded.load_state_dict(model.state_dict())
    photos = torch.randn(2, 3, 96, 96)
    cars = {
        "boxes": torch.tensor([[20.0, 20.0, 70.0, 60.0]]),
        "labels": torch.tensor([1]),
        "masks": torch.ones(1, 96, 96, dtype=torch.uint8),
        "seed": 0,
    }
    losses, found = {}, {}
    for name, one in (("exact", model), ("rounded", rounded)):
        losses[name], found[name] = one(photos, [cars, cars])
        sum(losses[name].values()).backward()
        assert all(p.grad is None or p.grad.dtype == torch.float32 for p in one.parameters())
    for term, loss in losses["exact"].items():
        assert losses["rounded"][term].dtype == torch.float32
        assert losses["rounded"][term].item() == pytest.approx(loss.item(), rel=0.05), term
    assert losses["rounded"] != losses["exact"]
    for name, values in found["rounded"][0].items():
        assert values.dtype == found["exact"][0][name].dtype
