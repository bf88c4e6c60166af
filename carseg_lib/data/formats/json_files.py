"""JSON files, each parsed once while the format of a data set is found and read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

_PARSED: ContextVar[dict[tuple[Path, int, int], Any] | None] = ContextVar("parsed", default=None)


@contextmanager
def parsed_once() -> Iterator[None]:
    """Within the block, keep what files hold, so that telling a format and reading it parse a file once together."""
    token = _PARSED.set({})
    try:
        yield
    finally:
        _PARSED.reset(token)


def read_json(path: Path) -> Any:
    """What a JSON file holds, not to be changed; UTF-8, UTF-16 or UTF-32, with or without a mark.

    Raises:
        OSError: It cannot be read.
        ValueError: It is not JSON, or cannot be decoded exactly.
        RecursionError: It is nested too deeply.
    """
    kept = _PARSED.get()
    if kept is None:
        return _parsed(path)
    state = path.stat()
    key = (path, state.st_size, state.st_mtime_ns)
    if key not in kept:
        kept[key] = _parsed(path)
    return kept[key]


def _parsed(path: Path) -> Any:
    return json.loads(_text(path))


def _text(path: Path) -> str:
    content = path.read_bytes()
    return content.decode(json.detect_encoding(content))  # the bytes are let go before the text is parsed
