"""Finding JSON objects in prose, in time linear in the text."""

from __future__ import annotations

import json
import re
from typing import Any


class JsonObject(list[tuple[str, Any]]):
    """An object as its pairs, in order: a key that occurs twice stays visible."""


_OPENING = re.compile(r'\{(?=\s{0,40}")')
_MOST_BROKEN = 100
"""Broken objects that are passed over; the decoder's error costs time in proportion to the text before it."""
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
        except json.JSONDecodeError as error:
            broken += 1
            end = max(error.pos, start + 1)
            prose.append(text[position:end])
        except (RecursionError, ValueError):  # nested too deep, or an integer of thousands of digits
            break
        else:
            objects.append(found)
            prose += [text[position:start], "\n"]
        position = end
    prose.append(text[position:])
    return objects, "".join(prose)
