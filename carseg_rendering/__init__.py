"""Cars drawn by a path tracer, with exact boxes and masks: makes the study's built-in data set.

One way only: `car` (a car's shape and its meshes), `scene` (what stands around it) and `camera` (light, lens, tracing)
give a photo and its truth; `dataset` makes all of them, as COCO. `geometry` is what everything is built of.
Needs the extra `rendering` (Mitsuba). It imports `carseg_lib.core` and `carseg_lib.data`; nothing imports it.
"""
