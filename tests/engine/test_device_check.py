"""A device whose numbers are not the CPU's is refused, with the difference."""

import pytest
import torch

from carseg_lib.core.errors import CarsegError
from carseg_lib.engine import device_check, preflight
from carseg_lib.engine.device import choose_device
from carseg_lib.engine.device_check import disagreement, losses_and_gradients, made_batch, require_agreement
from carseg_lib.models.mask_rcnn import build_model
from tests.helpers.small_run import small_run

CPU = torch.device("cpu")


@pytest.fixture
def run(monkeypatch, tmp_path, synthetic_cars):
    return small_run(monkeypatch, tmp_path, synthetic_cars, weights="none")


@pytest.fixture
def model(run):
    torch.manual_seed(0)
    return build_model(run.config.model, 5, with_masks=True)


def test_auto_never_is_mps(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert choose_device("auto").type == "cpu" and choose_device("mps").type == "mps"


def test_the_same_step_agrees_and_a_wrong_kernel_is_told(model, monkeypatch):
    batch = made_batch((96, 96))
    assert disagreement(model, batch, CPU) == []

    def wrong(kind):
        def step(model, batch, device):
            found = losses_and_gradients(model, batch, device)
            return found | {"loss_mask": found["loss_mask"] * kind}

        return step

    found = disagreement(model, batch, CPU, wrong(1.01))
    assert [(d.name, round(d.relative, 4)) for d in found] == [("loss_mask", 0.01)]
    assert [d.name for d in disagreement(model, batch, CPU, wrong(float("nan")))] == ["loss_mask"]
    assert disagreement(model, batch, CPU, wrong(1.0001)) == []  # rounding


def test_a_perturbed_network_is_refused_with_what_differs(model, monkeypatch):
    def step(model, batch, device):
        with torch.no_grad():
            model.roi_heads.box_predictor.bbox_pred.weight += 0.5
        return losses_and_gradients(model, batch, CPU)

    found = disagreement(model, made_batch((96, 96)), CPU, step)
    assert found and found[0].relative >= found[-1].relative > found[-1].tolerance
    monkeypatch.setattr(device_check, "disagreement", lambda *_: found)
    message = rf"DEVICE=mps: {len(found)} losses or gradients .* differ .* take DEVICE=cpu"
    with pytest.raises(CarsegError, match=message):
        require_agreement(model, (96, 96), torch.device("mps"))


def test_mps_is_compared_before_the_first_notebook_and_other_devices_are_not(run, monkeypatch):
    compared = []
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(
        preflight, "require_agreement", lambda model, size, device: compared.append((size, device.type))
    )
    preflight.check(run.config)
    assert compared == []
    preflight.check(run.config.updated(device="mps"))
    assert compared == [((96, 96), "mps")]
