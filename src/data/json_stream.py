"""JSON benchmarks of any size, cut into items without parsing them first: what one item holds cannot harm the others.

A parser that builds values while it reads trusts the file: depth, digits and size of a hostile item become memory. Here
the text is cut at the brackets and commas between items, within bounds, and only a whole item is parsed.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

logger = logging.getLogger(__name__)

MAX_DEPTH = 64
"""Brackets within brackets of an item; an item of the benchmark's format needs three."""
MAX_ITEM_BYTES = 256 * 2**20
"""The longest JSON of an item that is read: three pictures of 60 MiB in base64."""
MAX_PARTS = 500_000
"""Commas and opening brackets of an item, those in texts too: each may become an object of some fifty bytes."""
_TOO_MANY_PARTS = f"more than {MAX_PARTS:,} commas and brackets"
SHORT_RUN = 256
"""Bytes between two texts that are walked through as fast as counted."""
MAX_KEY_BYTES = 2**16

_IN_TEXT = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_SHORT_TEXT = rb'"[^"\\]{0,200}+"'
# Up to the next sign that matters, over short texts; or up to the beginning of a text that is long or has escapes.
_WITHIN = re.compile(rb'[^"\[\]{}]*+(?:' + _SHORT_TEXT + rb'[^"\[\]{}]*+)*+')
_OUTERMOST = re.compile(rb'[^"\[\]{},:]*+(?:' + _SHORT_TEXT + rb'[^"\[\]{},:]*+)*+')
_BLANK = re.compile(rb"[ \t\r\n]*+")


class BrokenOff(Exception):
    """The text is no JSON document from `offset` on."""

    def __init__(self, offset: int, reason: str) -> None:
        super().__init__(reason)
        self.offset = offset


class JsonValueError(ValueError):
    """One value cannot be read; the text says why."""


