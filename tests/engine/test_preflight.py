import pytest
import torch

from carseg_lib.core.errors import CarsegError
from carseg_lib.engine.preflight import check
from tests.helpers.small_run import small_run


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": {"backbone": "resnet5O"}}, "did you mean resnet50"),
        ({"model": {"backbone": "vit_tiny_patch16_224"}}, "feature maps|stride"),
        ({"device": "cuda"}, "DEVICE=cuda: this machine has none"),
        ({"model": {"weights": "coco", "backbone": "resnet18"}}, "resnet50 only"),
        ({"model": {"weights": "no-such-file.pt"}}, "no such file"),
    ],
)
def test_what_training_could_not_do_is_told_first(change, message, monkeypatch, tmp_path, synthetic_cars):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    run = small_run(monkeypatch, tmp_path, synthetic_cars)
    check(run.config)
    with pytest.raises(CarsegError, match=message):
        check(run.config.updated(**change))
