"""Things that are no cars: their meshes, their sizes, their place, and one picture of each sort by the path tracer."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("mitsuba", reason="rendering needs mitsuba: make setup-rendering")

from carseg_rendering.camera.camera import place_camera
from carseg_rendering.camera.tracing import Scene, mitsuba
from carseg_rendering.dataset.background_plan import EMPTY, FAMILY_SHARES, background_count
from carseg_rendering.dataset.plan import DatasetPlan
from carseg_rendering.geometry.meshes import Mesh, box
from carseg_rendering.scene.scenes import sample_scene
from carseg_rendering.things.catalogue import CATALOGUE, SURFACES, kind_of, make_thing
from carseg_rendering.things.forms import (
    ball,
    cylinder,
    draped,
    extent,
    extruded,
    lofted,
    pipe,
    ring,
    solid,
    trimmed,
    turned,
)
from carseg_rendering.things.photo import render_background

COUNT = background_count(DatasetPlan())
SQUARE = np.array([[0, 0, 0], [0, 1, 0], [0, 1, 1], [0, 0, 1]], dtype=float)
SOLID_FAMILIES = [family for family in CATALOGUE if family != SURFACES]


@pytest.fixture(scope="module", autouse=True)
def variant():
    mitsuba()


@cache
def things(family):
    """Two draws of every kind of a family: (kind, thing)."""
    return [
        (kind, make_thing(np.random.default_rng([number, seed]), family, kind, 40.0))
        for number, kind in enumerate(CATALOGUE[family])
        for seed in range(2)
    ]


def outward_share(mesh):
    """The share of a convex mesh's area whose faces point away from its middle."""
    a, b, c = (mesh.vertices[mesh.faces[:, i]] for i in range(3))
    normals = np.cross(b - a, c - a)
    out = ((a + b + c) / 3 - mesh.vertices.mean(axis=0)) * normals
    area = np.linalg.norm(normals, axis=1)
    return area[out.sum(axis=1) > 0].sum() / area.sum()


def test_the_catalogue_has_the_plans_families():
    assert {EMPTY, *CATALOGUE} == set(FAMILY_SHARES)
    assert sum(map(len, CATALOGUE.values())) >= 150
    assert min(map(len, CATALOGUE.values())) >= 9
    for kinds in CATALOGUE.values():
        assert not {"car", "suv", "sedan", "convertible", "minivan", "van", "pick-up"} & set(kinds)


@pytest.mark.parametrize("family", CATALOGUE)
def test_every_kind_has_valid_meshes(family):
    for kind, thing in things(family):
        assert thing.parts and thing.pieces >= 1, kind
        triangles = 0
        for part in thing.parts:
            mesh = part.mesh
            assert len(mesh.faces) and np.isfinite(mesh.vertices).all(), (kind, part.name)
            assert mesh.faces.min() >= 0 and mesh.faces.max() < len(mesh.vertices), (kind, part.name)
            assert mesh.texcoords is None or mesh.texcoords.shape == (len(mesh.vertices), 2), (kind, part.name)
            triangles += len(mesh.faces)
        assert triangles < 250_000, kind


@pytest.mark.parametrize("family", SOLID_FAMILIES)
def test_every_thing_stands_on_the_ground_about_the_origin_and_is_as_large_as_is_seen(family):
    for kind, thing in things(family):
        low, high = extent(thing.parts)
        assert abs(low[2]) < 1e-6, kind
        np.testing.assert_allclose(low[:2], -high[:2], atol=1e-6)
        assert 0.4 < max(high - low) < 18, (kind, high - low)
        np.testing.assert_allclose([thing.room.min(axis=0), thing.room.max(axis=0)], [low, high])


@pytest.mark.parametrize("family", CATALOGUE)
def test_mitsuba_takes_all_materials(family):
    Scene([part for _, thing in things(family)[::2] for part in thing.parts], {})


def test_surfaces_face_the_camera_and_an_empty_scene_keeps_a_cars_room_free():
    for angle in (-120.0, 10.0, 90.0):
        panel = make_thing(np.random.default_rng(0), SURFACES, "bricks", angle)
        a, b, c = panel.parts[0].mesh.vertices[panel.parts[0].mesh.faces[0]]
        normal = np.cross(b - a, c - a)
        towards = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle)), 0])
        assert normal @ towards / np.linalg.norm(normal) > 0.85
    empty = make_thing(np.random.default_rng(0), EMPTY, EMPTY, 0.0)
    assert (empty.parts, empty.pieces) == ([], 0)
    np.testing.assert_allclose(np.ptp(empty.room, axis=0), (4.5, 1.8, 1.5))


@pytest.mark.parametrize(("family", "kind"), [("furniture", "car"), ("cars", "sedan")])
def test_an_unknown_thing_is_named(family, kind):
    with pytest.raises(ValueError, match=f"unknown thing '{kind}' of family '{family}'"):
        make_thing(np.random.default_rng(0), family, kind, 0.0)


def test_the_same_seed_gives_the_same_thing():
    for family in SOLID_FAMILIES:
        kind = next(iter(CATALOGUE[family]))
        first, second, third = (make_thing(np.random.default_rng(seed), family, kind, 20.0) for seed in (3, 3, 4))
        assert [part.name for part in first.parts] == [part.name for part in second.parts]
        for a, b in zip(first.parts, second.parts, strict=True):
            assert np.array_equal(a.mesh.vertices, b.mesh.vertices)
        assert not np.allclose(extent(first.parts), extent(third.parts))


