"""Bottles and tableware, most of it turned."""

from __future__ import annotations

import numpy as np

from carseg_rendering.geometry.materials import BSDF, lamp_glass, matte, plastic
from carseg_rendering.geometry.meshes import Part, merged
from carseg_rendering.scene.walls import pick
from carseg_rendering.things.boards import strokes
from carseg_rendering.things.forms import (
    BLACK,
    BRIGHT,
    Maker,
    ball,
    bare_metal,
    ceramic,
    cylinder,
    draped,
    glassy,
    lacquered,
    patterned,
    pipe,
    rod,
    turned,
    wooden,
)


def _glaze(rng: np.random.Generator) -> BSDF:
    return patterned(rng, metres=0.25) if rng.random() < 0.3 else ceramic(rng)


def rounded_off(profile: list[tuple[float, float]], steps: int = 60) -> np.ndarray:
    """A profile with its corners rounded off."""
    points = np.array(profile)
    along = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    at = np.linspace(0, along[-1], steps)
    dense = np.stack([np.interp(at, along, points[:, i]) for i in (0, 1)], 1)
    for _ in range(3):
        dense[1:-1] = (dense[:-2] + 2 * dense[1:-1] + dense[2:]) / 4
    return dense


def _bottle(rng: np.random.Generator) -> list[Part]:
    radius, tall, neck = rng.uniform(0.12, 0.2), rng.uniform(0.45, 0.7), rng.uniform(0.04, 0.07)
    top, shoulder = tall * rng.uniform(1.25, 1.6), rng.uniform(0.04, 0.25)
    outline = rounded_off([(0, 0), (radius, 0), (radius, tall - shoulder), (neck, tall + 0.08), (neck, top), (0, top)])
    parts = [
        Part(
            "bottle", turned(outline), glassy(rng) if rng.random() < 0.6 else plastic(pick(rng, BRIGHT), roughness=0.08)
        ),
        Part("cap", cylinder(neck * 1.15, 0.07, (0, 0, top - 0.03)), lacquered(rng)),
    ]
    if rng.random() < 0.7:
        label = turned([(1.005 * radius, 0.18 * tall), (1.005 * radius, 0.62 * tall)])
        parts.append(
            Part(
                "label",
                draped(label),
                patterned(rng, metres=0.3) if rng.random() < 0.4 else matte(pick(rng, [(0.72, 0.7, 0.62), *BRIGHT])),
            )
        )
        parts.append(
            Part("text", strokes(rng, 0.9 * radius, 0.25 * tall, 3, x=1.02 * radius).moved((0, 0, 0.3 * tall)), BLACK)
        )
    return parts


def _mug(rng: np.random.Generator) -> list[Part]:
    radius, tall = rng.uniform(0.16, 0.24), rng.uniform(0.3, 0.5)
    body = turned(
        rounded_off(
            [
                (0, 0),
                (0.85 * radius, 0),
                (radius, 0.1 * tall),
                (radius, tall),
                (0.9 * radius, tall),
                (0.88 * radius, 0.06),
                (0, 0.05),
            ]
        )
    )
    t = np.linspace(-1.3, 1.3, 9)
    handle = pipe(np.stack([0 * t, radius * 0.9 + 0.16 * np.cos(t), 0.5 * tall + 0.32 * tall * np.sin(t)], 1), 0.03)
    parts = [Part("mug", draped(merged([body, handle])), _glaze(rng))]
    if rng.random() < 0.5:
        parts.append(
            Part(
                "drink",
                cylinder(0.88 * radius, 0.01, (0, 0, 0.85 * tall)),
                plastic((0.03, 0.015, 0.008), roughness=0.02),
            )
        )
    if rng.random() < 0.4:
        parts.append(
            Part(
                "saucer",
                turned(
                    rounded_off(
                        [
                            (0, 0),
                            (0.6 * radius, 0),
                            (1.8 * radius, 0.09),
                            (1.75 * radius, 0.11),
                            (0.6 * radius, 0.03),
                            (0, 0.03),
                        ]
                    )
                ),
                parts[0].material,
            )
        )
        parts[-1] = Part("saucer", draped(parts[-1].mesh.moved((0, 0, -0.03))), parts[0].material)
    return parts


def _bowl(rng: np.random.Generator) -> list[Part]:
    radius, deep = rng.uniform(0.35, 0.6), rng.uniform(0.2, 0.45)
    profile = rounded_off(
        [
            (0, 0),
            (0.4 * radius, 0),
            (0.4 * radius, 0.05),
            (0.8 * radius, 0.45 * deep),
            (radius, deep),
            (0.95 * radius, deep),
            (0.7 * radius, 0.5 * deep),
            (0, 0.08),
        ]
    )
    parts = [Part("bowl", draped(turned(profile, sides=48)), _glaze(rng))]
    if rng.random() < 0.6:
        colour = plastic(pick(rng, BRIGHT[:5]), roughness=0.15)
        fruit = [
            ball(0.14, (0.5 * radius * np.cos(a), 0.5 * radius * np.sin(a), 0.85 * deep))
            for a in np.linspace(0, 2 * np.pi, 6)[:-1]
        ] + [ball(0.14, (0, 0, deep + 0.08))]
        parts.append(Part("fruit", merged(fruit), colour))
    return parts


