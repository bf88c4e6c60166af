"""The sky and the sun of a scene, or the walls and windows of a showroom, as radiance by direction.

The sky is an environment map: the radiance from every direction round the car. It has what car paint mirrors: a bright
horizon, clouds, the dark line of trees and houses, the windows of a showroom. The exposure and the white balance are
automatic: level white ground has a radiance of about 1, and most of the light's colour cast is removed.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import ndimage

from carseg_rendering.scene.scenes import SUN_ELEVATIONS, SceneParameters

Array = np.ndarray

_SKY_SHAPE = (256, 512)  # elevations from the zenith to the nadir, azimuths
_LUMA = np.array([0.2126, 0.7152, 0.0722])
_GROUND_COLOUR = np.array([0.20, 0.19, 0.18])  # beyond the modelled ground
# The share of the light's colour cast that automatic white balance removes.
_ADAPTATION = {"dusk": 0.45, "low sun": 0.6}
_USUAL_ADAPTATION = 0.8
# Sine of the sky's lowest elevation. The modelled ground's edge is the horizon, sharper than the map.
_SKY_ENDS = -0.02
# Sine of the elevation below which the modelled ground hides the map: no light is sampled there.
_LAND_ENDS = -0.12


@dataclass(frozen=True, eq=False)
class Sky:
    """The light that comes from far away.

    Attributes:
        radiance: (256, 512, 3) linear RGB, rows from the zenith to the nadir; `directions` has the direction of each.
        sun: (3,) irradiance across the sun's rays; zeros where no sun shines.
        towards: (3,) the sun's direction, a unit vector.
    """

    radiance: Array
    sun: Array
    towards: Array


def sky_of(scene: SceneParameters) -> Sky:
    """The sky, or a showroom's walls and windows, and the sun.

    Args:
        scene: Light, sun, clouds, skyline, sky seed and view angle are used: windows, lamps and high skylines are on
            the camera's side. The sun's elevation is clipped to the range of the light.
    """
    rng = np.random.default_rng(scene.sky_seed)
    lowest, highest = SUN_ELEVATIONS.get(scene.light, (0.0, 0.0))
    scene = replace(scene, sun_elevation=min(max(scene.sun_elevation, lowest), highest))
    towards = _direction(scene.sun_azimuth, max(scene.sun_elevation, 0.0))
    sun = np.zeros(3)
    if scene.light in ("clear", "low sun"):
        sky, sun = _clear_sky(scene, rng)
    elif scene.light == "overcast":
        sky = _overcast_sky(scene, rng)
    elif scene.light == "dusk":
        sky = _dusk_sky(scene, rng)
    elif scene.light == "showroom":
        sky = _room(scene, rng)
    else:
        sky = np.ones((*_SKY_SHAPE, 3))
    level_sun = sun * towards[2]
    sky = _with_land(sky, level_sun, scene, rng)
    balance = _exposure_and_balance(sky, level_sun, _ADAPTATION.get(scene.light, _USUAL_ADAPTATION))
    return Sky(sky * balance, sun * balance, towards)


def _clear_sky(scene: SceneParameters, rng: np.random.Generator) -> tuple[Array, Array]:
    """A daylight sky with clouds (kcd/m²), and the sun's irradiance across its rays (klx)."""
    rays = directions()
    sun = _sunlight(scene.sun_elevation, scene.turbidity)
    sky = _daylight(rays, scene)
    cover, depth = _clouds(rays, scene.clouds, rng)
    near_sun = np.maximum(rays @ _direction(scene.sun_azimuth, scene.sun_elevation), 0)[..., None]
    cover = cover[..., None] * (1 - near_sun**40)  # the sun shines
    lit = 0.20 * sun * (1 + near_sun**8) + 0.9 * sky.mean(axis=(0, 1))
    cloud = lit * (1.1 - 0.8 * depth[..., None])  # its middle is grey
    haze = np.clip(rays[..., 2:] / 0.12, 0, 1)
    sky = sky + (cloud - sky) * cover * haze
    return sky, sun