def test_kinds_come_in_turn():
    found = {kind_of(index, 0) for index in range(COUNT)}
    assert all((family, kind) == (EMPTY, EMPTY) or kind in CATALOGUE[family] for family, kind in found)
    assert len(found) > 120
    assert kind_of(12, 5) == kind_of(12, 5)


def test_things_fill_the_picture_as_cars_do():
    """The larger extent takes what the scene asks for, or less where the camera cannot come nearer."""
    widths = []
    for number, family in enumerate(SOLID_FAMILIES):
        for kind, thing in things(family)[::5]:
            scene = sample_scene(np.random.default_rng([number, len(kind)]), "places")
            vertices = np.concatenate([part.mesh.vertices for part in thing.parts])
            seen = place_camera(scene, vertices).project(vertices)
            assert (seen[:, 2] > 0.5).all(), kind
            size = np.ptp(seen[:, :2], axis=0) / [240, 160]
            assert max(size) < scene.fill + 0.05, kind
            widths.append(size[0])
    assert np.mean(np.array(widths) > 0.2) > 0.9
    assert 0.3 < np.median(widths) < 0.8


@pytest.mark.parametrize(
    ("index", "family"),
    [
        (next(i for i in range(COUNT) if kind_of(i, 0)[0] == family), family)
        for family in (EMPTY, "creatures", SURFACES)
    ],
)
def test_a_picture_and_its_metadata(index, family):
    picture = render_background(index, samples=2)
    image = Image.open(io.BytesIO(picture.jpeg))
    assert (image.size, image.mode, image.format) == ((240, 160), "RGB", "JPEG")
    known = picture.parameters
    assert (known["family"], known["kind"]) == kind_of(index, 0)
    assert list(known)[:3] == ["family", "kind", "pieces"]
    assert {"view", "camera_height", "light", "ground", "background", "jpeg_quality"} <= set(known)
    assert "other_cars" not in known
    expected = {EMPTY: (0.0, 0.0), "creatures": (0.1, 0.999), SURFACES: (1.0, 1.0)}[family]
    assert expected[0] <= known["thing_width"] <= expected[1]
    assert all(isinstance(value, int | float | str) for value in known.values())


def test_the_same_index_gives_the_same_bytes():
    first, second = (render_background(7, samples=2) for _ in range(2))
    assert first.jpeg == second.jpeg
    assert first.parameters == second.parameters


@pytest.mark.parametrize(
    "mesh",
    [
        solid((1.0, 2.0, 3.0)),
        solid((1.0, 1.0, 1.0), rounding=0.2),
        cylinder(0.5, 2.0),
        cylinder(0.5, 1.0, top=0.1),
        ball((0.5, 1.0, 0.3)),
        ball(1.0, powers=(0.3, 0.3)),
        extruded([(0, 0), (1, 0), (1, 1), (0, 1)], 0.3),
        turned([(0, 0), (1, 0), (0.5, 1), (0, 1)]),
        lofted([SQUARE, SQUARE + np.array([2, 0, 0])]),
    ],
    ids=["box", "rounded", "cylinder", "stump", "ellipsoid", "superquadric", "extruded", "turned", "lofted"],
)
def test_forms_face_outwards(mesh):
    assert outward_share(mesh) > 0.97


def test_forms_have_their_sizes():
    def size(mesh):
        return np.ptp(mesh.vertices, axis=0)

    np.testing.assert_allclose(size(solid((1, 2, 3), (5, 5, 5))), (1, 2, 3))
    assert solid((1, 2, 3), (5, 5, 5)).vertices[:, 2].min() == 5
    np.testing.assert_allclose(size(cylinder(0.5, 2.0)), (1, 1, 2), atol=0.02)
    np.testing.assert_allclose(size(ball((0.5, 1.0, 0.3))), (1, 2, 0.6), atol=0.01)
    np.testing.assert_allclose(size(ring(1.0, 0.2)), (2.4, 0.4, 2.4), atol=0.03)
    np.testing.assert_allclose(size(extruded([(0, 0), (2, 0), (2, 1)], 0.5)), (2, 0.5, 1))
    bent = pipe([(0, 0, 0), (1, 0, 0), (1, 0, 1)], 0.1)
    assert np.ptp(bent.vertices[:, 2]) == pytest.approx(1.1, abs=0.15)
    np.testing.assert_allclose(size(lofted([SQUARE, SQUARE + np.array([2, 0, 0])])), (2, 1, 1))


def test_draped_and_trimmed_meshes():
    cube = draped(box((1, 1, 1)))
    flat = cube.texcoords[cube.faces]
    sides = flat[:, 1] - flat[:, 0], flat[:, 2] - flat[:, 0]
    areas = np.abs(sides[0][:, 0] * sides[1][:, 1] - sides[0][:, 1] * sides[1][:, 0])
    assert areas.min() > 0.1  # no side is parallel to the rays
    half = trimmed(Mesh(cube.vertices, cube.faces[:2], False, cube.texcoords))
    assert len(half.vertices) == len(half.texcoords) == 4
    assert np.array_equal(half.vertices[half.faces], cube.vertices[cube.faces[:2]])
