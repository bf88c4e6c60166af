"""What notebooks show: a figure with its finding, a sentence computed from the run, a table that can be read."""

from __future__ import annotations

import ast
import html
import inspect
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from carseg_lib.core import files, formatting
from carseg_lib.reporting.plots import style

_NUMBER = "text-align: right; vertical-align: top; white-space: nowrap"
_TEXT = "text-align: left; white-space: normal; max-width: 36em"
_LONG = 32  # characters of a word, or a path, that may be broken to save width


def show(figure: style.AccessibleFigure, path: Path | str | None = None) -> None:
    """Show a figure with its finding as the caption, and save it as a PNG file if a path is given."""
    from IPython.display import HTML, display

    png = style.png_bytes(figure)
    if path is not None:
        files.write_bytes(path, png)
    display(HTML(style.html_figure(png, figure.alt, figure.finding)))


def show_all(figures: Mapping[str, style.AccessibleFigure], folder: Path, prefix: str = "") -> None:
    """Show figures by name, one after the other, and save each as `<prefix><name>.png`."""
    for name, figure in figures.items():
        show(figure, folder / f"{prefix}{name}.png")


def say(*sentences: str) -> None:
    """Show sentences, marked as computed from the run; empty ones are left out."""
    from IPython.display import HTML, display

    text = " ".join(html.escape(sentence.rstrip(".") + ".") for sentence in sentences if sentence)
    display(HTML(f'<p style="border-left:4px solid #0072B2;padding-left:0.8em"><b>What is seen.</b> {text}</p>'))


def table(frame: pd.DataFrame, *, percent: tuple[str, ...] = (), digits: int = 3) -> Any:
    """A table for readers: a number with its 95% interval in one cell, no index without a name, no text cut off.

    Of a frame without rows nothing is shown.

    Columns `x`, `x_low` and `x_high` become one, "92.6% (87.2–95.8%)", as do `value` (or `ours`), `low` and `high`;
    where one of these numbers is above 1 they are no shares, and stay as they are: "1.27 (1.21–1.34)".

    Args:
        frame: fractions and numbers; its index becomes the first columns, unless it only counts the rows.
        percent: further columns of fractions.
        digits: of other numbers that are not whole.
    """
    if frame.empty:
        return None
    counts_rows = isinstance(frame.index, pd.RangeIndex) and frame.index.name is None
    rows = frame.reset_index(drop=True) if counts_rows else frame.rename_axis(_index_names(frame)).reset_index()
    rows.columns = [" ".join(map(str, c)) if isinstance(c, tuple) else str(c) for c in rows.columns]
    shown: dict[str, list[str]] = {}
    for name in rows:
        ends = [end for end in (f"{name}_low", f"{name}_high") if end in rows]
        if name in ("value", "ours") and "low" in rows:
            ends = ["low", "high"]
        if len(ends) == 2:
            numbers = rows[[name, *ends]].astype(float)
            shares = not bool((numbers.abs() > 1).any(axis=None))  # else counts, such as types in a set
            shown[name] = [_with_interval(x, a, b, shares) for x, a, b in numbers.to_numpy().tolist()]
        elif not _is_end(name, set(rows)):
            shown[name] = [_cell(value, name in percent, digits) for value in rows[name]]
    texts = [name for name in shown if not pd.api.types.is_numeric_dtype(rows[name]) and rows[name].dtype != bool]
    looks = [("td", _NUMBER), ("th", _NUMBER)]
    looks += [(f"{cell}.col{list(shown).index(name)}", _text(shown[name])) for name in texts for cell in ("td", "th")]
    styles: list[Any] = [{"selector": cell, "props": look} for cell, look in looks]
    shown = {name.replace("_", " "): column for name, column in shown.items()}
    styler = pd.DataFrame(shown).style.format(escape="html").format_index(escape="html", axis=1).hide(axis="index")
    return styler.set_table_styles(styles)


def _text(cells: list[str]) -> str:
    """The look of a column of texts."""
    longest = max((len(word) for cell in cells for word in cell.split()), default=0)
    return f"{_TEXT}; overflow-wrap: {'anywhere' if longest > _LONG else 'break-word'}"


def _is_end(name: str, names: set[str]) -> bool:
    """Whether a column is an end of another one's interval."""
    if name in ("low", "high"):
        return bool(names & {"value", "ours"})
    stem, _, end = name.rpartition("_")
    return end in ("low", "high") and {stem, f"{stem}_low", f"{stem}_high"} <= names


def _index_names(frame: pd.DataFrame) -> list[str]:
    return [str(name) if name is not None else f"of{k or ''}" for k, name in enumerate(frame.index.names)]


def _with_interval(value: float, low: float, high: float, share: bool) -> str:
    known = low == low and high == high
    if not share:
        return formatting.number(value, 2) + (f" ({formatting.number(low, 2)}–{formatting.number(high, 2)})" * known)
    return formatting.percent(value) + (f" ({formatting.interval({'low': low, 'high': high})})" if known else "")


def _cell(value: Any, is_percent: bool, digits: int) -> str:
    if value is None or value is pd.NA or (isinstance(value, float) and value != value):
        return formatting.DASH
    if is_percent:
        return formatting.percent(float(value))
    value = value.item() if hasattr(value, "item") else value
    return formatting.number(value, digits)


def code_of_loop(function: Callable[..., Any]) -> Any:
    """Show the first loop of a function, as its module has it."""
    from IPython.display import Markdown

    source = textwrap.dedent(inspect.getsource(function))
    loop = next(node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.For))
    lines = textwrap.dedent("\n".join(source.splitlines()[loop.lineno - 1 : loop.end_lineno]))
    return Markdown(f"```python\n{lines}\n```")
