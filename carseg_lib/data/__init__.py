"""The embedded data set, packed: `rendered-cars.zip` and its checksum; made by `make dataset`, read by `embedded`."""
