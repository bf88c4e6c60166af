import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carseg_lib.core.errors import CarsegError
from carseg_lib.workflow import reference as references


def estimate(value, low, high, n=100):
    return {"value": value, "low": low, "high": high, "n": n}


def make_metrics():
    split = {
        "accuracy": estimate(0.80, 0.74, 0.86),
        "macro": {"f1": estimate(0.78, 0.70, 0.84)},
        "per_type": {"suv": {"recall": estimate(1.0, 1.0, 1.0, 20), "support": 20}},
        "no_car_found": 1,
        "confusion": {"labels": ["suv", "no car found"], "matrix": [[19, 1]]},
        "box": {"AP": estimate(0.6, 0.55, 0.65)},
        "mask": None,
    }
    return {
        "schema": 1,
        "run": {
            "name": "quick", "profile": "quick", "seed": 0, "device": "cpu", "weights": "imagenet",
            "backbone": "lite0", "parameters": 1000, "epochs": 3, "batch_size": 8, "image_height": 224,
            "image_width": 224, "augmentation": "flip_only",
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
    return references.build_reference(metrics, {"seed": 0})


def bad(table):
    return list(table.loc[~table["ok"], "metric"])


def test_make_reference(metrics):
    reference = references.build_reference(metrics, {"seed": 0, "hardware": {"cores": 2}})
    assert list(reference) == ["profile", "data", "recipe", "made", "metrics"]
    assert reference["profile"] == "quick" and reference["data"] == {"name": "cars", "fingerprint": "ab" * 32}
    assert reference["made"] == {"seed": 0, "hardware": {"cores": 2}}
    assert reference["recipe"]["epochs"] == 3 and "seed" not in reference["recipe"]
    assert reference["recipe"]["image_height"] == 224
    values = reference["metrics"]
    assert len(values) == 1 + 2 * 4  # training accuracy, and four a split
    assert values["splits.test.accuracy.value"] == {"value": 0.80, "tolerance": pytest.approx(0.06)}
    assert values["splits.validation.macro.f1.value"]["tolerance"] == pytest.approx(0.07)
    assert values["splits.test.per_type.suv.recall.value"]["tolerance"] == 0.01  # its interval is empty
    assert "training.train_accuracy.value" in values and "training.final_train_loss" not in values


def test_make_reference_refuses_a_broken_run(metrics):
    metrics["training"]["final_train_loss"] = math.nan
    with pytest.raises(CarsegError, match=r"training\.final_train_loss is nan"):
        references.build_reference(metrics, {})
    del metrics["training"], metrics["splits"]
    with pytest.raises(CarsegError, match="no number with an interval"):
        references.build_reference(metrics, {})


def test_a_run_equals_itself(metrics, reference):
    table = references.compare_to_reference(metrics, reference)
    assert list(table.columns) == ["metric", "run", "reference", "difference", "tolerance", "ok"]
    assert table["ok"].all() and table["ok"].dtype == bool and references.mismatches(table) == []
    numbers = table[table["tolerance"].notna()]
    assert (numbers["difference"] == 0).all() and len(numbers) == 9


@given(st.floats(0, 1), st.floats(0, 0.5), st.floats(-1, 1))
def test_ok_means_within_the_tolerance(value, half_width, change):
    metrics = make_metrics()
    metrics["splits"]["test"]["accuracy"] = estimate(value, value - half_width, value + half_width)
    reference = references.build_reference(metrics, {})
    metrics["splits"]["test"]["accuracy"]["value"] = value + change
    row = references.compare_to_reference(metrics, reference).set_index("metric").loc["splits.test.accuracy.value"]
    assert row["tolerance"] == pytest.approx(max(0.01, half_width))
    assert row["difference"] == pytest.approx(change, abs=1e-12)
    if abs(abs(change) - row["tolerance"]) > 1e-9:  # not at the very edge
        assert row["ok"] == (abs(change) < row["tolerance"])


def test_differences_at_the_tolerance_and_beyond(metrics, reference):
    metrics["splits"]["test"]["accuracy"]["value"] = 0.86  # + 0.06, the tolerance
    assert bad(references.compare_to_reference(metrics, reference)) == []
    metrics["splits"]["test"]["accuracy"]["value"] = 0.70
    table = references.compare_to_reference(metrics, reference)
    assert bad(table) == ["splits.test.accuracy.value"]
    expected = "splits.test.accuracy.value: 0.7000, 0.8000 ± 0.0600 expected (off by -0.1000)"
    assert references.mismatches(table) == [expected]


@pytest.mark.parametrize("value", [None, math.nan, math.inf, "0.8", True])
def test_missing_and_not_finite_values_fail(metrics, reference, value):
    metrics["splits"]["test"]["accuracy"]["value"] = value
    table = references.compare_to_reference(metrics, reference)
    assert bad(table) == ["splits.test.accuracy.value"]
    assert references.mismatches(table) == ["splits.test.accuracy.value: missing or not finite (0.8000 expected)"]


def test_a_missing_split_fails_number_by_number(metrics, reference):
    del metrics["splits"]["test"]
    metrics["splits"]["validation"]["box"] = None
    table = references.compare_to_reference(metrics, reference)
    assert len(bad(table)) == 4 + 1 and all(name.startswith("splits.") for name in bad(table))


def test_numbers_outside_the_reference_must_be_finite(metrics, reference):
    metrics["training"]["final_train_loss"] = math.nan
    metrics["splits"]["test"]["confusion"]["matrix"][0][1] = math.inf
    table = references.compare_to_reference(metrics, reference)
    assert bad(table) == ["training.final_train_loss", "splits.test.confusion.matrix.0.1"]
    assert references.mismatches(table)[0] == "training.final_train_loss: not finite (nan)"


def test_other_data_and_another_recipe_fail(metrics, reference):
    metrics["data"]["fingerprint"] = "cd" * 32
    metrics["run"] |= {"epochs": 9, "seed": 5}  # the seed is free
    table = references.compare_to_reference(metrics, reference)
    assert bad(table) == ["data.fingerprint", "run.epochs"]
    assert references.mismatches(table)[1] == "run.epochs: 9, 3 expected"
    del metrics["run"]["epochs"]
    assert (
        references.mismatches(references.compare_to_reference(metrics, reference))[1] == "run.epochs: None, 3 expected"
    )


@pytest.fixture
def folders(tmp_path, metrics):
    run = tmp_path / "reports" / "quick"
    run.mkdir(parents=True)
    (run / "metrics.json").write_text(json.dumps(metrics))
    return run, tmp_path / "reports" / "reference"


def test_write_a_reference_and_compare_with_it(folders, metrics):
    run, reference_folder = folders
    provenance = {
        "made": "2024-05-01T12:00:00Z",
        "command": "make reproduce DATA=/home/me/cars",
        "python": "CPython 3.11",
    }
    (run / "provenance.json").write_text(json.dumps(provenance))
    path = references.write_reference(run, reference_folder)
    assert path == reference_folder / "quick--cars.json" == references.reference_path(metrics, reference_folder)
    made = json.loads(path.read_text())["made"]
    assert made == {"made": "2024-05-01T12:00:00Z", "python": "CPython 3.11", "seed": 0, "device": "cpu"}
    assert references.mismatches(references.compare_run(run, reference_folder)) == []

    metrics["splits"]["test"]["accuracy"]["value"] = 0.1
    (run / "metrics.json").write_text(json.dumps(metrics))
    assert len(references.mismatches(references.compare_run(run, reference_folder))) == 1  # listed, not raised


def test_no_reference_names_those_that_exist(folders, metrics):
    run, reference_folder = folders
    with pytest.raises(CarsegError, match=r"profile 'quick' on data 'cars' \(profile--data there: none\)"):
        references.compare_run(run, reference_folder)
    references.write_reference(run, reference_folder)
    metrics["run"]["profile"] = "paper"
    (run / "metrics.json").write_text(json.dumps(metrics))
    with pytest.raises(CarsegError, match=r"'paper' on data 'cars' \(profile--data there: quick--cars\)") as error:
        references.compare_run(run, reference_folder)
    assert "\n" not in str(error.value)


def test_broken_files_are_refused(folders):
    run, reference_folder = folders
    path = references.write_reference(run, reference_folder)
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
    reference = references.build_reference(metrics, {})
    table = references.compare_to_reference(metrics, reference)
    assert table["ok"].all()
    row = table[table["metric"] == "splits.test.per_type.St. Wagon.recall.value"].iloc[0]
    assert (row["run"], row["reference"]) == (0.5, 0.5)
