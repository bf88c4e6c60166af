import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from carseg_rendering.camera.camera import develop, encode, place_camera, tone, without_fireflies
from carseg_rendering.camera.tracing import HEIGHT, WIDTH
from carseg_rendering.scene.scenes import sample_scene

CAR = np.array(
    [[x, y, z] for x in (-2.2, 2.2) for y in (-0.9, 0.9) for z in (0.0, 0.8)] + [[0, y, 1.45] for y in (-0.6, 0.6)]
)
PLAIN = sample_scene(np.random.default_rng(0), "plain")


def box_of(scene, car=CAR):
    seen = place_camera(scene, car).project(car)
    assert (seen[:, 2] > 0).all()
    return seen[:, :2].min(axis=0), seen[:, :2].max(axis=0)


def picture() -> np.ndarray:
    rng = np.random.default_rng(1)
    light = np.full((HEIGHT, WIDTH, 3), 0.2) * rng.uniform(0.5, 1.5, 3)
    light[60:120, 80:160] = [0.5, 0.02, 0.02]
    light[:40] = 1.2
    return light.astype(np.float32)


@pytest.mark.parametrize("seed", range(40))
def test_car_has_its_place_in_the_frame(seed):
    scene = sample_scene(np.random.default_rng(seed))
    low, high = box_of(scene)
    centre = (low + high) / 2 / [WIDTH, HEIGHT] - 0.5
    np.testing.assert_allclose(centre, [scene.centre_x, scene.centre_y], atol=0.003)
    fill = max((high - low) / [WIDTH, HEIGHT])
    camera = place_camera(scene, CAR)
    gap = np.linalg.norm(CAR - camera.position, axis=1).min()
    assert gap > 1.0
    assert fill == pytest.approx(scene.fill, abs=0.005) or (fill < scene.fill and gap < 2.0)


def test_camera_stands_where_the_scene_says():
    scene = replace(PLAIN, view_angle=90.0, camera_height=1.3)
    camera = place_camera(scene, CAR)
    assert camera.position[0] == pytest.approx(0, abs=1e-9) and camera.position[1] > 1.9
    assert camera.position[2] == pytest.approx(1.3)
    np.testing.assert_allclose(camera.axes @ camera.axes.T, np.eye(3), atol=1e-12)
    assert camera.axes[1, 2] < 0  # down in the picture is down


def test_from_the_left_the_front_is_seen_to_the_left():
    camera = place_camera(replace(PLAIN, view_angle=90.0), CAR)
    front, rear = camera.project(np.array([[2.0, 0, 0.5], [-2.0, 0, 0.5]]))
    assert front[0] < rear[0]
    above, below = camera.project(np.array([[0, 0, 1.2], [0, 0, 0.1]]))
    assert above[1] < below[1]


def test_points_behind_the_camera_are_nowhere():
    camera = place_camera(PLAIN, CAR)
    seen = camera.project((2 * camera.position)[None])
    assert seen[0, 2] <= 0 and np.isnan(seen[0, :2]).all()


def test_nearness_wins_over_fill():
    scene = replace(PLAIN, focal_length=24.0, fill=1.25, view_angle=0.0)
    gap = np.linalg.norm(CAR - place_camera(scene, CAR).position, axis=1).min()
    assert gap > 1.0


def test_sensor_agrees_with_project():
    pytest.importorskip("mitsuba")
    from carseg_rendering.camera.tracing import trace_visibility
    from carseg_rendering.geometry.materials import matte
    from carseg_rendering.geometry.meshes import Part, box

    scene = replace(sample_scene(np.random.default_rng(5)), roll=3.0)
    camera = place_camera(scene, CAR)
    mark = np.array([0.6, -0.4, 0.9])
    cube = Part("mark", box([0.05, 0.05, 0.05]).moved(mark), matte((1, 1, 1)))
    rows, columns = np.nonzero(trace_visibility([[cube]], camera.sensor(), subsamples=4) == 0)
    x, y, _ = camera.project(mark[None])[0]
    assert (columns.mean() + 0.5) / 4 == pytest.approx(x, abs=0.3)
    assert (rows.mean() + 0.5) / 4 == pytest.approx(y, abs=0.3)
    assert camera.sensor()["fov"] == pytest.approx(np.degrees(2 * np.arctan(18 / scene.focal_length)))


