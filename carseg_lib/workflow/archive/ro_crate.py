"""`ro-crate-metadata.json`: the run as an RO-Crate 1.1 of the Workflow Run Crate profile 0.5.

The workflow is the Makefile, the command's file; its run is one CreateAction, and each notebook's another. Everything
is read from provenance.json, metrics.json and config.json of the run: no name of a person, no path, no address.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from carseg_lib.workflow.archive.inputs import BUILTIN_FILE, LIST, Inputs
from carseg_lib.workflow.archive.source_code import FOLDER as CODE

FILE = "ro-crate-metadata.json"
Entity = dict[str, Any]
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": ("Workflow RO-Crate", "1.0"),
}
MIT = "https://spdx.org/licenses/MIT"
CC0 = "https://spdx.org/licenses/CC0-1.0"
MAKE = "https://www.gnu.org/software/make/"
PYTHON = "https://www.python.org/"
WORKFLOW = f"{CODE}/Makefile"
README = "README.md"
RESULTS = {  # of a run's files, in words
    "run/metrics.json": "every number of the run, with its interval and number of photos",
    "run/predictions.csv": "a row a photo: type, score, box and mask",
    "run/detections.csv": "a row a detection",
    "run/history.csv": "a row an epoch of the training",
    "run/model/best.pt": "weights of the trained model, PyTorch",
    "run/index.html": "the report",
    "run/provenance.json": "commit, versions, machine and times of the run",
    "run/config.json": "settings of the run",
}
_TYPES = {".ipynb": "application/x-ipynb+json", ".pt": "application/octet-stream", ".md": "text/markdown"}


@dataclass(frozen=True)
class Facts:
    """What a run's files say.

    Attributes:
        name: Of the run.
        provenance, metrics, config: Its provenance.json, metrics.json and config.json, without paths.
        citation: CITATION.cff at its commit.
        inputs: Its inputs.
    """

    name: str
    provenance: Mapping[str, Any]
    metrics: Mapping[str, Any]
    config: Mapping[str, Any]
    citation: Mapping[str, Any]
    inputs: Inputs

    @property
    def title(self) -> str:
        """One line on the run."""
        run, data = self.metrics["run"], self.metrics["data"]["name"]
        return f"carseg, run {self.name}: profile {run['profile']} on {data}, seed {run['seed']}"

    @property
    def made(self) -> str:
        """When the run ended, UTC, ISO 8601."""
        return str(self.provenance["made"])


def write_crate(facts: Facts, sizes: Mapping[str, int], sums: Mapping[str, str]) -> Entity:
    """Return the RO-Crate's metadata, for JSON.

    Args:
        facts: Of the run.
        sizes: Bytes of each file of the archive, by name, but for the metadata themselves.
        sums: sha256 (hex) of those whose digest is known.
    """
    notebooks = sorted(n for n in sizes if n.startswith("run/notebooks/") and n.endswith(".ipynb"))
    results = [name for name in RESULTS if name in sizes]
    described = {name: _file(name, sizes[name], sums.get(name)) for name in sorted(sizes)}
    carseg = facts.provenance["carseg"]
    version = f"{carseg.get('version') or 'unknown'}, commit {carseg['commit']}"
    described[WORKFLOW] |= _workflow(version, notebooks)
    described[README] |= {"about": {"@id": "./"}}
    for number, name in enumerate(notebooks):
        described[_source(name)] |= {"@type": ["File", "SoftwareSourceCode"], "programmingLanguage": {"@id": PYTHON}}
        described[_source(name)] |= {"version": version}
        described[name] |= {"about": {"@id": f"#step-{number}"}}
    for name in results:
        described[name] |= {"description": RESULTS[name], "exampleOfWork": {"@id": "#results"}}
    data = _data(facts, described)
    steps = {step["name"]: step for step in facts.provenance["steps"]}
    actions = [_action(facts, data, results)]
    for number, name in enumerate(notebooks):
        stem = name.rpartition("/")[2].removesuffix(".ipynb")
        if step := steps.get(stem):
            actions.append(_step(number, stem, step, name, data))
    root: Entity = {
        "@id": "./",
        "@type": "Dataset",
        "name": facts.title,
        "description": str(facts.citation.get("abstract", "A run of carseg")),
        "datePublished": facts.made,
        "license": {"@id": MIT},
        "conformsTo": _ids(PROFILES),
        "mainEntity": _id(WORKFLOW),
        "hasPart": _ids(sorted(sizes)),
        "mentions": _ids(action["@id"] for action in actions),
        "author": {"@id": "#author"},
        "publisher": {"@id": "#author"},
        "keywords": ", ".join(facts.citation.get("keywords", [])),
    }
    descriptor: Entity = {
        "@id": FILE,
        "@type": "CreativeWork",
        "about": {"@id": "./"},
        "conformsTo": [
            {"@id": "https://w3id.org/ro/crate/1.1"},
            {"@id": "https://w3id.org/workflowhub/workflow-ro-crate/1.0"},
        ],
    }
    graph = [descriptor, root, *described.values(), *data.values(), *actions, *_context(facts)]
    return {
        "@context": ["https://w3id.org/ro/crate/1.1/context", "https://w3id.org/ro/terms/workflow-run/context"],
        "@graph": graph,
    }


def _source(executed: str) -> str:
    """The notebook in the code that an executed one is a run of."""
    return f"{CODE}/notebooks/{executed.rpartition('/')[2]}"


def _file(name: str, size: int, sha256: str | None) -> Entity:
    suffix = f".{name.rpartition('.')[2]}"
    kind = _TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    digest = {"sha256": sha256} if sha256 else {}
    return {
        "@id": quote(name),
        "@type": "File",
        "name": name,
        "contentSize": str(size),
        "encodingFormat": kind,
    } | digest


def _workflow(version: str, notebooks: Iterable[str]) -> Entity:
    return {
        "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow"],
        "name": "carseg: make reproduce",
        "description": "Runs the notebooks of the study in order and writes the report.",
        "programmingLanguage": {"@id": MAKE},
        "version": version,
        "license": {"@id": MIT},
        "conformsTo": {"@id": "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"},
        "creator": {"@id": "#author"},
        "input": _ids(["#photos", "#settings"]),
        "output": _ids(["#results"]),
        "hasPart": _ids(map(_source, notebooks)),
    }


def _data(facts: Facts, described: dict[str, Entity]) -> dict[str, Entity]:
    """The entities of the photos: files of the archive are marked there, what stayed at home is told by its digest."""
    entities: dict[str, Entity] = {}
    for number, source in enumerate(facts.inputs.sources):
        key = f"#input-{number}"
        if not source.place:
            described[BUILTIN_FILE] |= {
                "description": "the photos of the built-in data set, rendered, with their boxes and masks",
                "license": {"@id": CC0},
                "exampleOfWork": {"@id": "#photos"},
            }
            continue
        parts = [name for name in described if name == source.place or name.startswith(f"{source.place}/")]
        entities[key] = {
            "@id": key,
            "@type": "Dataset" if source.files > 1 else "CreativeWork",
            "name": source.name,
            "description": f"{source.variable}: {source.files} files, {source.size} bytes, sha256 of names and "
            f"contents {source.sha256}; {'part of the archive' if source.carried else 'not part of the archive'}",
            "identifier": f"sha256:{source.sha256}",
            "exampleOfWork": {"@id": "#photos"},
        } | ({"hasPart": _ids(parts)} if parts else {})
        if source.variable == "DATA" and LIST in described:
            described[LIST] |= {"about": {"@id": key}}
    return entities


def _action(facts: Facts, data: Mapping[str, Entity], results: list[str]) -> Entity:
    steps = facts.provenance["steps"]
    photos = [*data] or [BUILTIN_FILE]
    start = min(_start(step) for step in steps)
    return {
        "@id": "#run",
        "@type": "CreateAction",
        "name": f"run {facts.name}",
        "description": facts.provenance["command"],
        "instrument": _id(WORKFLOW),
        "object": _ids([*photos, "#command"]),
        "result": _ids(results),
        "startTime": start,
        "endTime": _time(facts.made),
        "agent": {"@id": "#author"},
        "actionStatus": "http://schema.org/CompletedActionStatus",
    }


def _step(number: int, stem: str, step: Mapping[str, Any], executed: str, data: Mapping[str, Entity]) -> Entity:
    return {
        "@id": f"#step-{number}",
        "@type": "CreateAction",
        "name": f"notebook {stem}",
        "description": f"{step['seconds']} s, code of commit {step.get('commit')}",
        "instrument": _id(_source(executed)),
        "object": _ids([*data] or [BUILTIN_FILE]),
        "result": _id(executed),
        "startTime": _start(step),
        "endTime": _time(step["made"]),
        "agent": {"@id": "#author"},
        "actionStatus": "http://schema.org/CompletedActionStatus",
    }


def _start(step: Mapping[str, Any]) -> str:
    """When a step began: it ended when it was recorded, and its seconds are known."""
    ended = datetime.fromisoformat(_time(step["made"]))
    return (ended - timedelta(seconds=round(step["seconds"]))).isoformat()


def _time(text: str) -> str:
    """A time with its zone as a number, which the profile's checks take."""
    return text.replace("Z", "+00:00")


