"""Saying things in English and Chinese with one limited vocabulary."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from src.miniature.world.scene import Scene


class Words(NamedTuple):
    """The same words in English and in Chinese; in templates, with {slots}."""

    en: str
    zh: str


Slots = Mapping[str, Words]


@dataclass(frozen=True)
class Reason:
    """A wish from which a change follows.

    Attributes:
        family: Name of the kind of wish; it belongs to one kind of setting.
        rationale: Why the target looks as it does, in one sentence.
        medium: Four templates that name the change and leave its consequences out; the last one is held out.
        hard: Four templates that state only the situation; the last one is held out.
    """

    family: str
    rationale: Words
    medium: tuple[Words, ...]
    hard: tuple[Words, ...]


@dataclass(frozen=True)
class Change:
    """Something that can be asked of a picture, with its exact result.

    Attributes:
        target: The scene after the change.
        explicit: Four templates that say what to draw and where; the last one is held out.
        reasons: The wishes that ask for exactly this change in this picture, at least one.
        slots: Words for the templates of the change and of its reasons.
        tags: What the change is about.
        opposite: A label that exactly two changes of one setting share: each asks for the contrary of the other.
    """

    target: Scene
    explicit: tuple[Words, ...]
    reasons: tuple[Reason, ...]
    slots: Slots
    tags: tuple[str, ...]
    opposite: str = ""


@dataclass(frozen=True)
class Setting:
    """A picture and everything that can be asked of it.

    Attributes:
        source: The scene.
        description: Describes the source; it has no slots.
        changes: At least four, with pairwise different targets, each as likely as the others.
    """

    source: Scene
    description: Words
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class SettingKind:
    """A way to make settings.

    Attributes:
        make: Makes a setting from a source of chance.
        families: Every family of reasons that the settings can offer.
    """

    make: Callable[[random.Random], Setting]
    families: tuple[str, ...]


COLOUR_WORDS: dict[str, Words] = {
    "red": Words("red", "红色"),
    "orange": Words("orange", "橙色"),
    "yellow": Words("yellow", "黄色"),
    "green": Words("green", "绿色"),
    "blue": Words("blue", "蓝色"),
    "purple": Words("purple", "紫色"),
    "white": Words("white", "白色"),
    "black": Words("black", "黑色"),
}

KIND_WORDS: dict[str, Words] = {
    "house": Words("house", "房子"),
    "tree": Words("tree", "树"),
    "box": Words("box", "箱子"),
    "ball": Words("ball", "球"),
    "person": Words("person", "人"),
    "car": Words("car", "汽车"),
    "table": Words("table", "桌子"),
    "shelf": Words("shelf", "架子"),
    "balloon": Words("balloon", "气球"),
    "apple": Words("apple", "苹果"),
    "bottle": Words("plastic bottle", "塑料瓶"),
    "battery": Words("battery", "电池"),
    "circle": Words("circle", "圆形"),
    "square": Words("square", "正方形"),
    "triangle": Words("triangle", "三角形"),
}

MEASURES = {"house": "座", "tree": "棵", "car": "辆"}
"""Chinese measure words of the kinds that do not take 个."""

SIDE_WORDS: dict[str, Words] = {"left": Words("left", "左"), "right": Words("right", "右")}

NUMBER_WORDS: dict[int, Words] = {
    1: Words("one", "一"),
    2: Words("two", "两"),
    3: Words("three", "三"),
    4: Words("four", "四"),
    5: Words("five", "五"),
}


def named(colour: str, kind: str) -> Words:
    """Return the name of a coloured thing, such as ("red box", "红色箱子")."""
    colour_words, kind_words = COLOUR_WORDS[colour], KIND_WORDS[kind]
    link = "的" if len(kind_words.zh) == 1 else ""
    return Words(f"{colour_words.en} {kind_words.en}", f"{colour_words.zh}{link}{kind_words.zh}")


def clothed(colour: str) -> Words:
    """Return the name of a person by the colour of the clothes."""
    return Words(f"person in {COLOUR_WORDS[colour].en}", f"穿{COLOUR_WORDS[colour].zh}衣服的人")


def a(words: Words, measure: str = "个") -> Words:
    """Return the words with an indefinite article, in Chinese with 一 and a measure word."""
    article = "an" if words.en[0] in "aeio" else "a"
    return Words(f"{article} {words.en}", f"一{measure}{words.zh}")


def fill(template: Words, slots: Slots) -> Words:
    """Fill a template in both languages; the English sentence starts with a capital letter."""
    english = template.en.format(**{name: words.en for name, words in slots.items()})
    chinese = template.zh.format(**{name: words.zh for name, words in slots.items()})
    return Words(english[0].upper() + english[1:], chinese)


def choose(rng: random.Random, templates: tuple[Words, ...], slots: Slots) -> Words:
    """Fill a random one of the templates."""
    return fill(rng.choice(templates), slots)
