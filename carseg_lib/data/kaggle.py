"""Data sets of Kaggle: DATA=kaggle:<owner>/<slug>@<version>, fetched once by kagglehub and checked at every use.

kagglehub is an optional dependency, imported when such data are used. Its folder of downloads stays where it is; the
files in it are made read-only, and a note in reports/.data/ keeps the fingerprint of their contents. A version is part
of the name, so that the same command gives the same photos next year.

Not one of `formats`: the files are listed by whichever format fits.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from carseg_lib.core import files
from carseg_lib.core.data_spec import KaggleData
from carseg_lib.core.errors import CarsegError, without_secrets
from carseg_lib.core.locks import wait_for_lock
from carseg_lib.data.fingerprint import data_state

_CREDENTIALS = (("KAGGLE_API_TOKEN",), ("KAGGLE_USERNAME", "KAGGLE_KEY"))  # variables, either of which is enough
_BY_HAND = "or download it by hand, unpack it, and give its folder as DATA"


def fetch(data: KaggleData, notes: Path) -> Path:
    """Fetch a data set unless this machine has it, and check that it is as it was when it was first fetched.

    Args:
        data: The data set and its version.
        notes: Folder of the notes, a JSON file a data set: its folder and the fingerprints of its contents.

    Returns:
        The folder of its files; if they all lie in one folder of it, that one.

    Raises:
        CarsegError: kagglehub is missing, Kaggle does not give the data, or the files are not what they were.
    """
    note = files.make_folder(notes) / f"{data.owner}--{data.slug}@{data.version}.json"
    with wait_for_lock(note.with_suffix(".lock")):
        known = files.read_json(note) if note.is_file() else {}
        if known and not (isinstance(known, dict) and {"folder", "quick", "content"} <= set(known)):
            raise CarsegError(f"{note}: not a note of carseg; delete it and run again")
        fetched = not known or not Path(known["folder"]).is_dir()
        folder = _download(data) if fetched else Path(known["folder"])
        state = data_state(folder, {} if fetched else known)
        if known and state["content"] != known["content"]:
            raise CarsegError(
                f"{data.word}: the files in {folder} are not those that were first fetched; delete that folder to "
                f"fetch them again, or, to go on with these, delete {note}"
            )
        if fetched:
            _protect(folder)
        content = {"data": data.word, "folder": str(folder), **state}
        if content != known:
            files.write_json(note, content)
    return _unwrapped(folder)


def _download(data: KaggleData) -> Path:
    """The folder in which kagglehub keeps the data set, which it fetches first if needed."""
    try:
        import kagglehub
    except ImportError:
        raise CarsegError(
            f"DATA={data.word} needs kagglehub: pip install kagglehub (into .venv: .venv/bin/python -m uv pip install "
            f"kagglehub); {_BY_HAND}: {data.page}"
        ) from None
    try:
        folder = Path(kagglehub.dataset_download(f"{data.owner}/{data.slug}/versions/{data.version}"))
    except Exception as error:  # of the network, of Kaggle, of the disk: all are the user's to solve
        raise _fetch_error(data, error) from error
    if not folder.is_dir() or not any(folder.iterdir()):
        raise CarsegError(f"DATA={data.word}: kagglehub left no files in {folder}; delete it and run again, {_BY_HAND}")
    return folder


def _fetch_error(data: KaggleData, error: Exception) -> CarsegError:
    status = getattr(getattr(error, "response", None), "status_code", None)
    refused = status in (401, 403) or type(error).__name__ in ("UnauthenticatedError", "CredentialError")
    if refused and not _has_credential():
        return CarsegError(
            f"DATA={data.word}: Kaggle needs a login: at https://www.kaggle.com/settings choose Create New "
            f"Token and put its kaggle.json into ~/.kaggle/ (or set KAGGLE_USERNAME and KAGGLE_KEY); {_BY_HAND}: "
            f"{data.page}"
        )
    if refused:
        return CarsegError(
            f"DATA={data.word}: Kaggle does not give it to this account: accept its terms at {data.page}, {_BY_HAND}"
        )
    if status == 404:
        return CarsegError(f"DATA={data.word}: Kaggle has no such data set or version; look at {data.page}")
    detail = without_secrets(str(error)).strip().partition("\n")[0][:120]
    return CarsegError(
        f"DATA={data.word} could not be fetched ({type(error).__name__}: {detail}): run again, {_BY_HAND}: {data.page}"
    )


def _has_credential() -> bool:
    if any(all(os.environ.get(name) for name in names) for names in _CREDENTIALS):
        return True
    folder = Path(os.environ.get("KAGGLE_CONFIG_DIR") or Path.home() / ".kaggle")
    return any((folder / name).is_file() for name in ("kaggle.json", "access_token"))


def _protect(folder: Path) -> None:
    """Make every file read-only: a change would be noticed only at the next use."""
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            try:
                path.chmod(path.stat().st_mode & ~0o222)
            except OSError:  # files of another user
                return


def _unwrapped(folder: Path) -> Path:
    """The innermost of folders that hold one folder and nothing else, as archives are packed."""
    while True:
        inside: list[Any] = [path for path in folder.iterdir() if not path.name.startswith((".", "__MACOSX"))]
        if len(inside) != 1 or not inside[0].is_dir() or inside[0].is_symlink():
            return folder
        folder = inside[0]
