"""carseg_lib.workflow.pipeline on a small project of its own: what runs, what does not, and what a failure leaves."""

from __future__ import annotations

import dataclasses
import fcntl
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil
import pytest

from carseg_lib.core import code_fingerprint
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.paths import project_folder
from carseg_lib.core.profiles import parse_overrides
from carseg_lib.core.run import Run
from carseg_lib.workflow import notebooks, pipeline, provenance
from carseg_lib.workflow.notebooks import NotebookFailedError
from carseg_lib.workflow.stages import Project, Stage


def write_page(folder: Path) -> None:
    from fakelib.page import write_page as write

    write(folder)


STAGES = (
    Stage("01_read", ("data",), (), ("table.csv",), reads_data=True),
    Stage("02_train", ("data", "train", "model"), ("table.csv",), ("model/*.pt",), reads_weights=True),
    Stage("03_score", ("data", "train", "model", "eval"), ("model/*.pt",), ("metrics.json",)),
    Stage("page", (), ("metrics.json", "figures/*"), ("index.html",), function=write_page),
)
MODULES = {
    "__init__": '"""A library."""\n',
    "reading": "def read(folder):\n    from fakelib import words\n\n    return words.SEPARATOR.join(folder)\n",
    "words": 'SEPARATOR = ","\n',
    "training": "from fakelib.losses import loss\n\n\ndef train(table):\n    return loss(table)\n",
    "losses": "def loss(table):\n    return len(table)\n",
    "page": "def write_page(folder):\n    (folder / 'index.html').write_text('page')\n",
    "unused": "x = 1\n",
}
CODE = {
    "01_read": "from fakelib.reading import read",
    "02_train": "from fakelib import training, words",
    "03_score": "import fakelib.losses as losses",
}


def write_notebook(path: Path, *cells: str, parameters: str = 'run_name = "quick"') -> None:
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "carseg", "display_name": "carseg"}})
    notebook.cells = [nbformat.v4.new_markdown_cell("# Title"), nbformat.v4.new_code_cell(parameters)]
    notebook.cells[1].metadata["tags"] = ["parameters"]
    notebook.cells += [nbformat.v4.new_code_cell(cell) for cell in cells]
    nbformat.write(notebook, path)


class Lab:
    """A project in a temporary folder, whose notebooks are run by a stand-in that writes what they would."""

    def __init__(self, folder: Path, log: pytest.LogCaptureFixture):
        self.folder, self.ran, self.log = folder, [], log
        self.project = Project(folder, "fakelib", STAGES)
        self.data = folder / "photos"
        for sub in ("photos", "notebooks", "fakelib"):
            (folder / sub).mkdir()
        (self.data / "a.jpg").write_bytes(b"a")
        for name, text in MODULES.items():
            (folder / "fakelib" / f"{name}.py").write_text(text)
        for name, text in CODE.items():
            write_notebook(folder / "notebooks" / f"{name}.ipynb", text)
        (folder / "requirements.lock").write_text("numpy==1\n")
        self.fail = None

    def study(self, settings: str = "", **asked) -> Run:
        return Run.create(name="mine", data=self.data, overrides=parse_overrides(settings), **asked)

    def make(self, settings: str = "", until: str = "page", **asked) -> list[str]:
        self.log.clear()
        return pipeline.make_run(self.study(settings, **asked), until, self.project)

    @property
    def said(self) -> list[str]:
        """What the last call logged."""
        return self.log.messages

    def run_notebook(self, path: Path, parameters: dict, environment: dict):
        assert parameters == {"run_name": "mine"}
        assert path == self.folder / "notebooks" / path.name
        run = Path(environment["CARSEG_REPORTS"]) / "mine"
        if path.stem == self.fail:
            raise NotebookFailedError("boom")
        self.ran.append(path.stem)
        if path.stem == "01_read":
            (run / "table.csv").write_text("".join(sorted(p.read_text() for p in self.data.iterdir())))
            (run / "figures").mkdir(exist_ok=True)
            for figure in self.figures:
                (run / "figures" / figure).write_text("figure")
        elif path.stem == "02_train":
            (run / "model").mkdir(exist_ok=True)
            study = Run.open("mine")
            (run / "model" / "best.pt").write_text((run / "table.csv").read_text() + str(study.config.train.lr))
        else:
            (run / "metrics.json").write_text((run / "model" / "best.pt").read_text())
        return nbformat.read(path, as_version=4), 123.5

    figures = ("one.png", "two [2].png")


