"""carseg_lib.engine.features: frozen ImageNet features of photos."""

import numpy as np
import pytest

from carseg_lib.engine.features import feature_network, image_features


@pytest.fixture(scope="module")
def network():
    return feature_network()


def photo(seed):
    rng = np.random.default_rng(seed)
    return np.kron(rng.integers(0, 256, (6, 9, 3), dtype=np.uint8), np.ones((20, 20, 1), np.uint8))


def test_features_have_length_one_and_do_not_depend_on_the_batch(network):
    images = [photo(seed) for seed in range(18)]  # more than one batch
    features = image_features(network, iter(images))
    assert features.shape == (18, 1280) and features.dtype == np.float32
    assert np.linalg.norm(features, axis=1) == pytest.approx(np.ones(18), abs=1e-5)
    assert image_features(network, images[:1])[0] == pytest.approx(features[0], abs=1e-4)
    assert image_features(network, []).shape == (0,)


def test_a_copy_is_nearer_than_another_photo(network):
    image = photo(0)
    own, mirrored, other = image_features(network, [image, np.ascontiguousarray(image[:, ::-1]), photo(1)])
    assert own @ mirrored > own @ other
