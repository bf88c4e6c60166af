"""carseg_lib.engine.presence: regions, scores, the threshold and its file."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carseg_lib.core.errors import CarsegError
from carseg_lib.engine.inference import Detection
from carseg_lib.engine.presence import (
    Presence,
    SecondLook,
    distinct_regions,
    photo_score,
    reference_scores,
    threshold_of,
)

SEDAN = Detection("sedan", 0.6, (10, 10, 90, 50), "", (0.3, 0.6, 0.0, 0.0))
SAME_AS_SUV = Detection("suv", 0.3, (10, 10, 90, 50), "", (0.3, 0.6, 0.0, 0.0))
NAIL = Detection("convertible", 0.98, (0, 0, 8, 8), "", (0.0, 0.0, 0.98, 0.0))


class ByBrightness:
    """A classifier of two classes of 1,000: class 5 has the crop's mean brightness, class 7 a tenth of it."""

    def __init__(self):
        self.seen = []

    def __call__(self, crops):
        self.seen += crops
        found = np.zeros((len(crops), 1000), np.float32)
        for row, crop in zip(found, crops, strict=True):
            row[5], row[7] = crop.mean() / 255, crop.mean() / 2550
        return found


def presence(scores, keep=0.9) -> Presence:
    return Presence((5, 7), ("cab", "jeep"), np.sort(scores), len(scores), keep, "weights", "model")


def test_each_region_is_looked_at_once_in_the_photos_own_pixels():
    photo = np.zeros((60, 100, 3), np.uint8)
    photo[10:50, 10:90] = 255
    classifier = ByBrightness()
    look = SecondLook(classifier, (5, 7))
    (found,) = look([(photo, [NAIL, SEDAN, SAME_AS_SUV], (100, 60))])
    assert [one.body_type for one in found] == ["convertible", "sedan"]
    nail, sedan = found
    assert nail.likeness == 0 and nail.car_score == 0 and nail.score == 0.98
    inside = (40 * 80) / (48 * 96)  # the box, over the crop with its margin
    assert sedan.likeness == pytest.approx(1.1 * inside, abs=1e-3)
    assert sedan.car_score == pytest.approx(0.9 * sedan.likeness)  # 0.3 + 0.6 that it is no background
    assert photo_score(found) == sedan.car_score and photo_score([]) == 0
    # the same photo at half its size, the boxes still of the full one
    (halved,) = look([(photo[::2, ::2], [SEDAN], (100, 60))])
    assert halved[0].likeness == pytest.approx(sedan.likeness, abs=0.03)
    assert look([(photo, [], (100, 60))]) == [[]]


def test_without_classes_the_detector_decides_alone():
    classifier = ByBrightness()
    (found,) = SecondLook(classifier, ())([(np.zeros((60, 100, 3), np.uint8), [NAIL], (100, 60))])
    assert (found[0].likeness, found[0].car_score) == (1.0, pytest.approx(0.98)) and not classifier.seen


def test_a_limit_of_regions():
    apart = [Detection("suv", 0.9 - i / 10, (20 * i, 0, 20 * i + 15, 10), "") for i in range(5)]
    assert distinct_regions(apart, 3) == apart[:3]
    assert distinct_regions([SEDAN, SAME_AS_SUV], 3) == [SEDAN]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60), st.floats(0.5, 0.99))
def test_the_threshold_keeps_the_promised_share_and_no_larger_one_does(scores, keep):
    scores = np.array(scores)
    threshold = threshold_of(scores, keep)
    assert threshold in scores and (scores >= threshold).mean() >= keep - 1e-9
    above = scores[scores > threshold]
    if len(above):
        assert (scores >= above.min()).mean() <= keep + 1 / len(scores)


def test_a_score_means_the_share_of_cars_that_look_no_more_like_one():
    found = presence(np.linspace(0.01, 1, 100))
    assert found.share_below(0.5) == pytest.approx(0.5) and found.share_below(0) == 0 and found.share_below(1) == 1
    assert found.threshold == pytest.approx(0.11)


def test_many_scores_are_thinned_and_the_threshold_stays():
    scores = np.random.default_rng(0).beta(5, 1, 30_000)
    kept = reference_scores(scores)
    assert len(kept) == 2000 and (np.diff(kept) >= 0).all() and np.isin(kept, scores).all()
    assert threshold_of(kept, 0.99) == pytest.approx(threshold_of(scores, 0.99), abs=0.01)
    assert reference_scores(np.array([0.5, 0.1])).tolist() == [0.1, 0.5]


def test_the_file_comes_back_and_is_refused_for_another_model(tmp_path):
    run = SimpleNamespace(name="quick", presence=tmp_path / "presence.json")
    with pytest.raises(CarsegError, match=r"no threshold yet.*make evaluate RUN=quick"):
        Presence.load(run, "model")
    saved = presence([0.2, 0.4, 0.9])
    saved.save(run.presence)
    found = Presence.load(run, "model")
    assert found.car_scores.tolist() == [0.2, 0.4, 0.9] and found.threshold == saved.threshold == 0.2
    assert (found.classes, found.names, found.cars, found.keep) == ((5, 7), ("cab", "jeep"), 3, 0.9)
    with pytest.raises(CarsegError, match="another model"):
        Presence.load(run, "other")
    run.presence.write_text(json.dumps({"schema": 0}))
    with pytest.raises(CarsegError, match="another version"):
        Presence.load(run, "model")
