"""The body types of a study, in order, and the names by which data may call them.

CLASSES gives them: a list ("hatchback wagon pickup"), with other names after a sign of equality
("suv=geländewagen,4x4 sedan=limousine,berline"), a YAML file, or the word `folders`: each type folder of the data.

Not among the sources: `Run` asks it before anything is read, and the sources bring pandas with them.
"""

from __future__ import annotations

import json
import re
import shlex
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import yaml

from carseg_lib.core.errors import CarsegError

BODY_TYPES = (
    "suv",
    "sedan",
    "convertible",
    "minivan",
)  # the order of the paper's Table 1; class id = index + 1
FOLDERS = "folders"  # what CLASSES says for: the names of the type folders that the data have
LONGEST = 40  # characters of a type: it stands in figures and tables
_MOST_BYTES = 100_000  # of a YAML file
# Words that the tables of a run use, or that a reader of CSV takes for no text at all.
_TAKEN = {"nocarfound", "alltypes", "macroavg", "weightedavg", "overallaccuracy"}
_NO_TEXT = {"na", "n/a", "#n/a", "nan", "none", "null", "<na>", "true", "false"}


def normalize_name(name: str) -> str:
    """A name without what does not matter: case, the form of its letters, spaces, hyphens and underscores."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return re.sub(r"[\s_-]+", "", folded)


@dataclass(frozen=True)
class ClassMap:
    """The body types of a study and what data may call them. Checked when made: a ValueError says what is wrong.

    Attributes:
        names: The types, in order; class id = index + 1. None of them until the data are read, if `from_folders`.
        aliases: For each type, its other names.
        left_out: Names that are known and left out on purpose.
        from_folders: Whether the type folders of the data become the types.
    """

    names: tuple[str, ...] = BODY_TYPES
    aliases: tuple[tuple[str, ...], ...] = ((),) * len(BODY_TYPES)
    left_out: tuple[str, ...] = ()
    from_folders: bool = False

    def __post_init__(self) -> None:
        if self.from_folders:
            return
        for name in self.names:
            _check_type(name)
            if self.names.count(name) > 1:
                raise ValueError(f"the type {name!r} stands twice; keep one of them")
        _ = self._meanings  # which refuses names that mean two types

    @cached_property
    def _meanings(self) -> dict[str, str]:
        """The type of every spelling, "" for those left out."""
        groups = [*zip(self.names, self.aliases, strict=True), ("", self.left_out)]
        given: dict[str, tuple[str, str]] = {}  # spelling: the type, the name as it was written
        for body_type, others in groups:
            for name in (body_type, *others) if body_type else others:
                if not normalize_name(name):
                    raise ValueError(f"{name!r} is an empty name; leave it out")
                _refuse_two(given.setdefault(normalize_name(name), (body_type, name)), (body_type, name))
        for spelling, meant in given.items():
            _refuse_two(given.get(spelling + "s", meant), meant)
        plurals = {spelling + "s": body_type for spelling, (body_type, _) in given.items()}
        return plurals | {spelling: body_type for spelling, (body_type, _) in given.items()}

    def of(self, name: str) -> str | None:
        """The body type that a folder, a category or a cell names, or None.

        Case, a plural s, and spaces, hyphens and underscores do not matter: "Mini-Vans" is minivan.
        """
        return (not self.from_folders and self._meanings.get(normalize_name(name))) or None

    def why_not(self, name: str) -> str:
        """The reason by which something of another name is left out: "left out" on purpose, or "other type"."""
        return (
            "left out"
            if not self.from_folders and self._meanings.get(normalize_name(name)) == ""
            else "other type"
        )

    @property
    def said(self) -> str:
        """The types as a sentence names them: "suv, sedan, convertible or minivan"."""
        return f"{', '.join(self.names[:-1])} or {self.names[-1]}" if self.names else "a body type"

    @property
    def text(self) -> str:
        """The one text that says the same, whichever way it was given; `parse` reads it."""
        if self.from_folders:
            return FOLDERS
        parts = [
            name + ("=" + ",".join(others) if others else "")
            for name, others in zip(self.names, self.aliases, strict=True)
        ]
        listed = " ".join(map(shlex.quote, parts))
        plain = not self.left_out and not any(c in n for n in self._all_names for c in ",=\\{")
        if plain:
            return listed
        whole: dict[str, Any] = {"types": dict(zip(self.names, map(list, self.aliases), strict=True))}
        return json.dumps(whole | {"leave_out": list(self.left_out)}, ensure_ascii=False)

    @property
    def _all_names(self) -> list[str]:
        return [*self.names, *(name for others in self.aliases for name in others), *self.left_out]

    def among(self, found: Iterable[str]) -> ClassMap:
        """The types of data whose type folders have these names: each, in the order of the alphabet, is a type.

        Folders whose names differ by case, a plural s or separators alone are one type; the first spelling names it.

        Raises:
            CarsegError: A folder's name cannot be a type's, or there are fewer than two.
        """
        names: list[str] = []
        for name in sorted(found, key=lambda name: (normalize_name(name), name)):
            if not {normalize_name(name), normalize_name(name).removesuffix("s")} & {
                normalize_name(other) for other in names
            }:
                names.append(name.strip())
        return _checked(f"CLASSES={FOLDERS}", tuple(names), ((),) * len(names))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read types from a text; a file is not looked for.

        Args:
            text: Empty for the paper's four; `folders`; a list of types; or what a YAML file would hold, in braces.

        Raises:
            CarsegError: One line that says what is wrong with it.
        """
        text = text.strip()
        if not text:
            return cls()
        if text == FOLDERS:
            return cls((), (), from_folders=True)
        if text.startswith("{"):
            return _from_yaml(f"CLASSES={_short(text)}", text)
        try:
            parts = shlex.split(text)
        except ValueError as error:
            raise CarsegError(f"CLASSES={_short(text)}: cannot be read ({str(error).lower()})") from None
        pairs = [part.partition("=") for part in parts]
        for name, equals, others in pairs:
            if not name.strip() or (equals and not all(other.strip() for other in others.split(","))):
                raise CarsegError(
                    f"CLASSES={_short(text)}: {name + equals + others!r} has an empty name; "
                    "write type or type=name,name"
                )
        names = tuple(name.strip() for name, _, _ in pairs)
        aliases = tuple(
            tuple(other.strip() for other in others.split(",")) if others else () for _, _, others in pairs
        )
        return _checked(f"CLASSES={_short(text)}", names, aliases)

    @classmethod
    def read(cls, given: str) -> Self:
        """Read types as a user gives them: as `parse` does, or the path of a YAML file (.yaml, .yml).

        Raises:
            CarsegError: As `parse`, or the file is missing, too large or holds something else.
        """
        if not given.strip().lower().endswith((".yaml", ".yml")):
            return cls.parse(given)
        path = Path(given.strip()).expanduser()
        try:
            if path.stat().st_size > _MOST_BYTES:
                raise CarsegError(f"{path}: larger than {_MOST_BYTES:,} bytes, not a list of types")
            text = path.read_text(encoding="utf-8-sig")
        except OSError as error:
            raise CarsegError(f"CLASSES={given}: the file cannot be read ({error.strerror})") from None
        except ValueError:
            raise CarsegError(f"{path}: not UTF-8 text; save it as UTF-8") from None
        return _from_yaml(str(path), text)


