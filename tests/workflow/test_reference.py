import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carseg_lib.core.errors import CarsegError
from carseg_lib.core.paths import project_folder
from carseg_lib.workflow import reference as references
from carseg_lib.workflow.reference_tolerance import HEADLINE

ACCURACY = "splits.test.accuracy.value"
RECALL = "splits.test.per_type.suv.recall.value"
PROVENANCE = {
    "made": "2024-05-01T12:00:00Z",
    "command": "make reproduce DATA=/home/me/cars",
    "carseg": {"version": "0.1.0", "commit": "a1" * 20, "modified": False},
    "python": "CPython 3.11.7",
    "system": "Linux 6.1 x86_64",
    "packages": {"torch": "2.15.0", "numpy": "2.4.6"},
    "hardware": {"processor": "AMD EPYC", "processor_model": "cpu family 25, model 17", "cores": 2, "gpus": []},
    "threads": 2,
    "num_processes": 1,
    "seconds": 359.5,
}


def estimate(value, low, high, n=100):
    return {"value": value, "low": low, "high": high, "n": n}


def make_metrics(seed=0, accuracy=0.80):
    split = {
        "accuracy": estimate(accuracy, accuracy - 0.08, accuracy + 0.05),
        "macro_f1": estimate(0.78, 0.70, 0.84),
        "macro": {"f1": estimate(0.78, 0.70, 0.84)},
        "per_type": {"suv": {"recall": estimate(1.0, 1.0, 1.0, 20), "support": 20}},
        "no_car_found": 1,
        "confusion": {"labels": ["suv", "no car found"], "matrix": [[19, 1]]},
        "box_ap": estimate(0.6, 0.55, 0.65),
        "mask_iou": None,
    }
    return {
        "schema": 1,
        "run": {
            "name": f"quick-{seed}", "profile": "quick", "seed": seed, "device": "cpu", "weights": "imagenet",
            "backbone": "lite0", "parameters": 1000, "epochs": 3, "batch_size": 8, "image_height": 224,
            "image_width": 224, "augmentation": "flip_only", "precision": "32-true",
        },
        "data": {"name": "cars", "fingerprint": "ab" * 32},
        "training": {"best_epoch": 2, "train_accuracy": estimate(0.9, 0.85, 0.95), "final_train_loss": 0.4},
        "splits": {"validation": split, "test": json.loads(json.dumps(split))},
    }  # fmt: skip


@pytest.fixture
def metrics():
    return make_metrics()


@pytest.fixture
def reference(metrics):
    return references.build_reference([(metrics, PROVENANCE)])


def compare(metrics, reference, provenance=PROVENANCE):
    return references.compare_to_reference(metrics, provenance, reference)


def bad(comparison):
    return list(comparison.table.loc[~comparison.table["ok"], "metric"])


def row(comparison, metric):
    return comparison.table.set_index("metric").loc[metric]


def test_the_reference_of_one_run(metrics):
    reference = references.build_reference([(metrics, PROVENANCE)])
    assert list(reference) == ["profile", "data", "recipe", "made", "seeds", "metrics"]
    assert reference["profile"] == "quick" and reference["data"] == {"name": "cars", "fingerprint": "ab" * 32}
    assert reference["recipe"]["epochs"] == 3 and "seed" not in reference["recipe"]
    made = reference["made"]
    assert (made["seed"], made["device"], made["number_format"], made["threads"]) == (0, "cpu", "float32", 2)
    assert "command" not in made  # it may name a folder of a machine
    values = reference["metrics"]
    assert len(values) == 1 + 2 * 5  # training accuracy, and five a split
    assert values[ACCURACY] == {"value": 0.80, "low": pytest.approx(0.72), "high": pytest.approx(0.85), "n": 100}
    assert "training.train_accuracy.value" in values and "training.final_train_loss" not in values
    (seed,) = reference["seeds"]
    assert seed["seed"] == 0 and seed["commit"] == "a1" * 20 and seed["processor"] == "AMD EPYC"
    judged = [f"splits.{split}.{name}.value" for split in ("validation", "test") for name in ("accuracy", "macro_f1")]
    assert {path: seed["numbers"][path] for path in judged} == {
        judged[0]: 0.8,
        judged[1]: 0.78,
        judged[2]: 0.8,
        judged[3]: 0.78,
    }
    assert len(seed["numbers"]) == 6 and set(seed["numbers"]) < set(HEADLINE)  # no masks here


