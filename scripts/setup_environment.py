"""Make the environment that make uses, from locks with hashes; make calls this.

    python3 scripts/setup_environment.py                     .venv from requirements.lock, with carseg itself
    python scripts/setup_environment.py conda                carseg itself into the active conda environment
    .venv/bin/python scripts/setup_environment.py rendering  requirements-rendering.lock into this Python's environment
    .venv/bin/python scripts/setup_environment.py docs       requirements-docs.lock likewise; also cluster, remote
    .venv/bin/python scripts/setup_environment.py lock       resolve requirements*.in to the locks again

Two variables make .venv smaller; it keeps what it was made with until they say otherwise:

    CARSEG_TORCH=cpu    on Linux: torch without CUDA, which comes from PyTorch's own index (CARSEG_TORCH_INDEX) and not
                        from the lock, hence without a hash; `default` goes back
    CARSEG_TOOLS=none   without what tests and checks alone need; `all` goes back

It runs before anything is installed, by whatever Python there is, and looks for one that is new enough: it uses the
standard library alone, and no syntax newer than Python 3.7.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = Path(".venv")
VENV_PYTHON = str(VENV / "bin" / "python")
OLDEST = (3, 11)
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
ONLY_CUDA = ("nvidia-", "cuda-", "triton")  # packages that torch's builds for CPUs do without
TOOLS = "# tests and tools"  # a heading in requirements.in; after it
NEEDED_TOOLS = ("setuptools", "uv")  # these install the others
ADDED = ("rendering", "docs", "cluster", "remote")  # locks that are added to it: requirements-<name>.lock
OLDER = {"remote": ("python-dateutil",)}  # packages that an added lock has older: botocore allows none from 3 on
CHOICES = {"CARSEG_TORCH": ("default", "cpu"), "CARSEG_TOOLS": ("all", "none")}
CANDIDATES = ("python3", "python3.13", "python3.12", "python3.11", "python3.14")


class SetupError(Exception):
    """What is missing or failed, and what to do, in one line."""


def main(words: list[str]) -> int:
    """Make the environment, or add to it; 2 if that fails."""
    os.chdir(str(ROOT))
    use_the_index_of_pip(os.environ)
    tasks = {
        "": make_venv,
        "conda": use_conda,
        **{name: functools.partial(add, name) for name in ADDED},
        "lock": write_locks,
    }
    try:
        tasks[words[0] if words else ""]()
    except SetupError as error:
        print(f"carseg: {error}", file=sys.stderr)
        return 2
    return 0


def make_venv() -> None:
    """Install requirements.lock and carseg into .venv; `.ready` is written last, so that a failure is made good."""
    python, version = find_python(os.environ.get("CARSEG_PYTHON", ""))
    chosen = {name: choice(name) for name in CHOICES}
    said = "".join(f", {name[7:]}={value}" for name, value in chosen.items() if value != CHOICES[name][0])
    print(f"installing requirements.lock into .venv, {version}{said}", flush=True)
    ready, folder = VENV / ".ready", VENV / ".folder"
    if ready.exists():
        ready.unlink()
    # Scripts of an environment hold its path: one that was moved is made anew.
    if not works(VENV_PYTHON) or not folder.is_file() or folder.read_text(encoding="utf-8") != str(ROOT):
        done = subprocess.run(
            [python, "-m", "venv", "--clear", str(VENV)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        if done.returncode:
            reason = " ".join(done.stdout.split())
            raise SetupError(f"{python} cannot make .venv (Debian, Ubuntu: apt install python3-venv): {reason}")
        folder.write_text(str(ROOT), encoding="utf-8")
    if not works(VENV_PYTHON, "-m", "uv", "--version"):
        (VENV / "uv.lock").write_text(entry_of("uv", Path("requirements.lock")), encoding="utf-8")
        pip(VENV_PYTHON, "install", "--require-hashes", "--no-deps", "-r", str(VENV / "uv.lock"))
    for name, value in chosen.items():
        (VENV / f".{name}").write_text(value, encoding="utf-8")
    install_lock(chosen["CARSEG_TORCH"] == "cpu", chosen["CARSEG_TOOLS"] == "none")
    uv(VENV_PYTHON, "install", "--no-deps", "--no-build-isolation", "--editable", ".")
    install_kernel(VENV_PYTHON)
    ready.write_text(str(ROOT), encoding="utf-8")


def choice(name: str) -> str:
    """Return what a variable chooses; where it is not set, what .venv was made with, else the usual."""
    kept = VENV / f".{name}"
    value = os.environ.get(name) or (kept.read_text(encoding="utf-8") if kept.is_file() else CHOICES[name][0])
    if value not in CHOICES[name]:
        raise SetupError(f"{name[7:]}={value}: use {' or '.join(CHOICES[name])}")
    if (name, value) == ("CARSEG_TORCH", "cpu") and not sys.platform.startswith("linux"):
        print("TORCH=cpu: torch has no CUDA on this system anyway, so it comes from the lock", flush=True)
        return CHOICES[name][0]
    return value


def install_lock(cpu: bool, no_tools: bool) -> None:
    """Install requirements.lock as a whole, or less of it; packages that are not wanted are taken out.

    Args:
        cpu: Whether torch and torchvision are those without CUDA.
        no_tools: Whether what tests and checks alone need is left out.
    """
    lock, text = Path("requirements.lock"), Path("requirements.lock").read_text(encoding="utf-8")
    left_out = (*ONLY_CUDA, "torch==", "torchvision==") if cpu else ()
    left_out += tuple(f"{name}==" for name in tools()) if no_tools else ()
    if left_out:
        lock = VENV / "part.lock"
        lock.write_text("".join(e for e in entries(text) if not e.startswith(left_out)), encoding="utf-8")
    uv(VENV_PYTHON, "sync", "--require-hashes", str(lock))
    if cpu:
        index = os.environ.get("CARSEG_TORCH_INDEX") or CPU_INDEX
        print(f"torch and torchvision for CPUs come from {index}, without a hash of the lock", flush=True)
        pinned = {entry.split("==")[0]: entry.split()[0] for entry in entries(text)}
        wanted = [f"{pinned[name]}+cpu" for name in ("torch", "torchvision")]
        uv(VENV_PYTHON, "install", "--no-deps", "--default-index", index, *wanted)


def entries(lock: str) -> list[str]:
    """Return the entries of a lock, each with its hashes."""
    found: list[str] = []
    for line in lock.splitlines(keepends=True):
        if line[:1].strip() and line[:1] != "#":
            found.append(line)
        elif found:
            found[-1] += line
    return found


def tools() -> list[str]:
    """Return the packages that requirements.in wants for tests and checks alone."""
    lines = Path("requirements.in").read_text(encoding="utf-8").partition(TOOLS)[2].splitlines()
    names = [line.split()[0].split("==")[0] for line in lines if line.strip()]
    return [name for name in names if name not in NEEDED_TOOLS]


def use_conda() -> None:
    """Install carseg itself into the conda environment whose Python this is."""
    print("installing carseg_lib into the conda environment", flush=True)
    pip(sys.executable, "install", "--no-deps", "--no-build-isolation", "--editable", ".")
    install_kernel(sys.executable)
    VENV.mkdir(exist_ok=True)
    (VENV / ".conda-ready").write_text(str(ROOT), encoding="utf-8")


def add(name: str) -> None:
    """Install `requirements-<name>.lock` into the environment whose Python this is."""
    lock = f"requirements-{name}.lock"
    print(f"installing {lock}", flush=True)
    installer = uv if works(sys.executable, "-m", "uv", "--version") else pip
    installer(sys.executable, "install", "--no-deps", "--require-hashes", "-r", lock)
    (VENV / f".{name}").write_text("", encoding="utf-8")


def write_locks() -> None:
    """Resolve requirements*.in to the locks; a version stays unless a line asks for another."""
    compile_to_lock("requirements")
    for name in ADDED:
        compile_to_lock(f"requirements-{name}", "--constraint", constraint_of(name))
    print("the locks are written; bring environment.yml in line with requirements.lock")


def constraint_of(name: str) -> str:
    """Return the lock that another one must agree with: requirements.lock, or what is left of it."""
    if name not in OLDER:
        return "requirements.lock"
    text = Path("requirements.lock").read_text(encoding="utf-8")
    kept = [entry for entry in entries(text) if not entry.startswith(tuple(f"{package}==" for package in OLDER[name]))]
    part = VENV / f"for-{name}.lock"
    part.parent.mkdir(exist_ok=True)
    part.write_text("".join(kept), encoding="utf-8")
    return str(part)


def compile_to_lock(name: str, *options: str) -> None:
    """Resolve one `<name>.in` to `<name>.lock`, for every Python and system that carseg runs on."""
    words = ["--universal", "--python-version", ".".join(map(str, OLDEST)), "--generate-hashes", *options]
    words += ["--no-annotate", "--no-header", "--no-emit-index-url"]
    run(sys.executable, "-m", "uv", "pip", "compile", "--quiet", *words, "--output-file", f"{name}.lock", f"{name}.in")


def find_python(given: str) -> tuple[str, str]:
    """Return a Python that is new enough, and its version in words.

    Args:
        given: The only one to try; empty tries those that are usual.
    """
    for python in (given,) if given else CANDIDATES:
        if works(python, "-c", f"import sys; sys.exit(sys.version_info < {OLDEST})"):
            version = subprocess.run([python, "--version"], stdout=subprocess.PIPE, text=True, check=True)
            return python, version.stdout.strip()
    raise SetupError("Python 3.11 or newer is needed: install it, or name it by PYTHON=path")


def works(*command: str) -> bool:
    """Whether a program can be started and ends well; a Python alone is given an empty program."""
    if len(command) == 1:
        command = (*command, "-c", "")
    if shutil.which(command[0]) is None:
        return False
    return not subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode


def entry_of(package: str, lock: Path) -> str:
    """Return the lines of a lock that pin one package, its hashes included."""
    lines = lock.read_text(encoding="utf-8").splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith(f"{package}=="))
    last = next(i for i in range(first, len(lines)) if not lines[i].endswith("\\"))
    return "\n".join(lines[first : last + 1]) + "\n"


def use_the_index_of_pip(environment: os._Environ[str] | dict[str, str]) -> None:
    """Let uv take packages from where pip does; its own variable outranks that."""
    if environment.get("PIP_INDEX_URL") and not environment.get("UV_DEFAULT_INDEX"):
        environment["UV_DEFAULT_INDEX"] = environment["PIP_INDEX_URL"]


def install_kernel(python: str) -> None:
    """Register the environment's Python as the Jupyter kernel `carseg`."""
    run(
        python, "-m", "ipykernel", "install", "--sys-prefix", "--name", "carseg", "--display-name", "carseg", quiet=True
    )


def pip(python: str, *words: str) -> None:
    """Call pip in an environment."""
    run(python, "-m", "pip", words[0], "--quiet", "--disable-pip-version-check", *words[1:])


def uv(python: str, *words: str) -> None:
    """Call uv's pip in an environment."""
    run(python, "-m", "uv", "pip", words[0], "--quiet", "--python", python, *words[1:])


def run(*command: str, quiet: bool = False) -> None:
    """Run a command; its messages are shown unless `quiet`."""
    output = subprocess.DEVNULL if quiet else None
    done = subprocess.run(command, stdout=output, stderr=output)
    if done.returncode:
        raise SetupError(f"{' '.join(command[1:5])} failed with {done.returncode}; run the command again to go on")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
