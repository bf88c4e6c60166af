"""The body types of a run, in order, and their names in the data.

CLASSES gives them: a list ("hatchback wagon pickup"), with other names after a sign of equality
("suv=geländewagen,4x4 sedan=limousine,berline"), a YAML file, or the word `folders`: each type folder of the data.
"""

from __future__ import annotations

import re
import shlex
import textwrap
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from carseg_lib.core.errors import CarsegError

BODY_TYPES = ("suv", "sedan", "convertible", "minivan")  # the order of the paper's Table 1; class id = index + 1
NO_DETECTION = "no car found"  # in matrices and reports; predictions.csv has ""
FOLDERS = "folders"  # the value of CLASSES for: the names of the data's type folders
# Names of body types of cars, normalized, of which no built-in picture without a car shows one.
_CAR_TYPES = {
    *BODY_TYPES,
    *("cabrio", "cabriolet", "roadster", "spider", "spyder", "coupe", "coupé", "saloon", "limousine", "hatchback"),
    *("wagon", "stationwagon", "estate", "kombi", "crossover", "offroader", "pickup", "mpv", "compact", "citycar"),
    *("sportscar", "supercar", "musclecar", "crewcab"),
}
LONGEST = 40  # characters of a type's name, which stands in figures and tables
_MAX_BYTES = 100_000  # of a YAML file
# Words that the tables of a run use, and words that a reader of CSV may take for a missing value.
_RESERVED = {"nocarfound", "alltypes", "macroavg", "weightedavg", "overallaccuracy"}
_MISSING = {"na", "n/a", "#n/a", "nan", "none", "null", "<na>", "true", "false"}


def normalize_name(name: str) -> str:
    """A name without case, Unicode form, spaces, hyphens and underscores: "Mini-Van" is "minivan"."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return re.sub(r"[\s_-]+", "", folded)


def are_car_types(names: Iterable[str]) -> bool:
    """Whether every name is known to be a body type of cars; case, separators and a plural s do not matter."""
    keys = [normalize_name(name) for name in names]
    return all({key, key.removesuffix("s")} & _CAR_TYPES for key in keys)


@dataclass(frozen=True)
class ClassMap:
    """The body types of a run and their names in the data. Construction raises a ValueError for contradictions."""

    names: tuple[str, ...] = BODY_TYPES  # in order; class id = index + 1; empty if the data's type folders name them
    aliases: tuple[tuple[str, ...], ...] = ((),) * len(BODY_TYPES)  # for each type, its other names
    left_out: tuple[str, ...] = ()  # names that are known and left out on purpose

    def __post_init__(self) -> None:
        for name in self.names:
            _check_name(name)
            if self.names.count(name) > 1:
                raise ValueError(f"the type {name!r} is given twice; keep one of them")
        _ = self._type_of_name  # which refuses names of two types

    @cached_property
    def _type_of_name(self) -> dict[str, str]:
        """The type of every normalized name and of its plural; "" for those left out."""
        groups = [*zip(self.names, self.aliases, strict=True), ("", self.left_out)]
        given: dict[str, tuple[str, str]] = {}  # normalized name: the type, the name as it was written
        for body_type, aliases in groups:
            for name in (body_type, *aliases) if body_type else aliases:
                if not normalize_name(name):
                    raise ValueError(f"{name!r} is an empty name; leave it out")
                _check_same_type(given.setdefault(normalize_name(name), (body_type, name)), (body_type, name))
        for key, entry in given.items():
            _check_same_type(given.get(key + "s", entry), entry)
        return {key + plural: body_type for plural in ("s", "") for key, (body_type, _) in given.items()}

    @property
    def named_by_folders(self) -> bool:
        """Whether the type folders of the data become the types (see `from_folders`)."""
        return not self.names

    def resolve(self, name: str) -> str | None:
        """The body type that a folder, a category or a table's cell names, or None.

        Case, a plural s, and spaces, hyphens and underscores do not matter: "Mini-Vans" is minivan.
        """
        return self._type_of_name.get(normalize_name(name)) or None

    def exclusion_reason(self, name: str) -> str:
        """The reason for leaving out a name that is no type's: "left out" on purpose, or "other type"."""
        return "left out" if self._type_of_name.get(normalize_name(name)) == "" else "other type"

    @property
    def sentence(self) -> str:
        """The types in a sentence: "suv, sedan, convertible or minivan"."""
        return f"{', '.join(self.names[:-1])} or {self.names[-1]}" if self.names else "a body type"

    @property
    def text(self) -> str:
        """The types in one line: as in CLASSES, with the names left out in brackets."""
        pairs = zip(self.names, self.aliases, strict=True)
        words = [shlex.quote(f"{name}={','.join(aliases)}" if aliases else name) for name, aliases in pairs]
        if self.left_out:
            words.append(f"(left out: {', '.join(self.left_out)})")
        return " ".join(words) or FOLDERS

    def from_folders(self, found: Iterable[str]) -> ClassMap:
        """The types of data whose type folders have these names, in alphabetical order.

        Folders whose names differ by case, a plural s or separators alone are one type; the first spelling names it.

        Raises:
            CarsegError: A folder's name cannot be a type's, or there are fewer than two.
        """
        types: dict[str, str] = {}
        for name in sorted(found, key=lambda name: (normalize_name(name), name)):
            key = normalize_name(name)
            if key not in types and key.removesuffix("s") not in types:
                types[key] = name.strip()
        return _checked(f"CLASSES={FOLDERS}", tuple(types.values()), ((),) * len(types))

    @classmethod
    def parse(cls, text: str) -> ClassMap:
        """Read the text of CLASSES: empty for the paper's four, `folders`, a list, or a YAML file's path (.yaml, .yml).

        Raises:
            CarsegError: The text cannot be read, or types contradict each other.
        """
        text = text.strip()
        if not text:
            return cls()
        if text == FOLDERS:
            return cls((), ())
        if text.lower().endswith((".yaml", ".yml")):
            return _read_yaml(Path(text).expanduser())
        where = f"CLASSES={textwrap.shorten(text, 60, placeholder='…')}"
        try:
            pairs = [part.partition("=") for part in shlex.split(text)]
        except ValueError as error:
            raise CarsegError(f"{where}: cannot be read ({str(error).lower()})") from None
        for name, equals, aliases in pairs:
            if not name.strip() or (equals and not all(alias.strip() for alias in aliases.split(","))):
                given = name + equals + aliases
                raise CarsegError(f"{where}: {given!r} has an empty name; write type or type=name,name")
        names = tuple(name.strip() for name, _, _ in pairs)
        others = (tuple(map(str.strip, aliases.split(","))) if aliases else () for _, _, aliases in pairs)
        return _checked(where, names, tuple(others))


