"""What notebooks show: tables that can be read, sentences that are escaped, figures that are saved and shown."""

import IPython.display
import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from PIL import Image

from carseg_lib.reporting import display
from carseg_lib.reporting.plots.style import add_title, new_figure
from tests.helpers.fake_run import make_history


@pytest.fixture
def shown(monkeypatch):
    found = []
    monkeypatch.setattr(IPython.display, "display", lambda value: found.append(value.data))
    return found


def rows_of(styler, part: str) -> list[list[str]]:
    soup = BeautifulSoup(styler.to_html(), "html.parser")
    return [[cell.get_text() for cell in row.find_all(["th", "td"])] for row in soup.find(part).find_all("tr")]


def cells(styler) -> list[list[str]]:
    return rows_of(styler, "tbody")


def header(styler) -> list[str]:
    return rows_of(styler, "thead")[0]


def test_a_number_and_its_interval_are_one_cell():
    frame = pd.DataFrame(
        {"name": ["a", "b"], "f1": [0.5, np.nan], "f1_low": [0.4, np.nan], "f1_high": [0.61, np.nan], "n": [1200, 3]}
    )
    assert header(display.table(frame)) == ["name", "f1", "n"]
    assert cells(display.table(frame)) == [["a", "50.0% (40.0–61.0%)", "1,200"], ["b", "–", "3"]]
    ours = pd.DataFrame({"ours": [0.25], "low": [0.2], "high": [0.3], "paper": [0.912]})
    assert cells(display.table(ours, percent=("paper",))) == [["25.0% (20.0–30.0%)", "91.2%"]]


def test_an_interval_of_no_share_stays_a_number_and_short_words_stay_whole():
    frame = pd.DataFrame({"group": ["suv"], "size": [1.266], "size_low": [1.2], "size_high": [1.333]})
    assert cells(display.table(frame)) == [["suv", "1.27 (1.20–1.33)"]]
    assert "anywhere" not in display.table(frame).to_html()
    assert "anywhere" in display.table(pd.DataFrame({"path": ["a" * 80]})).to_html()


def test_an_index_is_a_column_with_a_name_unless_it_only_counts():
    plain = pd.DataFrame({"x": [1.23456, 2.0]})
    assert header(display.table(plain)) == ["x"]
    assert cells(display.table(plain)) == [["1.235"], ["2"]]
    named = plain.set_axis(pd.MultiIndex.from_tuples([("a", "b"), ("c", "d")], names=["split", None]))
    assert header(display.table(named)) == ["split", "of1", "x"]


def test_a_table_without_rows_is_not_shown():
    assert display.table(pd.DataFrame({"x": []})) is None


def test_columns_that_only_look_like_ends_stay():
    frame = pd.DataFrame({"expected_low": [0.5], "low": [0.1], "x_high": [2]})
    assert header(display.table(frame)) == ["expected low", "low", "x high"]


def test_no_text_is_cut_off_or_read_as_html():
    long = "why " * 60 + "<script>"
    html = display.table(pd.DataFrame({"why": [long]})).to_html()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html and "..." not in html


def test_sentences_are_escaped_and_empty_ones_left_out(shown):
    display.say("<cars> & more.", "", "Two.")
    assert "&lt;cars&gt; &amp; more. Two.</p>" in shown[0]
    assert "What is seen." in shown[0]


def test_a_figure_is_saved_and_shown_with_its_finding(shown, tmp_path):
    figure = add_title(new_figure(2, 1), "Title", finding="Seen & said.")
    display.show_all({"one": figure}, tmp_path / "figures", "a_")
    with Image.open(tmp_path / "figures" / "a_one.png") as picture:
        assert picture.info["Title"] == "Seen & said."
        assert picture.info["Description"] == "Seen & said. Title."
    assert "<figcaption>Seen &amp; said.</figcaption>" in shown[0]
    display.show(figure)
    assert shown[1] == shown[0]


def test_the_loop_is_shown_as_its_module_has_it():
    text = display.code_of_loop(make_history).data
    assert text.startswith("```python\nfor ") and text.endswith("\n```")
