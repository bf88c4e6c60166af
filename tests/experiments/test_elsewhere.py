"""Other photos that trials are measured on: what is answered, what is compared, and a small ablation with both."""

from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from carseg_lib.core.errors import CarsegError
from carseg_lib.core.run import Run
from carseg_lib.evaluation.presence import GIVEN, NO_CAR, OWN, PRESENCE
from carseg_lib.evaluation.tables import read_predictions, read_table
from carseg_lib.experiments import trial_network
from carseg_lib.experiments.ablation import config
from carseg_lib.experiments.ablation.config import BASELINE, create_plan
from carseg_lib.experiments.ablation.run import run_ablation
from carseg_lib.experiments.elsewhere import REGIONS, Elsewhere
from carseg_lib.experiments.elsewhere_results import answers, write_elsewhere
from carseg_lib.experiments.trials import Experiment, Trial, read_trial
from tests.experiments.test_ablation import SMALL


def regions(folder, cars, things):
    """Write a trial's presence.csv: of each photo the (detector's score, likeness) of its regions."""
    rows = []
    for source, body_type, photos in ((OWN, "suv", cars), (GIVEN, NO_CAR, things)):
        for i, found in enumerate(photos):
            head = {"photo_id": f"{i}.jpg", "source": source, "split": "validation", "body_type": body_type}
            for alone, likeness in found or [(np.nan, np.nan)]:
                scores = {"object_score": alone, "likeness": likeness, "score": alone * likeness}
                rows.append(head | {"predicted": "suv" if found else ""} | scores)
    folder.mkdir(parents=True)
    pd.DataFrame(rows, columns=list(PRESENCE)).to_csv(folder / REGIONS, index=False)


def called(table):
    return (table["predicted"] == "car").tolist()


def test_a_photo_is_called_a_car_at_the_score_that_keeps_the_validation_cars(tmp_path):
    cars = [[(0.9, 0.9)], [(0.3, 0.1), (0.8, 0.9)], [(0.7, 0.8)], [(0.2, 0.5)]]
    things = [[(0.95, 0.01)], [(0.75, 0.8)], [], [(0.1, 1.0), (0.72, 0.1)]]
    regions(tmp_path / "a", cars, things)
    found = answers(tmp_path / "a", 0.75)  # three of the four cars: from 0.7 alone, from 0.56 with both
    assert list(found) == ["detector_alone", "second_look"]
    assert called(found["detector_alone"]) == [True, True, False, True]
    assert called(found["second_look"]) == [False, True, False, False]
    assert (found["second_look"]["body_type"] == NO_CAR).all() and len(found["second_look"]) == 4
    kept = answers(tmp_path / "a", 0.99)  # all four: from 0.2 and from 0.1
    assert called(kept["detector_alone"]) == [True, True, False, True] and called(kept["second_look"])[3]
    assert answers(tmp_path / "nothing", 0.99) == {}


def test_false_alarms_of_groups_are_compared_photo_by_photo(tmp_path, monkeypatch):
    monkeypatch.setenv("CARSEG_REPORTS", str(tmp_path))
    run = Run.create("quick", data="rendered")
    cars = [[(0.5, 0.5)]] * 4
    alarm, quiet = [(0.9, 0.9)], [(0.1, 0.1)]
    trials = []
    for group, things in (("before", [alarm] * 30 + [quiet] * 10), ("after", [alarm] * 10 + [quiet] * 30)):
        for seed in (0, 1):
            regions(tmp_path / f"{group}{seed}", cars, things)
            seeded = Run(run.config.model_copy(update={"name": f"{group}{seed}", "seed": seed}))
            trials.append(Trial(f"{group}{seed}", group, seeded, title=f"the {group}"))
    page = write_elsewhere(Experiment(tmp_path, 0), Elsewhere(), [("before", "after")], trials)
    table = pd.read_csv(tmp_path / "elsewhere.csv").set_index(["set", "group"])
    before, after = (table.loc["second_look", group] for group in ("before", "after"))
    assert before["value"] == 0.75 and after["value"] == 0.25 and before["photos"] == 40 and after["trainings"] == 2
    assert before["low"] < 0.75 < before["high"] and np.isnan(before["difference"])
    assert after["difference"] == -0.5 and -0.7 < after["difference_low"] < -0.5 < after["difference_high"] < -0.3
    assert after["p_table"] < 0.001
    assert "| **after**: the after | 25.0% (" in page.read_text() and "**−50.0 (" in page.read_text()


