"""Which files of a run's folder go into its archive, and the page that says what is in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.run import Run
from carseg_lib.workflow.archive.inputs import Source
from carseg_lib.workflow.archive.ro_crate import RESULTS, Facts
from carseg_lib.workflow.archive.zip_files import Entry

FOLDER = "run"
# Left out: states to resume a training from, stamps, exports and predictions of other photos.
_TAKEN = (
    *("*.json", "*.csv", "*.md", "*.html"),
    *("catalogue/*", "dataset/*", "figures/**/*", "notebooks/*", "photos/**/*", "portable/*"),
    *("model/best.pt", "model/best.json", "model/presence.json"),
)


def run_files(run: Run) -> Iterator[Entry]:
    """The files of a finished run.

    Raises:
        CarsegError: One of its results is missing, or the weights are not those that provenance.json names.
    """
    for name in RESULTS:
        path = run.folder / name.removeprefix(f"{FOLDER}/")
        if not path.is_file():
            raise CarsegError(f"{path} is missing, so the run is not finished; make it first: {run.command()}")
    said = (files.read_json(run.provenance).get("weights") or {}).get("model_sha256")
    if said and said != files.sha256(run.best_weights):
        raise CarsegError(f"{run.best_weights} is not the file that provenance.json names; make the run again.")
    seen: set[Path] = set()
    for pattern in _TAKEN:
        for path in sorted(run.folder.glob(pattern)):
            hidden = any(part.startswith(".") for part in path.relative_to(run.folder).parts)
            if path.is_file() and not path.is_symlink() and not hidden and path not in seen:
                seen.add(path)
                yield Entry(f"{FOLDER}/{path.relative_to(run.folder).as_posix()}", path)


def readme(facts: Facts, folders: Sequence[str], patched: bool) -> str:
    """README.md of an archive: what is in it, how to run it again, where it may be deposited."""
    parts = {
        "code/": f"the repository at commit {facts.provenance['carseg']['commit']}"
        + (", with the changes of code.patch, which no commit has" if patched else ""),
        "run/": "the run: numbers, predictions, weights, executed notebooks; `run/index.html` is the report",
        "data/": "the photos",
        "negatives/": "photos without a car, to measure false alarms on",
        "inputs/": "checkpoints or lists of types that the run began from",
        "wheels/": "every package, for one system and Python",
        "croissant/": "tables of the photos, cars and masks, which croissant.json describes",
        "checklists/": "REFORMS and ML Code Completeness, answered from the run",
    }
    sources = "\n".join(_source_line(source) for source in facts.inputs.sources)
    listed = "\n".join(f"- `{name}`: {text}" for name, text in parts.items() if name.rstrip("/") in folders)
    return f"""# {facts.title}

{facts.citation.get("title")}. Made {facts.made} by `{facts.provenance["command"]}`.

{listed}
- `ro-crate-metadata.json`, `croissant.json`, `codemeta.json`, `.zenodo.json`: metadata that other programs read
- `SHA256SUMS`: `sha256sum -c SHA256SUMS`

## What it was made from

{sources}

## Run it again

In a clone of carseg, with its environment (`make setup`): `make rerun ARCHIVE=this.zip`. It needs no network, checks
every file, runs the code in `code/` with the same settings and seed, and says whether the numbers are the same to the
bit, within tolerance, or others. Where the environment's lock is another one, `code/` has the right one: unpack, then
`cd code && make setup && make rerun ARCHIVE=../../this.zip`.

## Licences

The code is MIT, rendered photos are CC0. Photos of a user's own keep their licence; the page and the notebooks show
some of them. More: `code/LICENSE`, `code/docs/`.
"""


def _source_line(source: Source) -> str:
    place = f"`{source.place}`" if source.place else "in `code/`"
    carried = f"carried, {place}" if source.carried else f"not carried; digests are in the archive; put it at {place}"
    return f"- {source.variable}: {source.name}, {source.files:,} files, {source.size / 1e6:,.1f} MB: {carried}"
