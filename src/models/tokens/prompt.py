"""`EditPrompts`: the prompt of an edit as token ids, and the grammar of what may follow it."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from src.models.tokens.completion_grammar import CompletionGrammar
from src.models.tokens.picture_grammar import PictureGrammar, PictureVocabulary

Codes = Sequence[Sequence[int]]
"""A picture as rows of codes."""


@dataclass(frozen=True)
class EditPrompts:
    """Writes prompts as EARL does: start of sequence, source picture, instruction, then what the answer begins with.

    Texts are encoded as plain text: no instruction can hold a special token.
    """

    tokenizer: Any
    vocabulary: PictureVocabulary
    thinking_prefill: str = ""
    """The text with which a thought begins, right behind the instruction."""
    thinking_tokens: int = 0
    """The largest number of tokens of a thought; 0 has the picture follow at once."""
    instruction_first: bool = False
    """Whether the instruction precedes the source, instead of following it."""

    def grammar(self, rows: int, columns: int) -> CompletionGrammar:
        """What may follow a prompt when the edit has so many rows and columns of codes."""
        picture = PictureGrammar(self.vocabulary, rows, columns)
        return CompletionGrammar(picture, self._header(rows, columns), self.thinking_tokens)

    def prompt(self, source: Codes, instruction: str, grammar: CompletionGrammar) -> list[int]:
        """The ids of a prompt.

        Args:
            source: The codes of the source.
            instruction: In words.
            grammar: That of the answer.
        """
        known = self.vocabulary
        picture = self.picture(source)
        prefill = self.thinking_prefill if self.thinking_tokens else ""
        if self.instruction_first:
            asked = [*self.text(instruction), *picture, *self.text(prefill)]
        else:
            asked = [*picture, *self.text(instruction + prefill)]
        return [known.bos, *asked, *grammar.prefill]

    def picture(self, codes: Codes) -> list[int]:
        """The ids of a whole picture, header included, without the end of the sequence."""
        rows, columns = len(codes), len(codes[0])
        return [*self._header(rows, columns), *PictureGrammar(self.vocabulary, rows, columns).encode(codes)[:-1]]

    def text(self, text: str) -> list[int]:
        """The ids of a text, in the composed form (NFC) that Emu3's own tokenizer makes of it."""
        plain = unicodedata.normalize("NFC", text)
        ids: list[int] = self.tokenizer(plain, add_special_tokens=False, split_special_tokens=True).input_ids
        return ids

    def _header(self, rows: int, columns: int) -> tuple[int, ...]:
        known = self.vocabulary
        return (known.picture_start, *self.text(f"{rows}*{columns}"), known.grid_end)
