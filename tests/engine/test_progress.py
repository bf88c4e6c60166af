import pytest

from carseg_lib.core import progress as core_progress
from carseg_lib.core.config import RunConfig
from carseg_lib.core.formatting import duration
from carseg_lib.engine import progress
from carseg_lib.engine.progress import HEADER, ProgressTimer, describe_run
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
    assert caplog.messages == ["about 7 min of training, and validation", HEADER]
    timer.within(3, started=100.0)(10, 100)
    assert len(caplog.messages) == 2
    now[0] = 220.0
    row = {"epoch": 2, "train_loss": 1.5, "validation_loss": 1.25, "validation_accuracy": 0.5, "validation_correct": 4}
    row |= {"validation_photos": 8, "train_accuracy": 0.75, "photos_per_second": 12.34}
    line = timer.line(row)
    assert line == "    2/5   1.500     1.250  50.0%         (4/8)          75.0%     12.3  6 min"
    assert len(line) < 80 and len(HEADER) < 80


def test_the_time_left_is_told_within_an_epoch(monkeypatch, tmp_path):
    monkeypatch.setenv(core_progress.VARIABLE, str(tmp_path / "state"))
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    timer = ProgressTimer(epochs=3, done=0)
    now[0] = 10.0
    timer.within(1, started=0.0)(50, 50)
    assert core_progress.read(tmp_path / "state") == core_progress.Progress("epoch 1 of 3", 50, 50, 20.0)
    now[0] = 20.0  # validation took as long as training: an epoch is 20 s
    progress_of = timer.within(2, started=20.0)
    now[0] = 25.0
    progress_of(25, 50)
    assert core_progress.read(tmp_path / "state").left == pytest.approx(20 + 5)


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
