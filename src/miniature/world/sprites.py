"""How each kind of thing is drawn."""

from __future__ import annotations

import math
from collections.abc import Callable

from src.miniature.world.canvas import Canvas
from src.miniature.world.flat_sprites import circle, square, triangle
from src.miniature.world.palette import (
    COLOURS,
    DARK,
    FOLIAGE,
    GLOW,
    METAL,
    PUDDLE,
    SKIN,
    SNOW,
    UNLIT,
    WOOD,
    Rgb,
    sky_colour,
)
from src.miniature.world.scene import SCALE_ARM, SLOPE_STEEPNESS, Scene, Side, Thing, pan_height

Sprite = Callable[[Canvas, Thing, Scene], None]


def _glowing(canvas: Canvas, paint: Callable[[], None]) -> None:
    """Paint something that shines by itself: the scene's light does not dim it."""
    tone, canvas.tone = canvas.tone, (1.0, 1.0, 1.0)
    paint()
    canvas.tone = tone


def house(canvas: Canvas, thing: Thing, scene: Scene) -> None:
    """A house of the thing's colour with a roof and two windows that are lit at night."""
    half, eaves = thing.size / 2, thing.y - thing.size * 0.6
    canvas.rectangle(thing.x - half, eaves, thing.x + half, thing.y, COLOURS[thing.colour])
    roof = SNOW if scene.season == "winter" or scene.weather == "snow" else (120, 64, 52)
    canvas.polygon(
        [(thing.x - half - 2, eaves), (thing.x, thing.y - thing.size * 1.05), (thing.x + half + 2, eaves)], roof
    )

    def windows() -> None:
        for centre in (thing.x - half * 0.5, thing.x + half * 0.5):
            pane = GLOW if scene.time == "night" else (190, 214, 226)
            canvas.rectangle(centre - 2, eaves + 3, centre + 2, eaves + 7.5, pane)

    canvas.rectangle(thing.x - half * 0.5 - 2.5, eaves + 2.5, thing.x - half * 0.5 + 2.5, eaves + 8, DARK)
    canvas.rectangle(thing.x + half * 0.5 - 2.5, eaves + 2.5, thing.x + half * 0.5 + 2.5, eaves + 8, DARK)
    if scene.time == "night":
        _glowing(canvas, windows)
    else:
        windows()


def tree(canvas: Canvas, thing: Thing, scene: Scene) -> None:
    """A tree whose crown follows the season and carries snow when it snows."""
    crown_top = thing.y - thing.size * 1.4
    canvas.rectangle(thing.x - 1.5, thing.y - thing.size * 0.6, thing.x + 1.5, thing.y, WOOD)
    left, right = thing.x - thing.size / 2, thing.x + thing.size / 2
    canvas.ellipse(left, crown_top, right, thing.y - thing.size * 0.4, FOLIAGE[scene.season])
    if scene.season == "winter" or scene.weather == "snow":
        canvas.half_disc(left, crown_top - 1, right, crown_top + thing.size * 0.5, SNOW)


def box(canvas: Canvas, thing: Thing, scene: Scene) -> None:
    """A square box."""
    half = thing.size / 2
    canvas.rectangle(thing.x - half, thing.y - thing.size, thing.x + half, thing.y, COLOURS[thing.colour])


def ball(canvas: Canvas, thing: Thing, scene: Scene) -> None:
    """A ball."""
    half = thing.size / 2
    canvas.ellipse(thing.x - half, thing.y - thing.size, thing.x + half, thing.y, COLOURS[thing.colour])


def person(canvas: Canvas, thing: Thing, scene: Scene) -> None:
    """A standing person in clothes of the thing's colour; state "helmet" puts a yellow hard hat on."""
    top = thing.y - thing.size
    waist, neck = thing.y - thing.size * 0.3, top + thing.size * 0.34
    canvas.rectangle(thing.x - 3, waist, thing.x - 0.5, thing.y, DARK)
    canvas.rectangle(thing.x + 0.5, waist, thing.x + 3, thing.y, DARK)
    canvas.rectangle(thing.x - 4, neck, thing.x + 4, waist, COLOURS[thing.colour])
    canvas.ellipse(thing.x - 3, top, thing.x + 3, neck, SKIN)
    if thing.state == "helmet":
        canvas.half_disc(thing.x - 5, top - 3, thing.x + 5, top + 2, COLOURS["yellow"])
        canvas.rectangle(thing.x - 6.5, top + 1.5, thing.x + 6.5, top + 3.5, COLOURS["yellow"])