@pytest.fixture
def lab(tmp_path, monkeypatch, caplog):
    caplog.set_level("INFO", logger="carseg_lib.workflow.pipeline")
    monkeypatch.setenv("CARSEG_REPORTS", str(tmp_path / "reports"))
    monkeypatch.syspath_prepend(tmp_path)
    lab = Lab(tmp_path, caplog)
    monkeypatch.setattr(notebooks, "run_notebook", lab.run_notebook)
    monkeypatch.setattr(notebooks, "export_html", lambda notebook, name: f"<p>{name}</p>")
    yield lab
    for name in [name for name in sys.modules if name.split(".")[0] == "fakelib"]:
        del sys.modules[name]


ALL = ["01_read", "02_train", "03_score", "page"]


def test_the_first_call_runs_all_and_the_second_nothing(lab):
    assert lab.make() == ALL
    assert lab.said[0] == "[1/4] 01_read (not made yet)"
    assert lab.make() == []
    assert lab.said == []
    assert lab.ran == ALL[:3]


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text() + text)


def edit_notebook(lab: Lab, name: str, cell: str) -> None:
    write_notebook(lab.folder / "notebooks" / f"{name}.ipynb", CODE[name], cell)


def edit_prose(lab: Lab, name: str) -> None:
    path = lab.folder / "notebooks" / f"{name}.ipynb"
    path.write_text(path.read_text().replace("# Title", "# Another title"))


CHANGES = {
    "the prose of a notebook": (
        lambda lab: edit_prose(lab, "02_train"),
        ["02_train"],
        "the prose of notebooks/02_train.ipynb changed",
    ),
    "a notebook": (
        lambda lab: edit_notebook(lab, "02_train", "x = 1"),
        ["02_train"],
        "notebooks/02_train.ipynb changed",
    ),
    "a module of one step": (
        lambda lab: append(lab.folder / "fakelib/reading.py", "\ny = 2\n"),
        ["01_read"],
        "fakelib/reading.py changed",
    ),
    "a module that two steps reach": (
        lambda lab: append(lab.folder / "fakelib/losses.py", "\ny = 2\n"),
        ["02_train", "03_score"],
        "fakelib/losses.py changed",
    ),
    "a module that a module reaches": (
        lambda lab: append(lab.folder / "fakelib/words.py", "\ny = 2\n"),
        ["01_read", "02_train"],
        "fakelib/words.py changed",
    ),
    "a module nobody reaches": (lambda lab: append(lab.folder / "fakelib/unused.py", "\ny = 2\n"), [], ""),
    "the package itself": (
        lambda lab: append(lab.folder / "fakelib/__init__.py", "\ny = 2\n"),
        ALL,
        "__init__.py changed",
    ),
    "the page's module": (lambda lab: append(lab.folder / "fakelib/page.py", "\ny = 2\n"), ["page"], "page.py changed"),
    "a comment": (lambda lab: append(lab.folder / "fakelib/losses.py", "\n# a comment\n"), [], ""),
    "the lock": (lambda lab: append(lab.folder / "requirements.lock", "x==1\n"), ALL, "requirements.lock changed"),
    "a photo": (lambda lab: (lab.data / "a.jpg").write_bytes(b"b"), ALL, "the data set changed"),
    "a new photo": (lambda lab: (lab.data / "b.jpg").write_bytes(b"b"), ALL, "the data set changed"),
    "the time of a photo": (lambda lab: os.utime(lab.data / "a.jpg", (1, 1)), [], ""),
    "the time of a notebook": (lambda lab: os.utime(lab.folder / "notebooks/01_read.ipynb", (1, 1)), [], ""),
    "a missing table": (
        lambda lab: (lab.folder / "reports/mine/table.csv").unlink(),
        ["01_read"],
        "table.csv is missing",
    ),
    "a missing figure": (
        lambda lab: (lab.folder / "reports/mine/figures/two [2].png").unlink(),
        ["01_read"],
        "figures/two [2].png is missing",
    ),
    "a missing executed notebook": (
        lambda lab: (lab.folder / "reports/mine/notebooks/03_score.html").unlink(),
        ["03_score"],
        "notebooks/03_score.html is missing",
    ),
    "an altered result": (
        lambda lab: (lab.folder / "reports/mine/metrics.json").write_text("1"),
        ["03_score"],
        "metrics.json was altered",
    ),
    "a broken stamp": (
        lambda lab: (lab.folder / "reports/mine/stamps/02_train.json").write_text("{"),
        ["02_train"],
        "not made yet",
    ),
    "a missing page": (
        lambda lab: (lab.folder / "reports/mine/index.html").unlink(),
        ["page"],
        "index.html is missing",
    ),
}


