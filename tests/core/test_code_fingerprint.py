"""The files of our packages that some code imports, with the digest of each."""

from __future__ import annotations

from carseg_lib.core.code_fingerprint import code_digest, imported_files


def write(root, **modules):
    for name, text in modules.items():
        path = root.joinpath(*name.split("__")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        (path.parent / "__init__.py").touch()


def test_imports_are_followed_through_the_named_packages_alone(tmp_path):
    write(
        tmp_path,
        paint__car="from lib.core import files\nimport other.thing\n",
        paint__unused="",
        lib__core="import paint.light\nimport os\n",
        lib__files="",
        other__thing="import lib.files\n",
        paint__light="",
    )
    source = "from paint.car import render"
    both = imported_files(tmp_path, ("paint", "lib"), source, "test")
    assert list(both) == ["lib/__init__.py", "lib/core.py", "paint/__init__.py", "paint/car.py", "paint/light.py"]
    assert both["paint/light.py"] == code_digest("", "paint/light.py")
    assert list(imported_files(tmp_path, ("paint",), source, "test")) == ["paint/__init__.py", "paint/car.py"]
    assert imported_files(tmp_path, ("lib",), source, "test") == {}


def test_a_change_in_either_package_is_seen(tmp_path):
    write(tmp_path, paint__car="from lib.core import SIZE\n", lib__core="SIZE = 1\n")
    before = imported_files(tmp_path, ("paint", "lib"), "import paint.car", "test")
    write(tmp_path, lib__core="SIZE = 2  # pixels\n")
    after = imported_files(tmp_path, ("paint", "lib"), "import paint.car", "test")
    assert {name for name in after if after[name] != before[name]} == {"lib/core.py"}
