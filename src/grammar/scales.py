"""Scales that a reply restates: they are no scores, but the number that stands alone in their sentence is one."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator

from src.grammar.numerals import CLOSERS, DIGITS, number, value_at
from src.grammar.traced import Traced

_SCALE_WORD = r"(?:scale|range|Skala|échelle|escala)"
_NOTE = r"(?:[ ]?[(][^()0-9\n]{1,30}[)])?"
_TO = r"(?:-|~|\b(?:to|and|bis|und|à|a|et|y|hasta)\b|至|到)"
_SCALE = re.compile(
    rf"""(?P<open>[\[(][^\[\]()0-9\n]{{0,40}})?
    (?P<announced>(?:\b(?:on|auf|sur|en)[ ])?(?:\b(?:a|the|einer|der|une|una)[ ])?
        \b{_SCALE_WORD}[ ]?(?:of|is|:)?[ ]?(?:(?:from|between|von|zwischen|de|entre)[ ])?
      | \b(?:from|between|von|zwischen|de|entre)[ ])?
    (?<![0-9.,/-])(?P<low>{DIGITS}){_NOTE}[ ]?分?[ ]?{_TO}[ ]?(?P<high>{DIGITS})(?!/){_NOTE}(?:[ ]?分)?
    (?P<after>[ -]{_SCALE_WORD}\b)?
    (?(open)[^\[\]()0-9\n]{{0,40}}[\])])""",
    re.IGNORECASE | re.VERBOSE,
)
_NAMED_ENDS = re.compile(
    rf"""(?<![0-9.,/-])(?P<low>{DIGITS})[ ]?(?:=|\b(?:is|being|means|for)\b)[^0-9\n]{{1,40}}
    (?<![0-9.,/-])(?P<high>{DIGITS})[ ]?(?:=|\b(?:is|being|means|for)\b)[ ]?[A-Za-z]{{1,20}}""",
    re.IGNORECASE | re.VERBOSE,
)
_BRACKETED_SCALE = re.compile(rf"[\[(][ ]?(?P<low>{DIGITS})[ ]?,[ ](?P<high>{DIGITS})[ ]?[\])]")
_FULL_MARKS = re.compile(
    rf"""[(]?满分(?:为|是|:)?[ ]?(?P<full>{DIGITS})[ ]?分?[)]? | (?<![0-9.,])(?P<system>{DIGITS})[ ]?分制
    | (?<![0-9.,给打得])(?<![给打得][ ])以?(?P<as_full>{DIGITS})[ ]?分?为?满分
    | [(](?:out[ ]of|max(?:imum|[.])?)[ ]?(?P<maximum>{DIGITS})[)]
    | (?<![0-9.,])(?P<point>{DIGITS})[ -]points?[ -]scale | (?P<hundred>百分制)""",
    re.IGNORECASE | re.VERBOSE,
)
_OUT_OF = re.compile(
    rf"""(?<![A-Za-z])out[ ]of[ ](?:an?[ ])?(?:(?:possible|total|max(?:imum|[.])?)[ ])?(?:of[ ])?(?P<top>{DIGITS})
    (?:[ ](?:possible[ ])?(?:points?|marks))?
    (?:[ ]?[,:;](?P<listed>[ ]?[0-9])?|(?=[ ](?:I|we|this|it|the|my)\b))""",
    re.IGNORECASE | re.VERBOSE,
)
_COUNTED = re.compile(rf"[0-9]{CLOSERS}[ ,]{{0,3}}$")
_SENTENCE_OPENING = re.compile(r"(?:^|[.!?\n:;。！？])[-*_#>\s`\"'“|(]*$")
_SENTENCE_END = re.compile(r"[!?\n。！？]|\.(?![0-9])")
_STANDING = re.compile(rf"(?<![0-9A-Za-z_./~-])(?<![0-9],)[-+]?{DIGITS}")
_AFTER_STANDING = re.compile(
    rf"""{CLOSERS}[ \t]{{0,3}}(?:[.,;:!?。！？\n]|$|points?\b|Punkte?\b|分
    |\b(?:because|since|as|for|overall|given|due|weil|denn|car|porque)\b|因为|由于)""",
    re.IGNORECASE | re.VERBOSE,
)


class OtherScale(ValueError):
    """The reply announces a scale that it was not given; the text is the announcement."""


def without_scales(text: Traced, low: float, high: float) -> tuple[Traced, list[int]]:
    """The text without its restated scales, and where in it those stood that introduce a number.

    A range in the middle of a sentence that no word calls a scale is removed, but introduces nothing.

    Raises:
        OtherScale: the reply announces another scale than `low` (or 0, or 1) to `high`.
    """
    stated: list[int] = []

    def removed(match: re.Match[str], source: Traced, *, introduces: bool = True) -> str:
        if introduces:
            stated.append(source.origins[match.start()])
        return " "

    def span(source: Traced, match: re.Match[str]) -> str:
        named = match.groupdict()
        announced, after = named.get("announced") or "", named.get("after") or ""
        called = bool(after) or re.search(_SCALE_WORD, announced, re.IGNORECASE) is not None
        opens = _opens_sentence(match)
        if number(match["low"]) in {low, 0.0, 1.0} and number(match["high"]) == high:
            introduces = called or opens or "分" in match.group() or match.group()[0] in "[("
            return removed(match, source, introduces=introduces)
        if called or (opens and announced):
            raise OtherScale(match.group().strip())
        return match.group()

    def named_ends(source: Traced, match: re.Match[str]) -> str:
        is_scale = number(match["low"]) in {low, 0.0, 1.0} and number(match["high"]) == high
        return removed(match, source) if is_scale else match.group()

    def full_marks(source: Traced, match: re.Match[str]) -> str:
        top = next((group for name, group in match.groupdict().items() if group and name != "hundred"), "100")
        if number(top) != high:
            raise OtherScale(match.group().strip())
        return removed(match, source)

    def out_of(source: Traced, match: re.Match[str]) -> str:
        if _COUNTED.search(match.string[max(0, match.start() - 12) : match.start()]):
            return match.group()
        if number(match["top"]) == high:
            digit = match["listed"] or ""
            return removed(match, source) + digit
        if _opens_sentence(match) and not match["listed"]:
            raise OtherScale(match.group().strip())
        return match.group()

    kinds = ((_SCALE, span), (_NAMED_ENDS, named_ends), (_BRACKETED_SCALE, span), (_FULL_MARKS, full_marks))
    for pattern, handle in (*kinds, (_OUT_OF, out_of)):
        source = text
        text = source.replaced(pattern, lambda match, handle=handle, source=source: handle(source, match))  # type: ignore[misc]
    return text, sorted({bisect_left(text.origins, origin) for origin in stated})


def standing_numbers(text: str, stated: list[int], high: float) -> Iterator[tuple[float | None, int]]:
    """The numbers that stand by themselves in a sentence that states the scale, and where they begin.

    `3 dogs` counts something, and is none; None for one that is no score on this scale.
    """
    if not stated:
        return
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    for sentence in sorted({bisect_right(ends, position) for position in stated}):
        start = ends[sentence - 1] if sentence else 0
        end = ends[sentence] if sentence < len(ends) else len(text)
        for match in _STANDING.finditer(text, start, end):
            value, after = value_at(text, match.start(), high)
            if value is None or _AFTER_STANDING.match(text, after):
                yield value, match.start()


def _opens_sentence(match: re.Match[str]) -> bool:
    return _SENTENCE_OPENING.search(match.string[max(0, match.start() - 12) : match.start()]) is not None
