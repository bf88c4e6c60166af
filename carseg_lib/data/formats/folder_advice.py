"""What to type where the data have other names than the types: the names that were found, and a value of CLASSES."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path

from carseg_lib.core.classes import ClassMap, normalize_name
from carseg_lib.data.formats.base import Listing, as_text, is_junk

_NAME_FILES = ("classes.txt", "class_names.txt", "labels.txt", "names.txt", "obj.names", "_darknet.labels")
_SHOWN = 8
# Other words for the paper's types, as a suggestion only: they are never read as one.
_LIKE = {
    "suv": ("offroad", "crossover", "jeep", "4x4", "geländewagen", "sportutility"),
    "sedan": ("saloon", "limousine", "berline", "notchback"),
    "convertible": ("cabrio", "roadster", "spyder", "spider", "droptop"),
    "minivan": ("mpv", "peoplecarrier", "monospace", "van"),
}


def class_names(folder: Path) -> list[str]:
    """The names in a list of classes that lies in a folder, a name a line, the first for number 0; none without one."""
    lists = [path for path in sorted(folder.glob("*.names")) if not is_junk(path.name)]
    paths = [folder / name for name in _NAME_FILES] + (lists if len(lists) == 1 else [])
    return next((names for path in paths if (names := names_in(path))), [])


def names_in(path: Path) -> list[str]:
    """The lines of a list of classes; none where it cannot be read, or is too large for one."""
    try:
        if path.is_file() and path.stat().st_size < 100_000:
            return [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, ValueError):
        pass
    return []


def advise(listing: Listing, others: Mapping[str, int], found: str, unit: str) -> None:
    """Say what to type where the data have other names than the types, for every format.

    Where a type has no photos, the listing's `hint` gives the names in its place. Else names that are spelled like a
    type's are noted among what is left out, with the CLASSES that reads them.

    Args:
        listing: All photos of the data set.
        others: Names that are no type, and how many photos, or labels, have them.
        found: The beginning of the sentence on these: "other folders hold photos".
        unit: What is counted in `others`: "photos".
    """
    types, counts = listing.types, listing.car_counts()
    others = {name: n for name, n in others.items() if name and types.exclusion_reason(name) != "left out"}
    if any(not counts[name] for name in types.names):
        listing.hint = _missing_hint(types, counts, others, found, unit)
        return
    alike = {name: n for name, n in others.items() if not types.resolve(name) and _spelled_like(name, types)}
    if advice := suggestion(types, alike, []):
        said = (
            f'{shown(alike, unit)} {"are" if len(alike) > 1 else "is"} spelled like a type: CLASSES="{advice}" reads it'
        )
        listing.ignore("./", "other type", said)
        listing.hint = said


def _missing_hint(types: ClassMap, counts: Mapping[str, int], others: Mapping[str, int], found: str, unit: str) -> str:
    """What to do where a type has no photos, and other names are found in its place; "" if there are none."""
    if not others:
        return ""
    advice = suggestion(types, others, [])
    rest = " ".join(name for name in types.names if counts.get(name))
    typed = f'CLASSES="{advice}" takes them' if advice else 'CLASSES says how the data name a type: "suv=jeep,4x4"'
    without = f', or CLASSES="{rest}" does without' if not advice and len(rest.split()) > 1 else ""
    return f"{found}: {shown(others, unit)}; {typed}{without}"


def by_classes(types: ClassMap, names: Mapping[str, int]) -> str:
    """What to do where no name in the data is a type's: the CLASSES that reads them, if one is like a type."""
    advice = suggestion(types, {name: names[name] for name in sorted(names) if name}, [])
    return f'give their names in CLASSES, for instance CLASSES="{advice}"' if advice else "give their names in CLASSES"


def shown(names: Mapping[str, int], unit: str) -> str:
    """Names with their numbers, the first few."""
    parts = [f"{as_text(name)} ({number} {unit})" for name, number in sorted(names.items())]
    return ", ".join(parts[:_SHOWN]) + (f" and {len(parts) - _SHOWN} more" if len(parts) > _SHOWN else "")


def suggestion(types: ClassMap, names: Mapping[str, int], known: list[str]) -> str:
    """A value of CLASSES, as a shell reads it, by which folders become types; "" if none of them is like a type.

    Args:
        types: The body types.
        names: Names of folders, or of classes, that are no type, and how many photos have them.
        known: Names of numbered classes, the first for number 0 (`class_names`).
    """
    found: dict[str, list[str]] = {name: [] for name in types.names}
    for name in names:
        told = name
        if name.isascii() and name.isdigit() and len(name) < 9 and int(name) < len(known):
            told = known[int(name)]
        body_type = types.resolve(told) or _most_like(told, types)
        if body_type and "," not in name and "=" not in name:
            found[body_type].append(name)
    if not any(found.values()):
        return ""
    pairs = zip(types.names, types.aliases, strict=True)
    words = [(name, [*aliases, *found[name]]) for name, aliases in pairs]
    return " ".join(shlex.quote(f"{name}={','.join(others)}" if others else name) for name, others in words)


def names_of_parts(folders: Mapping[str, int]) -> Counter[str]:
    """Photos by the last name of the folder that they lie in."""
    counts: Counter[str] = Counter()
    for folder, number in folders.items():
        counts[Path(folder).name] += number
    return counts


def _most_like(name: str, types: ClassMap) -> str | None:
    """The type whose name, or another word for it, is in a name: "S.U.V." is like suv, "Sedan cars" like sedan."""
    squeezed = _letters(name)
    for body_type in sorted(types.names, key=len, reverse=True):  # "minivan" before "van"
        key = _letters(body_type)
        if any(word in squeezed for word in (key, *_LIKE.get(key, ()))):
            return body_type
    return _spelled_like(name, types)


def _spelled_like(name: str, types: ClassMap) -> str | None:
    """The type whose own name is in a name, or is one slip of the pen away: "S.U.V.", "Convertable"."""
    squeezed, keys = _letters(name), {_letters(body_type): body_type for body_type in types.names}
    within = next((key for key in sorted(keys, key=len, reverse=True) if key and key in squeezed), None)
    nearest = get_close_matches(squeezed, [key for key in keys if len(key) > 3], n=1, cutoff=0.8)
    return keys[within] if within else keys[nearest[0]] if nearest else None


def _letters(name: str) -> str:
    """A name's letters and digits alone, as they are compared."""
    return re.sub(r"[\W_]+", "", normalize_name(name))