@pytest.fixture
def places(tmp_path, monkeypatch, synthetic_cars):
    """Drawn cars, the same again as another source, and a folder of noise."""
    monkeypatch.setenv("CARSEG_REPORTS", str(tmp_path / "reports"))
    other = tmp_path / "other"
    shutil.copytree(synthetic_cars, other)
    (tmp_path / "things").mkdir()
    rng = np.random.default_rng(0)
    for i in range(3):
        Image.fromarray(rng.integers(0, 256, (50, 90, 3), dtype=np.uint8)).save(tmp_path / "things" / f"{i}.png")
    listed = tmp_path / "ablations.yaml"
    variants = {BASELINE: {"question": "as it is"}, "bare": {"question": "none", "settings": {"background_share": 0.0}}}
    numbers = {"photos": 8, "epochs": 1, "seeds": 1, "validation_photos": 4}
    listed.write_text(yaml.safe_dump({"profile": "smoke", **numbers, "variants": variants}, sort_keys=False))
    monkeypatch.setattr(config, "ablations_path", lambda: listed)
    return {"data": str(synthetic_cars), "real": str(other), "negatives": str(tmp_path / "things")}


def test_an_ablation_is_measured_elsewhere_and_resumes(places, monkeypatch, log):
    plan = create_plan(**places, device="cpu", settings=SMALL)
    folder = run_ablation(plan).parent
    table = pd.read_csv(folder / "elsewhere.csv")
    assert table.groupby("set")["photos"].first().to_dict() == {
        "detector_alone": 3, "other_source": 8, "second_look": 3,
    }  # fmt: skip
    predictions = read_predictions(folder / "bare-seed0" / "other_source.csv")
    correct = (predictions["predicted"] == predictions["body_type"]).mean()
    row = table[(table["set"] == "other_source") & (table["group"] == "bare")].iloc[0]
    assert row["value"] == pytest.approx(correct) and row["baseline"] == BASELINE
    steps = {name: read_trial(folder / f"{name}-seed0")["steps"] for name in (BASELINE, "bare")}
    assert steps == {BASELINE: 3, "bare": 2}  # in batches of four: eight photos of cars, and a built-in picture
    looked = read_table(folder / "bare-seed0" / REGIONS, PRESENCE)
    assert looked.groupby("source")["photo_id"].nunique().to_dict() == {OWN: 4, GIVEN: 3}
    assert "Other source: other, 8 validation photos" in (folder / "elsewhere.md").read_text()
    monkeypatch.setattr(trial_network, "train", None)  # nothing is trained again, whatever it is measured on
    log.clear()
    run_ablation(create_plan(**places, device="cpu", settings=SMALL))
    assert sum("is up to date" in line for line in log.messages) == 2
    without = create_plan(**places | {"negatives": ""}, device="cpu", settings=SMALL)
    run_ablation(without)


def test_what_cannot_be_measured_is_refused(places):
    with pytest.raises(CarsegError, match="are the same photos"):
        create_plan(places["data"], real=places["data"])
    with pytest.raises(CarsegError, match="REAL="):
        create_plan(places["data"], real="/nowhere")
    plan = create_plan(places["data"], negatives="/nowhere", device="cpu", settings=SMALL)
    with pytest.raises(CarsegError, match="/nowhere: there is no such folder"):
        run_ablation(plan)
