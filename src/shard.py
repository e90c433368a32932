"""`Shard`: one of N parts of the samples of a run, which machines can run without knowing of each other."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Self

_TEXT = re.compile(r"([0-9]{1,4})/([0-9]{1,4})")


@dataclass(frozen=True, slots=True)
class Shard:
    """A part of the samples that follows from their ids alone.

    A sample's part depends on its own id and on the number of parts, and neither on its position nor on other samples.
    """

    number: int
    """From 1."""
    count: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads `3/16`.

        Raises:
            ValueError: it is anything else, or there is no such part.
        """
        found = _TEXT.fullmatch(text)
        if found is None:
            raise ValueError(f"{text!r:.40} is no shard: write the number of the shard and of all, such as 3/16")
        number, count = map(int, found.groups())
        if not 1 <= number <= count:
            raise ValueError(f"there is no shard {text}: they are counted from 1 up to their number, such as 16/16")
        return cls(number, count)

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    @property
    def folder(self) -> str:
        """The name of the folder of its run, below the output directory of the whole."""
        width = len(str(self.count))
        return f"shard_{self.number:0{width}}_of_{self.count}"

    def takes(self, sample_id: str) -> bool:
        """Whether a sample is one of this part."""
        digest = hashlib.sha256(f"shard {sample_id}".encode("utf-8", "surrogatepass")).digest()
        return int.from_bytes(digest[:8], "big") % self.count == self.number - 1

    def run_key(self, whole: str) -> str:
        """The key of its run; `whole` is that of the run of all samples."""
        return f"{whole}:{self}"

    @classmethod
    def of_run_key(cls, run_key: str) -> tuple[str, Self | None]:
        """The key of the run of all samples, and the part that a run with this key is; None where it is the whole."""
        whole, _, text = run_key.partition(":")
        return whole, cls.parse(text) if text else None
