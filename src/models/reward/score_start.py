"""Where in a reply its score begins, for both ways to compute an expected score."""

from __future__ import annotations

import re

_LABELLED = re.compile(
    r"(?:score|rating|评分|得分|总分|分数)(?:\s{0,3}\([^()\n]{0,40}\))?"
    r"[\"'*_>\s]{0,6}(?:is|[:：=为是])?[\"'*_\s]{0,6}(?P<whole>[0-9]+)",
    re.IGNORECASE,
)
_BARE = re.compile(r"\s*(?P<whole>[0-9]+)(?:\.[0-9]+)?\s*")


def score_start(reply: str) -> int | None:
    """Where the digits of the score begin: after the last label (`Score:`, `评分` …), or a number all alone.

    Thinking text is passed over. None where the reply names no score in this way.
    """
    answer = reply.rfind("</think>") + len("</think>") if "</think>" in reply else 0
    found = [match.start("whole") for match in _LABELLED.finditer(reply, answer)]
    if found:
        return found[-1]
    bare = _BARE.fullmatch(reply, answer)
    return bare.start("whole") if bare else None
