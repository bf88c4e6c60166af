"""What stands round a car: everything can be built, keeps clear of cars and of the view, and is the same every time."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest

from carseg_rendering.geometry.meshes import Part, box
from carseg_rendering.scene import backgrounds, grounds, occluders
from carseg_rendering.scene.plants import SUMMER, Season
from carseg_rendering.scene.surroundings import surroundings
from carseg_rendering.scene.textures import boxes, bricks, joined, noise, quads, ramp, stones

CAR = np.array([[2.2, 0.9], [2.2, -0.9], [-2.2, -0.9], [-2.2, 0.9]])
OTHER = CAR + np.array([-1.0, -8.0])
ANGLES = (-150.0, -40.0, 0.0, 35.0, 90.0, 178.0)


def place(
    ground="asphalt",
    background="open",
    occluder="none",
    *,
    angle=40.0,
    light="clear",
    seed=0,
    distance=7.0,
    cars=(CAR,),
):
    pytest.importorskip("mitsuba")
    scene = SimpleNamespace(ground=ground, background=background, occluder=occluder, light=light, view_angle=angle)
    return surroundings(
        scene, np.random.default_rng(seed), keep_clear=np.concatenate(cars), camera_position=camera(angle, distance)
    )


def camera(angle=40.0, distance=7.0):
    return np.array([distance * np.cos(np.radians(angle)), distance * np.sin(np.radians(angle)), 1.4])


def covering(first, second, each=1):
    """All pairs of two lists. Those that are not needed to have each value `each` times or more are slow."""
    needed = {
        (first[(i + k) % len(first)], second[i % len(second)])
        for i in range(max(len(first), len(second)))
        for k in range(each)
    }
    return [
        pytest.param(*pair, marks=() if pair in needed else pytest.mark.slow)
        for pair in itertools.product(first, second)
    ]


def triangles(parts):
    return sum(len(part.mesh.faces) for part in parts)


def standing(parts):
    """Points of what is as high as a car: neither ground nor grass nor the roofs and crowns above."""
    points = [part.mesh.vertices for part in parts]
    points += [part.mesh.vertices[part.mesh.faces].mean(axis=1) for part in parts]
    points = np.concatenate(points)
    return points[(points[:, 2] > 0.15) & (points[:, 2] < 1.3), :2]


def before(points, eye, car):
    """Which points stand between a camera and a car, seen from above."""
    found = np.zeros(len(points), dtype=bool)
    for a, b in itertools.combinations(car, 2):
        corners = [eye[:2], a, b, eye[:2]]
        sides = [
            (end - start)[0] * (points - start)[:, 1] - (end - start)[1] * (points - start)[:, 0]
            for start, end in itertools.pairwise(corners)
        ]
        found |= (np.min(sides, axis=0) > 0) | (np.max(sides, axis=0) < 0)
    return found


@pytest.mark.parametrize(("ground", "background"), covering(grounds.KINDS, backgrounds.KINDS, each=2))
def test_every_ground_goes_with_every_background(ground, background):
    parts = place(ground, background, seed=3)
    assert 1 <= triangles(parts) <= 75_000
    for part in parts:
        mesh = part.mesh
        assert np.isfinite(mesh.vertices).all() and mesh.faces.min() >= 0 and mesh.faces.max() < len(mesh.vertices)
        assert mesh.texcoords is None or mesh.texcoords.shape == (len(mesh.vertices), 2)


def test_mitsuba_takes_all_materials():
    pytest.importorskip("mitsuba")
    from carseg_rendering.camera.tracing import Scene

    for i, background in enumerate(backgrounds.KINDS):
        ground = grounds.KINDS[i % len(grounds.KINDS)]
        parts = place(ground, background, occluders.KINDS[i % len(occluders.KINDS)], seed=i)
        assert all("type" in part.material for part in parts)
        Scene(parts, {})


def test_same_numbers_same_surroundings():
    first, second, third = (place("grass", "street", "person", seed=seed) for seed in (5, 5, 6))
    assert all(np.array_equal(a.mesh.vertices, b.mesh.vertices) for a, b in zip(first, second, strict=True))
    assert len(first) != len(third) or any(
        a.mesh.vertices.shape != b.mesh.vertices.shape for a, b in zip(first, third, strict=True)
    )


@pytest.mark.parametrize(("angle", "background"), covering(ANGLES, backgrounds.KINDS, each=2))
def test_nothing_stands_in_a_car_or_before_it(angle, background):
    points = standing(place("asphalt", background, angle=angle, seed=round(angle) % 7, cars=(CAR, OTHER)))
    assert grounds.distance_to_cars(points, np.concatenate([CAR, OTHER])).min() > 0
    assert not before(points, camera(angle), CAR).any()


@pytest.mark.parametrize("background", ["open", "trees", "street", "lot"])
def test_nothing_stands_before_a_camera_far_away(background):
    points = standing(place("gravel", background, distance=90.0, seed=4))
    assert not before(points, camera(distance=90.0), CAR).any()


@pytest.mark.parametrize("kind", occluders.KINDS[1:])
def test_occluders_hide_some_of_the_car(kind):
    shares = []
    for seed, angle in enumerate(ANGLES):
        without = len(place("tiles", "backdrop", angle=angle, seed=seed))
        parts = place("tiles", "backdrop", kind, angle=angle, seed=seed)[without:]
        assert grounds.distance_to_cars(standing(parts), CAR).min() > 0
        shares.append(occluders.hidden_share(parts, camera(angle), CAR))
    low, high = occluders.HIDDEN
    assert np.median([low <= share <= high for share in shares]) == 1, shares


def test_plain_ground_in_the_open_is_nothing_else():
    parts = place("plain", "open")
    assert [part.name for part in parts] == ["ground"]
    assert (parts[0].mesh.vertices[:, 2] == 0).all()


def test_a_showroom_shows_nothing_from_outside():
    names = {part.name for part in place("tiles", "wall", light="showroom")}
    assert "wall" in names and not names & {"land", "wood", "far houses", "crown"}


@pytest.mark.parametrize("what", ["ground", "background", "occluder"])
def test_unknown_kinds_are_named(what):
    with pytest.raises(ValueError, match=f"unknown {what} 'moon'"):
        place(**{what: "moon"})


def test_distance_to_cars_takes_corners_in_any_order():
    points = np.array([[0.0, 0.0], [2.2, 1.9], [5.2, 0.9], [0.4, 0.3], [-1.0, -8.1]])
    clear = np.concatenate([CAR[[0, 2, 1, 3]], OTHER])
    np.testing.assert_allclose(grounds.distance_to_cars(points, clear), [0, 1, 3, 0, 0], atol=1e-9)


def test_hidden_share_of_a_board_before_half_a_car():
    eye = np.array([0.0, 9.0, 0.8])
    left = [Part("board", box((10, 0.02, 10)).moved((5, 4, 0)), {})]
    assert occluders.hidden_share(left, eye, CAR) == pytest.approx(0.5, abs=0.03)
    assert occluders.hidden_share([], eye, CAR) == 0
    behind = [Part("board", box((10, 0.02, 10)).moved((0, -4, 0)), {})]
    assert occluders.hidden_share(behind, eye, CAR) == 0


def test_patterns_repeat_without_a_seam():
    rng = np.random.default_rng(0)
    for pattern in (noise(rng, 1.2), noise(rng, 1.2, stretch=0.3), stones(rng, 20)[0]):
        step = np.abs(np.diff(pattern, axis=0)).mean()
        assert np.abs(pattern[0] - pattern[-1]).mean() < 3 * step
    assert abs(noise(rng, 0.5).mean()) < 1e-9 and noise(rng, 0.5).std() == pytest.approx(1)
    assert np.array_equal(noise(np.random.default_rng(1), 1.0), noise(np.random.default_rng(1), 1.0))


def test_bricks_have_joints_and_shades_of_their_own():
    joints, each = bricks(np.random.default_rng(0), 8, 4, joint=0.2)
    assert 0.1 < joints.mean() < 0.6 and len(np.unique(each)) == 32
    assert ramp(np.array([-1.0, 0.5, 2.0]), 0, 1).tolist() == [0, 0.5, 1]


def test_flat_things_carry_metres_and_can_be_joined():
    flat = quads((1, 2, 3), (4, 0, 0), (0, 0, 2))
    assert flat.texcoords.max(axis=0).tolist() == [4, 2]
    block = boxes([(0, 0, 1), (5, 0, 1)], (2, 1, 2))
    both = joined([flat, block])
    assert len(both.faces) == 2 + 24 and both.texcoords.shape == (len(both.vertices), 2)
    outwards = block.vertices[block.faces].mean(axis=1)[:, 2] > 1.99
    a, b, c = (block.vertices[block.faces[outwards, i]] for i in range(3))
    assert (np.cross(b - a, c - a)[:, 2] > 0).all()
    with pytest.raises(ValueError, match="no mesh"):
        joined([])


def test_seasons():
    found = [Season.sample(np.random.default_rng(i)) for i in range(40)]
    assert sum(season.leaves is SUMMER for season in found) > 20
    assert Season.sample(np.random.default_rng(0), snow=True).bare > 0
