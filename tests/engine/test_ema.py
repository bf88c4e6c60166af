import pytest
import torch
from torch import nn

from carseg_lib.engine.ema import EVERY, FIRST, ModelEMA


def moved(model, value):
    with torch.no_grad():
        model.weight.fill_(value)


def one_weight():
    model = nn.Linear(1, 1, bias=False)
    moved(model, 0.0)
    return model


def test_the_average_is_the_exponential_one_after_its_warm_up():
    model = one_weight()
    average = ModelEMA(model, 0.9)
    expected = 0.0
    for step in range(1, 201):
        moved(model, float(step))
        average.update()
        moves = 1 if step <= FIRST else EVERY
        if step % moves == 0:
            kept = min(0.9, (1 + step) / (10 + step)) ** moves
            expected = kept * expected + (1 - kept) * step
    assert model.weight.item() == 200
    with average.applied():
        assert model.weight.item() == pytest.approx(expected, rel=1e-5)
    assert model.weight.item() == 200
    assert 185 < expected < 197  # a mean over the last ten steps or so


def test_a_training_of_a_few_steps_is_not_forgotten():
    model = one_weight()
    average = ModelEMA(model, 0.995)
    moved(model, 1.0)
    for _ in range(3):
        average.update()
    assert average.values["weight"].item() > 0.98


def test_it_is_put_back_after_an_error_too():
    model = one_weight()
    average = ModelEMA(model, 0.5)
    moved(model, 3.0)
    with pytest.raises(RuntimeError), average.applied():
        assert model.weight.item() == 0
        raise RuntimeError
    assert model.weight.item() == 3


def test_without_decay_the_weights_are_used_as_they_are():
    model = one_weight()
    average = ModelEMA(model, 0.0)
    moved(model, 3.0)
    average.update()
    with average.applied():
        assert model.weight.item() == 3


def test_what_is_not_trained_is_not_averaged():
    model = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1))
    model[0].requires_grad_(False)
    assert set(ModelEMA(model, 0.9).values) == {"1.weight", "1.bias"}


def test_it_goes_on_from_where_it_was_taken():
    model = one_weight()
    average = ModelEMA(model, 0.9)

    def go_on(of, first, last):
        for step in range(first, last):
            moved(model, float(step))
            of.update()

    go_on(average, 1, 7)
    state = {"steps": average.state_dict()["steps"], "values": {"weight": average.values["weight"].clone()}}
    go_on(average, 7, 30)
    other = ModelEMA(model, 0.9)
    other.load_state_dict(state)
    go_on(other, 7, 30)
    assert torch.equal(other.values["weight"], average.values["weight"])
