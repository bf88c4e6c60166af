from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.text import Text

from carseg_lib.core.classes import BODY_TYPES
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.formatting import points
from carseg_lib.core.paths import use_runs_root
from carseg_lib.core.run import Run
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.loader import load_catalogue
from carseg_lib.data.splits import assign_splits
from carseg_lib.engine import trainer
from carseg_lib.experiments import trials
from carseg_lib.experiments.sim2real import plots as plots
from carseg_lib.experiments.sim2real import run
from carseg_lib.experiments.sim2real.config import (
    DECIDED,
    PLAN_SETTINGS,
    TransferPlan,
    create_plan,
    planned_cells,
)
from carseg_lib.experiments.sim2real.report import sentences, write_transfer_report
from carseg_lib.experiments.sim2real.results import difference, finding
from carseg_lib.experiments.sim2real.run import run_sim2real
from carseg_lib.experiments.trials import eval_images, nested_stratified_sample, read_trial, trial_dataset
from carseg_lib.models.weights import hash_tensors
from carseg_lib.workflow import pipeline
from tests.helpers.drawn_cars import make_car_photos
from tests.helpers.small_run import SETTINGS

SMALL = {name: value for name, value in SETTINGS.items() if name not in DECIDED} | {
    "version_photos": "8",
    "version_epochs": "1",
    "curve": "8:1,all:2",
}
NUMBERS = {"train": 4, "validation": 2, "test": 1}  # of each type


@pytest.fixture(scope="module")
def places(tmp_path_factory) -> dict[str, Path]:
    """Drawn cars as "real" photos and as two versions of "rendered" ones."""
    folder = tmp_path_factory.mktemp("photos")
    names = {"real": 1, "rendered-plain": 2, "rendered-full": 3}
    return {name: make_car_photos(folder / name, NUMBERS, seed=seed) for name, seed in names.items()}


@pytest.fixture
def reports(monkeypatch, tmp_path) -> Path:
    monkeypatch.setenv("CARSEG_REPORTS", str(tmp_path / "reports"))
    return tmp_path / "reports"


def plan_of(places: dict[str, Path], *, rendered: str | None = None, **changed: str) -> TransferPlan:
    text = rendered or f"{places['rendered-plain']} {places['rendered-full']}"
    return create_plan(str(places["real"]), text, profile="smoke", settings=SMALL | changed, device="cpu")


def splits_of(place: Path) -> Catalogue:
    return assign_splits(load_catalogue(place), 0)


def cells_of(plan: TransferPlan) -> list:
    return planned_cells(plan, {d: splits_of(Path(d)) for d in (plan.real, *plan.rendered.values())})


class Killed(BaseException):
    pass


# The subsets


@st.composite
def tables(draw) -> pd.DataFrame:
    counts = draw(st.lists(st.integers(1, 60), min_size=1, max_size=4))
    types = [t for t, count in zip(BODY_TYPES, counts, strict=False) for _ in range(count)]
    order = draw(st.permutations(range(len(types))))
    return pd.DataFrame({"photo_id": [f"{i:03d}.jpg" for i in order], "body_type": [types[i] for i in order]})


@settings(deadline=None)
@given(tables(), st.data(), st.integers(0, 2**32 - 1))
def test_subsets_are_nested_stratified_and_of_the_size_asked_for(photos, data, seed):
    larger = data.draw(st.integers(0, len(photos)))
    smaller = data.draw(st.integers(0, larger))
    large, small = (nested_stratified_sample(photos, n, seed) for n in (larger, smaller))
    assert (len(large), len(small)) == (larger, smaller)
    assert set(small.photo_id) <= set(large.photo_id) <= set(photos.photo_id)
    assert large.index.is_monotonic_increasing
    shares = photos.body_type.value_counts(normalize=True)
    found = large.body_type.value_counts()
    for body_type, share in shares.items():
        assert abs(found.get(body_type, 0) - larger * share) <= (1 + share * len(shares)) / 2 + 1e-9


@settings(deadline=None)
@given(tables(), st.integers(0, 9))
def test_a_subset_does_not_depend_on_the_order_of_the_rows(photos, seed):
    n = len(photos) // 2
    turned = photos.iloc[::-1].reset_index(drop=True)
    assert set(nested_stratified_sample(photos, n, seed).photo_id) == set(
        nested_stratified_sample(turned, n, seed).photo_id
    )


