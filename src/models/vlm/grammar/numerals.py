"""Numbers as judges write them: plain, with a denominator, or spoiled by a unit or a range."""

from __future__ import annotations

import re

DIGITS = r"[0-9]++(?:[.,][0-9]++)?+"
NUMBER = re.compile(rf"[-+]?{DIGITS}")
CLOSERS = r"[*_`\"'”)\]]{0,6}+"
TOP = re.compile(
    rf"""{CLOSERS}[ \t]{{0,3}}
    (?:/|(?:(?:points?|marks?)[ ])?out[ ]of(?:[ ](?:an?|the))?(?:[ ](?:possible|total|max(?:imum|[.])?))?(?:[ ]of)?)
    [ \t]{{0,3}}[*_`]{{0,3}}(?P<top>{DIGITS})""",
    re.IGNORECASE | re.VERBOSE,
)
REST_OF_LINE = re.compile(r"[ \t]{0,4}(?:分|points?)?[*_`\"'”)\].。!|}\t ]*+(?=\n|$)", re.IGNORECASE)
_SPOILED = re.compile(
    rf"""{CLOSERS}(?:
        [0-9A-Za-z] | [.,:][0-9] | [ \t]{{1,3}}[0-9]
      | [ \t]{{0,3}}(?:[%‰]|per[ ]?cent\b|of\b|stars?\b|[★⭐]|颗?星|成|[\u00bc-\u00be\u2150-\u215e])
      | [ \t]{{0,3}}(?:points?[ ]|marks?[ ])?out[ ]of\b
      | [ \t]{{0,3}}(?:[-+*×÷/=~→±]{{1,2}}>?|\b(?:to|or|and|through|thru)\b|[至到或,])[ \t]{{0,3}}[0-9]
      | [ \t]{{0,3}}分?[ ]?(?:[-~至到或]|还是|或者)[ ]?[0-9]
      | [ \t,(]{{0,4}}(?:\b(?:or|to|and|through|maybe|perhaps|possibly|even|up|an?)\b[ ,]{{1,2}}){{1,4}}+[0-9]
      | [ \t,(]{{0,4}}(?:or[ ](?:less|more|lower|higher|below|above|so|worse|better)|at[ ](?:most|least|best))\b
      | [ ]?分?(?:以下|以上|不到|左右)
    )""",
    re.IGNORECASE | re.VERBOSE,
)
"""What makes the number before it something else than a score: a unit, a range, a list, arithmetic."""
_THOUSANDS = re.compile(r"[-+]?[1-9][0-9]{0,2},[0-9]{3}")
_OPENERS = "*_`\"'“(["


def number(text: str) -> float | None:
    """The value of a number; None for `7,500`, which may be thousands or decimals."""
    return None if _THOUSANDS.fullmatch(text) else float(text.replace(",", "."))


def value_at(text: str, position: int, high: float) -> tuple[float | None, int]:
    """The number at a position with its denominator, and where it ends; None when it is no score on this scale."""
    match = NUMBER.match(text, position)
    assert match, "callers look ahead for a digit"
    value, end = number(match.group()), match.end()
    if top := TOP.match(text, end):
        end = top.end()
        if number(top["top"]) != high:
            value = None
    return (None if _SPOILED.match(text, end) else value), end


def whole_number(text: str, high: float) -> tuple[float, int] | None:
    """The number that a text consists of, apart from a denominator, a unit and markup, and where it begins."""
    stripped = text.strip()
    start = len(stripped) - len(stripped.lstrip(_OPENERS))
    if not NUMBER.match(stripped, start):
        return None
    value, end = value_at(stripped, start, high)
    rest = REST_OF_LINE.match(stripped, end)
    if value is None or not rest or rest.end() < len(stripped):
        return None
    return value, len(text) - len(text.lstrip()) + start


def whole_value(text: str, high: float) -> float | None:
    """The number that `whole_number` finds, without its place."""
    found = whole_number(text, high)
    return found[0] if found else None
