"""`PictureGrammar`: how a picture of codes is written as tokens, and which token may stand at which place.

The layout is that of Emu3 (arXiv:2409.18869) in transformers and of EARL (arXiv:2508.01119): each row
of codes is followed by an end of line, the last one also by an end of frame, an end of picture and an end of sequence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

ANY_CODE = -1
"""In a plan: one of the tokens of a picture's codes may stand here."""
ANY_TEXT = -2
"""In a plan: any token of text may stand here, or the start of a picture."""


class GrammarError(ValueError):
    """Tokens do not form what the grammar demands; the text says where, what was expected and what was found."""


@dataclass(frozen=True)
class PictureVocabulary:
    """The token ids of which pictures, and the texts around them, are written."""

    size: int
    """How many logits the model has; all ids are below."""
    bos: int
    eos: int
    pad: int
    picture_start: int
    grid_end: int
    """Stands between the size of a picture, written as text, and its first code."""
    line_end: int
    frame_end: int
    picture_end: int
    codes: tuple[int, ...] = field(repr=False)
    """At place `i` the token of code `i`."""
    text: tuple[int, ...] = field(repr=False)
    """The tokens of ordinary text, none of them special."""

    @cached_property
    def code_of(self) -> dict[int, int]:
        """The code of each token that stands for one."""
        return {token: code for code, token in enumerate(self.codes)}

    @cached_property
    def thinking(self) -> tuple[int, ...]:
        """What may stand where `ANY_TEXT` may: text, or the start of a picture, which ends it."""
        return (*self.text, self.picture_start)

    def allowed(self, slot: int) -> tuple[int, ...]:
        """The tokens that may stand at an entry of a plan: `ANY_CODE`, `ANY_TEXT`, or the one token that must."""
        return {ANY_CODE: self.codes, ANY_TEXT: self.thinking}.get(slot, (slot,))


@dataclass(frozen=True)
class PictureGrammar:
    """A picture of `rows × columns` codes as tokens, from its first code to the end of the sequence.

    Raises:
        ValueError: on construction, for a picture without codes.
    """

    vocabulary: PictureVocabulary
    rows: int
    columns: int

    def __post_init__(self) -> None:
        """Checks that there is a picture."""
        if min(self.rows, self.columns) < 1:
            raise ValueError(f"a picture of {self.rows} × {self.columns} codes holds none")

    @cached_property
    def plan(self) -> tuple[int, ...]:
        """For each place `ANY_CODE`, or the token that must stand there: `rows · (columns + 1) + 3` entries."""
        known = self.vocabulary
        row = (ANY_CODE,) * self.columns + (known.line_end,)
        return row * self.rows + (known.frame_end, known.picture_end, known.eos)

    def __len__(self) -> int:
        """The number of tokens of a picture."""
        return len(self.plan)

    def allowed(self, position: int) -> tuple[int, ...]:
        """The tokens that may stand at a place, counted from 0; behind the picture only padding may.

        Raises:
            IndexError: the place is below 0.
        """
        if position < 0:
            raise IndexError(f"there is no place {position} in a picture")
        return self.vocabulary.allowed(self.plan[position] if position < len(self) else self.vocabulary.pad)

    def encode(self, codes: Sequence[Sequence[int]]) -> list[int]:
        """The tokens of a picture.

        Args:
            codes: `rows` lists of `columns` codes, each from 0 to the size of the codebook.

        Raises:
            GrammarError: there are other numbers of rows or columns, or a code that has no token.
        """
        widths = {len(row) for row in codes}
        if len(codes) != self.rows or widths != {self.columns}:
            shape = f"{len(codes)} rows of {', '.join(map(str, sorted(widths))) or 'no'} codes"
            raise GrammarError(f"a picture of {self.rows} × {self.columns} codes was expected, and {shape} are there")
        flat = [code for row in codes for code in row]
        if unknown := [code for code in flat if not 0 <= code < len(self.vocabulary.codes)]:
            raise GrammarError(f"code {unknown[0]} has no token: the codebook has {len(self.vocabulary.codes)} codes")
        tokens = (self.vocabulary.codes[code] for code in flat)
        return [next(tokens) if slot == ANY_CODE else slot for slot in self.plan]

    def decode(self, tokens: Sequence[int]) -> list[list[int]]:
        """The codes of a picture, row by row: what `encode` was given.

        Args:
            tokens: From the first code on; padding may follow the end of the sequence.

        Raises:
            GrammarError: a token is where it may not be, or tokens are missing or left over.
        """
        if len(tokens) < len(self):
            raise GrammarError(f"the picture breaks off after {len(tokens)} of {len(self)} tokens")
        for position, token in enumerate(tokens):
            self._require(position, token)
        code_of = self.vocabulary.code_of
        codes = [code_of[token] for slot, token in zip(self.plan, tokens, strict=False) if slot == ANY_CODE]
        return [codes[start : start + self.columns] for start in range(0, len(codes), self.columns)]

    def _require(self, position: int, token: int) -> None:
        slot = self.plan[position] if position < len(self) else self.vocabulary.pad
        if token in self.vocabulary.code_of if slot == ANY_CODE else token == slot:
            return
        expected = "a code of the picture" if slot == ANY_CODE else f"token {slot}"
        raise GrammarError(f"token {position} of the picture is {token}, where {expected} must be")