def car(canvas: Canvas, thing: Thing, scene: Scene) -> None:
    """A car seen from the side."""
    half = thing.size / 2
    canvas.rectangle(thing.x - half, thing.y - 7, thing.x + half, thing.y - 2, COLOURS[thing.colour])
    canvas.rectangle(thing.x - half * 0.55, thing.y - 11, thing.x + half * 0.55, thing.y - 6.5, COLOURS[thing.colour])
    canvas.rectangle(thing.x - half * 0.4, thing.y - 10, thing.x + half * 0.4, thing.y - 7, (206, 226, 238))
    for wheel in (thing.x - half * 0.55, thing.x + half * 0.55):
        canvas.ellipse(wheel - 2.5, thing.y - 4.5, wheel + 2.5, thing.y + 0.5, DARK)


def table(canvas: Canvas, thing: Thing, scene: Scene) -> None:
    """A wooden table, 16 px high."""
    half, top = thing.size / 2, thing.y - 16
    canvas.rectangle(thing.x - half, top, thing.x + half, top + 3, WOOD)
    for leg in (thing.x - half + 2, thing.x + half - 2):
        canvas.rectangle(leg - 1, top, leg + 1, thing.y, WOOD)


def shelf(canvas: Canvas, thing: Thing, scene: Scene) -> None:
    """A plank on the wall; y is its upper side."""
    half = thing.size / 2
    canvas.rectangle(thing.x - half, thing.y, thing.x + half, thing.y + 3, WOOD)
    for bracket in (thing.x - half + 3, thing.x + half - 3):
        canvas.rectangle(bracket - 1, thing.y + 3, bracket + 1, thing.y + 6, DARK)


def slope(canvas: Canvas, thing: Thing, scene: Scene) -> None:
    """A ramp; its state is the side of the high end."""
    half, top = thing.size / 2, thing.y - thing.size * SLOPE_STEEPNESS
    high = thing.x - half if thing.state == "left" else thing.x + half
    canvas.polygon([(thing.x - half, thing.y), (thing.x + half, thing.y), (high, top)], METAL)


def hill(canvas: Canvas, thing: Thing, scene: Scene) -> None:
    """A hill, half as high as wide, with a flat top of 12 px."""
    half, top = thing.size / 2, thing.y - thing.size / 2
    corners = [(thing.x - half, thing.y), (thing.x - 6, top), (thing.x + 6, top), (thing.x + half, thing.y)]
    canvas.polygon(corners, METAL)


def scale(canvas: Canvas, thing: Thing, scene: Scene) -> None:
    """A balance scale; its state is level, or the side that is down."""
    pivot = thing.y - thing.size
    canvas.rectangle(thing.x - 1.5, pivot, thing.x + 1.5, thing.y, DARK)
    canvas.rectangle(thing.x - 7, thing.y - 2, thing.x + 7, thing.y, DARK)
    sides: tuple[tuple[Side, float], ...] = (("left", thing.x - SCALE_ARM), ("right", thing.x + SCALE_ARM))
    ends = []
    for side, x in sides:
        pan = pan_height(thing, side)
        ends.append((x, pan - 12))
        for corner in (x - 6, x + 6):
            canvas.line((x, pan - 12), (corner, pan), METAL)
        canvas.rectangle(x - 8, pan, x + 8, pan + 2, DARK)
    canvas.line(ends[0], ends[1], DARK, 2)


def traffic_light(canvas: Canvas, thing: Thing, scene: Scene) -> None:
    """A light on a pole: red, yellow, green from above; its state is the colour that shines, or empty."""
    top = thing.y - thing.size
    canvas.rectangle(thing.x - 1, top, thing.x + 1, thing.y, METAL)
    canvas.rectangle(thing.x - 4.5, top, thing.x + 4.5, top + 23.5, COLOURS["black"])
    lenses = (("red", (255, 48, 40)), ("yellow", (255, 214, 50)), ("green", (40, 224, 80)))
    for index, (colour, bright) in enumerate(lenses):
        shine: Rgb = bright if thing.state == colour else UNLIT
        offset = 1 + 7.5 * index
        canvas.ellipse(thing.x - 3.25, top + offset, thing.x + 3.25, top + offset + 6.5, shine)


