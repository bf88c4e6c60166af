"""carseg_lib.engine.second_look: each region once, in the photo's own pixels."""

import numpy as np
import pytest

from carseg_lib.engine.inference import Detection
from carseg_lib.engine.second_look import SecondLook, distinct_regions, photo_score
from carseg_lib.engine.second_opinion import SecondOpinion

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


def test_its_opinion_on_the_type_counts_and_its_likeness_is_as_without():
    photo = np.zeros((60, 100, 3), np.uint8)
    photo[10:50, 10:90] = 255
    types = ("suv", "sedan", "convertible", "minivan")
    # the bright car has 0.76 of the first class: 3 log 0.76 + 9 = 8.2 for a minivan, and 0 for the others
    for_minivans = SecondOpinion(types, np.array([[0.0, 0.0, 0.0, 3.0], [0.0] * 4]), np.array([0.0, 0.0, 0.0, 9.0]), 1)
    photos = [(photo, [NAIL, SEDAN, SAME_AS_SUV], (100, 60)), (photo, [], (100, 60)), (photo, [SEDAN], (100, 60))]
    alone = SecondLook(ByBrightness(), (5, 7))(photos)
    heard = SecondLook(ByBrightness(), (5, 7), for_minivans)(photos)
    assert [len(found) for found in heard] == [2, 0, 1]
    assert heard[0][1].body_type == "sedan", "a detector that excludes minivans outweighs any opinion"
    for one, other in zip(alone[0] + alone[2], heard[0] + heard[2], strict=True):
        assert (one.likeness, one.car_score, one.box) == (other.likeness, other.car_score, other.box)
    unsure = Detection("sedan", 0.5, SEDAN.box, "", (0.1, 0.5, 0.1, 0.2))
    ((renamed,),) = SecondLook(ByBrightness(), (5, 7), for_minivans)([(photo, [unsure], (100, 60))])
    assert renamed.body_type == "minivan" and renamed.score == pytest.approx(0.9, abs=0.01)
    (dark,) = SecondLook(ByBrightness(), (5, 7), for_minivans)([(photo // 255, [unsure], (100, 60))])
    assert dark[0].body_type == "sedan"  # 3 log 0.003 + 9 = -8.4


def test_a_limit_of_regions():
    apart = [Detection("suv", 0.9 - i / 10, (20 * i, 0, 20 * i + 15, 10), "") for i in range(5)]
    assert distinct_regions(apart, 3) == apart[:3]
    assert distinct_regions([SEDAN, SAME_AS_SUV], 3) == [SEDAN]
