"""Whether a sentence is one that the miniature world itself could say: its templates, with any colours and things."""

from __future__ import annotations

import functools
import random
import re
from collections.abc import Iterable, Mapping
from typing import Literal

from src.miniature.world.edits import CATEGORIES, setting_kind, settings
from src.miniature.world.phrasing import COLOUR_WORDS, KIND_WORDS, Change, Words, fill

SETTINGS_READ = 50
"""Pictures of every kind from which the templates are read; more of them bring nothing new (a test compares)."""

Part = Literal["explicit", "rationale"]

_REPEATS = (
    re.compile(r"\b(\w+(?: \w+)*)(?:[,;.]? and|[,;.])? \1\b", re.IGNORECASE),
    re.compile(r"([\u4e00-\u9fff]{2,})[和、，。；]?\1"),
)


def is_of_the_world(sentence: str, part: Part) -> bool:
    """Whether a sentence is one of the templates of a part of the world's texts, in English or in Chinese.

    Colours and kinds of things may stand for each other, whether a picture shows them or not; everything else, places
    and numbers among it, must be as some template has it. A sentence in both languages is none.

    Args:
        sentence: The sentence, without white space around it.
        part: `explicit`, what is to be drawn, or `rationale`, why.
    """
    return _form(sentence) in _forms(part)


def has_repeats(text: str) -> bool:
    """Whether words stand twice in a row ("the red the red"), or twice with nothing but "and" or a comma between."""
    return any(pattern.search(text) for pattern in _REPEATS)


@functools.cache
def _forms(part: Part) -> frozenset[str]:
    changes = (
        change
        for category in CATEGORIES
        for name in settings(category)
        for seed in range(SETTINGS_READ)
        for change in setting_kind(category, name).make(random.Random(f"{name} {seed}")).changes
    )
    different = {text for change in changes for text in sentences(change, part)}
    return frozenset(map(_form, different))


def sentences(change: Change, part: Part) -> list[str]:
    """What the world says of a change, in all wordings and both languages."""
    templates = change.explicit if part == "explicit" else [reason.rationale for reason in change.reasons]
    return [text for template in templates for text in fill(template, change.slots)]


def _form(sentence: str) -> str:
    """The sentence with signs in the place of its colours and things, and of the article that they decide."""
    named = _WORDS.sub(lambda found: _SIGNS[found[0].lower()], sentence)
    return re.sub(r"\b([Aa])n(?= <)", r"\1", named)


def _signs(words: Mapping[str, Words], sign: str) -> Iterable[tuple[str, str]]:
    for one in words.values():
        yield one.en, f"<{sign}>"
        yield one.zh, f"<{sign}>"


_SIGNS = dict([*_signs(COLOUR_WORDS, "colour"), *_signs(KIND_WORDS, "thing")])
_LONGEST_FIRST = sorted(_SIGNS, key=len, reverse=True)
_WORDS = re.compile(
    "|".join(rf"\b{re.escape(word)}\b" if word.isascii() else re.escape(word) for word in _LONGEST_FIRST), re.IGNORECASE
)
