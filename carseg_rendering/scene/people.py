"""A person of rounded bodies, with clothes and hair."""

from __future__ import annotations

import numpy as np

from carseg_rendering.geometry.materials import matte
from carseg_rendering.geometry.meshes import Array, Mesh, Part, box, tube
from carseg_rendering.scene.plants import placed
from carseg_rendering.scene.walls import pick

SKINS = [(0.50, 0.30, 0.21), (0.38, 0.21, 0.13), (0.20, 0.10, 0.06), (0.58, 0.38, 0.29)]
CLOTHES = [(0.03, 0.04, 0.08), (0.02, 0.02, 0.022), (0.30, 0.29, 0.27), (0.55, 0.54, 0.52), (0.30, 0.04, 0.04),
           (0.06, 0.12, 0.26), (0.10, 0.13, 0.07), (0.28, 0.20, 0.11), (0.45, 0.30, 0.05)]  # fmt: skip


def _ball(centre: Array, radii: tuple[float, float, float]) -> Mesh:
    return box((2.0, 2.0, 2.0), rounding=1.0).scaled(radii).moved(centre)


def person(rng: np.random.Generator) -> list[Part]:
    """A standing or walking person of 1.6-1.9 m that looks along +x."""
    height = rng.uniform(1.58, 1.90)
    broad = rng.uniform(0.88, 1.2)
    stride = float(rng.choice([0.03, rng.uniform(0.1, 0.3)]))
    skin, hair = (
        matte(pick(rng, SKINS)),
        matte(pick(rng, [(0.02, 0.015, 0.01), (0.07, 0.04, 0.02), (0.25, 0.17, 0.08), (0.3, 0.3, 0.3)])),
    )
    top, trousers = (matte(pick(rng, CLOTHES)), matte(pick(rng, CLOTHES[:6] if rng.random() < 0.8 else CLOTHES)))
    shoes = matte(pick(rng, [(0.02, 0.02, 0.02), (0.5, 0.5, 0.48), (0.1, 0.06, 0.03)]))
    parts = []
    for side in (-1, 1):
        step = side * stride
        hip, knee, ankle = (
            (0, side * 0.09, 0.51),
            (step * 0.55 + 0.03, side * 0.095, 0.28),
            (step - 0.02, side * 0.10, 0.045),
        )
        leg = np.array([hip, knee, ankle])
        path = np.array([leg[0], (leg[0] + leg[1]) / 2, leg[1], (leg[1] + leg[2]) / 2 + [-0.01, 0, 0], leg[2]])
        widths = np.array([0.074, 0.068, 0.052, 0.05, 0.04]) * broad
        parts.append(Part("leg", tube(path, widths, sides=10), trousers))
        parts.append(Part("shoe", _ball(np.array([step + 0.03, side * 0.10, 0.028]), (0.085, 0.033, 0.03)), shoes))
        swing = -step * 0.6
        if rng.random() < 0.25:  # a hand at the hip or before the chest
            elbow, hand = (-0.02, side * 0.20, 0.64), (0.13, side * 0.10, 0.64 + rng.uniform(-0.05, 0.12))
        else:
            elbow, hand = (swing * 0.4 - 0.01, side * 0.175, 0.63), (swing + 0.03, side * 0.17, 0.47)
        shoulder = (0, side * 0.125 * broad, 0.80)
        arm = np.array(
            [shoulder, np.add(shoulder, elbow) / 2 + [0, side * 0.012, 0], elbow, np.add(elbow, hand) / 2, hand]
        )
        long_sleeved = rng.random() < 0.5
        upper = tube(arm[:3], np.array([0.043, 0.037, 0.033]) * broad, sides=8)
        fore = tube(arm[2:], np.array([0.031, 0.028, 0.022]) * broad, sides=8)
        parts += [Part("arm", upper, top), Part("forearm", fore, top if long_sleeved else skin)]
        parts.append(Part("hand", _ball(np.array(hand) - [0, 0, 0.02], (0.022, 0.017, 0.034)), skin))
    long_coat = rng.random() < 0.25
    foot = 0.34 if long_coat else 0.485
    z = np.array([foot, 0.53, 0.61, 0.70, 0.77, 0.81, 0.83])
    width = np.array([0.105 if long_coat else 0.10, 0.098, 0.088, 0.100, 0.112, 0.085, 0.04]) * broad
    trunk = tube(np.column_stack([0 * z, 0 * z, z]), width, sides=14)
    # flatter from front to back than from side to side
    parts.append(Part("trunk", trunk.scaled((0.68, 1.12, 1.0)), top))
    parts.append(Part("neck", tube([(0, 0, 0.81), (0.01, 0, 0.88)], 0.032, sides=8), skin))
    head = np.array([0.015, 0, 0.932])
    parts.append(Part("head", _ball(head, (0.055, 0.044, 0.066)), skin))
    parts.append(Part("hair", _ball(head + np.array([-0.013, 0, 0.014]), (0.056, 0.049, 0.062)), hair))
    if rng.random() < 0.35:
        bag = box((0.10, 0.17, 0.24), rounding=0.03).moved((-0.12, 0, 0.69))
        parts.append(Part("bag", bag, matte(pick(rng, CLOTHES))))
    return placed(parts, (0, 0), scale=height)
