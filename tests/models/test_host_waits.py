"""A GPU is waited for as often by a large batch as by a small one, in training, validation and inference."""

import pytest
import torch

from carseg_lib.engine.device_check import made_batch
from carseg_lib.engine.inference import detect
from carseg_lib.engine.loop import BatchNumbers
from carseg_lib.experiments.benchmark.waits import HostWaits, count_waits
from carseg_lib.models import suppression

SIDE = 96
NETWORKS = ["tiny_model", pytest.param("paper_model", marks=pytest.mark.slow)]  # of three levels, and of five


@pytest.fixture
def as_on_a_gpu(monkeypatch):
    """Suppression takes the path of a GPU."""
    monkeypatch.setattr(suppression, "BY_TORCHVISION", "none")


def waits_of(action):
    with HostWaits() as waits:
        action()
    return dict(waits.found)


def training_step(model, images, targets):
    losses, _ = model.train()(images, targets)
    numbers = BatchNumbers.read(losses, model.loss_counts(), model.class_counts())
    torch.stack(list(losses.values())).sum().backward()
    return numbers


@pytest.mark.parametrize("network", NETWORKS)
def test_a_training_step_waits_as_often_for_six_photos_as_for_two(network, request, as_on_a_gpu):
    model = request.getfixturevalue(network)
    found = {}
    for photos in (2, 6):
        batch = made_batch((SIDE, SIDE), photos)
        found[photos] = waits_of(lambda batch=batch: training_step(model, *batch))
    assert found[2] == found[6]
    assert sum(found[6].values()) <= 8
    assert found[6]["tolist"] == 3  # losses and counts; the regions of each level, for boxes and for masks


@pytest.mark.parametrize("network", NETWORKS)
def test_inference_waits_as_often_for_six_photos_as_for_two(network, request, as_on_a_gpu):
    model = request.getfixturevalue(network).eval()
    found = {}
    for photos in (2, 6):
        images, _ = made_batch((SIDE, SIDE), photos)
        with torch.inference_mode():
            found[photos] = waits_of(lambda images=images: model(images))
    assert found[2] == found[6] and sum(found[6].values()) <= 10


def test_detections_leave_the_device_once_a_column(tiny_model, monkeypatch):
    """What is done with each photo's detections is done on the CPU: no more copies for more photos."""
    copies = []
    monkeypatch.setattr("carseg_lib.engine.inference.on_cpu", lambda found: copies.append(len(found)) or found)
    images, _ = made_batch((SIDE, SIDE), 5)
    sizes = [(SIDE, SIDE)] * 5
    assert len(list(detect(tiny_model.eval(), [(images, sizes)], list("abcd"), tiny_model.config))) == 5
    assert copies == [5]


def test_waits_are_counted():
    values = torch.tensor([1.0, 0.0, 2.0])

    def action():
        values.sum().item()
        values[values > 0].tolist()
        torch.where(values > 0)
        values + 1

    assert count_waits(action, torch.device("cpu")) == 4
    assert values.tolist() == [1.0, 0.0, 2.0]


def test_numbers_of_a_batch_are_read_at_once():
    losses = {"loss_classifier": torch.tensor(0.25, requires_grad=True)}
    counts = {"regions": torch.tensor(7), "positives": 3}
    with HostWaits() as waits:
        numbers = BatchNumbers.read(losses, counts, (torch.tensor(2), torch.tensor(4)))
    assert waits.total == 1
    assert (numbers.losses, numbers.counts) == ({"loss_classifier": 0.25}, {"regions": 7, "positives": 3})
    assert (numbers.correct, numbers.classified) == (2.0, 4.0)