def _daylight(rays: Array, scene: SceneParameters) -> Array:
    """The clear sky, kcd/m²: luminance by Preetham, Shirley and Smits (1999), colour by a rule of our own.

    Their colours turn purple at the horizon. Here the horizon is paler in hazier air and warm towards a low sun; the
    blue deepens with the elevation.
    """
    t, zenith = scene.turbidity, np.radians(90 - scene.sun_elevation)
    cos_theta = np.maximum(rays[..., 2], 0.02)
    gamma = np.arccos(np.clip(rays @ _direction(scene.sun_azimuth, scene.sun_elevation), -1, 1))
    slopes = ((0.1787, -1.4630), (-0.3554, 0.4275), (-0.0227, 5.3251), (0.1206, -2.5771), (-0.0670, 0.3703))
    a, b, c, d, e = (slope * t + offset for slope, offset in slopes)

    def shape(cos_height: Any, off_sun: Any) -> Any:
        around_sun = 1 + c * np.exp(d * off_sun) + e * np.cos(off_sun) ** 2
        return (1 + a * np.exp(b / cos_height)) * around_sun

    chi = (4 / 9 - t / 120) * (np.pi - 2 * zenith)
    at_zenith = max((4.0453 * t - 4.9710) * np.tan(chi) - 0.2155 * t + 2.4192, 0.2)
    luminance = at_zenith * shape(cos_theta, gamma) / shape(1.0, zenith)

    height = np.degrees(np.arcsin(np.clip(rays[..., 2:], 0, 1)))
    low = np.clip(1 - scene.sun_elevation / 25, 0, 1)
    deep = (height / 60) ** 0.6 * (1.35 - 0.17 * t) * (1 - 0.5 * np.exp(-np.degrees(gamma[..., None]) / 25))
    warm = low * np.exp(-height / 14) * (0.25 + 0.75 * np.exp(-np.degrees(gamma[..., None]) / 45))
    colour = _of_luminance_1(0.92, 1.0, 1.12) * (1 - deep) + _of_luminance_1(0.30, 0.62, 1.45) * deep
    colour = colour * (1 - warm) + _of_luminance_1(1.35, 0.95, 0.50) * warm
    return np.maximum(luminance[..., None] * colour, 0.0)


def _sunlight(elevation: float, turbidity: float) -> Array:
    """The sun's irradiance (3,) after absorption by air and haze, klx; a low sun is red."""
    air = 1 / (np.sin(np.radians(elevation)) + 0.15 * (elevation + 3.885) ** -1.253)
    wavelengths = np.array([0.610, 0.550, 0.465])  # µm
    haze = 0.5 * (0.04608 * turbidity - 0.04586)  # half of it, for what it scatters ahead arrives all the same
    depth = 0.008735 * wavelengths**-4.08 + haze * wavelengths**-1.3
    sun = 128.0 * np.exp(-depth * air)
    return 0.75 * sun + 0.25 * (sun @ _LUMA)  # three wavelengths exaggerate its colour


def _overcast_sky(scene: SceneParameters, rng: np.random.Generator) -> Array:
    """The CIE's overcast sky, three times brighter at the zenith than at the horizon, with some structure."""
    rays = directions()
    height = np.maximum(rays[..., 2], 0)
    towards_sun = np.maximum(rays @ _direction(scene.sun_azimuth, scene.sun_elevation), 0)
    patches = 0.5 - _clouds(rays, 0.9, rng)[1]
    sky = (1 + 2 * height) / 3 * (1 + 0.45 * patches * np.clip(height / 0.2, 0, 1)) * (1 + 0.8 * towards_sun**4)
    return sky[..., None] * np.array([0.97, 1.0, 1.05])


