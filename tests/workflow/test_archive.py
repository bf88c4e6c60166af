"""The archive of a run: what is in it, what it says in each standard's words, and running it again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import zipfile

import pandas as pd
import pytest

from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.run import Run
from carseg_lib.data.fingerprint import content_fingerprint
from carseg_lib.data.masks import decode_mask
from carseg_lib.workflow.archive import inputs, source_code, wheels
from carseg_lib.workflow.archive import rerun as rerunning
from carseg_lib.workflow.archive.make import Options, make_archive
from carseg_lib.workflow.archive.redaction import Redactor
from carseg_lib.workflow.archive.reforms import ITEMS, NOT_BY_THIS_RUN
from carseg_lib.workflow.archive.zip_files import unpack_zip
from carseg_lib.workflow.cli import main
from tests.helpers.fake_run import PROVENANCE, make_run

CITATION = "title: a study\nauthors:\n  - name: a group\nlicense: MIT\nversion: 0.1.0\nkeywords: [cars]\n"
MADE = "2026-03-14T15:09:26Z"
STEPS: list[dict[str, object]] = [
    {"name": "01_data_exploration", "seconds": 41.25, "made": "2026-03-14T14:48:00Z"},
    {"name": "04_evaluation", "seconds": 96.0, "made": MADE},
]


def git(folder, *words):
    who = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *who, "-C", str(folder), *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture(scope="module")
def made(tmp_path_factory, synthetic_cars):
    """A repository of five files, and a finished run of its one commit; read them, never write into them."""
    base = tmp_path_factory.mktemp("archive").resolve()
    root, data = base / "repository", base / "drawn <cars> & more"
    shutil.copytree(synthetic_cars, data)
    for name, text in {
        "CITATION.cff": CITATION,
        "Makefile": "reproduce:\n",
        "README.md": "# a study\n",
        "requirements.lock": "torch==1 \\\n    --hash=sha256:aa\n",
        "notebooks/01_data_exploration.ipynb": "{}\n",
        "notebooks/03_training.ipynb": "{}\n",
        "notebooks/04_evaluation.ipynb": "{}\n",
    }.items():
        files.write_text(root / name, text)
    git(root, "init")
    git(root, "add", ".")
    git(root, "commit", "-m", "all")
    patch = pytest.MonkeyPatch()
    patch.setenv("CARSEG_REPORTS", str(base / "reports"))
    folder = make_run(base / "reports" / "fake", data, name=data.name, figures="none")
    run = Run.create("fake", "smoke", data)
    run.save()
    files.write_bytes(run.best_weights, b"weights")
    files.write_json(run.best_card, {"config": {"data": {"source": str(data)}}})
    files.write_text(run.page, f"<p>{data.parent}/drawn &lt;cars&gt; &amp; more/x.jpg</p>")
    for step in STEPS:
        files.write_text(folder / "notebooks" / f"{step['name']}.ipynb", "{}\n")
    files.write_text(folder / "stamps" / "report.json", "{}")
    files.write_text(folder / "predictions" / "private.html", "not of this run")
    provenance = PROVENANCE | {
        "made": MADE,
        "command": run.command(),
        "carseg": {"version": "0.1.0", "commit": git(root, "rev-parse", "HEAD"), "modified": False},
        "packages": {"click": "8"},
        "data": {"name": data.name, "sha256": content_fingerprint(data)},
        "weights": {"source": "none", "model_sha256": files.sha256(run.best_weights)},
        "threads": 3,
        "steps": STEPS,
    }
    provenance["steps"] = [step | {"commit": provenance["carseg"]["commit"]} for step in STEPS]
    files.write_json(run.provenance, provenance)
    yield run, root, data
    patch.undo()


@pytest.fixture
def own(made, tmp_path, monkeypatch):
    """A copy of the run and of its repository, to be changed."""
    _, root, data = made
    monkeypatch.setenv("CARSEG_REPORTS", str(tmp_path / "reports"))
    shutil.copytree(data.parent / "reports", tmp_path / "reports")
    copied = shutil.copytree(root, tmp_path / "repository")
    return Run.open("fake"), copied, data


@pytest.fixture(scope="module")
def carried(made, tmp_path_factory):
    """The unpacked archive, with the photos."""
    run, root, _ = made
    folder = tmp_path_factory.mktemp("carried")
    lines = make_archive(run, folder / "a.zip", Options(data=True), root)
    unpack_zip(folder / "a.zip", folder / "out")
    return folder / "a.zip", folder / "out", lines


def read(folder, name):
    return json.loads((folder / name).read_text(encoding="utf-8"))


def test_the_archive_holds_code_results_photos_and_metadata_and_nothing_else(made, carried):
    run, root, data = made
    archive, out, lines = carried
    names = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert {
        "code/Makefile",
        "code/requirements.lock",
        "run/model/best.pt",
        "run/metrics.json",
        "data-files.csv",
    } <= names
    assert {"ro-crate-metadata.json", "croissant.json", "codemeta.json", ".zenodo.json", "archive.json"} <= names
    assert {"checklists/reforms.md", "checklists/ml-code-completeness.md", "README.md", "SHA256SUMS"} <= names
    assert not [name for name in names if "stamps" in name or "private" in name or ".git" in name or name == ".lock"]
    photos = {name for name in names if name.startswith("data/")}
    assert photos == {f"data/{data.name}/{p.relative_to(data).as_posix()}" for p in data.rglob("*") if p.is_file()}
    again = archive.with_name("again.zip")
    make_archive(run, again, Options(data=True), root)
    assert again.read_bytes() == archive.read_bytes()
    assert lines[0] == f"code: commit {git(root, 'rev-parse', 'HEAD')[:12]}"
    assert lines[1] == f"DATA: {data.name}, 0.3 MB in {len(photos)} files: carried"
    assert "nothing was uploaded" in lines[-1]


def test_no_path_of_the_machine_leaves(made, carried):
    _, out, lines = carried
    places = [str(made[2]).encode(), str(made[0].folder.parent).encode(), str(made[1].parent).encode()]
    for path in out.rglob("*"):
        assert not path.is_file() or not any(place in path.read_bytes() for place in places), path
    assert (out / "run/index.html").read_text() == "<p>data/drawn &lt;cars&gt; &amp; more/x.jpg</p>"
    assert read(out, "run/model/best.json") == {"config": {"data": {"source": "data/drawn <cars> & more"}}}
    expected = "make reproduce DATA='data/drawn <cars> & more' PROFILE=smoke RUN=fake"
    assert read(out, "run/provenance.json")["command"] == read(out, "archive.json")["command"] == expected
    assert any("files had paths of this machine" in line for line in lines)


def test_the_crate_is_a_workflow_run(made, carried):
    _, out, _ = carried
    crate = {entity["@id"]: entity for entity in read(out, "ro-crate-metadata.json")["@graph"]}
    root = crate["./"]
    assert {entry["@id"].partition("/ro/")[2] for entry in root["conformsTo"]} >= {"wfrun/workflow/0.5"}
    assert root["mainEntity"] == {"@id": "code/Makefile"}
    assert "ComputationalWorkflow" in crate["code/Makefile"]["@type"]
    action = crate["#run"]
    assert action["instrument"] == {"@id": "code/Makefile"}
    assert action["startTime"] == "2026-03-14T14:47:19+00:00"  # 41.25 s before 14:48:00
    assert action["endTime"] == "2026-03-14T15:09:26+00:00"
    assert crate["#step-1"]["startTime"] == "2026-03-14T15:07:50+00:00"  # 96 s before
    assert crate["#step-1"]["result"] == {"@id": "run/notebooks/04_evaluation.ipynb"}
    assert crate["run/model/best.pt"]["sha256"] == files.sha256(made[0].best_weights)
    ids = {entry["@id"] for entry in root["hasPart"]}
    assert f"data/drawn%20%3Ccars%3E%20%26%20more/annotations/{next((made[2] / 'annotations').iterdir()).name}" in ids
    named = [
        e["@id"]
        for entity in crate.values()
        for v in entity.values()
        for e in (v if isinstance(v, list) else [v])
        if isinstance(e, dict) and "@id" in e
    ]
    assert not [key for key in named if key not in crate and not key.startswith("http") and key != "./"]


def test_boxes_and_masks_of_the_croissant_tables_are_cocos(made, carried):
    _, out, _ = carried
    cars = pd.read_csv(out / "croissant/cars.csv", keep_default_na=False)
    compared = 0
    for path in (made[2] / "annotations").glob("*.json"):
        content = json.loads(path.read_text())
        images = {image["id"]: image for image in content["images"]}
        for annotation in content["annotations"]:
            image = images[annotation["image_id"]]
            (row,) = cars[cars["photo_id"].str.endswith(image["file_name"])].to_dict("records")
            assert [float(number) for number in row["box"].split()] == annotation["bbox"]
            mask = decode_mask(row["mask"], image["height"], image["width"])
            assert int(mask.sum()) == annotation["area"]
            compared += 1
    assert compared == len(cars) == 24
    described = read(out, "croissant.json")
    assert described["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    assert [record["@id"] for record in described["recordSet"]] == ["photos", "cars", "images"]
    box = next(field for field in described["recordSet"][1]["field"] if field["name"] == "box")
    assert box["dataType"] == "cr:BoundingBox"
    table = next(part for part in described["distribution"] if part["@id"] == "croissant/cars.csv")
    assert table["sha256"] == files.sha256(out / "croissant/cars.csv")


def test_mlcroissant_reads_the_records(carried):
    croissant = pytest.importorskip("mlcroissant", reason="mlcroissant is a tool for trying, not a dependency")
    records = list(croissant.Dataset(str(carried[1] / "croissant.json")).records("cars"))
    assert len(records) == 24 and len(records[0]["cars/box"]) == 4


def test_roc_validator_passes_the_workflow_run_profile(carried):
    services = pytest.importorskip(
        "rocrate_validator.services", reason="roc-validator is a tool for trying, not a dependency"
    )
    if not (cache := os.environ.get("CARSEG_ROCRATE_CACHE")):
        pytest.skip("CARSEG_ROCRATE_CACHE names no cache of roc-validator, which else asks the network for contexts")
    settings = {"rocrate_uri": str(carried[1]), "profile_identifier": "workflow-run-crate-0.5"}
    result = services.validate(settings | {"requirement_severity": "REQUIRED", "offline": True, "cache_path": cache})
    assert not result.has_issues(), [issue.message for issue in result.get_issues()]


def test_checklists_are_answered_from_the_run(made, carried):
    _, out, _ = carried
    assert len(ITEMS) == 32
    rows = dict(
        line.strip("| \n").split(" | ", 1)
        for line in (out / "checklists/reforms.md").read_text().splitlines()
        if line.startswith("| ") and line[2].isdigit()
    )
    assert set(rows) == set(ITEMS)
    assert git(made[1], "rev-parse", "HEAD") in rows["2b"]
    assert "24 photos of cars in the data set, 0 without; used: train " in rows["3e"]
    assert "masks: 0 of 24 cars have none (suv 0.0%" in rows["3f"]
    assert rows["1b"].endswith(NOT_BY_THIS_RUN)
    assert "the photos are the user's own" in rows["3a"]
    completeness = (out / "checklists/ml-code-completeness.md").read_text()
    assert "5 of 5 items are answered" in completeness


def test_metadata_of_the_citation(carried):
    out = carried[1]
    assert read(out, "codemeta.json")["author"] == [{"@type": "Organization", "name": "a group"}]
    assert read(out, ".zenodo.json")["creators"] == [{"name": "a group"}]
    assert read(out, ".zenodo.json")["publication_date"] == "2026-03-14"


def test_own_photos_stay_at_home_unless_asked_for(made, tmp_path, capsys, monkeypatch):
    run, root, data = made
    lines = make_archive(run, tmp_path / "a.zip", Options(), root)
    with zipfile.ZipFile(tmp_path / "a.zip") as packed:
        assert not [name for name in packed.namelist() if name.startswith("data/")]
        listed = packed.read("data-files.csv").decode().splitlines()
        assert json.loads(packed.read("archive.json"))["sources"][0]["carried"] is False
        assert "images" not in [r["@id"] for r in json.loads(packed.read("croissant.json"))["recordSet"]]
    assert len(listed) == 1 + sum(path.is_file() for path in data.rglob("*"))
    assert listed[0] == "file,bytes,sha256"
    assert 'digests alone; SET="data=carried"' in lines[1]
    assert main(["archive", "--run", "fake", "--set", "data=all"]) == 2
    assert "there are: data=digests|carried" in capsys.readouterr().err


def test_photos_of_an_annotation_file_keep_their_places(made, tmp_path):
    _, _, data = made
    (annotations,) = list((data / "annotations").glob("*train*.json"))
    copied = tmp_path / "set"
    shutil.copytree(data / "images", copied / "images")
    content = json.loads(annotations.read_text())
    for image in content["images"]:
        image["file_name"] = (
            next(
                p
                for p in (copied / "images").rglob(image["file_name"].rpartition("/")[2])
                if image["file_name"] in p.as_posix()
            )
            .relative_to(copied)
            .as_posix()
        )
    (copied / "cars.json").write_text(json.dumps(content))
    run = Run.create("file", "smoke", copied / "cars.json")
    found = inputs.collect(run, {}, carry=True)
    names = {entry.name for entry in found.entries}
    assert {f"data/{image['file_name']}" for image in content["images"]} | {"data/cars.json"} == names - {inputs.LIST}
    assert found.data.place == "data/cars.json" and found.data.files == len(names) - 1
    assert found.places == {str(copied / "cars.json"): "data/cars.json", str(copied): "data"}


def test_wheels_are_downloaded_and_installed_by_their_hashes(tmp_path, monkeypatch):
    said = []

    def pip(python, *words):
        said.append((python, words))
        (tmp_path / "wheels").mkdir(exist_ok=True)
        (tmp_path / "wheels" / "a-1-py3-none-any.whl").write_bytes(b"wheel")

    monkeypatch.setattr(wheels, "_pip", pip)
    (entry,) = wheels.download_wheels(b"a==1\n", tmp_path)
    assert entry.name == "wheels/a-1-py3-none-any.whl"
    assert {"download", "--require-hashes", "--no-deps", "--only-binary"} <= set(said[0][1])
    monkeypatch.setattr(wheels.subprocess, "run", lambda command, **_: (tmp_path / ".venv").mkdir())
    python = wheels.install_wheels(tmp_path, tmp_path / "lock.txt")
    assert python.is_relative_to(tmp_path / ".venv")
    assert said[1] == (str(python), (
        "install", "--no-index", "--find-links", str(tmp_path / "wheels"), "--no-deps", "--require-hashes",
        "--requirement", str(tmp_path / "lock.txt"),
    ))  # fmt: skip
    assert wheels.install_wheels(tmp_path, tmp_path / "lock.txt") == python and len(said) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("weights", "is not the file that provenance.json names"),
        ("unfinished", r"index\.html is missing, so the run is not finished"),
        ("photos", "are not the ones that the run was made with"),
        ("commit", "is not in this repository: git fetch it"),
        ("outside git", "made outside git"),
        ("modified", r"changed now: Makefile, new\.py\): commit them"),
        ("secret", "what looks like a secret"),
        ("person", r"run/history\.csv: names a person or a machine"),
    ],
)
def test_what_cannot_be_archived_is_one_line_and_no_zip(own, tmp_path, monkeypatch, change, message):
    run, root, _ = own
    provenance = files.read_json(run.provenance)
    match change:
        case "weights":
            run.best_weights.write_bytes(b"others")
        case "unfinished":
            run.page.unlink()
        case "photos":
            provenance["data"]["sha256"] = "0" * 64
        case "commit":
            provenance["carseg"]["commit"] = "0" * 40
        case "outside git":
            provenance["carseg"]["commit"] = None
        case "modified":
            provenance["carseg"]["modified"] = True
            (root / "Makefile").write_text("other:\n")
            (root / "new.py").write_text("pass\n")
        case "secret":
            monkeypatch.setenv("SOME_API_KEY", "a-secret-value")
            files.write_text(run.folder / "history.csv", "epoch\na-secret-value\n")
        case "person":
            files.write_text(run.folder / "history.csv", "epoch\n/home/somebody/x\n")
    files.write_json(run.provenance, provenance)
    with pytest.raises(CarsegError, match=message) as caught:
        make_archive(run, tmp_path / "a.zip", Options(), root)
    assert "\n" not in str(caught.value) and "a-secret-value" not in str(caught.value)
    assert not (tmp_path / "a.zip").exists()


def test_changes_go_along_as_a_patch_and_the_repository_stays_as_it_is(own):
    run, root, _ = own
    (root / "Makefile").write_text("other:\n")
    (root / "new.py").write_text("pass\n")
    before = git(root, "status", "--porcelain"), git(root, "count-objects")
    provenance = files.read_json(run.provenance)
    provenance["carseg"]["modified"] = True
    entries, patched = source_code.code_entries(root, provenance, True)
    contents = {entry.name: entry.content for entry in entries}
    assert patched
    assert contents["code/Makefile"] == b"other:\n" and contents["code/new.py"] == b"pass\n"
    assert b"-reproduce:\n+other:\n" in contents["code.patch"]
    assert (git(root, "status", "--porcelain"), git(root, "count-objects")) == before


def test_paths_as_they_were_given_become_places(monkeypatch, tmp_path):
    monkeypatch.setenv("CARSEG_REPORTS", str(tmp_path / "reports"))
    redactor = Redactor({"~/my cars": "data/my cars", "/some where/my cars": "data/my cars"})
    assert redactor.command("make reproduce DATA='~/my cars' SEED=1") == "make reproduce DATA='data/my cars' SEED=1"
    assert redactor.text("a.json", b'{"a": "~/my cars", "b": "/some where/my cars/x"}') == (
        b'{\n  "a": "data/my cars",\n  "b": "data/my cars/x"\n}\n'
    )
    assert redactor.text("a.csv", b"/some where/my cars2,1\n") == b"/some where/my cars2,1\n"
    assert redactor.changed == ["a.json"]


@pytest.fixture
def unpacked(carried, tmp_path, monkeypatch):
    """An archive whose run is copied in place of being run again; the environment is the archive's."""
    monkeypatch.setenv("CARSEG_REPORTS", str(tmp_path / "reports"))
    monkeypatch.setattr(rerunning, "choose_python", lambda folder, manifest: "python")
    asked = {}

    def run_again(python, folder, variables, manifest):
        asked.update(variables)
        shutil.copytree(folder / "run", folder / "reports" / "fake", dirs_exist_ok=True)

    monkeypatch.setattr(rerunning, "_run", run_again)
    return carried[0], tmp_path / "again", asked


