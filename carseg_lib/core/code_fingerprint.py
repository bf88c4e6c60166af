"""The code that a stage, a training or a trial depends on, as digests: the files that its code imports."""

from __future__ import annotations

import ast
import copy
import functools
import itertools
from collections.abc import Iterator
from pathlib import Path

from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError


@functools.lru_cache(maxsize=512)
def _parsed(source: str, name: str) -> ast.Module:
    try:
        return ast.parse(source)
    except SyntaxError as error:
        raise CarsegError(f"{name} row {error.lineno}: {error.msg}.") from error


@functools.lru_cache(maxsize=512)
def code_digest(source: str, name: str) -> str:
    """Digest of Python code that comments, docstrings and layout do not change; `name` is for messages."""
    return files.sha256_text(ast.dump(_without_docstrings(copy.deepcopy(_parsed(source, name)))))


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            match node.body:
                case [ast.Expr(value=ast.Constant(value=str())), *_]:
                    node.body[0] = ast.Pass()
    return tree


def imported_files(root: Path, packages: tuple[str, ...], source: str, name: str) -> dict[str, str]:
    """Digests of the files of some packages that code imports, directly or through other modules.

    Follows import statements everywhere, functions included, but not those for type checkers alone. A package that is
    imported brings its data files (templates and the like) along.

    Args:
        root: the folder that holds the packages.
        packages: their names, e.g. ("carseg_lib",); imports of any other package are not followed.
        source: the code to start from.
        name: for the message about a syntax error.

    Returns:
        Digest by path relative to `root`, in order of name.
    """
    found: dict[str, str] = {}
    queue = [*_imports(source, name, "", False)]
    seen: set[str] = set()
    while queue:
        module = queue.pop()
        if module in seen or module.split(".")[0] not in packages:
            continue
        seen.add(module)
        path = root.joinpath(*module.split("."))
        is_package = (path / "__init__.py").is_file()
        path = path / "__init__.py" if is_package else path.with_suffix(".py")
        if not path.is_file():  # a function or class that `from module import name` named
            continue
        shown, text = path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")
        found[shown] = code_digest(text, shown)
        queue += _imports(text, shown, module, is_package)
        if is_package:
            found |= {data.relative_to(root).as_posix(): files.sha256(data) for data in _data_files(path.parent)}
    return dict(sorted(found.items()))


@functools.lru_cache(maxsize=512)
def _imports(source: str, name: str, module: str, is_package: bool) -> tuple[str, ...]:
    """Every module that some code may import, its packages first; `name` is for messages."""
    return tuple(_imports_of(_parsed(source, name), module, is_package))


def _imports_of(tree: ast.AST, module: str, is_package: bool) -> Iterator[str]:
    for node in _running_nodes(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = module.split(".")
                base = ".".join([*parts[: len(parts) + is_package - node.level], *filter(None, [base])])
            names = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        for name in names:
            yield from itertools.accumulate(name.split("."), "{}.{}".format)


def _running_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those under `if TYPE_CHECKING:`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            for other in node.orelse:
                yield other
                yield from _running_nodes(other)
        else:
            yield node
            yield from _running_nodes(node)


def _data_files(folder: Path) -> Iterator[Path]:
    """The files of a package that are not Python; those of packages inside it are theirs."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith((".", "__pycache__")):
            continue
        if path.is_dir():
            if not (path / "__init__.py").is_file():
                yield from _data_files(path)
        elif path.suffix != ".py":
            yield path
