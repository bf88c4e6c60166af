import numpy as np
import pytest

from carseg_rendering.car import fittings
from carseg_rendering.car.interior import driver, folded_roof, interior
from carseg_rendering.car.seats import Cabin, pad
from carseg_rendering.car.shapes import RIM_COUNT
from carseg_rendering.car.wheels import RIM_PATTERNS, wheel
from carseg_rendering.geometry.materials import metal, paint
from carseg_rendering.geometry.meshes import Mesh, Part

ALLOY = metal((0.7, 0.7, 0.7), roughness=0.3)
RED = paint((0.5, 0.03, 0.03))
SEDAN = {"floor_z": 0.28, "belt_z": 0.92, "front_x": 1.0, "rear_x": -1.5, "half_width": 0.7, "rows": 2}
ROADSTER = SEDAN | {"rear_x": -0.6, "rows": 1}
VAN = {"floor_z": 0.42, "belt_z": 1.08, "front_x": 1.3, "rear_x": -2.1, "half_width": 0.76, "rows": 3}
CABINS = pytest.mark.parametrize("cabin", [SEDAN, ROADSTER, VAN], ids=["sedan", "roadster", "van"])


def bounds(parts: list[Part]) -> tuple[np.ndarray, np.ndarray]:
    vertices = np.concatenate([part.mesh.vertices for part in parts])
    return vertices.min(axis=0), vertices.max(axis=0)


def named(parts: list[Part], name: str) -> Mesh:
    return next(part.mesh for part in parts if part.name == name)


def normals(mesh: Mesh) -> tuple[np.ndarray, np.ndarray]:
    """Centres of a mesh's faces and their normals, as long as the faces are large."""
    a, b, c = (mesh.vertices[mesh.faces[:, i]] for i in range(3))
    return (a + b + c) / 3, np.cross(b - a, c - a) / 2


def check_meshes(parts: list[Part]) -> None:
    assert parts
    for part in parts:
        vertices, faces = part.mesh.vertices, part.mesh.faces
        assert np.isfinite(vertices).all(), part.name
        assert faces.min() >= 0 and faces.max() < len(vertices), part.name
        assert "type" in part.material, part.name


@pytest.mark.parametrize("pattern", RIM_PATTERNS)
@pytest.mark.parametrize(("radius", "width", "rim"), [(0.33, 0.22, 0.23), (0.29, 0.16, 0.18), (0.40, 0.28, 0.30)])
def test_wheel_fills_its_measures_and_no_more(pattern, radius, width, rim):
    parts = wheel(radius, width, rim, pattern, ALLOY)
    check_meshes(parts)
    low, high = bounds(parts)
    assert low == pytest.approx([-radius, -width / 2, -radius], abs=1e-3)
    assert high == pytest.approx([radius, width / 2, radius], abs=1e-3)
    assert sum(len(part.mesh.faces) for part in parts) <= 6000


def test_there_are_at_least_six_rims_and_they_differ():
    faces = {}
    for pattern in RIM_PATTERNS:
        known = ("tyre", "rim edge", "rim barrel", "wheel back", "brake disc", "brake calliper")
        face = [part.mesh.vertices for part in wheel(0.33, 0.22, 0.23, pattern, ALLOY) if part.name not in known]
        faces[pattern] = np.concatenate(face).tobytes()
    assert len(set(faces.values())) == len(RIM_PATTERNS) == RIM_COUNT


@pytest.mark.parametrize("pattern", RIM_PATTERNS)
def test_rim_shows_its_front_towards_plus_y_and_lies_before_the_brake(pattern):
    parts = wheel(0.33, 0.22, 0.23, pattern, ALLOY)
    face = named(parts, "wheel cover" if pattern in ("hubcap", "steel") else "spokes")
    assert normals(face)[1][:, 1].sum() > 0
    brake = named(parts, "brake calliper")
    assert brake.vertices[:, 1].max() < face.vertices[:, 1].max()


def test_tyre_faces_outwards():
    centres, directions = normals(named(wheel(0.33, 0.22, 0.23, "five-spoke", ALLOY), "tyre"))
    tread = np.hypot(centres[:, 0], centres[:, 2]) > 0.3285
    assert tread.any()
    assert ((centres[tread] * [1, 0, 1]) * directions[tread]).sum(axis=1).min() > 0


def test_wheel_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match=r"unknown rim pattern 'square'.*five-spoke"):
        wheel(0.33, 0.22, 0.23, "square", ALLOY)
    with pytest.raises(ValueError, match="does not fit"):
        wheel(0.33, 0.22, 0.34, "mesh", ALLOY)


@CABINS
@pytest.mark.parametrize("has_roof", [True, False])
def test_interior_stays_in_the_cabin(cabin, has_roof):
    parts = interior(**cabin, colour=(0.3, 0.2, 0.1), has_roof=has_roof)
    check_meshes(parts)
    low, high = bounds(parts)
    assert low[0] >= cabin["rear_x"] - 0.01 and high[0] <= cabin["front_x"] + 0.01
    assert max(-low[1], high[1]) <= cabin["half_width"] + 0.01
    assert low[2] >= cabin["floor_z"] - 0.02
    assert cabin["belt_z"] + 0.2 < high[2] <= cabin["belt_z"] + 0.4
    assert sum(len(part.mesh.faces) for part in parts) <= 20_000


