"""The code of a run at its commit, from git; changes that are not committed are refused, or go along as a patch."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from carseg_lib.core.errors import CarsegError
from carseg_lib.workflow.archive.zip_files import Entry

FOLDER = "code"
PATCH = "code.patch"
_SHOWN = 5  # names in a message


def code_entries(root: Path, provenance: Mapping[str, Any], with_patch: bool) -> tuple[list[Entry], bool]:
    """The files of the repository at the commit that made a run, and the patch of what was changed beside it.

    Where there is a patch, the files are those with the patch applied: `code/` is what ran, and the patch tells what of
    it no commit has.

    Args:
        root: The repository.
        provenance: Of the run.
        with_patch: Whether changes that are not committed may go along.

    Returns:
        The files, and whether there is a patch.

    Raises:
        CarsegError: The run knows no commit, the repository does not have it, or there are changes that are not
            committed and `with_patch` is false, or that the run may not have been made with.
    """
    commit, modified = (provenance.get("carseg", {}).get(name) for name in ("commit", "modified"))
    if not commit:
        raise CarsegError(
            "the run was made outside git, so nobody can tell by which code; clone the repository, and make the run "
            "there."
        )
    if _git(root, "cat-file", "-e", f"{commit}^{{commit}}", check=False) is None:
        raise CarsegError(f"commit {commit[:12]}, which made the run, is not in this repository: git fetch it.")
    if not modified:
        return _at(root, commit), False
    head = (_git(root, "rev-parse", "HEAD") or b"").decode().strip()
    changed = _changed(root)
    if not with_patch or head != commit or not changed:
        names = ", ".join(changed[:_SHOWN]) + (f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else "")
        state = f"changed now: {names}" if changed else "no longer there"
        if with_patch:
            raise CarsegError(
                f"the run was made with changes to commit {commit[:12]} that cannot be told any more (HEAD is "
                f"{head[:12]}; {state}): make the run again, then archive it."
            )
        raise CarsegError(
            f"the run was made with changes that are not committed ({state}): commit them and make the run again, or "
            'let them go along as a patch: SET="changes=patch".'
        )
    with tempfile.TemporaryDirectory() as folder:
        tree, patch = _written_tree(root, commit, Path(folder))
        return [*_at(root, tree, Path(folder)), Entry(PATCH, patch)], True


def _changed(root: Path) -> list[str]:
    """Names of files that differ from the last commit, untracked ones too, but for ignored ones."""
    return [line[3:] for line in (_git(root, "status", "--porcelain") or b"").decode().splitlines()]


def _written_tree(root: Path, commit: str, folder: Path) -> tuple[str, bytes]:
    """The work tree as a tree of git, and the patch to it; index and objects of the repository stay as they are."""
    environment = _own_objects(root, folder) | {"GIT_INDEX_FILE": str(folder / "index")}
    _git(root, "read-tree", commit, environment=environment)
    _git(root, "add", "--all", environment=environment)
    tree = (_git(root, "write-tree", environment=environment) or b"").decode().strip()
    patch = _git(root, "diff", "--cached", "--binary", "--no-color", "--no-ext-diff", commit, environment=environment)
    return tree, patch or b""


def _own_objects(root: Path, folder: Path) -> dict[str, str]:
    objects = (_git(root, "rev-parse", "--git-path", "objects") or b"").decode().strip()
    (folder / "objects").mkdir(exist_ok=True)
    return {
        "GIT_OBJECT_DIRECTORY": str(folder / "objects"),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": str((root / objects).resolve()),
    }


def _at(root: Path, tree: str, own_objects: Path | None = None) -> list[Entry]:
    """The files of a commit or tree."""
    environment = _own_objects(root, own_objects) if own_objects else {}
    packed = _git(root, "archive", "--format=tar", tree, environment=environment)
    entries = []
    with tarfile.open(fileobj=io.BytesIO(packed or b"")) as tar:
        for member in tar:
            if member.isdir():
                continue
            if not (file := tar.extractfile(member)) or not member.isreg():
                raise CarsegError(f"{member.name} is a link, which an archive cannot hold; commit a file instead.")
            entries.append(Entry(f"{FOLDER}/{member.name}", file.read(), executable=bool(member.mode & 0o100)))
    return entries


def _git(root: Path, *words: str, environment: Mapping[str, str] | None = None, check: bool = True) -> bytes | None:
    """What git prints; None if it fails and `check` is false.

    Raises:
        CarsegError: It is not there, or failed.
    """
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *words], capture_output=True, env=os.environ | dict(environment or {}), check=False
        )
    except OSError as error:
        raise CarsegError(f"git is needed, to take the code of the run ({error.strerror}).") from error
    if done.returncode:
        if not check:
            return None
        reason = " ".join(done.stderr.decode(errors="replace").split())
        raise CarsegError(f"git {words[0]} failed in {root}: {reason}")
    return done.stdout