@pytest.fixture
def known_machine(monkeypatch):
    """Versions and a machine as given: to look them up, which test_provenance tests, takes most of the time here."""
    version = {"version": "1", "commit": None, "modified": None}
    monkeypatch.setattr(provenance, "code_version", lambda root: version)
    monkeypatch.setattr(provenance, "_version", lambda package: "1")
    monkeypatch.setattr(provenance, "hardware", lambda: {"cores": 2})


@pytest.mark.usefixtures("known_machine")
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_reruns_what_depends_on_it_and_no_more(lab, change):
    lab.make()
    apply, expected, reason = CHANGES[change]
    apply(lab)
    ran = lab.make()
    assert ran == expected
    assert not expected or reason in lab.said[0]
    assert lab.make() == []


@pytest.mark.usefixtures("known_machine")
@pytest.mark.parametrize(
    ("settings", "expected", "reason"),
    [
        ("lr=0.01", ALL[1:], "[2/4] 02_train (train.lr 0.0007 → 0.01)"),
        ("bootstrap_samples=300", ["03_score"], "[3/4] 03_score (eval.bootstrap_samples 1000 → 300)"),
        ("width=128", [], ""),  # of no part that these stages name
    ],
)
def test_a_setting_reruns_the_steps_that_use_it(lab, settings, expected, reason):
    assert lab.study().config.train.lr == 0.0007
    lab.make()
    assert lab.make(settings) == expected
    assert not expected or lab.said[0] == reason
    assert lab.make(settings) == []


def test_a_checkpoints_content_counts(lab):
    weights = lab.folder / "mine.pt"
    weights.write_text("1")
    lab.make(weights=str(weights))
    weights.write_text("2")
    assert lab.make(weights=str(weights)) == ["02_train"]  # whose output stays the same


def test_until_stops_and_the_rest_follows_later(lab):
    assert lab.make(until="02_train") == ALL[:2]
    assert lab.said[-1].startswith("[2/2] 02_train: done in ")
    assert lab.make() == ALL[2:]
    with pytest.raises(CarsegError, match=r"There is no stage '02'; known are: 01_read, "):
        lab.make(until="02")


def test_a_failing_notebook_leaves_no_output_and_runs_again(lab):
    lab.fail = "02_train"
    with pytest.raises(NotebookFailedError):
        lab.make()
    left = {path.name for path in (lab.folder / "reports/mine").rglob("*")}
    assert "01_read.ipynb" in left
    assert not left & {"02_train.ipynb", "02_train.html", "02_train.json", "best.pt", "index.html"}
    lab.fail = None
    assert lab.make() == ALL[1:]


def test_a_notebook_that_leaves_no_result_is_told(lab, monkeypatch):
    monkeypatch.setattr(notebooks, "run_notebook", lambda path, *_: (nbformat.read(path, as_version=4), 1))
    with pytest.raises(CarsegError, match=r"01_read ended without leaving .*table\.csv"):
        lab.make()


def test_figures_no_longer_drawn_are_removed(lab):
    lab.make()
    lab.figures = ("one.png",)
    edit_notebook(lab, "01_read", "x = 1")
    lab.make()
    assert [p.name for p in (lab.folder / "reports/mine/figures").iterdir()] == ["one.png"]
    assert lab.make() == []


