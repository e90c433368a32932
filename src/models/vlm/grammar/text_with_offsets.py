"""`TextWithOffsets`: a text that is cut and rewritten and still knows where its characters came from."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class TextWithOffsets:
    """A text and, for each of its characters, the position in the original that it stands for."""

    text: str
    offsets: tuple[int, ...]

    @classmethod
    def of(cls, original: str) -> TextWithOffsets:
        """Takes the original itself, each character at its own position."""
        return cls(original, tuple(range(len(original))))

    def cut(self, start: int, end: int) -> TextWithOffsets:
        """Returns the part from `start` up to `end`, with its offsets in the original."""
        return TextWithOffsets(self.text[start:end], self.offsets[start:end])

    def replaced(self, pattern: re.Pattern[str], new: Callable[[re.Match[str]], str]) -> TextWithOffsets:
        """Does what `pattern.sub` does; a replacement gets the position of the first character of its match."""
        changes = [(match.start(), match.end(), new(match)) for match in pattern.finditer(self.text)]
        return self.spliced(change for change in changes if change[2] != self.text[change[0] : change[1]])

    def spliced(self, changes: Iterable[tuple[int, int, str]]) -> TextWithOffsets:
        """Replaces each part (start, end, new piece); the parts are in order and do not overlap."""
        pieces: list[str] = []
        offsets: list[int] = []
        position = 0
        for start, end, piece in changes:
            pieces += [self.text[position:start], piece]
            offsets += self.offsets[position:start]
            offsets += [self.offsets[start]] * len(piece)
            position = end
        return TextWithOffsets("".join(pieces) + self.text[position:], (*offsets, *self.offsets[position:]))

    def translated(self, table: dict[int, str]) -> TextWithOffsets:
        """Does what `str.translate` does, for a table that removes nothing."""
        if not any(ord(character) in table for character in set(self.text)):
            return self
        pieces = [table.get(ord(character), character) for character in self.text]
        sizes = zip(self.offsets, pieces, strict=True)
        return TextWithOffsets("".join(pieces), tuple(offset for offset, piece in sizes for _ in piece))
