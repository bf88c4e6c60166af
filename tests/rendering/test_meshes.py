"""Meshes: closed where they should be, facing outwards, as large as asked."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carseg_rendering.geometry.meshes import (
    Mesh,
    box,
    disc,
    grid,
    lathe,
    merged,
    rotation,
    tube,
    vertex_normals,
    without_faces,
)

SIZES = st.tuples(*[st.floats(0.1, 5)] * 3)


def volume(mesh: Mesh) -> float:
    """Signed: positive if the faces of a closed mesh look outwards."""
    a, b, c = (mesh.vertices[mesh.faces[:, i]] for i in range(3))
    return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6)


@given(SIZES)
def test_a_sharp_box_has_its_volume(size):
    assert volume(box(size)) == pytest.approx(np.prod(size))


@given(SIZES, st.floats(0.001, 0.04))
def test_a_rounded_box_keeps_its_size_and_faces_outwards(size, radius):
    mesh = box(size, rounding=radius)
    assert np.ptp(mesh.vertices, axis=0) == pytest.approx(size, rel=0.02, abs=0.05 * radius)
    assert 0.5 * np.prod(size) < volume(mesh) <= np.prod(size)


def test_a_tube_faces_outwards_and_is_about_as_thick_as_asked():
    path = np.stack([np.linspace(0, 2, 9), np.zeros(9), np.zeros(9)], 1)
    assert volume(tube(path, 0.1, sides=32)) == pytest.approx(np.pi * 0.01 * 2, rel=0.02)
    angle = np.linspace(0, 2 * np.pi, 65)[:-1]
    ring = np.stack([np.cos(angle), np.sin(angle), 0 * angle], 1)
    assert volume(tube(ring, 0.1, sides=32, closed=True)) == pytest.approx(2 * np.pi**2 * 0.01, rel=0.02)


def test_a_lathe_turns_about_y():
    mesh = lathe(np.array([[0.0, 0.5], [1.0, 0.5], [1.0, -0.5], [0.0, -0.5]]), sides=64)
    assert abs(volume(mesh)) == pytest.approx(np.pi, rel=0.01)
    assert np.ptp(mesh.vertices, axis=0) == pytest.approx([2, 1, 2], rel=0.01)


def test_a_disc_faces_y():
    mesh = disc(2.0)
    a, b, c = (mesh.vertices[mesh.faces[:, i]] for i in range(3))
    normals = np.cross(b - a, c - a)
    assert (normals[:, 1] > 0).all()
    assert normals[:, 1].sum() / 2 == pytest.approx(np.pi * 4, rel=0.01)


@given(st.sampled_from("xyz"), st.floats(-360, 360))
def test_turns_keep_lengths_and_come_back(axis, degrees):
    there = rotation(axis, degrees)
    assert there @ there.T == pytest.approx(np.eye(3), abs=1e-12)
    mesh = box((1, 2, 3))
    assert mesh.turned(axis, degrees).turned(axis, -degrees).vertices == pytest.approx(mesh.vertices, abs=1e-12)


def test_a_turn_about_z_takes_x_to_y():
    assert rotation("z", 90) @ [1, 0, 0] == pytest.approx([0, 1, 0], abs=1e-15)


def test_a_mirror_image_still_faces_outwards():
    mesh = box((1, 1, 1)).moved([0, 2, 0])
    both = mesh.with_mirror()
    assert volume(mesh.mirrored()) == pytest.approx(1)
    assert volume(both) == pytest.approx(2)
    assert both.vertices[:, 1].min() == pytest.approx(-2.5)


def test_merged_meshes_keep_their_faces():
    both = merged([box((1, 1, 1)), box((2, 2, 2)).moved([5, 0, 0])])
    assert volume(both) == pytest.approx(9)
    with pytest.raises(ValueError, match="no mesh"):
        merged([])


def test_normals_of_a_grid():
    x, y = np.meshgrid(np.linspace(0, 1, 5), np.linspace(0, 1, 4), indexing="ij")
    mesh = grid(np.stack([x, y, 0 * x], -1))
    assert vertex_normals(mesh) == pytest.approx(np.tile([0.0, 0.0, 1.0], (20, 1)))
    turned = grid(np.stack([x, y, 0 * x], -1), flip=True)
    assert vertex_normals(turned) == pytest.approx(np.tile([0.0, 0.0, -1.0], (20, 1)))


def test_faces_are_taken_out_by_their_centres():
    mesh = without_faces(box((1, 1, 1)), lambda centres: centres[:, 2] > 0.49)
    assert len(mesh.faces) == 10
