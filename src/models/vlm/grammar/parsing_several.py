"""Replies that hold more or less than one score: several named values, or yes and no. Nothing is guessed."""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from typing import Any

from src.models.vlm.grammar.json_in_text import JsonObject, find_objects
from src.models.vlm.grammar.numerals import whole_value
from src.models.vlm.grammar.parsing import UnparsableReply, final_answer, json_value, plain_forms

_LINE = re.compile(
    r"""^[ \t]*(?:[-*][ \t])?[*_`"']{0,3}(?P<name>[^:=\n]{1,60}?)[*_`"']{0,3}[ \t]?
    [:=](?=[ \t*_`"'“(\[]{0,8}[-+]?[0-9])(?P<value>.{0,80})$""",
    re.MULTILINE | re.VERBOSE,
)
"""A name, then what begins with a number: `naturalness: the light is right` explains and gives no value."""
_MARKUP = " \t*_`\"'.,;!。！（）()"
_FIRST_WORD = re.compile(r"\A[\s*_`\"'(]*+(\w+)[*_`\"')]*+[.,;:!。；]")
_YES_NO = {"yes": True, "true": True, "是": True, "是的": True, "no": False, "false": False, "否": False, "不是": False}
_ANSWER_KEYS = frozenset({"answer", "verdict", "答案", "回答", "结论"})


def parse_scores(reply: str, names: Sequence[str], low: float = 0.0, high: float = 10.0) -> dict[str, float]:
    """Reads a value for each name: from one JSON object with these keys, or from lines such as `name: 7`.

    Names are compared without regard to case, blanks, hyphens and underscores; a value may be `7`, `"7/10"` or
    `{"score": 7, …}`. Text before the last `</think>` does not count.

    Args:
        reply: A judge's whole reply.
        names: What was asked for; other keys and lines are passed over.
        low: The lowest value of the scale.
        high: The highest.

    Raises:
        UnparsableReply: when a name has no value, two different ones, or one outside `low`–`high`.
    """
    objects, prose = find_objects(plain_forms(final_answer(reply)))
    wanted = {_folded(name): name for name in names}
    pairs = [(key, _value(value, high)) for key, value in _asked_for(objects, wanted)]
    if not pairs:
        pairs = [(match["name"], whole_value(match["value"], high)) for match in _LINE.finditer(prose)]
    values: dict[str, float] = {}
    for key, value in pairs:
        name = wanted.get(_folded(key))
        if name is None:
            continue
        if value is None:
            raise UnparsableReply(f"what the reply gives for {name} is not one number on this scale")
        if not low <= value <= high:  # NaN fails the comparison
            raise UnparsableReply(f"the value {value:g} of {name} is outside {low:g}–{high:g}")
        if values.setdefault(name, value) != value:
            raise UnparsableReply(f"the reply gives {name} twice, with different values")
    if missing := [name for name in names if name not in values]:
        raise UnparsableReply(f"the reply gives no value for {', '.join(missing)}")
    return values


def scores_schema(names: Sequence[str]) -> dict[str, Any]:
    """The JSON schema of a reply for `parse_scores`: an explanation, written first, then a number for each name.

    The range is left to `parse_scores`: not every server that enforces schemas knows bounds of numbers.
    """
    properties = {"reasoning": {"type": "string"}} | {name: {"type": "number"} for name in names}
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def parse_yes_no(reply: str) -> bool:
    """Reads yes or no: a JSON `answer`, a line that consists of it (`Answer: yes`), or else the reply's first word.

    A first word counts where punctuation follows, as in `Yes, there is`: `No other cup …` is no answer.

    Raises:
        UnparsableReply: when there is neither, or both.
    """
    objects, prose = find_objects(plain_forms(final_answer(reply)))
    answers: list[object] = [value for found in objects for key, value in found if _folded(key) in _ANSWER_KEYS]
    if not answers:
        lines = [line.rpartition(":")[2] for line in prose.splitlines()]
        answers = [line for line in lines if _read_yes_no(line) is not None] or re.findall(_FIRST_WORD, prose)
    readings = {_read_yes_no(answer) for answer in answers}
    if readings == {True} or readings == {False}:
        return readings == {True}
    raise UnparsableReply("the reply says neither yes nor no, or both")


def _read_yes_no(answer: object) -> bool | None:
    if isinstance(answer, bool):
        return answer
    return _YES_NO.get(answer.strip(_MARKUP).lower()) if isinstance(answer, str) else None


def _folded(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name).lower()


def _asked_for(objects: list[JsonObject], wanted: Container[str]) -> list[tuple[str, object]]:
    """The pairs that were asked for, at the shallowest level of the objects that has any."""
    level = objects
    while level:
        pairs = [pair for found in level for pair in found]
        if asked := [(key, value) for key, value in pairs if _folded(key) in wanted]:
            return asked
        level = [value for _, value in pairs if isinstance(value, JsonObject)]
    return []


def _value(value: object, high: float) -> float | None:
    if isinstance(value, JsonObject):
        inner = [item for key, item in value if _folded(key) in ("score", "rating", "value", "评分", "分数", "得分")]
        return json_value(inner[0], high) if len(inner) == 1 else None
    return json_value(value, high)
