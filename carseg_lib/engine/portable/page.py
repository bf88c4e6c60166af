"""One page that runs an exported model in a browser, without a network: model and runtime are inside it.

The runtime is ONNX Runtime Web, of the version and the hash in assets/runtime.json. npm fetches it once; it is kept
beside the runs and never committed. The page's policy allows its own scripts, by their hashes, and WebAssembly; it
forbids every request.
"""

from __future__ import annotations

import base64
import gzip
import json
import logging
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError
from carseg_lib.engine.portable.storage import description

logger = logging.getLogger(__name__)

PAGE = "try.html"
LARGEST = 25_000_000  # bytes of the page
_PATIENCE = 600  # seconds for npm
_ASSETS = resources.files("carseg_lib.engine.portable") / "assets"
_EXPORTS = re.compile(r"export\{([^{}]*)\};?\s*(//# sourceMappingURL=\S*)?\s*$")


def write_page(model: Path, colours_of: Callable[[tuple[str, ...]], Mapping[str, str]], kept: Path) -> Path:
    """Write try.html beside an exported model.

    Args:
        model: the file, of `export.export_onnx`.
        colours_of: the colours of types, "#RRGGBB".
        kept: folder in which the fetched runtime is kept.

    Returns:
        The path of the page.

    Raises:
        CarsegError: There is no such model, npm is missing or cannot fetch the runtime, or the runtime is not the one
            that is pinned.
    """
    if not model.is_file():
        raise CarsegError(f"{model}: there is no exported model yet; run make export-model first")
    runtime = json.loads(_asset("runtime.json"))
    script, wasm = read_runtime(fetch_runtime(runtime, kept), runtime)
    about = description(model)
    about["colours"] = list(colours_of(tuple(about["body_types"])).values())
    text = page_text(about, runtime, script, wasm, model.read_bytes())
    content = text.encode("utf-8")
    if len(content) > LARGEST:
        logger.warning("%s has %.1f MB, more than phones open readily", PAGE, len(content) / 1e6)
    return files.write_bytes(model.with_name(PAGE), content)


def page_text(about: Mapping[str, Any], runtime: Mapping[str, str], script: str, wasm: bytes, model: bytes) -> str:
    """The page as text.

    Args:
        about: of the model, as in its metadata, with `colours` of the types.
        runtime: content of runtime.json.
        script: of the runtime, which puts `ort` on globalThis.
        wasm: of the runtime.
        model: bytes of the exported model.
    """
    style, own = _asset("try.css"), _asset("try.js")
    of_runtime, of_own, of_style = (files.integrity(text.encode()) for text in (script, own, style))
    policy = (
        f"default-src 'none'; script-src '{of_runtime}' '{of_own}' 'wasm-unsafe-eval'; "
        f"style-src '{of_style}'; img-src data:; base-uri 'none'; form-action 'none'"
    )
    data = json.dumps(about, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")
    environment = Environment(autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True)
    return environment.from_string(_asset("try.html")).render(
        about=about,
        runtime=runtime,
        policy=policy,
        style=Markup(style),
        data=Markup(data),
        runtime_script=Markup(script),
        script=Markup(own),
        wasm=_packed(wasm),
        model=_packed(_split(model)),
    )


def fetch_runtime(runtime: Mapping[str, str], kept: Path) -> Path:
    """The runtime's package, fetched by npm unless it was before, and checked against its hash.

    Args:
        runtime: content of runtime.json.
        kept: folder in which it is kept.

    Raises:
        CarsegError: npm is missing or fails, or what it fetched has another hash.
    """
    package = f"{runtime['name']}@{runtime['version']}"
    path = kept / f"{runtime['name']}-{runtime['version']}.tgz"
    if path.is_file() and files.integrity(path.read_bytes(), "sha512") == runtime["integrity"]:
        return path
    npm = shutil.which("npm")
    if npm is None:
        raise CarsegError(f"the page needs {package}, which npm fetches: install Node.js, which has it, and run again")
    logger.info("fetching %s, 33 MB", package)
    files.make_folder(kept)
    with tempfile.TemporaryDirectory(dir=kept) as folder:
        command = [npm, "pack", package, "--ignore-scripts", "--silent", "--pack-destination", folder]
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_PATIENCE, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise CarsegError(f"npm could not fetch {package} ({type(error).__name__}); run again") from None
        found = list(Path(folder).glob("*.tgz"))
        if done.returncode or len(found) != 1:
            said = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise CarsegError(f"npm could not fetch {package} ({said}); a network is needed, once")
        if (got := files.integrity(found[0].read_bytes(), "sha512")) != runtime["integrity"]:
            raise CarsegError(f"{package} is not the package that is pinned: its hash is {got}; nothing was written")
        found[0].replace(path)
    return path


def read_runtime(package: Path, runtime: Mapping[str, str]) -> tuple[str, bytes]:
    """The script and the WebAssembly of a package; the script puts what it exports on globalThis, as `ort`.

    Raises:
        CarsegError: The package has not these files, or the script is of another form.
    """
    with tarfile.open(package) as archive:
        script, wasm = (_member(archive, package, runtime[part]) for part in ("script", "wasm"))
    text = script.decode("utf-8")
    exported = _EXPORTS.search(text)
    if exported is None or "</script" in text.lower():
        raise CarsegError(f"{package}: {runtime['script']} is not the script that the page is made for")
    pairs = (part.split(" as ") for part in exported[1].split(","))
    names = ",".join(f"{pair[-1]}:{pair[0]}" for pair in pairs)
    return f"{text[: exported.start()]}globalThis.ort={{{names}}};\n", wasm


def _member(archive: tarfile.TarFile, package: Path, name: str) -> bytes:
    try:
        file = archive.extractfile(name)
    except KeyError:
        file = None
    if file is None:
        raise CarsegError(f"{package}: it has no file {name}")
    return file.read()


def _packed(content: bytes) -> tuple[int, str]:
    """Bytes as the page holds them: the number of gzip's, and these in base 85, in which nothing is special to HTML."""
    packed = gzip.compress(content, mtime=0)
    text = base64.b85encode(packed, pad=True).decode("ascii")
    return len(packed), text.translate(str.maketrans("<>&", ",.:"))


def _split(content: bytes) -> bytes:
    """The even bytes, then the odd ones: the two bytes of float16 are unlike, and compress better apart."""
    return content[0::2] + content[1::2]


def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")