def _context(facts: Facts) -> list[Entity]:
    """The entities that others refer to: author, languages, licences, profiles, parameters."""
    authors = ", ".join(_author(author) for author in facts.citation.get("authors", [])) or "carseg contributors"
    hardware = facts.provenance["hardware"]
    photos = "Dataset" if facts.inputs.data.place else "File"
    return [
        {"@id": "#author", "@type": "Organization", "name": authors},
        {
            "@id": MAKE,
            "@type": ["ComputerLanguage", "SoftwareApplication"],
            "name": "GNU make",
            "alternateName": "make",
            "identifier": MAKE,
            "url": MAKE,
            "version": "3.81 or newer",
        },
        {
            "@id": PYTHON,
            "@type": ["ComputerLanguage", "SoftwareApplication"],
            "name": "Python",
            "url": PYTHON,
            "version": facts.provenance["python"],
        },
        _parameter("#photos", "photos", "DATA: the photos, with their types, boxes and masks", photos),
        _parameter("#settings", "settings", "the command's variables", "Text"),
        _parameter("#results", "results", "numbers, predictions, weights, figures, the report", "File"),
        {
            "@id": "#command",
            "@type": "PropertyValue",
            "name": "command",
            "value": facts.provenance["command"],
            "exampleOfWork": {"@id": "#settings"},
        },
        {
            "@id": "#machine",
            "@type": "PropertyValue",
            "name": "machine",
            "value": f"{hardware.get('processor')}, {hardware.get('cores')} cores, {hardware.get('memory_gb')} GB, "
            f"{', '.join(hardware.get('gpus', [])) or 'no GPU'}; {facts.provenance['system']}",
        },
        _licence(MIT, "MIT", "the code, and what carseg wrote"),
        _licence(CC0, "CC0-1.0", "the rendered photos"),
        *(
            {"@id": profile, "@type": "CreativeWork", "name": name, "version": version}
            for profile, (name, version) in PROFILES.items()
        ),
    ]


def _author(author: Mapping[str, Any]) -> str:
    return str(author.get("name") or f"{author.get('given-names', '')} {author.get('family-names', '')}".strip())


def _parameter(key: str, name: str, description: str, kind: str) -> Entity:
    return {
        "@id": key,
        "@type": "FormalParameter",
        "additionalType": kind,
        "name": name,
        "description": description,
        "conformsTo": {"@id": "https://bioschemas.org/profiles/FormalParameter/1.0-RELEASE"},
    }


def _licence(key: str, name: str, description: str) -> Entity:
    return {"@id": key, "@type": "CreativeWork", "name": name, "description": description, "url": key}


def _ids(names: Iterable[str]) -> list[Entity] | Entity:
    """References to entities by their ids, or to files by their names in the archive; one stands alone."""
    found = [_id(name) for name in names]
    return found[0] if len(found) == 1 else found


def _id(name: str) -> Entity:
    """A reference; the name of a file is quoted as in a URL."""
    return {"@id": name if name.startswith(("#", "http")) else quote(name)}
