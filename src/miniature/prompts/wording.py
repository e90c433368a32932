"""Prompts in words: explicit captions that name everything, and prompts from which it has to be thought out."""

from __future__ import annotations

import functools
import itertools
import random
from typing import Literal

from src.miniature.prompts.concepts import (
    HELD_OUT_THINGS,
    HUES,
    KINDS,
    LOOKS,
    Knowledge,
    names_of_look,
    names_of_thing,
)
from src.miniature.prompts.pictures import PLACES, SIDES, Content
from src.miniature.world.split import Wordings

Difficulty = Literal["easy", "medium", "hard", "untaught"]
DIFFICULTIES: tuple[Difficulty, ...] = ("easy", "medium", "hard", "untaught")
"""What a prompt leaves to knowledge: nothing; what a look named by its name is like; that of concepts that models are
taught; that of concepts that no model is taught."""

PLACE_WORDS = {"meadow": "on a meadow", "lake": "at a lake"}
EXPLICIT = (
    "{Thing} {side}, {place}: {drawn}.",
    "{Drawn}, {place}. On the {side} {thing}.",
    "On the {side} {thing}. {Drawn}, {place}.",
    "{Place}, {drawn}; {thing} on the {side}.",
)
PROMPTS = (
    "{Thing} on the {side}, {place} {look}.",
    "{Look} {place}: {thing} on the {side}.",
    "{Place} {look}, on the {side} {thing}.",
    "On the {side} {thing}, {look}, {place}.",
)
"""Templates; the last of each tuple is held out, as everywhere in the world."""
RIDDLES = 0.7
"""How often the colour is told by a concept, in prompts that tell the look by one."""


@functools.cache
def contents(held_out: bool) -> tuple[Content, ...]:
    """Every content with one of `HELD_OUT_THINGS`, or every other one."""
    every = itertools.product(PLACES, LOOKS, KINDS, HUES, SIDES)
    return tuple(Content(*one) for one in every if ((one[2], one[3]) in HELD_OUT_THINGS) == held_out)


def drawn_words(content: Content) -> str:
    """What there is to draw besides the things, in explicit words."""
    look = LOOKS[content.look]
    told = look.drawn
    if content.place == "meadow":
        consequences = "puddles" if look.weather in ("rain", "storm") else None
    else:
        consequences = "ice" if look.season == "winter" else "mirror"
    return f"{told}, {consequences}" if consequences else told


def caption(content: Content, template: str = EXPLICIT[0]) -> str:
    """The content in explicit words; by default in the form in which models are taught to write it."""
    thing = names_of_thing(content.kind, content.colour, "plain")[0]
    return _filled(template, content, thing=thing, drawn=drawn_words(content))


def prompt(rng: random.Random, content: Content, difficulty: Difficulty, wordings: Wordings = "training") -> str:
    """The content as somebody asks for it."""
    if difficulty == "easy":
        return caption(content, rng.choice(_usable(EXPLICIT, wordings)))
    knowledge: Knowledge = {"medium": "plain", "hard": "taught", "untaught": "untaught"}[difficulty]  # type: ignore[assignment]
    of_thing = knowledge if rng.random() < RIDDLES else "plain"
    return _filled(
        rng.choice(_usable(PROMPTS, wordings)),
        content,
        thing=rng.choice(names_of_thing(content.kind, content.colour, of_thing)),
        look=rng.choice(names_of_look(content.look, knowledge)),
    )


def _filled(template: str, content: Content, **words: str) -> str:
    """A template with its words; a name with a capital stands for the words with one."""
    words |= {"place": PLACE_WORDS[content.place], "side": content.side}
    return template.format(**words, **{name.capitalize(): text[0].upper() + text[1:] for name, text in words.items()})


def _usable(templates: tuple[str, ...], wordings: Wordings) -> tuple[str, ...]:
    return {"training": templates[:-1], "held_out": templates[-1:], "any": templates}[wordings]