def test_a_rerun_of_the_same_bits(unpacked, capsys):
    archive, folder, asked = unpacked
    assert main(["rerun", "--archive", str(archive), "--out", str(folder)]) == 0
    said = capsys.readouterr().out
    assert "\nsame bits: weights and all " in said and "weights: the same bits" in said
    assert asked == {"CARSEG_DATA": "data/drawn <cars> & more", "CARSEG_PROFILE": "smoke", "CARSEG_RUN": "fake"}
    assert read(folder, "rerun.json")["verdict"] == "same bits"
    metrics = read(folder, "run/metrics.json")
    metrics["splits"]["validation"]["accuracy"]["value"] = 0.0
    new = folder / "reports" / "fake"
    files.write_json(new / "metrics.json", metrics)
    files.write_bytes(new / "model" / "best.pt", b"others")
    outcome = rerunning.compare(folder, read(folder, "archive.json"))
    assert (outcome.verdict, outcome.same_weights) == ("differs", False)
    (folder / "code" / "Makefile").write_text("altered")
    assert main(["rerun", "--archive", str(archive), "--out", str(folder)]) == 2
    assert "Makefile was altered since it was unpacked" in capsys.readouterr().err


def test_other_weights_with_the_same_numbers_are_within_tolerance(unpacked):
    archive, folder, _ = unpacked
    outcome = rerunning.rerun(archive, folder)
    files.write_bytes(outcome.folder / "model" / "best.pt", b"others")
    assert rerunning.compare(folder, read(folder, "archive.json")).verdict == "within tolerance"


