"""Every kind of step of a study, small: what it begins with, and the call that is killed and made again."""

from __future__ import annotations

import importlib
import json
import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

Act = Callable[[Path, int], object]

SMALLEST = {  # on top of tests.helpers.small_run.SETTINGS: a training of four steps
    "height": "64",
    "width": "64",
    "max_images_per_split": "4",
    "train_eval_size": "2",
    "batch_size": "2",
    "bootstrap_samples": "100",
    "pieces_share": "0",
    "background_share": "0",
}


@dataclass(frozen=True)
class Step:
    """A step.

    Attributes:
        prepare: fills an empty folder with what the step begins with; takes the folder and a seed.
        run: the call that is killed; the same arguments.
        modules: imported before the processes are forked.
        ignored: a pattern of names of files that may differ.
    """

    prepare: Act
    run: Act
    modules: tuple[str, ...] = ()
    ignored: str = r"(?!)"

    def load(self) -> None:
        """Import what the step needs: a process that is forked afterwards has it."""
        for name in self.modules:
            importlib.import_module(name)

    def ignores(self, name: str) -> bool:
        """Whether a file may differ."""
        return bool(re.search(self.ignored, name))

    @staticmethod
    def timeless(name: str, content: bytes) -> bytes:
        """A file without the times and durations in it."""
        if name.endswith("history.csv"):
            rows = [line.split(b",") for line in content.splitlines()]
            timed = [k for k, title in enumerate(rows[0]) if title in (b"seconds", b"photos_per_second")]
            return b"\n".join(b",".join(cell for k, cell in enumerate(row) if k not in timed) for row in rows)
        if name.endswith("state.json"):
            index = json.loads(content)
            for row in index["history"]:
                row["seconds"] = row["photos_per_second"] = 0
            return json.dumps(index["history"]).encode()
        if name.endswith(("README.md", "index.html")):
            return re.sub(rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\dZ)?", b"", content)
        return content


def end_this_process(*_: object) -> None:
    """Stands for a function that runs in a loader's process, which finds it by its name."""
    os.kill(os.getpid(), signal.SIGKILL)


def _photos(folder: Path, seed: int, masks: bool = True) -> Path:
    from tests.helpers.drawn_cars import make_car_photos

    return make_car_photos(folder / "photos", per_type=4, size=(96, 64), seed=seed, with_masks=masks)


def _run(folder: Path, seed: int, **overrides: str):
    from carseg_lib.core.run import Run
    from tests.helpers.small_run import SETTINGS

    os.environ["CARSEG_REPORTS"] = str(folder / "reports")
    settings = SETTINGS | SMALLEST | overrides
    run = Run.create("a", profile="smoke", data=folder / "photos", overrides=settings, seed=seed, device="cpu")
    run.save()
    return run


def _begin(folder: Path, seed: int, **overrides: str):
    """The run, after what every command does first."""
    from carseg_lib.workflow import pipeline

    run = _run(folder, seed, **overrides)
    pipeline.remove_leftovers(run)
    return run


def _catalogue(folder: Path, seed: int) -> None:
    from carseg_lib.core import files
    from carseg_lib.data.catalogue import REJECTED_COLUMNS, table
    from carseg_lib.data.loader import load_catalogue
    from carseg_lib.data.splits import assign_splits

    run = _begin(folder, seed)
    catalogue = load_catalogue(folder / "photos")
    catalogue.save(run.catalogue)
    assign_splits(catalogue, seed).save(run.dataset)
    files.write_csv(run.rejected_masks, table([], REJECTED_COLUMNS))


def _with_dataset(folder: Path, seed: int, masks: bool = True) -> None:
    _photos(folder, seed, masks)
    _catalogue(folder, seed)


def _cache(folder: Path, seed: int) -> None:
    from carseg_lib.data.cache import open_cache
    from carseg_lib.data.catalogue import Catalogue

    run = _begin(folder, seed)
    cache = open_cache(Catalogue.load(run.dataset), ("train", "validation"), 128, 1.0, run.caches)
    assert len(cache) > 0


