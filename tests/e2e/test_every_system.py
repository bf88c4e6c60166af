"""The library on systems without POSIX: nothing of it imports what Windows lacks without another way."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from carseg_lib.core.paths import project_folder

ROOT = project_folder()
POSIX_ONLY = frozenset(
    ("crypt", "curses", "fcntl", "grp", "posix", "pty", "pwd", "readline", "resource", "syslog", "termios", "tty")
)
POSIX_FUNCTIONS = frozenset(
    ("fork", "forkpty", "getuid", "geteuid", "killpg", "mkfifo", "nice", "sched_getaffinity", "setsid", "uname")
)
SUSPECT = re.compile(rf"\b(?:import|from)\s+(?:{'|'.join(POSIX_ONLY)})\b|\bos\.(?:{'|'.join(POSIX_FUNCTIONS)})\b")
MODULES = sorted(path for package in ("carseg_lib", "carseg_rendering") for path in (ROOT / package).rglob("*.py"))


def unguarded(tree: ast.Module) -> list[str]:
    """POSIX-only modules and functions of `os` that a module uses with no way round: a line and a name each.

    A way round is a `try` that catches ImportError, or a test of sys.platform, os.name or hasattr in the same function
    (in the same statement, outside functions).
    """
    found = []
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name.partition(".")[0] in POSIX_ONLY]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module] if (node.module or "").partition(".")[0] in POSIX_ONLY else []
        elif isinstance(node, ast.Attribute) and node.attr in POSIX_FUNCTIONS and isinstance(node.value, ast.Name):
            names = [f"os.{node.attr}"] if node.value.id == "os" else []
        if names and not guarded(node, parents):
            found += [f"{node.lineno}: {name}" for name in names]
    return found


def guarded(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> bool:
    below = node
    while (above := parents.get(below)) is not None:
        if isinstance(above, ast.Try) and below in above.body:
            caught = " ".join(ast.unparse(handler.type) for handler in above.handlers if handler.type)
            if "ImportError" in caught or "ModuleNotFoundError" in caught or "AttributeError" in caught:
                return True
        whole = isinstance(above, ast.Module)
        if not whole and isinstance(above, ast.FunctionDef | ast.AsyncFunctionDef | ast.If | ast.IfExp):
            tests = [part.test for part in ast.walk(above) if isinstance(part, ast.If | ast.IfExp)]
            if any(word in ast.unparse(test) for test in tests for word in ("sys.platform", "os.name", "hasattr(os")):
                return True
        below = above
    return False


def test_no_module_needs_posix():
    found = {}
    for path in MODULES:
        text = path.read_text(encoding="utf-8")
        if SUSPECT.search(text) and (lines := unguarded(ast.parse(text))):
            found[path.relative_to(ROOT).as_posix()] = lines
    assert found == {}


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import fcntl", ["1: fcntl"]),
        ("from resource import getrusage", ["1: resource"]),
        ("import os\n\nos.fork()", ["3: os.fork"]),
        ("def f():\n    import pwd", ["2: pwd"]),
        ("try:\n    import fcntl\nexcept ImportError:\n    fcntl = None", []),
        ("try:\n    pass\nexcept ImportError:\n    import fcntl", ["4: fcntl"]),
        ("import sys\ndef f():\n    if sys.platform == 'win32':\n        return 0\n    import resource", []),
        ("import os\nn = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else 1", []),
        ("from .resource import x", []),
    ],
)
def test_what_counts_as_a_way_round(code, expected):
    assert unguarded(ast.parse(code)) == expected


IMPORT_ALL = """
import builtins, importlib, pathlib, sys
real, posix, failed = builtins.__import__, set(sys.argv[1].split()), []

def without_posix(name, globals=None, locals=None, fromlist=(), level=0):
    ours = str((globals or {}).get("__name__", "")).startswith("carseg_lib")
    if ours and not level and name.partition(".")[0] in posix:
        raise ModuleNotFoundError(f"No module named {name!r}")
    return real(name, globals, locals, fromlist, level)

builtins.__import__ = without_posix
for path in sorted(pathlib.Path("carseg_lib").rglob("*.py")):
    module = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        failed.append(f"{module}: {error}")
print(len(sys.modules) > 100, failed)
"""


@pytest.mark.slow
def test_every_module_imports_where_posix_is_missing():
    command = [sys.executable, "-c", IMPORT_ALL, " ".join(POSIX_ONLY)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "True []"), done.stderr[-2000:]


def test_the_command_line_names_no_shell():
    """What make does is a command: `carseg` runs on a system without make or bash."""
    sources = "".join(Path(path).read_text(encoding="utf-8") for path in MODULES if "workflow" in path.parts)
    assert "shell=True" not in sources
    assert "/bin/" not in sources.replace("bin/python", "")
