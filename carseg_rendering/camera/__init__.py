"""How a scene becomes a photo: camera, light, path tracing, denoising, development."""