def test_provenance_keeps_the_record_of_skipped_steps(lab):
    lab.make()
    path = lab.folder / "reports/mine/provenance.json"
    before = json.loads(path.read_text())
    edit_notebook(lab, "03_score", "x = 1")
    lab.make()
    after = json.loads(path.read_text())
    assert [step["name"] for step in after["steps"]] == ALL[:3]
    assert after["steps"][:2] == before["steps"][:2]
    assert after["steps"][2]["why"] == "notebooks/03_score.ipynb changed"
    assert all(step["peak_memory_mb"] == 123.5 and step["seconds"] >= 0 for step in after["steps"])
    assert after["data"]["sha256"] == json.loads((path.parent / "stamps/01_read.json").read_text())["data"]["content"]


def test_provenance_that_a_kill_left_behind_is_written_before_the_page(lab):
    lab.make()
    path = lab.folder / "reports/mine/provenance.json"
    whole = json.loads(path.read_text())
    path.write_text(json.dumps(whole | {"steps": whole["steps"][:2]}))  # killed after the stamp of 03_score
    (path.parent / "index.html").unlink()
    assert lab.make() == ["page"]
    assert json.loads(path.read_text())["steps"] == whole["steps"]
    path.unlink()
    pipeline.make_report(lab.study(), lab.project)
    assert json.loads(path.read_text())["steps"] == whole["steps"]
    assert lab.make() == []


def test_leftovers_of_a_killed_run_are_removed(lab):
    lab.make()
    left = lab.folder / "reports/mine/figures/.one.png.0123abcd.tmp"
    left.write_bytes(b"half")
    assert lab.make() == []
    assert not left.exists()


CHECK = """
import os
from pathlib import Path
from carseg_lib.core.errors import CarsegError

def check(study):
    with Path(__file__).parents[1].joinpath("checked").open("a") as file:
        file.write(f"{study.config.train.lr} {os.getpid()}\\n")
    if study.config.train.lr > 0.5:
        raise CarsegError("lr: no such thing")
    if study.config.train.lr > 0.4:
        os._exit(1)
"""


def test_a_step_is_tried_before_the_first_one_runs_and_only_if_it_must_run(lab):
    (lab.folder / "fakelib" / "trying.py").write_text(CHECK)
    trying = importlib.import_module("fakelib.trying")
    stages = [dataclasses.replace(stage, check=trying.check if "train" in stage.name else None) for stage in STAGES]
    lab.project = dataclasses.replace(lab.project, stages=tuple(stages))

    def checked() -> list[str]:
        path = lab.folder / "checked"
        return path.read_text().splitlines() if path.exists() else []

    for settings, message in (("lr=0.6", "lr: no such thing"), ("lr=0.45", "its process was ended")):
        with pytest.raises(CarsegError, match=message):
            lab.make(settings)
    assert lab.ran == []
    assert set(lab.said) == {"trying the model with these settings"}
    assert not (lab.folder / "reports/mine/config.json").exists()
    before = len(checked())
    assert lab.make(until="01_read") == ALL[:1]
    assert len(checked()) == before  # 02_train was not asked for
    assert lab.make() == ALL[1:]
    assert len(checked()) == before + 1
    assert lab.make() == []
    edit_notebook(lab, "03_score", "x = 1")
    assert lab.make() == ["03_score"]
    assert len(checked()) == before + 1
    with pytest.raises(CarsegError, match="lr: no such thing"):
        lab.make("lr=0.6")
    assert lab.make() == []  # nothing was lost
    assert str(os.getpid()) not in {line.split()[1] for line in checked()}


