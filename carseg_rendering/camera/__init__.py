"""From a scene to a photo: camera, light, path tracing, denoising, development."""
