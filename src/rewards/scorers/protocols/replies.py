"""Forms of replies that published protocols ask for, and how values are read from them. Nothing is guessed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from src.models.vlm.grammar.json_in_text import find_objects
from src.models.vlm.grammar.parsing import UnparsableReply, final_answer, json_value, plain_forms
from src.models.vlm.grammar.parsing_several import parse_scores
from src.rewards.core.judge_prompt import ReplyFormat

_MARKUP = r"[*_`\s]{0,8}"
_BLANKS = r"[*_` \t]{0,8}"
_SCORED_LINE = re.compile(
    rf"^[-* \t]{{0,8}}(?P<name>[^:\n]{{1,60}}?){_BLANKS}:{_BLANKS}(?P<value>[0-9]{{1,4}}){_BLANKS}$", re.MULTILINE
)
_FINAL = re.compile(rf"Final{_MARKUP}Scores?{_MARKUP}:?{_MARKUP}(?P<value>[^\s*_`]*)", re.IGNORECASE)
_SCORE = re.compile(rf"\bScore{_MARKUP}:{_MARKUP}(?P<value>[^\s*_`]*)", re.IGNORECASE)
_FINAL_VALUE = re.compile(r"\[?(?P<value>[0-9]{1,4})\]?(?:/(?P<top>[0-9]{1,4}))?[.,;。]?")
_COMMA_AT_END = re.compile(r",[ \t]{0,8}$", re.MULTILINE)
_FIRST_DIGIT = (r"([1-5])\s*/\s*5", r"([1-5])\s+out\s+of\s+5", r"\b([1-5])\b")


def score_list(names: Sequence[str], low: float, high: float) -> ReplyFormat:
    """One JSON object with a list `score` of as many numbers as there are names, in their order (VIEScore's form)."""

    def read(reply: str) -> Mapping[str, float]:
        objects, _ = find_objects(plain_forms(final_answer(reply)))
        lists = [value for found in objects for key, value in found if key.strip().lower() == "score"]
        if not lists:
            raise UnparsableReply('the reply has no JSON object with a list "score"')
        if any(other != lists[0] for other in lists):
            raise UnparsableReply('the reply gives "score" twice, with different values')
        values = lists[0] if isinstance(lists[0], list) else [lists[0]]
        if len(values) != len(names):
            raise UnparsableReply(f'"score" holds {len(values)} values, and {len(names)} are wanted')
        return {
            name: _on_scale(json_value(value, high), name, low, high) for name, value in zip(names, values, strict=True)
        }

    return ReplyFormat(f"score list {low:g}-{high:g} v1", read)


def scored_lines(names: Sequence[str], low: float, high: float) -> ReplyFormat:
    """A line `name: number` for each name, in their order and whatever they are called (ImgEdit's form)."""

    def read(reply: str) -> Mapping[str, float]:
        found = [match["value"] for match in _SCORED_LINE.finditer(plain_forms(final_answer(reply)))]
        if len(found) != len(names):
            raise UnparsableReply(
                f"the reply has {len(found)} lines with a number after a name, and {len(names)} are wanted"
            )
        return {name: _on_scale(float(text), name, low, high) for name, text in zip(names, found, strict=True)}

    return ReplyFormat(f"scored lines {low:g}-{high:g} v1", read)


def mean_of_any_lines(name: str) -> ReplyFormat:
    """The mean over however many lines `name: number` there are, as ImgEdit's script takes it (`as_published`)."""

    def read(reply: str) -> Mapping[str, float]:
        parts = [line.strip().split(": ") for line in reply.splitlines()]
        values = [int(part[1]) for part in parts if len(part) == 2 and part[1].isascii() and part[1].isdigit()]
        if not values:
            raise UnparsableReply("the reply has no line with a number after a name")
        return {name: _on_scale(round(sum(values) / len(values), 2), name, 1, 5)}

    return ReplyFormat("mean of any scored lines v1", read)


def final_score(name: str, low: float, high: float) -> ReplyFormat:
    """The number after `Final Score`, which the reply may say several times if it is the same one (RISE's form)."""

    def read(reply: str) -> Mapping[str, float]:
        return {name: _stated(reply, _FINAL, "`Final Score`", name, low, high)}

    return ReplyFormat(f"final score {low:g}-{high:g} v1", read)


def stated_score(name: str, low: float, high: float) -> ReplyFormat:
    """The number after `Score:`, which the reply may say several times if it is the same one (ImgEdit's UGE form)."""

    def read(reply: str) -> Mapping[str, float]:
        return {name: _stated(reply, _SCORE, "`Score:`", name, low, high)}

    return ReplyFormat(f"stated score {low:g}-{high:g} v1", read)


def json_scores(names: Sequence[str], low: float, high: float) -> ReplyFormat:
    """A JSON object, or lines, with a number for each name (KRIS-Bench's form)."""

    def read(reply: str) -> Mapping[str, float]:
        objects, _ = find_objects(plain_forms(final_answer(reply)))
        # The official prompts show explanations without quotes: such a reply is no JSON, and is read line by line.
        return parse_scores(reply if objects else _COMMA_AT_END.sub("", reply), names, low, high)

    return ReplyFormat(f"json scores {low:g}-{high:g} v1", read)


def json_or_first_digit(names: Sequence[str]) -> ReplyFormat:
    """As `json_scores`, or else the first digit from 1 to 5 in the text: KRIS-Bench's script (`as_published`).

    The script takes a digit only where one value is wanted; of two, each needs its name.
    """
    strict = json_scores(names, 1, 5).read

    def read(reply: str) -> Mapping[str, float]:
        try:
            return strict(reply)
        except UnparsableReply:
            if len(names) > 1:
                raise
            match = next(filter(None, (re.search(pattern, reply, re.IGNORECASE) for pattern in _FIRST_DIGIT)), None)
            if match is None:
                raise
            return {names[0]: float(match[1])}

    return ReplyFormat("json scores 1-5 or first digit v1", read)


def scaled(form: ReplyFormat, name: str, convert: Callable[[float], float]) -> ReplyFormat:
    """The same form, with its values on another scale; `name` says which."""

    def read(reply: str) -> Mapping[str, float]:
        return {key: convert(value) for key, value in form.read(reply).items()}

    return ReplyFormat(f"{form.name}, {name}", read)


def _stated(reply: str, pattern: re.Pattern[str], word: str, name: str, low: float, high: float) -> float:
    """The only number that stands after a word, at its last place too."""
    said = [match["value"] for match in pattern.finditer(plain_forms(final_answer(reply)))]
    found = [_FINAL_VALUE.fullmatch(text) for text in said]
    values = {_of_top(match, high) for match in found if match}
    if len(values) != 1 or not (found and found[-1]):
        raise UnparsableReply(f"the reply gives no single number after its last {word}")
    return _on_scale(values.pop(), name, low, high)


def _of_top(match: re.Match[str], high: float) -> float:
    if match["top"] is not None and float(match["top"]) != high:
        raise UnparsableReply(f"the reply scores out of {match['top']}, and the scale ends at {high:g}")
    return float(match["value"])


def _on_scale(value: float | None, name: str, low: float, high: float) -> float:
    if value is None:
        raise UnparsableReply(f"what the reply gives for {name} is not one number")
    if not low <= value <= high:  # NaN fails the comparison
        raise UnparsableReply(f"the value {value:g} of {name} is outside {low:g}–{high:g}")
    return value
