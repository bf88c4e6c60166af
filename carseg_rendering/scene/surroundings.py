"""Everything in a photo but the cars: ground, background and what stands before the car, in the car's coordinates."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from carseg_rendering.geometry.meshes import Array, Part, rotation
from carseg_rendering.scene.backgrounds import Stage, background
from carseg_rendering.scene.grounds import ground
from carseg_rendering.scene.occluders import occluder
from carseg_rendering.scene.plants import Season, gathered, placed


class Place(Protocol):
    """The parameters of a scene that the surroundings depend on; `scenes.SceneParameters` has them."""

    @property
    def ground(self) -> str:
        """One of asphalt, concrete, gravel, grass, tiles, snow and plain."""

    @property
    def background(self) -> str:
        """One of open, trees, building, wall, street, lot, backdrop and white."""

    @property
    def occluder(self) -> str:
        """One of none, pole, person, plant and railing."""

    @property
    def light(self) -> str:
        """One of LIGHTS. "showroom" makes walls, tiles and concrete those of a hall; others change nothing here."""

    @property
    def view_angle(self) -> float:
        """Direction from the car to the camera, degrees."""


def surroundings(scene: Place, rng: np.random.Generator, *, keep_clear: Array, camera_position: Array) -> list[Part]:
    """The surroundings of a photo.

    Plain ground before an open background is one grey plane and nothing else.

    Args:
        scene: Kinds of ground, background and occluder.
        rng: Source of randomness; the same one gives the same surroundings.
        keep_clear: (K, 2) ground points: the four corners of each car, the main car's first. Nothing stands there.
        camera_position: (3,) the camera, metres.

    Returns:
        Parts of at most some 60,000 triangles in all.

    Raises:
        ValueError: An unknown kind of ground, background or occluder.
    """
    clear, camera = np.asarray(keep_clear, dtype=float), np.asarray(camera_position, dtype=float)
    snow, indoors = scene.ground == "snow", scene.light == "showroom"
    season = Season.sample(rng, snow=snow)
    turn = _facing(rng, scene.view_angle, scene.background)
    parts = ground(
        rng,
        scene.ground,
        camera=camera,
        clear=clear,
        season=season,
        yaw=turn,
        indoors=indoors or scene.background in ("backdrop", "white"),
        bays=scene.background == "lot" or (scene.background in ("building", "wall") and rng.random() < 0.3),
    )
    if scene.ground != "plain" or scene.background != "open":
        onto = rotation("z", -turn)
        on_stage = clear @ onto[:2, :2].T
        stage = Stage(
            behind=float(on_stage[:, 1].max()),
            camera=onto @ camera,
            clear=on_stage,
            season=season,
            snow=snow,
            ground=scene.ground,
            indoors=indoors,
        )
        parts += placed(background(rng, scene.background, stage), (0, 0), turn=turn)
    parts += occluder(rng, scene.occluder, camera=camera, clear=clear, season=season)
    return gathered(parts)


def _facing(rng: np.random.Generator, view_angle: float, background: str) -> float:
    """The turn of the stage, degrees: straight to the camera, or along or across the car as kerbs are."""
    straight = view_angle + 90
    if background in ("open", "trees", "backdrop", "white") or rng.random() < 0.2:
        return straight + float(rng.normal(0, 6))
    sides = np.arange(-180, 541, 90.0)
    away = np.abs(sides - straight % 360)
    near = sides[away < 62]
    weight = np.cos(np.radians(away[away < 62])) ** 2
    return float(rng.choice(near, p=weight / weight.sum()) + rng.normal(0, 1.5))
