"""The command line: one line for a user's mistake, and nothing written before everything is checked."""

from __future__ import annotations

from dataclasses import make_dataclass

import pytest

from carseg_lib.core import files
from carseg_lib.core.run import Run
from carseg_lib.workflow import pipeline, predict
from carseg_lib.workflow.cli import RENAMED, cli, main
from carseg_lib.workflow.commands.options import RENAMED as RENAMED_OPTIONS
from carseg_lib.workflow.commands.options import VARIABLES
from carseg_lib.workflow.notebooks import NotebookFailedError
from tests.helpers.drawn_cars import add_unlabelled, make_car_photos


@pytest.fixture
def reports(tmp_path, monkeypatch):
    for name in (*VARIABLES, *RENAMED_OPTIONS):
        monkeypatch.delenv(f"CARSEG_{name.upper()}", raising=False)
    monkeypatch.setenv("CARSEG_REPORTS", str(tmp_path / "reports"))
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "reports"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "a command is missing: run, report, "),
        (["fly"], "there is no command 'fly'"),
        (["inspec"], "there is no command 'inspec'; did you mean 'inspect'?"),
        (["run", "--dat", "photos"], "there is no option '--dat'; did you mean '--data'?"),
        (["run", "--data", "nowhere"], "DATA='nowhere' does not exist"),
        (["run", "--data", "photos", "--profile", "quik"], "did you mean 'quick'?"),
        (["run", "--data", "photos", "--set", "epoch=3"], "did you mean 'train.epochs'?"),
        (["run", "--data", "photos", "--seed", "1.5"], "seed = '1.5' (SEED): must be a whole number"),
        (["run", "--data", "photos", "--run", "../x"], "RUN='../x'"),
        (["run", "--data", "photos", "--classes", "suv"], "CLASSES=suv: a study needs two body types or more"),
        (["inspect", "--data", "nowhere"], "DATA='nowhere' does not exist"),
        (["report"], "There is no run 'quick'"),
        (["check-reference", "--profile", "smoke"], "There is no run 'smoke'"),
        (["predict"], "by IMAGES=path"),
        (["report", "--run", "index.html"], "RUN='index.html'"),
        (["lab", "--run", "mine"], "There is no run 'mine'"),
    ],
)
def test_a_mistake_is_one_line_and_2(reports, capsys, words, message):
    assert main(words) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("carseg: ")
    assert message in said.err
    assert said.err.count("\n") == 1
    assert not reports.exists()


def test_variables_of_make_are_the_defaults(reports, capsys, monkeypatch):
    asked = []
    monkeypatch.setattr(pipeline, "make_run", lambda run, until: asked.append((run, until)) or ["01"])
    for name, value in {"DATA": "photos", "PROFILE": "smoke", "SEED": "0", "SET": "epochs=3", "RUN": "mine"}.items():
        monkeypatch.setenv(f"CARSEG_{name}", value)
    assert main(["run", "--until", "03_training", "--seed", "4"]) == 0
    (run, until) = asked[0]
    assert (run.name, run.config.profile, run.config.seed, run.config.train.epochs, until) == (
        "mine",
        "smoke",
        4,
        3,
        "03_training",
    )
    assert capsys.readouterr().out.splitlines()[0] == "run mine: smoke profile, photos, seed 4, device auto"


