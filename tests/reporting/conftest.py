"""Fixtures of the tests of figures and pages."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from carseg_lib.reporting.html import render
from tests.helpers.fake_run import make_run


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory, synthetic_cars: Path) -> Path:
    """A complete run with every figure, made once; read it, never write into it."""
    return make_run(tmp_path_factory.mktemp("finished") / "fake", synthetic_cars)


@pytest.fixture(scope="session", autouse=True)
def figures_converted_once() -> Iterator[None]:
    """Pages of copies of one run show the same figures: each is made a WebP picture once, not for every page."""
    known: dict[str, bytes] = {}
    convert = render.webp_bytes

    def once(picture: Image.Image) -> bytes:
        digest = hashlib.sha256(picture.tobytes()).hexdigest()
        if digest not in known:
            known[digest] = convert(picture)
        return known[digest]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(render, "webp_bytes", once)
        yield
