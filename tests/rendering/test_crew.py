"""Rendering by one process, two, or a dask cluster's workers: the same bytes, also where one of them is lost."""

from __future__ import annotations

import threading
from functools import partial
from pathlib import Path

import pytest

from carseg_lib.core.processes import in_processes
from carseg_rendering.dataset import shards
from carseg_rendering.dataset.background import render_backgrounds
from carseg_rendering.dataset.crew import Crew, crew_of
from carseg_rendering.dataset.plan import FEWEST_PHOTOS, DatasetPlan
from tests.helpers import fake_renderer
from tests.helpers.two_workers import kill_a_worker, two_workers

PLAN = DatasetPlan(FEWEST_PHOTOS, realism="plain")
PHOTOS = 4

pytestmark = pytest.mark.xdist_group("cluster")


@pytest.fixture(scope="module")
def workers():
    with two_workers() as local:
        yield local


def rendered(work: Path, some: Crew, render=fake_renderer.render, photos: int = PHOTOS) -> dict[str, bytes]:
    """The files of the first photos of a plan, which a crew renders."""
    said: list[str] = []
    one = partial(shards._render_shard, render, PLAN, work)
    shards.render_missing(one, photos, work, crew=some, log=said.append)
    assert said[0].startswith("rendering ") and "rendered in" in said[-1]
    return {path.name: path.read_bytes() for path in sorted(work.iterdir()) if not path.name.startswith(".")}


def by_cluster(work: Path, address: str, **options) -> dict[str, bytes]:
    work.mkdir()
    with crew_of(0, address, work) as some:
        return rendered(work, some, **options)


def test_two_processes_render_the_bytes_of_one(tmp_path):
    alone = rendered(tmp_path / "1", Crew(1))
    assert sorted(alone) == [f"{k:05d}.{kind}" for k in range(PHOTOS) for kind in ("jpg", "json")]
    assert rendered(tmp_path / "2", Crew(2)) == alone
    for number in (1, 2):
        render_backgrounds(PLAN, tmp_path / f"b{number}", render=fake_renderer.render_without_car, crew=Crew(number))
    one, two = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("b1", "b2"))
    assert one == two and len(one) > 2 * PHOTOS


def _square(task: int, shared: int, threads: int) -> tuple[int, int]:
    if task == shared:
        raise ValueError(f"task {task}")
    return task, task**2


def test_results_are_in_order_and_the_first_error_is_raised():
    assert Crew(2).do([partial(pow, task, 2) for task in range(9)], log=str) == [task**2 for task in range(9)]
    assert Crew(1).do([], log=str) == []
    assert sorted(in_processes(_square, range(9), -1, 2)) == [(task, task**2) for task in range(9)]
    with pytest.raises(ValueError, match="task 3"):
        list(in_processes(_square, range(9), 3, 2))


def test_without_a_cluster_a_crew_is_of_this_machine(tmp_path):
    with crew_of(3, "", tmp_path) as some:
        assert some == Crew(3)


@pytest.mark.slow
def test_a_cluster_renders_the_bytes_of_one_process_though_a_worker_is_killed(workers, tmp_path):
    alone, address = rendered(tmp_path / "alone", Crew(1), photos=40), workers.scheduler_address
    folder, killed = tmp_path / "cluster", []

    def begun(key: str) -> bool:
        return key.startswith("rendering") and len(list(folder.glob("*.json"))) >= 4

    thread = threading.Thread(target=lambda: killed.append(kill_a_worker(address, begun)), daemon=True)
    thread.start()
    found = by_cluster(folder, address, render=fake_renderer.render_in_a_while, photos=40)
    thread.join(10)
    assert killed and found == alone and not (folder / ".cluster").exists()


@pytest.mark.slow
def test_the_renderer_itself_gives_the_same_bytes_by_any_crew(workers, tmp_path):
    pytest.importorskip("mitsuba", reason="rendering needs mitsuba: make setup-rendering")
    render = fake_renderer.render_coarsely
    alone = rendered(tmp_path / "1", Crew(1), render)
    assert rendered(tmp_path / "2", Crew(2), render) == alone
    assert by_cluster(tmp_path / "cluster", workers.scheduler_address, render=render) == alone