def test_inspect_takes_the_settings_of_the_data(reports, capsys, tmp_path):
    folder = make_car_photos(tmp_path / "cars", {"train": 2, "validation": 1, "test": 1}, (24, 16))
    add_unlabelled(folder, "train", 3)
    assert main(["inspect", "--data", str(folder), "--set", "unlabelled=background"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "cars: COCO annotations, 16 photos, 16 labelled cars, 3 photos without a car"
    assert [line.split() for line in lines if line.startswith("background")] == [
        ["background", "3", "0", "0", "3"],  # as the data have them
        ["background", "1", "1", "1", "3"],  # as a run divides them
    ]
    assert main(["inspect", "--data", str(folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "  no labelled car: 3" in lines and not any(line.startswith("background") for line in lines)
    assert not reports.exists()


def test_nothing_to_be_done_is_said(reports, capsys, monkeypatch):
    monkeypatch.setattr(pipeline, "make_run", lambda run, until: [])
    assert main(["run", "--data", "photos"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "nothing to be done: reports/quick/index.html is up to date"


def test_a_failure_that_is_no_mistake_is_1(reports, capsys, monkeypatch):
    def fail(run: object, until: str) -> None:
        raise NotebookFailedError("03_training.ipynb, cell [4]:\nZeroDivisionError: division by zero")

    monkeypatch.setattr(pipeline, "make_run", fail)
    assert main(["run", "--data", "photos"]) == 1
    assert "ZeroDivisionError: division by zero" in capsys.readouterr().err


def test_a_full_disk_is_one_line(reports, capsys, monkeypatch):
    def fail(run: object, until: str) -> None:
        raise OSError(28, "No space left on device", "/reports/x")

    monkeypatch.setattr(pipeline, "make_run", fail)
    assert main(["run", "--data", "photos"]) == 2
    assert capsys.readouterr().err == (
        "carseg: The disk is full: /reports/x was not written. Free some space and run again.\n"
    )


def test_a_file_that_cannot_be_read_is_not_told_as_one_that_cannot_be_written(reports, capsys, monkeypatch):
    def fail(run: object, until: str) -> None:
        raise PermissionError(13, "Permission denied", "/photos/a.jpg")

    monkeypatch.setattr(pipeline, "make_run", fail)
    assert main(["run", "--data", "photos"]) == 2
    assert capsys.readouterr().err == (
        "carseg: /photos/a.jpg: Permission denied. Check the permissions of it and of its folder.\n"
    )


def test_other_data_get_a_run_of_their_own_and_the_first_line_says_so(reports, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(pipeline, "make_run", lambda run, until: run.save() and ["01"])
    (tmp_path / "others").mkdir()
    (tmp_path / "others" / "b.jpg").write_bytes(b"x")
    assert main(["run", "--data", "photos"]) == 0
    (reports / "quick" / "stamps").mkdir()
    (reports / "quick" / "stamps" / "01.json").write_text("{}")
    capsys.readouterr()
    assert main(["run", "--data", "others"]) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith("run quick-others (run quick holds other photos): quick profile, others, ")
    assert main(["run", "--data", "others", "--run", "quick"]) == 2
    said = capsys.readouterr().err
    assert f"holds the results of DATA={tmp_path / 'photos'}" in said
    assert "DATA=others" in said
    assert said.count("\n") == 1


def test_before_any_training_the_model_that_comes_with_carseg_predicts(reports, monkeypatch, capsys):
    seen = []
    monkeypatch.setattr(predict, "predict_path", lambda run, *_: seen.append((run.name, run.config.device)))
    assert main(["predict", "--images", "a.jpg"]) == 0
    assert "no run is trained yet: the model that comes with carseg, trained on " in capsys.readouterr().out
    assert main(["predict", "--images", "a.jpg", "--run", "packaged", "--device", "cpu"]) == 0
    assert seen == [("packaged", "auto"), ("packaged", "cpu")] and (reports / "packaged" / "model").is_dir()
    assert main(["predict", "--images", "a.jpg", "--run", "quick"]) == 2
    assert "There is no run 'quick'" in capsys.readouterr().err
    assert main(["run", "--run", "packaged"]) == 2
    assert "kept for the model that comes with carseg" in capsys.readouterr().err


def test_predict_takes_another_device(reports, monkeypatch, capsys):
    monkeypatch.setattr(pipeline, "make_run", lambda run, until: run.save() and ["01"])
    assert main(["run", "--data", "photos", "--device", "cuda"]) == 0
    files.write_json(Run.open("quick").best_card, {})
    seen = []
    monkeypatch.setattr(predict, "predict_path", lambda run, *_: seen.append(run.config.device))
    assert main(["predict", "--images", "a.jpg"]) == 0
    assert main(["predict", "--images", "a.jpg", "--device", "cpu"]) == 0
    assert seen == ["cuda", "cpu"]
    capsys.readouterr()
    assert main(["predict", "--images", "a.jpg", "--save", "table mask"]) == 2
    assert "SAVE: 'mask' is none of page, overlays, json" in capsys.readouterr().err
    assert main(["predict", "--images", "a.jpg", "--device", "gpu"]) == 2
    assert "device = 'gpu' (DEVICE)" in capsys.readouterr().err


def test_the_lab_opens_without_a_run(reports, capsys, monkeypatch):
    opened = []
    monkeypatch.setattr("os.execv", lambda program, words: opened.append(words))
    main(["lab"])
    assert capsys.readouterr().out == (
        'the notebooks begin run "quick" on the built-in data set; make lab DATA=folder begins one on other photos\n'
    )
    assert not reports.exists()
    main(["lab", "--data", "photos"])
    assert 'say run_name = "quick"' in capsys.readouterr().out
    assert (reports / "quick" / "config.json").is_file()
    main(["lab"])
    assert 'say run_name = "quick"' in capsys.readouterr().out
    assert [words[1:3] for words in opened] == [["-m", "jupyterlab"]] * 3
    with pipeline.run_lock(Run.open("quick")):
        assert main(["lab", "--data", "photos"]) == 2
    assert "is being made already" in capsys.readouterr().err
    assert len(opened) == 3


def test_settings_are_listed_with_their_ranges(reports, capsys):
    assert main(["show-config", "--profile", "paper"]) == 0
    listed = capsys.readouterr().out
    assert "train.epochs                     30 " in listed
    assert "(a whole number from 1 up to 1,000)" in listed


@pytest.mark.parametrize(("former", "name"), RENAMED.items())
def test_a_former_command_is_refused_by_its_present_name(reports, capsys, former, name):
    assert main([former, "--data", "photos"]) == 2
    assert capsys.readouterr().err == f"carseg: {former} is now called {name}: carseg {name}\n"
    assert name in cli.commands
    assert former not in cli.commands


@pytest.mark.parametrize(("former", "name"), RENAMED_OPTIONS.items())
def test_a_former_option_or_variable_is_refused_by_its_present_name(reports, capsys, monkeypatch, former, name):
    command = {"images": "predict", "synthetic": "sim2real"}.get(name, "run")
    assert main([command, f"--{former}", "x"]) == 2
    assert capsys.readouterr().err == f"carseg: --{former} is now called --{name}: give --{name}=x\n"
    monkeypatch.setenv(f"CARSEG_{former.upper()}", "x")
    assert main([command]) == 2
    said = capsys.readouterr().err
    assert said == f"carseg: {former.upper()} is now called {name.upper()}: give {name.upper()}=x\n"
    assert not reports.exists()


def test_every_option_is_a_variable_of_make_and_has_a_help_text():
    own = {"until"}
    for name, command in cli.commands.items():
        assert command.help
        for parameter in command.params:
            if not parameter.hidden:
                assert parameter.name in {*VARIABLES, *own}, (name, parameter.name)


@pytest.mark.parametrize(
    "command", ["run", "inspect", "lab", "sim2real", "ablation", "benchmark", "train-segmenter", "eval-annotator"]
)
def test_every_command_that_reads_a_data_set_takes_its_classes(command):
    assert "classes" in {parameter.name for parameter in cli.commands[command].params}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["sim2real"], "name a folder of real photos by REAL=folder"),
        (["sim2real", "--real", "photos", "--synthetic", "nowhere"], "nowhere"),
        (["ablation", "--data", "nowhere"], "DATA='nowhere' does not exist"),
        (["ablation", "--data", "photos", "--classes", "suv"], "a study needs two body types or more"),
        (["ablation", "--set", "colour=red"], "there is no setting 'colour'"),
        (["benchmark", "--set", "repeats=0"], "repeats"),
        (["eval-annotator", "--data", "nowhere"], "DATA='nowhere' does not exist"),
        (["train-segmenter", "--data", "nowhere"], "DATA='nowhere' does not exist"),
        (["export"], "There is no run 'quick'"),
        (["update-reference"], "There is no run 'quick'"),
        (["show-config", "--profile", "quik"], "did you mean 'quick'?"),
        (["clean", "--run", "mine"], "there is no run mine"),
    ],
)
def test_a_mistake_in_the_options_of_other_commands(reports, capsys, words, message):
    assert main(words) == 2
    said = capsys.readouterr()
    assert said.err.startswith("carseg: ")
    assert message in said.err
    assert said.err.count("\n") == 1
    assert not reports.exists()


def test_classes_reach_the_experiments(reports, monkeypatch, capsys):
    from carseg_lib.experiments.ablation import config as ablation
    from carseg_lib.experiments.ablation import run as ablation_run
    from carseg_lib.experiments.benchmark import run as benchmark
    from carseg_lib.experiments.sim2real import config as sim2real
    from carseg_lib.experiments.sim2real import run as sim2real_run

    given = {}
    plan = make_dataclass("Plan", [("cluster", str, "")])()
    monkeypatch.setattr(ablation, "create_plan", lambda *args, **options: given.update(ablation=options) or plan)
    monkeypatch.setattr(ablation_run, "run_ablation", lambda plan: reports / "ablation.md")
    monkeypatch.setattr(sim2real, "create_plan", lambda *args, **options: given.update(sim2real=options) or plan)
    monkeypatch.setattr(sim2real_run, "run_sim2real", lambda plan: reports / "index.html")
    monkeypatch.setattr(
        benchmark, "run_benchmark", lambda *args, **options: given.update(benchmark=options) or reports / "b.md"
    )
    for command in ("ablation", "sim2real", "benchmark"):
        assert main([command, "--classes", "wagon hatchback"]) == 0
        assert given[command]["classes"] == "wagon hatchback"
    assert capsys.readouterr().out.splitlines() == [
        "done: reports/ablation.md",
        "done: reports/index.html",
        "done: reports/b.md",
    ]
