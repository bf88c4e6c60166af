"""Meshes and materials, which everything is built of."""
