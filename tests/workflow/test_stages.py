"""carseg_lib.workflow.stages: what each step of the study reads, an earlier one writes."""

import itertools

from carseg_lib.core.paths import project_folder
from carseg_lib.workflow.stages import STAGES, Project


def test_the_steps_of_the_study_fit_together():
    assert [step.name for step in STAGES] == [
        "01_data_exploration",
        "02_preprocessing",
        "03_training",
        "04_evaluation",
        "report",
    ]
    written: set[str] = {"config.json", "provenance.json", "figures/*"}
    for step in STAGES:
        assert set(step.reads) <= written, step.name
        written |= set(step.writes)
    for earlier, later in itertools.pairwise(STAGES[:4]):
        assert set(earlier.sections) <= set(later.sections)


def test_a_steps_notebook_is_the_repositorys():
    notebook = Project().notebook(STAGES[0])
    assert notebook == project_folder() / "notebooks" / "01_data_exploration.ipynb" and notebook.is_file()
