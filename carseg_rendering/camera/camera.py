"""The camera: its position, and the processing from linear light to a photo.

`place_camera` finds the distance and the direction that give the car the intended place in the frame. The renderer
then measures linear light through `sensor`; `develop` converts it to 8-bit values with the faults of a real camera;
`encode` makes a JPEG of them.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image
from scipy import ndimage
from scipy.spatial import ConvexHull

from carseg_rendering.camera.tracing import HEIGHT, WIDTH, mitsuba
from carseg_rendering.scene.scenes import SceneParameters

Array = np.ndarray

_FILM_WIDTH = 36.0  # millimetres; the frame is 36 x 24
_CLEARANCE = 1.1  # metres, from the lens to the nearest point of the car, at least
_STEPS = 40
_MIDDLE_GREY = 0.18
_KEYS = {"dusk": 0.5, "low sun": 0.85}  # what automatic exposure leaves dark, against a light day
_LEAST_BLUR = 0.3  # pixels; what demosaicing and scaling leave of a sharp picture
_WHITE_KEY = 1.9  # what a photographer adds before a white backdrop, which automatic exposure would make grey
_LUMA = np.array([0.2126, 0.7152, 0.0722])


@dataclass(frozen=True, eq=False)
class Camera:
    """A pinhole camera.

    Attributes:
        position: (3,), metres.
        axes: (3, 3), rows are unit vectors: right and down in the picture, and ahead.
        focal_length: Millimetres, as on 35 mm film.
    """

    position: Array
    axes: Array
    focal_length: float

    def project(self, points: Array) -> Array:
        """The positions of points in the picture.

        Args:
            points: (N, 3), metres.

        Returns:
            (N, 3): x and y in pixels of the photo (0..240 right, 0..160 down; outside if out of the frame), and the
            depth ahead of the camera in metres. Points behind the camera have a depth <= 0 and NaN for x and y.
        """
        along = (np.asarray(points, dtype=float) - self.position) @ self.axes.T
        depth = along[:, 2:]
        with np.errstate(divide="ignore", invalid="ignore"):
            plane = np.where(depth > 0, along[:, :2] / depth, np.nan)
        scale = self.focal_length / _FILM_WIDTH * WIDTH
        return np.concatenate([plane * scale + [WIDTH / 2, HEIGHT / 2], depth], axis=1)

    def sensor(self) -> dict[str, Any]:
        """The camera for `tracing.Scene`: a Mitsuba sensor without film and sampler."""
        right, down, ahead = self.axes
        # Mitsuba's camera looks along +z, with x to the left of the picture and y up
        to_world = np.eye(4)
        to_world[:3] = np.stack([-right, -down, ahead, self.position], axis=1)
        return {
            "type": "perspective",
            "fov": float(np.degrees(2 * np.arctan(_FILM_WIDTH / 2 / self.focal_length))),
            "fov_axis": "x",
            "near_clip": 0.05,
            "far_clip": 10_000.0,
            "to_world": mitsuba().ScalarTransform4f(to_world),
        }


def place_camera(scene: SceneParameters, car_vertices: Array) -> Camera:
    """Place the camera at the distance and in the direction that give the car its place in the frame.

    Args:
        scene: View angle, camera height, focal length, fill, centre and roll are used.
        car_vertices: (V, 3), vertices of all parts of the car, metres.

    Returns:
        The camera. It is never nearer to the car than about a metre, even if the car is then smaller than
        intended.
    """
    car = np.asarray(car_vertices, dtype=float)
    car = car[ConvexHull(car).vertices]  # no other point is ever at the box's edge
    angle = np.radians(scene.view_angle)
    outwards = np.array([np.cos(angle), np.sin(angle), 0.0])
    reach = float((car @ outwards).max())  # how far the car comes towards the camera
    nearest = reach + _CLEARANCE
    target = np.array([(0.5 + scene.centre_x) * WIDTH, (0.5 + scene.centre_y) * HEIGHT])
    distance, ahead = reach + 8.0, -outwards
    for _ in range(_STEPS):
        position = distance * outwards + [0, 0, scene.camera_height]
        camera = Camera(position, _axes(ahead, scene.roll), scene.focal_length)
        seen = camera.project(car)[:, :2]
        low, high = seen.min(axis=0), seen.max(axis=0)
        ahead = _view_direction(camera, (low + high) / 2, target)
        fill = max((high - low) / [WIDTH, HEIGHT])
        distance = max(nearest, reach + (distance - reach) * float(np.clip(fill / scene.fill, 0.5, 2.0)))
    return camera


def develop(linear: Array, scene: SceneParameters, rng: np.random.Generator) -> Array:
    """Convert measured light to a photo's pixels, with automatic exposure.

    Args:
        linear: (160, 240, 3) light in linear sRGB, any positive scale.
        scene: The camera's faults are used.
        rng: Source of the noise.

    Returns:
        (160, 240, 3) uint8. Neither blur shifts the picture, so that masks stay valid.

    Raises:
        ValueError: The light has another shape, is not finite or is all dark.
    """
    if linear.shape != (HEIGHT, WIDTH, 3) or not np.isfinite(linear).all() or linear.max() <= 0:
        raise ValueError(f"no picture to develop: needs finite light ({HEIGHT}, {WIDTH}, 3), some of it above 0")
    light = without_fireflies(np.maximum(linear.astype(float), 0.0))
    light = light * exposure(light) * _key(scene) * 2.0**scene.exposure_error
    light *= [scene.red_gain, 1.0, scene.blue_gain]
    light *= _vignette(scene.vignetting)[:, :, None]
    light = _motion_blurred(light, scene.motion_blur, scene.motion_angle)
    blur = np.hypot(_LEAST_BLUR, scene.blur)
    light = ndimage.gaussian_filter(light, (blur, blur, 0), mode="nearest")
    values = _with_contrast(255 * tone(light), scene.contrast)
    if scene.sharpening > 0:
        values += scene.sharpening * (values - ndimage.gaussian_filter(values, (1.0, 1.0, 0), mode="nearest"))
    values += _noise(values, scene.noise, rng)
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def encode(photo: Array, quality: int) -> bytes:
    """Encode a photo (H, W, 3) uint8 as a JPEG of quality 1..95; the result is deterministic."""
    memory = io.BytesIO()
    Image.fromarray(photo).save(memory, "JPEG", quality=quality, subsampling="4:2:0", optimize=True)
    return memory.getvalue()


def without_fireflies(light: Array, *, times: float = 2.5) -> Array:
    """Dim single pixels that a rare path made far too bright (fireflies).

    Args:
        light: (H, W, 3) linear.
        times: How much brighter than the second brightest of its 3 x 3 neighbourhood a pixel may be.

    Returns:
        A copy; such pixels are dimmed to that bound and keep their hue. Glints of two pixels and more stay.
    """
    luminance = light @ _LUMA
    bound = times * ndimage.rank_filter(luminance, rank=-2, size=3, mode="nearest") + 1e-6
    return light * np.minimum(1.0, bound / np.maximum(luminance, 1e-9))[:, :, None]


def exposure(light: Array) -> float:
    """The factor of an automatic exposure for a picture (H, W, 3).

    The weighted mean of the logarithms becomes middle grey; the middle of the frame has the largest weights. The
    factor is bounded so that highlights there hardly clip.
    """
    luminance = np.maximum(light @ _LUMA, 1e-6)
    rows, columns = (np.linspace(-1, 1, n) for n in luminance.shape)
    weight = np.exp(-1.2 * (rows[:, None] ** 2 + columns**2))
    mean = np.exp((np.log(luminance) * weight).sum() / weight.sum())
    bright = np.percentile(luminance[weight > 0.45], 90)
    return float(min(_MIDDLE_GREY / mean, 1.1 / bright))


def tone(light: Array) -> Array:
    """Linear light as display values 0..1: a camera's S-shaped curve (the ACES fit by Narkowicz), then sRGB's."""
    x = np.maximum(0.75 * light, 0.0)
    film = np.clip(x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14), 0.0, 1.0)
    return np.where(film <= 0.0031308, 12.92 * film, 1.055 * np.maximum(film, 1e-9) ** (1 / 2.4) - 0.055)


def _key(scene: SceneParameters) -> float:
    return _WHITE_KEY if scene.background == "white" else _KEYS.get(scene.light, 1.0)


def _with_contrast(values: Array, contrast: float) -> Array:
    """Display values (0..255) with more contrast about middle grey; black and white stay."""
    share = np.clip(values / 255, 0, 1)
    steep = np.where(share < 0.5, 0.5 * (2 * share) ** contrast, 1 - 0.5 * (2 - 2 * share) ** contrast)
    return 255 * steep


def _axes(ahead: Array, roll: float) -> Array:
    right = np.cross(ahead, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    down = np.cross(ahead, right)
    c, s = np.cos(np.radians(roll)), np.sin(np.radians(roll))
    return np.array([c * right - s * down, s * right + c * down, ahead])


def _view_direction(camera: Camera, centre: Array, target: Array) -> Array:
    """The view direction that moves the point at `centre` (pixels) to `target`."""

    def heading(pixel: Array) -> tuple[float, float]:
        offset = (pixel - [WIDTH / 2, HEIGHT / 2]) / (camera.focal_length / _FILM_WIDTH * WIDTH)
        x, y, z = offset @ camera.axes[:2] + camera.axes[2]
        return np.arctan2(y, x), np.arctan2(z, np.hypot(x, y))

    (yaw_seen, pitch_seen), (yaw_wanted, pitch_wanted) = heading(centre), heading(target)
    x, y, z = camera.axes[2]
    yaw = np.arctan2(y, x) + yaw_seen - yaw_wanted
    pitch = np.clip(np.arctan2(z, np.hypot(x, y)) + pitch_seen - pitch_wanted, -1.2, 1.2)
    return np.array([np.cos(yaw) * np.cos(pitch), np.sin(yaw) * np.cos(pitch), np.sin(pitch)])


def _vignette(vignetting: float) -> Array:
    """(H, W), share of the light that the lens passes: 1 in the middle, 1 - vignetting in the corners."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH] + 0.5
    radius = np.hypot(x - WIDTH / 2, y - HEIGHT / 2) / np.hypot(WIDTH / 2, HEIGHT / 2)
    return 1 - vignetting * radius**2.5


