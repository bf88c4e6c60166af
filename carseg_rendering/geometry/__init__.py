"""Triangle meshes and materials."""
