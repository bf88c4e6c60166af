"""docs/scale.md: its tables are those of the constants, and what its text says of them is what they give."""

from __future__ import annotations

import importlib.util

from carseg_lib.core.paths import project_folder

DOCS = project_folder() / "docs"


def test_the_tables_of_scale_are_those_of_its_constants_and_formulas():
    spec = importlib.util.spec_from_file_location("scale", DOCS / "scale.py")
    scale = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(scale)
    page = (DOCS / "scale.md").read_text(encoding="utf-8")
    assert f"<!-- constants -->\n{scale.constants_table()}\n<!-- /constants -->" in page
    assert f"<!-- scale -->\n{scale.scale_table()}\n<!-- /scale -->" in page
    assert all(
        all(row[name] for name in ("command", "commit", "date", "machine")) for row in scale.read_constants().values()
    )
    assert scale._two_digits(0.0438) == "0.044" and scale._two_digits(5093) == "5,100"
