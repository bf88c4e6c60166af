"""Cars drawn by a path tracer, with exact boxes and masks: makes the study's embedded data set.

One way only: `shapes` (a car's parameters) and `scenes` (a photo's parameters) → `car`, `surroundings`, `light` and
`camera` (what the renderer is given) → `photographs` (a photo and its truth) → `dataset` (all of them, as COCO).
Needs the optional extra `mitsuba`; whoever only uses the data set does not.
"""
