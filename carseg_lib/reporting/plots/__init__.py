"""Figures: functions that take tables or photos and return matplotlib Figures that stand alone.

Every figure has a title, axes with units, the number of photos and, for estimates, a 95% interval.
`data` draws the photos as numbers, `photos` draws on photos, `training` and `evaluation` draw what a run
measured; `style` is what they share. Import from these: nothing is gathered here, so that a step of the study
depends on the figures it draws and on no others.
"""
