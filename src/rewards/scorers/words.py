"""The words of a text, in scripts with and without blanks between them."""

from __future__ import annotations

import re

_SINGLE = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
_WORD = re.compile(rf"\d+(?:[.,]\d+)+|[{_SINGLE}]|[^\W{_SINGLE}]+")


def words(text: str) -> list[str]:
    """The words in their order, in lower case and without punctuation.

    A number with its decimal point is one word. Every Chinese character, kana and hangul syllable counts as a word,
    which makes lengths in Chinese and English comparable.
    """
    return _WORD.findall(text.lower())
