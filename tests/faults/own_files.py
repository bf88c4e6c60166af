"""Files that carseg itself wrote, and that a bad disk or a hand may have changed: of runs, caches and weights."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.faults.given_files import any_photos
from tests.faults.reader import Call


def saved_catalogue(folder: Path) -> Call:
    from carseg_lib.data.catalogue import Catalogue
    from carseg_lib.data.loader import load_catalogue
    from tests.helpers.drawn_cars import make_car_photos

    load_catalogue(make_car_photos(folder / "photos", per_type=3, size=(60, 40))).save(folder / "dataset")
    return lambda changed: Catalogue.load(folder / "dataset")


def run_config(folder: Path) -> Call:
    import os

    from carseg_lib.core.run import Run

    os.environ["CARSEG_REPORTS"] = str(folder / "reports")
    any_photos(folder)
    run = Run.create(profile="smoke", data=folder / "photos", name="a")
    run.save()

    def call(changed: Path) -> None:
        opened = Run.open("a")
        assert opened.name == "a" and opened.folder == run.folder

    return call


def stamp(folder: Path) -> Call:
    import os

    from carseg_lib.core.run import Run
    from carseg_lib.workflow.stage_run import StageRun
    from carseg_lib.workflow.stages import Project, Stage

    os.environ["CARSEG_REPORTS"] = str(folder / "reports")
    any_photos(folder)
    run = Run.create(profile="smoke", data=folder / "photos", name="a")
    project = Project(folder, "carseg_lib", (Stage("report", (), (), ("a.txt",), function=write_nothing),))
    (run.folder / "a.txt").parent.mkdir(parents=True, exist_ok=True)
    (run.folder / "a.txt").write_text("a")
    StageRun(run, project, project.stages[0]).run("fuzz")

    def call(changed: Path) -> None:
        stage = StageRun(run, project, project.stages[0])
        if not stage.reason():
            stage.refresh_state()
        stage.outdated()

    return call


def write_nothing(folder: Path) -> None:
    """A stage that leaves everything as it is."""


def notebook(folder: Path) -> Call:
    from carseg_lib.core.paths import project_folder
    from carseg_lib.workflow import notebooks

    source = project_folder() / "notebooks" / "01_data_exploration.ipynb"
    content = json.loads(source.read_text())
    content["cells"] = content["cells"][:6]
    (folder / "a.ipynb").write_text(json.dumps(content))

    def call(changed: Path) -> None:
        notebooks.notebook_code(changed)
        notebooks.notebook_prose(changed)
        notebooks.declared_parameters(changed)

    return call


def cache(folder: Path) -> Call:
    from carseg_lib.data.cache import open_cache
    from carseg_lib.data.loader import load_catalogue
    from tests.helpers.drawn_cars import make_car_photos

    catalogue = load_catalogue(make_car_photos(folder / "photos", per_type=3, size=(60, 40)))
    cache = folder / "cache"
    whole = open_cache(catalogue, ("train",), 64, 1.0, cache)
    truth = {name: whole.read(name) for name in whole.locations}

    def call(changed: Path) -> None:
        opened = open_cache(catalogue, ("train",), 64, 1.0, cache)
        assert opened.locations.keys() == truth.keys()
        for name, (image, masks) in truth.items():
            found = opened.read(name)
            assert found is not None and (found[0] == image).all() and (found[1] == masks).all()

    return call


def metrics(folder: Path) -> Call:
    """metrics.json, provenance.json and page.json of a run, as the list of runs and a comparison read them."""
    from carseg_lib.core.paths import use_runs_root
    from carseg_lib.reporting.html.runs import write_index
    from carseg_lib.workflow import reference
    from tests.helpers.drawn_cars import make_car_photos
    from tests.helpers.fake_run import make_run

    data = make_car_photos(folder / "photos", per_type=6, size=(60, 40))
    reports = folder / "reports"
    run = make_run(reports / "fake", data, figures="none")
    (run / "index.html").write_text("<!DOCTYPE html>")
    page = {"verdict": {"word": "no", "tone": "bad", "remark": ""}}
    page |= {"preview": {"picture": "data:,", "size": [60, 40], "outline": "M0 0"}}
    (run / "page.json").write_text(json.dumps(page))
    reference.write_reference([run], folder / "reference")

    def call(changed: Path) -> None:
        with use_runs_root(reports):
            if changed.parent.name == "reference":
                reference.compare_run(run, folder / "reference")
                return
            all_of([lambda: write_index(reports), lambda: reference.compare_run(run, folder / "reference")])

    return call


def all_of(steps: list[Callable[[], object]]) -> None:
    """Every step is tried, also after one that refused the file."""
    from carseg_lib.core.errors import CarsegError

    refused: CarsegError | None = None
    for step in steps:
        try:
            step()
        except CarsegError as error:
            refused = error
    if refused:
        raise refused


def paths_of(run: Path) -> Any:
    from carseg_lib.core.paths import RunPaths

    class Paths(RunPaths):
        name = run.name
        folder = run

    return Paths()


def page(folder: Path) -> Call:
    """The files of a run as its page reads them: tables, JSON, the data set."""
    from carseg_lib.reporting.html.page import write_report
    from carseg_lib.workflow import stamps
    from tests.helpers.drawn_cars import make_car_photos
    from tests.helpers.fake_run import make_run

    data = make_car_photos(folder / "photos", per_type=6, size=(60, 40))
    run = make_run(folder / "reports" / "fake", data, figures="none")
    outputs = stamps.file_states(run, ["*.csv", "*.json", "dataset/*"], {})
    stamp = {"schema": stamps.SCHEMA, "needs": {}, "inputs": {}, "data": None, "outputs": outputs, "record": {}}
    (run / "stamps").mkdir()
    (run / "stamps" / "all.json").write_text(json.dumps(stamp))
    paths = paths_of(run)

    def call(changed: Path) -> None:
        with stamps.read_as_left(paths):  # as `make report` does
            write_report(run)

    return call


def presence(folder: Path) -> Call:
    from carseg_lib.engine.presence import Presence
    from carseg_lib.engine.second_opinion import SecondOpinion

    run = folder / "a"
    opinion = SecondOpinion(("suv", "van"), np.array([[0.5, -0.5], [0.0, 1.5]]), np.array([0.1, -0.1]), 0.5)
    one = Presence((1, 2), ("a", "b"), np.linspace(0.1, 0.9, 9), 9, 0.99, "ab" * 32, "cd" * 32, opinion)
    one.save(run / "model" / "presence.json")
    paths = paths_of(run)

    def call(changed: Path) -> None:
        read = Presence.load(paths, "cd" * 32)
        read.share_below(0.3)
        if read.opinion is not None:
            assert np.isfinite(read.opinion(np.array([[0.5, 0.0]]))).all()
        assert np.isfinite(read.threshold)

    return call


# --- weights ---------------------------------------------------------------------------------------------------------


def checkpoint(folder: Path) -> Call:
    import torch

    from carseg_lib.models.weights import read_checkpoint

    state = {"a.weight": torch.arange(12.0).reshape(3, 4), "a.bias": torch.zeros(3, dtype=torch.bfloat16)}
    torch.save(state, folder / "a.pt")
    torch.save({"model": state, "epoch": 3}, folder / "wrapped.pt")
    torch.save(state, folder / "old.pt", _use_new_zipfile_serialization=False)

    def call(changed: Path) -> None:
        for tensor in read_checkpoint(changed).values():
            tensor.shape  # noqa: B018

    return call


def pickled(folder: Path) -> Call:
    """Checkpoints whose pickle is broken, not the archive around it: its checksum is made anew."""
    import zipfile

    import torch

    from carseg_lib.models.weights import read_checkpoint

    state = {"a.weight": torch.arange(12.0).reshape(3, 4), "a.bias": torch.zeros(3)}
    buffer = io.BytesIO()
    torch.save({"model": state, "epoch": 3}, buffer)
    with zipfile.ZipFile(buffer) as packed:
        members = {name: packed.read(name) for name in packed.namelist()}
    pickle = next(name for name in members if name.endswith("data.pkl"))
    (folder / "data.pkl").write_bytes(members[pickle])
    out = folder / "made.pt"

    def call(changed: Path) -> None:
        with zipfile.ZipFile(out, "w") as packed:
            for name, content in members.items():
                packed.writestr(name, changed.read_bytes() if name == pickle else content)
        read_checkpoint(out)

    return call


def resumed(folder: Path) -> Call:
    """state.json and the checkpoint of the last epoch, as a training resumes from them."""
    import torch

    from carseg_lib.engine.checkpoint import Checkpoints, TrainingState
    from carseg_lib.engine.ema import ModelEMA

    def made() -> tuple[torch.nn.Module, torch.optim.Optimizer, ModelEMA]:
        model = torch.nn.Linear(3, 2)
        return model, torch.optim.AdamW(model.parameters()), ModelEMA(model, 0.9)

    model, optimizer, average = made()
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    checkpoints = Checkpoints(folder / "training")
    checkpoints.save(
        TrainingState([{"epoch": 1, "validation_accuracy": 0.5, "validation_loss": 1.0}]), model, optimizer, average
    )
    logged: list[str] = []

    def call(changed: Path) -> None:
        network, its_optimizer, its_average = made()
        state = checkpoints.resume(network, its_optimizer, its_average)
        assert state.epoch in (0, 1)
        if state.epoch:
            state.best_epoch  # noqa: B018

    assert not logged
    return call


def segmenter(folder: Path) -> Call:
    import torch

    from carseg_lib.core.files import sha256
    from carseg_lib.core.paths import checksum_path
    from carseg_lib.models.pretrained import read_segmenter, write_packed

    path = write_packed(folder / "s.safetensors", {"a": torch.ones(2, 3), "b": torch.ones(2)}, {"config": {"x": 1}})

    def call(changed: Path) -> None:
        checksum_path(path).write_text(f"{sha256(path)}  {path.name}\n")  # a file that is broken on purpose
        read_segmenter(path)

    return call
