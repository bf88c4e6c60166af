"""The scene of a photo, apart from the car's shape: the light, the place, the camera, sampled jointly at random.

The model are photos of cars for sale: mostly front three-quarter views at eye height, the car filling most of the
frame. Whatever the realism of the renderer, the same random numbers are drawn in the same order: a scene of less
realism is the full scene with parts removed, so that the levels can be compared photo by photo.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from carseg_rendering.dataset.plan import REALISM_LEVELS

LIGHTS = ("clear", "low sun", "overcast", "dusk", "showroom", "even")  # even: realism plain only
GROUNDS = ("asphalt", "concrete", "gravel", "grass", "tiles", "snow", "plain")
BACKGROUNDS = ("open", "trees", "building", "wall", "street", "lot", "backdrop", "white")
OCCLUDERS = ("none", "pole", "person", "plant", "railing")
VIEWS = ("front", "front three-quarter", "side", "rear three-quarter", "rear")
_VIEW_ENDS = (20.0, 70.0, 110.0, 160.0, 180.0)  # largest |view angle| of each view, degrees

Shares = Mapping[str, float]
_VIEW_SHARES: Shares = {
    "front": 0.10,
    "front three-quarter": 0.54,
    "side": 0.12,
    "rear three-quarter": 0.18,
    "rear": 0.06,
}
_LIGHT_SHARES: Shares = {"clear": 0.36, "low sun": 0.13, "overcast": 0.26, "dusk": 0.06, "showroom": 0.19}
_BACKGROUND_SHARES: Mapping[str, Shares] = {
    "outdoors": {"open": 0.14, "trees": 0.27, "building": 0.20, "wall": 0.11, "street": 0.15, "lot": 0.13},
    "dusk": {"open": 0.10, "trees": 0.10, "building": 0.25, "wall": 0.15, "street": 0.28, "lot": 0.12},
    "showroom": {"backdrop": 0.28, "wall": 0.30, "white": 0.42},
}
_GROUND_SHARES: Mapping[str, Shares] = {
    "open": {"asphalt": 0.40, "gravel": 0.22, "grass": 0.30, "concrete": 0.08},
    "trees": {"asphalt": 0.45, "gravel": 0.22, "grass": 0.25, "concrete": 0.08},
    "building": {"asphalt": 0.55, "concrete": 0.25, "tiles": 0.15, "gravel": 0.05},
    "wall": {"asphalt": 0.50, "concrete": 0.35, "gravel": 0.15},
    "street": {"asphalt": 0.85, "concrete": 0.15},
    "lot": {"asphalt": 0.80, "concrete": 0.20},
    "showroom": {"tiles": 0.50, "concrete": 0.30, "plain": 0.20},
}
_OCCLUDER_SHARES: Mapping[str, Shares] = {
    "outdoors": {"none": 0.86, "pole": 0.04, "person": 0.04, "plant": 0.04, "railing": 0.02},
    "showroom": {"none": 0.84, "person": 0.08, "plant": 0.05, "railing": 0.03},
}
_OTHER_CARS: Mapping[str, tuple[float, ...]] = {  # chances of 0, 1, 2, 3 other cars
    "outdoors": (0.62, 0.20, 0.12, 0.06),
    "street": (0.40, 0.28, 0.20, 0.12),
    "lot": (0.25, 0.25, 0.28, 0.22),
    "showroom": (0.75, 0.17, 0.08, 0.0),
}
SUN_ELEVATIONS = {"clear": (18.0, 62.0), "low sun": (4.0, 16.0), "overcast": (15.0, 60.0), "dusk": (-5.0, -1.0)}
_SKYLINES = {"open": (0.5, 4.0), "trees": (6.0, 20.0), "wall": (4.0, 16.0), "lot": (2.0, 10.0)}  # degrees


@dataclass(frozen=True)
class SceneParameters:
    """A photo's light, place and camera. Azimuths are in the car's coordinates: 0 ahead, 90 to its left.

    Attributes:
        view_angle: Direction from the car to the camera, degrees, -180..180.
        camera_height: Height above the ground, metres.
        focal_length: Focal length, millimetres, as on 35 mm film (36 mm wide).
        fill: Intended share of the frame's width or height, whichever is larger, that the car's box takes.
        centre_x: Intended centre of the box, as a share of the frame's width right of the middle.
        centre_y: The same downwards, as a share of the frame's height.
        roll: The camera's turn about its axis, degrees; positive tilts the picture clockwise.
        light: One of LIGHTS.
        sun_elevation: Degrees; below 0 at dusk; 0 where there is no sun (showroom, even).
        sun_azimuth: Degrees; main direction of the light, also without a sun.
        turbidity: Haze of a clear sky, 2 (clean) to 4 (hazy).
        clouds: Share of the sky that clouds cover, 0..1.
        skyline: Height of the trees or houses round about, that the paint mirrors, degrees above the horizon.
        sky_seed: Seed of the clouds, the skyline and the showroom's lamps.
        ground: One of GROUNDS.
        background: One of BACKGROUNDS; "open" with ground "plain" is nothing but the ground to the horizon.
        occluder: One of OCCLUDERS.
        other_cars: Number of other cars, 0..3.
        exposure_error: Error of the camera's exposure, stops.
        contrast: Slope of its tone curve at middle grey against a plain one's, 1..1.35.
        red_gain: Error of its white balance in red against green, a factor.
        blue_gain: The same in blue.
        vignetting: Light lost in the corners, 0..0.5.
        motion_blur: Length of the camera's shake during the exposure, pixels.
        motion_angle: Its direction in the picture, degrees.
        noise: Standard deviation at middle grey, in steps of 8 bits.
        blur: Standard deviation of the lens' blur, pixels, on top of what any camera has.
        sharpening: Strength of the camera's sharpening, 0..0.8.
        jpeg_quality: As Pillow counts it, 1..95.
    """

    view_angle: float
    camera_height: float
    focal_length: float
    fill: float
    centre_x: float
    centre_y: float
    roll: float
    light: str
    sun_elevation: float
    sun_azimuth: float
    turbidity: float
    clouds: float
    skyline: float
    sky_seed: int
    ground: str
    background: str
    occluder: str
    other_cars: int
    exposure_error: float
    contrast: float
    red_gain: float
    blue_gain: float
    vignetting: float
    motion_blur: float
    motion_angle: float
    noise: float
    blur: float
    sharpening: float
    jpeg_quality: int

    @property
    def view(self) -> str:
        """The view angle's band, one of VIEWS."""
        return view_of(self.view_angle)