def _checked(
    where: str, names: tuple[str, ...], aliases: tuple[tuple[str, ...], ...], left_out: tuple[str, ...] = ()
) -> ClassMap:
    try:
        if len(names) < 2:
            found = ", ".join(names) or "none"
            raise ValueError(
                f"a study needs two body types or more (found: {found}); separate them by spaces"
            )
        return ClassMap(names, aliases, left_out)
    except ValueError as error:
        raise CarsegError(f"{where}: {error}") from None


def _refuse_two(one: tuple[str, str], other: tuple[str, str]) -> None:
    """Refuse two spellings that are read as the same and mean different types."""
    if one[0] != other[0]:
        (first, second), (_, name) = (t or "a type left out" for t in (one[0], other[0])), one
        names = f"{name!r}" if name == other[1] else f"{name!r} (read like {other[1]!r})"
        raise ValueError(f"{names} means both {first} and {second}; keep one of them")


def _check_type(name: str) -> None:
    if not normalize_name(name):
        raise ValueError(f"{name!r} is an empty type; give it a name")
    if not name.isprintable() or "/" in name or len(name) > LONGEST:
        raise ValueError(
            f"the type {_short(name)!r} is not printable text without / of at most {LONGEST} characters"
        )
    if normalize_name(name) in _TAKEN:
        raise ValueError(f"the type {name!r} has a name that the tables of a run use; choose another")
    if _is_number(name) or name.lower() in _NO_TEXT:
        raise ValueError(f"the type {name!r} would be read as a number or as missing; write it in words")


def _is_number(name: str) -> bool:
    try:
        float(name)
    except ValueError:
        return False
    return True


def _from_yaml(where: str, text: str) -> ClassMap:
    """Types from `types: {suv: [jeep], sedan: []}` or `types: [suv, sedan]`, and an optional `leave_out: [...]`."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
    except RecursionError:
        raise CarsegError(f"{where}: not valid YAML: nested too deeply") from None
    except (yaml.YAMLError, ValueError) as error:
        raise CarsegError(f"{where}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict) or not {"types"} <= set(content) <= {"types", "leave_out"}:
        raise CarsegError(f"{where}: must hold types, and may hold leave_out; nothing else")
    for mapping in (node, next(value for key, value in node.value if key.value == "types")):
        keys = [key.value for key, _ in mapping.value] if isinstance(mapping, yaml.MappingNode) else []
        if twice := [str(key) for key in keys if keys.count(key) > 1]:
            raise CarsegError(f"{where}: {twice[0]} stands twice; keep one of them")
    types = content["types"]
    if isinstance(types, list):
        types = dict.fromkeys(_texts(where, "types", types))
    if not isinstance(types, Mapping):
        raise CarsegError(f"{where}: types is neither a list of names nor names with lists of other names")
    names = tuple(_texts(where, "types", list(types)))
    aliases = tuple(
        tuple(_texts(where, name, others)) for name, others in zip(names, types.values(), strict=True)
    )
    return _checked(where, names, aliases, tuple(_texts(where, "leave_out", content.get("leave_out"))))


def _texts(where: str, name: str, value: Any) -> list[str]:
    """A YAML value as a list of names. It is not shown: what a small YAML file repeats may be endless."""
    values = [] if value is None else [value] if isinstance(value, str) else value
    if not isinstance(values, list):
        raise CarsegError(f"{where}: {name} is not a list of names")
    for one in values:
        if not isinstance(one, str):
            kind = "a list" if isinstance(one, list | dict) else f"{one!r}"
            raise CarsegError(f"{where}: {kind} among {name} is not a text; put names in quotes")
    return [one.strip() for one in values]


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:59] + "…"


# What the car segmenter learns from: one type, by any name that COCO, VOC or a study of cars gives it.
ANY_CAR = ClassMap(("car",), ((*BODY_TYPES, "truck", "bus", "van", "vehicle"),))