def bin_(canvas: Canvas, thing: Thing, scene: Scene) -> None:
    """A waste bin with a slightly darker rim."""
    half, top = thing.size / 2, thing.y - 14
    colour = COLOURS[thing.colour]
    canvas.polygon(
        [
            (thing.x - half, top),
            (thing.x + half, top),
            (thing.x + half - 1.5, thing.y),
            (thing.x - half + 1.5, thing.y),
        ],
        colour,
    )
    rim = (round(colour[0] * 0.7), round(colour[1] * 0.7), round(colour[2] * 0.7))
    canvas.rectangle(thing.x - half - 1, top, thing.x + half + 1, top + 3, rim)


def apple(canvas: Canvas, thing: Thing, scene: Scene) -> None:
    """A yellow apple with a brown stalk."""
    half = thing.size / 2
    canvas.ellipse(thing.x - half, thing.y - thing.size, thing.x + half, thing.y, (236, 206, 60))
    canvas.line((thing.x, thing.y - thing.size + 1), (thing.x + 1, thing.y - thing.size - 2), WOOD, 1.5)


def bottle(canvas: Canvas, thing: Thing, scene: Scene) -> None:
    """A light blue plastic bottle."""
    half, top = thing.size / 2, thing.y - thing.size * 1.3
    canvas.rectangle(thing.x - half * 0.7, top + 4, thing.x + half * 0.7, thing.y, (92, 178, 206))
    canvas.rectangle(thing.x - 1.5, top + 1.5, thing.x + 1.5, top + 4, (92, 178, 206))
    canvas.rectangle(thing.x - 2, top, thing.x + 2, top + 2, COLOURS["blue"])


def battery(canvas: Canvas, thing: Thing, scene: Scene) -> None:
    """A battery: black with an orange top."""
    half, top = thing.size / 2, thing.y - thing.size * 1.2
    canvas.rectangle(thing.x - 1.5, top, thing.x + 1.5, top + 2, METAL)
    canvas.rectangle(thing.x - half * 0.7, top + 1.5, thing.x + half * 0.7, thing.y, COLOURS["black"])
    canvas.rectangle(thing.x - half * 0.7, top + 1.5, thing.x + half * 0.7, top + 5, COLOURS["orange"])


def kiosk(canvas: Canvas, thing: Thing, scene: Scene) -> None:
    """A ticket booth with a striped awning."""
    half, top = thing.size / 2, thing.y - 22
    canvas.rectangle(thing.x - half, top, thing.x + half, thing.y, (206, 176, 136))
    canvas.rectangle(thing.x - half + 2, top + 7, thing.x + half - 2, top + 13, DARK)
    stripe = (thing.size + 2) / 4
    for index in range(4):
        left = thing.x - half - 1 + index * stripe
        canvas.rectangle(left, top, left + stripe, top + 5, COLOURS["red" if index % 2 == 0 else "white"])


def flagpole(canvas: Canvas, thing: Thing, scene: Scene) -> None:
    """A pole with a flag of the thing's colour; its state is "top", "half" or "bottom"."""
    top = thing.y - thing.size
    canvas.rectangle(thing.x - 1, top, thing.x + 1, thing.y, METAL)
    flag = top + {"top": 1, "half": thing.size * 0.37, "bottom": thing.size - 13}[thing.state]
    canvas.rectangle(thing.x + 1, flag, thing.x + 18, flag + 11, COLOURS[thing.colour])


def bricks(canvas: Canvas, thing: Thing, scene: Scene) -> None:
    """An unfinished brick wall."""
    half, row = thing.size / 2, 4.5
    for index, share in enumerate((1.0, 1.0, 1.0, 0.6, 0.35)):
        bottom = thing.y - index * row
        canvas.rectangle(thing.x - half, bottom - row, thing.x - half + thing.size * share, bottom - 0.5, (178, 88, 62))


def balloon(canvas: Canvas, thing: Thing, scene: Scene) -> None:
    """A balloon; y is its knot."""
    half = thing.size / 2
    canvas.polygon([(thing.x, thing.y - 3), (thing.x - 1.5, thing.y), (thing.x + 1.5, thing.y)], COLOURS[thing.colour])
    canvas.ellipse(
        thing.x - half, thing.y - 1.5 - thing.size * 1.15, thing.x + half, thing.y - 1.5, COLOURS[thing.colour]
    )


