"""Reads from a picture which scene it shows: the drawing of the world that is nearest to it."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from src.miniature.prompts.concepts import HUES, KINDS
from src.miniature.prompts.pictures import LEFT_X, PLACES, RIGHT_X, thing, tree
from src.miniature.world.render import render
from src.miniature.world.scene import Scene, Season, Side, Time, Water, Weather

LARGEST_DISTANCE = 24.0
"""Mean difference in grey levels up to which a picture is taken for the drawing that is nearest to it."""
_SEASONS: tuple[Season, ...] = ("spring", "summer", "autumn", "winter")
_TIMES: tuple[Time, ...] = ("day", "night", "sunset")
_WEATHERS: tuple[Weather, ...] = ("clear", "rain", "snow", "fog", "storm")
_WATERS: tuple[Water, ...] = ("open", "frozen")
_SUNS: tuple[Side | None, ...] = ("right", None)
_CACHED = 8_192
"""Drawings that are kept, 12 kB each: pictures that were made for one prompt are much alike."""


@dataclass(frozen=True)
class Reading:
    """What was read from a picture.

    Attributes:
        scene: The nearest scene.
        distance: Mean absolute difference from its drawing, in grey levels (0–255).
    """

    scene: Scene
    distance: float

    @property
    def legible(self) -> bool:
        """Whether the picture shows a scene of this world at all."""
        return self.distance <= LARGEST_DISTANCE


def read_picture(picture: np.ndarray) -> Reading:
    """Finds the scene whose drawing is nearest, in the sum of absolute differences.

    It starts with the nearest of all places, seasons, hours, weathers and waters without things, and exchanges one part
    at a time for the best of all alternatives until none comes nearer. Nothing is known of what was asked for.

    Args:
        picture: uint8 of shape (64, 64, 3).
    """
    pixels = picture.astype(np.int16)
    scenes, drawings = _empty_scenes()
    distances = np.abs(drawings - pixels).sum(axis=(1, 2, 3), dtype=np.int64)
    best, distance = scenes[int(distances.argmin())], int(distances.min())
    while True:
        before = distance
        for alternatives in (_with_things(best, RIGHT_X), _with_things(best, LEFT_X), _with_things(best, RIGHT_X)):
            best, distance = _nearest(pixels, alternatives, best, distance)
        best, distance = _nearest(pixels, _with_light(best), best, distance)
        if distance == before:
            return Reading(best, distance / pixels.size)


def _nearest(pixels: np.ndarray, alternatives: Iterator[Scene], best: Scene, distance: int) -> tuple[Scene, int]:
    for scene in alternatives:
        found = int(np.abs(_drawing(scene) - pixels).sum(dtype=np.int64))
        if found < distance:
            best, distance = scene, found
    return best, distance


def _with_things(scene: Scene, x: float) -> Iterator[Scene]:
    """The scene with every thing, and with none, in the place of what stands at `x`."""
    others = tuple(one for one in scene.things if one.x != x)
    yield replace(scene, things=others)
    for kind, colour in itertools.product(KINDS, sorted(HUES)):
        things = (*others, thing(scene.backdrop, x, kind, colour))
        yield replace(scene, things=tuple(sorted(things, key=lambda one: (one.kind != "tree", one.x))))


def _with_light(scene: Scene) -> Iterator[Scene]:
    """The scene with one of its season, hour, weather, sun and water exchanged, or its sun with any of them."""
    for sun in _SUNS:
        lit = replace(scene, sun=sun)
        yield lit
        for season in _SEASONS:
            yield replace(lit, season=season)
        for time in _TIMES:
            yield replace(lit, time=time)
        for weather in _WEATHERS:
            yield replace(lit, weather=weather)
    for water in _WATERS:
        yield replace(scene, water=water)


@functools.cache
def _empty_scenes() -> tuple[tuple[Scene, ...], np.ndarray]:
    """All scenes with nothing but the tree, and their drawings."""
    scenes = tuple(
        Scene(
            place,
            (tree(place),),
            horizon=34 if place == "lake" else 38,
            time=time,
            weather=weather,
            season=season,
            water=water,
            sun=sun,
        )
        for place, time, weather, season, sun in itertools.product(PLACES, _TIMES, _WEATHERS, _SEASONS, _SUNS)
        for water in (_WATERS if place == "lake" else _WATERS[:1])
    )
    return scenes, np.stack([render(scene) for scene in scenes]).astype(np.int16)


@functools.lru_cache(maxsize=_CACHED)
def _drawing(scene: Scene) -> np.ndarray:
    return render(scene).astype(np.int16)
