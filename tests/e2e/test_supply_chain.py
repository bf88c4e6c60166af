"""What carseg depends on and what leaves the machine: locks audited offline, no pickle, no network, no secret kept."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.drawn_cars import make_car_photos
from tests.helpers.smoke_run import ROOT

SOURCES = sorted(path for top in ("carseg_lib", "carseg_rendering", "scripts") for path in (ROOT / top).rglob("*.py"))
SECRETS = {
    "KAGGLE_KEY": "planted-0f1e2d3c4b5a69788796a5b4c3d2e1f0",
    "KAGGLE_API_TOKEN": "planted-KGAT-77aa88bb99cc00dd11ee22ff33445566",
    "AWS_SECRET_ACCESS_KEY": "planted-wJalrXUtnFEMI-K7MDENG-bPxRfiCYEXAMPLE",
}


@pytest.fixture(scope="module")
def audit():
    spec = importlib.util.spec_from_file_location("audit_deps", ROOT / "scripts" / "audit_deps.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["audit_deps"] = module
    spec.loader.exec_module(module)
    return module


def advisory(**affected: object) -> dict:
    package = {"ecosystem": "PyPI", "name": "Pillow"}
    return {"id": "PYSEC-0000-1", "summary": "bad", "affected": [{"package": package, **affected}]}


def events(*pairs: tuple[str, str]) -> dict:
    return advisory(ranges=[{"type": "ECOSYSTEM", "events": [{kind: version} for kind, version in pairs]}])


@pytest.mark.parametrize(
    ("found", "vulnerable"),
    [
        (advisory(versions=["10.2.0"]), ["10.2.0"]),
        (events(("introduced", "0"), ("fixed", "10.3.0")), ["9.0", "10.2.0"]),
        (events(("introduced", "10.2.0"), ("last_affected", "10.3.0")), ["10.2.0", "10.3.0"]),
        (events(("introduced", "0"), ("fixed", "9.0"), ("introduced", "10.3.0")), ["10.3.0", "10.10.0"]),
        ({"id": "X", "affected": [{"package": {"ecosystem": "npm", "name": "pillow"}, "versions": ["9.0"]}]}, []),
        (advisory(ranges=[{"type": "GIT", "events": [{"introduced": "0"}]}]), []),
    ],
)
def test_versions_are_compared_with_advisories_as_osv_says(audit, found, vulnerable):
    versions = ["9.0", "10.2.0", "10.3.0", "10.10.0"]
    assert [v for v in versions if audit.affects(found, audit.Package("pillow", v, "a.lock", ()))] == vulnerable


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("GPL-3.0-or-later", "strong copyleft"),
        ("AGPL-3.0-only", "strong copyleft"),
        ("GNU General Public License v2 (GPLv2)", "strong copyleft"),
        ("MIT AND GPL-2.0-only", "strong copyleft"),
        ("MIT OR GPL-3.0-only", "permissive"),
        ("GNU Lesser General Public License v3 (LGPLv3)", "weak copyleft"),
        ("LGPL-2.1-or-later", "weak copyleft"),
        ("MPL-2.0 AND MIT", "weak copyleft"),
        ("LicenseRef-NVIDIA-Proprietary", "proprietary"),
        ("BSD-3-Clause", "permissive"),
        ("as you like", "not known"),
    ],
)
def test_licences_are_put_in_classes(audit, monkeypatch, text, kind):
    monkeypatch.setitem(audit.KNOWN, "pillow", text)
    assert audit.licence(audit.Package("pillow", "1", "a.lock", ()))[0] == kind


def test_the_locks_are_audited(audit, tmp_path, capsys):
    held = next(one for one in audit.packages(ROOT / "requirements.lock") if one.key == "pillow")
    assert len(held.hashes) > 3
    path = tmp_path / "advisories.json"
    path.write_text(json.dumps([advisory(versions=["0.0.1"])]))
    assert audit.main(["--advisories", str(path), "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "vulnerabilities: 0 in " in said and "by 1 advisories" in said
    assert "strong copyleft" not in said and "licences, not known" not in said
    first = (tmp_path / "sbom.json").read_bytes()
    components = {one["name"]: one for one in json.loads(first)["components"]}
    assert components["pillow"]["purl"] == f"pkg:pypi/pillow@{held.version}"
    assert components["torch"]["scope"] == "required" and len(components) > 200
    path.write_text(json.dumps([advisory(versions=[held.version])]))
    assert audit.main(["--advisories", str(path), "--out", str(tmp_path)]) == 1
    assert f"vulnerable: pillow {held.version} (requirements.lock): PYSEC-0000-1" in capsys.readouterr().out
    assert (tmp_path / "sbom.json").read_bytes() == first
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(SystemExit, match="not an advisory in OSV's format"):
        audit.main(["--advisories", str(tmp_path / "bad.json"), "--out", str(tmp_path)])


def _calls(path: Path) -> list[tuple[str, ast.Call]]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [(ast.unparse(node.func), node) for node in ast.walk(tree) if isinstance(node, ast.Call)]


def test_nothing_is_unpickled_and_no_unsafe_reader_is_called():
    loads, wrong = 0, []
    for path in SOURCES:
        for name, call in _calls(path):
            options = {one.arg: ast.unparse(one.value) for one in call.keywords}
            if name == "torch.load":
                loads += 1
                wrong += [f"{path}: torch.load"] * (options.get("weights_only") != "True")
            if name == "np.load":
                wrong += [f"{path}: np.load"] * (options.get("allow_pickle", "False") != "False")
            if name in (
                "yaml.load",
                "yaml.unsafe_load",
                "yaml.full_load",
                "pd.read_pickle",
                "eval",
                "exec",
                "os.system",
            ):
                wrong.append(f"{path}: {name}")
            if (
                name.rpartition(".")[2] in ("fromstring", "iterparse", "XMLParser")
                and "defusedxml" not in path.read_text()
            ):
                wrong.append(f"{path}: {name} of xml")
            if options.get("shell") == "True":
                wrong.append(f"{path}: {name} by a shell")
        imported = re.findall(
            r"^\s*(?:import|from) (pickle|cPickle|dill|shelve|marshal|cloudpickle)\b", path.read_text(), re.M
        )
        wrong += [f"{path}: {name}" for name in imported]
    assert loads >= 2
    assert wrong == []


def test_a_pickle_with_code_in_it_is_refused_and_not_run(tmp_path):
    from carseg_lib.core.errors import CarsegError
    from carseg_lib.models.weights import read_checkpoint

    mark = tmp_path / "executed"
    path = tmp_path / "evil.pt"
    path.write_bytes(f"cos\nsystem\n(S'touch {mark}'\ntR.".encode())
    with pytest.raises(CarsegError, match="not a checkpoint of tensors"):
        read_checkpoint(path)
    assert not mark.exists()


@pytest.mark.slow
@pytest.mark.e2e
def test_a_study_needs_no_network_and_keeps_no_secret(tmp_path):
    """In a network namespace without any device but an own loopback, with credentials in the environment."""
    alone = ["unshare", "-rn", "sh", "-c", 'ip link set lo up 2>/dev/null; exec "$@"', "sh"]
    if (
        not shutil.which("unshare")
        or subprocess.run(["unshare", "-rn", "true"], check=False, capture_output=True).returncode
    ):
        pytest.skip("no network namespace can be made here")
    if subprocess.run([*alone, sys.executable, "-c", LOOPBACK], check=False, capture_output=True).returncode:
        pytest.skip("the loopback of a namespace cannot be brought up here, which kernels of notebooks need")
    data = make_car_photos(tmp_path / "data", per_type=3)
    reports = tmp_path / "reports"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CARSEG_")}
    environment |= SECRETS | {"CARSEG_REPORTS": str(reports), "KAGGLE_USERNAME": "planted-user"}
    words = ["run", "--profile", "smoke", "--data", str(data), "--run", "a", "--set", "epochs=1 bootstrap_samples=100"]
    command = [*alone, sys.executable, "-m", "carseg_lib.workflow.cli", *words]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert (reports / "a" / "index.html").is_file()
    written = [path for path in reports.rglob("*") if path.is_file()]
    assert len(written) > 30
    kept = b"\0".join([done.stdout.encode(), done.stderr.encode(), *(path.read_bytes() for path in written)])
    assert b"planted" not in kept


LOOPBACK = (
    "import socket\na = socket.socket()\na.bind(('127.0.0.1', 0))\na.listen()\n"
    "socket.create_connection(a.getsockname())"
)


def test_messages_of_kaggle_hold_no_secret(tmp_path, monkeypatch):
    from carseg_lib.core.data_spec import KaggleData
    from carseg_lib.core.errors import CarsegError
    from carseg_lib.data import kaggle
    from tests.helpers.dataset_formats import make_kaggle_hub

    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    leaking = RuntimeError(
        f"GET https://user:{SECRETS['KAGGLE_KEY']}@kaggle.com failed: Bearer {SECRETS['KAGGLE_API_TOKEN']}"
    )
    make_kaggle_hub(monkeypatch, tmp_path / "hub", leaking)
    with pytest.raises(CarsegError, match="could not be fetched") as raised:
        kaggle.fetch(KaggleData("owner", "cars", 1), tmp_path / "notes")
    assert "planted" not in str(raised.value)