def test_photos_are_asked_for_and_compared(made, carried, tmp_path):
    manifest = read(carried[1], "archive.json")
    with pytest.raises(CarsegError, match="the archive has these photos itself"):
        rerunning.run_variables(manifest, {"DATA": "x"})
    manifest["sources"][0]["carried"] = False
    with pytest.raises(CarsegError, match="give the photos by DATA=path"):
        rerunning.run_variables(manifest, {})
    with pytest.raises(CarsegError, match="not the photos of the archived run"):
        rerunning.run_variables(manifest, {"DATA": str(tmp_path)})
    assert rerunning.run_variables(manifest, {"DATA": str(made[2])})["CARSEG_DATA"] == str(made[2])
    for command in ("rm -rf x", "make clean", "make reproduce SHELL=x"):
        with pytest.raises(CarsegError, match="is no command that makes a run"):
            rerunning.run_variables(manifest | {"command": command}, {"DATA": str(made[2])})


def test_another_environment_is_refused_with_what_to_do(carried, capsys):
    manifest = read(carried[1], "archive.json")
    with pytest.raises(CarsegError, match=r"requirements\.lock is not this environment's: cd .*code && make setup"):
        rerunning.choose_python(carried[1], manifest)
    assert main(["rerun"]) == 2
    assert "ARCHIVE=file.zip" in capsys.readouterr().err


def test_the_user_of_a_program_in_webassembly_is_no_person():
    """The page of make try-page holds such a program."""
    redactor = Redactor({})
    redactor.check("run/portable/try.html", b"HOME='/home/web_user'", own=True)
    with pytest.raises(CarsegError, match="/home/web_users"):
        redactor.check("run/portable/try.html", b"HOME='/home/web_users'", own=True)
