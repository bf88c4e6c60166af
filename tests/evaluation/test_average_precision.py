import json
import time

import numpy as np
import pandas as pd
import pytest

from carseg_lib.core.errors import CarsegError
from carseg_lib.data.masks import encode_mask
from carseg_lib.evaluation.average_precision import average_precision, coco_ap, resampled_ap
from carseg_lib.evaluation.coco_matching import match_detections

TYPES = ("suv", "sedan", "convertible", "minivan")
HEIGHT, WIDTH = 30, 40
TRUTH_COLUMNS = ["photo_id", "body_type", "x1", "y1", "x2", "y2", "mask"]
DETECTION_COLUMNS = ["photo_id", "body_type", "score", "x1", "y1", "x2", "y2", "mask"]


def rectangle(x1, y1, x2, y2):
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    mask[y1:y2, x1:x2] = True
    return encode_mask(mask)


def tables(truth, detections, photos):
    """Rows (photo, type, box) and (photo, type, score, box) → the three tables; a mask is its box, filled."""
    return (
        pd.DataFrame([(p, t, *box, rectangle(*box)) for p, t, box in truth], columns=TRUTH_COLUMNS),
        pd.DataFrame([(p, t, s, *box, rectangle(*box)) for p, t, s, box in detections], columns=DETECTION_COLUMNS),
        pd.DataFrame({"photo_id": list(photos), "width": WIDTH, "height": HEIGHT}),
    )


def random_scene(seed, photos=25):
    """Up to 3 cars and 5 detections a photo on a coarse grid, so that scores and overlaps are often equal."""
    rng = np.random.default_rng(seed)

    def box():
        x1, y1 = rng.integers(0, 6) * 3, rng.integers(0, 4) * 3
        return int(x1), int(y1), int(x1 + rng.integers(2, 7) * 3), int(y1 + rng.integers(2, 5) * 3)

    names = [f"{i:03d}.jpg" for i in range(photos)]
    truth, detections = [], []
    for name in names:
        own = [(name, TYPES[rng.integers(3)], box()) for _ in range(rng.integers(0, 4))]  # no minivan at all
        truth += own
        for _ in range(rng.integers(0, 6)):
            body_type, at = TYPES[rng.integers(4)], box()
            if own and rng.random() < 0.7:
                _, body_type, at = own[rng.integers(len(own))]
                at = (at[0], at[1], at[2] + int(rng.integers(0, 4)), at[3])
            detections.append((name, body_type, rng.integers(1, 8) / 8, at))
    return tables(truth, detections, names)


def own_ap(scene, kind, weights=None):
    weights = np.ones(len(scene[2]), dtype=int) if weights is None else weights
    return resampled_ap(match_detections(*scene, kind, TYPES), weights[None])[0]  # (10, C)


def assert_same(own, coco):
    of_type = own.mean(axis=0)
    for c, body_type in enumerate(TYPES):
        if coco["per_type"][body_type] is None:
            assert np.isnan(of_type[c])
        else:
            assert of_type[c] == pytest.approx(coco["per_type"][body_type], abs=1e-9)
    expected = [coco["AP"], coco["AP50"], coco["AP75"]]
    assert [np.nanmean(own), np.nanmean(own[0]), np.nanmean(own[5])] == pytest.approx(expected, abs=1e-9)


CAR, NEAR, FAR = (0, 0, 20, 10), (0, 0, 16, 10), (24, 15, 38, 29)  # NEAR covers 0.8 of CAR


def test_ap_by_hand():
    # Sedan: two truths. Found at 0.9 (overlap 0.8: true up to threshold 0.80, 7 of 10), a false one at 0.8,
    # the second exactly at 0.7. At 0.50 to 0.80: precision 1 up to recall 0.5 (51 of 101 points), then 2/3
    # (50 points). At 0.85 to 0.95: one found among three, precision 1/3 up to recall 0.5.
    truth = [("a", "sedan", CAR), ("b", "sedan", CAR), ("b", "suv", FAR)]
    detections = [("a", "sedan", 0.9, NEAR), ("a", "sedan", 0.8, FAR), ("b", "sedan", 0.7, CAR)]
    scene = tables(truth, detections, ["a", "b"])
    low, high = (51 + 50 * 2 / 3) / 101, 51 / 3 / 101
    sedan = (7 * low + 3 * high) / 10
    for kind in ("bbox", "segm"):
        result = coco_ap(*scene, kind, TYPES)
        assert result["per_type"] == {"suv": 0.0, "sedan": pytest.approx(sedan), "convertible": None, "minivan": None}
        assert result["AP"] == pytest.approx(sedan / 2)
        assert result["AP50"] == result["AP75"] == pytest.approx(low / 2)
        assert_same(own_ap(scene, kind), result)