def _plates(rng: np.random.Generator) -> list[Part]:
    count, radius, glaze = int(rng.integers(1, 12)), rng.uniform(0.35, 0.55), _glaze(rng)
    profile = rounded_off(
        [(0, 0), (0.6 * radius, 0), (radius, 0.08), (0.97 * radius, 0.1), (0.6 * radius, 0.025), (0, 0.025)]
    )
    if count < 3:  # one on edge, as on a dresser
        plate = turned(profile, sides=48).turned("y", 75)
        plate = plate.moved((0, 0, -plate.vertices[:, 2].min()))
        return [
            Part("plate", draped(plate), glaze),
            Part("stand", merged([rod((-0.15, y, 0.02), (0.2, y, 0.02), 0.015) for y in (-0.15, 0.15)]), wooden(rng)),
        ]
    stack = [
        turned(profile, sides=40).moved((rng.normal(0, 0.01), rng.normal(0, 0.01), 0.045 * k)) for k in range(count)
    ]
    return [Part("plates", draped(merged(stack)), glaze)]


def _vase(rng: np.random.Generator) -> list[Part]:
    tall = rng.uniform(0.6, 1.1)
    z = np.linspace(0, tall, 7)
    r = rng.uniform(0.07, 0.32, 7)
    r[0], r[-1] = rng.uniform(0.1, 0.2), rng.uniform(0.07, 0.2)
    profile = rounded_off(
        [(0, 0), *zip(r, z, strict=True), (r[-1] * 0.85, tall), (r[-1] * 0.8, tall - 0.15), (0, tall - 0.15)], 90
    )
    parts = [Part("vase", draped(turned(profile, sides=48)), _glaze(rng))]
    if rng.random() < 0.5:
        stems, heads = [], []
        for _ in range(int(rng.integers(3, 10))):
            end = np.array([*rng.normal(0, 0.22, 2), tall + rng.uniform(0.2, 0.5)])
            stems.append(rod((0, 0, tall - 0.12), end, 0.01, sides=5))
            heads.append(ball((0.09, 0.09, 0.07), end))
        parts += [
            Part("stems", merged(stems), matte((0.06, 0.13, 0.04))),
            Part("heads", merged(heads), plastic(pick(rng, BRIGHT), roughness=0.4)),
        ]
    return parts


def _teapot(rng: np.random.Generator) -> list[Part]:
    radius = rng.uniform(0.3, 0.42)
    body = turned(
        rounded_off(
            [
                (0, 0),
                (0.6 * radius, 0),
                (radius, 0.5 * radius),
                (0.95 * radius, 0.9 * radius),
                (0.5 * radius, 1.4 * radius),
                (0.35 * radius, 1.45 * radius),
                (0, 1.6 * radius),
            ]
        )
    )
    spout = pipe(
        [(0, 0.85 * radius, 0.5 * radius), (0, 1.35 * radius, 0.75 * radius), (0, 1.7 * radius, 1.3 * radius)],
        [0.13, 0.09, 0.05],
    )
    t = np.linspace(-1.3, 1.3, 9)
    handle = pipe(
        np.stack([0 * t, -0.85 * radius - 0.5 * radius * np.cos(t), 0.8 * radius + 0.5 * radius * np.sin(t)], 1), 0.035
    )
    return [
        Part("pot", draped(merged([body, spout, handle])), _glaze(rng) if rng.random() < 0.7 else bare_metal(rng)),
        Part("knob", ball(0.06, (0, 0, 1.66 * radius)), BLACK),
    ]


def _wine_glass(rng: np.random.Generator) -> list[Part]:
    tall, radius, stem = rng.uniform(0.7, 0.9), rng.uniform(0.17, 0.28), rng.uniform(0.25, 0.4)
    cup = [(0.02, stem), (0.75 * radius, stem + 0.1), (radius, 0.65 * tall + 0.1), (0.8 * radius, tall)]
    foot = turned(rounded_off([(0, 0), (0.2, 0), (0.2, 0.015), (0.025, 0.04), (0.02, stem)]))
    wine = turned(
        rounded_off([(0, stem + 0.01), (0.7 * radius, stem + 0.11), (0.9 * radius, stem + 0.22), (0, stem + 0.22)])
    )
    clear = {
        "type": "mask",
        "opacity": 0.35,
        "pane": {"type": "twosided", "bsdf": lamp_glass((0.55, 0.58, 0.58))["bsdf"]},
    }
    return [
        Part("cup", turned(rounded_off(cup)), clear),
        Part("foot", foot, lamp_glass((0.5, 0.53, 0.53))),
        Part("wine", wine, plastic(pick(rng, [(0.16, 0.005, 0.015), (0.5, 0.4, 0.1)]), roughness=0.02)),
    ]


def _jug(rng: np.random.Generator) -> list[Part]:
    tall = rng.uniform(0.6, 0.85)
    body = turned(
        rounded_off(
            [
                (0, 0),
                (0.2, 0),
                (0.3, 0.3 * tall),
                (0.26, 0.6 * tall),
                (0.14, 0.85 * tall),
                (0.18, tall),
                (0.16, tall),
                (0.12, 0.85 * tall),
                (0, 0.8 * tall),
            ]
        )
    )
    handle = pipe(
        [(0, -0.15, 0.9 * tall), (0, -0.4, 0.8 * tall), (0, -0.36, 0.45 * tall), (0, -0.27, 0.35 * tall)], 0.03
    )
    return [
        Part(
            "jug",
            draped(merged([body, handle, rod((0, 0.1, 0.95 * tall), (0, 0.24, tall), [0.07, 0.03])])),
            _glaze(rng),
        )
    ]


KINDS: dict[str, Maker] = {
    "bottle": _bottle,
    "mug": _mug,
    "bowl": _bowl,
    "plates": _plates,
    "vase": _vase,
    "teapot": _teapot,
    "wine glass": _wine_glass,
    "jug": _jug,
}