def test_another_seed_gives_another_subset():
    photos = pd.DataFrame({"photo_id": [f"{i}.jpg" for i in range(100)], "body_type": ["suv", "sedan"] * 50})
    assert set(nested_stratified_sample(photos, 20, 0).photo_id) != set(
        nested_stratified_sample(photos, 20, 1).photo_id
    )


def test_the_data_of_a_training_hold_no_test_photo(places):
    real = splits_of(places["real"])
    dataset = trial_dataset(real, 8, seed=0)
    assert dataset.photos.split.value_counts().to_dict() == {"train": 8, "validation": 8}
    left_out = dataset.excluded[dataset.excluded.reason == trials.NOT_SAMPLED]
    assert set(left_out.split) == {"train", "test"} and len(left_out) == 8 + 4
    assert set(dataset.instances.photo_id) == set(dataset.photos.photo_id)


# The plan


def test_a_plan_lists_its_cells_in_the_order_they_are_made(places, reports):
    plan = plan_of(places, repeats="2")
    assert plan.folder == reports / "transfer" and list(plan.rendered) == ["plain", "full"]
    cells = cells_of(plan)
    assert [cell.name for cell in cells[:5]] == [
        "version-plain", "version-full", "curve-8-imagenet-seed0", "curve-8-rendered-seed0", "curve-8-imagenet-seed1",
    ]  # fmt: skip
    assert len(cells) == 2 + 2 * 2 * 2 and cells[-1].name == "curve-16-rendered-seed1"
    second = [(cell.photos, cell.epochs) for cell in cells if cell.seed == 1]
    assert second == [(8, 1), (8, 1), (16, 2), (16, 2)]


def test_the_defaults_are_those_that_the_documentation_names(places, reports):
    plan = create_plan(str(places["real"]), str(places["rendered-plain"]), profile="smoke", device="cpu")
    assert (plan.version_photos, plan.version_epochs, plan.repeats) == (600, 6, 1)
    assert plan.curve == ((100, 30), (400, 12), (0, 6)) and plan.start == "" and plan.seed == 0
    assert PLAN_SETTINGS == (
        "version_photos", "version_epochs", "curve", "repeats", "validation_photos", "start",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"epochs": "3"},
            "SET: epochs differs from training to training; set instead: version_epochs and curve.",
        ),
        ({"max_images_per_split": "3"}, "version_photos, curve and validation_photos"),
        ({"epohcs": "3"}, "SET: there is no setting 'epohcs'; did you mean 'epochs'?"),
        ({"curves": "3:1"}, "SET: there is no setting 'curves'; did you mean 'curve'?"),
        ({"curve": "100"}, "SET: curve = '100': write photos:epochs, as in curve=100:30,400:12,all:6."),
        ({"curve": "0:3"}, "write photos:epochs"),
        ({"curve": "8:0"}, "write photos:epochs"),
        ({"repeats": "0"}, "SET: repeats = '0': must be a whole number from 1."),
        ({"version_photos": "many"}, "SET: version_photos = 'many': must be a whole number from 0."),
        ({"start": "nowhere.pt"}, "SET: start = 'nowhere.pt': there is no such file"),
        ({"weights": "some.pt"}, "SET: weights is what the rendered start is compared with"),
        ({"lr": "fast"}, "lr = 'fast' (SET): must be a number"),
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
        ("{real}", "nowhere", "RENDERED='nowhere' does not exist"),
        ("{real}", "again={real}", "are the same photos"),
        (
            "{real}",
            "one={plain} one={full}",
            "RENDERED: one is given twice: write name=folder for one of them.",
        ),
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
def test_more_photos_than_there_are_are_refused_before_training(
    changed, message, places, reports, monkeypatch
):
    monkeypatch.setattr(run, "make_cell", None)
    with pytest.raises(CarsegError, match=re.escape(message)):
        run_sim2real(plan_of(places, **changed), say=print)


def test_rendered_photos_that_judge_are_refused(places, reports, tmp_path, monkeypatch):
    monkeypatch.setattr(run, "make_cell", None)
    copy = make_car_photos(tmp_path / "copy", NUMBERS, seed=1)  # the real photos
    with pytest.raises(CarsegError, match="of its photos are validation photos of REAL="):
        run_sim2real(plan_of(places, rendered=str(copy)))


