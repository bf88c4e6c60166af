"""The state of a long step, told through a file."""

from __future__ import annotations

import pytest

from carseg_lib.core import progress
from carseg_lib.core.progress import Progress, counted, read, tell


@pytest.fixture
def state(tmp_path, monkeypatch):
    monkeypatch.setenv(progress.VARIABLE, str(tmp_path / "state"))
    monkeypatch.setattr(progress, "_last", -1e9)
    return tmp_path / "state"


def test_what_is_told_can_be_read(state):
    assert read(state) is None
    tell("photos", 3, 10, 12.5)
    assert read(state) == Progress("photos", 3, 10, 12.5)


def test_states_are_rare_but_the_end_is_always_told(state):
    for done in range(1, 11):
        tell("photos", done, 10)
    assert read(state) == Progress("photos", 10, 10)
    tell("more", 1, 10)  # at once after the last one
    assert read(state).what == "photos"
    assert [path.name for path in state.parent.iterdir()] == ["state"]


def test_items_are_counted_and_stay_as_they_are(state):
    seen = []
    for item in counted("abc", "letters", 3):
        seen.append((item, read(state).done))
    assert [item for item, _ in seen] == ["a", "b", "c"] and seen[0][1] == 0
    assert read(state) == Progress("letters", 3, 3)


def test_nothing_happens_where_nobody_looks(tmp_path, monkeypatch):
    monkeypatch.delenv(progress.VARIABLE, raising=False)
    tell("photos", 1, 1)
    monkeypatch.setenv(progress.VARIABLE, str(tmp_path / "missing" / "state"))
    tell("photos", 1, 1)  # a bar that cannot be drawn stops nothing
    (tmp_path / "half").write_text('{"what": ')
    assert read(tmp_path / "half") is None