def test_a_second_detection_of_one_car_is_false():
    scene = tables([("a", "suv", CAR)], [("a", "suv", 0.9, NEAR), ("a", "suv", 0.8, CAR)], ["a"])
    true = match_detections(*scene, "bbox", TYPES)[0].true
    assert true[:, 0].tolist() == [True, False]
    assert true[:, 9].tolist() == [False, True]  # at 0.95 only the exact one is true


@pytest.mark.parametrize("first", [0, 1])
def test_of_two_truths_equally_near_coco_takes_the_last(first):
    # The first detection overlaps both by 18/22; the second is one of them exactly, and 16/24 from the other.
    pair = [("a", "suv", (0, 0, 20, 10)), ("a", "suv", (4, 0, 24, 10))]
    detections = [("a", "suv", 0.9, (2, 0, 22, 10)), ("a", "suv", 0.8, pair[first][2])]
    scene = tables(pair, detections, ["a"])
    true = match_detections(*scene, "bbox", TYPES)[0].true
    assert true[:, 5].tolist() == [True, first == 0]  # at 0.75
    assert_same(own_ap(scene, "bbox"), coco_ap(*scene, "bbox", TYPES))


def test_a_detection_without_a_mask_has_the_empty_one():
    truth, detections, sizes = tables([("a", "suv", CAR)], [("a", "suv", 0.9, CAR)], ["a"])
    for none in ("", None):
        unmasked = (truth, detections.assign(mask=none), sizes)
        assert coco_ap(*unmasked, "segm", TYPES)["AP"] == own_ap(unmasked, "segm")[0, 0] == 0.0
        assert coco_ap(*unmasked, "bbox", TYPES)["AP"] == 1.0


def test_photos_without_truth_masks_are_left_out_of_mask_ap():
    truth, detections, sizes = tables(
        [("a", "suv", CAR), ("b", "suv", CAR)], [("a", "suv", 0.8, CAR), ("b", "suv", 0.9, FAR)], ["a", "b"]
    )
    truth.loc[1, "mask"] = ""
    assert coco_ap(truth, detections, sizes, "segm", TYPES)["AP"] == 1.0
    assert coco_ap(truth, detections, sizes, "bbox", TYPES)["AP"] < 1.0
    result = average_precision(truth, detections, sizes, "segm", TYPES, bootstrap_samples=9, seed=0)
    assert result["AP"]["n"] == 1
    nothing = (truth.assign(mask=""), detections, sizes, "segm", TYPES)
    assert average_precision(*nothing, bootstrap_samples=9, seed=0) is None


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_no_detections_at_all_is_zero_and_no_truth_is_null(kind):
    truth, detections, sizes = tables([("a", "suv", CAR)], [("a", "suv", 0.9, CAR)], ["a", "b"])
    for none in (detections[:0], pd.DataFrame([], columns=DETECTION_COLUMNS)):  # with dtypes and without
        nothing_found = coco_ap(truth, none, sizes, kind, TYPES)
        assert (nothing_found["AP"], nothing_found["per_type"]["suv"]) == (0.0, 0.0)
        assert_same(own_ap((truth, none, sizes), kind), nothing_found)
    nothing_there = coco_ap(truth[:0], detections, sizes, kind, TYPES)
    assert nothing_there == {"AP": None, "AP50": None, "AP75": None, "per_type": dict.fromkeys(TYPES)}


def test_unknown_photos_and_types_are_named():
    truth, detections, sizes = tables([("a", "suv", CAR)], [("a", "suv", 0.9, CAR)], ["a"])
    with pytest.raises(CarsegError, match="truth name the photo 'a'"):
        coco_ap(truth, detections, sizes[:0], "bbox", TYPES)
    with pytest.raises(CarsegError, match="detections give photo 'a' the body type 'truck'"):
        coco_ap(truth, detections.assign(body_type="truck"), sizes, "bbox", TYPES)


