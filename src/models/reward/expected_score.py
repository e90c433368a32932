"""The expected score: the mean over what a model might have said where it said its score."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from src.grammar.parsing import score_place
from src.models.reward.chat_completion import Token

SAID_NUMBER = re.compile(r"([0-9]+)(\.[0-9]+)?")
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

    Where the tokenizer splits `10` into `1` and `0`, `1` is the beginning of two scores. If `1` was chosen, the next
    token's alternatives say how much of it is `10`; if it was not, nobody knows, and its share is left out of the mean.

    Args:
        tokens: All that was written, token by token.
        low: Lower end of the scale; integers outside it are left out.
        high: Upper end of the scale.
        reply: The part of it that is the reply, for servers that keep the thinking back; None for all of it.

    Returns:
        None where the reply has no score, where its tokens do not tell the number from its neighbours, or where less
        than half of the probability belongs to known scores.
    """
    text = b"".join(token.data for token in tokens).decode(errors="replace")
    shift = 0 if reply is None else text.rfind(reply)
    place = score_place(text if reply is None else reply, low, high)
    match = SAID_NUMBER.match(text, shift + place) if shift >= 0 and place is not None else None
    if match is None:
        return None
    offset = len(text[: match.start()].encode())
    position = _token_at(tokens, offset)
    if position is None:
        return None
    masses = _integers(tokens[position:], low, high)
    total = math.fsum(masses.values())
    fraction = _fraction(tokens, offset + len(match[1]) + 1, match[2][1:]) if match[2] else 0.0
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


def _integers(tokens: Sequence[Token], low: float, high: float) -> dict[int, float]:
    """Probability of each integer part on the scale, followed along the tokens that were chosen."""
    masses: dict[int, float] = {}
    whole = any(len(option.lstrip()) > 1 and option.lstrip().isdigit() for option in _options(tokens[0]))

    def add(digits: bytes, mass: float) -> None:
        if low <= int(digits) <= high:
            masses[int(digits)] = masses.get(int(digits), 0.0) + mass

    prefix, path = b"", 1.0
    for token in tokens:
        chosen = token.data.lstrip()
        options = _options(token)
        for option, mass in options.items():
            digits = option.lstrip()
            if option == token.data:
                continue
            if not digits.isdigit():
                if prefix:
                    add(prefix, path * mass)
            elif whole or not _may_go_on(prefix + digits, high):
                add(prefix + digits, path * mass)
        path *= options.get(token.data, 0.0)
        if not chosen.isdigit():
            break
        prefix += chosen
        if whole or not _may_go_on(prefix, high):
            break
    add(prefix, path)
    return masses


def _may_go_on(digits: bytes, high: float) -> bool:
    return 0 < int(digits) * 10 <= high


def _fraction(tokens: Sequence[Token], offset: int, digits: str) -> float | None:
    """Mean of the digits after the point, by their first token's alternatives."""
    position = _token_at(tokens, offset)
    if position is None:
        return None
    options = {option: mass for option, mass in _options(tokens[position]).items() if option.isdigit()}
    total = math.fsum(options.values())
    said = SaidFraction(tokens[position].data.decode(), digits)
    return (
        math.fsum(float(f"0.{said.of(option.decode())}") * mass for option, mass in options.items()) / total
        if total
        else None
    )


def _options(token: Token) -> dict[bytes, float]:
    """Probability of each alternative, the chosen one included."""
    options = {other.data: math.exp(other.logprob) for other in token.top_logprobs}
    return {token.data: math.exp(token.logprob)} | options


def _token_at(tokens: Sequence[Token], offset: int) -> int | None:
    """Which token the number at this byte begins in; None unless the token, but for white space, is all digits."""
    end = 0
    for position, token in enumerate(tokens):
        end += len(token.data)
        if offset < end:
            return position if token.data.strip().isdigit() else None
    return None
