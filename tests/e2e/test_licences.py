"""docs/licences.md: its table of packages against the metadata of what is installed of the lock."""

from __future__ import annotations

import re
from importlib import metadata

import pytest

from carseg_lib.core.paths import project_folder

PAGE = (project_folder() / "docs" / "licences.md").read_text(encoding="utf-8")
LOCKED = sorted({*re.findall(r"(?m)^([a-z0-9-]+)==", (project_folder() / "requirements.lock").read_text())})
PERMISSIVE = re.compile(r"MIT|BSD|Apache|ISC|PSF|Python Software Foundation|Zlib|CC0|Unlicense|BSL-1.0", re.I)
COPYLEFT = re.compile(r"\b(A|L)?GPL|GNU|EUPL|CeCILL", re.I)


def licence(package: str) -> str:
    """What a package's metadata say: the expression, the classifiers, or how the field begins; "" if nothing."""
    told = metadata.metadata(package)
    classifiers = [c.rpartition(" :: ")[2] for c in told.get_all("Classifier", []) if c.startswith("License ::")]
    text = (
        told.get("License-Expression") or "; ".join(classifiers) or " ".join((told.get("License") or "").split())[:60]
    )
    return "" if text in ("UNKNOWN", "Other/Proprietary License") else text


def named(beginning: str) -> set[str]:
    """The packages of the row of the table that begins so."""
    (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| {beginning}")]
    return set(row.strip("| ").rpartition(" | ")[2].split(", "))


def installed() -> list[str]:
    found = []
    for package in LOCKED:
        try:
            metadata.distribution(package)
        except metadata.PackageNotFoundError:  # of another system
            continue
        found.append(package)
    return found


def test_every_package_is_in_its_class():
    packages = installed()
    assert len(packages) > 150
    mpl, nvidia = named("MPL-2.0"), named("NVIDIA")
    told_by_a_file, untold = named("not told by"), named("not told at all")
    for package in packages:
        text = licence(package)
        assert ("MPL" in text or "Mozilla" in text) == (package in mpl), (package, text)
        assert ("NVIDIA" in text) == (package in nvidia), (package, text)
        assert (text == "") == (package in told_by_a_file | untold), (package, text)
        assert not COPYLEFT.search(text), (package, text)
        if package not in mpl | nvidia | told_by_a_file | untold:
            assert PERMISSIVE.search(text), (package, text)
    assert mpl | nvidia | told_by_a_file | untold <= {*LOCKED}


@pytest.mark.parametrize("package", sorted(named("not told by")))
def test_what_the_metadata_do_not_tell_a_file_does(package):
    files = [file for file in metadata.files(package) or [] if "licen" in str(file).lower()]
    assert any("Apache License" in file.read_text() for file in files if file.suffix in ("", ".txt"))
