import numpy as np
import pytest

from carseg_lib.data.preview import augmented_versions, example_dataset, median_sample, original, preprocessing_steps
from tests.helpers.small_run import small_run, with_dataset


@pytest.fixture
def photos(monkeypatch, tmp_path, synthetic_cars):
    run = small_run(monkeypatch, tmp_path, synthetic_cars)
    return example_dataset(
        with_dataset(run), run.config.inputs, run.config.seed, augmentation="rotate_and_flip", max_rotation=90.0
    )


def test_steps_are_named_pictures_with_box_and_mask(photos):
    steps = preprocessing_steps(photos, 0)
    assert [s[0] for s in steps] == ["photo", "crop", "resize", "rotate", "flip", "colour", "normalise"]
    for _, picture, box, mask in steps:
        assert picture.dtype == np.uint8 and picture.shape[2] == 3
        assert mask.dtype == bool and mask.shape == picture.shape[:2]
        x1, y1, x2, y2 = box
        inside = mask[int(y1) : int(np.ceil(y2)), int(x1) : int(np.ceil(x2))].sum()
        assert inside >= 0.98 * mask.sum()  # a drawn mask's box is its extent; scaling moves it by less than a pixel
    assert steps[0][1].shape == (
        128,
        192,
        3,
    )  # of 160 x 240: kept at twice what the network sees and steps[-1][1].shape == (96, 96, 3)


def test_versions_differ_and_original_is_the_photo(photos):
    versions = augmented_versions(photos, 0, 4)
    assert len(versions) == 4
    assert any(not np.array_equal(versions[0][0], other[0]) for other in versions[1:])
    assert original(photos, 0)[0].shape == (128, 192, 3)  # of 160 x 240: kept at twice what the network sees


def test_median_photo_is_of_its_type_and_size(photos):
    i = median_sample(photos, "minivan")
    assert photos.photos.body_type[i] == "minivan"
    of_type = photos.photos[photos.photos.body_type == "minivan"].photo_id
    areas = sorted(float(((t.x2 - t.x1) * (t.y2 - t.y1)).max()) for t in map(photos.instances.get, of_type))
    own = photos.instances[photos.photos.photo_id[i]]
    assert float(((own.x2 - own.x1) * (own.y2 - own.y1)).max()) == areas[len(areas) // 2]


def test_a_stand_in_is_not_shown_as_a_mask(monkeypatch, tmp_path, synthetic_cars):
    run = small_run(monkeypatch, tmp_path, synthetic_cars / "images")
    photos = example_dataset(with_dataset(run), run.config.inputs, run.config.seed)
    assert all(box is not None and mask is None for _, _, box, mask in preprocessing_steps(photos, 0))
