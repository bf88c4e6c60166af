from dataclasses import replace

import numpy as np
import pytest

from carseg_rendering.camera.light import emitters
from carseg_rendering.camera.sky import directions, sky_of
from carseg_rendering.scene.scenes import LIGHTS, SUN_ELEVATIONS, SceneParameters, sample_scene

LUMA = np.array([0.2126, 0.7152, 0.0722])


def scene_of(light: str, **changes) -> SceneParameters:
    scene = sample_scene(np.random.default_rng(1), "light")
    low, high = SUN_ELEVATIONS.get(light, (0.0, 0.0))
    return replace(scene, **({"light": light, "sun_elevation": (low + high) / 2, "clouds": 0.0} | changes))


def level_light(scene: SceneParameters) -> float:
    """The radiance of level white ground."""
    sky = sky_of(scene)
    rays = directions()
    area = 2 * np.pi**2 / rays[..., 0].size * np.sqrt(1 - rays[..., 2] ** 2)
    irradiance = (sky.radiance * (np.maximum(rays[..., 2], 0) * area)[..., None]).sum(axis=(0, 1))
    return float((irradiance + sky.sun * sky.towards[2]) @ LUMA / np.pi)


def patch(scene: SceneParameters, azimuth: float, elevation: float) -> np.ndarray:
    a, e = np.radians([azimuth, elevation])
    towards = [np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)]
    return sky_of(scene).radiance[directions() @ towards > 0.998].mean(axis=0)


@pytest.mark.parametrize("light", LIGHTS)
def test_every_light_is_finite_and_as_bright_as_automatic_exposure_makes_it(light):
    sky = sky_of(scene_of(light, clouds=0.4, skyline=8.0, background="trees"))
    assert np.isfinite(sky.radiance).all() and (sky.radiance >= 0).all()
    assert level_light(scene_of(light, clouds=0.4)) == pytest.approx(1, abs=0.15)
    assert sky.sun.any() == (light in ("clear", "low sun"))


@pytest.mark.parametrize("light", LIGHTS)
def test_same_scene_same_light(light):
    scene = scene_of(light, clouds=0.5, skyline=9.0)
    np.testing.assert_array_equal(sky_of(scene).radiance, sky_of(scene).radiance)


def test_directions_are_unit_vectors_from_the_zenith_down():
    rays = directions()
    np.testing.assert_allclose(np.linalg.norm(rays, axis=-1), 1)
    assert rays[0, 0, 2] > 0.99 and rays[-1, 0, 2] < -0.99


def test_a_clear_sky_is_blue_and_brightest_towards_the_sun():
    scene = scene_of("clear", sun_azimuth=40.0, sun_elevation=40.0, turbidity=2.5)
    zenith = patch(scene, 220, 70)
    assert zenith[2] > 1.3 * zenith[0]
    assert patch(scene, 40, 35) @ LUMA > 1.5 * (patch(scene, 220, 35) @ LUMA)


def test_the_sun_is_stronger_than_the_sky_by_day_and_redder_when_low():
    noon, evening = (sky_of(scene_of("clear", sun_elevation=55.0)), sky_of(scene_of("low sun", sun_elevation=5.0)))
    assert noon.sun @ LUMA * noon.towards[2] > 0.6 * np.pi
    assert evening.sun[0] / evening.sun[2] > 1.5 * noon.sun[0] / noon.sun[2]


def test_an_overcast_sky_is_brighter_above_than_at_the_horizon_and_grey():
    scene = scene_of("overcast", sun_elevation=60.0)
    sky = sky_of(scene).radiance
    rays = directions()
    above, low = (sky[rays[..., 2] > 0.9].mean(axis=0), sky[(rays[..., 2] > 0.02) & (rays[..., 2] < 0.2)].mean(axis=0))
    assert above @ LUMA > 1.5 * (low @ LUMA)
    assert above.max() / above.min() < 1.2


def test_dusk_is_warm_where_the_sun_went_down_and_blue_above():
    scene = scene_of("dusk", sun_azimuth=-60.0)
    west, zenith = patch(scene, -60, 4), patch(scene, 0, 85)
    assert west[0] > west[2] and zenith[2] > zenith[0]


def test_the_sun_is_kept_within_its_light():
    high = sky_of(scene_of("low sun", sun_elevation=60.0))
    assert np.degrees(np.arcsin(high.towards[2])) == pytest.approx(SUN_ELEVATIONS["low sun"][1])


def test_a_skyline_darkens_the_horizon_behind_the_camera():
    bare = scene_of("overcast", view_angle=30.0, background="trees", skyline=0.0)
    lined = replace(bare, skyline=18.0)
    assert patch(lined, 30, 4) @ LUMA < 0.4 * (patch(bare, 30, 4) @ LUMA)
    np.testing.assert_allclose(patch(lined, 30, 60), patch(bare, 30, 60), rtol=0.1)


def test_plain_realism_has_one_even_sky():
    sky = sky_of(sample_scene(np.random.default_rng(0), "plain")).radiance
    assert np.ptp(sky[directions()[..., 2] > 0]) == 0


@pytest.mark.parametrize("light", LIGHTS)
def test_mitsuba_lights_level_ground_with_it(light):
    pytest.importorskip("mitsuba")
    from carseg_rendering.camera.camera import Camera
    from carseg_rendering.camera.tracing import Scene
    from carseg_rendering.geometry.materials import matte
    from carseg_rendering.geometry.meshes import Part, box

    scene = scene_of(light)
    down = Camera(np.array([0.0, 0.0, 2.0]), np.array([[0.0, -1, 0], [-1, 0, 0], [0, 0, -1]]), 80.0)
    floor = Part("floor", box([40, 40, 0.02]).moved([0, 0, -0.01]), matte((0.5, 0.5, 0.5)))
    found = float(Scene([floor], emitters(scene)).render(down.sensor(), samples=16, seed=0).mean(axis=(0, 1)) @ LUMA)
    assert np.isfinite(found)
    if light in ("dusk", "showroom"):  # lamps come on top
        assert found > 0.5 * level_light(scene)
    else:
        assert found == pytest.approx(0.5 * level_light(scene), rel=0.05)
