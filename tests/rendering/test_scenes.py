from collections import Counter
from dataclasses import asdict, fields

import numpy as np
import pytest

from carseg_rendering.dataset.plan import REALISM_LEVELS
from carseg_rendering.scene.scenes import (
    BACKGROUNDS,
    GROUNDS,
    LIGHTS,
    OCCLUDERS,
    SUN_ELEVATIONS,
    VIEWS,
    SceneParameters,
    sample_scene,
    view_of,
)

POSE = ("view_angle", "camera_height", "focal_length")


def scenes(realism: str = "full", count: int = 1500) -> list[SceneParameters]:
    return [sample_scene(np.random.default_rng([7, i]), realism) for i in range(count)]


@pytest.mark.parametrize(
    ("angle", "view"),
    [
        (0, "front"),
        (-20, "front"),
        (20.1, "front three-quarter"),
        (-69, "front three-quarter"),
        (90, "side"),
        (-120, "rear three-quarter"),
        (170, "rear"),
        (-180, "rear"),
    ],
)
def test_views_are_bands_of_the_view_angle(angle, view):
    assert view_of(angle) == view


def test_same_random_numbers_same_scene():
    assert sample_scene(np.random.default_rng(3)) == sample_scene(np.random.default_rng(3))
    assert sample_scene(np.random.default_rng(3)) != sample_scene(np.random.default_rng(4))


def test_every_realism_uses_up_the_same_random_numbers():
    states = []
    for realism in REALISM_LEVELS:
        rng = np.random.default_rng(11)
        sample_scene(rng, realism)
        states.append(rng.bit_generator.state)
    assert all(state == states[0] for state in states)


def test_levels_of_realism_add_to_each_other():
    for i in range(200):
        plain, light, places, full = (sample_scene(np.random.default_rng(i), realism) for realism in REALISM_LEVELS)
        for name in POSE:
            assert getattr(plain, name) == getattr(light, name) == getattr(places, name) == getattr(full, name)
        assert plain.light == "even"
        assert light.light == places.light == full.light
        for scene in (plain, light):
            assert (scene.ground, scene.background, scene.occluder) == ("plain", "open", "none")
            assert scene.other_cars == scene.skyline == 0
        assert (places.ground, places.background) == (full.ground, full.background)
        for scene in (plain, light, places):
            assert scene.noise == scene.blur == scene.motion_blur == scene.exposure_error == scene.roll == 0


def test_only_full_realism_means_to_cut_cars_off():
    def beyond(scene: SceneParameters) -> float:
        return scene.fill / 2 + max(abs(scene.centre_x), abs(scene.centre_y)) - 0.5

    assert max(beyond(scene) for scene in scenes("places")) <= 1e-9
    share = np.mean([beyond(scene) > 0 for scene in scenes()])
    assert 0.06 < share < 0.16


def test_scenes_are_such_as_photos_show():
    for scene in scenes():
        assert scene.light in LIGHTS and scene.ground in GROUNDS
        assert scene.background in BACKGROUNDS and scene.occluder in OCCLUDERS
        if scene.ground == "snow":
            assert scene.light != "showroom" and scene.sun_elevation < 30
        if scene.light == "showroom":
            assert scene.background in ("backdrop", "wall", "white")
            assert scene.ground in ("tiles", "concrete", "plain")
            assert scene.skyline == 0
        else:
            low, high = SUN_ELEVATIONS[scene.light]
            assert low <= scene.sun_elevation <= high
            assert scene.background not in ("backdrop", "white")
        if scene.background in ("backdrop", "white"):
            assert scene.other_cars == 0
        assert 0.6 <= scene.camera_height <= 2.2 and 24 <= scene.focal_length <= 200
        assert -180 <= scene.view_angle <= 180 and -180 <= scene.sun_azimuth <= 180
        assert 0.25 <= scene.fill <= 1.25 and 35 <= scene.jpeg_quality <= 95
        assert all(np.isfinite(value) for value in asdict(scene).values() if not isinstance(value, str))


def test_shares_are_those_of_photos_of_cars_for_sale():
    drawn = scenes()
    views = Counter(scene.view for scene in drawn)
    assert set(views) == set(VIEWS)
    assert 0.48 < views["front three-quarter"] / len(drawn) < 0.60
    assert {scene.light for scene in drawn} == set(LIGHTS) - {"even"}
    assert {scene.occluder for scene in drawn} == set(OCCLUDERS)
    assert {scene.background for scene in drawn} == set(BACKGROUNDS)
    assert {scene.ground for scene in drawn} == set(GROUNDS)
    assert {scene.other_cars for scene in drawn} == {0, 1, 2, 3}
    assert 0.6 < np.median([scene.fill for scene in drawn]) < 0.9


def test_parameters_are_plain_values():
    scene = sample_scene(np.random.default_rng(0))
    for field in fields(scene):
        value = getattr(scene, field.name)
        assert type(value) in (int, float, str), field.name


def test_an_unknown_realism_is_named():
    with pytest.raises(ValueError, match=r"'fancy'.*plain, light, places, full"):
        sample_scene(np.random.default_rng(0), "fancy")