def test_a_broken_run_is_no_reference(metrics):
    metrics["training"]["final_train_loss"] = math.nan
    with pytest.raises(CarsegError, match=r"run quick-0: training\.final_train_loss is nan"):
        references.build_reference([(metrics, {})])
    del metrics["training"], metrics["splits"]
    with pytest.raises(CarsegError, match="no number with an interval"):
        references.build_reference([(metrics, {})])


def test_five_seeds_give_the_centre_and_their_values():
    accuracies = [0.80, 0.84, 0.82, 0.83, 0.81]
    runs = [(make_metrics(seed, accuracy), PROVENANCE) for seed, accuracy in enumerate(accuracies)]
    reference = references.build_reference(runs)
    assert [run["seed"] for run in reference["seeds"]] == [0, 1, 2, 3, 4]
    assert [run["numbers"][ACCURACY] for run in reference["seeds"]] == accuracies
    assert reference["metrics"][ACCURACY]["value"] == 0.80  # the first run is the reference
    comparison = compare(make_metrics(9, 0.85), reference)
    assert comparison.seeds == 5
    found = row(comparison, ACCURACY)
    assert (found["reference"], found["run"]) == (pytest.approx(0.82), 0.85)
    assert found["tolerance"] == pytest.approx(0.08)  # the far end: 0.80 - 0.72; the spread gives 0.048
    assert compare(make_metrics(9, 0.739), reference).table["ok"].sum() == len(comparison.table) - 2  # both splits
    assert compare(make_metrics(9, 0.741), reference).ok


@pytest.mark.parametrize(
    ("part", "name", "value", "message"),
    [
        ("run", "profile", "best", r"run quick-1: run\.profile is best, quick in run quick-0"),
        ("run", "epochs", 4, r"run quick-1: run\.epochs is 4, 3 in run quick-0"),
        ("run", "precision", "bf16-mixed", r"run quick-1: run\.precision is bf16-mixed, 32-true in run quick-0"),
        ("data", "fingerprint", "cd", r"run quick-1: data\.fingerprint is cd, "),
        ("run", "seed", 0, "run quick-1: seed 0 is that of run quick-0"),
    ],
)
def test_the_runs_of_one_reference_differ_in_the_seed_alone(part, name, value, message):
    first, second = make_metrics(0), make_metrics(1)
    second[part][name] = value
    with pytest.raises(CarsegError, match=message):
        references.build_reference([(first, {}), (second, {})])


def test_each_seed_has_each_judged_number():
    first, second = make_metrics(0), make_metrics(1)
    second["splits"]["test"]["box_ap"] = None
    with pytest.raises(CarsegError, match=r"run quick-1: splits\.test\.box_ap\.value is missing"):
        references.build_reference([(first, {}), (second, {})])


def test_a_run_equals_itself(metrics, reference):
    comparison = compare(metrics, reference)
    table = comparison.table
    assert list(table.columns) == ["metric", "kind", "run", "reference", "difference", "tolerance", "ok"]
    assert comparison.ok and table["ok"].dtype == bool
    assert table["kind"].value_counts().to_dict() == {"equal": 11, "headline": 6, "information": 5}
    numbers = table[table["kind"] != "equal"]
    assert (numbers["difference"] == 0).all() and len(numbers) == comparison.numbers == 11
    assert (comparison.unequal, comparison.circumstances) == (0, ())


