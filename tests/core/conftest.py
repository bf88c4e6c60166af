"""Data and profiles for the tests of the configuration."""

from __future__ import annotations

import shutil

import pytest

from carseg_lib.core import profiles


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A folder that passes for photos; runs are made beside it."""
    monkeypatch.setenv("CARSEG_REPORTS", str(tmp_path / "reports"))
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(b"x")
    return folder


@pytest.fixture
def own_profiles(tmp_path, monkeypatch):
    """A folder of profiles to write into, which starts with a copy of quick."""
    folder = tmp_path / "profiles"
    folder.mkdir()
    shutil.copy(profiles.profiles_folder() / "quick.yaml", folder)
    monkeypatch.setattr(profiles, "profiles_folder", lambda: folder)
    return folder