def test_a_second_process_is_refused_while_the_first_lives(lab):
    study = lab.study()
    with (
        pipeline.run_lock(study),
        pytest.raises(CarsegError, match=rf"being made already \(by process {os.getpid()}\)"),
    ):
        lab.make()
    assert lab.make() == ALL
    with (study.folder / ".lock").open() as left:  # the file stays, the lock does not
        fcntl.flock(left, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_the_report_alone_is_written_anew(lab):
    lab.make()
    assert pipeline.make_report(lab.study(), lab.project) == lab.folder / "reports/mine/index.html"
    assert lab.make() == []


# --- what a module reaches


def reach(folder: Path, source: str, **modules: str) -> list[str]:
    for name, text in modules.items():
        path = folder.joinpath("lib", *name.split("__")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "lib" / "__init__.py").touch()
    return [name.removeprefix("lib/") for name in code_fingerprint.imported_files(folder, ("lib",), source, "test")]


def test_code_changes_its_digest_and_english_does_not():
    code = 'CODE = 1\n\n\ndef f(x):\n    return "a", x\n'
    digest = code_fingerprint.code_digest(code, "test")
    polished = '"""What it is."""\nCODE = 1  # one\ndef f(x):\n    """What it does."""\n    return "a", x\n'
    other_words = polished.replace("What", "That which").replace("# one", "# the first")
    bare = code_fingerprint.code_digest('"""A."""\n', "test")
    assert bare == code_fingerprint.code_digest('"""Another."""\n', "test") != digest
    assert code_fingerprint.code_digest(polished, "test") == code_fingerprint.code_digest(other_words, "test")
    assert code_fingerprint.code_digest(code.replace("CODE = 1", "CODE = 2"), "test") != digest
    assert code_fingerprint.code_digest(code.replace('"a"', '"b"'), "test") != digest  # a text that is no docstring


def test_imports_of_every_form_are_followed(tmp_path):
    modules = dict.fromkeys("abcdefgh", "") | {"a": "import lib.b\nfrom . import c\nfrom .d import x\n"}
    modules["d"] = "def f():\n    import lib.e as e\n"
    modules["e"] = (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from lib import f\nelse:\n    import lib.g\n"
    )
    expected = ["__init__.py", "a.py", "b.py", "c.py", "d.py", "e.py", "g.py"]
    assert reach(tmp_path, "from lib import a", **modules) == expected


def test_a_package_brings_its_data_and_relative_imports(tmp_path):
    modules = {"sub__one": "from .two import x\nfrom ..top import y\n", "sub__two": "", "top": ""}
    (tmp_path / "lib" / "sub" / "templates").mkdir(parents=True)
    (tmp_path / "lib" / "sub" / "templates" / "page.html").write_text("x")
    (tmp_path / "lib" / "sub" / "__init__.py").touch()
    reached = reach(tmp_path, "from lib.sub.one import z", **modules)
    assert reached == [
        "__init__.py",
        "sub/__init__.py",
        "sub/one.py",
        "sub/templates/page.html",
        "sub/two.py",
        "top.py",
    ]


def test_a_circle_of_imports_ends(tmp_path):
    assert reach(tmp_path, "import lib.a", a="import lib.b", b="import lib.a") == ["__init__.py", "a.py", "b.py"]


def test_a_syntax_error_is_named(tmp_path):
    with pytest.raises(CarsegError, match=r"lib/a\.py row 2"):
        reach(tmp_path, "import lib.a", a="x = 1\ny = (\n")


# --- real kernels


def run(path: Path, **environment: str):
    return notebooks.run_notebook(path, {"run_name": "mine"}, environment)


def test_a_notebook_runs_in_this_python_and_prints_on_the_terminal(tmp_path, capfd, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    path = tmp_path / "{odd} name.ipynb"
    code = "import os, sys\nprint(run_name, os.environ['CARSEG_REPORTS'], sys.executable)\n"
    code += "held = bytearray(200_000_000)"
    write_notebook(path, code, "import matplotlib; matplotlib.get_backend()", "import time; time.sleep(0.6)", "")
    before = dict(os.environ)
    executed, memory = run(path, CARSEG_REPORTS="/somewhere")
    assert f"mine /somewhere {sys.executable}" in capfd.readouterr().out
    assert "inline" in executed.cells[4].outputs[0]["data"]["text/plain"]
    assert 200 < memory < 20_000
    assert dict(os.environ) == before
    page = notebooks.export_html(executed, "title")
    assert "<title>title</title>" in page
    assert not notebooks._LOADS_FROM_THE_WEB.search(page)
    assert "<script src" not in page


@pytest.mark.parametrize(
    ("cell", "error", "message"),
    [
        ("import sys; sys.exit(0)", NotebookFailedError, "cell 4 ended the notebook early"),
        ("1 / 0", NotebookFailedError, r"(?s)bad\.ipynb, cell \[3\]:.*ZeroDivisionError: division by zero"),
        (
            "from carseg_lib.core.errors import CarsegError\nraise CarsegError('no photos:\\n name some')",
            CarsegError,
            r"^no photos: name some$",
        ),
        ("import os; os._exit(1)", NotebookFailedError, "its kernel died"),
    ],
)
def test_a_cell_that_fails(tmp_path, monkeypatch, cell, error, message):
    monkeypatch.setenv("PYTHONPATH", str(project_folder()))
    write_notebook(tmp_path / "bad.ipynb", cell, "print('after')")
    with pytest.raises(error, match=message):
        run(tmp_path / "bad.ipynb")
    assert [path.name for path in tmp_path.iterdir()] == ["bad.ipynb"]


def test_parameters_are_checked_before_anything_runs(tmp_path):
    write_notebook(tmp_path / "a.ipynb", parameters="name = 1")
    with pytest.raises(CarsegError, match="its parameters cell has no run_name"):
        run(tmp_path / "a.ipynb")
    nbformat.write(nbformat.v4.new_notebook(), tmp_path / "b.ipynb")
    with pytest.raises(CarsegError, match="no cell tagged 'parameters'"):
        run(tmp_path / "b.ipynb")


def test_a_page_that_loads_from_the_web_is_refused():
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("![x](https://example.org/x.png)")])
    with pytest.raises(CarsegError, match=r"would load from the web: .*example\.org"):
        notebooks.export_html(notebook, "title")
    link = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_markdown_cell("[x](https://example.org) [the next](02_b.ipynb)")]
    )
    page = notebooks.export_html(link, "title")
    assert 'href="https://example.org"' in page
    assert "the next" in page and "02_b.ipynb" not in page, "the page lies where that notebook may not"


