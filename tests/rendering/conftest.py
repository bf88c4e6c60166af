"""Fixtures of the renderer's tests."""

from __future__ import annotations

import functools

import pytest


@pytest.fixture(scope="session")
def rendered():
    """Photos by the renderer at two paths a pixel, each rendered once for all tests: rendered(index, seed, realism)."""
    pytest.importorskip("mitsuba", reason="rendering needs mitsuba: make setup-rendering")
    from carseg_rendering.camera.render import render_photo

    @functools.cache
    def photo(index, seed=0, realism="full"):
        return render_photo(index, seed=seed, realism=realism, samples=2)

    return photo
