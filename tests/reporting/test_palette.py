"""Colours of the body types."""

from __future__ import annotations

from carseg_lib.core.classes import BODY_TYPES
from carseg_lib.reporting.palette import CLASS_COLORS, NO_DETECTION_COLOR, class_color, class_colors


def test_every_type_has_a_colour_of_its_own():
    assert class_colors(BODY_TYPES) == CLASS_COLORS
    many = tuple(f"type {k}" for k in range(40))
    assert len(set(class_colors(many).values())) == 40
    mixed = ("wagon", "suv", "hatchback", "minivan", "pickup")
    colours = class_colors(mixed)
    assert len(set(colours.values())) == 5
    assert (colours["suv"], colours["minivan"]) == (CLASS_COLORS["suv"], CLASS_COLORS["minivan"])
    assert class_color("wagon", mixed) == colours["wagon"] == CLASS_COLORS["sedan"]
    assert class_color("no car found", mixed) == class_color("wagon") == NO_DETECTION_COLOR