@pytest.mark.xdist_group("signals")
@pytest.mark.parametrize(
    ("how", "interrupts"),
    [
        (signal.SIGINT, signal.SIG_DFL),
        (signal.SIGTERM, signal.SIG_DFL),
        (signal.SIGTERM, signal.SIG_IGN),  # started in the background by a script or nohup
    ],
)
def test_ctrl_c_ends_the_kernel_and_what_it_started(tmp_path, how, interrupts):
    write_notebook(
        tmp_path / "long.ipynb",
        "import subprocess, sys, os",
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)'])\n"
        "print('pids', os.getpid(), child.pid, flush=True)",
        "import time; time.sleep(300)",
    )
    script = (
        "import sys; from pathlib import Path; from carseg_lib.workflow import cli, pipeline\n"
        "from carseg_lib.workflow.notebooks import run_notebook\n"
        "pipeline.make_run = lambda *_: run_notebook(Path(sys.argv[1]), {'run_name': 'x'}, {})\n"
        "sys.exit(cli.main(['run', '--profile', 'smoke']))"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "long.ipynb")]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=project_folder(),
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, interrupts),  # whatever this test run was started with
    )
    pids = []
    for line in process.stdout:
        if line.startswith("pids"):
            pids = [int(word) for word in line.split()[1:]]
            break
    time.sleep(1)
    process.send_signal(how)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    assert errors.strip().splitlines()[-1].startswith("carseg: stopped. What is finished is kept")
    assert "Task exception" not in errors
    assert len(pids) == 2
    assert not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie" for pid in pids)


@pytest.mark.xdist_group("signals")
def test_a_killed_run_takes_its_kernel_along(tmp_path):
    write_notebook(tmp_path / "long.ipynb", "import os, time; print('pid', os.getpid(), flush=True); time.sleep(300)")
    script = (
        "import sys; from pathlib import Path; from carseg_lib.workflow.notebooks import run_notebook\n"
        "run_notebook(Path(sys.argv[1]), {'run_name': 'x'}, {})"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "long.ipynb")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=project_folder()) as process:
        kernel = next(int(line.split()[1]) for line in process.stdout if line.startswith("pid"))
        process.kill()
        for _ in range(100):
            if not psutil.pid_exists(kernel) or psutil.Process(kernel).status() == "zombie":
                break
            time.sleep(0.1)
        else:
            pytest.fail("the kernel outlives the run")
