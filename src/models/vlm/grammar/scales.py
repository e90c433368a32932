"""Scales that a reply restates: they are no scores, but the number that stands alone in their sentence is one."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator

from src.models.vlm.grammar.doubts import holds_doubt
from src.models.vlm.grammar.numerals import CLOSERS, DIGITS, number, value_at
from src.models.vlm.grammar.text_with_offsets import TextWithOffsets

_SCALE_WORD = r"(?:scale|range|Skala|échelle|escala)"
_NOTE = r"(?:[ ]?[(][^()0-9\n]{1,30}[)])?"
_TO = r"(?:-|~|\b(?:to|and|bis|und|à|a|et|y|hasta)\b|至|到)"
_SCALE = re.compile(
    rf"""(?P<open>[\[(][^\[\]()0-9\n]{{0,40}})?
    (?P<announced>(?:\b(?:on|auf|sur|en)[ ])?(?:\b(?:a|the|einer|der|une|una)[ ])?
        \b{_SCALE_WORD}[ ]?(?:of|is|:)?[ ]?(?:(?:from|between|von|zwischen|de|entre)[ ])?
      | \b(?:from|between|von|zwischen|de|entre)[ ] | \bon[ ](?:a|the)[ ])?
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
    | (?:\bon[ ](?:an?|the)[ ])?(?<![0-9.,])(?P<point>{DIGITS})[ -]points?[ -]scale
    | (?P<hundred>百分制|满分(?:为|是|:)?一?百分) | (?P<ten>十分制|满分(?:为|是|:)?十分|\bten[ -]point[ -]scale)
    | (?P<words>[一二三四五六七八九两]分制|满分(?:为|是|:)?[一二三四五六七八九]分
      |[一二三四五六七八九]分满分|\b(?:three|four|five|six|seven)[ -]point[ -]scale
      |\bscale[ ](?:of|from)[ ][a-z]{{3,5}}[ ]to[ ](?:three|four|five|six|seven)\b)
    | [(]总分(?:为|是|:)?[ ]?(?P<total_note>{DIGITS})[ ]?分?[)]
    | 总分(?:为|是|:)?[ ]?(?P<total>{DIGITS})[ ]?分?(?=[,;][ ]{{0,2}}[^0-9\n。]{{0,12}}[得给打评扣])
    | 最高(?:得?分|可得)?(?:为|是|:)?[ ]?(?P<highest_zh>{DIGITS})[ ]?分?
    | (?:\b(?:the|an?|with)[ ]){{0,2}}\b(?:max(?:imum|[.])?|highest|best|top|perfect|full)(?:[ ]possible)?
      (?:[ ](?:score|rating|mark|grade|value)(?:[ ]possible)?(?:[ ]?:|[ ](?:is|was|of|being|would[ ]be))?
       |[ ]?:|[ ](?:of|is|being))
      [ ]?(?P<highest>{DIGITS})(?:[ ](?:points?|marks)\b)?""",
    re.IGNORECASE | re.VERBOSE,
)
_OUT_OF = re.compile(
    rf"""(?<![A-Za-z])out[ ]of[ ](?:an?[ ])?(?:(?:possible|total|max(?:imum|[.])?)[ ])?(?:of[ ])?(?P<top>{DIGITS})
    (?:[ ](?:possible[ ])?(?:points?|marks))?
    (?:[ ]?[,:;](?P<listed>(?=[ ]?[0-9]))?|(?=[ ](?:I|we|this|it|the|my)\b))""",
    re.IGNORECASE | re.VERBOSE,
)
_COUNTED = re.compile(rf"[0-9]{CLOSERS}[ ,]{{0,3}}$")
_SENTENCE_OPENING = re.compile(r"(?:^|[.!?\n:;。！？])[-*_#>\s`\"'“|(]*$")
_SENTENCE_END = re.compile(r"[!?\n。！？]|\.(?![0-9])")
_STANDING = re.compile(rf"(?<![0-9A-Za-z_./~-])(?<![0-9],)[-+]?{DIGITS}")
_ANY_NUMBER = re.compile(rf"[-+]?(?<![0-9])(?<![0-9][.,]){DIGITS}")
_COUNT = re.compile(
    r"[0-9]{1,4}+[ ](?!points?\b|Punkte?\b|(?:is|was|as|this|has|plus|versus|less|marks|stars)\b)[a-z]{2,30}s\b"
)
_BARE_BRACKET = re.compile(r"[\[(][^A-Za-z]*[\])]")
_WORDED = {"hundred": 100.0, "ten": 10.0, "words": None}
"""The full marks of the groups that say them in words; None for those that are another scale whatever ours is."""
_USUAL_TOPS = frozenset({3.0, 4.0, 5.0, 6.0, 7.0, 9.0, 10.0, 20.0, 100.0})
_AFTER_STANDING = re.compile(
    rf"""{CLOSERS}[ \t]{{0,3}}(?:[.,;:!?。！？\n]|$|points?\b|Punkte?\b|分
    |\b(?:because|since|as|for|overall|given|due|weil|denn|car|porque)\b|因为|由于)""",
    re.IGNORECASE | re.VERBOSE,
)


class OtherScale(ValueError):
    """The reply announces a scale that it was not given; the text is the announcement."""


def without_scales(text: TextWithOffsets, low: float, high: float) -> tuple[TextWithOffsets, list[int]]:
    """The text without its restated scales, and where in it those stood that introduce a number.

    A range in the middle of a sentence that no word calls a scale is removed, but introduces nothing.

    Raises:
        OtherScale: the reply announces another scale than `low` (or 0, or 1) to `high`.
    """
    remover = _Remover(low, high)
    text = remover.remove(_SCALE, remover.span, text)
    text = remover.remove(_NAMED_ENDS, remover.ends, text)
    text = remover.remove(_BRACKETED_SCALE, remover.ends, text)
    text = remover.remove(_FULL_MARKS, remover.full_marks, text)
    text = remover.remove(_OUT_OF, remover.out_of, text)
    return text, sorted({bisect_left(text.offsets, origin) for origin in remover.stated})


class _Remover:
    """Decides about each mention of a scale: a method gives what stays in its place, and whether a number follows."""

    def __init__(self, low: float, high: float) -> None:
        self._lowest = {low, 0.0, 1.0}
        self._high = high
        self.stated: list[int] = []
        """Positions in the original of the scales that introduce a number."""

    def remove(
        self, pattern: re.Pattern[str], decide: Callable[[re.Match[str]], tuple[str, bool]], text: TextWithOffsets
    ) -> TextWithOffsets:
        def new(match: re.Match[str]) -> str:
            stays, introduces = decide(match)
            if introduces:
                self.stated.append(text.offsets[match.start()])
            return stays

        return text.replaced(pattern, new)

    def span(self, match: re.Match[str]) -> tuple[str, bool]:
        announced, opens = match["announced"] or "", _opens_sentence(match)
        called = re.search(_SCALE_WORD, match.group(), re.IGNORECASE) is not None
        if self._is_ours(match):
            return " ", called or opens or "分" in match.group() or match.group()[0] in "[("
        if called or (opens and announced) or "分" in match.group() or _BARE_BRACKET.fullmatch(match.group()):
            raise OtherScale(match.group().strip())
        return match.group(), False

    def ends(self, match: re.Match[str]) -> tuple[str, bool]:
        if self._is_ours(match):
            return " ", True
        before = match.string[max(0, match.start() - 12) : match.start()]
        if re.search(_SCALE_WORD, before, re.IGNORECASE) or self._looks_like_a_scale(match):
            raise OtherScale(match.group().strip())
        return match.group(), False

    def _looks_like_a_scale(self, match: re.Match[str]) -> bool:
        return number(match["low"]) in self._lowest and number(match["high"]) in _USUAL_TOPS

    def full_marks(self, match: re.Match[str]) -> tuple[str, bool]:
        name, top = next((name, group) for name, group in match.groupdict().items() if group)
        if (_WORDED[name] if name in _WORDED else number(top)) != self._high:
            raise OtherScale(match.group().strip())
        return " ", True

    def out_of(self, match: re.Match[str]) -> tuple[str, bool]:
        if _COUNTED.search(match.string[max(0, match.start() - 12) : match.start()]):
            return match.group(), False
        if number(match["top"]) == self._high:
            return " ", True
        if _opens_sentence(match) and match["listed"] is None:
            raise OtherScale(match.group().strip())
        return match.group(), False

    def _is_ours(self, match: re.Match[str]) -> bool:
        return number(match["low"]) in self._lowest and number(match["high"]) == self._high


def standing_numbers(text: str, stated: list[int], high: float) -> Iterator[tuple[float | None, int]]:
    """The numbers that stand by themselves in a sentence that states the scale, and where they begin.

    `3 dogs` counts something, and is none. None for one that is no score on this scale, that stands beside another
    number, or that follows a word of doubt or comparison.
    """
    if not stated:
        return
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    for sentence in sorted({bisect_right(ends, position) for position in stated}):
        start = ends[sentence - 1] if sentence else 0
        end = ends[sentence] if sentence < len(ends) else len(text)
        standing = [match for match in _ANY_NUMBER.finditer(text, start, end) if not _COUNT.match(text, match.start())]
        for match in standing:
            value, after = value_at(text, match.start(), high)
            alone = len(standing) == 1 and _STANDING.match(text, match.start()) and _AFTER_STANDING.match(text, after)
            yield value if alone and not holds_doubt(text[start : match.start()]) else None, match.start()


def _opens_sentence(match: re.Match[str]) -> bool:
    return _SENTENCE_OPENING.search(match.string[max(0, match.start() - 12) : match.start()]) is not None