@CABINS
def test_every_row_has_its_seats(cabin):
    parts = interior(**cabin, colour=(0.3, 0.2, 0.1), has_roof=True)
    names = [part.name for part in parts]
    assert names.count("seat") == 2
    assert names.count("bench") == cabin["rows"] - 1
    hips = Cabin(**cabin).hips
    assert (np.diff(hips) < -0.5).all() and len(hips) == cabin["rows"]


@CABINS
def test_the_seats_look_forward(cabin):
    parts = interior(**cabin, colour=(0.3, 0.2, 0.1), has_roof=False)
    middles = named(parts, "seat inlay").vertices
    high, low = middles[middles[:, 2] > np.quantile(middles[:, 2], 0.8)], middles
    assert high[:, 0].mean() < low[:, 0].mean()  # the back stands behind the cushion


def test_the_wheel_is_on_the_left_and_the_driver_holds_it():
    steering = named(interior(**SEDAN, colour=(0.3, 0.2, 0.1), has_roof=True), "steering wheel").vertices
    assert steering[:, 1].min() > 0
    person = driver(**SEDAN)
    check_meshes(person)
    low, high = bounds(person)
    assert low[1] > 0 and high[1] <= SEDAN["half_width"]
    assert high[2] <= SEDAN["belt_z"] + 0.4
    skin = named(person, "driver's head").vertices
    assert min(np.linalg.norm(steering - hand, axis=1).min() for hand in skin) < 0.05


@pytest.mark.parametrize(
    ("change", "message"),
    [({"rows": 4}, "1 to 3 rows"), ({"rear_x": 0.2}, "too small"), ({"belt_z": 0.5}, "too small")],
)
def test_interior_refuses_an_impossible_cabin(change, message):
    with pytest.raises(ValueError, match=message):
        interior(**SEDAN | change, colour=(0.3, 0.2, 0.1), has_roof=True)


def test_pad_is_closed_and_faces_outwards():
    centres, directions = normals(pad((0.0, 0.0), (0.5, 0.0), half_width=0.25, thickness=0.07, bolster=0.5))
    assert directions.sum(axis=0) == pytest.approx([0, 0, 0], abs=1e-9)
    volume = (centres * directions).sum() / 3
    assert 0.6 < volume / (0.5 * 0.5 * 0.14) < 1.2


def test_folded_roof_lies_behind_its_front_edge():
    parts = folded_roof(x=-1.0, z=0.9, half_width=0.65, length=0.5, colour=(0.03, 0.03, 0.03))
    check_meshes(parts)
    low, high = bounds(parts)
    assert low == pytest.approx([-1.5, -0.65, 0.9], abs=0.01)
    assert high == pytest.approx([-1.0, 0.65, 1.0], abs=0.02)


PATH = np.stack([np.linspace(0.8, -0.8, 9), np.full(9, 0.5), 1.5 - 0.05 * np.linspace(-1, 1, 9) ** 2], 1)
FITTINGS = {
    "mirror": (lambda: fittings.door_mirror(RED), (-0.06, -0.06, -0.06), (0.06, 0.26, 0.16)),
    "long plate": (lambda: fittings.plate(), (-0.02, -0.27, -0.07), (0.01, 0.27, 0.07)),
    "short plate": (lambda: fittings.plate("short", pattern=7), (-0.02, -0.16, -0.09), (0.01, 0.16, 0.09)),
    "roof rail": (lambda: fittings.roof_rail(PATH, ALLOY), (-0.83, 0.45, 1.4), (0.83, 0.55, 1.57)),
    "spare wheel": (lambda: fittings.spare_wheel(0.36, 0.23, RED), (-0.231, -0.361, -0.361), (0.001, 0.361, 0.361)),
    "exhaust": (lambda: fittings.exhaust(), (-0.01, -0.036, -0.036), (0.19, 0.036, 0.036)),
    "wiper": (lambda: fittings.wiper(0.5), (-0.02, -0.03, -0.02), (0.03, 0.57, 0.04)),
    "fin": (lambda: fittings.antenna(), (-0.09, -0.03, -0.001), (0.09, 0.03, 0.07)),
}


@pytest.mark.parametrize("name", FITTINGS)
def test_fittings_keep_their_place(name):
    build, lowest, highest = FITTINGS[name]
    parts = build()
    check_meshes(parts)
    low, high = bounds(parts)
    assert (low >= lowest).all() and (high <= highest).all()
    assert sum(len(part.mesh.faces) for part in parts) <= 2000


def test_plates_bars_follow_from_their_pattern():
    def bars(pattern: int) -> np.ndarray:
        return named(fittings.plate(pattern=pattern), "plate bars").vertices

    assert np.array_equal(bars(3), bars(3))
    assert bars(3).shape != bars(4).shape or not np.array_equal(bars(3), bars(4))


def test_an_unknown_plate_is_refused():
    with pytest.raises(ValueError, match=r"unknown plate 'round'.*long"):
        fittings.plate("round")
