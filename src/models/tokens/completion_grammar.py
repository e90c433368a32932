"""`CompletionGrammar`: what a model that edits in tokens may write, and what of it is the model's own choice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from src.models.tokens.picture_grammar import ANY_CODE, ANY_TEXT, GrammarError, PictureGrammar


@dataclass(frozen=True)
class CompletionGrammar:
    """A completion: a picture, or a thought and then a picture.

    Without a thought the header of the picture (its start, its size as text, the end of the size) is the end of the
    prompt, and the completion begins with the first code. With one, the completion begins with text; the start of a
    picture ends the text, by the model's choice or, behind `thinking_tokens` tokens of text, by force; the rest of the
    header is forced.
    """

    picture: PictureGrammar
    header: tuple[int, ...]
    """The tokens in front of the first code; the first one is the start of a picture."""
    thinking_tokens: int = 0
    """The largest number of tokens of a thought; 0 allows none."""

    @property
    def prefill(self) -> tuple[int, ...]:
        """What the prompt ends with: the header where no thought precedes it."""
        return () if self.thinking_tokens else self.header

    @cached_property
    def plan(self) -> tuple[int, ...]:
        """What may stand at each place behind the thought, as `PictureGrammar.plan`; the thought is one `ANY_TEXT`."""
        thought = (ANY_TEXT, *self.header[1:]) if self.thinking_tokens else ()
        return thought + self.picture.plan

    @property
    def longest(self) -> int:
        """The largest number of tokens of a completion, the end of the sequence included."""
        return self.thinking_tokens + len(self.plan)

    def slots(self, tokens: Sequence[int]) -> list[int]:
        """What might have stood at each place of a completion: `ANY_CODE`, `ANY_TEXT`, or the token that had to.

        Raises:
            GrammarError: the completion is not one of this grammar. One that breaks off is none either.
        """
        thought = self._thought_length(tokens)
        free = [ANY_TEXT] * thought
        if self.thinking_tokens:
            is_forced = thought == self.thinking_tokens
            free.append(self.header[0] if is_forced else ANY_TEXT)
        slots = [*free, *self.plan[bool(self.thinking_tokens) :]]
        known = self.picture.vocabulary
        slots += [known.pad] * (len(tokens) - len(slots))
        for place, (slot, token) in enumerate(zip(slots, tokens, strict=False)):
            if slot >= 0 and token != slot:
                raise GrammarError(f"token {place} of the completion is {token}, where token {slot} must be")
        self.codes(tokens)
        return slots[: len(tokens)]

    def is_choice(self, tokens: Sequence[int]) -> list[bool]:
        """Which tokens the model chose: those that were not forced. Only these may be trained.

        Raises:
            GrammarError: the completion is not one of this grammar.
        """
        return [slot < 0 for slot in self.slots(tokens)]

    def is_code(self, tokens: Sequence[int]) -> list[bool]:
        """Which tokens are codes of the picture; raises as `slots`."""
        return [slot == ANY_CODE for slot in self.slots(tokens)]

    def codes(self, tokens: Sequence[int]) -> list[list[int]]:
        """The codes of a completion's picture, row by row.

        Raises:
            GrammarError: the completion is not one of this grammar.
        """
        start = self._thought_length(tokens) + len(self.header) if self.thinking_tokens else 0
        return self.picture.decode(tokens[start:])

    def thought(self, tokens: Sequence[int]) -> list[int]:
        """The tokens of a completion's text in front of its picture; raises `GrammarError` where no picture begins."""
        return list(tokens[: self._thought_length(tokens)])

    def _thought_length(self, tokens: Sequence[int]) -> int:
        if not self.thinking_tokens:
            return 0
        start = self.header[0]
        length = next((place for place, token in enumerate(tokens) if token == start), None)
        if length is None or length > self.thinking_tokens:
            raise GrammarError(f"no picture begins within {self.thinking_tokens} tokens of text")
        text = self._text
        if odd := [token for token in tokens[:length] if token not in text]:
            raise GrammarError(f"token {odd[0]} is in the text in front of the picture, and is none of text")
        return length

    @cached_property
    def _text(self) -> frozenset[int]:
        return frozenset(self.picture.vocabulary.text)
