"""`codemeta.json` and `.zenodo.json`: what CITATION.cff says, in the words of two archives of research software."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from carseg_lib.core.errors import CarsegError

CITATION = "CITATION.cff"
CODEMETA, ZENODO = "codemeta.json", ".zenodo.json"


def read_citation(text: str) -> dict[str, Any]:
    """Read CITATION.cff.

    Raises:
        CarsegError: It is no YAML, or has no title or authors.
    """
    try:
        citation = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise CarsegError(f"{CITATION}: not valid YAML ({' '.join(str(error).split())}).") from None
    if not isinstance(citation, dict) or not {"title", "authors"} <= citation.keys():
        raise CarsegError(f"{CITATION}: title and authors are needed.")
    return citation


def codemeta(citation: Mapping[str, Any], provenance: Mapping[str, Any]) -> dict[str, Any]:
    """CodeMeta 3.0 of the code that made a run."""
    return {
        "@context": "https://w3id.org/codemeta/3.0",
        "@type": "SoftwareSourceCode",
        "name": citation["title"],
        "description": citation.get("abstract", ""),
        "version": str(citation.get("version", "")),
        "identifier": provenance["carseg"]["commit"],
        "license": f"https://spdx.org/licenses/{citation.get('license', 'MIT')}",
        "author": [_codemeta_author(author) for author in citation["authors"]],
        "keywords": list(citation.get("keywords", [])),
        "programmingLanguage": {"@type": "ComputerLanguage", "name": "Python", "version": provenance["python"]},
        "softwareRequirements": [f"{name}=={version}" for name, version in provenance["packages"].items()],
        "developmentStatus": "active",
    }


def zenodo(citation: Mapping[str, Any], title: str, made: str) -> dict[str, Any]:
    """The fields of a deposit at Zenodo: the run's title, the citation's authors, keywords and licence."""
    abstract = str(citation.get("abstract", "")).strip()
    return {
        "title": title,
        "upload_type": "dataset",
        "publication_date": made[:10],
        "description": f"<p>{abstract}</p><p>Code, results and metadata of one run. To run it again: make rerun "
        "ARCHIVE=file.zip.</p>",
        "creators": [{"name": _zenodo_author(author)} for author in citation["authors"]],
        "keywords": list(citation.get("keywords", [])),
        "license": str(citation.get("license", "MIT")).lower(),
        "version": str(citation.get("version", "")),
        "access_right": "open",
    }


def _codemeta_author(author: Mapping[str, Any]) -> dict[str, Any]:
    if "name" in author:
        return {"@type": "Organization", "name": author["name"]}
    names = {"givenName": author.get("given-names", ""), "familyName": author.get("family-names", "")}
    return {"@type": "Person", **names} | ({"@id": author["orcid"]} if "orcid" in author else {})


def _zenodo_author(author: Mapping[str, Any]) -> str:
    return str(author.get("name") or f"{author.get('family-names', '')}, {author.get('given-names', '')}".strip(", "))