@pytest.mark.parametrize("kind", ["bbox", "segm"])
@pytest.mark.parametrize("seed", range(6))
def test_own_computation_equals_torchmetrics(kind, seed):
    scene = random_scene(seed)
    assert_same(own_ap(scene, kind), coco_ap(*scene, kind, TYPES))


@pytest.mark.parametrize("seed", range(4))
def test_a_weight_is_a_repeated_photo(seed):
    truth, detections, sizes = random_scene(seed, photos=12)
    # No equal scores: repeated photos would otherwise interleave in an order of their own.
    detections["score"] = np.random.default_rng(seed).permutation(len(detections)) / len(detections)
    weights = np.random.default_rng(seed).multinomial(12, np.full(12, 1 / 12))

    def repeat(table):
        copies = [
            table[table["photo_id"] == photo].assign(photo_id=f"{photo}-{i}")
            for photo, times in zip(sizes["photo_id"], weights, strict=True)
            for i in range(times)
        ]
        return pd.concat(copies, ignore_index=True)

    repeated = tuple(repeat(table) for table in (truth, detections, sizes))
    assert_same(own_ap((truth, detections, sizes), "bbox", weights), coco_ap(*repeated, "bbox", TYPES))


def test_at_most_100_detections_a_photo_and_type():
    scene = tables([("a", "suv", CAR)], [("a", "suv", 0.9, FAR)] * 100 + [("a", "suv", 0.5, CAR)], ["a"])
    assert coco_ap(*scene, "bbox", TYPES)["AP"] == own_ap(scene, "bbox")[0, 0] == 0.0


def test_order_of_rows_does_not_matter():
    scene = random_scene(1)
    scene[1]["score"] = np.linspace(0.1, 0.9, len(scene[1]))
    shuffled = tuple(table.sample(frac=1, random_state=0) for table in scene)
    settings = {"bootstrap_samples": 50, "seed": 0}
    for kind in ("bbox", "segm"):
        result = average_precision(*scene, kind, TYPES, **settings)
        assert result == average_precision(*shuffled, kind, TYPES, **settings)
        json.dumps(result, allow_nan=False)


def test_intervals():
    scene = random_scene(2, photos=60)
    result = average_precision(*scene, "bbox", TYPES, bootstrap_samples=300, seed=0)
    values = coco_ap(*scene, "bbox", TYPES)
    truth = scene[0]
    for name in ("AP", "AP50", "AP75"):
        assert result[name]["value"] == values[name]
        assert 0 < result[name]["low"] < result[name]["value"] < result[name]["high"] < 1
        assert result[name]["n"] == 60
    for body_type in TYPES[:3]:
        assert result["per_type"][body_type]["AP"]["value"] == values["per_type"][body_type]
        assert result["per_type"][body_type]["AP"]["n"] == (truth["body_type"] == body_type).sum()
    assert result["per_type"]["minivan"] == {"AP": None}
    other = average_precision(*scene, "bbox", TYPES, bootstrap_samples=300, seed=1)
    assert other != result
    assert other["AP"]["low"] == pytest.approx(result["AP"]["low"], abs=0.03)


def test_a_perfect_score_on_few_photos_is_not_certain():
    scene = tables([("a", "suv", CAR), ("b", "suv", FAR)], [("a", "suv", 1.0, CAR), ("b", "suv", 1.0, FAR)], ["a", "b"])
    ap = average_precision(*scene, "segm", TYPES, bootstrap_samples=50, seed=0)["AP"]
    assert (ap["value"], ap["high"]) == (1.0, 1.0)
    assert ap["low"] == pytest.approx(2 / (2 + 3.8415), abs=1e-4)  # Wilson: n / (n + z²)


def test_a_thousand_draws_take_seconds():
    truth, detections, sizes = random_scene(0, photos=400)
    weights = np.random.default_rng(0).multinomial(400, np.full(400, 1 / 400), size=1000)
    start = time.perf_counter()
    resampled_ap(match_detections(truth, detections, sizes, "bbox", TYPES), weights)
    assert time.perf_counter() - start < 20
