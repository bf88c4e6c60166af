"""Makes the archive of a finished run: one zip, which is written whole or not at all and uploaded nowhere.

archive.json, for `rerun`:

schema      1
run, command    name of the run, and the command that made it, with places in the archive for paths
sources     the inputs, see `inputs.Source`
weights     the initial weights, where they are neither a package's nor in the archive: "coco"; else ""
threads     that a process spread its sums over
model_sha256    of the trained weights
patched     whether code/ holds changes that no commit has
wheels      whether the packages are in the archive
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.paths import project_folder
from carseg_lib.core.run import Run
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.workflow.archive import citation, croissant, inputs, reforms, ro_crate, source_code, wheels
from carseg_lib.workflow.archive.contents import readme, run_files
from carseg_lib.workflow.archive.redaction import Redactor
from carseg_lib.workflow.archive.zip_files import Entry, write_zip

MANIFEST = "archive.json"
LOCK = f"{source_code.FOLDER}/requirements.lock"
CHOICES = {
    "data": ("digests", "carried"),
    "wheels": ("none", "carried"),
    "changes": ("refused", "patch"),
}  # words of SET, the first is the default
_CHECKED = (".zip", ".jpg", ".jpeg", ".png", ".webp", ".whl")  # not looked through for secrets and paths


@dataclass(frozen=True)
class Options:
    """What goes along only when it is asked for."""

    data: bool = False
    wheels: bool = False
    changes: bool = False

    @classmethod
    def parse(cls, given: Mapping[str, str]) -> Options:
        """Read words of SET, for instance `{"data": "carried"}`.

        Raises:
            CarsegError: There is no such word.
        """
        for name, value in given.items():
            if value not in CHOICES.get(name, ()):
                known = ", ".join(f"{name}={'|'.join(values)}" for name, values in CHOICES.items())
                raise CarsegError(f"SET: {name}={value} is no choice for an archive; there are: {known}")
        return cls(*(given.get(name, values[0]) == values[1] for name, values in CHOICES.items()))


def make_archive(run: Run, path: Path, options: Options, root: Path | None = None) -> list[str]:
    """Write the archive of a finished run.

    Args:
        run: The run.
        path: The zip to write.
        options: What goes along besides.
        root: The repository; this one if not given.

    Returns:
        Lines that say what is in it and what is not.

    Raises:
        CarsegError: The run is not finished, its code or photos are not those it was made with, changes are not
            committed, or a file holds a secret or a name. Nothing is written then.
    """
    results = [*run_files(run)]
    provenance = files.read_json(run.provenance)
    code, patched = source_code.code_entries(root or project_folder(), provenance, options.changes)
    found = inputs.collect(run, provenance, options.data)
    with tempfile.TemporaryDirectory(prefix="carseg-") as folder:
        by_name = {entry.name: entry for entry in code}
        packages = wheels.download_wheels(_bytes(by_name[LOCK]), Path(folder)) if options.wheels else []
        redactor = Redactor(found.places)
        entries = [*code, *(_redacted(redactor, entry) for entry in results), *found.entries, *packages]
        catalogue = Catalogue.load(run.dataset)
        entries = _with_metadata(run, entries, found, catalogue, redactor, patched=patched)
        for entry in entries:
            if not entry.name.lower().endswith(_CHECKED):
                own = not entry.name.startswith((f"{source_code.FOLDER}/", source_code.PATCH))
                redactor.check(entry.name, _bytes(entry), own=own)
        write_zip(path, entries)
    return _lines(path, entries, found, provenance, redactor, patched=patched)


def _with_metadata(
    run: Run, entries: list[Entry], found: inputs.Inputs, catalogue: Catalogue, redactor: Redactor, *, patched: bool
) -> list[Entry]:
    by_name = {entry.name: entry for entry in entries}
    read = {name: json.loads(_bytes(by_name[f"run/{name}.json"])) for name in ("provenance", "metrics", "config")}
    read["provenance"]["command"] = command = redactor.command(read["provenance"]["command"])
    entries = [_with_command(entry, command) for entry in entries]
    cited = citation.read_citation(_bytes(by_name[f"{source_code.FOLDER}/{citation.CITATION}"]).decode())
    facts = ro_crate.Facts(run.name, read["provenance"], read["metrics"], read["config"], cited, found)
    entries += croissant.tables(catalogue)
    made: dict[str, Any] = {
        MANIFEST: _manifest(run, facts, patched=patched, wheels=any(e.name.startswith("wheels/") for e in entries)),
        citation.CODEMETA: citation.codemeta(cited, facts.provenance),
        citation.ZENODO: citation.zenodo(cited, facts.title, facts.made),
    }
    sizes, sums = _sizes(entries), _sums(entries)
    made[croissant.FILE] = croissant.write_croissant(facts, catalogue, sizes, sums)
    items = reforms.reforms(facts, catalogue)
    names = {*sizes, "README.md"}
    pages = {
        "README.md": readme(facts, sorted({name.partition("/")[0] for name in names} | {"checklists"}), patched),
        "checklists/reforms.md": reforms.checklist_markdown("REFORMS", reforms.REFORMS_SOURCE, items),
        "checklists/ml-code-completeness.md": reforms.checklist_markdown(
            "ML Code Completeness", reforms.COMPLETENESS_SOURCE, reforms.ml_completeness(facts, names)
        ),
    }
    entries += [Entry(name, _json(value)) for name, value in made.items()]
    entries += [Entry(name, text.encode()) for name, text in pages.items()]
    crate = ro_crate.write_crate(facts, _sizes(entries), sums)
    return [*entries, Entry(ro_crate.FILE, _json(crate))]


def _with_command(entry: Entry, command: str) -> Entry:
    if entry.name != "run/provenance.json":
        return entry
    return replace(entry, content=_json(json.loads(_bytes(entry)) | {"command": command}))


def _manifest(run: Run, facts: ro_crate.Facts, *, patched: bool, wheels: bool) -> dict[str, Any]:
    return {
        "schema": 1,
        "run": run.name,
        "command": facts.provenance["command"],
        "sources": [source.record() for source in facts.inputs.sources],
        "weights": "coco" if "coco" in (run.config.model.weights, run.config.pseudo_labels.source) else "",
        "threads": facts.provenance.get("threads"),
        "model_sha256": (facts.provenance.get("weights") or {}).get("model_sha256"),
        "patched": patched,
        "wheels": wheels,
    }


def _redacted(redactor: Redactor, entry: Entry) -> Entry:
    before = _bytes(entry) if not entry.name.endswith((".png", ".webp", ".jpg", ".pt")) else None
    after = redactor.text(entry.name, before) if before is not None else None
    return entry if after is None or after == before else replace(entry, content=after)


def _bytes(entry: Entry) -> bytes:
    return entry.content if isinstance(entry.content, bytes) else entry.content.read_bytes()


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _sizes(entries: Iterable[Entry]) -> dict[str, int]:
    return {
        entry.name: len(entry.content) if isinstance(entry.content, bytes) else entry.content.stat().st_size
        for entry in entries
    }


def _sums(entries: Iterable[Entry]) -> dict[str, str]:
    """sha256 (hex) of the files that the metadata name by digest."""
    wanted = (inputs.BUILTIN_FILE, LOCK, *ro_crate.RESULTS)
    chosen = (e for e in entries if e.name in wanted or e.name.startswith("croissant/"))
    return {entry.name: hashlib.sha256(_bytes(entry)).hexdigest() for entry in chosen}


def _lines(
    path: Path,
    entries: list[Entry],
    found: inputs.Inputs,
    provenance: Mapping[str, Any],
    redactor: Redactor,
    *,
    patched: bool,
) -> list[str]:
    commit = provenance["carseg"]["commit"][:12]
    lines = [f"code: commit {commit}" + (f", with changes that no commit has ({source_code.PATCH})" if patched else "")]
    if len(commits := {step.get("commit") for step in provenance["steps"]} - {provenance["carseg"]["commit"]}):
        lines.append(f"some notebooks ran at {len(commits)} earlier commits; the code is that of the last")
    for source in found.sources:
        ask = '; SET="data=carried" takes them along'
        where = "carried" if source.carried else f"digests alone{ask}"
        lines.append(
            f"{source.variable}: {source.name}, {source.size / 1e6:,.1f} MB in {source.files:,} files: {where}"
        )
    if found.data.place:
        lines.append("the page and the notebooks show some of the photos; carried photos keep their EXIF")
    if redactor.changed:
        lines.append(f"{len(redactor.changed)} files had paths of this machine, which are places in the archive now")
    lines.append(f"{len(entries) + 1:,} files, {path.stat().st_size / 1e6:,.1f} MB, sha256 {files.sha256(path)}")
    lines.append(
        "nothing was uploaded. To deposit it: Zenodo (fields: .zenodo.json), OSF, or your institution's repository"
    )
    return lines