def _motion_blurred(light: Array, length: float, angle: float) -> Array:
    """The picture with motion blur: its mean over shifts along a line of some pixels."""
    if length <= 0:
        return light
    steps = np.linspace(-0.5, 0.5, 2 * int(np.ceil(length)) + 1) * length
    along = np.array([np.sin(np.radians(angle)), np.cos(np.radians(angle)), 0.0])
    return np.mean([ndimage.shift(light, step * along, order=1, mode="nearest") for step in steps], axis=0)


def _noise(values: Array, deviation: float, rng: np.random.Generator) -> Array:
    """Noise for 8-bit values (H, W, 3): most in the lighter shadows, hardly any in clipped highlights.

    A sensor measures one colour a pixel; demosaicing and scaling smear its noise. The result is a fine grain that
    all channels share and a coarser one in each channel.
    """
    grain = rng.standard_normal((HEIGHT, WIDTH, 1))
    colour = ndimage.gaussian_filter(rng.standard_normal((HEIGHT, WIDTH, 3)), (0.7, 0.7, 0))
    colour /= colour.std()
    level = np.clip(values, 0, 255) / 255
    strength = 0.35 + 1.3 * np.sqrt(level) * (1 - level**2)  # 1 at middle grey
    return deviation * strength * (0.85 * grain + 0.53 * colour)
