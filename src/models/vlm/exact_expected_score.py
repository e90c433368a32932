"""The mean of a reply's score over all numbers that a local model might have written in its place.

A server shows only a few alternatives to each token it chose; a local model can be asked what follows any of them.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from src.models.vlm.expected_score import SAID_NUMBER, SaidFraction, mean_score
from src.models.vlm.grammar.parsing import score_place

if TYPE_CHECKING:
    import torch

EXPECTATION = "2"
"""Part of the identity of judges that use it: raise it when the same probabilities give another score."""
LEAST_PROBABILITY = 0.01
"""Whole numbers less probable than this are left out."""

ReadOn = Callable[[list[list[int]]], "torch.Tensor"]
"""Takes k continuations of n tokens each; gives the probabilities (k × n × vocabulary) of what follows each token."""
NextTokens = Callable[[list[int]], tuple["torch.Tensor", ReadOn]]
"""Takes the first tokens of a reply; gives the probabilities (vocabulary) of what follows, and how to read on, once."""

_DIGITS = re.compile(r"[0-9]+")


@dataclass(frozen=True)
class NumberTokens:
    """The tokens of a vocabulary that write numbers, by the text they stand for."""

    digits: dict[str, list[int]]
    """`"7"`, and in vocabularies that have it `"10"`, with and without a space before it."""
    point: int | None
    """The decimal point; None where the vocabulary has none of its own."""

    @classmethod
    def of(cls, tokenizer: Any) -> NumberTokens:
        """Looks through the whole vocabulary."""
        digits: dict[str, list[int]] = {}
        point = None
        for token, index in tokenizer.get_vocab().items():
            if not any(sign in token for sign in "0123456789."):
                continue
            text = tokenizer.decode([index])
            if text == ".":
                point = index
            elif _DIGITS.fullmatch(text.lstrip()):
                digits.setdefault(text.lstrip(), []).append(index)
        return cls(digits, point)


def expected_score(
    reply: Sequence[int], tokenizer: Any, numbers: NumberTokens, next_tokens: NextTokens, low: float, high: float
) -> float | None:
    """The mean of the score under the model's own probabilities, as in Liu et al., "G-Eval" (2023), with decimals.

    The reply up to its score is kept. There every whole number with at least `LEAST_PROBABILITY` is followed further:
    its probability is shared among what may come next — the end of the number, a decimal point and the first token of
    its decimals (which go on as in `SaidFraction`), or another digit. So the probability of the token `1` is split
    exactly into that of 1, of 1.x and, by a `0` after it, of 10; where the vocabulary holds `10` as one token, that
    token counts as well.
    Numbers outside the range are left out and the rest is scaled to 1. Probabilities are those at temperature 1.

    Args:
        reply: The tokens of the reply.
        tokenizer: Its tokenizer.
        numbers: That tokenizer's number tokens.
        next_tokens: Asks the model.
        low: Lowest score, at least 0.
        high: Highest score, at most 10.

    Returns:
        A number from `low` to `high`; None where the grammar reads no score from the reply, where the tokens do not
        write exactly its number (`08`, or `0.` in one token after a `1`), or where the range is another.
    """
    if not 0 <= low < high <= 10 or numbers.point is None:
        return None
    place = _said_score(reply, tokenizer, numbers.point, low, high)
    if place is None:
        return None
    position, said = place
    first, read_on = next_tokens(list(reply[:position]))
    weights: list[tuple[float, float]] = []
    digits: list[tuple[str, float, int]] = []
    for text, tokens in numbers.digits.items():
        probability = _sum(first, tokens)
        if probability < LEAST_PROBABILITY or not _is_whole(text, high):
            continue
        if len(text) > 1:
            weights.append((float(text), probability))
        else:
            digits.append((text, probability, max(tokens, key=lambda token: float(first[token]))))
    if digits:
        after_all = read_on([[token, numbers.point] for _, _, token in digits])
        for (text, probability, _), after in zip(digits, after_all, strict=True):
            weights += [(value, probability * share) for value, share in _continued(text, after, numbers, high, said)]
    return mean_score([(value, weight) for value, weight in weights if low <= value <= high])


@dataclass(frozen=True)
class DigitExpectation:
    """What a model would say as its first token, as far as that is a digit of a scale."""

    mean: float
    """The probability-weighted mean of the digits, on the scale."""
    mass: float
    """The probability of all digits of the scale together, 0–1: below 1 by whatever else the model might have said."""
    likeliest: int
    """The most probable digit."""


def expected_digit(first: torch.Tensor, numbers: NumberTokens, low: int, high: int) -> DigitExpectation | None:
    """The mean digit Σ k·p(k) / Σ p(k) under the probabilities of the first token of a reply, at temperature 1.

    After the reward of Edit-R1 (PKU-YuanGroup/Edit-R1), which takes six fixed token ids and does not divide by their
    mass. Here the ids are those of the tokenizer, with and without a space before the digit.

    Args:
        first: The probabilities of a vocabulary.
        numbers: The number tokens of its tokenizer.
        low: Lowest digit of the scale, at least 0.
        high: Highest digit, at most 9.

    Returns:
        None where the vocabulary has no token for one of the digits, or none of them has any probability.
    """
    if any(str(digit) not in numbers.digits for digit in range(low, high + 1)):
        return None
    masses = [(float(digit), _sum(first, numbers.digits[str(digit)])) for digit in range(low, high + 1)]
    mean = mean_score(masses)
    if mean is None:
        return None
    likeliest = max(masses, key=lambda pair: pair[1])[0]
    return DigitExpectation(mean, min(1.0, sum(mass for _, mass in masses)), int(likeliest))


def next_tokens_after(prompt: Any, model: Any) -> NextTokens:
    """Asks a model of transformers what follows a prompt and the first tokens of a reply to it.

    One pass reads prompt and start; what is read on from there uses its keys and values.

    Args:
        prompt: The model's inputs for one question, as its processor makes them (1 × tokens).
        model: A `PreTrainedModel`.
    """
    import torch

    def next_tokens(start: list[int]) -> tuple[torch.Tensor, ReadOn]:
        with torch.inference_mode():
            read = model(**_lengthened(prompt, start), logits_to_keep=1, use_cache=True)

        def read_on(continuations: list[list[int]]) -> torch.Tensor:
            read.past_key_values.batch_repeat_interleave(len(continuations))
            tokens = torch.tensor(continuations, device=model.device)
            with torch.inference_mode():
                logits = model(input_ids=tokens, past_key_values=read.past_key_values, use_cache=True).logits
            return logits.float().softmax(dim=-1).cpu()

        return read.logits[0, -1].float().softmax(dim=-1).cpu(), read_on

    return next_tokens


def _lengthened(prompt: Any, tokens: list[int]) -> dict[str, Any]:
    """The inputs of one prompt with the first tokens of a reply after it."""
    import torch

    ids = prompt["input_ids"]
    added = torch.tensor([tokens], dtype=ids.dtype, device=ids.device)
    zeros, ones = torch.zeros_like(added), torch.ones_like(added)
    longer = {"input_ids": added, "attention_mask": ones, "mm_token_type_ids": zeros, "token_type_ids": zeros}
    return {
        name: torch.cat([value, longer[name].to(value.dtype)], dim=1) if name in longer else value
        for name, value in prompt.items()
    }


def _said_score(
    reply: Sequence[int], tokenizer: Any, point: int, low: float, high: float
) -> tuple[int, SaidFraction] | None:
    """The index of the token with which the score begins, and its fraction.

    None where the tokens of its whole part, the point or the first token of its fraction write anything else.
    """

    def text_of(count: int) -> str:
        return str(tokenizer.decode(reply[:count], skip_special_tokens=True))

    def piece(position: int) -> str:
        return str(tokenizer.decode(reply[position : position + 1]))

    whole = text_of(len(reply))
    place = score_place(whole, low, high)
    number = None if place is None else SAID_NUMBER.match(whole, place)
    if number is None:
        return None
    start = bisect_right(range(len(reply) + 1), number.start(), key=lambda count: len(text_of(count))) - 1
    end, left = start + 1, number[1].removeprefix(piece(start).lstrip())
    while left and piece(end) and left.startswith(piece(end)):
        end, left = end + 1, left.removeprefix(piece(end))
    if left:
        return None
    if number[2] is None:
        return start, SaidFraction("", "")
    first = piece(end + 1)
    is_told = end < len(reply) and reply[end] == point and _DIGITS.fullmatch(first)
    return (start, SaidFraction(first, number[2][1:])) if is_told else None


def _continued(
    whole: str, after: torch.Tensor, numbers: NumberTokens, high: float, said: SaidFraction
) -> Iterable[tuple[float, float]]:
    """What a digit may become, with the share of each; `after` has the probabilities after it and after its point."""
    after_digit, after_point = after
    ends = 1.0
    for text, tokens in numbers.digits.items():
        share = _sum(after_digit, tokens)
        ends -= share
        if _is_whole(whole + text, high):
            yield float(whole + text), share
    pointed = float(after_digit[numbers.point])
    for text, tokens in numbers.digits.items():
        share = pointed * _sum(after_point, tokens)
        ends -= share
        yield float(f"{whole}.{said.of(text)}"), share
    yield float(whole), max(0.0, ends)  # rounded probabilities sum to a little more than 1


def _is_whole(text: str, high: float) -> bool:
    return text == str(int(text)) and int(text) <= high


def _sum(probabilities: torch.Tensor, tokens: list[int]) -> float:
    return float(probabilities[tokens].sum())
