"""Finding JSON objects in prose, in time linear in the text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any


class JsonObject(list[tuple[str, Any]]):
    """An object as its pairs, in order: a key that occurs twice stays visible."""

    start: int = 0
    end: int = 0
    """The positions of an outermost object in the text."""
    places: tuple[int, ...] = ()
    """The position of each value in the text: of its first digit where it has one, else of its beginning."""

    def entries(self) -> Iterator[tuple[str, Any, int]]:
        """Each key with its value and the value's place."""
        for (key, value), place in zip(self, self.places, strict=True):
            yield key, value, place


_OPENING = re.compile(r'\{(?=\s{0,40}")')
_MOST_BROKEN = 100
"""Broken objects that are passed over; the decoder's error costs time in proportion to the text before it."""
_DIGIT = re.compile(r"[0-9]")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"|[-+.0-9A-Za-z]++', re.DOTALL)
_DECODER = json.JSONDecoder(object_pairs_hook=JsonObject, strict=False)  # models write raw line breaks into strings


def find_objects(text: str) -> tuple[list[JsonObject], str]:
    """The outermost JSON objects in a text, in order, and the text with a line break in place of each.

    What looks like an object but breaks off stays in the text, and no object inside it counts: it is part of an answer.
    """
    objects: list[JsonObject] = []
    prose: list[str] = []
    position = broken = 0
    while broken < _MOST_BROKEN and (opening := _OPENING.search(text, position)):
        start = opening.start()
        try:
            found, end = _DECODER.raw_decode(text, start)
            _place(found, _TOKEN.finditer(text, start, end))
        except json.JSONDecodeError as error:
            broken += 1
            end = max(error.pos, start + 1)
            prose.append(text[position:end])
        except (RecursionError, ValueError):  # nested too deep, or an integer of thousands of digits
            break
        else:
            found.start, found.end = start, end
            objects.append(found)
            prose += [text[position:start], "\n"]
        position = end
    prose.append(text[position:])
    return objects, "".join(prose)


def _place(value: Any, tokens: Iterator[re.Match[str]]) -> int:
    """Sets the places of all objects in a value, whose keys and scalars are the next of `tokens`; the value's own."""
    if isinstance(value, JsonObject):
        places = []
        for _, item in value:
            next(tokens)
            places.append(_place(item, tokens))
        value.places = tuple(places)
        return 0
    if isinstance(value, list):
        for item in value:
            _place(item, tokens)
        return 0
    token = next(tokens)
    digit = _DIGIT.search(token[0])
    return token.start() + (digit.start() if digit else 0)
