"""Prompts in words: explicit captions that name everything, and prompts from which it has to be thought out."""

from __future__ import annotations

import functools
import itertools
import random
from typing import Literal

from src.miniature.prompts.concepts import (
    HELD_OUT_PAIRS,
    HUES,
    KINDS,
    LOOKS,
    Knowledge,
    names_of_look,
    names_of_thing,
)
from src.miniature.prompts.pictures import PLACES, Content
from src.miniature.world.split import Wordings

Difficulty = Literal["easy", "medium", "hard", "untaught"]
DIFFICULTIES: tuple[Difficulty, ...] = ("easy", "medium", "hard", "untaught")
"""What a prompt leaves to knowledge: nothing; what a look named by its name is like; that of concepts that models are
taught; that of concepts that no model is taught."""

PLACE_WORDS = {"meadow": "on a meadow", "lake": "at a lake"}
EXPLICIT = (
    "{Left} left, {right} right, {place}: {drawn}.",
    "{Drawn}, {place}. On the left {left}, on the right {right}.",
    "On the left {left}, on the right {right}. {Drawn}, {place}.",
    "{Place}, {drawn}; {left} on the left and {right} on the right.",
)
PROMPTS = (
    "{Left} on the left and {right} on the right, {place} {look}.",
    "{Look} {place}: {left} on the left, {right} on the right.",
    "{Place} {look}, on the left {left} and on the right {right}.",
    "On the left {left}, {look}, on the right {right}, {place}.",
)
"""Templates; the last of each tuple is held out, as everywhere in the world."""
RIDDLES = 0.7
"""How often a colour is told by a concept, in prompts that tell the look by one."""


@functools.cache
def contents(held_out_pair: bool) -> tuple[Content, ...]:
    """Every content whose two colours are a held-out pair, or every one whose colours differ and are none."""
    return tuple(
        Content(place, look, (kind, colour), (other_kind, other))
        for place, look, kind, other_kind in itertools.product(PLACES, LOOKS, KINDS, KINDS)
        for colour, other in itertools.permutations(HUES, 2)
        if (frozenset((colour, other)) in HELD_OUT_PAIRS) == held_out_pair
    )


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
    left, right = (names_of_thing(*told, "plain")[0] for told in (content.left, content.right))
    return _filled(template, left=left, right=right, place=PLACE_WORDS[content.place], drawn=drawn_words(content))


def prompt(rng: random.Random, content: Content, difficulty: Difficulty, wordings: Wordings = "training") -> str:
    """The content as somebody asks for it."""
    if difficulty == "easy":
        return caption(content, rng.choice(_usable(EXPLICIT, wordings)))
    knowledge: Knowledge = {"medium": "plain", "hard": "taught", "untaught": "untaught"}[difficulty]  # type: ignore[assignment]
    told = [
        rng.choice(names_of_thing(*one, knowledge if rng.random() < RIDDLES else "plain"))
        for one in (content.left, content.right)
    ]
    look = rng.choice(names_of_look(content.look, knowledge))
    template = rng.choice(_usable(PROMPTS, wordings))
    return _filled(template, left=told[0], right=told[1], place=PLACE_WORDS[content.place], look=look)


def _filled(template: str, **words: str) -> str:
    """A template with its words; a name with a capital stands for the words with one."""
    return template.format(**words, **{name.capitalize(): text[0].upper() + text[1:] for name, text in words.items()})


def _usable(templates: tuple[str, ...], wordings: Wordings) -> tuple[str, ...]:
    return {"training": templates[:-1], "held_out": templates[-1:], "any": templates}[wordings]
