"""The path tracer: Mitsuba shapes from parts, pictures and visibility maps from scenes.

The only module that holds a Mitsuba scene. Everything runs in one thread, so that the same seed gives the same bits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

from carseg_lib.core.errors import CarsegError
from carseg_rendering.geometry.meshes import Array, Mesh, Part, merged, vertex_normals

WIDTH, HEIGHT = 240, 160  # pixels, the paper's size
MAX_DEPTH = 7  # bounces; two panes of glass and what is behind them


@cache
def mitsuba() -> ModuleType:
    """Mitsuba with its variant set, one thread, quiet.

    Raises:
        CarsegError: Mitsuba is not installed.
    """
    try:
        import mitsuba as mi
    except ImportError:
        raise CarsegError(
            "rendering needs Mitsuba 3, which is not installed: run `make render-dataset`, which installs it"
        ) from None
    mi.set_variant("scalar_rgb")
    mi.set_log_level(mi.LogLevel.Error)
    import drjit

    drjit.set_thread_count(1)
    return mi


def load_scene(content: dict[str, Any]) -> Any:
    """A Mitsuba scene whose parts are in the order of `content`.

    Mitsuba's scene optimisation is off: it gives lamps a random order, which changes the random paths.
    """
    return mitsuba().load_dict(content, parallel=False, optimize=False)


def shape_of(mesh: Mesh, bsdf: object) -> Any:
    """A Mitsuba mesh.

    Args:
        mesh: The triangles; a smooth mesh gets normals at its vertices.
        bsdf: A loaded Mitsuba BSDF.
    """
    mi = mitsuba()
    properties = mi.Properties()
    properties["bsdf"] = bsdf
    textured = mesh.texcoords is not None
    loaded = mi.Mesh(
        "mesh",
        vertex_count=len(mesh.vertices),
        face_count=len(mesh.faces),
        has_vertex_normals=mesh.smooth,
        has_vertex_texcoords=textured,
        props=properties,
    )
    values = mi.traverse(loaded)
    values["vertex_positions"] = np.ascontiguousarray(mesh.vertices, dtype=np.float32).ravel()
    values["faces"] = np.ascontiguousarray(mesh.faces, dtype=np.uint32).ravel()
    if mesh.smooth:
        values["vertex_normals"] = vertex_normals(mesh).astype(np.float32).ravel()
    if textured:
        values["vertex_texcoords"] = np.ascontiguousarray(mesh.texcoords, dtype=np.float32).ravel()
    values.update()
    return loaded


class Scene:
    """A lit scene for rendering.

    Args:
        parts: Everything in the scene.
        emitters: Mitsuba emitters (or shapes that emit) as dictionaries, by name.
    """

    def __init__(self, parts: Sequence[Part], emitters: Mapping[str, dict[str, Any]]) -> None:
        mi = mitsuba()
        bsdfs: dict[int, Any] = {}
        content: dict[str, Any] = {"type": "scene", **emitters}
        for number, part in enumerate(parts):
            if id(part.material) not in bsdfs:
                bsdfs[id(part.material)] = mi.load_dict(part.material)
            content[f"part{number}"] = shape_of(part.mesh, bsdfs[id(part.material)])
        self._scene = load_scene(content)

    def render(self, view: Mapping[str, Any], *, samples: int, seed: int) -> Array:
        """Render the scene as a camera without faults.

        Args:
            view: A Mitsuba sensor without film and sampler, as `Camera.sensor` gives.
            samples: Paths a pixel, the product of two near numbers (36, 42, 49, 56, 64), as the sampler needs.
            seed: Seed of the random paths.

        Returns:
            (160, 240, 3) float32, linear light; multiples of an arbitrary unit.
        """
        # stratified in all dimensions: a third of the noise power of independent samples
        sampler = {"type": "multijitter", "sample_count": samples}
        mi = mitsuba()
        sensor = mi.load_dict({**view, "film": _film(1), "sampler": sampler})
        integrator = mi.load_dict({"type": "path", "max_depth": MAX_DEPTH})
        return np.array(mi.render(self._scene, sensor=sensor, integrator=integrator, seed=seed), dtype=np.float32)


def trace_visibility(groups: Sequence[Sequence[Part]], view: Mapping[str, Any], *, subsamples: int) -> Array:
    """Find what is visible at each point of a raster finer than the pixels.

    Args:
        groups: Lists of parts; the groups are numbered in this order, from 0.
        view: As for `Scene.render`.
        subsamples: Points a side of a pixel; they lie in the middles of equal squares.

    Returns:
        (160 × subsamples, 240 × subsamples) int, index of the visible group of parts; -1 where there is none.
    """
    mi = mitsuba()
    # one mesh a group: looking up which shape was hit takes time in proportion to their number
    solid = mi.load_dict({"type": "diffuse"})
    content: dict[str, Any] = {"type": "scene"}
    for number, parts in enumerate(groups):
        content[f"group{number}"] = shape_of(merged([part.mesh for part in parts]), solid)
        content[f"group{number}"].set_id(f"group{number}")
    scene = load_scene(content)
    order = np.array([-1, *(int(shape.id().removeprefix("group")) for shape in scene.shapes())])
    sampler = {"type": "stratified", "sample_count": 1, "jitter": False}
    sensor = mi.load_dict({**view, "film": _film(subsamples), "sampler": sampler})
    integrator = mi.load_dict({"type": "aov", "aovs": "shape:shape_index"})
    found = np.array(mi.render(scene, sensor=sensor, integrator=integrator))[..., -1]
    return order[found.round().astype(int)]


def _film(scale: int) -> dict[str, Any]:
    # a box filter keeps a firefly within one pixel, so that `camera.without_fireflies` can find it
    size = {"width": WIDTH * scale, "height": HEIGHT * scale}
    return {"type": "hdrfilm", **size, "pixel_format": "rgb", "component_format": "float32", "rfilter": {"type": "box"}}
