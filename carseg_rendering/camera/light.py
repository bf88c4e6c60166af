"""The light of a scene as Mitsuba emitters: the sky or a showroom as an environment map, the sun, lamps.

The sun is a parallel light of its own: random paths would rarely meet a disc in the sky, which makes speckles. `sky`
has the environment map's radiance, its exposure and its white balance.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from carseg_rendering.camera.sky import Array, sky_of
from carseg_rendering.camera.tracing import mitsuba
from carseg_rendering.scene.scenes import SceneParameters

Emitters = dict[str, dict[str, Any]]


def emitters(scene: SceneParameters) -> Emitters:
    """The emitters of a scene.

    Args:
        scene: As for `sky_of`.

    Returns:
        Entries for the dictionary of a Mitsuba scene: always an environment, and the sun or lamps. The same scene
        has the same light, to the bit.

    Raises:
        CarsegError: Mitsuba is not installed.
    """
    sky = sky_of(scene)
    found: Emitters = {"sky": _environment(sky.radiance)}
    if sky.sun.any():
        direction = [float(-c) for c in sky.towards]
        found["sun"] = {
            "type": "directional",
            "direction": direction,
            "irradiance": _rgb(sky.sun),
            "sampling_weight": 0.5,
        }
    rng = np.random.default_rng([scene.sky_seed, 1])
    if scene.light == "dusk":
        found |= _street_lamps(scene, rng)
    if scene.light == "showroom":
        found |= _softboxes(rng)
    return found


def _street_lamps(scene: SceneParameters, rng: np.random.Generator) -> Emitters:
    """One to three warm or white lamps on their posts, out of the picture. Points: they leave no speckles."""
    lamps: Emitters = {}
    count = int(rng.integers(1, 4))
    for i in range(count):
        around = np.radians(scene.view_angle + rng.uniform(-110, 110))
        away, height = rng.uniform(4, 11), rng.uniform(4, 7)
        colour = np.array([1.0, 0.62, 0.28]) if rng.random() < 0.6 else np.array([0.95, 1.0, 0.95])
        strength = rng.uniform(0.4, 3.0) * (away**2 + height**2)
        lamps[f"lamp_{i}"] = {
            "type": "point",
            "position": [float(away * np.cos(around)), float(away * np.sin(around)), float(height)],
            "intensity": _rgb(colour * strength),
            "sampling_weight": 0.4 / count,  # as for the sun
        }
    return lamps


def _softboxes(rng: np.random.Generator) -> Emitters:
    """Two to four long lamps under the ceiling: they draw the lines along a showroom car."""
    mi = mitsuba()
    count, height = int(rng.integers(2, 5)), rng.uniform(3.4, 5.0)
    length, width = rng.uniform(4.0, 8.0), rng.uniform(0.3, 1.0)
    turn = 0.0 if rng.random() < 0.7 else 90.0
    radiance = rng.uniform(0.7, 1.1) * np.pi * height**2 / (count * length * width)
    colour = np.array([1.0, rng.uniform(0.93, 1.0), rng.uniform(0.82, 1.02)])
    boxes: Emitters = {}
    for i in range(count):
        across = (i - (count - 1) / 2) * rng.uniform(1.8, 2.6)
        place = mi.ScalarTransform4f().rotate([0, 0, 1], turn).translate([0, across, height])
        boxes[f"softbox_{i}"] = {
            "type": "rectangle",
            "to_world": place.rotate([1, 0, 0], 180).scale([length / 2, width / 2, 1]),
            "emitter": {"type": "area", "radiance": _rgb(colour * radiance), "sampling_weight": 1 / count},
        }
    return boxes


def _environment(sky: Array) -> dict[str, Any]:
    mi = mitsuba()
    # Mitsuba's maps have y up: turned about x, its y is our z
    return {
        "type": "envmap",
        "bitmap": mi.Bitmap(np.ascontiguousarray(sky, dtype=np.float32)),
        "to_world": mi.ScalarTransform4f().rotate([1, 0, 0], 90),
    }


def _rgb(colour: Array) -> dict[str, Any]:
    return {"type": "rgb", "value": [float(c) for c in colour]}