def string(canvas: Canvas, thing: Thing, scene: Scene) -> None:
    """A taut string or rope from y up by the thing's size."""
    canvas.rectangle(thing.x - 0.75, thing.y - thing.size, thing.x + 0.75, thing.y, DARK)


def hook(canvas: Canvas, thing: Thing, scene: Scene) -> None:
    """A beam under the ceiling; y is its lower side."""
    half = thing.size / 2
    canvas.rectangle(thing.x - half, thing.y - 4, thing.x + half, thing.y, WOOD)


def domino(canvas: Canvas, thing: Thing, scene: Scene) -> None:
    """A domino, standing or fallen to the side of its state."""
    half, height = thing.size / 7, thing.size
    corners = [(-half, 0.0), (half, 0.0), (half, -height), (-half, -height)]
    if thing.state:
        angle = math.radians(62 if thing.state == "right" else -62)
        pivot = half if thing.state == "right" else -half
        corners = [
            (
                pivot + (x - pivot) * math.cos(angle) - y * math.sin(angle),
                (x - pivot) * math.sin(angle) + y * math.cos(angle),
            )
            for x, y in corners
        ]
    canvas.polygon([(thing.x + x, thing.y + y) for x, y in corners], COLOURS[thing.colour])


def snowman(canvas: Canvas, thing: Thing, scene: Scene) -> None:
    """A snowman with a hat of the thing's colour and an orange nose."""
    half = thing.size / 2
    canvas.ellipse(thing.x - half, thing.y - thing.size, thing.x + half, thing.y, SNOW)
    head = thing.size * 0.36
    head_bottom = thing.y - thing.size * 0.85
    canvas.ellipse(thing.x - head, head_bottom - 2 * head, thing.x + head, head_bottom, SNOW)
    canvas.rectangle(thing.x, head_bottom - head, thing.x + 4, head_bottom - head + 1.5, COLOURS["orange"])
    _hat(canvas, thing.x, head_bottom - 2 * head + 2, COLOURS[thing.colour])


def puddle(canvas: Canvas, thing: Thing, scene: Scene) -> None:
    """What is left of a snowman: water with the hat on it."""
    half = thing.size / 2
    canvas.ellipse(thing.x - half, thing.y - 5, thing.x + half, thing.y + 2, PUDDLE)
    _hat(canvas, thing.x, thing.y - 1, COLOURS[thing.colour])


def _hat(canvas: Canvas, x: float, y: float, colour: Rgb) -> None:
    canvas.rectangle(x - 5, y - 2, x + 5, y, colour)
    canvas.rectangle(x - 3, y - 6, x + 3, y - 1, colour)


def lamp(canvas: Canvas, thing: Thing, scene: Scene) -> None:
    """A hanging lamp; y is the lower rim of its shade, its state is on or off."""
    half = thing.size / 2
    canvas.rectangle(thing.x - 0.5, 0, thing.x + 0.5, thing.y - 6, DARK)
    canvas.polygon(
        [(thing.x - half, thing.y), (thing.x + half, thing.y), (thing.x + 2, thing.y - 7), (thing.x - 2, thing.y - 7)],
        COLOURS[thing.colour],
    )


def rainbow(canvas: Canvas, thing: Thing, scene: Scene) -> None:
    """A rainbow over the sky; y is the row of its ends, its size the width."""
    for index, colour in enumerate((COLOURS["red"], COLOURS["yellow"], COLOURS["blue"], sky_colour(scene))):
        half, top = thing.size / 2 - 3 * index, thing.y - thing.size * 0.55 + 3 * index
        canvas.half_disc(thing.x - half, top, thing.x + half, thing.y, colour)


SPRITES: dict[str, Sprite] = {
    "house": house,
    "tree": tree,
    "box": box,
    "ball": ball,
    "person": person,
    "car": car,
    "table": table,
    "shelf": shelf,
    "slope": slope,
    "hill": hill,
    "scale": scale,
    "traffic_light": traffic_light,
    "bin": bin_,
    "apple": apple,
    "bottle": bottle,
    "battery": battery,
    "kiosk": kiosk,
    "flagpole": flagpole,
    "bricks": bricks,
    "balloon": balloon,
    "string": string,
    "hook": hook,
    "domino": domino,
    "snowman": snowman,
    "puddle": puddle,
    "lamp": lamp,
    "circle": circle,
    "square": square,
    "triangle": triangle,
    "rainbow": rainbow,
}
"""Every kind of thing and how it is drawn."""
