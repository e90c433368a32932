"""The score grammar: from a judge's reply to a number, or to `UnparsableReply`. Nothing is guessed and nothing clamped.

`parse_score` reads the final answer: what follows the last `</think>`, or stands in the last `<answer>`. Fullwidth
digits and punctuation count as their plain forms. Of these kinds, the first that occurs decides:

1. JSON, bare, fenced or inside prose, with a key such as `score`, `rating`, `评分`; `final_score`, `总分` … go first.
2. `<score>8.5</score>`.
3. A label: `Score: 8.5`, `rating is 8.5`, `评分：8.5`. A line of its own or a final label (`Final score`, `总分`) is
   stronger than one inside a sentence, and that is stronger than the label of a part (`Lighting score: 6`).
4. `8.5/10` or `8.5 out of 10`.
5. `I give it 8.5`, `打 8.5 分`.
6. A number that stands by itself in a sentence that states the scale: `On a scale from 0 to 10 this earns 3.5`.
7. A number alone on its line.

Restated scales (`on a scale of 0-10`, `out of 10, …`, `0到10分`, `满分10分`) are removed before kinds 3 to 7 are looked
for.

`read_score` also says where in the reply that number is, so that an expected score refines this very number.

Different numbers of one kind are ambiguous, unless the last of them is a final label and no other final one disagrees.
Unreadable on purpose: another denominator (`4/5`) or scale (`on a scale of 1 to 5`), percent, stars, ranges (`7-8`),
lists and arithmetic, words for numbers, `7,500` (thousands or decimals?), an unclosed `<think>`.
So is a number that a negation, a comparison or an earlier time introduces (`not worth 9/10`), and a label within a
sentence beside another verdict (`Total score is 10. I give 7.`).

Every regular expression here is linear: runs are possessive or bounded, so that no reply can stall a run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from src.models.vlm.grammar.doubts import is_doubted
from src.models.vlm.grammar.json_in_text import JsonObject, find_objects
from src.models.vlm.grammar.numerals import (
    CLOSERS,
    DIGITS,
    REST_OF_LINE,
    TOP,
    number,
    value_at,
    whole_number,
    whole_value,
)
from src.models.vlm.grammar.scales import OtherScale, standing_numbers, without_scales
from src.models.vlm.grammar.text_with_offsets import TextWithOffsets

GRAMMAR = "3"
"""Part of the key of every verdict that is read from a reply, expected scores included: raise it with any change to
what a reply gives, or to where its score is."""

_PLAIN_FORMS = str.maketrans(
    {chr(code): chr(code - 0xFEE0) for code in (*range(0xFF10, 0xFF1A), *map(ord, "：．／－＋％＝（）［］～｜＊＜＞"))}
    | {
        "−": "-",
        "–": "-",
        "—": "-",
        "‐": "-",
        "‑": "-",
        "―": "-",
        "⁄": "/",
        "∕": "/",
        "〜": "~",
        "　": " ",
        "，": ", ",
        "、": ", ",
    }
)
"""A fullwidth comma never is a decimal comma, so it is kept apart from the next digit."""

_PLAIN_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_THOUGHT = re.compile(r"</think(?:ing)?>", re.IGNORECASE)
_THINKING = re.compile(r"<think(?:ing)?>", re.IGNORECASE)
_ANSWER = re.compile(r"<answer>", re.IGNORECASE)
_ANSWERED = re.compile(r"</answer>", re.IGNORECASE)
_IN_RANGE = re.compile(r"[0-9][ \t]?(?:[-~/]|to|or|and|至|到|或)[ \t]?$", re.IGNORECASE)
_TAG = re.compile(r"<score>([^<]{0,40})</score>", re.IGNORECASE)
_LABEL = re.compile(
    r"""(?<![A-Za-z_-])(?P<final>(?:(?:final|overall|total)[ _-]{1,2}){0,2})(?:score|rating)(?![A-Za-z_])
    | (?P<final_zh>最终|最后|总体|综合|整体|总)?(?:综合)?(?:评分|得分|分数|打分) | (?P<total_zh>总分|总评)""",
    re.IGNORECASE | re.VERBOSE,
)
_SCALE_KEY = re.compile(
    r"""(?:max(?:imum)?|highest|top|full)(?:[ _-]?possible)?(?:[ _-]?(?:score|rating|value|points?|marks?))?
    | (?:score|rating)[ _-]?(?:max|scale|range|out[ _-]?of) | out[ _-]?of | scale | range | denominator
    | 满分 | 最高分""",
    re.IGNORECASE | re.VERBOSE,
)
_GAP = re.compile(
    rf"""{CLOSERS}(?P<part>[ \t]{{1,2}}(?:for|of)[ \t][A-Za-z][A-Za-z' \t-]{{0,60}}?(?=[ \t]?:|[ \t](?:is|was)\b))?
    [ \t]{{0,4}}(?P<link>[:=|→]|-(?=[ \t])|\b(?:is|was|of|would[ ]be)\b[ ]?:?|[为是][ ]?:?)?{CLOSERS}
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
    rf"(?<![0-9A-Za-z_.,/~-])[-+]?{DIGITS}(?={CLOSERS}[ \t]{{0,3}}(?:/|out of)[ \t]{{0,3}}[*_`]{{0,3}}[0-9])",
    re.IGNORECASE,
)
_COUNTED_AFTER = re.compile(
    r"""[ ]?[个的张只处项件] | [ ](?!(?:for|because|since|as|overall|given|due|in|on|at|with|and|but|so|which|is|here|
    points?|marks?|from|if|when|while|though|although|to|by|I|we|would|seems|feels|due|my|the|it|this|that)\b)[A-Za-z]""",
    re.IGNORECASE | re.VERBOSE,
)
"""`7/10 objects` counts objects."""
_PHRASE = re.compile(
    r"""\b(?:I|we)(?:'d|’d|[ ]would|[ ]will)?[ ](?:give|rate|score|assign|award)
        (?:[ ](?:it|this|that|(?:this|the)[ ](?:edit|image|result)))?(?:[ ](?:at|as|with))?(?:[ ]an?)?
        [ ][*_`"'“]{0,4}(?=[-+]?[0-9])
    | (?:给予?|打|评|得)(?:了|它|出|为)?[ ]?[*_`"'“]{0,4}(?=[-+]?[0-9])""",
    re.IGNORECASE | re.VERBOSE,
)
_AFTER_PHRASE = re.compile(rf"{CLOSERS}[ \t]{{0,3}}(?:[.,;!。\n]|$|points?\b|分)", re.IGNORECASE)


class UnparsableReply(ValueError):
    """The reply holds no score, several different ones, or one outside the scale; the text says which."""


@dataclass(frozen=True)
class Score:
    """The one score that a reply gives, and its place."""

    value: float
    start: int
    """Position of the number's first digit in the reply; of the first such number, if several say the same."""


@dataclass(frozen=True)
class _Candidate:
    value: float | None
    """The number; None where a score is announced that cannot be read."""
    start: int
    """Position in the text that was searched."""
    final: bool = False
    own_line: bool = False


def parse_score(reply: str, low: float = 0.0, high: float = 10.0) -> float:
    """The value of `read_score`, under its conditions."""
    return read_score(reply, low, high).value


def score_place(reply: str, low: float, high: float) -> int | None:
    """The position at which the score of a reply begins.

    It is None where the reply holds no score, or writes it otherwise than in plain digits with a point.
    """
    try:
        score = read_score(reply, low, high)
    except UnparsableReply:
        return None
    plain = _PLAIN_NUMBER.match(reply, score.start)
    return score.start if plain and float(plain[0]) == score.value else None


def read_score(reply: str, low: float = 0.0, high: float = 10.0) -> Score:
    """Reads the one score of a reply by the grammar at the top of this module.

    Args:
        reply: A judge's whole reply, thinking included.
        low: The lowest score of the scale that the judge was given.
        high: The highest; also the only denominator that is read.

    Raises:
        UnparsableReply: no score, several different ones, or one outside `low`–`high`.
    """
    answer = _answer(TextWithOffsets.of(reply)).translated(_PLAIN_FORMS)
    objects, _ = find_objects(answer.text)
    text, candidates = answer, _from_json(objects, high)
    if not candidates:
        text = answer.spliced((found.start, found.end, "\n") for found in objects)
        candidates = list(_from_tags(text.text, high))
    if not candidates:
        try:
            text, stated = without_scales(text, low, high)
        except OtherScale as error:
            raise UnparsableReply(f"the reply announces another scale: {str(error)!r}") from None
        prose = text.text
        candidates = (
            _from_sentences(prose, high)
            or [_Candidate(value, start) for value, start in standing_numbers(prose, stated, high)]
            or list(_from_lone_numbers(prose, high))
        )
    value, start = _decide(candidates, low, high)
    return Score(value, text.offsets[start + (text.text[start] in "+-")])


def _decide(candidates: list[_Candidate], low: float, high: float) -> tuple[float, int]:
    if not candidates:
        raise UnparsableReply("the reply holds no score")
    values = {candidate.value for candidate in candidates}
    if len(values) > 1:
        finals = [candidate for candidate in candidates if candidate.final]
        if not candidates[-1].final or len({candidate.value for candidate in finals}) > 1:
            raise UnparsableReply(f"the reply holds {len(values)} different scores and none is clearly the final one")
        candidates = finals
    value = candidates[0].value
    if value is None:
        raise UnparsableReply("what the reply gives as its score is not one number on this scale")
    if not low <= value <= high:  # NaN fails the comparison
        raise UnparsableReply(f"the score {value:g} is outside {low:g}–{high:g}")
    return value, candidates[0].start


def final_answer(reply: str) -> str:
    """What follows the thinking: after the last `</think>`, inside the last `<answer>`.

    Raises:
        UnparsableReply: when the reply breaks off while thinking.
    """
    return _answer(TextWithOffsets.of(reply)).text


def _answer(reply: TextWithOffsets) -> TextWithOffsets:
    thought = max((match.end() for match in _THOUGHT.finditer(reply.text)), default=0)
    answer = reply.cut(thought, len(reply.text))
    if _THINKING.search(answer.text):
        raise UnparsableReply("the reply breaks off while thinking")
    start = max((match.end() for match in _ANSWER.finditer(answer.text)), default=0)
    closing = _ANSWERED.search(answer.text, start)
    return answer.cut(start, closing.start() if closing else len(answer.text))


def plain_forms(text: str) -> str:
    """The text with fullwidth digits and punctuation as their plain forms."""
    return text.translate(_PLAIN_FORMS)


def _from_json(objects: list[JsonObject], high: float) -> list[_Candidate]:
    """Score keys at the shallowest level that has any; final ones alone, if there are final ones."""
    level = objects
    while level:
        entries = [entry for found in level for entry in found.entries()]
        labels = [
            (_LABEL.fullmatch(key.strip()), _Candidate(json_value(value, high), place)) for key, value, place in entries
        ]
        found = [(_is_final(label), candidate) for label, candidate in labels if label]
        if found:
            for key, value, _ in entries:
                _check_scale(key, value, high)
            return [candidate for final, candidate in found if final] or [candidate for _, candidate in found]
        level = [value for _, value, _ in entries if isinstance(value, JsonObject)]
    return []


def _check_scale(key: str, value: object, high: float) -> None:
    numbers = re.findall(DIGITS, str(value)) if _SCALE_KEY.fullmatch(key.strip()) else []
    if numbers and number(numbers[-1]) != high:
        raise UnparsableReply(f"the reply announces another scale: {key!r}")


def _from_tags(text: str, high: float) -> Iterator[_Candidate]:
    for match in _TAG.finditer(text):
        value, start = whole_number(match[1], high) or (None, 0)
        yield _Candidate(value, match.start(1) + start)


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
        value, end = value_at(text, gap.end(), high)
        ends_line = REST_OF_LINE.match(text, end) is not None
        loose = "\n" in gap.group() or not gap["link"]
        if loose and not ends_line and ("\n" in gap.group() or _NEXT_WORD.match(text, end)):
            continue  # a numbered list below a heading, or a count of something
        if gap["part"] or _is_of_a_part(text, label.start()):
            rank = 2
        else:
            rank = 0 if ends_line and _opens_line(text, label.start()) else 1
        if is_doubted(text, label.start()):
            value = None
        ranked.append((rank, _Candidate(value, gap.end(), _is_final(label) and rank < 2, own_line=rank == 0)))
    weakest = 1 if any(candidate.final for _, candidate in ranked) else min((rank for rank, _ in ranked), default=0)
    return [candidate for rank, candidate in ranked if rank <= weakest]


def _from_sentences(text: str, high: float) -> list[_Candidate]:
    """Labels, beside which ratios and phrases count unless one of the labels is a line of its own."""
    labels = _from_labels(text, high)
    if any(label.own_line for label in labels):
        return labels
    ratios = [ratio for ratio in _from_ratios(text, high) if not labels or ratio.value is not None]
    return sorted([*labels, *ratios, *_from_phrases(text, high)], key=lambda candidate: candidate.start)


def _is_of_a_part(text: str, start: int) -> bool:
    before = text[max(0, start - 40) : start].rpartition("\n")[2]
    word = _BEFORE_LABEL.search(before)
    return word is not None and word.group(1).lower() not in _DETERMINERS


def _opens_line(text: str, start: int) -> bool:
    before = text[max(0, start - 40) : start].rpartition("\n")[2]
    return _LINE_OPENING.fullmatch(before) is not None


def _from_ratios(text: str, high: float) -> Iterator[_Candidate]:
    for match in _RATIO.finditer(text):
        top = TOP.match(text, match.end())
        if top is None or number(top["top"]) != high:
            continue
        value, end = value_at(text, match.start(), high)
        in_range = _IN_RANGE.search(text[max(0, match.start() - 12) : match.start()])
        counted = _COUNTED_AFTER.match(text, end)
        yield _Candidate(None if in_range or counted or is_doubted(text, match.start()) else value, match.start())


def _from_phrases(text: str, high: float) -> Iterator[_Candidate]:
    for match in _PHRASE.finditer(text):
        value, end = value_at(text, match.end(), high)
        if value is None or _AFTER_PHRASE.match(text, end):
            yield _Candidate(None if is_doubted(text, match.start()) else value, match.end())


def _from_lone_numbers(text: str, high: float) -> Iterator[_Candidate]:
    position = 0
    for line in text.splitlines(keepends=True):
        if found := whole_number(line, high):
            value, start = found
            yield _Candidate(value, position + start)
        position += len(line)
