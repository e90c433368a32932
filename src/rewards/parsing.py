"""The score grammar: from a judge's reply to a number, or to `UnparsableReply`. Nothing is guessed and nothing clamped.

`parse_score` reads the final answer: what follows the last `</think>`, or stands in the last `<answer>`. Fullwidth
digits and punctuation count as their plain forms. Of these kinds, the first that occurs decides:

1. JSON, bare, fenced or inside prose, with a key such as `score`, `rating`, `评分`; `final_score`, `总分` … go first.
2. `<score>8.5</score>`.
3. A label: `Score: 8.5`, `rating is 8.5`, `评分：8.5`. A line of its own or a final label (`Final score`, `总分`) is
   stronger than one inside a sentence, and that is stronger than the label of a part (`Lighting score: 6`).
4. `8.5/10` or `8.5 out of 10`.
5. `I give it 8.5`, `打 8.5 分`.
6. A number alone on its line.

Restated scales (`on a scale of 0-10`, `0到10分`, `满分10分`) are removed before kinds 3 to 6 are looked for.

Different numbers of one kind are ambiguous, unless the last of them is a final label and no other final one disagrees.
Unreadable on purpose: another denominator (`4/5`) or scale (`on a scale of 1 to 5`), percent, stars, ranges (`7-8`),
lists and arithmetic, words for numbers, `7,500` (thousands or decimals?), an unclosed `<think>`.

Every regular expression here is linear: runs are possessive or bounded, so that no reply can stall a run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from src.rewards.json_in_text import JsonObject, find_objects

GRAMMAR = "1"
"""Part of the key of every verdict that is read from text: raise it with any change to what a reply gives."""

_PLAIN_FORMS = str.maketrans(
    {chr(code): chr(code - 0xFEE0) for code in (*range(0xFF10, 0xFF1A), *map(ord, "：．／－＋％＝（）［］～｜＊＜＞"))}
    | {"−": "-", "–": "-", "—": "-", "〜": "~", "　": " ", "，": ", ", "、": ", "}
)
"""A fullwidth comma never is a decimal comma, so it is kept apart from the next digit."""

_DIGITS = r"[0-9]++(?:[.,][0-9]++)?+"
_NUMBER = re.compile(rf"[-+]?{_DIGITS}")
_CLOSERS = r"[*_`\"'”)\]]{0,6}+"
_TOP = re.compile(rf"{_CLOSERS}[ \t]{{0,3}}(?:/|out[ ]of)[ \t]{{0,3}}[*_`]{{0,3}}(?P<top>{_DIGITS})", re.IGNORECASE)
_SPOILED = re.compile(
    rf"""{_CLOSERS}(?:
        [0-9A-Za-z] | [.,][0-9]
      | [ \t]{{0,3}}(?:%|percent\b|of\b|stars?\b|[★⭐]|颗?星|成)
      | [ \t]{{0,3}}(?:[-+*×÷/=~→±]{{1,2}}>?|\b(?:to|or|and)\b|[至到或,])[ \t]{{0,3}}[0-9]
    )""",
    re.IGNORECASE | re.VERBOSE,
)
"""What makes the number before it something else than a score: a unit, a range, a list, arithmetic."""
_IN_RANGE = re.compile(r"[0-9][ \t]?(?:[-~/]|to|or|and|至|到|或)[ \t]?$", re.IGNORECASE)
_REST_OF_LINE = re.compile(r"[ \t]{0,4}(?:分|points?)?[*_`\"'”)\].。!|}\t ]*+(?=\n|$)", re.IGNORECASE)
_THOUSANDS = re.compile(r"[-+]?[1-9][0-9]{0,2},[0-9]{3}")

_SCALE = re.compile(
    rf"""(?P<open>[\[(][^\[\]()0-9\n]{{0,40}})?
    (?P<announced>(?:\bon[ ])?(?:\b(?:a|the)[ ])?\b(?:scale|range)[ ]?(?:of|is|:)?[ ]?(?:from[ ])?
      | \b(?:from|between)[ ])?
    (?<![0-9.,/-])(?P<low>{_DIGITS})[ ]?分?[ ]?(?:-|~|\bto\b|\band\b|至|到)[ ]?(?P<high>{_DIGITS})(?!/)(?:[ ]?分)?
    (?P<after>[ ]scale\b)?
    (?(open)[^\[\]()0-9\n]{{0,40}}[\])])""",
    re.IGNORECASE | re.VERBOSE,
)
_BRACKETED_SCALE = re.compile(rf"[\[(][ ]?(?P<low>{_DIGITS})[ ]?,[ ](?P<high>{_DIGITS})[ ]?[\])]")
_FULL_MARKS = re.compile(
    rf"""[(]?满分(?:为|是|:)?[ ]?(?P<full>{_DIGITS})[ ]?分?[)]? | (?<![0-9.,])(?P<system>{_DIGITS})[ ]?分制
    | [(](?:out[ ]of|max(?:imum|[.])?)[ ]?(?P<maximum>{_DIGITS})[)] | (?<![0-9.,])(?P<point>{_DIGITS})-point[ ]scale
    | (?P<hundred>百分制)""",
    re.IGNORECASE | re.VERBOSE,
)

_TAG = re.compile(r"<score>([^<]{0,40})</score>", re.IGNORECASE)
_LABEL = re.compile(
    r"""(?<![A-Za-z_-])(?P<final>(?:(?:final|overall|total)[ _-]{1,2}){0,2})(?:score|rating)(?![A-Za-z_])
    | (?P<final_zh>最终|最后|总体|综合|整体|总)?(?:综合)?(?:评分|得分|分数|打分) | (?P<total_zh>总分|总评)""",
    re.IGNORECASE | re.VERBOSE,
)
_GAP = re.compile(
    rf"""{_CLOSERS}(?P<part>[ \t]{{1,2}}(?:for|of)[ \t][A-Za-z][A-Za-z' \t-]{{0,60}}?(?=[ \t]?:|[ \t](?:is|was)\b))?
    [ \t]{{0,4}}(?P<link>[:=|→]|-(?=[ \t])|\b(?:is|was|of|would[ ]be)\b|为|是)?{_CLOSERS}
    \s{{0,4}}(?:an?[ \t])?[*_`"'“(\[]{{0,6}}(?=[-+]?[0-9])""",
    re.IGNORECASE | re.VERBOSE,
)
_NEXT_WORD = re.compile(r"[ \t]+[A-Za-z]")
_BEFORE_LABEL = re.compile(r"([A-Za-z]+|[\u4e00-\u9fff])[*_`\"' \t]{0,4}$")
_DETERMINERS = frozenset(
    {"the", "my", "a", "an", "your", "this", "its", "so", "thus", "therefore", "hence", "and", "with", "give", "assign"}
)
_LINE_OPENING = re.compile(r"(?:[-*_#>\s`\"'|{(]|\b(?:the|my|so|thus|therefore|hence)\b|,)*+", re.IGNORECASE)
_RATIO = re.compile(
    rf"(?<![0-9A-Za-z_.,/~-])[-+]?{_DIGITS}(?={_CLOSERS}[ \t]{{0,3}}(?:/|out of)[ \t]{{0,3}}[*_`]{{0,3}}[0-9])",
    re.IGNORECASE,
)
_PHRASE = re.compile(
    r"""\b(?:I|we)(?:'d|’d|[ ]would|[ ]will)?[ ](?:give|rate|score|assign|award)
        (?:[ ](?:it|this|that|(?:this|the)[ ](?:edit|image|result)))?(?:[ ](?:at|as|with))?(?:[ ]an?)?
        [ ][*_`"'“]{0,4}(?=[-+]?[0-9])
    | (?:给予?|打|评|得)(?:了|它|出|为)?[ ]?[*_`"'“]{0,4}(?=[-+]?[0-9])""",
    re.IGNORECASE | re.VERBOSE,
)
_AFTER_PHRASE = re.compile(rf"{_CLOSERS}[ \t]{{0,3}}(?:[.,;!。\n]|$|points?\b|分)", re.IGNORECASE)


class UnparsableReply(ValueError):
    """The reply holds no score, several different ones, or one outside the scale; the text says which."""


@dataclass(frozen=True)
class _Candidate:
    value: float | None
    """None where a score is announced that cannot be read."""
    final: bool = False


def parse_score(reply: str, low: float = 0.0, high: float = 10.0) -> float:
    """Reads the one score of a reply by the grammar at the top of this module.

    Args:
        reply: A judge's whole reply, thinking included.
        low: The lowest score of the scale that the judge was given.
        high: The highest; also the only denominator that is read.

    Raises:
        UnparsableReply: no score, several different ones, or one outside `low`–`high`.
    """
    answer = plain_forms(final_answer(reply))
    objects, prose = find_objects(answer)
    candidates = _from_json(objects, high) or [_Candidate(whole_value(text, high)) for text in _TAG.findall(prose)]
    if not candidates:
        prose = _without_scales(prose, low, high)
        candidates = (
            _from_labels(prose, high)
            or list(_from_ratios(prose, high))
            or list(_from_phrases(prose, high))
            or list(_from_lone_numbers(prose, high))
        )
    return _decide(candidates, low, high)


def _decide(candidates: list[_Candidate], low: float, high: float) -> float:
    if not candidates:
        raise UnparsableReply("the reply holds no score")
    values = {candidate.value for candidate in candidates}
    if len(values) > 1:
        finals = {candidate.value for candidate in candidates if candidate.final}
        if not candidates[-1].final or len(finals) > 1:
            raise UnparsableReply(f"the reply holds {len(values)} different scores and none is clearly the final one")
        values = finals
    (value,) = values
    if value is None:
        raise UnparsableReply("what the reply gives as its score is not one number on this scale")
    if not low <= value <= high:  # NaN fails the comparison
        raise UnparsableReply(f"the score {value:g} is outside {low:g}–{high:g}")
    return value


def final_answer(reply: str) -> str:
    """What follows the thinking: after the last `</think>`, inside the last `<answer>`.

    Raises:
        UnparsableReply: when the reply breaks off while thinking.
    """
    answer = re.split(r"</think(?:ing)?>", reply, flags=re.IGNORECASE)[-1]
    if re.search(r"<think(?:ing)?>", answer, re.IGNORECASE):
        raise UnparsableReply("the reply breaks off while thinking")
    marked = re.split(r"<answer>", answer, flags=re.IGNORECASE)[-1]
    return re.split(r"</answer>", marked, maxsplit=1, flags=re.IGNORECASE)[0]


def plain_forms(text: str) -> str:
    """The text with fullwidth digits and punctuation as their plain forms."""
    return text.translate(_PLAIN_FORMS)


def _without_scales(text: str, low: float, high: float) -> str:
    """Removes restated scales, and refuses a reply that announces another one."""
    lowest = {low, 0.0, 1.0}

    def span(match: re.Match[str]) -> str:
        bottom, top = _number(match["low"]), _number(match["high"])
        if bottom in lowest and top == high:
            return " "
        announced = (match.groupdict().get("announced") or "") + (match.groupdict().get("after") or "")
        if "scale" in announced.lower():
            raise UnparsableReply(f"the reply announces another scale: {match.group().strip()!r}")
        return match.group()

    def full_marks(match: re.Match[str]) -> str:
        top = next((group for name, group in match.groupdict().items() if group and name != "hundred"), "100")
        if _number(top) != high:
            raise UnparsableReply(f"the reply announces another scale: {match.group().strip()!r}")
        return " "

    return _FULL_MARKS.sub(full_marks, _BRACKETED_SCALE.sub(span, _SCALE.sub(span, text)))


def _number(text: str) -> float | None:
    return None if _THOUSANDS.fullmatch(text) else float(text.replace(",", "."))


def _value_at(text: str, position: int, high: float) -> tuple[float | None, int]:
    """The number at a position with its denominator, and where it ends; None when it is no score on this scale."""
    match = _NUMBER.match(text, position)
    assert match, "callers look ahead for a digit"
    value, end = _number(match.group()), match.end()
    if top := _TOP.match(text, end):
        end = top.end()
        if _number(top["top"]) != high:
            value = None
    return (None if _SPOILED.match(text, end) else value), end


def whole_value(text: str, high: float) -> float | None:
    """The number that a text consists of, apart from a denominator, a unit and markup."""
    stripped = text.strip().lstrip("*_`\"'“([")
    if not _NUMBER.match(stripped):
        return None
    value, end = _value_at(stripped, 0, high)
    rest = _REST_OF_LINE.match(stripped, end)
    return value if rest and rest.end() == len(stripped) else None


def _from_json(objects: list[JsonObject], high: float) -> list[_Candidate]:
    """Score keys at the shallowest level that has any; final ones alone, if there are final ones."""
    level = objects
    while level:
        pairs = [pair for pairs in level for pair in pairs]
        labels = [(_LABEL.fullmatch(key.strip()), _Candidate(json_value(value, high))) for key, value in pairs]
        found = [(_is_final(label), candidate) for label, candidate in labels if label]
        if found:
            return [candidate for final, candidate in found if final] or [candidate for _, candidate in found]
        level = [value for _, value in pairs if isinstance(value, JsonObject)]
    return []


def _is_final(label: re.Match[str]) -> bool:
    return bool(label["final"] or label["final_zh"] or label["total_zh"])


def json_value(value: object, high: float) -> float | None:
    """A number, or a text that consists of one; None for anything else."""
    if isinstance(value, str):
        return whole_value(value, high)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(str(value)) if is_number else None  # through text: an integer too long for a float becomes infinite


def _from_labels(text: str, high: float) -> list[_Candidate]:
    """The strongest labels: lines of their own before sentences before parts; beside a final one, every whole one."""
    ranked: list[tuple[int, _Candidate]] = []
    for label in _LABEL.finditer(text):
        gap = _GAP.match(text, label.end())
        if not gap or (gap.group() == "" and label.group().isascii()):
            continue
        value, end = _value_at(text, gap.end(), high)
        ends_line = _REST_OF_LINE.match(text, end) is not None
        loose = "\n" in gap.group() or not gap["link"]
        if loose and not ends_line and ("\n" in gap.group() or _NEXT_WORD.match(text, end)):
            continue  # a numbered list below a heading, or a count of something
        if gap["part"] or _is_of_a_part(text, label.start()):
            rank = 2
        else:
            rank = 0 if ends_line and _opens_line(text, label.start()) else 1
        ranked.append((rank, _Candidate(value, _is_final(label) and rank < 2)))
    weakest = 1 if any(candidate.final for _, candidate in ranked) else min((rank for rank, _ in ranked), default=0)
    return [candidate for rank, candidate in ranked if rank <= weakest]


def _is_of_a_part(text: str, start: int) -> bool:
    before = text[max(0, start - 40) : start].rpartition("\n")[2]
    word = _BEFORE_LABEL.search(before)
    return word is not None and word.group(1).lower() not in _DETERMINERS


def _opens_line(text: str, start: int) -> bool:
    before = text[max(0, start - 40) : start].rpartition("\n")[2]
    return _LINE_OPENING.fullmatch(before) is not None


def _from_ratios(text: str, high: float) -> Iterator[_Candidate]:
    for match in _RATIO.finditer(text):
        top = _TOP.match(text, match.end())
        if top is None or _number(top["top"]) != high:
            continue
        value, _ = _value_at(text, match.start(), high)
        in_range = _IN_RANGE.search(text[max(0, match.start() - 12) : match.start()])
        yield _Candidate(None if in_range else value)


def _from_phrases(text: str, high: float) -> Iterator[_Candidate]:
    for match in _PHRASE.finditer(text):
        value, end = _value_at(text, match.end(), high)
        if value is None or _AFTER_PHRASE.match(text, end):
            yield _Candidate(value)


def _from_lone_numbers(text: str, high: float) -> Iterator[_Candidate]:
    for line in text.splitlines():
        value = whole_value(line, high)
        if value is not None:
            yield _Candidate(value)
