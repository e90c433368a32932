"""What the prompts of the miniature world presuppose: which time or weather looks how, and what has which colour.

Every look and every colour has a plain name, concepts that models are taught, and one that no model is taught. The
latter are for reinforcement learning and for measuring.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from src.miniature.world.scene import Season, Time, Weather

Knowledge = Literal["plain", "taught", "untaught"]


@dataclass(frozen=True)
class Look:
    """A time of the year, an hour or a weather, and its words.

    Attributes:
        category: What kind of look it is.
        season: The scene's season.
        time: The scene's hour.
        weather: The scene's weather.
        sky: Whether sun or moon is in the sky.
        drawn: What there is to draw, in explicit words.
        plain: Its name.
        taught: Concepts from which it follows, which models are taught.
        untaught: A concept that no model is taught.
    """

    category: str
    season: Season
    time: Time
    weather: Weather
    sky: bool
    drawn: str
    plain: str
    taught: tuple[str, ...]
    untaught: str


LOOKS: dict[str, Look] = {
    "spring": Look(
        "season",
        "spring",
        "day",
        "clear",
        True,
        "pink tree, blue sky, yellow sun",
        "in spring",
        ("in April", "at Easter"),
        "when the storks return",
    ),
    "summer": Look(
        "season",
        "summer",
        "day",
        "clear",
        True,
        "green tree, blue sky, yellow sun",
        "in summer",
        ("in July", "in the longest holidays"),
        "when the cicadas sing",
    ),
    "autumn": Look(
        "season",
        "autumn",
        "day",
        "clear",
        True,
        "orange tree, blue sky, yellow sun",
        "in autumn",
        ("in October", "at Halloween"),
        "when the swallows gather",
    ),
    "frost": Look(
        "season",
        "winter",
        "day",
        "clear",
        True,
        "white snow, blue sky, yellow sun",
        "on a sunny winter day",
        ("in a cloudless January", "after the snowstorm"),
        "when skiers squint",
    ),
    "snowfall": Look(
        "weather",
        "winter",
        "day",
        "snow",
        False,
        "white snow, grey sky, white flakes",
        "in a snowfall",
        ("under January clouds", "when roads vanish in white"),
        "when the ploughs are called",
    ),
    "rain": Look(
        "weather",
        "summer",
        "day",
        "rain",
        False,
        "grey sky, rain",
        "in the rain",
        ("when umbrellas open", "in April showers"),
        "when the snails come out",
    ),
    "storm": Look(
        "weather",
        "summer",
        "day",
        "storm",
        False,
        "dark sky, rain, lightning",
        "in a thunderstorm",
        ("when thunder rolls", "in Thor's anger"),
        "when the dog hides under the bed",
    ),
    "fog": Look(
        "weather",
        "summer",
        "day",
        "fog",
        False,
        "white fog",
        "in fog",
        ("when ships sound their horns", "in a cloud on the ground"),
        "when nobody sees ten steps ahead",
    ),
    "night": Look(
        "hour",
        "summer",
        "night",
        "clear",
        True,
        "black sky, white moon",
        "at night",
        ("at twelve after bedtime", "when owls wake"),
        "when the burglars work",
    ),
    "sunset": Look(
        "hour",
        "summer",
        "sunset",
        "clear",
        True,
        "orange sky, red sun",
        "at sunset",
        ("when the day ends", "when shadows are longest"),
        "when the hens go to roost",
    ),
}
"""The looks by their names."""


@dataclass(frozen=True)
class Hue:
    """The things whose colour a colour is.

    Attributes:
        taught: Things that models are taught.
        untaught: One that no model is taught.
    """

    taught: tuple[str, ...]
    untaught: str


HUES: dict[str, Hue] = {
    "red": Hue(("tomatoes", "blood"), "strawberries"),
    "orange": Hue(("carrots", "mandarins"), "pumpkins"),
    "yellow": Hue(("lemons", "egg yolk"), "bananas"),
    "green": Hue(("grass", "cucumbers"), "frogs"),
    "blue": Hue(("the sea", "blueberries"), "cornflowers"),
    "purple": Hue(("violets", "aubergines"), "plums"),
}
"""The colours that things have in these prompts."""

KINDS = ("house", "ball", "box", "car")
"""The kinds of things that these prompts ask for."""

HELD_OUT_THINGS: frozenset[tuple[str, str]] = frozenset(
    (
        ("house", "red"),
        ("ball", "orange"),
        ("box", "yellow"),
        ("car", "green"),
        ("house", "blue"),
        ("ball", "purple"),
        ("box", "red"),
        ("car", "orange"),
    )
)
"""Kinds and colours that meet in no picture and no prompt of any training: those of every measurement."""


def names_of_look(name: str, knowledge: Knowledge) -> tuple[str, ...]:
    """The words for a look in prompts of a kind."""
    look = LOOKS[name]
    return {"plain": (look.plain,), "taught": look.taught, "untaught": (look.untaught,)}[knowledge]


def names_of_thing(kind: str, colour: str, knowledge: Knowledge) -> tuple[str, ...]:
    """The words for a coloured thing in prompts of a kind, with the article."""
    if knowledge == "plain":
        return (f"{'an' if colour == 'orange' else 'a'} {colour} {kind}",)
    hue = HUES[colour]
    named = hue.taught if knowledge == "taught" else (hue.untaught,)
    return tuple(f"a {kind} coloured like {thing}" for thing in named)