@given(st.floats(0, 1), st.floats(0, 0.5), st.floats(0, 0.5), st.floats(-1, 1))
def test_ok_means_within_the_tolerance(value, below, above, change):
    metrics = make_metrics()
    metrics["splits"]["test"]["accuracy"] = estimate(value, value - below, value + above)
    reference = references.build_reference([(metrics, {})])
    metrics["splits"]["test"]["accuracy"]["value"] = value + change
    found = row(compare(metrics, reference), ACCURACY)
    assert found["tolerance"] == pytest.approx(max(0.01, 1.7 * max(below, above)))  # one seed: the far end
    assert found["difference"] == pytest.approx(change, abs=1e-12)
    if abs(abs(change) - found["tolerance"]) > 1e-9:  # not at the very edge
        assert found["ok"] == (abs(change) < found["tolerance"])


def test_a_number_that_is_not_judged_may_differ_but_must_be_there(metrics, reference):
    metrics["splits"]["test"]["per_type"]["suv"]["recall"]["value"] = 0.5
    comparison = compare(metrics, reference)
    assert comparison.ok and row(comparison, RECALL)["difference"] == -0.5 and comparison.unequal == 1
    metrics["splits"]["test"]["per_type"]["suv"]["recall"] = None
    assert bad(compare(metrics, reference)) == [RECALL]


@pytest.mark.parametrize("value", [None, math.nan, math.inf, "0.8", True])
@pytest.mark.parametrize("path", [ACCURACY, RECALL])
def test_missing_and_not_finite_values_fail(metrics, reference, value, path):
    split = metrics["splits"]["test"]
    (split["accuracy"] if path == ACCURACY else split["per_type"]["suv"]["recall"])["value"] = value
    comparison = compare(metrics, reference)
    assert bad(comparison) == [path] and not comparison.ok


def test_a_missing_split_fails_number_by_number(metrics, reference):
    del metrics["splits"]["test"]
    metrics["splits"]["validation"]["box_ap"] = None
    comparison = compare(metrics, reference)
    assert len(bad(comparison)) == 5 + 1 and all(name.startswith("splits.") for name in bad(comparison))


def test_numbers_outside_the_reference_must_be_finite(metrics, reference):
    metrics["training"]["final_train_loss"] = math.nan
    metrics["splits"]["test"]["confusion"]["matrix"][0][1] = math.inf
    comparison = compare(metrics, reference)
    assert bad(comparison) == ["training.final_train_loss", "splits.test.confusion.matrix.0.1"]


def test_other_data_and_another_recipe_fail(metrics, reference):
    metrics["data"]["fingerprint"] = "cd" * 32
    metrics["run"] |= {"epochs": 9, "seed": 5}  # the seed is free
    assert bad(compare(metrics, reference)) == ["data.fingerprint", "run.epochs"]
    del metrics["run"]["epochs"]
    assert row(compare(metrics, reference), "run.epochs")["run"] is None


def changed(**values):
    return PROVENANCE | values


@pytest.mark.parametrize(
    ("provenance", "circumstances"),
    [
        (PROVENANCE, ()),
        (changed(made="later", carseg={"commit": "b2"}, seconds=1.0, system="Linux 7.0 x86_64"), ()),
        (changed(threads=4), ("threads: 4, reference 2",)),
        (changed(system="Linux 6.1 aarch64"), ("architecture: aarch64, reference x86_64",)),
        (changed(packages={"torch": "2.16.0", "numpy": "2.4.6"}), ("torch: 2.16.0, reference 2.15.0",)),
        (
            changed(hardware=PROVENANCE["hardware"] | {"processor": "Xeon", "gpus": ["H100"]}),
            ("processor: Xeon, reference AMD EPYC", "GPUs: H100, reference none"),
        ),
    ],
)
def test_bits_are_comparable_where_machine_format_threads_and_versions_are_the_same(
    metrics, reference, provenance, circumstances
):
    assert compare(metrics, reference, provenance).circumstances == circumstances


def test_number_format_and_seed_are_of_the_run_itself(metrics, reference):
    metrics["run"] |= {"precision": "bf16-mixed", "seed": 3}
    assert compare(metrics, reference).circumstances == (
        "seed: 3, reference 0",
        "number format: bfloat16, reference float32",
    )


