"""`plain_decimal`: a number as people write it, read from text."""

from __future__ import annotations

import re

_PLAIN = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")


def plain_decimal(text: str) -> float:
    """The value of `7`, `-0.5` or `1e-3`. Python's `float` would also read `1_0` as 10, `７`, `nan` and `inf`.

    Raises:
        ValueError: the text is something else.
    """
    if not _PLAIN.fullmatch(text.strip()):
        raise ValueError(f"{text!r:.40} is no plain number")
    return float(text)