def view_of(angle: float) -> str:
    """The band of a view angle (degrees, -180..180), one of VIEWS; left and right are not distinguished."""
    return VIEWS[min(int(np.searchsorted(_VIEW_ENDS, abs(angle))), len(VIEWS) - 1)]


def sample_scene(rng: np.random.Generator, realism: str = "full") -> SceneParameters:
    """Sample the scene of a photo.

    Args:
        rng: Source of randomness; every realism draws the same numbers from it.
        realism: One of REALISM_LEVELS.

    Returns:
        The scene. "plain" has one even light and a grey ground, "light" adds suns and skies, "places" grounds,
        backgrounds, occluders and other cars, "full" the camera's faults.

    Raises:
        ValueError: The realism is unknown.
    """
    if realism not in REALISM_LEVELS:
        raise ValueError(f"no realism {realism!r} of the renderer; there are {', '.join(REALISM_LEVELS)}")
    full = _sample_full(rng)
    if realism == "full":
        return full
    places = _without_camera_faults(full)
    if realism == "places":
        return places
    light = replace(places, ground="plain", background="open", occluder="none", other_cars=0, skyline=0.0)
    if realism == "light":
        return light
    return replace(light, light="even", sun_elevation=0.0, clouds=0.0)


def _sample_full(rng: np.random.Generator) -> SceneParameters:
    view_angle, height, focal_length = _viewpoint(rng)
    light = _choice(rng, _LIGHT_SHARES)
    elevation, azimuth, clouds = _sun(rng, light, view_angle)
    background, ground, occluder, other_cars = _place(rng, light, elevation)
    skyline = rng.uniform(*_SKYLINES.get(background, (4.0, 22.0))) if light != "showroom" else 0.0
    fill, centre_x, centre_y = _framing(rng)
    dark = light in ("dusk", "showroom")
    return SceneParameters(
        view_angle=view_angle,
        camera_height=height,
        focal_length=focal_length,
        fill=fill,
        centre_x=centre_x,
        centre_y=centre_y,
        roll=float(np.clip(rng.normal(0, 1.0), -4, 4)),
        light=light,
        sun_elevation=elevation,
        sun_azimuth=azimuth,
        turbidity=float(rng.uniform(2.0, 4.0)),
        clouds=clouds,
        skyline=float(skyline),
        sky_seed=int(rng.integers(2**31)),
        ground=ground,
        background=background,
        occluder=occluder,
        other_cars=other_cars,
        exposure_error=float(np.clip(rng.normal(0.05, 0.35), -0.9, 0.9)),
        contrast=float(rng.uniform(1.0, 1.35)),
        red_gain=float(np.exp(np.clip(rng.normal(0, 0.05), -0.13, 0.13))),
        blue_gain=float(np.exp(np.clip(rng.normal(0, 0.07), -0.18, 0.18))),
        vignetting=float(rng.uniform(0, 0.3)),
        motion_blur=float(rng.uniform(0.5, 2.5) if rng.random() < (0.3 if dark else 0.08) else 0.0),
        motion_angle=float(rng.uniform(0, 180)),
        noise=float(np.clip(rng.lognormal(0.8 if dark else 0.2, 0.6), 0.3, 6.0)),
        blur=float(np.clip(rng.gamma(1.3, 0.2), 0.0, 1.5)),
        sharpening=float(np.clip(rng.normal(0.4, 0.25), 0, 0.9)),
        jpeg_quality=int(np.clip(round(95 - rng.gamma(1.7, 8.0)), 35, 95)),
    )