def test_rendered_photos_without_masks_are_refused_where_real_ones_have_them(
    places, reports, tmp_path, monkeypatch
):
    monkeypatch.setattr(run, "make_cell", None)
    bare = make_car_photos(tmp_path / "bare", NUMBERS, seed=4, with_masks=False)
    with pytest.raises(CarsegError, match="has no masks, and REAL="):
        run_sim2real(plan_of(places, rendered=str(bare)))


@pytest.mark.parametrize(
    ("drop", "message"),
    [("roi_heads.box_predictor", r"start .* lacks \d+ of"), ("rpn", "another architecture")],
)
def test_a_start_that_does_not_fit_whole_is_refused_before_training(
    drop, message, places, reports, tmp_path, monkeypatch
):
    plan = plan_of(places)
    study = run.study_of(plan, "some", plan.real)
    state = trials.build_model(study.config.model, 5, True).state_dict()
    path = tmp_path / "start.pt"
    torch.save({name: tensor for name, tensor in state.items() if not name.startswith(drop)}, path)
    monkeypatch.setattr(run, "make_cell", None)
    with pytest.raises(CarsegError, match=message):
        run_sim2real(plan_of(places, start=str(path)))


def test_another_process_that_makes_it_is_told_of(places, reports):
    plan = plan_of(places)
    with pipeline.run_lock(plan), pytest.raises(CarsegError, match="Run 'transfer' is being made already"):
        run_sim2real(plan)


# Cells, end to end


