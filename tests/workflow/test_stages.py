"""carseg_lib.workflow.stages: what each stage of the study reads, an earlier one writes."""

import itertools
import subprocess
import sys

from carseg_lib.core.code_fingerprint import imported_files
from carseg_lib.core.config import RunConfig
from carseg_lib.core.paths import project_folder
from carseg_lib.core.run import Run
from carseg_lib.workflow.stages import CERTAINTY, STAGES, Project
from carseg_lib.workflow.stamps import file_states

NOTEBOOKS = STAGES[:-1]


def test_the_stages_of_the_study_fit_together():
    assert [stage.name for stage in STAGES] == [
        "01_data_exploration",
        "01b_rendered_cars",
        "02_preprocessing",
        "03_training",
        "04_evaluation",
        "report",
    ]
    written: set[str] = {"config.json", "provenance.json", "figures/*", "../*/readings.csv"}
    for stage in (*NOTEBOOKS, CERTAINTY, STAGES[-1]):
        assert set(stage.reads) <= written, stage.name
        written |= set(stage.writes)
    for earlier, later in itertools.pairwise(NOTEBOOKS):
        assert set(earlier.settings) <= set(later.settings)
    config = RunConfig(name="r", profile="quick")
    for stage in STAGES:
        config.select(*stage.settings)


def test_the_page_depends_on_the_readings_beside_it_and_may_leave_photos(tmp_path):
    report, folder = STAGES[-1], tmp_path / "reports" / "quick"
    beside = tmp_path / "reports" / "readings" / "readings.csv"
    for path in (folder / "metrics.json", folder / "photos" / "000000.webp", beside):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    assert set(file_states(folder, report.reads, {})) == {"metrics.json", "../readings/readings.csv"}
    assert set(file_states(folder, report.may_write, {})) == {"photos/000000.webp"}


def test_a_stages_notebook_is_the_repositorys():
    notebook = Project().notebook(STAGES[0])
    assert notebook == project_folder() / "notebooks" / "01_data_exploration.ipynb" and notebook.is_file()


def test_the_code_of_the_report_is_what_its_functions_import():
    source = STAGES[-1].function_source()
    assert "write_report" in source and "write_index" in source
    reached = set(imported_files(project_folder(), ("carseg_lib",), source, "report"))
    assert {
        "carseg_lib/reporting/html/page.py",
        "carseg_lib/reporting/html/templates/page.html",
        "carseg_lib/paper/claims.py",
    } <= reached
    # It trains nothing, and a change of the workflow itself makes no page stale.
    assert not any(name.startswith(("carseg_lib/models", "carseg_lib/workflow")) for name in reached)
    assert not any(name in ("carseg_lib/engine/trainer.py", "carseg_lib/engine/preflight.py") for name in reached)
    assert all(stage.function_source() == "" for stage in NOTEBOOKS)


def test_the_check_of_the_training_is_the_preflight(monkeypatch):
    from carseg_lib.engine import preflight

    seen = []
    monkeypatch.setattr(preflight, "check", seen.append)
    run = Run(RunConfig(name="r", profile="quick"))
    next(stage for stage in STAGES if stage.name == "03_training").check(run)
    assert seen == [run.config]


def test_the_stages_import_nothing_heavy():
    code = (
        "import sys, carseg_lib.workflow.pipeline, carseg_lib.workflow.cli\n"
        "print([name for name in ('torch', 'matplotlib', 'papermill', 'sklearn') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=project_folder(), capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_rendered_cars_have_a_stage_where_photos_have_parameters(tmp_path):
    (stage,) = (stage for stage in STAGES if stage.applies)
    assert stage.name == "01b_rendered_cars"
    config = RunConfig(name="r", profile="quick").updated(data={"source": str(tmp_path)})
    assert not stage.applies(Run(config))
    (tmp_path / "parameters.csv").write_text("photo_id\n")
    assert stage.applies(Run(config))
