"""Plans: SET divided into settings of the plan and of the configuration, and what is refused."""

from __future__ import annotations

import pytest

from carseg_lib.core.errors import CarsegError
from carseg_lib.experiments.plan import (
    Plan,
    existing_file,
    experiment_folder,
    names,
    one_of,
    read_settings,
    whole_number,
)

OWN = {"photos": whole_number(0), "weights": one_of("none", "imagenet"), "variants": names}
DECIDED = {"train.epochs": "photos"}


def test_set_is_divided_into_the_plans_settings_and_the_others_by_dotted_name():
    given = {"photos": "12", "lr": "0.1", "variants": "a b", "inputs.height": "64"}
    own, overrides = read_settings(given, OWN, DECIDED)
    assert own == {"photos": 12, "variants": ("a", "b")}
    assert overrides == {"train.lr": "0.1", "inputs.height": "64"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"photo": "1"}, "SET: there is no setting 'photo'; did you mean 'photos'?"),
        ({"heigth": "1"}, "SET: there is no setting 'heigth'; did you mean 'inputs.height'?"),
        ({"photos": "-1"}, "photos = '-1' must be a whole number from 0 up."),
        ({"weights": "coco"}, "weights = 'coco' must be none or imagenet."),
        ({"epochs": "3"}, "SET: epochs differs from training to training; set instead: photos."),
        ({"train.epochs": "3"}, "SET: train.epochs differs from training to training; set instead: photos."),
        ({"lr": "1", "train.lr": "2"}, "SET: train.lr is given twice, by its short and by its dotted name."),
        ({"seed": "1"}, "SET: seed has its own variable: SEED."),
        ({"crop_scale": "1"}, "SET: crop_scale has another name now: min_crop_scale."),
    ],
)
def test_what_set_may_not_say_is_refused(given, message):
    with pytest.raises(CarsegError) as caught:
        read_settings(given, OWN, DECIDED)
    assert str(caught.value) == message


def test_a_file_is_there_and_its_path_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "start.pt").write_text("weights")
    assert existing_file("start", "start.pt") == str(tmp_path / "start.pt")
    with pytest.raises(CarsegError, match=r"start = 'no.pt': there is no such file"):
        existing_file("start", "no.pt")


def test_the_folder_of_a_run_is_none_of_an_experiment(reports):
    assert experiment_folder("", "ablation") == reports / "ablation"
    (reports / "mine").mkdir(parents=True)
    (reports / "mine" / "config.json").write_text("{}")
    with pytest.raises(CarsegError, match="RUN=mine: this is a run of make reproduce; name another by RUN="):
        experiment_folder("mine", "ablation")


def test_the_runs_of_a_plan_share_its_settings_and_name_where_a_mistake_is(reports, synthetic_cars):
    plan = Plan(folder=reports / "some", profile="smoke", overrides={"train.lr": "0.003"}, seed=7, classes="suv sedan")
    config = plan.run("a", str(synthetic_cars), {"epochs": 5}, seed=3).config
    assert (config.train.lr, config.train.epochs, config.seed) == (0.003, 5, 3)
    assert config.data.classes.names == ("suv", "sedan") and plan.run("b", str(synthetic_cars)).config.seed == 7
    assert config.inputs.max_images_per_split == 0
    with pytest.raises(CarsegError, match=r"train.epochs = 0 \(variant x\): must be a whole number from 1"):
        plan.run("c", str(synthetic_cars), {"epochs": 0}, where="variant x")
    with pytest.raises(CarsegError, match="REAL='nowhere' does not exist"):
        plan.run("d", "nowhere", variable="REAL")
