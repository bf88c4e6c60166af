"""A variable of a MATLAB file, read in a process of its own: scipy's reader ends the process that meets a damaged file.

Changed bytes of such a file make compiled code read where nothing is (scipy 1.17: a segmentation fault for one in
twenty), or ask for more memory than there is. The process may take a bounded amount of memory and time.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil

_MEMORY = 1_000_000_000  # bytes of address space, beside the reader's own
_SECONDS = 60  # of the processor


def read_mat(path: Path, variable: str) -> dict[str, Any]:
    """The variable by its name, structs as dictionaries, arrays as lists; empty if the file has no such variable.

    Raises:
        ValueError: It is no MATLAB file, or a damaged one.
    """
    command = [sys.executable, "-m", __spec__.name, str(path), variable]
    done = subprocess.run(command, capture_output=True, check=False)
    try:
        content = json.loads(done.stdout)
    except ValueError:
        raise ValueError("damaged: its reader came to no end") from None
    if isinstance(content, str):
        raise ValueError(content)
    return content


def _plain(value: Any) -> Any:
    """Lists, dictionaries, texts and numbers of what scipy gives; other values as None."""
    if isinstance(value, dict):
        return {str(name): _plain(one) for name, one in value.items()}
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value if isinstance(value, str | int | float) else None


def _main(path: str, variable: str) -> None:
    from scipy.io import loadmat

    try:
        import resource

        memory = psutil.Process().memory_info().vms + _MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
    except (ImportError, OSError, ValueError):  # no such limits here
        pass
    try:
        content = loadmat(path, variable_names=[variable], simplify_cells=True)
        text = json.dumps({name: _plain(value) for name, value in content.items() if name == variable})
    except Exception as error:  # almost anything on broken files
        text = json.dumps(" ".join(str(error).split())[:200] or type(error).__name__)
    print(text)


if __name__ == "__main__":
    _main(*sys.argv[1:])
