"""The place that the settings of 环境 share: a house, a tree and sometimes a third thing."""

from __future__ import annotations

import random
from dataclasses import replace

from src.miniature.world.palette import COLOURS
from src.miniature.world.scene import Thing

_COLOURS = tuple(name for name in sorted(COLOURS) if name != "white")
"""White would vanish in snow and fog."""


def place(rng: random.Random) -> tuple[Thing, ...]:
    """Return a house and a tree, either of them on the left, and sometimes a person, a box or a ball between them."""
    ground = rng.randint(48, 51)
    house = Thing("house", rng.choice(_COLOURS), rng.randint(22, 24), ground, 19)
    things = [house, Thing("tree", "green", rng.randint(43, 46), ground + 2, 17)]
    third = rng.choice(("none", "person", "box", "ball"))
    if third != "none":
        things.append(Thing(third, rng.choice(_COLOURS), 33, ground + 6, 15 if third == "person" else 9))
    if rng.random() < 0.5:
        things = [replace(thing, x=64 - thing.x) for thing in things]
    return tuple(things)


def shore(rng: random.Random, edge: int) -> tuple[Thing, ...]:
    """Return a house and a tree, either of them on the left, that stand at a shore in row `edge`."""
    left, right = rng.choice(((18, 46), (46, 18)))
    house = Thing("house", rng.choice(_COLOURS), left, edge, 18)
    return (house, Thing("tree", "green", right, edge, 14))
