"""carseg_lib.workflow.opening: the run that a notebook works on, begun, made ready, or refused."""

import json

import pytest

import carseg_lib
from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.run import Run
from carseg_lib.workflow import opening, pipeline
from carseg_lib.workflow.notebooks import BY_STAGE
from carseg_lib.workflow.stage_run import StageRun
from tests.helpers.small_run import small_run


@pytest.fixture
def reports(tmp_path, monkeypatch):
    monkeypatch.setenv("CARSEG_REPORTS", str(tmp_path))
    monkeypatch.delenv(BY_STAGE, raising=False)
    return tmp_path


def test_the_default_run_is_begun_and_opened_again(reports):
    run = carseg_lib.open_run()
    assert run.name == run.config.profile == "quick"
    assert run.config.data.source == "rendered"
    assert carseg_lib.open_run("quick", {}) == Run.open("quick") == run


def test_settings_make_a_run_of_their_own(reports):
    base = carseg_lib.open_run("smoke")
    before = (base.folder / "config.json").read_bytes()
    run = carseg_lib.open_run("smoke", {"lr": "1e-3", "train.epochs": 1, "seed": 2})
    assert run.name == "smoke-seed-2-epochs-1-lr-0.001"
    assert (run.config.train.epochs, run.config.train.lr, run.config.seed) == (1, 0.001, 2)
    assert run.config.updated(name="smoke", seed=0, train={"epochs": 2, "lr": base.config.train.lr}) == base.config
    assert carseg_lib.open_run("smoke", {"epochs": 1, "lr": 0.001, "seed": 2}) == run
    assert (base.folder / "config.json").read_bytes() == before


def test_settings_of_a_run_on_other_photos_keep_the_photos(reports, synthetic_cars, monkeypatch):
    base = small_run(monkeypatch, reports, synthetic_cars, name="mine")
    run = carseg_lib.open_run("mine", {"epochs": 1})
    assert (run.name, run.config.data.source) == ("mine-epochs-1", base.config.data.source)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("quikc",), "There is no run 'quikc'; the runs are: none yet"),
        (("../x",), "use letters, digits"),
        (("smoke", {"epoch": 1}), "did you mean 'train.epochs'"),
        (("smoke", {"epochs": "many"}), "train.epochs = 'many'"),
        (("smoke", {"epochs": 1, "train.epochs": 1}), "given twice"),
        (("smoke", {"data": "x"}), "data has its own variable: DATA"),
    ],
)
def test_a_mistake_is_one_line_and_begins_nothing(reports, arguments, message):
    with pytest.raises(CarsegError, match=message) as caught:
        carseg_lib.open_run(*arguments)
    assert "\n" not in str(caught.value)
    assert caught.value._render_traceback_() == [f"carseg: {caught.value}"]
    assert not list(reports.iterdir())


def test_another_run_of_the_same_name_is_not_overwritten(reports):
    run = carseg_lib.open_run("smoke", {"epochs": 1})
    Run(run.config.updated(seed=7)).save()
    with pytest.raises(CarsegError, match="'smoke-epochs-1' exists and has other settings"):
        carseg_lib.open_run("smoke", {"epochs": 1})


def test_a_run_that_is_being_made_is_not_opened(reports):
    run = carseg_lib.open_run("smoke")
    with pipeline.run_lock(run), pytest.raises(CarsegError, match="is being made already"):
        carseg_lib.open_run("smoke")


def test_a_stage_opens_its_run_and_nothing_else(reports, monkeypatch):
    run = carseg_lib.open_run("smoke")
    monkeypatch.setenv(BY_STAGE, "1")
    monkeypatch.setattr(pipeline, "make_run", lambda *_, **__: pytest.fail("a stage made another one"))
    with pipeline.run_lock(run):
        assert carseg_lib.open_run("smoke", stage="04_evaluation") == run


@pytest.mark.parametrize(
    ("stage", "until"), [("02_preprocessing", "01b_rendered_cars"), ("06_certainty", "04_evaluation")]
)
def test_what_a_notebook_reads_is_made_first(reports, monkeypatch, stage, until):
    made = []
    monkeypatch.setattr(pipeline, "make_run", lambda run, until, project: made.append((run.name, until)))
    carseg_lib.open_run("smoke", stage="01_data_exploration")
    assert made == []
    carseg_lib.open_run("smoke", stage=stage)
    assert made == [("smoke", until)]


def test_a_finished_run_is_not_changed_by_hand(reports, synthetic_cars, monkeypatch):
    """A notebook may be edited and run on it; not if the code, the settings or the photos are others by now."""
    run = small_run(monkeypatch, reports, synthetic_cars, name="mine")
    stage = next(stage for stage in opening.Project().stages if stage.name == "01_data_exploration")
    needs = StageRun(run, opening.Project(), stage)._needs()
    notebook = f"notebooks/{stage.name}.ipynb"
    stamp = run.folder / "stamps" / f"{stage.name}.json"
    made_from: dict = {"inputs": {}, "outputs": {}, "record": {}}
    files.write_json(stamp, {"schema": 1, "needs": needs | {notebook: "another text"}} | made_from)
    run.page.write_text("the page")
    assert carseg_lib.open_run("mine", stage=stage.name) == run
    content = json.loads(stamp.read_text())
    content["needs"]["carseg_lib/data/loader.py"] = "another"
    files.write_json(stamp, content)
    with pytest.raises(CarsegError, match=r"'mine' is finished.*\(carseg_lib/data/loader.py changed\).*make reproduce"):
        carseg_lib.open_run("mine", stage=stage.name)
    run.page.unlink()
    assert carseg_lib.open_run("mine", stage=stage.name) == run