@pytest.fixture(scope="module")
def made(places, tmp_path_factory) -> TransferPlan:
    """A whole transfer study on drawn cars; read it, never write into it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CARSEG_REPORTS", str(tmp_path_factory.mktemp("reports")))
        plan = plan_of(places)
        assert run_sim2real(plan) == plan.folder / "index.html"
        assert os.environ["CARSEG_REPORTS"] == str(plan.folder.parent)
    return plan


def test_each_cell_leaves_its_answers_its_last_network_and_its_card(made):
    cells = [path.parent for path in sorted(made.folder.glob("*/cell.json"))]
    assert len(cells) == 2 + 2 * 2
    for folder in cells:
        card = read_trial(folder)
        history = pd.read_csv(folder / "history.csv")
        assert card["cell"]["name"] == folder.name and len(history) == card["cell"]["epochs"]
        assert card["steps"] == card["cell"]["epochs"] * -(-card["cell"]["photos"] // 4)
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
    """Its answers follow from model.pt, and it is not the one that training would have chosen."""
    folder = made.folder / "curve-8-imagenet-seed0"
    with use_runs_root(made.folder):
        study = Run.open(folder.name)
        model = trials.build_model(study.config.model, 5, True)
        model.load_state_dict(torch.load(folder / "model.pt", weights_only=True))
        judged = eval_images(splits_of(Path(made.real)), 0, made.seed)
        photos = trials.CarDataset(judged, "validation", study.config.inputs, study.config.seed)
        predictions, _ = trials.predict_split(model.eval(), photos, "validation", study)
    stored = pd.read_csv(folder / "predictions.csv", keep_default_na=False)
    assert list(predictions.predicted) == list(stored.predicted)
    assert not study.best_weights.exists()


def test_the_results_hold_every_number_with_its_interval(made):
    results = json.loads((made.folder / "transfer.json").read_text())
    assert [cell["name"] for cell in results["cells"]][:2] == ["version-plain", "version-full"]
    for cell in results["cells"]:
        for measure in ("accuracy", "mask_iou", "box_iou", "no_car_found"):
            assert 0 <= cell[measure]["low"] <= cell[measure]["value"] <= cell[measure]["high"] <= 1
        predictions = pd.read_csv(made.folder / cell["name"] / "predictions.csv", keep_default_na=False)
        assert cell["accuracy"]["value"] == (predictions.predicted == predictions.body_type).mean()
        assert {t: e["n"] for t, e in cell["recall"].items()} == dict.fromkeys(BODY_TYPES, 2)
    assert [(p["photos"], p["start"]) for p in results["curve"]] == [
        (0, "rendered"), (8, "imagenet"), (8, "rendered"), (16, "imagenet"), (16, "rendered"),
    ]  # fmt: skip
    assert [(d["question"], d["from"], d["to"]) for d in results["differences"]] == [
        ("version", "plain", "full"), ("curve", "imagenet", "rendered"), ("curve", "imagenet", "rendered"),
    ]  # fmt: skip
    by_name = {cell["name"]: cell for cell in results["cells"]}
    last = results["differences"][-1]
    sides = [by_name[f"curve-16-{s}-seed0"]["accuracy"]["value"] for s in ("rendered", "imagenet")]
    assert last["accuracy"]["value"] == pytest.approx(sides[0] - sides[1])
    table = pd.read_csv(made.folder / "transfer.csv")
    assert len(table) == 6 and {"accuracy_low", "mask_iou_high", "recall_suv"} <= set(table.columns)
    assert str(Path(made.real).parent) not in (made.folder / "transfer.json").read_text()


def test_the_page_stands_alone_and_shows_both_figures(made):
    page = (made.folder / "index.html").read_text()
    assert page.count("data:image/png;base64,") == 2 and "Content-Security-Policy" in page
    assert "Rendered to real" in page and "plain → full" in page
    assert str(made.folder) not in page and not re.search(r'(src|href)="https?:', page)
    for name in ("versions", "curve"):
        assert (made.folder / f"{name}.png").is_file()


def test_what_is_done_is_not_made_again(made, monkeypatch, capsys):
    monkeypatch.setenv("CARSEG_REPORTS", str(made.folder.parent))
    monkeypatch.setattr(trials, "train", None)
    monkeypatch.setattr(trials, "answer_split", None)
    monkeypatch.setattr(trials, "load_catalogue", None)  # the photos are not read again either
    before = (made.folder / "transfer.json").read_bytes()
    said: list[str] = []
    run_sim2real(made, say=said.append)
    assert sum("is up to date" in line for line in said) == 6
    assert (made.folder / "transfer.json").read_bytes() == before


# Killed, changed, damaged


@pytest.fixture
def mine(made, places, monkeypatch, tmp_path) -> TransferPlan:
    """The whole study, which the test may change: it is put back as it was, at its own place."""
    kept = tmp_path / "kept"
    shutil.copytree(made.folder, kept)
    monkeypatch.setenv("CARSEG_REPORTS", str(made.folder.parent))
    yield made
    shutil.rmtree(made.folder)
    shutil.move(kept, made.folder)


@pytest.fixture
def part(mine, places) -> TransferPlan:
    """The half of it that the last cell depends on: quicker to go through."""
    return part_of(places)


def part_of(places: dict[str, Path], **changed: str) -> TransferPlan:
    return plan_of(places, rendered=str(places["rendered-full"]), **{"curve": "all:2"} | changed)


@pytest.fixture
def trained(monkeypatch) -> list[str]:
    """The cells that are trained, by name, once an epoch."""
    names, real_epoch = [], trainer.train_one_epoch

    def epoch(*arguments):
        names.append(arguments[5].run)
        return real_epoch(*arguments)

    monkeypatch.setattr(trainer, "train_one_epoch", epoch)
    return names


LAST = "curve-16-rendered-seed0"


@pytest.mark.parametrize(("moment", "again"), [("in epoch 2", [LAST]), ("while it answers", [])])
def test_a_killed_cell_goes_on_with_the_same_numbers(moment, again, part, trained, monkeypatch):
    whole = (part.folder / LAST / "predictions.csv").read_bytes()
    shutil.rmtree(part.folder / LAST)
    real_epoch = trainer.train_one_epoch

    def stop(*arguments):
        if LAST not in trained:  # the epoch before
            return real_epoch(*arguments)
        raise Killed

    with monkeypatch.context() as patch:
        place = (trainer, "train_epoch") if moment == "in epoch 2" else (trials, "answer_split")
        patch.setattr(*place, stop)
        with pytest.raises(Killed):
            run_sim2real(part)
    assert len(json.loads((part.folder / "transfer.json").read_text())["cells"]) == 2
    trained.clear()
    run_sim2real(part)
    assert trained == again
    assert (part.folder / LAST / "predictions.csv").read_bytes() == whole


def test_what_depends_on_a_change_is_made_again_and_nothing_else(part, places, trained):
    run_sim2real(part_of(places, version_photos="12"))
    assert trained == ["version-full", LAST, LAST]


def test_other_photos_to_answer_need_no_training(part, places, trained):
    run_sim2real(part_of(places, validation_photos="4"))
    assert trained == []
    results = json.loads((part.folder / "transfer.json").read_text())
    assert {cell["accuracy"]["n"] for cell in results["cells"]} == {4}


def test_a_damaged_network_is_made_again_with_the_same_bits(part, trained):
    (part.folder / "version-full" / "model.pt").write_bytes(b"damaged")
    run_sim2real(part)
    assert trained == ["version-full"]  # the same bits: what starts from them stays


def test_a_start_of_ones_own_is_measured_and_learned_from(mine, places, trained, tmp_path):
    path = shutil.copy(mine.folder / "version-full" / "model.pt", tmp_path / "start.pt")
    own = plan_of(places, rendered=str(places["rendered-plain"]), curve="8:1", start=str(path))
    assert [cell.name for cell in cells_of(own)] == [
        "version-plain", "start", "curve-8-imagenet-seed0", "curve-8-rendered-seed0",
    ]  # fmt: skip
    run_sim2real(own)
    assert trained == ["curve-8-rendered-seed0"]  # its start is named otherwise
    results = json.loads((own.folder / "transfer.json").read_text())
    assert next((p["photos"], p["start"]) for p in results["curve"]) == (0, "rendered")
    assert results["plan"]["start"] == "start.pt" and read_trial(own.folder / "start")["steps"] == 0
    answers = [(own.folder / name / "predictions.csv").read_bytes() for name in ("start", "version-full")]
    assert answers[0] == answers[1]


def test_real_photos_without_masks_are_compared_without_them(places, reports, tmp_path):
    bare = make_car_photos(tmp_path / "bare", NUMBERS, seed=1, with_masks=False)
    settings_ = SMALL | {"version_photos": "4", "curve": "8:1"}
    plan = create_plan(
        str(bare), f"full={places['rendered-full']}", profile="smoke", settings=settings_, device="cpu"
    )
    page = run_sim2real(plan).read_text()
    results = json.loads((plan.folder / "transfer.json").read_text())
    assert {cell["mask_iou"] is None for cell in results["cells"]} == {True}
    assert results["differences"][0]["mask_iou"] is None and "–" in page


# Numbers and figures


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_a_difference_lies_in_its_interval_and_turns_with_its_sides(pairs):
    before, after = np.array(pairs, dtype=float).T
    found = difference(before, after, bootstrap_samples=100, seed=0)
    assert found["value"] == pytest.approx(after.mean() - before.mean())
    assert -1 <= found["low"] <= found["value"] <= found["high"] <= 1 and found["n"] == len(pairs)
    turned = difference(after, before, bootstrap_samples=100, seed=0)
    assert turned["value"] == pytest.approx(-found["value"])


def test_pairing_narrows_an_interval():
    rng = np.random.default_rng(0)
    before = rng.random(400) < 0.6
    after = before | (rng.random(400) < 0.1)
    paired = difference(before.astype(float), after.astype(float), bootstrap_samples=400, seed=0)
    mixed = difference(
        before.astype(float), rng.permutation(after).astype(float), bootstrap_samples=400, seed=0
    )
    assert paired["high"] - paired["low"] < 0.6 * (mixed["high"] - mixed["low"])


@pytest.mark.parametrize(
    ("low", "value", "high", "word"),
    [
        (0.01, 0.1, 0.2, "more"),
        (-0.2, -0.1, -0.01, "less"),
        (-0.1, 0.1, 0.2, "not told apart"),
        (0, 0, 0, "not told apart"),
    ],
)
def test_a_difference_is_one_if_its_interval_is_clear_of_zero(low, value, high, word):
    assert finding({"value": value, "low": low, "high": high, "n": 9}) == word


def estimate(value: float) -> dict:
    return {"value": value, "low": value - 0.03, "high": value + 0.03, "n": 1138}


def example(trainings: int = 1, masks: bool = True) -> dict:
    """A transfer.json as a whole study would leave it."""

    def measured(value: float) -> dict:
        return {"accuracy": estimate(value), "mask_iou": estimate(value + 0.05) if masks else None}

    def cell(question: str, version: str, start: str, photos: int, value: float, seed: int = 0) -> dict:
        recall = {t: estimate(value - 0.1 + 0.07 * k) for k, t in enumerate(BODY_TYPES)}
        more = {"box_iou": estimate(0.8), "no_car_found": estimate(0.04), "recall": recall}
        name = f"{question}-{version or photos}-{start}-seed{seed}"
        facts = {"name": name, "question": question, "version": version, "start": start, "photos": photos}
        return facts | {"epochs": 6, "seed": seed, "steps": 450, "seconds": 360.2} | measured(value) | more

    shares = {"plain": 0.38, "light": 0.47, "places": 0.55, "full": 0.61}
    cells = [cell("version", version, "imagenet", 600, value) for version, value in shares.items()]
    curve = [{"start": "rendered", "photos": 0, "trainings": 1} | measured(shares["full"])]
    step = {"question": "version", "from": "plain", "to": "light", "photos": 600}
    differences = [step | measured(0.09)]
    for photos, values in {100: (0.55, 0.68), 400: (0.75, 0.78), 1951: (0.862, 0.867)}.items():
        for start, value in zip(("imagenet", "rendered"), values, strict=True):
            seeds = range(trainings)
            cells += [cell("curve", "", start, photos, value + 0.01 * seed, seed) for seed in seeds]
            point = {"start": start, "photos": photos, "trainings": trainings}
            curve.append(point | measured(value + 0.005 * (trainings - 1)))
        step = {"question": "curve", "from": "imagenet", "to": "rendered", "photos": photos}
        differences.append(step | measured(values[1] - values[0]))
    real = {"name": "cars", "fingerprint": "ab", "training_photos": 1951}
    real["answered"] = {"suv": 353, "sedan": 434, "convertible": 228, "minivan": 123}
    plan = {"run": "transfer", "profile": "quick", "seed": 0, "versions": list(shares)}
    plan |= {"repeats": trainings, "start": "", "overrides": {"lr": "0.001"}}
    return {
        "schema": 1,
        "real": real,
        "plan": plan,
        "cells": cells,
        "curve": curve,
        "differences": differences,
    }


@pytest.mark.parametrize("trainings", [1, 3])
@pytest.mark.parametrize("masks", [True, False])
def test_figures_and_page_of_a_whole_study(trainings, masks, tmp_path):
    results = example(trainings, masks)
    for draw in (plots.versions, plots.curve):
        figure = draw(results)
        assert len(figure._repr_png_()) > 10_000 and "1,138" in figure.alt
    (tmp_path / "transfer.json").write_text(json.dumps(results))
    page = write_transfer_report(tmp_path).read_text()
    assert "+13.0 (+10.0 to +16.0)" in page and "not told apart" in page
    assert ("another seed would move it" in page) == (trainings == 1)


def test_figures_and_page_of_a_study_that_has_just_begun(tmp_path):
    empty = example() | {"cells": [], "curve": [], "differences": []}
    assert [draw(empty).findobj(Text)[0].get_text() for draw in (plots.versions, plots.curve)] == [
        "No version has been trained yet.", "No point of the curve has been trained yet.",
    ]  # fmt: skip
    assert sentences(empty) == []
    begun = example()
    begun |= {"cells": begun["cells"][:1], "curve": [], "differences": []}
    assert "plain 38.0%" in plots.versions(begun).alt
    (tmp_path / "transfer.json").write_text(json.dumps(begun))
    assert "600 rendered cars (plain)" in write_transfer_report(tmp_path).read_text()


def test_the_findings_are_told_in_words():
    said = sentences(example())
    assert said[0] == (
        "A network that saw 600 rendered cars (full) and no real one answers 61.0% (58.0–64.0%) of 1,138 real "
        "validation photos right; always answering the most frequent type would be right in 38.1%."
    )
    assert "overlap by 66.0% (63.0–69.0%) on average" in said[1]
    assert said[2].startswith(
        "With 100 real photos the rendered start is better: +13.0 (+10.0 to +16.0) points"
    )
    assert "cannot be told from the other" in said[4]
    assert points(None) == "–"


@pytest.mark.parametrize(
    ("value", "ending"),
    [(0.7, "70.0%."), (0.62, "62.0%, by no more than chance would do on so many photos.")],
)
def test_a_plainer_version_that_does_better_is_told_of(value, ending):
    results = example()
    results["cells"][0] |= {"accuracy": estimate(value)}
    assert f"The version plain does best: {ending}" in sentences(results)


def test_a_page_without_results_says_what_to_run(tmp_path):
    with pytest.raises(CarsegError, match=r"transfer\.json is missing: run make transfer REAL=folder first"):
        write_transfer_report(tmp_path)