def test_what_was_not_recorded_is_not_the_same(metrics):
    reference = references.build_reference([(metrics, {})])
    circumstances = compare(metrics, reference, {}).circumstances
    assert "threads: not recorded, reference not recorded" in circumstances
    assert "packages: not recorded, reference not recorded" in circumstances
    assert not any(text.startswith(("seed", "device", "number format")) for text in circumstances)
    assert "threads: 2, reference not recorded" in compare(metrics, reference).circumstances


@pytest.fixture
def folders(tmp_path, metrics):
    run = tmp_path / "reports" / "quick"
    run.mkdir(parents=True)
    (run / "metrics.json").write_text(json.dumps(metrics))
    return run, tmp_path / "reports" / "reference"


def test_write_a_reference_and_compare_with_it(folders, metrics):
    run, reference_folder = folders
    (run / "provenance.json").write_text(json.dumps(PROVENANCE))
    path = references.write_reference([run], reference_folder)
    assert path == reference_folder / "quick--cars.json" == references.reference_path(metrics, reference_folder)
    comparison = references.compare_run(run, reference_folder)
    assert comparison.ok and comparison.unequal == 0 and comparison.circumstances == ()

    metrics["splits"]["test"]["accuracy"]["value"] = 0.1
    (run / "metrics.json").write_text(json.dumps(metrics))
    assert bad(references.compare_run(run, reference_folder)) == [ACCURACY]  # listed, not raised


def test_no_reference_names_those_that_exist(folders, metrics):
    run, reference_folder = folders
    with pytest.raises(CarsegError, match=r"profile 'quick' on data 'cars' \(profile--data there: none\)"):
        references.compare_run(run, reference_folder)
    references.write_reference([run], reference_folder)
    metrics["run"]["profile"] = "paper"
    (run / "metrics.json").write_text(json.dumps(metrics))
    with pytest.raises(CarsegError, match=r"'paper' on data 'cars' \(profile--data there: quick--cars\)") as error:
        references.compare_run(run, reference_folder)
    assert "\n" not in str(error.value)


def test_broken_files_are_refused(folders):
    run, reference_folder = folders
    path = references.write_reference([run], reference_folder)
    path.write_text("{}")
    with pytest.raises(CarsegError, match="not a reference"):
        references.compare_run(run, reference_folder)
    for content in ("[]", '{"run": '):
        (run / "metrics.json").write_text(content)
        with pytest.raises(CarsegError, match=r"metrics\.json"):
            references.compare_run(run, reference_folder)
    (run / "metrics.json").unlink()
    with pytest.raises(CarsegError, match=r"metrics\.json: not there"):
        references.compare_run(run, reference_folder)


def test_a_body_type_may_have_dots_in_its_name(metrics):
    for split in metrics["splits"].values():
        split["per_type"] = {
            "St. Wagon": {"recall": estimate(0.5, 0.4, 0.6, 20)}, "St": {"recall": estimate(0.9, 0.8, 1.0, 20)}
        }  # fmt: skip
    comparison = compare(metrics, references.build_reference([(metrics, {})]))
    assert comparison.ok
    found = row(comparison, "splits.test.per_type.St. Wagon.recall.value")
    assert (found["run"], found["reference"]) == (0.5, 0.5)


@pytest.mark.parametrize(
    "path", sorted((project_folder() / "reports" / "reference").glob("*--*.json")), ids=lambda p: p.stem
)
def test_the_committed_references_are_complete(path):
    reference = references.read_reference(path)
    assert path.stem == f"{reference['profile']}--{reference['data']['name']}"
    assert set(HEADLINE) <= reference["metrics"].keys()
    assert reference["made"]["number_format"] in ("float32", "bfloat16")
    seeds = reference["seeds"]
    assert seeds[0]["seed"] == reference["made"]["seed"] and len({run["seed"] for run in seeds}) == len(seeds)
    for metric in HEADLINE:
        number = reference["metrics"][metric]
        assert number["low"] <= number["value"] <= number["high"] and seeds[0]["numbers"][metric] == number["value"]
        assert all(0 <= run["numbers"][metric] <= 1 for run in seeds)