def _checked(
    where: str, names: tuple[str, ...], aliases: tuple[tuple[str, ...], ...], left_out: tuple[str, ...] = ()
) -> ClassMap:
    """The class map of a user's types; two at least are needed."""
    try:
        if len(names) < 2:
            found = ", ".join(names) or "none"
            raise ValueError(f"a study needs two body types or more (found: {found}); separate them by spaces")
        return ClassMap(names, aliases, left_out)
    except ValueError as error:
        raise CarsegError(f"{where}: {error}") from None


def _check_same_type(first: tuple[str, str], second: tuple[str, str]) -> None:
    """Refuse two names, as (type, name), that are read as the same and mean different types."""
    if first[0] != second[0]:
        names = f"{first[1]!r}" if first[1] == second[1] else f"{first[1]!r} (read like {second[1]!r})"
        one, other = (body_type or "a type left out" for body_type, _ in (first, second))
        raise ValueError(f"{names} means both {one} and {other}; keep one of them")


def _check_name(name: str) -> None:
    if not normalize_name(name):
        raise ValueError(f"{name!r} is an empty type; give it a name")
    if not name.isprintable() or "/" in name or len(name) > LONGEST:
        raise ValueError(
            f"the type {name[: LONGEST + 1]!r} is not printable text without / of at most {LONGEST} characters"
        )
    if normalize_name(name) in _RESERVED:
        raise ValueError(f"the type {name!r} has a name that the tables of a run use; choose another")
    if _is_number(name) or name.lower() in _MISSING:
        raise ValueError(f"the type {name!r} would be read as a number or as missing; write it in words")


def _is_number(name: str) -> bool:
    try:
        float(name)
    except ValueError:
        return False
    return True


def _read_yaml(path: Path) -> ClassMap:
    """Types from `types: {suv: [jeep], sedan: []}` or `types: [suv, sedan]`, and an optional `leave_out: [...]`."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise CarsegError(f"{path}: larger than {_MAX_BYTES:,} bytes, not a list of types")
        text = path.read_text(encoding="utf-8-sig")
        node, content = yaml.compose(text, Loader=yaml.SafeLoader), yaml.safe_load(text)
    except OSError as error:
        raise CarsegError(f"CLASSES={path}: the file cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise CarsegError(f"{path}: not UTF-8 text; save it as UTF-8") from None
    except RecursionError:
        raise CarsegError(f"{path}: not valid YAML: nested too deeply") from None
    except (yaml.YAMLError, ValueError) as error:
        raise CarsegError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict) or not {"types"} <= set(content) <= {"types", "leave_out"}:
        raise CarsegError(f"{path}: must hold types, and may hold leave_out; nothing else")
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    for mapping in (node, next(value for key, value in pairs if key.value == "types")):
        keys = [key.value for key, _ in mapping.value] if isinstance(mapping, yaml.MappingNode) else []
        if twice := [str(key) for key in keys if keys.count(key) > 1]:
            raise CarsegError(f"{path}: {twice[0]} is given twice; keep one of them")
    types = content["types"]
    if not isinstance(types, Mapping):
        types = dict.fromkeys(_names(path, "types", types))
    names = tuple(_names(path, "types", list(types)))
    aliases = tuple(tuple(_names(path, name, others)) for name, others in types.items())
    return _checked(str(path), names, aliases, tuple(_names(path, "leave_out", content.get("leave_out"))))


def _names(path: Path, key: str, value: Any) -> list[str]:
    """A YAML value as a list of names. It is not shown: aliases in a small file may repeat without end."""
    values = [] if value is None else [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not all(isinstance(name, str) for name in values):
        raise CarsegError(f"{path}: {key} is not a list of names; put names in quotes")
    return [name.strip() for name in values]


# The one class of the car segmenter, with the names that COCO, VOC and car data sets have for it.
ANY_CAR = ClassMap(("car",), ((*BODY_TYPES, "truck", "bus", "van", "vehicle"),))