def test_develop_is_deterministic_and_exposes_alike_whatever_the_unit():
    scene = sample_scene(np.random.default_rng(2))
    photo = develop(picture(), scene, np.random.default_rng(4))
    assert photo.shape == (HEIGHT, WIDTH, 3) and photo.dtype == np.uint8
    np.testing.assert_array_equal(photo, develop(picture(), scene, np.random.default_rng(4)))
    brighter = develop(picture() * 1000, scene, np.random.default_rng(4))
    assert np.abs(photo.astype(int) - brighter).max() <= 1


def test_exposure_error_and_gains_do_what_they_say():
    def mean(**changes):
        return develop(picture(), replace(PLAIN, **changes), np.random.default_rng(0))[60:120, :60].mean(axis=(0, 1))

    usual = mean()
    assert (mean(exposure_error=0.7) > usual + 10).all() and (mean(exposure_error=-0.7) < usual - 10).all()
    assert mean(red_gain=1.2)[0] > usual[0] + 3 and mean(blue_gain=1.2)[2] > usual[2] + 3
    assert 60 < usual.mean() < 170


def test_noise_has_the_strength_that_is_asked_for():
    grey = np.full((HEIGHT, WIDTH, 3), 0.3, dtype=np.float32)
    clean = develop(grey, PLAIN, np.random.default_rng(0))
    assert clean.std() == 0
    noisy = develop(grey, replace(PLAIN, noise=4.0), np.random.default_rng(0)).astype(float) - clean
    assert noisy[..., 1].std() == pytest.approx(4.0, rel=0.2)
    assert abs(noisy.mean()) < 0.3


@pytest.mark.parametrize("changes", [{"blur": 1.5}, {"motion_blur": 4.0, "motion_angle": 30.0}])
def test_blur_moves_nothing(changes):
    light = np.full((HEIGHT, WIDTH, 3), 0.1, dtype=np.float32)
    light[70:90, 110:130] = 0.6
    sharp = develop(light, PLAIN, np.random.default_rng(0)).astype(float)
    soft = develop(light, replace(PLAIN, **changes), np.random.default_rng(0)).astype(float)
    assert np.abs(soft - sharp).max() > 20
    np.testing.assert_allclose(soft, soft[::-1, ::-1], atol=1)  # the square is in the middle


def test_vignetting_darkens_corners_only():
    grey = np.full((HEIGHT, WIDTH, 3), 0.3, dtype=np.float32)
    photo = develop(grey, replace(PLAIN, vignetting=0.3), np.random.default_rng(0)).astype(int)
    assert photo[80, 120, 0] - photo[0, 0, 0] > 10
    assert abs(photo[80, 120, 0] - photo[80, 140, 0]) <= 1


@pytest.mark.parametrize(
    "broken", [np.zeros((HEIGHT, WIDTH, 3)), np.full((HEIGHT, WIDTH, 3), np.nan), np.ones((3, 3, 3))]
)
def test_develop_refuses_what_is_no_picture(broken):
    with pytest.raises(ValueError, match="no picture to develop"):
        develop(broken, PLAIN, np.random.default_rng(0))


def test_tone_rises_from_black_to_white():
    values = tone(np.linspace(0, 20, 500))
    assert values[0] == 0 and values[-1] == pytest.approx(1, abs=0.02)
    assert (np.diff(values) >= -1e-12).all()
    assert 0.35 < tone(np.array(0.18)) < 0.55


def test_fireflies_go_and_lamps_stay():
    light = np.full((20, 20, 3), 0.2)
    light[5, 5] = [500.0, 250.0, 0.0]
    light[10:13, 10:13] = 50.0
    cleaned = without_fireflies(light)
    assert cleaned[5, 5].max() < 2 and cleaned[5, 5, 0] == pytest.approx(2 * cleaned[5, 5, 1])
    assert (cleaned[10:13, 10:13] == 50).all()
    assert light[5, 5, 0] == 500


def test_encode_gives_the_same_bytes_and_obeys_quality():
    photo = develop(picture(), sample_scene(np.random.default_rng(2)), np.random.default_rng(4))
    assert encode(photo, 80) == encode(photo, 80)
    assert len(encode(photo, 40)) < len(encode(photo, 90))
    with Image.open(io.BytesIO(encode(photo, 95))) as read:
        assert read.size == (WIDTH, HEIGHT) and read.format == "JPEG"
        assert np.abs(np.asarray(read, dtype=float) - photo).mean() < 6
