"""Replies that hold more or less than one score: several named values, or yes and no. Nothing is guessed."""

from __future__ import annotations

import re
from collections.abc import Sequence

from src.rewards.json_in_text import JsonObject, find_objects
from src.rewards.parsing import UnparsableReply, final_answer, json_value, plain_forms, whole_value

_LINE = re.compile(r"^[ \t]*(?:[-*][ \t])?[*_`\"']{0,3}([^:=\n]{1,60}?)[*_`\"']{0,3}[ \t]?[:=](.{0,80})$", re.MULTILINE)
_MARKUP = " \t*_`\"'.,;!。！（）()"
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
    pairs = [(key, _value(value, high)) for found in objects for key, value in _flat(found, wanted)]
    if not pairs:
        pairs = [(match[1], whole_value(match[2], high)) for match in _LINE.finditer(prose)]
    values: dict[str, float] = {}
    for key, value in pairs:
        name = wanted.get(_folded(key))
        if name is None:
            continue
        if value is None:
            raise UnparsableReply(f"what the reply gives for {name} is not one number on this scale")
        if values.setdefault(name, value) != value:
            raise UnparsableReply(f"the reply gives {name} twice, with different values")
        if not low <= value <= high:  # NaN fails the comparison
            raise UnparsableReply(f"the value {value:g} of {name} is outside {low:g}–{high:g}")
    if missing := [name for name in names if name not in values]:
        raise UnparsableReply(f"the reply gives no value for {', '.join(missing)}")
    return values


def parse_yes_no(reply: str) -> bool:
    """Reads yes or no: a JSON `answer`, a line that consists of it (`Answer: yes`), or the reply's first word.

    Raises:
        UnparsableReply: when there is neither, or both.
    """
    objects, prose = find_objects(plain_forms(final_answer(reply)))
    answers = [str(value) for found in objects for key, value in found if key.strip().lower() in _ANSWER_KEYS]
    if not answers:
        lines = [line for line in prose.splitlines() if line.strip()]
        answers = [line.rpartition(":")[2] for line in lines if _read_yes_no(line.rpartition(":")[2]) is not None]
        answers = answers or re.split(r"[\s,.;:，。；：]", " ".join(lines).strip(_MARKUP), maxsplit=1)[:1]
    readings = {_read_yes_no(answer) for answer in answers}
    if readings == {True} or readings == {False}:
        return readings == {True}
    raise UnparsableReply("the reply says neither yes nor no, or both")


def _read_yes_no(text: str) -> bool | None:
    return _YES_NO.get(text.strip(_MARKUP).lower())


def _folded(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name).lower()


def _flat(found: JsonObject, wanted: dict[str, str]) -> list[tuple[str, object]]:
    """The pairs of an object that were asked for; of the objects inside it when it has none itself."""
    pairs = [(key, value) for key, value in found if _folded(key) in wanted]
    return pairs or [pair for _, value in found if isinstance(value, JsonObject) for pair in _flat(value, wanted)]


def _value(value: object, high: float) -> float | None:
    if isinstance(value, JsonObject):
        inner = [item for key, item in value if _folded(key) in ("score", "rating", "value", "评分", "分数", "得分")]
        return json_value(inner[0], high) if len(inner) == 1 else None
    return json_value(value, high)
