"""Materials: Mitsuba BSDFs as dictionaries. Colours are linear RGB in 0..1."""

from __future__ import annotations

from typing import Any

from carseg_rendering.geometry.meshes import Floats

BSDF = dict[str, Any]
Colour = Floats


def rgb(colour: Colour) -> dict[str, Any]:
    """A Mitsuba colour."""
    return {"type": "rgb", "value": [float(min(max(c, 0.0), 0.999)) for c in colour]}


def matte(colour: Colour) -> BSDF:
    """Cloth, earth, walls, rubber: no gloss; seen from both sides."""
    return {"type": "twosided", "bsdf": {"type": "diffuse", "reflectance": rgb(colour)}}


def plastic(colour: Colour, *, roughness: float = 0.2) -> BSDF:
    """Plastic, varnish, wet ground: a clear gloss over a colour."""
    return {"type": "twosided", "bsdf": _glossy(colour, roughness)}


def metal(colour: Colour = (0.9, 0.9, 0.9), *, roughness: float = 0.15) -> BSDF:
    """Bare metal: chrome at a roughness of 0.02, aluminium rims at 0.2."""
    return {
        "type": "twosided",
        "bsdf": {"type": "roughconductor", "material": "none", "specular_reflectance": rgb(colour), "alpha": roughness},
    }


def paint(colour: Colour, *, flake: float = 0.0, roughness: float = 0.05, dirt: float = 0.0) -> BSDF:
    """Car paint: a base colour, metal flakes and a clear coat.

    Args:
        colour: Colour of the base.
        flake: Share of metal flakes in the base: 0 solid, 0.3-0.5 pearl, 0.6-0.9 metallic.
        roughness: Roughness of the clear coat; dirt and age make it larger.
        dirt: Share of dull dust on it, 0..1.
    """
    coat = _glossy(colour, roughness)
    if flake > 0:
        flakes = {"type": "roughconductor", "material": "none", "specular_reflectance": rgb(colour), "alpha": 0.3}
        coat = {"type": "blendbsdf", "weight": float(flake), "base": coat, "flakes": flakes}
    coat = {"type": "twosided", "bsdf": coat}
    if dirt <= 0:
        return coat
    return {"type": "blendbsdf", "weight": float(min(dirt, 1.0)), "clean": coat, "dust": matte((0.30, 0.26, 0.21))}


def glass(clearness: float) -> BSDF:
    """A thin pane before a dark cabin: it mirrors as glass does and is partly transparent.

    Direct light does not pass it, so that cabins are dark, as in photographs.

    Args:
        clearness: Share of the light from behind that comes through, 0..1.
    """
    mirror = _glossy((0.006, 0.007, 0.007), 0.001)
    return {"type": "mask", "opacity": float(1 - clearness), "pane": {"type": "twosided", "bsdf": mirror}}


def lamp_glass(colour: Colour = (0.9, 0.9, 0.92)) -> BSDF:
    """A lamp's face, seen from outside: bright plastic under a gloss."""
    return plastic(colour, roughness=0.05)


def _glossy(colour: Colour, roughness: float) -> BSDF:
    # "principled" rather than "roughplastic", which takes 0.1 s to load; its roughness is the microfacets' root
    return {"type": "principled", "base_color": rgb(colour), "roughness": float(roughness**0.5), "specular": 0.7}
