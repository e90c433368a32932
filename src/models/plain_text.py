"""Texts of others stay texts: nothing that is written in them becomes a special token of a model.

A tokenizer turns `<|im_end|>` into the end of a turn and `<|image_pad|>` into an image whoever wrote it. Such a text is
broken up by an invisible character before it is put into a prompt; every other text stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

WORD_JOINER = "\u2060"
"""An invisible character that no tokenizer takes for a blank."""


class PlainText:
    """A function from a text to the same text without the special tokens of some tokenizers or processors."""

    def __init__(self, parts: Iterable[Any]) -> None:
        """Takes the parts of a model; those without a tokenizer do not count."""
        tokens = {token for part in parts for token in _special_tokens(part) if len(token) > 1}
        longest_first = sorted(tokens, key=lambda token: (-len(token), token))
        # A tokenizer may normalise case before it looks for them.
        self._tokens = re.compile("|".join(map(re.escape, longest_first)) or "(?!)", re.IGNORECASE)

    def __call__(self, text: str) -> str:
        """The text, with a word joiner behind the first character of whatever would be a special token."""
        while self._tokens.search(text):  # again: two of them may share characters
            text = self._tokens.sub(lambda token: token[0][0] + WORD_JOINER + token[0][1:], text)
        return text


def _special_tokens(part: Any) -> set[str]:
    tokenizer = getattr(part, "tokenizer", part)
    added = getattr(tokenizer, "added_tokens_decoder", {})
    placeholders = getattr(part, "all_special_multimodal_tokens", ())
    return {token.content for token in added.values() if token.special} | {*placeholders}