def _dusk_sky(scene: SceneParameters, rng: np.random.Generator) -> Array:
    """A deep blue sky over a warm band where the sun went down; the lower the sun, the bluer and narrower."""
    rays = directions()
    height = np.maximum(rays[..., 2:], 0)
    night = -scene.sun_elevation / 6
    level = rays @ _direction(scene.sun_azimuth, 0.0)
    west = (np.clip(0.5 + 0.5 * level, 0, 1) ** 2)[..., None]
    blue = np.array([0.22, 0.34, 0.62]) * (1.1 - 0.5 * height)
    rosy = np.array([0.75, 0.50, 0.48]) * np.exp(-height / 0.25) * (1 - west) * 0.5
    gold = np.array([2.6, 1.25, 0.45]) * np.exp(-height / (0.22 - 0.1 * night)) * west * (1.3 - night)
    cover, depth = _clouds(rays, 0.6 * scene.clouds, rng)
    cloud = np.array([0.30, 0.29, 0.36]) * (1 - 0.5 * depth[..., None]) + 0.5 * gold
    sky = blue + rosy + gold
    return sky + (cloud - sky) * 0.8 * cover[..., None]


def _room(scene: SceneParameters, rng: np.random.Generator) -> Array:
    """The walls and ceiling of a hall, and its windows beside or behind the photographer."""
    rays = directions()
    height = rays[..., 2]
    walls, ceiling = rng.uniform(0.15, 0.8), rng.uniform(0.2, 0.7)
    if scene.background == "white":
        walls, ceiling = rng.uniform(0.8, 1.1), rng.uniform(0.9, 1.5)
    room = np.where(height > 0.55, ceiling, walls * (0.75 + 0.5 * height))
    room = ndimage.gaussian_filter(room, 2)[..., None] * np.array([1.03, 1.0, 0.95])
    azimuth = np.degrees(np.arctan2(rays[..., 1], rays[..., 0]))
    elevation = np.degrees(np.arcsin(np.clip(height, -1, 1)))
    for _ in range(int(rng.integers(1, 4))):
        middle = scene.view_angle + rng.uniform(-100, 100)
        width, top, brightness = rng.uniform(20, 60), rng.uniform(20, 38), rng.uniform(1.2, 4.0)
        off = np.abs((azimuth - middle + 180) % 360 - 180)
        frames = np.abs((off / rng.uniform(6, 14)) % 1 - 0.5) < 0.45
        pane = (off < width / 2) & (elevation > 1) & (elevation < top) & frames
        room = np.where(pane[..., None], brightness * np.array([0.92, 1.0, 1.1]), room)
    return room


def _with_land(sky: Array, level_sun: Array, scene: SceneParameters, rng: np.random.Generator) -> Array:
    """The sky over ground, with the dark line of trees or houses that stands round every place.

    On the side away from the camera the line is kept low: there the modelled background stands.
    """
    rays = directions()
    height = rays[..., 2]
    level = _irradiance(sky) + level_sun
    ground = _GROUND_COLOUR * level / np.pi
    if scene.light == "showroom":
        ground = np.full(3, 0.9) if scene.background == "white" else np.array([0.16, 0.155, 0.15])
    land = np.where(height[..., None] > _LAND_ENDS, ground, 0.0)
    above = height[..., None] > _SKY_ENDS
    if scene.skyline <= 0:
        return np.where(above, sky, land)
    columns = _SKY_SHAPE[1]
    bumpy = scene.background in ("open", "trees")
    profile = _ridge(rng, columns) if bumpy else _roofs(rng, columns)
    azimuths = np.degrees(np.arctan2(rays[0, :, 1], rays[0, :, 0]))
    away = np.abs((azimuths - scene.view_angle + 180) % 360 - 180) / 180
    top = np.radians(scene.skyline * profile * np.clip(1.6 - 1.5 * away, 0.15, 1))
    colour = np.array([0.055, 0.07, 0.035]) if bumpy else np.array([0.22, 0.20, 0.18]) * rng.uniform(0.5, 1.4)
    texture = 1 + 0.6 * (_tile(rng)[: _SKY_SHAPE[0]][:, np.arange(columns) % 256] - 0.5)
    line = colour * level / np.pi * texture[..., None]
    with_line = np.where(np.arcsin(np.clip(height, -1, 1))[..., None] < top[:, None], line, sky)
    return np.where(above, with_line, land)