def _viewpoint(rng: np.random.Generator) -> tuple[float, float, float]:
    """View angle (degrees), camera height (metres), focal length (millimetres)."""
    view = VIEWS.index(_choice(rng, _VIEW_SHARES))
    low, high = (0.0, *_VIEW_ENDS)[view], _VIEW_ENDS[view]
    # three-quarter views crowd in the middle of their range, the others are spread
    angle = low + (high - low) * (rng.beta(1.8, 1.8) if "three-quarter" in VIEWS[view] else rng.random())
    angle *= 1 if rng.random() < 0.5 else -1
    height = float(np.clip(rng.normal(1.4, 0.32), 0.6, 2.2))
    return float(angle), height, float(np.clip(rng.lognormal(np.log(45), 0.5), 24, 200))


def _sun(rng: np.random.Generator, light: str, view_angle: float) -> tuple[float, float, float]:
    """Elevation, azimuth (degrees) and the share of clouds. The sun is more often behind the photographer."""
    azimuth = _wrapped(view_angle + rng.normal(0, 75))
    share, clouds = rng.random(), rng.beta(1.2, 2.2)
    if light == "overcast":
        clouds = 1.0
    if light not in SUN_ELEVATIONS:
        return 0.0, azimuth, 0.0
    low, high = SUN_ELEVATIONS[light]
    return float(low + (high - low) * share), azimuth, float(clouds)


def _place(rng: np.random.Generator, light: str, elevation: float) -> tuple[str, str, str, int]:
    """Background, ground, occluder and number of other cars, in plausible combinations."""
    indoors = light == "showroom"
    kind = light if light in _BACKGROUND_SHARES else "outdoors"
    background = _choice(rng, _BACKGROUND_SHARES[kind])
    ground = _choice(rng, _GROUND_SHARES["showroom" if indoors else background])
    snows = rng.random() < 0.09
    if snows and not indoors and elevation < 30:  # no snow under a high sun
        ground = "snow"
    occluder = _choice(rng, _OCCLUDER_SHARES["showroom" if indoors else "outdoors"])
    crowd = "showroom" if indoors else background
    other_cars = int(rng.choice(4, p=_OTHER_CARS.get(crowd, _OTHER_CARS["outdoors"])))
    if background == "white":  # as in catalogues: the car and nothing else
        ground, occluder = "plain", "none"
    return background, ground, occluder, 0 if background in ("backdrop", "white") else other_cars


def _framing(rng: np.random.Generator) -> tuple[float, float, float]:
    """Fill and centre. One photo in ten cuts the car off on purpose."""
    near, small, fill = rng.random() < 0.1, rng.random() < 0.06, rng.beta(2.2, 1.6)
    aside, down = rng.uniform(-0.75, 0.75), rng.uniform(-0.5, 0.75)
    if near:
        return float(0.92 + 0.33 * fill), float(0.28 * aside), float(0.08 * down)
    fill = 0.35 + 0.25 * fill if small else 0.6 + 0.37 * fill
    room = (1 - fill) / 2
    return float(fill), float(room * aside), float(room * down)


def _without_camera_faults(scene: SceneParameters) -> SceneParameters:
    """The same scene by a perfect camera held straight, with the whole car in the frame."""
    fill = min(scene.fill, 0.93)
    room = (1 - fill) / 2
    return replace(
        scene,
        fill=fill,
        centre_x=float(np.clip(scene.centre_x, -room, room)),
        centre_y=float(np.clip(scene.centre_y, -room, room)),
        roll=0.0,
        exposure_error=0.0,
        contrast=1.15,
        red_gain=1.0,
        blue_gain=1.0,
        vignetting=0.0,
        motion_blur=0.0,
        motion_angle=0.0,
        noise=0.0,
        blur=0.0,
        sharpening=0.0,
        jpeg_quality=95,
    )


def _choice(rng: np.random.Generator, shares: Shares) -> str:
    chances = np.array(list(shares.values()))
    return list(shares)[int(rng.choice(len(chances), p=chances / chances.sum()))]


def _wrapped(degrees: float) -> float:
    """An angle in -180..180."""
    return float((degrees + 180) % 360 - 180)
