"""axe-core, which looks for what keeps people from using a page; it is not shipped, so its check may be skipped."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

PATHS = ("node_modules/axe-core/axe.min.js",)  # below the repository, after `npm install axe-core`


def axe_source() -> str:
    """The script of axe-core; where there is none the test is skipped, and says so.

    The environment variable CARSEG_AXE names axe.min.js elsewhere.
    """
    named = os.environ.get("CARSEG_AXE")
    root = Path(__file__).parents[2]
    for path in [Path(named)] if named else [root / path for path in PATHS]:
        if path.is_file():
            return path.read_text(encoding="utf-8")
    pytest.skip("no axe-core: npm install axe-core, or name axe.min.js by CARSEG_AXE")


def violations(page: Any, source: str) -> list[str]:
    """What axe finds on an open page: serious and critical, and headings out of order, in words.

    Args:
        page: of playwright, in a context that bypasses the page's policy.
        source: from `axe_source`.
    """
    page.evaluate(source)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    grave = [one for one in found if one["impact"] in ("serious", "critical") or one["id"] == "heading-order"]
    return [f"{one['id']} × {len(one['nodes'])}: {one['nodes'][0]['html'][:120]}" for one in grave]
