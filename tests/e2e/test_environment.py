"""pyproject.toml, requirements.in, requirements.lock and environment.yml name the same packages."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterable

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

from carseg_lib.core.paths import project_folder

ROOT = project_folder()
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
EXTRAS = PROJECT["optional-dependencies"]
CONDA_NAMES = {"torch": "pytorch", "playwright": "playwright-python"}
# What pip installs in the conda environment needs these, which conda-forge has.
FOR_PIP = {"fsspec", "lightning-utilities"}
IMPORT_NAMES = {
    "PIL": "pillow",
    "IPython": "ipython",
    "cv2": "opencv-python-headless",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
    "lightning_fabric": "lightning-fabric",
    "faster_coco_eval": "faster-coco-eval",
}
# By requirements-rendering.lock, to render the data set again.
FOR_RENDERING = {"mitsuba", "mitsuba_oidn", "drjit"}
# By an extra of pyproject.toml; imported for DATA=kaggle:... alone.
FOR_KAGGLE = {"kagglehub"}
# By requirements-cluster.lock and requirements-remote.lock, for CLUSTER and DATA=s3://…; fsspec comes with torch.
FOR_MACHINES = {"distributed", "fsspec"}
# They come along: nbclient with papermill, bs4 with nbconvert, markupsafe with jinja2, packaging with pytest.
COME_ALONG = {"nbclient", "bs4", "markupsafe", "packaging", "pydantic_core"}


def listed(name: str) -> dict[str, Requirement]:
    """What a requirements file asks for."""
    lines = (line.split("#")[0].strip() for line in (ROOT / name).read_text(encoding="utf-8").splitlines())
    return named(filter(None, lines))


def named(lines: Iterable[str]) -> dict[str, Requirement]:
    return {requirement.name: requirement for requirement in map(Requirement, lines)}


def direct() -> dict[str, Requirement]:
    return listed("requirements.in")


def locked(python: str = "3.11.9") -> dict[str, str]:
    """Version by name of all that the lock installs on Linux with some Python."""
    text = re.sub(r" \\\n +--hash=\S+", "", (ROOT / "requirements.lock").read_text())
    where = {"python_version": python[:4], "python_full_version": python, "sys_platform": "linux"}
    where |= {"platform_machine": "x86_64", "implementation_name": "cpython"}
    pins = map(Requirement, text.splitlines())
    return {pin.name: str(pin.specifier)[2:] for pin in pins if pin.marker is None or pin.marker.evaluate(where)}


@pytest.fixture(scope="module")
def conda() -> dict:
    return yaml.safe_load((ROOT / "environment.yml").read_text())


def test_every_line_of_the_lock_is_one_version_with_hashes():
    text = (ROOT / "requirements.lock").read_text()
    entries = re.split(r"\n(?=\S)", text.strip())
    assert len(entries) > 100
    for entry in entries:
        assert re.match(r"[a-z0-9._-]+==[0-9][^ ]*( ; [^\\]+)? \\\n    --hash=sha256:[0-9a-f]{64}", entry), entry[:80]
    assert "://" not in text  # names and hashes only


def test_the_lock_holds_what_is_asked_for():
    pins = locked()
    for name, requirement in direct().items():
        assert name in pins
        assert requirement.specifier.contains(pins[name])


def test_the_package_asks_for_what_the_lock_installs():
    package, development = named(PROJECT["dependencies"]), named(EXTRAS["dev"])
    assert not set(package) & set(development)
    assert set(package) | set(development) == set(direct())
    pins = locked()
    for name, requirement in (package | development).items():
        assert requirement.specifier, f"{name} has no lower bound"
        assert requirement.specifier.contains(pins[name]), name


def test_what_is_for_development_alone_is_not_asked_for_by_the_package():
    lines = (ROOT / "requirements.in").read_text(encoding="utf-8").split("# tests and tools\n")
    assert len(lines) == 2
    tools = {line.split("#")[0].strip() for line in lines[1].splitlines() if line.strip()}
    assert tools == set(named(EXTRAS["dev"]))


def test_the_extras_are_those_of_the_other_locks():
    assert set(named(EXTRAS["docs"])) == set(listed("requirements-docs.in"))
    assert set(EXTRAS) == {"rendering", "kaggle", "cluster", "remote", "docs", "dev"}
    assert set(named(EXTRAS["kaggle"])) == FOR_KAGGLE


def test_the_command_line_is_installed_as_carseg():
    from carseg_lib.workflow import cli

    assert PROJECT["scripts"] == {"carseg": "carseg_lib.workflow.cli:main"}
    assert callable(cli.main)


@pytest.mark.parametrize("name", ["requirements.in", "environment.yml", "requirements-docs.in"])
def test_every_dependency_says_what_it_is_for(name):
    listing = [line for line in (ROOT / name).read_text().splitlines() if re.match(r" *- \S+=|[a-z]", line)]
    listing = [line for line in listing if not re.match(r"(name|channels|dependencies):", line)]
    assert len(listing) >= (4 if "docs" in name else len(direct()) - 1)
    assert all(re.search(r"\S +# \S", line) for line in listing)


def test_conda_has_the_versions_of_the_lock_from_conda_forge_alone(conda):
    assert set(conda["channels"]) == {"conda-forge", "nodefaults"}
    assert conda["name"] == "carseg"
    pip = next(item["pip"] for item in conda["dependencies"] if isinstance(item, dict))
    named = dict(item.split("=") for item in conda["dependencies"] if isinstance(item, str) and "=" in item)
    by_pip = dict(item.split("==") for item in pip)
    python = named.pop("python")
    pins = locked(f"{python}.9")
    to_pypi = {conda_name: name for name, conda_name in CONDA_NAMES.items()}
    versions = {to_pypi.get(name, name): version for name, version in named.items()} | by_pip
    assert {name: pins[name] for name in versions} == versions
    assert set(versions) - FOR_PIP == set(direct()) - {"uv"}  # conda takes the place of uv


def test_conda_python_is_one_that_the_package_allows(conda):
    python = next(item.split("=")[1] for item in conda["dependencies"] if str(item).startswith("python="))
    assert Requirement(f"python{PROJECT['requires-python']}").specifier.contains(Version(python))


def test_this_environment_is_the_locked_one():
    from importlib import metadata

    pins = locked(".".join(map(str, sys.version_info[:3])))
    for name in set(direct()) - {"uv"}:
        assert Version(metadata.version(name)).public == Version(pins[name]).public, name


def imported(folder: str, pattern: str = "*.py") -> set[str]:
    names = set()
    for path in (ROOT / folder).rglob(pattern):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names.add(node.module.split(".")[0])
    own = {"carseg_lib", "carseg_rendering", "tests", "fakelib"}
    return names - own - set(sys.stdlib_module_names)


def test_what_the_code_imports_is_asked_for():
    def packages(*folders: str) -> set[str]:
        return {IMPORT_NAMES.get(name, name) for folder in folders for name in imported(folder)}

    extra = FOR_RENDERING | FOR_KAGGLE | FOR_MACHINES | COME_ALONG
    assert packages("carseg_lib", "carseg_rendering") - extra <= set(named(PROJECT["dependencies"]))
    assert packages("tests", "docs", "scripts") - extra <= set(direct())


def test_what_the_setup_script_imports_comes_with_python():
    assert imported("scripts", "setup_environment.py") | imported("scripts", "explain_name.py") == set()


@pytest.mark.parametrize("name", ["rendering", "cluster", "remote"])
def test_an_extra_is_asked_for_in_one_version(name):
    asked = re.findall(r"^[a-z0-9-]+==\S+", (ROOT / f"requirements-{name}.in").read_text(), re.M)
    lock = (ROOT / f"requirements-{name}.lock").read_text()
    assert asked and EXTRAS[name] == asked
    assert all(f"{package} \\\n    --hash=sha256:" in lock for package in asked)
    assert "://" not in lock


@pytest.mark.parametrize("package", ["carseg_lib", "carseg_rendering"])
def test_every_folder_of_modules_is_a_package(package):
    patterns = PYPROJECT["tool"]["setuptools"]["packages"]["find"]["include"]
    assert f"{package}*" in patterns
    for path in (ROOT / package).rglob("*.py"):
        assert (path.parent / "__init__.py").is_file(), path


@pytest.mark.parametrize("package", ["carseg_lib", "carseg_rendering"])
def test_every_file_of_the_packages_is_installed(package):
    patterns = PYPROJECT["tool"]["setuptools"]["package-data"]
    installed = {
        path
        for name, globs in patterns.items()
        for glob in globs
        for path in (ROOT / name.replace(".", "/")).glob(glob)
    }
    there = {
        path
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc") and not path.name.startswith(".")
    }
    assert there <= installed


def test_licence_and_citation_agree_with_the_package():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert (ROOT / "LICENSE").read_text().startswith("MIT License\n\nCopyright (c) carseg contributors\n")
    assert PROJECT["license"] == citation["license"] == "MIT"
    assert citation["version"] == PROJECT["version"]
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
