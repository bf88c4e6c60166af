"""A car of any of the four types as meshes: body, glass, wheels, trim, interior, paint."""