def _exposure_and_balance(sky: Array, level_sun: Array, adaptation: float) -> Array:
    """The factors (3,) that give level white ground a radiance of about 1 and remove most of the colour cast."""
    level = (_irradiance(sky) + level_sun) / np.pi
    brightness = level @ _LUMA
    return (level / brightness) ** -adaptation / brightness


def _irradiance(sky: Array) -> Array:
    """The irradiance (3,) of level ground from the sky."""
    height = np.maximum(directions()[..., 2], 0)
    polar = (np.arange(_SKY_SHAPE[0]) + 0.5) / _SKY_SHAPE[0] * np.pi
    area = 2 * np.pi**2 / (_SKY_SHAPE[0] * _SKY_SHAPE[1]) * np.sin(polar)
    return (sky * (height * area[:, None])[..., None]).sum(axis=(0, 1))


@functools.cache
def directions() -> Array:
    """The unit vectors (H, W, 3) of the sky's pixels, in the car's coordinates."""
    rows, columns = _SKY_SHAPE
    polar = (np.arange(rows) + 0.5) / rows * np.pi
    turn = (np.arange(columns) + 0.5) / columns * 2 * np.pi
    across, up = np.sin(polar)[:, None], np.cos(polar)[:, None]
    x, y = across * np.sin(turn), across * np.cos(turn)
    return np.stack([x, y, np.broadcast_to(up, x.shape)], -1)


def _direction(azimuth: float, elevation: float) -> Array:
    a, e = np.radians(azimuth), np.radians(elevation)
    return np.array([np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)])


def _clouds(rays: Array, share: float, rng: np.random.Generator) -> tuple[Array, Array]:
    """Cover and depth of a layer of clouds in each direction, both 0..1.

    The clouds cover about `share` of the sky.
    """
    tile = _tile(rng)
    flat = rays[..., :2] / (np.maximum(rays[..., 2:], 0.0) + 0.10) * rng.uniform(18, 40)
    noise = ndimage.map_coordinates(tile, [flat[..., 0] + 512, flat[..., 1] + 512], order=1, mode="grid-wrap")
    edge = np.quantile(tile, 1 - min(share, 0.98)) if share > 0 else 1.1
    return np.clip((noise - edge + 0.06) / 0.18, 0, 1), np.clip((noise - edge) / 0.6, 0, 1)


def _tile(rng: np.random.Generator) -> Array:
    """(256, 256) of noise in 0..1 that repeats without a seam, with the spectrum of clouds."""
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(256) * 256, np.fft.fftfreq(256) * 256))
    spectrum = np.fft.fft2(rng.standard_normal((256, 256))) / np.maximum(frequency, 1) ** 1.7
    noise = np.fft.ifft2(spectrum).real
    low, high = np.quantile(noise, [0.005, 0.995])
    return np.clip((noise - low) / (high - low), 0, 1)


def _ridge(rng: np.random.Generator, columns: int) -> Array:
    """Tree tops round about: (columns,) heights of 0.3..1."""
    rough = ndimage.gaussian_filter1d(rng.standard_normal(columns), 14, mode="wrap") * 6
    fine = ndimage.gaussian_filter1d(rng.standard_normal(columns), 2, mode="wrap")
    return np.clip(0.6 + 0.25 * rough + 0.12 * fine, 0.3, 1.0)


def _roofs(rng: np.random.Generator, columns: int) -> Array:
    """Roofs and gaps round about: (columns,) heights of 0.15..1, in steps."""
    ends = np.sort(rng.choice(columns, 24, replace=False))
    heights = np.where(rng.random(25) < 0.3, 0.15, rng.uniform(0.35, 1.0, 25))
    return heights[np.searchsorted(ends, np.arange(columns))]


def _of_luminance_1(*colour: float) -> Array:
    return np.array(colour) / (np.array(colour) @ _LUMA)
