"""Renders cars with a path tracer, with exact boxes and masks: makes the study's built-in data set.

`car` has a car's shape and meshes, `scene` its surroundings, `camera` light, lens and path tracing: one photo with its
masks. `things` has what stands in the pictures without a car. `dataset` renders a whole data set in COCO's format.
`geometry` has meshes and materials. The package needs the extra `rendering` (Mitsuba). It imports `carseg_lib.core`
and `carseg_lib.data`; nothing imports it.
"""
