"""The sim-to-real experiment: its plan, a whole one on drawn cars, its figures and its page."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch
from matplotlib.text import Text

from carseg_lib.core.classes import BODY_TYPES
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.formatting import points
from carseg_lib.core.paths import use_runs_root
from carseg_lib.core.run import Run
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.loader import load_catalogue
from carseg_lib.data.splits import assign_splits
from carseg_lib.experiments import trial_network, trials
from carseg_lib.experiments.sim2real import plots
from carseg_lib.experiments.sim2real.config import READERS, Sim2RealPlan, create_plan, planned_trials
from carseg_lib.experiments.sim2real.report import sentences, write_sim2real_report
from carseg_lib.experiments.sim2real.run import run_sim2real
from carseg_lib.experiments.subsets import eval_images
from carseg_lib.experiments.trials import Trial, read_trial
from carseg_lib.models.networks import build_network
from carseg_lib.models.weights import hash_tensors
from carseg_lib.reporting.plots.style import png_bytes
from tests.experiments.conftest import NUMBERS, SMALL, plan_of
from tests.helpers.drawn_cars import make_car_photos

pytestmark = pytest.mark.xdist_group("sim2real")  # one worker makes the experiment, and tests change it in place


def splits_of(place: Path) -> Catalogue:
    return assign_splits(load_catalogue(place), 0)


def trials_of(plan: Sim2RealPlan) -> list[Trial]:
    catalogues = {version: splits_of(Path(data)) for version, data in plan.rendered.items()}
    return planned_trials(plan, catalogues | {"": splits_of(Path(plan.real))})


# The plan


def test_a_plan_lists_its_trials_in_the_order_they_are_made(places, reports):
    plan = plan_of(places, repeats="2")
    assert plan.folder == reports / "sim2real" and list(plan.rendered) == ["plain", "full"]
    trials_ = trials_of(plan)
    assert [trial.name for trial in trials_[:5]] == [
        "version-plain", "version-full", "curve-8-imagenet-seed0", "curve-8-rendered-seed0", "curve-8-imagenet-seed1",
    ]  # fmt: skip
    assert len(trials_) == 2 + 2 * 2 * 2 and trials_[-1].name == "curve-16-rendered-seed1"
    second = [(trial.photos, trial.run.config.train.epochs) for trial in trials_ if trial.seed == 1]
    assert second == [(8, 1), (8, 1), (16, 2), (16, 2)]


def test_the_defaults_are_those_that_the_documentation_names(places, reports):
    plan = create_plan(str(places["real"]), str(places["rendered-plain"]), profile="smoke", device="cpu")
    assert (plan.version_photos, plan.version_epochs, plan.repeats) == (600, 6, 1)
    assert plan.curve == ((100, 30), (400, 12), (0, 6)) and plan.start == "" and plan.seed == 0
    assert tuple(READERS) == (
        "version_photos", "version_epochs", "curve", "repeats", "validation_photos", "start",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"epochs": "3"}, "SET: epochs differs from training to training; set instead: version_epochs and curve."),
        ({"max_images_per_split": "3"}, "version_photos, curve and validation_photos"),
        ({"epohcs": "3"}, "SET: there is no setting 'epohcs'; did you mean 'train.epochs'?"),
        ({"curves": "3:1"}, "SET: there is no setting 'curves'; did you mean 'curve'?"),
        ({"curve": "100"}, "SET: curve = '100': write photos:epochs, as in curve=100:30,400:12,all:6."),
        ({"curve": "0:3"}, "write photos:epochs"),
        ({"curve": "8:0"}, "write photos:epochs"),
        ({"repeats": "0"}, "repeats = '0' must be a whole number from 1 up."),
        ({"version_photos": "many"}, "version_photos = 'many' must be a whole number from 0 up."),
        ({"start": "nowhere.pt"}, "start = 'nowhere.pt': there is no such file"),
        ({"weights": "some.pt"}, "SET: weights is what the rendered start is compared with"),
        ({"lr": "fast"}, "train.lr = 'fast' (SET): must be a number"),
    ],
)
def test_settings_that_cannot_be_are_refused(changed, message, places, reports):
    with pytest.raises(CarsegError, match=re.escape(message)):
        plan_of(places, **changed)


@pytest.mark.parametrize(
    ("real", "rendered", "message"),
    [
        ("", "", "name a folder of real photos by REAL=folder."),
        ("nowhere", "{plain}", "REAL='nowhere' does not exist"),
        ("{real}", "nowhere", "SYNTHETIC='nowhere' does not exist"),
        ("{real}", "again={real}", "are the same photos"),
        ("{real}", "one={plain} one={full}", "SYNTHETIC: one is given twice: write name=folder for one of them."),
        ("{real}", "a/b={plain}", "needs a plain name: write name=folder."),
        ("{real}", "plain=", "needs a plain name: write name=folder."),
        ("{real}", "'plain", "cannot be read: no closing quotation."),
    ],
)
def test_data_that_cannot_be_are_refused(real, rendered, message, places, reports):
    names = {name.removeprefix("rendered-"): str(place) for name, place in places.items()}
    with pytest.raises(CarsegError, match=re.escape(message)):
        create_plan(real.format(**names), rendered.format(**names), profile="smoke", device="cpu")


def test_the_folder_of_a_run_is_refused(places, reports):
    (reports / "mine").mkdir(parents=True)
    (reports / "mine" / "config.json").write_text("{}")
    with pytest.raises(CarsegError, match="RUN=mine: this is a run of make reproduce; name another by RUN="):
        create_plan(str(places["real"]), str(places["rendered-plain"]), run="mine", profile="smoke")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"version_photos": "17"}, "has 16 training photos; version_photos asks for 17."),
        ({"curve": "8:1,17:1"}, "has 16 training photos; curve asks for 17."),
        ({"curve": "8:1,4:1"}, "SET: curve must name rising numbers of photos, not 8, 4."),
        ({"curve": "16:1,all:1"}, "must name rising numbers of photos, not 16, 16."),
        ({"curve": "2:1"}, "among 2 training photos is no"),
        ({"validation_photos": "9"}, "has 8 validation photos; validation_photos asks for 9."),
    ],
)
def test_more_photos_than_there_are_are_refused_before_training(changed, message, places, reports, monkeypatch):
    monkeypatch.setattr(trials, "_run_trial", None)
    with pytest.raises(CarsegError, match=re.escape(message)):
        run_sim2real(plan_of(places, **changed))


def test_rendered_photos_that_measure_are_refused(places, reports, tmp_path, monkeypatch):
    monkeypatch.setattr(trials, "_run_trial", None)
    copy = make_car_photos(tmp_path / "copy", NUMBERS, seed=1)  # the real photos
    with pytest.raises(CarsegError, match="of its photos are validation photos of REAL="):
        run_sim2real(plan_of(places, rendered=str(copy)))


def test_rendered_photos_without_masks_are_refused_where_real_ones_have_them(places, reports, tmp_path, monkeypatch):
    monkeypatch.setattr(trials, "_run_trial", None)
    bare = make_car_photos(tmp_path / "bare", NUMBERS, seed=4, with_masks=False)
    with pytest.raises(CarsegError, match="has no masks, and REAL="):
        run_sim2real(plan_of(places, rendered=str(bare)))


@pytest.mark.parametrize(
    ("drop", "message"), [("roi_heads.box_predictor", r"start .* lacks \d+ of"), ("rpn", "another architecture")]
)
def test_a_start_that_does_not_fit_whole_is_refused_before_training(
    drop, message, places, reports, tmp_path, monkeypatch
):
    plan = plan_of(places)
    state = build_network(plan.run_on("").config.model, 5, True).state_dict()
    path = tmp_path / "start.pt"
    torch.save({name: tensor for name, tensor in state.items() if not name.startswith(drop)}, path)
    monkeypatch.setattr(trials, "_run_trial", None)
    with pytest.raises(CarsegError, match=message):
        run_sim2real(plan_of(places, start=str(path)))


# Trials, end to end


def test_each_trial_leaves_its_predictions_its_last_network_and_its_card(made):
    folders = [path.parent for path in sorted(made.folder.glob("*/trial.json"))]
    assert len(folders) == 2 + 2 * 2
    for folder in folders:
        card = read_trial(folder)
        history = pd.read_csv(folder / "history.csv")
        photos = len(Catalogue.load(folder / "dataset").split("train").photos)
        assert card["trial"]["name"] == folder.name and len(history) == (2 if photos == 16 else 1)
        assert card["steps"] == len(history) * -(-(photos + round(photos / 9)) // 4)  # a tenth are built-in pictures
        assert not (folder / "model").exists() and (folder / "model.pt").is_file()
        predictions = pd.read_csv(folder / "predictions.csv")
        assert len(predictions) == 8 and set(predictions.split) == {"validation"}
        assert set(Catalogue.load(folder / "dataset").photos.split) == {"train", "validation"}


def test_both_starts_learn_from_the_same_photos_in_the_same_steps(made):
    for photos in (8, 16):
        pair = [made.folder / f"curve-{photos}-{start}-seed0" for start in ("imagenet", "rendered")]
        assert read_trial(pair[0])["steps"] == read_trial(pair[1])["steps"]
        ids = [list(Catalogue.load(folder / "dataset").photos.photo_id) for folder in pair]
        assert ids[0] == ids[1]
    few, all_ = (Catalogue.load(made.folder / f"curve-{n}-imagenet-seed0" / "dataset") for n in (8, 16))
    assert set(few.split("train").photos.photo_id) < set(all_.split("train").photos.photo_id)


def test_the_rendered_start_is_the_last_versions_network_whole(made):
    start = torch.load(made.folder / "version-full" / "model.pt", weights_only=True)
    record = read_trial(made.folder / "curve-8-rendered-seed0")["weights"]
    assert record["source"] == "file" and record["fresh"] == 0
    counted = {name: tensor for name, tensor in start.items() if not name.endswith("num_batches_tracked")}
    assert record["sha256"] == hash_tensors(counted)
    assert read_trial(made.folder / "curve-8-imagenet-seed0")["weights"]["source"] == "imagenet"


def test_the_network_measured_is_the_last_epochs(made):
    """Its predictions follow from model.pt, and it is not the one that training would have chosen."""
    folder = made.folder / "curve-8-imagenet-seed0"
    with use_runs_root(made.folder):
        opened = Run.open(folder.name)
        model = build_network(opened.config.model, 5, True)
        model.load_state_dict(torch.load(folder / "model.pt", weights_only=True))
        photos = eval_images(splits_of(Path(made.real)), 0, 0)
        predictions, _ = trial_network.predict_validation(model.eval(), photos, opened.config)
    stored = pd.read_csv(folder / "predictions.csv", keep_default_na=False)
    assert list(predictions.predicted) == list(stored.predicted)
    assert not opened.best_weights.exists()


def test_the_results_hold_every_number_with_its_interval(made):
    results = json.loads((made.folder / "results.json").read_text())
    assert [trial["name"] for trial in results["trials"]][:2] == ["version-plain", "version-full"]
    for trial in results["trials"]:
        for measure in ("accuracy", "mask_iou", "box_iou", "no_detection"):
            assert 0 <= trial[measure]["low"] <= trial[measure]["value"] <= trial[measure]["high"] <= 1
        predictions = pd.read_csv(made.folder / trial["name"] / "predictions.csv", keep_default_na=False)
        assert trial["accuracy"]["value"] == (predictions.predicted == predictions.body_type).mean()
        assert {t: e["n"] for t, e in trial["recall"].items()} == dict.fromkeys(BODY_TYPES, 2)
    assert [(p["photos"], p["start"]) for p in results["curve"]] == [
        (0, "rendered"), (8, "imagenet"), (8, "rendered"), (16, "imagenet"), (16, "rendered"),
    ]  # fmt: skip
    assert [(d["question"], d["from"], d["to"]) for d in results["differences"]] == [
        ("version", "plain", "full"), ("curve", "imagenet", "rendered"), ("curve", "imagenet", "rendered"),
    ]  # fmt: skip
    by_name = {trial["name"]: trial for trial in results["trials"]}
    last = results["differences"][-1]
    sides = [by_name[f"curve-16-{s}-seed0"]["accuracy"]["value"] for s in ("rendered", "imagenet")]
    assert last["accuracy"]["value"] == pytest.approx(sides[0] - sides[1])
    table = pd.read_csv(made.folder / "trials.csv")
    assert len(table) == 6 and {"accuracy_low", "mask_iou_high", "recall_suv"} <= set(table.columns)
    assert str(Path(made.real).parent) not in (made.folder / "results.json").read_text()


def test_what_is_missing_is_measured_on_the_last_versions_network(made):
    missing = json.loads((made.folder / "missing.json").read_text())
    predictions = pd.read_csv(made.folder / "version-full" / "predictions.csv", keep_default_na=False)
    for row in missing["named"]:
        own = predictions[predictions.body_type == row["body_type"]]
        assert row["n"] == len(own) == sum(row["named"].values()) == 2
        assert row["named"][row["body_type"]] == (own.predicted == row["body_type"]).sum()
    assert [(rule["learned_from"], rule["asked_of"]) for rule in missing["rules"]] == [
        (learned, asked)
        for learned in ("rendered photos", "real photos")
        for asked in ("rendered photos", "real photos")
    ]
    assert "Learned from" in (made.folder / "missing.md").read_text()


def test_the_page_stands_alone_and_shows_both_figures(made):
    page = (made.folder / "index.html").read_text()
    assert "What rendered cars lack" in page
    assert len(re.findall("data:image/(?:png|webp);base64,", page)) == 2 and "Content-Security-Policy" in page
    assert "Sim-to-real transfer" in page and "plain → full" in page
    assert str(made.folder) not in page and not re.search(r'(src|href)="https?:', page)
    for name in ("versions", "curve"):
        assert (made.folder / f"{name}.png").is_file()


def test_a_start_of_ones_own_is_measured_and_learned_from(mine, places, trained, tmp_path):
    path = shutil.copy(mine.folder / "version-full" / "model.pt", tmp_path / "start.pt")
    own = plan_of(places, rendered=str(places["rendered-plain"]), curve="8:1", start=str(path))
    assert [trial.name for trial in trials_of(own)] == [
        "version-plain", "start", "curve-8-imagenet-seed0", "curve-8-rendered-seed0",
    ]  # fmt: skip
    run_sim2real(own)
    assert trained == ["curve-8-rendered-seed0"]  # its start is named otherwise
    results = json.loads((own.folder / "results.json").read_text())
    assert next((p["photos"], p["start"]) for p in results["curve"]) == (0, "rendered")
    assert results["plan"]["start"] == "start.pt" and read_trial(own.folder / "start")["steps"] == 0
    predictions = [(own.folder / name / "predictions.csv").read_bytes() for name in ("start", "version-full")]
    assert predictions[0] == predictions[1]


def test_real_photos_without_masks_are_compared_without_them(places, reports, tmp_path):
    bare = make_car_photos(tmp_path / "bare", NUMBERS, seed=1, with_masks=False)
    settings_ = SMALL | {"version_photos": "4", "curve": "8:1"}
    plan = create_plan(str(bare), f"full={places['rendered-full']}", profile="smoke", settings=settings_, device="cpu")
    page = run_sim2real(plan).read_text()
    results = json.loads((plan.folder / "results.json").read_text())
    assert {trial["mask_iou"] is None for trial in results["trials"]} == {True}
    assert results["differences"][0]["mask_iou"] is None and "–" in page


# Figures and page


def estimate(value: float) -> dict:
    return {"value": value, "low": value - 0.03, "high": value + 0.03, "n": 1138}


def example(trainings: int = 1, masks: bool = True) -> dict:
    """A results.json as a whole study would leave it."""

    def measured(value: float) -> dict:
        return {"accuracy": estimate(value), "mask_iou": estimate(value + 0.05) if masks else None}

    def trial(question: str, version: str, start: str, photos: int, value: float, seed: int = 0) -> dict:
        recall = {t: estimate(value - 0.1 + 0.07 * k) for k, t in enumerate(BODY_TYPES)}
        more = {"box_iou": estimate(0.8), "no_detection": estimate(0.04), "recall": recall}
        name = f"{question}-{version or photos}-{start}-seed{seed}"
        facts = {"name": name, "question": question, "version": version, "start": start, "photos": photos}
        return facts | {"epochs": 6, "seed": seed, "steps": 450, "seconds": 360.2} | measured(value) | more

    shares = {"plain": 0.38, "light": 0.47, "places": 0.55, "full": 0.61}
    trials_ = [trial("version", version, "imagenet", 600, value) for version, value in shares.items()]
    curve = [{"start": "rendered", "photos": 0, "trainings": 1} | measured(shares["full"])]
    step = {"question": "version", "from": "plain", "to": "light", "photos": 600}
    differences = [step | measured(0.09)]
    for photos, values in {100: (0.55, 0.68), 400: (0.75, 0.78), 1951: (0.862, 0.867)}.items():
        for start, value in zip(("imagenet", "rendered"), values, strict=True):
            seeds = range(trainings)
            trials_ += [trial("curve", "", start, photos, value + 0.01 * seed, seed) for seed in seeds]
            point = {"start": start, "photos": photos, "trainings": trainings}
            curve.append(point | measured(value + 0.005 * (trainings - 1)))
        step = {"question": "curve", "from": "imagenet", "to": "rendered", "photos": photos}
        differences.append(step | measured(values[1] - values[0]))
    evaluated: dict = {"name": "cars", "fingerprint": "ab"}
    evaluated["photos"] = {"suv": 353, "sedan": 434, "convertible": 228, "minivan": 123}
    plan = {"run": "sim2real", "training_photos": 1951, "profile": "quick", "seed": 0, "versions": list(shares)}
    plan |= {"repeats": trainings, "start": "", "overrides": {"lr": "0.001"}}
    return {
        "schema": 1,
        "evaluated": evaluated,
        "plan": plan,
        "trials": trials_,
        "curve": curve,
        "differences": differences,
    }


@pytest.mark.parametrize("trainings", [1, 3])
@pytest.mark.parametrize("masks", [True, False])
def test_figures_and_page_of_a_whole_study(trainings, masks, tmp_path):
    results = example(trainings, masks)
    for draw in (plots.versions, plots.curve):
        figure = draw(results)
        assert len(png_bytes(figure)) > 10_000 and "1,138" in figure.alt
    (tmp_path / "results.json").write_text(json.dumps(results))
    page = write_sim2real_report(tmp_path).read_text()
    assert "+13.0 (+10.0 to +16.0)" in page and "no significant difference" in page
    assert "of one training over photos; of several, and of a difference, over photos and seeds" in page


def test_figures_and_page_of_a_study_that_has_just_begun(tmp_path):
    empty = example() | {"trials": [], "curve": [], "differences": []}
    assert [draw(empty).findobj(Text)[0].get_text() for draw in (plots.versions, plots.curve)] == [
        "No version has been trained yet.", "No point of the curve has been trained yet.",
    ]  # fmt: skip
    assert sentences(empty) == []
    begun = example()
    begun |= {"trials": begun["trials"][:1], "curve": [], "differences": []}
    assert "plain 38.0%" in plots.versions(begun).alt
    (tmp_path / "results.json").write_text(json.dumps(begun))
    assert "600 rendered photos (plain)" in write_sim2real_report(tmp_path).read_text()


def test_the_findings_in_words():
    found = sentences(example())
    assert found[0] == (
        "A network trained on 600 rendered photos (full) and no real one predicts 61.0% (58.0–64.0%) of 1,138 real "
        "validation photos correctly; always predicting the most frequent type would be correct for 38.1%."
    )
    assert "mean IoU (intersection over union) of 66.0% (63.0–69.0%)" in found[1]
    assert found[2].startswith("With 100 real photos the rendered start is better: +13.0 (+10.0 to +16.0) points")
    assert "makes no significant difference" in found[4]
    assert points(None) == "–"


@pytest.mark.parametrize(
    ("value", "ending"), [(0.7, "70.0%."), (0.62, "62.0%, a difference within chance for so many photos.")]
)
def test_a_plainer_version_that_does_better_is_named(value, ending):
    results = example()
    results["trials"][0] |= {"accuracy": estimate(value)}
    assert f"The version plain has the highest accuracy: {ending}" in sentences(results)


def test_a_page_without_results_says_what_to_run(tmp_path):
    with pytest.raises(CarsegError, match=r"results\.json is missing: run make sim2real REAL=folder first"):
        write_sim2real_report(tmp_path)
