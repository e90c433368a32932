"""`Traced`: a text that is cut and rewritten piece by piece, and still knows where its characters came from."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Traced:
    """A text and, for each of its characters, the position in the original that it stands for."""

    text: str
    origins: tuple[int, ...]

    @classmethod
    def of(cls, original: str) -> Traced:
        """The original itself."""
        return cls(original, tuple(range(len(original))))

    def cut(self, start: int, end: int) -> Traced:
        """The part from `start` up to `end`."""
        return Traced(self.text[start:end], self.origins[start:end])

    def replaced(self, pattern: re.Pattern[str], new: Callable[[re.Match[str]], str]) -> Traced:
        """Does what `pattern.sub` does; a replacement gets the position of the first character of its match."""
        changes = [(match.start(), match.end(), new(match)) for match in pattern.finditer(self.text)]
        return self.spliced(change for change in changes if change[2] != self.text[change[0] : change[1]])

    def spliced(self, changes: Iterable[tuple[int, int, str]]) -> Traced:
        """Replaces each part (start, end, new piece); the parts are in order and do not overlap."""
        pieces: list[str] = []
        origins: list[int] = []
        position = 0
        for start, end, piece in changes:
            pieces += [self.text[position:start], piece]
            origins += self.origins[position:start]
            origins += [self.origins[start]] * len(piece)
            position = end
        return Traced("".join(pieces) + self.text[position:], (*origins, *self.origins[position:]))

    def translated(self, table: dict[int, str]) -> Traced:
        """Does what `str.translate` does, for a table that removes nothing."""
        if not any(ord(character) in table for character in set(self.text)):
            return self
        pieces = [table.get(ord(character), character) for character in self.text]
        sizes = zip(self.origins, pieces, strict=True)
        return Traced("".join(pieces), tuple(origin for origin, piece in sizes for _ in piece))
