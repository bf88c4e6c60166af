import pytest

from carseg_lib.core.config import RunConfig
from carseg_lib.core.formatting import duration
from carseg_lib.engine import progress
from carseg_lib.engine.progress import ProgressTimer, describe_run
from carseg_lib.models.mask_rcnn import LOSS_TERMS
from carseg_lib.models.weights import PretrainedInfo


@pytest.mark.parametrize(
    ("seconds", "text"), [(5.4, "5 s"), (89, "89 s"), (90, "2 min"), (3000, "50 min"), (11100, "3 h 05 min")]
)
def test_durations_read_as_a_person_says_them(seconds, text):
    assert duration(seconds) == text


def test_a_timer_gives_the_time_left_of_this_sessions_epochs(monkeypatch, caplog):
    caplog.set_level("INFO", logger="carseg_lib")
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    timer = ProgressTimer(epochs=5, done=1)
    now[0] = 110.0
    timer.within(2, started=100.0)(10, 100)  # 10 s for a tenth of an epoch, 4 epochs to go
    assert caplog.messages == ["first 10 of 100 batches: about 7 min of training ahead, and validation"]
    timer.within(3, started=100.0)(10, 100)
    assert len(caplog.messages) == 1
    now[0] = 220.0
    row = {"epoch": 2, "train_loss": 1.5, "validation_loss": 1.25, "validation_accuracy": 0.5, "validation_correct": 4}
    row |= {"validation_photos": 8, "train_accuracy": 0.75, "photos_per_second": 12.34}
    line = timer.line(row | {f"train_{name}": 0.3 for name in LOSS_TERMS})
    assert line.startswith("epoch 2/5: train loss 1.500 (objectness 0.300 ")
    assert line.endswith("validation accuracy 50.0% (4/8), training accuracy 75.0%, 12.3 photos/s, 6 min left")


def test_the_opening_line_tells_weights_photos_and_what_is_off():
    config = RunConfig(
        name="a", profile="a", device="cpu", model={"backbone": "resnet18", "weights": "imagenet"}, train={"epochs": 3}
    )
    pretrained = PretrainedInfo("imagenet", "a package", "", 1, 1)
    line = describe_run(config, pretrained, 1950, 1138, with_masks=False, done=2)
    assert line == (
        "training resnet18 from imagenet weights (a package) on 1,950 photos, validating on 1,138, 3 epochs in "
        "32-true, going on after epoch 2; no masks in this data set: the mask loss is off"
    )