def _masks(folder: Path, seed: int) -> None:
    from carseg_lib.data.catalogue import Catalogue
    from carseg_lib.data.splits import assign_splits
    from carseg_lib.engine.pseudo_labels.run import pseudo_label

    run = _begin(folder, seed, **{"pseudo_labels.source": "grabcut"}, min_quality="0")
    assign_splits(Catalogue.load(run.catalogue), seed).save(run.dataset)  # as notebook 02 does, which is one stage
    pseudo_label(run.config, run)


def _without_masks(folder: Path, seed: int) -> None:
    from tests.helpers.drawn_cars import make_car_photos

    make_car_photos(folder / "photos", per_type=4, size=(48, 32), seed=seed, with_masks=False)
    _catalogue(folder, seed)


def _train(folder: Path, seed: int) -> None:
    from carseg_lib.engine.trainer import train

    run = _begin(folder, seed)
    train(run.config, run)


def _trained(folder: Path, seed: int) -> None:
    _with_dataset(folder, seed)
    _train(folder, seed)


def _evaluate(folder: Path, seed: int) -> None:
    from carseg_lib.evaluation.evaluate import evaluate

    run = _begin(folder, seed)
    evaluate(run.config, run)


def _evaluated(folder: Path, seed: int) -> None:
    _trained(folder, seed)
    _evaluate(folder, seed)


def _notebook(folder: Path, seed: int) -> None:
    import nbformat

    from carseg_lib.workflow.notebooks import write_executed

    run = _begin(folder, seed)
    cells = [nbformat.v4.new_markdown_cell(f"# {seed}", id="a"), nbformat.v4.new_code_cell("1 + 1", id="b")]
    for name in ("01_data_exploration", "02_preprocessing"):
        write_executed(nbformat.v4.new_notebook(cells=cells), run.notebooks, name)


def _report(folder: Path, seed: int) -> None:
    from carseg_lib.reporting.html.page import write_report
    from carseg_lib.reporting.html.runs import write_index

    run = _begin(folder, seed)
    write_report(run.folder)
    write_index(run.folder.parent)


def _finished(folder: Path, seed: int) -> None:
    from tests.helpers.drawn_cars import make_car_photos
    from tests.helpers.fake_run import make_run

    make_car_photos(folder / "photos", per_type=6, size=(60, 40), seed=seed)
    make_run(folder / "reports" / "a", folder / "photos", figures="none")


def _command(*words: str) -> Act:
    def run(folder: Path, seed: int) -> None:
        from carseg_lib.workflow.cli import main

        os.environ["CARSEG_REPORTS"] = str(folder / "reports")
        code = main([word.format(folder=folder) for word in words])
        assert code == 0, code

    return run


def _export_model(folder: Path, seed: int) -> None:
    """`make export-model`, but for the graph: torch takes a minute for it."""
    from carseg_lib.engine.portable import export
    from carseg_lib.workflow.cli import main

    os.environ["CARSEG_REPORTS"] = str(folder / "reports")
    export.portable_detector = lambda *_: None  # type: ignore[assignment]
    export.write_onnx = lambda detector, described, path: path.write_bytes(bytes(range(256)) * 400)  # type: ignore
    export.compare = lambda *_: export.Agreement(1, 1, 1, 1, 0.0, 1.0)  # type: ignore[assignment]
    assert main(["export-model", "--run", "a"]) == 0


def _archive(folder: Path, seed: int) -> None:
    import random
    import zipfile

    from carseg_lib.core.files import sha256, sha256_text
    from carseg_lib.core.paths import checksum_path

    rng = random.Random(seed)
    contents = {f"images/{k}.txt": "x" * rng.randrange(1, 5000) for k in range(5)}
    sums = "".join(f"{sha256_text(content)}  {name}\n" for name, content in contents.items())
    path = folder / "set.zip"
    with zipfile.ZipFile(path, "w") as packed:
        for name, content in {"SHA256SUMS": sums, **contents}.items():
            packed.writestr(zipfile.ZipInfo(name), content)
    checksum_path(path).write_text(f"{sha256(path)}  {path.name}\n")
    _photos(folder, seed)


def _unpack(folder: Path, seed: int) -> None:
    from carseg_lib.data.builtin import unpack

    _begin(folder, seed)
    unpack(folder / "set.zip", folder / "reports" / ".data" / "set")