@dataclass(frozen=True)
class RawValue:
    """One JSON value as its bytes stand in the document, not parsed yet."""

    offset: int
    """The place of its first byte in the file."""
    text: bytes
    problem: str | None = None
    """Why it is not kept (`text` is empty then)."""

    def value(self) -> Any:
        """Parses the value.

        Raises:
            JsonValueError: it exceeds a limit, is not UTF-8, or is not JSON.
        """
        if self.problem is not None:
            raise JsonValueError(self.problem)
        try:
            return json.loads(self.text.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise JsonValueError(f"not UTF-8 at byte {self.offset + error.start}") from error
        except json.JSONDecodeError as error:
            place = self.offset + len(error.doc[: error.pos].encode())
            raise JsonValueError(f"not valid JSON at byte {place}: {error.msg}") from error
        except ValueError as error:  # Python itself bounds the digits of an integer
            raise JsonValueError("an integer has more than 4,300 digits") from error


def iter_values(read: Callable[[], bytes], offset: int = 0) -> Iterator[tuple[str | None, RawValue]]:
    """Yields the items of a JSON list, or of a mapping of lists, each with the key of its list (None in a plain list).

    What a mapping holds beside lists is left out with a warning.

    Args:
        read: Gives the next bytes of the file, none at its end.
        offset: The place of the first byte, for messages.

    Raises:
        BrokenOff: the file ends too early, or its outermost brackets do not match. Items before that were given out.
    """
    cutter = _Cutter(read, offset)
    if cutter.peek() == b"[":
        yield from ((None, raw) for raw in cutter.items())
    else:
        yield from cutter.items_by_key()
    if cutter.peek():
        raise BrokenOff(cutter.offset, "something follows the end of the document")


def iter_entries(read: Callable[[], bytes], offset: int = 0) -> Iterator[tuple[str | None, RawValue]]:
    """Yields the values of a JSON mapping, each with its key; see `iter_values`.

    Raises:
        BrokenOff: as `iter_values`, and for a document that is no mapping.
    """
    cutter = _Cutter(read, offset)
    yield from cutter.entries()
    if cutter.peek():
        raise BrokenOff(cutter.offset, "something follows the end of the document")


def single_value(text: bytes, offset: int = 0) -> RawValue:
    """Takes a text that is one value, such as a line of JSON Lines, within the same bounds."""
    if _parts(text) > MAX_PARTS:
        return RawValue(offset, b"", _TOO_MANY_PARTS)
    rest = iter([text])
    return _Cutter(lambda: next(rest, b""), offset).raw_value(to_the_end=True)


class _Cutter:
    """Walks over the bytes of a JSON document, one buffer at a time."""

    def __init__(self, read: Callable[[], bytes], offset: int) -> None:
        self._read = read
        self._buffer = b""
        self._start = offset
        """The place of the buffer in the file."""
        self._at = 0

    @property
    def offset(self) -> int:
        """The place in the file at which the reader stands."""
        return self._start + self._at

    def peek(self) -> bytes:
        """The next byte that is not blank; nothing at the end."""
        while True:
            match = _BLANK.match(self._buffer, self._at)
            assert match is not None, "the pattern matches the empty text"
            self._at = match.end()
            if self._at < len(self._buffer):
                return self._buffer[self._at : self._at + 1]
            if not self._refill():
                return b""

    def take(self, expected: bytes) -> bytes:
        """The next byte that is not blank, which must be one of the expected ones."""
        found = self.peek()
        if not found:
            raise BrokenOff(self.offset, "the file ends too early")
        if found not in expected:
            wanted = " or ".join(repr(chr(byte)) for byte in expected)
            raise BrokenOff(self.offset, f"{found.decode(errors='replace')!r} where {wanted} is expected")
        self._at += 1
        return found

    def items(self) -> Iterator[RawValue]:
        """Yields the elements of the list that begins here."""
        self.take(b"[")
        if self.peek() == b"]":
            self.take(b"]")
            return
        while True:
            yield self.raw_value()
            if self.take(b",]") == b"]":
                return

    def items_by_key(self) -> Iterator[tuple[str | None, RawValue]]:
        """Yields the elements of all lists of the mapping that begins here."""
        for key in self._keys():
            if self.peek() == b"[":
                yield from ((key, raw) for raw in self.items())
            else:
                self.raw_value()
                logger.warning("%r in the benchmark file holds no list of items and is ignored", key)

    def entries(self) -> Iterator[tuple[str | None, RawValue]]:
        """Yields the values of the mapping that begins here, each with its key."""
        yield from ((key, self.raw_value()) for key in self._keys())

    def _keys(self) -> Iterator[str]:
        """The keys of the mapping that begins here; the value of each must be taken before the next is asked for."""
        self.take(b"{")
        if self.peek() == b"}":
            self.take(b"}")
            return
        while True:
            yield self._key()
            if self.take(b",}") == b"}":
                return

    def _key(self) -> str:
        self.peek()
        raw = self.raw_value(stops=b":", limit=MAX_KEY_BYTES)
        try:
            key = raw.value()
        except JsonValueError as error:
            raise BrokenOff(raw.offset, f"a key of the mapping is {error}") from error
        self.take(b":")
        if not isinstance(key, str):
            raise BrokenOff(raw.offset, "a key of the mapping is no text")
        return key

    def raw_value(self, stops: bytes = b",]}", limit: int | None = None, *, to_the_end: bool = False) -> RawValue:
        """The text from here to the next outermost stop, which stays; or to the end of the file."""
        self.peek()
        cut = _Cut(self.offset, MAX_ITEM_BYTES if limit is None else limit)
        while True:
            begin = self._at
            end = cut.advance(self._buffer, begin, b"" if to_the_end else stops)
            self._at = len(self._buffer) if end is None else end
            cut.keep(self._buffer[begin : self._at])
            if end is not None:
                return cut.raw_value()
            if not self._refill():
                if to_the_end:
                    return cut.raw_value()
                raise BrokenOff(self.offset, f"the file ends within the value that begins at byte {cut.offset}")

    def _refill(self) -> bool:
        self._start += len(self._buffer)
        self._buffer, self._at = self._read(), 0
        return bool(self._buffer)


def _parts(text: bytes) -> int:
    return sum(text.count(sign) for sign in (b",", b"[", b"{"))


class _Cut:
    """A value that is being cut out: what of it was kept, and where in its brackets and texts the reading stands."""

    def __init__(self, offset: int, limit: int) -> None:
        self.offset = offset
        self._limit = limit
        self._kept: list[bytes] = []
        self._size = 0
        self._parts = 0
        self._depth = 0
        self._in_text = False
        self._escaped = False
        self._problem: str | None = None

    def advance(self, buffer: bytes, at: int, stops: bytes) -> int | None:
        """Reads on; the place of the stop that ends the value, None when the buffer ends first."""
        while at < len(buffer):
            if self._in_text:
                at = self._through_text(buffer, at)
                continue
            match = (_WITHIN if self._depth else _OUTERMOST).match(buffer, at)
            assert match is not None, "the pattern matches the empty text"
            at = match.end()
            if self._problem is not None and self._depth and (end := self._past_run(buffer, at)) > at:
                at = end
                continue
            sign = buffer[at : at + 1]
            if not sign or (not self._depth and sign in stops):
                return at if sign else None
            at += 1
            self._in_text = sign == b'"'
            self._depth += (sign in b"[{") - (sign in b"]}" and self._depth > 0)
            if self._depth > MAX_DEPTH:
                self._refuse(f"nested deeper than {MAX_DEPTH} brackets")
        return None

    def _past_run(self, buffer: bytes, at: int) -> int:
        """Skips brackets of a refused value as long as it stays open: a bomb of millions is not walked one by one."""
        import numpy as np

        text = buffer.find(b'"', at)
        end = len(buffer) if text < 0 else text
        if end - at < SHORT_RUN:
            return at
        run = np.frombuffer(buffer, np.uint8)[at:end]
        opening, closing = np.isin(run, (0x5B, 0x7B)), np.isin(run, (0x5D, 0x7D))
        depths = self._depth + np.cumsum(opening.astype(np.int64) - closing)
        closed = np.flatnonzero(depths <= 0)
        kept = int(closed[0]) if closed.size else len(run)
        self._depth = int(depths[kept - 1]) if kept else self._depth
        return at + kept

    def _through_text(self, buffer: bytes, at: int) -> int:
        if not self._escaped and (end := buffer.find(b'"', at)) >= 0 and buffer.find(b"\\", at, end) < 0:
            self._in_text = False  # pictures in base64: by far the most of a file, and the fastest to find the end of
            return end + 1
        match = _IN_TEXT.match(buffer, at + self._escaped)
        assert match is not None, "the pattern matches the empty text"
        end = match.end()
        self._escaped = end < len(buffer) and buffer[end : end + 1] == b"\\"  # its second byte is not here yet
        if end < len(buffer) and not self._escaped:
            self._in_text = False
        return end + 1

    def keep(self, read: bytes) -> None:
        """Adds what was read to the value, unless that exceeds a limit."""
        self._size += len(read)
        if self._size > self._limit:
            self._refuse(f"larger than {self._limit:,} bytes")
        if self._problem is None:
            self._parts += _parts(read)
            self._kept.append(read)
        if self._parts > MAX_PARTS:
            self._refuse(_TOO_MANY_PARTS)

    def _refuse(self, problem: str) -> None:
        self._problem = self._problem or problem
        self._kept.clear()

    def raw_value(self) -> RawValue:
        """The text that was cut out."""
        return RawValue(self.offset, b"".join(self._kept).rstrip(), self._problem)
