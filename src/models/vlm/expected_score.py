"""The expected score: the mean over what a model might have said where it said its score."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from src.models.vlm.chat_completion import Token
from src.models.vlm.grammar.parsing import score_place

SAID_NUMBER = re.compile(r"(0|[1-9][0-9]*)(?![0-9])(\.[0-9]+)?")
"""A score in its usual form: numbers with a leading zero, such as `08`, have alternatives that mean something else."""
_LEAST_MASS = 0.5


@dataclass(frozen=True)
class SaidFraction:
    """The digits after the point of the score as the reply has it: how far an expectation looks at decimals.

    Alternatives are known (of a server's reply) or followed (in a local model) for the first token of the fraction
    only. So the one chosen goes on as written, and any other ends with its token.
    """

    first: str
    """The digits of the fraction's first token; empty where the score has no fraction."""
    digits: str
    """All of them."""

    def of(self, option: str) -> str:
        """The digits after the point where the fraction begins with this token."""
        return self.digits if option == self.first else option


def expected_score(tokens: Sequence[Token], low: float, high: float, reply: str | None = None) -> float | None:
    """The probability-weighted mean score, from each token's most likely alternatives.

    The score is the one that the grammar reads from the reply. Its integer part is averaged over the alternatives of
    its tokens,
    E = Σ p(v)·v / Σ p(v), and the first token of its fraction likewise; the two are taken as independent, and their sum
    is at most `high`.

    Where the tokens do not write exactly that number, as with `08`, or with `0.` in one token after a `1`, there is no
    expectation and the number of the text stands. White space may share a token with digits.

    Where the tokenizer splits `10` into `1` and `0`, `1` is the beginning of two scores. If `1` was chosen, the next
    token's alternatives say how much of it is `10`; if it was not, nobody knows, and its share is left out of the mean.

    Args:
        tokens: All that was written, token by token.
        low: Lower end of the scale; integers outside it are left out.
        high: Upper end of the scale.
        reply: The part of it that is the reply, for servers that keep the thinking back; None for all of it.

    Returns:
        None where the reply has no score or its tokens do not write it, or where less than half of the probability
        belongs to known scores.
    """
    data = b"".join(token.data for token in tokens)
    said = data.decode(errors="replace") if reply is None else reply
    place = score_place(said, low, high)
    number = None if place is None else SAID_NUMBER.match(said, place)
    shift = data.rfind(said.encode())
    if number is None or shift < 0:
        return None
    written = _tokens_from(tokens, shift + len(said[: number.start()].encode()))
    digits = number[1].encode()
    count = _count_of(written, digits)
    if count is None:
        return None
    masses = _integers(written, digits, count, low, high)
    total = math.fsum(masses.values())
    fraction = _fraction(written[count:], number[2][1:]) if number[2] else 0.0
    if total < _LEAST_MASS or fraction is None:
        return None
    return mean_score([(min(value + fraction, high), mass) for value, mass in masses.items()])


def mean_score(weighted: Sequence[tuple[float, float]]) -> float | None:
    """The mean of (value, weight ≥ 0), never beyond the values by rounding: 10·p/p can be more than 10.

    None where all weights are 0.
    """
    total = math.fsum(weight for _, weight in weighted)
    if not total > 0:
        return None
    values = [value for value, _ in weighted]
    mean = math.fsum(value * weight for value, weight in weighted) / total
    return min(max(mean, min(values)), max(values))


def _tokens_from(tokens: Sequence[Token], offset: int) -> Sequence[Token]:
    """The tokens from the one on that the byte at this offset is in."""
    end = 0
    for position, token in enumerate(tokens):
        end += len(token.data)
        if offset < end:
            return tokens[position:]
    return ()


def _count_of(tokens: Sequence[Token], digits: bytes) -> int | None:
    """How many tokens write these digits; None where one of them writes anything else but white space around them."""
    left = digits
    for count, token in enumerate(tokens, start=1):
        part = token.data.lstrip() if count == 1 else token.data
        if part.rstrip() == left:
            return count
        if not part or not left.startswith(part):
            return None
        left = left[len(part) :]
    return None


def _integers(tokens: Sequence[Token], said: bytes, count: int, low: float, high: float) -> dict[float, float]:
    """Probability of each integer part on the scale, followed along the `count` tokens that write the one said."""
    masses: dict[float, float] = {}
    whole = count == 1 and any(len(option.strip()) > 1 and option.strip().isdigit() for option in _options(tokens[0]))

    def add(digits: bytes, mass: float) -> None:
        value = float(digits)
        if low <= value <= high:
            masses[value] = masses.get(value, 0.0) + mass

    def may_go_on(text: bytes) -> bool:
        return not whole and not text[-1:].isspace() and 0 < float(text) * 10 <= high

    prefix, path = b"", 1.0
    for token in tokens:
        options = _options(token)
        for option, mass in options.items():
            text = option if prefix else option.lstrip()
            if option == token.data:
                continue
            if text.rstrip().isdigit():
                if not may_go_on(prefix + text):
                    add(prefix + text, path * mass)
            elif prefix and not text[:1].isdigit():
                add(prefix, path * mass)
        path *= options[token.data]
        if prefix == said:
            break
        prefix += token.data if prefix else token.data.lstrip()
        if prefix.rstrip() == said and not may_go_on(prefix):
            break
    add(said, path)
    return masses


def _fraction(tokens: Sequence[Token], digits: str) -> float | None:
    """Mean of the digits after the point, which the first of these tokens is, by their first token's alternatives."""
    if len(tokens) < 2 or tokens[0].data != b".":
        return None
    first = tokens[1].data.rstrip()
    if not first.isdigit():
        return None
    options = [(option.rstrip(), mass) for option, mass in _options(tokens[1]).items()]
    known = [(option.decode(), mass) for option, mass in options if option.isdigit()]
    said = SaidFraction(first.decode(), digits)
    return mean_score([(float(f"0.{said.of(option)}"), mass) for option, mass in known])


def _options(token: Token) -> dict[bytes, float]:
    """Probability of each alternative, the chosen one included."""
    options = {other.data: math.exp(other.logprob) for other in token.top_logprobs}
    return {token.data: math.exp(token.logprob)} | options