def _fetch(folder: Path, seed: int) -> None:
    """A zip of an object store, which is in memory."""
    import fsspec

    from carseg_lib.data.remote_archive import fetch_archive

    store = fsspec.filesystem("memory")
    store.pipe("/bucket/set.zip", (folder / "set.zip").read_bytes())
    store.store["/bucket/set.zip"].created = store.store["/bucket/set.zip"].modified = 0  # it stays the same file
    fetch_archive("memory://bucket/set.zip", folder / "reports" / ".data" / "remote-photos")


@contextmanager
def _without_mitsuba() -> Iterator[None]:
    from carseg_rendering.dataset import card
    from tests.helpers import fake_renderer

    with mock.patch.object(card, "renderer_versions", lambda: fake_renderer.PACKAGE_VERSIONS):
        yield


def _almost_rendered(folder: Path, seed: int) -> None:
    """A work folder of drawn photos that lacks the last ones."""
    from carseg_rendering.dataset.plan import FEWEST_PHOTOS, DatasetPlan, photo_name
    from tests.helpers import fake_renderer

    plan = DatasetPlan(FEWEST_PHOTOS, seed)
    with _without_mitsuba():
        fake_renderer.drawn_contents(plan, folder / "work")
    for index in range(plan.photos - 5, plan.photos):
        (folder / "work" / photo_name(index)).with_suffix(".json").unlink()


def _render(folder: Path, seed: int) -> None:
    """`make render-dataset`, but for the renderer: it takes a second a photo."""
    from carseg_rendering.dataset import build
    from carseg_rendering.dataset.crew import Crew
    from carseg_rendering.dataset.plan import FEWEST_PHOTOS, DatasetPlan
    from carseg_rendering.dataset.shards import render_shards, work_lock
    from tests.helpers import fake_renderer

    plan = DatasetPlan(FEWEST_PHOTOS, seed)
    with _without_mitsuba(), work_lock(folder / "work") as work:
        render_shards(plan, work, render=fake_renderer.render, crew=Crew(1))
        build.write_folder(build.dataset_contents(plan, work, {}, work / "background"), folder / "rendered")


_DATA = ("carseg_lib.data.loader", "carseg_lib.data.splits", "carseg_lib.workflow.pipeline", "tests.helpers.drawn_cars")
_TORCH = (*_DATA, "carseg_lib.engine.trainer", "carseg_lib.engine.pseudo_labels.run")
_PAGES = (*_DATA, "carseg_lib.reporting.html.page", "carseg_lib.reporting.html.runs", "tests.helpers.fake_run")
_MODEL = (*_TORCH, "carseg_lib.evaluation.evaluate", "carseg_lib.workflow.predict", "carseg_lib.workflow.cli")
STEPS = {
    "catalogue": Step(_photos, _catalogue, _DATA),
    "cache": Step(_with_dataset, _cache, (*_DATA, "carseg_lib.data.cache")),
    "unpacking": Step(_archive, _unpack, (*_DATA, "carseg_lib.data.builtin")),
    "fetching": Step(_archive, _fetch, (*_DATA, "carseg_lib.data.remote_archive", "fsspec")),
    "rendering": Step(_almost_rendered, _render, ("carseg_rendering.dataset.build", "tests.helpers.fake_renderer")),
    "masks": Step(_without_masks, _masks, _TORCH),
    "notebooks": Step(_photos, _notebook, (*_DATA, "carseg_lib.workflow.notebooks", "nbconvert", "nbformat")),
    "report": Step(_finished, _report, _PAGES),
    "training": Step(_with_dataset, _train, _TORCH),
    "evaluation": Step(_trained, _evaluate, _MODEL),
    "predict": Step(_evaluated, _command("predict", "--run", "a", "--images", "{folder}/photos/images/test"), _MODEL),
    "export": Step(_with_dataset, _command("export", "--run", "a"), (*_DATA, "carseg_lib.workflow.cli")),
    "export-yolo": Step(
        _with_dataset, _command("export", "--run", "a", "--set", "format=yolo"), (*_DATA, "carseg_lib.workflow.cli")
    ),
    "export-model": Step(_evaluated, _export_model, (*_MODEL, "carseg_lib.engine.portable.export")),
}
