"""Takes the path tracer's noise out of a picture, by Intel's Open Image Denoise.

It is a network that was trained on path-traced pictures (Áfra, https://www.openimagedenoise.org). With a dozen paths a
pixel it keeps what car paint and glass mirror; a mean over neighbours smears that, and the car looks like clay. The
camera adds a photo's own grain later.
"""

from __future__ import annotations

import numpy as np

from carseg_rendering.camera.tracing import mitsuba
from carseg_rendering.geometry.meshes import Array


def denoise(light: Array) -> Array:
    """Remove noise from a picture.

    Args:
        light: (H, W, 3) linear, not negative.

    Returns:
        (H, W, 3) float32.

    Raises:
        CarsegError: Mitsuba is not installed.
    """
    mitsuba()  # one thread, which the denoiser shares
    import mitsuba_oidn

    return np.asarray(mitsuba_oidn.denoise(np.ascontiguousarray(light, dtype=np.float32), hdr=True))
