"""How the flat shapes of boards are drawn."""

from __future__ import annotations

from src.miniature.world.canvas import Canvas
from src.miniature.world.palette import COLOURS
from src.miniature.world.scene import Scene, Thing


def circle(canvas: Canvas, thing: Thing, scene: Scene) -> None:
    """A flat circle around (x, y)."""
    half = thing.size / 2
    canvas.ellipse(thing.x - half, thing.y - half, thing.x + half, thing.y + half, COLOURS[thing.colour])


def square(canvas: Canvas, thing: Thing, scene: Scene) -> None:
    """A flat square around (x, y)."""
    half = thing.size / 2
    canvas.rectangle(thing.x - half, thing.y - half, thing.x + half, thing.y + half, COLOURS[thing.colour])


def triangle(canvas: Canvas, thing: Thing, scene: Scene) -> None:
    """A flat triangle around (x, y), point up."""
    half = thing.size / 2
    corners = [(thing.x - half, thing.y + half), (thing.x + half, thing.y + half), (thing.x, thing.y - half)]
    canvas.polygon(corners, COLOURS[thing.colour])
