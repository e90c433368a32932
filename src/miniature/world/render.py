"""Renders a scene as a picture: backdrop, sun, shadows, things, reflections, falling rain and snow."""

from __future__ import annotations

import numpy as np

from src.miniature.world.canvas import Canvas
from src.miniature.world.palette import (
    BOARDS,
    COLOURS,
    FLOOR,
    FOG,
    GLOW,
    GROUNDS,
    LAKES,
    PLAIN_TONE,
    PUDDLE,
    ROAD,
    SNOW,
    WALLS,
    WATER,
    Rgb,
    sky_colour,
    tone,
)
from src.miniature.world.scene import SIZE, Scene, Thing, opposite, towards
from src.miniature.world.sprites import SPRITES

_SHADOW_SHAPES: dict[str, tuple[float, float]] = {
    "house": (1.0, 1.05),
    "tree": (0.4, 1.4),
    "box": (1.0, 1.0),
    "ball": (0.6, 1.0),
    "person": (0.5, 1.0),
    "car": (1.0, 0.6),
    "kiosk": (1.0, 1.4),
    "flagpole": (0.05, 0.7),
    "bricks": (1.0, 1.0),
    "snowman": (0.7, 1.6),
}
"""Width at the ground and height of every kind that throws a shadow, as shares of its size."""

_FLAKES = tuple((5 + 13 * column + (6 if row % 2 else 0), 6 + 10 * row) for row in range(6) for column in range(5))
_DROPS = tuple((6 + 12 * column + (6 if row % 2 else 0), 2 + 11 * row) for row in range(6) for column in range(5))
_LIGHTNING = ((30, 0), (40, 0), (35, 13), (42, 13), (28, 36), (32, 19), (25, 19))


def render(scene: Scene) -> np.ndarray:
    """Paint a scene.

    Returns:
        uint8 of shape (64, 64, 3), the same on every machine.
    """
    if scene.backdrop == "board":
        canvas = Canvas(BOARDS[scene.shade])
    elif scene.backdrop == "room":
        canvas = _paint_room(scene)
    else:
        canvas = _paint_outdoors(scene)
    for thing in scene.things:
        canvas.tone = PLAIN_TONE if _is_lamp_lit(scene, thing) else tone(scene)
        SPRITES[thing.kind](canvas, thing, scene)
    canvas.tone = tone(scene)
    if scene.backdrop == "lake":
        if scene.water == "open":
            canvas.mirror_down(scene.horizon + 4, WATER, 0.45)
        else:
            canvas.rectangle(0, scene.horizon + 4, SIZE, SIZE, LAKES[scene.water])
    _paint_weather(canvas, scene)
    return canvas.pixels()


def _paint_outdoors(scene: Scene) -> Canvas:
    canvas = Canvas(sky_colour(scene))
    _paint_sky(canvas, scene)
    canvas.tone = tone(scene)
    ground = GROUNDS[scene.backdrop][scene.season]
    canvas.rectangle(0, scene.horizon, SIZE, SIZE, ground)
    if scene.backdrop == "street":
        canvas.rectangle(0, scene.horizon + 8, SIZE, SIZE, ROAD)
        for stripe in range(4):
            left = SIZE / 2 - 10 + stripe * 5.5
            canvas.rectangle(left, scene.horizon + 8, left + 3, SIZE, COLOURS["white"])
    if scene.weather in ("rain", "storm"):
        canvas.ellipse(6, 56, 22, 61, PUDDLE)
        canvas.ellipse(40, 58, 58, 63, PUDDLE)
    if scene.sun is not None and scene.weather == "clear" and scene.time != "night":
        for thing in scene.things:
            _paint_shadow(canvas, thing, scene, ground)
    return canvas


def _paint_sky(canvas: Canvas, scene: Scene) -> None:
    if scene.sun is not None and scene.weather == "clear":
        x, y = (9.0 if scene.sun == "left" else SIZE - 9.0), 9.0
        colour: Rgb = (255, 222, 50)
        if scene.time == "night":
            colour = (246, 246, 236)
        elif scene.time == "sunset":
            x, y, colour = x - 3 * towards(opposite(scene.sun)), scene.horizon - 3.0, (222, 44, 36)
        canvas.ellipse(x - 5.5, y - 5.5, x + 5.5, y + 5.5, colour)
    if scene.weather == "storm":
        canvas.polygon(_LIGHTNING, (255, 232, 70))
    if scene.cloud is not None:
        shade: Rgb = (250, 250, 250)
        if scene.time == "night":
            shade = (92, 100, 146)
        elif scene.weather != "clear":
            shade = (168, 174, 182)
        elif scene.time == "sunset":
            shade = (255, 196, 140)
        canvas.ellipse(scene.cloud - 8, 7, scene.cloud + 4, 14, shade)
        canvas.ellipse(scene.cloud - 3, 4, scene.cloud + 8, 14, shade)


def _paint_shadow(canvas: Canvas, thing: Thing, scene: Scene, ground: Rgb) -> None:
    if thing.kind not in _SHADOW_SHAPES or scene.sun is None:
        return
    width, height = (share * thing.size for share in _SHADOW_SHAPES[thing.kind])
    away = towards(opposite(scene.sun))
    reach = width / 2 + height * (1.5 if scene.time == "sunset" else 0.7)
    near, far = thing.x, thing.x + away * reach
    dark = (round(ground[0] * 0.55), round(ground[1] * 0.55), round(ground[2] * 0.55))
    canvas.ellipse(min(near, far), thing.y - 2.5, max(near, far), thing.y + 2, dark)


def _paint_room(scene: Scene) -> Canvas:
    canvas = Canvas((0, 0, 0))
    canvas.tone = tone(scene)
    canvas.rectangle(0, 0, SIZE, scene.horizon, WALLS[scene.shade])
    canvas.rectangle(0, scene.horizon, SIZE, SIZE, FLOOR)
    for thing in scene.things:
        if thing.kind == "lamp" and thing.state == "on":
            canvas.tone = PLAIN_TONE
            reach, half = thing.size, thing.size / 2
            canvas.ellipse(thing.x - reach, 50, thing.x + reach, 62, GLOW)
            rim = [(thing.x - half, thing.y), (thing.x + half, thing.y)]
            canvas.polygon([*rim, (thing.x + reach, 56), (thing.x - reach, 56)], GLOW)
    return canvas


def _is_lamp_lit(scene: Scene, thing: Thing) -> bool:
    """Say whether a lamp that is on shines on the thing (or is the thing)."""
    return any(
        other.kind == "lamp" and other.state == "on" and abs(other.x - thing.x) < other.size for other in scene.things
    )


def _paint_weather(canvas: Canvas, scene: Scene) -> None:
    """Paint drops or flakes; the pattern is fixed, so that an edit has one exact result."""
    canvas.tone = PLAIN_TONE
    if scene.weather == "snow":
        for x, y in _FLAKES:
            canvas.ellipse(x - 1, y - 1, x + 1, y + 1, SNOW)
    elif scene.weather == "fog":
        canvas.veil(FOG, 0.65)
    elif scene.weather in ("rain", "storm"):
        for x, y in _DROPS:
            canvas.line((x, y), (x - 2, y + 5), (206, 222, 240))
