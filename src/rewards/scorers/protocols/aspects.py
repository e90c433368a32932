"""Replies that judge aspect by aspect, each under a heading of its own: RationalRewards' form. Nothing is guessed."""

from __future__ import annotations

import re
from collections.abc import Mapping

from src.models.vlm.grammar.parsing import UnparsableReply, final_answer, plain_forms
from src.rewards.core.judge_prompt import ReplyFormat

_HEADING = re.compile(r"[#*_ \t]{0,8}[0-9][.)][ \t*_]{0,6}(?P<name>[A-Za-z ]{1,60}?)[ \t]{0,4}[*_]{0,3}:?[ \t*_]{0,8}")
_SCORE = re.compile(r"[#*_ \t]{0,8}Score[ \t*_]{0,6}:[ \t*_]{0,8}(?P<value>[^*_\n]{1,30}?)[ \t*_]{0,8}", re.IGNORECASE)
_NUMBER = re.compile(r"(?P<value>[0-9]{1,3}(?:\.[0-9]{1,6})?)(?:[ ]?/[ ]?(?P<top>[0-9]{1,3}))?\.?")
_NOT_APPLICABLE = re.compile(r"n/a\.?", re.IGNORECASE)
_SUMMARY = "# Summary"
_LEADING_NUMBER = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?")


def aspect_scores(headings: Mapping[str, str], low: float, high: float, optional: str) -> ReplyFormat:
    """A numbered heading for each aspect, and below it one line `Score: number`.

    Args:
        headings: The heading of each aspect, in lower case, by the name of its value.
        low: The lowest number.
        high: The highest number.
        optional: The aspect that may be `N/A` and then has no value.
    """
    names = {heading: name for name, heading in headings.items()}

    def read(reply: str) -> Mapping[str, float]:
        said = _sections(plain_forms(final_answer(reply)), names)
        values: dict[str, float] = {}
        for name, heading in headings.items():
            found = set(said.get(name, ()))
            if len(found) != 1:
                raise UnparsableReply(f"the reply gives {len(found)} scores for {heading}, and one is wanted")
            (text,) = found
            if name != optional or not _NOT_APPLICABLE.fullmatch(text):
                values[name] = _number(text, heading, low, high)
        return values

    return ReplyFormat(f"aspects {low:g}-{high:g}, {optional} may be N/A v1", read)


def aspects_as_published(headings: Mapping[str, str], low: float, high: float) -> ReplyFormat:
    """The aspects that can be read, however many, as RationalRewards' script takes them (`as_published`)."""

    def read(reply: str) -> Mapping[str, float]:
        rest = reply.partition(f"{_SUMMARY}:")[0]
        blocks: dict[str, str] = {}
        previous = None
        for name, heading in headings.items():
            before, found, after = rest.partition(f"{heading.title().replace(' And ', ' and ')}:")
            if not found:
                break
            if previous is not None:
                blocks[previous] = before
            previous, rest = name, after
        if previous is not None:
            blocks[previous] = rest
        values = {name: score for name, block in blocks.items() if (score := _first_score(block)) is not None}
        if not values:
            raise UnparsableReply("the reply has no aspect with a number after `## Score:`")
        for name, value in values.items():
            _number(f"{value:g}", headings[name], low, high)
        return values

    return ReplyFormat(f"any aspects {low:g}-{high:g} v1", read)


def _sections(text: str, names: Mapping[str, str]) -> dict[str, list[str]]:
    """What stands after `Score:` below the heading of each aspect; what a summary says is none of it."""
    said: dict[str, list[str]] = {}
    current: str | None = None
    for line in text.splitlines():
        heading = _HEADING.fullmatch(line)
        if heading and (name := names.get(heading["name"].lower())):
            current = name
        elif line.startswith(_SUMMARY):
            current = None
        elif current is not None and (score := _SCORE.fullmatch(line)):
            said.setdefault(current, []).append(score["value"].strip())
    return said


def _number(text: str, heading: str, low: float, high: float) -> float:
    found = _NUMBER.fullmatch(text)
    if found is None or (found["top"] is not None and float(found["top"]) != high):
        raise UnparsableReply(f"the score for {heading} is no single number from {low:g} to {high:g}")
    value = float(found["value"])
    if not low <= value <= high:
        raise UnparsableReply(f"the value {value:g} of {heading} is outside {low:g}–{high:g}")
    return value


def _first_score(block: str) -> float | None:
    """The number with which the first line that has one after `## Score:` begins; None for N/A and where none does."""
    for line in block.split("\n"):
        _, marked, said = line.partition("## Score:")
        said = said.strip().strip("*").strip()
        if marked and said == "N/A":
            return None
        if marked and (number := _LEADING_NUMBER.match(said)):
            return float(number[0])
    return None
