"""The command line's layer on click: defaults from the environment, one line for a mistake, exit codes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import click
import pytest

from carseg_lib.core.cli import (
    CarsegGroup,
    end_like_ctrl_c,
    option,
    renamed_option,
    run_command,
    sigterm_as_ctrl_c,
    whole_number,
)
from carseg_lib.core.errors import CarsegError


@pytest.fixture
def group(monkeypatch):
    for name in ("DATA", "NUM_IMAGES", "N"):
        monkeypatch.delenv(f"CARSEG_{name}", raising=False)

    @click.group(cls=CarsegGroup, help="A study.")
    def study() -> None: ...

    @study.command("run", help="run the study")
    @option("num_images", "how many photos")
    @renamed_option("n", "num_images")
    @option("data", "the photos")
    @click.option("--first", type=int, default=0, help="where to begin")
    def run(**values: object) -> None:
        study.values = values

    @study.command("check", help="check the photos")
    def check() -> int:
        return 1

    def fail(error: BaseException) -> None:
        @study.command("fail")
        def failing() -> None:
            raise error

    study.add_failure = fail
    return study


def values(group, *words):
    assert run_command(group, ["run", *words], prog="carseg") == 0
    return group.values


def test_options_are_text_as_the_user_wrote_it(group):
    given = values(group, "--data", " ~/my cars ", "--num-images", "007", "--first", "3")
    assert given == {"num_images": "007", "data": " ~/my cars ", "first": 3}
    assert values(group) == {"num_images": "", "data": "", "first": 0}


def test_the_environment_has_the_defaults(group, monkeypatch):
    monkeypatch.setenv("CARSEG_DATA", " a\n$(b) 'c' ")
    monkeypatch.setenv("CARSEG_NUM_IMAGES", "12")
    assert values(group) == {"num_images": "12", "data": " a\n$(b) 'c' ", "first": 0}
    assert values(group, "--data", "photos")["data"] == "photos"
    assert values(group, "--data", "")["data"] == ""
    monkeypatch.setenv("CARSEG_NUM_IMAGES", "")
    assert values(group)["num_images"] == ""


def test_names_that_are_no_text_of_this_locale_pass(group, monkeypatch):
    name = os.fsdecode(b"caf\xe9")
    monkeypatch.setenv("CARSEG_DATA", name)
    assert values(group)["data"] == name
    assert values(group, "--data", name + "2")["data"] == name + "2"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "a command is missing: run, check (see: carseg --help)"),
        (["rum"], "there is no command 'rum'; did you mean 'run'? (see: carseg --help)"),
        (["fly"], "there is no command 'fly'; known are: run, check (see: carseg --help)"),
        (["--fast"], "there is no option '--fast'; known are: --help (see: carseg --help)"),
        (["run", "--dat", "photos"], "there is no option '--dat'; did you mean '--data'? (see: carseg run --help)"),
        (["run", "--num-image=3"], "there is no option '--num-image'; did you mean '--num-images'?"),
        (["run", "photos"], "Got unexpected extra argument (photos) (see: carseg run --help)"),
        (["run", "--data"], "Option '--data' requires an argument."),
        (
            ["run", "--first", "two"],
            "Invalid value for '--first': 'two' is not a valid integer (see: carseg run --help)",
        ),
        (["run", "--n", "3"], "--n is now called --num-images: give --num-images=3\n"),
        (["run", "--n="], "--n is now called --num-images: give --num-images=\n"),
    ],
)
def test_a_mistake_is_one_line_and_2(group, capsys, words, message):
    assert run_command(group, words, prog="carseg") == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(f"carseg: {message}")
    assert shown.err.count("\n") == 1


def test_a_former_variable_is_refused_with_its_new_name(group, capsys, monkeypatch):
    monkeypatch.setenv("CARSEG_N", "3")
    assert run_command(group, ["run"]) == 2
    assert capsys.readouterr().err == "carseg: N is now called NUM_IMAGES: give NUM_IMAGES=3\n"
    assert run_command(group, ["check"]) == 1  # a command without the option does not look at it
    monkeypatch.setenv("CARSEG_N", "")
    assert run_command(group, ["run"]) == 0


def test_an_exit_code_is_what_the_command_returned(group):
    assert run_command(group, ["check"]) == 1
    assert run_command(group, ["run"]) == 0


def test_help_lists_commands_and_variables_but_no_former_names(group, capsys):
    assert run_command(group, ["--help"], prog="carseg") == 0
    shown = capsys.readouterr().out
    assert shown.startswith("Usage: carseg [OPTIONS] COMMAND [ARGS]...")
    assert shown.index("run the study") < shown.index("check the photos")
    assert run_command(group, ["run", "-h"], prog="carseg") == 0
    shown = capsys.readouterr().out
    assert "--num-images NUM_IMAGES" in shown
    assert "how many photos" in shown
    assert "--n " not in shown


def test_the_processs_own_words_are_the_default(group, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["carseg", "run", "--data", "photos"])
    assert run_command(group) == 0
    assert group.values["data"] == "photos"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (CarsegError("photos.csv,\n  row 3: no box"), "carseg: photos.csv, row 3: no box\n"),
        (
            OSError(28, "No space left on device", "/reports/x"),
            "carseg: The disk is full: /reports/x was not written. Free some space and run again.\n",
        ),
        (
            PermissionError(13, "Permission denied", "/photos/a.jpg"),
            "carseg: /photos/a.jpg: Permission denied. Check the permissions of it and of its folder.\n",
        ),
    ],
)
def test_a_users_mistake_and_a_refusing_disk_are_one_line(group, capsys, error, message):
    group.add_failure(error)
    assert run_command(group, ["fail"]) == 2
    assert capsys.readouterr().err == message


@pytest.mark.parametrize("error", [ValueError("odd"), EOFError("short"), FileNotFoundError(2, "No such file", "x")])
def test_a_fault_of_the_program_keeps_its_traceback(group, error):
    group.add_failure(error)
    with pytest.raises(type(error)) as raised:
        run_command(group, ["fail"])
    assert raised.value is error


def test_ctrl_c_is_130_and_one_line(group, capsys):
    group.add_failure(KeyboardInterrupt())
    assert run_command(group, ["fail"]) == 130
    assert capsys.readouterr().err == (
        "\ncarseg: stopped. What is finished is kept: the same command goes on from there.\n"
    )


def test_sigterm_is_as_ctrl_c_within_a_command_alone(group):
    @group.command("wait")
    def wait() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)

    before = signal.getsignal(signal.SIGTERM)
    assert run_command(group, ["wait"]) == 130
    assert signal.getsignal(signal.SIGTERM) is before


def test_sigterm_interrupts_where_ctrl_c_is_ignored():
    """As nohup and scripts start what runs in the background."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with pytest.raises(KeyboardInterrupt):
            end_like_ctrl_c()
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_command_runs_in_another_thread_than_the_main_one():
    entered = []

    def enter() -> None:
        with sigterm_as_ctrl_c():
            entered.append(True)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert entered == [True]


def test_a_reader_that_goes_away_is_no_fault():
    code = (
        "import click, sys\n"
        "from carseg_lib.core.cli import CarsegGroup, run_command\n"
        "group = CarsegGroup('carseg')\n"
        "@group.command('count')\n"
        "def count():\n"
        "    for number in range(100000): print(number)\n"
        "sys.exit(run_command(group, ['count']))\n"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "0\n"
    child.stdout.close()
    assert child.stderr.read() == ""
    assert child.wait() == 0


def test_the_layer_is_light():
    code = "import sys, carseg_lib.core.cli; print(*{'torch', 'pandas', 'numpy', 'pydantic', 'PIL'} & {*sys.modules})"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "\n"


def test_whole_numbers():
    assert whole_number("0", "N") == 0
    assert whole_number("007", "N") == 7
    for text in ("", "-1", "1.5", "1e3", "1" * 10, "٣"):
        with pytest.raises(CarsegError, match=f"^SEED={text.replace('.', '[.]')}: must be a whole number, 0 or more$"):
            whole_number(text, "SEED")
