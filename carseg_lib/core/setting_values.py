"""The values that a setting takes: read from text, and said in words."""

from __future__ import annotations

from typing import Any, cast, get_args

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo


def parse_value(field: FieldInfo, value: Any) -> Any:
    """Text as the type that a setting has; what cannot be read so stays text, for the check to refuse."""
    if isinstance(value, str) and field.annotation is not str:
        if choices := get_args(field.annotation):
            return next((choice for choice in choices if str(choice) == value), value)
        try:
            return TypeAdapter(cast(Any, field.annotation)).validate_strings(value)
        except ValidationError:
            return value
    return value


def describe_range(field: FieldInfo) -> str:
    """The values that a setting takes, in words: "a whole number from 1 up to 1,000"."""
    if choices := get_args(field.annotation):
        return "one of " + ", ".join(str(choice) for choice in choices)
    if field.annotation is bool:
        return "true or false"
    if field.annotation not in (int, float):
        return "a text"
    keys = ("ge", "gt", "le", "lt")
    limits = {key: getattr(limit, key) for limit in field.metadata for key in keys if hasattr(limit, key)}
    words = ["a whole number" if field.annotation is int else "a number"]
    texts = {"ge": "from", "gt": "above", "le": "up to", "lt": "below"}
    words += [f"{text} {limits[key]:,}" for key, text in texts.items() if key in limits]
    words += [f"in steps of {m.multiple_of}" for m in field.metadata if hasattr(m, "multiple_of")]
    return " ".join(words)
