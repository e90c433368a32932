"""What a miniature scene is: frozen data, in pixels of a 64x64 picture, origin at the top left.

A scene says what there is; `src.miniature.world.render` alone decides how it looks, so physical consequences (shadows,
reflections, dimmed colours, snow caps) never have to be spelled out by an edit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

SIZE = 64
"""Width and height of every picture, in pixels."""

Backdrop = Literal["meadow", "sand", "lake", "street", "room", "board"]
Side = Literal["left", "right"]
Time = Literal["day", "night", "sunset"]
Weather = Literal["clear", "rain", "snow", "fog", "storm"]
Season = Literal["spring", "summer", "autumn", "winter"]
Water = Literal["open", "frozen", "dry", "green", "black"]


@dataclass(frozen=True)
class Thing:
    """One object of a scene.

    Attributes:
        kind: Name of its sprite, a key of `src.miniature.world.sprites.SPRITES`.
        colour: One of `src.miniature.world.palette.COLOURS`; sprites with colours of their own ignore it.
        x: Horizontal centre.
        y: Bottom edge (where it stands); for the flat shapes of a board the vertical centre.
        size: Width for most kinds; height for persons, poles, lights, strings and dominoes.
        state: What the kind allows, such as "on" for a lamp or "left" for a fallen domino.
    """

    kind: str
    colour: str
    x: float
    y: float
    size: float
    state: str = ""


@dataclass(frozen=True)
class Scene:
    """A place, its light and weather, and the things in it, listed from back to front.

    Attributes:
        backdrop: What lies behind the things.
        things: The objects, painted in this order.
        horizon: Row where the ground (or floor, or water) begins.
        shade: Which of the backdrop's background colours is used, 0 to 2.
        water: What became of a lake: only open water mirrors what is above it.
        sun: Side of the sky the sun (at night the moon) is on; None hides it, and with it every shadow.
        cloud: Horizontal centre of the one cloud; None for a sky without clouds.
    """

    backdrop: Backdrop
    things: tuple[Thing, ...]
    horizon: int = 40
    shade: int = 0
    time: Time = "day"
    weather: Weather = "clear"
    season: Season = "summer"
    water: Water = "open"
    sun: Side | None = None
    cloud: int | None = None

    def changing(self, index: int, **changes: Any) -> Scene:
        """Return this scene with fields of the thing at `index` replaced."""
        things = list(self.things)
        things[index] = replace(things[index], **changes)
        return replace(self, things=tuple(things))

    def without(self, *indices: int) -> Scene:
        """Return this scene without the things at `indices`."""
        return replace(self, things=tuple(thing for i, thing in enumerate(self.things) if i not in indices))

    def adding(self, *things: Thing, behind: bool = False) -> Scene:
        """Return this scene with more things in front of all others, or `behind` them."""
        return replace(self, things=things + self.things if behind else self.things + things)


def opposite(side: Side) -> Side:
    """Return the other side."""
    return "right" if side == "left" else "left"


def towards(side: Side) -> int:
    """Return the direction of `side` along x: -1 for left, +1 for right."""
    return -1 if side == "left" else 1


SCALE_ARM = 19.0
"""Distance of a balance scale's pans from its post."""

SCALE_DROP = 7.0
"""How far a pan moves from the level position when the scale tips."""


def pan_height(scale: Thing, side: Side) -> float:
    """Return the row of the pan on `side` of a balance scale (its state: level, or the side that is down)."""
    level = scale.y - scale.size + 12.0
    if scale.state == "level":
        return level
    return level + SCALE_DROP if scale.state == side else level - SCALE_DROP


SLOPE_STEEPNESS = 0.55
"""Height of a slope as a share of its width."""


def slope_surface(slope: Thing, x: float) -> float:
    """Return the row of the surface of a slope at `x`; the slope's state is the side of its high end."""
    low_end = slope.x - towards("left" if slope.state == "left" else "right") * slope.size / 2
    return slope.y - abs(x - low_end) * SLOPE_STEEPNESS
